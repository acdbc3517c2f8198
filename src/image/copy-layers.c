/* The blobs of one image: what becomes of each is planned first, then several are moved at once. */
#include "base/log.h"
#include "base/xalloc.h"
#include "image/copy-internal.h"

#define PARALLEL_MAX 16
#define STACK_BYTES  (512u << 10)
#define REPORT_BYTES (512u << 10)

/* --- the plan --- */

enum image_format copy_format(const struct copy *c, const char *media_type)
{
	if (c->dest->only != FORMAT_KEEP)
		return c->dest->only;
	if (c->options->format != FORMAT_KEEP)
		return c->options->format;
	return strncmp(media_type, "application/vnd.docker.", 23) == 0 ? FORMAT_V2S2 : FORMAT_OCI;
}

static enum compression plan_target(const struct copy *c, enum compression have,
                                    enum image_format format)
{
	enum compression wish = c->options->compression;

	if (c->dest->layers == COMPRESSION_NONE || (c->options->flags & COPY_DECOMPRESS))
		return COMPRESSION_NONE;
	if (wish != COMPRESSION_AUTO &&
	    (have == COMPRESSION_NONE || (c->options->flags & COPY_FORCE_COMPRESSION)))
		return wish;
	if (have == COMPRESSION_NONE)
		return c->dest->layers == COMPRESSION_GZIP ? COMPRESSION_GZIP : COMPRESSION_NONE;
	/* docker's format knows no zstd */
	return have == COMPRESSION_ZSTD && format == FORMAT_V2S2 ? COMPRESSION_GZIP : have;
}

static int pack_options(const struct copy *c, enum compression compression,
                        struct deflate_options *ret, struct err *err)
{
	*ret = (struct deflate_options){ .compression = compression };
	if (c->options->compression == compression || c->options->compression == COMPRESSION_AUTO)
		ret->level = c->options->level;
	return deflate_options_check(ret, err);
}

/* Another level of the same compression: its bytes are not those that are there. */
static bool is_packed_anew(const struct copy *c, enum compression target)
{
	return target != COMPRESSION_NONE && (c->options->flags & COPY_FORCE_COMPRESSION) &&
	       c->options->level != 0;
}

static int plan_known(struct copy *c, struct copy_layer *l, struct err *err)
{
	struct deflate_options options;
	int r;

	if (l->target == COMPRESSION_NONE || !l->diff_id.alg || !c->source->ops->known)
		return 0;
	if (pack_options(c, l->target, &options, err) < 0)
		return -1;
	r = c->source->ops->known(c->source, &l->diff_id, deflate_recipe(&options).s, &l->known,
	                          err);
	l->has_known = r > 0;
	return r < 0 ? -1 : 0;
}

static int plan_layer(struct copy *c, struct copy_layer *l, enum image_format format,
                      struct err *err)
{
	const struct image_source_ops *ops = c->source->ops;
	enum compression have = media_compression(l->have->media_type);

	l->target = plan_target(c, have, format);
	l->as_is = l->target == have && !is_packed_anew(c, l->target);
	l->is_elsewhere = l->as_is && ops->has && !ops->has(c->source, &l->have->digest);
	if (!l->as_is && (c->options->flags & COPY_PRESERVE_DIGESTS))
		return err_set(err, E_STATE,
		               "layer %s would have to be %s: the digest cannot be preserved",
		               digest_format(&l->have->digest).s,
		               l->target == COMPRESSION_NONE ? "decompressed" : "compressed anew");
	return !l->as_is || l->is_elsewhere ? plan_known(c, l, err) : 0;
}

static int plan(struct copy *c, const struct copy_manifest *m, const struct document *config,
                struct copy_layer *layers, struct err *err)
{
	AUTO_IMAGE_CONFIG parsed = IMAGE_CONFIG_INIT;

	if (m->is_image && copy_config_parse(config, &parsed, err) < 0)
		return -1;
	if (m->is_image && parsed.n_diff_ids != m->n_layers)
		return err_set(err, E_CORRUPT, "the config has %zu layers, its manifest %zu",
		               parsed.n_diff_ids, m->n_layers);
	for (size_t i = 0; i < m->n_layers; i++) {
		layers[i].have = &m->layers[i];
		if (!m->is_image) {
			layers[i].as_is = true;
			continue;
		}
		layers[i].diff_id = parsed.diff_ids[i];
		if (plan_layer(c, &layers[i], copy_format(c, m->media_type), err) < 0)
			return -1;
	}
	return 0;
}

