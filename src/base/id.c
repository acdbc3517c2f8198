#include "base/id.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

void random_bytes(void *buf, size_t len)
{
	char *p = buf;

	while (len) {
		ssize_t n = getrandom(p, len, 0);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			abort();
		p += n;
		len -= (size_t)n;
	}
}

void hex_encode(const void *data, size_t len, char *ret_hex)
{
	static const char digits[] = "0123456789abcdef";
	const uint8_t *p = data;

	for (size_t i = 0; i < len; i++) {
		*ret_hex++ = digits[p[i] >> 4];
		*ret_hex++ = digits[p[i] & 15];
	}
	*ret_hex = '\0';
}

void id_random(char ret_id[ID_LEN + 1])
{
	uint8_t raw[ID_LEN / 2];

	random_bytes(raw, sizeof(raw));
	hex_encode(raw, sizeof(raw), ret_id);
}

void id_random_short(char ret_id[ID_SHORT_LEN + 1])
{
	uint8_t raw[ID_SHORT_LEN / 2];

	random_bytes(raw, sizeof(raw));
	hex_encode(raw, sizeof(raw), ret_id);
}

bool is_id_prefix(const char *s)
{
	size_t n = strspn(s, "0123456789abcdef");

	return n > 0 && n <= ID_LEN && s[n] == '\0';
}
