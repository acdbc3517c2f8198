#include "base/clock.h"
#include "base/fd.h"
#include "base/id.h"
#include "base/xalloc.h"
#include "codec/json.h"
#include "image/registry-internal.h"
#include "image/throttle-internal.h"
#include "oci/manifest.h"
#include "oci/ref.h"
#include <arpa/inet.h>
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <time.h>

#define TOKEN_MAX         (1u << 20)
#define RETRIES_DEFAULT   5
#define RETRY_FIRST_MS    400
#define RETRY_MOST_MS     15000
#define RETRY_TOLD_MOST_S 300
#define CERT_MAX          (1u << 20)
#define DOCKER_HOST       "registry-1.docker.io"

#define ACCEPT_MANIFESTS                                                                           \
	MEDIA_OCI_INDEX ", " MEDIA_DOCKER_LIST ", " MEDIA_OCI_MANIFEST ", " MEDIA_DOCKER_MANIFEST

enum scheme { SCHEME_UNKNOWN = 0, SCHEME_HTTPS, SCHEME_HTTP };

struct registry {
	char *domain; /* as in references */
	char *host;   /* HOST[:PORT] that is spoken to */
	char *path;
	char *root_url; /* of hosts.toml: "https://HOST/v2"; or NULL */
	char *query;    /* "ns=...", or "" */
	struct strv headers;
	char *proxy;
	bool may_http;
	int max_retries;
	struct creds creds;
	struct http_policy policy;
	char *tls_host;
	struct strbuf ca_pem;
	char *cert_file;
	char *key_file;
	bool push;
	struct strv mount_from;
	struct throttle throttle;
	/* held by who finds out the scheme: one attempt at TLS (which reads all CAs) is enough */
	pthread_mutex_t finding_out;
	/* shared by the threads */
	pthread_mutex_t lock;
	enum scheme scheme;
	char *authorization; /* of the header, once the registry asked; or NULL */
	unsigned generation; /* of authorization */
};

/* --- making one --- */

static bool is_loopback(const char *domain)
{
	size_t len = domain[0] == '[' ? strcspn(domain, "]") : strcspn(domain, ":");
	AUTO_FREE char *host = xstrndup(domain + (domain[0] == '['), len - (domain[0] == '['));
	struct in_addr v4;
	struct in6_addr v6;

	if (strcasecmp(host, "localhost") == 0)
		return true;
	if (inet_pton(AF_INET, host, &v4) == 1)
		return ntohl(v4.s_addr) >> 24 == 127;
	return inet_pton(AF_INET6, host, &v6) == 1 && IN6_IS_ADDR_LOOPBACK(&v6);
}

static bool has_suffix(const char *s, const char *suffix)
{
	size_t a = strlen(s), b = strlen(suffix);

	return a > b && strcmp(s + a - b, suffix) == 0;
}

/* *.crt are CAs, NAME.cert with NAME.key who we are. */
static int read_cert_dir(struct registry *reg, const char *dir_path, struct err *err)
{
	DIR *dir = opendir(dir_path);
	struct dirent *entry;
	int r = 0;

	if (!dir)
		return errno == ENOENT || errno == ENOTDIR
		               ? 0
		               : err_sys(err, errno, "read certificates in '%s'", dir_path);
	while (r == 0 && (entry = readdir(dir))) {
		AUTO_FREE char *text = NULL;
		size_t len;

		if (has_suffix(entry->d_name, ".crt")) {
			r = file_read_at(dirfd(dir), entry->d_name, CERT_MAX, &text, &len, err);
			if (r < 0)
				break;
			strbuf_add(&reg->ca_pem, text, len);
			strbuf_addc(&reg->ca_pem, '\n');
		} else if (has_suffix(entry->d_name, ".cert") && !reg->cert_file) {
			size_t stem = strlen(entry->d_name) - strlen(".cert");
			AUTO_FREE char *key =
				xasprintf("%s/%.*s.key", dir_path, (int)stem, entry->d_name);

			if (access(key, R_OK) < 0) {
				r = err_sys(err, errno, "key '%s' of the client certificate", key);
				break;
			}
			reg->cert_file = xasprintf("%s/%s", dir_path, entry->d_name);
			reg->key_file = TAKE_PTR(key);
		}
	}
	closedir(dir);
	return r;
}

