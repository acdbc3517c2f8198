/* What the parts of copying share: copy.c walks documents, copy-layers.c moves blobs,
 * copy-manifest.c reads and rewrites manifests. */
#pragma once
#include "image/transport-internal.h"

/* An image's manifest, or an artifact's: read without asking what its blobs are. */
struct copy_manifest {
	struct json_object *obj;
	char *media_type;
	bool is_image; /* config and layers are an image's: they may be compressed otherwise */
	struct descriptor config;
	struct descriptor *layers;
	size_t n_layers;
};
#define COPY_MANIFEST_INIT ((struct copy_manifest){ 0 })
void copy_manifest_done(struct copy_manifest *m);
#define AUTO_COPY_MANIFEST __attribute__((cleanup(copy_manifest_done))) struct copy_manifest
/* Return 0, or 1 when it is an index. */
int copy_manifest_parse(const struct document *doc, struct copy_manifest *ret, struct err *err);

/* What becomes of a layer. */
struct copy_layer {
	const struct descriptor *have;
	struct digest diff_id;   /* alg NONE: not known */
	enum compression target; /* of its bytes at the destination */
	bool as_is;              /* its bytes stay */
	bool is_elsewhere;       /* as_is: they are not at the source, so only if they are there */
	bool has_known;          /* `known` was made of it before */
	struct packed known;
	/* the result */
	struct digest digest;
	uint64_t size;
	bool sent;
};

struct copy {
	struct image_store *store;
	const struct copy_options *options;
	struct image_source *source;
	struct image_dest *dest;
	atomic_bool stop;
	struct copy_result result;
	size_t n_documents;   /* of indexes, asked for */
	pthread_mutex_t lock; /* of events */
};

enum image_format copy_format(const struct copy *c, const char *media_type);
/* Plan and move the blobs of one image. layers: m->n_layers of them, zeroed. */
int copy_blobs(struct copy *c, const struct copy_manifest *m, const struct document *config,
               struct copy_layer *layers, struct err *err);
/* The manifest for what the layers became; *changed false: it is the one that came. */
void copy_manifest_rewrite(const struct copy_manifest *m, enum image_format format,
                           const struct copy_layer *layers, struct document *doc, bool *changed);
/* An index whose entries became others: their digest, media type and length, 0 for those not looked
 * at. */
void copy_index_rewrite(struct document *doc, const struct document *entries, size_t n,
                        enum image_format format, bool *changed);
int copy_config_parse(const struct document *config, struct image_config *ret, struct err *err);
