/* Whether an extracted directory still is what its tree says. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "base/fd.h"
#include "base/xalloc.h"
#include "image/extract.h"

#define PIECE_BYTES ((size_t)64 << 10)

struct verify {
	struct tree *tree;
	int tar_fd;
	bool in_userns;
	uint8_t *buf; /* two pieces */
	struct err *why;
};

static int differs(struct verify *v, const char *name, const char *what)
{
	return err_set(v->why, E_CORRUPT, "in its directory, '%.200s' has another %s", name, what);
}

/* A stretch of the file against a stretch of the tar; tar_at UINT64_MAX: against zeros. */
static bool is_stretch_equal(struct verify *v, int fd, uint64_t at, uint64_t tar_at, uint64_t len)
{
	while (len) {
		size_t want = len < PIECE_BYTES ? (size_t)len : PIECE_BYTES;
		ssize_t n = pread(fd, v->buf, want, (off_t)at);

		if (n <= 0)
			return false;
		memset(v->buf + PIECE_BYTES, 0, (size_t)n);
		if (tar_at != UINT64_MAX &&
		    pread(v->tar_fd, v->buf + PIECE_BYTES, (size_t)n, (off_t)tar_at) != n)
			return false;
		if (memcmp(v->buf, v->buf + PIECE_BYTES, (size_t)n) != 0)
			return false;
		at += (uint64_t)n;
		if (tar_at != UINT64_MAX)
			tar_at += (uint64_t)n;
		len -= (uint64_t)n;
	}
	return true;
}

static bool is_content_equal(struct verify *v, int fd, const struct tree_inode *in)
{
	uint64_t at = 0;

	if (!(in->flags & TREE_SPARSE))
		return is_stretch_equal(v, fd, 0, in->data_offset, in->size);
	for (size_t i = 0; i < in->extents->n; i++) {
		const struct tar_extent *e = &in->extents->items[i];

		if (!is_stretch_equal(v, fd, at, UINT64_MAX, e->offset - at) ||
		    !is_stretch_equal(v, fd, e->offset, e->data_offset, e->len))
			return false;
		at = e->offset + e->len;
	}
	return is_stretch_equal(v, fd, at, UINT64_MAX, in->size - at);
}

static mode_t type_of(const struct tree_inode *in)
{
	static const mode_t types[TAR_TYPE_MAX] = {
		[TAR_FILE] = S_IFREG,  [TAR_SYMLINK] = S_IFLNK, [TAR_CHAR] = S_IFCHR,
		[TAR_BLOCK] = S_IFBLK, [TAR_DIR] = S_IFDIR,     [TAR_FIFO] = S_IFIFO,
	};

	return in->flags & TREE_WHITEOUT ? S_IFCHR : types[in->type];
}

/* Everything stat tells. */
static int check_stat(struct verify *v, const char *name, const struct tree_inode *in,
                      const struct stat *st)
{
	if ((st->st_mode & S_IFMT) != type_of(in))
		return differs(v, name, "type");
	if (in->flags & TREE_WHITEOUT)
		return st->st_rdev ? differs(v, name, "device number") : 0;
	if (in->type != TAR_SYMLINK && (st->st_mode & 07777) != in->mode)
		return differs(v, name, "mode");
	if (st->st_uid != in->uid || st->st_gid != in->gid)
		return differs(v, name, "owner");
	if (in->type == TAR_FILE && (uint64_t)st->st_size != in->size)
		return differs(v, name, "size");
	if ((in->type == TAR_CHAR || in->type == TAR_BLOCK) &&
	    st->st_rdev != makedev(in->dev_major, in->dev_minor))
		return differs(v, name, "device number");
	if (st->st_mtim.tv_sec != in->mtime_s)
		return differs(v, name, "time");
	return 0;
}

static int check_leaf(struct verify *v, int dir_fd, const struct tree_node *node,
                      const struct tree_inode *in)
{
	char target[TAR_NAME_MAX + 2];
	AUTO_FD fd = -1;
	ssize_t n;

	if (in->flags & TREE_WHITEOUT)
		return 0;
	if (in->type == TAR_SYMLINK) {
		n = readlinkat(dir_fd, node->name, target, sizeof(target) - 1);
		if (n < 0 || (size_t)n != strlen(in->link) || memcmp(target, in->link, (size_t)n))
			return differs(v, node->name, "target");
	}
	if (in->type != TAR_FILE)
		return 0;
	fd = openat(dir_fd, node->name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0)
		return err_sys(v->why, errno, "open '%.200s' in its directory", node->name);
	return is_content_equal(v, fd, in) ? 0 : differs(v, node->name, "content");
}

/* Devices cannot be made in a user namespace, and were left out. */
static bool may_be_absent(const struct verify *v, const struct tree_inode *in)
{
	return v->in_userns && !(in->flags & TREE_WHITEOUT) &&
	       (in->type == TAR_CHAR || in->type == TAR_BLOCK);
}

static int count_names(int dir_fd)
{
	int fd = openat(dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC), n = 0;
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *entry;

	if (!dir) {
		if (fd >= 0)
			close(fd);
		return -1;
	}
	while ((entry = readdir(dir)))
		n += strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0;
	closedir(dir);
	return n;
}

static int check_dir(struct verify *v, int dir_fd, uint32_t node)
{
	const struct tree_node *dir = tree_node(v->tree, node);
	size_t n, there = 0;
	const uint32_t *children = tree_children(v->tree, node, &n);

	for (size_t i = 0; i < n; i++) {
		const struct tree_node *child = tree_node(v->tree, children[i]);
		const struct tree_inode *in = tree_inode(v->tree, child->inode);
		struct stat st;

		if (fstatat(dir_fd, child->name, &st, AT_SYMLINK_NOFOLLOW) < 0) {
			if (errno == ENOENT && may_be_absent(v, in))
				continue;
			return err_set(v->why, E_CORRUPT, "in its directory, '%.200s' is missing",
			               child->name);
		}
		there++;
		if (in->type == TAR_DIR && !(in->flags & TREE_WHITEOUT) && S_ISDIR(st.st_mode)) {
			AUTO_FD sub = openat(dir_fd, child->name,
			                     O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

			if (sub < 0)
				return err_sys(v->why, errno, "open '%.200s' in its directory",
				               child->name);
			if (check_dir(v, sub, children[i]) < 0)
				return -1;
		}
		/* last of a directory: what changed its time was found in it by now */
		if (check_stat(v, child->name, in, &st) < 0 ||
		    (in->type != TAR_DIR && check_leaf(v, dir_fd, child, in) < 0))
			return -1;
	}
	if (count_names(dir_fd) != (int)there)
		return err_set(v->why, E_CORRUPT, "its directory '%.200s' has names too many",
		               dir->name);
	return 0;
}

int extract_verify(struct tree *tree, int tar_fd, int dir_fd, bool in_userns, struct err *why)
{
	struct verify v = { .tree = tree, .tar_fd = tar_fd, .in_userns = in_userns, .why = why };
	int r;

	v.buf = xmalloc(2 * PIECE_BYTES);
	r = check_dir(&v, dir_fd, TREE_ROOT);
	free(v.buf);
	return r;
}
