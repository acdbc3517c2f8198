/* The steps of process.c, which a container's first process and an exec have in common, and those
 * of an exec. */
#include "runtime/plan-steps-internal.h"

#include "base/fd.h"
#include "base/xalloc.h"
#include "oci/names.h"

static void add_caps(struct json_object *o, const char *key, uint64_t mask)
{
	AUTO_STRV names = STRV_INIT;

	for (int i = 0; i <= OCI_CAP_LAST; i++)
		if (mask >> i & 1)
			strv_add(&names, oci_cap_name(i));
	json_add_strv(o, key, &names);
}

static void add_limits(struct steps *s, const struct oci_process *p)
{
	for (size_t i = 0; i < p->n_rlimits; i++) {
		struct json_object *o = step_add(s, "limit");

		json_add_str(o, "resource", oci_rlimit_name(p->rlimits[i].resource));
		json_add_u64(o, "soft", p->rlimits[i].soft);
		json_add_u64(o, "hard", p->rlimits[i].hard);
	}
}

static void add_scheduling(struct steps *s, const struct oci_process *p)
{
	struct json_object *o;

	if (p->scheduler.policy)
		json_add_str(step_add(s, "scheduler"), "policy", p->scheduler.policy);
	if (p->io_class) {
		o = step_add(s, "io-priority");
		json_add_str(o, "class", p->io_class);
		if (p->io_priority != OCI_UNSET)
			json_add_i64(o, "priority", p->io_priority);
	}
}

static void add_labels(struct steps *s, const struct oci_process *p)
{
	struct json_object *o;

	if (!lsm_is_wanted(p))
		return;
	o = step_add(s, "label");
	json_add_str(o, "apparmor", p->apparmor_profile);
	json_add_str(o, "selinux", p->selinux_label);
}

void steps_of_process(struct steps *s, const struct oci_process *p)
{
	struct json_object *o;

	json_add_str(step_add(s, "stdio"), "from", p->terminal ? "terminal" : "caller");
	add_limits(s, p);
	o = step_add(s, "bounding-set");
	add_caps(o, "capabilities", p->caps.bounding);
	o = step_add(s, "user");
	json_add_u64(o, "uid", p->user.uid);
	json_add_u64(o, "gid", p->user.gid);
	if (p->user.n_additional_gids) {
		struct json_object *gids = json_add_array(o, "additionalGids");

		for (size_t i = 0; i < p->user.n_additional_gids; i++)
			json_object_array_add(gids,
			                      json_object_new_int64(p->user.additional_gids[i]));
	}
	if (p->user.umask != OCI_UNSET) {
		char text[16];

		snprintf(text, sizeof(text), "%04o", (unsigned)p->user.umask);
		json_add_str(o, "umask", text);
	}
	json_add_str(step_add(s, "directory"), "path", p->cwd);
	add_scheduling(s, p);
}

static void add_seccomp(struct steps *s, const struct oci_seccomp *sec, unsigned short len)
{
	struct json_object *o = step_add(s, "seccomp");
	size_t calls = 0;

	for (size_t i = 0; i < sec->n_rules; i++)
		calls += sec->rules[i].names.len;
	json_add_str(o, "defaultAction", oci_seccomp_action_name(sec->default_action));
	json_add_u64(o, "rules", sec->n_rules);
	json_add_u64(o, "systemCalls", calls);
	json_add_u64(o, "instructions", len);
	json_add_strv(o, "architectures", &sec->architectures);
	json_add_strv(o, "flags", &sec->flags);
}

static void add_rights(struct json_object *o, const char *key, enum oci_landlock_kind kind,
                       uint64_t bits)
{
	AUTO_STRV names = STRV_INIT;

	oci_landlock_names(kind, bits, &names);
	json_add_strv(o, key, &names);
}

