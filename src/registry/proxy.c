#include "registry/proxy.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/xalloc.h"
#include "image/upstream.h"
#include "oci/ref.h"
#include "registry/facts.h"
#include "registry/server-internal.h"
#include <errno.h>

#define FLIGHTS_MAX 8
#define STACK_BYTES (512u << 10)

/* A blob on its way. Freed by the last of its download and its readers. */
struct flight {
	struct proxy *proxy;
	struct flight *next;
	char *repo;
	struct digest digest;
	uint64_t size;
	struct repo_upload upload; /* of the download's thread, but for its fd */
	struct digester *digester; /* likewise */
	/* under the proxy's lock */
	uint64_t have;
	int users;
	bool ended;
	bool failed;
};

struct proxy {
	struct server *server;
	char *domain;
	atomic_bool stop;
	pthread_mutex_t lock;
	pthread_cond_t changed;
	struct flight *flights; /* those under way */
	int n_flights;
};

struct proxy_stream {
	struct flight *flight;
	uint64_t base; /* where the range begins */
};

/* --- making one --- */

static int take_url(const char *url, char **ret, struct err *err)
{
	const char *host = strstr(url, "://");
	AUTO_FREE char *name = NULL;
	AUTO_REF ref = IMAGE_REF_INIT;
	size_t len;

	if (host && strncmp(url, "https://", 8) != 0 && strncmp(url, "http://", 7) != 0)
		return err_set(err, E_INVALID, "upstream '%.200s': http or https", url);
	host = host ? host + 3 : url;
	len = strcspn(host, "/");
	if (host[len] && host[len + 1])
		return err_set(err, E_INVALID, "upstream '%.200s': a registry, without a path",
		               url);
	*ret = xstrndup(host, len);
	/* checked as the domain of a reference */
	name = xasprintf("%s/x:x", *ret);
	if (image_ref_parse(name, &ref, err) == 0 && strcmp(ref.domain, *ret) == 0)
		return 0;
	free(TAKE_PTR(*ret));
	return err_set(err, E_INVALID, "upstream '%.200s' is not HOST[:PORT]", url);
}

int proxy_new(struct server *server, struct proxy **ret, struct err *err)
{
	AUTO(proxy_freep) struct proxy *proxy = xcalloc(1, sizeof(*proxy));

	proxy->server = server;
	pthread_mutex_init(&proxy->lock, NULL);
	pthread_cond_init(&proxy->changed, NULL);
	if (take_url(server->options->proxy, &proxy->domain, err) < 0)
		return -1;
	/* before there are threads */
	if (upstream_init(err) < 0)
		return -1;
	*ret = TAKE_PTR(proxy);
	return 0;
}

void proxy_free(struct proxy *proxy)
{
	if (!proxy)
		return;
	atomic_store(&proxy->stop, true);
	pthread_mutex_lock(&proxy->lock);
	while (proxy->n_flights)
		pthread_cond_wait(&proxy->changed, &proxy->lock);
	pthread_mutex_unlock(&proxy->lock);
	pthread_cond_destroy(&proxy->changed);
	pthread_mutex_destroy(&proxy->lock);
	free(proxy->domain);
	free(proxy);
}

/* The upstream's side of one repository. */
static int open_upstream(struct proxy *proxy, const char *repo, struct upstream **ret,
                         struct err *err)
{
	const struct registry_serve_options *o = proxy->server->options;
	struct upstream_options options = { .tls_verify = o->proxy_tls_verify,
		                            .creds = o->proxy_creds,
		                            .authfile = o->proxy_authfile,
		                            .cert_dir = o->proxy_cert_dir,
		                            .max_retries = 1,
		                            .stop = &proxy->stop };

	/* said with a scheme, plain http is what was asked for */
	if (strncmp(o->proxy, "http://", 7) == 0)
		options.tls_verify = 0;
	return upstream_open(proxy->domain, repo, &options, ret, err);
}

/* --- manifests --- */

static int fetch_manifest(struct request *q, struct upstream_manifest *ret, struct err *err)
{
	AUTO(upstream_closep) struct upstream *up = NULL;

	if (open_upstream(q->server->proxy, q->route.name, &up, err) < 0)
		return -1;
	return upstream_get_manifest(up, q->route.tag, &q->route.digest, ret, err);
}

static int keep_manifest(struct request *q, const struct upstream_manifest *m,
                         struct image_store *store, struct err *err)
{
	const char *const tags[] = { q->route.tag };
	AUTO_FACTS f = MANIFEST_FACTS_INIT;
	struct repo_manifest_new new = { .text = m->text,
		                         .len = m->len,
		                         .digest = m->digest,
		                         .tags = tags,
		                         .n_tags = q->route.tag ? 1 : 0 };
	int r;

	pthread_mutex_lock(&q->server->parsing);
	r = manifest_facts_parse(m->type, m->text, m->len, &f, err);
	pthread_mutex_unlock(&q->server->parsing);
	if (r < 0)
		return -1;
	new.media_type = f.media_type;
	new.subject = f.subject;
	new.artifact_type = f.artifact_type;
	new.annotations = f.annotations;
	new.links = f.links;
	new.n_links = f.n_links;
	return repo_put_manifest(store, q->route.name, &new, err);
}

