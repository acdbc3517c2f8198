/* What the files of the registry server share: the server, a request on its way, its answer. */
#pragma once
#include "base/strbuf.h"
#include "base/strv.h"
#include "image/image.h"
#include "image/repo.h"
#include "registry/auth.h"
#include "registry/hashes.h"
#include "registry/limits.h"
#include "registry/registry.h"
#include "registry/route.h"
#include "registry/stores.h"
#include <pthread.h>
#include <stdatomic.h>

#define MEDIA_JSON "application/json"

struct proxy;
struct proxy_stream;

struct server {
	const struct registry_serve_options *options;
	struct stores *stores;
	struct auth *auth; /* NULL: nobody logs in */
	struct hashes *hashes;
	struct limits *limits; /* NULL: none */
	struct proxy *proxy;   /* NULL: a registry of its own */
	struct gate *gate;
	bool tls;
	atomic_int in_flight; /* requests */
	atomic_bool draining;
	atomic_size_t body_bytes; /* of manifests on their way, all requests together */
	pthread_mutex_t
		parsing; /* manifests are parsed one at a time: a tree is larger than its text */
};

/* --- answers --- */

enum reply_body {
	REPLY_EMPTY = 0,
	REPLY_TEXT,
	REPLY_FILE,
	REPLY_STREAM, /* from the upstream, as it comes */
};

struct reply {
	unsigned status;     /* 0: none yet */
	struct strv headers; /* name, value, name, value, ... */
	enum reply_body kind;
	char *text; /* owned */
	size_t text_len;
	int fd; /* owned */
	uint64_t offset;
	uint64_t len;                /* of what is sent of the file or stream */
	struct proxy_stream *stream; /* owned */
};
#define REPLY_INIT ((struct reply){ .fd = -1 })
void reply_done(struct reply *r);
void reply_header(struct reply *r, const char *name, const char *value);
void reply_headerf(struct reply *r, const char *name, const char *fmt, ...) PRINTF_LIKE(3, 4);
void reply_digest(struct reply *r, const struct digest *d); /* Docker-Content-Digest and ETag */
/* Takes `text`. */
void reply_text(struct reply *r, unsigned status, const char *media_type, char *text, size_t len);
void reply_empty(struct reply *r, unsigned status);
/* One of the specification's error codes; the message is for people. Replaces what was there. */
void reply_error(struct reply *r, unsigned status, const char *code, const char *fmt, ...)
	PRINTF_LIKE(4, 5);
/* What an E_NOT_FOUND means here, by code; other errors are ours: 5xx without details. */
void reply_failure(struct reply *r, const struct err *err, const char *not_found_code);

/* --- requests --- */

enum request_body {
	BODY_IGNORE = 0, /* read and dropped */
	BODY_MEMORY,     /* a manifest: request->body */
	BODY_UPLOAD,     /* appended to request->upload */
};

/* Strings are borrowed from the connection while the request lasts; NULL: no such header. */
struct request_headers {
	const char *authorization;
	const char *content_length;
	const char *content_range;
	const char *content_type;
	const char *if_none_match;
	const char *if_range;
	const char *range;
	const char *transfer_encoding;
};

struct request {
	struct server *server;
	char *target; /* as sent */
	char method[16];
	struct request_headers headers;
	struct route route;
	enum route_fault fault;
	char *user; /* who logged in, or NULL */
	struct reply reply;
	/* the body */
	enum request_body body_kind;
	bool has_length;
	uint64_t length; /* Content-Length */
	uint64_t received;
	uint64_t dropped; /* of received, after an error */
	struct strbuf body;
	struct repo_upload upload;
	struct hash_state hash; /* of what is in upload */
	/* of the server's own */
	char client[64];
	int64_t began_ms;
	int64_t body_began_ms;
	bool seen;   /* the headers were */
	bool queued; /* the answer was handed over */
};
bool request_is(const struct request *q, const char *method);
bool request_reads(const struct request *q); /* GET or HEAD */

/* The three steps of a request: after its headers, with each piece of its body, after its end.
 * A reply with a status ends it; the rest of the body is dropped. */
void handle_begin(struct request *q);
void handle_body(struct request *q, const void *data, size_t len);
void handle_end(struct request *q);
/* Whatever became of it; what an upload has stays. */
void handle_cleanup(struct request *q);

/* --- by kind --- */

void blob_get(struct request *q, struct image_store *store);
void blob_delete(struct request *q, struct image_store *store);
/* A blob's answer, with Range and conditions, for an open file (taken). */
void blob_reply(struct request *q, const struct digest *d, int fd, uint64_t size);
/* What a Range asks of `size` bytes; a 416 when it cannot be. Returns 1, or 0 with the reply set.
 */
int blob_range(struct request *q, const struct digest *d, uint64_t size, uint64_t *ret_first,
               uint64_t *ret_len);

void uploads_post(struct request *q);
void uploads_open(struct request *q); /* PATCH, PUT: before the body */
void uploads_write(struct request *q, const void *data, size_t len);
void uploads_end(struct request *q);
void uploads_status(struct request *q);
void uploads_cancel(struct request *q);
void uploads_close(struct request *q);

void manifest_get(struct request *q, struct image_store *store);
void manifest_delete(struct request *q, struct image_store *store);
void manifest_put_begin(struct request *q);
void manifest_put(struct request *q, struct image_store *store);

void list_catalog(struct request *q, struct image_store *store);
void list_tags(struct request *q, struct image_store *store);
void list_referrers(struct request *q, struct image_store *store);
