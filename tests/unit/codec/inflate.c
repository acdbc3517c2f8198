#include "test.h"

#include <string.h>
#include <zlib.h>
#include <zstd.h>

#include "base/strbuf.h"
#include "base/xalloc.h"
#include "codec/inflate.h"

static struct err e;

/* Text that compresses, but not to nothing. */
static void sample(struct strbuf *sb, size_t len)
{
	uint32_t x = 12345;

	while (sb->len < len) {
		x = x * 1103515245 + 12345;
		strbuf_addf(sb, "%u %s\n", x >> 20, x & 4 ? "some words to repeat" : "others");
	}
	strbuf_trunc(sb, len);
}

static void gzip(struct strbuf *out, const void *data, size_t len)
{
	z_stream z = { 0 };
	size_t cap = compressBound(len) + 64;

	strbuf_grow(out, cap);
	ck_assert_int_eq(deflateInit2(&z, 6, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY), Z_OK);
	z.next_in = (Bytef *)data;
	z.avail_in = (uInt)len;
	z.next_out = (Bytef *)xmalloc(cap);
	z.avail_out = (uInt)cap;
	ck_assert_int_eq(deflate(&z, Z_FINISH), Z_STREAM_END);
	strbuf_add(out, z.next_out - z.total_out, z.total_out);
	free(z.next_out - z.total_out);
	deflateEnd(&z);
}

static int run(enum compression c, const struct inflate_limits *limits, const void *data,
               size_t len, size_t piece, size_t out_cap, struct strbuf *ret)
{
	AUTO(inflater_freep) struct inflater *inf = inflater_new(c, limits);
	AUTO_FREE uint8_t *out = xmalloc(out_cap);

	*ret = STRBUF_INIT;
	for (size_t at = 0; at < len; at += piece) {
		size_t in_len = len - at < piece ? len - at : piece, n;
		/* its own buffer, so that a sanitizer sees a read past the end */
		AUTO_FREE uint8_t *copy = xmemdup((const char *)data + at, in_len);
		const uint8_t *in = copy;

		do {
			if (inflater_run(inf, &in, &in_len, out, out_cap, &n, &e) < 0)
				return -1;
			strbuf_add(ret, out, n);
		} while (n || in_len);
	}
	return inflater_end(inf, &e);
}

static void round_trips(void)
{
	AUTO_BUF text = STRBUF_INIT, two = STRBUF_INIT;
	static const size_t pieces[] = { 1, 2, 3, 7, 100, 4096, 1 << 20 };
	static const size_t caps[] = { 1 << 16, 100, 1 << 20, 4096 };

	sample(&text, 300000);
	gzip(&two, text.buf, 100000);
	gzip(&two, text.buf + 100000, 0);
	gzip(&two, text.buf + 100000, 200000);
	strbuf_add(&two, "\0\0\0\0\0", 5); /* padding is fine */
	for (size_t p = 0; p < ARRAY_LEN(pieces); p++)
		for (size_t c = 0; c < ARRAY_LEN(caps); c++) {
			struct strbuf got;

			CHECK_OK(run(COMPRESSION_AUTO, NULL, two.buf, two.len, pieces[p], caps[c],
			             &got));
			ck_assert_uint_eq(got.len, text.len);
			ck_assert(!memcmp(got.buf, text.buf, text.len));
			strbuf_done(&got);
		}
}

static void damage(void)
{
	AUTO_BUF text = STRBUF_INIT, gz = STRBUF_INIT;
	struct strbuf got;

	sample(&text, 5000);
	gzip(&gz, text.buf, text.len);
	for (size_t cut = 1; cut < gz.len; cut += cut < 40 || gz.len - cut < 40 ? 1 : 97) {
		CHECK_ERR(E_CORRUPT,
		          run(COMPRESSION_GZIP, NULL, gz.buf, cut, 1 << 16, 1 << 16, &got));
		strbuf_done(&got);
	}
	/* the checksum and the length at the end */
	for (size_t i = gz.len - 8; i < gz.len; i++) {
		gz.buf[i] ^= 1;
		CHECK_ERR(E_CORRUPT,
		          run(COMPRESSION_AUTO, NULL, gz.buf, gz.len, 1 << 16, 1 << 16, &got));
		strbuf_done(&got);
		gz.buf[i] ^= 1;
	}
	strbuf_adds(&gz, "trailing");
	CHECK_ERR(E_CORRUPT, run(COMPRESSION_AUTO, NULL, gz.buf, gz.len, 1 << 16, 1 << 16, &got));
	strbuf_done(&got);
	CHECK_ERR(E_CORRUPT, run(COMPRESSION_GZIP, NULL, "no gzip at all", 14, 64, 64, &got));
	strbuf_done(&got);
	CHECK_ERR(E_CORRUPT, run(COMPRESSION_GZIP, NULL, "", 0, 64, 64, &got));
	strbuf_done(&got);
}

START_TEST(gzip_isal)
{
	ck_assert_str_eq(inflate_gzip_backend(), "isa-l");
	round_trips();
	damage();
}
END_TEST

