/* volumes: named and anonymous directories that outlive or accompany a container.
 *
 * ROOT/volumes/NAME/{_data/, volume.json}. A volume is made under a temporary name and renamed, so
 * a visible one is complete. volume.json says when it was made, its labels, and whether it is
 * anonymous. A volume's content comes from the image the first time a container mounts it while it
 * is empty (volume_copy_up(), under the volume's flock; a copy cut short is begun anew).
 * Names: [a-zA-Z0-9][a-zA-Z0-9_.-]*, at most 255 bytes. */
#pragma once
#include "base/err.h"
#include "base/strv.h"
#include "engine/options.h"
#include <stdint.h>

struct engine;
struct image_config;

#define VOLUME_NAME_MAX 255

struct volume {
	char *name;
	char *mountpoint; /* absolute path of _data */
	int64_t created_ns;
	struct strv labels; /* KEY=VALUE */
	bool anonymous;
};

struct volume_list {
	struct volume *items;
	size_t count;
};

void volume_done(struct volume *v);
void volume_list_done(struct volume_list *list);

/* root_fd: ROOT. name NULL: an anonymous volume with a random name.
 * labels may be NULL. Existing: fine, *ret_created (may be NULL) is false. */
int volume_create(int root_fd, const char *name, const struct strv *labels, char **ret_name,
                  bool *ret_created, struct err *err);
/* E_NOT_FOUND "no such volume 'x'". root_path is used for the mountpoint. */
int volume_get(int root_fd, const char *root_path, const char *name, struct volume *ret,
               struct err *err);
/* By name. */
int volume_list(int root_fd, const char *root_path, struct volume_list *ret, struct err *err);
/* Not checked for use: volume_rm() does. A missing one is E_NOT_FOUND. */
int volume_remove(int root_fd, const char *name, struct err *err);

/* Remove unless a container (in any state) mounts it: E_BUSY names the container. */
int volume_rm(struct engine *e, const char *name, bool force, struct err *err);
struct volume_prune_options {
	bool all;                      /* volumes that were given a name, too */
	int64_t until_ns;              /* only those made before; 0: any */
	const struct strv *labels;     /* KEY or KEY=VALUE, all of them; NULL: any */
	const struct strv *not_labels; /* none of them */
};
/* Remove the volumes no container mounts; names go to *ret_removed. */
int volume_prune(struct engine *e, const struct volume_prune_options *options,
                 struct strv *ret_removed, struct err *err);
/* What its files take on disk. */
uint64_t volume_disk_bytes(int root_fd, const char *name);

/* At container create, once: container_options_resolve() (spec-build.h), then check every -v,
 * --mount, --tmpfs and image VOLUME, make the volumes that are missing, give anonymous ones a name
 * (recorded in opts->anon_volumes and as a --mount of opts, so that a saved container finds them
 * again), and replace --volumes-from by what it stands for. On failure the volumes made here are
 * removed. */
int volumes_prepare(struct engine *e, struct container_options *opts,
                    const struct image_config *image, struct err *err);
/* Remove the anonymous volumes of a container: after --rm, or rm -v. Missing ones are fine. */
int volumes_remove_anonymous(int root_fd, const struct container_options *opts, struct err *err);

/* For ps and inspect: names of volumes and host paths, in mount order. */
int volumes_describe(const struct container_options *opts, struct strv *ret, struct err *err);

/* Fill the volume from dir `inside` of the container's root if the volume is still empty. The
 * volume's owner and mode become those of the image's directory. Nothing there: nothing to do. */
int volume_copy_up(int root_fd, const char *name, int ctr_root_fd, const char *inside,
                   struct err *err);
