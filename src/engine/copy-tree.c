#include "engine/copy-tree.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>

#include "base/fd.h"
#include "base/table.h"
#include "base/xalloc.h"

#define DEPTH_MAX       256
#define XATTR_LIST_MAX  65536
#define XATTR_VALUE_MAX 65536
#define COPY_CHUNK      (1u << 20)

/* The first copy of a file with several names: later names become links to it. */
struct seen {
	struct {
		dev_t dev;
		ino_t ino;
	} key;
	int dst_dir_fd; /* owned duplicate */
	char *name;
	UT_hash_handle hh;
};

struct copy {
	struct seen *seen;
	struct err *err;
};

static void copy_done(struct copy *c)
{
	struct seen *s, *tmp;

	HASH_ITER(hh, c->seen, s, tmp) {
		HASH_DEL(c->seen, s);
		close(s->dst_dir_fd);
		free(s->name);
		free(s);
	}
}

static struct seen *seen_find(struct copy *c, const struct stat *st)
{
	struct seen probe, *s;

	memset(&probe, 0, sizeof(probe));
	probe.key.dev = st->st_dev;
	probe.key.ino = st->st_ino;
	HASH_FIND(hh, c->seen, &probe.key, sizeof(probe.key), s);
	return s;
}

static void seen_add(struct copy *c, const struct stat *st, int dst_fd, const char *name)
{
	struct seen *s = xcalloc(1, sizeof(*s));
	int dup = fd_dup(dst_fd);

	/* without a descriptor the next name is copied in full: correct, only bigger */
	if (dup < 0) {
		free(s);
		return;
	}
	s->key.dev = st->st_dev;
	s->key.ino = st->st_ino;
	s->dst_dir_fd = dup;
	s->name = xstrdup(name);
	HASH_ADD(hh, c->seen, key, sizeof(s->key), s);
}

/* Extended attributes the kernel lets us set; the rest (trusted.*, labels) are not ours to move. */
static void copy_xattrs(int src, int dst)
{
	AUTO_FREE char *names = xmalloc(XATTR_LIST_MAX);
	AUTO_FREE char *value = NULL;
	ssize_t len = flistxattr(src, names, XATTR_LIST_MAX);

	if (len <= 0)
		return;
	value = xmalloc(XATTR_VALUE_MAX);
	for (char *name = names; name < names + len; name += strlen(name) + 1) {
		ssize_t n = fgetxattr(src, name, value, XATTR_VALUE_MAX);

		if (n >= 0 && strncmp(name, "trusted.overlay.", 16) != 0)
			fsetxattr(dst, name, value, (size_t)n, 0);
	}
}

static int copy_facts(struct copy *c, int src, int dst, const struct stat *st, const char *name)
{
	const struct timespec times[2] = { st->st_atim, st->st_mtim };

	if (fchown(dst, st->st_uid, st->st_gid) < 0)
		return err_sys(c->err, errno, "owner of '%s'", name);
	/* after the owner, which clears set-id bits and file capabilities */
	if (fchmod(dst, st->st_mode & 07777) < 0)
		return err_sys(c->err, errno, "mode of '%s'", name);
	copy_xattrs(src, dst);
	if (futimens(dst, times) < 0)
		return err_sys(c->err, errno, "times of '%s'", name);
	return 0;
}

/* Data between holes: SEEK_DATA and SEEK_HOLE; one run where the file system has neither. */
static int copy_data(struct copy *c, int src, int dst, off_t size, const char *name)
{
	AUTO_FREE char *buf = NULL;
	off_t at = 0;

	while (at < size) {
		off_t data = lseek(src, at, SEEK_DATA);
		off_t hole;

		if (data < 0 && errno == ENXIO)
			break;
		if (data < 0)
			data = at;
		hole = lseek(src, data, SEEK_HOLE);
		if (hole < 0)
			hole = size;
		if (!buf)
			buf = xmalloc(COPY_CHUNK);
		for (at = data; at < hole;) {
			off_t left = hole - at;
			ssize_t n =
				pread(src, buf, left < COPY_CHUNK ? (size_t)left : COPY_CHUNK, at);

			if (n < 0)
				return err_sys(c->err, errno, "read '%s'", name);
			if (n == 0) /* it became shorter */
				break;
			for (ssize_t done = 0; done < n;) {
				ssize_t w = pwrite(dst, buf + done, (size_t)(n - done), at + done);

				if (w < 0)
					return err_sys(c->err, errno, "write '%s'", name);
				done += w;
			}
			at += n;
		}
		at = hole;
	}
	if (ftruncate(dst, size) < 0)
		return err_sys(c->err, errno, "size of '%s'", name);
	return 0;
}

