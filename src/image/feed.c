#include "image/feed-internal.h"

void feed_init(struct feed *f, const struct blob_source *source)
{
	enum digest_alg alg = source->digest.alg ? source->digest.alg : DIGEST_SHA256;

	*f = (struct feed){ .source = source, .limit = UINT64_MAX };
	f->digester = digester_new(alg);
}

void feed_done(struct feed *f)
{
	reader_freep(&f->reader);
	f->reader = NULL;
	if (f->digester)
		digester_free(f->digester);
	f->digester = NULL;
}

int feed_seek(struct feed *f, uint64_t offset, struct err *err)
{
	if (f->reader && f->offset == offset)
		return 0;
	/* what was not hashed has to come by once more */
	if (offset > f->hashed)
		return err_set(err, E_INTERNAL, "%s: a piece of it would be left out",
		               f->source->what);
	reader_freep(&f->reader);
	f->reader = NULL;
	f->ended = false;
	f->offset = offset;
	return f->source->open(f->source->ctx, offset, &f->reader, err);
}

static int too_long(const struct feed *f, struct err *err)
{
	return err_set(err, E_CORRUPT, "%s: there is more of it than its %lld bytes",
	               f->source->what, (long long)f->source->size);
}

int feed_read(void *ctx, void *buf, size_t cap, size_t *ret_n, struct err *err)
{
	struct feed *f = ctx;
	uint64_t left = f->limit - f->offset;
	size_t n = 0, seen;

	*ret_n = 0;
	if (left == 0)
		return 0;
	if (f->reader->read(f->reader, buf, left < cap ? (size_t)left : cap, &n, err) < 0)
		return -1;
	f->ended = n == 0;
	if (f->source->size >= 0 && f->offset + n > (uint64_t)f->source->size)
		return too_long(f, err);
	seen = f->hashed - f->offset < n ? (size_t)(f->hashed - f->offset) : n;
	digester_update(f->digester, (char *)buf + seen, n - seen);
	f->offset += n;
	f->hashed += n - seen;
	if (n && f->source->sent)
		f->source->sent(f->source->ctx, f->offset);
	*ret_n = n;
	return 0;
}

int feed_finish(struct feed *f, struct digest *ret_digest, uint64_t *ret_size, struct err *err)
{
	const struct blob_source *s = f->source;
	struct digest got;

	digester_finish(f->digester, &got);
	if (s->size >= 0 && f->hashed != (uint64_t)s->size)
		return err_set(err, E_CORRUPT, "%s: %llu bytes came instead of %lld", s->what,
		               (unsigned long long)f->hashed, (long long)s->size);
	if (s->digest.alg && !digest_equal(&got, &s->digest))
		return err_set(err, E_CORRUPT, "%s: what came has the digest %s", s->what,
		               digest_format(&got).s);
	*ret_digest = got;
	*ret_size = f->hashed;
	return 0;
}
