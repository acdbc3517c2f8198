/* One EROFS image as a detached mount: from the file itself, or through loop devices. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/loop.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include "base/fd.h"
#include "image/rootfs-internal.h"

#define LOOP_TRIES 32

/* source and device: paths. */
static int mount_erofs(const char *source, const char *device)
{
	AUTO_FD fs = fsopen("erofs", FSOPEN_CLOEXEC);
	int fd;

	if (fs < 0)
		return -errno;
	if (fsconfig(fs, FSCONFIG_SET_STRING, "source", source, 0) < 0 ||
	    fsconfig(fs, FSCONFIG_SET_STRING, "device", device, 0) < 0 ||
	    fsconfig(fs, FSCONFIG_SET_FLAG, "ro", NULL, 0) < 0 ||
	    fsconfig(fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0) < 0)
		return -errno;
	fd = fsmount(fs, FSMOUNT_CLOEXEC, MOUNT_ATTR_RDONLY);
	return fd < 0 ? -errno : fd;
}

int erofs_mount_file(int index_fd, int tar_fd, struct err *err)
{
	/* mount(8) would make a loop device behind our back; the kernel takes a file as it is */
	int r = mount_erofs(fd_path(index_fd).s, fd_path(tar_fd).s);

	return r < 0 ? err_sys(err, -r, "mount the layer's EROFS index") : r;
}

/* Whether loop device `name` shows the file with this path and inode number, as we attach it.
 * Return an open fd, which also keeps the device attached, or -1. */
static int loop_open_if(const char *name, const char *path, ino_t ino)
{
	char file[64], backing[PATH_MAX];
	struct loop_info64 info;
	AUTO_FD fd = -1, loop = -1;
	ssize_t n;

	snprintf(file, sizeof(file), "/sys/block/%.20s/loop/backing_file", name);
	fd = open(file, O_RDONLY | O_CLOEXEC);
	n = fd < 0 ? -1 : read(fd, backing, sizeof(backing));
	if (n <= 0 || backing[n - 1] != '\n')
		return -1;
	backing[n - 1] = '\0';
	if (strcmp(backing, path) != 0)
		return -1;
	snprintf(file, sizeof(file), "/dev/%.20s", name);
	loop = open(file, O_RDONLY | O_CLOEXEC);
	/* it may have become another file's meanwhile; from now on it cannot */
	if (loop < 0 || ioctl(loop, LOOP_GET_STATUS64, &info) < 0 || info.lo_inode != ino ||
	    info.lo_offset || info.lo_sizelimit || !(info.lo_flags & LO_FLAGS_READ_ONLY) ||
	    !(info.lo_flags & LO_FLAGS_AUTOCLEAR))
		return -1;
	return TAKE_FD(loop);
}

/* The loop device that another container of the image has over this file, or -1. The kernel then
 * gives both the same superblock: one cache, and no new devices for udev to look at. */
static int loop_find(int fd)
{
	char path[PATH_MAX];
	ssize_t n = readlink(fd_path(fd).s, path, sizeof(path) - 1);
	struct dirent *de;
	struct stat st;
	int loop = -1;
	DIR *dir;

	if (n < 0 || fstat(fd, &st) < 0)
		return -1;
	path[n] = '\0';
	dir = opendir("/sys/block");
	while (dir && loop < 0 && (de = readdir(dir)))
		if (!strncmp(de->d_name, "loop", 4))
			loop = loop_open_if(de->d_name, path, st.st_ino);
	if (dir)
		closedir(dir);
	return loop;
}

/* A free loop device over fd, read-only; its fd keeps it until the mount does. Not
 * LO_FLAGS_DIRECT_IO: the file's cached pages serve every container of the image, which would each
 * read the disk else. */
static int loop_attach(int control_fd, int fd)
{
	struct loop_config config = {
		.fd = (__u32)fd,
		.block_size = 512,
		.info.lo_flags = LO_FLAGS_READ_ONLY | LO_FLAGS_AUTOCLEAR,
	};

	for (int i = 0; i < LOOP_TRIES; i++) {
		int n = ioctl(control_fd, LOOP_CTL_GET_FREE), loop;
		char path[32];

		if (n < 0)
			return -errno;
		snprintf(path, sizeof(path), "/dev/loop%d", n);
		loop = open(path, O_RDWR | O_CLOEXEC);
		if (loop < 0)
			return -errno;
		if (ioctl(loop, LOOP_CONFIGURE, &config) == 0)
			return loop;
		close(loop);
		/* somebody else took the same number */
		if (errno != EBUSY)
			return -errno;
	}
	return -EBUSY;
}

int erofs_mount_loop(int index_fd, int tar_fd, struct err *err)
{
	AUTO_FD control = open("/dev/loop-control", O_RDWR | O_CLOEXEC);
	AUTO_FD index = -1, tar = -1;
	int r;

	if (control < 0)
		return err_sys(err, errno, "open '/dev/loop-control'");
	index = loop_find(index_fd);
	if (index < 0)
		index = loop_attach(control, index_fd);
	if (index < 0)
		return err_sys(err, -index, "attach a loop device to the layer's index");
	tar = loop_find(tar_fd);
	if (tar < 0)
		tar = loop_attach(control, tar_fd);
	if (tar < 0)
		return err_sys(err, -tar, "attach a loop device to the layer");
	r = mount_erofs(fd_path(index).s, fd_path(tar).s);
	return r < 0 ? err_sys(err, -r, "mount the layer's EROFS index over a loop device") : r;
}
