/* The figures of a container's cgroup as runc prints them (its types.Stats): v1's and v2's files
 * under the same names. What is 0 is left out where runc leaves it out. */
#include "oci.h"

#include <dirent.h>
#include <stdlib.h>
#include <string.h>

#include "base/xalloc.h"

#define FILE_MAX_BYTES 16384

static bool on_v2(enum cgroup_controller c)
{
	return cgroup_hierarchy_of(c) == CGROUP_UNIFIED;
}

static uint64_t number(struct cgroup *cg, enum cgroup_controller c, const char *file)
{
	uint64_t n = 0;

	return cgroup_read_u64(cg, c, file, &n) == 0 ? n : 0;
}

/* The whole file, or "". */
static char *text(struct cgroup *cg, enum cgroup_controller c, const char *file)
{
	char *buf = xmalloc(FILE_MAX_BYTES);

	if (cgroup_read(cg, c, file, buf, FILE_MAX_BYTES) < 0)
		buf[0] = '\0';
	return buf;
}

static void add_nonzero(struct json_object *o, const char *key, uint64_t n)
{
	if (n)
		json_add_u64(o, key, n);
}

/* The value behind "key " on a line of its own. */
static uint64_t keyed(const char *lines, const char *key)
{
	size_t len = strlen(key);

	for (const char *p = lines; p; p = strchr(p, '\n')) {
		p += *p == '\n';
		if (strncmp(p, key, len) == 0 && p[len] == ' ')
			return strtoull(p + len + 1, NULL, 10);
	}
	return 0;
}

/* ---- pressure stall information: v2 ---- */

/* "some avg10=0.00 avg60=0.00 avg300=0.00 total=0": the numbers stay as they are written. */
static void add_pressure_line(struct json_object *psi, char *line)
{
	char *save = NULL, *name = strtok_r(line, " ", &save);
	struct json_object *o = name ? json_add_object(psi, name) : NULL;

	for (char *w = strtok_r(NULL, " ", &save); o && w; w = strtok_r(NULL, " ", &save)) {
		char *value = strchr(w, '=');

		if (!value)
			continue;
		*value++ = '\0';
		if (strcmp(w, "total") == 0)
			json_add_u64(o, w, strtoull(value, NULL, 10));
		else
			json_object_object_add(o, w, json_object_new_double_s(0, value));
	}
}

static void add_pressure(struct json_object *o, struct cgroup *cg, const char *file)
{
	AUTO_FREE char *lines = text(cg, CGROUP_UNIFIED, file);
	struct json_object *psi;
	char *save = NULL;

	if (!*lines)
		return;
	psi = json_add_object(o, "psi");
	for (char *line = strtok_r(lines, "\n", &save); line; line = strtok_r(NULL, "\n", &save))
		add_pressure_line(psi, line);
}

/* ---- CPU ---- */

/* Numbers separated by blanks. */
static void add_list(struct json_object *o, const char *key, const char *words)
{
	struct json_object *list = NULL;

	for (const char *p = words; *p;) {
		char *end;
		uint64_t n = strtoull(p, &end, 10);

		if (end == p)
			break;
		if (!list)
			list = json_add_array(o, key);
		json_object_array_add(list, json_object_new_uint64(n));
		p = end;
	}
}

/* cpuacct.usage_all: "cpu user system" and then a line a CPU. */
static void add_percpu_modes(struct json_object *usage, const char *lines)
{
	struct json_object *user = NULL, *kernel = NULL;

	for (const char *p = strchr(lines, '\n'); p && p[1]; p = strchr(p + 1, '\n')) {
		char *end;

		(void)strtoull(p + 1, &end, 10);
		if (!user) {
			kernel = json_add_array(usage, "percpu_kernel");
			user = json_add_array(usage, "percpu_user");
		}
		json_object_array_add(user, json_object_new_uint64(strtoull(end, &end, 10)));
		json_object_array_add(kernel, json_object_new_uint64(strtoull(end, NULL, 10)));
	}
}

