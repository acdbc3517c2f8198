/* http: one request, with redirects, for the registry client.
 *
 * Redirects are followed here and not by libcurl, so that what goes where is plain to see:
 * Authorization is sent to the origin (scheme, host, port) of the first URL only, a step from https
 * to http is refused unless insecure, and the body goes to the sink only when the last answer is
 * 200 or 206. Names of origins in messages carry no credentials or query. */
#pragma once
#include "base/err.h"
#include "base/strbuf.h"
#include "base/strv.h"
#include "image/curl-dl.h"
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#define HTTP_ERROR_BODY_MAX (64u << 10)

/* Where it may go and how it must be protected. Borrowed strings; one for all threads. */
struct http_policy {
	bool insecure;      /* certificates are not verified, http redirects are allowed */
	const char *ca_pem; /* CAs in addition to the system's, or NULL */
	size_t ca_pem_len;
	const char *cert_file; /* client certificate and key, or NULL */
	const char *key_file;
	const char *tls_host;       /* the host:port that certificates and CAs above are for */
	bool skip_verify;           /* its certificate is not verified; other hosts' are */
	const struct strv *headers; /* "Name: value" for every request to it, or NULL */
	const char *proxy; /* URL, "" for none, NULL: by the environment, loopback without one */
	const volatile sig_atomic_t *cancel; /* or NULL */
	const atomic_bool *stop;             /* another thread's request to end, or NULL */
};

/* A connection kept for a series of requests; one thread at a time. */
struct http {
	const struct curl_api *api;
	const struct http_policy *policy;
	CURL *handle;
};
int http_init(struct http *http, const struct http_policy *policy, struct err *err);
void http_done(struct http *http);

struct http_response {
	long status; /* 0: none came */
	char *content_type;
	char *digest; /* Docker-Content-Digest */
	char *location;
	char *range;            /* Range, of an upload's state: "0-1023" */
	char *link;             /* Link: the next page */
	char *subject;          /* OCI-Subject: the registry keeps referrers itself */
	struct strv challenges; /* WWW-Authenticate, one per header */
	int64_t retry_after_s;  /* -1: absent */
	int64_t length;         /* Content-Length; -1: absent */
	int64_t range_start;    /* of Content-Range; -1: absent */
	struct strbuf body;     /* of errors, and of answers when there is no sink */
	bool is_transient;      /* failed in a way that may pass: broken off, refused, 5xx, 429 */
	bool is_unreachable;    /* no connection or no TLS: nothing was said */
};
#define HTTP_RESPONSE_INIT                                                                         \
	((struct http_response){                                                                   \
		.retry_after_s = -1, .length = -1, .range_start = -1, .body = STRBUF_INIT })
void http_response_done(struct http_response *r);
#define AUTO_RESPONSE __attribute__((cleanup(http_response_done))) struct http_response

/* Bytes of a 200 or 206 answer, whose headers are in r. -1 ends the transfer with that error. */
typedef int (*http_sink)(void *ctx, const struct http_response *r, const void *data, size_t len,
                         struct err *err);

/* The next bytes of a body: *ret_n 0 at its end. -1 ends the transfer with that error. */
typedef int (*http_source)(void *ctx, void *buf, size_t cap, size_t *ret_n, struct err *err);

struct http_request {
	const char *method; /* "GET", "HEAD", "POST", "PUT", "PATCH", "DELETE" */
	const char *url;
	const char *accept;        /* or NULL */
	const char *authorization; /* value of the header, or NULL */
	const char *form;          /* POST body, urlencoded; or NULL */
	/* body of PUT and PATCH, from memory or from a source; a POST without a form has none */
	const char *content_type;
	const char *content_range; /* of a piece of an upload, or NULL */
	const void *data;
	size_t data_len;
	http_source source;
	void *source_ctx;
	int64_t source_bytes; /* -1: not known, sent in chunks */
	uint64_t range_from;  /* 0: everything */
	size_t max_body;      /* without a sink; E_LIMIT above it */
	http_sink sink;       /* or NULL: r->body */
	void *sink_ctx;
};

/* Return 0 when an answer came, whatever its status; else -1. */
int http_perform(struct http *http, const struct http_request *request, struct http_response *ret,
                 struct err *err);

/* Text from outside, fit to be printed: bounded, control characters replaced. Caller frees. */
char *http_printable(const char *s, size_t max);
/* Whether two URLs have the same scheme, host and port: what one may see the other may, too. */
bool http_is_same_origin(const struct http *http, const char *a, const char *b);
/* s for a URL's query. Caller frees. */
char *http_escape(const char *s);
