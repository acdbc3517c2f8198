#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>

#include "base/fd.h"
#include "base/strbuf.h"
#include "base/xalloc.h"
#include "codec/inflate.h"
#include "engine/cp-internal.h"
#include "sys/rootfs.h"

#define CHUNK (256u << 10)

/* A directory's own facts are set when all that goes into it is there. */
struct later {
	char *name;
	uint32_t mode, uid, gid;
	struct timespec mtime;
};

struct unpack {
	int base_fd;  /* what names are relative to: the root, or the target directory */
	char *prefix; /* of every name, below base_fd; "" or ends in '/' */
	unsigned flags;
	int parent_fd; /* of the last entry */
	char *parent;  /* its name; NULL: none open */
	struct tar_entry entry;
	char *name;
	int file_fd;              /* being written */
	struct tar_xattr *xattrs; /* the file's, copied: the reader's are gone at its end */
	size_t n_xattrs;
	struct later *later;
	size_t n_later;
};

static void drop_xattrs(struct unpack *u)
{
	for (size_t i = 0; i < u->n_xattrs; i++) {
		free((void *)(uintptr_t)u->xattrs[i].name);
		free((void *)(uintptr_t)u->xattrs[i].value);
	}
	free(TAKE_PTR(u->xattrs));
	u->n_xattrs = 0;
}

static void keep_xattrs(struct unpack *u, const struct tar_entry *e)
{
	drop_xattrs(u);
	for (size_t i = 0; (u->flags & UNPACK_KEEP_OWNER) && i < e->n_xattrs; i++) {
		struct tar_xattr x = { xstrdup(e->xattrs[i].name),
			               xmemdup(e->xattrs[i].value, e->xattrs[i].len),
			               e->xattrs[i].len };

		VEC_PUSH(u->xattrs, u->n_xattrs, x);
	}
}

static void unpack_done(struct unpack *u)
{
	drop_xattrs(u);
	if (u->base_fd >= 0)
		close(u->base_fd);
	if (u->parent_fd >= 0)
		close(u->parent_fd);
	if (u->file_fd >= 0)
		close(u->file_fd);
	for (size_t i = 0; i < u->n_later; i++)
		free(u->later[i].name);
	free(u->later);
	free(u->prefix);
	free(u->parent);
	free(u->name);
}

/* Open a directory of the target; "" is the target itself. -errno. */
static int open_dir(struct unpack *u, const char *name)
{
	AUTO_FREE char *path = xasprintf("%s%s", u->prefix, name);

	if (u->flags & UNPACK_FOLLOW_IN_ROOT)
		return rootfs_open(u->base_fd, path, O_PATH | O_DIRECTORY, 0);
	return sys_openat2(u->base_fd, *path ? path : ".", O_PATH | O_DIRECTORY, 0,
	                   RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS);
}

/* Archives made elsewhere need not list the directories above a member: make them. 0 or -errno. */
static int make_parents(struct unpack *u, const char *parent)
{
	for (size_t at = 0; parent[at];) {
		size_t end = at + strcspn(parent + at, "/");
		AUTO_FREE char *up = xstrndup(parent, at ? at - 1 : 0);
		AUTO_FREE char *name = xstrndup(parent + at, end - at);
		AUTO_FD dir = open_dir(u, up);

		if (dir < 0)
			return dir;
		if (mkdirat(dir, name, 0755) < 0 && errno != EEXIST)
			return -errno;
		at = end + (parent[end] == '/');
	}
	return 0;
}

