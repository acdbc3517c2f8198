/* A repository of a registry as a source: from the first mirror or registry that has the image. */
#include "base/xalloc.h"
#include "image/endpoint-internal.h"
#include "image/transport-internal.h"

struct registry_source {
	struct image_source base;
	struct image_ref ref;
	struct registry *reg;
	struct http http; /* for documents */
	struct document top;
};

static void reset(struct registry_source *s)
{
	http_done(&s->http);
	s->http = (struct http){ 0 };
	registry_free(s->reg);
	s->reg = NULL;
}

static void registry_source_free(struct image_source *base)
{
	struct registry_source *s = (struct registry_source *)base;

	reset(s);
	document_done(&s->top);
	image_ref_done(&s->ref);
	strv_done(&base->mount_from);
	free(base->name);
	free(base->domain);
	free(s);
}

static int get(struct registry_source *s, const char *reference, const struct digest *d,
               struct document *ret, struct err *err)
{
	return registry_manifest(s->reg, &s->http, reference, d, &ret->text, &ret->len,
	                         &ret->media_type, &ret->digest, err);
}

static int registry_source_document(struct image_source *base, const struct digest *d,
                                    struct document *ret, struct err *err)
{
	struct registry_source *s = (struct registry_source *)base;

	if (d)
		return get(s, digest_format(d).s, d, ret, err);
	*ret = (struct document){ .text = xmemdup(s->top.text, s->top.len + 1),
		                  .len = s->top.len,
		                  .media_type = xstrdup_null(s->top.media_type),
		                  .digest = s->top.digest };
	return 0;
}

static int registry_source_open_blob(struct image_source *base, const struct descriptor *d,
                                     uint64_t offset, struct reader **ret, struct err *err)
{
	return reader_registry(((struct registry_source *)base)->reg, d, offset, ret, err);
}

static int try_endpoint(struct registry_source *s, const struct transport_args *a,
                        const struct endpoint *endpoint, struct err *err)
{
	struct registry_options options = { .tls_verify = a->side->tls_verify,
		                            .creds = a->side->creds,
		                            .authfile = a->side->authfile,
		                            .cert_dir = a->side->cert_dir,
		                            .max_retries = a->options->max_retries,
		                            .cancel = a->options->cancel,
		                            .stop = a->stop,
		                            .endpoint = endpoint };
	AUTO_FREE char *reference =
		xstrdup(s->ref.has_digest ? digest_format(&s->ref.digest).s : s->ref.tag);

	reset(s);
	*err = ERR_INIT;
	if (registry_new(s->ref.domain, s->ref.path, &options, &s->reg, err) < 0 ||
	    http_init(&s->http, registry_policy(s->reg), err) < 0)
		return -1;
	return get(s, reference, s->ref.has_digest ? &s->ref.digest : NULL, &s->top, err);
}

int source_registry_open(const struct transport_args *a, struct image_source **ret, struct err *err)
{
	static const struct image_source_ops ops = { .document = registry_source_document,
		                                     .open = registry_source_open_blob,
		                                     .free = registry_source_free };
	struct registry_source *s = xcalloc(1, sizeof(*s));
	AUTO_SOURCE *base = &s->base;
	AUTO_REGISTRIES registries = REGISTRIES_INIT;
	struct endpoint *endpoints = NULL;
	size_t n = 0;
	int r = -1;

	s->base.ops = &ops;
	if (image_ref_parse(a->at->name, &s->ref, err) < 0 ||
	    registries_load(&registries, err) < 0 ||
	    endpoints_find(&registries, &s->ref,
	                   s->ref.has_digest ? ENDPOINT_PULL : ENDPOINT_RESOLVE, &endpoints, &n,
	                   err) < 0)
		return -1;
	for (size_t i = 0; r < 0 && i < n; i++) {
		r = try_endpoint(s, a, &endpoints[i], err);
		if (r == 0 && !endpoints[i].is_mirror) {
			s->base.domain = xstrdup(s->ref.domain);
			strv_add_owned(&s->base.mount_from, image_ref_repo(&s->ref));
		}
	}
	endpoints_free(endpoints, n);
	if (r < 0)
		return -1;
	s->base.name = image_ref_name(&s->ref);
	*ret = TAKE_PTR(base);
	return 0;
}
