/* The steps of a creation, in the order in which create.c and init.c take them. */
#include "runtime/plan-steps-internal.h"

#include <sched.h>
#include <sys/mount.h>

#include "base/strbuf.h"
#include "base/xalloc.h"

struct json_object *step_add(struct steps *s, const char *name)
{
	struct json_object *o = json_object_new_object();

	json_add_str(o, "phase", s->phase);
	json_add_str(o, "by", s->by);
	json_add_str(o, "step", name);
	json_object_array_add(s->list, o);
	return o;
}

void step_add_hooks(struct steps *s, const struct oci_hooks *h, const char *point)
{
	for (size_t i = 0; i < h->count; i++) {
		struct json_object *o = step_add(s, "hook");

		json_add_str(o, "point", point);
		json_add_str(o, "path", h->items[i].path);
		json_add_strv(o, "args", &h->items[i].args);
		json_add_strv(o, "env", &h->items[i].env);
		if (h->items[i].timeout_s != OCI_UNSET)
			json_add_i64(o, "timeout", h->items[i].timeout_s);
	}
}

/* ---- namespaces ---- */

static void add_namespaces(struct steps *s, const struct runtime_sandbox *sb)
{
	struct json_object *o = step_add(s, "clone");
	AUTO_STRV new = STRV_INIT;

	for (int i = 0; i < OCI_NS_MAX; i++)
		if (sb->plan.clone_flags & plan_ns_flag((enum oci_ns)i))
			strv_add(&new, oci_ns_name((enum oci_ns)i));
	json_add_strv(o, "namespaces", &new);
	if (sb->plan.needs_stage)
		json_add_bool(o, "throughStage", true);
	if (create_hierarchies(sb) & cgroup_layout_get()->on_v2)
		json_add_str(o, "intoCgroup", sb->plan.cgroup_path);
	if (sb->spec->linux_.time_monotonic.present)
		json_add_i64(o, "monotonic", sb->spec->linux_.time_monotonic.secs);
	if (sb->spec->linux_.time_boottime.present)
		json_add_i64(o, "boottime", sb->spec->linux_.time_boottime.secs);
}

static void add_joins(struct steps *s, const struct runtime_sandbox *sb)
{
	for (int i = 0; i < OCI_NS_MAX; i++) {
		struct json_object *o;

		if (!sb->plan.ns_join[i])
			continue;
		o = step_add(s, "join-namespace");
		json_add_str(o, "type", oci_ns_name((enum oci_ns)i));
		json_add_str(o, "path", sb->spec->linux_.ns[i].path);
	}
}

static void add_idmap(struct steps *s, const char *what, const struct oci_idmap *m, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		struct json_object *o = step_add(s, what);

		json_add_u64(o, "container", m[i].container_id);
		json_add_u64(o, "host", m[i].host_id);
		json_add_u64(o, "size", m[i].size);
	}
}

/* ---- cgroup ---- */

static const char *hierarchy_name(enum cgroup_controller c)
{
	enum cgroup_controller h = cgroup_hierarchy_of(c);

	return h == CGROUP_UNIFIED ? "unified" : cgroup_controller_name(h, false);
}

static int record_write(struct cgroup *cg, enum cgroup_controller c, const char *file,
                        const char *value)
{
	struct steps *s = cg->record_ctx;
	struct json_object *o = step_add(s, c == CGROUP_DEVICES ? "device-rule" : "cgroup-write");

	json_add_str(o, "hierarchy", hierarchy_name(c));
	json_add_str(o, "file", file);
	json_add_str(o, "value", value);
	return 0;
}

static int add_cgroup_values(struct steps *s, const struct runtime_sandbox *sb, struct err *err)
{
	struct cgroup cg = CGROUP_INIT;
	const struct oci_resources *r = &sb->spec->linux_.resources;
	struct json_object *o;

	if (!create_hierarchies(sb))
		return 0;
	cg.record = record_write;
	cg.record_ctx = s;
	if (resources_apply(&cg, r, err) < 0)
		return -1;
	if (r->n_devices) {
		o = step_add(s, "device-rules");
		json_add_str(o, "means", device_rules_by_bpf() ? "eBPF" : "devices controller");
	}
	return device_rules_apply(&cg, r, err);
}

