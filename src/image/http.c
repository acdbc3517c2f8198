#include "base/clock.h"
#include "base/num.h"
#include "base/xalloc.h"
#include "image/http-internal.h"
#include <ctype.h>
#include <time.h>

#define REDIRECTS_MAX     10
#define CONNECT_MS        20000L
#define STALL_SECONDS     30L
#define HEADERS_MAX       (256u << 10)
#define RECEIVE_BUFFER    (512L << 10)
#define USER_AGENT        "dhow/" DHOW_VERSION
#define RETRY_AFTER_MAX_S (24 * 3600)
#define DOCUMENT_SECONDS  300L /* for an answer that is kept in memory: a few MiB at most */

int http_init(struct http *http, const struct http_policy *policy, struct err *err)
{
	http->api = curl_api(err);
	if (!http->api)
		return -1;
	http->policy = policy;
	http->handle = http->api->easy_init();
	if (!http->handle)
		return err_set(err, E_INTERNAL, "libcurl: out of memory");
	return 0;
}

void http_done(struct http *http)
{
	if (http->handle)
		http->api->easy_cleanup(http->handle);
	http->handle = NULL;
}

static void response_reset(struct http_response *r)
{
	free(r->content_type);
	free(r->digest);
	free(r->location);
	free(r->range);
	free(r->link);
	free(r->subject);
	strv_done(&r->challenges);
	strbuf_reset(&r->body);
	r->content_type = r->digest = r->location = r->range = r->link = r->subject = NULL;
	r->status = 0;
	r->retry_after_s = r->length = r->range_start = -1;
	r->is_transient = r->is_unreachable = false;
}

void http_response_done(struct http_response *r)
{
	response_reset(r);
	strbuf_done(&r->body);
}

char *http_printable(const char *s, size_t max)
{
	AUTO_BUF out = STRBUF_INIT;

	for (; *s && out.len < max; s++)
		strbuf_addc(&out, (unsigned char)*s < 0x20 || *s == 0x7f ? ' ' : *s);
	return strbuf_take(&out);
}

char *http_escape(const char *s)
{
	AUTO_BUF out = STRBUF_INIT;

	for (; *s; s++)
		if (isalnum((unsigned char)*s) || strchr("-._~", *s))
			strbuf_addc(&out, *s);
		else
			strbuf_addf(&out, "%%%02X", (unsigned char)*s);
	return strbuf_take(&out);
}

/* --- one exchange --- */

struct exchange {
	struct http *http;
	const struct http_request *request;
	struct http_response *response;
	struct err err; /* of a callback */
	size_t header_bytes;
	bool is_cut; /* the rest of an error's body was not waited for */
};

static int64_t parse_retry_after(const char *s)
{
	struct tm tm = { 0 };
	uint64_t seconds;
	int64_t wait;

	if (parse_u64(s, &seconds) == 0)
		return seconds > RETRY_AFTER_MAX_S ? RETRY_AFTER_MAX_S : (int64_t)seconds;
	/* RFC 9110: an HTTP-date */
	if (!strptime(s, "%a, %d %b %Y %H:%M:%S GMT", &tm))
		return -1;
	wait = (int64_t)timegm(&tm) - (int64_t)time(NULL);
	if (wait < 0)
		return 0;
	return wait > RETRY_AFTER_MAX_S ? RETRY_AFTER_MAX_S : wait;
}

/* Headers whose last value is kept as it is. */
static char **text_header(struct http_response *r, const char *name)
{
	const struct {
		const char *name;
		char **field;
	} headers[] = {
		{ "content-type", &r->content_type },
		{ "docker-content-digest", &r->digest },
		{ "location", &r->location },
		{ "range", &r->range },
		{ "link", &r->link },
		{ "oci-subject", &r->subject },
	};

	for (size_t i = 0; i < ARRAY_LEN(headers); i++)
		if (strcasecmp(name, headers[i].name) == 0)
			return headers[i].field;
	return NULL;
}