/* The open parent of u->name, kept for the next entry; *ret_base is the last component. */
static int open_parent(struct unpack *u, const char **ret_base, struct err *err)
{
	char *slash = strrchr(u->name, '/');
	AUTO_FREE char *parent = slash ? xstrndup(u->name, (size_t)(slash - u->name)) : xstrdup("");

	*ret_base = slash ? slash + 1 : u->name;
	if (u->parent && !strcmp(u->parent, parent))
		return 0;
	if (u->parent_fd >= 0)
		close(TAKE_FD(u->parent_fd));
	free(TAKE_PTR(u->parent));
	u->parent_fd = open_dir(u, parent);
	if (u->parent_fd == -ENOENT && make_parents(u, parent) == 0)
		u->parent_fd = open_dir(u, parent);
	if (u->parent_fd == -ELOOP) {
		u->parent_fd = -1;
		err_set(err, E_PERM, "a directory on the way to '%s' is a symbolic link", u->name);
		return err_hint(err, "copy to the directory it points at");
	}
	if (u->parent_fd < 0) {
		int e = -u->parent_fd;

		u->parent_fd = -1;
		return err_sys(err, e, "directory of '%s%s'", u->prefix, u->name);
	}
	u->parent = TAKE_PTR(parent);
	return 0;
}

