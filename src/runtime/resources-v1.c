/* linux.resources on the hierarchies of cgroup v1. */
#include "runtime/resources-internal.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "base/fd.h"

#define LIMIT_FILE "memory.limit_in_bytes"
#define BOTH_FILE  "memory.memsw.limit_in_bytes"

static int put_both(const struct writer *w, int64_t both)
{
	char text[24];
	int e;

	snprintf(text, sizeof(text), "%lld", (long long)both);
	e = cgroup_write(w->cg, CGROUP_MEMORY, BOTH_FILE, text);
	/* Without swap accounting there is no swap to limit either. */
	if (e < 0 && e != -ENOENT && e != -EOPNOTSUPP)
		return resource_failed(w, e, "memory.swap", BOTH_FILE, text);
	return 0;
}

/* Memory may never be above memory and swap together, so the order depends on which way they move.
 * Taking the limit of memory away takes that of both, unless one is given. */
static int put_limits(const struct writer *w, const struct oci_resources *r)
{
	int64_t limit = r->memory_limit, both = r->memory_swap;
	uint64_t now = 0;
	bool both_first = false;

	if (IS_GIVEN(limit) && limit < 0 && !IS_GIVEN(both))
		both = -1;
	if (IS_GIVEN(limit) && IS_GIVEN(both) &&
	    cgroup_read_u64(w->cg, CGROUP_MEMORY, BOTH_FILE, &now) == 0)
		both_first = limit < 0 || (uint64_t)limit > now;
	if (both_first && put_both(w, both) < 0)
		return -1;
	if (IS_GIVEN(limit) &&
	    resource_put_number(w, CGROUP_MEMORY, "memory.limit", LIMIT_FILE, limit) < 0)
		return -1;
	return IS_GIVEN(both) && !both_first ? put_both(w, both) : 0;
}

int resources_memory_v1(const struct writer *w, const struct oci_resources *r)
{
	if (put_limits(w, r) < 0)
		return -1;
	if (IS_GIVEN(r->memory_reservation) &&
	    resource_put_number(w, CGROUP_MEMORY, "memory.reservation",
	                        "memory.soft_limit_in_bytes", r->memory_reservation) < 0)
		return -1;
	if (IS_GIVEN(r->memory_kernel_tcp) &&
	    resource_put_number(w, CGROUP_MEMORY, "memory.kernelTCP",
	                        "memory.kmem.tcp.limit_in_bytes", r->memory_kernel_tcp) < 0)
		return -1;
	if (IS_SET(r->memory_swappiness) &&
	    resource_put_number(w, CGROUP_MEMORY, "memory.swappiness", "memory.swappiness",
	                        r->memory_swappiness) < 0)
		return -1;
	if (IS_GIVEN(r->memory_disable_oom))
		return resource_put(w, CGROUP_MEMORY, "memory.disableOOMKiller",
		                    "memory.oom_control", "1");
	return 0;
}

/* A value of the real-time scheduler, in this directory and, from the top, in those above it that
 * have none: the kernel gives a cgroup no more than its parent has. */