static void set_header(struct http_response *r, const char *name, const char *value)
{
	char **text = text_header(r, name);
	uint64_t number;

	if (text) {
		free(*text);
		*text = xstrdup(value);
	} else if (strcasecmp(name, "www-authenticate") == 0) {
		strv_add(&r->challenges, value);
	} else if (strcasecmp(name, "retry-after") == 0) {
		r->retry_after_s = parse_retry_after(value);
	} else if (strcasecmp(name, "content-length") == 0) {
		if (parse_u64(value, &number) == 0 && number < INT64_MAX)
			r->length = (int64_t)number;
	} else if (strcasecmp(name, "content-range") == 0 && strncasecmp(value, "bytes ", 6) == 0) {
		AUTO_FREE char *start = xstrndup(value + 6, strcspn(value + 6, "-"));

		if (parse_u64(start, &number) == 0 && number < INT64_MAX)
			r->range_start = (int64_t)number;
	}
}

static size_t on_header(char *data, size_t size, size_t count, void *ctx)
{
	struct exchange *x = ctx;
	size_t len = size * count;
	AUTO_FREE char *line = xstrndup(data, len);
	char *colon, *value;

	x->header_bytes += len;
	if (x->header_bytes > HEADERS_MAX) {
		err_set(&x->err, E_LIMIT, "the headers are larger than %u bytes", HEADERS_MAX);
		return 0;
	}
	/* of an interim answer (100, a proxy's CONNECT): not the one that counts */
	if (strncmp(line, "HTTP/", 5) == 0) {
		response_reset(x->response);
		return len;
	}
	line[strcspn(line, "\r\n")] = '\0';
	colon = strchr(line, ':');
	if (!colon)
		return len;
	*colon = '\0';
	value = colon + 1 + strspn(colon + 1, " \t");
	for (size_t n = strlen(value); n && (value[n - 1] == ' ' || value[n - 1] == '\t'); n--)
		value[n - 1] = '\0';
	set_header(x->response, line, value);
	return len;
}

static size_t on_body(char *data, size_t size, size_t count, void *ctx)
{
	struct exchange *x = ctx;
	size_t len = size * count;
	struct http_response *r = x->response;
	size_t max = x->request->max_body;

	if (!r->status)
		x->http->api->easy_getinfo(x->http->handle, CURLINFO_RESPONSE_CODE, &r->status);
	if (r->status != 200 && r->status != 206) {
		/* of an error or a redirect: what fits is read; the rest, which may have no end, is
		 * of no interest */
		max = HTTP_ERROR_BODY_MAX;
		if (r->body.len + len > max) {
			x->is_cut = true;
			return 0;
		}
	} else if (x->request->sink) {
		if (x->request->sink(x->request->sink_ctx, r, data, len, &x->err) < 0)
			return 0;
		return len;
	}
	if (r->body.len + len > max) {
		err_set(&x->err, E_LIMIT, "the answer is larger than %zu bytes", max);
		return 0;
	}
	strbuf_add(&r->body, data, len);
	return len;
}

static size_t on_send(char *buf, size_t size, size_t count, void *ctx)
{
	struct exchange *x = ctx;
	size_t n = 0;

	if (x->request->source(x->request->source_ctx, buf, size * count, &n, &x->err) < 0)
		return CURL_READFUNC_ABORT;
	return n;
}

static int on_progress(void *ctx, curl_off_t dltotal, curl_off_t dlnow, curl_off_t ultotal,
                       curl_off_t ulnow)
{
	const struct http_policy *p = ((struct exchange *)ctx)->http->policy;

	(void)dltotal, (void)dlnow, (void)ultotal, (void)ulnow;
	return (p->cancel && *p->cancel) || (p->stop && atomic_load(p->stop));
}

/* "https://host:port" of a URL, lower case, the port always there. NULL for what is neither http
 * nor https. Caller frees. */