static int read_certs(struct registry *reg, const char *cert_dir, struct err *err)
{
	const char *config = getenv("XDG_CONFIG_HOME"), *home = getenv("HOME");
	AUTO_STRV dirs = STRV_INIT;

	if (cert_dir && *cert_dir) {
		strv_add(&dirs, cert_dir);
	} else {
		if (config && *config)
			strv_addf(&dirs, "%s/containers/certs.d/%s", config, reg->domain);
		else if (home && *home)
			strv_addf(&dirs, "%s/.config/containers/certs.d/%s", home, reg->domain);
		strv_addf(&dirs, "/etc/containers/certs.d/%s", reg->domain);
		strv_addf(&dirs, "/etc/docker/certs.d/%s", reg->domain);
	}
	for (size_t i = 0; i < dirs.len; i++)
		if (read_cert_dir(reg, dirs.items[i], err) < 0)
			return -1;
	if (reg->ca_pem.len) {
		reg->policy.ca_pem = reg->ca_pem.buf;
		reg->policy.ca_pem_len = reg->ca_pem.len;
	}
	reg->policy.cert_file = reg->cert_file;
	reg->policy.key_file = reg->key_file;
	return 0;
}

/* HOST:PORT as http.c writes an origin, in lower case. */
static char *with_port(const char *host, bool is_http)
{
	const char *end = host[0] == '[' ? strchr(host, ']') : host;
	char *s = strchr(end ? end : host, ':') ? xstrdup(host)
	                                        : xasprintf("%s:%d", host, is_http ? 80 : 443);

	for (char *c = s; *c; c++)
		*c = (char)tolower((unsigned char)*c);
	return s;
}

static int add_ca(struct registry *reg, const char *file, struct err *err)
{
	AUTO_FREE char *text = NULL;
	size_t len;

	if (file_read_at(AT_FDCWD, file, CERT_MAX, &text, &len, err) < 0)
		return err_ctx(err, "CA of '%s'", reg->domain);
	strbuf_add(&reg->ca_pem, text, len);
	strbuf_addc(&reg->ca_pem, '\n');
	return 0;
}

/* What hosts.toml says of it. */
static int take_endpoint(struct registry *reg, const struct endpoint *e, struct err *err)
{
	bool is_http = e->root_url && strncmp(e->root_url, "http:", 5) == 0;

	reg->root_url = xstrdup_null(e->root_url);
	if (reg->root_url)
		reg->scheme = is_http ? SCHEME_HTTP : SCHEME_HTTPS;
	if (e->namespace) {
		AUTO_FREE char *name = http_escape(e->namespace);

		free(reg->query);
		reg->query = xasprintf("ns=%s", name);
	}
	strv_add_all(&reg->headers, e->headers.items);
	reg->policy.headers = reg->headers.len ? &reg->headers : NULL;
	reg->policy.skip_verify = e->skip_verify;
	for (size_t i = 0; i < e->ca_files.len; i++)
		if (add_ca(reg, e->ca_files.items[i], err) < 0)
			return -1;
	reg->cert_file = xstrdup_null(e->cert_file);
	reg->key_file = xstrdup_null(e->key_file);
	return 0;
}

static int find_credentials(struct registry *reg, const struct registry_options *options,
                            bool is_elsewhere, struct err *err)
{
	if (options->creds && *options->creds && !is_elsewhere)
		return creds_parse(options->creds, &reg->creds, err);
	return creds_find(options->authfile, reg->domain, reg->path, &reg->creds, err);
}

