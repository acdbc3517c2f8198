/* The tags of a repository, from the registry. */
#include "base/xalloc.h"
#include "image/copy.h"
#include "image/endpoint-internal.h"
#include "image/registry-push-internal.h"

int image_registry_tags(const char *repo, const struct copy_side *side,
                        const volatile sig_atomic_t *cancel, struct strv *ret, struct err *err)
{
	AUTO_REF ref = IMAGE_REF_INIT;
	AUTO_REGISTRIES registries = REGISTRIES_INIT;
	AUTO(registry_freep) struct registry *reg = NULL;
	struct endpoint *endpoints = NULL;
	struct http http = { 0 };
	size_t n = 0;
	struct registry_options options = { .tls_verify = side->tls_verify,
		                            .creds = side->creds,
		                            .authfile = side->authfile,
		                            .cert_dir = side->cert_dir,
		                            .cancel = cancel };
	int r;

	/* what is asked for is what the registry itself has: the last of them */
	if (image_ref_parse(repo, &ref, err) < 0 || registries_load(&registries, err) < 0 ||
	    endpoints_find(&registries, &ref, ENDPOINT_RESOLVE, &endpoints, &n, err) < 0)
		return -1;
	options.endpoint = &endpoints[n - 1];
	r = registry_new(ref.domain, ref.path, &options, &reg, err);
	if (r == 0)
		r = http_init(&http, registry_policy(reg), err);
	if (r == 0)
		r = registry_tags(reg, &http, ret, err);
	http_done(&http);
	endpoints_free(endpoints, n);
	return r;
}
