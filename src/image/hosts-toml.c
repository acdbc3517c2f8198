/* hosts.toml: containerd's description of a registry's hosts. */
#include "base/xalloc.h"
#include "codec/toml.h"
#include "image/config-files.h"
#include "image/endpoint-internal.h"

#define HOSTS_MAX 64

static int parse_capabilities(const struct json *at, unsigned *ret, struct err *err)
{
	static const char *const names[] = { "pull", "resolve", "push" };
	AUTO_STRV list = STRV_INIT;

	if (json_get_strv(at, "capabilities", &list, err) < 0)
		return -1;
	*ret = list.len ? 0 : ENDPOINT_ALL;
	for (size_t i = 0; i < list.len; i++) {
		size_t c = 0;

		while (c < ARRAY_LEN(names) && strcasecmp(names[c], list.items[i]) != 0)
			c++;
		if (c == ARRAY_LEN(names))
			return json_error(err, at, "unknown capability '%.100s'", list.items[i]);
		*ret |= 1u << c;
	}
	return 0;
}

/* A string, or a list of them. */
static int get_strings(const struct json *at, const char *key, struct strv *ret, struct err *err)
{
	struct json value;

	if (!json_get(at, key, &value))
		return 0;
	if (!json_object_is_type(value.obj, json_type_string))
		return json_get_strv(at, key, ret, err);
	strv_add(ret, json_object_get_string(value.obj));
	return 0;
}

static char *in_dir(const char *dir, const char *file)
{
	return file[0] == '/' ? xstrdup(file) : xasprintf("%s/%s", dir, file);
}

static int parse_ca(const struct json *at, const char *dir, struct endpoint *e, struct err *err)
{
	AUTO_STRV files = STRV_INIT;

	if (get_strings(at, "ca", &files, err) < 0)
		return -1;
	for (size_t i = 0; i < files.len; i++)
		strv_add_owned(&e->ca_files, in_dir(dir, files.items[i]));
	return 0;
}

/* "file", ["file"], or [["certificate", "key"]]: one pair is all that can be used. */
static int parse_client(const struct json *at, const char *dir, struct endpoint *e, struct err *err)
{
	AUTO_STRV files = STRV_INIT;
	struct json value, item;

	if (!json_get(at, "client", &value))
		return 0;
	if (json_object_is_type(value.obj, json_type_array)) {
		if (json_len(&value) != 1)
			return json_error(err, &value, "one client certificate is supported");
		item = json_item(&value, 0);
		if (json_object_is_type(item.obj, json_type_array)) {
			for (size_t i = 0; i < json_len(&item); i++) {
				struct json file = json_item(&item, i);

				if (json_expect(&file, json_type_string, err) < 0)
					return -1;
				strv_add(&files, json_object_get_string(file.obj));
			}
			if (files.len != 2)
				return json_error(err, &item, "expected [certificate, key]");
		}
	}
	if (!files.len && get_strings(at, "client", &files, err) < 0)
		return -1;
	e->cert_file = in_dir(dir, files.items[0]);
	e->key_file = in_dir(dir, files.items[files.len - 1]);
	return 0;
}

static int parse_headers(const struct json *at, struct endpoint *e, struct err *err)
{
	struct json map;
	bool present = false;

	if (json_get_object(at, "header", &map, &present, err) < 0)
		return -1;
	if (!present)
		return 0;
	json_object_object_foreach(map.obj, key, value)
	{
		AUTO_STRV values = STRV_INIT;

		(void)value;
		if (get_strings(&map, key, &values, err) < 0)
			return -1;
		for (size_t i = 0; i < values.len; i++) {
			/* it becomes a line of a request */
			if (key[strcspn(key, ": \t\r\n")] || !*key ||
			    values.items[i][strcspn(values.items[i], "\r\n")])
				return json_error(err, &map, "'%.100s' is not a header", key);
			strv_addf(&e->headers, "%s: %s", key, values.items[i]);
		}
	}
	return 0;
}

/* "https://HOST[:PORT][/PATH]" into domain and root_url. */
static int parse_url(const struct json *at, const char *url, bool override_path, struct endpoint *e,
                     struct err *err)
{
	const char *scheme = strstr(url, "://"), *host = scheme ? scheme + 3 : url;
	size_t host_len = strcspn(host, "/"), len = strlen(host);
	const char *path = host + host_len;

