/* digest: content digests as the OCI image specification writes them ("sha256:HEX").
 * A digest is parsed into bytes at the edge and travels as a value from there on: a path or a URL
 * is only ever made from bytes, so hostile text cannot reach one (CVE-2024-3727). */
#pragma once
#include "base/err.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum digest_alg {
	DIGEST_NONE = 0, /* a zeroed struct digest: "no digest" */
	DIGEST_SHA256,
	DIGEST_SHA512,
	DIGEST_ALG_MAX
};

#define DIGEST_BYTES_MAX 64

struct digest {
	enum digest_alg alg;
	size_t len; /* bytes in use; the others are zero */
	uint8_t bytes[DIGEST_BYTES_MAX];
};

/* "sha256:HEX" or "sha512:HEX", lower-case, whole string. E_INVALID; an unknown algorithm is
 * E_UNSUPPORTED. *ret is written only on success. */
int digest_parse(const char *text, struct digest *ret, struct err *err);
/* Bare hexadecimal, as directory names in the store: sha256 by 64 digits, sha512 by 128. */
int digest_parse_hex(const char *hex, struct digest *ret, struct err *err);

struct digest_text {
	char s[sizeof("sha512:") + 2 * DIGEST_BYTES_MAX];
};
struct digest_text digest_format(const struct digest *d);     /* "sha256:HEX" */
struct digest_text digest_hex(const struct digest *d);        /* "HEX" */
struct digest_text digest_short_text(const struct digest *d); /* the first 12 digits of HEX */
const char *digest_alg_name(enum digest_alg alg);
/* False for two absent digests: nothing is verified by comparing nothing. */
bool digest_equal(const struct digest *a, const struct digest *b);

void digest_of(enum digest_alg alg, const void *data, size_t len, struct digest *ret);

/* Streaming. One user at a time; may move between threads. */
struct digester;
struct digester *digester_new(enum digest_alg alg);
void digester_free(struct digester *d);
DEFINE_FREEP(struct digester, digester_free)
void digester_update(struct digester *d, const void *data, size_t len);
/* Ends the stream; only digester_reset and digester_free may follow. */
void digester_finish(struct digester *d, struct digest *ret);
void digester_reset(struct digester *d);
