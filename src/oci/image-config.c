#include "oci/image-config.h"
#include "base/clock.h"
#include "base/num.h"
#include "base/strbuf.h"
#include "base/xalloc.h"
#include <ctype.h>

#define LIST_MAX    4096         /* entries of any list or map */
#define STRING_MAX  (128u << 10) /* one string: what execve takes (MAX_ARG_STRLEN) */
#define HISTORY_MAX 4096

void image_config_done(struct image_config *c)
{
	char **const strings[] = { &c->created,     &c->author,   &c->user,      &c->workdir,
		                   &c->stop_signal, &c->hostname, &c->domainname };
	struct strv *const lists[] = { &c->env,           &c->entrypoint, &c->cmd,
		                       &c->shell,         &c->on_build,   &c->volumes,
		                       &c->exposed_ports, &c->labels,     &c->healthcheck.test };

	for (size_t i = 0; i < ARRAY_LEN(strings); i++)
		free(*strings[i]);
	for (size_t i = 0; i < ARRAY_LEN(lists); i++)
		strv_done(lists[i]);
	free(c->diff_ids);
	for (size_t i = 0; i < c->n_history; i++) {
		free(c->history[i].created);
		free(c->history[i].created_by);
		free(c->history[i].author);
		free(c->history[i].comment);
	}
	free(c->history);
	*c = IMAGE_CONFIG_INIT;
}

/* --- reading --- */

static int get_string(const struct json *at, const char *key, char **ret, struct err *err)
{
	const char *s = NULL;

	if (json_get_str(at, key, &s, err) < 0)
		return -1;
	if (!s)
		return 0;
	if (strlen(s) > STRING_MAX)
		return json_error(err, at, "%s is longer than %u bytes", key, STRING_MAX);
	*ret = xstrdup(s);
	return 0;
}

static int get_list(const struct json *at, const char *key, struct strv *ret, struct err *err)
{
	if (json_get_strv(at, key, ret, err) < 0)
		return -1;
	if (ret->len > LIST_MAX)
		return json_error(err, at, "%s has more than %d entries", key, LIST_MAX);
	for (size_t i = 0; i < ret->len; i++)
		if (strlen(ret->items[i]) > STRING_MAX)
			return json_error(err, at, "%s[%zu] is longer than %u bytes", key, i,
			                  STRING_MAX);
	return 0;
}

