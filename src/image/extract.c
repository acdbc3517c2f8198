#include "image/extract.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>

#include "base/fd.h"
#include "base/num.h"
#include "base/xalloc.h"

#define LINKS_DIR  ".dhow-links" /* inodes with several names wait here; removed at the end */
#define COPY_BYTES ((size_t)256 << 10)
#define FS_BLOCK   4096u

struct extraction {
	struct tree *tree;
	int tar_fd;
	int links_fd; /* -1 until needed */
	int dest_fd;
	bool in_userns;
	uint8_t *buf;
	struct extract_result *ret;
	struct err *err;
};

/* A directory being filled, and its parents. */
struct level {
	int fd;
	uint32_t node;
	size_t next; /* child */
};

static int failed(struct extraction *x, const char *what, const char *name)
{
	if (errno == EMFILE)
		return err_set(x->err, E_LIMIT, "directories nested too deeply at '%.200s'", name);
	return err_sys(x->err, errno, "%s '%.200s'", what, name);
}

static int copy_range(struct extraction *x, int fd, uint64_t from, uint64_t to, uint64_t len)
{
	while (len) {
		size_t want = len < COPY_BYTES ? (size_t)len : COPY_BYTES;
		ssize_t n = pread(x->tar_fd, x->buf, want, (off_t)from);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0) {
			errno = n < 0 ? errno : EIO;
			return -1;
		}
		for (ssize_t done = 0; done < n;) {
			ssize_t put =
				pwrite(fd, x->buf + done, (size_t)(n - done), (off_t)to + done);

			if (put < 0 && errno == EINTR)
				continue;
			if (put < 0)
				return -1;
			done += put;
		}
		from += (uint64_t)n;
		to += (uint64_t)n;
		len -= (uint64_t)n;
	}
	return 0;
}

static int write_content(struct extraction *x, int fd, const struct tree_inode *in)
{
	if (!(in->flags & TREE_SPARSE))
		return copy_range(x, fd, in->data_offset, 0, in->size);
	for (size_t i = 0; i < in->extents->n; i++) {
		const struct tar_extent *e = &in->extents->items[i];

		if (copy_range(x, fd, e->data_offset, e->offset, e->len) < 0)
			return -1;
	}
	return ftruncate(fd, (off_t)in->size);
}

/* fd: of the inode, or -1 and then dir_fd/name without following. */
static int set_xattr(int fd, int dir_fd, const char *name, const char *key, const void *value,
                     size_t len)
{
	AUTO_FREE char *path = NULL;

	if (fd >= 0)
		return fsetxattr(fd, key, value, len, 0);
	path = xasprintf("/proc/self/fd/%d/%s", dir_fd, name);
	return lsetxattr(path, key, value, len, 0);
}

static int set_xattrs(struct extraction *x, int fd, int dir_fd, const char *name,
                      const struct tree_inode *in)
{
	if (in->flags & TREE_OPAQUE &&
	    set_xattr(fd, dir_fd, name,
	              x->in_userns ? "user.overlay.opaque" : "trusted.overlay.opaque", "y", 1) < 0)
		return failed(x, "mark as opaque", name);
	for (size_t i = 0; in->xattrs && i < in->xattrs->n; i++) {
		const struct tree_xattr *a = &in->xattrs->items[i];

		if (set_xattr(fd, dir_fd, name, a->name, a->value, a->value_len) == 0)
			continue;
		/* a file system without them, a namespace that may not set trusted.*, or user.*
		 * on a device: the rest of the file is still of use; docker and podman go on as
		 * well */
		if (errno == EOPNOTSUPP ||
		    (errno == EPERM &&
		     (x->in_userns || (in->type != TAR_FILE && in->type != TAR_DIR))))
			continue;
		err_sys(x->err, errno, "set the attribute '%s' of '%.200s'", a->name, name);
		return -1;
	}
	return 0;
}

