/* sys/cgroup: control groups on v1, hybrid and v2 through the cgroup file system.
 *
 * A cgroup is named by one path that is the same in every hierarchy ("/dhow/ID"). On v1 each
 * controller has its own hierarchy; only those asked for are touched, and `joined` remembers
 * which. On v2 there is one directory. The host's layout is found once per process, without
 * reading mountinfo: /sys/fs/cgroup is looked at.
 * Not for several threads at once. Ownership: a struct cgroup owns its descriptors. */
#pragma once
#include "base/err.h"
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

enum cgroup_controller {
	CGROUP_CPU,
	CGROUP_CPUACCT,
	CGROUP_CPUSET,
	CGROUP_MEMORY,
	CGROUP_DEVICES,
	CGROUP_FREEZER,
	CGROUP_BLKIO, /* "io" on v2 */
	CGROUP_PIDS,
	CGROUP_HUGETLB,
	CGROUP_NET_CLS,
	CGROUP_NET_PRIO,
	CGROUP_PERF_EVENT,
	CGROUP_RDMA,
	CGROUP_MISC,
	CGROUP_SYSTEMD, /* the named hierarchy of v1: joined where it exists */
	CGROUP_UNIFIED, /* the v2 directory, of a pure v2 or a hybrid host */
	CGROUP_MAX
};

#define CGROUP_BIT(c) (1u << (c))

enum cgroup_mode {
	CGROUP_MODE_NONE, /* nothing usable is mounted on /sys/fs/cgroup */
	CGROUP_MODE_V1,
	CGROUP_MODE_HYBRID, /* v1 hierarchies, and a v2 one beside them */
	CGROUP_MODE_V2,
};

struct cgroup_layout {
	enum cgroup_mode mode;
	unsigned available; /* CGROUP_BIT of each controller that can be used, on either side */
	unsigned on_v2;     /* of those: served by the v2 hierarchy */
};

/* Looked at once; the result stays valid for the life of the process. */
const struct cgroup_layout *cgroup_layout_get(void);
/* The controller that stands for the hierarchy c lives in: "cpu" for a joint "cpu,cpuacct",
 * CGROUP_UNIFIED for all that v2 serves. */
enum cgroup_controller cgroup_hierarchy_of(enum cgroup_controller c);
const char *cgroup_controller_name(enum cgroup_controller c, bool v2);
/* CGROUP_BIT of the controller that a file of v2 belongs to ("memory.high"), or 0. */
unsigned cgroup_controller_of(const char *v2_file);

struct cgroup {
	char *path;          /* "/a/b", the same in every hierarchy */
	unsigned joined;     /* hierarchies in which the directory is ours */
	unsigned made;       /* of those: directories this process made, for undo */
	int fds[CGROUP_MAX]; /* O_PATH directory per hierarchy; -1 where not opened */
	/* A rehearsal: instead of being written, every value is handed to this. NULL: for real. */
	int (*record)(struct cgroup *cg, enum cgroup_controller c, const char *file,
	              const char *value);
	void *record_ctx;
};

#define CGROUP_INIT                                                                                \
	((struct cgroup){                                                                          \
		.fds = { -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1 } })
#define AUTO_CGROUP __attribute__((cleanup(cgroup_done))) struct cgroup

void cgroup_done(struct cgroup *cg); /* closes and frees; removes nothing */

/* Make the directory in the hierarchies of `controllers` (a mask; those not available are
 * skipped silently: ask cgroup_layout_get() first). v2: enables them for the path. */
int cgroup_create(struct cgroup *cg, const char *path, unsigned controllers, struct err *err);
/* Open an existing one in the hierarchies of `controllers`; missing directories are skipped. */
int cgroup_open(struct cgroup *cg, const char *path, unsigned controllers, struct err *err);
/* Move a process into it, in every joined hierarchy (or those of `controllers` only). */
int cgroup_attach(struct cgroup *cg, pid_t pid, struct err *err);
int cgroup_attach_in(struct cgroup *cg, unsigned controllers, pid_t pid, struct err *err);
/* The same, done by the process itself, which must have one thread: a v1 hierarchy that a thread
 * enters alone takes no lock, where moving another process waits 5 to 15 ms for a grace period.
 * Who may write there opens the files, one for each hierarchy of `controllers` that is joined, in
 * the order of enum cgroup_controller, into fds (CGROUP_MAX of them; the caller closes them);
 * returns how many. The process that enters need not be able to open them itself. */
int cgroup_doors(struct cgroup *cg, unsigned controllers, int *fds, struct err *err);
/* Enter the cgroup of one such file. 0 or -errno. */
int cgroup_enter(int door_fd);
/* Remove the directory and what is below it, in every joined hierarchy, after killing what is left
 * inside it when `kill` is set. Missing ones are fine. Waits shortly for the kernel. */
int cgroup_remove(struct cgroup *cg, bool kill, struct err *err);

/* Values. file: "memory.limit_in_bytes". 0 or -errno. */
int cgroup_write(struct cgroup *cg, enum cgroup_controller c, const char *file, const char *value);
int cgroup_read(struct cgroup *cg, enum cgroup_controller c, const char *file, char *buf,
                size_t size);
int cgroup_read_u64(struct cgroup *cg, enum cgroup_controller c, const char *file, uint64_t *ret);

/* Processes in it and below. The caller frees *ret. */
int cgroup_pids(struct cgroup *cg, pid_t **ret, size_t *ret_count, struct err *err);
/* Send a signal to all of them (SIGKILL on v2: cgroup.kill). */
int cgroup_kill_all(struct cgroup *cg, int signal, struct err *err);
int cgroup_freeze(struct cgroup *cg, bool frozen, struct err *err);
bool cgroup_is_frozen(struct cgroup *cg);

struct cgroup_stats {
	uint64_t cpu_usage_ns, cpu_user_ns, cpu_system_ns;
	uint64_t cpu_periods, cpu_throttled_periods, cpu_throttled_ns;
	uint64_t memory_usage, memory_max_usage, memory_limit, memory_cache, memory_swap_usage;
	uint64_t memory_inactive_file; /* docker's figure is usage minus this */
	uint64_t memory_failcnt;
	uint64_t pids_current, pids_limit; /* limit 0: none */
	uint64_t blkio_read_bytes, blkio_write_bytes, blkio_read_ops, blkio_write_ops;
	uint64_t oom_kills;
};

/* What is available is filled in; the rest is 0. A limit above the machine's memory reads 0. */
int cgroup_stats(struct cgroup *cg, struct cgroup_stats *ret, struct err *err);
/* Processes killed by the kernel for memory in this cgroup; 0 where nothing can be read. */
uint64_t cgroup_oom_count(struct cgroup *cg);
/* A descriptor that becomes readable when the count may have changed: an eventfd on v1
 * (cgroup.event_control), an inotify watch on v2 (memory.events). -errno where not possible. */
int cgroup_oom_event_fd(struct cgroup *cg);
