#include "runtime/plan.h"

#include "runtime/attributes.h"

#include <errno.h>
#include <linux/capability.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <sys/mount.h>

#include "base/xalloc.h"
#include "sys/cgroup.h"
#include "sys/seccomp.h"

#ifndef SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV
#	define SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV (1u << 5)
#endif
#ifndef CLONE_NEWTIME
#	define CLONE_NEWTIME 0x00000080
#endif

/* clang-format off */
static const uint64_t clone_flag[OCI_NS_MAX] = {
	[OCI_NS_USER] = CLONE_NEWUSER, [OCI_NS_PID] = CLONE_NEWPID, [OCI_NS_MOUNT] = CLONE_NEWNS,
	[OCI_NS_UTS] = CLONE_NEWUTS, [OCI_NS_IPC] = CLONE_NEWIPC, [OCI_NS_NETWORK] = CLONE_NEWNET,
	[OCI_NS_CGROUP] = CLONE_NEWCGROUP, [OCI_NS_TIME] = CLONE_NEWTIME,
};

static const struct { const char *name; unsigned flag; } filter_flags[] = {
	{ "SECCOMP_FILTER_FLAG_TSYNC", 0 }, /* one thread: nothing to synchronise */
	{ "SECCOMP_FILTER_FLAG_LOG", SECCOMP_FILTER_FLAG_LOG },
	{ "SECCOMP_FILTER_FLAG_SPEC_ALLOW", SECCOMP_FILTER_FLAG_SPEC_ALLOW },
	{ "SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV", SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV },
};
/* clang-format on */

uint64_t plan_ns_flag(enum oci_ns ns)
{
	return clone_flag[ns];
}

static int plan_namespaces(struct plan *plan, const struct oci_spec *spec, struct err *err)
{
	const struct oci_linux *l = &spec->linux_;
	bool joins = false;

	for (int i = 0; i < OCI_NS_MAX; i++) {
		const struct oci_namespace *ns = &l->ns[i];

		if (!ns->wanted)
			continue;
		plan->exec_flags |= clone_flag[i];
		if (ns->path || ns->fd >= 0)
			plan->ns_join[i] = true;
		else if (i == OCI_NS_CGROUP)
			plan->new_cgroup_ns = true;
		else
			plan->clone_flags |= clone_flag[i];
	}
	plan->shares_mounts = !(plan->clone_flags & CLONE_NEWNS);
	if (plan->shares_mounts && l->ns[OCI_NS_USER].wanted)
		return err_set(err, E_INVALID,
		               "linux.namespaces: with a user namespace, a new mount namespace is "
		               "needed: its root may not mount in another");
	if (plan->clone_flags & CLONE_NEWUSER && (!l->n_uid_mappings || !l->n_gid_mappings))
		return err_set(err, E_INVALID,
		               "linux.uidMappings and linux.gidMappings: a new user namespace "
		               "needs both");
	if (!l->ns[OCI_NS_USER].wanted && (l->n_uid_mappings || l->n_gid_mappings))
		return err_set(err, E_INVALID,
		               "linux.uidMappings: there is no user namespace to map");
	if ((spec->hostname || spec->domainname) && !l->ns[OCI_NS_UTS].wanted)
		return err_set(err, E_INVALID, "%s: setting it needs a uts namespace",
		               spec->hostname ? "hostname" : "domainname");
	if ((l->time_monotonic.present || l->time_boottime.present) &&
	    !(plan->clone_flags & CLONE_NEWTIME))
		return err_set(err, E_INVALID, "linux.timeOffsets: needs a new time namespace");
	for (int i = 0; i < OCI_NS_MAX; i++)
		joins |= plan->ns_join[i] && i != OCI_NS_MOUNT;
	plan->needs_stage = (l->ns[OCI_NS_USER].wanted && joins) || plan->ns_join[OCI_NS_USER] ||
	                    plan->ns_join[OCI_NS_PID] || plan->ns_join[OCI_NS_TIME] ||
	                    l->time_monotonic.present || l->time_boottime.present;
	return 0;
}

static int plan_propagation(struct plan *plan, const struct oci_linux *l, struct err *err)
{
	bool recursive;

	/* Slave: mounts the host makes later still arrive in volumes that ask for it, and none
	 * of ours goes out. */
	plan->propagation = MS_SLAVE;
	if (!l->rootfs_propagation || !*l->rootfs_propagation)
		return 0;
	if (!mount_propagation_parse(l->rootfs_propagation, &plan->root_propagation, &recursive))
		return err_set(err, E_INVALID, "linux.rootfsPropagation: unknown value '%s'",
		               l->rootfs_propagation);
	if (plan->root_propagation == MS_PRIVATE)
		plan->propagation = MS_PRIVATE;
	return 0;
}

