/* config.json to struct oci_spec: everything but "linux", which is in spec-parse-linux.c. */
#include "oci/spec-internal.h"

#include <sys/resource.h>

#include "base/num.h"
#include "base/xalloc.h"
#include "oci/names.h"

const char *const spec_hook_names[OCI_HOOK_MAX] = {
	[OCI_HOOK_PRESTART] = "prestart",
	[OCI_HOOK_CREATE_RUNTIME] = "createRuntime",
	[OCI_HOOK_CREATE_CONTAINER] = "createContainer",
	[OCI_HOOK_START_CONTAINER] = "startContainer",
	[OCI_HOOK_POSTSTART] = "poststart",
	[OCI_HOOK_POSTSTOP] = "poststop",
};

int spec_get_str(const struct json *at, const char *key, char **ret, struct err *err)
{
	const char *s = NULL;

	if (json_get_str(at, key, &s, err) < 0)
		return -1;
	if (s) {
		free(*ret);
		*ret = xstrdup(s);
	}
	return 0;
}

int spec_get_unsigned(const struct json *at, const char *key, int64_t max, int64_t *ret,
                      struct err *err)
{
	uint64_t n = UINT64_MAX;

	if (!json_has(at, key))
		return 0;
	if (json_get_u64(at, key, &n, err) < 0)
		return -1;
	if (n > (uint64_t)max) {
		struct json value;

		json_get(at, key, &value);
		return json_error(err, &value, "%llu is above the maximum of %lld",
		                  (unsigned long long)n, (long long)max);
	}
	*ret = (int64_t)n;
	return 0;
}

int spec_open_list(const struct json *at, const char *key, struct json *ret, size_t *ret_count,
                   struct err *err)
{
	bool present = false;

	*ret_count = 0;
	if (json_get_array(at, key, ret, &present, err) < 0)
		return -1;
	if (present)
		*ret_count = json_len(ret);
	return 0;
}

int spec_parse_idmaps(const struct json *at, const char *key, struct oci_idmap **ret,
                      size_t *ret_count, struct err *err)
{
	struct json list;
	size_t n;

	if (spec_open_list(at, key, &list, &n, err) < 0)
		return -1;
	for (size_t i = 0; i < n; i++) {
		struct json item = json_item(&list, i);
		struct oci_idmap m = { 0 };

		if (json_expect(&item, json_type_object, err) < 0 ||
		    json_get_u32(&item, "containerID", &m.container_id, err) < 0 ||
		    json_get_u32(&item, "hostID", &m.host_id, err) < 0 ||
		    json_get_u32(&item, "size", &m.size, err) < 0)
			return -1;
		if (m.size == 0)
			return json_error(err, &item, "size must be above 0");
		VEC_PUSH(*ret, *ret_count, m);
	}
	return 0;
}

int spec_parse_keyvals(const struct json *at, const char *key, struct oci_keyval **ret,
                       size_t *ret_count, struct err *err)
{
	struct json obj;
	bool present = false;

	if (json_get_object(at, key, &obj, &present, err) < 0)
		return -1;
	if (!present)
		return 0;
	json_object_object_foreach(obj.obj, name, unused)
	{
		const char *value = NULL;

		(void)unused;
		if (json_get_str(&obj, name, &value, err) < 0)
			return -1;
		if (value)
			VEC_PUSH(*ret, *ret_count,
			         (struct oci_keyval){ xstrdup(name), xstrdup(value) });
	}
	return 0;
}

static int parse_user(const struct json *at, struct oci_user *u, struct err *err)
{
	struct json user, groups;
	bool present = false;
	size_t n;

	if (json_get_object(at, "user", &user, &present, err) < 0)
		return -1;
	if (!present)
		return 0;
	if (json_get_u32(&user, "uid", &u->uid, err) < 0 ||
	    json_get_u32(&user, "gid", &u->gid, err) < 0 ||
	    spec_get_unsigned(&user, "umask", 0777, &u->umask, err) < 0 ||
	    spec_open_list(&user, "additionalGids", &groups, &n, err) < 0)
		return -1;
	for (size_t i = 0; i < n; i++) {
		struct json item = json_item(&groups, i);
		int64_t gid;

		if (json_expect(&item, json_type_int, err) < 0)
			return -1;
		gid = json_object_get_int64(item.obj);
		if (gid < 0 || gid > UINT32_MAX - 1)
			return json_error(err, &item, "%lld is not a group id", (long long)gid);
		VEC_PUSH(u->additional_gids, u->n_additional_gids, (gid_t)gid);
	}
	return 0;
}