static void add_cpu(struct json_object *data, struct cgroup *cg, const struct cgroup_stats *s)
{
	struct json_object *cpu = json_add_object(data, "cpu"), *o;

	o = json_add_object(cpu, "usage");
	add_nonzero(o, "total", s->cpu_usage_ns);
	json_add_u64(o, "kernel", s->cpu_system_ns);
	json_add_u64(o, "user", s->cpu_user_ns);
	if (!on_v2(CGROUP_CPUACCT)) {
		AUTO_FREE char *percpu = text(cg, CGROUP_CPUACCT, "cpuacct.usage_percpu");
		AUTO_FREE char *modes = text(cg, CGROUP_CPUACCT, "cpuacct.usage_all");

		add_list(o, "percpu", percpu);
		add_percpu_modes(o, modes);
	}
	o = json_add_object(cpu, "throttling");
	add_nonzero(o, "periods", s->cpu_periods);
	add_nonzero(o, "throttledPeriods", s->cpu_throttled_periods);
	add_nonzero(o, "throttledTime", s->cpu_throttled_ns);
	add_pressure(cpu, cg, "cpu.pressure");
}

/* "0-2,5" as a list of numbers. */
static void add_ranges(struct json_object *o, const char *key, const char *ranges)
{
	struct json_object *list = NULL;

	for (const char *p = ranges; *p >= '0' && *p <= '9';) {
		char *end;
		uint64_t first = strtoull(p, &end, 10), last = first;

		if (*end == '-')
			last = strtoull(end + 1, &end, 10);
		if (!list)
			list = json_add_array(o, key);
		for (uint64_t n = first; n <= last && n < 65536; n++)
			json_object_array_add(list, json_object_new_uint64(n));
		p = *end == ',' ? end + 1 : end;
	}
}

static void add_cpuset(struct json_object *data, struct cgroup *cg)
{
	static const char *const flags[] = { "cpu_exclusive",      "mem_hardwall",
		                             "mem_exclusive",      "memory_migrate",
		                             "memory_spread_page", "memory_spread_slab",
		                             "memory_pressure",    "sched_load_balance" };
	struct json_object *o = json_add_object(data, "cpuset");
	AUTO_FREE char *cpus = text(cg, CGROUP_CPUSET, "cpuset.cpus");
	AUTO_FREE char *mems = text(cg, CGROUP_CPUSET, "cpuset.mems");
	AUTO_FREE char *level = text(cg, CGROUP_CPUSET, "cpuset.sched_relax_domain_level");

	add_ranges(o, "cpus", cpus);
	add_ranges(o, "mems", mems);
	for (size_t i = 0; i < ARRAY_LEN(flags); i++) {
		AUTO_FREE char *file = xasprintf("cpuset.%s", flags[i]);

		json_add_u64(o, flags[i],
		             on_v2(CGROUP_CPUSET) ? 0 : number(cg, CGROUP_CPUSET, file));
	}
	json_add_i64(o, "sched_relax_domain_level", strtoll(level, NULL, 10));
}

/* ---- memory ---- */

struct entry {
	uint64_t limit, usage, max, failcnt;
};

static void add_entry(struct json_object *memory, const char *key, const struct entry *e)
{
	struct json_object *o = json_add_object(memory, key);

	json_add_u64(o, "limit", e->limit);
	add_nonzero(o, "usage", e->usage);
	add_nonzero(o, "max", e->max);
	json_add_u64(o, "failcnt", e->failcnt);
}

static struct entry entry_v1(struct cgroup *cg, const char *prefix)
{
	AUTO_FREE char *limit = xasprintf("memory.%slimit_in_bytes", prefix);
	AUTO_FREE char *usage = xasprintf("memory.%susage_in_bytes", prefix);
	AUTO_FREE char *max = xasprintf("memory.%smax_usage_in_bytes", prefix);
	AUTO_FREE char *failcnt = xasprintf("memory.%sfailcnt", prefix);

	return (struct entry){ number(cg, CGROUP_MEMORY, limit), number(cg, CGROUP_MEMORY, usage),
		               number(cg, CGROUP_MEMORY, max), number(cg, CGROUP_MEMORY, failcnt) };
}

static uint64_t sum(uint64_t a, uint64_t b)
{
	return a == UINT64_MAX || b == UINT64_MAX ? UINT64_MAX : a + b;
}