int registry_new(const char *domain, const char *path, const struct registry_options *options,
                 struct registry **ret, struct err *err)
{
	AUTO(registry_freep) struct registry *reg = xcalloc(1, sizeof(*reg));
	const struct endpoint *e = options->endpoint;
	const char *where = e ? e->domain : domain;
	/* what the command line says of TLS wins over what files say */
	int tls_verify = options->tls_verify < 0 && e && e->insecure ? 0 : options->tls_verify;

	pthread_mutex_init(&reg->finding_out, NULL);
	pthread_mutex_init(&reg->lock, NULL);
	throttle_init(&reg->throttle);
	reg->push = options->push;
	if (options->mount_from)
		strv_add_all(&reg->mount_from, options->mount_from->items);
	reg->ca_pem = STRBUF_INIT;
	reg->domain = xstrdup(where);
	reg->host = xstrdup(strcmp(where, REF_DEFAULT_DOMAIN) == 0 ? DOCKER_HOST : where);
	reg->path = xstrdup(e ? e->path : path);
	reg->query = xstrdup("");
	reg->tls_host =
		with_port(reg->host, e && e->root_url && strncmp(e->root_url, "http:", 5) == 0);
	reg->max_retries = options->max_retries < 0    ? 0
	                   : options->max_retries == 0 ? RETRIES_DEFAULT
	                                               : options->max_retries;
	reg->may_http = tls_verify == 0 || (tls_verify < 0 && is_loopback(where));
	reg->policy = (struct http_policy){ .insecure = tls_verify == 0,
		                            .tls_host = reg->tls_host,
		                            .cancel = options->cancel,
		                            .stop = options->stop };
	if (e && take_endpoint(reg, e, err) < 0)
		return -1;
	if (proxy_find(reg->domain, reg->path, &reg->proxy, err) < 0)
		return -1;
	reg->policy.proxy = reg->proxy;
	if (find_credentials(reg, options, strcmp(where, domain) != 0, err) < 0 ||
	    read_certs(reg, options->cert_dir, err) < 0)
		return -1;
	*ret = TAKE_PTR(reg);
	return 0;
}

void registry_free(struct registry *reg)
{
	if (!reg)
		return;
	free(reg->domain);
	free(reg->host);
	free(reg->path);
	free(reg->tls_host);
	free(reg->root_url);
	free(reg->query);
	strv_done(&reg->headers);
	if (reg->proxy)
		explicit_bzero(reg->proxy, strlen(reg->proxy));
	free(reg->proxy);
	free(reg->cert_file);
	free(reg->key_file);
	strbuf_done(&reg->ca_pem);
	creds_done(&reg->creds);
	if (reg->authorization)
		explicit_bzero(reg->authorization, strlen(reg->authorization));
	free(reg->authorization);
	pthread_mutex_destroy(&reg->lock);
	pthread_mutex_destroy(&reg->finding_out);
	throttle_done(&reg->throttle);
	strv_done(&reg->mount_from);
	free(reg);
}

const struct http_policy *registry_policy(const struct registry *reg)
{
	return &reg->policy;
}

const char *registry_domain(const struct registry *reg)
{
	return reg->domain;
}

const char *registry_path(const struct registry *reg)
{
	return reg->path;
}

int registry_max_retries(const struct registry *reg)
{
	return reg->max_retries;
}

/* --- waiting --- */

int64_t registry_delay_ms(int attempt, int64_t told_s)
{
	int64_t ms = RETRY_FIRST_MS;

	if (told_s >= 0)
		return (told_s > RETRY_TOLD_MOST_S ? RETRY_TOLD_MOST_S : told_s) * 1000;
	for (int i = 1; i < attempt && ms < RETRY_MOST_MS; i++)
		ms *= 2;
	return ms > RETRY_MOST_MS ? RETRY_MOST_MS : ms;
}

