#include "base/log.h"
#include "base/strbuf.h"
#include "base/xalloc.h"
#include "image/reader-internal.h"
#include <errno.h>

#define CHUNK      (256u << 10)
#define RING_BYTES (1u << 20)

/* --- a file --- */

struct file_reader {
	struct reader base;
	int fd;
	uint64_t offset, end;
	char *what;
};

static int file_read(struct reader *base, void *buf, size_t cap, size_t *ret_n, struct err *err)
{
	struct file_reader *r = (struct file_reader *)base;
	uint64_t left = r->end - r->offset;
	size_t want = left < cap ? (size_t)left : cap;
	ssize_t n = 0;

	while (want && (n = pread(r->fd, buf, want, (off_t)r->offset)) < 0 && errno == EINTR)
		;
	if (n < 0)
		return err_sys(err, errno, "read %s", r->what);
	if (want && n == 0)
		return err_set(err, E_CORRUPT, "%s is cut off", r->what);
	r->offset += (uint64_t)n;
	*ret_n = (size_t)n;
	return 0;
}

static void file_free(struct reader *base)
{
	struct file_reader *r = (struct file_reader *)base;

	close(r->fd);
	free(r->what);
	free(r);
}

struct reader *reader_file(int fd, uint64_t offset, uint64_t size, const char *what)
{
	struct file_reader *r = xcalloc(1, sizeof(*r));

	*r = (struct file_reader){ { file_read, file_free }, fd, offset, offset + size, NULL };
	r->what = xstrdup(what);
	return &r->base;
}

/* --- memory --- */

struct memory_reader {
	struct reader base;
	const char *data;
	size_t left;
};

static int memory_read(struct reader *base, void *buf, size_t cap, size_t *ret_n, struct err *err)
{
	struct memory_reader *r = (struct memory_reader *)base;
	size_t n = r->left < cap ? r->left : cap;

	(void)err;
	memcpy(buf, r->data, n);
	r->data += n;
	r->left -= n;
	*ret_n = n;
	return 0;
}

static void memory_free(struct reader *base)
{
	free(base);
}

struct reader *reader_memory(const void *data, size_t len)
{
	struct memory_reader *r = xcalloc(1, sizeof(*r));

	*r = (struct memory_reader){ { memory_read, memory_free }, data, len };
	return &r->base;
}

/* --- a registry --- */

/* The thread fetches into a ring, the reader empties it. */
struct registry_reader {
	struct reader base;
	struct registry *reg;
	struct descriptor blob; /* media_type not used */
	pthread_t thread;
	uint64_t offset; /* of the blob: what the thread has */
	uint64_t skip;   /* of this answer, when the server began at 0 */
	bool began;      /* the first bytes of this answer came */
	pthread_mutex_t lock;
	pthread_cond_t changed;
	char *ring;
	size_t head, len;
	bool ended, stop;
	struct err err; /* E_OK: none */
};

static int put(struct registry_reader *r, const char *p, size_t len, struct err *err)
{
	while (len) {
		size_t at, n;

		pthread_mutex_lock(&r->lock);
		while (r->len == RING_BYTES && !r->stop)
			pthread_cond_wait(&r->changed, &r->lock);
		if (r->stop) {
			pthread_mutex_unlock(&r->lock);
			return err_set(err, E_INTERRUPTED, "interrupted");
		}
		at = (r->head + r->len) % RING_BYTES;
		n = RING_BYTES - r->len;
		if (n > RING_BYTES - at)
			n = RING_BYTES - at;
		if (n > len)
			n = len;
		memcpy(r->ring + at, p, n);
		r->len += n;
		pthread_cond_broadcast(&r->changed);
		pthread_mutex_unlock(&r->lock);
		p += n;
		len -= n;
	}
	return 0;
}

static int on_bytes(void *ctx, const struct http_response *h, const void *data, size_t len,
                    struct err *err)
{
	struct registry_reader *r = ctx;
	const char *p = data;

	if (!r->began) {
		uint64_t start = h->status != 206     ? 0
		                 : h->range_start < 0 ? r->offset
		                                      : (uint64_t)h->range_start;

		r->began = true;
		if (start > r->offset)
			return err_set(err, E_NETWORK, "the registry sent the wrong range");
		r->skip = r->offset - start;
	}
	if (r->skip >= len) {
		r->skip -= len;
		return 0;
	}
	p += r->skip;
	len -= (size_t)r->skip;
	r->skip = 0;
	if (r->offset + len > r->blob.size)
		return err_set(err, E_CORRUPT,
		               "blob %s: the registry sends more than its %llu bytes",
		               digest_format(&r->blob.digest).s, (unsigned long long)r->blob.size);
	r->offset += len;
	return put(r, p, len, err);
}

