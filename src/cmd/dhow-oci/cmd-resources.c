/* update, features */
#include "oci.h"

#include <errno.h>
#include <linux/seccomp.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "base/num.h"
#include "base/xalloc.h"
#include "codec/json.h"
#include "oci/names.h"
#include "runtime/mount-options.h"
#include "sys/seccomp.h"

struct update_values {
	const char *resources, *cpuset_cpus, *cpuset_mems;
	const char *memory, *memory_reservation, *memory_swap, *kernel_memory, *kernel_memory_tcp;
	const char *cpu_period, *cpu_quota, *cpu_share, *cpu_burst, *cpu_rt_period;
	const char *cpu_rt_runtime, *cpu_idle, *blkio_weight, *pids_limit;
	const char *l3_cache_schema, *mem_bw_schema;
};

/* clang-format off */
#define O(field) OPT(struct update_values, field)
const struct opt oci_update_options[] = {
	{ "resources", 'r', OPT_STR, O(resources), "FILE", "linux.resources as JSON; - is standard input", 0, COMPLETE_FILE },
	{ "memory", 0, OPT_STR, O(memory), "SIZE", "memory limit; -1 is none", 0, 0 },
	{ "memory-reservation", 0, OPT_STR, O(memory_reservation), "SIZE", "soft memory limit", 0, 0 },
	{ "memory-swap", 0, OPT_STR, O(memory_swap), "SIZE", "memory and swap together; -1 is none", 0, 0 },
	{ "kernel-memory", 0, OPT_STR, O(kernel_memory), "SIZE", "ignored: kernels have no such limit any more", OPT_HIDDEN, 0 },
	{ "kernel-memory-tcp", 0, OPT_STR, O(kernel_memory_tcp), "SIZE", "limit of TCP buffers (cgroup v1)", 0, 0 },
	{ "cpu-period", 0, OPT_STR, O(cpu_period), "USEC", "CPU period", 0, 0 },
	{ "cpu-quota", 0, OPT_STR, O(cpu_quota), "USEC", "CPU time in a period; -1 is no limit", 0, 0 },
	{ "cpu-burst", 0, OPT_STR, O(cpu_burst), "USEC", "CPU time above the quota that may be saved up", 0, 0 },
	{ "cpu-share", 0, OPT_STR, O(cpu_share), "N", "relative CPU weight", 0, 0 },
	{ "cpu-rt-period", 0, OPT_STR, O(cpu_rt_period), "USEC", "real-time CPU period", 0, 0 },
	{ "cpu-rt-runtime", 0, OPT_STR, O(cpu_rt_runtime), "USEC", "real-time CPU time in a period", 0, 0 },
	{ "cpu-idle", 0, OPT_STR, O(cpu_idle), "0|1", "run only when nothing else does", 0, 0 },
	{ "cpuset-cpus", 0, OPT_STR, O(cpuset_cpus), "LIST", "CPUs to use, as 0-3,7", 0, 0 },
	{ "cpuset-mems", 0, OPT_STR, O(cpuset_mems), "LIST", "memory nodes to use", 0, 0 },
	{ "blkio-weight", 0, OPT_STR, O(blkio_weight), "N", "block I/O weight, 10 to 1000", 0, 0 },
	{ "pids-limit", 0, OPT_STR, O(pids_limit), "N", "number of processes; -1 is no limit", 0, 0 },
	{ "l3-cache-schema", 0, OPT_STR, O(l3_cache_schema), "SCHEMA", "Intel RDT: L3 cache of the container's class", 0, 0 },
	{ "mem-bw-schema", 0, OPT_STR, O(mem_bw_schema), "SCHEMA", "Intel RDT: memory bandwidth of the container's class", 0, 0 },
	OPT_END
};

/* clang-format on */

static int set_size(const char *option, const char *text, int64_t *ret, struct err *err)
{
	uint64_t n;

	if (!text)
		return 0;
	if (strcmp(text, "-1") == 0) {
		*ret = -1;
		return 0;
	}
	if (parse_size(text, &n) < 0 || n > INT64_MAX)
		return err_set(err, E_INVALID, "option --%s: '%s' is not a size such as 512m",
		               option, text);
	*ret = (int64_t)n;
	return 0;
}

static int set_number(const char *option, const char *text, int64_t *ret, struct err *err)
{
	if (text && parse_i64(text, ret) < 0)
		return err_set(err, E_INVALID, "option --%s: '%s' is not a whole number", option,
		               text);
	return 0;
}

