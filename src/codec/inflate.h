/* inflate: gzip (RFC 1952, any number of members), zstd (RFC 8878) and plain bytes as a stream.
 * Input is hostile: output is bounded in bytes and in ratio (E_LIMIT), damage and truncation are
 * E_CORRUPT. gzip uses ISA-L when libisal.so.2 can be opened, zlib otherwise; zstd windows above
 * 128 MiB are refused.
 *
 * After the last gzip member only zero bytes may follow (tar pads so); other trailing bytes are
 * E_CORRUPT, because readers disagree about what they mean. */
#pragma once
#include "base/err.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum compression {
	COMPRESSION_AUTO = 0, /* by the first bytes */
	COMPRESSION_NONE,
	COMPRESSION_GZIP,
	COMPRESSION_ZSTD,
	COMPRESSION_MAX
};

struct inflate_limits {
	uint64_t max_output_bytes; /* 0: 1 TiB */
	/* Output may be at most this many times the input, checked above 2 GiB of output; 0: 400,
	 * which only a decompression bomb reaches at that size. */
	unsigned max_ratio;
};

struct inflater;

/* limits: NULL for the defaults; copied. */
struct inflater *inflater_new(enum compression compression, const struct inflate_limits *limits);
void inflater_free(struct inflater *inf);
DEFINE_FREEP(struct inflater, inflater_free)

/* Consume from *in (advanced, *in_len reduced) and write at most out_cap bytes to out.
 * Return 0 with *ret_out set; 0 bytes out with *in_len == 0 means: give more input. */
int inflater_run(struct inflater *inf, const uint8_t **in, size_t *in_len, void *out,
                 size_t out_cap, size_t *ret_out, struct err *err);
/* The input ended here. E_CORRUPT when the stream is not complete. */
int inflater_end(struct inflater *inf, struct err *err);

/* What it is; COMPRESSION_AUTO until the first bytes came. */
enum compression inflater_compression(const struct inflater *inf);
const char *compression_name(enum compression c); /* "gzip", ... */
/* From the first bytes; fewer than 4 may give COMPRESSION_NONE wrongly. */
enum compression compression_detect(const void *data, size_t len);
/* "isa-l" or "zlib": what gzip is done with on this machine. */
const char *inflate_gzip_backend(void);
/* Before the first use: zlib only. For tests of the fallback. */
void inflate_avoid_isal(void);
