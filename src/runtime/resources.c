/* Limits: linux.resources into the files of the cgroup hierarchies, v1's or v2's. */
#include "runtime/internal.h"

#include <errno.h>

#include "base/xalloc.h"

/* v2's weights from v1's, as the kernel's documentation and the other runtimes have it. */
static uint64_t cpu_weight(int64_t shares)
{
	if (shares <= 2)
		return 1;
	if (shares >= 262144)
		return 10000;
	return 1 + ((uint64_t)(shares - 2) * 9999) / 262142;
}

static uint64_t io_weight(int64_t weight)
{
	return 1 + (uint64_t)(weight - 10) * 9999 / 990;
}

uint64_t resources_cpu_weight(int64_t shares)
{
	return cpu_weight(shares);
}

uint64_t resources_io_weight(int64_t weight)
{
	return io_weight(weight);
}

struct writer {
	struct cgroup *cg;
	struct err *err;
};

static bool on_v2(enum cgroup_controller c)
{
	return cgroup_layout_get()->on_v2 & CGROUP_BIT(c);
}

static int failed(const struct writer *w, int r, const char *key, const char *file,
                  const char *value)
{
	err_sys(w->err, -r, "linux.resources.%s: write '%s' to %s", key, value, file);
	if (r == -ENOENT)
		err_hint(w->err, "this kernel does not offer it, or it is not delegated");
	if (r == -EBUSY && strncmp(file, "memory", 6) == 0)
		err_hint(w->err, "more than that is in use now");
	return -1;
}

static int put(const struct writer *w, enum cgroup_controller c, const char *key, const char *file,
               const char *value)
{
	int r = cgroup_write(w->cg, c, file, value);

	return r < 0 ? failed(w, r, key, file, value) : 0;
}

static int put_number(const struct writer *w, enum cgroup_controller c, const char *key,
                      const char *file, int64_t value)
{
	char text[24];

	snprintf(text, sizeof(text), "%lld", (long long)value);
	return put(w, c, key, file, text);
}

/* "max" for -1 on v2. */
static int put_max(const struct writer *w, enum cgroup_controller c, const char *key,
                   const char *file, int64_t value)
{
	return value < 0 ? put(w, c, key, file, "max") : put_number(w, c, key, file, value);
}

#define IS_SET(n) ((n) != OCI_UNSET)

static int memory_v1(const struct writer *w, const struct oci_resources *r)
{
	int64_t limit = r->memory_limit, swap = r->memory_swap;
	uint64_t now = 0;
	bool swap_first = false;

	/* Memory may never be above memory and swap together, so the order depends on which way
	 * the limits move. */
	if (IS_SET(limit) && IS_SET(swap) &&
	    cgroup_read_u64(w->cg, CGROUP_MEMORY, "memory.memsw.limit_in_bytes", &now) == 0)
		swap_first = limit < 0 || (uint64_t)limit > now;
	if (swap_first &&
	    put_number(w, CGROUP_MEMORY, "memory.swap", "memory.memsw.limit_in_bytes", swap) < 0)
		return -1;
	if (IS_SET(limit) &&
	    put_number(w, CGROUP_MEMORY, "memory.limit", "memory.limit_in_bytes", limit) < 0)
		return -1;
	if (IS_SET(swap) && !swap_first) {
		int e = 0;
		char text[24];

		snprintf(text, sizeof(text), "%lld", (long long)swap);
		e = cgroup_write(w->cg, CGROUP_MEMORY, "memory.memsw.limit_in_bytes", text);
		/* Without swap accounting there is no swap to limit either. */
		if (e < 0 && e != -ENOENT && e != -EOPNOTSUPP)
			return failed(w, e, "memory.swap", "memory.memsw.limit_in_bytes", text);
	}
	if (IS_SET(r->memory_reservation) &&
	    put_number(w, CGROUP_MEMORY, "memory.reservation", "memory.soft_limit_in_bytes",
	               r->memory_reservation) < 0)
		return -1;
	if (IS_SET(r->memory_kernel_tcp) &&
	    put_number(w, CGROUP_MEMORY, "memory.kernelTCP", "memory.kmem.tcp.limit_in_bytes",
	               r->memory_kernel_tcp) < 0)
		return -1;
	if (IS_SET(r->memory_swappiness) &&
	    put_number(w, CGROUP_MEMORY, "memory.swappiness", "memory.swappiness",
	               r->memory_swappiness) < 0)
		return -1;
	if (IS_SET(r->memory_disable_oom) && r->memory_disable_oom)
		return put(w, CGROUP_MEMORY, "memory.disableOOMKiller", "memory.oom_control", "1");
	return 0;
}

