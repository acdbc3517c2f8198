/* struct oci_spec to config.json. */
#include "oci/spec-internal.h"

#include "base/xalloc.h"
#include "oci/names.h"

static void add_optional(struct json_object *obj, const char *key, int64_t value)
{
	if (value != OCI_UNSET)
		json_add_i64(obj, key, value);
}

static void add_keyvals(struct json_object *obj, const char *key, const struct oci_keyval *items,
                        size_t n)
{
	struct json_object *map;

	if (!n)
		return;
	map = json_add_object(obj, key);
	for (size_t i = 0; i < n; i++)
		json_add_str(map, items[i].key, items[i].value);
}

static void add_idmaps(struct json_object *obj, const char *key, const struct oci_idmap *maps,
                       size_t n)
{
	struct json_object *list;

	if (!n)
		return;
	list = json_add_array(obj, key);
	for (size_t i = 0; i < n; i++) {
		struct json_object *item = json_object_new_object();

		json_add_u64(item, "containerID", maps[i].container_id);
		json_add_u64(item, "hostID", maps[i].host_id);
		json_add_u64(item, "size", maps[i].size);
		json_object_array_add(list, item);
	}
}

const char *oci_ns_name(enum oci_ns ns)
{
	return spec_ns_names[ns];
}

const char *oci_seccomp_action_name(enum oci_seccomp_action action)
{
	return spec_seccomp_actions[action];
}

static void add_caps(struct json_object *process, const struct oci_caps *caps)
{
	const struct {
		const char *key;
		uint64_t mask;
	} sets[] = {
		{ "bounding", caps->bounding },       { "effective", caps->effective },
		{ "inheritable", caps->inheritable }, { "permitted", caps->permitted },
		{ "ambient", caps->ambient },
	};
	struct json_object *obj;

	if (!caps->present)
		return;
	obj = json_add_object(process, "capabilities");
	for (size_t i = 0; i < ARRAY_LEN(sets); i++) {
		AUTO_STRV names = STRV_INIT;

		for (int bit = 0; bit <= OCI_CAP_LAST; bit++)
			if (sets[i].mask >> bit & 1)
				strv_add(&names, oci_cap_name(bit));
		json_add_strv(obj, sets[i].key, &names);
	}
}

static void add_scheduling(struct json_object *obj, const struct oci_process *p)
{
	const struct oci_scheduler *s = &p->scheduler;
	struct json_object *o;

	if (s->policy) {
		o = json_add_object(obj, "scheduler");
		json_add_str(o, "policy", s->policy);
		add_optional(o, "nice", s->nice);
		add_optional(o, "priority", s->priority);
		json_add_strv(o, "flags", &s->flags);
		if (s->runtime_ns)
			json_add_u64(o, "runtime", s->runtime_ns);
		if (s->deadline_ns)
			json_add_u64(o, "deadline", s->deadline_ns);
		if (s->period_ns)
			json_add_u64(o, "period", s->period_ns);
	}
	if (p->io_class) {
		o = json_add_object(obj, "ioPriority");
		json_add_str(o, "class", p->io_class);
		add_optional(o, "priority", p->io_priority);
	}
	if (p->exec_cpu_initial || p->exec_cpu_final) {
		o = json_add_object(obj, "execCPUAffinity");
		json_add_str(o, "initial", p->exec_cpu_initial);
		json_add_str(o, "final", p->exec_cpu_final);
	}
}

