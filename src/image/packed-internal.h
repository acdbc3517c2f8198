/* packed: compressed forms of layers, by their digest, beside the layers themselves.
 *
 * ROOT/packed/HEX is what a pull downloaded: it was written anyway, and renamed here it lets push
 * and save give back the same bytes, hence the same manifest. It is a cache: nothing needs it, it
 * is not synced when it comes, so whoever reads it verifies it, and it is the first to go when the
 * disk gets full. A row says which layer it is a form of; rows without a file remember the digest
 * of what was pushed once, so that a registry can be asked for it before anything is compressed. */
#pragma once
#include "image/image-internal.h"

struct packed {
	struct digest digest; /* of the compressed bytes */
	uint64_t size;
	enum compression compression;
	bool is_here; /* the file is there */
};

/* Take ingest/NAME for it. Failure is no harm: the file is gone then. For any thread. */
void packed_keep(struct image_store *store, const struct digest *d, const char *ingest_name);
/* Note a form of a layer. recipe: deflate_recipe(), or "" for what came from elsewhere. Within a
 * transaction, or one of its own. */
int packed_record(struct image_store *store, const struct digest *diff_id,
                  const struct packed *packed, const char *recipe, struct err *err);
/* The form of a layer made by the recipe; recipe NULL: what came from elsewhere, one that is here
 * before others. 1, 0, -1. */
int packed_find(struct image_store *store, const struct digest *diff_id, const char *recipe,
                struct packed *ret, struct err *err);
bool packed_has(struct image_store *store, const struct digest *d);
/* E_NOT_FOUND. */
int packed_open(struct image_store *store, const struct digest *d, int *ret_fd, uint64_t *ret_size,
                struct err *err);
/* Its bytes turned out to be wrong. */
void packed_drop(struct image_store *store, const struct digest *d);
/* The layer went: its forms, too. Within a write transaction. *ret_freed is added to. */
int packed_forget(struct image_store *store, const struct digest *diff_id, uint64_t *ret_freed,
                  struct err *err);
/* Remove files, those not used for the longest first, until bytes are free; 0: all. */
int packed_evict(struct image_store *store, uint64_t bytes, uint64_t *ret_freed, struct err *err);
/* Files without a row whose layer is here. Within a write transaction. */
int packed_sweep(struct image_store *store, struct err *err);
