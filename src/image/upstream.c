#include "image/upstream.h"
#include "base/xalloc.h"
#include "image/registry-internal.h"
#include "oci/ref.h"

#define ATTEMPTS_MAX 5

struct upstream {
	struct registry *reg;
	struct http http;
	bool has_http;
};

int upstream_init(struct err *err)
{
	return curl_api(err) ? 0 : -1;
}

int upstream_open(const char *domain, const char *repo, const struct upstream_options *options,
                  struct upstream **ret, struct err *err)
{
	AUTO(upstream_closep) struct upstream *up = xcalloc(1, sizeof(*up));
	struct registry_options o = { .tls_verify = options->tls_verify,
		                      .creds = options->creds,
		                      .authfile = options->authfile,
		                      .cert_dir = options->cert_dir,
		                      .max_retries = options->max_retries,
		                      .stop = options->stop };
	bool is_short = strcmp(domain, REF_DEFAULT_DOMAIN) == 0 && !strchr(repo, '/');
	AUTO_FREE char *path = xasprintf("%s%s", is_short ? "library/" : "", repo);

	if (registry_new(domain, path, &o, &up->reg, err) < 0 ||
	    http_init(&up->http, registry_policy(up->reg), err) < 0)
		return -1;
	up->has_http = true;
	*ret = TAKE_PTR(up);
	return 0;
}

void upstream_close(struct upstream *up)
{
	if (!up)
		return;
	if (up->has_http)
		http_done(&up->http);
	registry_free(up->reg);
	free(up);
}

void upstream_manifest_done(struct upstream_manifest *m)
{
	free(m->text);
	free(m->type);
	*m = (struct upstream_manifest){ 0 };
}

int upstream_get_manifest(struct upstream *up, const char *tag, const struct digest *d,
                          struct upstream_manifest *ret, struct err *err)
{
	return registry_manifest(up->reg, &up->http, tag ? tag : digest_format(d).s, tag ? NULL : d,
	                         &ret->text, &ret->len, &ret->type, &ret->digest, err);
}

struct transfer {
	upstream_sink sink;
	void *ctx;
	uint64_t size;
	uint64_t offset; /* where the next byte belongs */
	uint64_t skip;   /* bytes of this answer that we have */
	bool began;
};

static int on_bytes(void *ctx, const struct http_response *r, const void *data, size_t len,
                    struct err *err)
{
	struct transfer *t = ctx;
	const char *p = data;

	if (!t->began) {
		uint64_t start = r->status != 206     ? 0
		                 : r->range_start < 0 ? t->offset
		                                      : (uint64_t)r->range_start;

		if (start > t->offset)
			return err_set(err, E_NETWORK, "the registry sent the wrong range");
		t->skip = t->offset - start;
		t->began = true;
	}
	if (t->skip >= len) {
		t->skip -= len;
		return 0;
	}
	p += t->skip;
	len -= (size_t)t->skip;
	t->skip = 0;
	if (len > t->size - t->offset)
		return err_set(err, E_CORRUPT, "the registry sends more than the manifest says");
	if (t->sink(t->ctx, t->offset, p, len, err) < 0)
		return -1;
	t->offset += len;
	return 0;
}

int upstream_get_blob(struct upstream *up, const struct digest *d, uint64_t size,
                      upstream_sink sink, void *ctx, struct err *err)
{
	struct descriptor blob = { .digest = *d, .size = size };
	struct transfer t = { .sink = sink, .ctx = ctx, .size = size };

	for (int attempt = 1; t.offset < size; attempt++) {
		bool transient = false;
		int64_t told_s = -1;
		int r;

		t.began = false;
		r = registry_stream(up->reg, &up->http, &blob, t.offset, on_bytes, &t, &transient,
		                    &told_s, err);
		if (r == 0 && t.offset < size) {
			r = err_set(err, E_NETWORK, "the registry broke off");
			transient = true;
		}
		if (r < 0 && (!transient || attempt == ATTEMPTS_MAX ||
		              registry_wait(up->reg, attempt, told_s, err) < 0))
			return -1;
	}
	return 0;
}
