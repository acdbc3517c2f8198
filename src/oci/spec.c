#include "oci/spec.h"

#include "base/xalloc.h"
#include "oci/spec-internal.h"

void oci_process_init(struct oci_process *p)
{
	*p = (struct oci_process){
		.user.umask = OCI_UNSET,
		.oom_score_adj = OCI_UNSET,
		.io_priority = OCI_UNSET,
		.scheduler = { .nice = OCI_UNSET, .priority = OCI_UNSET },
	};
}

void oci_process_done(struct oci_process *p)
{
	free(p->user.additional_gids);
	strv_done(&p->args);
	strv_done(&p->env);
	free(p->cwd);
	free(p->rlimits);
	free(p->apparmor_profile);
	free(p->selinux_label);
	free(p->io_class);
	free(p->scheduler.policy);
	strv_done(&p->scheduler.flags);
	free(p->exec_cpu_initial);
	free(p->exec_cpu_final);
	oci_process_init(p);
}

void oci_resources_init(struct oci_resources *r)
{
	*r = (struct oci_resources){
		.memory_limit = OCI_UNSET,
		.memory_reservation = OCI_UNSET,
		.memory_swap = OCI_UNSET,
		.memory_kernel = OCI_UNSET,
		.memory_kernel_tcp = OCI_UNSET,
		.memory_swappiness = OCI_UNSET,
		.memory_disable_oom = OCI_UNSET,
		.memory_use_hierarchy = OCI_UNSET,
		.memory_check_update = OCI_UNSET,
		.cpu_shares = OCI_UNSET,
		.cpu_quota = OCI_UNSET,
		.cpu_period = OCI_UNSET,
		.cpu_burst = OCI_UNSET,
		.cpu_rt_runtime = OCI_UNSET,
		.cpu_rt_period = OCI_UNSET,
		.cpu_idle = OCI_UNSET,
		.pids_limit = OCI_UNSET,
		.blkio_weight = OCI_UNSET,
		.blkio_leaf_weight = OCI_UNSET,
		.net_class_id = OCI_UNSET,
	};
}

static void keyvals_free(struct oci_keyval *items, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		free(items[i].key);
		free(items[i].value);
	}
	free(items);
}

void oci_resources_done(struct oci_resources *r)
{
	free(r->devices);
	free(r->cpuset_cpus);
	free(r->cpuset_mems);
	free(r->blkio_weight_devices);
	free(r->blkio_throttles);
	for (size_t i = 0; i < r->n_hugepages; i++)
		free(r->hugepages[i].page_size);
	free(r->hugepages);
	for (size_t i = 0; i < r->n_net_prios; i++)
		free(r->net_prios[i].name);
	free(r->net_prios);
	for (size_t i = 0; i < r->n_rdma; i++)
		free(r->rdma[i].name);
	free(r->rdma);
	keyvals_free(r->unified, r->n_unified);
	oci_resources_init(r);
}

void oci_seccomp_done(struct oci_seccomp *s)
{
	strv_done(&s->architectures);
	strv_done(&s->flags);
	free(s->listener_path);
	free(s->listener_metadata);
	for (size_t i = 0; i < s->n_rules; i++) {
		strv_done(&s->rules[i].names);
		free(s->rules[i].args);
	}
	free(s->rules);
	*s = (struct oci_seccomp){ .default_errno_ret = OCI_UNSET };
}

static void mount_done(struct oci_mount *m)
{
	free(m->destination);
	free(m->type);
	free(m->source);
	strv_done(&m->options);
	free(m->uid_mappings);
	free(m->gid_mappings);
}

static void hooks_done(struct oci_hooks *hooks)
{
	for (size_t i = 0; i < hooks->count; i++) {
		free(hooks->items[i].path);
		strv_done(&hooks->items[i].args);
		strv_done(&hooks->items[i].env);
	}
	free(hooks->items);
	*hooks = (struct oci_hooks){ 0 };
}

void oci_spec_init(struct oci_spec *spec)
{
	*spec = (struct oci_spec){ 0 };
	oci_process_init(&spec->process);
	oci_resources_init(&spec->linux_.resources);
	spec->linux_.seccomp.default_errno_ret = OCI_UNSET;
	spec->vm.vcpus = spec->vm.memory_bytes = OCI_UNSET;
	for (int i = 0; i < OCI_NS_MAX; i++)
		spec->linux_.ns[i].fd = -1;
}

static void linux_done(struct oci_linux *l)
{
	for (int i = 0; i < OCI_NS_MAX; i++)
		free(l->ns[i].path);
	free(l->uid_mappings);
	free(l->gid_mappings);
	for (size_t i = 0; i < l->n_devices; i++)
		free(l->devices[i].path);
	free(l->devices);
	for (size_t i = 0; i < l->n_net_devices; i++) {
		free(l->net_devices[i].host_name);
		free(l->net_devices[i].name);
	}
	free(l->net_devices);
	free(l->cgroups_path);
	oci_resources_done(&l->resources);
	free(l->rootfs_propagation);
	oci_seccomp_done(&l->seccomp);
	oci_landlock_done(&l->landlock);
	keyvals_free(l->sysctl, l->n_sysctl);
	strv_done(&l->masked_paths);
	strv_done(&l->readonly_paths);
	free(l->mount_label);
	free(l->personality);
	spec_tuning_done(l);
}