/* --- one blob --- */

struct job {
	struct copy *c;
	struct copy_layer *layer;      /* NULL: the config */
	const struct document *config; /* its text, when it was read already */
	const struct descriptor *blob;
	int index;
	struct digest_text id;
	uint64_t total, reported;
};

static void report(struct job *j, enum image_stage stage, uint64_t done, const char *text)
{
	pthread_mutex_lock(&j->c->lock);
	image_report(j->c->options->progress, stage, j->id.s, done, j->total, text);
	pthread_mutex_unlock(&j->c->lock);
}

static void on_sent(void *ctx, uint64_t bytes)
{
	struct job *j = ctx;

	if (bytes < j->reported + REPORT_BYTES && bytes != j->total)
		return;
	j->reported = bytes;
	report(j, IMAGE_STAGE_DOWNLOAD, bytes, NULL);
}

int source_open_plain(struct image_source *s, const struct copy_layer_ref *layer,
                      struct reader **ret, struct err *err)
{
	AUTO_FREE char *what = xasprintf("layer %s", digest_format(&layer->blob->digest).s);
	struct reader *reader;

	if (s->ops->open_plain)
		return s->ops->open_plain(s, layer, ret, err);
	if (s->ops->open(s, layer->blob, 0, &reader, err) < 0)
		return -1;
	*ret = reader_inflate(reader_verify(reader, &layer->blob->digest, what));
	return 0;
}

/* The layer's tar, verified. */
static int open_plain(struct job *j, struct reader **ret, struct err *err)
{
	struct image_source *s = j->c->source;
	struct copy_layer *l = j->layer;
	struct copy_layer_ref ref = { .blob = l->have, .diff_id = &l->diff_id };
	AUTO_FREE char *what = xasprintf("layer %s", digest_format(&l->have->digest).s);
	struct reader *reader;

	if (source_open_plain(s, &ref, &reader, err) < 0)
		return -1;
	*ret = reader_verify(reader, &l->diff_id, what);
	return 0;
}

static int open_blob(void *ctx, uint64_t offset, struct reader **ret, struct err *err)
{
	struct job *j = ctx;
	struct copy *c = j->c;
	struct deflate_options options;
	AUTO_READER *reader = NULL;
	struct reader *packed;

	if (!j->layer && j->config->text && offset <= j->config->len) {
		*ret = reader_memory(j->config->text + offset, j->config->len - (size_t)offset);
		return 0;
	}
	if (!j->layer || j->layer->as_is)
		return c->source->ops->open(c->source, j->blob, offset, ret, err);
	if (open_plain(j, &reader, err) < 0)
		return -1;
	if (j->layer->target != COMPRESSION_NONE) {
		if (pack_options(c, j->layer->target, &options, err) < 0 ||
		    reader_deflate(TAKE_PTR(reader), &options, &packed, err) < 0)
			return -1;
		reader = packed;
	}
	/* the same bytes each time: what was sent before is made and dropped */
	if (reader_skip(reader, offset, err) < 0)
		return -1;
	*ret = TAKE_PTR(reader);
	return 0;
}

static int put(struct job *j, struct digest *ret_digest, uint64_t *ret_size, struct err *err)
{
	struct copy *c = j->c;
	bool as_is = !j->layer || j->layer->as_is;
	AUTO_FREE char *what = xasprintf("%s %s", j->layer ? "layer" : "config",
	                                 digest_format(&j->blob->digest).s);
	struct blob_put p = { .source = { .what = what,
		                          .open = open_blob,
		                          .ctx = j,
		                          .size = -1,
		                          .sent = on_sent },
		              .media_type = j->blob->media_type,
		              .layer = j->index };

	if (j->layer && j->layer->diff_id.alg)
		p.diff_id = &j->layer->diff_id;
	if (as_is) {
		p.source.digest = j->blob->digest;
		p.source.size = (int64_t)j->blob->size;
		j->total = j->blob->size;
	} else if (j->layer->target == COMPRESSION_NONE) {
		p.source.digest = j->layer->diff_id;
	}
	report(j, IMAGE_STAGE_DOWNLOAD, 0, NULL);
	if (c->dest->ops->put(c->dest, &p, ret_digest, ret_size, err) < 0)
		return -1;
	j->total = *ret_size;
	report(j, IMAGE_STAGE_DONE, *ret_size, NULL);
	pthread_mutex_lock(&c->lock);
	c->result.blobs_sent++;
	c->result.bytes_sent += *ret_size;
	pthread_mutex_unlock(&c->lock);
	return 0;
}