static int fetch_once(struct registry_reader *r, struct http *http, int *attempt, struct err *err)
{
	uint64_t before = r->offset;
	bool is_transient = false;
	int64_t wait_s = -1;
	int result;

	r->began = false;
	result = registry_stream(r->reg, http, &r->blob, r->offset, on_bytes, r, &is_transient,
	                         &wait_s, err);
	if (r->offset == r->blob.size)
		return 0;
	if (result < 0 && !is_transient)
		return -1;
	if (result == 0)
		err_set(err, E_CORRUPT, "blob %s: it ends after %llu of %llu bytes",
		        digest_format(&r->blob.digest).s, (unsigned long long)r->offset,
		        (unsigned long long)r->blob.size);
	*attempt = r->offset > before ? 1 : *attempt + 1;
	if (*attempt > registry_max_retries(r->reg))
		return -1;
	log_debug("%s", err->msg);
	return registry_wait(r->reg, *attempt, wait_s, err);
}

static void *fetch(void *ctx)
{
	struct registry_reader *r = ctx;
	struct http http = { 0 };
	struct err err = ERR_INIT;
	int attempt = 0;
	int result = http_init(&http, registry_policy(r->reg), &err);

	while (result == 0 && r->offset < r->blob.size)
		result = fetch_once(r, &http, &attempt, &err);
	http_done(&http);
	pthread_mutex_lock(&r->lock);
	r->ended = true;
	if (result < 0)
		r->err = err;
	pthread_cond_broadcast(&r->changed);
	pthread_mutex_unlock(&r->lock);
	return NULL;
}

static int registry_read(struct reader *base, void *buf, size_t cap, size_t *ret_n, struct err *err)
{
	struct registry_reader *r = (struct registry_reader *)base;
	int result = 0;
	size_t n;

	pthread_mutex_lock(&r->lock);
	while (r->len == 0 && !r->ended)
		pthread_cond_wait(&r->changed, &r->lock);
	n = r->len < RING_BYTES - r->head ? r->len : RING_BYTES - r->head;
	if (n > cap)
		n = cap;
	memcpy(buf, r->ring + r->head, n);
	r->head = (r->head + n) % RING_BYTES;
	r->len -= n;
	if (n == 0 && r->err.code != E_OK) {
		*err = r->err;
		result = -1;
	}
	pthread_cond_broadcast(&r->changed);
	pthread_mutex_unlock(&r->lock);
	*ret_n = n;
	return result;
}

static void registry_reader_free(struct reader *base)
{
	struct registry_reader *r = (struct registry_reader *)base;

	pthread_mutex_lock(&r->lock);
	r->stop = true;
	pthread_cond_broadcast(&r->changed);
	pthread_mutex_unlock(&r->lock);
	pthread_join(r->thread, NULL);
	pthread_cond_destroy(&r->changed);
	pthread_mutex_destroy(&r->lock);
	free(r->ring);
	free(r);
}

int reader_registry(struct registry *reg, const struct descriptor *d, uint64_t offset,
                    struct reader **ret, struct err *err)
{
	struct registry_reader *r = xcalloc(1, sizeof(*r));

	r->base = (struct reader){ registry_read, registry_reader_free };
	r->reg = reg;
	r->blob = (struct descriptor){ .digest = d->digest, .size = d->size };
	r->offset = offset;
	r->ring = xmalloc(RING_BYTES);
	pthread_mutex_init(&r->lock, NULL);
	pthread_cond_init(&r->changed, NULL);
	if (pthread_create(&r->thread, NULL, fetch, r) != 0) {
		free(r->ring);
		free(r);
		return err_set(err, E_LIMIT, "no thread can be started to fetch a blob");
	}
	*ret = &r->base;
	return 0;
}

/* --- compressed --- */

struct deflate_reader {
	struct reader base;
	struct reader *inner;
	struct deflater *deflater;
};

static int from_inner(void *ctx, void *buf, size_t cap, size_t *ret_n, struct err *err)
{
	struct reader *inner = ctx;

	return inner->read(inner, buf, cap, ret_n, err);
}

static int deflate_read(struct reader *base, void *buf, size_t cap, size_t *ret_n, struct err *err)
{
	return deflater_read(((struct deflate_reader *)base)->deflater, buf, cap, ret_n, err);
}

static void deflate_free(struct reader *base)
{
	struct deflate_reader *r = (struct deflate_reader *)base;

	if (r->deflater)
		deflater_free(r->deflater);
	r->inner->free(r->inner);
	free(r);
}