static int memory_v2(const struct writer *w, const struct oci_resources *r)
{
	int64_t limit = r->memory_limit, swap = r->memory_swap;

	if (IS_SET(swap)) {
		/* v1 counts memory and swap together, v2 swap alone. */
		if (swap >= 0 && (!IS_SET(limit) || limit < 0))
			return err_set(
				w->err, E_INVALID,
				"linux.resources.memory.swap: needs memory.limit on cgroup v2");
		if (swap >= 0 && swap < limit)
			return err_set(w->err, E_INVALID,
			               "linux.resources.memory.swap: is below memory.limit");
		swap = swap < 0 ? -1 : swap - limit;
		if (put_max(w, CGROUP_MEMORY, "memory.swap", "memory.swap.max", swap) < 0)
			return -1;
	}
	if (IS_SET(limit) && put_max(w, CGROUP_MEMORY, "memory.limit", "memory.max", limit) < 0)
		return -1;
	if (IS_SET(r->memory_reservation))
		return put_max(w, CGROUP_MEMORY, "memory.reservation", "memory.low",
		               r->memory_reservation);
	return 0;
}

static int check_memory(const struct writer *w, const struct oci_resources *r)
{
	uint64_t usage = 0;
	bool v2 = on_v2(CGROUP_MEMORY);

	if (!IS_SET(r->memory_check_update) || !r->memory_check_update ||
	    !IS_SET(r->memory_limit) || r->memory_limit < 0)
		return 0;
	if (cgroup_read_u64(w->cg, CGROUP_MEMORY, v2 ? "memory.current" : "memory.usage_in_bytes",
	                    &usage) == 0 &&
	    usage > (uint64_t)r->memory_limit)
		return err_set(w->err, E_LIMIT,
		               "linux.resources.memory.limit: %lld is below the %llu bytes in use",
		               (long long)r->memory_limit, (unsigned long long)usage);
	return 0;
}

static int cpu_v1(const struct writer *w, const struct oci_resources *r)
{
	/* clang-format off */
	const struct { const char *key, *file; int64_t value; } values[] = {
		{ "cpu.shares", "cpu.shares", r->cpu_shares },
		/* 0 means "the default" where it comes from Go programs */
		{ "cpu.period", "cpu.cfs_period_us", r->cpu_period ? r->cpu_period : OCI_UNSET },
		{ "cpu.quota", "cpu.cfs_quota_us", r->cpu_quota ? r->cpu_quota : OCI_UNSET },
		{ "cpu.burst", "cpu.cfs_burst_us", r->cpu_burst },
		{ "cpu.realtimePeriod", "cpu.rt_period_us", r->cpu_rt_period ? r->cpu_rt_period : OCI_UNSET },
		{ "cpu.realtimeRuntime", "cpu.rt_runtime_us", r->cpu_rt_runtime ? r->cpu_rt_runtime : OCI_UNSET },
		{ "cpu.idle", "cpu.idle", r->cpu_idle },
	};
	/* clang-format on */

	for (size_t i = 0; i < ARRAY_LEN(values); i++)
		if (IS_SET(values[i].value) && !(i == 0 && values[i].value == 0) &&
		    put_number(w, CGROUP_CPU, values[i].key, values[i].file, values[i].value) < 0)
			return -1;
	return 0;
}