static uint32_t action_value(enum oci_seccomp_action action, int64_t errno_ret)
{
	uint32_t data = errno_ret == OCI_UNSET ? EPERM : (uint32_t)errno_ret;

	switch (action) {
	case OCI_SECCOMP_KILL_THREAD:
		return SECCOMP_RET_KILL_THREAD;
	case OCI_SECCOMP_KILL_PROCESS:
		return SECCOMP_RET_KILL_PROCESS;
	case OCI_SECCOMP_TRAP:
		return SECCOMP_RET_TRAP;
	case OCI_SECCOMP_ERRNO:
		return SECCOMP_RET_ERRNO | data;
	case OCI_SECCOMP_NOTIFY:
		return SECCOMP_RET_USER_NOTIF;
	case OCI_SECCOMP_TRACE:
		return SECCOMP_RET_TRACE | data;
	case OCI_SECCOMP_LOG:
		return SECCOMP_RET_LOG;
	case OCI_SECCOMP_ALLOW:
	case OCI_SECCOMP_ACTION_MAX:
		break;
	}
	return SECCOMP_RET_ALLOW;
}

static int seccomp_flags(const struct oci_seccomp *s, unsigned *ret, struct err *err)
{
	*ret = 0;
	for (size_t i = 0; i < s->flags.len; i++) {
		size_t j;

		for (j = 0; j < ARRAY_LEN(filter_flags); j++)
			if (strcmp(s->flags.items[i], filter_flags[j].name) == 0)
				break;
		if (j == ARRAY_LEN(filter_flags))
			return err_set(err, E_INVALID,
			               "linux.seccomp.flags[%zu]: '%s' is not a flag of seccomp(2)",
			               i, s->flags.items[i]);
		*ret |= filter_flags[j].flag;
	}
	return 0;
}

/* With SCMP_ACT_NOTIFY somebody has to answer; without it listenerPath means nothing. */
static int seccomp_listener(const struct oci_seccomp *s, unsigned *flags, struct err *err)
{
	bool notify = s->default_action == OCI_SECCOMP_NOTIFY;

	for (size_t i = 0; i < s->n_rules; i++)
		notify |= s->rules[i].action == OCI_SECCOMP_NOTIFY;
	if (!notify) {
		*flags &= ~SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV;
		return 0;
	}
	if (!s->listener_path || !*s->listener_path)
		return err_set(err, E_INVALID,
		               "linux.seccomp.listenerPath: is missing, and SCMP_ACT_NOTIFY needs "
		               "a socket to send to");
	*flags |= SECCOMP_FILTER_FLAG_NEW_LISTENER;
	return 0;
}

static int seccomp_archs(const struct oci_seccomp *s, unsigned *ret, struct err *err)
{
	for (size_t i = 0; i < s->architectures.len; i++) {
		if (!seccomp_arch_is_known(s->architectures.items[i]))
			return err_set(err, E_INVALID,
			               "linux.seccomp.architectures[%zu]: '%s' is not an "
			               "architecture such as SCMP_ARCH_X86_64",
			               i, s->architectures.items[i]);
		*ret |= seccomp_arch_by_name(s->architectures.items[i]);
	}
	return 0;
}

int plan_seccomp(const struct oci_seccomp *s, struct sock_filter **ret, unsigned short *ret_len,
                 unsigned *ret_flags, struct err *err)
{
	static const enum seccomp_op ops[OCI_CMP_MAX] = {
		[OCI_CMP_NE] = SECCOMP_NE,
		[OCI_CMP_LT] = SECCOMP_LT,
		[OCI_CMP_LE] = SECCOMP_LE,
		[OCI_CMP_EQ] = SECCOMP_EQ,
		[OCI_CMP_GE] = SECCOMP_GE,
		[OCI_CMP_GT] = SECCOMP_GT,
		[OCI_CMP_MASKED_EQ] = SECCOMP_MASKED_EQ,
	};
	struct seccomp_policy policy = {
		.default_action = action_value(s->default_action, s->default_errno_ret),
	};
	AUTO_FREE struct seccomp_rule *rules = xcalloc(s->n_rules + 1, sizeof(*rules));
	AUTO_FREE struct seccomp_cond *conds = NULL;
	size_t n_conds = 0;

	if (seccomp_flags(s, ret_flags, err) < 0 || seccomp_listener(s, ret_flags, err) < 0 ||
	    seccomp_archs(s, &policy.archs, err) < 0)
		return -1;
	for (size_t i = 0; i < s->n_rules; i++)
		n_conds += s->rules[i].n_args;
	conds = xcalloc(n_conds + 1, sizeof(*conds));
	n_conds = 0;
	for (size_t i = 0; i < s->n_rules; i++) {
		const struct oci_seccomp_rule *r = &s->rules[i];

		rules[i] = (struct seccomp_rule){
			.names = &r->names,
			.action = action_value(r->action, r->errno_ret),
			.conds = conds + n_conds,
			.n_conds = r->n_args,
		};
		for (size_t j = 0; j < r->n_args; j++)
			conds[n_conds++] = (struct seccomp_cond){
				.arg = r->args[j].index,
				.op = ops[r->args[j].op],
				.value = r->args[j].value,
				.value_two = r->args[j].value_two,
			};
	}
	policy.rules = rules;
	policy.n_rules = s->n_rules;
	if (seccomp_compile(&policy, ret, ret_len, err) < 0)
		return err_ctx(err, "linux.seccomp");
	return 0;
}

