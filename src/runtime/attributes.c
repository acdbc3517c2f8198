#include "runtime/attributes.h"

#include <errno.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#define WORD_BITS (8 * sizeof(unsigned long))

struct name_value {
	const char *name;
	unsigned value;
};

/* linux/sched.h; SCHED_ISO has a number and, in today's kernels, no implementation */
enum {
	POLICY_OTHER,
	POLICY_FIFO,
	POLICY_RR,
	POLICY_BATCH,
	POLICY_ISO,
	POLICY_IDLE,
	POLICY_DEADLINE
};

/* clang-format off */
static const struct name_value policies[] = {
	{ "SCHED_OTHER", POLICY_OTHER }, { "SCHED_FIFO", POLICY_FIFO }, { "SCHED_RR", POLICY_RR },
	{ "SCHED_BATCH", POLICY_BATCH }, { "SCHED_ISO", POLICY_ISO }, { "SCHED_IDLE", POLICY_IDLE },
	{ "SCHED_DEADLINE", POLICY_DEADLINE }, { NULL, 0 },
};
static const struct name_value sched_flags[] = {
	{ "SCHED_FLAG_RESET_ON_FORK", 0x01 }, { "SCHED_FLAG_RECLAIM", 0x02 },
	{ "SCHED_FLAG_DL_OVERRUN", 0x04 }, { "SCHED_FLAG_KEEP_POLICY", 0x08 },
	{ "SCHED_FLAG_KEEP_PARAMS", 0x10 }, { "SCHED_FLAG_UTIL_CLAMP_MIN", 0x20 },
	{ "SCHED_FLAG_UTIL_CLAMP_MAX", 0x40 }, { NULL, 0 },
};
static const struct name_value io_classes[] = {
	{ "IOPRIO_CLASS_RT", 1 }, { "IOPRIO_CLASS_BE", 2 }, { "IOPRIO_CLASS_IDLE", 3 }, { NULL, 0 },
};
/* linux/mempolicy.h */
static const struct name_value memory_modes[] = {
	{ "MPOL_DEFAULT", 0 }, { "MPOL_PREFERRED", 1 }, { "MPOL_BIND", 2 }, { "MPOL_INTERLEAVE", 3 },
	{ "MPOL_LOCAL", 4 }, { "MPOL_PREFERRED_MANY", 5 }, { "MPOL_WEIGHTED_INTERLEAVE", 6 },
	{ NULL, 0 },
};
static const struct name_value memory_flags[] = {
	{ "MPOL_F_STATIC_NODES", 1u << 15 }, { "MPOL_F_RELATIVE_NODES", 1u << 14 },
	{ "MPOL_F_NUMA_BALANCING", 1u << 13 }, { NULL, 0 },
};
/* clang-format on */

/* sched_setattr(2); the C library has no wrapper */
struct sched_attributes {
	uint32_t size, policy;
	uint64_t flags;
	int32_t nice;
	uint32_t priority;
	uint64_t runtime_ns, deadline_ns, period_ns;
	uint32_t util_min, util_max;
};

static const struct name_value *find(const struct name_value *table, const char *name)
{
	for (; table->name; table++)
		if (strcmp(table->name, name) == 0)
			return table;
	return NULL;
}

static int find_flags(const struct name_value *table, const struct strv *names, const char *where,
                      unsigned *ret, struct err *err)
{
	*ret = 0;
	for (size_t i = 0; i < names->len; i++) {
		const struct name_value *f = find(table, names->items[i]);

		if (!f)
			return err_set(err, E_INVALID, "%s[%zu]: unknown flag '%s'", where, i,
			               names->items[i]);
		*ret |= f->value;
	}
	return 0;
}

static bool parse_number(const char **at, unsigned long *ret)
{
	unsigned long n = 0;
	const char *p = *at;

	if (*p < '0' || *p > '9')
		return false;
	for (; *p >= '0' && *p <= '9'; p++) {
		n = n * 10 + (unsigned long)(*p - '0');
		if (n >= NUMBER_LIST_BITS)
			return false;
	}
	*ret = n;
	*at = p;
	return true;
}

