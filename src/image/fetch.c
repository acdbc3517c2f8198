#include "base/fd.h"
#include "base/log.h"
#include "base/xalloc.h"
#include "image/fetch-internal.h"
#include "image/packed-internal.h"
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>

#define PARALLEL_DEFAULT 4
#define PARALLEL_MAX     16
#define REPLAY_BYTES     (256u << 10)
#define REPORT_BYTES     (512u << 10)
#define LOCK_POLL_NS     50000000L
#define STACK_BYTES      (512u << 10) /* of a thread: TLS handshakes are the deepest */

/* What the threads share. */
struct pool {
	struct image_store *store;
	struct registry *reg;
	const struct fetch_layer *layers;
	size_t n;
	const struct fetch_options *options;
	struct image_progress progress; /* serialised */
	pthread_mutex_t lock;           /* of what follows */
	size_t next;
	size_t fetched;
	struct err err;
};

/* One layer on its way. */
struct fetch {
	struct pool *pool;
	const struct fetch_layer *layer;
	struct http *http;
	struct digest_text id; /* short, for progress */
	char ingest_name[16 + 2 * DIGEST_BYTES_MAX];
	int ingest_fd;
	uint64_t offset; /* bytes that are in ingest, hashed and pushed */
	uint64_t reported;
	uint64_t skip; /* of this answer: the server began at 0 although asked for a range */
	bool began;    /* the first bytes of this answer came */
	struct digester *digester;
	struct layer_import *import;
	uint64_t disk_left; /* when the import began: its bound */
};

static void report_locked(void *ctx, const struct image_event *event)
{
	struct pool *pool = ctx;

	pthread_mutex_lock(&pool->lock);
	pool->options->progress->event(pool->options->progress->ctx, event);
	pthread_mutex_unlock(&pool->lock);
}

static void report(const struct fetch *f, enum image_stage stage, const char *text)
{
	image_report(&f->pool->progress, stage, f->id.s, f->offset, f->layer->blob->size, text);
}

static int check_stop(const struct fetch *f, struct err *err)
{
	if (atomic_load(f->pool->options->stop))
		return err_set(err, E_INTERRUPTED, "interrupted");
	return image_cancelled(f->pool->options->cancel, err);
}

/* --- the ingest file --- */

/* Whether the file we locked still has its name: who held it before us may have removed it. */
static bool is_current(const struct fetch *f, int fd)
{
	struct stat mine, named;

	return fstat(fd, &mine) == 0 &&
	       fstatat(f->pool->store->ingest_fd, f->ingest_name, &named, AT_SYMLINK_NOFOLLOW) ==
	               0 &&
	       mine.st_ino == named.st_ino && mine.st_dev == named.st_dev;
}