static int owner_failed(struct extraction *x, const char *name, const struct tree_inode *in)
{
	if (errno == EINVAL || errno == EPERM) {
		err_sys(x->err, errno, "give '%.200s' to %u:%u", name, in->uid, in->gid);
		return err_hint(x->err,
		                "the user namespace does not map it: run as root, or enlarge "
		                "your range in /etc/subuid and /etc/subgid");
	}
	return failed(x, "change the owner of", name);
}

/* Owner first: changing it clears set-user-ID bits and capabilities. */
static int set_attributes(struct extraction *x, int fd, int dir_fd, const char *name,
                          const struct tree_inode *in)
{
	struct timespec times[2] = { { .tv_sec = in->mtime_s, .tv_nsec = in->mtime_ns },
		                     { .tv_sec = in->mtime_s, .tv_nsec = in->mtime_ns } };
	bool is_link = in->type == TAR_SYMLINK;
	int r;

	r = fd >= 0 ? fchown(fd, in->uid, in->gid)
	            : fchownat(dir_fd, name, in->uid, in->gid, AT_SYMLINK_NOFOLLOW);
	if (r < 0)
		return owner_failed(x, name, in);
	if (!is_link) {
		r = fd >= 0 ? fchmod(fd, in->mode) : fchmodat(dir_fd, name, in->mode, 0);
		if (r < 0)
			return failed(x, "change the mode of", name);
	}
	if (set_xattrs(x, fd, dir_fd, name, in) < 0)
		return -1;
	r = fd >= 0 ? futimens(fd, times) : utimensat(dir_fd, name, times, AT_SYMLINK_NOFOLLOW);
	if (r < 0)
		return failed(x, "set the time of", name);
	return 0;
}

static int make_file(struct extraction *x, int dir_fd, const char *name,
                     const struct tree_inode *in)
{
	AUTO_FD fd =
		openat(dir_fd, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);

	if (fd < 0)
		return failed(x, "create", name);
	if (write_content(x, fd, in) < 0)
		return failed(x, "write", name);
	x->ret->disk_bytes += (in->size + FS_BLOCK - 1) / FS_BLOCK * FS_BLOCK;
	return set_attributes(x, fd, -1, name, in);
}

/* Return 1 when it was left out. */
static int make_node(struct extraction *x, int dir_fd, const char *name,
                     const struct tree_inode *in)
{
	static const mode_t types[TAR_TYPE_MAX] = {
		[TAR_CHAR] = S_IFCHR, [TAR_BLOCK] = S_IFBLK, [TAR_FIFO] = S_IFIFO
	};
	dev_t dev = in->type == TAR_FIFO ? 0 : makedev(in->dev_major, in->dev_minor);

	if (in->type == TAR_SYMLINK) {
		if (symlinkat(in->link, dir_fd, name) < 0)
			return failed(x, "create", name);
		return set_attributes(x, -1, dir_fd, name, in);
	}
	if (mknodat(dir_fd, name, types[in->type] | (in->flags & TREE_WHITEOUT ? 0 : 0600), dev) <
	    0) {
		if (errno == EPERM && x->in_userns && dev) {
			x->ret->skipped_devices++;
			return 1;
		}
		return failed(x, in->flags & TREE_WHITEOUT ? "make the whiteout of" : "create",
		              name);
	}
	return in->flags & TREE_WHITEOUT ? 0 : set_attributes(x, -1, dir_fd, name, in);
}

