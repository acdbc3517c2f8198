#include "image/make.h"

#include <string.h>

#include "base/clock.h"
#include "base/xalloc.h"
#include "codec/tar.h"
#include "image/image-internal.h"
#include "image/merge.h"

struct making {
	struct image_store *store;
	const struct image_make *make;
	struct lease lease;
	struct layer_info layer;
	bool has_layer;
	uint64_t *sizes; /* of all layers */
};

int image_make_name(const char *name, char **ret, struct err *err)
{
	AUTO_REF ref = IMAGE_REF_INIT;

	if (image_ref_parse(name, &ref, err) < 0)
		return -1;
	if (ref.has_digest)
		return err_set(err, E_INVALID, "a name with a digest cannot be given: '%.200s'",
		               name);
	*ret = image_ref_name(&ref);
	return 0;
}

static int push(void *ctx, const void *data, size_t len, struct err *err)
{
	return layer_import_push(ctx, data, len, err);
}

static int make_layer(struct making *k, struct err *err)
{
	const struct layer_import_args args = { .what = "new layer",
		                                .compression = COMPRESSION_NONE,
		                                .max_bytes = image_disk_left(k->store) };
	AUTO(layer_import_freep) struct layer_import *im = NULL;
	AUTO(tar_writer_freep) struct tar_writer *w = NULL;

	if (!k->make->write)
		return 0;
	if (layer_import_begin(k->store->layers, &args, &im, err) < 0)
		return -1;
	w = tar_writer_new(push, im);
	if (k->make->write(k->make->ctx, w, err) < 0 || layer_import_commit(im, &k->layer, err) < 0)
		return -1;
	k->has_layer = k->layer.entries > 0 || !k->make->drop_empty;
	return 0;
}

/* What is below, and what is new, before anybody can take it for unused. */
static int lease(struct making *k, const struct digest *id, struct err *err)
{
	const struct image_config *c = k->make->config;
	AUTO_FREE struct digest *all = NULL;
	size_t n = 0;

	for (size_t i = 0; i < c->n_diff_ids; i++)
		VEC_PUSH(all, n, c->diff_ids[i]);
	VEC_PUSH(all, n, *id);
	if (lease_add(k->store, &k->lease, all, n, err) < 0)
		return -1;
	/* the new one was visible for a moment without a lease; the others are its base's */
	for (size_t i = 0; i < c->n_diff_ids; i++)
		if (!layer_store_has(k->store->layers, &c->diff_ids[i])) {
			err_set(err, E_BUSY, "layer %s was removed meanwhile",
			        digest_format(&c->diff_ids[i]).s);
			return err_hint(err, "try again");
		}
	return 0;
}

static struct image_history copy_history(const struct image_history *h)
{
	return (struct image_history){ .created = xstrdup_null(h->created),
		                       .created_by = xstrdup_null(h->created_by),
		                       .author = xstrdup_null(h->author),
		                       .comment = xstrdup_null(h->comment),
		                       .empty_layer = h->empty_layer };
}

static void build_config(struct making *k)
{
	const struct image_make *make = k->make;
	struct image_config *c = make->config;
	size_t n_diff_ids = 0, n_history = 0, n_told = 0;

	free(c->created);
	c->created_ns = clock_realtime_ns();
	c->created = xstrdup(time_format(c->created_ns).s);
	if (make->author) {
		free(c->author);
		c->author = xstrdup(make->author);
	}
	c->diff_ids = NULL;
	c->history = NULL;
	for (size_t i = 0; make->base && i < make->base->n_diff_ids; i++)
		VEC_PUSH(c->diff_ids, n_diff_ids, make->base->diff_ids[i]);
	for (size_t i = 0; make->base && i < make->base->n_history; i++) {
		n_told += !make->base->history[i].empty_layer;
		VEC_PUSH(c->history, n_history, copy_history(&make->base->history[i]));
	}
	/* a history that does not tell of every layer would not fit any more */
	for (; make->base && n_history && n_told < make->base->n_diff_ids; n_told++)
		VEC_PUSH(c->history, n_history, (struct image_history){ 0 });
	if (k->has_layer)
		VEC_PUSH(c->diff_ids, n_diff_ids, k->layer.diff_id);
	VEC_PUSH(c->history, n_history,
	         (struct image_history){ .created = xstrdup(c->created),
	                                 .created_by = xstrdup_null(make->created_by),
	                                 .author = xstrdup_null(make->author),
	                                 .comment = xstrdup_null(make->comment),
	                                 .empty_layer = !k->has_layer });
	c->n_diff_ids = n_diff_ids;
	c->n_history = n_history;
}

