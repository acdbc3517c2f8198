/* image-mounts: --mount type=image: another image's tree, read-only, inside a container.
 *
 * The source is written down as an id when the container is made, in the transaction that makes its
 * row, so that the image stays as long as the container does. As for the root (image/rootfs.h) the
 * layers are mounted by the process that makes the container, the overlay by the container's first
 * process, in its own mount namespace: nothing is left on the host. */
#pragma once
#include "engine/engine.h"
#include "engine/options.h"

struct oci_spec;
struct ctr_image_mounts;

/* At create: replace the names in opts->mount by ids; these are added to *ret_ids. E_NOT_FOUND. */
int ctr_image_mounts_resolve(struct engine *e, struct container_options *opts, struct strv *ret_ids,
                             struct err *err);
/* In the transaction that makes the container's row. */
int ctr_image_mounts_hold(struct engine *e, const char *container_id, const struct strv *ids,
                          struct err *err);

/* At start, in the parent. *ret is NULL when there are none. */
int ctr_image_mounts_plan(struct engine *e, const struct container_options *opts,
                          struct ctr_image_mounts **ret, struct err *err);
/* In the container's first process: mount them, and say so in the spec. container_path: the
 * container's directory. NULL is fine. */
int ctr_image_mounts_make(struct ctr_image_mounts *m, const char *container_path,
                          struct oci_spec *spec, struct err *err);
void ctr_image_mounts_free(struct ctr_image_mounts *m);