static int apply_update(const struct update_values *v, struct oci_resources *r, struct err *err)
{
	if (set_size("memory", v->memory, &r->memory_limit, err) < 0 ||
	    set_size("memory-reservation", v->memory_reservation, &r->memory_reservation, err) <
	            0 ||
	    set_size("memory-swap", v->memory_swap, &r->memory_swap, err) < 0 ||
	    set_size("kernel-memory-tcp", v->kernel_memory_tcp, &r->memory_kernel_tcp, err) < 0 ||
	    set_number("cpu-period", v->cpu_period, &r->cpu_period, err) < 0 ||
	    set_number("cpu-quota", v->cpu_quota, &r->cpu_quota, err) < 0 ||
	    set_number("cpu-burst", v->cpu_burst, &r->cpu_burst, err) < 0 ||
	    set_number("cpu-share", v->cpu_share, &r->cpu_shares, err) < 0 ||
	    set_number("cpu-rt-period", v->cpu_rt_period, &r->cpu_rt_period, err) < 0 ||
	    set_number("cpu-rt-runtime", v->cpu_rt_runtime, &r->cpu_rt_runtime, err) < 0 ||
	    set_number("cpu-idle", v->cpu_idle, &r->cpu_idle, err) < 0 ||
	    set_number("blkio-weight", v->blkio_weight, &r->blkio_weight, err) < 0 ||
	    set_number("pids-limit", v->pids_limit, &r->pids_limit, err) < 0)
		return -1;
	if (v->cpuset_cpus)
		r->cpuset_cpus = xstrdup(v->cpuset_cpus);
	if (v->cpuset_mems)
		r->cpuset_mems = xstrdup(v->cpuset_mems);
	return 0;
}

int cmd_update(struct cmd_ctx *ctx, const struct command *self, int argc, char **argv)
{
	struct update_values v = { 0 };
	struct oci_resources r;
	AUTO_STRV args = STRV_INIT;
	AUTO_FREE char *text = NULL;
	size_t len = 0;
	int e = oci_parse(ctx, self, &v, argc, argv, &args);

	if (e)
		return e < 0 ? -1 : 0;
	oci_resources_init(&r);
	e = oci_root(ctx) < 0 ? -1 : 0;
	if (e == 0 && v.resources)
		e = oci_read_file(v.resources, &text, &len, &ctx->err) < 0
		            ? -1
		            : oci_resources_parse(&r, "resources", text, len, &ctx->err);
	if (e == 0)
		e = apply_update(&v, &r, &ctx->err);
	if (e == 0 && (v.l3_cache_schema || v.mem_bw_schema))
		e = runtime_update_rdt(ctx->root_fd, args.items[0], v.l3_cache_schema,
		                       v.mem_bw_schema, &ctx->err);
	if (e == 0)
		e = runtime_update(ctx->root_fd, args.items[0], &r, &ctx->err);
	oci_resources_done(&r);
	return e;
}

/* ---- features ---- */

static void add_list(struct json_object *obj, const char *key, const char *words)
{
	AUTO_STRV v = STRV_INIT;

	strv_split(&v, words, ' ');
	json_add_strv(obj, key, &v);
}

static void add_landlock(struct json_object *o)
{
	static const char *const keys[OCI_LANDLOCK_KIND_MAX] = {
		[OCI_LANDLOCK_FS] = "accessFS",
		[OCI_LANDLOCK_NET] = "accessNet",
		[OCI_LANDLOCK_SCOPE] = "scopes",
		[OCI_LANDLOCK_RESTRICT] = "restrictFlags",
	};

	json_add_bool(o, "enabled", true);
	for (int kind = 0; kind < OCI_LANDLOCK_KIND_MAX; kind++) {
		AUTO_STRV names = STRV_INIT;

		oci_landlock_names((enum oci_landlock_kind)kind,
		                   oci_landlock_known((enum oci_landlock_kind)kind), &names);
		json_add_strv(o, keys[kind], &names);
	}
}

static void add_names(struct json_object *obj, const char *key, const char *const *names)
{
	AUTO_STRV v = STRV_INIT;

	for (; *names; names++)
		strv_add(&v, *names);
	json_add_strv(obj, key, &v);
}

/* The kernel says EFAULT to a program that is not there, and EINVAL first to a flag that it does
 * not know. */