static int cpu_v2(const struct writer *w, const struct oci_resources *r)
{
	if (IS_SET(r->cpu_idle) &&
	    put_number(w, CGROUP_CPU, "cpu.idle", "cpu.idle", r->cpu_idle) < 0)
		return -1;
	if (IS_SET(r->cpu_shares) && r->cpu_shares &&
	    put_number(w, CGROUP_CPU, "cpu.shares", "cpu.weight",
	               (int64_t)cpu_weight(r->cpu_shares)) < 0)
		return -1;
	if ((IS_SET(r->cpu_quota) && r->cpu_quota) || (IS_SET(r->cpu_period) && r->cpu_period)) {
		char text[64], quota[24] = "max";

		if (IS_SET(r->cpu_quota) && r->cpu_quota > 0)
			snprintf(quota, sizeof(quota), "%lld", (long long)r->cpu_quota);
		if (IS_SET(r->cpu_period) && r->cpu_period)
			snprintf(text, sizeof(text), "%s %lld", quota, (long long)r->cpu_period);
		else
			snprintf(text, sizeof(text), "%s", quota);
		if (put(w, CGROUP_CPU, "cpu.quota", "cpu.max", text) < 0)
			return -1;
	}
	if (IS_SET(r->cpu_burst))
		return put_number(w, CGROUP_CPU, "cpu.burst", "cpu.max.burst", r->cpu_burst);
	return 0;
}

static int cpuset(const struct writer *w, const struct oci_resources *r)
{
	if (r->cpuset_cpus && *r->cpuset_cpus &&
	    put(w, CGROUP_CPUSET, "cpu.cpus", "cpuset.cpus", r->cpuset_cpus) < 0)
		return -1;
	if (r->cpuset_mems && *r->cpuset_mems)
		return put(w, CGROUP_CPUSET, "cpu.mems", "cpuset.mems", r->cpuset_mems);
	return 0;
}

static int pids(const struct writer *w, const struct oci_resources *r)
{
	if (!IS_SET(r->pids_limit))
		return 0;
	return put_max(w, CGROUP_PIDS, "pids.limit", "pids.max",
	               r->pids_limit > 0 ? r->pids_limit : -1);
}

static int block_weight(const struct writer *w, int64_t weight)
{
	char text[32];
	int r;

	if (!IS_SET(weight) || !weight)
		return 0;
	if (!on_v2(CGROUP_BLKIO)) {
		snprintf(text, sizeof(text), "%lld", (long long)weight);
		r = cgroup_write(w->cg, CGROUP_BLKIO, "blkio.bfq.weight", text);
		if (r == -ENOENT)
			return put(w, CGROUP_BLKIO, "blockIO.weight", "blkio.weight", text);
		return r < 0 ? failed(w, r, "blockIO.weight", "blkio.bfq.weight", text) : 0;
	}
	snprintf(text, sizeof(text), "%lld", (long long)weight);
	r = cgroup_write(w->cg, CGROUP_BLKIO, "io.bfq.weight", text);
	if (r != -ENOENT)
		return r < 0 ? failed(w, r, "blockIO.weight", "io.bfq.weight", text) : 0;
	snprintf(text, sizeof(text), "default %llu", (unsigned long long)io_weight(weight));
	return put(w, CGROUP_BLKIO, "blockIO.weight", "io.weight", text);
}

static int block(const struct writer *w, const struct oci_resources *r)
{
	static const char *const v1[] = {
		[OCI_READ_BPS] = "blkio.throttle.read_bps_device",
		[OCI_WRITE_BPS] = "blkio.throttle.write_bps_device",
		[OCI_READ_IOPS] = "blkio.throttle.read_iops_device",
		[OCI_WRITE_IOPS] = "blkio.throttle.write_iops_device",
	};
	static const char *const v2[] = {
		[OCI_READ_BPS] = "rbps",
		[OCI_WRITE_BPS] = "wbps",
		[OCI_READ_IOPS] = "riops",
		[OCI_WRITE_IOPS] = "wiops",
	};
	char text[96];

	if (block_weight(w, r->blkio_weight) < 0)
		return -1;
	for (size_t i = 0; i < r->n_blkio_weight_devices; i++) {
		const struct oci_blkio_weight_device *d = &r->blkio_weight_devices[i];

		if (!IS_SET(d->weight))
			continue;
		snprintf(text, sizeof(text), "%lld:%lld %lld", (long long)d->major,
		         (long long)d->minor, (long long)d->weight);
		if (put(w, CGROUP_BLKIO, "blockIO.weightDevice",
		        on_v2(CGROUP_BLKIO) ? "io.bfq.weight" : "blkio.bfq.weight_device",
		        text) < 0)
			return -1;
	}
	for (size_t i = 0; i < r->n_blkio_throttles; i++) {
		const struct oci_blkio_throttle *t = &r->blkio_throttles[i];
		bool two = on_v2(CGROUP_BLKIO);

		snprintf(text, sizeof(text), "%lld:%lld %s%s%llu", (long long)t->major,
		         (long long)t->minor, two ? v2[t->kind] : "", two ? "=" : "",
		         (unsigned long long)t->rate);
		if (put(w, CGROUP_BLKIO, "blockIO.throttle", two ? "io.max" : v1[t->kind], text) <
		    0)
			return -1;
	}
	return 0;
}

