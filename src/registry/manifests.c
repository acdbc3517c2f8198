/* GET, HEAD, PUT and DELETE of manifests. */
#include "base/xalloc.h"
#include "registry/facts.h"
#include "registry/proxy.h"
#include "registry/server-internal.h"

static void add_location(struct request *q, const struct digest *d)
{
	reply_headerf(&q->reply, "Location", "/v2/%s/manifests/%s", q->route.name,
	              digest_format(d).s);
	reply_header(&q->reply, "Docker-Content-Digest", digest_format(d).s);
}

static void send_manifest(struct request *q, struct image_store *store,
                          const struct repo_manifest *m)
{
	AUTO_FREE char *etag = xasprintf("\"%s\"", digest_format(&m->digest).s);
	struct err err = ERR_INIT;
	char *text;

	if (q->headers.if_none_match && strstr(q->headers.if_none_match, etag)) {
		reply_digest(&q->reply, &m->digest);
		reply_empty(&q->reply, 304);
		return;
	}
	if (repo_read_manifest(store, m, &text, &err) < 0) {
		reply_failure(&q->reply, &err, NULL);
		return;
	}
	reply_digest(&q->reply, &m->digest);
	reply_text(&q->reply, 200, m->media_type, text, (size_t)m->size);
}

void manifest_get(struct request *q, struct image_store *store)
{
	AUTO_REPO_MANIFEST m = { 0 };
	struct err err = ERR_INIT;

	if (repo_find_manifest(store, q->route.name, q->route.tag, &q->route.digest, &m, &err) == 0)
		send_manifest(q, store, &m);
	else
		reply_failure(&q->reply, &err, "MANIFEST_UNKNOWN");
}

void manifest_delete(struct request *q, struct image_store *store)
{
	struct err err = ERR_INIT;
	int r = q->route.tag ? repo_remove_tag(store, q->route.name, q->route.tag, &err)
	                     : repo_remove_manifest(store, q->route.name, &q->route.digest, &err);

	if (r == 0)
		reply_empty(&q->reply, 202);
	else
		reply_failure(&q->reply, &err, "MANIFEST_UNKNOWN");
}

/* --- PUT --- */

void manifest_put_begin(struct request *q)
{
	if (q->has_length && q->length > MANIFEST_MAX_BYTES) {
		reply_error(&q->reply, 413, "SIZE_INVALID", "manifests of at most %u MiB are taken",
		            MANIFEST_MAX_BYTES >> 20);
		return;
	}
	q->body_kind = BODY_MEMORY;
}

/* What a manifest names is in the repository, with the size that it says. */
static bool check_links(struct request *q, struct image_store *store,
                        const struct manifest_facts *f)
{
	struct err err = ERR_INIT;

	for (size_t i = 0; i < f->n_links; i++) {
		const struct repo_link *link = &f->links[i];
		uint64_t size;
		int r = f->elsewhere[i]
		                ? 0
		                : repo_has_blob(store, q->route.name, &link->digest, &size, &err);

		if (r < 0) {
			reply_failure(&q->reply, &err, NULL);
			return false;
		}
		if (f->elsewhere[i])
			continue;
		if (!r && q->server->options->sparse)
			continue;
		if (!r) {
			reply_error(&q->reply, 404, "MANIFEST_BLOB_UNKNOWN",
			            "blob %s was not pushed to the repository",
			            digest_format(&link->digest).s);
			return false;
		}
		if (size != link->size) {
			reply_error(&q->reply, 400, "SIZE_INVALID",
			            "blob %s has %llu bytes, not %llu",
			            digest_format(&link->digest).s, (unsigned long long)size,
			            (unsigned long long)link->size);
			return false;
		}
	}
	return true;
}

static void store_manifest(struct request *q, struct image_store *store,
                           const struct manifest_facts *f, const struct digest *d)
{
	const char *const one[] = { q->route.tag };
	const struct strv *query = &q->route.query.tags;
	struct repo_manifest_new m = { .text = q->body.buf,
		                       .len = q->body.len,
		                       .digest = *d,
		                       .media_type = f->media_type,
		                       .subject = f->subject,
		                       .artifact_type = f->artifact_type,
		                       .annotations = f->annotations,
		                       .links = f->links,
		                       .n_links = f->n_links };
	struct err err = ERR_INIT;

	m.tags = q->route.tag ? one : (const char *const *)query->items;
	m.n_tags = q->route.tag ? 1 : query->len;
	if (repo_put_manifest(store, q->route.name, &m, &err) < 0) {
		reply_failure(&q->reply, &err, NULL);
		return;
	}
	add_location(q, d);
	if (f->subject.alg != DIGEST_NONE)
		reply_header(&q->reply, "OCI-Subject", digest_format(&f->subject).s);
	for (size_t i = 0; !q->route.tag && i < query->len; i++)
		reply_header(&q->reply, "OCI-Tag", query->items[i]);
	reply_empty(&q->reply, 201);
}

static int parse_facts(struct request *q, struct manifest_facts *ret, struct err *err)
{
	int r;

	pthread_mutex_lock(&q->server->parsing);
	r = manifest_facts_parse(q->headers.content_type, q->body.buf, q->body.len, ret, err);
	pthread_mutex_unlock(&q->server->parsing);
	return r;
}

void manifest_put(struct request *q, struct image_store *store)
{
	const struct digest *want = q->route.tag ? &q->route.query.digest : &q->route.digest;
	AUTO_FACTS f = MANIFEST_FACTS_INIT;
	struct err err = ERR_INIT;
	struct digest got;

	digest_of(want->alg == DIGEST_NONE ? DIGEST_SHA256 : want->alg, q->body.buf, q->body.len,
	          &got);
	if (want->alg != DIGEST_NONE && !digest_equal(want, &got))
		reply_error(&q->reply, 400, "DIGEST_INVALID", "the digest is not %s but %s",
		            digest_format(want).s, digest_format(&got).s);
	else if (parse_facts(q, &f, &err) < 0)
		reply_error(&q->reply, 400, "MANIFEST_INVALID", "%s", err.msg);
	else if (check_links(q, store, &f))
		store_manifest(q, store, &f, &got);
}
