#include "image/copy.h"
#include "base/xalloc.h"
#include "image/copy-internal.h"

#define INDEX_DEPTH_MAX 3
#define DOCUMENTS_MAX   4096 /* of one copy: indexes of indexes multiply */

/* --- both ends --- */

int image_source_open(struct image_store *store, const struct image_location *at,
                      const struct copy_options *options, const atomic_bool *stop,
                      struct image_source **ret, struct err *err)
{
	struct transport_args a = {
		.store = store, .at = at, .side = &options->source, .options = options, .stop = stop
	};

	switch (at->transport) {
	case TRANSPORT_STORE:
		return source_store_open(&a, ret, err);
	case TRANSPORT_LIST:
		return source_list_open(&a, ret, err);
	case TRANSPORT_DOCKER:
		return source_registry_open(&a, ret, err);
	case TRANSPORT_OCI:
	case TRANSPORT_OCI_ARCHIVE:
	case TRANSPORT_DOCKER_ARCHIVE:
		return source_archive_open(&a, ret, err);
	case TRANSPORT_DIR:
		return source_dir_open(&a, ret, err);
	}
	return err_set(err, E_INTERNAL, "no such transport");
}

static int open_dest(struct copy *c, const struct image_location *to, struct err *err)
{
	struct transport_args a = { .store = c->store,
		                    .at = to,
		                    .side = &c->options->dest,
		                    .options = c->options,
		                    .stop = &c->stop,
		                    .source = c->source };

	switch (to->transport) {
	case TRANSPORT_STORE:
		return dest_store_open(&a, &c->dest, err);
	case TRANSPORT_LIST:
		break;
	case TRANSPORT_DOCKER:
		return dest_registry_open(&a, &c->dest, err);
	case TRANSPORT_OCI:
	case TRANSPORT_OCI_ARCHIVE:
		return dest_layout_open(&a, &c->dest, err);
	case TRANSPORT_DOCKER_ARCHIVE:
		return dest_docker_open(&a, &c->dest, err);
	case TRANSPORT_DIR:
		return dest_dir_open(&a, &c->dest, err);
	}
	return err_set(err, E_INTERNAL, "no such transport");
}

/* --- one image --- */

static int read_config(struct copy *c, const struct copy_manifest *m, struct document *ret,
                       struct err *err)
{
	AUTO_FREE char *what = xasprintf("config %s", digest_format(&m->config.digest).s);
	AUTO_READER *reader = NULL;
	struct digest got;

	if (m->config.size > IMAGE_CONFIG_MAX_BYTES)
		return err_set(err, E_LIMIT, "%s: larger than %u bytes", what,
		               IMAGE_CONFIG_MAX_BYTES);
	if (c->source->ops->open(c->source, &m->config, 0, &reader, err) < 0 ||
	    reader_text(reader, IMAGE_CONFIG_MAX_BYTES, &ret->text, &ret->len, err) < 0)
		return err_ctx(err, "%s", what);
	digest_of(m->config.digest.alg, ret->text, ret->len, &got);
	ret->digest = m->config.digest;
	return digest_equal(&got, &m->config.digest)
	               ? 0
	               : err_set(err, E_CORRUPT, "%s: what came has the digest %s", what,
	                         digest_format(&got).s);
}

/* doc becomes what the destination got. */
static int copy_image(struct copy *c, struct document *doc, bool top, struct err *err)
{
	AUTO_COPY_MANIFEST m = COPY_MANIFEST_INIT;
	AUTO_DOCUMENT config = { 0 };
	AUTO_FREE struct copy_layer *layers = NULL;
	bool changed;

	if (copy_manifest_parse(doc, &m, err) < 0)
		return -1;
	if (m.is_image && read_config(c, &m, &config, err) < 0)
		return -1;
	if (!m.is_image && c->dest->layers == COMPRESSION_NONE)
		return err_set(err, E_UNSUPPORTED,
		               "an artifact of type '%.100s' is no image, which "
		               "the destination needs",
		               m.config.media_type);
	if (c->dest->ops->begin && c->dest->ops->begin(c->dest, doc, &config, err) < 0)
		return -1;
	layers = xcalloc(m.n_layers + 1, sizeof(*layers));
	if (copy_blobs(c, &m, &config, layers, err) < 0)
		return -1;
	copy_manifest_rewrite(&m, copy_format(c, m.media_type), layers, doc, &changed);
	if (changed && (c->options->flags & COPY_PRESERVE_DIGESTS))
		return err_set(err, E_STATE,
		               "the manifest would have to change: the digest cannot "
		               "be preserved");
	return c->dest->ops->document(c->dest, doc, top, err);
}

/* --- documents --- */

static int copy_document(struct copy *c, struct document *doc, bool top, int depth,
                         struct err *err);

static int get_entry(struct copy *c, const struct descriptor *entry, struct document *ret,
                     struct err *err)
{
	if (++c->n_documents > DOCUMENTS_MAX)
		return err_set(err, E_LIMIT, "the index has more than %d images, with those within",
		               DOCUMENTS_MAX);
	if (c->source->ops->document(c->source, &entry->digest, ret, err) < 0)
		return err_ctx(err, "image for %s of the index",
		               entry->has_platform ? platform_format(&entry->platform).s
		                                   : "no platform");
	if (ret->len != entry->size)
		return err_set(err, E_CORRUPT, "manifest %s: it has %zu bytes, the index says %llu",
		               digest_format(&entry->digest).s, ret->len,
		               (unsigned long long)entry->size);
	return 0;
}