static char *origin_of(const struct curl_api *api, const char *url)
{
	CURLU *u = api->url();
	char *scheme = NULL, *host = NULL, *port = NULL, *origin = NULL;

	if (u && api->url_set(u, CURLUPART_URL, url, 0) == CURLUE_OK &&
	    api->url_get(u, CURLUPART_SCHEME, &scheme, 0) == CURLUE_OK &&
	    api->url_get(u, CURLUPART_HOST, &host, 0) == CURLUE_OK &&
	    api->url_get(u, CURLUPART_PORT, &port, CURLU_DEFAULT_PORT) == CURLUE_OK &&
	    (strcasecmp(scheme, "http") == 0 || strcasecmp(scheme, "https") == 0)) {
		origin = xasprintf("%s://%s:%s", scheme, host, port);
		for (char *c = origin; *c; c++)
			*c = (char)tolower((unsigned char)*c);
	}
	api->free(scheme);
	api->free(host);
	api->free(port);
	if (u)
		api->url_cleanup(u);
	return origin;
}

bool http_is_same_origin(const struct http *http, const char *a, const char *b)
{
	AUTO_FREE char *x = origin_of(http->api, a);
	AUTO_FREE char *y = origin_of(http->api, b);

	return x && y && strcmp(x, y) == 0;
}

/* The URL a redirect leads to. NULL when it is not one. Caller frees. */
static char *resolve_location(const struct curl_api *api, const char *base, const char *location)
{
	CURLU *u = api->url();
	char *text = NULL, *copy = NULL;

	if (u && api->url_set(u, CURLUPART_URL, base, 0) == CURLUE_OK &&
	    api->url_set(u, CURLUPART_URL, location, 0) == CURLUE_OK &&
	    api->url_get(u, CURLUPART_URL, &text, 0) == CURLUE_OK)
		copy = xstrdup(text);
	api->free(text);
	if (u)
		api->url_cleanup(u);
	return copy;
}

