/* update, events, features */
#include "oci.h"

#include <errno.h>
#include <time.h>

#include "base/num.h"
#include "base/xalloc.h"
#include "codec/json.h"
#include "oci/names.h"
#include "runtime/mount-options.h"

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

struct events_values {
	int64_t interval_ms;
	bool stats;
};
const struct opt oci_events_options[] = {
	{ "stats", 0, OPT_BOOL, OPT(struct events_values, stats), NULL, "print the figures once and end", 0, 0 },
	{ "interval", 0, OPT_DURATION, OPT(struct events_values, interval_ms), "TIME", "time between two lines (default 5s)", 0, 0 },
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

/* ---- events ---- */

static struct json_object *format_stats(const struct cgroup_stats *s)
{
	struct json_object *data = json_object_new_object(), *o, *usage;

	o = json_add_object(data, "cpu");
	usage = json_add_object(o, "usage");
	json_add_u64(usage, "total", s->cpu_usage_ns);
	json_add_u64(usage, "kernel", s->cpu_system_ns);
	json_add_u64(usage, "user", s->cpu_user_ns);
	o = json_add_object(o, "throttling");
	json_add_u64(o, "periods", s->cpu_periods);
	json_add_u64(o, "throttledPeriods", s->cpu_throttled_periods);
	json_add_u64(o, "throttledTime", s->cpu_throttled_ns);
	o = json_add_object(data, "memory");
	json_add_u64(o, "cache", s->memory_cache);
	usage = json_add_object(o, "usage");
	json_add_u64(usage, "limit", s->memory_limit);
	json_add_u64(usage, "usage", s->memory_usage);
	json_add_u64(usage, "max", s->memory_max_usage);
	json_add_u64(usage, "failcnt", s->memory_failcnt);
	usage = json_add_object(json_add_object(o, "raw"), "oom");
	json_add_u64(usage, "kill", s->oom_kills);
	o = json_add_object(data, "pids");
	json_add_u64(o, "current", s->pids_current);
	json_add_u64(o, "limit", s->pids_limit);
	o = json_add_object(data, "blkio");
	json_add_u64(o, "readBytes", s->blkio_read_bytes);
	json_add_u64(o, "writeBytes", s->blkio_write_bytes);
	json_add_u64(o, "readOps", s->blkio_read_ops);
	json_add_u64(o, "writeOps", s->blkio_write_ops);
	return data;
}

static int print_stats(struct cmd_ctx *ctx, const char *id, bool *ret_running)
{
	AUTO_STATE st = { 0 };
	AUTO_CGROUP cg = CGROUP_INIT;
	AUTO_JSON *line = json_object_new_object();
	struct cgroup_stats s;

	if (runtime_state(ctx->root_fd, id, &st, &ctx->err) < 0)
		return -1;
	*ret_running = st.status != RUNTIME_STOPPED;
	if (!*ret_running)
		return 0;
	if (runtime_cgroup(&st, &cg, &ctx->err) < 0 || cgroup_stats(&cg, &s, &ctx->err) < 0)
		return -1;
	json_add_str(line, "type", "stats");
	json_add_str(line, "id", id);
	json_object_object_add(line, "data", format_stats(&s));
	puts(json_text(line, false));
	fflush(stdout);
	return 0;
}

int cmd_events(struct cmd_ctx *ctx, const struct command *self, int argc, char **argv)
{
	struct events_values v = { .interval_ms = 5000 };
	AUTO_STRV args = STRV_INIT;
	bool running = false;
	int r = oci_parse(ctx, self, &v, argc, argv, &args);

	if (r)
		return r < 0 ? -1 : 0;
	if (v.interval_ms <= 0)
		return err_set(&ctx->err, E_INVALID, "option --interval: must be above 0");
	if (oci_root(ctx) < 0 || print_stats(ctx, args.items[0], &running) < 0)
		return -1;
	if (!running)
		return err_set(&ctx->err, E_STATE, "container '%s' is not running", args.items[0]);
	while (!v.stats && running) {
		struct timespec t = { v.interval_ms / 1000, v.interval_ms % 1000 * 1000000 };

		nanosleep(&t, NULL);
		if (print_stats(ctx, args.items[0], &running) < 0)
			return ctx->err.code == E_NOT_FOUND ? 0 : -1;
	}
	return 0;
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
	json_add_bool(o, "systemd", false);
	json_add_bool(o, "systemdUser", false);
	json_add_bool(o, "rdma", true);
	o = json_add_object(l, "seccomp");
	json_add_bool(o, "enabled", true);
	add_list(o, "actions",
	         "SCMP_ACT_ALLOW SCMP_ACT_ERRNO SCMP_ACT_KILL SCMP_ACT_KILL_PROCESS "
	         "SCMP_ACT_KILL_THREAD SCMP_ACT_LOG SCMP_ACT_NOTIFY SCMP_ACT_TRACE SCMP_ACT_TRAP");
	add_list(o, "operators",
	         "SCMP_CMP_EQ SCMP_CMP_GE SCMP_CMP_GT SCMP_CMP_LE SCMP_CMP_LT "
	         "SCMP_CMP_MASKED_EQ SCMP_CMP_NE");
	add_list(o, "archs", "SCMP_ARCH_X86 SCMP_ARCH_X86_64 SCMP_ARCH_X32");
	add_list(o, "knownFlags",
	         "SECCOMP_FILTER_FLAG_TSYNC SECCOMP_FILTER_FLAG_LOG "
	         "SECCOMP_FILTER_FLAG_SPEC_ALLOW");
	add_list(o, "supportedFlags",
	         "SECCOMP_FILTER_FLAG_TSYNC SECCOMP_FILTER_FLAG_LOG "
	         "SECCOMP_FILTER_FLAG_SPEC_ALLOW");
	add_landlock(json_add_object(l, "landlock"));
	json_add_bool(json_add_object(l, "apparmor"), "enabled", false);
	json_add_bool(json_add_object(l, "selinux"), "enabled", false);
	json_add_bool(json_add_object(l, "intelRdt"), "enabled", false);
	json_add_bool(json_add_object(l, "netDevices"), "enabled", false);
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
	/* What is no part of the specification. */
	add_list(root, "vendorExtensions",
	         "linux.landlock annotation:" OCI_LANDLOCK_ANNOTATION
	         " option:create:--dry-run option:run:--dry-run option:exec:--dry-run");
	puts(json_text(root, true));
	return 0;
}