static int copy_file(struct copy *c, int src_dir, int dst_dir, const char *name,
                     const struct stat *seen_st)
{
	AUTO_FD src = openat(src_dir, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	AUTO_FD dst = -1;
	struct stat st;

	if (src < 0 && errno == ENOENT) /* removed meanwhile */
		return 0;
	if (src < 0)
		return err_sys(c->err, errno, "open '%s'", name);
	if (fstat(src, &st) < 0)
		return err_sys(c->err, errno, "stat '%s'", name);
	if (!S_ISREG(st.st_mode) || st.st_ino != seen_st->st_ino)
		return 0; /* exchanged meanwhile: what it is now was not asked for */
	dst = openat(dst_dir, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (dst < 0)
		return err_sys(c->err, errno, "make '%s'", name);
	if (copy_data(c, src, dst, st.st_size, name) < 0 || copy_facts(c, src, dst, &st, name) < 0)
		return -1;
	if (st.st_nlink > 1)
		seen_add(c, &st, dst_dir, name);
	return 0;
}

static int copy_link(struct copy *c, int src_dir, int dst_dir, const char *name,
                     const struct stat *st)
{
	const struct timespec times[2] = { st->st_atim, st->st_mtim };
	char target[4097];
	ssize_t n = readlinkat(src_dir, name, target, sizeof(target) - 1);

	if (n < 0)
		return errno == ENOENT || errno == EINVAL
		               ? 0
		               : err_sys(c->err, errno, "read link '%s'", name);
	target[n] = '\0';
	if (symlinkat(target, dst_dir, name) < 0)
		return err_sys(c->err, errno, "make link '%s'", name);
	if (fchownat(dst_dir, name, st->st_uid, st->st_gid, AT_SYMLINK_NOFOLLOW) < 0)
		return err_sys(c->err, errno, "owner of '%s'", name);
	utimensat(dst_dir, name, times, AT_SYMLINK_NOFOLLOW);
	return 0;
}

static int copy_special(struct copy *c, int dst_dir, const char *name, const struct stat *st)
{
	if (S_ISSOCK(st->st_mode))
		return 0;
	if (mknodat(dst_dir, name, st->st_mode & (S_IFMT | 07777), st->st_rdev) < 0)
		return errno == EPERM ? 0 : err_sys(c->err, errno, "make '%s'", name);
	if (fchownat(dst_dir, name, st->st_uid, st->st_gid, AT_SYMLINK_NOFOLLOW) < 0)
		return err_sys(c->err, errno, "owner of '%s'", name);
	return 0;
}

static int copy_dir(struct copy *c, int src, int dst, int depth);

static int copy_subdir(struct copy *c, int src_dir, int dst_dir, const char *name, int depth)
{
	AUTO_FD src = openat(src_dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	AUTO_FD dst = -1;

	if (src < 0)
		return errno == ENOENT || errno == ENOTDIR || errno == ELOOP
		               ? 0
		               : err_sys(c->err, errno, "open '%s'", name);
	if (mkdirat(dst_dir, name, 0700) < 0 && errno != EEXIST)
		return err_sys(c->err, errno, "make '%s'", name);
	dst = openat(dst_dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (dst < 0)
		return err_sys(c->err, errno, "open '%s'", name);
	if (copy_dir(c, src, dst, depth + 1) < 0)
		return err_ctx(c->err, "%s", name);
	return 0;
}

static int copy_entry(struct copy *c, int src_dir, int dst_dir, const char *name, int depth)
{
	struct seen *first;
	struct stat st;

	if (fstatat(src_dir, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT ? 0 : err_sys(c->err, errno, "stat '%s'", name);
	if (S_ISDIR(st.st_mode))
		return copy_subdir(c, src_dir, dst_dir, name, depth);
	first = S_ISREG(st.st_mode) && st.st_nlink > 1 ? seen_find(c, &st) : NULL;
	if (first && linkat(first->dst_dir_fd, first->name, dst_dir, name, 0) == 0)
		return 0;
	if (S_ISREG(st.st_mode))
		return copy_file(c, src_dir, dst_dir, name, &st);
	if (S_ISLNK(st.st_mode))
		return copy_link(c, src_dir, dst_dir, name, &st);
	return copy_special(c, dst_dir, name, &st);
}

static void auto_closedir(DIR **dir)
{
	if (*dir)
		closedir(*dir);
}

static int copy_dir(struct copy *c, int src, int dst, int depth)
{
	AUTO(auto_closedir) DIR *dir = NULL;
	struct dirent *d;
	struct stat st;
	int fd;

	if (depth > DEPTH_MAX)
		return err_set(c->err, E_LIMIT, "more than %d directories deep", DEPTH_MAX);
	if (fstat(src, &st) < 0)
		return err_sys(c->err, errno, "stat");
	fd = openat(src, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return err_sys(c->err, errno, "open directory");
	dir = fdopendir(fd);
	if (!dir) {
		close(fd);
		return err_sys(c->err, errno, "list directory");
	}
	while ((d = readdir(dir))) {
		if (!strcmp(d->d_name, ".") || !strcmp(d->d_name, ".."))
			continue;
		if (copy_entry(c, src, dst, d->d_name, depth) < 0)
			return -1;
	}
	return copy_facts(c, src, dst, &st, ".");
}

int copy_tree(int src_fd, int dst_fd, struct err *err)
{
	AUTO(copy_done) struct copy c = { NULL, err };

	return copy_dir(&c, src_fd, dst_fd, 0);
}