/* Whether what we have may be served although the upstream did not say so just now. */
static bool may_pass(const struct err *err)
{
	return err->code == E_NETWORK || err->code == E_TIMEOUT || err->code == E_LIMIT;
}

static bool has_manifest(struct request *q, struct image_store *store)
{
	AUTO_REPO_MANIFEST m = { 0 };

	return repo_find_manifest(store, q->route.name, q->route.tag, &q->route.digest, &m,
	                          ERR_IGNORE) == 0;
}

static void upstream_failed(struct request *q, const struct err *err)
{
	log_debug("upstream: %s", err->msg);
	if (err->code == E_NOT_FOUND || err->code == E_AUTH)
		reply_error(&q->reply, 404,
		            q->route.kind == ROUTE_BLOB ? "BLOB_UNKNOWN" : "MANIFEST_UNKNOWN", "%s",
		            err->msg);
	else if (err->code == E_LIMIT)
		reply_error(&q->reply, 429, "TOOMANYREQUESTS", "%s", err->msg);
	else
		reply_error(&q->reply, 502, "UNSUPPORTED", "%s", err->msg);
}

void proxy_manifest(struct request *q)
{
	struct upstream_manifest m = { 0 };
	struct err err = ERR_INIT;
	struct image_store *store = stores_take(q->server->stores, &err);
	bool have = store && has_manifest(q, store);
	int r = 0;

	/* never with a handle of the store across the network */
	if (store && (q->route.tag || !have)) {
		stores_give(q->server->stores, store);
		r = fetch_manifest(q, &m, &err);
		store = stores_take(q->server->stores, r < 0 ? ERR_IGNORE : &err);
	}
	if (store && r == 0 && m.text)
		r = keep_manifest(q, &m, store, &err);
	if (store && r < 0 && err.code == E_NOT_FOUND && q->route.tag)
		repo_remove_tag(store, q->route.name, q->route.tag, ERR_IGNORE);
	if (store && (r == 0 || (have && may_pass(&err))))
		manifest_get(q, store);
	else
		upstream_failed(q, &err);
	if (store)
		stores_give(q->server->stores, store);
	upstream_manifest_done(&m);
}

/* --- blobs --- */

/* With the lock held. */
static void drop_user(struct flight *f)
{
	if (--f->users)
		return;
	repo_upload_close(&f->upload);
	if (f->digester)
		digester_free(f->digester);
	free(f->repo);
	free(f);
}

static int on_bytes(void *ctx, uint64_t offset, const void *data, size_t len, struct err *err)
{
	struct flight *f = ctx;

	if (repo_upload_write(&f->upload, data, len, err) < 0)
		return -1;
	digester_update(f->digester, data, len);
	pthread_mutex_lock(&f->proxy->lock);
	f->have = offset + len;
	pthread_cond_broadcast(&f->proxy->changed);
	pthread_mutex_unlock(&f->proxy->lock);
	return 0;
}

static int download(struct flight *f, struct err *err)
{
	AUTO(upstream_closep) struct upstream *up = NULL;

	if (open_upstream(f->proxy, f->repo, &up, err) < 0)
		return -1;
	return upstream_get_blob(up, &f->digest, f->size, on_bytes, f, err);
}

static int finish(struct flight *f, struct image_store *store, struct err *err)
{
	struct digest got;

	digester_finish(f->digester, &got);
	if (!digest_equal(&got, &f->digest))
		return err_set(err, E_CORRUPT, "the upstream's blob has the digest %s",
		               digest_format(&got).s);
	return repo_upload_commit(store, &f->upload, &f->digest, err);
}

static void *fly(void *arg)
{
	struct flight *f = arg;
	struct proxy *proxy = f->proxy;
	struct err err = ERR_INIT;
	int r = download(f, &err);
	struct image_store *store = stores_take(proxy->server->stores, r < 0 ? ERR_IGNORE : &err);

	if (r == 0)
		r = store ? finish(f, store, &err) : -1;
	if (r < 0) {
		log_debug("fetch blob %s: %s", digest_format(&f->digest).s, err.msg);
		if (store)
			repo_upload_cancel(store, &f->upload, ERR_IGNORE);
	}
	if (store)
		stores_give(proxy->server->stores, store);
	pthread_mutex_lock(&proxy->lock);
	f->ended = true;
	f->failed = r < 0;
	for (struct flight **p = &proxy->flights; *p; p = &(*p)->next)
		if (*p == f) {
			*p = f->next;
			break;
		}
	proxy->n_flights--;
	pthread_cond_broadcast(&proxy->changed);
	drop_user(f);
	pthread_mutex_unlock(&proxy->lock);
	return NULL;
}

static int start_thread(struct flight *f, struct err *err)
{
	pthread_attr_t attr;
	pthread_t thread;
	int r;

	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, STACK_BYTES);
	pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
	r = pthread_create(&thread, &attr, fly, f);
	pthread_attr_destroy(&attr);
	return r ? err_sys(err, r, "start a thread") : 0;
}

