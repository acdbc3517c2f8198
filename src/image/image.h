/* image store: images, their names, and the content they refer to.
 *
 * An image is its configuration: its id is the digest of the config's bytes. Rows in dhow.db say
 * what exists; files hold the bytes: blobs/ALG/HEX (manifests, indexes, configs; verified,
 * 0444) and layers/ (image/layers.h); packed/ is a cache of layers as they were downloaded.
 *
 * Invariants
 *  - A visible blob or layer is complete, verified and durable; it never changes.
 *  - A row is committed, durably, after its files; files are unlinked after their rows are gone
 *    durably. So a crash leaves at most files without rows; they are removed by the next sweep.
 *  - Content that an operation under way relies on is leased (rows with the owner's pid and start
 *    time), so that a removal beside it leaves it alone; leases of dead owners do not count.
 *  - Blobs are hashed again whenever they are read.
 *
 * Names are kept whole ("docker.io/library/busybox:latest"); image_ref_familiar() shortens them.
 * Threads: one store (and db) per thread. A store does not survive fork. */
#pragma once
#include "base/db.h"
#include "base/err.h"
#include "base/strv.h"
#include "codec/digest.h"
#include "codec/json.h"
#include "oci/image-config.h"
#include "oci/manifest.h"
#include "oci/platform.h"
#include "oci/ref.h"
#include <signal.h>

struct image_store;
struct layer_store;

/* Opens below root_fd (borrowed for the call) and db (borrowed until free); makes the folders
 * (0700) and tables. When the last user crashed, first sweeps what it left. */
int image_store_open(int root_fd, struct db *db, struct image_store **ret, struct err *err);
void image_store_free(struct image_store *store);
DEFINE_FREEP(struct image_store, image_store_free)
#define AUTO_IMAGE_STORE __attribute__((cleanup(image_store_freep))) struct image_store
struct layer_store *image_store_layers(struct image_store *store); /* borrowed */

/* --- progress --- */

enum image_stage {
	IMAGE_STAGE_RESOLVE = 0, /* asking the registry for the manifest; id is the reference */
	IMAGE_STAGE_WAIT,        /* queued, or another process fetches it */
	IMAGE_STAGE_DOWNLOAD,    /* done/total compressed bytes, being imported as they come */
	IMAGE_STAGE_RETRY,       /* broken off: text says why and what comes next */
	IMAGE_STAGE_IMPORT,      /* downloaded (or read); being finished and made durable */
	IMAGE_STAGE_EXISTS,      /* was there already */
	IMAGE_STAGE_DONE,
	IMAGE_STAGE_MIRROR, /* id, a host, did not serve it: text says why; the next one is asked */
	IMAGE_STAGE_MAX
};

struct image_event {
	enum image_stage stage;
	const char *id;   /* 12 hex digits of the layer's digest, or the reference */
	uint64_t done;    /* bytes */
	uint64_t total;   /* bytes; 0: unknown */
	const char *text; /* for people; may be NULL */
};

/* Events come from several threads, but never two at a time. NULL progress: silence. */
struct image_progress {
	void (*event)(void *ctx, const struct image_event *event);
	void *ctx;
};

/* --- reading --- */

struct image {
	char *id;                   /* "sha256:HEX" */
	struct strv names;          /* "docker.io/library/busybox:latest": tags, sorted */
	struct strv digests;        /* "docker.io/library/busybox@sha256:...": where it came from */
	struct digest manifest;     /* of the image manifest; len 0 when it has none (import) */
	struct image_config config; /* parsed; config.diff_ids are the layers, bottom first */
	uint64_t size;              /* bytes of all layers' tars */
	uint64_t *layer_sizes;      /* config.n_diff_ids of them */
	int64_t stored_ns;          /* when it came into the store */
	int64_t used_ns; /* when a container was last made from it, to the hour; 0: never */
};
#define IMAGE_INIT ((struct image){ 0 })
void image_done(struct image *image);
#define AUTO_IMAGE __attribute__((cleanup(image_done))) struct image

/* A name (docker's defaults apply), name@digest, "sha256:HEX" or a prefix of an id. A name wins
 * over an id prefix. E_NOT_FOUND; E_INVALID for an ambiguous prefix.
 * What is damaged or incomplete is E_CORRUPT. */
int image_resolve(struct image_store *store, const char *name, struct image *ret, struct err *err);
/* Only the id, without reading the config. Caller frees *ret_id. */
int image_resolve_id(struct image_store *store, const char *name, char **ret_id, struct err *err);
/* For who refers to an image from tables of theirs: inside their transaction, E_NOT_FOUND when it
 * is gone by now. Notes that it is used now. */
int image_hold(struct image_store *store, const char *id, struct err *err);

struct image_row { /* what a listing shows: one SELECT, no config is read */
	char *id;
	char *name;   /* NULL for an image without names; an image with n names gives n rows */
	char *digest; /* of its manifest or index, "sha256:..."; NULL when it has none */
	struct platform platform;
	int64_t created_ns;
	int64_t stored_ns;
	uint64_t size;
	uint32_t n_layers;
};
/* Newest first. Caller: image_rows_free. */
int image_list(struct image_store *store, struct image_row **ret, size_t *ret_n, struct err *err);
void image_rows_free(struct image_row *rows, size_t n);

/* docker-shaped JSON of one image. Caller puts it. */
int image_inspect(struct image_store *store, const struct image *image, struct json_object **ret,
                  struct err *err);

struct image_history_row {
	const char *id; /* image id on the first row, "<missing>" on the others */
	int64_t created_ns;
	const char *created_by; /* borrowed from the image; never NULL */
	const char *comment;    /* never NULL */
	uint64_t size;
};
/* Newest first; strings are borrowed from `image`. Caller frees *ret. */
int image_history(const struct image *image, struct image_history_row **ret, size_t *ret_n,
                  struct err *err);

/* --- changing --- */

/* Give the image `source` the name `target`, taking it from another image that has it. */
int image_tag(struct image_store *store, const char *source, const char *target, struct err *err);
/* The image was sent to the repository of `ref`, where it has that digest: repo@digest names it
 * from now on. */
int image_note_digest(struct image_store *store, const char *image, const char *ref,
                      const struct digest *digest, struct err *err);
/* Take a name away; the image stays. E_NOT_FOUND. */
int image_untag(struct image_store *store, const char *name, struct err *err);

/* Who uses an image: called within the removing transaction (same db); append to ret_users. */
typedef int (*image_users_fn)(void *ctx, const char *image_id, struct strv *ret_users,
                              struct err *err);
void image_store_set_users(struct image_store *store, image_users_fn users, void *ctx);

enum image_remove_flags {
	IMAGE_REMOVE_FORCE = 1u << 0, /* all names of an id; names even while containers use it */
	IMAGE_REMOVE_ALL = 1u << 1,   /* all names of an id, unless something uses it */
};
struct image_removed {
	struct strv untagged; /* names */
	struct strv deleted;  /* ids and layer diffIDs, as docker prints them */
	uint64_t freed;       /* bytes */
};
#define IMAGE_REMOVED_INIT ((struct image_removed){ 0 })
void image_removed_done(struct image_removed *r);
/* By name: takes the name away, and with its last name the image. By id: the image, when it has at
 * most one name (E_STATE otherwise, or FORCE). An image that a container uses is E_BUSY; FORCE then
 * takes the names only. Content that nothing refers to any more is removed. */
int image_remove(struct image_store *store, const char *name, unsigned flags,
                 struct image_removed *ret, struct err *err);
