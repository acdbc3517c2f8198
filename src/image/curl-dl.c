#include "image/curl-dl.h"
#include <dlfcn.h>
#include <stdbool.h>

static const char *const libraries[] = { "libcurl.so.4", "libcurl-gnutls.so.4" };

static const struct {
	const char *name;
	size_t offset;
} symbols[] = {
	{ "curl_global_init", offsetof(struct curl_api, global_init) },
	{ "curl_easy_init", offsetof(struct curl_api, easy_init) },
	{ "curl_easy_setopt", offsetof(struct curl_api, easy_setopt) },
	{ "curl_easy_getinfo", offsetof(struct curl_api, easy_getinfo) },
	{ "curl_easy_perform", offsetof(struct curl_api, easy_perform) },
	{ "curl_easy_reset", offsetof(struct curl_api, easy_reset) },
	{ "curl_easy_cleanup", offsetof(struct curl_api, easy_cleanup) },
	{ "curl_easy_strerror", offsetof(struct curl_api, easy_strerror) },
	{ "curl_slist_append", offsetof(struct curl_api, slist_append) },
	{ "curl_slist_free_all", offsetof(struct curl_api, slist_free_all) },
	{ "curl_url", offsetof(struct curl_api, url) },
	{ "curl_url_cleanup", offsetof(struct curl_api, url_cleanup) },
	{ "curl_url_set", offsetof(struct curl_api, url_set) },
	{ "curl_url_get", offsetof(struct curl_api, url_get) },
	{ "curl_free", offsetof(struct curl_api, free) },
};

static int resolve(void *library, struct curl_api *api, struct err *err)
{
	for (size_t i = 0; i < ARRAY_LEN(symbols); i++) {
		void *symbol = dlsym(library, symbols[i].name);

		if (!symbol)
			return err_set(err, E_UNSUPPORTED, "libcurl is too old: it has no %s",
			               symbols[i].name);
		memcpy((char *)api + symbols[i].offset, &symbol, sizeof(symbol));
	}
	return 0;
}

const struct curl_api *curl_api(struct err *err)
{
	static struct curl_api api;
	static bool is_ready;
	void *library = NULL;

	if (is_ready)
		return &api;
	for (size_t i = 0; i < ARRAY_LEN(libraries) && !library; i++)
		library = dlopen(libraries[i], RTLD_NOW | RTLD_LOCAL);
	if (!library) {
		err_set(err, E_UNSUPPORTED, "talking to a registry needs libcurl: %s", dlerror());
		err_hint(err, "install Debian's package libcurl4");
		return NULL;
	}
	if (resolve(library, &api, err) < 0)
		return NULL;
	if (api.global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK) {
		err_set(err, E_INTERNAL, "libcurl cannot be initialised");
		return NULL;
	}
	is_ready = true;
	return &api;
}
