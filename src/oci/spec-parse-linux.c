/* "linux" of config.json. */
#include "oci/spec-internal.h"

#include "base/xalloc.h"

#define R(field) offsetof(struct oci_resources, field)

/* clang-format off */
const struct spec_scalar spec_resource_scalars[] = {
	{ "memory", "limit", R(memory_limit), SPEC_I64 },
	{ "memory", "reservation", R(memory_reservation), SPEC_I64 },
	{ "memory", "swap", R(memory_swap), SPEC_I64 },
	{ "memory", "kernel", R(memory_kernel), SPEC_I64 },
	{ "memory", "kernelTCP", R(memory_kernel_tcp), SPEC_I64 },
	{ "memory", "swappiness", R(memory_swappiness), SPEC_U64 },
	{ "memory", "disableOOMKiller", R(memory_disable_oom), SPEC_BOOL },
	{ "memory", "useHierarchy", R(memory_use_hierarchy), SPEC_BOOL },
	{ "memory", "checkBeforeUpdate", R(memory_check_update), SPEC_BOOL },
	{ "cpu", "shares", R(cpu_shares), SPEC_U64 },
	{ "cpu", "quota", R(cpu_quota), SPEC_I64 },
	{ "cpu", "burst", R(cpu_burst), SPEC_U64 },
	{ "cpu", "period", R(cpu_period), SPEC_U64 },
	{ "cpu", "realtimeRuntime", R(cpu_rt_runtime), SPEC_I64 },
	{ "cpu", "realtimePeriod", R(cpu_rt_period), SPEC_U64 },
	{ "cpu", "idle", R(cpu_idle), SPEC_I64 },
	{ "cpu", "cpus", R(cpuset_cpus), SPEC_STR },
	{ "cpu", "mems", R(cpuset_mems), SPEC_STR },
	{ "pids", "limit", R(pids_limit), SPEC_I64 },
	{ "blockIO", "weight", R(blkio_weight), SPEC_U64 },
	{ "blockIO", "leafWeight", R(blkio_leaf_weight), SPEC_U64 },
	{ "network", "classID", R(net_class_id), SPEC_U64 },
};
/* clang-format on */
const size_t spec_resource_scalar_count = ARRAY_LEN(spec_resource_scalars);

const char *const spec_ns_names[OCI_NS_MAX] = {
	[OCI_NS_USER] = "user",     [OCI_NS_PID] = "pid",   [OCI_NS_MOUNT] = "mount",
	[OCI_NS_UTS] = "uts",       [OCI_NS_IPC] = "ipc",   [OCI_NS_NETWORK] = "network",
	[OCI_NS_CGROUP] = "cgroup", [OCI_NS_TIME] = "time",
};

const char *const spec_throttle_names[4] = {
	[OCI_READ_BPS] = "throttleReadBpsDevice",
	[OCI_WRITE_BPS] = "throttleWriteBpsDevice",
	[OCI_READ_IOPS] = "throttleReadIOPSDevice",
	[OCI_WRITE_IOPS] = "throttleWriteIOPSDevice",
};

static int parse_namespaces(const struct json *at, struct oci_linux *l, struct err *err)
{
	struct json list;
	size_t n;

	if (spec_open_list(at, "namespaces", &list, &n, err) < 0)
		return -1;
	for (size_t i = 0; i < n; i++) {
		struct json item = json_item(&list, i), type;
		const char *name = "";
		int kind;

		if (json_expect(&item, json_type_object, err) < 0 ||
		    json_require(&item, "type", &type, err) < 0 ||
		    json_get_str(&item, "type", &name, err) < 0)
			return -1;
		for (kind = 0; kind < OCI_NS_MAX && strcmp(spec_ns_names[kind], name) != 0; kind++)
			;
		if (kind == OCI_NS_MAX)
			return json_error(err, &type, "unknown namespace type '%s'", name);
		if (l->ns[kind].wanted)
			return json_error(err, &type, "namespace '%s' is given twice", name);
		l->ns[kind].wanted = true;
		if (spec_get_str(&item, "path", &l->ns[kind].path, err) < 0)
			return -1;
		if (l->ns[kind].path && !l->ns[kind].path[0]) {
			free(l->ns[kind].path);
			l->ns[kind].path = NULL;
		}
		if (l->ns[kind].path && l->ns[kind].path[0] != '/')
			return json_error(err, &item, "path '%s' is not absolute",
			                  l->ns[kind].path);
	}
	return 0;
}

