/* Reading registries.conf; what it says of a reference. */
#include "image/registries.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/strbuf.h"
#include "base/xalloc.h"
#include "codec/toml.h"
#include "image/config-files.h"

#include <fcntl.h>

#define SYSTEM_CONF     "/etc/containers/registries.conf"
#define SYSTEM_CONF_DIR "/etc/containers/registries.conf.d"
#define ENTRIES_MAX     4096
#define MIRRORS_MAX     64

static void entry_done(struct registry_entry *e)
{
	free(e->prefix);
	free(e->location);
	free(e->origin);
	for (size_t i = 0; i < e->n_mirrors; i++)
		free(e->mirrors[i].location);
	free(e->mirrors);
	*e = (struct registry_entry){ 0 };
}

void registries_done(struct registries *r)
{
	for (size_t i = 0; i < r->n_entries; i++)
		entry_done(&r->entries[i]);
	free(r->entries);
	strv_done(&r->search);
	strv_done(&r->credential_helpers);
	free(r->search_origin);
	for (size_t i = 0; i < r->n_aliases; i++) {
		free(r->aliases[i].name);
		free(r->aliases[i].value);
	}
	free(r->aliases);
	*r = REGISTRIES_INIT;
}

/* --- parsing --- */

/* HOST[:PORT][/PATH], without a scheme and without the slashes at its end. *ret: NULL when absent.
 */
static int get_location(const struct json *at, const char *key, char **ret, struct err *err)
{
	const char *text = NULL;
	size_t len;

	if (json_get_str(at, key, &text, err) < 0)
		return -1;
	if (!text || !*text)
		return 0;
	if (strstr(text, "://"))
		return json_error(err, at, "%s '%.200s': no scheme belongs here", key, text);
	len = strlen(text);
	while (len && text[len - 1] == '/')
		len--;
	if (!len || text[strcspn(text, " \t?#")])
		return json_error(err, at, "%s '%.200s' is not HOST[:PORT][/PATH]", key, text);
	*ret = xstrndup(text, len);
	return 0;
}

static int parse_mirror(const struct json *at, const struct registry_entry *e,
                        struct registry_mirror *m, struct err *err)
{
	const char *use = NULL;

	if (json_expect(at, json_type_object, err) < 0 ||
	    get_location(at, "location", &m->location, err) < 0 ||
	    json_get_bool(at, "insecure", &m->insecure, err) < 0 ||
	    json_get_str(at, "pull-from-mirror", &use, err) < 0)
		return -1;
	if (!m->location)
		return json_error(err, at, "a mirror needs a location");
	if (!use || !*use)
		return 0;
	if (e->by_digest_only)
		return json_error(err, at,
		                  "pull-from-mirror and the registry's mirror-by-digest-only"
		                  " exclude each other");
	if (strcmp(use, "digest-only") == 0)
		m->use = MIRROR_DIGEST_ONLY;
	else if (strcmp(use, "tag-only") == 0)
		m->use = MIRROR_TAG_ONLY;
	else if (strcmp(use, "all") != 0)
		return json_error(err, at,
		                  "pull-from-mirror '%.100s': all, digest-only or tag-only", use);
	return 0;
}

static int parse_mirrors(const struct json *at, struct registry_entry *e, struct err *err)
{
	struct json list;
	bool present = false;

	if (json_get_array(at, "mirror", &list, &present, err) < 0)
		return -1;
	if (present && json_len(&list) > MIRRORS_MAX)
		return json_error(err, &list, "more than %d mirrors", MIRRORS_MAX);
	for (size_t i = 0; present && i < json_len(&list); i++) {
		struct json item = json_item(&list, i);
		struct registry_mirror m = { 0 };
		int r = parse_mirror(&item, e, &m, err);

		VEC_PUSH(e->mirrors, e->n_mirrors, m);
		if (r < 0)
			return -1;
	}
	return 0;
}

static int parse_entry(const struct json *at, const char *what, struct registry_entry *e,
                       struct err *err)
{
	bool wild;

