/* layers: the store of unpacked layers, ROOT/layers/HEX (HEX: the sha256 diffID).
 *
 *	layer.tar    the uncompressed archive, bit for bit: what save and push need
 *	layer.erofs  its index (codec/erofs.h), or
 *	diff/        its extracted tree, where EROFS cannot be mounted
 *
 * A directory named HEX is complete, verified and durable: it appears by one rename after the
 * files and the directory were synced. Work under way is in directories named "tmp-*" under a
 * flock; layer_store_sweep() removes those whose owner died.
 *
 * Which form new layers get is probed once and kept in ROOT/layers/probe.json (layer_store_mode).
 * Extraction needs uid 0 in the caller's user namespace (files are chowned): rootless callers
 * enter theirs first.
 *
 * Threads: a layer_store may be used by several threads at once; a layer_import by one at a time
 * (it runs threads of its own, so never clone a container in this process afterwards without
 * layer_import_commit or _free having returned: both join them). */
#pragma once
#include "base/err.h"
#include "codec/digest.h"
#include "codec/inflate.h"
#include <stdbool.h>
#include <stdint.h>

enum layer_mode {
	LAYER_MODE_NONE = 0,
	LAYER_MODE_EROFS_FILE, /* EROFS mounted from the file */
	LAYER_MODE_EROFS_LOOP, /* EROFS over loop devices */
	LAYER_MODE_DIR,        /* extracted directories */
	LAYER_MODE_MAX
};

struct layer_store;

struct layer_store_options {
	/* LAYER_MODE_NONE: as probed. Else forced, for tests and for storage options. */
	enum layer_mode mode;
};

/* root_fd: ROOT, borrowed; makes ROOT/layers (0700) when missing. options may be NULL. */
int layer_store_open(int root_fd, const struct layer_store_options *options,
                     struct layer_store **ret, struct err *err);
void layer_store_free(struct layer_store *store);
DEFINE_FREEP(struct layer_store, layer_store_free)

/* How new layers are stored and mounted; probes when it was not yet. For `dhow info`,
 * *ret_reason says why it is not the best one ("" otherwise); borrowed from the store. */
int layer_store_mode(struct layer_store *store, enum layer_mode *ret, const char **ret_reason,
                     struct err *err);
const char *layer_mode_name(enum layer_mode mode); /* "erofs", "erofs-loop", "directory" */

struct layer_info {
	struct digest diff_id;
	uint64_t tar_bytes;           /* uncompressed size: what `docker images` adds up */
	uint64_t disk_bytes;          /* all files of the layer in the store */
	uint64_t entries;             /* 0 when not known (only set by an import) */
	enum compression compression; /* of what was imported; AUTO when not known */
	bool is_new; /* set by layer_import_commit: false when the store had it already */
};

/* Called from the import's own threads, now and then; must be quick and thread-safe. */
typedef void (*layer_progress_fn)(void *ctx, uint64_t unpacked_bytes);

struct layer_import_args {
	const char *what; /* names the layer in errors: "layer sha256:0a1b..."; copied */
	const struct digest *expected_diff_id; /* NULL: any (import, load of old archives) */
	enum compression compression;
	uint64_t max_bytes; /* of the uncompressed tar; 0: the default of inflate.h */
	layer_progress_fn progress;
	void *progress_ctx;
};

struct layer_import;

int layer_import_begin(struct layer_store *store, const struct layer_import_args *args,
                       struct layer_import **ret, struct err *err);
/* The next compressed bytes, copied before it returns; blocks while the pipeline is full.
 * A failure of a later stage is reported by the next push or by commit. */
int layer_import_push(struct layer_import *im, const void *data, size_t len, struct err *err);
/* The input is complete: drain, verify, make durable and visible. E_CORRUPT for a wrong diffID.
 * On failure nothing is left behind once layer_import_free() was called. */
int layer_import_commit(struct layer_import *im, struct layer_info *ret, struct err *err);
/* Aborts unless committed. Always call it. */
void layer_import_free(struct layer_import *im);
DEFINE_FREEP(struct layer_import, layer_import_free)

/* Convenience over the above: the whole of fd, from its position to its end. */
int layer_import_fd(struct layer_store *store, const struct layer_import_args *args, int fd,
                    struct layer_info *ret, struct err *err);

bool layer_store_has(struct layer_store *store, const struct digest *diff_id);
/* E_NOT_FOUND. */
int layer_store_info(struct layer_store *store, const struct digest *diff_id,
                     struct layer_info *ret, struct err *err);
/* All layers, in no order. Caller frees *ret. */
int layer_store_list(struct layer_store *store, struct layer_info **ret, size_t *ret_count,
                     struct err *err);
/* The uncompressed tar, read-only. Return the fd. */
int layer_store_open_tar(struct layer_store *store, const struct digest *diff_id, struct err *err);
/* Re-hash the tar against its name and make its index anew to compare. E_CORRUPT. */
int layer_store_verify(struct layer_store *store, const struct digest *diff_id, struct err *err);

enum layer_damage {
	LAYER_SOUND = 0,
	LAYER_DAMAGE_TAR,  /* missing, or other bytes: nothing else of the layer is of use */
	LAYER_DAMAGE_FORM, /* index or directory missing or wrong: made again from the tar */
};
/* The same, in detail; ret_why says what is wrong. quick: presence only. An index of another
 * version of dhow passes. -1 when it could not be examined (E_NOT_FOUND: it went). */
int layer_store_examine(struct layer_store *store, const struct digest *diff_id, bool quick,
                        enum layer_damage *ret, struct err *ret_why, struct err *err);
/* Make the index or the directory of a layer anew from its tar (examined before), in its place. An
 * index that is mounted stays what it is for its mounts; of a directory nothing may be mounted. */
int layer_store_rebuild(struct layer_store *store, const struct digest *diff_id, struct err *err);
bool layer_store_has_directory(struct layer_store *store, const struct digest *diff_id);

/* A missing layer is fine. A layer mounted by a container keeps working: its files stay open.
 * The caller makes sure nobody will want to mount it again. */
int layer_store_remove(struct layer_store *store, const struct digest *diff_id, struct err *err);
/* The first half of layer_store_remove(): gone for everybody at once, its files are removed by the
 * next layer_store_sweep(). */
int layer_store_hide(struct layer_store *store, const struct digest *diff_id, struct err *err);
/* Remove what crashed or killed processes left behind, and what is hidden; cheap when there is
 * nothing. */
int layer_store_sweep(struct layer_store *store, struct err *err);
