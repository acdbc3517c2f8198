/* Uploads: sessions by POST, chunks by PATCH, the end by PUT. */
#include "base/num.h"
#include "base/xalloc.h"
#include "registry/server-internal.h"
#include <time.h>

#define BUSY_POLL_NS 50000000L
#define BUSY_POLLS   100

static void add_location(struct request *q, const struct repo_upload *u)
{
	/* relative: nothing of the client's Host header comes back to anybody */
	reply_headerf(&q->reply, "Location", "/v2/%s/blobs/uploads/%s", q->route.name, u->id);
	reply_header(&q->reply, "Docker-Upload-UUID", u->id);
}

/* "0-LAST"; "0-0" when there is nothing, as every registry writes it. */
static void add_range(struct request *q, const struct repo_upload *u)
{
	reply_headerf(&q->reply, "Range", "0-%llu",
	              (unsigned long long)(u->size ? u->size - 1 : 0));
}

static void add_blob_location(struct request *q, const struct digest *d)
{
	reply_headerf(&q->reply, "Location", "/v2/%s/blobs/%s", q->route.name, digest_format(d).s);
	reply_header(&q->reply, "Docker-Content-Digest", digest_format(d).s);
}

static void too_large(struct request *q)
{
	reply_error(&q->reply, 413, "SIZE_INVALID", "blobs of at most %s are taken",
	            format_size(q->server->options->max_blob_bytes).s);
}

static bool exceeds(const struct request *q, uint64_t size)
{
	return q->server->options->max_blob_bytes && size > q->server->options->max_blob_bytes;
}

/* --- POST --- */

/* Whether a mount answered the request. */
static bool try_mount(struct request *q, struct image_store *store)
{
	const struct digest *d = &q->route.query.mount;
	struct err err = ERR_INIT;

	if (d->alg == DIGEST_NONE)
		return false;
	/* who may read one repository may read them all, so any of them will do */
	if (repo_mount_blob(store, q->route.query.from, q->route.name, d, &err) == 0) {
		add_blob_location(q, d);
		reply_empty(&q->reply, 201);
		return true;
	}
	if (err.code == E_NOT_FOUND)
		return false;
	reply_failure(&q->reply, &err, NULL);
	return true;
}

void uploads_post(struct request *q)
{
	enum digest_alg alg = q->route.query.algorithm ? q->route.query.algorithm : DIGEST_SHA256;
	struct err err = ERR_INIT;
	struct image_store *store;

	if (exceeds(q, q->has_length ? q->length : 0)) {
		too_large(q);
		return;
	}
	store = stores_take(q->server->stores, &err);
	if (!store) {
		reply_failure(&q->reply, &err, NULL);
		return;
	}
	if (q->route.query.digest.alg != DIGEST_NONE)
		alg = q->route.query.digest.alg;
	if (!try_mount(q, store) &&
	    repo_upload_begin(store, q->route.name, alg, &q->upload, &err) < 0)
		reply_failure(&q->reply, &err, NULL);
	stores_give(q->server->stores, store);
	if (q->reply.status)
		return;
	if (q->route.query.digest.alg != DIGEST_NONE) {
		/* the whole blob is the body */
		q->body_kind = BODY_UPLOAD;
		q->hash = (struct hash_state){ digester_new(alg), alg, 0 };
		return;
	}
	add_location(q, &q->upload);
	add_range(q, &q->upload);
	reply_empty(&q->reply, 202);
}

/* --- chunks --- */

static void out_of_order(struct request *q)
{
	reply_error(&q->reply, 416, "BLOB_UPLOAD_INVALID",
	            "the next byte of this upload is number %llu",
	            (unsigned long long)q->upload.size);
	add_location(q, &q->upload);
	add_range(q, &q->upload);
}

static bool check_range(struct request *q)
{
	uint64_t first, last;

	if (!q->headers.content_range)
		return true;
	if (content_range_parse(q->headers.content_range, &first, &last) < 0) {
		reply_error(&q->reply, 400, "BLOB_UPLOAD_INVALID",
		            "Content-Range is not FIRST-LAST");
		return false;
	}
	if (first != q->upload.size) {
		out_of_order(q);
		return false;
	}
	if (q->has_length && q->length != last - first + 1) {
		reply_error(&q->reply, 400, "SIZE_INVALID",
		            "Content-Range and Content-Length disagree");
		return false;
	}
	return true;
}

/* One try. E_BUSY: somebody else has it. */
static int open_once(struct request *q, struct err *err)
{
	struct image_store *store = stores_take(q->server->stores, err);
	int r;

	if (!store)
		return err_set(err, E_INTERNAL, "no handle of the store");
	r = repo_upload_open(store, q->route.name, q->route.upload, &q->upload, err);
	stores_give(q->server->stores, store);
	return r;
}

/* A client whose line broke comes back before its old connection is known to be dead, so another
 * writer is waited for a while. */