/* Make room for something that is no directory. */
static int make_room(struct unpack *u, const char *base, struct err *err)
{
	struct stat st;

	if (fstatat(u->parent_fd, base, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT ? 0 : err_sys(err, errno, "stat '%s'", u->name);
	if (S_ISDIR(st.st_mode))
		return err_set(err, E_EXISTS, "'%s' is a directory, what is copied is not",
		               u->name);
	if (!S_ISREG(st.st_mode) && !S_ISLNK(st.st_mode))
		return err_set(err, E_EXISTS, "'%s' is a device, pipe or socket", u->name);
	/* never written through: it may be a hard link or a link to elsewhere */
	if (unlinkat(u->parent_fd, base, 0) < 0 && errno != EBUSY && errno != ENOENT)
		return err_sys(err, errno, "replace '%s'", u->name);
	return 0;
}

static int unpack_dir(struct unpack *u, const char *base, struct err *err)
{
	const struct tar_entry *e = &u->entry;
	struct later l = { NULL, e->mode, e->uid, e->gid, { e->mtime_s, e->mtime_ns } };
	struct stat st;

	if (mkdirat(u->parent_fd, base, 0700) == 0) {
		l.name = xstrdup(u->name);
		VEC_PUSH(u->later, u->n_later, l);
		return 0;
	}
	if (errno != EEXIST)
		return err_sys(err, errno, "make directory '%s'", u->name);
	if (fstatat(u->parent_fd, base, &st,
	            u->flags & UNPACK_FOLLOW_IN_ROOT ? AT_SYMLINK_NOFOLLOW : 0) < 0)
		return err_sys(err, errno, "stat '%s'", u->name);
	/* inside a container a link to a directory will do (/bin): it is followed inside the root
	 */
	if (S_ISDIR(st.st_mode) || ((u->flags & UNPACK_FOLLOW_IN_ROOT) && S_ISLNK(st.st_mode)))
		return 0;
	return err_set(err, E_EXISTS, "'%s' is not a directory, what is copied is", u->name);
}

static int unpack_file(struct unpack *u, const char *base, struct err *err)
{
	if (make_room(u, base, err) < 0)
		return -1;
	u->file_fd = openat(u->parent_fd, base,
	                    O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	/* a mount point (/etc/hosts) cannot be replaced, only written */
	if (u->file_fd < 0 && errno == EEXIST) {
		struct stat st;

		u->file_fd =
			openat(u->parent_fd, base, O_WRONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
		if (u->file_fd >= 0 && (fstat(u->file_fd, &st) < 0 || !S_ISREG(st.st_mode) ||
		                        ftruncate(u->file_fd, 0) < 0))
			return err_set(err, E_BUSY, "'%s' cannot be replaced", u->name);
	}
	if (u->file_fd < 0)
		return err_sys(err, errno, "make '%s'", u->name);
	return 0;
}

static int unpack_hardlink(struct unpack *u, const char *base, struct err *err)
{
	AUTO_FREE char *target = xstrdup(u->entry.link);
	char *slash = strrchr(target, '/');
	AUTO_FD dir = -1;

	if (slash)
		*slash++ = '\0';
	dir = open_dir(u, slash ? target : "");
	if (dir < 0)
		return err_sys(err, -dir, "link '%s' to '%s'", u->name, u->entry.link);
	if (make_room(u, base, err) < 0)
		return -1;
	if (linkat(dir, slash ? slash : target, u->parent_fd, base, 0) < 0)
		return err_sys(err, errno, "link '%s' to '%s'", u->name, u->entry.link);
	return 0;
}

static int set_link_facts(struct unpack *u, const char *base, struct err *err)
{
	const struct tar_entry *e = &u->entry;
	const struct timespec times[2] = { { 0, UTIME_OMIT }, { e->mtime_s, e->mtime_ns } };

	if ((u->flags & UNPACK_KEEP_OWNER) &&
	    fchownat(u->parent_fd, base, e->uid, e->gid, AT_SYMLINK_NOFOLLOW) < 0)
		return err_sys(err, errno, "owner of '%s'", u->name);
	utimensat(u->parent_fd, base, times, AT_SYMLINK_NOFOLLOW);
	return 0;
}

static int unpack_node(struct unpack *u, const char *base, struct err *err)
{
	const struct tar_entry *e = &u->entry;
	mode_t type = e->type == TAR_CHAR ? S_IFCHR : e->type == TAR_BLOCK ? S_IFBLK : S_IFIFO;

	if (type != S_IFIFO && !(u->flags & UNPACK_KEEP_OWNER)) {
		err_set(err, E_UNSUPPORTED, "'%s' is a device", u->name);
		return err_hint(err, "devices are only copied with --archive");
	}
	if (make_room(u, base, err) < 0)
		return -1;
	if (mknodat(u->parent_fd, base, type | (e->mode & 0777),
	            makedev(e->dev_major, e->dev_minor)) < 0)
		return err_sys(err, errno, "make '%s'", u->name);
	return set_link_facts(u, base, err);
}

static int on_entry(void *ctx, const struct tar_entry *e, struct err *err)
{
	struct unpack *u = ctx;
	const char *base;

	free(u->name);
	u->name = xstrdup(e->name);
	u->entry = *e;
	if (!*e->name) /* the target directory itself: it stays as it is */
		return 0;
	if (open_parent(u, &base, err) < 0)
		return -1;
	switch (e->type) {
	case TAR_DIR:
		return unpack_dir(u, base, err);
	case TAR_FILE:
		keep_xattrs(u, e);
		return unpack_file(u, base, err);
	case TAR_HARDLINK:
		return unpack_hardlink(u, base, err);
	case TAR_SYMLINK:
		if (make_room(u, base, err) < 0)
			return -1;
		if (symlinkat(e->link, u->parent_fd, base) < 0)
			return err_sys(err, errno, "make link '%s'", u->name);
		return set_link_facts(u, base, err);
	case TAR_CHAR:
	case TAR_BLOCK:
	case TAR_FIFO:
		return unpack_node(u, base, err);
	case TAR_TYPE_MAX:
		break;
	}
	return err_set(err, E_INTERNAL, "entry of type %d", (int)e->type);
}

static int on_data(void *ctx, uint64_t offset, const void *data, size_t len, struct err *err)
{
	struct unpack *u = ctx;

	while (u->file_fd >= 0 && len) {
		ssize_t n = pwrite(u->file_fd, data, len, (off_t)offset);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_sys(err, errno, "write '%s'", u->name);
		data = (const char *)data + n;
		offset += (uint64_t)n;
		len -= (size_t)n;
	}
	return 0;
}

/* Mode bits that give rights travel only together with the owner they are the rights of. */
static mode_t kept_mode(const struct unpack *u, uint32_t mode)
{
	return u->flags & UNPACK_KEEP_OWNER ? mode & 07777 : mode & 01777;
}

static int on_end(void *ctx, struct err *err)
{
	struct unpack *u = ctx;
	const struct tar_entry *e = &u->entry;
	const struct timespec times[2] = { { 0, UTIME_OMIT }, { e->mtime_s, e->mtime_ns } };
	AUTO_FD fd = u->file_fd;

	if (fd < 0)
		return 0;
	u->file_fd = -1;
	if (e->is_sparse && ftruncate(fd, (off_t)e->size) < 0)
		return err_sys(err, errno, "size of '%s'", u->name);
	if ((u->flags & UNPACK_KEEP_OWNER) && fchown(fd, e->uid, e->gid) < 0)
		return err_sys(err, errno, "owner of '%s'", u->name);
	if (fchmod(fd, kept_mode(u, e->mode)) < 0)
		return err_sys(err, errno, "mode of '%s'", u->name);
	for (size_t i = 0; i < u->n_xattrs; i++)
		fsetxattr(fd, u->xattrs[i].name, u->xattrs[i].value, u->xattrs[i].len, 0);
	futimens(fd, times);
	return 0;
}

static int finish_dirs(struct unpack *u, struct err *err)
{
	for (size_t i = u->n_later; i > 0; i--) {
		const struct later *l = &u->later[i - 1];
		const struct timespec times[2] = { { 0, UTIME_OMIT }, l->mtime };
		AUTO_FD path_fd = open_dir(u, l->name);
		AUTO_FD fd = -1;

		if (path_fd < 0)
			return err_sys(err, -path_fd, "open '%s'", l->name);
		fd = openat(path_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		if (fd < 0)
			return err_sys(err, errno, "open '%s'", l->name);
		if ((u->flags & UNPACK_KEEP_OWNER) && fchown(fd, l->uid, l->gid) < 0)
			return err_sys(err, errno, "owner of '%s'", l->name);
		if (fchmod(fd, kept_mode(u, l->mode)) < 0)
			return err_sys(err, errno, "mode of '%s'", l->name);
		futimens(fd, times);
	}
	return 0;
}

/* One piece of input through the decompressor (NULL: none) into the reader. */
static int push(struct inflater *inf, struct tar_reader *r, const char *data, size_t len, char *out,
                struct err *err)
{
	const uint8_t *in = (const uint8_t *)data;
	size_t got;

	if (!inf)
		return tar_reader_push(r, data, len, err);
	do {
		if (inflater_run(inf, &in, &len, out, CHUNK, &got, err) < 0 ||
		    (got && tar_reader_push(r, out, got, err) < 0))
			return -1;
	} while (len || got);
	return 0;
}

static int stream(struct unpack *u, bool compressed, int in_fd, struct err *err)
{
	static const struct tar_handler handler = { on_entry, on_data, on_end };
	AUTO(tar_reader_freep) struct tar_reader *r = tar_reader_new(&handler, u, NULL);
	AUTO(inflater_freep)
	struct inflater *inf = compressed ? inflater_new(COMPRESSION_AUTO, NULL) : NULL;
	AUTO_FREE char *buf = xmalloc(CHUNK);
	AUTO_FREE char *out = compressed ? xmalloc(CHUNK) : NULL;

	for (;;) {
		ssize_t n = read(in_fd, buf, CHUNK);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_sys(err, errno, "read the archive");
		if (n == 0)
			break;
		if (push(inf, r, buf, (size_t)n, out, err) < 0)
			return -1;
	}
	if (inf && inflater_end(inf, err) < 0)
		return -1;
	return tar_reader_end(r, err);
}

int cp_unpack(int root_fd, const char *dir, unsigned flags, bool compressed, int in_fd,
              struct err *err)
{
	AUTO(unpack_done)
	struct unpack u = { .base_fd = -1, .parent_fd = -1, .file_fd = -1, .flags = flags };

	if (flags & UNPACK_FOLLOW_IN_ROOT) {
		u.base_fd = fd_dup(root_fd);
		u.prefix = xasprintf("%s/", dir);
	} else {
		/* the target itself is named by the user: its links are followed */
		u.base_fd = openat(root_fd, *dir ? dir : ".", O_PATH | O_DIRECTORY | O_CLOEXEC);
		u.prefix = xstrdup("");
	}
	if (u.base_fd < 0)
		return err_sys(err, errno, "open '%s'", dir);
	if (stream(&u, compressed, in_fd, err) < 0)
		return -1;
	return finish_dirs(&u, err);
}
