/* linux.resources on cgroup v2. The configuration speaks v1; what v2 has no word for is refused,
 * except where the value asks for nothing. */
#include "runtime/resources-internal.h"

#include <errno.h>

#include "sys/cgroup-convert.h"

#define NOT_ON_V2 "cgroup v2 has no such limit"

/* "max" for -1. */
static int put_max(const struct writer *w, enum cgroup_controller c, const char *key,
                   const char *file, int64_t value)
{
	if (value < 0)
		return resource_put(w, c, key, file, "max");
	return resource_put_number(w, c, key, file, value);
}

/* memory.swap counts memory and swap together, memory.swap.max swap alone. */
static int put_swap(const struct writer *w, const struct oci_resources *r)
{
	int64_t both = r->memory_swap, memory = r->memory_limit, swap;
	uint64_t now = 0;
	char text[24] = "max";
	int e;

	if (IS_GIVEN(both) && both >= 0 && !IS_GIVEN(memory)) {
		/* an update of swap alone: the memory limit stays what it is */
		if (cgroup_read_u64(w->cg, CGROUP_MEMORY, "memory.max", &now) < 0 ||
		    now > INT64_MAX)
			return err_set(w->err, E_INVALID,
			               "linux.resources.memory.swap: needs memory.limit on "
			               "cgroup v2");
		memory = (int64_t)now;
	}
	if (!IS_GIVEN(both))
		both = memory == -1 ? -1 : 0; /* no limit of memory: none of swap */
	if (!both)
		return 0;
	if (cgroup_swap_limit(both, memory, &swap) < 0)
		return err_set(w->err, E_INVALID,
		               "linux.resources.memory.swap: is below memory.limit (%lld and "
		               "%lld)",
		               (long long)both, (long long)memory);
	if (swap >= 0)
		snprintf(text, sizeof(text), "%lld", (long long)swap);
	e = cgroup_write(w->cg, CGROUP_MEMORY, "memory.swap.max", text);
	/* Without swap accounting there is no swap to limit, or to forbid. */
	if (e == -ENOENT && swap <= 0)
		return 0;
	return e < 0 ? resource_failed(w, e, "memory.swap", "memory.swap.max", text) : 0;
}

int resources_memory_v2(const struct writer *w, const struct oci_resources *r)
{
	if (IS_SET(r->memory_kernel_tcp) && r->memory_kernel_tcp > 0)
		return resource_refused(w, "memory.kernelTCP", NOT_ON_V2);
	if (IS_SET(r->memory_swappiness))
		return resource_refused(w, "memory.swappiness", NOT_ON_V2);
	if (IS_GIVEN(r->memory_disable_oom))
		return resource_refused(w, "memory.disableOOMKiller",
		                        "cgroup v2 cannot switch it off");
	if (put_swap(w, r) < 0)
		return -1;
	if (IS_GIVEN(r->memory_limit) &&
	    put_max(w, CGROUP_MEMORY, "memory.limit", "memory.max", r->memory_limit) < 0)
		return -1;
	if (IS_GIVEN(r->memory_reservation))
		return put_max(w, CGROUP_MEMORY, "memory.reservation", "memory.low",
		               r->memory_reservation);
	return 0;
}

static int put_quota(const struct writer *w, const struct oci_resources *r)
{
	char text[64], now[64], quota[24] = "max";

	if (IS_GIVEN(r->cpu_quota) && r->cpu_quota > 0)
		snprintf(quota, sizeof(quota), "%lld", (long long)r->cpu_quota);
	else if (!IS_GIVEN(r->cpu_quota) &&
	         cgroup_read(w->cg, CGROUP_CPU, "cpu.max", now, sizeof(now)) > 0)
		/* an update of the period alone */
		snprintf(quota, sizeof(quota), "%.*s", (int)strcspn(now, " \n"), now);
	if (IS_GIVEN(r->cpu_period))
		snprintf(text, sizeof(text), "%s %lld", quota, (long long)r->cpu_period);
	else
		snprintf(text, sizeof(text), "%s", quota);
	return resource_put(w, CGROUP_CPU, IS_GIVEN(r->cpu_quota) ? "cpu.quota" : "cpu.period",
	                    "cpu.max", text);
}