	e->origin = xstrdup(what);
	if (json_expect(at, json_type_object, err) < 0 ||
	    get_location(at, "location", &e->location, err) < 0 ||
	    get_location(at, "prefix", &e->prefix, err) < 0 ||
	    json_get_bool(at, "insecure", &e->insecure, err) < 0 ||
	    json_get_bool(at, "blocked", &e->blocked, err) < 0 ||
	    json_get_bool(at, "mirror-by-digest-only", &e->by_digest_only, err) < 0 ||
	    parse_mirrors(at, e, err) < 0)
		return -1;
	if (!e->prefix && !e->location)
		return json_error(err, at, "neither location nor prefix is set");
	if (!e->prefix)
		e->prefix = xstrdup(e->location);
	wild = strncmp(e->prefix, "*.", 2) == 0;
	if (!wild && !e->location)
		return json_error(err, at, "location is not set, and prefix is not *.HOST");
	if (wild ? e->prefix[strcspn(e->prefix, "/@:")] || strchr(e->prefix + 1, '*')
	         : strchr(e->prefix, '*') != NULL)
		return json_error(err, at, "prefix '%.200s': '*' stands only in *.HOST", e->prefix);
	if (json_has(at, "pull-from-mirror"))
		return json_error(err, at, "pull-from-mirror belongs to a mirror");
	return 0;
}

/* The same registry in several entries must not be half blocked. */
static int check_conflicts(const struct registry_entry *entries, size_t n, const struct json *list,
                           struct err *err)
{
	for (size_t i = 0; i < n; i++) {
		const struct registry_entry *a = &entries[i];
		const char *where = a->location ? a->location : a->prefix;

		for (size_t j = 0; j < i; j++) {
			const struct registry_entry *b = &entries[j];

			if (strcmp(where, b->location ? b->location : b->prefix) != 0)
				continue;
			if (a->insecure != b->insecure || a->blocked != b->blocked)
				return json_error(
					err, list, "'%.200s' is there twice, with different '%s'",
					where, a->blocked != b->blocked ? "blocked" : "insecure");
		}
	}
	return 0;
}

/* Takes *e. replace: of equal prefixes this one counts, else the one that is there. */
static void add_entry(struct registries *r, struct registry_entry *e, size_t keep_from)
{
	for (size_t i = 0; i < r->n_entries; i++) {
		if (strcmp(r->entries[i].prefix, e->prefix) != 0)
			continue;
		if (i >= keep_from) {
			/* within one file the first counts */
			entry_done(e);
		} else {
			entry_done(&r->entries[i]);
			r->entries[i] = *e;
		}
		return;
	}
	VEC_PUSH(r->entries, r->n_entries, *e);
}

static int parse_entries(const struct json *root, const char *what, struct registries *r,
                         struct err *err)
{
	struct registry_entry *entries = NULL;
	size_t n = 0, keep_from = r->n_entries;
	struct json list;
	bool present = false;
	int result = json_get_array(root, "registry", &list, &present, err);

	if (result == 0 && present && json_len(&list) > ENTRIES_MAX)
		result = json_error(err, &list, "more than %d registries", ENTRIES_MAX);
	for (size_t i = 0; result == 0 && present && i < json_len(&list); i++) {
		struct json item = json_item(&list, i);
		struct registry_entry e = { 0 };

		result = parse_entry(&item, what, &e, err);
		VEC_PUSH(entries, n, e);
	}
	if (result == 0)
		result = check_conflicts(entries, n, &list, err);
	for (size_t i = 0; i < n; i++)
		if (result == 0)
			add_entry(r, &entries[i], keep_from);
		else
			entry_done(&entries[i]);
	free(entries);
	return result;
}

static bool is_domain(const char *s)
{
	AUTO_FREE char *name = xasprintf("%s/x", s);
	AUTO_REF ref = IMAGE_REF_INIT;

	return *s && image_ref_parse(name, &ref, ERR_IGNORE) == 0 && strcmp(ref.path, "x") == 0;
}

static int parse_search(const struct json *root, const char *what, struct registries *r,
                        struct err *err)
{
	AUTO_STRV search = STRV_INIT;

	if (!json_has(root, "unqualified-search-registries"))
		return 0;
	if (json_get_strv(root, "unqualified-search-registries", &search, err) < 0)
		return -1;
	for (size_t i = 0; i < search.len; i++)
		if (!is_domain(search.items[i]) && strcmp(search.items[i], "localhost") != 0)
			return json_error(err, root,
			                  "unqualified-search-registries: '%.200s' is not the name"
			                  " of a registry",
			                  search.items[i]);
	strv_done(&r->search);
	r->search = search;
	search = STRV_INIT;
	r->has_search = true;
	free(r->search_origin);
	r->search_origin = xstrdup(what);
	return 0;
}

