#include "sys/rootfs.h"
#include "sys/rootfs-internal.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <sys/syscall.h>

#include "base/macro.h"
#include "base/xalloc.h"

#define IN_ROOT (RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS)

int sys_openat2(int dir_fd, const char *path, uint64_t flags, uint64_t mode, uint64_t resolve)
{
	struct open_how how = { .flags = flags | O_CLOEXEC, .mode = mode, .resolve = resolve };

	/* EAGAIN: a rename or mount happened meanwhile and ".." could not be proved to stay inside.
	 * A hostile container can keep that up for a while, not for ever: it costs it a CPU too. */
	for (int tries = 0;; tries++) {
		long fd = syscall(SYS_openat2, dir_fd, path, &how, sizeof(how));

		if (fd >= 0)
			return (int)fd;
		if (errno == EINTR || (errno == EAGAIN && tries < 128))
			continue;
		/* A seccomp filter that is older than the call (EPERM is what some give for those
		 * that they do not know; where it is the file's, the walk finds it, too). */
		if (errno == ENOSYS || errno == EPERM)
			return rootfs_walk(dir_fd, path, flags, mode, resolve);
		return -errno;
	}
}

/* openat2 wants a mode only together with a flag that creates. */
static uint64_t mode_for(int flags, mode_t mode)
{
	return flags & (O_CREAT | (O_TMPFILE & ~O_DIRECTORY)) ? mode & 07777 : 0;
}

static const char *or_dot(const char *path)
{
	return *path ? path : ".";
}

int rootfs_open(int root_fd, const char *path, int flags, mode_t mode)
{
	return sys_openat2(root_fd, or_dot(path), (unsigned)flags, mode_for(flags, mode), IN_ROOT);
}

int rootfs_open_nolinks(int root_fd, const char *path, int flags, mode_t mode)
{
	return sys_openat2(root_fd, or_dot(path), (unsigned)flags, mode_for(flags, mode),
	                   IN_ROOT | RESOLVE_NO_SYMLINKS);
}

int rootfs_open_beneath(int dir_fd, const char *path, int flags, mode_t mode)
{
	return sys_openat2(dir_fd, or_dot(path), (unsigned)flags, mode_for(flags, mode),
	                   RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS | RESOLVE_NO_XDEV);
}

/* Split off the first component of *path into name; 0 at the end, -ENAMETOOLONG. */
static int next_component(const char **path, char name[NAME_MAX + 1])
{
	size_t len;

	while (**path == '/')
		(*path)++;
	len = strcspn(*path, "/");
	if (len > NAME_MAX)
		return -ENAMETOOLONG;
	memcpy(name, *path, len);
	name[len] = '\0';
	*path += len;
	return (int)len;
}

/* The slow path: one component after the other. What exists is resolved from the root again with
 * the prefix so far, so that links and ".." keep their meaning inside the root. */
static int mkdir_components(int root_fd, const char *path, mode_t mode)
{
	char prefix[PATH_MAX] = "";
	char name[NAME_MAX + 1];
	AUTO_FD dir = rootfs_open(root_fd, "/", O_PATH | O_DIRECTORY, 0);
	size_t len = 0;
	int r;

	if (dir < 0)
		return dir;
	while ((r = next_component(&path, name)) > 0) {
		int next;

		if (len + (size_t)r + 2 > sizeof(prefix))
			return -ENAMETOOLONG;
		prefix[len++] = '/';
		memcpy(prefix + len, name, (size_t)r + 1);
		len += (size_t)r;
		next = rootfs_open(root_fd, prefix, O_PATH | O_DIRECTORY, 0);
		if (next == -ENOENT) {
			/* A dangling symbolic link also gives ENOENT; mkdirat refuses it (EEXIST).
			 */
			if (mkdirat(dir, name, mode) < 0)
				return errno == EEXIST ? -ENOENT : -errno;
			next = rootfs_open_nolinks(dir, name, O_PATH | O_DIRECTORY, 0);
		}
		if (next < 0)
			return next;
		close(dir);
		dir = next;
	}
	return r < 0 ? r : TAKE_FD(dir);
}

/* The parent exists, and only the last component is missing. -ENOENT: it is otherwise. */
static int mkdir_last(int root_fd, const char *path, mode_t mode)
{
	const char *name = strrchr(path, '/');
	AUTO_FREE char *parent = NULL;
	AUTO_FD dir = -1;

	if (!name || name == path || !name[1] || strcmp(name, "/..") == 0 ||
	    strcmp(name, "/.") == 0)
		return -ENOENT;
	parent = xstrndup(path, (size_t)(name - path));
	dir = rootfs_open(root_fd, parent, O_PATH | O_DIRECTORY, 0);
	if (dir < 0 || mkdirat(dir, name + 1, mode) < 0) /* EEXIST: a link that dangles */
		return -ENOENT;
	return rootfs_open_nolinks(dir, name + 1, O_PATH | O_DIRECTORY, 0);
}

int rootfs_mkdir_all(int root_fd, const char *path, mode_t mode)
{
	int fd = rootfs_open(root_fd, path, O_PATH | O_DIRECTORY, 0);

	if (fd == -ENOENT)
		fd = mkdir_last(root_fd, path, mode);
	return fd == -ENOENT ? mkdir_components(root_fd, path, mode) : fd;
}

int rootfs_open_parent(int root_fd, const char *path, mode_t make_mode, const char **ret_name)
{
	const char *end = path + strlen(path), *name;
	char parent[PATH_MAX];
	size_t len;

	while (end > path && end[-1] == '/')
		end--;
	for (name = end; name > path && name[-1] != '/'; name--)
		;
	len = (size_t)(end - name);
	/* A trailing slash would make *ret_name something else than one component. */
	if (len == 0 || *end || (len == 1 && name[0] == '.') ||
	    (len == 2 && !memcmp(name, "..", 2)))
		return -EINVAL;
	if ((size_t)(name - path) >= sizeof(parent))
		return -ENAMETOOLONG;
	memcpy(parent, path, (size_t)(name - path));
	parent[name - path] = '\0';
	*ret_name = name;
	if (make_mode)
		return rootfs_mkdir_all(root_fd, parent, make_mode);
	return rootfs_open(root_fd, parent, O_PATH | O_DIRECTORY, 0);
}

int rootfs_make_file(int root_fd, const char *path, mode_t mode)
{
	const char *name;
	AUTO_FD dir = -1;
	int fd = rootfs_open(root_fd, path, O_PATH, 0);

	if (fd != -ENOENT)
		return fd;
	dir = rootfs_open_parent(root_fd, path, 0755, &name);
	if (dir < 0)
		return dir;
	/* O_EXCL: a link that dangles stays one, nothing is made where it points. */
	fd = openat(dir, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, mode);
	if (fd < 0 && errno != EEXIST)
		return -errno;
	if (fd >= 0)
		close(fd);
	return rootfs_open_nolinks(dir, name, O_PATH, 0);
}