static int parse_device_type(const struct json *at, const char *allowed, char *ret, struct err *err)
{
	const char *type = NULL;

	if (json_get_str(at, "type", &type, err) < 0)
		return -1;
	if (!type || !*type)
		return 0;
	if (type[1] || !strchr(allowed, type[0]))
		return json_error(err, at, "device type '%s' is not one of \"%s\"", type, allowed);
	*ret = type[0];
	return 0;
}

static int parse_devices(const struct json *at, struct oci_linux *l, struct err *err)
{
	struct json list;
	size_t n;

	if (spec_open_list(at, "devices", &list, &n, err) < 0)
		return -1;
	for (size_t i = 0; i < n; i++) {
		struct json item = json_item(&list, i), unused;
		struct oci_device *d;

		VEC_PUSH(l->devices, l->n_devices,
		         (struct oci_device){
				 .file_mode = OCI_UNSET, .uid = OCI_UNSET, .gid = OCI_UNSET });
		d = &l->devices[i];
		if (json_expect(&item, json_type_object, err) < 0 ||
		    json_require(&item, "type", &unused, err) < 0 ||
		    json_require(&item, "path", &unused, err) < 0 ||
		    parse_device_type(&item, "cbup", &d->type, err) < 0 ||
		    spec_get_str(&item, "path", &d->path, err) < 0 ||
		    spec_get_unsigned(&item, "major", UINT32_MAX, &d->major, err) < 0 ||
		    spec_get_unsigned(&item, "minor", UINT32_MAX, &d->minor, err) < 0 ||
		    spec_get_unsigned(&item, "fileMode", UINT32_MAX, &d->file_mode, err) < 0 ||
		    spec_get_unsigned(&item, "uid", UINT32_MAX - 1, &d->uid, err) < 0 ||
		    spec_get_unsigned(&item, "gid", UINT32_MAX - 1, &d->gid, err) < 0)
			return -1;
		if (d->path[0] != '/')
			return json_error(err, &item, "path '%s' is not absolute", d->path);
		for (size_t len = strlen(d->path); len > 1 && d->path[len - 1] == '/'; len--)
			d->path[len - 1] = '\0';
		if (d->type != 'p' && (!json_has(&item, "major") || !json_has(&item, "minor")))
			return json_error(err, &item, "major and minor are needed");
		/* Go writes the type bits of os.FileMode too; only permissions matter here. */
		if (d->file_mode != OCI_UNSET)
			d->file_mode &= 07777;
	}
	return 0;
}

static int parse_device_rules(const struct json *at, struct oci_resources *r, struct err *err)
{
	struct json list;
	size_t n;

	if (spec_open_list(at, "devices", &list, &n, err) < 0)
		return -1;
	for (size_t i = 0; i < n; i++) {
		struct json item = json_item(&list, i);
		struct oci_device_rule rule = { .type = 'a',
			                        .major = OCI_UNSET,
			                        .minor = OCI_UNSET };
		const char *access = "rwm";

		if (json_expect(&item, json_type_object, err) < 0 ||
		    json_get_bool(&item, "allow", &rule.allow, err) < 0 ||
		    parse_device_type(&item, "abc", &rule.type, err) < 0 ||
		    json_get_i64(&item, "major", &rule.major, err) < 0 ||
		    json_get_i64(&item, "minor", &rule.minor, err) < 0 ||
		    json_get_str(&item, "access", &access, err) < 0)
			return -1;
		if (!*access)
			access = "rwm";
		if (strlen(access) > 3 || access[strspn(access, "rwm")])
			return json_error(err, &item, "access '%s' is not made of \"rwm\"", access);
		/* Go programs write -1 for "any". */
		rule.major = rule.major == -1 ? OCI_UNSET : rule.major;
		rule.minor = rule.minor == -1 ? OCI_UNSET : rule.minor;
		snprintf(rule.access, sizeof(rule.access), "%s", access);
		VEC_PUSH(r->devices, r->n_devices, rule);
	}
	return 0;
}

