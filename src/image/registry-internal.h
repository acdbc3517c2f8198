/* registry: the distribution specification for one repository. This file has requests and pulling;
 * registry-push-internal.h has the rest.
 *
 * The scheme (https, or http where allowed) is settled by the first request, the token is shared
 * by all threads that hold the registry; each brings its own connection (struct http). */
#pragma once
#include "image/creds-internal.h"
#include "image/endpoint-internal.h"
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
	bool push;                       /* ask for the right to push, too */
	const struct strv *mount_from;   /* repositories there that blobs may come from; or NULL */
	const struct endpoint *endpoint; /* where to go instead of the domain itself; or NULL */
};

struct registry;
/* domain, path: of the reference. Reads credentials and certificates; no network yet.
 * With an endpoint on another domain, options->creds are not for it and are not sent there. */
int registry_new(const char *domain, const char *path, const struct registry_options *options,
                 struct registry **ret, struct err *err);
void registry_free(struct registry *reg);
DEFINE_FREEP(struct registry, registry_free)
const struct http_policy *registry_policy(const struct registry *reg);

/* One request, with the token it turns out to need, when its turn comes. at: what follows
 * "/v2/NAME/", or a path from '/' on, or a whole URL (as Location gives them): to another host than
 * the registry's go neither token nor credentials. Returns 0 with any status. */
int registry_request_once(struct registry *reg, struct http *http, struct http_request *q,
                          const char *at, struct http_response *r, struct err *err);
/* The same until its status is 2xx, again when what failed may pass. what: for messages. */
int registry_request(struct registry *reg, struct http *http, struct http_request *q,
                     const char *at, const char *what, struct http_response *r, struct err *err);
/* A status that is no success as an error, with what the registry says about it. */
int registry_bad_status(const struct registry *reg, const char *what, const struct http_response *r,
                        struct err *err);
const char *registry_domain(const struct registry *reg);
const char *registry_path(const struct registry *reg);

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