static int interrupted(const struct registry *reg, struct err *err)
{
	const struct http_policy *p = &reg->policy;

	if ((p->cancel && *p->cancel) || (p->stop && atomic_load(p->stop)))
		return err_set(err, E_INTERRUPTED, "interrupted");
	return 0;
}

int registry_wait(const struct registry *reg, int attempt, int64_t told_s, struct err *err)
{
	int64_t ms = registry_delay_ms(attempt, told_s);
	uint8_t jitter;

	random_bytes(&jitter, sizeof(jitter));
	ms += jitter; /* so that many clients do not come back at once */
	while (ms > 0) {
		int64_t step = ms < 50 ? ms : 50;
		struct timespec ts = { .tv_nsec = step * 1000000 };

		if (interrupted(reg, err) < 0)
			return -1;
		nanosleep(&ts, NULL);
		ms -= step;
	}
	return interrupted(reg, err);
}

/* --- authentication --- */

static int parse_token(struct registry *reg, const struct strbuf *body, char **ret, struct err *err)
{
	AUTO_JSON *obj = NULL;
	const char *token = NULL;
	struct json root;

	if (json_parse("answer of the token server", body->buf, body->len, &obj, err) < 0)
		return -1;
	root = json_root(obj, "answer of the token server");
	if (json_expect(&root, json_type_object, err) < 0 ||
	    json_get_str(&root, "token", &token, err) < 0)
		return -1;
	if ((!token || !*token) && json_get_str(&root, "access_token", &token, err) < 0)
		return -1;
	if (!token || !*token)
		return err_set(err, E_AUTH, "the token server of '%s' gave no token", reg->domain);
	/* it becomes a header line */
	for (const char *s = token; *s; s++)
		if (*s <= ' ' || *s == 0x7f)
			return err_set(err, E_AUTH, "the token server of '%s' gave a bad token",
			               reg->domain);
	*ret = xasprintf("Bearer %s", token);
	return 0;
}

/* A realm over http would carry the credentials in the clear: only where the registry itself may
 * be spoken to so (CVE-2019-10214). */
static int check_realm(const struct registry *reg, const char *realm, struct err *err)
{
	if (realm && strncasecmp(realm, "https://", 8) == 0)
		return 0;
	if (realm && strncasecmp(realm, "http://", 7) == 0 && reg->scheme == SCHEME_HTTP)
		return 0;
	err_set(err, E_AUTH, "registry '%s' sends us for a token to '%.200s': refused, no https",
	        reg->domain, realm ? realm : "");
	return -1;
}

/* What the token is to allow, as query parameters (separator "&scope=") or one value (" "). One
 * token serves all that is going to be done. Caller frees. */
static char *wanted_scope(const struct registry *reg, const char *told, const char *separator)
{
	AUTO_BUF out = STRBUF_INIT;
	/* a login (no repository) asks for no right but to be known */
	AUTO_FREE char *own = reg->path[0] ? xasprintf("repository:%s:pull%s", reg->path,
	                                               reg->push ? ",push" : "")
	                                   : xstrdup("");
	AUTO_FREE char *first = http_escape(told && !reg->push ? told : own);

	strbuf_adds(&out, first);
	for (size_t i = 0; i < reg->mount_from.len; i++) {
		AUTO_FREE char *more = xasprintf("repository:%s:pull", reg->mount_from.items[i]);
		AUTO_FREE char *text = http_escape(more);

		strbuf_addf(&out, "%s%s", separator, text);
	}
	return strbuf_take(&out);
}

static int get_token(struct registry *reg, struct http *http, const struct challenge *c, char **ret,
                     struct err *err)
{
	AUTO_RESPONSE r = HTTP_RESPONSE_INIT;
	AUTO_FREE char *basic = NULL;
	AUTO_FREE char *form = NULL;
	AUTO_FREE char *url = NULL;
	AUTO_FREE char *service = http_escape(c->service ? c->service : "");
	AUTO_FREE char *scope =
		wanted_scope(reg, c->scope, reg->creds.identity_token ? "%20" : "&scope=");
	struct http_request q = { .method = "GET", .max_body = TOKEN_MAX };

