/* Fields of a tar header, and names. */
#include <ctype.h>
#include <errno.h>
#include <string.h>

#include "codec/tar-internal.h"

struct tar_shown tar_show(const char *text)
{
	struct tar_shown t;
	size_t i;

	for (i = 0; i < sizeof(t.s) - 4 && text[i]; i++) {
		unsigned char c = (unsigned char)text[i];

		t.s[i] = (char)(c < 0x20 || c == 0x7f ? '?' : c);
	}
	t.s[i] = '\0';
	if (text[i])
		memcpy(t.s + i, "...", 4);
	return t;
}

bool tar_block_is_zero(const uint8_t *block)
{
	static const uint8_t zero[TAR_BLOCK_SIZE];

	return !memcmp(block, zero, TAR_BLOCK_SIZE);
}

bool tar_checksum_ok(const uint8_t *block)
{
	int64_t stored, sum = 0, signed_sum = 0;

	if (tar_field_i64(block, H_CHKSUM, &stored) < 0)
		return false;
	for (size_t i = 0; i < TAR_BLOCK_SIZE; i++) {
		uint8_t c = i >= 148 && i < 156 ? ' ' : block[i];

		sum += c;
		signed_sum += (int8_t)c;
	}
	/* some old writers summed signed characters */
	return stored == sum || stored == signed_sum;
}

static int base256(const uint8_t *f, size_t len, int64_t *ret)
{
	bool minus = f[0] & 0x40;
	uint64_t v = minus ? UINT64_MAX : 0;

	for (size_t i = 0; i < len; i++) {
		uint8_t c = i ? f[i] : (uint8_t)(minus ? f[0] | 0x80 : f[0] & 0x7f);

		/* the byte that is shifted out may only repeat the sign */
		if (i && ((v >> 55) != (minus ? 0x1ff : 0)))
			return -ERANGE;
		v = v << 8 | c;
	}
	*ret = (int64_t)v;
	return 0;
}

int tar_field_i64(const uint8_t *block, size_t offset, size_t len, int64_t *ret)
{
	const uint8_t *f = block + offset;
	uint64_t v = 0;
	size_t i = 0;

	if (f[0] & 0x80)
		return base256(f, len, ret);
	while (i < len && f[i] == ' ')
		i++;
	for (; i < len && f[i] >= '0' && f[i] <= '7'; i++) {
		if (v >> 60)
			return -ERANGE;
		v = v << 3 | (uint64_t)(f[i] - '0');
	}
	for (; i < len; i++)
		if (f[i] != ' ' && f[i] != '\0')
			return -EINVAL;
	*ret = (int64_t)v;
	return 0;
}

void tar_field_text(const uint8_t *block, size_t offset, size_t len, struct strbuf *ret)
{
	const char *f = (const char *)block + offset;

	strbuf_reset(ret);
	strbuf_add(ret, f, strnlen(f, len));
}

int tar_normalise_name(const char *name, char *ret, struct err *err)
{
	size_t out = 0;

	for (const char *p = name; *p;) {
		size_t len = strcspn(p, "/");

		if (len == 2 && p[0] == '.' && p[1] == '.')
			return err_set(err, E_INVALID, "'..' in the name '%s'", tar_show(name).s);
		if (len > 255)
			return err_set(err, E_INVALID,
			               "a part of more than 255 bytes in the name '%s'",
			               tar_show(name).s);
		if (len && !(len == 1 && p[0] == '.')) {
			if (out + len + 1 > TAR_NAME_MAX)
				return err_set(err, E_INVALID, "a name of more than %d bytes: '%s'",
				               TAR_NAME_MAX, tar_show(name).s);
			if (out)
				ret[out++] = '/';
			memcpy(ret + out, p, len);
			out += len;
		}
		p += len;
		if (*p == '/')
			p++;
	}
	ret[out] = '\0';
	return 0;
}