bool number_list_parse(const char *list, unsigned long ret[NUMBER_LIST_WORDS])
{
	unsigned long first, last;

	memset(ret, 0, NUMBER_LIST_WORDS * sizeof(*ret));
	for (const char *p = list;;) {
		if (!parse_number(&p, &first))
			return false;
		last = first;
		if (*p == '-') {
			p++;
			if (!parse_number(&p, &last) || last < first)
				return false;
		}
		for (unsigned long n = first; n <= last; n++)
			ret[n / WORD_BITS] |= 1ul << n % WORD_BITS;
		if (!*p)
			return true;
		if (*p++ != ',')
			return false;
	}
}

static int check_deadline(const struct oci_scheduler *s, struct err *err)
{
	uint64_t period = s->period_ns ? s->period_ns : s->deadline_ns;

	if (!s->runtime_ns || !s->deadline_ns)
		return err_set(err, E_INVALID,
		               "process.scheduler.%s: is missing, and SCHED_DEADLINE needs it",
		               s->runtime_ns ? "deadline" : "runtime");
	if (s->runtime_ns < 1024 || s->runtime_ns > s->deadline_ns || s->deadline_ns > period ||
	    period > INT64_MAX)
		return err_set(err, E_INVALID,
		               "process.scheduler: SCHED_DEADLINE needs 1024 <= runtime <= "
		               "deadline <= period, in nanoseconds");
	return 0;
}

static int scheduler_parse(const struct oci_scheduler *s, struct sched_attributes *ret,
                           struct err *err)
{
	const struct name_value *policy = find(policies, s->policy);
	int64_t nice = s->nice == OCI_UNSET ? 0 : s->nice;
	int64_t priority = s->priority == OCI_UNSET ? 0 : s->priority;
	bool realtime;
	unsigned flags;

	if (!policy)
		return err_set(err, E_INVALID, "process.scheduler.policy: unknown policy '%s'",
		               s->policy);
	realtime = policy->value == POLICY_FIFO || policy->value == POLICY_RR;
	if (nice < -20 || nice > 19)
		return err_set(err, E_INVALID,
		               "process.scheduler.nice: %lld is not between -20 and 19",
		               (long long)nice);
	if (realtime ? priority < 1 || priority > 99 : priority != 0)
		return err_set(err, E_INVALID,
		               realtime ? "process.scheduler.priority: %lld is not between 1 and "
		                          "99, as %s needs"
		                        : "process.scheduler.priority: %lld must be 0 with %s",
		               (long long)priority, s->policy);
	if (find_flags(sched_flags, &s->flags, "process.scheduler.flags", &flags, err) < 0)
		return -1;
	if (policy->value == POLICY_DEADLINE && check_deadline(s, err) < 0)
		return -1;
	*ret = (struct sched_attributes){
		.size = sizeof(*ret),
		.policy = policy->value,
		.flags = flags,
		.nice = (int32_t)nice,
		.priority = (uint32_t)priority,
		.runtime_ns = s->runtime_ns,
		.deadline_ns = s->deadline_ns,
		.period_ns = s->period_ns,
	};
	return 0;
}

static int io_priority_parse(const struct oci_process *p, int *ret, struct err *err)
{
	const struct name_value *c = find(io_classes, p->io_class);
	int64_t priority = p->io_priority == OCI_UNSET ? 0 : p->io_priority;

	if (!c)
		return err_set(err, E_INVALID, "process.ioPriority.class: unknown class '%s'",
		               p->io_class);
	if (priority < 0 || priority > 7)
		return err_set(err, E_INVALID,
		               "process.ioPriority.priority: must be between 0 and 7");
	*ret = (int)(c->value << 13 | (unsigned)priority);
	return 0;
}

static int check_list(const char *list, const char *what, struct err *err)
{
	unsigned long bits[NUMBER_LIST_WORDS];

	if (!list || !*list || number_list_parse(list, bits))
		return 0;
	return err_set(err, E_INVALID, "%s: '%s' is not a list such as \"0-3,7\"", what, list);
}

int attributes_check(const struct oci_process *p, struct err *err)
{
	struct sched_attributes a;
	int io;

	if (p->scheduler.policy && scheduler_parse(&p->scheduler, &a, err) < 0)
		return -1;
	if (p->io_class && io_priority_parse(p, &io, err) < 0)
		return -1;
	if (check_list(p->exec_cpu_initial, "process.execCPUAffinity.initial", err) < 0)
		return -1;
	return check_list(p->exec_cpu_final, "process.execCPUAffinity.final", err);
}

