/* registry-push: what changes a repository, and what else of the distribution specification pushing
 * and copying need. A registry opened without `push` may be refused the right. */
#pragma once
#include "base/strv.h"
#include "image/feed-internal.h"

/* Connections to be taken and given back, so that a series of blobs does not begin with as many
 * TLS handshakes. For several threads. */
struct http_pool {
	pthread_mutex_t lock;
	const struct http_policy *policy;
	struct http *idle;
	size_t n_idle;
};
void http_pool_init(struct http_pool *pool, const struct http_policy *policy);
void http_pool_done(struct http_pool *pool);
int http_pool_take(struct http_pool *pool, struct http *ret, struct err *err);
void http_pool_give(struct http_pool *pool, struct http *http);

/* 1: the repository has it, 0: not. ret_size may be NULL. */
int registry_has_blob(struct registry *reg, struct http *http, const struct digest *d,
                      uint64_t *ret_size, struct err *err);
/* Let the repository have a blob of another one there: 1; 0 when the registry will not. */
int registry_mount_blob(struct registry *reg, struct http *http, const struct digest *d,
                        const char *from, struct err *err);
/* Send a blob; after a broken connection from where the registry has it. */
int registry_upload(struct registry *reg, struct http *http, const struct blob_source *source,
                    struct digest *ret_digest, uint64_t *ret_size, struct err *err);

/* reference: tag or digest. *ret_knows_subject (or NULL): the registry keeps referrers itself. */
int registry_put_manifest(struct registry *reg, struct http *http, const char *reference,
                          const char *media_type, const char *text, size_t len,
                          bool *ret_knows_subject, struct err *err);
/* 1: there is one; 0: not. ret_digest may be NULL. */
int registry_has_manifest(struct registry *reg, struct http *http, const char *reference,
                          struct digest *ret_digest, struct err *err);
int registry_remove_manifest(struct registry *reg, struct http *http, const char *reference,
                             struct err *err);
/* All tags, page by page. */
int registry_tags(struct registry *reg, struct http *http, struct strv *ret, struct err *err);
/* The index of what refers to d: by the referrers API, else by the tag the specification names for
 * registries without it. *ret_text NULL: nothing does. Caller frees. */
int registry_referrers(struct registry *reg, struct http *http, const struct digest *d,
                       const char *artifact_type, char **ret_text, size_t *ret_len,
                       bool *ret_has_api, struct err *err);
/* The tag of the fallback: "sha256-HEX". Caller frees. */
char *registry_referrers_tag(const struct digest *d);
