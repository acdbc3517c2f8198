/* rootfs: mounting a container's root file system from stored layers.
 *
 * The plan mounts each EROFS layer in the parent, attached nowhere: a detached mount is an fd, seen
 * by nobody and gone with it, and the container's device cgroup, which the child may be in already,
 * has no say in loop devices. rootfs_mount() runs in the container's child, inside its new mount
 * namespace and before pivot_root, and only does system calls. No mount is ever made in the host's
 * mount namespace: when the container's namespace dies, so do its mounts and (auto-clearing) loop
 * devices. */
#pragma once
#include "base/err.h"
#include "codec/digest.h"
#include "image/layers.h"
#include <stddef.h>

enum rootfs_flags {
	/* No upper layer; upper_fd and work_fd are ignored. For mounting an image to look at: a
	 * container with --read-only still needs an upper layer for its mount points. */
	ROOTFS_READ_ONLY = 1u << 0,
	ROOTFS_VOLATILE = 1u << 1, /* no syncs on the upper: only for --rm, lost on a crash */
};

struct rootfs_layer {
	int dir_fd;   /* ROOT/layers/HEX: mount point where a detached lower cannot be used */
	int mount_fd; /* the mounted EROFS index; -1 when extracted */
	int diff_fd;  /* the extracted tree; -1 when mounted */
};

struct rootfs_plan {
	struct rootfs_layer *layers; /* bottom-up, as in an image's config */
	size_t n_layers;
	int upper_fd, work_fd; /* owned copies; -1 when read-only */
	unsigned flags;
};

#define ROOTFS_PLAN_INIT ((struct rootfs_plan){ .upper_fd = -1, .work_fd = -1 })

/* diff_ids: bottom-up, at least one. upper_fd, work_fd: directories of one file system, borrowed
 * (duplicated); both -1 with ROOTFS_READ_ONLY. E_NOT_FOUND names a missing layer. */
int rootfs_plan_init(struct rootfs_plan *plan, struct layer_store *store,
                     const struct digest *diff_ids, size_t n_layers, int upper_fd, int work_fd,
                     unsigned flags, struct err *err);
void rootfs_plan_done(struct rootfs_plan *plan);
/* Merge a directory in below all layers: what the image lacks is seen from there. dir_fd: readable,
 * borrowed (duplicated). For mount points, which would otherwise be made in the upper directory at
 * every start. */
int rootfs_plan_add_below(struct rootfs_plan *plan, int dir_fd, struct err *err);

/* Needs CAP_SYS_ADMIN in the owner of the current mount namespace, whose mounts must not propagate
 * to the host (the caller made them private or slave). *ret_mount_fd: the detached root mount, to
 * be attached with move_mount. */
int rootfs_mount(const struct rootfs_plan *plan, int *ret_mount_fd, struct err *err);
