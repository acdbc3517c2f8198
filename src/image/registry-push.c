/* Blob uploads and manifests (distribution-spec, "Push"). */
#include "base/log.h"
#include "base/num.h"
#include "base/strbuf.h"
#include "base/xalloc.h"
#include "image/registry-push-internal.h"
#include "oci/manifest.h"
#include "oci/ref.h"
#include <limits.h>

#define PIECE_BYTES    ((uint64_t)32 << 20) /* of one PATCH, where one for all of it did not do */
#define AT_ONCE_BYTES  (1 << 20)            /* such a blob goes in one PUT */
#define OCTETS         "application/octet-stream"
#define TAG_CHARS      "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-"
#define TAGS_MAX_BYTES (16u << 20)
#define TAG_PAGES_MAX  10000
#define IDLE_MAX       16

/* --- connections --- */

void http_pool_init(struct http_pool *pool, const struct http_policy *policy)
{
	*pool = (struct http_pool){ .policy = policy };
	pthread_mutex_init(&pool->lock, NULL);
}

void http_pool_done(struct http_pool *pool)
{
	if (!pool->policy)
		return;
	for (size_t i = 0; i < pool->n_idle; i++)
		http_done(&pool->idle[i]);
	free(pool->idle);
	pthread_mutex_destroy(&pool->lock);
	*pool = (struct http_pool){ 0 };
}

int http_pool_take(struct http_pool *pool, struct http *ret, struct err *err)
{
	bool found = false;

	pthread_mutex_lock(&pool->lock);
	if (pool->n_idle) {
		*ret = pool->idle[--pool->n_idle];
		found = true;
	}
	pthread_mutex_unlock(&pool->lock);
	return found ? 0 : http_init(ret, pool->policy, err);
}

void http_pool_give(struct http_pool *pool, struct http *http)
{
	if (!http->handle)
		return;
	pthread_mutex_lock(&pool->lock);
	if (!pool->idle)
		pool->idle = xcalloc(IDLE_MAX, sizeof(*pool->idle));
	if (pool->n_idle < IDLE_MAX) {
		pool->idle[pool->n_idle++] = *http;
		*http = (struct http){ 0 };
	}
	pthread_mutex_unlock(&pool->lock);
	http_done(http);
}

/* --- blobs that are there --- */

/* A request whose 404 is an answer: 1, or 0 for it. */
static int ask(struct registry *reg, struct http *http, const char *at, const char *accept,
               const char *what, struct http_response *r, struct err *err)
{
	struct http_request q = { .method = "HEAD", .accept = accept };

	if (registry_request(reg, http, &q, at, what, r, err) == 0)
		return 1;
	if (r->status != 404)
		return -1;
	*err = ERR_INIT;
	return 0;
}

int registry_has_blob(struct registry *reg, struct http *http, const struct digest *d,
                      uint64_t *ret_size, struct err *err)
{
	AUTO_RESPONSE r = HTTP_RESPONSE_INIT;
	AUTO_FREE char *at = xasprintf("blobs/%s", digest_format(d).s);
	AUTO_FREE char *what = xasprintf("blob %s", digest_format(d).s);
	int found = ask(reg, http, at, NULL, what, &r, err);

	if (found > 0 && ret_size)
		*ret_size = r.length > 0 ? (uint64_t)r.length : 0;
	return found;
}

int registry_mount_blob(struct registry *reg, struct http *http, const struct digest *d,
                        const char *from, struct err *err)
{
	AUTO_RESPONSE r = HTTP_RESPONSE_INIT;
	AUTO_FREE char *escaped = http_escape(from);
	AUTO_FREE char *at =
		xasprintf("blobs/uploads/?mount=%s&from=%s", digest_format(d).s, escaped);
	AUTO_FREE char *what = xasprintf("mount of blob %s", digest_format(d).s);
	struct http_request q = { .method = "POST", .max_body = HTTP_ERROR_BODY_MAX };
	struct http_request cancel = { .method = "DELETE", .max_body = HTTP_ERROR_BODY_MAX };
	AUTO_FREE char *session = NULL;

	if (registry_request(reg, http, &q, at, what, &r, err) < 0) {
		/* not allowed to read there, or not known to it: then it is sent */
		if (r.status < 400 || r.status > 499 || r.status == 429)
			return -1;
		*err = ERR_INIT;
		return 0;
	}
	if (r.status == 201)
		return 1;
	/* it began an upload instead, which nobody is going to use */
	session = xstrdup_null(r.location);
	if (session)
		registry_request_once(reg, http, &cancel, session, &r, ERR_IGNORE);
	return 0;
}