static int parse_scalar(const struct json *group, const struct spec_scalar *s,
                        struct oci_resources *r, struct err *err)
{
	void *field = (char *)r + s->offset;
	int64_t *number = field;
	bool b = false;

	switch (s->kind) {
	case SPEC_STR:
		return spec_get_str(group, s->key, field, err);
	case SPEC_I64:
		return json_get_i64(group, s->key, number, err);
	case SPEC_U64:
		return spec_get_unsigned(group, s->key, INT64_MAX, number, err);
	case SPEC_BOOL:
		if (!json_has(group, s->key))
			return 0;
		if (json_get_bool(group, s->key, &b, err) < 0)
			return -1;
		*number = b;
		return 0;
	}
	return 0;
}

static int parse_hugepages(const struct json *at, struct oci_resources *r, struct err *err)
{
	struct json list;
	size_t n;

	if (spec_open_list(at, "hugepageLimits", &list, &n, err) < 0)
		return -1;
	for (size_t i = 0; i < n; i++) {
		struct json item = json_item(&list, i), size;
		struct oci_hugepage_limit *h;

		VEC_PUSH(r->hugepages, r->n_hugepages, (struct oci_hugepage_limit){ 0 });
		h = &r->hugepages[i];
		if (json_expect(&item, json_type_object, err) < 0 ||
		    json_require(&item, "pageSize", &size, err) < 0 ||
		    spec_get_str(&item, "pageSize", &h->page_size, err) < 0 ||
		    json_get_u64(&item, "limit", &h->limit, err) < 0)
			return -1;
		/* It becomes part of a file name: "hugetlb.2MB.limit_in_bytes". */
		if (strlen(h->page_size) > 8 ||
		    h->page_size[strspn(h->page_size, "0123456789KMGB")])
			return json_error(err, &size, "'%s' is not a page size such as \"2MB\"",
			                  h->page_size);
	}
	return 0;
}

static int parse_block_io(const struct json *at, struct oci_resources *r, struct err *err)
{
	struct json block, list;
	bool present = false;
	size_t n;

	if (json_get_object(at, "blockIO", &block, &present, err) < 0)
		return -1;
	if (!present)
		return 0;
	if (spec_open_list(&block, "weightDevice", &list, &n, err) < 0)
		return -1;
	for (size_t i = 0; i < n; i++) {
		struct json item = json_item(&list, i);
		struct oci_blkio_weight_device d = { .weight = OCI_UNSET,
			                             .leaf_weight = OCI_UNSET };

		if (json_expect(&item, json_type_object, err) < 0 ||
		    json_get_i64(&item, "major", &d.major, err) < 0 ||
		    json_get_i64(&item, "minor", &d.minor, err) < 0 ||
		    spec_get_unsigned(&item, "weight", UINT16_MAX, &d.weight, err) < 0 ||
		    spec_get_unsigned(&item, "leafWeight", UINT16_MAX, &d.leaf_weight, err) < 0)
			return -1;
		VEC_PUSH(r->blkio_weight_devices, r->n_blkio_weight_devices, d);
	}
	for (int kind = 0; kind < 4; kind++) {
		if (spec_open_list(&block, spec_throttle_names[kind], &list, &n, err) < 0)
			return -1;
		for (size_t i = 0; i < n; i++) {
			struct json item = json_item(&list, i);
			struct oci_blkio_throttle t = { .kind = kind };

			if (json_expect(&item, json_type_object, err) < 0 ||
			    json_get_i64(&item, "major", &t.major, err) < 0 ||
			    json_get_i64(&item, "minor", &t.minor, err) < 0 ||
			    json_get_u64(&item, "rate", &t.rate, err) < 0)
				return -1;
			VEC_PUSH(r->blkio_throttles, r->n_blkio_throttles, t);
		}
	}
	return 0;
}