static void add_cgroup(struct steps *s, const struct runtime_sandbox *sb)
{
	unsigned wanted = create_hierarchies(sb), seen = 0;
	AUTO_STRV names = STRV_INIT;
	struct json_object *o;

	if (!wanted)
		return;
	for (int c = 0; c < CGROUP_MAX; c++) {
		enum cgroup_controller h = cgroup_hierarchy_of((enum cgroup_controller)c);

		if (!(wanted & CGROUP_BIT(c)) || seen & CGROUP_BIT(h))
			continue;
		seen |= CGROUP_BIT(h);
		strv_add(&names, hierarchy_name(h));
	}
	o = step_add(s, sb->scope.unit ? "systemd-scope" : "cgroup");
	if (sb->scope.unit) {
		json_add_str(o, "unit", sb->scope.unit);
		json_add_str(o, "slice", sb->scope.slice);
		json_add_str(o, "manager", sb->scope.user ? "user" : "system");
	} else {
		json_add_str(o, "path", sb->plan.cgroup_path);
	}
	json_add_strv(o, "hierarchies", &names);
}

/* ---- mounts ---- */

static void add_attributes(struct json_object *o, const char *key, uint64_t mask)
{
	/* clang-format off */
	static const struct { uint64_t bit; const char *name; } bits[] = {
		{ MOUNT_ATTR_RDONLY, "ro" }, { MOUNT_ATTR_NOSUID, "nosuid" },
		{ MOUNT_ATTR_NODEV, "nodev" }, { MOUNT_ATTR_NOEXEC, "noexec" },
		{ MOUNT_ATTR_NOATIME, "noatime" }, { MOUNT_ATTR_STRICTATIME, "strictatime" },
		{ MOUNT_ATTR_NODIRATIME, "nodiratime" }, { MOUNT_ATTR_NOSYMFOLLOW, "nosymfollow" },
	};
	/* clang-format on */
	AUTO_STRV names = STRV_INIT;

	for (size_t i = 0; i < ARRAY_LEN(bits); i++)
		if (mask & bits[i].bit)
			strv_add(&names, bits[i].name);
	json_add_strv(o, key, &names);
}

static const char *propagation_name(unsigned long p)
{
	return p == MS_SHARED       ? "shared"
	       : p == MS_SLAVE      ? "slave"
	       : p == MS_PRIVATE    ? "private"
	       : p == MS_UNBINDABLE ? "unbindable"
	                            : NULL;
}

static void add_mount(struct steps *s, const struct plan_mount *pm)
{
	static const char *const kinds[] = { [PLAN_MOUNT_FS] = "mount",
		                             [PLAN_MOUNT_BIND] = "bind",
		                             [PLAN_MOUNT_CGROUP] = "mount-cgroup",
		                             [PLAN_MOUNT_REMOUNT] = "remount" };
	const struct mount_options *m = &pm->options;
	struct json_object *o = step_add(s, kinds[pm->kind]);

	json_add_str(o, "destination", pm->spec->destination);
	if (pm->kind != PLAN_MOUNT_BIND)
		json_add_str(o, "type", pm->spec->type);
	json_add_str(o, "source", pm->spec->source);
	if (m->flags & MOUNT_RECURSIVE)
		json_add_bool(o, "recursive", true);
	if (m->flags & MOUNT_COPY_UP)
		json_add_bool(o, "copyUp", true);
	if (pm->idmap)
		json_add_str(o, "idmap", pm->idmap == PLAN_IDMAP_GIVEN ? "given" : "container");
	add_attributes(o, "set", m->attr_set);
	add_attributes(o, "clear", m->attr_clr & ~m->attr_set);
	add_attributes(o, "setRecursive", m->tree_set);
	add_attributes(o, "clearRecursive", m->tree_clr & ~m->tree_set);
	json_add_str(o, "propagation", propagation_name(m->propagation));
	json_add_strv(o, "data", &m->data);
}

static void add_root(struct steps *s, const struct runtime_sandbox *sb)
{
	struct json_object *o = step_add(s, "propagation");

	json_add_str(o, "path", "/");
	json_add_str(o, "propagation", propagation_name(sb->plan.propagation));
	o = step_add(s, "mount-root");
	if (sb->args->mount_rootfs) {
		json_add_str(o, "source", "(the caller's)");
	} else {
		AUTO_FREE char *path = bundle_path(sb->args, sb->spec->root_path);

		json_add_str(o, "source", path);
	}
}

static void add_device(struct steps *s, const char *path, char type, int64_t major, int64_t minor,
                       unsigned mode, int64_t uid, int64_t gid)
{
	struct json_object *o = step_add(s, "device");
	char text[16] = { type };

	json_add_str(o, "path", path);
	json_add_str(o, "type", text);
	if (type != 'p') {
		json_add_i64(o, "major", major);
		json_add_i64(o, "minor", minor);
	}
	snprintf(text, sizeof(text), "%04o", mode);
	json_add_str(o, "mode", text);
	json_add_i64(o, "uid", uid == OCI_UNSET ? 0 : uid);
	json_add_i64(o, "gid", gid == OCI_UNSET ? 0 : gid);
}