	if (scheme && strncmp(url, "https://", 8) != 0 && strncmp(url, "http://", 7) != 0)
		return json_error(err, at, "'%.200s': http or https is expected", url);
	if (!host_len || url[strcspn(url, " \t\r\n?#@")])
		return json_error(err, at, "'%.200s' is not https://HOST[:PORT][/PATH]", url);
	while (len > host_len && host[len - 1] == '/')
		len--;
	e->domain = xstrndup(host, host_len);
	/* a name for another host: the usual way knows which */
	if (strcmp(url, "https://" REF_DEFAULT_DOMAIN) == 0)
		return 0;
	if (override_path || (len - host_len >= 3 && strncmp(host + len - 3, "/v2", 3) == 0))
		path = "";
	else
		path = "/v2";
	e->root_url = xasprintf("%s%.*s%s", scheme && url[4] == ':' ? "http://" : "https://",
	                        (int)len, host, path);
	return 0;
}

static int parse_host(const struct json *at, const char *url, const char *dir,
                      const struct image_ref *ref, struct endpoint *e, struct err *err)
{
	bool override_path = false;

	if (parse_capabilities(at, &e->capabilities, err) < 0 || parse_ca(at, dir, e, err) < 0 ||
	    parse_client(at, dir, e, err) < 0 || parse_headers(at, e, err) < 0 ||
	    json_get_bool(at, "skip_verify", &e->skip_verify, err) < 0 ||
	    json_get_bool(at, "override_path", &override_path, err) < 0)
		return -1;
	e->path = xstrdup(ref->path);
	if (url && *url) {
		if (parse_url(at, url, override_path, e, err) < 0)
			return -1;
		if (strcmp(e->domain, ref->domain) != 0)
			e->namespace = xstrdup(ref->domain);
	} else {
		e->domain = xstrdup(ref->domain);
	}
	return 0;
}

static int parse_hosts(const struct json *root, const char *dir, const struct image_ref *ref,
                       struct endpoint **ret, size_t *ret_n, struct err *err)
{
	struct json hosts, table;
	const char *server = NULL;
	bool present = false;
	struct endpoint own = { 0 };
	int r;

	if (json_get_str(root, "server", &server, err) < 0 ||
	    json_get_object(root, "host", &hosts, &present, err) < 0)
		return -1;
	if (present && json_object_object_length(hosts.obj) > HOSTS_MAX)
		return json_error(err, &hosts, "more than %d hosts", HOSTS_MAX);
	if (present) {
		json_object_object_foreach(hosts.obj, key, value)
		{
			struct endpoint e = { .is_mirror = true };

			(void)value;
			r = json_get_object(&hosts, key, &table, &present, err);
			if (r == 0)
				r = parse_host(&table, key, dir, ref, &e, err);
			VEC_PUSH(*ret, *ret_n, e);
			if (r < 0)
				return -1;
		}
	}
	r = parse_host(root, server, dir, ref, &own, err);
	/* docker.io's server is what the name stands for anyway */
	free(own.namespace);
	own.namespace = NULL;
	VEC_PUSH(*ret, *ret_n, own);
	return r;
}

int hosts_toml_parse(const char *what, const char *dir, const char *text, size_t len,
                     const struct image_ref *ref, struct endpoint **ret, size_t *ret_n,
                     struct err *err)
{
	AUTO_JSON *obj = NULL;
	struct endpoint *list = NULL;
	struct json root;
	size_t n = 0;

	if (toml_parse(what, text, len, &obj, err) < 0)
		return -1;
	root = json_root(obj, what);
	if (parse_hosts(&root, dir, ref, &list, &n, err) < 0) {
		endpoints_free(list, n);
		return -1;
	}
	*ret = list;
	*ret_n = n;
	return 0;
}

int hosts_toml_find(const char *root, const struct image_ref *ref, struct endpoint **ret,
                    size_t *ret_n, struct err *err)
{
	const char *port = strrchr(ref->domain, ':');
	AUTO_STRV dirs = STRV_INIT;

	/* a reference's grammar leaves no '/' in a domain; ".." has no '.' beside another */
	if (port && !strchr(port, ']'))
		strv_addf(&dirs, "%s/%.*s_%s_", root, (int)(port - ref->domain), ref->domain,
		          port + 1);
	strv_addf(&dirs, "%s/%s", root, ref->domain);
	strv_addf(&dirs, "%s/_default", root);
	for (size_t i = 0; i < dirs.len; i++) {
		AUTO_FREE char *file = xasprintf("%s/hosts.toml", dirs.items[i]);
		AUTO_FREE char *text = NULL;
		size_t len;
		int found;

		if (access(dirs.items[i], F_OK) < 0)
			continue;
		found = config_file_read(file, TOML_MAX_BYTES, &text, &len, err);
		if (found <= 0 || len == 0)
			return found < 0 ? -1 : 0;
		return hosts_toml_parse(file, dirs.items[i], text, len, ref, ret, ret_n, err) < 0
		               ? -1
		               : 1;
	}
	return 0;
}