START_TEST(gzip_zlib)
{
	inflate_avoid_isal();
	ck_assert_str_eq(inflate_gzip_backend(), "zlib");
	round_trips();
	damage();
}
END_TEST

START_TEST(zstd)
{
	AUTO_BUF text = STRBUF_INIT, packed = STRBUF_INIT;
	AUTO_FREE char *buf = NULL;
	struct strbuf got;
	size_t n;

	sample(&text, 300000);
	buf = xmalloc(ZSTD_compressBound(text.len));
	n = ZSTD_compress(buf, ZSTD_compressBound(text.len), text.buf, 100000, 3);
	strbuf_add(&packed, "\x51\x2a\x4d\x18\x03\0\0\0abc", 11); /* skippable frame */
	strbuf_add(&packed, buf, n);
	n = ZSTD_compress(buf, ZSTD_compressBound(text.len), text.buf + 100000, 200000, 3);
	strbuf_add(&packed, buf, n);
	for (size_t piece = 1; piece < 1 << 20; piece *= 10) {
		CHECK_OK(run(COMPRESSION_AUTO, NULL, packed.buf, packed.len, piece, 5000, &got));
		ck_assert_uint_eq(got.len, text.len);
		ck_assert(!memcmp(got.buf, text.buf, text.len));
		strbuf_done(&got);
	}
	CHECK_ERR(E_CORRUPT,
	          run(COMPRESSION_AUTO, NULL, packed.buf, packed.len - 1, 4096, 4096, &got));
	strbuf_done(&got);
	packed.buf[packed.len - 1000] ^= 0x55;
	ck_assert(run(COMPRESSION_AUTO, NULL, packed.buf, packed.len, 4096, 4096, &got) < 0 ||
	          memcmp(got.buf, text.buf, text.len) != 0);
	strbuf_done(&got);
}
END_TEST

START_TEST(plain_and_detection)
{
	struct strbuf got;

	CHECK_OK(run(COMPRESSION_AUTO, NULL, "\x1f not gzip", 11, 1, 64, &got));
	ck_assert_str_eq(got.buf, "\x1f not gzip");
	strbuf_done(&got);
	CHECK_OK(run(COMPRESSION_AUTO, NULL, "", 0, 1, 64, &got));
	ck_assert_int_eq(compression_detect("\x1f\x8b\x08", 3), COMPRESSION_GZIP);
	ck_assert_int_eq(compression_detect("\x28\xb5\x2f\xfd", 4), COMPRESSION_ZSTD);
	ck_assert_int_eq(compression_detect("BZh9", 4), COMPRESSION_NONE);
}
END_TEST

START_TEST(output_limit)
{
	struct inflate_limits limits = { .max_output_bytes = 99999 };
	AUTO_BUF text = STRBUF_INIT, gz = STRBUF_INIT;
	struct strbuf got;

	sample(&text, 100000);
	gzip(&gz, text.buf, text.len);
	CHECK_ERR(E_LIMIT, run(COMPRESSION_AUTO, &limits, gz.buf, gz.len, 4096, 4096, &got));
	ck_assert_str_eq(e.msg, "more than 100kB after decompression");
	strbuf_done(&got);
	limits.max_output_bytes = 100000;
	CHECK_OK(run(COMPRESSION_AUTO, &limits, gz.buf, gz.len, 4096, 4096, &got));
	strbuf_done(&got);
}
END_TEST

START_TEST(bomb)
{
	/* 4 GiB of zeros, as zstd makes them of very little */
	AUTO(inflater_freep) struct inflater *inf = inflater_new(COMPRESSION_AUTO, NULL);
	AUTO_FREE uint8_t *zeros = xcalloc(1, 1 << 20), *out = xmalloc(1 << 20);
	AUTO_FREE uint8_t *packed = xmalloc(1 << 20);
	ZSTD_CCtx *cctx = ZSTD_createCCtx();
	ZSTD_outBuffer ob = { packed, 1 << 20, 0 };
	const uint8_t *in = packed;
	size_t in_len, n;
	int r = 0;

	for (int i = 0; i < 4096; i++) {
		ZSTD_inBuffer ib = { zeros, 1 << 20, 0 };

		ZSTD_compressStream2(cctx, &ob, &ib, i == 4095 ? ZSTD_e_end : ZSTD_e_continue);
		ck_assert_uint_eq(ib.pos, ib.size);
	}
	ZSTD_freeCCtx(cctx);
	in_len = ob.pos;
	do
		r = inflater_run(inf, &in, &in_len, out, 1 << 20, &n, &e);
	while (r == 0 && (n || in_len));
	ck_assert_int_eq(r, -1);
	ck_assert_int_eq(e.code, E_LIMIT);
	ck_assert_ptr_nonnull(strstr(e.msg, "decompression bomb"));
}
END_TEST

TEST_MAIN("inflate", gzip_isal, gzip_zlib, zstd, plain_and_detection, output_limit, bomb)