/* --- uploads --- */

struct upload {
	struct registry *reg;
	struct http *http;
	const struct blob_source *source;
	struct feed feed;
	/* All of it in one PATCH at first: each more is an answer to wait for. PIECE_BYTES where
	 * one was too large (a proxy's limit), or broke and nothing of it was kept. */
	uint64_t piece_bytes;
	char *session;     /* URL; NULL: none is open */
	bool is_closed;    /* one request did it all */
	bool is_transient; /* of the last failure */
	int64_t wait_s;
};

/* Status of a request of an upload; another attempt may help against what is transient. */
static int check(struct upload *u, int result, const struct http_response *r, struct err *err)
{
	u->is_transient = r->is_transient;
	u->wait_s = r->retry_after_s;
	if (result == 0 && r->status >= 200 && r->status <= 299)
		return 0;
	if (result == 0) {
		registry_bad_status(u->reg, u->source->what, r, err);
		/* a token that became too old is new by now; a session that is gone, too */
		u->is_transient |= r->status == 401 || r->status == 404 || r->status == 416;
		if (r->status == 413 && u->piece_bytes > PIECE_BYTES) {
			u->is_transient = true;
			u->piece_bytes = PIECE_BYTES;
		}
	}
	return -1;
}

static int take_session(struct upload *u, const struct http_response *r, struct err *err)
{
	if (!r->location || !*r->location)
		return err_set(err, E_NETWORK, "registry '%s' does not say where to send %s",
		               registry_domain(u->reg), u->source->what);
	free(u->session);
	u->session = xstrdup(r->location);
	return 0;
}

static int open_session(struct upload *u, struct err *err)
{
	AUTO_RESPONSE r = HTTP_RESPONSE_INIT;
	struct http_request q = { .method = "POST", .max_body = HTTP_ERROR_BODY_MAX };

	if (registry_request(u->reg, u->http, &q, "blobs/uploads/", u->source->what, &r, err) < 0) {
		u->is_transient = false; /* that was tried again already */
		return -1;
	}
	return take_session(u, &r, err) < 0 ? -1 : feed_seek(&u->feed, 0, err);
}

static char *closing_url(const struct upload *u, const struct digest *d)
{
	return xasprintf("%s%sdigest=%s", u->session, strchr(u->session, '?') ? "&" : "?",
	                 digest_format(d).s);
}

/* The whole of a small blob. */
static int send_at_once(struct upload *u, struct err *err)
{
	AUTO_RESPONSE r = HTTP_RESPONSE_INIT;
	AUTO_FREE char *url = closing_url(u, &u->source->digest);
	struct http_request q = { .method = "PUT",
		                  .content_type = OCTETS,
		                  .source = feed_read,
		                  .source_ctx = &u->feed,
		                  .source_bytes = u->source->size,
		                  .max_body = HTTP_ERROR_BODY_MAX };

	if (check(u, registry_request_once(u->reg, u->http, &q, url, &r, err), &r, err) < 0)
		return -1;
	u->is_closed = true;
	return 0;
}

