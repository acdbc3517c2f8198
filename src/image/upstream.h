/* upstream: what a cache of another registry asks of it (src/registry/proxy.c): the client's side
 * of one repository, without the store. One thread at a time. */
#pragma once
#include "base/err.h"
#include "codec/digest.h"
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct upstream_options {
	int tls_verify;    /* -1: default, 0, 1 */
	const char *creds; /* USER:PASSWORD, or NULL */
	const char *authfile;
	const char *cert_dir;
	int max_retries;         /* of manifests */
	const atomic_bool *stop; /* ends what is under way */
};

struct upstream;
/* Loads libcurl: once, before threads start. */
int upstream_init(struct err *err);
/* domain: as in references; docker.io's short names get their "library/". */
int upstream_open(const char *domain, const char *repo, const struct upstream_options *options,
                  struct upstream **ret, struct err *err);
void upstream_close(struct upstream *up);
DEFINE_FREEP(struct upstream, upstream_close)

struct upstream_manifest {
	char *text;
	size_t len;
	char *type; /* as served; may be NULL */
	struct digest digest;
};
void upstream_manifest_done(struct upstream_manifest *m);
/* By tag, or (tag NULL) by digest, and then verified. */
int upstream_get_manifest(struct upstream *up, const char *tag, const struct digest *d,
                          struct upstream_manifest *ret, struct err *err);

/* Bytes of a blob from `offset` on, in order. */
typedef int (*upstream_sink)(void *ctx, uint64_t offset, const void *data, size_t len,
                             struct err *err);
/* The blob from `offset` to its end, tried again when the line breaks. Not verified. */
int upstream_get_blob(struct upstream *up, const struct digest *d, uint64_t size,
                      upstream_sink sink, void *ctx, struct err *err);