static void add_process(struct json_object *root, const struct oci_process *p)
{
	struct json_object *obj = json_add_object(root, "process"), *o, *list;

	json_add_bool(obj, "terminal", p->terminal);
	if (p->console_size.height || p->console_size.width) {
		o = json_add_object(obj, "consoleSize");
		json_add_u64(o, "height", p->console_size.height);
		json_add_u64(o, "width", p->console_size.width);
	}
	o = json_add_object(obj, "user");
	json_add_u64(o, "uid", p->user.uid);
	json_add_u64(o, "gid", p->user.gid);
	add_optional(o, "umask", p->user.umask);
	if (p->user.n_additional_gids) {
		list = json_add_array(o, "additionalGids");
		for (size_t i = 0; i < p->user.n_additional_gids; i++)
			json_object_array_add(list,
			                      json_object_new_int64(p->user.additional_gids[i]));
	}
	json_add_strv(obj, "args", &p->args);
	json_add_strv(obj, "env", &p->env);
	json_add_str(obj, "cwd", p->cwd);
	add_caps(obj, &p->caps);
	if (p->n_rlimits) {
		list = json_add_array(obj, "rlimits");
		for (size_t i = 0; i < p->n_rlimits; i++) {
			struct json_object *item = json_object_new_object();

			json_add_str(item, "type", oci_rlimit_name(p->rlimits[i].resource));
			json_add_u64(item, "hard", p->rlimits[i].hard);
			json_add_u64(item, "soft", p->rlimits[i].soft);
			json_object_array_add(list, item);
		}
	}
	json_add_bool(obj, "noNewPrivileges", p->no_new_privileges);
	json_add_str(obj, "apparmorProfile", p->apparmor_profile);
	json_add_str(obj, "selinuxLabel", p->selinux_label);
	add_optional(obj, "oomScoreAdj", p->oom_score_adj);
	add_scheduling(obj, p);
}

static void add_mounts(struct json_object *root, const struct oci_spec *spec)
{
	struct json_object *list;

	if (!spec->n_mounts)
		return;
	list = json_add_array(root, "mounts");
	for (size_t i = 0; i < spec->n_mounts; i++) {
		const struct oci_mount *m = &spec->mounts[i];
		struct json_object *item = json_object_new_object();

		json_add_str(item, "destination", m->destination);
		json_add_str(item, "type", m->type);
		json_add_str(item, "source", m->source);
		json_add_strv(item, "options", &m->options);
		add_idmaps(item, "uidMappings", m->uid_mappings, m->n_uid_mappings);
		add_idmaps(item, "gidMappings", m->gid_mappings, m->n_gid_mappings);
		json_object_array_add(list, item);
	}
}

static void add_hooks(struct json_object *root, const struct oci_spec *spec)
{
	struct json_object *hooks = NULL;

	for (int point = 0; point < OCI_HOOK_MAX; point++) {
		const struct oci_hooks *h = &spec->hooks[point];
		struct json_object *list;

		if (!h->count)
			continue;
		if (!hooks)
			hooks = json_add_object(root, "hooks");
		list = json_add_array(hooks, spec_hook_names[point]);
		for (size_t i = 0; i < h->count; i++) {
			struct json_object *item = json_object_new_object();

			json_add_str(item, "path", h->items[i].path);
			json_add_strv(item, "args", &h->items[i].args);
			json_add_strv(item, "env", &h->items[i].env);
			add_optional(item, "timeout", h->items[i].timeout_s);
			json_object_array_add(list, item);
		}
	}
}

char *oci_spec_format(const struct oci_spec *spec, bool pretty)
{
	AUTO_JSON *root = json_object_new_object();
	struct json_object *obj;

	json_add_str(root, "ociVersion", spec->version ? spec->version : OCI_VERSION);
	if (spec->has_process)
		add_process(root, &spec->process);
	if (spec->root_path) {
		obj = json_add_object(root, "root");
		json_add_str(obj, "path", spec->root_path);
		json_add_bool(obj, "readonly", spec->root_readonly);
	}
	json_add_str(root, "hostname", spec->hostname);
	json_add_str(root, "domainname", spec->domainname);
	add_mounts(root, spec);
	add_hooks(root, spec);
	add_keyvals(root, "annotations", spec->annotations, spec->n_annotations);
	spec_format_vm(root, &spec->vm);
	json_object_object_add(root, "linux", spec_format_linux(&spec->linux_));
	return xstrdup(json_text(root, pretty));
}

/* The object `key` of obj, made when it is first needed. */
static struct json_object *group_of(struct json_object *obj, const char *key)
{
	struct json_object *group;

	if (json_object_object_get_ex(obj, key, &group))
		return group;
	return json_add_object(obj, key);
}