static int parse_mode(const struct json *root, struct registries *r, struct err *err)
{
	static const char *const modes[] = { [SHORT_DISABLED] = "disabled",
		                             [SHORT_PERMISSIVE] = "permissive",
		                             [SHORT_ENFORCING] = "enforcing" };
	const char *text = NULL;

	if (json_get_str(root, "short-name-mode", &text, err) < 0)
		return -1;
	if (!text || !*text)
		return 0;
	for (size_t i = SHORT_DISABLED; i < ARRAY_LEN(modes); i++)
		if (strcmp(text, modes[i]) == 0) {
			r->mode = (enum short_name_mode)i;
			return 0;
		}
	return json_error(err, root, "short-name-mode '%.100s': enforcing, permissive or disabled",
	                  text);
}

static int check_alias(const struct json *at, const char *name, const char *value, struct err *err)
{
	AUTO_REF left = IMAGE_REF_INIT, right = IMAGE_REF_INIT;
	const char *slash = strrchr(name, '/');

	if (!is_short_name(name) || strchr(slash ? slash : name, ':') || strchr(name, '@') ||
	    image_ref_parse(name, &left, ERR_IGNORE) < 0)
		return json_error(err, at, "'%.200s' is not a short name without a tag", name);
	slash = strrchr(value, '/');
	if (*value && (is_short_name(value) || !slash || strchr(slash, ':') || strchr(value, '@') ||
	               image_ref_parse(value, &right, ERR_IGNORE) < 0))
		return json_error(err, at, "'%.200s' is not REGISTRY/REPOSITORY without a tag",
		                  value);
	return 0;
}

static void set_alias(struct registries *r, const char *name, const char *value)
{
	struct short_alias a = { .name = xstrdup(name), .value = *value ? xstrdup(value) : NULL };

	for (size_t i = 0; i < r->n_aliases; i++)
		if (strcmp(r->aliases[i].name, name) == 0) {
			free(r->aliases[i].name);
			free(r->aliases[i].value);
			r->aliases[i] = a;
			return;
		}
	VEC_PUSH(r->aliases, r->n_aliases, a);
}

static int parse_aliases(const struct json *root, struct registries *r, struct err *err)
{
	struct json map;
	bool present = false;

	if (json_get_object(root, "aliases", &map, &present, err) < 0)
		return -1;
	if (!present)
		return 0;
	json_object_object_foreach(map.obj, key, value)
	{
		const char *text = NULL;

		(void)value;
		if (json_get_str(&map, key, &text, err) < 0 ||
		    check_alias(&map, key, text ? text : "", err) < 0)
			return -1;
		set_alias(r, key, text ? text : "");
	}
	return 0;
}

static void note_unknown(const struct json *root, const char *what)
{
	static const char *const known[] = {
		"registry",           "unqualified-search-registries",
		"short-name-mode",    "aliases",
		"credential-helpers", "additional-layer-store-auth-helper"
	};

	json_object_object_foreach(root->obj, key, value)
	{
		bool found = false;

		(void)value;
		for (size_t i = 0; i < ARRAY_LEN(known); i++)
			found |= strcmp(known[i], key) == 0;
		if (!found)
			log_debug("%s: '%s' is not known", what, key);
	}
}

int registries_parse(const char *what, const char *text, size_t len, struct registries *ret,
                     struct err *err)
{
	AUTO_JSON *obj = NULL;
	AUTO_STRV helpers = STRV_INIT;
	struct json root;

	if (toml_parse(what, text, len, &obj, err) < 0)
		return -1;
	root = json_root(obj, what);
	if (json_has(&root, "registries")) {
		json_error(err, &root,
		           "[registries.search] and the like are version 1 of the format");
		return err_hint(err, "write it as version 2: see containers-registries.conf(5)");
	}
	if (json_get_strv(&root, "credential-helpers", &helpers, err) < 0 ||
	    parse_entries(&root, what, ret, err) < 0 || parse_search(&root, what, ret, err) < 0 ||
	    parse_mode(&root, ret, err) < 0 || parse_aliases(&root, ret, err) < 0)
		return -1;
	if (json_has(&root, "credential-helpers")) {
		strv_done(&ret->credential_helpers);
		ret->credential_helpers = helpers;
		helpers = STRV_INIT;
	}
	note_unknown(&root, what);
	return 0;
}