static int parse_net_prios(const struct json *at, struct oci_resources *r, struct err *err)
{
	struct json net, list;
	bool present = false;
	size_t n;

	if (json_get_object(at, "network", &net, &present, err) < 0)
		return -1;
	if (!present)
		return 0;
	if (spec_open_list(&net, "priorities", &list, &n, err) < 0)
		return -1;
	for (size_t i = 0; i < n; i++) {
		struct json item = json_item(&list, i), unused;
		struct oci_net_prio *p;

		VEC_PUSH(r->net_prios, r->n_net_prios, (struct oci_net_prio){ 0 });
		p = &r->net_prios[i];
		if (json_expect(&item, json_type_object, err) < 0 ||
		    json_require(&item, "name", &unused, err) < 0 ||
		    spec_get_str(&item, "name", &p->name, err) < 0 ||
		    json_get_u32(&item, "priority", &p->priority, err) < 0)
			return -1;
	}
	return 0;
}

static int parse_rdma(const struct json *at, struct oci_resources *r, struct err *err)
{
	struct json obj;
	bool present = false;

	if (json_get_object(at, "rdma", &obj, &present, err) < 0)
		return -1;
	if (!present)
		return 0;
	json_object_object_foreach(obj.obj, name, unused)
	{
		struct json item;
		struct oci_rdma_limit limit = { .hca_handles = OCI_UNSET,
			                        .hca_objects = OCI_UNSET };

		(void)unused;
		if (!json_get(&obj, name, &item))
			continue;
		if (json_expect(&item, json_type_object, err) < 0 ||
		    spec_get_unsigned(&item, "hcaHandles", UINT32_MAX, &limit.hca_handles, err) <
		            0 ||
		    spec_get_unsigned(&item, "hcaObjects", UINT32_MAX, &limit.hca_objects, err) < 0)
			return -1;
		limit.name = xstrdup(name);
		VEC_PUSH(r->rdma, r->n_rdma, limit);
	}
	return 0;
}

int spec_parse_resources(const struct json *at, struct oci_resources *r, struct err *err)
{
	for (size_t i = 0; i < spec_resource_scalar_count; i++) {
		const struct spec_scalar *s = &spec_resource_scalars[i];
		struct json group;
		bool present = false;

		if (json_get_object(at, s->group, &group, &present, err) < 0)
			return -1;
		if (present && parse_scalar(&group, s, r, err) < 0)
			return -1;
	}
	if (parse_device_rules(at, r, err) < 0 || parse_hugepages(at, r, err) < 0 ||
	    parse_block_io(at, r, err) < 0 || parse_net_prios(at, r, err) < 0 ||
	    parse_rdma(at, r, err) < 0)
		return -1;
	return spec_parse_keyvals(at, "unified", &r->unified, &r->n_unified, err);
}

static int parse_net_devices(const struct json *at, struct oci_linux *l, struct err *err)
{
	struct json obj;
	bool present = false;

	if (json_get_object(at, "netDevices", &obj, &present, err) < 0)
		return -1;
	if (!present)
		return 0;
	json_object_object_foreach(obj.obj, name, unused)
	{
		struct json item;
		struct oci_net_device d = { 0 };

		(void)unused;
		if (!json_get(&obj, name, &item))
			continue;
		if (json_expect(&item, json_type_object, err) < 0 ||
		    spec_get_str(&item, "name", &d.name, err) < 0)
			return -1;
		d.host_name = xstrdup(name);
		VEC_PUSH(l->net_devices, l->n_net_devices, d);
	}
	return 0;
}