static int parse_cap_set(const struct json *caps, const char *key, uint64_t *ret,
                         struct strv *warnings, struct err *err)
{
	struct json list;
	size_t n;

	if (spec_open_list(caps, key, &list, &n, err) < 0)
		return -1;
	for (size_t i = 0; i < n; i++) {
		struct json item = json_item(&list, i);
		int number;

		if (json_expect(&item, json_type_string, err) < 0)
			return -1;
		number = oci_cap_number(json_object_get_string(item.obj));
		/* The specification wants a warning, not an error, for what is not known. */
		if (number >= 0)
			*ret |= 1ull << number;
		else if (warnings)
			strv_addf(warnings, "unknown capability '%s' in process.capabilities.%s",
			          json_object_get_string(item.obj), key);
	}
	return 0;
}

static int parse_caps(const struct json *at, struct oci_caps *caps, struct strv *warnings,
                      struct err *err)
{
	struct json obj;

	if (json_get_object(at, "capabilities", &obj, &caps->present, err) < 0)
		return -1;
	if (!caps->present)
		return 0;
	if (parse_cap_set(&obj, "bounding", &caps->bounding, warnings, err) < 0 ||
	    parse_cap_set(&obj, "effective", &caps->effective, warnings, err) < 0 ||
	    parse_cap_set(&obj, "inheritable", &caps->inheritable, warnings, err) < 0 ||
	    parse_cap_set(&obj, "permitted", &caps->permitted, warnings, err) < 0 ||
	    parse_cap_set(&obj, "ambient", &caps->ambient, warnings, err) < 0)
		return -1;
	return 0;
}

static int parse_rlimits(const struct json *at, struct oci_process *p, struct err *err)
{
	struct json list;
	size_t n;

	if (spec_open_list(at, "rlimits", &list, &n, err) < 0)
		return -1;
	for (size_t i = 0; i < n; i++) {
		struct json item = json_item(&list, i), type;
		struct oci_rlimit limit = { 0 };
		const char *name = "";

		if (json_expect(&item, json_type_object, err) < 0 ||
		    json_require(&item, "type", &type, err) < 0 ||
		    json_get_str(&item, "type", &name, err) < 0 ||
		    json_get_u64(&item, "soft", &limit.soft, err) < 0 ||
		    json_get_u64(&item, "hard", &limit.hard, err) < 0)
			return -1;
		limit.resource = strncmp(name, "RLIMIT_", 7) == 0 ? oci_rlimit_resource(name) : -1;
		if (limit.resource < 0)
			return json_error(err, &type, "unknown resource limit '%s'", name);
		for (size_t j = 0; j < p->n_rlimits; j++)
			if (p->rlimits[j].resource == limit.resource)
				return json_error(err, &type, "'%s' is given twice", name);
		if (limit.soft > limit.hard)
			return json_error(err, &item, "the soft limit is above the hard limit");
		VEC_PUSH(p->rlimits, p->n_rlimits, limit);
	}
	return 0;
}

static int parse_scheduling(const struct json *at, struct oci_process *p, struct err *err)
{
	struct oci_scheduler *s = &p->scheduler;
	struct json obj;
	bool present = false;

	if (json_get_object(at, "scheduler", &obj, &present, err) < 0)
		return -1;
	if (present && (spec_get_str(&obj, "policy", &s->policy, err) < 0 ||
	                json_get_i64(&obj, "nice", &s->nice, err) < 0 ||
	                json_get_i64(&obj, "priority", &s->priority, err) < 0 ||
	                json_get_strv(&obj, "flags", &s->flags, err) < 0 ||
	                json_get_u64(&obj, "runtime", &s->runtime_ns, err) < 0 ||
	                json_get_u64(&obj, "deadline", &s->deadline_ns, err) < 0 ||
	                json_get_u64(&obj, "period", &s->period_ns, err) < 0))
		return -1;
	if (json_get_object(at, "ioPriority", &obj, &present, err) < 0)
		return -1;
	if (present && (spec_get_str(&obj, "class", &p->io_class, err) < 0 ||
	                json_get_i64(&obj, "priority", &p->io_priority, err) < 0))
		return -1;
	if (json_get_object(at, "execCPUAffinity", &obj, &present, err) < 0)
		return -1;
	if (present && (spec_get_str(&obj, "initial", &p->exec_cpu_initial, err) < 0 ||
	                spec_get_str(&obj, "final", &p->exec_cpu_final, err) < 0))
		return -1;
	return 0;
}

static int parse_process(const struct json *at, struct oci_process *p, struct strv *warnings,
                         struct err *err)
{
	struct json size, cwd;
	bool present = false;