static void set_tls(struct http *http, const char *origin)
{
	const struct curl_api *api = http->api;
	const struct http_policy *p = http->policy;
	const char *host = strstr(origin, "://") + 3;

	api->easy_setopt(http->handle, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
	if (p->insecure) {
		api->easy_setopt(http->handle, CURLOPT_SSL_VERIFYPEER, 0L);
		api->easy_setopt(http->handle, CURLOPT_SSL_VERIFYHOST, 0L);
	}
	/* the registry's own CA and our identity there are no business of other hosts */
	if (!p->tls_host || strcmp(host, p->tls_host) != 0)
		return;
	if (p->skip_verify) {
		api->easy_setopt(http->handle, CURLOPT_SSL_VERIFYPEER, 0L);
		api->easy_setopt(http->handle, CURLOPT_SSL_VERIFYHOST, 0L);
	}
	if (p->ca_pem) {
		struct curl_blob blob = { .data = (void *)(uintptr_t)p->ca_pem,
			                  .len = p->ca_pem_len,
			                  .flags = CURL_BLOB_NOCOPY };

		api->easy_setopt(http->handle, CURLOPT_CAINFO_BLOB, &blob);
	}
	if (p->cert_file) {
		api->easy_setopt(http->handle, CURLOPT_SSLCERT, p->cert_file);
		api->easy_setopt(http->handle, CURLOPT_SSLKEY, p->key_file);
	}
}

/* The environment's setting: in lower case, else in upper case. The one for http is not taken in
 * upper case where a web server may have put a header of its client there (CVE-2016-5385). */
static const char *proxy_env(const char *lower, const char *upper)
{
	const char *value = getenv(lower);

	if (value && *value)
		return value;
	if (strcmp(upper, "HTTP_PROXY") == 0 && getenv("REQUEST_METHOD"))
		return NULL;
	value = getenv(upper);
	return value && *value ? value : NULL;
}

static bool is_loopback_origin(const char *origin)
{
	const char *host = strstr(origin, "://") + 3;

	return strncmp(host, "localhost:", 10) == 0 || strncmp(host, "127.", 4) == 0 ||
	       strncmp(host, "[::1]:", 6) == 0;
}

/* The proxy for an origin, or NULL. Borrowed. */
static const char *proxy_of(const struct http_policy *p, const char *origin)
{
	const char *proxy;

	if (p->proxy)
		return *p->proxy ? p->proxy : NULL;
	if (is_loopback_origin(origin))
		return NULL;
	proxy = strncmp(origin, "https:", 6) == 0 ? proxy_env("https_proxy", "HTTPS_PROXY")
	                                          : proxy_env("http_proxy", "HTTP_PROXY");
	return proxy ? proxy : proxy_env("all_proxy", "ALL_PROXY");
}

static void set_proxy(struct http *http, const char *origin)
{
	const struct curl_api *api = http->api;
	const char *proxy = proxy_of(http->policy, origin);
	const char *except = http->policy->proxy ? NULL : proxy_env("no_proxy", "NO_PROXY");

	/* set even when empty: libcurl would look at the environment by rules of its own */
	api->easy_setopt(http->handle, CURLOPT_PROXY, proxy ? proxy : "");
	api->easy_setopt(http->handle, CURLOPT_NOPROXY, except ? except : "");
}

static struct curl_slist *make_headers(struct http *http, const struct http_request *request,
                                       bool with_authorization)
{
	const struct curl_api *api = http->api;
	struct curl_slist *list = NULL;

	if (request->accept) {
		AUTO_FREE char *line = xasprintf("Accept: %s", request->accept);

		list = api->slist_append(list, line);
	}
	if (request->authorization && with_authorization) {
		AUTO_FREE char *line = xasprintf("Authorization: %s", request->authorization);

		list = api->slist_append(list, line);
		explicit_bzero(line, strlen(line));
	}
	if (request->range_from) {
		AUTO_FREE char *line =
			xasprintf("Range: bytes=%llu-", (unsigned long long)request->range_from);

		list = api->slist_append(list, line);
	}
	if (request->content_type) {
		AUTO_FREE char *line = xasprintf("Content-Type: %s", request->content_type);

		list = api->slist_append(list, line);
	}
	if (request->content_range) {
		AUTO_FREE char *line = xasprintf("Content-Range: %s", request->content_range);

		list = api->slist_append(list, line);
	}
	/* no round trip before each body; and libcurl's form type is for forms only */
	list = api->slist_append(list, "Expect:");
	if (!request->content_type && !request->form)
		list = api->slist_append(list, "Content-Type:");
	/* with_authorization: it is the registry that is spoken to */
	for (size_t i = 0;
	     http->policy->headers && with_authorization && i < http->policy->headers->len; i++)
		list = api->slist_append(list, http->policy->headers->items[i]);
	return list;
}

static void set_body(struct exchange *x)
{
	const struct http_request *q = x->request;
	const struct curl_api *api = x->http->api;
	CURL *h = x->http->handle;

	if (q->source) {
		api->easy_setopt(h, CURLOPT_UPLOAD, 1L);
		api->easy_setopt(h, CURLOPT_READFUNCTION, on_send);
		api->easy_setopt(h, CURLOPT_READDATA, x);
		api->easy_setopt(h, CURLOPT_INFILESIZE_LARGE, (curl_off_t)q->source_bytes);
		api->easy_setopt(h, CURLOPT_UPLOAD_BUFFERSIZE, RECEIVE_BUFFER);
	} else {
		const void *data = q->form ? q->form : q->data ? q->data : "";
		size_t len = q->form ? strlen(q->form) : q->data_len;

		api->easy_setopt(h, CURLOPT_POST, 1L);
		api->easy_setopt(h, CURLOPT_POSTFIELDS, data);
		api->easy_setopt(h, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)len);
	}
	api->easy_setopt(h, CURLOPT_CUSTOMREQUEST, q->method);
}

static void set_options(struct exchange *x, const char *url, const char *origin,
                        struct curl_slist *headers, char *error_text)
{
	const struct curl_api *api = x->http->api;
	CURL *h = x->http->handle;