/* Open and lock it; waits while another process downloads the same blob. */
static int open_ingest(struct fetch *f, struct err *err)
{
	bool told = false;

	for (;;) {
		AUTO_FD fd = openat(f->pool->store->ingest_fd, f->ingest_name,
		                    O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
		struct timespec ts = { .tv_nsec = LOCK_POLL_NS };

		if (fd < 0)
			return err_sys(err, errno, "write to the image store");
		if (flock(fd, LOCK_EX | LOCK_NB) == 0) {
			if (!is_current(f, fd))
				continue;
			f->ingest_fd = TAKE_FD(fd);
			return 0;
		}
		if (errno != EWOULDBLOCK && errno != EINTR)
			return err_sys(err, errno, "lock a download in the image store");
		if (!told)
			report(f, IMAGE_STAGE_WAIT, "another process fetches it");
		told = true;
		if (check_stop(f, err) < 0)
			return -1;
		nanosleep(&ts, NULL);
	}
}

/* The download is imported: kept as the layer's compressed form, since it was written anyway. */
static void keep_ingest(const struct fetch *f, const struct layer_info *info)
{
	if (f->pool->options->keep_packed && info->compression != COMPRESSION_NONE)
		packed_keep(f->pool->store, &f->layer->blob->digest, f->ingest_name);
	else
		unlinkat(f->pool->store->ingest_fd, f->ingest_name, 0);
}

static void drop_ingest(const struct fetch *f)
{
	unlinkat(f->pool->store->ingest_fd, f->ingest_name, 0);
}

/* --- bytes --- */

static int begin_import(struct fetch *f, struct err *err)
{
	AUTO_FREE char *what = xasprintf("layer %s", digest_format(&f->layer->blob->digest).s);
	struct layer_import_args args = { .what = what, .expected_diff_id = &f->layer->diff_id };

	f->disk_left = image_disk_left(f->pool->store);
	args.max_bytes = f->disk_left;
	f->digester = digester_new(f->layer->blob->digest.alg);
	return layer_import_begin(f->pool->store->layers, &args, &f->import, err);
}

static void end_import(struct fetch *f)
{
	if (f->import)
		layer_import_free(f->import);
	if (f->digester)
		digester_free(f->digester);
	f->import = NULL;
	f->digester = NULL;
}

static int take_bytes(struct fetch *f, const void *data, size_t len, struct err *err)
{
	digester_update(f->digester, data, len);
	if (layer_import_push(f->import, data, len, err) < 0)
		return -1;
	f->offset += len;
	if (f->offset - f->reported >= REPORT_BYTES || f->offset == f->layer->blob->size) {
		f->reported = f->offset;
		report(f, IMAGE_STAGE_DOWNLOAD, NULL);
	}
	return 0;
}

static int too_long(const struct fetch *f, struct err *err)
{
	return err_set(err, E_CORRUPT,
	               "layer %s: the registry sends more than the %llu bytes of its manifest",
	               digest_format(&f->layer->blob->digest).s,
	               (unsigned long long)f->layer->blob->size);
}

/* The first bytes of an answer: where in the blob are they? */
static int begin_answer(struct fetch *f, const struct http_response *r, struct err *err)
{
	uint64_t size = f->layer->blob->size;
	uint64_t start = 0;

	f->began = true;
	if (r->status == 206) {
		/* without Content-Range it is believed to be what was asked for; digests decide */
		start = r->range_start < 0 ? f->offset : (uint64_t)r->range_start;
		if (start > f->offset)
			return err_set(err, E_NETWORK,
			               "layer %s: the registry sent the wrong range",
			               digest_format(&f->layer->blob->digest).s);
	}
	f->skip = f->offset - start;
	if (r->length >= 0 && start + (uint64_t)r->length > size)
		return too_long(f, err);
	return 0;
}

static int on_bytes(void *ctx, const struct http_response *r, const void *data, size_t len,
                    struct err *err)
{
	struct fetch *f = ctx;
	const char *p = data;
	int r_write;

	if (!f->began && begin_answer(f, r, err) < 0)
		return -1;
	if (f->skip >= len) {
		f->skip -= len;
		return 0;
	}
	p += f->skip;
	len -= (size_t)f->skip;
	f->skip = 0;
	if (f->offset + len > f->layer->blob->size)
		return too_long(f, err);
	r_write = fd_write_all(f->ingest_fd, p, len);
	if (r_write < 0)
		return err_sys(err, -r_write, "write layer %s to the image store",
		               digest_format(&f->layer->blob->digest).s);
	return take_bytes(f, p, len, err);
}

/* What is in the ingest file already, from an earlier attempt. */
static int replay(struct fetch *f, struct err *err)
{
	AUTO_FREE char *buf = NULL;
	struct stat st;

	if (fstat(f->ingest_fd, &st) < 0)
		return err_sys(err, errno, "read a download in the image store");
	if ((uint64_t)st.st_size > f->layer->blob->size && ftruncate(f->ingest_fd, 0) < 0)
		return err_sys(err, errno, "reset a download in the image store");
	buf = xmalloc(REPLAY_BYTES);
	for (;;) {
		ssize_t n = read(f->ingest_fd, buf, REPLAY_BYTES);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_sys(err, errno, "read a download in the image store");
		if (n == 0)
			return 0;
		if (check_stop(f, err) < 0 || take_bytes(f, buf, (size_t)n, err) < 0)
			return -1;
	}
}

/* --- one layer --- */

/* Whether what failed is the fault of the bytes or of our disk, and not of the line. */
static bool is_final(const struct err *err)
{
	return err->code == E_CORRUPT || err->code == E_LIMIT || err->code == E_NO_SPACE ||
	       err->code == E_UNSUPPORTED;
}

static int download(struct fetch *f, struct err *err)
{
	const struct descriptor *blob = f->layer->blob;
	int attempt = 0;

	while (f->offset < blob->size) {
		AUTO_FREE char *text = NULL;
		uint64_t before = f->offset;
		bool is_transient = false;
		int64_t wait_s = -1;
		int r;

		f->began = false;
		r = registry_stream(f->pool->reg, f->http, blob, f->offset, on_bytes, f,
		                    &is_transient, &wait_s, err);
		if (r < 0 && !is_transient)
			return -1;
		if (f->offset == blob->size)
			return 0;
		if (r == 0)
			err_set(err, E_CORRUPT, "layer %s: it ends after %llu of %llu bytes",
			        digest_format(&blob->digest).s, (unsigned long long)f->offset,
			        (unsigned long long)blob->size);
		/* as long as something comes, it is worth going on */
		attempt = f->offset > before ? 1 : attempt + 1;
		if (attempt > registry_max_retries(f->pool->reg))
			return -1;
		text = xasprintf("%s; again in %.1f s", err->msg,
		                 (double)registry_delay_ms(attempt, wait_s) / 1000);
		report(f, IMAGE_STAGE_RETRY, text);
		log_debug("%s", text);
		if (registry_wait(f->pool->reg, attempt, wait_s, err) < 0)
			return -1;
	}
	return 0;
}

static int verify(const struct fetch *f, struct err *err)
{
	const struct digest *want = &f->layer->blob->digest;
	struct digest got;

	digester_finish(f->digester, &got);
	if (digest_equal(want, &got))
		return 0;
	return err_set(err, E_CORRUPT, "layer %s: what came has the digest %s",
	               digest_format(want).s, digest_format(&got).s);
}

/* A finished ingest file that turns out to be bad (a crash can leave anything in it) is thrown
 * away once, and the download starts over. */
static int fetch_bytes(struct fetch *f, struct err *err)
{
	struct layer_info info;
	bool resumed;
	int r;

	if (begin_import(f, err) < 0)
		return -1;
	r = replay(f, err);
	resumed = f->offset > 0;
	if (r == 0)
		r = download(f, err);
	if (r == 0)
		r = verify(f, err);
	if (r == 0)
		report(f, IMAGE_STAGE_IMPORT, NULL);
	if (r == 0)
		r = layer_import_commit(f->import, &info, err);
	if (r == 0)
		keep_ingest(f, &info);
	end_import(f);
	if (r < 0)
		image_disk_hint(f->disk_left, err);
	if (r == 0 || !resumed || err->code != E_CORRUPT)
		return r;
	log_debug("%s; starting over", err->msg);
	if (ftruncate(f->ingest_fd, 0) < 0 || lseek(f->ingest_fd, 0, SEEK_SET) < 0)
		return err_sys(err, errno, "reset a download in the image store");
	f->offset = f->reported = 0;
	return 1;
}

static int fetch_locked(struct fetch *f, struct err *err)
{
	int r;

	if (layer_store_has(f->pool->store->layers, &f->layer->diff_id)) {
		drop_ingest(f);
		report(f, IMAGE_STAGE_EXISTS, NULL);
		return 0;
	}
	report(f, IMAGE_STAGE_DOWNLOAD, NULL);
	do
		r = fetch_bytes(f, err);
	while (r > 0);
	if (r == 0) {
		pthread_mutex_lock(&f->pool->lock);
		f->pool->fetched++;
		pthread_mutex_unlock(&f->pool->lock);
	}
	if (r < 0 && (is_final(err) || f->offset == 0))
		drop_ingest(f);
	if (r == 0)
		report(f, IMAGE_STAGE_DONE, NULL);
	return r;
}

static int fetch_layer(struct pool *pool, struct http *http, const struct fetch_layer *layer,
                       struct err *err)
{
	const struct digest *d = &layer->blob->digest;
	struct fetch f = { .pool = pool,
		           .layer = layer,
		           .http = http,
		           .ingest_fd = -1,
		           .id = digest_short_text(d) };
	int r;

	snprintf(f.ingest_name, sizeof(f.ingest_name), "%s-%s", digest_alg_name(d->alg),
	         digest_hex(d).s);
	if (check_stop(&f, err) < 0 || open_ingest(&f, err) < 0)
		return -1;
	r = fetch_locked(&f, err);
	end_import(&f);
	close(f.ingest_fd);
	return r;
}

/* --- the threads --- */

static void *worker(void *ctx)
{
	struct pool *pool = ctx;
	struct http http = { 0 };
	struct err err = ERR_INIT;
	int r = http_init(&http, registry_policy(pool->reg), &err);

	while (r == 0) {
		size_t i;

		pthread_mutex_lock(&pool->lock);
		i = pool->next++;
		pthread_mutex_unlock(&pool->lock);
		if (i >= pool->n)
			break;
		r = fetch_layer(pool, &http, &pool->layers[i], &err);
	}
	http_done(&http);
	if (r < 0) {
		pthread_mutex_lock(&pool->lock);
		/* the first one tells; the others only follow it */
		if (pool->err.code == E_OK)
			pool->err = err;
		pthread_mutex_unlock(&pool->lock);
		atomic_store(pool->options->stop, true);
	}
	return NULL;
}

static size_t start_workers(struct pool *pool, pthread_t *threads, size_t n)
{
	pthread_attr_t attr;
	size_t started = 0;

	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, STACK_BYTES);
	while (started < n && pthread_create(&threads[started], &attr, worker, pool) == 0)
		started++;
	pthread_attr_destroy(&attr);
	return started;
}