static void add_devices(struct steps *s, const struct runtime_sandbox *sb)
{
	const struct oci_linux *l = &sb->spec->linux_;
	struct json_object *o;
	char path[64];

	if (!sb->plan.setup_dev)
		return;
	for (size_t i = 0; i < PLAN_DEFAULT_NODES; i++) {
		snprintf(path, sizeof(path), "/dev/%s", plan_default_nodes[i].name);
		add_device(s, path, 'c', plan_default_nodes[i].major, plan_default_nodes[i].minor,
		           0666, 0, 0);
	}
	for (size_t i = 0; i < PLAN_DEFAULT_LINKS; i++) {
		o = step_add(s, "link");
		snprintf(path, sizeof(path), "/dev/%s", plan_default_links[i].name);
		json_add_str(o, "path", path);
		json_add_str(o, "target", plan_default_links[i].target);
	}
	for (size_t i = 0; i < l->n_devices; i++)
		if (strcmp(l->devices[i].path, "/dev/ptmx") != 0)
			add_device(s, l->devices[i].path, l->devices[i].type, l->devices[i].major,
			           l->devices[i].minor,
			           l->devices[i].file_mode == OCI_UNSET
			                   ? 0666
			                   : (unsigned)l->devices[i].file_mode,
			           l->devices[i].uid, l->devices[i].gid);
}

/* ---- inside the new root ---- */

static void add_paths(struct steps *s, const char *step, const struct strv *paths)
{
	for (size_t i = 0; i < paths->len; i++)
		json_add_str(step_add(s, step), "path", paths->items[i]);
}

static void add_value(struct steps *s, const char *step, const char *value)
{
	if (value)
		json_add_str(step_add(s, step), "value", value);
}

static void add_inside(struct steps *s, const struct runtime_sandbox *sb)
{
	const struct oci_linux *l = &sb->spec->linux_;

	step_add(s, sb->args->flags & RUNTIME_NO_PIVOT ? "chroot" : "pivot-root");
	if (sb->plan.root_propagation && sb->plan.root_propagation != MS_SLAVE)
		add_value(s, "root-propagation", propagation_name(sb->plan.root_propagation));
	for (size_t i = 0; i < l->n_sysctl; i++) {
		AUTO_FREE char *path = plan_sysctl_path(l->sysctl[i].key);
		struct json_object *o = step_add(s, "sysctl");

		json_add_str(o, "file", path);
		json_add_str(o, "value", l->sysctl[i].value);
	}
	add_paths(s, "read-only", &l->readonly_paths);
	add_paths(s, "mask", &l->masked_paths);
	if (sb->spec->root_readonly)
		json_add_str(step_add(s, "read-only"), "path", "/");
	add_value(s, "personality", l->personality);
	add_value(s, "memory-policy", l->memory_policy.mode);
	if (l->intel_rdt.present)
		add_value(s, "intel-rdt",
		          l->intel_rdt.clos_id ? l->intel_rdt.clos_id : sb->args->id);
}

/* ---- the whole ---- */

static void steps_in_runtime(struct steps *s, const struct runtime_sandbox *sb)
{
	const struct oci_linux *l = &sb->spec->linux_;
	struct json_object *o = step_add(s, "state-directory");

	json_add_str(o, "id", sb->args->id);
	add_joins(s, sb);
	add_cgroup(s, sb);
	add_namespaces(s, sb);
	if (sb->plan.clone_flags & CLONE_NEWUSER) {
		add_idmap(s, "map-uids", l->uid_mappings, l->n_uid_mappings);
		add_idmap(s, "map-gids", l->gid_mappings, l->n_gid_mappings);
	}
}

static void steps_in_init(struct steps *s, const struct runtime_sandbox *sb)
{
	const struct oci_spec *spec = sb->spec;
	const struct oci_namespace *uts = &spec->linux_.ns[OCI_NS_UTS];

	s->by = "init";
	if (spec->process.oom_score_adj != OCI_UNSET)
		json_add_i64(step_add(s, "oom-score"), "value", spec->process.oom_score_adj);
	if (!(sb->args->flags & RUNTIME_NO_NEW_KEYRING))
		step_add(s, "session-keyring");
	if (sb->plan.clone_flags & CLONE_NEWNET)
		step_add(s, "loopback-up");
	if (!uts->path && uts->fd < 0) {
		add_value(s, "hostname", spec->hostname);
		add_value(s, "domainname", spec->domainname);
	}
	add_root(s, sb);
	for (size_t i = 0; i < sb->plan.n_mounts; i++)
		add_mount(s, &sb->plan.mounts[i]);
	add_devices(s, sb);
	if (spec->has_process)
		json_add_str(step_add(s, "make-directory"), "path", spec->process.cwd);
	if (spec->process.terminal)
		step_add(s, "console");
	if (sb->plan.new_cgroup_ns)
		step_add(s, "cgroup-namespace");
}

