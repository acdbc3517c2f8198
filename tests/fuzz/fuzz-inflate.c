/* Decompression: the sizes of the pieces must not matter, and ISA-L must agree with zlib about
 * what gzip data holds. */
#include <stdlib.h>
#define ZLIB_CONST
#include <zlib.h>

#include "base/strbuf.h"
#include "base/xalloc.h"
#include "codec/inflate.h"
#include "fuzz.h"

#define OUT_MAX ((size_t)1 << 20)

static int inflate_all(const uint8_t *data, size_t size, size_t piece, size_t cap,
                       struct strbuf *out, enum compression *ret)
{
	struct inflate_limits limits = { .max_output_bytes = OUT_MAX };
	AUTO(inflater_freep) struct inflater *inf = inflater_new(COMPRESSION_AUTO, &limits);
	AUTO_FREE uint8_t *buf = xmalloc(cap);
	struct err err;

	for (size_t at = 0; at < size; at += piece) {
		size_t len = size - at < piece ? size - at : piece, n;
		const uint8_t *in = data + at;

		do {
			if (inflater_run(inf, &in, &len, buf, cap, &n, &err) < 0)
				return -1;
			strbuf_add(out, buf, n);
		} while (n || len);
	}
	*ret = inflater_compression(inf);
	return inflater_end(inf, &err);
}

/* One gzip member by zlib; true when it is complete and ends with the input. */
static bool zlib_member(const uint8_t *data, size_t size, struct strbuf *out)
{
	AUTO_FREE uint8_t *buf = xmalloc(OUT_MAX + 1);
	z_stream z = {
		.next_in = data, .avail_in = (uInt)size, .next_out = buf, .avail_out = OUT_MAX + 1
	};
	bool complete;

	if (inflateInit2(&z, 15 + 16) != Z_OK)
		abort();
	complete = inflate(&z, Z_FINISH) == Z_STREAM_END && !z.avail_in && z.total_out <= OUT_MAX;
	strbuf_add(out, buf, z.total_out);
	inflateEnd(&z);
	return complete;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	AUTO_BUF whole = STRBUF_INIT, pieces = STRBUF_INIT, zlib = STRBUF_INIT;
	enum compression c = COMPRESSION_AUTO, other;
	int r = inflate_all(data, size, size ? size : 1, 65536, &whole, &c);

	if (inflate_all(data, size, 1 + size % 37, 1 + size % 1000, &pieces, &other) != r)
		abort();
	if (r == 0 && (pieces.len != whole.len || memcmp(pieces.buf, whole.buf, whole.len) != 0))
		abort();
	/* what zlib takes, we take, and the same comes out */
	if (size >= 2 && data[0] == 0x1f && data[1] == 0x8b && zlib_member(data, size, &zlib) &&
	    (r < 0 || zlib.len != whole.len || memcmp(zlib.buf, whole.buf, whole.len) != 0))
		abort();
	return 0;
}
