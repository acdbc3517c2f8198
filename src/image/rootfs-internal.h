/* rootfs-internal: mounting one EROFS image, attached nowhere. */
#pragma once
#include "base/err.h"
#include <stddef.h>

/* Return the mount's fd. tar_fd: the external device. err->sys tells why it failed: ENOTBLK when
 * the file system below cannot back a mount, EPERM in a user namespace. */
int erofs_mount_file(int index_fd, int tar_fd, struct err *err);
/* The same over two loop devices, read-only and released with the mount. */
int erofs_mount_loop(int index_fd, int tar_fd, struct err *err);

/* Ways around what older kernels lack; tests force them. */
enum rootfs_force {
	ROOTFS_FORCE_LOOP =
		1u << 0, /* no EROFS from files; for the plan, the others for the mount */
	ROOTFS_FORCE_ATTACH = 1u << 1, /* no overlayfs over detached mounts */
	ROOTFS_FORCE_STRING = 1u << 2, /* no overlayfs layers by fd */
	ROOTFS_FORCE_MOUNT2 = 1u << 3, /* no lowerdir+: mount(2) with one string */
};
struct digest;
struct layer_store;
struct rootfs_plan;
int rootfs_plan_init_forced(struct rootfs_plan *plan, struct layer_store *store,
                            const struct digest *diff_ids, size_t n_layers, int upper_fd,
                            int work_fd, unsigned flags, unsigned force, struct err *err);
int rootfs_mount_forced(const struct rootfs_plan *plan, unsigned force, int *ret_mount_fd,
                        struct err *err);
