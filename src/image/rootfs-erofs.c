/* One EROFS image as a detached mount: from the file itself, or through loop devices. */
#include <errno.h>
#include <fcntl.h>
#include <linux/loop.h>
#include <stdbool.h>
#include <sys/ioctl.h>
#include <sys/mount.h>

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
	index = loop_attach(control, index_fd);
	if (index < 0)
		return err_sys(err, -index, "attach a loop device to the layer's index");
	tar = loop_attach(control, tar_fd);
	if (tar < 0)
		return err_sys(err, -tar, "attach a loop device to the layer");
	r = mount_erofs(fd_path(index).s, fd_path(tar).s);
	return r < 0 ? err_sys(err, -r, "mount the layer's EROFS index over a loop device") : r;
}