	if (check_realm(reg, c->realm, err) < 0)
		return -1;
	if (reg->creds.identity_token) {
		AUTO_FREE char *token = http_escape(reg->creds.identity_token);

		form = xasprintf("grant_type=refresh_token&client_id=dhow&service=%s&scope=%s"
		                 "&refresh_token=%s",
		                 service, scope, token);
		q.method = "POST";
		q.form = form;
		q.url = c->realm;
	} else {
		url = xasprintf("%s%sservice=%s&scope=%s", c->realm,
		                strchr(c->realm, '?') ? "&" : "?", service, scope);
		q.url = url;
		if (reg->creds.user)
			basic = creds_basic(&reg->creds);
		q.authorization = basic;
	}
	if (http_perform(http, &q, &r, err) < 0)
		return err_ctx(err, "get a token for '%s'", reg->domain);
	if (basic)
		explicit_bzero(basic, strlen(basic));
	if (r.status == 401 || r.status == 403) {
		err_set(err, E_AUTH, "registry '%s' refuses the credentials", reg->domain);
		return err_hint(err, "check --creds or --authfile");
	}
	if (r.status != 200)
		return err_set(err, E_AUTH, "the token server of '%s' answers with status %ld",
		               reg->domain, r.status);
	return parse_token(reg, &r.body, ret, err);
}

static int no_credentials(const struct registry *reg, struct err *err)
{
	err_set(err, E_AUTH, "registry '%s' wants credentials for '%s'%s", reg->domain, reg->path,
	        reg->creds.user ? " other than those given" : "");
	return err_hint(err, "give them with --creds USER:PASSWORD or --authfile");
}

/* Answer the challenges of a 401. With the lock held. */
static int authorize(struct registry *reg, struct http *http, const struct http_response *r,
                     struct err *err)
{
	struct challenge bearer = { 0 }, basic = { 0 };
	char *value = NULL;
	int result = 0;

	for (size_t i = 0; i < r->challenges.len; i++) {
		struct challenge c;

		challenge_parse(r->challenges.items[i], &c);
		if (c.is_bearer && !bearer.is_bearer) {
			bearer = c;
		} else if (c.is_basic && !basic.is_basic) {
			basic = c;
		} else {
			challenge_done(&c);
		}
	}
	if (bearer.is_bearer)
		result = get_token(reg, http, &bearer, &value, err);
	else if (basic.is_basic && reg->creds.user)
		value = creds_basic(&reg->creds);
	else
		result = no_credentials(reg, err);
	challenge_done(&bearer);
	challenge_done(&basic);
	if (result < 0)
		return -1;
	if (reg->authorization)
		explicit_bzero(reg->authorization, strlen(reg->authorization));
	free(reg->authorization);
	reg->authorization = value;
	reg->generation++;
	return 0;
}

/* --- requests --- */

/* "errors": [{"code": ..., "message": ...}], as far as it can be read. Caller frees. */
static char *server_message(const struct http_response *r)
{
	AUTO_JSON *obj = NULL;
	struct json root, errors, first;
	const char *message = NULL;
	bool present = false;

	if (json_parse("error", r->body.buf, r->body.len, &obj, ERR_IGNORE) < 0)
		return NULL;
	root = json_root(obj, "error");
	if (json_expect(&root, json_type_object, ERR_IGNORE) < 0 ||
	    json_get_array(&root, "errors", &errors, &present, ERR_IGNORE) < 0 || !present ||
	    json_len(&errors) == 0)
		return NULL;
	first = json_item(&errors, 0);
	if (json_expect(&first, json_type_object, ERR_IGNORE) < 0 ||
	    json_get_str(&first, "message", &message, ERR_IGNORE) < 0 || !message || !*message)
		return NULL;
	return http_printable(message, 200);
}

