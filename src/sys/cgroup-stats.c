/* Figures of a cgroup, and out-of-memory kills. */
#include "sys/cgroup-internal.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/sysinfo.h>

#include "base/fd.h"

static uint64_t read_or_0(struct cgroup *cg, enum cgroup_controller c, const char *file)
{
	uint64_t v = 0;

	return cgroup_read_u64(cg, c, file, &v) == 0 ? v : 0;
}

/* The number after "key " at the start of a line of a flat-keyed file. */
static uint64_t keyed(const char *text, const char *key)
{
	size_t len = strlen(key);

	for (const char *p = text; p; p = strchr(p, '\n')) {
		p += *p == '\n';
		if (strncmp(p, key, len) == 0 && p[len] == ' ')
			return strtoull(p + len + 1, NULL, 10);
	}
	return 0;
}

static void cpu_stats(struct cgroup *cg, struct cgroup_stats *s)
{
	char buf[2048];

	if (cgroup_hierarchy_of(CGROUP_CPUACCT) != CGROUP_UNIFIED &&
	    cgroup_read_u64(cg, CGROUP_CPUACCT, "cpuacct.usage", &s->cpu_usage_ns) == 0) {
		s->cpu_user_ns = read_or_0(cg, CGROUP_CPUACCT, "cpuacct.usage_user");
		s->cpu_system_ns = read_or_0(cg, CGROUP_CPUACCT, "cpuacct.usage_sys");
	} else if (cgroup_read(cg, CGROUP_UNIFIED, "cpu.stat", buf, sizeof(buf)) > 0) {
		/* v2's core counts CPU time without any controller, also on a hybrid host */
		s->cpu_usage_ns = keyed(buf, "usage_usec") * 1000;
		s->cpu_user_ns = keyed(buf, "user_usec") * 1000;
		s->cpu_system_ns = keyed(buf, "system_usec") * 1000;
	}
	if (cgroup_read(cg, CGROUP_CPU, "cpu.stat", buf, sizeof(buf)) <= 0)
		return;
	s->cpu_periods = keyed(buf, "nr_periods");
	s->cpu_throttled_periods = keyed(buf, "nr_throttled");
	s->cpu_throttled_ns = keyed(buf, "throttled_usec") * 1000 + keyed(buf, "throttled_time");
}

static void memory_stats(struct cgroup *cg, struct cgroup_stats *s)
{
	bool v2 = cgroup_hierarchy_of(CGROUP_MEMORY) == CGROUP_UNIFIED;
	struct sysinfo info;
	char buf[8192];

	if (v2) {
		s->memory_usage = read_or_0(cg, CGROUP_MEMORY, "memory.current");
		s->memory_max_usage = read_or_0(cg, CGROUP_MEMORY, "memory.peak");
		s->memory_limit = read_or_0(cg, CGROUP_MEMORY, "memory.max");
		s->memory_swap_usage = read_or_0(cg, CGROUP_MEMORY, "memory.swap.current");
		if (cgroup_read(cg, CGROUP_MEMORY, "memory.events", buf, sizeof(buf)) > 0)
			s->memory_failcnt = keyed(buf, "max"); /* times the limit was hit */
	} else {
		uint64_t with_swap = read_or_0(cg, CGROUP_MEMORY, "memory.memsw.usage_in_bytes");

		s->memory_usage = read_or_0(cg, CGROUP_MEMORY, "memory.usage_in_bytes");
		s->memory_max_usage = read_or_0(cg, CGROUP_MEMORY, "memory.max_usage_in_bytes");
		s->memory_limit = read_or_0(cg, CGROUP_MEMORY, "memory.limit_in_bytes");
		s->memory_failcnt = read_or_0(cg, CGROUP_MEMORY, "memory.failcnt");
		if (with_swap > s->memory_usage)
			s->memory_swap_usage = with_swap - s->memory_usage;
	}
	if (sysinfo(&info) == 0 && s->memory_limit > (uint64_t)info.totalram * info.mem_unit)
		s->memory_limit = 0;
	if (cgroup_read(cg, CGROUP_MEMORY, "memory.stat", buf, sizeof(buf)) <= 0)
		return;
	s->memory_cache = keyed(buf, v2 ? "file" : "total_cache");
	s->memory_inactive_file = keyed(buf, v2 ? "inactive_file" : "total_inactive_file");
}

