/* TOML, and what reads it: registries.conf, hosts.toml, proxies.toml. What is accepted must be JSON
 * that our own strict reader takes. */
#include <stdlib.h>

#include "base/xalloc.h"
#include "codec/toml.h"
#include "fuzz.h"
#include "image/endpoint-internal.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *text = (const char *)data;
	AUTO_JSON *first = NULL, *second = NULL;
	AUTO_REGISTRIES registries = REGISTRIES_INIT;
	AUTO_SHORT_NAMES names = SHORT_NAMES_INIT;
	AUTO_REF ref = IMAGE_REF_INIT;
	AUTO_FREE char *proxy = NULL;
	struct endpoint *list = NULL;
	size_t n = 0, best = 0;
	const char *json;
	struct err err;

	if (toml_parse("input", text, size, &first, &err) < 0)
		return 0;
	json = json_text(first, false);
	if (json_parse("again", json, strlen(json), &second, &err) < 0 && err.code != E_LIMIT)
		abort();
	if (image_ref_parse("docker.io/library/busybox:1", &ref, &err) < 0)
		abort();
	if (registries_parse("input", text, size, &registries, &err) == 0) {
		if (endpoints_find(&registries, &ref, ENDPOINT_PULL, &list, &n, &err) == 0)
			endpoints_free(list, n);
		if (short_names_resolve(&registries, "busybox:1", true, &names, &err) == 0 &&
		    !names.names.len)
			abort();
	}
	if (hosts_toml_parse("input", "/dir", text, size, &ref, &list, &n, &err) == 0)
		endpoints_free(list, n);
	proxies_parse("input", text, size, "docker.io", "library/busybox", &best, &proxy, &err);
	return 0;
}
