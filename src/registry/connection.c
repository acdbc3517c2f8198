/* Between the HTTP library and requests: its callbacks, and answers as it wants them. */
#include "registry/connection.h"
#include "base/clock.h"
#include "base/fd.h"
#include "base/num.h"
#include "base/xalloc.h"
#include "registry/proxy.h"
#include <arpa/inet.h>
#include <netinet/in.h>

#define DROP_MAX    (1u << 20) /* of a body nobody wants is read for the sake of the answer */
#define BLOCK_BYTES (64u << 10)
#define MIN_RATE    1024 /* bytes a second: below it a body is an attack or a lost cause */
#define MIN_RATE_MS 30000
#define SHOWN_MAX   200

/* --- a request --- */

static const struct sockaddr *client_of(struct listener *l, struct MHD_Connection *c)
{
	const union MHD_ConnectionInfo *info =
		l->mhd->get_connection_info(c, MHD_CONNECTION_INFO_CLIENT_ADDRESS);

	return info ? info->client_addr : NULL;
}

static void name_client(const struct sockaddr *a, char *ret, size_t size)
{
	const struct sockaddr_in *v4 = (const void *)a;
	const struct sockaddr_in6 *v6 = (const void *)a;
	const char *r = NULL;

	if (a && a->sa_family == AF_INET)
		r = inet_ntop(AF_INET, &v4->sin_addr, ret, (socklen_t)size);
	else if (a && a->sa_family == AF_INET6)
		r = inet_ntop(AF_INET6, &v6->sin6_addr, ret, (socklen_t)size);
	if (!r)
		snprintf(ret, size, "-");
}

void *connection_uri(void *ctx, const char *uri, struct MHD_Connection *c)
{
	struct listener *l = ctx;
	struct request *q = xcalloc(1, sizeof(*q));

	q->server = l->server;
	q->reply = REPLY_INIT;
	q->upload = REPO_UPLOAD_INIT;
	q->body = STRBUF_INIT;
	q->target = xstrdup(uri);
	q->began_ms = clock_monotonic_ms();
	name_client(client_of(l, c), q->client, sizeof(q->client));
	return q;
}

static const char *header(struct listener *l, struct MHD_Connection *c, const char *name)
{
	return l->mhd->lookup_connection_value(c, MHD_HEADER_KIND, name);
}

static void read_headers(struct listener *l, struct MHD_Connection *c, struct request *q)
{
	struct request_headers *h = &q->headers;

	h->authorization = header(l, c, "Authorization");
	h->content_length = header(l, c, "Content-Length");
	h->content_range = header(l, c, "Content-Range");
	h->content_type = header(l, c, "Content-Type");
	h->if_none_match = header(l, c, "If-None-Match");
	h->if_range = header(l, c, "If-Range");
	h->range = header(l, c, "Range");
	h->transfer_encoding = header(l, c, "Transfer-Encoding");
	q->has_length = h->content_length && parse_u64(h->content_length, &q->length) == 0;
}

/* --- the answer --- */

static ssize_t read_file(void *ctx, uint64_t pos, char *buf, size_t max)
{
	const struct reply *r = ctx;
	ssize_t n = pread(r->fd, buf, max, (off_t)(r->offset + pos));

	return n > 0 ? n : MHD_CONTENT_READER_END_WITH_ERROR;
}

static ssize_t read_stream(void *ctx, uint64_t pos, char *buf, size_t max)
{
	const struct reply *r = ctx;
	ssize_t n = r->stream ? proxy_stream_read(r->stream, pos, buf, max) : -1;

	return n > 0 ? n : MHD_CONTENT_READER_END_WITH_ERROR;
}

static void free_reply(void *ctx)
{
	struct reply *r = ctx;

	reply_done(r);
	free(r);
}

/* A copy that the response owns. */
static struct reply *hand_over(struct reply *from)
{
	struct reply *r = xmemdup(from, sizeof(*from));

	r->headers = STRV_INIT;
	r->text = NULL;
	from->fd = -1;
	from->stream = NULL;
	return r;
}

static struct MHD_Response *make_response(struct listener *l, struct reply *r)
{
	const struct mhd_api *mhd = l->mhd;
	struct MHD_Response *response = NULL;

	switch (r->kind) {
	case REPLY_EMPTY:
		return mhd->create_response_from_buffer(0, NULL, MHD_RESPMEM_PERSISTENT);
	case REPLY_TEXT:
		response = mhd->create_response_from_buffer(r->text_len, r->text,
		                                            MHD_RESPMEM_MUST_FREE);
		if (response)
			r->text = NULL;
		return response;
	case REPLY_FILE:
		/* without TLS the kernel sends the file; with it, larger pieces than the library's
		 */
		if (l->server->tls)
			return mhd->create_response_from_callback(r->len, BLOCK_BYTES, read_file,
			                                          hand_over(r), free_reply);
		response = mhd->create_response_from_fd_at_offset64(r->len, r->fd, r->offset);
		if (response)
			r->fd = -1;
		return response;
	case REPLY_STREAM:
		return mhd->create_response_from_callback(r->len, BLOCK_BYTES, read_stream,
		                                          hand_over(r), free_reply);
	}
	return NULL;
}