static int scheduler_apply(const struct oci_scheduler *s, pid_t pid, struct err *err)
{
	struct sched_attributes a;

	if (scheduler_parse(s, &a, err) < 0)
		return -1;
	if (syscall(SYS_sched_setattr, pid, &a, 0) == 0)
		return 0;
	err_sys(err, errno, "process.scheduler: set %s", s->policy);
	if (err->sys == EPERM)
		return err_hint(err, a.policy == POLICY_DEADLINE
		                             ? "it takes CAP_SYS_NICE and all CPUs to run on"
		                             : "it takes CAP_SYS_NICE, and in cgroup v1 a "
		                               "real-time budget");
	if (err->sys == EBUSY)
		return err_hint(err, "there is not that much CPU time left to promise");
	return -1;
}

int attributes_apply(const struct oci_process *p, pid_t pid, struct err *err)
{
	enum { WHO_PROCESS = 1 };
	int io;

	if (p->scheduler.policy && scheduler_apply(&p->scheduler, pid, err) < 0)
		return -1;
	if (!p->io_class)
		return 0;
	if (io_priority_parse(p, &io, err) < 0)
		return -1;
	if (syscall(SYS_ioprio_set, WHO_PROCESS, pid, io) < 0)
		return err_sys(err, errno, "process.ioPriority: set %s", p->io_class);
	return 0;
}

int affinity_apply(const char *list, const char *what, pid_t pid, struct err *err)
{
	unsigned long bits[NUMBER_LIST_WORDS];

	if (!list || !*list)
		return 0;
	if (!number_list_parse(list, bits))
		return check_list(list, what, err);
	if (syscall(SYS_sched_setaffinity, pid, sizeof(bits), bits) == 0)
		return 0;
	err_sys(err, errno, "%s: set CPUs %s", what, list);
	return err->sys == EINVAL ? err_hint(err, "none of them is there, or the cpuset has none")
	                          : -1;
}

void affinity_reset(pid_t pid)
{
	unsigned long bits[NUMBER_LIST_WORDS];

	memset(bits, 0xff, sizeof(bits));
	/* Where it is not permitted, the caller's stays: no reason to fail. */
	(void)syscall(SYS_sched_setaffinity, pid, sizeof(bits), bits);
}

static int memory_policy_parse(const struct oci_memory_policy *m, unsigned *ret_mode,
                               unsigned long nodes[NUMBER_LIST_WORDS], struct err *err)
{
	const struct name_value *mode = find(memory_modes, m->mode);
	unsigned flags;

	if (!mode)
		return err_set(err, E_INVALID, "linux.memoryPolicy.mode: unknown mode '%s'",
		               m->mode);
	if (find_flags(memory_flags, &m->flags, "linux.memoryPolicy.flags", &flags, err) < 0)
		return -1;
	memset(nodes, 0, NUMBER_LIST_WORDS * sizeof(*nodes));
	if (m->nodes && *m->nodes && !number_list_parse(m->nodes, nodes))
		return check_list(m->nodes, "linux.memoryPolicy.nodes", err);
	*ret_mode = mode->value | flags;
	return 0;
}

int memory_policy_check(const struct oci_memory_policy *m, struct err *err)
{
	unsigned long nodes[NUMBER_LIST_WORDS];
	unsigned mode;

	return m->mode ? memory_policy_parse(m, &mode, nodes, err) : 0;
}

int memory_policy_apply(const struct oci_memory_policy *m, struct err *err)
{
	unsigned long nodes[NUMBER_LIST_WORDS];
	bool some = m->nodes && *m->nodes;
	unsigned mode;

	if (!m->mode)
		return 0;
	if (memory_policy_parse(m, &mode, nodes, err) < 0)
		return -1;
	/* The kernel reads one bit less than it is told. */
	if (syscall(SYS_set_mempolicy, mode, some ? nodes : NULL,
	            some ? NUMBER_LIST_BITS + 1ul : 0ul) == 0)
		return 0;
	err_sys(err, errno, "linux.memoryPolicy: set %s%s%s", m->mode, some ? " of nodes " : "",
	        some ? m->nodes : "");
	return err->sys == EINVAL ? err_hint(err, "set_mempolicy(2) says which modes take nodes; "
	                                          "the nodes must be there and in the cpuset")
	                          : -1;
}