static int create_steps(struct steps *s, const struct runtime_sandbox *sb, struct err *err)
{
	const struct oci_spec *spec = sb->spec;

	steps_in_runtime(s, sb);
	if (add_cgroup_values(s, sb, err) < 0)
		return -1;
	steps_in_init(s, sb);
	s->by = "runtime";
	step_add_hooks(s, &spec->hooks[OCI_HOOK_PRESTART], "prestart");
	step_add_hooks(s, &spec->hooks[OCI_HOOK_CREATE_RUNTIME], "createRuntime");
	s->by = "init";
	step_add_hooks(s, &spec->hooks[OCI_HOOK_CREATE_CONTAINER], "createContainer");
	add_inside(s, sb);
	if (spec->has_process)
		steps_of_process(s, &spec->process);
	s->by = "runtime";
	step_add(s, "write-state");
	s->phase = "start";
	s->by = "init";
	step_add_hooks(s, &spec->hooks[OCI_HOOK_START_CONTAINER], "startContainer");
	if (spec->has_process)
		steps_of_execution(s, &spec->process, spec, sb->plan.filter_len);
	s->by = "runtime";
	step_add_hooks(s, &spec->hooks[OCI_HOOK_POSTSTART], "poststart");
	s->phase = "end";
	step_add_hooks(s, &spec->hooks[OCI_HOOK_POSTSTOP], "poststop");
	return 0;
}

int runtime_create_steps(const struct runtime_create_args *args, struct json_object **ret,
                         struct err *err)
{
	const struct isolator *isolator = args->isolator ? args->isolator : &isolator_namespaces;
	struct runtime_sandbox sb = { .args = args, .spec = args->spec, .cgroup = CGROUP_INIT };
	struct steps s = { .phase = "create", .by = "runtime" };
	int r = -1;

	if (!runtime_id_is_valid(args->id))
		return err_set(err, E_INVALID, "'%s' is not a container id", args->id);
	s.list = json_object_new_array();
	if (isolator->check(args, err) == 0 && plan_make(&sb.plan, sb.spec, args->id, err) == 0 &&
	    (!(args->flags & RUNTIME_SYSTEMD) ||
	     scope_plan(&sb.scope, sb.spec->linux_.cgroups_path, args->id, err) == 0))
		r = create_steps(&s, &sb, err);
	scope_done(&sb.scope);
	plan_done(&sb.plan);
	if (r == 0)
		*ret = s.list;
	else
		json_object_put(s.list);
	return r;
}

/* ---- for people ---- */

static void add_word(struct strbuf *out, struct json_object *v)
{
	const char *word = json_object_get_string(v);

	if (*word && !word[strcspn(word, " \t\n\"\\,")])
		strbuf_adds(out, word);
	else
		strbuf_adds(out, json_text(v, false));
}

static bool is_head(const char *key)
{
	return strcmp(key, "phase") == 0 || strcmp(key, "by") == 0 || strcmp(key, "step") == 0;
}

static const char *head(struct json_object *step, const char *key)
{
	return json_object_get_string(json_object_object_get(step, key));
}

static void add_details(struct strbuf *out, struct json_object *step)
{
	json_object_object_foreach(step, key, v)
	{
		if (is_head(key))
			continue;
		strbuf_addf(out, " %s=", key);
		if (!json_object_is_type(v, json_type_array)) {
			add_word(out, v);
			continue;
		}
		for (size_t j = 0; j < json_object_array_length(v); j++) {
			if (j)
				strbuf_addc(out, ',');
			add_word(out, json_object_array_get_idx(v, j));
		}
	}
}

char *plan_steps_text(struct json_object *steps)
{
	AUTO_BUF out = STRBUF_INIT;
	const char *phase = "";

	for (size_t i = 0; i < json_object_array_length(steps); i++) {
		struct json_object *step = json_object_array_get_idx(steps, i);
		const char *now = head(step, "phase");

		if (strcmp(now, phase) != 0)
			strbuf_addf(&out, "%s:\n", now);
		phase = now;
		strbuf_addf(&out, "  %-8s %s", head(step, "by"), head(step, "step"));
		add_details(&out, step);
		strbuf_addc(&out, '\n');
	}
	return strbuf_take(&out);
}