	api->easy_reset(h);
	api->easy_setopt(h, CURLOPT_URL, url);
	api->easy_setopt(h, CURLOPT_NOSIGNAL, 1L);
	api->easy_setopt(h, CURLOPT_USERAGENT, USER_AGENT);
	api->easy_setopt(h, CURLOPT_ERRORBUFFER, error_text);
	api->easy_setopt(h, CURLOPT_HTTPHEADER, headers);
	api->easy_setopt(h, CURLOPT_FOLLOWLOCATION, 0L);
	api->easy_setopt(h, CURLOPT_PROTOCOLS_STR, "http,https");
	api->easy_setopt(h, CURLOPT_CONNECTTIMEOUT_MS, CONNECT_MS);
	api->easy_setopt(h, CURLOPT_LOW_SPEED_LIMIT, 1L);
	api->easy_setopt(h, CURLOPT_LOW_SPEED_TIME, STALL_SECONDS);
	if (!x->request->sink && !x->request->source)
		api->easy_setopt(h, CURLOPT_TIMEOUT, DOCUMENT_SECONDS);
	api->easy_setopt(h, CURLOPT_BUFFERSIZE, RECEIVE_BUFFER);
	api->easy_setopt(h, CURLOPT_HEADERFUNCTION, on_header);
	api->easy_setopt(h, CURLOPT_HEADERDATA, x);
	api->easy_setopt(h, CURLOPT_WRITEFUNCTION, on_body);
	api->easy_setopt(h, CURLOPT_WRITEDATA, x);
	api->easy_setopt(h, CURLOPT_XFERINFOFUNCTION, on_progress);
	api->easy_setopt(h, CURLOPT_XFERINFODATA, x);
	api->easy_setopt(h, CURLOPT_NOPROGRESS, 0L);
	if (strcmp(x->request->method, "HEAD") == 0) {
		api->easy_setopt(h, CURLOPT_NOBODY, 1L);
	} else if (strcmp(x->request->method, "DELETE") == 0) {
		api->easy_setopt(h, CURLOPT_CUSTOMREQUEST, "DELETE");
	} else if (strcmp(x->request->method, "GET") != 0) {
		set_body(x);
	}
	set_tls(x->http, origin);
	set_proxy(x->http, origin);
}

static bool is_connected(struct http *http)
{
	double seconds = 0;

	http->api->easy_getinfo(http->handle, CURLINFO_PRETRANSFER_TIME, &seconds);
	return seconds > 0;
}

/* Of an origin, for people: without the port that goes without saying. Caller frees. */
static char *host_of(const char *origin)
{
	const char *host = strstr(origin, "://") + 3;
	const char *usual = strncmp(origin, "https:", 6) == 0 ? ":443" : ":80";
	size_t len = strlen(host), tail = strlen(usual);

	if (len > tail && strcmp(host + len - tail, usual) == 0)
		len -= tail;
	return xstrndup(host, len);
}

static int curl_failed(struct exchange *x, CURLcode code, const char *origin, const char *text,
                       struct err *err)
{
	struct http_response *r = x->response;
	AUTO_FREE char *host = host_of(origin);
	AUTO_FREE char *why = http_printable(*text ? text : x->http->api->easy_strerror(code), 200);

	r->is_transient = true;
	switch ((int)code) {
	case CURLE_WRITE_ERROR:
	case CURLE_ABORTED_BY_CALLBACK:
		r->is_transient = false;
		if (x->err.code != E_OK) {
			*err = x->err;
			return -1;
		}
		return err_set(err, E_INTERRUPTED, "interrupted");
	case CURLE_COULDNT_RESOLVE_HOST:
		r->is_unreachable = true;
		err_set(err, E_NETWORK, "registry '%s': its name is not known", host);
		return err_hint(err, "check the name of the registry, and the network");
	case CURLE_COULDNT_RESOLVE_PROXY:
		r->is_unreachable = true;
		return err_set(err, E_NETWORK, "the proxy's name is not known: %s", why);
	case CURLE_PROXY:
		r->is_unreachable = true;
		return err_set(err, E_NETWORK, "registry '%s': the proxy refuses: %s", host, why);
	case CURLE_COULDNT_CONNECT:
		r->is_unreachable = true;
		err_set(err, E_NETWORK, "registry '%s' cannot be reached%s: %s", host,
		        proxy_of(x->http->policy, origin) ? " through the proxy" : "", why);
		return err_hint(err, "is it running, and is the network up?");
	case CURLE_PEER_FAILED_VERIFICATION:
	case CURLE_SSL_ISSUER_ERROR:
		/* somebody is there, so this is no reason to try without TLS */
		r->is_transient = false;
		err_set(err, E_NETWORK, "registry '%s': its certificate is not trusted: %s", host,
		        why);
		return err_hint(err, "put its CA into /etc/containers/certs.d/%s/ca.crt", host);
	case CURLE_SSL_CONNECT_ERROR:
	case CURLE_SSL_CERTPROBLEM:
	case CURLE_SSL_CACERT_BADFILE:
		r->is_transient = false;
		r->is_unreachable = true;
		err_set(err, E_NETWORK, "registry '%s': TLS failed: %s", host, why);
		return err_hint(err, "for a registry without TLS use --tls-verify=false");
	case CURLE_OUT_OF_MEMORY:
		/* what libcurl says of a line of 100 KiB and more */
		r->is_transient = false;
		return err_set(err, E_LIMIT, "registry '%s': a line of its headers is too long",
		               host);
	case CURLE_OPERATION_TIMEDOUT:
		if (!is_connected(x->http)) {
			r->is_unreachable = true;
			err_set(err, E_NETWORK, "registry '%s' cannot be reached: no answer", host);
			return err_hint(err, "is it running, and is the network up?");
		}
		return err_set(err, E_TIMEOUT, "registry '%s' does not answer in time", host);
	default:
		return err_set(err, E_NETWORK, "registry '%s': the connection broke: %s", host,
		               why);
	}
}