static void add_seccomp_flags(struct json_object *o)
{
	static const struct {
		const char *name;
		unsigned probe;
	} flags[] = {
		{ "SECCOMP_FILTER_FLAG_TSYNC", SECCOMP_FILTER_FLAG_TSYNC },
		{ "SECCOMP_FILTER_FLAG_LOG", SECCOMP_FILTER_FLAG_LOG },
		{ "SECCOMP_FILTER_FLAG_SPEC_ALLOW", SECCOMP_FILTER_FLAG_SPEC_ALLOW },
		{ "SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV",
		  1u << 5 | SECCOMP_FILTER_FLAG_NEW_LISTENER },
	};
	AUTO_STRV known = STRV_INIT, supported = STRV_INIT;

	for (size_t i = 0; i < ARRAY_LEN(flags); i++) {
		strv_add(&known, flags[i].name);
		if (syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, flags[i].probe, NULL) < 0 &&
		    errno == EFAULT)
			strv_add(&supported, flags[i].name);
	}
	json_add_strv(o, "knownFlags", &known);
	json_add_strv(o, "supportedFlags", &supported);
}

static void add_linux(struct json_object *root)
{
	struct json_object *l = json_add_object(root, "linux"), *o;
	AUTO_STRV caps = STRV_INIT;

	add_list(l, "namespaces", "cgroup ipc mount network pid time user uts");
	for (int i = 0; i <= OCI_CAP_LAST; i++)
		strv_add(&caps, oci_cap_name(i));
	json_add_strv(l, "capabilities", &caps);
	o = json_add_object(l, "cgroup");
	json_add_bool(o, "v1", true);
	json_add_bool(o, "v2", true);
	json_add_bool(o, "systemd", true);
	json_add_bool(o, "systemdUser", true);
	json_add_bool(o, "rdma", true);
	o = json_add_object(l, "seccomp");
	json_add_bool(o, "enabled", true);
	add_list(o, "actions",
	         "SCMP_ACT_ALLOW SCMP_ACT_ERRNO SCMP_ACT_KILL SCMP_ACT_KILL_PROCESS "
	         "SCMP_ACT_KILL_THREAD SCMP_ACT_LOG SCMP_ACT_NOTIFY SCMP_ACT_TRACE SCMP_ACT_TRAP");
	add_list(o, "operators",
	         "SCMP_CMP_EQ SCMP_CMP_GE SCMP_CMP_GT SCMP_CMP_LE SCMP_CMP_LT "
	         "SCMP_CMP_MASKED_EQ SCMP_CMP_NE");
	add_names(o, "archs", seccomp_arch_names);
	add_seccomp_flags(o);
	add_landlock(json_add_object(l, "landlock"));
	json_add_bool(json_add_object(l, "apparmor"), "enabled", true);
	json_add_bool(json_add_object(l, "selinux"), "enabled", true);
	o = json_add_object(l, "memoryPolicy");
	add_list(o, "modes",
	         "MPOL_DEFAULT MPOL_BIND MPOL_INTERLEAVE MPOL_WEIGHTED_INTERLEAVE MPOL_PREFERRED "
	         "MPOL_PREFERRED_MANY MPOL_LOCAL");
	add_list(o, "flags", "MPOL_F_NUMA_BALANCING MPOL_F_RELATIVE_NODES MPOL_F_STATIC_NODES");
	o = json_add_object(l, "intelRdt");
	json_add_bool(o, "enabled", true);
	json_add_bool(o, "schemata", true);
	json_add_bool(o, "monitoring", true);
	json_add_bool(json_add_object(l, "netDevices"), "enabled", true);
	json_add_bool(json_add_object(json_add_object(l, "mountExtensions"), "idmap"), "enabled",
	              true);
}

int cmd_features(struct cmd_ctx *ctx, const struct command *self, int argc, char **argv)
{
	AUTO_JSON *root = json_object_new_object();
	struct json_object *o;
	AUTO_STRV args = STRV_INIT, mounts = STRV_INIT;
	int r = oci_parse(ctx, self, NULL, argc, argv, &args);

	if (r)
		return r < 0 ? -1 : 0;
	json_add_str(root, "ociVersionMin", OCI_VERSION_MIN);
	json_add_str(root, "ociVersionMax", OCI_VERSION);
	add_list(root, "hooks",
	         "prestart createRuntime createContainer startContainer poststart poststop");
	mount_options_list(&mounts);
	json_add_strv(root, "mountOptions", &mounts);
	add_linux(root);
	o = json_add_object(root, "annotations");
	json_add_str(o, "dhow.version", DHOW_VERSION);
	add_names(root, "potentiallyUnsafeConfigAnnotations", oci_annotation_names);
	/* What is no part of the specification. */
	add_list(root, "vendorExtensions",
	         "linux.landlock annotation:" OCI_LANDLOCK_ANNOTATION
	         " option:create:--dry-run option:run:--dry-run option:exec:--dry-run");
	puts(json_text(root, true));
	return 0;
}
