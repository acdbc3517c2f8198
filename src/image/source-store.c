/* The store as a source: the manifest an image came with where there is one, layers in the form
 * they came in where that was kept, else as their tars. */
#include "base/fd.h"
#include "base/xalloc.h"
#include "image/transport-internal.h"
#include <errno.h>
#include <sys/stat.h>

struct store_source {
	struct image_source base;
	struct image_store *store;
	struct image image;
	struct document top; /* the image's manifest */
	struct lease lease;
};

static void store_free(struct image_source *base)
{
	struct store_source *s = (struct store_source *)base;

	lease_end(s->store, &s->lease, false);
	document_done(&s->top);
	image_done(&s->image);
	strv_done(&base->mount_from);
	free(base->name);
	free(s);
}

/* --- documents --- */

/* A manifest for an image that came without: layers in a compressed form where one is here. */
static int make_manifest(struct store_source *s, struct err *err)
{
	const struct image_config *c = &s->image.config;
	AUTO_JSON *obj = json_object_new_object();
	AUTO_FREE char *config = NULL;
	struct json_object *layers;
	struct digest id;
	size_t len;

	if (digest_parse(s->image.id, &id, err) < 0 ||
	    blob_read(s->store, &id, IMAGE_CONFIG_MAX_BYTES, &config, &len, err) < 0)
		return -1;
	json_add_i64(obj, "schemaVersion", 2);
	json_add_str(obj, "mediaType", MEDIA_OCI_MANIFEST);
	json_object_object_add(obj, "config", descriptor_to_json(MEDIA_OCI_CONFIG, &id, len));
	layers = json_add_array(obj, "layers");
	for (size_t i = 0; i < c->n_diff_ids; i++) {
		struct packed p = { .digest = c->diff_ids[i], .size = s->image.layer_sizes[i] };
		const char *type = MEDIA_OCI_LAYER;
		int found = packed_find(s->store, &c->diff_ids[i], NULL, &p, err);

		if (found < 0)
			return -1;
		if (found && p.is_here)
			type = p.compression == COMPRESSION_ZSTD ? MEDIA_OCI_LAYER_ZSTD
			                                         : MEDIA_OCI_LAYER_GZIP;
		else
			p = (struct packed){ .digest = c->diff_ids[i],
				             .size = s->image.layer_sizes[i] };
		json_object_array_add(layers, descriptor_to_json(type, &p.digest, p.size));
	}
	s->top.text = xstrdup(json_text(obj, false));
	s->top.len = strlen(s->top.text);
	s->top.media_type = xstrdup(MEDIA_OCI_MANIFEST);
	digest_of(DIGEST_SHA256, s->top.text, s->top.len, &s->top.digest);
	return 0;
}

static int read_manifest(struct store_source *s, struct err *err)
{
	if (s->image.manifest.alg == DIGEST_NONE || !blob_has(s->store, &s->image.manifest))
		return make_manifest(s, err);
	s->top.digest = s->image.manifest;
	return blob_read(s->store, &s->image.manifest, MANIFEST_MAX_BYTES, &s->top.text,
	                 &s->top.len, err);
}

static int store_document(struct image_source *base, const struct digest *d, struct document *ret,
                          struct err *err)
{
	struct store_source *s = (struct store_source *)base;

	if (d && !digest_equal(d, &s->top.digest)) {
		*ret = (struct document){ .digest = *d };
		return blob_read(s->store, d, MANIFEST_MAX_BYTES, &ret->text, &ret->len, err);
	}
	*ret = (struct document){ .text = xmemdup(s->top.text, s->top.len + 1),
		                  .len = s->top.len,
		                  .media_type = xstrdup_null(s->top.media_type),
		                  .digest = s->top.digest };
	return 0;
}

/* --- blobs --- */

static bool store_has(struct image_source *base, const struct digest *d)
{
	struct store_source *s = (struct store_source *)base;

	return packed_has(s->store, d) || blob_has(s->store, d) ||
	       layer_store_has(s->store->layers, d);
}

static int open_tar(struct store_source *s, const struct digest *diff_id, uint64_t offset,
                    struct reader **ret, struct err *err)
{
	AUTO_FREE char *what = xasprintf("layer %s", digest_format(diff_id).s);
	AUTO_FD fd = layer_store_open_tar(s->store->layers, diff_id, err);
	struct stat st;