int resources_cpu_v2(const struct writer *w, const struct oci_resources *r)
{
	bool quota = IS_GIVEN(r->cpu_quota) || IS_GIVEN(r->cpu_period);
	bool idle = IS_GIVEN(r->cpu_idle);
	char burst[24];
	int e = 0;

	if (IS_GIVEN(r->cpu_rt_runtime) || IS_GIVEN(r->cpu_rt_period))
		return resource_refused(w, "cpu.realtimeRuntime", NOT_ON_V2);
	if (IS_SET(r->cpu_idle) &&
	    resource_put_number(w, CGROUP_CPU, "cpu.idle", "cpu.idle", r->cpu_idle) < 0)
		return -1;
	/* A cgroup that is idle has the least weight, and takes no other. */
	if (IS_GIVEN(r->cpu_shares) && !idle &&
	    resource_put_number(w, CGROUP_CPU, "cpu.shares", "cpu.weight",
	                        (int64_t)cgroup_cpu_weight((uint64_t)r->cpu_shares)) < 0)
		return -1;
	if (IS_SET(r->cpu_burst)) {
		snprintf(burst, sizeof(burst), "%lld", (long long)r->cpu_burst);
		e = cgroup_write(w->cg, CGROUP_CPU, "cpu.max.burst", burst);
		/* It may not be above the quota: the new one may have to come first. */
		if (e < 0 && !(e == -EINVAL && quota))
			return resource_failed(w, e, "cpu.burst", "cpu.max.burst", burst);
	}
	if (quota && put_quota(w, r) < 0)
		return -1;
	return e < 0 ? resource_put(w, CGROUP_CPU, "cpu.burst", "cpu.max.burst", burst) : 0;
}

/* BFQ's weights where that is the scheduler, else those of the io controller itself. device: "" or
 * "MAJOR:MINOR ". */
static int put_weight(const struct writer *w, const char *key, const char *device, int64_t weight)
{
	char text[64];
	int e;

	snprintf(text, sizeof(text), "%s%lld", device, (long long)weight);
	e = cgroup_write(w->cg, CGROUP_BLKIO, "io.bfq.weight", text);
	if (e != -ENOENT)
		return e < 0 ? resource_failed(w, e, key, "io.bfq.weight", text) : 0;
	snprintf(text, sizeof(text), "%s%llu", *device ? device : "default ",
	         (unsigned long long)cgroup_io_weight((uint64_t)weight));
	return resource_put(w, CGROUP_BLKIO, key, "io.weight", text);
}

int resources_block_v2(const struct writer *w, const struct oci_resources *r)
{
	static const char *const names[] = {
		[OCI_READ_BPS] = "rbps",
		[OCI_WRITE_BPS] = "wbps",
		[OCI_READ_IOPS] = "riops",
		[OCI_WRITE_IOPS] = "wiops",
	};
	char text[96];

	if (IS_GIVEN(r->blkio_leaf_weight))
		return resource_refused(w, "blockIO.leafWeight", NOT_ON_V2);
	if (IS_GIVEN(r->blkio_weight) && put_weight(w, "blockIO.weight", "", r->blkio_weight) < 0)
		return -1;
	for (size_t i = 0; i < r->n_blkio_weight_devices; i++) {
		const struct oci_blkio_weight_device *d = &r->blkio_weight_devices[i];

		if (IS_GIVEN(d->leaf_weight))
			return resource_refused(w, "blockIO.weightDevice.leafWeight", NOT_ON_V2);
		snprintf(text, sizeof(text), "%lld:%lld ", (long long)d->major,
		         (long long)d->minor);
		if (IS_GIVEN(d->weight) &&
		    put_weight(w, "blockIO.weightDevice", text, d->weight) < 0)
			return -1;
	}
	for (size_t i = 0; i < r->n_blkio_throttles; i++) {
		const struct oci_blkio_throttle *t = &r->blkio_throttles[i];

		/* 0 takes a limit away on v1 */
		snprintf(text, sizeof(text), t->rate ? "%lld:%lld %s=%llu" : "%lld:%lld %s=max",
		         (long long)t->major, (long long)t->minor, names[t->kind],
		         (unsigned long long)t->rate);
		if (resource_put(w, CGROUP_BLKIO, "blockIO.throttle", "io.max", text) < 0)
			return -1;
	}
	return 0;
}

/* Files that move, stop or end processes, or hand controllers on, are no limits. */
static bool is_limit(const char *key)
{
	static const char *const others[] = { "cgroup.procs",  "cgroup.threads",
		                              "cgroup.kill",   "cgroup.type",
		                              "cgroup.freeze", "cgroup.subtree_control" };

	for (size_t i = 0; i < ARRAY_LEN(others); i++)
		if (strcmp(key, others[i]) == 0)
			return false;
	return key[0] != '.' && !strchr(key, '/') && strchr(key, '.');
}

int resources_unified(const struct writer *w, const struct oci_resources *r)
{
	for (size_t i = 0; i < r->n_unified; i++) {
		const char *key = r->unified[i].key;
		int e;

		if (!is_limit(key))
			return err_set(w->err, E_INVALID,
			               "linux.resources.unified: '%s' is not a limit: the name of "
			               "a cgroup file, as memory.high",
			               key);
		e = cgroup_write(w->cg, CGROUP_UNIFIED, key, r->unified[i].value);
		if (e == -ENOENT)
			return err_set(w->err, E_UNSUPPORTED,
			               "linux.resources.unified: there is no '%s': the controller "
			               "'%.*s' is not available on cgroup v2 here, or has no such "
			               "file",
			               key, (int)strcspn(key, "."), key);
		if (e < 0)
			return resource_failed(w, e, "unified", key, r->unified[i].value);
	}
	return 0;
}
