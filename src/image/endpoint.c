#include "base/xalloc.h"
#include "image/endpoint-internal.h"

#define HOSTS_ROOT "/etc/containerd/certs.d"

void endpoint_done(struct endpoint *e)
{
	free(e->domain);
	free(e->path);
	free(e->root_url);
	free(e->namespace);
	strv_done(&e->headers);
	strv_done(&e->ca_files);
	free(e->cert_file);
	free(e->key_file);
	*e = (struct endpoint){ 0 };
}

void endpoints_free(struct endpoint *list, size_t n)
{
	for (size_t i = 0; i < n; i++)
		endpoint_done(&list[i]);
	free(list);
}

static int from_registries(const struct registries *r, const struct image_ref *ref,
                           unsigned capability, struct endpoint **ret, size_t *ret_n,
                           struct err *err)
{
	struct pull_source *sources = NULL;
	size_t n = 0;

	if (registries_sources(r, ref, &sources, &n, err) < 0)
		return -1;
	for (size_t i = 0; i < n; i++) {
		/* mirrors are pulled from only */
		struct endpoint e = { .domain = xstrdup(sources[i].domain),
			              .path = xstrdup(sources[i].path),
			              .insecure = sources[i].insecure,
			              .is_mirror = sources[i].is_mirror,
			              .capabilities = sources[i].is_mirror
			                                      ? ENDPOINT_PULL | ENDPOINT_RESOLVE
			                                      : ENDPOINT_ALL };

		if (e.capabilities & capability)
			VEC_PUSH(*ret, *ret_n, e);
		else
			endpoint_done(&e);
	}
	pull_sources_free(sources, n);
	return 0;
}

static int from_hosts_toml(const struct image_ref *ref, unsigned capability, struct endpoint **ret,
                           size_t *ret_n, struct err *err)
{
	const char *root = getenv("DHOW_HOSTS_DIR");
	struct endpoint *all = NULL;
	size_t n = 0;
	int r = hosts_toml_find(root && *root ? root : HOSTS_ROOT, ref, &all, &n, err);

	for (size_t i = 0; i < n; i++)
		if (all[i].capabilities & capability)
			VEC_PUSH(*ret, *ret_n, all[i]);
		else
			endpoint_done(&all[i]);
	free(all);
	return r;
}

int endpoints_find(const struct registries *r, const struct image_ref *ref, unsigned capability,
                   struct endpoint **ret, size_t *ret_n, struct err *err)
{
	struct endpoint *list = NULL;
	size_t n = 0;
	int result = 0;

	if (!registries_find(r, ref))
		result = from_hosts_toml(ref, capability, &list, &n, err);
	if (result == 0)
		result = from_registries(r, ref, capability, &list, &n, err);
	if (result >= 0 && n == 0)
		result = err_set(err, E_PERM, "hosts.toml leaves no host for '%s'", ref->domain);
	if (result < 0) {
		endpoints_free(list, n);
		return -1;
	}
	*ret = list;
	*ret_n = n;
	return 0;
}