/* Whether the destination has it, so that nothing is sent. */
static int is_there(struct job *j, const struct digest *digest, uint64_t size, struct err *err)
{
	struct copy *c = j->c;
	int there = c->dest->ops->has(c->dest, digest, j->index, err);

	if (there <= 0)
		return there;
	j->total = size;
	report(j, IMAGE_STAGE_EXISTS, size, NULL);
	pthread_mutex_lock(&c->lock);
	c->result.blobs_there++;
	pthread_mutex_unlock(&c->lock);
	return 1;
}

static int try_there(struct job *j, const struct digest *digest, uint64_t size, struct err *err)
{
	int there = is_there(j, digest, size, err);

	if (there > 0) {
		j->layer->digest = *digest;
		j->layer->size = size;
	}
	return there;
}

static int move_layer(struct job *j, struct err *err)
{
	struct copy_layer *l = j->layer;
	int r = l->as_is ? try_there(j, &l->have->digest, l->have->size, err) : 0;

	if (r != 0)
		return r < 0 ? -1 : 0;
	if (l->as_is && l->is_elsewhere) {
		if (j->c->options->flags & COPY_PRESERVE_DIGESTS)
			return err_set(err, E_STATE,
			               "layer %s is not kept in its compressed form: the digest "
			               "cannot be preserved",
			               digest_format(&l->have->digest).s);
		l->as_is = false;
	}
	if (!l->as_is && l->has_known)
		r = try_there(j, &l->known.digest, l->known.size, err);
	if (!l->as_is && l->target == COMPRESSION_NONE && l->diff_id.alg && r == 0)
		r = try_there(j, &l->diff_id, 0, err);
	if (r != 0)
		return r < 0 ? -1 : 0;
	r = put(j, &l->digest, &l->size, err);
	/* a cache that is damaged is made anew from what it was made of */
	if (r < 0 && err->code == E_CORRUPT && l->as_is && j->c->source->ops->drop &&
	    l->target != COMPRESSION_NONE) {
		log_debug("%s; it is compressed anew", err->msg);
		j->c->source->ops->drop(j->c->source, &l->have->digest);
		l->as_is = false;
		r = put(j, &l->digest, &l->size, err);
	}
	l->sent = r == 0;
	return r;
}

/* --- the threads --- */

struct pool {
	struct copy *c;
	const struct copy_manifest *manifest;
	const struct document *config;
	struct copy_layer *layers;
	size_t n;      /* layers */
	size_t *order; /* of the layers; after them comes the config */
	size_t next;
	pthread_mutex_t lock;
	struct err err;
};

/* A layer that is in the image twice is moved once, by who comes first; the others wait for the
 * end of all and take over its result. */
static bool is_repeated(const struct pool *p, size_t i)
{
	for (size_t k = 0; k < i; k++)
		if (digest_equal(&p->layers[k].have->digest, &p->layers[i].have->digest))
			return true;
	return false;
}

static int move_config(struct pool *p, struct err *err)
{
	const struct descriptor *d = &p->manifest->config;
	struct job j = { .c = p->c,
		         .config = p->config,
		         .blob = d,
		         .index = -1,
		         .id = digest_short_text(&d->digest) };
	struct digest digest;
	uint64_t size;
	int there = is_there(&j, &d->digest, d->size, err);

	if (there != 0)
		return there < 0 ? -1 : 0;
	return put(&j, &digest, &size, err);
}

static int move(struct pool *p, size_t n, struct err *err)
{
	size_t i = n < p->n ? p->order[n] : n;
	struct copy_layer *l = &p->layers[i];
	struct job j = { .c = p->c, .layer = l, .blob = l->have, .index = (int)i };

	if (atomic_load(&p->c->stop))
		return err_set(err, E_INTERRUPTED, "interrupted");
	if (image_cancelled(p->c->options->cancel, err) < 0)
		return -1;
	if (n == p->n)
		return move_config(p, err);
	j.id = digest_short_text(&l->have->digest);
	return is_repeated(p, i) ? 0 : move_layer(&j, err);
}