static void add_memory_v2(struct json_object *memory, struct cgroup *cg, const char *stat)
{
	struct entry use = { number(cg, CGROUP_MEMORY, "memory.max"),
		             number(cg, CGROUP_MEMORY, "memory.current"),
		             number(cg, CGROUP_MEMORY, "memory.peak"), 0 };
	/* v1's figure is memory and swap together */
	struct entry swap = { sum(use.limit, number(cg, CGROUP_MEMORY, "memory.swap.max")),
		              use.usage + number(cg, CGROUP_MEMORY, "memory.swap.current"), 0, 0 };
	const struct entry none = { 0 };

	add_nonzero(memory, "cache", keyed(stat, "file"));
	add_entry(memory, "usage", &use);
	add_entry(memory, "swap", &swap);
	add_entry(memory, "kernel", &none);
	add_entry(memory, "kernelTCP", &none);
}

static void add_memory(struct json_object *data, struct cgroup *cg)
{
	static const struct {
		const char *key, *prefix;
	} kinds[] = { { "usage", "" },
		      { "swap", "memsw." },
		      { "kernel", "kmem." },
		      { "kernelTCP", "kmem.tcp." } };
	struct json_object *memory = json_add_object(data, "memory"), *raw;
	AUTO_FREE char *stat = text(cg, CGROUP_MEMORY, "memory.stat");
	char *save = NULL;

	if (on_v2(CGROUP_MEMORY)) {
		add_memory_v2(memory, cg, stat);
	} else {
		add_nonzero(memory, "cache", keyed(stat, "cache"));
		for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
			struct entry e = entry_v1(cg, kinds[i].prefix);

			add_entry(memory, kinds[i].key, &e);
		}
	}
	add_pressure(memory, cg, "memory.pressure");
	if (!*stat)
		return;
	raw = json_add_object(memory, "raw");
	for (char *line = strtok_r(stat, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
		char *value = strchr(line, ' ');

		if (!value)
			continue;
		*value++ = '\0';
		json_add_u64(raw, line, strtoull(value, NULL, 10));
	}
}

/* ---- block I/O ---- */

static void add_io(struct json_object *blkio, const char *key, uint64_t major, uint64_t minor,
                   const char *op, uint64_t value)
{
	struct json_object *item = json_object_new_object(), *list;

	if (!json_object_object_get_ex(blkio, key, &list))
		list = json_add_array(blkio, key);
	add_nonzero(item, "major", major);
	add_nonzero(item, "minor", minor);
	json_add_str(item, "op", op);
	add_nonzero(item, "value", value);
	json_object_array_add(list, item);
}

/* "8:0 " at the start of a line; NULL when it is none. */
static char *device_of(char *line, uint64_t *ret_major, uint64_t *ret_minor)
{
	char *end;

	*ret_major = strtoull(line, &end, 10);
	if (end == line || *end != ':')
		return NULL;
	*ret_minor = strtoull(end + 1, &end, 10);
	return *end == ' ' ? end + 1 : NULL;
}