/* The next piece. Its range is told when its size is known. */
static int send_piece(struct upload *u, struct err *err)
{
	AUTO_RESPONSE r = HTTP_RESPONSE_INIT;
	AUTO_FREE char *range = NULL;
	uint64_t from = u->feed.offset, len = u->piece_bytes;
	struct http_request q = { .method = "PATCH",
		                  .content_type = OCTETS,
		                  .source = feed_read,
		                  .source_ctx = &u->feed,
		                  .source_bytes = -1,
		                  .max_body = HTTP_ERROR_BODY_MAX };

	if (u->source->size >= 0) {
		if ((uint64_t)u->source->size - from < len)
			len = (uint64_t)u->source->size - from;
		range = xasprintf("%llu-%llu", (unsigned long long)from,
		                  (unsigned long long)(from + len - 1));
		q.content_range = range;
		q.source_bytes = (int64_t)len;
	}
	u->feed.limit = len < UINT64_MAX - from ? from + len : UINT64_MAX;
	if (check(u, registry_request_once(u->reg, u->http, &q, u->session, &r, err), &r, err) < 0)
		return -1;
	return take_session(u, &r, err);
}

static bool is_all_sent(const struct upload *u)
{
	return u->feed.ended ||
	       (u->source->size >= 0 && u->feed.offset == (uint64_t)u->source->size);
}

static int close_session(struct upload *u, const struct digest *d, struct err *err)
{
	AUTO_RESPONSE r = HTTP_RESPONSE_INIT;
	AUTO_FREE char *url = closing_url(u, d);
	struct http_request q = { .method = "PUT",
		                  .content_type = OCTETS,
		                  .max_body = HTTP_ERROR_BODY_MAX };

	return check(u, registry_request_once(u->reg, u->http, &q, url, &r, err), &r, err);
}

/* How much of it the registry has; a session that it does not know any more begins anew. */
static int find_place(struct upload *u, struct err *err)
{
	AUTO_RESPONSE r = HTTP_RESPONSE_INIT;
	struct http_request q = { .method = "GET", .max_body = HTTP_ERROR_BODY_MAX };
	const char *dash;
	uint64_t last;

	if (u->session &&
	    registry_request_once(u->reg, u->http, &q, u->session, &r, ERR_IGNORE) == 0 &&
	    (r.status == 204 || r.status == 202) && r.range && (dash = strchr(r.range, '-')) &&
	    parse_u64(dash + 1, &last) == 0 && last > 0 && last < u->feed.hashed && r.location &&
	    take_session(u, &r, err) == 0) {
		log_debug("%s: %llu bytes are there", u->source->what,
		          (unsigned long long)last + 1);
		return feed_seek(&u->feed, last + 1, err);
	}
	free(TAKE_PTR(u->session));
	u->piece_bytes = PIECE_BYTES;
	return 0;
}

static int send_all(struct upload *u, struct err *err)
{
	const struct blob_source *s = u->source;

	if (!u->session && open_session(u, err) < 0)
		return -1;
	u->feed.limit = UINT64_MAX;
	if (s->digest.alg && s->size >= 0 && s->size <= AT_ONCE_BYTES && u->feed.offset == 0)
		return send_at_once(u, err);
	while (!is_all_sent(u))
		if (send_piece(u, err) < 0)
			return -1;
	return 0;
}

static int attempt(struct upload *u, struct digest *ret_digest, uint64_t *ret_size, bool *ret_sent,
                   struct err *err)
{
	u->is_transient = false;
	if (!*ret_sent) {
		if (send_all(u, err) < 0)
			return -1;
		u->is_transient = false;
		if (feed_finish(&u->feed, ret_digest, ret_size, err) < 0)
			return -1;
		if (u->is_closed)
			return 0;
		*ret_sent = true;
	}
	return close_session(u, ret_digest, err);
}

/* After a failure that may pass. Begins anew what cannot be gone on with. */
static int recover(struct upload *u, bool *sent, const struct digest *d, struct err *err)
{
	if (!*sent)
		return find_place(u, err);
	/* the last step failed: perhaps only its answer was lost */
	if (registry_has_blob(u->reg, u->http, d, NULL, ERR_IGNORE) > 0)
		return 1;
	free(TAKE_PTR(u->session));
	feed_done(&u->feed);
	feed_init(&u->feed, u->source);
	*sent = false;
	return 0;
}