static int parse_time_offset(const struct json *all, const char *clock, struct oci_time_offset *ret,
                             struct err *err)
{
	struct json one;

	if (json_get_object(all, clock, &one, &ret->present, err) < 0)
		return -1;
	if (!ret->present)
		return 0;
	if (json_get_i64(&one, "secs", &ret->secs, err) < 0 ||
	    json_get_u32(&one, "nanosecs", &ret->nanosecs, err) < 0)
		return -1;
	if (ret->nanosecs > 999999999)
		return json_error(err, &one, "nanosecs must be below 1000000000");
	return 0;
}

static int parse_time_offsets(const struct json *at, struct oci_linux *l, struct err *err)
{
	struct json all;
	bool present = false;

	if (json_get_object(at, "timeOffsets", &all, &present, err) < 0)
		return -1;
	if (!present)
		return 0;
	json_object_object_foreach(all.obj, clock, unused)
	{
		(void)unused;
		if (strcmp(clock, "monotonic") != 0 && strcmp(clock, "boottime") != 0)
			return json_error(err, &all, "clock '%s' is neither monotonic nor boottime",
			                  clock);
	}
	return parse_time_offset(&all, "monotonic", &l->time_monotonic, err) < 0
	               ? -1
	               : parse_time_offset(&all, "boottime", &l->time_boottime, err);
}

static int parse_personality(const struct json *at, struct oci_linux *l, struct err *err)
{
	struct json obj;
	bool present = false;

	if (json_get_object(at, "personality", &obj, &present, err) < 0)
		return -1;
	if (!present)
		return 0;
	if (spec_get_str(&obj, "domain", &l->personality, err) < 0)
		return -1;
	if (!l->personality ||
	    (strcmp(l->personality, "LINUX") != 0 && strcmp(l->personality, "LINUX32") != 0))
		return json_error(err, &obj, "domain must be \"LINUX\" or \"LINUX32\"");
	return 0;
}

int spec_parse_linux(const struct json *at, struct oci_linux *l, struct err *err)
{
	struct json obj;
	bool present = false;

	if (parse_namespaces(at, l, err) < 0 ||
	    spec_parse_idmaps(at, "uidMappings", &l->uid_mappings, &l->n_uid_mappings, err) < 0 ||
	    spec_parse_idmaps(at, "gidMappings", &l->gid_mappings, &l->n_gid_mappings, err) < 0 ||
	    parse_time_offsets(at, l, err) < 0 || parse_devices(at, l, err) < 0 ||
	    parse_net_devices(at, l, err) < 0 ||
	    spec_get_str(at, "cgroupsPath", &l->cgroups_path, err) < 0 ||
	    spec_get_str(at, "rootfsPropagation", &l->rootfs_propagation, err) < 0 ||
	    spec_parse_keyvals(at, "sysctl", &l->sysctl, &l->n_sysctl, err) < 0 ||
	    json_get_strv(at, "maskedPaths", &l->masked_paths, err) < 0 ||
	    json_get_strv(at, "readonlyPaths", &l->readonly_paths, err) < 0 ||
	    spec_get_str(at, "mountLabel", &l->mount_label, err) < 0 ||
	    parse_personality(at, l, err) < 0)
		return -1;
	if (spec_parse_memory_policy(at, &l->memory_policy, err) < 0 ||
	    spec_parse_intel_rdt(at, &l->intel_rdt, err) < 0)
		return -1;
	if (json_get_object(at, "resources", &obj, &present, err) < 0)
		return -1;
	if (present && spec_parse_resources(&obj, &l->resources, err) < 0)
		return -1;
	if (json_get_object(at, "landlock", &obj, &present, err) < 0 ||
	    (present && spec_parse_landlock(&obj, &l->landlock, err) < 0))
		return -1;
	if (json_get_object(at, "seccomp", &obj, &present, err) < 0)
		return -1;
	return present ? spec_parse_seccomp(&obj, &l->seccomp, err) : 0;
}