int registry_bad_status(const struct registry *reg, const char *what, const struct http_response *r,
                        struct err *err)
{
	AUTO_FREE char *message = server_message(r);
	const char *sep = message ? ": " : "", *text = message ? message : "";

	if (r->status == 401 && (reg->creds.user || reg->creds.identity_token)) {
		err_set(err, E_AUTH, "registry '%s' refuses the credentials for %s%s%s",
		        reg->domain, what, sep, text);
		return err_hint(err, "check --creds or --authfile");
	}
	switch (r->status) {
	case 401:
	case 403:
		err_set(err, E_AUTH, "registry '%s' denies access to %s%s%s", reg->domain, what,
		        sep, text);
		return err_hint(err,
		                "check the name; if it is private, give --creds or --authfile");
	case 404:
		err_set(err, E_NOT_FOUND, "registry '%s' has no %s%s%s", reg->domain, what, sep,
		        text);
		return err_hint(err, "check the name and the tag");
	case 416:
		return err_set(err, E_CORRUPT,
		               "%s: the registry has fewer bytes of it than its"
		               " manifest says",
		               what);
	case 429:
		err_set(err, E_LIMIT, "registry '%s' gets too many requests%s%s", reg->domain, sep,
		        text);
		return err_hint(err, "try again later, or log in for a higher limit");
	default:
		return err_set(err, E_NETWORK, "registry '%s' answers status %ld for %s%s%s",
		               reg->domain, r->status, what, sep, text);
	}
}

static const char *scheme_text(enum scheme s)
{
	return s == SCHEME_HTTP ? "http" : "https";
}

/* Caller frees. */
static char *make_url(const struct registry *reg, enum scheme scheme, const char *at)
{
	const char *sep = reg->path[0] ? "/" : "", *query;

	if (strncasecmp(at, "http://", 7) == 0 || strncasecmp(at, "https://", 8) == 0)
		return xstrdup(at);
	if (at[0] == '/')
		return xasprintf("%s://%s%s", scheme_text(scheme), reg->host, at);
	query = !*reg->query ? "" : strchr(at, '?') ? "&" : "?";
	/* without a repository: the registry's own address, which tells who may come in */
	if (reg->root_url)
		return xasprintf("%s/%s%s%s%s%s", reg->root_url, reg->path, sep, at, query,
		                 reg->query);
	return xasprintf("%s://%s/v2/%s%s%s%s%s", scheme_text(scheme), reg->host, reg->path, sep,
	                 at, query, reg->query);
}

/* Whether the URL is one of the registry's own; a step from https to http is refused. Return -1. */
static int is_own_url(const struct registry *reg, const struct http *http, enum scheme scheme,
                      const char *url, struct err *err)
{
	AUTO_FREE char *own = make_url(reg, scheme, "/");

	if (scheme == SCHEME_HTTPS && strncasecmp(url, "http://", 7) == 0 && !reg->policy.insecure)
		return err_set(err, E_NETWORK, "registry '%s' sends us from https to http: refused",
		               reg->domain);
	return http_is_same_origin(http, own, url);
}

static bool is_interrupted(const void *ctx)
{
	return interrupted(ctx, ERR_IGNORE) < 0;
}

/* One exchange with what is known of scheme and token by now. */
static int exchange(struct registry *reg, struct http *http, struct http_request *q, const char *at,
                    enum scheme scheme, struct http_response *r, struct err *err)
{
	AUTO_FREE char *authorization = NULL;
	AUTO_FREE char *url = make_url(reg, scheme, at);
	int result = is_own_url(reg, http, scheme, url, err);

	if (result < 0 || throttle_enter(&reg->throttle, is_interrupted, reg, err) < 0)
		return -1;
	if (result) {
		pthread_mutex_lock(&reg->lock);
		authorization = xstrdup_null(reg->authorization);
		pthread_mutex_unlock(&reg->lock);
	}
	q->url = url;
	q->authorization = authorization;
	result = http_perform(http, q, r, err);
	q->url = q->authorization = NULL;
	throttle_leave(&reg->throttle, r->status, r->retry_after_s);
	return result;
}

