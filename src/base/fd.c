#include "base/fd.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/id.h"
#include "base/xalloc.h"

int fd_write_all(int fd, const void *data, size_t len)
{
	const char *p = data;

	while (len) {
		ssize_t n = write(fd, p, len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		p += n;
		len -= (size_t)n;
	}
	return 0;
}

int fd_read_exact(int fd, void *data, size_t len)
{
	char *p = data;

	while (len) {
		ssize_t n = read(fd, p, len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			return -ENODATA;
		p += n;
		len -= (size_t)n;
	}
	return 0;
}

int fd_read_all(int fd, size_t max_bytes, char **ret_data, size_t *ret_len, struct err *err)
{
	AUTO_FREE char *data = NULL;
	size_t len = 0, cap = 0;
	bool sized = false;
	struct stat st;

	if (fstat(fd, &st) == 0 && st.st_size > 0 && (size_t)st.st_size <= max_bytes) {
		cap = (size_t)st.st_size + 2;
		sized = S_ISREG(st.st_mode);
	}
	if (cap < 4096)
		cap = 4096;
	data = xmalloc(cap);
	for (;;) {
		ssize_t n = read(fd, data + len, cap - len - 1);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_sys(err, errno, "read");
		if (n == 0)
			break;
		len += (size_t)n;
		if (len > max_bytes)
			return err_set(err, E_LIMIT, "more than %zu bytes", max_bytes);
		if (sized && len == (size_t)st.st_size)
			break; /* a file of known size: not worth asking for its end */
		if (len + 1 == cap)
			data = xreallocarray(data, cap *= 2, 1);
	}
	data[len] = '\0';
	*ret_data = TAKE_PTR(data);
	if (ret_len)
		*ret_len = len;
	return 0;
}

int file_read_at(int dir_fd, const char *path, size_t max_bytes, char **ret_data, size_t *ret_len,
                 struct err *err)
{
	AUTO_FD fd = openat(dir_fd, path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	struct stat st;

	if (fd < 0)
		return err_sys(err, errno, "open '%s'", path);
	if (fstat(fd, &st) < 0)
		return err_sys(err, errno, "stat '%s'", path);
	if (S_ISDIR(st.st_mode))
		return err_sys(err, EISDIR, "read '%s'", path);
	if (!S_ISREG(st.st_mode))
		return err_set(err, E_INVALID, "read '%s': not a regular file", path);
	if (fd_read_all(fd, max_bytes, ret_data, ret_len, err) < 0)
		return err_ctx(err, "'%s'", path);
	return 0;
}

int file_write_atomic_at(int dir_fd, const char *name, const void *data, size_t len, mode_t mode,
                         unsigned flags, struct err *err)
{
	AUTO_FREE char *tmp = NULL;
	AUTO_FD fd = -1;
	char tag[ID_SHORT_LEN + 1];
	int r;

	id_random_short(tag);
	tmp = xasprintf("%s.tmp-%s", name, tag);
	fd = openat(dir_fd, tmp, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode);
	if (fd < 0)
		return err_sys(err, errno, "create '%s'", tmp);
	r = fd_write_all(fd, data, len);
	if (r == 0 && fchmod(fd, mode) < 0)
		r = -errno;
	if (r == 0 && (flags & FILE_WRITE_SYNC) && fsync(fd) < 0)
		r = -errno;
	if (r == 0 && renameat(dir_fd, tmp, dir_fd, name) < 0)
		r = -errno;
	if (r < 0) {
		unlinkat(dir_fd, tmp, 0);
		return err_sys(err, -r, "write '%s'", name);
	}
	if ((flags & FILE_WRITE_SYNC) && dir_fd >= 0 && fsync(dir_fd) < 0)
		return err_sys(err, errno, "sync the directory of '%s'", name);
	return 0;
}

int dir_open_at(int dir_fd, const char *path, struct err *err)
{
	int fd = openat(dir_fd, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0)
		return err_sys(err, errno, "open directory '%s'", path);
	return fd;
}

int dir_make_at(int dir_fd, const char *path, mode_t mode, struct err *err)
{
	AUTO_FREE char *part = xstrdup(path);
	struct stat st;

	for (char *p = part;; p++) {
		char c = *p;

		if (c != '/' && c != '\0')
			continue;
		*p = '\0';
		if (p != part && mkdirat(dir_fd, part, mode) < 0 && errno != EEXIST)
			return err_sys(err, errno, "make directory '%s'", part);
		*p = c;
		if (c != '\0')
			continue;
		if (fstatat(dir_fd, path, &st, 0) < 0 || !S_ISDIR(st.st_mode))
			return err_sys(err, ENOTDIR, "make directory '%s'", path);
		return 0;
	}
}

/* Removes what is inside dir_fd, which it takes over. */
static int remove_inside(int dir_fd, dev_t dev, struct err *err)
{
	DIR *dir = fdopendir(dir_fd);
	struct dirent *de;
	int r = 0;

	if (!dir) {
		close(dir_fd);
		return err_sys(err, errno, "list directory");
	}
	while (r == 0 && (errno = 0, de = readdir(dir))) {
		struct stat st;
		int child;

		if (!strcmp(de->d_name, ".") || !strcmp(de->d_name, ".."))
			continue;
		if (de->d_type != DT_DIR && unlinkat(dirfd(dir), de->d_name, 0) == 0)
			continue;
		if (unlinkat(dirfd(dir), de->d_name, AT_REMOVEDIR) == 0 || errno == ENOENT)
			continue;
		child = openat(dirfd(dir), de->d_name,
		               O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		if (child < 0) {
			r = err_sys(err, errno, "open '%s'", de->d_name);
			break;
		}
		if (fstat(child, &st) < 0 || st.st_dev != dev) {
			close(child);
			r = err_set(err, E_BUSY, "'%s' is a mount point", de->d_name);
			break;
		}
		/* a directory we own but cannot write into, as images hold them */
		if ((st.st_mode & 0700) != 0700)
			fchmod(child, 0700);
		r = remove_inside(child, dev, err);
		if (r < 0)
			r = err_ctx(err, "'%s'", de->d_name);
		else if (unlinkat(dirfd(dir), de->d_name, AT_REMOVEDIR) < 0 && errno != ENOENT)
			r = err_sys(err, errno, "remove '%s'", de->d_name);
	}
	closedir(dir);
	return r;
}

int tree_remove_at(int dir_fd, const char *name, struct err *err)
{
	struct stat st;
	int fd;

	if (unlinkat(dir_fd, name, 0) == 0 || errno == ENOENT)
		return 0;
	if (unlinkat(dir_fd, name, AT_REMOVEDIR) == 0)
		return 0;
	fd = openat(dir_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return err_sys(err, errno, "remove '%s'", name);
	if (fstat(fd, &st) < 0) {
		close(fd);
		return err_sys(err, errno, "stat '%s'", name);
	}
	if ((st.st_mode & 0700) != 0700)
		fchmod(fd, 0700);
	if (remove_inside(fd, st.st_dev, err) < 0)
		return err_ctx(err, "remove '%s'", name);
	if (unlinkat(dir_fd, name, AT_REMOVEDIR) < 0 && errno != ENOENT)
		return err_sys(err, errno, "remove '%s'", name);
	return 0;
}

int fd_set_cloexec(int fd, bool on)
{
	return fcntl(fd, F_SETFD, on ? FD_CLOEXEC : 0) < 0 ? -errno : 0;
}

int fd_set_nonblock(int fd, bool on)
{
	int flags = fcntl(fd, F_GETFL);

	if (flags < 0)
		return -errno;
	flags = on ? flags | O_NONBLOCK : flags & ~O_NONBLOCK;
	return fcntl(fd, F_SETFL, flags) < 0 ? -errno : 0;
}

int fd_dup(int fd)
{
	int copy = fcntl(fd, F_DUPFD_CLOEXEC, 3);

	return copy < 0 ? -errno : copy;
}

struct fd_path fd_path(int fd)
{
	struct fd_path p;

	snprintf(p.s, sizeof(p.s), "/proc/self/fd/%d", fd);
	return p;
}