static int compare_strings(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static void sort(struct strv *v)
{
	if (v->len > 1)
		qsort(v->items, v->len, sizeof(*v->items), compare_strings);
}

/* A map whose keys alone matter ("Volumes": {"/data": {}}), or NAME=VALUE of a string map. */
static int get_map(const struct json *at, const char *key, bool with_values, struct strv *ret,
                   struct err *err)
{
	struct json map;
	bool present = false;

	if (json_get_object(at, key, &map, &present, err) < 0)
		return -1;
	if (!present)
		return 0;
	if (json_object_object_length(map.obj) > LIST_MAX)
		return json_error(err, at, "%s has more than %d entries", key, LIST_MAX);
	json_object_object_foreach(map.obj, name, value)
	{
		const char *text = NULL;

		(void)value;
		if (strlen(name) > STRING_MAX)
			return json_error(err, &map, "a name is longer than %u bytes", STRING_MAX);
		if (!with_values) {
			strv_add(ret, name);
			continue;
		}
		if (json_get_str(&map, name, &text, err) < 0)
			return -1;
		if (text && strlen(text) > STRING_MAX)
			return json_error(err, &map, "a value is longer than %u bytes", STRING_MAX);
		strv_addf(ret, "%s=%s", name, text ? text : "");
	}
	sort(ret);
	return 0;
}

static int get_healthcheck(const struct json *at, struct image_healthcheck *h, struct err *err)
{
	struct json check;

	if (json_get_object(at, "Healthcheck", &check, &h->present, err) < 0)
		return -1;
	if (!h->present)
		return 0;
	if (get_list(&check, "Test", &h->test, err) < 0 ||
	    json_get_i64(&check, "Interval", &h->interval_ns, err) < 0 ||
	    json_get_i64(&check, "Timeout", &h->timeout_ns, err) < 0 ||
	    json_get_i64(&check, "StartPeriod", &h->start_period_ns, err) < 0 ||
	    json_get_i64(&check, "StartInterval", &h->start_interval_ns, err) < 0)
		return -1;
	return json_get_i64(&check, "Retries", &h->retries, err);
}

static int check_env(const struct json *at, const struct strv *env, struct err *err)
{
	/* a bare NAME would be looked up in our own environment by some: CVE-2026-57231 */
	for (size_t i = 0; i < env->len; i++)
		if (env->items[i][0] == '=' || !strchr(env->items[i], '='))
			return json_error(err, at, "Env[%zu] is not NAME=VALUE", i);
	return 0;
}

static int get_run_config(const struct json *root, struct image_config *c, struct err *err)
{
	struct json r;
	bool present = false;

	if (json_get_object(root, "config", &r, &present, err) < 0)
		return -1;
	if (!present)
		return 0;
	if (get_string(&r, "User", &c->user, err) < 0 ||
	    get_string(&r, "WorkingDir", &c->workdir, err) < 0 ||
	    get_string(&r, "StopSignal", &c->stop_signal, err) < 0 ||
	    get_string(&r, "Hostname", &c->hostname, err) < 0 ||
	    get_string(&r, "Domainname", &c->domainname, err) < 0)
		return -1;
	if (get_list(&r, "Env", &c->env, err) < 0 || check_env(&r, &c->env, err) < 0 ||
	    get_list(&r, "Entrypoint", &c->entrypoint, err) < 0 ||
	    get_list(&r, "Cmd", &c->cmd, err) < 0 || get_list(&r, "Shell", &c->shell, err) < 0 ||
	    get_list(&r, "OnBuild", &c->on_build, err) < 0)
		return -1;
	if (get_map(&r, "Volumes", false, &c->volumes, err) < 0 ||
	    get_map(&r, "ExposedPorts", false, &c->exposed_ports, err) < 0 ||
	    get_map(&r, "Labels", true, &c->labels, err) < 0)
		return -1;
	if (json_get_bool(&r, "ArgsEscaped", &c->args_escaped, err) < 0)
		return -1;
	return get_healthcheck(&r, &c->healthcheck, err);
}

static int get_rootfs(const struct json *root, struct image_config *c, struct err *err)
{
	AUTO_STRV ids = STRV_INIT;
	struct json rootfs;
	const char *type = NULL;
	struct err why = ERR_INIT;

	if (json_require(root, "rootfs", &rootfs, err) < 0 ||
	    json_expect(&rootfs, json_type_object, err) < 0 ||
	    json_get_str(&rootfs, "type", &type, err) < 0 ||
	    json_get_strv(&rootfs, "diff_ids", &ids, err) < 0)
		return -1;
	if (type && strcmp(type, "layers") != 0)
		return json_error(err, &rootfs, "type is not 'layers'");
	if (ids.len > IMAGE_MAX_LAYERS)
		return json_error(err, &rootfs, "more than %d layers", IMAGE_MAX_LAYERS);
	c->diff_ids = xcalloc(ids.len ? ids.len : 1, sizeof(*c->diff_ids));
	for (size_t i = 0; i < ids.len; i++)
		if (digest_parse(ids.items[i], &c->diff_ids[i], &why) < 0)
			return json_error(err, &rootfs, "diff_ids[%zu]: %s", i, why.msg);
	c->n_diff_ids = ids.len;
	return 0;
}

static int get_history(const struct json *root, struct image_config *c, struct err *err)
{
	struct json list;
	bool present = false;
	size_t n;

	if (json_get_array(root, "history", &list, &present, err) < 0)
		return -1;
	n = present ? json_len(&list) : 0;
	if (n > HISTORY_MAX)
		return json_error(err, &list, "more than %d entries", HISTORY_MAX);
	c->history = xcalloc(n ? n : 1, sizeof(*c->history));
	for (size_t i = 0; i < n; i++) {
		struct json item = json_item(&list, i);
		struct image_history *h = &c->history[i];

		c->n_history = i + 1;
		if (json_expect(&item, json_type_object, err) < 0 ||
		    get_string(&item, "created", &h->created, err) < 0 ||
		    get_string(&item, "created_by", &h->created_by, err) < 0 ||
		    get_string(&item, "author", &h->author, err) < 0 ||
		    get_string(&item, "comment", &h->comment, err) < 0 ||
		    json_get_bool(&item, "empty_layer", &h->empty_layer, err) < 0)
			return -1;
	}
	return 0;
}

static int get_platform(const struct json *root, struct image_config *c, struct err *err)
{
	const char *os = NULL, *architecture = NULL, *variant = NULL, *os_version = NULL;

	if (json_get_str(root, "os", &os, err) < 0 ||
	    json_get_str(root, "architecture", &architecture, err) < 0 ||
	    json_get_str(root, "variant", &variant, err) < 0 ||
	    json_get_str(root, "os.version", &os_version, err) < 0)
		return -1;
	return platform_set(&c->platform, os, architecture, variant, os_version, err);
}

int image_config_parse(const char *what, const char *text, size_t len, struct image_config *ret,
                       struct err *err)
{
	AUTO_IMAGE_CONFIG c = IMAGE_CONFIG_INIT;
	AUTO_JSON *obj = NULL;
	struct json root;

	if (len > IMAGE_CONFIG_MAX_BYTES)
		return err_set(err, E_LIMIT, "%s: larger than %u bytes", what,
		               IMAGE_CONFIG_MAX_BYTES);
	if (json_parse(what, text, len, &obj, err) < 0)
		return -1;
	root = json_root(obj, what);
	if (json_expect(&root, json_type_object, err) < 0 || get_platform(&root, &c, err) < 0 ||
	    get_string(&root, "created", &c.created, err) < 0 ||
	    get_string(&root, "author", &c.author, err) < 0 || get_run_config(&root, &c, err) < 0 ||
	    get_rootfs(&root, &c, err) < 0 || get_history(&root, &c, err) < 0)
		return -1;
	/* a time nobody can read is as good as none */
	if (c.created && time_parse(c.created, &c.created_ns) < 0)
		c.created_ns = 0;
	*ret = c;
	c = IMAGE_CONFIG_INIT;
	return 0;
}

/* --- writing --- */

static void add_set(struct json_object *obj, const char *key, const struct strv *names)
{
	struct json_object *map;

	if (!names->len)
		return;
	map = json_add_object(obj, key);
	for (size_t i = 0; i < names->len; i++)
		json_add_object(map, names->items[i]);
}

static void add_labels(struct json_object *obj, const struct strv *labels)
{
	struct json_object *map;

	if (!labels->len)
		return;
	map = json_add_object(obj, "Labels");
	for (size_t i = 0; i < labels->len; i++) {
		const char *label = labels->items[i];
		size_t len = strcspn(label, "=");
		AUTO_FREE char *name = xstrndup(label, len);

		json_add_str(map, name, label[len] ? label + len + 1 : "");
	}
}

static void add_healthcheck(struct json_object *obj, const struct image_healthcheck *h)
{
	const struct {
		const char *key;
		int64_t value;
	} numbers[] = {
		{ "Interval", h->interval_ns },
		{ "Timeout", h->timeout_ns },
		{ "StartPeriod", h->start_period_ns },
		{ "StartInterval", h->start_interval_ns },
		{ "Retries", h->retries },
	};
	struct json_object *check;

	if (!h->present)
		return;
	check = json_add_object(obj, "Healthcheck");
	json_add_strv(check, "Test", &h->test);
	for (size_t i = 0; i < ARRAY_LEN(numbers); i++)
		if (numbers[i].value)
			json_add_i64(check, numbers[i].key, numbers[i].value);
}

struct json_object *image_config_run_json(const struct image_config *c)
{
	struct json_object *obj = json_object_new_object();

	json_add_str(obj, "Hostname", c->hostname);
	json_add_str(obj, "Domainname", c->domainname);
	json_add_str(obj, "User", c->user);
	add_set(obj, "ExposedPorts", &c->exposed_ports);
	json_add_strv(obj, "Env", &c->env);
	json_add_strv(obj, "Cmd", &c->cmd);
	add_healthcheck(obj, &c->healthcheck);
	if (c->args_escaped)
		json_add_bool(obj, "ArgsEscaped", true);
	add_set(obj, "Volumes", &c->volumes);
	json_add_str(obj, "WorkingDir", c->workdir);
	json_add_strv(obj, "Entrypoint", &c->entrypoint);
	json_add_strv(obj, "OnBuild", &c->on_build);
	add_labels(obj, &c->labels);
	json_add_str(obj, "StopSignal", c->stop_signal);
	json_add_strv(obj, "Shell", &c->shell);
	return obj;
}

static void add_history(struct json_object *obj, const struct image_config *c)
{
	struct json_object *list;

	if (!c->n_history)
		return;
	list = json_add_array(obj, "history");
	for (size_t i = 0; i < c->n_history; i++) {
		const struct image_history *h = &c->history[i];
		struct json_object *item = json_object_new_object();

		json_add_str(item, "created", h->created);
		json_add_str(item, "created_by", h->created_by);
		json_add_str(item, "author", h->author);
		json_add_str(item, "comment", h->comment);
		if (h->empty_layer)
			json_add_bool(item, "empty_layer", true);
		json_object_array_add(list, item);
	}
}

struct json_object *image_config_to_json(const struct image_config *c)
{
	struct json_object *obj = json_object_new_object();
	struct json_object *rootfs, *ids;

	json_add_str(obj, "created", c->created);
	json_add_str(obj, "author", c->author);
	json_add_str(obj, "architecture", c->platform.architecture);
	if (c->platform.variant[0])
		json_add_str(obj, "variant", c->platform.variant);
	json_add_str(obj, "os", c->platform.os);
	if (c->platform.os_version[0])
		json_add_str(obj, "os.version", c->platform.os_version);
	json_object_object_add(obj, "config", image_config_run_json(c));
	rootfs = json_add_object(obj, "rootfs");
	json_add_str(rootfs, "type", "layers");
	ids = json_add_array(rootfs, "diff_ids");
	for (size_t i = 0; i < c->n_diff_ids; i++)
		json_object_array_add(ids,
		                      json_object_new_string(digest_format(&c->diff_ids[i]).s));
	add_history(obj, c);
	return obj;
}