static int request(struct registry *reg, struct http *http, struct http_request *q, const char *at,
                   struct http_response *r, struct err *err)
{
	enum scheme scheme;
	unsigned generation;

	for (int attempt = 0;; attempt++) {
		int result;

		pthread_mutex_lock(&reg->lock);
		scheme = reg->scheme == SCHEME_UNKNOWN ? SCHEME_HTTPS : reg->scheme;
		generation = reg->generation;
		pthread_mutex_unlock(&reg->lock);
		result = exchange(reg, http, q, at, scheme, r, err);
		/* another thread may have found out meanwhile */
		if (result < 0 && scheme == SCHEME_HTTPS && reg->scheme != SCHEME_HTTPS &&
		    reg->may_http && r->is_unreachable) {
			struct err first = *err;

			pthread_mutex_lock(&reg->lock);
			reg->scheme = SCHEME_HTTP;
			pthread_mutex_unlock(&reg->lock);
			result = request(reg, http, q, at, r, err);
			if (result < 0 && r->is_unreachable) {
				/* nothing listens with either */
				reg->scheme = SCHEME_UNKNOWN;
				if (err->code != E_NETWORK)
					*err = first;
			}
			return result;
		}
		if (result < 0)
			return -1;
		pthread_mutex_lock(&reg->lock);
		reg->scheme = scheme;
		result = 0;
		/* refused with a token: it may be too old, so once more with a new one */
		if (r->status == 401 && attempt < 2 && generation == reg->generation)
			result = authorize(reg, http, r, err);
		pthread_mutex_unlock(&reg->lock);
		if (result < 0)
			return -1;
		/* a body from a source is gone by now: its sender begins again */
		if (r->status != 401 || attempt >= 2 || q->source)
			return 0;
	}
}

static bool is_scheme_known(struct registry *reg)
{
	enum scheme scheme;

	pthread_mutex_lock(&reg->lock);
	scheme = reg->scheme;
	pthread_mutex_unlock(&reg->lock);
	return scheme != SCHEME_UNKNOWN;
}

int registry_request_once(struct registry *reg, struct http *http, struct http_request *q,
                          const char *at, struct http_response *r, struct err *err)
{
	int result;

	if (is_scheme_known(reg))
		return request(reg, http, q, at, r, err);
	pthread_mutex_lock(&reg->finding_out);
	if (is_scheme_known(reg)) {
		pthread_mutex_unlock(&reg->finding_out);
		return request(reg, http, q, at, r, err);
	}
	result = request(reg, http, q, at, r, err);
	pthread_mutex_unlock(&reg->finding_out);
	return result;
}

int registry_request(struct registry *reg, struct http *http, struct http_request *q,
                     const char *at, const char *what, struct http_response *r, struct err *err)
{
	for (int attempt = 1;; attempt++) {
		int result = registry_request_once(reg, http, q, at, r, err);

		if (result == 0 && r->status >= 200 && r->status <= 299)
			return 0;
		if (result == 0)
			result = registry_bad_status(reg, what, r, err);
		/* a registry that is not there at first will not be in a moment */
		if (!r->is_transient || (r->is_unreachable && err->code != E_TIMEOUT) ||
		    attempt > reg->max_retries)
			return -1;
		if (registry_wait(reg, attempt, r->retry_after_s, err) < 0)
			return -1;
	}
}

int registry_ping(struct registry *reg, struct http *http, struct err *err)
{
	AUTO_RESPONSE r = HTTP_RESPONSE_INIT;
	AUTO_FREE char *what = xasprintf("log in to '%s'", reg->domain);
	struct http_request q = { .method = "GET", .max_body = HTTP_ERROR_BODY_MAX };

	return registry_request(reg, http, &q, "", what, &r, err);
}

