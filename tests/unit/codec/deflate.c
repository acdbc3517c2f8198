#include "test.h"

#include <string.h>

#include "base/strbuf.h"
#include "base/xalloc.h"
#include "codec/deflate.h"

#define SAMPLE_BYTES (5u * 1024 * 1024 + 123)

static struct err e;

struct feed {
	const char *data;
	size_t len, done, piece;
	size_t fail_at; /* 0: never */
};

static int feed(void *ctx, void *buf, size_t cap, size_t *ret_n, struct err *err)
{
	struct feed *f = ctx;
	size_t n = f->len - f->done;

	if (f->fail_at && f->done >= f->fail_at)
		return err_set(err, E_IO, "broken on purpose");
	n = n < f->piece ? n : f->piece;
	n = n < cap ? n : cap;
	memcpy(buf, f->data + f->done, n);
	f->done += n;
	*ret_n = n;
	return 0;
}

static char *sample(void)
{
	char *data = xmalloc(SAMPLE_BYTES);
	uint32_t x = 7;

	for (size_t i = 0; i < SAMPLE_BYTES; i++) {
		x = x * 1103515245 + 12345;
		data[i] = (char)(x >> 28 ? 'a' + (x >> 16) % 7 : x >> 8);
	}
	return data;
}

static int run(enum compression c, int level, unsigned threads, struct feed *f, struct strbuf *out)
{
	struct deflate_options o = { .compression = c, .level = level, .threads = threads };
	AUTO(deflater_freep) struct deflater *d = NULL;
	char buf[70001];
	size_t n;

	CHECK_OK(deflate_options_check(&o, &e));
	CHECK_OK(deflater_new(&o, feed, f, &d, &e));
	do {
		if (deflater_read(d, buf, sizeof(buf), &n, &e) < 0)
			return -1;
		strbuf_add(out, buf, n);
	} while (n);
	return 0;
}

static void unpacks_to(const struct strbuf *packed, const char *data, size_t len)
{
	AUTO(inflater_freep) struct inflater *inf = inflater_new(COMPRESSION_AUTO, NULL);
	const uint8_t *in = (const uint8_t *)packed->buf;
	AUTO_FREE char *out = xmalloc(len + 1);
	size_t left = packed->len, done = 0, n;

	do {
		CHECK_OK(inflater_run(inf, &in, &left, out + done, len + 1 - done, &n, &e));
		done += n;
	} while (n || left);
	CHECK_OK(inflater_end(inf, &e));
	ck_assert_uint_eq(done, len);
	ck_assert(memcmp(out, data, len) == 0);
}

START_TEST(the_bytes_do_not_depend_on_threads_or_pieces)
{
	static const enum compression kinds[] = { COMPRESSION_GZIP, COMPRESSION_ZSTD };
	AUTO_FREE char *data = sample();

	for (size_t k = 0; k < ARRAY_LEN(kinds); k++) {
		AUTO_BUF first = STRBUF_INIT;

		for (unsigned threads = 1; threads <= 4; threads++) {
			struct feed f = { data, SAMPLE_BYTES, 0, threads * 99991, 0 };
			AUTO_BUF out = STRBUF_INIT;

			CHECK_OK(run(kinds[k], 0, threads, &f, &out));
			if (threads == 1) {
				unpacks_to(&out, data, SAMPLE_BYTES);
				strbuf_add(&first, out.buf, out.len);
			}
			ck_assert_uint_eq(out.len, first.len);
			ck_assert(memcmp(out.buf, first.buf, out.len) == 0);
		}
	}
}
END_TEST

START_TEST(whole_blocks_and_nothing_at_all)
{
	static const size_t sizes[] = { 0, 1, DEFLATE_BLOCK_BYTES, 2 * DEFLATE_BLOCK_BYTES };
	AUTO_FREE char *data = sample();

	for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
		struct feed f = { data, sizes[i], 0, SIZE_MAX, 0 };
		AUTO_BUF out = STRBUF_INIT;

		CHECK_OK(run(COMPRESSION_GZIP, 1, 2, &f, &out));
		ck_assert_uint_gt(out.len, 0);
		unpacks_to(&out, data, sizes[i]);
	}
}
END_TEST

START_TEST(gzip_headers_carry_no_time)
{
	AUTO_FREE char *data = sample();
	struct feed f = { data, 1000, 0, SIZE_MAX, 0 };
	AUTO_BUF out = STRBUF_INIT;

	CHECK_OK(run(COMPRESSION_GZIP, 0, 1, &f, &out));
	ck_assert(memcmp(out.buf + 3, "\0\0\0\0\0", 5) == 0);
}
END_TEST

START_TEST(an_error_of_the_input_is_passed_on)
{
	AUTO_FREE char *data = sample();
	struct feed f = { data, SAMPLE_BYTES, 0, 1u << 20, 3u << 20 };
	AUTO_BUF out = STRBUF_INIT;

	CHECK_ERR(E_IO, run(COMPRESSION_ZSTD, 0, 2, &f, &out));
}
END_TEST

START_TEST(levels_are_checked)
{
	struct deflate_options o = { .compression = COMPRESSION_GZIP, .level = 10 };

	CHECK_ERR(E_INVALID, deflate_options_check(&o, &e));
	o = (struct deflate_options){ .compression = COMPRESSION_ZSTD, .level = 20 };
	CHECK_ERR(E_INVALID, deflate_options_check(&o, &e));
	o.level = 0;
	CHECK_OK(deflate_options_check(&o, &e));
	ck_assert_int_eq(o.level, DEFLATE_ZSTD_DEFAULT);
	ck_assert_ptr_nonnull(strstr(deflate_recipe(&o).s, "zstd-3-libzstd-1."));
}
END_TEST

TEST_MAIN("deflate", the_bytes_do_not_depend_on_threads_or_pieces, whole_blocks_and_nothing_at_all,
          gzip_headers_carry_no_time, an_error_of_the_input_is_passed_on, levels_are_checked)
