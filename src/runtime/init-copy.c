/* tmpcopyup: what a tmpfs is about to hide becomes its content. */
#include "runtime/internal.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sys/sendfile.h>
#include <sys/stat.h>

#define DEPTH_MAX 64

static int copy_file(int from_dir, int to_dir, const char *name, const struct stat *st)
{
	AUTO_FD in = openat(from_dir, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	AUTO_FD out = -1;
	ssize_t n;

	if (in < 0)
		return -errno;
	out = openat(to_dir, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (out < 0)
		return -errno;
	while ((n = sendfile(out, in, NULL, 1u << 30)) > 0)
		;
	if (n < 0 || fchown(out, st->st_uid, st->st_gid) < 0 ||
	    fchmod(out, st->st_mode & 07777) < 0)
		return -errno;
	return 0;
}

static int copy_link(int from_dir, int to_dir, const char *name, const struct stat *st)
{
	char target[PATH_MAX];
	ssize_t n = readlinkat(from_dir, name, target, sizeof(target) - 1);

	if (n < 0)
		return -errno;
	target[n] = '\0';
	if (symlinkat(target, to_dir, name) < 0 ||
	    fchownat(to_dir, name, st->st_uid, st->st_gid, AT_SYMLINK_NOFOLLOW) < 0)
		return -errno;
	return 0;
}

static int copy_level(int from_fd, int to_fd, int depth);

static int copy_entry(int from, int to, const char *name, int depth)
{
	AUTO_FD sub_from = -1, sub_to = -1;
	struct stat st;

	if (fstatat(from, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT ? 0 : -errno;
	if (S_ISREG(st.st_mode))
		return copy_file(from, to, name, &st);
	if (S_ISLNK(st.st_mode))
		return copy_link(from, to, name, &st);
	if (!S_ISDIR(st.st_mode))
		return 0;
	sub_from = openat(from, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (sub_from < 0 || mkdirat(to, name, 0700) < 0)
		return -errno;
	sub_to = openat(to, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (sub_to < 0)
		return -errno;
	return copy_level(sub_from, sub_to, depth + 1);
}

static int copy_level(int from_fd, int to_fd, int depth)
{
	int fd = openat(from_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	AUTO_FD to = openat(to_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *e;
	struct stat st;
	int r = 0;

	if (!dir || to < 0) {
		r = -errno;
		if (dir)
			closedir(dir);
		else if (fd >= 0)
			close(fd);
		return r;
	}
	if (depth > DEPTH_MAX)
		r = -ELOOP;
	while (r == 0 && (e = readdir(dir)))
		if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0)
			r = copy_entry(fd, to, e->d_name, depth);
	if (r == 0 && (fstat(fd, &st) < 0 || fchown(to, st.st_uid, st.st_gid) < 0 ||
	               fchmod(to, st.st_mode & 07777) < 0))
		r = -errno;
	closedir(dir);
	return r;
}

int init_copy_tree(int from_fd, int to_fd)
{
	return copy_level(from_fd, to_fd, 0);
}
