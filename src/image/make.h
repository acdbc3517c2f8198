/* make: images made here, out of others: commit and squash.
 *
 * The layer is written as a tar straight into the store's import: the same entries give the same
 * bytes, and so the same diffID. The image's row comes last, as with a pull. */
#pragma once
#include "image/image.h"

struct tar_writer;

struct image_make {
	const struct image_config *base; /* its layers and history stay below; NULL: none */
	struct image_config *config;     /* borrowed; its times, layers and history are replaced */
	/* Write the entries of the new layer, with tar_writer_finish(). NULL: no new layer */
	int (*write)(void *ctx, struct tar_writer *w, struct err *err);
	void *ctx;
	bool drop_empty;        /* a layer without entries is none */
	const char *created_by; /* of its history; NULL: "" */
	const char *comment;    /* or NULL */
	const char *author;     /* or NULL */
	const char *name;       /* to give it, or NULL; checked by image_make_name() */
	const char *base_id;    /* leased while it is being made; or NULL */
};
/* Caller frees *ret_id. */
int image_make(struct image_store *store, const struct image_make *make, char **ret_id,
               struct err *err);
/* A name as the user wrote it, whole. E_INVALID for one with a digest. Caller frees. */
int image_make_name(const char *name, char **ret, struct err *err);

/* An image of one layer with the same files and config. name: or NULL. */
int image_squash(struct image_store *store, const char *source, const char *name,
                 const char *comment, char **ret_id, struct err *err);