/* The largest first: it decides when all are done. */
static int by_size(const void *a, const void *b)
{
	uint64_t x = ((const struct fetch_layer *)a)->blob->size;
	uint64_t y = ((const struct fetch_layer *)b)->blob->size;

	return x < y ? 1 : x > y ? -1 : 0;
}

int fetch_layers(struct image_store *store, struct registry *reg, const struct fetch_layer *layers,
                 size_t n, const struct fetch_options *options, size_t *ret_fetched,
                 struct err *err)
{
	AUTO_FREE struct fetch_layer *sorted = NULL;
	size_t parallel =
		options->max_parallel > 0 ? (size_t)options->max_parallel : PARALLEL_DEFAULT;
	pthread_t threads[PARALLEL_MAX];
	struct pool pool = { .store = store, .reg = reg, .n = n, .options = options };
	size_t started;

	*ret_fetched = 0;
	if (n == 0)
		return 0;
	sorted = xmemdup(layers, n * sizeof(*layers));
	qsort(sorted, n, sizeof(*sorted), by_size);
	pool.layers = sorted;
	if (options->progress && options->progress->event)
		pool.progress = (struct image_progress){ report_locked, &pool };
	pthread_mutex_init(&pool.lock, NULL);
	if (parallel > PARALLEL_MAX)
		parallel = PARALLEL_MAX;
	started = start_workers(&pool, threads, parallel < n ? parallel : n);
	if (started == 0)
		err_set(&pool.err, E_LIMIT, "no thread can be started to fetch layers");
	for (size_t i = 0; i < started; i++)
		pthread_join(threads[i], NULL);
	pthread_mutex_destroy(&pool.lock);
	*ret_fetched = pool.fetched;
	if (pool.err.code == E_OK)
		return 0;
	*err = pool.err;
	return -1;
}
