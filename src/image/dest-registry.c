/* A repository of a registry as a destination. */
#include "base/xalloc.h"
#include "image/endpoint-internal.h"
#include "image/transport-internal.h"

#define PARALLEL 4

struct registry_dest {
	struct image_dest base;
	struct image_ref ref;
	struct registry *reg;
	struct http_pool pool;
	struct strv mount_from; /* paths at the same registry */
};

static void registry_dest_free(struct image_dest *base)
{
	struct registry_dest *d = (struct registry_dest *)base;

	http_pool_done(&d->pool);
	registry_free(d->reg);
	strv_done(&d->mount_from);
	image_ref_done(&d->ref);
	free(d);
}

static int has_or_mount(struct registry_dest *d, struct http *http, const struct digest *digest,
                        int layer, struct err *err)
{
	int r = registry_has_blob(d->reg, http, digest, NULL, err);

	/* configs are as fast sent as asked for */
	for (size_t i = 0; r == 0 && layer >= 0 && i < d->mount_from.len; i++)
		r = registry_mount_blob(d->reg, http, digest, d->mount_from.items[i], err);
	return r;
}

static int registry_dest_has(struct image_dest *base, const struct digest *digest, int layer,
                             struct err *err)
{
	struct registry_dest *d = (struct registry_dest *)base;
	struct http http = { 0 };
	int r = http_pool_take(&d->pool, &http, err);

	if (r == 0)
		r = has_or_mount(d, &http, digest, layer, err);
	http_pool_give(&d->pool, &http);
	return r;
}

static int registry_dest_put(struct image_dest *base, const struct blob_put *put,
                             struct digest *ret_digest, uint64_t *ret_size, struct err *err)
{
	struct registry_dest *d = (struct registry_dest *)base;
	struct http http = { 0 };
	int r = http_pool_take(&d->pool, &http, err);

	if (r == 0)
		r = registry_upload(d->reg, &http, &put->source, ret_digest, ret_size, err);
	http_pool_give(&d->pool, &http);
	return r;
}

static int registry_dest_document(struct image_dest *base, const struct document *doc, bool top,
                                  struct err *err)
{
	struct registry_dest *d = (struct registry_dest *)base;
	AUTO_FREE char *reference = xstrdup(digest_format(&doc->digest).s);
	struct http http = { 0 };
	int r;

	if (top && d->ref.has_digest && !digest_equal(&d->ref.digest, &doc->digest))
		return err_set(err, E_STATE, "the destination says digest %s, what is sent has %s",
		               digest_format(&d->ref.digest).s, reference);
	if (top && d->ref.tag) {
		free(reference);
		reference = xstrdup(d->ref.tag);
	}
	r = http_pool_take(&d->pool, &http, err);
	if (r == 0)
		r = registry_put_manifest(d->reg, &http, reference, doc->media_type, doc->text,
		                          doc->len, NULL, err);
	http_pool_give(&d->pool, &http);
	return r;
}

static int registry_dest_commit(struct image_dest *base, struct err *err)
{
	(void)base, (void)err;
	return 0;
}

/* Of the repositories that have the blobs, those at this registry. */
static void take_mounts(struct registry_dest *d, const struct image_source *source)
{
	for (size_t i = 0; source && i < source->mount_from.len; i++) {
		const char *repo = source->mount_from.items[i];
		size_t len = strlen(d->ref.domain);

		if (strncmp(repo, d->ref.domain, len) == 0 && repo[len] == '/' &&
		    strcmp(repo + len + 1, d->ref.path) != 0)
			strv_add(&d->mount_from, repo + len + 1);
	}
}

int dest_registry_open(const struct transport_args *a, struct image_dest **ret, struct err *err)
{
	static const struct image_dest_ops ops = {
		.has = registry_dest_has,
		.put = registry_dest_put,
		.document = registry_dest_document,
		.commit = registry_dest_commit,
		.free = registry_dest_free,
	};
	struct registry_dest *d = xcalloc(1, sizeof(*d));
	AUTO_DEST *base = &d->base;
	AUTO_REGISTRIES registries = REGISTRIES_INIT;
	struct endpoint *endpoints = NULL;
	size_t n = 0;
	struct registry_options options = { .tls_verify = a->side->tls_verify,
		                            .creds = a->side->creds,
		                            .authfile = a->side->authfile,
		                            .cert_dir = a->side->cert_dir,
		                            .max_retries = a->options->max_retries,
		                            .cancel = a->options->cancel,
		                            .stop = a->stop,
		                            .push = true,
		                            .mount_from = &d->mount_from };
	int r;

	d->base.ops = &ops;
	d->base.layers = COMPRESSION_GZIP;
	d->base.parallel = PARALLEL;
	if (image_ref_parse(a->at->name, &d->ref, err) < 0 ||
	    registries_load(&registries, err) < 0 ||
	    endpoints_find(&registries, &d->ref, ENDPOINT_PUSH, &endpoints, &n, err) < 0)
		return -1;
	/* mirrors are not among them, but hosts.toml may name several */
	options.endpoint = &endpoints[0];
	take_mounts(d, a->source);
	r = registry_new(d->ref.domain, d->ref.path, &options, &d->reg, err);
	endpoints_free(endpoints, n);
	if (r < 0)
		return -1;
	http_pool_init(&d->pool, registry_policy(d->reg));
	/* libcurl is opened before there are threads */
	if (!curl_api(err))
		return -1;
	*ret = TAKE_PTR(base);
	return 0;
}