int registry_upload(struct registry *reg, struct http *http, const struct blob_source *source,
                    struct digest *ret_digest, uint64_t *ret_size, struct err *err)
{
	struct upload u = { .reg = reg, .http = http, .source = source, .piece_bytes = UINT64_MAX };
	uint64_t before = 0;
	bool sent = false;
	int r, failures = 0;

	feed_init(&u.feed, source);
	while ((r = attempt(&u, ret_digest, ret_size, &sent, err)) < 0 && u.is_transient) {
		failures = u.feed.hashed > before ? 1 : failures + 1;
		before = u.feed.hashed;
		if (failures > registry_max_retries(reg))
			break;
		log_debug("%s; again in %lld ms", err->msg,
		          (long long)registry_delay_ms(failures, u.wait_s));
		if (registry_wait(reg, failures, u.wait_s, err) < 0)
			break;
		r = recover(&u, &sent, ret_digest, err);
		if (r != 0)
			break;
	}
	free(u.session);
	feed_done(&u.feed);
	return r < 0 ? -1 : 0;
}

/* --- manifests --- */

#define ACCEPT_ANY                                                                                 \
	MEDIA_OCI_INDEX ", " MEDIA_DOCKER_LIST ", " MEDIA_OCI_MANIFEST ", " MEDIA_DOCKER_MANIFEST

int registry_put_manifest(struct registry *reg, struct http *http, const char *reference,
                          const char *media_type, const char *text, size_t len,
                          bool *ret_knows_subject, struct err *err)
{
	AUTO_RESPONSE r = HTTP_RESPONSE_INIT;
	AUTO_FREE char *at = xasprintf("manifests/%s", reference);
	AUTO_FREE char *what = xasprintf("manifest '%s%s%s'", registry_path(reg),
	                                 strchr(reference, ':') ? "@" : ":", reference);
	struct http_request q = { .method = "PUT",
		                  .content_type = media_type,
		                  .data = text,
		                  .data_len = len,
		                  .max_body = HTTP_ERROR_BODY_MAX };
	struct digest told, got;

	if (registry_request(reg, http, &q, at, what, &r, err) < 0)
		return -1;
	if (r.digest && digest_parse(r.digest, &told, ERR_IGNORE) == 0) {
		digest_of(told.alg, text, len, &got);
		if (!digest_equal(&told, &got))
			return err_set(err, E_CORRUPT,
			               "%s: the registry stored it with the digest %s, sent was %s",
			               what, digest_format(&told).s, digest_format(&got).s);
	}
	if (ret_knows_subject)
		*ret_knows_subject = r.subject;
	return 0;
}

int registry_has_manifest(struct registry *reg, struct http *http, const char *reference,
                          struct digest *ret_digest, struct err *err)
{
	AUTO_RESPONSE r = HTTP_RESPONSE_INIT;
	AUTO_FREE char *at = xasprintf("manifests/%s", reference);
	int found = ask(reg, http, at, ACCEPT_ANY, at, &r, err);

	if (found > 0 && ret_digest) {
		*ret_digest = (struct digest){ 0 };
		if (r.digest)
			digest_parse(r.digest, ret_digest, ERR_IGNORE);
	}
	return found;
}

int registry_remove_manifest(struct registry *reg, struct http *http, const char *reference,
                             struct err *err)
{
	AUTO_RESPONSE r = HTTP_RESPONSE_INIT;
	AUTO_FREE char *at = xasprintf("manifests/%s", reference);
	AUTO_FREE char *what = xasprintf("manifest '%s@%s'", registry_path(reg), reference);
	struct http_request q = { .method = "DELETE", .max_body = HTTP_ERROR_BODY_MAX };

	return registry_request(reg, http, &q, at, what, &r, err);
}

/* --- lists --- */

