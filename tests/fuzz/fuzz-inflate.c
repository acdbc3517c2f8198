/* gzip and zstd streams: bounded output, and the same bytes however the input is cut. */
#include <stdlib.h>

#include "codec/inflate.h"
#include "fuzz.h"

#define LIMIT (1 << 20)

static int inflate_all(const uint8_t *data, size_t size, size_t piece, uint64_t *ret_len,
                       uint64_t *ret_sum)
{
	const struct inflate_limits limits = { .max_output_bytes = LIMIT };
	struct inflater *inf = inflater_new(COMPRESSION_AUTO, &limits);
	static uint8_t out[8192];
	struct err err;
	int r = 0;

	*ret_len = *ret_sum = 0;
	while (size && r == 0) {
		size_t in_len = piece < size ? piece : size;

		size -= in_len;
		for (;;) {
			size_t n = 0, before = in_len;

			r = inflater_run(inf, &data, &in_len, out, sizeof(out), &n, &err);
			if (r < 0 || (n == 0 && in_len == 0))
				break;
			if (n == 0 && in_len == before)
				abort(); /* no progress */
			for (size_t i = 0; i < n; i++)
				*ret_sum = *ret_sum * 31 + out[i];
			*ret_len += n;
			if (*ret_len > LIMIT)
				abort();
		}
	}
	if (r == 0)
		r = inflater_end(inf, &err);
	inflater_free(inf);
	return r;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint64_t len_a, len_b, sum_a, sum_b;
	int a = inflate_all(data, size, size + 1, &len_a, &sum_a);
	int b = inflate_all(data, size, 1 + size % 61, &len_b, &sum_b);

	if (a != b || (a == 0 && (len_a != len_b || sum_a != sum_b)))
		abort();
	return 0;
}
