/* cgroup limits: docker's rules and bounds, checked before anything is made. */
#include <errno.h>
#include <math.h>
#include <sched.h>

#include "base/fd.h"
#include "base/num.h"
#include "base/xalloc.h"
#include "engine/spec-internal.h"
#include "sys/cgroup.h"

#define MEMORY_MIN    (6ull << 20)
#define CPU_PERIOD_US 100000
#define PERIOD_MIN_US 1000
#define PERIOD_MAX_US 1000000
#define QUOTA_MIN_US  1000
#define SHARES_MAX    262144
#define CPU_LIST_MAX  8192 /* numbers in a cpuset */

static int memory_check(const struct container_options *o, struct err *err)
{
	if (o->memory_bytes && o->memory_bytes < MEMORY_MIN)
		return err_set(err, E_INVALID, "--memory %llu: the least is 6m",
		               (unsigned long long)o->memory_bytes);
	if (o->memory_bytes > INT64_MAX || o->memory_reservation_bytes > INT64_MAX)
		return err_set(err, E_INVALID, "--memory: out of range");
	if (o->memory_swap_bytes && !o->memory_bytes) {
		err_set(err, E_INVALID, "--memory-swap needs --memory");
		return err_hint(err, "it is the limit of memory plus swap");
	}
	if (o->memory_swap_bytes > 0 && (uint64_t)o->memory_swap_bytes < o->memory_bytes) {
		err_set(err, E_INVALID, "--memory-swap %lld is less than --memory %llu",
		        (long long)o->memory_swap_bytes, (unsigned long long)o->memory_bytes);
		return err_hint(err, "it is the limit of memory plus swap");
	}
	if (o->memory_reservation_bytes && o->memory_reservation_bytes < MEMORY_MIN)
		return err_set(err, E_INVALID, "--memory-reservation %llu: the least is 6m",
		               (unsigned long long)o->memory_reservation_bytes);
	if (o->memory_bytes && o->memory_reservation_bytes > o->memory_bytes)
		return err_set(err, E_INVALID,
		               "--memory-reservation %llu is more than --memory %llu",
		               (unsigned long long)o->memory_reservation_bytes,
		               (unsigned long long)o->memory_bytes);
	return 0;
}

/* CPUs this machine has, as docker counts them: those we may run on. */
static int cpu_count(void)
{
	cpu_set_t set;

	if (sched_getaffinity(0, sizeof(set), &set) < 0)
		return 1;
	return CPU_COUNT(&set);
}

static int cpu_check(const struct container_options *o, struct err *err)
{
	if (o->cpus < 0 || (o->cpus > 0 && (o->cpus < 0.01 || o->cpus > cpu_count())))
		return err_set(err, E_INVALID,
		               "--cpus %g: from 0.01 to %d.00, as there are %d CPUs here", o->cpus,
		               cpu_count(), cpu_count());
	if (o->cpus > 0 && (o->cpu_period_us || o->cpu_quota_us))
		return err_set(err, E_INVALID, "--cpus contradicts --cpu-%s",
		               o->cpu_period_us ? "period" : "quota");
	if (o->cpu_period_us &&
	    (o->cpu_period_us < PERIOD_MIN_US || o->cpu_period_us > PERIOD_MAX_US))
		return err_set(err, E_INVALID,
		               "--cpu-period %llu: from 1000 to 1000000 (1 ms to 1 s)",
		               (unsigned long long)o->cpu_period_us);
	if (o->cpu_quota_us && o->cpu_quota_us != -1 && o->cpu_quota_us < QUOTA_MIN_US)
		return err_set(err, E_INVALID, "--cpu-quota %lld: the least is 1000 (1 ms)",
		               (long long)o->cpu_quota_us);
	if (o->cpu_shares == 1 || o->cpu_shares > SHARES_MAX)
		return err_set(err, E_INVALID, "--cpu-shares %llu: from 2 to %d",
		               (unsigned long long)o->cpu_shares, SHARES_MAX);
	return 0;
}

/* "0-2,7" into a bit per number. */
static bool list_parse(const char *text, unsigned char bits[CPU_LIST_MAX])
{
	AUTO_STRV parts = STRV_INIT;

	memset(bits, 0, CPU_LIST_MAX);
	strv_split(&parts, text, ',');
	for (size_t i = 0; i < parts.len; i++) {
		char *dash = strchr(parts.items[i], '-');
		uint32_t first, last;

		if (dash)
			*dash++ = '\0';
		if (parse_u32(parts.items[i], &first) < 0)
			return false;
		last = first;
		if (dash && parse_u32(dash, &last) < 0)
			return false;
		if (last < first || last >= CPU_LIST_MAX)
			return false;
		memset(bits + first, 1, last - first + 1);
	}
	return true;
}

static int list_check(const char *option, const char *text, const char *online_file,
                      struct err *err)
{
	unsigned char wanted[CPU_LIST_MAX], online[CPU_LIST_MAX];
	AUTO_FREE char *available = NULL;
	size_t len;

	if (!text || !*text)
		return 0;
	if (!list_parse(text, wanted))
		return err_set(err, E_INVALID, "%s '%s': expected a list such as 0-2,4", option,
		               text);
	if (file_read_at(-1, online_file, 4096, &available, &len, ERR_IGNORE) < 0)
		return 0;
	available[strcspn(available, "\n")] = '\0';
	if (!list_parse(available, online))
		return 0;
	for (size_t i = 0; i < CPU_LIST_MAX; i++)
		if (wanted[i] && !online[i])
			return err_set(err, E_INVALID, "%s '%s': this machine has %s", option, text,
			               available);
	return 0;
}