void oci_spec_done(struct oci_spec *spec)
{
	free(spec->version);
	free(spec->root_path);
	oci_process_done(&spec->process);
	free(spec->hostname);
	free(spec->domainname);
	for (size_t i = 0; i < spec->n_mounts; i++)
		mount_done(&spec->mounts[i]);
	free(spec->mounts);
	for (int i = 0; i < OCI_HOOK_MAX; i++)
		hooks_done(&spec->hooks[i]);
	keyvals_free(spec->annotations, spec->n_annotations);
	linux_done(&spec->linux_);
	oci_vm_done(&spec->vm);
	strv_done(&spec->warnings);
	oci_spec_init(spec);
}

struct oci_mount *oci_spec_add_mount(struct oci_spec *spec, const char *destination,
                                     const char *type, const char *source, const char *options)
{
	struct oci_mount m = {
		.destination = xstrdup(destination),
		.type = xstrdup_null(type),
		.source = xstrdup_null(source),
		.source_fd = -1,
	};

	if (options && *options)
		strv_split(&m.options, options, ',');
	VEC_PUSH(spec->mounts, spec->n_mounts, m);
	return &spec->mounts[spec->n_mounts - 1];
}

void oci_spec_remove_mount(struct oci_spec *spec, const char *destination)
{
	size_t before = spec->n_mounts;
	struct oci_mount *all = spec->mounts;

	/* Rebuilt rather than shortened: VEC_PUSH tells the capacity from the count. */
	spec->mounts = NULL;
	spec->n_mounts = 0;
	for (size_t i = 0; i < before; i++) {
		if (strcmp(all[i].destination, destination) == 0) {
			mount_done(&all[i]);
		} else {
			VEC_PUSH(spec->mounts, spec->n_mounts, all[i]);
		}
	}
	free(all);
}

void oci_spec_add_device(struct oci_spec *spec, char type, const char *path, int64_t major,
                         int64_t minor, int64_t mode, int64_t uid, int64_t gid)
{
	struct oci_device d = {
		.type = type,
		.path = xstrdup(path),
		.major = major,
		.minor = minor,
		.file_mode = mode,
		.uid = uid,
		.gid = gid,
	};

	VEC_PUSH(spec->linux_.devices, spec->linux_.n_devices, d);
}

void oci_spec_add_device_rule(struct oci_spec *spec, bool allow, char type, int64_t major,
                              int64_t minor, const char *access)
{
	struct oci_resources *r = &spec->linux_.resources;
	struct oci_device_rule rule = {
		.allow = allow,
		.type = type,
		.major = major,
		.minor = minor,
	};

	snprintf(rule.access, sizeof(rule.access), "%s", access);
	VEC_PUSH(r->devices, r->n_devices, rule);
}

void oci_spec_add_hook(struct oci_spec *spec, enum oci_hook_point point, const char *path,
                       char *const *args, char *const *env, int64_t timeout_s)
{
	struct oci_hook h = { .path = xstrdup(path), .timeout_s = timeout_s };

	if (args)
		strv_add_all(&h.args, args);
	if (env)
		strv_add_all(&h.env, env);
	VEC_PUSH(spec->hooks[point].items, spec->hooks[point].count, h);
}

static void set_keyval(struct oci_keyval **items, size_t *n, const char *key, const char *value)
{
	for (size_t i = 0; i < *n; i++) {
		if (strcmp((*items)[i].key, key) == 0) {
			free((*items)[i].value);
			(*items)[i].value = xstrdup(value);
			return;
		}
	}
	VEC_PUSH(*items, *n, (struct oci_keyval){ xstrdup(key), xstrdup(value) });
}

void oci_spec_set_annotation(struct oci_spec *spec, const char *key, const char *value)
{
	set_keyval(&spec->annotations, &spec->n_annotations, key, value);
}

const char *oci_spec_annotation(const struct oci_spec *spec, const char *key)
{
	for (size_t i = 0; i < spec->n_annotations; i++)
		if (strcmp(spec->annotations[i].key, key) == 0)
			return spec->annotations[i].value;
	return NULL;
}

void oci_spec_set_sysctl(struct oci_spec *spec, const char *key, const char *value)
{
	set_keyval(&spec->linux_.sysctl, &spec->linux_.n_sysctl, key, value);
}

void oci_process_add_rlimit(struct oci_process *p, int resource, uint64_t soft, uint64_t hard)
{
	for (size_t i = 0; i < p->n_rlimits; i++) {
		if (p->rlimits[i].resource == resource) {
			p->rlimits[i].soft = soft;
			p->rlimits[i].hard = hard;
			return;
		}
	}
	VEC_PUSH(p->rlimits, p->n_rlimits, (struct oci_rlimit){ resource, soft, hard });
}