/* The one before i that is the same image, or NULL. */
static const struct document *same_entry(const struct manifest *index,
                                         const struct document *entries, size_t i)
{
	for (size_t k = 0; k < i; k++)
		if (digest_equal(&index->entries[k].digest, &index->entries[i].digest))
			return &entries[k];
	return NULL;
}

/* Of entries[i] only what an index says of it is kept: a thousand manifests are much memory. */
static int copy_entry(struct copy *c, const struct manifest *index, size_t i, int depth,
                      struct document *entries, struct err *err)
{
	const struct document *same = same_entry(index, entries, i);
	struct document *ret = &entries[i];

	if (same) {
		*ret = (struct document){ .len = same->len,
			                  .media_type = xstrdup(same->media_type),
			                  .digest = same->digest };
		return 0;
	}
	if (get_entry(c, &index->entries[i], ret, err) < 0)
		return -1;
	if (!ret->media_type)
		ret->media_type = xstrdup(index->entries[i].media_type);
	if (copy_document(c, ret, false, depth + 1, err) < 0)
		return -1;
	free(ret->text);
	ret->text = NULL;
	return 0;
}

static int copy_index(struct copy *c, const struct manifest *index, struct document *doc, bool top,
                      int depth, struct err *err)
{
	struct document *entries = xcalloc(index->n_entries + 1, sizeof(*entries));
	enum image_format format = copy_format(c, index->media_type);
	bool changed;
	int r = 0;

	if (c->dest->no_index)
		r = err_set(err, E_UNSUPPORTED,
		            "the destination holds one image, not all of an "
		            "index");
	for (size_t i = 0; r == 0 && i < index->n_entries && !(c->options->flags & COPY_INDEX_ONLY);
	     i++)
		r = copy_entry(c, index, i, depth, entries, err);
	if (r == 0) {
		if (!doc->media_type)
			doc->media_type = xstrdup(index->media_type);
		copy_index_rewrite(doc, entries, index->n_entries, format, &changed);
		if (changed && (c->options->flags & COPY_PRESERVE_DIGESTS))
			r = err_set(
				err, E_STATE,
				"the index would have to change: the digest cannot be preserved");
	}
	if (r == 0)
		r = c->dest->ops->document(c->dest, doc, top, err);
	for (size_t i = 0; i < index->n_entries; i++)
		document_done(&entries[i]);
	free(entries);
	return r;
}

static int choose(struct copy *c, const struct manifest *index, struct document *doc, bool top,
                  int depth, struct err *err)
{
	struct platform want = platform_host();
	AUTO_DOCUMENT one = { 0 };
	const struct descriptor *entry;

	if (c->options->platform && platform_parse(c->options->platform, &want, err) < 0)
		return -1;
	if (manifest_choose(index, &want, &entry, err) < 0 || get_entry(c, entry, &one, err) < 0)
		return -1;
	document_done(doc);
	*doc = one;
	one = (struct document){ 0 };
	return copy_document(c, doc, top, depth + 1, err);
}

static int copy_document(struct copy *c, struct document *doc, bool top, int depth, struct err *err)
{
	AUTO_MANIFEST m = MANIFEST_INIT;
	AUTO_FREE char *what = xasprintf("manifest %s", digest_format(&doc->digest).s);
	struct err why = ERR_INIT;

	if (depth > INDEX_DEPTH_MAX)
		return err_set(err, E_LIMIT, "indexes within indexes, %d deep", depth);
	/* what is wrong with an image is said by its own parser */
	if (manifest_parse(what, doc->media_type, doc->text, doc->len, &m, &why) < 0 ||
	    m.kind != MANIFEST_INDEX)
		return copy_image(c, doc, top, err);
	if (c->options->flags & (COPY_ALL | COPY_INDEX_ONLY))
		return copy_index(c, &m, doc, top, depth, err);
	return choose(c, &m, doc, top, depth, err);
}

int image_copy(struct image_store *store, const struct image_location *from,
               const struct image_location *to, const struct copy_options *options,
               struct copy_result *ret, struct err *err)
{
	struct copy c = { .store = store, .options = options };
	AUTO_DOCUMENT doc = { 0 };
	int r = -1;

	pthread_mutex_init(&c.lock, NULL);
	image_report(options->progress, IMAGE_STAGE_RESOLVE,
	             from->name   ? from->name
	             : from->path ? from->path
	                          : "",
	             0, 0, NULL);
	if (image_source_open(store, from, options, &c.stop, &c.source, err) == 0 &&
	    open_dest(&c, to, err) == 0 &&
	    c.source->ops->document(c.source, NULL, &doc, err) == 0 &&
	    copy_document(&c, &doc, true, 0, err) == 0 &&
	    image_cancelled(options->cancel, err) == 0 && c.dest->ops->commit(c.dest, err) == 0)
		r = 0;
	image_dest_freep(&c.dest);
	image_source_freep(&c.source);
	pthread_mutex_destroy(&c.lock);
	if (r < 0)
		return -1;
	*ret = c.result;
	ret->digest = doc.digest;
	return 0;
}

int image_raw_manifest(struct image_store *store, const struct image_location *at,
                       const struct copy_side *side, const volatile sig_atomic_t *cancel,
                       char **ret_text, struct digest *ret_digest, struct err *err)
{
	struct copy_options options = { .source = *side, .cancel = cancel };
	AUTO_SOURCE *source = NULL;
	AUTO_DOCUMENT doc = { 0 };
	atomic_bool stop = false;

	if (image_source_open(store, at, &options, &stop, &source, err) < 0 ||
	    source->ops->document(source, NULL, &doc, err) < 0)
		return -1;
	*ret_text = TAKE_PTR(doc.text);
	*ret_digest = doc.digest;
	return 0;
}