static enum MHD_Result send_reply(struct listener *l, struct MHD_Connection *c, struct request *q,
                                  bool close_after)
{
	struct reply *r = &q->reply;
	struct MHD_Response *response = make_response(l, r);
	enum MHD_Result result;

	if (!response)
		return MHD_NO;
	l->mhd->add_response_header(response, "Docker-Distribution-Api-Version", "registry/2.0");
	l->mhd->add_response_header(response, "X-Content-Type-Options", "nosniff");
	for (size_t i = 0; i + 1 < r->headers.len; i += 2)
		l->mhd->add_response_header(response, r->headers.items[i], r->headers.items[i + 1]);
	if (close_after || atomic_load(&l->server->draining))
		l->mhd->add_response_header(response, "Connection", "close");
	result = l->mhd->queue_response(c, r->status, response);
	l->mhd->destroy_response(response);
	q->queued = true;
	return result;
}

/* --- the library's callbacks --- */

static struct gate_entry *entry_of(struct listener *l, struct MHD_Connection *c)
{
	const union MHD_ConnectionInfo *info =
		l->mhd->get_connection_info(c, MHD_CONNECTION_INFO_SOCKET_CONTEXT);

	return info ? info->socket_context : NULL;
}

void connection_notify(void *ctx, struct MHD_Connection *c, void **socket_ctx,
                       enum MHD_ConnectionNotificationCode code)
{
	struct listener *l = ctx;

	if (code == MHD_CONNECTION_NOTIFY_STARTED) {
		const union MHD_ConnectionInfo *info =
			l->mhd->get_connection_info(c, MHD_CONNECTION_INFO_CONNECTION_FD);

		if (info)
			*socket_ctx =
				gate_enter(l->server->gate, info->connect_fd, clock_monotonic_ms());
	} else if (*socket_ctx) {
		gate_leave(l->server->gate, *socket_ctx);
		*socket_ctx = NULL;
	}
}

static bool passes_limit(struct listener *l, struct MHD_Connection *c, struct request *q)
{
	const struct sockaddr *client = client_of(l, c);

	if (!l->server->limits || !client ||
	    limits_pass(l->server->limits, client, clock_monotonic_ms()))
		return true;
	reply_error(&q->reply, 429, "TOOMANYREQUESTS", "more than %u requests a second",
	            l->server->options->requests_per_second);
	reply_header(&q->reply, "Retry-After", "1");
	return false;
}

/* Whether what is left of the body is too much to be read just to be dropped. */
static bool is_long(const struct request *q)
{
	if (q->headers.transfer_encoding)
		return true;
	return q->has_length && q->length > DROP_MAX;
}

static enum MHD_Result first_call(struct listener *l, struct MHD_Connection *c, struct request *q,
                                  const char *method)
{
	struct gate_entry *entry = entry_of(l, c);

	q->seen = true;
	atomic_fetch_add(&l->server->in_flight, 1);
	if (entry)
		gate_busy(l->server->gate, entry);
	snprintf(q->method, sizeof(q->method), "%s", method);
	read_headers(l, c, q);
	q->body_began_ms = clock_monotonic_ms();
	if (passes_limit(l, c, q))
		handle_begin(q);
	/* an answer before the body ends the connection, so only when it saves something */
	if (q->reply.status && is_long(q)) {
		handle_end(q);
		return send_reply(l, c, q, true);
	}
	return MHD_YES;
}

/* More is read than an error is worth, or so slowly that it will never end. */
static bool is_hopeless(const struct request *q)
{
	int64_t ms = clock_monotonic_ms() - q->body_began_ms;

	if (q->dropped > DROP_MAX)
		return true;
	return ms > MIN_RATE_MS && q->received < (uint64_t)ms / 1000 * MIN_RATE;
}

enum MHD_Result connection_access(void *ctx, struct MHD_Connection *c, const char *url,
                                  const char *method, const char *version, const char *data,
                                  size_t *size, void **request_ctx)
{
	struct listener *l = ctx;
	struct request *q = *request_ctx;

	(void)url;
	(void)version;
	if (!q)
		return MHD_NO;
	if (!q->seen)
		return first_call(l, c, q, method);
	if (*size) {
		handle_body(q, data, *size);
		*size = 0;
		return is_hopeless(q) ? MHD_NO : MHD_YES;
	}
	if (q->queued)
		return MHD_YES;
	handle_end(q);
	return send_reply(l, c, q, false);
}

static void log_request(const struct request *q)
{
	const struct registry_serve_options *o = q->server->options;
	AUTO_FREE char *target = xstrndup(q->target, SHOWN_MAX);
	AUTO_FREE char *line = NULL;

	if (!o->log)
		return;
	for (char *s = target; *s; s++)
		if (*s <= ' ' || *s >= 0x7f || *s == '"')
			*s = '?';
	line = xasprintf("%s %s \"%s %s\" %u %llu %lldms", q->client, q->user ? q->user : "-",
	                 q->method[0] ? q->method : "-", target, q->reply.status,
	                 (unsigned long long)q->received,
	                 (long long)(clock_monotonic_ms() - q->began_ms));
	o->log(o->log_ctx, line);
}

void connection_completed(void *ctx, struct MHD_Connection *c, void **request_ctx,
                          enum MHD_RequestTerminationCode code)
{
	struct listener *l = ctx;
	struct request *q = *request_ctx;
	struct gate_entry *entry = entry_of(l, c);

	(void)code;
	if (!q)
		return;
	*request_ctx = NULL;
	if (q->seen) {
		log_request(q);
		atomic_fetch_sub(&l->server->in_flight, 1);
		if (entry)
			gate_idle(l->server->gate, entry, clock_monotonic_ms());
	}
	handle_cleanup(q);
	free(q);
}
