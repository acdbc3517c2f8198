/* mount: an image's tree, read-only, at a path of the host.
 *
 * The one thing of dhow that leaves a mount on the host: it stays until image_unmount(), or the end
 * of the boot. A row says which image is where, written before the mount is made, so that the
 * image cannot go from below it; a row without its mount (a kill between the two, an umount by
 * hand) is taken away by the next image_unmount() or by a new mount at that path. Needs
 * CAP_SYS_ADMIN in the machine's first user namespace. */
#pragma once
#include "image/image.h"

struct image_mount {
	char *path;
	char *id;        /* of the image */
	char *name;      /* its first name, or NULL */
	bool is_mounted; /* as seen from this process's mount namespace */
	int64_t mounted_ns;
};

/* path: an existing directory, absolute and without links. The same image at the same path again
 * is fine. */
int image_mount(struct image_store *store, const char *name, const char *path, struct err *err);

enum image_unmount_flags { IMAGE_UNMOUNT_FORCE = 1u << 0 }; /* also while files of it are open */
/* what: a path, or an image (all its mounts). E_NOT_FOUND, E_BUSY. ret_paths: what was unmounted.
 */
int image_unmount(struct image_store *store, const char *what, unsigned flags,
                  struct strv *ret_paths, struct err *err);
/* All mounts of an image, forced; none is fine. */
int image_unmount_all(struct image_store *store, const char *id, struct err *err);

/* Of this boot, by path. Caller: image_mounts_free. */
int image_mount_list(struct image_store *store, struct image_mount **ret, size_t *ret_n,
                     struct err *err);
void image_mounts_free(struct image_mount *mounts, size_t n);
