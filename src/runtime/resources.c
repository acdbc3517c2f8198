/* Limits: linux.resources into the files of the cgroup hierarchies, v1's or v2's. */
#include "runtime/resources-internal.h"

#include <errno.h>

static bool on_v2(enum cgroup_controller c)
{
	return cgroup_layout_get()->on_v2 & CGROUP_BIT(c);
}

int resource_failed(const struct writer *w, int r, const char *key, const char *file,
                    const char *value)
{
	err_sys(w->err, -r, "linux.resources.%s: write '%s' to %s", key, value, file);
	if (r == -ENOENT)
		err_hint(w->err, "this kernel does not offer it, or it is not delegated");
	if (r == -EBUSY && strncmp(file, "memory", 6) == 0)
		err_hint(w->err, "more than that is in use now");
	return -1;
}

int resource_refused(const struct writer *w, const char *key, const char *why)
{
	return err_set(w->err, E_UNSUPPORTED, "linux.resources.%s: %s", key, why);
}

int resource_put(const struct writer *w, enum cgroup_controller c, const char *key,
                 const char *file, const char *value)
{
	int r = cgroup_write(w->cg, c, file, value);

	return r < 0 ? resource_failed(w, r, key, file, value) : 0;
}

int resource_put_number(const struct writer *w, enum cgroup_controller c, const char *key,
                        const char *file, int64_t value)
{
	char text[24];

	snprintf(text, sizeof(text), "%lld", (long long)value);
	return resource_put(w, c, key, file, text);
}

/* memory.checkBeforeUpdate: v1's kernel refuses a limit below what is in use, v2's makes room by
 * killing. */
static int check_memory(const struct writer *w, const struct oci_resources *r)
{
	bool v2 = on_v2(CGROUP_MEMORY);
	uint64_t usage = 0, swap = 0;

	if (!IS_GIVEN(r->memory_check_update) ||
	    cgroup_read_u64(w->cg, CGROUP_MEMORY, v2 ? "memory.current" : "memory.usage_in_bytes",
	                    &usage) < 0)
		return 0;
	if (IS_GIVEN(r->memory_limit) && r->memory_limit > 0 && usage > (uint64_t)r->memory_limit)
		return err_set(w->err, E_LIMIT,
		               "linux.resources.memory.limit: %lld is below the %llu bytes in use",
		               (long long)r->memory_limit, (unsigned long long)usage);
	if (v2 && cgroup_read_u64(w->cg, CGROUP_MEMORY, "memory.swap.current", &swap) == 0 &&
	    IS_GIVEN(r->memory_swap) && r->memory_swap > 0 &&
	    usage + swap > (uint64_t)r->memory_swap)
		return err_set(w->err, E_LIMIT,
		               "linux.resources.memory.swap: %lld is below the %llu bytes in use",
		               (long long)r->memory_swap, (unsigned long long)(usage + swap));
	return 0;
}

static int cpuset(const struct writer *w, const struct oci_resources *r)
{
	if (r->cpuset_cpus && *r->cpuset_cpus &&
	    resource_put(w, CGROUP_CPUSET, "cpu.cpus", "cpuset.cpus", r->cpuset_cpus) < 0)
		return -1;
	if (r->cpuset_mems && *r->cpuset_mems)
		return resource_put(w, CGROUP_CPUSET, "cpu.mems", "cpuset.mems", r->cpuset_mems);
	return 0;
}

/* 0 is a limit (runtime-spec 1.3): no process more than those that are there. */
static int pids(const struct writer *w, const struct oci_resources *r)
{
	if (!IS_SET(r->pids_limit))
		return 0;
	if (r->pids_limit < 0)
		return resource_put(w, CGROUP_PIDS, "pids.limit", "pids.max", "max");
	return resource_put_number(w, CGROUP_PIDS, "pids.limit", "pids.max", r->pids_limit);
}

static int hugepages(const struct writer *w, const struct oci_resources *r)
{
	const char *suffix = on_v2(CGROUP_HUGETLB) ? "max" : "limit_in_bytes";

	for (size_t i = 0; i < r->n_hugepages; i++) {
		const struct oci_hugepage_limit *h = &r->hugepages[i];
		char file[64], value[24];
		int e;

		snprintf(file, sizeof(file), "hugetlb.%s.%s", h->page_size, suffix);
		snprintf(value, sizeof(value), "%llu", (unsigned long long)h->limit);
		if (resource_put(w, CGROUP_HUGETLB, "hugepageLimits", file, value) < 0)
			return -1;
		/* Reservations are counted apart; not every kernel does. */
		snprintf(file, sizeof(file), "hugetlb.%s.rsvd.%s", h->page_size, suffix);
		e = cgroup_write(w->cg, CGROUP_HUGETLB, file, value);
		if (e < 0 && e != -ENOENT)
			return resource_failed(w, e, "hugepageLimits", file, value);
	}
	return 0;
}

static int rdma(const struct writer *w, const struct oci_resources *r)
{
	char text[300];

	for (size_t i = 0; i < r->n_rdma; i++) {
		const struct oci_rdma_limit *d = &r->rdma[i];
		int n = snprintf(text, sizeof(text), "%.200s", d->name);

		if (IS_SET(d->hca_handles))
			n += snprintf(text + n, sizeof(text) - (size_t)n, " hca_handle=%lld",
			              (long long)d->hca_handles);
		if (IS_SET(d->hca_objects))
			snprintf(text + n, sizeof(text) - (size_t)n, " hca_object=%lld",
			         (long long)d->hca_objects);
		if (resource_put(w, CGROUP_RDMA, "rdma", "rdma.max", text) < 0)
			return -1;
	}
	return 0;
}

int resources_apply(struct cgroup *cg, const struct oci_resources *r, struct err *err)
{
	struct writer w = { cg, err };

	if (check_memory(&w, r) < 0)
		return -1;
	if ((on_v2(CGROUP_MEMORY) ? resources_memory_v2 : resources_memory_v1)(&w, r) < 0 ||
	    (on_v2(CGROUP_CPU) ? resources_cpu_v2 : resources_cpu_v1)(&w, r) < 0 ||
	    cpuset(&w, r) < 0 || pids(&w, r) < 0 ||
	    (on_v2(CGROUP_BLKIO) ? resources_block_v2 : resources_block_v1)(&w, r) < 0 ||
	    hugepages(&w, r) < 0 || resources_network_v1(&w, r) < 0 || rdma(&w, r) < 0)
		return -1;
	return resources_unified(&w, r);
}