static int open_session(struct request *q)
{
	struct timespec ts = { .tv_nsec = BUSY_POLL_NS };
	struct err err = ERR_INIT;

	for (int i = 0; i < BUSY_POLLS; i++) {
		if (open_once(q, &err) == 0)
			return 0;
		if (err.code != E_BUSY)
			break;
		nanosleep(&ts, NULL);
	}
	if (err.code == E_BUSY)
		reply_error(&q->reply, 409, "BLOB_UPLOAD_INVALID", "%s", err.msg);
	else
		reply_failure(&q->reply, &err, "BLOB_UPLOAD_UNKNOWN");
	return -1;
}

void uploads_open(struct request *q)
{
	if (open_session(q) < 0)
		return;
	if (request_is(q, "PUT") && q->route.query.digest.alg == DIGEST_NONE) {
		reply_error(&q->reply, 400, "DIGEST_INVALID", "the upload ends with ?digest=");
		return;
	}
	if (exceeds(q, q->upload.size + (q->has_length ? q->length : 0))) {
		too_large(q);
		return;
	}
	if (!check_range(q))
		return;
	q->body_kind = BODY_UPLOAD;
	hashes_take(q->server->hashes, q->upload.id, q->upload.size, &q->hash);
	if (!q->hash.digester && q->upload.size == 0) {
		enum digest_alg alg =
			request_is(q, "PUT") ? q->route.query.digest.alg : q->upload.alg;

		q->hash = (struct hash_state){ digester_new(alg), alg, 0 };
	}
}

void uploads_write(struct request *q, const void *data, size_t len)
{
	struct err err = ERR_INIT;

	if (exceeds(q, q->upload.size + len)) {
		too_large(q);
		return;
	}
	if (repo_upload_write(&q->upload, data, len, &err) < 0) {
		hash_state_done(&q->hash);
		reply_failure(&q->reply, &err, NULL);
		return;
	}
	if (q->hash.digester) {
		digester_update(q->hash.digester, data, len);
		q->hash.offset += len;
	}
}

/* --- the end --- */

static int find_digest(struct request *q, enum digest_alg alg, struct digest *ret, struct err *err)
{
	if (!q->hash.digester || q->hash.alg != alg)
		return repo_upload_digest(&q->upload, alg, ret, err);
	digester_finish(q->hash.digester, ret);
	return 0;
}

static void wrong_digest(struct request *q, const struct digest *want, const struct digest *got)
{
	struct err err = ERR_INIT;
	struct image_store *store = stores_take(q->server->stores, &err);

	/* no other end would make it right */
	if (store) {
		repo_upload_cancel(store, &q->upload, ERR_IGNORE);
		stores_give(q->server->stores, store);
	}
	reply_error(&q->reply, 400, "DIGEST_INVALID", "the digest is not %s but %s",
	            digest_format(want).s, digest_format(got).s);
}

static void finish(struct request *q)
{
	const struct digest *want = &q->route.query.digest;
	struct err err = ERR_INIT;
	struct image_store *store;
	struct digest got;
	int r;

	if (find_digest(q, want->alg, &got, &err) < 0) {
		reply_failure(&q->reply, &err, NULL);
		return;
	}
	if (!digest_equal(want, &got)) {
		wrong_digest(q, want, &got);
		return;
	}
	store = stores_take(q->server->stores, &err);
	r = store ? repo_upload_commit(store, &q->upload, want, &err) : -1;
	if (store)
		stores_give(q->server->stores, store);
	if (r < 0) {
		reply_failure(&q->reply, &err, NULL);
		return;
	}
	add_blob_location(q, want);
	reply_empty(&q->reply, 201);
}

void uploads_end(struct request *q)
{
	if (request_is(q, "PATCH")) {
		add_location(q, &q->upload);
		add_range(q, &q->upload);
		reply_empty(&q->reply, 202);
		return;
	}
	finish(q);
	hash_state_done(&q->hash);
}

void uploads_close(struct request *q)
{
	if (q->hash.digester && q->hash.offset == q->upload.size)
		hashes_put(q->server->hashes, q->upload.id, &q->hash);
	hash_state_done(&q->hash);
	repo_upload_close(&q->upload);
}

/* --- GET and DELETE of a session --- */

void uploads_status(struct request *q)
{
	if (open_session(q) < 0)
		return;
	add_location(q, &q->upload);
	add_range(q, &q->upload);
	reply_empty(&q->reply, 204);
}

void uploads_cancel(struct request *q)
{
	struct err err = ERR_INIT;
	struct image_store *store;

	if (open_session(q) < 0)
		return;
	store = stores_take(q->server->stores, &err);
	if (store && repo_upload_cancel(store, &q->upload, &err) == 0)
		reply_empty(&q->reply, 204);
	else
		reply_failure(&q->reply, &err, NULL);
	if (store)
		stores_give(q->server->stores, store);
}
