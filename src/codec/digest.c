#include "codec/digest.h"

#include <openssl/evp.h>
#include <pthread.h>
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

struct digester {
	EVP_MD_CTX *ctx;
	enum digest_alg alg;
};

/* Looking an algorithm up costs more than hashing a manifest: once per process. */
static EVP_MD *fetched[DIGEST_ALG_MAX];

static void fetch_all(void)
{
	fetched[DIGEST_SHA256] = EVP_MD_fetch(NULL, "SHA256", NULL);
	fetched[DIGEST_SHA512] = EVP_MD_fetch(NULL, "SHA512", NULL);
}

static const EVP_MD *md_of(enum digest_alg alg)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;

	pthread_once(&once, fetch_all);
	/* no hash, no verification: there is nothing sane to go on with */
	if (alg <= DIGEST_NONE || alg >= DIGEST_ALG_MAX || !fetched[alg])
		abort();
	return fetched[alg];
}

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
	struct digest d = { .alg = alg, .len = algs[alg].len };

	if (EVP_Digest(data, len, d.bytes, NULL, md_of(alg), NULL) != 1)
		abort();
	*ret = d;
}

struct digester *digester_new(enum digest_alg alg)
{
	struct digester *d = xcalloc(1, sizeof(*d));

	d->alg = alg;
	d->ctx = EVP_MD_CTX_new();
	if (!d->ctx)
		abort();
	digester_reset(d);
	return d;
}

void digester_free(struct digester *d)
{
	if (!d)
		return;
	EVP_MD_CTX_free(d->ctx);
	free(d);
}

void digester_reset(struct digester *d)
{
	if (EVP_DigestInit_ex2(d->ctx, md_of(d->alg), NULL) != 1)
		abort();
}

void digester_update(struct digester *d, const void *data, size_t len)
{
	if (EVP_DigestUpdate(d->ctx, data, len) != 1)
		abort();
}

void digester_finish(struct digester *d, struct digest *ret)
{
	struct digest out = { .alg = d->alg, .len = algs[d->alg].len };

	if (EVP_DigestFinal_ex(d->ctx, out.bytes, NULL) != 1)
		abort();
	*ret = out;
}