/* The address in '<...>; rel="next"', or NULL. Caller frees. */
static char *next_page(const char *link)
{
	const char *end = link ? strchr(link, '>') : NULL;

	if (!end || link[0] != '<' || !strstr(end, "next"))
		return NULL;
	return xstrndup(link + 1, (size_t)(end - link - 1));
}

/* They become parts of references, addresses and paths. */
static int check_tags(const struct strv *tags, size_t from, const char *what, struct err *err)
{
	for (size_t i = from; i < tags->len; i++) {
		const char *tag = tags->items[i];

		if (!*tag || strlen(tag) > REF_TAG_MAX || *tag == '.' || *tag == '-' ||
		    tag[strspn(tag, TAG_CHARS)] != '\0')
			return err_set(err, E_CORRUPT, "%s: '%.100s' is no tag", what, tag);
	}
	return 0;
}

int registry_tags(struct registry *reg, struct http *http, struct strv *ret, struct err *err)
{
	AUTO_FREE char *at = xstrdup("tags/list?n=1000");
	AUTO_FREE char *what = xasprintf("tags of '%s'", registry_path(reg));

	for (int page = 0; at; page++) {
		AUTO_RESPONSE r = HTTP_RESPONSE_INIT;
		struct http_request q = { .method = "GET", .max_body = TAGS_MAX_BYTES };
		AUTO_JSON *obj = NULL;
		struct json root;
		size_t n;

		if (page == TAG_PAGES_MAX)
			return err_set(err, E_LIMIT, "%s: more than %d pages", what, page);
		if (registry_request(reg, http, &q, at, what, &r, err) < 0 ||
		    json_parse(what, r.body.buf, r.body.len, &obj, err) < 0)
			return -1;
		root = json_root(obj, what);
		n = ret->len;
		if (json_expect(&root, json_type_object, err) < 0 ||
		    json_get_strv(&root, "tags", ret, err) < 0 || check_tags(ret, n, what, err) < 0)
			return -1;
		free(at);
		at = next_page(r.link);
	}
	return 0;
}

char *registry_referrers_tag(const struct digest *d)
{
	return xasprintf("%s-%s", digest_alg_name(d->alg), digest_hex(d).s);
}

/* 1: *ret_text is the answer; 0: the registry has no such thing. */
static int get_index(struct registry *reg, struct http *http, const char *at, const char *what,
                     char **ret_text, size_t *ret_len, struct err *err)
{
	AUTO_RESPONSE r = HTTP_RESPONSE_INIT;
	struct http_request q = { .method = "GET",
		                  .accept = MEDIA_OCI_INDEX,
		                  .max_body = MANIFEST_MAX_BYTES };

	if (registry_request(reg, http, &q, at, what, &r, err) < 0) {
		if (r.status != 404 && r.status != 400 && r.status != 405)
			return -1;
		*err = ERR_INIT;
		return 0;
	}
	/* some answer every address with a page for people */
	if (media_kind(r.content_type) != MEDIA_KIND_INDEX)
		return 0;
	*ret_len = r.body.len;
	*ret_text = strbuf_take(&r.body);
	return 1;
}

int registry_referrers(struct registry *reg, struct http *http, const struct digest *d,
                       const char *artifact_type, char **ret_text, size_t *ret_len,
                       bool *ret_has_api, struct err *err)
{
	AUTO_FREE char *type = artifact_type ? http_escape(artifact_type) : NULL;
	AUTO_FREE char *at = xasprintf("referrers/%s%s%s", digest_format(d).s,
	                               type ? "?artifactType=" : "", type ? type : "");
	AUTO_FREE char *tag = registry_referrers_tag(d);
	AUTO_FREE char *by_tag = xasprintf("manifests/%s", tag);
	AUTO_FREE char *what = xasprintf("referrers of %s", digest_format(d).s);
	int r = get_index(reg, http, at, what, ret_text, ret_len, err);

	*ret_has_api = r > 0;
	if (r == 0) {
		*ret_text = NULL;
		r = get_index(reg, http, by_tag, what, ret_text, ret_len, err);
	}
	return r < 0 ? -1 : 0;
}