/* --- files --- */

static int read_one(const char *path, bool must, struct registries *r, struct err *err)
{
	AUTO_FREE char *text = NULL;
	size_t len;
	int found = config_file_read(path, TOML_MAX_BYTES, &text, &len, err);

	if (found < 0)
		return -1;
	if (!found)
		return must ? err_set(err, E_NOT_FOUND, "no such file: '%s'", path) : 0;
	return registries_parse(path, text, len, r, err);
}

static int read_dir(const char *dir, struct registries *r, struct err *err)
{
	AUTO_STRV files = STRV_INIT;

	if (config_dir_list(dir, ".conf", &files, err) < 0)
		return -1;
	for (size_t i = 0; i < files.len; i++)
		if (read_one(files.items[i], false, r, err) < 0)
			return -1;
	return 0;
}

/* Where choices of short names are remembered. Caller frees. */
static char *cache_path(void)
{
	const char *cache = getenv("XDG_CACHE_HOME"), *home = getenv("HOME");

	/* not so for who is root of a user namespace only */
	if (geteuid() == 0 && access("/var/cache", W_OK) == 0)
		return xstrdup("/var/cache/containers/short-name-aliases.conf");
	if (cache && *cache)
		return xasprintf("%s/containers/short-name-aliases.conf", cache);
	return home && *home ? xasprintf("%s/.cache/containers/short-name-aliases.conf", home)
	                     : NULL;
}

int registries_load(struct registries *ret, struct err *err)
{
	const char *named = getenv("CONTAINERS_REGISTRIES_CONF");
	const char *named_dir = getenv("CONTAINERS_REGISTRIES_CONF_DIR");
	AUTO_FREE char *user = config_user_path("containers/registries.conf");
	AUTO_FREE char *user_dir = config_user_path("containers/registries.conf.d");
	AUTO_FREE char *cache = cache_path();
	AUTO_REGISTRIES r = REGISTRIES_INIT;
	bool is_named = named && *named;
	bool is_users = !is_named && user && access(user, F_OK) == 0;

	if (read_one(is_named ? named : is_users ? user : SYSTEM_CONF, is_named, &r, err) < 0)
		return -1;
	if (named_dir && *named_dir) {
		if (read_dir(named_dir, &r, err) < 0)
			return -1;
	} else if ((!is_users && read_dir(SYSTEM_CONF_DIR, &r, err) < 0) ||
	           (user_dir && read_dir(user_dir, &r, err) < 0)) {
		return -1;
	}
	if (cache && read_one(cache, false, &r, err) < 0)
		return err_hint(err, "repair or remove the file: it is only a cache");
	*ret = r;
	r = REGISTRIES_INIT;
	return 0;
}

/* --- matching --- */

/* How many bytes of `name` the prefix covers; -1: it is none of it. */
static int match_prefix(const char *name, const char *prefix)
{
	size_t len = strlen(prefix);

	if (strncmp(prefix, "*.", 2) == 0) {
		/* the whole tail of the host, port not included */
		size_t host = strcspn(name, ":/@");

		len -= 1;
		if (host <= len || strncmp(name + host - len, prefix + 1, len) != 0)
			return -1;
		return (int)host;
	}
	if (strncmp(name, prefix, len) != 0 || (name[len] && !strchr(":/@", name[len])))
		return -1;
	return (int)len;
}

const struct registry_entry *registries_find(const struct registries *r,
                                             const struct image_ref *ref)
{
	AUTO_FREE char *name = image_ref_full(ref);
	const struct registry_entry *best = NULL;

	for (size_t i = 0; i < r->n_entries; i++)
		if (match_prefix(name, r->entries[i].prefix) >= 0 &&
		    (!best || strlen(r->entries[i].prefix) > strlen(best->prefix)))
			best = &r->entries[i];
	return best;
}

int registries_check_blocked(const struct registries *r, const struct image_ref *ref,
                             struct err *err)
{
	const struct registry_entry *e = registries_find(r, ref);

	if (!e || !e->blocked)
		return 0;
	return err_set(err, E_PERM, "registry '%s' is blocked in '%s'", e->prefix, e->origin);
}

