/* registries.d: where signatures of a registry's images are kept (containers-registries.d(5)). */
#include "base/fd.h"
#include "base/xalloc.h"
#include "image/accept-internal.h"
#include "image/config-files.h"
#include "image/trust/yaml-dl.h"
#include <errno.h>
#include <fcntl.h>

#define SYSTEM_DIR     "/etc/containers/registries.d"
#define SYSTEM_STORE   "file:///var/lib/containers/sigstore"
#define SIGNATURE_NAME "signature-%zu"

/* All files of the folder, merged: "default-docker", and "docker" by namespace. */
static int load_config(struct json_object **ret, struct err *err)
{
	const char *named = getenv("CONTAINERS_REGISTRIES_D");
	AUTO_FREE char *user = config_user_path("containers/registries.d");
	const char *dir = named && *named                   ? named
	                  : user && access(user, F_OK) == 0 ? user
	                                                    : SYSTEM_DIR;
	AUTO_JSON *all = json_object_new_object();
	AUTO_STRV files = STRV_INIT;
	struct json_object *docker = json_add_object(all, "docker");

	if (config_dir_list(dir, ".yaml", &files, err) < 0)
		return -1;
	for (size_t i = 0; i < files.len; i++) {
		AUTO_FREE char *text = NULL;
		AUTO_JSON *obj = NULL;
		struct json root, map;
		bool present = false;
		size_t len;

		if (config_file_read(files.items[i], YAML_MAX_BYTES, &text, &len, err) < 0 ||
		    yaml_to_json(files.items[i], text, len, &obj, err) < 0)
			return -1;
		root = json_root(obj, files.items[i]);
		if (json_expect(&root, json_type_object, err) < 0)
			return -1;
		if (json_get(&root, "default-docker", &map)) {
			if (json_object_object_get_ex(all, "default-docker", NULL))
				return json_error(err, &root, "default-docker is in two files");
			json_object_object_add(all, "default-docker", json_object_get(map.obj));
		}
		if (json_get_object(&root, "docker", &map, &present, err) < 0)
			return -1;
		if (!present)
			continue;
		json_object_object_foreach(map.obj, key, value)
		{
			if (json_object_object_get_ex(docker, key, NULL))
				return json_error(err, &root, "'%.200s' is in two files", key);
			json_object_object_add(docker, key, json_object_get(value));
		}
	}
	*ret = TAKE_PTR(all);
	return 0;
}

/* What one namespace says, where nothing said it before. */
static int take_namespace(const struct json *at, bool write, struct lookaside *l, struct err *err)
{
	/* the older names of the same are sigstore and sigstore-staging */
	static const char *const keys[] = { "lookaside-staging", "sigstore-staging", "lookaside",
		                            "sigstore" };
	const char *value = NULL;

	if (json_expect(at, json_type_object, err) < 0)
		return -1;
	for (size_t i = write ? 0 : 2; !l->url && i < ARRAY_LEN(keys); i++) {
		if (json_get_str(at, keys[i], &value, err) < 0)
			return -1;
		if (value && *value)
			l->url = xstrdup(value);
	}
	value = NULL;
	if (json_get_str(at, "use-sigstore-attachments", &value, err) < 0)
		return -1;
	if (value && strcmp(value, "true") != 0 && strcmp(value, "false") != 0)
		return json_error(err, at, "use-sigstore-attachments is true or false");
	if (value && l->attachments < 0)
		l->attachments = strcmp(value, "true") == 0;
	return 0;
}

static int take_scope(const struct json *docker, const char *scope, bool write, struct lookaside *l,
                      struct err *err)
{
	struct json at;

	return json_get(docker, scope, &at) ? take_namespace(&at, write, l, err) : 0;
}

/* In the order of a policy's scopes. */
static int take_scopes(const struct json *docker, const struct image_ref *ref, bool write,
                       struct lookaside *l, struct err *err)
{
	AUTO_FREE char *full = image_ref_full(ref);
	AUTO_FREE char *name = image_ref_repo(ref);
	char *host = name, *slash;

	if (take_scope(docker, full, write, l, err) < 0)
		return -1;
	for (;;) {
		if (take_scope(docker, name, write, l, err) < 0)
			return -1;
		slash = strrchr(name, '/');
		if (!slash)
			break;
		*slash = '\0';
	}
	if (host[0] != '[')
		host[strcspn(host, ":")] = '\0';
	for (host = strchr(host, '.'); host; host = strchr(host + 1, '.')) {
		AUTO_FREE char *wild = xasprintf("*%s", host);

		if (take_scope(docker, wild, write, l, err) < 0)
			return -1;
	}
	return 0;
}

void lookaside_done(struct lookaside *l)
{
	free(l->url);
	l->url = NULL;
}