	if (fd < 0)
		return -1;
	if (fstat(fd, &st) < 0)
		return err_sys(err, errno, "read %s", what);
	*ret = reader_file(TAKE_FD(fd), offset, (uint64_t)st.st_size - offset, what);
	return 0;
}

static int store_open_plain(struct image_source *base, const struct copy_layer_ref *layer,
                            struct reader **ret, struct err *err)
{
	return open_tar((struct store_source *)base, layer->diff_id, 0, ret, err);
}

static int store_open(struct image_source *base, const struct descriptor *d, uint64_t offset,
                      struct reader **ret, struct err *err)
{
	struct store_source *s = (struct store_source *)base;
	AUTO_FREE char *what = xasprintf("blob %s", digest_format(&d->digest).s);
	AUTO_FD fd = -1;
	uint64_t size;

	if (packed_open(s->store, &d->digest, &fd, &size, ERR_IGNORE) < 0) {
		if (!blob_has(s->store, &d->digest))
			return open_tar(s, &d->digest, offset, ret, err);
		if (blob_open(s->store, &d->digest, &fd, &size, err) < 0)
			return -1;
	}
	if (offset > size)
		return err_set(err, E_CORRUPT, "%s is cut off", what);
	*ret = reader_file(TAKE_FD(fd), offset, size - offset, what);
	return 0;
}

static int store_known(struct image_source *base, const struct digest *diff_id, const char *recipe,
                       struct packed *ret, struct err *err)
{
	return packed_find(((struct store_source *)base)->store, diff_id, recipe, ret, err);
}

static void store_drop(struct image_source *base, const struct digest *d)
{
	packed_drop(((struct store_source *)base)->store, d);
}

static int store_remember(struct image_source *base, const struct digest *diff_id,
                          const struct packed *packed, const char *recipe, struct err *err)
{
	return packed_record(((struct store_source *)base)->store, diff_id, packed, recipe, err);
}

/* --- opening --- */

/* Repositories that images with the same layers came from or went to. */
static int find_mounts(struct store_source *s, struct err *err)
{
	AUTO_STMT st = DB_STMT_INIT;
	int r;

	if (db_query(s->store->db, &st, err,
	             "SELECT DISTINCT d.repo FROM image_layer mine"
	             " JOIN image_layer other ON other.digest = mine.digest"
	             " JOIN image_digest d ON d.image = other.image"
	             " WHERE mine.image = ? LIMIT 16",
	             DB_TEXT(s->image.id)) < 0)
		return -1;
	while ((r = db_step(&st, err)) > 0)
		strv_add(&s->base.mount_from, db_text(&st, 0));
	return r;
}

/* Nothing of it may be swept away while it is read. */
static int lease(struct store_source *s, struct err *err)
{
	AUTO_FREE struct digest *digests = NULL;
	struct digest id;
	size_t n = 0;

	if (digest_parse(s->image.id, &id, err) < 0)
		return -1;
	VEC_PUSH(digests, n, id);
	if (s->image.manifest.alg)
		VEC_PUSH(digests, n, s->image.manifest);
	for (size_t i = 0; i < s->image.config.n_diff_ids; i++)
		VEC_PUSH(digests, n, s->image.config.diff_ids[i]);
	if (lease_begin(s->store, &s->lease, err) < 0)
		return -1;
	return lease_add(s->store, &s->lease, digests, n, err);
}

int source_store_open(const struct transport_args *a, struct image_source **ret, struct err *err)
{
	static const struct image_source_ops ops = {
		.document = store_document,
		.open = store_open,
		.free = store_free,
		.has = store_has,
		.open_plain = store_open_plain,
		.known = store_known,
		.drop = store_drop,
		.remember = store_remember,
	};
	struct store_source *s = xcalloc(1, sizeof(*s));
	AUTO_SOURCE *base = &s->base;
	AUTO_REF ref = IMAGE_REF_INIT;

	s->base.ops = &ops;
	s->store = a->store;
	s->lease = LEASE_INIT;
	if (image_resolve(a->store, a->at->name, &s->image, err) < 0 || lease(s, err) < 0 ||
	    read_manifest(s, err) < 0 || find_mounts(s, err) < 0)
		return -1;
	/* called by an id it has no name */
	if (image_ref_parse(a->at->name, &ref, ERR_IGNORE) == 0 && !ref.has_digest) {
		AUTO_FREE char *name = image_ref_name(&ref);

		if (strv_has(&s->image.names, name))
			s->base.name = TAKE_PTR(name);
	}
	*ret = TAKE_PTR(base);
	return 0;
}