static int measure(struct making *k, struct err *err)
{
	const struct image_config *c = k->make->config;

	k->sizes = xcalloc(c->n_diff_ids + 1, sizeof(*k->sizes));
	for (size_t i = 0; i < c->n_diff_ids; i++) {
		struct layer_info info;

		if (layer_store_info(k->store->layers, &c->diff_ids[i], &info, err) < 0)
			return -1;
		k->sizes[i] = info.tar_bytes;
	}
	return 0;
}

static int record(struct making *k, char **ret_id, struct err *err)
{
	AUTO_JSON *obj = NULL;
	struct image_blob blob = { 0 };
	struct image_new new = {
		.config = k->make->config, .blobs = &blob, .n_blobs = 1, .name = k->make->name
	};
	const char *text;
	size_t len;

	if (k->make->config->n_diff_ids == 0)
		return err_set(err, E_STATE, "the image would have no layers");
	obj = image_config_to_json(k->make->config);
	text = json_text(obj, false);
	len = strlen(text);
	digest_of(DIGEST_SHA256, text, len, &new.id);
	blob.digest = new.id;
	blob.size = len;
	if (lease(k, &new.id, err) < 0 || measure(k, err) < 0)
		return -1;
	new.layer_sizes = k->sizes;
	if (blob_put(k->store, &new.id, text, len, err) < 0 ||
	    image_record(k->store, &new, err) < 0)
		return -1;
	*ret_id = xstrdup(digest_format(&new.id).s);
	return 0;
}

int image_make(struct image_store *store, const struct image_make *make, char **ret_id,
               struct err *err)
{
	struct making k = { .store = store, .make = make, .lease = LEASE_INIT };
	int r;

	if (lease_begin(store, &k.lease, err) < 0)
		return -1;
	r = make->base && make->base->n_diff_ids
	            ? lease_add(store, &k.lease, make->base->diff_ids, make->base->n_diff_ids, err)
	            : 0;
	if (r == 0)
		r = make_layer(&k, err);
	if (r == 0) {
		build_config(&k);
		r = record(&k, ret_id, err);
	}
	free(k.sizes);
	/* what a failure leaves is kept a while, as everywhere, and then swept */
	lease_end(store, &k.lease, r < 0);
	if ((r < 0 || !k.has_layer) && k.layer.is_new)
		content_collect(store, &(struct content){ CONTENT_LAYER, k.layer.diff_id }, 1, NULL,
		                ERR_IGNORE);
	return r;
}

/* --- squash --- */

static int write_merged(void *ctx, struct tar_writer *w, struct err *err)
{
	return merge_write_tar(ctx, w, err);
}

int image_squash(struct image_store *store, const char *source, const char *name,
                 const char *comment, char **ret_id, struct err *err)
{
	AUTO_IMAGE image = IMAGE_INIT;
	AUTO_IMAGE_CONFIG config = IMAGE_CONFIG_INIT;
	AUTO_MERGE *m = NULL;
	AUTO_FREE char *text = NULL;
	struct digest *diff_ids;
	struct image_make make = {
		.config = &config, .write = write_merged, .created_by = "squash", .name = name
	};
	size_t n;

	if (image_resolve(store, source, &image, err) < 0 ||
	    merge_read(store, image.config.diff_ids, image.config.n_diff_ids, 0, &m, err) < 0)
		return -1;
	text = comment ? xstrdup(comment)
	               : xasprintf("%zu layers of %s", image.config.n_diff_ids, image.id);
	make.comment = text;
	make.ctx = m;
	config = image.config;
	/* the new image has one layer and one line of history; these stay the source's */
	diff_ids = config.diff_ids;
	n = config.n_diff_ids;
	image.config = IMAGE_CONFIG_INIT;
	image.config.diff_ids = diff_ids;
	image.config.n_diff_ids = n;
	image.config.history = config.history;
	image.config.n_history = config.n_history;
	return image_make(store, &make, ret_id, err);
}