static int hugepages(const struct writer *w, const struct oci_resources *r)
{
	for (size_t i = 0; i < r->n_hugepages; i++) {
		const struct oci_hugepage_limit *h = &r->hugepages[i];
		char file[64], value[24];

		snprintf(file, sizeof(file), "hugetlb.%s.%s", h->page_size,
		         on_v2(CGROUP_HUGETLB) ? "max" : "limit_in_bytes");
		snprintf(value, sizeof(value), "%llu", (unsigned long long)h->limit);
		if (put(w, CGROUP_HUGETLB, "hugepageLimits", file, value) < 0)
			return -1;
		/* Reservations are counted apart; not every kernel does. */
		snprintf(file, sizeof(file), "hugetlb.%s.rsvd.%s", h->page_size,
		         on_v2(CGROUP_HUGETLB) ? "max" : "limit_in_bytes");
		(void)cgroup_write(w->cg, CGROUP_HUGETLB, file, value);
	}
	return 0;
}

static int network_and_rdma(const struct writer *w, const struct oci_resources *r)
{
	char text[300];

	if (IS_SET(r->net_class_id) && put_number(w, CGROUP_NET_CLS, "network.classID",
	                                          "net_cls.classid", r->net_class_id) < 0)
		return -1;
	for (size_t i = 0; i < r->n_net_prios; i++) {
		snprintf(text, sizeof(text), "%.200s %u", r->net_prios[i].name,
		         r->net_prios[i].priority);
		if (put(w, CGROUP_NET_PRIO, "network.priorities", "net_prio.ifpriomap", text) < 0)
			return -1;
	}
	for (size_t i = 0; i < r->n_rdma; i++) {
		const struct oci_rdma_limit *d = &r->rdma[i];
		int n = snprintf(text, sizeof(text), "%.200s", d->name);

		if (IS_SET(d->hca_handles))
			n += snprintf(text + n, sizeof(text) - (size_t)n, " hca_handle=%lld",
			              (long long)d->hca_handles);
		if (IS_SET(d->hca_objects))
			snprintf(text + n, sizeof(text) - (size_t)n, " hca_object=%lld",
			         (long long)d->hca_objects);
		if (put(w, CGROUP_RDMA, "rdma", "rdma.max", text) < 0)
			return -1;
	}
	return 0;
}

static int unified(const struct writer *w, const struct oci_resources *r)
{
	for (size_t i = 0; i < r->n_unified; i++) {
		const char *key = r->unified[i].key;
		int e;

		if (strchr(key, '/') || !strchr(key, '.'))
			return err_set(w->err, E_INVALID,
			               "linux.resources.unified: '%s' is not a cgroup file", key);
		e = cgroup_write(w->cg, CGROUP_UNIFIED, key, r->unified[i].value);
		if (e < 0)
			return failed(w, e, "unified", key, r->unified[i].value);
	}
	return 0;
}

int resources_apply(struct cgroup *cg, const struct oci_resources *r, struct err *err)
{
	struct writer w = { cg, err };

	if (check_memory(&w, r) < 0)
		return -1;
	if ((on_v2(CGROUP_MEMORY) ? memory_v2(&w, r) : memory_v1(&w, r)) < 0 ||
	    (on_v2(CGROUP_CPU) ? cpu_v2(&w, r) : cpu_v1(&w, r)) < 0 || cpuset(&w, r) < 0 ||
	    pids(&w, r) < 0 || block(&w, r) < 0 || hugepages(&w, r) < 0 ||
	    network_and_rdma(&w, r) < 0)
		return -1;
	return unified(&w, r);
}
