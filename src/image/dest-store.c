/* The store as a destination: layers are imported as they come. */
#include "base/xalloc.h"
#include "image/transport-internal.h"

#define PARALLEL   4
#define COPY_BYTES (256u << 10)

struct store_dest {
	struct image_dest base;
	struct image_store *store;
	const volatile sig_atomic_t *cancel;
	struct lease lease;
	char *name;
	struct image_config config;
	struct document documents[2]; /* config, manifest */
};

static void store_dest_free(struct image_dest *base)
{
	struct store_dest *d = (struct store_dest *)base;

	/* layers that came whole are kept a while for the next attempt */
	lease_end(d->store, &d->lease, !d->documents[1].text);
	image_config_done(&d->config);
	for (size_t i = 0; i < ARRAY_LEN(d->documents); i++)
		document_done(&d->documents[i]);
	free(d->name);
	free(d);
}

static void take_document(struct document *to, const struct document *from)
{
	*to = (struct document){ .text = xmemdup(from->text, from->len + 1),
		                 .len = from->len,
		                 .digest = from->digest };
}

static int store_begin(struct image_dest *base, const struct document *manifest,
                       const struct document *config, struct err *err)
{
	struct store_dest *d = (struct store_dest *)base;
	AUTO_FREE struct digest *digests = NULL;
	size_t n = 0;

	if (!config->text)
		return err_set(err, E_UNSUPPORTED, "an artifact is no image of the store");
	if (image_config_parse("config of the image", config->text, config->len, &d->config, err) <
	    0)
		return -1;
	take_document(&d->documents[0], config);
	for (size_t i = 0; i < d->config.n_diff_ids; i++)
		VEC_PUSH(digests, n, d->config.diff_ids[i]);
	VEC_PUSH(digests, n, config->digest);
	VEC_PUSH(digests, n, manifest->digest);
	if (lease_begin(d->store, &d->lease, err) < 0)
		return -1;
	return lease_add(d->store, &d->lease, digests, n, err);
}

static int store_dest_has(struct image_dest *base, const struct digest *digest, int layer,
                          struct err *err)
{
	struct store_dest *d = (struct store_dest *)base;

	(void)digest, (void)err;
	/* the config is in memory already */
	return layer < 0 || ((size_t)layer < d->config.n_diff_ids &&
	                     layer_store_has(d->store->layers, &d->config.diff_ids[layer]));
}

static int store_dest_put(struct image_dest *base, const struct blob_put *put,
                          struct digest *ret_digest, uint64_t *ret_size, struct err *err)
{
	struct store_dest *d = (struct store_dest *)base;
	struct layer_import_args args = { .what = put->source.what,
		                          .expected_diff_id = put->diff_id,
		                          .max_bytes = image_disk_left(d->store) };
	AUTO(layer_import_freep) struct layer_import *import = NULL;
	AUTO_FREE char *buf = xmalloc(COPY_BYTES);
	struct layer_info info;
	AUTO_FEED feed;
	size_t n;

	feed_init(&feed, &put->source);
	if (layer_import_begin(d->store->layers, &args, &import, err) < 0 ||
	    feed_seek(&feed, 0, err) < 0)
		return -1;
	do {
		if (image_cancelled(d->cancel, err) < 0 ||
		    feed_read(&feed, buf, COPY_BYTES, &n, err) < 0)
			return -1;
		if (n && layer_import_push(import, buf, n, err) < 0) {
			image_disk_hint(args.max_bytes, err);
			return -1;
		}
	} while (n);
	if (feed_finish(&feed, ret_digest, ret_size, err) < 0)
		return -1;
	return layer_import_commit(import, &info, err);
}

static int store_dest_document(struct image_dest *base, const struct document *doc, bool top,
                               struct err *err)
{
	struct store_dest *d = (struct store_dest *)base;

	(void)top;
	if (d->lease.fd >= 0 && lease_add(d->store, &d->lease, &doc->digest, 1, err) < 0)
		return -1;
	take_document(&d->documents[1], doc);
	return 0;
}

static int store_dest_commit(struct image_dest *base, struct err *err)
{
	struct store_dest *d = (struct store_dest *)base;
	AUTO_FREE uint64_t *sizes = xcalloc(d->config.n_diff_ids + 1, sizeof(*sizes));
	struct image_blob blobs[2];
	struct image_new new = { .id = d->documents[0].digest,
		                 .config = &d->config,
		                 .layer_sizes = sizes,
		                 .manifest = d->documents[1].digest,
		                 .blobs = blobs,
		                 .n_blobs = 2,
		                 .name = d->name,
		                 .target = d->documents[1].digest };

	for (size_t i = 0; i < 2; i++) {
		const struct document *doc = &d->documents[i];

		blobs[i] = (struct image_blob){ .digest = doc->digest, .size = doc->len };
		if (blob_put(d->store, &doc->digest, doc->text, doc->len, err) < 0)
			return -1;
	}
	for (size_t i = 0; i < d->config.n_diff_ids; i++) {
		struct layer_info info;

		if (layer_store_info(d->store->layers, &d->config.diff_ids[i], &info, err) < 0)
			return -1;
		sizes[i] = info.tar_bytes;
	}
	return image_record(d->store, &new, err);
}

int dest_store_open(const struct transport_args *a, struct image_dest **ret, struct err *err)
{
	static const struct image_dest_ops ops = { .begin = store_begin,
		                                   .has = store_dest_has,
		                                   .put = store_dest_put,
		                                   .document = store_dest_document,
		                                   .commit = store_dest_commit,
		                                   .free = store_dest_free };
	struct store_dest *d = xcalloc(1, sizeof(*d));
	AUTO_DEST *base = &d->base;
	AUTO_REF ref = IMAGE_REF_INIT;

	d->base = (struct image_dest){ .ops = &ops, .no_index = true, .parallel = PARALLEL };
	d->store = a->store;
	d->cancel = a->options->cancel;
	d->lease = LEASE_INIT;
	if (image_ref_parse(a->at->name, &ref, err) < 0)
		return -1;
	if (ref.has_digest)
		return err_set(err, E_INVALID, "a name with a digest cannot be given: '%.200s'",
		               a->at->name);
	d->name = image_ref_name(&ref);
	*ret = TAKE_PTR(base);
	return 0;
}