static void block_stats_v2(struct cgroup *cg, struct cgroup_stats *s)
{
	char buf[8192];

	if (cgroup_read(cg, CGROUP_BLKIO, "io.stat", buf, sizeof(buf)) <= 0)
		return;
	for (const char *p = buf; (p = strchr(p, '=')); p++) {
		uint64_t n = strtoull(p + 1, NULL, 10);

		if (p - buf >= 6 && strncmp(p - 6, "rbytes", 6) == 0)
			s->blkio_read_bytes += n;
		else if (p - buf >= 6 && strncmp(p - 6, "wbytes", 6) == 0)
			s->blkio_write_bytes += n;
		else if (p - buf >= 4 && strncmp(p - 4, "rios", 4) == 0)
			s->blkio_read_ops += n;
		else if (p - buf >= 4 && strncmp(p - 4, "wios", 4) == 0)
			s->blkio_write_ops += n;
	}
}

/* "8:0 Read 123" lines: the sums over all devices. */
static void sum_v1(struct cgroup *cg, const char *file, uint64_t *ret_read, uint64_t *ret_write)
{
	char buf[8192];

	if (cgroup_read(cg, CGROUP_BLKIO, file, buf, sizeof(buf)) <= 0)
		return;
	for (const char *p = buf; p && *p; p = strchr(p, '\n')) {
		const char *op;

		p += *p == '\n';
		op = strchr(p, ' ');
		if (!op)
			return;
		if (strncmp(op, " Read ", 6) == 0)
			*ret_read += strtoull(op + 6, NULL, 10);
		else if (strncmp(op, " Write ", 7) == 0)
			*ret_write += strtoull(op + 7, NULL, 10);
	}
}

int cgroup_stats(struct cgroup *cg, struct cgroup_stats *ret, struct err *err)
{
	struct cgroup_stats s = { 0 };

	if (!cg->joined)
		return err_set(err, E_UNSUPPORTED, "the container has no cgroup of its own");
	cpu_stats(cg, &s);
	memory_stats(cg, &s);
	s.pids_current = read_or_0(cg, CGROUP_PIDS, "pids.current");
	s.pids_limit = read_or_0(cg, CGROUP_PIDS, "pids.max");
	if (s.pids_limit == UINT64_MAX)
		s.pids_limit = 0;
	if (cgroup_hierarchy_of(CGROUP_BLKIO) == CGROUP_UNIFIED) {
		block_stats_v2(cg, &s);
	} else {
		sum_v1(cg, "blkio.throttle.io_service_bytes", &s.blkio_read_bytes,
		       &s.blkio_write_bytes);
		sum_v1(cg, "blkio.throttle.io_serviced", &s.blkio_read_ops, &s.blkio_write_ops);
	}
	if (!s.pids_current) {
		/* The pids controller may not be joined: count. */
		pid_t *pids = NULL;
		size_t n = 0;

		if (cgroup_pids(cg, &pids, &n, ERR_IGNORE) == 0)
			s.pids_current = n;
		free(pids);
	}
	s.oom_kills = cgroup_oom_count(cg);
	*ret = s;
	return 0;
}

uint64_t cgroup_oom_count(struct cgroup *cg)
{
	bool v2 = cgroup_hierarchy_of(CGROUP_MEMORY) == CGROUP_UNIFIED;
	char buf[512];

	if (cgroup_read(cg, CGROUP_MEMORY, v2 ? "memory.events" : "memory.oom_control", buf,
	                sizeof(buf)) <= 0)
		return 0;
	return keyed(buf, "oom_kill");
}

int cgroup_oom_event_fd(struct cgroup *cg)
{
	int dir = cg->fds[cgroup_hierarchy_of(CGROUP_MEMORY)];
	AUTO_FD event = -1, control = -1;
	char text[64];
	int r;

	if (dir < 0)
		return -ENOENT;
	if (cgroup_hierarchy_of(CGROUP_MEMORY) == CGROUP_UNIFIED) {
		char path[64];

		snprintf(path, sizeof(path), "/proc/self/fd/%d/memory.events", dir);
		event = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
		if (event < 0 || inotify_add_watch(event, path, IN_MODIFY) < 0)
			return -errno;
		return TAKE_FD(event);
	}
	event = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (event < 0)
		return -errno;
	control = openat(dir, "memory.oom_control", O_RDONLY | O_CLOEXEC);
	if (control < 0)
		return -errno;
	snprintf(text, sizeof(text), "%d %d", event, control);
	r = cgroup_write(cg, CGROUP_MEMORY, "cgroup.event_control", text);
	return r < 0 ? r : TAKE_FD(event);
}