unsigned resources_controllers(const struct oci_resources *r)
{
	unsigned mask = 0;

#define SET(field)   (r->field != OCI_UNSET)
#define GIVEN(field) (SET(field) && r->field) /* 0 asks for nothing */
	if (GIVEN(memory_limit) || GIVEN(memory_reservation) || GIVEN(memory_swap) ||
	    GIVEN(memory_kernel_tcp) || SET(memory_swappiness) || GIVEN(memory_disable_oom))
		mask |= CGROUP_BIT(CGROUP_MEMORY);
	if (GIVEN(cpu_shares) || GIVEN(cpu_quota) || GIVEN(cpu_period) || SET(cpu_burst) ||
	    GIVEN(cpu_rt_runtime) || GIVEN(cpu_rt_period) || SET(cpu_idle))
		mask |= CGROUP_BIT(CGROUP_CPU);
	if ((r->cpuset_cpus && *r->cpuset_cpus) || (r->cpuset_mems && *r->cpuset_mems))
		mask |= CGROUP_BIT(CGROUP_CPUSET);
	if (SET(pids_limit))
		mask |= CGROUP_BIT(CGROUP_PIDS);
	if (GIVEN(blkio_weight) || GIVEN(blkio_leaf_weight) || r->n_blkio_weight_devices ||
	    r->n_blkio_throttles)
		mask |= CGROUP_BIT(CGROUP_BLKIO);
	if (r->n_hugepages)
		mask |= CGROUP_BIT(CGROUP_HUGETLB);
	if (GIVEN(net_class_id))
		mask |= CGROUP_BIT(CGROUP_NET_CLS);
	if (r->n_net_prios)
		mask |= CGROUP_BIT(CGROUP_NET_PRIO);
	if (r->n_rdma)
		mask |= CGROUP_BIT(CGROUP_RDMA);
	if (r->n_unified)
		mask |= CGROUP_BIT(CGROUP_UNIFIED);
	for (size_t i = 0; i < r->n_unified; i++)
		mask |= cgroup_layout_get()->on_v2 & cgroup_controller_of(r->unified[i].key);
#undef GIVEN
#undef SET
	return mask;
}

int plan_make(struct plan *plan, const struct oci_spec *spec, const char *id, struct err *err)
{
	const struct oci_linux *l = &spec->linux_;

	*plan = (struct plan){ 0 };
	if (attributes_check(&spec->process, err) < 0 ||
	    memory_policy_check(&l->memory_policy, err) < 0 ||
	    plan_namespaces(plan, spec, err) < 0 || plan_mounts(plan, spec, err) < 0 ||
	    plan_check_netdevs(l, err) < 0 || plan_propagation(plan, l, err) < 0 ||
	    plan_check_sysctls(l, err) < 0 || plan_check_names(spec, err) < 0)
		return -1;
	if (spec->has_process && !spec->process.args.len)
		return err_set(err, E_INVALID, "process.args: is empty");
	if (l->cgroups_path && *l->cgroups_path)
		plan->cgroup_path =
			xasprintf("%s%s", l->cgroups_path[0] == '/' ? "" : "/", l->cgroups_path);
	else
		plan->cgroup_path = xasprintf("/%s", id);
	plan->cgroup_needed = resources_controllers(&l->resources);
	if (l->seccomp.present && spec->has_process &&
	    plan_seccomp(&l->seccomp, &plan->filter, &plan->filter_len, &plan->filter_flags, err) <
	            0)
		return -1;
	return 0;
}

void plan_done(struct plan *plan)
{
	for (size_t i = 0; i < plan->n_mounts; i++) {
		mount_options_done(&plan->mounts[i].options);
		free(plan->mounts[i].idmap_owned[0]);
		free(plan->mounts[i].idmap_owned[1]);
	}
	free(plan->mounts);
	free(plan->cgroup_path);
	free(plan->filter);
	*plan = (struct plan){ 0 };
}