	if (json_expect(at, json_type_object, err) < 0 ||
	    json_get_bool(at, "terminal", &p->terminal, err) < 0 ||
	    json_get_object(at, "consoleSize", &size, &present, err) < 0)
		return -1;
	if (present && (json_get_u32(&size, "height", &p->console_size.height, err) < 0 ||
	                json_get_u32(&size, "width", &p->console_size.width, err) < 0))
		return -1;
	if (parse_user(at, &p->user, err) < 0 || json_get_strv(at, "args", &p->args, err) < 0 ||
	    json_get_strv(at, "env", &p->env, err) < 0 || json_require(at, "cwd", &cwd, err) < 0 ||
	    spec_get_str(at, "cwd", &p->cwd, err) < 0 ||
	    parse_caps(at, &p->caps, warnings, err) < 0 || parse_rlimits(at, p, err) < 0 ||
	    json_get_bool(at, "noNewPrivileges", &p->no_new_privileges, err) < 0 ||
	    spec_get_str(at, "apparmorProfile", &p->apparmor_profile, err) < 0 ||
	    spec_get_str(at, "selinuxLabel", &p->selinux_label, err) < 0 ||
	    json_get_i64(at, "oomScoreAdj", &p->oom_score_adj, err) < 0)
		return -1;
	if (p->cwd[0] != '/')
		return json_error(err, &cwd, "'%s' is not an absolute path", p->cwd);
	if (p->oom_score_adj != OCI_UNSET && (p->oom_score_adj < -1000 || p->oom_score_adj > 1000))
		return json_error(err, at, "oomScoreAdj must be between -1000 and 1000");
	return parse_scheduling(at, p, err);
}

static int parse_mount_list(const struct json *list, size_t n, struct oci_spec *spec,
                            struct err *err)
{
	for (size_t i = 0; i < n; i++) {
		struct json item = json_item(list, i), unused;
		struct oci_mount *m;

		if (json_expect(&item, json_type_object, err) < 0 ||
		    json_require(&item, "destination", &unused, err) < 0)
			return -1;
		VEC_PUSH(spec->mounts, spec->n_mounts, (struct oci_mount){ .source_fd = -1 });
		m = &spec->mounts[i];
		if (spec_get_str(&item, "destination", &m->destination, err) < 0 ||
		    spec_get_str(&item, "type", &m->type, err) < 0 ||
		    spec_get_str(&item, "source", &m->source, err) < 0 ||
		    json_get_strv(&item, "options", &m->options, err) < 0 ||
		    spec_parse_idmaps(&item, "uidMappings", &m->uid_mappings, &m->n_uid_mappings,
		                      err) < 0 ||
		    spec_parse_idmaps(&item, "gidMappings", &m->gid_mappings, &m->n_gid_mappings,
		                      err) < 0)
			return -1;
		if (!m->destination[0])
			return json_error(err, &item, "the destination is empty");
	}
	return 0;
}

static int parse_mounts(const struct json *at, struct oci_spec *spec, struct err *err)
{
	struct json list;
	size_t n;

	if (spec_open_list(at, "mounts", &list, &n, err) < 0)
		return -1;
	return parse_mount_list(&list, n, spec, err);
}

static int parse_hook_list(const struct json *hooks, const char *key, struct oci_hooks *ret,
                           struct err *err)
{
	struct json list;
	size_t n;

	if (spec_open_list(hooks, key, &list, &n, err) < 0)
		return -1;
	for (size_t i = 0; i < n; i++) {
		struct json item = json_item(&list, i), path;
		struct oci_hook *h;

		if (json_expect(&item, json_type_object, err) < 0 ||
		    json_require(&item, "path", &path, err) < 0)
			return -1;
		VEC_PUSH(ret->items, ret->count, (struct oci_hook){ .timeout_s = OCI_UNSET });
		h = &ret->items[i];
		if (spec_get_str(&item, "path", &h->path, err) < 0 ||
		    json_get_strv(&item, "args", &h->args, err) < 0 ||
		    json_get_strv(&item, "env", &h->env, err) < 0 ||
		    json_get_i64(&item, "timeout", &h->timeout_s, err) < 0)
			return -1;
		if (h->path[0] != '/')
			return json_error(err, &path, "'%s' is not an absolute path", h->path);
		if (h->timeout_s != OCI_UNSET && h->timeout_s <= 0)
			return json_error(err, &item, "the timeout must be above 0 seconds");
	}
	return 0;
}