static void add_resource_scalars(struct json_object *obj, const struct oci_resources *r)
{
	for (size_t i = 0; i < spec_resource_scalar_count; i++) {
		const struct spec_scalar *s = &spec_resource_scalars[i];
		const void *field = (const char *)r + s->offset;

		if (s->kind == SPEC_STR) {
			const char *text = *(char *const *)field;

			if (text)
				json_add_str(group_of(obj, s->group), s->key, text);
		} else {
			int64_t n = *(const int64_t *)field;

			if (n == OCI_UNSET)
				continue;
			if (s->kind == SPEC_BOOL)
				json_add_bool(group_of(obj, s->group), s->key, n != 0);
			else
				json_add_i64(group_of(obj, s->group), s->key, n);
		}
	}
}

static void add_block_lists(struct json_object *obj, const struct oci_resources *r)
{
	if (r->n_blkio_weight_devices) {
		struct json_object *list = json_add_array(group_of(obj, "blockIO"), "weightDevice");

		for (size_t i = 0; i < r->n_blkio_weight_devices; i++) {
			const struct oci_blkio_weight_device *d = &r->blkio_weight_devices[i];
			struct json_object *item = json_object_new_object();

			json_add_i64(item, "major", d->major);
			json_add_i64(item, "minor", d->minor);
			add_optional(item, "weight", d->weight);
			add_optional(item, "leafWeight", d->leaf_weight);
			json_object_array_add(list, item);
		}
	}
	for (size_t i = 0; i < r->n_blkio_throttles; i++) {
		const struct oci_blkio_throttle *t = &r->blkio_throttles[i];
		struct json_object *block = group_of(obj, "blockIO"), *list, *item;

		if (!json_object_object_get_ex(block, spec_throttle_names[t->kind], &list))
			list = json_add_array(block, spec_throttle_names[t->kind]);
		item = json_object_new_object();
		json_add_i64(item, "major", t->major);
		json_add_i64(item, "minor", t->minor);
		json_add_u64(item, "rate", t->rate);
		json_object_array_add(list, item);
	}
}

static struct json_object *format_resources(const struct oci_resources *r)
{
	struct json_object *obj = json_object_new_object(), *list;

	if (r->n_devices) {
		list = json_add_array(obj, "devices");
		for (size_t i = 0; i < r->n_devices; i++) {
			const struct oci_device_rule *d = &r->devices[i];
			struct json_object *item = json_object_new_object();

			json_add_bool(item, "allow", d->allow);
			json_add_str(item, "type", (char[2]){ d->type });
			add_optional(item, "major", d->major);
			add_optional(item, "minor", d->minor);
			json_add_str(item, "access", d->access);
			json_object_array_add(list, item);
		}
	}
	add_resource_scalars(obj, r);
	add_block_lists(obj, r);
	for (size_t i = 0; i < r->n_hugepages; i++) {
		struct json_object *item = json_object_new_object();

		if (!json_object_object_get_ex(obj, "hugepageLimits", &list))
			list = json_add_array(obj, "hugepageLimits");
		json_add_str(item, "pageSize", r->hugepages[i].page_size);
		json_add_u64(item, "limit", r->hugepages[i].limit);
		json_object_array_add(list, item);
	}
	for (size_t i = 0; i < r->n_net_prios; i++) {
		struct json_object *item = json_object_new_object(),
				   *net = group_of(obj, "network");

		if (!json_object_object_get_ex(net, "priorities", &list))
			list = json_add_array(net, "priorities");
		json_add_str(item, "name", r->net_prios[i].name);
		json_add_u64(item, "priority", r->net_prios[i].priority);
		json_object_array_add(list, item);
	}
	for (size_t i = 0; i < r->n_rdma; i++) {
		struct json_object *item = json_add_object(group_of(obj, "rdma"), r->rdma[i].name);

		add_optional(item, "hcaHandles", r->rdma[i].hca_handles);
		add_optional(item, "hcaObjects", r->rdma[i].hca_objects);
	}
	add_keyvals(obj, "unified", r->unified, r->n_unified);
	return obj;
}

static struct json_object *format_seccomp_rule(const struct oci_seccomp_rule *rule)
{
	struct json_object *item = json_object_new_object(), *args;

	json_add_strv(item, "names", &rule->names);
	json_add_str(item, "action", spec_seccomp_actions[rule->action]);
	add_optional(item, "errnoRet", rule->errno_ret);
	if (!rule->n_args)
		return item;
	args = json_add_array(item, "args");
	for (size_t i = 0; i < rule->n_args; i++) {
		struct json_object *arg = json_object_new_object();

		json_add_u64(arg, "index", rule->args[i].index);
		json_add_u64(arg, "value", rule->args[i].value);
		json_add_u64(arg, "valueTwo", rule->args[i].value_two);
		json_add_str(arg, "op", spec_seccomp_ops[rule->args[i].op]);
		json_object_array_add(args, arg);
	}
	return item;
}

