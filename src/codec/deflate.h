/* deflate: gzip (RFC 1952) and zstd (RFC 8878) streams made by several threads.
 *
 * The input is cut into blocks of DEFLATE_BLOCK_BYTES; each becomes a gzip member or a zstd frame
 * of its own. So the output depends on the input, the level and the library linked in, never on the
 * number of threads, on time or on how the input came in pieces; and a reader may inflate it in
 * parallel. gzip headers carry no time and no name.
 *
 * Pulled by the caller: the thread that reads also calls `input`; the others only compress. Memory:
 * about two blocks for each of threads + 2. */
#pragma once
#include "codec/inflate.h"

#define DEFLATE_BLOCK_BYTES  (1u << 20)
#define DEFLATE_THREADS_MAX  4
#define DEFLATE_GZIP_DEFAULT 6
#define DEFLATE_ZSTD_DEFAULT 3

struct deflate_options {
	enum compression compression; /* GZIP or ZSTD */
	int level;                    /* 0: the default; gzip 1 to 9, zstd 1 to 19 */
	unsigned threads;             /* 0: one for each CPU, at most DEFLATE_THREADS_MAX */
};

/* Fill in defaults. E_INVALID for a level that there is not. */
int deflate_options_check(struct deflate_options *options, struct err *err);
/* Names what makes the same bytes of the same input: "gzip-6-libdeflate-1.14-1024k". */
struct deflate_recipe {
	char s[64];
};
struct deflate_recipe deflate_recipe(const struct deflate_options *options);

/* At most cap bytes into buf; *ret_n 0: the end. Pieces may be of any size. */
typedef int (*deflate_input_fn)(void *ctx, void *buf, size_t cap, size_t *ret_n, struct err *err);

struct deflater;
/* options: checked. E_LIMIT when no thread can be started. */
int deflater_new(const struct deflate_options *options, deflate_input_fn input, void *ctx,
                 struct deflater **ret, struct err *err);
/* Joins the threads. */
void deflater_free(struct deflater *d);
DEFINE_FREEP(struct deflater, deflater_free)
/* *ret_n 0: the stream is complete. */
int deflater_read(struct deflater *d, void *buf, size_t cap, size_t *ret_n, struct err *err);
