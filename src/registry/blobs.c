/* GET, HEAD and DELETE of blobs. */
#include "base/xalloc.h"
#include "registry/proxy.h"
#include "registry/server-internal.h"
#include <unistd.h>

/* Whether a list of entity tags has the blob's. */
static bool has_etag(const char *header, const struct digest *d)
{
	AUTO_FREE char *tag = xasprintf("\"%s\"", digest_format(d).s);

	return header && (strstr(header, tag) || strcmp(header, "*") == 0);
}

int blob_range(struct request *q, const struct digest *d, uint64_t size, uint64_t *ret_first,
               uint64_t *ret_len)
{
	const char *header = q->headers.range;
	int ranged;

	*ret_first = 0;
	*ret_len = size;
	/* a digest never names other bytes, so If-Range fails only for another blob's tag */
	if (q->headers.if_range && !has_etag(q->headers.if_range, d))
		header = NULL;
	ranged = range_parse(header, size, ret_first, ret_len);
	if (ranged < 0) {
		reply_error(&q->reply, 416, "SIZE_INVALID", "the blob has %llu bytes",
		            (unsigned long long)size);
		reply_headerf(&q->reply, "Content-Range", "bytes */%llu", (unsigned long long)size);
		return 0;
	}
	q->reply.status = ranged ? 206 : 200;
	reply_digest(&q->reply, d);
	reply_header(&q->reply, "Accept-Ranges", "bytes");
	reply_header(&q->reply, "Content-Type", "application/octet-stream");
	reply_header(&q->reply, "Cache-Control", "max-age=31536000, immutable");
	if (ranged)
		reply_headerf(&q->reply, "Content-Range", "bytes %llu-%llu/%llu",
		              (unsigned long long)*ret_first,
		              (unsigned long long)(*ret_first + *ret_len - 1),
		              (unsigned long long)size);
	return 1;
}

void blob_reply(struct request *q, const struct digest *d, int fd, uint64_t size)
{
	struct reply *r = &q->reply;

	if (has_etag(q->headers.if_none_match, d)) {
		close(fd);
		reply_digest(r, d);
		reply_empty(r, 304);
		return;
	}
	if (!blob_range(q, d, size, &r->offset, &r->len)) {
		close(fd);
		return;
	}
	r->kind = REPLY_FILE;
	r->fd = fd;
}

void blob_get(struct request *q, struct image_store *store)
{
	const struct digest *d = &q->route.digest;
	struct err err = ERR_INIT;
	uint64_t size;
	int fd;

	if (repo_open_blob(store, q->route.name, d, &fd, &size, &err) == 0)
		blob_reply(q, d, fd, size);
	else
		reply_failure(&q->reply, &err, "BLOB_UNKNOWN");
}

void blob_delete(struct request *q, struct image_store *store)
{
	struct err err = ERR_INIT;

	if (repo_remove_blob(store, q->route.name, &q->route.digest, &err) == 0)
		reply_empty(&q->reply, 202);
	else
		reply_failure(&q->reply, &err, "BLOB_UNKNOWN");
}