/* With the lock held. */
static struct flight *find_flight(struct proxy *proxy, const char *repo, const struct digest *d)
{
	for (struct flight *f = proxy->flights; f; f = f->next)
		if (digest_equal(&f->digest, d) && strcmp(f->repo, repo) == 0)
			return f;
	return NULL;
}

/* The download of it, joined or begun; counted for the caller. NULL: err. With the lock held. */
static struct flight *join_flight(struct request *q, struct image_store *store, uint64_t size,
                                  struct err *err)
{
	struct proxy *proxy = q->server->proxy;
	struct flight *f = find_flight(proxy, q->route.name, &q->route.digest);

	if (f) {
		f->users++;
		return f;
	}
	if (proxy->n_flights == FLIGHTS_MAX) {
		err_set(err, E_BUSY, "%d blobs are being fetched already", FLIGHTS_MAX);
		return NULL;
	}
	f = xcalloc(1, sizeof(*f));
	f->proxy = proxy;
	f->repo = xstrdup(q->route.name);
	f->digest = q->route.digest;
	f->size = size;
	f->upload = REPO_UPLOAD_INIT;
	f->digester = digester_new(f->digest.alg);
	f->users = 1;
	if (repo_upload_begin(store, f->repo, f->digest.alg, &f->upload, err) < 0) {
		drop_user(f);
		return NULL;
	}
	if (start_thread(f, err) < 0) {
		repo_upload_cancel(store, &f->upload, ERR_IGNORE);
		drop_user(f);
		return NULL;
	}
	f->users++;
	proxy->n_flights++;
	f->next = proxy->flights;
	proxy->flights = f;
	return f;
}

static void send_stream(struct request *q, struct flight *f)
{
	struct reply *r = &q->reply;
	uint64_t first, len;

	if (blob_range(q, &q->route.digest, f->size, &first, &len)) {
		r->kind = REPLY_STREAM;
		r->stream = xcalloc(1, sizeof(*r->stream));
		*r->stream = (struct proxy_stream){ f, first };
		r->len = len;
		return;
	}
	pthread_mutex_lock(&f->proxy->lock);
	drop_user(f);
	pthread_mutex_unlock(&f->proxy->lock);
}

/* A blob that the repository may have but does not yet. */
static void fetch_blob(struct request *q, struct image_store *store)
{
	struct proxy *proxy = q->server->proxy;
	struct err err = ERR_INIT;
	struct flight *f = NULL;
	uint64_t size;

	if (repo_linked_size(store, q->route.name, &q->route.digest, &size, &err) < 0) {
		reply_failure(&q->reply, &err, "BLOB_UNKNOWN");
		return;
	}
	/* of another repository: the upstream's manifest names it, so it is ours to give */
	if (repo_mount_blob(store, NULL, q->route.name, &q->route.digest, &err) == 0) {
		blob_get(q, store);
		return;
	}
	if (request_is(q, "HEAD")) {
		uint64_t first, len;

		if (blob_range(q, &q->route.digest, size, &first, &len)) {
			q->reply.kind = REPLY_STREAM;
			q->reply.len = len;
		}
		return;
	}
	pthread_mutex_lock(&proxy->lock);
	f = join_flight(q, store, size, &err);
	pthread_mutex_unlock(&proxy->lock);
	if (f)
		send_stream(q, f);
	else
		reply_failure(&q->reply, &err, NULL);
}

void proxy_blob(struct request *q)
{
	struct err err = ERR_INIT;
	struct image_store *store = stores_take(q->server->stores, &err);
	int have;

	if (!store) {
		reply_failure(&q->reply, &err, NULL);
		return;
	}
	have = repo_has_blob(store, q->route.name, &q->route.digest, NULL, &err);
	if (have < 0)
		reply_failure(&q->reply, &err, NULL);
	else if (have)
		blob_get(q, store);
	else
		fetch_blob(q, store);
	stores_give(q->server->stores, store);
}

/* --- reading along --- */

ssize_t proxy_stream_read(struct proxy_stream *stream, uint64_t pos, char *buf, size_t max)
{
	struct flight *f = stream->flight;
	uint64_t at = stream->base + pos, have;
	bool failed;

	pthread_mutex_lock(&f->proxy->lock);
	/* the end waits for the digest: what is wrong must not end as if it were right */
	while (!f->ended && (f->have <= at || f->have == f->size))
		pthread_cond_wait(&f->proxy->changed, &f->proxy->lock);
	have = f->have;
	failed = f->failed;
	pthread_mutex_unlock(&f->proxy->lock);
	if (failed || have <= at)
		return -1;
	if (max > have - at)
		max = (size_t)(have - at);
	for (;;) {
		ssize_t n = pread(f->upload.fd, buf, max, (off_t)at);

		if (n >= 0 || errno != EINTR)
			return n > 0 ? n : -1;
	}
}

void proxy_stream_free(struct proxy_stream *stream)
{
	struct proxy *proxy = stream->flight->proxy;

	pthread_mutex_lock(&proxy->lock);
	drop_user(stream->flight);
	pthread_mutex_unlock(&proxy->lock);
	free(stream);
}
