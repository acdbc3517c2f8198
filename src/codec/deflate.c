#include "codec/deflate.h"

#include <libdeflate.h>
#include <pthread.h>
#include <zstd.h>

#include "base/xalloc.h"

#define LEVEL_MAX_GZIP 9
#define LEVEL_MAX_ZSTD 19
#define SLOTS_MAX      (DEFLATE_THREADS_MAX + 2)
#define STACK_BYTES    (512u << 10)

/* A block on its way: filled by the reader, compressed by a worker, emptied by the reader. */
struct slot {
	enum { SLOT_EMPTY, SLOT_FULL, SLOT_WORKING, SLOT_DONE } state;
	char *in, *out;
	size_t in_len, out_len;
};

struct deflater {
	struct deflate_options options;
	deflate_input_fn input;
	void *input_ctx;
	size_t out_cap;
	pthread_t threads[DEFLATE_THREADS_MAX];
	size_t n_threads;
	size_t n_slots;
	/* the reader's */
	size_t head;     /* slot whose output is next */
	size_t fill;     /* slot whose input is next */
	size_t out_done; /* bytes of head's output that were handed out */
	bool ended;      /* no more input */
	bool any;        /* a block was filled: an empty input still makes one */
	/* shared */
	pthread_mutex_t lock;
	pthread_cond_t changed;
	struct slot slots[SLOTS_MAX];
	bool stop;
};

/* --- one block --- */

struct worker {
	struct libdeflate_compressor *gzip;
	ZSTD_CCtx *zstd;
};

static size_t bound(const struct deflate_options *o)
{
	return o->compression == COMPRESSION_GZIP
	               ? libdeflate_gzip_compress_bound(NULL, DEFLATE_BLOCK_BYTES)
	               : ZSTD_compressBound(DEFLATE_BLOCK_BYTES);
}

static bool worker_init(struct worker *w, const struct deflate_options *o)
{
	if (o->compression == COMPRESSION_GZIP) {
		w->gzip = libdeflate_alloc_compressor(o->level);
		return w->gzip;
	}
	w->zstd = ZSTD_createCCtx();
	return w->zstd &&
	       !ZSTD_isError(ZSTD_CCtx_setParameter(w->zstd, ZSTD_c_compressionLevel, o->level)) &&
	       !ZSTD_isError(ZSTD_CCtx_setParameter(w->zstd, ZSTD_c_checksumFlag, 1));
}

static void worker_done(struct worker *w)
{
	libdeflate_free_compressor(w->gzip);
	ZSTD_freeCCtx(w->zstd);
}

/* 0: it failed, which only a lack of memory does. */
static size_t compress_block(struct worker *w, const struct slot *s, size_t cap)
{
	size_t n;

	if (w->gzip)
		return libdeflate_gzip_compress(w->gzip, s->in, s->in_len, s->out, cap);
	n = ZSTD_compress2(w->zstd, s->out, cap, s->in, s->in_len);
	return ZSTD_isError(n) ? 0 : n;
}

static struct slot *find_full(struct deflater *d)
{
	for (size_t i = 0; i < d->n_slots; i++) {
		struct slot *s = &d->slots[(d->head + i) % d->n_slots];

		if (s->state == SLOT_FULL)
			return s;
	}
	return NULL;
}

static void *work(void *ctx)
{
	struct deflater *d = ctx;
	struct worker w = { 0 };
	bool ready = worker_init(&w, &d->options);

	pthread_mutex_lock(&d->lock);
	while (!d->stop) {
		struct slot *s = find_full(d);

		if (!s) {
			pthread_cond_wait(&d->changed, &d->lock);
			continue;
		}
		s->state = SLOT_WORKING;
		pthread_mutex_unlock(&d->lock);
		s->out_len = ready ? compress_block(&w, s, d->out_cap) : 0;
		pthread_mutex_lock(&d->lock);
		s->state = SLOT_DONE;
		pthread_cond_broadcast(&d->changed);
	}
	pthread_mutex_unlock(&d->lock);
	worker_done(&w);
	return NULL;
}

/* --- making one --- */

int deflate_options_check(struct deflate_options *o, struct err *err)
{
	bool is_zstd = o->compression == COMPRESSION_ZSTD;
	int most = is_zstd ? LEVEL_MAX_ZSTD : LEVEL_MAX_GZIP;
	long cpus = sysconf(_SC_NPROCESSORS_ONLN);

	if (o->level == 0)
		o->level = is_zstd ? DEFLATE_ZSTD_DEFAULT : DEFLATE_GZIP_DEFAULT;
	if (o->level < 1 || o->level > most)
		return err_set(err, E_INVALID, "compression level %d: %s has 1 to %d", o->level,
		               compression_name(o->compression), most);
	if (o->threads == 0)
		o->threads = cpus > 0 ? (unsigned)cpus : 1;
	if (o->threads > DEFLATE_THREADS_MAX)
		o->threads = DEFLATE_THREADS_MAX;
	return 0;
}