static void add_seccomp(struct json_object *obj, const struct oci_seccomp *s)
{
	struct json_object *o, *list;

	if (!s->present)
		return;
	o = json_add_object(obj, "seccomp");
	json_add_str(o, "defaultAction", spec_seccomp_actions[s->default_action]);
	add_optional(o, "defaultErrnoRet", s->default_errno_ret);
	json_add_strv(o, "architectures", &s->architectures);
	json_add_strv(o, "flags", &s->flags);
	json_add_str(o, "listenerPath", s->listener_path);
	json_add_str(o, "listenerMetadata", s->listener_metadata);
	if (!s->n_rules)
		return;
	list = json_add_array(o, "syscalls");
	for (size_t i = 0; i < s->n_rules; i++)
		json_object_array_add(list, format_seccomp_rule(&s->rules[i]));
}

static void add_devices(struct json_object *obj, const struct oci_linux *l)
{
	struct json_object *list;

	if (!l->n_devices)
		return;
	list = json_add_array(obj, "devices");
	for (size_t i = 0; i < l->n_devices; i++) {
		const struct oci_device *d = &l->devices[i];
		struct json_object *item = json_object_new_object();

		json_add_str(item, "path", d->path);
		json_add_str(item, "type", (char[2]){ d->type });
		json_add_i64(item, "major", d->major);
		json_add_i64(item, "minor", d->minor);
		add_optional(item, "fileMode", d->file_mode);
		add_optional(item, "uid", d->uid);
		add_optional(item, "gid", d->gid);
		json_object_array_add(list, item);
	}
}

static void add_time_offset(struct json_object *obj, const char *clock,
                            const struct oci_time_offset *t)
{
	struct json_object *o;

	if (!t->present)
		return;
	o = json_add_object(group_of(obj, "timeOffsets"), clock);
	json_add_i64(o, "secs", t->secs);
	json_add_u64(o, "nanosecs", t->nanosecs);
}

struct json_object *spec_format_linux(const struct oci_linux *l)
{
	struct json_object *obj = json_object_new_object(), *list, *resources;

	add_idmaps(obj, "uidMappings", l->uid_mappings, l->n_uid_mappings);
	add_idmaps(obj, "gidMappings", l->gid_mappings, l->n_gid_mappings);
	add_time_offset(obj, "monotonic", &l->time_monotonic);
	add_time_offset(obj, "boottime", &l->time_boottime);
	add_keyvals(obj, "sysctl", l->sysctl, l->n_sysctl);
	resources = format_resources(&l->resources);
	if (json_object_object_length(resources))
		json_object_object_add(obj, "resources", resources);
	else
		json_object_put(resources);
	json_add_str(obj, "cgroupsPath", l->cgroups_path);
	list = json_add_array(obj, "namespaces");
	for (int i = 0; i < OCI_NS_MAX; i++) {
		struct json_object *item;

		if (!l->ns[i].wanted)
			continue;
		item = json_object_new_object();
		json_add_str(item, "type", spec_ns_names[i]);
		json_add_str(item, "path", l->ns[i].path);
		json_object_array_add(list, item);
	}
	for (size_t i = 0; i < l->n_net_devices; i++)
		json_add_str(
			json_add_object(group_of(obj, "netDevices"), l->net_devices[i].host_name),
			"name", l->net_devices[i].name);
	add_devices(obj, l);
	add_seccomp(obj, &l->seccomp);
	spec_format_landlock(obj, &l->landlock);
	json_add_str(obj, "rootfsPropagation", l->rootfs_propagation);
	json_add_strv(obj, "maskedPaths", &l->masked_paths);
	json_add_strv(obj, "readonlyPaths", &l->readonly_paths);
	json_add_str(obj, "mountLabel", l->mount_label);
	if (l->personality)
		json_add_str(json_add_object(obj, "personality"), "domain", l->personality);
	spec_format_tuning(obj, l);
	return obj;
}