static void *work(void *ctx)
{
	struct pool *p = ctx;
	struct err err = ERR_INIT;
	int r = 0;

	while (r == 0) {
		size_t i;

		pthread_mutex_lock(&p->lock);
		i = p->next++;
		pthread_mutex_unlock(&p->lock);
		if (i > p->n)
			break;
		r = move(p, i, &err);
	}
	if (r < 0) {
		pthread_mutex_lock(&p->lock);
		if (p->err.code == E_OK)
			p->err = err;
		pthread_mutex_unlock(&p->lock);
		atomic_store(&p->c->stop, true);
	}
	return NULL;
}

static size_t parallelism(const struct copy *c, size_t n)
{
	int wish = c->options->max_parallel > 0 ? c->options->max_parallel : c->dest->parallel;
	size_t most = wish > PARALLEL_MAX ? PARALLEL_MAX : (size_t)wish;

	return c->dest->parallel == 1 ? 1 : n < most ? n : most;
}

static int run(struct pool *p, struct err *err)
{
	pthread_t threads[PARALLEL_MAX];
	size_t started = 0, want = parallelism(p->c, p->n + 1);
	pthread_attr_t attr;

	if (want <= 1) {
		work(p);
	} else {
		pthread_attr_init(&attr);
		pthread_attr_setstacksize(&attr, STACK_BYTES);
		while (started < want && pthread_create(&threads[started], &attr, work, p) == 0)
			started++;
		pthread_attr_destroy(&attr);
		if (started == 0)
			work(p);
	}
	for (size_t i = 0; i < started; i++)
		pthread_join(threads[i], NULL);
	if (p->err.code == E_OK)
		return 0;
	*err = p->err;
	return -1;
}

static void share_results(struct pool *p)
{
	for (size_t i = 1; i < p->n; i++)
		for (size_t k = 0; k < i; k++)
			if (digest_equal(&p->layers[k].have->digest, &p->layers[i].have->digest)) {
				p->layers[i].digest = p->layers[k].digest;
				p->layers[i].size = p->layers[k].size;
				p->layers[i].target = p->layers[k].target;
				break;
			}
}

/* So that the next copy can ask for it before compressing anything. */
static int remember(struct copy *c, const struct copy_layer *layers, size_t n, struct err *err)
{
	for (size_t i = 0; i < n; i++) {
		const struct copy_layer *l = &layers[i];
		struct packed p = { .digest = l->digest,
			            .size = l->size,
			            .compression = l->target };
		struct deflate_options options;

		if (!l->sent || l->as_is || l->target == COMPRESSION_NONE ||
		    !c->source->ops->remember)
			continue;
		if (pack_options(c, l->target, &options, err) < 0 ||
		    c->source->ops->remember(c->source, &l->diff_id, &p, deflate_recipe(&options).s,
		                             err) < 0)
			return -1;
	}
	return 0;
}

/* The largest first: nobody waits at the end for one that began last. Destinations that take one
 * at a time (archives) get them in the image's order. */
static size_t *make_order(const struct copy *c, const struct copy_layer *layers, size_t n)
{
	size_t *order = xcalloc(n + 1, sizeof(*order));

	for (size_t i = 0; i < n; i++) {
		size_t k = i;

		for (; c->dest->parallel > 1 && k > 0 &&
		       layers[order[k - 1]].have->size < layers[i].have->size;
		     k--)
			order[k] = order[k - 1];
		order[k] = i;
	}
	return order;
}

int copy_blobs(struct copy *c, const struct copy_manifest *m, const struct document *config,
               struct copy_layer *layers, struct err *err)
{
	struct pool p = {
		.c = c, .manifest = m, .config = config, .layers = layers, .n = m->n_layers
	};
	int r;

	if (plan(c, m, config, layers, err) < 0)
		return -1;
	for (size_t i = 0; i < m->n_layers; i++) {
		struct digest_text id = digest_short_text(&layers[i].have->digest);

		image_report(c->options->progress, IMAGE_STAGE_WAIT, id.s, 0, layers[i].have->size,
		             NULL);
	}
	p.order = make_order(c, layers, m->n_layers);
	pthread_mutex_init(&p.lock, NULL);
	r = run(&p, err);
	pthread_mutex_destroy(&p.lock);
	free(p.order);
	if (r < 0)
		return -1;
	share_results(&p);
	return remember(c, layers, m->n_layers, err);
}