struct deflate_recipe deflate_recipe(const struct deflate_options *o)
{
	struct deflate_recipe r;
	bool is_zstd = o->compression == COMPRESSION_ZSTD;

	snprintf(r.s, sizeof(r.s), "%s-%d-%s-%s-%uk", compression_name(o->compression), o->level,
	         is_zstd ? "libzstd" : "libdeflate",
	         is_zstd ? ZSTD_VERSION_STRING : LIBDEFLATE_VERSION_STRING,
	         DEFLATE_BLOCK_BYTES >> 10);
	return r;
}

int deflater_new(const struct deflate_options *options, deflate_input_fn input, void *ctx,
                 struct deflater **ret, struct err *err)
{
	struct deflater *d = xcalloc(1, sizeof(*d));
	pthread_attr_t attr;

	d->options = *options;
	d->input = input;
	d->input_ctx = ctx;
	d->out_cap = bound(options);
	d->n_slots = options->threads + 2;
	pthread_mutex_init(&d->lock, NULL);
	pthread_cond_init(&d->changed, NULL);
	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, STACK_BYTES);
	while (d->n_threads < options->threads &&
	       pthread_create(&d->threads[d->n_threads], &attr, work, d) == 0)
		d->n_threads++;
	pthread_attr_destroy(&attr);
	if (d->n_threads == 0) {
		deflater_free(d);
		return err_set(err, E_LIMIT, "no thread can be started to compress");
	}
	*ret = d;
	return 0;
}

void deflater_free(struct deflater *d)
{
	if (!d)
		return;
	pthread_mutex_lock(&d->lock);
	d->stop = true;
	pthread_cond_broadcast(&d->changed);
	pthread_mutex_unlock(&d->lock);
	for (size_t i = 0; i < d->n_threads; i++)
		pthread_join(d->threads[i], NULL);
	for (size_t i = 0; i < d->n_slots; i++) {
		free(d->slots[i].in);
		free(d->slots[i].out);
	}
	pthread_cond_destroy(&d->changed);
	pthread_mutex_destroy(&d->lock);
	free(d);
}

/* --- reading --- */

static int fill_slot(struct deflater *d, struct slot *s, struct err *err)
{
	if (!s->in) {
		s->in = xmalloc(DEFLATE_BLOCK_BYTES);
		s->out = xmalloc(d->out_cap);
	}
	s->in_len = 0;
	while (s->in_len < DEFLATE_BLOCK_BYTES && !d->ended) {
		size_t n = 0;

		if (d->input(d->input_ctx, s->in + s->in_len, DEFLATE_BLOCK_BYTES - s->in_len, &n,
		             err) < 0)
			return -1;
		s->in_len += n;
		d->ended = n == 0;
	}
	return 0;
}

/* Give the workers all that there is room for. The states are only changed from and to EMPTY here,
 * so looking at them needs the lock for no more than a moment. */
static int fill_all(struct deflater *d, struct err *err)
{
	for (;;) {
		struct slot *s = &d->slots[d->fill];
		bool is_empty;

		pthread_mutex_lock(&d->lock);
		is_empty = s->state == SLOT_EMPTY;
		pthread_mutex_unlock(&d->lock);
		if (!is_empty || (d->ended && d->any))
			return 0;
		if (fill_slot(d, s, err) < 0)
			return -1;
		if (s->in_len == 0 && d->any)
			return 0;
		d->any = true;
		pthread_mutex_lock(&d->lock);
		s->state = SLOT_FULL;
		pthread_cond_broadcast(&d->changed);
		pthread_mutex_unlock(&d->lock);
		d->fill = (d->fill + 1) % d->n_slots;
	}
}

/* The slot whose output is next, compressed; NULL when all is out. */
static struct slot *next_done(struct deflater *d)
{
	struct slot *s = &d->slots[d->head];

	pthread_mutex_lock(&d->lock);
	while (s->state == SLOT_FULL || s->state == SLOT_WORKING)
		pthread_cond_wait(&d->changed, &d->lock);
	if (s->state == SLOT_EMPTY)
		s = NULL;
	pthread_mutex_unlock(&d->lock);
	return s;
}

int deflater_read(struct deflater *d, void *buf, size_t cap, size_t *ret_n, struct err *err)
{
	struct slot *s;
	size_t n;

	if (fill_all(d, err) < 0)
		return -1;
	s = next_done(d);
	*ret_n = 0;
	if (!s)
		return 0;
	if (s->out_len == 0)
		return err_set(err, E_INTERNAL, "%s: out of memory",
		               compression_name(d->options.compression));
	n = s->out_len - d->out_done < cap ? s->out_len - d->out_done : cap;
	memcpy(buf, s->out + d->out_done, n);
	d->out_done += n;
	*ret_n = n;
	if (d->out_done < s->out_len)
		return 0;
	pthread_mutex_lock(&d->lock);
	s->state = SLOT_EMPTY;
	pthread_mutex_unlock(&d->lock);
	d->out_done = 0;
	d->head = (d->head + 1) % d->n_slots;
	return 0;
}