static int open_links(struct extraction *x)
{
	if (x->links_fd >= 0)
		return 0;
	if (mkdirat(x->dest_fd, LINKS_DIR, 0700) < 0)
		return failed(x, "create", LINKS_DIR);
	x->links_fd = openat(x->dest_fd, LINKS_DIR, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return x->links_fd < 0 ? failed(x, "open", LINKS_DIR) : 0;
}

/* Anything but a directory. */
static int make_leaf(struct extraction *x, int dir_fd, const struct tree_node *node)
{
	struct tree_inode *in = tree_inode(x->tree, node->inode);
	bool has_names = in->nlink > 1;
	char link[16];
	int r;

	snprintf(link, sizeof(link), "%u", node->inode);
	if (has_names && in->user) {
		/* left out the first time: left out again */
		if (in->user == 2)
			return 0;
		if (linkat(x->links_fd, link, dir_fd, node->name, 0) < 0)
			return failed(x, "link", node->name);
		return 0;
	}
	r = in->type == TAR_FILE ? make_file(x, dir_fd, node->name, in)
	                         : make_node(x, dir_fd, node->name, in);
	if (r < 0 || !has_names)
		return r < 0 ? -1 : 0;
	in->user = r == 1 ? 2 : 1;
	if (r == 1)
		return 0;
	if (open_links(x) < 0)
		return -1;
	if (linkat(dir_fd, node->name, x->links_fd, link, 0) < 0)
		return failed(x, "link", node->name);
	return 0;
}

static int enter_dir(struct extraction *x, int dir_fd, const char *name)
{
	int fd;

	if (mkdirat(dir_fd, name, 0700) < 0)
		return failed(x, "create", name);
	x->ret->disk_bytes += FS_BLOCK;
	fd = openat(dir_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	return fd < 0 ? failed(x, "open", name) : fd;
}

static int walk(struct extraction *x, struct level **levels, size_t *depth)
{
	while (*depth) {
		struct level *top = &(*levels)[*depth - 1];
		const struct tree_node *dir = tree_node(x->tree, top->node), *node;
		size_t n;
		const uint32_t *children = tree_children(x->tree, top->node, &n);
		uint32_t child;
		int fd;

		if (top->next == n) {
			if (*depth > 1 && set_attributes(x, top->fd, -1, dir->name,
			                                 tree_inode(x->tree, dir->inode)) < 0)
				return -1;
			if (*depth > 1)
				close(top->fd);
			--*depth;
			continue;
		}
		child = children[top->next++];
		node = tree_node(x->tree, child);
		if (*depth == 1 && !strcmp(node->name, LINKS_DIR))
			return err_set(x->err, E_UNSUPPORTED, "the name '%s' is reserved",
			               LINKS_DIR);
		if (tree_inode(x->tree, node->inode)->type != TAR_DIR) {
			if (make_leaf(x, top->fd, node) < 0)
				return -1;
			continue;
		}
		fd = enter_dir(x, top->fd, node->name);
		if (fd < 0)
			return -1;
		VEC_PUSH(*levels, *depth, (struct level){ .fd = fd, .node = child });
	}
	return 0;
}

int extract_tree(struct tree *tree, int tar_fd, int dest_fd, bool in_userns,
                 struct extract_result *ret, struct err *err)
{
	struct extraction x = {
		.tree = tree,
		.tar_fd = tar_fd,
		.links_fd = -1,
		.dest_fd = dest_fd,
		.in_userns = in_userns,
		.ret = ret,
		.err = err,
	};
	struct level *levels = NULL;
	size_t depth = 0;
	int r;

	*ret = (struct extract_result){ 0 };
	for (uint32_t i = 0; i < tree_inode_count(tree); i++)
		tree_inode(tree, i)->user = 0;
	x.buf = xmalloc(COPY_BYTES);
	VEC_PUSH(levels, depth, (struct level){ .fd = dest_fd, .node = TREE_ROOT });
	r = walk(&x, &levels, &depth);
	while (depth > 1)
		close(levels[--depth].fd);
	free(levels);
	free(x.buf);
	if (x.links_fd >= 0) {
		close(x.links_fd);
		if (tree_remove_at(dest_fd, LINKS_DIR, r < 0 ? ERR_IGNORE : err) < 0)
			r = -1;
	}
	/* last: making and removing names changed its time */
	if (r == 0)
		r = set_attributes(&x, dest_fd, -1, "/",
		                   tree_inode(tree, tree_node(tree, TREE_ROOT)->inode));
	return r;
}