static int exchange_once(struct exchange *x, const char *url, const char *origin,
                         bool with_authorization, struct err *err)
{
	char text[CURL_ERROR_SIZE] = "";
	const struct curl_api *api = x->http->api;
	struct curl_slist *headers = make_headers(x->http, x->request, with_authorization);
	CURLcode code;

	response_reset(x->response);
	x->header_bytes = 0;
	x->is_cut = false;
	set_options(x, url, origin, headers, text);
	code = api->easy_perform(x->http->handle);
	if (!x->response->status)
		api->easy_getinfo(x->http->handle, CURLINFO_RESPONSE_CODE, &x->response->status);
	/* the handle outlives the list and the texts */
	api->easy_setopt(x->http->handle, CURLOPT_HTTPHEADER, NULL);
	api->easy_setopt(x->http->handle, CURLOPT_ERRORBUFFER, NULL);
	api->slist_free_all(headers);
	if (code != CURLE_OK && !(code == CURLE_WRITE_ERROR && x->is_cut))
		return curl_failed(x, code, origin, text, err);
	x->response->is_transient = x->response->status == 429 || x->response->status >= 500;
	return 0;
}

static bool is_redirect(const struct http_response *r)
{
	return r->location && (r->status == 301 || r->status == 302 || r->status == 303 ||
	                       r->status == 307 || r->status == 308);
}

int http_perform(struct http *http, const struct http_request *request, struct http_response *ret,
                 struct err *err)
{
	struct exchange x = { .http = http, .request = request, .response = ret };
	AUTO_FREE char *first = origin_of(http->api, request->url);
	AUTO_FREE char *url = xstrdup(request->url);

	if (!first)
		return err_set(err, E_INVALID, "not an http or https address: '%.200s'",
		               request->url);
	for (int i = 0; i <= REDIRECTS_MAX; i++) {
		AUTO_FREE char *origin = origin_of(http->api, url);
		AUTO_FREE char *next = NULL;

		if (!origin)
			return err_set(err, E_NETWORK, "%s redirects to something else than http",
			               first);
		if (strncmp(first, "https:", 6) == 0 && strncmp(origin, "http:", 5) == 0 &&
		    !http->policy->insecure)
			return err_set(err, E_NETWORK, "%s redirects from https to http: refused",
			               first);
		if (exchange_once(&x, url, origin, strcmp(origin, first) == 0, err) < 0)
			return -1;
		if (!is_redirect(ret))
			return 0;
		/* a body that was sent is not sent again to somebody else */
		if (strcmp(request->method, "GET") != 0 && strcmp(request->method, "HEAD") != 0)
			return err_set(err, E_NETWORK, "%s redirects a %s: refused", first,
			               request->method);
		next = resolve_location(http->api, url, ret->location);
		if (!next)
			return err_set(err, E_NETWORK, "%s redirects to a bad address", first);
		free(url);
		url = TAKE_PTR(next);
	}
	return err_set(err, E_NETWORK, "%s redirects more than %d times", first, REDIRECTS_MAX);
}