int lookaside_find(const struct image_ref *ref, bool write, struct lookaside *ret, struct err *err)
{
	struct lookaside l = { .attachments = -1 };
	const char *home = getenv("HOME");
	AUTO_JSON *obj = NULL;
	struct json root, at;

	if (load_config(&obj, err) < 0)
		return err_ctx(err, "registries.d");
	root = json_root(obj, "registries.d");
	json_get(&root, "docker", &at);
	if (take_scopes(&at, ref, write, &l, err) < 0 ||
	    (json_get(&root, "default-docker", &at) && take_namespace(&at, write, &l, err) < 0)) {
		lookaside_done(&l);
		return -1;
	}
	if (!l.url && geteuid() == 0 && access("/var/lib", W_OK) == 0)
		l.url = xstrdup(SYSTEM_STORE);
	else if (!l.url && home && *home)
		l.url = xasprintf("file://%s/.local/share/containers/sigstore", home);
	*ret = l;
	return 0;
}

/* URL/PATH@ALG=HEX/signature-N. The path is a reference's: no "..". Caller frees. */
static char *folder_of(const struct lookaside *l, const struct image_ref *ref,
                       const struct digest *d)
{
	size_t len = strlen(l->url);

	while (len && l->url[len - 1] == '/')
		len--;
	return xasprintf("%.*s/%s@%s=%s", (int)len, l->url, ref->path, digest_alg_name(d->alg),
	                 digest_hex(d).s);
}

/* Return 1 when it was there. */
static int get_url(struct http *http, const char *url, struct strbuf *ret, struct err *err)
{
	AUTO_RESPONSE r = HTTP_RESPONSE_INIT;
	struct http_request q = { .method = "GET", .url = url, .max_body = SIGNATURE_MAX_BYTES };

	if (http_perform(http, &q, &r, err) < 0)
		return -1;
	if (r.status == 404)
		return 0;
	if (r.status != 200)
		return err_set(err, E_NETWORK, "'%.200s' answers status %ld", url, r.status);
	strbuf_add(ret, r.body.buf, r.body.len);
	return 1;
}

static int get_one(struct http *http, const char *url, struct strbuf *ret, struct err *err)
{
	AUTO_FREE char *text = NULL;
	size_t len;
	int found;

	if (strncmp(url, "http://", 7) == 0 || strncmp(url, "https://", 8) == 0)
		return get_url(http, url, ret, err);
	if (strncmp(url, "file:///", 8) != 0)
		return err_set(err, E_UNSUPPORTED, "'%.200s': file:///, http:// or https://", url);
	found = config_file_read(url + 7, SIGNATURE_MAX_BYTES, &text, &len, err);
	if (found > 0)
		strbuf_add(ret, text, len);
	return found;
}

int lookaside_fetch(const struct lookaside *l, const struct image_ref *ref, const struct digest *d,
                    const struct http_policy *policy, struct signatures *ret, struct err *err)
{
	AUTO_FREE char *folder = l->url ? folder_of(l, ref, d) : NULL;
	struct http http = { 0 };
	int found = folder != NULL;

	if (folder && strncmp(folder, "http", 4) == 0 && http_init(&http, policy, err) < 0)
		return -1;
	for (size_t i = 1; found > 0; i++) {
		AUTO_FREE char *url = xasprintf("%s/" SIGNATURE_NAME, folder, i);
		AUTO_BUF data = STRBUF_INIT;
		struct signature s = { 0 };

		found = get_one(&http, url, &data, err);
		if (found > 0 && (signature_parse(url, data.buf, data.len, &s, err) < 0 ||
		                  signatures_add(ret, &s, err) < 0))
			found = -1;
	}
	http_done(&http);
	return found < 0 ? err_ctx(err, "signatures") : 0;
}

int lookaside_add(const struct lookaside *l, const struct image_ref *ref, const struct digest *d,
                  const struct signature *s, struct err *err)
{
	AUTO_FREE char *folder = l->url ? folder_of(l, ref, d) : NULL;
	AUTO_BUF data = STRBUF_INIT;
	AUTO_FD dir = -1;

	if (!folder || strncmp(folder, "file:///", 8) != 0) {
		err_set(err, E_INVALID, "signatures cannot be written to '%.200s'",
		        l->url ? l->url : "");
		return err_hint(err, "set lookaside-staging to a file:/// in registries.d");
	}
	if (dir_make_at(AT_FDCWD, folder + 7, 0755, err) < 0)
		return err_ctx(err, "keep the signature");
	dir = dir_open_at(AT_FDCWD, folder + 7, err);
	if (dir < 0)
		return -1;
	signature_format(s, &data);
	for (size_t i = 1; i <= SIGNATURES_MAX; i++) {
		AUTO_FREE char *name = xasprintf(SIGNATURE_NAME, i);

		if (faccessat(dir, name, F_OK, AT_SYMLINK_NOFOLLOW) == 0)
			continue;
		return file_write_atomic_at(dir, name, data.buf, data.len, 0644, FILE_WRITE_SYNC,
		                            err);
	}
	return err_set(err, E_LIMIT, "'%s' holds %d signatures", folder + 7, SIGNATURES_MAX);
}
