/* Filling a fresh volume from the image. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>

#include "base/fd.h"
#include "engine/copy-tree.h"
#include "engine/volumes-internal.h"
#include "sys/rootfs.h"

/* Exists while _data is being filled: a copy that was cut short is told by it. */
#define FILLING "filling"

static void auto_closedir(DIR **dir)
{
	if (*dir)
		closedir(*dir);
}

/* Return 1, 0, or -1 with err. */
static int is_empty(int dir_fd, struct err *err)
{
	AUTO(auto_closedir) DIR *dir = NULL;
	struct dirent *d;
	int fd = openat(dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0)
		return err_sys(err, errno, "open volume");
	dir = fdopendir(fd);
	if (!dir) {
		close(fd);
		return err_sys(err, errno, "list volume");
	}
	while ((d = readdir(dir)))
		if (strcmp(d->d_name, ".") != 0 && strcmp(d->d_name, "..") != 0)
			return 0;
	return 1;
}

/* Begin: a fresh, empty _data and the marker. Return 1 to copy, 0 when the volume has content. */
static int begin(int dir_fd, struct err *err)
{
	AUTO_FD data = -1;
	int fd;

	if (faccessat(dir_fd, FILLING, F_OK, AT_SYMLINK_NOFOLLOW) == 0) {
		if (tree_remove_at(dir_fd, "_data", err) < 0)
			return -1;
		if (mkdirat(dir_fd, "_data", 0755) < 0)
			return err_sys(err, errno, "make '_data'");
		return 1;
	}
	data = dir_open_at(dir_fd, "_data", err);
	if (data < 0)
		return -1;
	switch (is_empty(data, err)) {
	case -1:
		return -1;
	case 0:
		return 0;
	}
	fd = openat(dir_fd, FILLING, O_WRONLY | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0)
		return err_sys(err, errno, "make '%s'", FILLING);
	close(fd);
	return 1;
}

int volume_copy_up(int root_fd, const char *name, int ctr_root_fd, const char *inside,
                   struct err *err)
{
	/* the directory as the image has it: a link on the way stays inside the root */
	AUTO_FD src = rootfs_open(ctr_root_fd, inside, O_RDONLY | O_DIRECTORY, 0);
	AUTO_FD dir = -1;
	AUTO_FD dst = -1;
	int r;

	if (src == -ENOENT || src == -ENOTDIR)
		return 0;
	if (src < 0)
		return err_sys(err, -src, "open the image's '%s'", inside);
	dir = volume_dir_open(root_fd, name, err);
	if (dir < 0)
		return -1;
	/* two containers that start at once: the second finds the volume filled */
	if (flock(dir, LOCK_EX) < 0)
		return err_sys(err, errno, "lock volume '%s'", name);
	r = begin(dir, err);
	if (r <= 0)
		return r;
	dst = dir_open_at(dir, "_data", err);
	if (dst < 0)
		return -1;
	if (copy_tree(src, dst, err) < 0)
		return err_ctx(err, "copy the image's '%s' to volume '%s'", inside, name);
	if (unlinkat(dir, FILLING, 0) < 0)
		return err_sys(err, errno, "remove '%s'", FILLING);
	return 0;
}