int registry_manifest(struct registry *reg, struct http *http, const char *reference,
                      const struct digest *expected, char **ret_text, size_t *ret_len,
                      char **ret_type, struct digest *ret_digest, struct err *err)
{
	AUTO_RESPONSE r = HTTP_RESPONSE_INIT;
	AUTO_FREE char *url_path = xasprintf("manifests/%s", reference);
	AUTO_FREE char *what = xasprintf("image '%s%s%s'", reg->path,
	                                 strchr(reference, ':') ? "@" : ":", reference);
	struct http_request q = { .method = "GET",
		                  .accept = ACCEPT_MANIFESTS,
		                  .max_body = MANIFEST_MAX_BYTES };
	struct digest got, told;

	if (registry_request(reg, http, &q, url_path, what, &r, err) < 0)
		return -1;
	digest_of(expected ? expected->alg : DIGEST_SHA256, r.body.buf, r.body.len, &got);
	if (expected && !digest_equal(expected, &got))
		return err_set(err, E_CORRUPT, "manifest %s: what came has the digest %s",
		               digest_format(expected).s, digest_format(&got).s);
	if (!expected && r.digest && digest_parse(r.digest, &told, ERR_IGNORE) == 0 &&
	    told.alg == got.alg && !digest_equal(&told, &got))
		return err_set(err, E_CORRUPT,
		               "%s: the registry says its digest is %s, what came has %s", what,
		               digest_format(&told).s, digest_format(&got).s);
	*ret_digest = got;
	*ret_type = xstrdup_null(r.content_type);
	*ret_len = r.body.len;
	*ret_text = strbuf_take(&r.body);
	return 0;
}

int registry_blob(struct registry *reg, struct http *http, const struct descriptor *d,
                  size_t max_bytes, char **ret_text, struct err *err)
{
	AUTO_RESPONSE r = HTTP_RESPONSE_INIT;
	AUTO_FREE char *url_path = xasprintf("blobs/%s", digest_format(&d->digest).s);
	AUTO_FREE char *what = xasprintf("blob %s", digest_format(&d->digest).s);
	struct http_request q = { .method = "GET" };
	struct digest got;

	if (d->size > max_bytes)
		return err_set(err, E_LIMIT, "%s: %llu bytes, at most %zu are taken", what,
		               (unsigned long long)d->size, max_bytes);
	q.max_body = (size_t)d->size;
	if (registry_request(reg, http, &q, url_path, what, &r, err) < 0)
		return err->code == E_LIMIT ? err_ctx(err, "%s", what) : -1;
	if (r.body.len != d->size)
		return err_set(err, E_CORRUPT, "%s: %zu bytes came instead of %llu", what,
		               r.body.len, (unsigned long long)d->size);
	digest_of(d->digest.alg, r.body.buf, r.body.len, &got);
	if (!digest_equal(&got, &d->digest))
		return err_set(err, E_CORRUPT, "%s: what came has the digest %s", what,
		               digest_format(&got).s);
	*ret_text = strbuf_take(&r.body);
	return 0;
}

int registry_stream(struct registry *reg, struct http *http, const struct descriptor *d,
                    uint64_t offset, http_sink sink, void *ctx, bool *ret_transient,
                    int64_t *ret_wait_s, struct err *err)
{
	AUTO_RESPONSE r = HTTP_RESPONSE_INIT;
	AUTO_FREE char *url_path = xasprintf("blobs/%s", digest_format(&d->digest).s);
	AUTO_FREE char *what = xasprintf("blob %s", digest_format(&d->digest).s);
	struct http_request q = {
		.method = "GET", .range_from = offset, .sink = sink, .sink_ctx = ctx
	};
	int result = registry_request_once(reg, http, &q, url_path, &r, err);

	*ret_transient = r.is_transient;
	*ret_wait_s = r.retry_after_s;
	if (result < 0)
		return -1;
	if (r.status == 200 || r.status == 206)
		return 0;
	return registry_bad_status(reg, what, &r, err);
}