void pull_sources_free(struct pull_source *sources, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		free(sources[i].domain);
		free(sources[i].path);
	}
	free(sources);
}

/* location put in the place of the prefix; split into domain and path. */
static int rewrite(const struct registry_entry *e, const char *location,
                   const struct image_ref *ref, struct pull_source *ret, struct err *err)
{
	AUTO_FREE char *full = image_ref_full(ref);
	AUTO_REF to = IMAGE_REF_INIT;
	AUTO_FREE char *text = NULL;
	size_t first;

	if (!location) {
		ret->domain = xstrdup(ref->domain);
		ret->path = xstrdup(ref->path);
		return 0;
	}
	text = xasprintf("%s%s", location, full + match_prefix(full, e->prefix));
	first = strcspn(text, "/");
	if (image_ref_parse(text, &to, err) < 0)
		return err_ctx(err, "%s: location '%s'", e->origin, location);
	if (strlen(to.domain) != first || strncmp(to.domain, text, first) != 0)
		return err_set(err, E_INVALID, "%s: location '%s' does not begin with a registry",
		               e->origin, location);
	ret->domain = xstrdup(to.domain);
	ret->path = xstrdup(to.path);
	return 0;
}

static bool serves(const struct registry_entry *e, const struct registry_mirror *m,
                   const struct image_ref *ref)
{
	if (e->by_digest_only)
		return ref->has_digest;
	return m->use == MIRROR_ALL || (m->use == MIRROR_DIGEST_ONLY) == ref->has_digest;
}

int registries_sources(const struct registries *r, const struct image_ref *ref,
                       struct pull_source **ret, size_t *ret_n, struct err *err)
{
	const struct registry_entry *e = registries_find(r, ref);
	struct pull_source *list = NULL, own = { 0 };
	size_t n = 0;
	int result = 0;

	if (registries_check_blocked(r, ref, err) < 0)
		return -1;
	for (size_t i = 0; e && result == 0 && i < e->n_mirrors; i++) {
		const struct registry_mirror *m = &e->mirrors[i];
		struct pull_source s = { .insecure = m->insecure, .is_mirror = true };

		if (!serves(e, m, ref))
			continue;
		result = rewrite(e, m->location, ref, &s, err);
		VEC_PUSH(list, n, s);
	}
	if (result == 0) {
		own.insecure = e && e->insecure;
		result = rewrite(e, e ? e->location : NULL, ref, &own, err);
		VEC_PUSH(list, n, own);
	}
	if (result < 0) {
		pull_sources_free(list, n);
		return -1;
	}
	*ret = list;
	*ret_n = n;
	return 0;
}

/* --- short names --- */

int short_name_record(const char *name, const char *full, struct err *err)
{
	AUTO_FREE char *path = cache_path();
	AUTO_REGISTRIES r = REGISTRIES_INIT;
	AUTO_REF ref = IMAGE_REF_INIT;
	AUTO_FREE char *repo = NULL;
	AUTO_FREE char *key = NULL;
	AUTO_FREE char *dir = NULL;
	AUTO_BUF text = STRBUF_INIT;
	AUTO_FD dir_fd = -1;
	const char *slash;

	if (!path)
		return 0;
	if (read_one(path, false, &r, err) < 0 || image_ref_parse(full, &ref, err) < 0)
		return -1;
	repo = image_ref_repo(&ref);
	key = short_name_key(name);
	set_alias(&r, key, repo);
	strbuf_adds(&text, "[aliases]\n");
	for (size_t i = 0; i < r.n_aliases; i++) {
		toml_add_string(&text, r.aliases[i].name);
		strbuf_adds(&text, " = ");
		toml_add_string(&text, r.aliases[i].value ? r.aliases[i].value : "");
		strbuf_addc(&text, '\n');
	}
	slash = strrchr(path, '/');
	dir = xstrndup(path, (size_t)(slash - path));
	if (dir_make_at(AT_FDCWD, dir, 0755, err) < 0)
		return err_ctx(err, "remember the short name");
	dir_fd = dir_open_at(AT_FDCWD, dir, err);
	if (dir_fd < 0)
		return -1;
	return file_write_atomic_at(dir_fd, slash + 1, text.buf, text.len, 0600, 0, err);
}
