/* registry: the pull side of the distribution specification for one repository.
 *
 * The scheme (https, or http where allowed) is settled by the first request, the token is shared
 * by all threads that hold the registry; each brings its own connection (struct http). */
#pragma once
#include "image/creds-internal.h"
#include "image/http-internal.h"
#include "oci/descriptor.h"
#include <pthread.h>

struct registry_options {
	int tls_verify; /* -1: default, 0, 1 */
	const char *creds;
	const char *authfile;
	const char *cert_dir;
	int max_retries;
	const volatile sig_atomic_t *cancel;
	const atomic_bool *stop;
};

struct registry;
/* domain, path: of the reference. Reads credentials and certificates; no network yet. */
int registry_new(const char *domain, const char *path, const struct registry_options *options,
                 struct registry **ret, struct err *err);
void registry_free(struct registry *reg);
DEFINE_FREEP(struct registry, registry_free)
const struct http_policy *registry_policy(const struct registry *reg);

/* Ask the registry itself (path ""): 0 when it lets us in with our credentials. */
int registry_ping(struct registry *reg, struct http *http, struct err *err);
/* A manifest or index by tag or digest. Verified when expected is given (else its digest is
 * computed). ret_type: as served, NULL when absent. Retries what may pass. Caller frees. */
int registry_manifest(struct registry *reg, struct http *http, const char *reference,
                      const struct digest *expected, char **ret_text, size_t *ret_len,
                      char **ret_type, struct digest *ret_digest, struct err *err);
/* A small blob into memory, verified. Retries. Caller frees. */
int registry_blob(struct registry *reg, struct http *http, const struct descriptor *d,
                  size_t max_bytes, char **ret_text, struct err *err);
/* One attempt to stream a blob from an offset on. *ret_transient: worth another attempt; with
 * *ret_wait_s told by the server, or -1. */
int registry_stream(struct registry *reg, struct http *http, const struct descriptor *d,
                    uint64_t offset, http_sink sink, void *ctx, bool *ret_transient,
                    int64_t *ret_wait_s, struct err *err);

/* Wait before attempt number `attempt` (1: the first repetition); -1 when interrupted. */
int registry_wait(const struct registry *reg, int attempt, int64_t told_s, struct err *err);
int64_t registry_delay_ms(int attempt, int64_t told_s);
int registry_max_retries(const struct registry *reg);

/* One challenge of a WWW-Authenticate header (RFC 9110, 11.6.1). */
struct challenge {
	bool is_bearer;
	bool is_basic;
	char *realm;
	char *service;
	char *scope;
};
void challenge_done(struct challenge *c);
/* Unknown schemes give neither is_bearer nor is_basic. */
void challenge_parse(const char *header, struct challenge *ret);
