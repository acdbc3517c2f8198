#include "image/rootfs.h"

#define PENDING(err) err_set(err, E_UNSUPPORTED, "%s: not implemented yet", __func__)

int rootfs_plan_init(struct rootfs_plan *plan, struct layer_store *store,
                     const struct digest *diff_ids, size_t n_layers, int upper_fd, int work_fd,
                     unsigned flags, struct err *err)
{
	return PENDING(err);
}
void rootfs_plan_done(struct rootfs_plan *plan)
{
}
int rootfs_mount(const struct rootfs_plan *plan, int *ret_mount_fd, struct err *err)
{
	return PENDING(err);
}
