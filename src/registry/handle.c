/* From a parsed request to the function that answers it. */
#include "base/xalloc.h"
#include "registry/proxy.h"
#include "registry/server-internal.h"
#include <strings.h>

#define BODIES_MAX (24u << 20) /* of manifests on their way, all requests together */

bool request_is(const struct request *q, const char *method)
{
	return strcmp(q->method, method) == 0;
}

bool request_reads(const struct request *q)
{
	return request_is(q, "GET") || request_is(q, "HEAD");
}

static const char *const allowed[] = {
	[ROUTE_UNKNOWN] = "",
	[ROUTE_BASE] = "GET, HEAD",
	[ROUTE_CATALOG] = "GET, HEAD",
	[ROUTE_TAGS] = "GET, HEAD",
	[ROUTE_MANIFEST] = "GET, HEAD, PUT, DELETE",
	[ROUTE_BLOB] = "GET, HEAD, DELETE",
	[ROUTE_UPLOADS] = "POST",
	[ROUTE_UPLOAD] = "GET, HEAD, PATCH, PUT, DELETE",
	[ROUTE_REFERRERS] = "GET, HEAD",
};

static bool is_allowed(const struct request *q)
{
	const char *list = allowed[q->route.kind];
	const char *found = strstr(list, q->method);
	size_t len = strlen(q->method);

	return found && len && (found[len] == ',' || !found[len]);
}

/* --- before anything is done --- */

/* Some clients write "nobody" as a user without name and password. */
static bool is_anonymous(const struct request *q)
{
	const char *value = q->headers.authorization;

	return !value || strcasecmp(value, "Basic Og==") == 0;
}

static bool is_authorized(struct request *q)
{
	const struct registry_serve_options *o = q->server->options;

	if (!q->server->auth || auth_check(q->server->auth, q->headers.authorization, &q->user))
		return true;
	/* a wrong password is refused also where none is needed; the base address is where clients
	 * find out that there is somebody to log in to */
	if (o->anonymous_pull && is_anonymous(q) && request_reads(q) &&
	    q->route.kind != ROUTE_UPLOAD && q->route.kind != ROUTE_BASE)
		return true;
	reply_error(&q->reply, 401, "UNAUTHORIZED", "log in first");
	reply_headerf(&q->reply, "WWW-Authenticate", "Basic realm=\"%s\", charset=\"UTF-8\"",
	              o->realm);
	return false;
}

static bool check_fault(struct request *q, const struct err *err)
{
	bool reads = request_reads(q) || request_is(q, "DELETE");

	switch (q->fault) {
	case ROUTE_FAULT_NONE:
		return true;
	case ROUTE_FAULT_ADDRESS:
		reply_error(&q->reply, 404, "UNSUPPORTED", "%s", err->msg);
		break;
	case ROUTE_FAULT_NAME:
		reply_error(&q->reply, reads ? 404 : 400, "NAME_INVALID", "%s", err->msg);
		break;
	case ROUTE_FAULT_TAG:
		reply_error(&q->reply, reads ? 404 : 400,
		            reads ? "MANIFEST_UNKNOWN" : "MANIFEST_INVALID", "%s", err->msg);
		break;
	case ROUTE_FAULT_DIGEST:
		reply_error(&q->reply, 400, "DIGEST_INVALID", "%s", err->msg);
		break;
	case ROUTE_FAULT_QUERY:
		reply_error(&q->reply, 400, "UNSUPPORTED", "%s", err->msg);
	}
	return false;
}

static bool check_method(struct request *q)
{
	const struct registry_serve_options *o = q->server->options;
	const char *why = NULL;

	if (!is_allowed(q))
		why = "this address does not know the method";
	else if (!request_reads(q) && q->server->proxy)
		why = "this registry is a cache of another: push to that one";
	else if (!request_reads(q) && o->read_only)
		why = "this registry is read-only";
	else if (request_is(q, "DELETE") && o->no_delete && q->route.kind != ROUTE_UPLOAD)
		why = "deleting is switched off";
	if (!why)
		return true;
	reply_error(&q->reply, 405, "UNSUPPORTED", "%s", why);
	reply_header(&q->reply, "Allow", allowed[q->route.kind]);
	return false;
}

/* --- requests without a body --- */