static int parse_version(const struct json *root, struct oci_spec *spec, struct err *err)
{
	struct json version;
	const char *v = NULL;

	if (json_require(root, "ociVersion", &version, err) < 0 ||
	    json_get_str(root, "ociVersion", &v, err) < 0)
		return -1;
	if (strncmp(v, "1.", 2) != 0)
		return json_error(err, &version, "version '%s' is not one of 1.0.0 to " OCI_VERSION,
		                  v);
	spec->version = xstrdup(v);
	return 0;
}

static int parse_root_and_process(const struct json *root, struct oci_spec *spec, struct err *err)
{
	struct json obj, path;
	bool present = false;

	if (json_get_object(root, "root", &obj, &present, err) < 0)
		return -1;
	if (present && (json_require(&obj, "path", &path, err) < 0 ||
	                spec_get_str(&obj, "path", &spec->root_path, err) < 0 ||
	                json_get_bool(&obj, "readonly", &spec->root_readonly, err) < 0))
		return -1;
	if (json_get_object(root, "process", &obj, &spec->has_process, err) < 0)
		return -1;
	if (spec->has_process && parse_process(&obj, &spec->process, &spec->warnings, err) < 0)
		return -1;
	return 0;
}

static int parse_spec(const struct json *root, struct oci_spec *spec, struct err *err)
{
	struct json obj;
	const char *landlock;
	bool present = false;

	if (json_expect(root, json_type_object, err) < 0 || parse_version(root, spec, err) < 0 ||
	    parse_root_and_process(root, spec, err) < 0 ||
	    spec_get_str(root, "hostname", &spec->hostname, err) < 0 ||
	    spec_get_str(root, "domainname", &spec->domainname, err) < 0 ||
	    parse_mounts(root, spec, err) < 0)
		return -1;
	if (json_get_object(root, "hooks", &obj, &present, err) < 0)
		return -1;
	for (int i = 0; present && i < OCI_HOOK_MAX; i++)
		if (parse_hook_list(&obj, spec_hook_names[i], &spec->hooks[i], err) < 0)
			return -1;
	if (spec_parse_keyvals(root, "annotations", &spec->annotations, &spec->n_annotations, err) <
	    0)
		return -1;
	if (json_get_object(root, "vm", &obj, &present, err) < 0 ||
	    (present && spec_parse_vm(&obj, &spec->vm, err) < 0))
		return -1;
	if (json_get_object(root, "linux", &obj, &present, err) < 0)
		return -1;
	if (present && spec_parse_linux(&obj, &spec->linux_, err) < 0)
		return -1;
	landlock = oci_spec_annotation(spec, OCI_LANDLOCK_ANNOTATION);
	return landlock ? spec_parse_landlock_annotation(landlock, &spec->linux_.landlock, err) : 0;
}

int oci_spec_parse(struct oci_spec *spec, const char *what, const char *text, size_t len,
                   struct err *err)
{
	AUTO_JSON *obj = NULL;
	struct json root;

	oci_spec_init(spec);
	if (json_parse(what, text, len, &obj, err) < 0)
		return -1;
	root = json_root(obj, what);
	if (parse_spec(&root, spec, err) == 0)
		return 0;
	oci_spec_done(spec);
	return -1;
}

int oci_process_parse(struct oci_process *p, const char *what, const char *text, size_t len,
                      struct err *err)
{
	AUTO_JSON *obj = NULL;
	struct json root;

	oci_process_init(p);
	if (json_parse(what, text, len, &obj, err) < 0)
		return -1;
	root = json_root(obj, what);
	if (parse_process(&root, p, NULL, err) == 0)
		return 0;
	oci_process_done(p);
	return -1;
}

int oci_resources_parse(struct oci_resources *r, const char *what, const char *text, size_t len,
                        struct err *err)
{
	AUTO_JSON *obj = NULL;
	struct json root;

	oci_resources_init(r);
	if (json_parse(what, text, len, &obj, err) < 0)
		return -1;
	root = json_root(obj, what);
	if (json_expect(&root, json_type_object, err) == 0 &&
	    spec_parse_resources(&root, r, err) == 0)
		return 0;
	oci_resources_done(r);
	return -1;
}

int oci_mounts_parse(struct oci_spec *spec, const char *what, const char *text, size_t len,
                     struct err *err)
{
	AUTO_JSON *obj = NULL;
	struct json root;

	oci_spec_init(spec);
	if (json_parse(what, text, len, &obj, err) < 0)
		return -1;
	root = json_root(obj, what);
	if (json_expect(&root, json_type_array, err) == 0 &&
	    parse_mount_list(&root, json_len(&root), spec, err) == 0)
		return 0;
	oci_spec_done(spec);
	return -1;
}
