/* ROOT/skeleton: the mount points that every container needs, merged in below its image. Without it
 * each start would make those the image lacks in the container's upper directory: files that the
 * image never had, and several inodes to make and remove again. Made once, never changed. */
#include "base/fd.h"
#include "base/id.h"
#include "engine/launch-internal.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#define SKELETON "skeleton"

static int make_file(int dir_fd, const char *path, struct err *err)
{
	AUTO_FD fd = openat(dir_fd, path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);

	/* whatever our umask: the container's users read it when nothing is mounted on it */
	if (fd < 0 || fchmod(fd, 0644) < 0)
		return err_sys(err, errno, "make '%s'", path);
	return 0;
}

static int fill(int fd, struct err *err)
{
	static const char *const dirs[] = { "dev", "etc", "proc", "sys" };
	static const char *const files[] = { "etc/hostname", "etc/hosts", "etc/resolv.conf" };

	for (size_t i = 0; i < ARRAY_LEN(dirs); i++)
		if (mkdirat(fd, dirs[i], 0755) < 0 || fchmodat(fd, dirs[i], 0755, 0) < 0)
			return err_sys(err, errno, "make '%s'", dirs[i]);
	for (size_t i = 0; i < ARRAY_LEN(files); i++)
		if (make_file(fd, files[i], err) < 0)
			return -1;
	return fchmod(fd, 0755) < 0 ? err_sys(err, errno, "chmod") : 0;
}

/* Whole or not at all: under another name first. Somebody else's is as good as ours. */
static int make(struct engine *e, struct err *err)
{
	char tmp[sizeof(SKELETON) + 1 + ID_SHORT_LEN + 1], tag[ID_SHORT_LEN + 1];
	AUTO_FD fd = -1;
	int r;

	id_random_short(tag);
	snprintf(tmp, sizeof(tmp), SKELETON ".%s", tag);
	if (mkdirat(e->root_fd, tmp, 0700) < 0)
		return err_sys(err, errno, "make '%s'", tmp);
	fd = dir_open_at(e->root_fd, tmp, err);
	r = fd < 0 ? -1 : fill(fd, err);
	if (r == 0 && renameat(e->root_fd, tmp, e->root_fd, SKELETON) == 0)
		return 0;
	if (r == 0 && errno != EEXIST && errno != ENOTEMPTY)
		r = err_sys(err, errno, "rename '%s'", tmp);
	tree_remove_at(e->root_fd, tmp, ERR_IGNORE);
	return r;
}

int launch_skeleton_open(struct engine *e, struct err *err)
{
	int fd = dir_open_at(e->root_fd, SKELETON, err);

	if (fd >= 0 || err->code != E_NOT_FOUND)
		return fd;
	if (make(e, err) < 0)
		return err_ctx(err, "mount points");
	return dir_open_at(e->root_fd, SKELETON, err);
}