static void add_landlock(struct steps *s, const struct oci_landlock *l)
{
	struct json_object *o = step_add(s, "landlock");

	add_rights(o, "handledAccessFS", OCI_LANDLOCK_FS, l->fs);
	add_rights(o, "handledAccessNet", OCI_LANDLOCK_NET, l->net);
	add_rights(o, "scoped", OCI_LANDLOCK_SCOPE, l->scoped);
	json_add_bool(o, "required", l->required);
	for (size_t i = 0; i < l->n_paths; i++) {
		o = step_add(s, "landlock-path");
		json_add_strv(o, "paths", &l->paths[i].paths);
		add_rights(o, "allow", OCI_LANDLOCK_FS, l->paths[i].access);
	}
	for (size_t i = 0; i < l->n_ports; i++) {
		struct json_object *ports;

		o = step_add(s, "landlock-port");
		ports = json_add_array(o, "ports");
		for (size_t j = 0; j < l->ports[i].n_ports; j++)
			json_object_array_add(ports, json_object_new_int(l->ports[i].ports[j]));
		add_rights(o, "allow", OCI_LANDLOCK_NET, l->ports[i].access);
	}
}

void steps_of_execution(struct steps *s, const struct oci_process *p, const struct oci_spec *spec,
                        unsigned short filter_len)
{
	struct json_object *o;

	add_labels(s, p);
	if (p->no_new_privileges)
		step_add(s, "no-new-privileges");
	o = step_add(s, "capabilities");
	add_caps(o, "effective", p->caps.effective);
	add_caps(o, "permitted", p->caps.permitted);
	add_caps(o, "inheritable", p->caps.inheritable);
	add_caps(o, "ambient", p->caps.ambient);
	if (spec->linux_.landlock.present)
		add_landlock(s, &spec->linux_.landlock);
	if (spec->linux_.seccomp.present)
		add_seccomp(s, &spec->linux_.seccomp, filter_len);
	o = step_add(s, "execute");
	json_add_strv(o, "args", &p->args);
	json_add_strv(o, "env", &p->env);
}

static void exec_steps(struct steps *s, const struct runtime_exec_args *a,
                       const struct runtime_state *st, const struct oci_spec *spec,
                       unsigned short filter_len)
{
	const struct oci_process *p = a->process;
	struct json_object *o = step_add(s, "find");
	AUTO_STRV names = STRV_INIT;

	json_add_str(o, "id", a->id);
	json_add_i64(o, "pid", st->pid);
	if (p->oom_score_adj != OCI_UNSET)
		json_add_i64(step_add(s, "oom-score"), "value", p->oom_score_adj);
	for (int i = 0; i < OCI_NS_MAX; i++)
		if (st->namespaces & plan_ns_flag((enum oci_ns)i))
			strv_add(&names, oci_ns_name((enum oci_ns)i));
	o = step_add(s, "join-namespaces");
	json_add_strv(o, "namespaces", &names);
	if (st->cgroup_path) {
		o = step_add(s, "join-cgroup");
		json_add_str(o, "path", st->cgroup_path);
		if (a->cgroups)
			json_add_strv(o, "below", a->cgroups);
	}
	s->by = "init";
	if (p->terminal)
		step_add(s, "console");
	if (spec->linux_.personality)
		json_add_str(step_add(s, "personality"), "value", spec->linux_.personality);
	steps_of_process(s, p);
	steps_of_execution(s, p, spec, filter_len);
}

int runtime_exec_steps(const struct runtime_exec_args *a, struct json_object **ret, struct err *err)
{
	struct steps s = { .phase = "start", .by = "runtime" };
	AUTO_STATE st = { 0 };
	struct sock_filter *filter = NULL;
	unsigned short len = 0;
	unsigned flags = 0;

	if (exec_check(a->process, err) < 0 || runtime_state(a->state_root_fd, a->id, &st, err) < 0)
		return -1;
	if (st.status == RUNTIME_STOPPED)
		return err_set(err, E_STATE, "cannot exec in container '%s': it is stopped", a->id);
	if (a->spec->linux_.seccomp.present &&
	    plan_seccomp(&a->spec->linux_.seccomp, &filter, &len, &flags, err) < 0)
		return -1;
	free(filter);
	s.list = json_object_new_array();
	exec_steps(&s, a, &st, a->spec, len);
	*ret = s.list;
	return 0;
}
