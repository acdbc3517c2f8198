#include "codec/digest.h"

#define OPENSSL_SUPPRESS_DEPRECATED
#include <openssl/sha.h>
#include <string.h>

#include "base/id.h"
#include "base/xalloc.h"

static const struct {
	const char *name;
	size_t len;
} algs[DIGEST_ALG_MAX] = {
	[DIGEST_NONE] = { "none", 0 },
	[DIGEST_SHA256] = { "sha256", 32 },
	[DIGEST_SHA512] = { "sha512", 64 },
};

/* The plain functions of libcrypto, not its EVP layer: that loads its configuration file and looks
 * algorithms up in providers, which costs a command two milliseconds. Same code below both. */
struct digester {
	enum digest_alg alg;
	union {
		SHA256_CTX sha256;
		SHA512_CTX sha512;
	};
};

static int hex_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	return -1;
}

static int parse_hex_as(enum digest_alg alg, const char *hex, struct digest *ret)
{
	struct digest d = { .alg = alg, .len = algs[alg].len };

	for (size_t i = 0; i < d.len; i++) {
		int hi = hex_value(hex[2 * i]);
		int lo = hi < 0 ? -1 : hex_value(hex[2 * i + 1]);

		if (lo < 0)
			return -1;
		d.bytes[i] = (uint8_t)(hi << 4 | lo);
	}
	if (hex[2 * d.len])
		return -1;
	*ret = d;
	return 0;
}

int digest_parse(const char *text, struct digest *ret, struct err *err)
{
	const char *colon = strchr(text, ':');

	if (!colon)
		return err_set(err, E_INVALID, "digest '%.200s': expected ALGORITHM:HEX", text);
	for (int alg = DIGEST_SHA256; alg < DIGEST_ALG_MAX; alg++) {
		size_t len = strlen(algs[alg].name);

		if ((size_t)(colon - text) != len || memcmp(text, algs[alg].name, len) != 0)
			continue;
		if (parse_hex_as(alg, colon + 1, ret) < 0)
			return err_set(
				err, E_INVALID,
				"digest '%.200s': expected %zu lower-case hexadecimal digits", text,
				2 * algs[alg].len);
		return 0;
	}
	return err_set(err, E_UNSUPPORTED, "digest '%.200s': unknown algorithm", text);
}

int digest_parse_hex(const char *hex, struct digest *ret, struct err *err)
{
	size_t len = strlen(hex);

	for (int alg = DIGEST_SHA256; alg < DIGEST_ALG_MAX; alg++)
		if (len == 2 * algs[alg].len && parse_hex_as(alg, hex, ret) == 0)
			return 0;
	return err_set(err, E_INVALID, "'%.200s' is not a digest in hexadecimal", hex);
}

struct digest_text digest_format(const struct digest *d)
{
	struct digest_text t;
	int n = snprintf(t.s, sizeof(t.s), "%s:", digest_alg_name(d->alg));

	hex_encode(d->bytes, d->len, t.s + n);
	return t;
}

struct digest_text digest_hex(const struct digest *d)
{
	struct digest_text t;

	hex_encode(d->bytes, d->len, t.s);
	return t;
}

struct digest_text digest_short_text(const struct digest *d)
{
	struct digest_text t = digest_hex(d);

	t.s[ID_SHORT_LEN] = '\0';
	return t;
}

const char *digest_alg_name(enum digest_alg alg)
{
	return algs[alg].name;
}

bool digest_equal(const struct digest *a, const struct digest *b)
{
	return a->alg != DIGEST_NONE && a->alg == b->alg && a->len == b->len &&
	       !memcmp(a->bytes, b->bytes, a->len);
}

void digest_of(enum digest_alg alg, const void *data, size_t len, struct digest *ret)
{
	struct digester d = { .alg = alg };

	digester_reset(&d);
	digester_update(&d, data, len);
	digester_finish(&d, ret);
}

struct digester *digester_new(enum digest_alg alg)
{
	struct digester *d = xcalloc(1, sizeof(*d));

	d->alg = alg;
	digester_reset(d);
	return d;
}

void digester_free(struct digester *d)
{
	free(d);
}

void digester_reset(struct digester *d)
{
	/* no hash, no verification: there is nothing sane to go on with */
	if (d->alg == DIGEST_SHA256)
		SHA256_Init(&d->sha256);
	else if (d->alg == DIGEST_SHA512)
		SHA512_Init(&d->sha512);
	else
		abort();
}

void digester_update(struct digester *d, const void *data, size_t len)
{
	if (d->alg == DIGEST_SHA256)
		SHA256_Update(&d->sha256, data, len);
	else
		SHA512_Update(&d->sha512, data, len);
}

void digester_finish(struct digester *d, struct digest *ret)
{
	struct digest out = { .alg = d->alg, .len = algs[d->alg].len };

	if (d->alg == DIGEST_SHA256)
		SHA256_Final(out.bytes, &d->sha256);
	else
		SHA512_Final(out.bytes, &d->sha512);
	*ret = out;
}
