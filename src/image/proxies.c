/* proxies.toml, a file of ours: which proxy leads to which registry.
 *
 *	[[proxy]]
 *	registry = "registry.example.com"    # HOST[:PORT][/PATH], or *.example.com
 *	url = "socks5h://127.0.0.1:1080"     # or "direct" */
#include "base/xalloc.h"
#include "codec/toml.h"
#include "image/config-files.h"
#include "image/endpoint-internal.h"

#define SYSTEM_FILE "/etc/dhow/proxies.toml"

static bool is_proxy_url(const char *url)
{
	static const char *const schemes[] = { "http://",    "https://",  "socks4://",
		                               "socks4a://", "socks5://", "socks5h://" };

	for (size_t i = 0; i < ARRAY_LEN(schemes); i++) {
		size_t len = strlen(schemes[i]);

		if (strncasecmp(url, schemes[i], len) == 0)
			return url[len] && !url[len + strcspn(url + len, " \t\r\n")];
	}
	return false;
}

/* How many bytes of DOMAIN/PATH it covers, plus one; 0: none. */
static size_t covers(const char *registry, const char *domain, const char *path)
{
	AUTO_FREE char *name = xasprintf("%s/%s", domain, path);
	size_t len = strlen(registry), host = strcspn(domain, ":");

	if (strcmp(registry, "*") == 0)
		return 1;
	if (strncmp(registry, "*.", 2) == 0)
		return host > len - 1 && strncmp(domain + host - (len - 1), registry + 1,
		                                 len - 1) == 0
		               ? len
		               : 0;
	if (strncmp(name, registry, len) != 0 || (name[len] && !strchr(":/", name[len])))
		return 0;
	return len + 1;
}

int proxies_parse(const char *what, const char *text, size_t len, const char *domain,
                  const char *path, size_t *best, char **ret, struct err *err)
{
	AUTO_JSON *obj = NULL;
	struct json root, list;
	bool present = false;

	if (toml_parse(what, text, len, &obj, err) < 0)
		return -1;
	root = json_root(obj, what);
	json_object_object_foreach(obj, key, value)
	{
		(void)value;
		if (strcmp(key, "proxy") != 0)
			return json_error(err, &root, "'%.100s' is not known: [[proxy]] is", key);
	}
	if (json_get_array(&root, "proxy", &list, &present, err) < 0)
		return -1;
	for (size_t i = 0; present && i < json_len(&list); i++) {
		struct json item = json_item(&list, i);
		const char *registry = NULL, *url = NULL;
		size_t n;

		if (json_expect(&item, json_type_object, err) < 0 ||
		    json_get_str(&item, "registry", &registry, err) < 0 ||
		    json_get_str(&item, "url", &url, err) < 0)
			return -1;
		if (!registry || !*registry || !url)
			return json_error(err, &item, "needs registry and url");
		/* the URL may hold a password: it is not repeated */
		if (strcmp(url, "direct") != 0 && !is_proxy_url(url))
			return json_error(err, &item,
			                  "url is neither \"direct\" nor http://, https://,"
			                  " socks5:// or socks5h:// with a HOST");
		n = covers(registry, domain, path);
		if (n <= *best)
			continue;
		*best = n;
		free(*ret);
		*ret = xstrdup(strcmp(url, "direct") == 0 ? "" : url);
	}
	return 0;
}

int proxy_find(const char *domain, const char *path, char **ret, struct err *err)
{
	AUTO_FREE char *user = config_user_path("dhow/proxies.toml");
	AUTO_FREE char *url = NULL;
	const char *const files[] = { user, SYSTEM_FILE };
	size_t best = 0;

	for (size_t i = 0; i < ARRAY_LEN(files); i++) {
		AUTO_FREE char *text = NULL;
		size_t len;
		int found;

		if (!files[i])
			continue;
		found = config_file_read(files[i], TOML_MAX_BYTES, &text, &len, err);
		if (found < 0 || (found && proxies_parse(files[i], text, len, domain, path, &best,
		                                         &url, err) < 0))
			return -1;
	}
	if (!url)
		return 0;
	*ret = TAKE_PTR(url);
	return 1;
}