static void base(struct request *q)
{
	reply_text(&q->reply, 200, MEDIA_JSON, xstrdup("{}"), 2);
}

static void read_route(struct request *q, struct image_store *store)
{
	switch (q->route.kind) {
	case ROUTE_CATALOG:
		list_catalog(q, store);
		break;
	case ROUTE_TAGS:
		list_tags(q, store);
		break;
	case ROUTE_MANIFEST:
		manifest_get(q, store);
		break;
	case ROUTE_BLOB:
		blob_get(q, store);
		break;
	case ROUTE_REFERRERS:
		list_referrers(q, store);
		break;
	case ROUTE_UPLOAD:
	case ROUTE_UNKNOWN:
	case ROUTE_BASE:
	case ROUTE_UPLOADS:
		break;
	}
}

static void delete_route(struct request *q, struct image_store *store)
{
	if (q->route.kind == ROUTE_MANIFEST)
		manifest_delete(q, store);
	else
		blob_delete(q, store);
}

/* Run fn with a handle of the store. */
static void with_store(struct request *q, void (*fn)(struct request *q, struct image_store *store))
{
	struct err err = ERR_INIT;
	struct image_store *store = stores_take(q->server->stores, &err);

	if (!store) {
		reply_failure(&q->reply, &err, NULL);
		return;
	}
	fn(q, store);
	stores_give(q->server->stores, store);
}

/* --- the steps --- */

void handle_begin(struct request *q)
{
	struct err err = ERR_INIT;

	if (route_parse(q->target, &q->route, &q->fault, &err) == 0 && q->headers.content_length &&
	    !q->has_length)
		reply_error(&q->reply, 400, "SIZE_INVALID", "Content-Length is not a number");
	if (q->reply.status || !is_authorized(q) || !check_fault(q, &err) || !check_method(q))
		return;
	if (q->route.kind == ROUTE_UPLOADS)
		uploads_post(q);
	else if (q->route.kind == ROUTE_UPLOAD && (request_is(q, "PATCH") || request_is(q, "PUT")))
		uploads_open(q);
	else if (q->route.kind == ROUTE_MANIFEST && request_is(q, "PUT"))
		manifest_put_begin(q);
}

void handle_body(struct request *q, const void *data, size_t len)
{
	q->received += len;
	if (q->reply.status || q->body_kind == BODY_IGNORE) {
		q->dropped += len;
		return;
	}
	if (q->body_kind == BODY_UPLOAD) {
		uploads_write(q, data, len);
		return;
	}
	if (q->body.len + len > MANIFEST_MAX_BYTES) {
		reply_error(&q->reply, 413, "SIZE_INVALID", "manifests of at most %u MiB are taken",
		            MANIFEST_MAX_BYTES >> 20);
		return;
	}
	if (atomic_fetch_add(&q->server->body_bytes, len) + len > BODIES_MAX) {
		atomic_fetch_sub(&q->server->body_bytes, len);
		reply_error(&q->reply, 503, "TOOMANYREQUESTS", "the registry is busy: try again");
		reply_header(&q->reply, "Retry-After", "1");
		return;
	}
	strbuf_add(&q->body, data, len);
}

static void answer(struct request *q)
{
	if (q->body_kind == BODY_UPLOAD)
		uploads_end(q);
	else if (q->body_kind == BODY_MEMORY)
		with_store(q, manifest_put);
	else if (q->route.kind == ROUTE_BASE)
		base(q);
	else if (q->route.kind == ROUTE_UPLOAD)
		request_reads(q) ? uploads_status(q) : uploads_cancel(q);
	else if (q->server->proxy && q->route.kind == ROUTE_MANIFEST)
		proxy_manifest(q);
	else if (q->server->proxy && q->route.kind == ROUTE_BLOB)
		proxy_blob(q);
	else
		with_store(q, request_reads(q) ? read_route : delete_route);
}

void handle_end(struct request *q)
{
	if (!q->reply.status)
		answer(q);
	/* before the answer goes out: the next request on this upload may be faster than we are */
	uploads_close(q);
}

void handle_cleanup(struct request *q)
{
	uploads_close(q);
	atomic_fetch_sub(&q->server->body_bytes, q->body.len);
	strbuf_done(&q->body);
	route_done(&q->route);
	reply_done(&q->reply);
	free(q->target);
	free(q->user);
}