/* "8:0 Read 123" */
static void add_io_v1(struct json_object *blkio, struct cgroup *cg, const char *key,
                      const char *file)
{
	AUTO_FREE char *lines = text(cg, CGROUP_BLKIO, file);
	char *save = NULL;

	for (char *line = strtok_r(lines, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
		uint64_t major, minor;
		char *op = device_of(line, &major, &minor), *value = op ? strchr(op, ' ') : NULL;

		if (!value)
			continue;
		*value++ = '\0';
		add_io(blkio, key, major, minor, op, strtoull(value, NULL, 10));
	}
}

/* "8:0 rbytes=1 wbytes=2 rios=3 wios=4 dbytes=5 dios=6" */
static void add_io_v2(struct json_object *blkio, struct cgroup *cg)
{
	static const struct {
		const char *name, *key, *op;
	} kinds[] = { { "rbytes=", "ioServiceBytesRecursive", "Read" },
		      { "wbytes=", "ioServiceBytesRecursive", "Write" },
		      { "dbytes=", "ioServiceBytesRecursive", "Discard" },
		      { "rios=", "ioServicedRecursive", "Read" },
		      { "wios=", "ioServicedRecursive", "Write" },
		      { "dios=", "ioServicedRecursive", "Discard" } };
	AUTO_FREE char *lines = text(cg, CGROUP_BLKIO, "io.stat");
	char *save = NULL;

	for (char *line = strtok_r(lines, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
		uint64_t major, minor;
		char *words = device_of(line, &major, &minor);

		for (size_t i = 0; words && i < ARRAY_LEN(kinds); i++) {
			const char *at = strstr(words, kinds[i].name);

			if (at)
				add_io(blkio, kinds[i].key, major, minor, kinds[i].op,
				       strtoull(at + strlen(kinds[i].name), NULL, 10));
		}
	}
}

static void add_blkio(struct json_object *data, struct cgroup *cg)
{
	struct json_object *blkio = json_add_object(data, "blkio");

	if (on_v2(CGROUP_BLKIO)) {
		add_io_v2(blkio, cg);
	} else {
		add_io_v1(blkio, cg, "ioServiceBytesRecursive",
		          "blkio.throttle.io_service_bytes_recursive");
		add_io_v1(blkio, cg, "ioServicedRecursive", "blkio.throttle.io_serviced_recursive");
		add_io_v1(blkio, cg, "ioTimeRecursive", "blkio.bfq.time_recursive");
		add_io_v1(blkio, cg, "ioServiceTimeRecursive",
		          "blkio.bfq.io_service_time_recursive");
		add_io_v1(blkio, cg, "ioWaitTimeRecursive", "blkio.bfq.io_wait_time_recursive");
		add_io_v1(blkio, cg, "ioQueueRecursive", "blkio.bfq.io_queued_recursive");
		add_io_v1(blkio, cg, "ioMergedRecursive", "blkio.bfq.io_merged_recursive");
	}
	add_pressure(blkio, cg, "io.pressure");
}

/* ---- huge pages ---- */

/* 2048 (kB) to "2MB" */
static char *page_size(uint64_t kb)
{
	if (kb >= 1u << 20)
		return xasprintf("%lluGB", (unsigned long long)(kb >> 20));
	if (kb >= 1u << 10)
		return xasprintf("%lluMB", (unsigned long long)(kb >> 10));
	return xasprintf("%lluKB", (unsigned long long)kb);
}

static uint64_t huge_value(struct cgroup *cg, const char *size, const char *name)
{
	AUTO_FREE char *reserved = xasprintf("hugetlb.%s.rsvd.%s", size, name);
	AUTO_FREE char *file = xasprintf("hugetlb.%s.%s", size, name);
	uint64_t n;

	return cgroup_read_u64(cg, CGROUP_HUGETLB, reserved, &n) == 0
	               ? n
	               : number(cg, CGROUP_HUGETLB, file);
}

static void add_hugetlb(struct json_object *data, struct cgroup *cg)
{
	struct json_object *all = json_add_object(data, "hugetlb");
	DIR *dir = opendir("/sys/kernel/mm/hugepages");
	bool v2 = on_v2(CGROUP_HUGETLB);
	struct dirent *e;

	while (dir && (e = readdir(dir))) {
		AUTO_FREE char *size = NULL;
		AUTO_FREE char *events = NULL;
		AUTO_FREE char *file = NULL;
		struct json_object *o;

		if (strncmp(e->d_name, "hugepages-", 10) != 0)
			continue;
		size = page_size(strtoull(e->d_name + 10, NULL, 10));
		file = xasprintf("hugetlb.%s.events", size);
		events = v2 ? text(cg, CGROUP_HUGETLB, file) : xstrdup("");
		o = json_add_object(all, size);
		add_nonzero(o, "usage", huge_value(cg, size, v2 ? "current" : "usage_in_bytes"));
		if (!v2)
			add_nonzero(o, "max", huge_value(cg, size, "max_usage_in_bytes"));
		json_add_u64(o, "failcnt",
		             v2 ? keyed(events, "max") : huge_value(cg, size, "failcnt"));
	}
	if (dir)
		closedir(dir);
}

struct json_object *stats_format(struct cgroup *cg)
{
	struct json_object *data = json_object_new_object(), *o;
	struct cgroup_stats s = { 0 };

	(void)cgroup_stats(cg, &s, ERR_IGNORE);
	add_cpu(data, cg, &s);
	add_cpuset(data, cg);
	add_memory(data, cg);
	o = json_add_object(data, "pids");
	add_nonzero(o, "current", s.pids_current);
	add_nonzero(o, "limit", s.pids_limit);
	add_blkio(data, cg);
	add_hugetlb(data, cg);
	json_add_object(data, "intel_rdt");
	json_object_object_add(data, "network_interfaces", NULL);
	return data;
}