static int put_realtime(const struct writer *w, const char *file, int64_t value, int depth)
{
	char name[160] = "", text[24];
	AUTO_FD fd = -1;

	if (depth > 16)
		return -ELOOP;
	for (int i = 0; i < depth; i++)
		memcpy(name + strlen(name), "../", 4);
	memcpy(name + strlen(name), file, strlen(file) + 1);
	snprintf(text, sizeof(text), "%lld", (long long)value);
	fd = openat(w->cg->fds[cgroup_hierarchy_of(CGROUP_CPU)], name, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	if (write(fd, text, strlen(text)) >= 0)
		return 0;
	if (errno != EINVAL)
		return -errno;
	if (put_realtime(w, file, value, depth + 1) < 0)
		return -EINVAL;
	return write(fd, text, strlen(text)) < 0 ? -errno : 0;
}

static int realtime(const struct writer *w, const struct oci_resources *r)
{
	/* clang-format off */
	const struct { const char *key, *file; int64_t value; } values[] = {
		{ "cpu.realtimePeriod", "cpu.rt_period_us", r->cpu_rt_period },
		{ "cpu.realtimeRuntime", "cpu.rt_runtime_us", r->cpu_rt_runtime },
	};
	/* clang-format on */

	for (size_t i = 0; i < ARRAY_LEN(values); i++) {
		char text[24];
		int e;

		if (!IS_GIVEN(values[i].value))
			continue;
		snprintf(text, sizeof(text), "%lld", (long long)values[i].value);
		if (w->cg->record)
			e = cgroup_write(w->cg, CGROUP_CPU, values[i].file, text);
		else
			e = put_realtime(w, values[i].file, values[i].value, 0);
		if (e < 0)
			return resource_failed(w, e, values[i].key, values[i].file, text);
	}
	return 0;
}

/* One that may have to wait for the others, since the kernel checks them against each other: a
 * burst against its quota, a period with its quota against the parent's. */
static int put_or_defer(const struct writer *w, const char *key, const char *file, int64_t value,
                        bool may_defer, bool *ret_deferred)
{
	char text[24];
	int e;

	*ret_deferred = false;
	if (!IS_SET(value))
		return 0;
	snprintf(text, sizeof(text), "%lld", (long long)value);
	e = cgroup_write(w->cg, CGROUP_CPU, file, text);
	*ret_deferred = e == -EINVAL && may_defer;
	return e < 0 && !*ret_deferred ? resource_failed(w, e, key, file, text) : 0;
}

int resources_cpu_v1(const struct writer *w, const struct oci_resources *r)
{
	bool quota = IS_GIVEN(r->cpu_quota), burst_later, period_later;
	int64_t period = r->cpu_period ? r->cpu_period : OCI_UNSET;

	if (IS_GIVEN(r->cpu_shares) &&
	    resource_put_number(w, CGROUP_CPU, "cpu.shares", "cpu.shares", r->cpu_shares) < 0)
		return -1;
	if (put_or_defer(w, "cpu.burst", "cpu.cfs_burst_us", r->cpu_burst, quota, &burst_later) <
	            0 ||
	    put_or_defer(w, "cpu.period", "cpu.cfs_period_us", period, quota, &period_later) < 0)
		return -1;
	if (quota &&
	    resource_put_number(w, CGROUP_CPU, "cpu.quota", "cpu.cfs_quota_us", r->cpu_quota) < 0)
		return -1;
	if (period_later && resource_put_number(w, CGROUP_CPU, "cpu.period", "cpu.cfs_period_us",
	                                        r->cpu_period) < 0)
		return -1;
	if (burst_later &&
	    resource_put_number(w, CGROUP_CPU, "cpu.burst", "cpu.cfs_burst_us", r->cpu_burst) < 0)
		return -1;
	if (realtime(w, r) < 0)
		return -1;
	return IS_SET(r->cpu_idle)
	               ? resource_put_number(w, CGROUP_CPU, "cpu.idle", "cpu.idle", r->cpu_idle)
	               : 0;
}

/* BFQ's file where that is the scheduler, else the one of older kernels. */
static int put_weight(const struct writer *w, const char *key, const char *bfq, const char *other,
                      const char *text)
{
	int e = cgroup_write(w->cg, CGROUP_BLKIO, bfq, text);

	if (e == -ENOENT)
		return resource_put(w, CGROUP_BLKIO, key, other, text);
	return e < 0 ? resource_failed(w, e, key, bfq, text) : 0;
}

static int put_device_weight(const struct writer *w, const struct oci_blkio_weight_device *d)
{
	char text[96];

	snprintf(text, sizeof(text), "%lld:%lld %lld", (long long)d->major, (long long)d->minor,
	         (long long)d->weight);
	if (IS_GIVEN(d->weight) && put_weight(w, "blockIO.weightDevice", "blkio.bfq.weight_device",
	                                      "blkio.weight_device", text) < 0)
		return -1;
	snprintf(text, sizeof(text), "%lld:%lld %lld", (long long)d->major, (long long)d->minor,
	         (long long)d->leaf_weight);
	return IS_GIVEN(d->leaf_weight)
	               ? resource_put(w, CGROUP_BLKIO, "blockIO.weightDevice.leafWeight",
	                              "blkio.leaf_weight_device", text)
	               : 0;
}

int resources_block_v1(const struct writer *w, const struct oci_resources *r)
{
	static const char *const files[] = {
		[OCI_READ_BPS] = "blkio.throttle.read_bps_device",
		[OCI_WRITE_BPS] = "blkio.throttle.write_bps_device",
		[OCI_READ_IOPS] = "blkio.throttle.read_iops_device",
		[OCI_WRITE_IOPS] = "blkio.throttle.write_iops_device",
	};
	char text[96];

	snprintf(text, sizeof(text), "%lld", (long long)r->blkio_weight);
	if (IS_GIVEN(r->blkio_weight) &&
	    put_weight(w, "blockIO.weight", "blkio.bfq.weight", "blkio.weight", text) < 0)
		return -1;
	if (IS_GIVEN(r->blkio_leaf_weight) &&
	    resource_put_number(w, CGROUP_BLKIO, "blockIO.leafWeight", "blkio.leaf_weight",
	                        r->blkio_leaf_weight) < 0)
		return -1;
	for (size_t i = 0; i < r->n_blkio_weight_devices; i++)
		if (put_device_weight(w, &r->blkio_weight_devices[i]) < 0)
			return -1;
	for (size_t i = 0; i < r->n_blkio_throttles; i++) {
		const struct oci_blkio_throttle *t = &r->blkio_throttles[i];

		snprintf(text, sizeof(text), "%lld:%lld %llu", (long long)t->major,
		         (long long)t->minor, (unsigned long long)t->rate);
		if (resource_put(w, CGROUP_BLKIO, "blockIO.throttle", files[t->kind], text) < 0)
			return -1;
	}
	return 0;
}

int resources_network_v1(const struct writer *w, const struct oci_resources *r)
{
	char text[300];

	if (IS_GIVEN(r->net_class_id) &&
	    resource_put_number(w, CGROUP_NET_CLS, "network.classID", "net_cls.classid",
	                        r->net_class_id) < 0)
		return -1;
	for (size_t i = 0; i < r->n_net_prios; i++) {
		snprintf(text, sizeof(text), "%.200s %u", r->net_prios[i].name,
		         r->net_prios[i].priority);
		if (resource_put(w, CGROUP_NET_PRIO, "network.priorities", "net_prio.ifpriomap",
		                 text) < 0)
			return -1;
	}
	return 0;
}