int limits_check(const struct container_options *opts, struct err *err)
{
	if (memory_check(opts, err) < 0 || cpu_check(opts, err) < 0 ||
	    list_check("--cpuset-cpus", opts->cpuset_cpus, "/sys/devices/system/cpu/online", err) <
	            0 ||
	    list_check("--cpuset-mems", opts->cpuset_mems, "/sys/devices/system/node/online", err) <
	            0)
		return -1;
	if (opts->pids_limit < -1)
		return err_set(err, E_INVALID, "--pids-limit %lld: -1 is no limit",
		               (long long)opts->pids_limit);
	if (opts->oom_score_adj < -1000 || opts->oom_score_adj > 1000)
		return err_set(err, E_INVALID, "--oom-score-adj %lld: from -1000 to 1000",
		               (long long)opts->oom_score_adj);
	return 0;
}

/* Which option needs which controller: asked for, but not there, is refused by name. */
static int need(struct spec_ctx *c, bool wanted, const char *option,
                enum cgroup_controller controller)
{
	const struct cgroup_layout *layout = cgroup_layout_get();

	if (!wanted)
		return 0;
	if (!c->env->has_cgroup) {
		err_set(c->err, E_PERM, "%s: this user may not make cgroups", option);
		return err_hint(c->err, "delegate a cgroup to the user, or run as root");
	}
	if (!(layout->available & CGROUP_BIT(controller)))
		return err_set(c->err, E_UNSUPPORTED, "%s: this host has no %s cgroup controller",
		               option, cgroup_controller_name(controller, false));
	return 0;
}

static int need_controllers(struct spec_ctx *c)
{
	const struct container_options *o = c->opts;
	const struct {
		bool wanted;
		const char *option;
		enum cgroup_controller controller;
	} needs[] = {
		{ o->memory_bytes != 0, "--memory", CGROUP_MEMORY },
		{ o->memory_reservation_bytes != 0, "--memory-reservation", CGROUP_MEMORY },
		{ o->cpus > 0, "--cpus", CGROUP_CPU },
		{ o->cpu_shares != 0, "--cpu-shares", CGROUP_CPU },
		{ o->cpu_quota_us != 0, "--cpu-quota", CGROUP_CPU },
		{ o->cpu_period_us != 0, "--cpu-period", CGROUP_CPU },
		{ o->cpuset_cpus != NULL, "--cpuset-cpus", CGROUP_CPUSET },
		{ o->cpuset_mems != NULL, "--cpuset-mems", CGROUP_CPUSET },
		{ o->pids_limit > 0, "--pids-limit", CGROUP_PIDS },
	};

	for (size_t i = 0; i < ARRAY_LEN(needs); i++)
		if (need(c, needs[i].wanted, needs[i].option, needs[i].controller) < 0)
			return -1;
	return 0;
}

/* v1 counts swap only when the kernel was started so. */
static bool has_swap_limit(void)
{
	const struct cgroup_layout *layout = cgroup_layout_get();

	if (layout->on_v2 & CGROUP_BIT(CGROUP_MEMORY))
		return true;
	return access("/sys/fs/cgroup/memory/memory.memsw.limit_in_bytes", F_OK) == 0;
}

static int set_memory(struct spec_ctx *c)
{
	struct oci_resources *r = &c->spec->linux_.resources;
	const struct container_options *o = c->opts;

	if (o->memory_bytes)
		r->memory_limit = (int64_t)o->memory_bytes;
	if (o->memory_reservation_bytes)
		r->memory_reservation = (int64_t)o->memory_reservation_bytes;
	if (!o->memory_bytes)
		return 0;
	if (has_swap_limit()) {
		/* docker's default: as much swap as memory */
		r->memory_swap = o->memory_swap_bytes ?: (int64_t)o->memory_bytes * 2;
		return 0;
	}
	if (o->memory_swap_bytes > 0)
		return err_set(c->err, E_UNSUPPORTED,
		               "--memory-swap: this kernel does not count swap");
	return 0;
}

int spec_limits(struct spec_ctx *c)
{
	struct oci_resources *r = &c->spec->linux_.resources;
	const struct container_options *o = c->opts;

	if (need_controllers(c) < 0 || set_memory(c) < 0)
		return -1;
	if (o->cpus > 0) {
		r->cpu_period = CPU_PERIOD_US;
		r->cpu_quota = (int64_t)llround(o->cpus * CPU_PERIOD_US);
	}
	if (o->cpu_period_us)
		r->cpu_period = (int64_t)o->cpu_period_us;
	if (o->cpu_quota_us)
		r->cpu_quota = o->cpu_quota_us;
	if (o->cpu_shares)
		r->cpu_shares = (int64_t)o->cpu_shares;
	if (o->cpuset_cpus)
		r->cpuset_cpus = xstrdup(o->cpuset_cpus);
	if (o->cpuset_mems)
		r->cpuset_mems = xstrdup(o->cpuset_mems);
	if (o->pids_limit > 0)
		r->pids_limit = o->pids_limit;
	free(TAKE_PTR(c->spec->linux_.cgroups_path));
	if (c->env->has_cgroup)
		c->spec->linux_.cgroups_path =
			xasprintf("%s/%s", o->cgroup_parent ?: "/dhow", c->env->id);
	return 0;
}
