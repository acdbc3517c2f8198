/* reader: the bytes of a blob, pulled by who wants them, from a file, a registry, or made of
 * another reader by compressing, inflating or checking it. One thread at a time. */
#pragma once
#include "codec/deflate.h"
#include "image/registry-internal.h"

struct reader {
	/* At most cap bytes; *ret_n 0: the end. */
	int (*read)(struct reader *r, void *buf, size_t cap, size_t *ret_n, struct err *err);
	void (*free)(struct reader *r);
};

static inline void reader_freep(struct reader **r)
{
	if (*r)
		(*r)->free(*r);
}
#define AUTO_READER __attribute__((cleanup(reader_freep))) struct reader

/* size bytes of fd (taken) from offset on, by pread. E_CORRUPT when it is shorter. */
struct reader *reader_file(int fd, uint64_t offset, uint64_t size, const char *what);
struct reader *reader_memory(const void *data, size_t len); /* borrowed */
/* A blob of a registry from offset on: a thread of its own fetches ahead a little, and goes on with
 * Range where a connection broke off. */
int reader_registry(struct registry *reg, const struct descriptor *d, uint64_t offset,
                    struct reader **ret, struct err *err);
/* These take `inner` over, also when they fail. */
int reader_deflate(struct reader *inner, const struct deflate_options *options, struct reader **ret,
                   struct err *err);
struct reader *reader_inflate(struct reader *inner);
/* Hashes what passes: E_CORRUPT at the end when it is not d. what: names it. */
struct reader *reader_verify(struct reader *inner, const struct digest *d, const char *what);

/* Throw away the next n bytes. */
int reader_skip(struct reader *r, uint64_t n, struct err *err);
/* All that is left, into memory. E_LIMIT above max. Caller frees. */
int reader_text(struct reader *r, size_t max, char **ret, size_t *ret_len, struct err *err);
