#include "codec/base64.h"

#include <errno.h>

static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

char *base64_encode(const void *data, size_t len)
{
	const unsigned char *p = data;
	AUTO_BUF out = STRBUF_INIT;

	for (size_t i = 0; i < len; i += 3) {
		uint32_t v = 0;
		size_t n = len - i < 3 ? len - i : 3;

		for (size_t j = 0; j < 3; j++)
			v = v << 8 | (j < n ? p[i + j] : 0);
		for (size_t j = 0; j < 4; j++)
			strbuf_addc(&out, j <= n ? digits[v >> (18 - 6 * j) & 63] : '=');
	}
	return strbuf_take(&out);
}

/* 0..63, or -1. */
static int digit_value(char c)
{
	const char *found = c ? strchr(digits, c) : NULL;

	return found ? (int)(found - digits) : -1;
}

int base64_decode(const char *text, size_t len, struct strbuf *ret)
{
	size_t start = ret->len, padding = 0;
	uint32_t v = 0;
	int bits = 0;

	if (len % 4)
		return -EINVAL;
	while (padding < 2 && len > padding && text[len - 1 - padding] == '=')
		padding++;
	for (size_t i = 0; i < len - padding; i++) {
		int digit = digit_value(text[i]);

		if (digit < 0) {
			strbuf_trunc(ret, start);
			return -EINVAL;
		}
		v = (v << 6 | (uint32_t)digit) & 0xffffff;
		bits += 6;
		if (bits >= 8) {
			bits -= 8;
			strbuf_addc(ret, (char)(v >> bits & 0xff));
		}
	}
	if (v & ((1u << bits) - 1)) {
		strbuf_trunc(ret, start);
		return -EINVAL;
	}
	return 0;
}

int base64_decode_lines(const char *text, size_t len, struct strbuf *ret)
{
	AUTO_BUF joined = STRBUF_INIT;

	for (size_t i = 0; i < len; i++)
		if (!strchr(" \t\r\n", text[i]) || !text[i])
			strbuf_addc(&joined, text[i]);
	return base64_decode(joined.buf, joined.len, ret);
}
