/* feed: one blob on its way to somewhere, counted and verified as it goes.
 *
 * A blob can be opened anew from any offset, so what breaks off is begun again from where the
 * receiver has it; every byte is hashed once, in order. */
#pragma once
#include "image/reader-internal.h"

struct blob_source {
	const char *what; /* names it in messages: "layer sha256:..." */
	/* From an offset on (of the same bytes each time). Caller frees *ret. */
	int (*open)(void *ctx, uint64_t offset, struct reader **ret, struct err *err);
	void *ctx;
	struct digest digest; /* of the bytes; alg NONE: not known before they are made */
	int64_t size;         /* -1: not known */
	/* How many bytes went; or NULL. Called by the thread that sends. */
	void (*sent)(void *ctx, uint64_t bytes);
};

struct feed {
	const struct blob_source *source;
	struct reader *reader;
	struct digester *digester;
	uint64_t offset; /* of the next byte of reader */
	uint64_t hashed; /* bytes that went through the digester */
	uint64_t limit;  /* feed_read() pretends that it ends here; UINT64_MAX: at the end */
	bool ended;      /* the source's end was seen */
};

void feed_init(struct feed *f, const struct blob_source *source);
void feed_done(struct feed *f);
#define AUTO_FEED __attribute__((cleanup(feed_done))) struct feed
/* Go on from offset. */
int feed_seek(struct feed *f, uint64_t offset, struct err *err);
/* An http_source, ctx: the feed. E_CORRUPT for more bytes than there may be. */
int feed_read(void *ctx, void *buf, size_t cap, size_t *ret_n, struct err *err);
/* All went: its digest and size, E_CORRUPT when they are not those expected. */
int feed_finish(struct feed *f, struct digest *ret_digest, uint64_t *ret_size, struct err *err);