int reader_deflate(struct reader *inner, const struct deflate_options *options, struct reader **ret,
                   struct err *err)
{
	struct deflate_reader *r = xcalloc(1, sizeof(*r));

	*r = (struct deflate_reader){ { deflate_read, deflate_free }, inner, NULL };
	if (deflater_new(options, from_inner, inner, &r->deflater, err) < 0) {
		deflate_free(&r->base);
		return -1;
	}
	*ret = &r->base;
	return 0;
}

/* --- inflated --- */

struct inflate_reader {
	struct reader base;
	struct reader *inner;
	struct inflater *inflater;
	uint8_t *buf;
	const uint8_t *next;
	size_t left;
	bool ended;
};

static int inflate_read(struct reader *base, void *buf, size_t cap, size_t *ret_n, struct err *err)
{
	struct inflate_reader *r = (struct inflate_reader *)base;

	for (;;) {
		if (inflater_run(r->inflater, &r->next, &r->left, buf, cap, ret_n, err) < 0)
			return -1;
		if (*ret_n)
			return 0;
		if (r->left)
			continue;
		if (r->ended)
			return inflater_end(r->inflater, err);
		r->next = r->buf;
		if (r->inner->read(r->inner, r->buf, CHUNK, &r->left, err) < 0)
			return -1;
		/* once more without input: too few plain bytes to be told apart come only then */
		r->ended = r->left == 0;
	}
}

static void inflate_free(struct reader *base)
{
	struct inflate_reader *r = (struct inflate_reader *)base;

	inflater_free(r->inflater);
	r->inner->free(r->inner);
	free(r->buf);
	free(r);
}

struct reader *reader_inflate(struct reader *inner)
{
	struct inflate_reader *r = xcalloc(1, sizeof(*r));

	r->base = (struct reader){ inflate_read, inflate_free };
	r->inner = inner;
	r->inflater = inflater_new(COMPRESSION_AUTO, NULL);
	r->buf = xmalloc(CHUNK);
	return &r->base;
}

/* --- verified --- */

struct verify_reader {
	struct reader base;
	struct reader *inner;
	struct digester *digester;
	struct digest want;
	char *what;
	bool ended;
};

static int verify_read(struct reader *base, void *buf, size_t cap, size_t *ret_n, struct err *err)
{
	struct verify_reader *r = (struct verify_reader *)base;
	struct digest got;

	*ret_n = 0;
	if (r->ended)
		return 0;
	if (r->inner->read(r->inner, buf, cap, ret_n, err) < 0)
		return -1;
	digester_update(r->digester, buf, *ret_n);
	if (*ret_n)
		return 0;
	r->ended = true;
	digester_finish(r->digester, &got);
	if (digest_equal(&got, &r->want))
		return 0;
	return err_set(err, E_CORRUPT, "%s: its content has the digest %s", r->what,
	               digest_format(&got).s);
}

static void verify_free(struct reader *base)
{
	struct verify_reader *r = (struct verify_reader *)base;

	digester_free(r->digester);
	r->inner->free(r->inner);
	free(r->what);
	free(r);
}

struct reader *reader_verify(struct reader *inner, const struct digest *d, const char *what)
{
	struct verify_reader *r = xcalloc(1, sizeof(*r));

	r->base = (struct reader){ verify_read, verify_free };
	r->inner = inner;
	r->digester = digester_new(d->alg);
	r->want = *d;
	r->what = xstrdup(what);
	return &r->base;
}

/* --- conveniences --- */

int reader_skip(struct reader *r, uint64_t n, struct err *err)
{
	AUTO_FREE char *buf = n ? xmalloc(CHUNK) : NULL;

	while (n) {
		size_t got;

		if (r->read(r, buf, n < CHUNK ? (size_t)n : CHUNK, &got, err) < 0)
			return -1;
		if (got == 0)
			return err_set(err, E_CORRUPT, "a blob became shorter meanwhile");
		n -= got;
	}
	return 0;
}

int reader_text(struct reader *r, size_t max, char **ret, size_t *ret_len, struct err *err)
{
	AUTO_BUF text = STRBUF_INIT;
	AUTO_FREE char *buf = xmalloc(CHUNK);
	size_t n;

	do {
		if (r->read(r, buf, CHUNK, &n, err) < 0)
			return -1;
		if (text.len + n > max)
			return err_set(err, E_LIMIT, "larger than %zu bytes", max);
		strbuf_add(&text, buf, n);
	} while (n);
	*ret_len = text.len;
	*ret = strbuf_take(&text);
	return 0;
}
