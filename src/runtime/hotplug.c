/* Mounts that come and go while a container runs: made by a process that joins its namespaces but
 * for that of its processes, where somebody could look at it. */
#include "runtime/internal.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/stat.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "base/xalloc.h"
#include "sys/pidfd.h"
#include "sys/rootfs.h"

struct hotplug {
	struct runtime_sandbox s;
	struct runtime_create_args args;
	struct runtime_state state;
	int target_fd; /* pidfd of the container's init */
	int root_fd;   /* its root, where that is a chroot; else -1 */
	int self_fd;   /* /proc/self/fd of the host's procfs */
	bool remove;
};

static int refuse(const struct plan *plan, struct err *err)
{
	for (size_t i = 0; i < plan->n_mounts; i++) {
		const struct plan_mount *pm = &plan->mounts[i];
		const char *type = pm->spec->type ? pm->spec->type : "", *what = NULL;

		/* These show the namespaces of who mounts them, which here is not the container. */
		if (pm->kind == PLAN_MOUNT_CGROUP)
			what = "the cgroups";
		else if (pm->kind == PLAN_MOUNT_FS && strcmp(type, "proc") == 0)
			what = "procfs";
		else if (pm->options.flags & MOUNT_COPY_SYMLINK)
			what = "with 'copy-symlink'";
		if (what)
			return err_set(err, E_UNSUPPORTED,
			               "mounts[%zu] ('%s'): %s cannot be mounted later", i,
			               pm->spec->destination, what);
	}
	return 0;
}

static int open_user_ns(struct hotplug *h, struct err *err)
{
	char path[40];

	if (!(h->state.namespaces & CLONE_NEWUSER))
		return 0;
	snprintf(path, sizeof(path), "/proc/%d/ns/user", h->state.pid);
	h->s.ns_fds[OCI_NS_USER] = open(path, O_RDONLY | O_CLOEXEC);
	if (h->s.ns_fds[OCI_NS_USER] < 0)
		return err_sys(err, errno, "open the user namespace of container '%s'",
		               h->state.id);
	return 0;
}

static int prepare(struct hotplug *h, struct oci_spec *spec, struct err *err)
{
	if (h->state.status == RUNTIME_STOPPED)
		return err_set(err, E_STATE,
		               "cannot change the mounts of container '%s': it is "
		               "stopped",
		               h->state.id);
	h->target_fd = pidfd_open_exact(h->state.pid, h->state.start_ticks);
	if (h->target_fd < 0)
		return err_set(err, E_STATE, "container '%s' not running", h->state.id);
	if (h->state.shares_mounts) {
		h->root_fd = shared_root_open(&h->state);
		if (h->root_fd < 0)
			return err_sys(err, -h->root_fd, "open the root of container '%s'",
			               h->state.id);
	}
	spec->linux_.ns[OCI_NS_USER].wanted = h->state.namespaces & CLONE_NEWUSER;
	h->args.bundle_path = h->state.bundle;
	h->s.args = &h->args;
	h->s.spec = spec;
	if (plan_mounts(&h->s.plan, spec, err) < 0)
		return -1;
	if (h->remove)
		return 0;
	/* The new process will be elsewhere: all sources are opened here. */
	h->s.plan.ns_join[OCI_NS_MOUNT] = true;
	if (refuse(&h->s.plan, err) < 0 || open_user_ns(h, err) < 0)
		return -1;
	return mount_sources_open(&h->s, err);
}

/* ---- in the new process ---- */

static int enter(struct hotplug *h, struct err *err)
{
	uint32_t flags = h->state.namespaces & ~(uint32_t)CLONE_NEWPID;

	h->self_fd = open("/proc/self/fd", O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (h->self_fd < 0)
		return err_sys(err, errno, "open '/proc/self/fd'");
	if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0)
		return err_sys(err, errno, "become undumpable");
	if (flags && setns(h->target_fd, (int)flags) < 0)
		return err_sys(err, errno, "join the namespaces of container '%s'", h->state.id);
	if (h->root_fd >= 0 && shared_root_enter(h->root_fd) < 0)
		return err_sys(err, errno, "enter the root of container '%s'", h->state.id);
	if (h->state.namespaces & CLONE_NEWUSER && ((setresgid(0, 0, 0) < 0 && errno != EINVAL) ||
	                                            (setresuid(0, 0, 0) < 0 && errno != EINVAL)))
		return err_sys(err, errno, "become root of the user namespace");
	umask(0022);
	return 0;
}

static int remove_one(struct hotplug *h, const struct plan_mount *pm, int root_fd, struct err *err)
{
	int nofollow = pm->options.flags & MOUNT_TARGET_NOFOLLOW ? O_NOFOLLOW : 0;
	AUTO_FD target = rootfs_open(root_fd, pm->spec->destination, O_PATH | nofollow, 0);
	struct statx st = { 0 };
	char name[16];

	if (target < 0)
		return err_sys(err, -target, "mounts: open '%s'", pm->spec->destination);
	if (syscall(SYS_statx, target, "", AT_EMPTY_PATH, 0, &st) < 0 ||
	    !(st.stx_attributes & STATX_ATTR_MOUNT_ROOT) || !strcmp(pm->spec->destination, "/"))
		return err_set(err, E_NOT_FOUND, "mounts: nothing is mounted on '%s'",
		               pm->spec->destination);
	/* By the descriptor, in the procfs of the host: the container's may be anything. */
	snprintf(name, sizeof(name), "%d", target);
	if (fchdir(h->self_fd) < 0 || umount2(name, MNT_DETACH) < 0)
		return err_sys(err, errno, "mounts: unmount '%s'", pm->spec->destination);
	return 0;
}

static int add_one(struct hotplug *h, size_t i, int *root_fd, struct err *err)
{
	struct runtime_sandbox one = h->s;

	one.plan.mounts += i;
	one.plan.n_mounts = 1;
	one.mount_sources += i;
	return init_mount_all(&one, root_fd, err);
}

static int change(struct hotplug *h, struct err *err)
{
	const struct plan *plan = &h->s.plan;
	size_t i = 0;
	int root;

	if (enter(h, err) < 0)
		return -1;
	root = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (root < 0)
		return err_sys(err, errno, "open the root of container '%s'", h->state.id);
	if (h->remove) {
		/* What was mounted last goes first. */
		for (i = plan->n_mounts; i > 0; i--)
			if (remove_one(h, &plan->mounts[i - 1], root, err) < 0)
				return -1;
		return 0;
	}
	while (i < plan->n_mounts && add_one(h, i, &root, err) == 0)
		i++;
	if (i == plan->n_mounts)
		return 0;
	while (i > 0)
		if (plan->mounts[--i].kind != PLAN_MOUNT_REMOUNT)
			(void)remove_one(h, &plan->mounts[i], root, ERR_IGNORE);
	return -1;
}

static int run(struct hotplug *h, struct err *err)
{
	struct err child_err = ERR_INIT;
	int fds[2], status = 0;
	ssize_t n;
	pid_t pid;

	if (pipe2(fds, O_CLOEXEC) < 0)
		return err_sys(err, errno, "make a pipe");
	pid = fork();
	if (pid == 0) {
		if (change(h, &child_err) == 0)
			_exit(0);
		(void)!write(fds[1], &child_err, sizeof(child_err));
		_exit(1);
	}
	close(fds[1]);
	if (pid < 0) {
		close(fds[0]);
		return err_sys(err, errno, "fork");
	}
	n = read(fds[0], &child_err, sizeof(child_err));
	close(fds[0]);
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	if (status == 0)
		return 0;
	if (n != (ssize_t)sizeof(child_err))
		return err_set(err, E_INTERNAL, "the process that mounts ended early");
	*err = child_err;
	return -1;
}

int runtime_mounts(int state_root_fd, const char *id, struct oci_spec *spec, bool remove,
                   struct err *err)
{
	struct hotplug h = { .target_fd = -1, .root_fd = -1, .self_fd = -1, .remove = remove };
	int r;

	for (int i = 0; i < OCI_NS_MAX; i++)
		h.s.ns_fds[i] = -1;
	if (runtime_state(state_root_fd, id, &h.state, err) < 0)
		return -1;
	r = prepare(&h, spec, err);
	if (r == 0)
		r = run(&h, err);
	for (size_t i = 0; h.s.mount_sources && i < h.s.plan.n_mounts; i++)
		if (h.s.mount_sources[i] >= 0)
			close(h.s.mount_sources[i]);
	free(h.s.mount_sources);
	if (h.s.ns_fds[OCI_NS_USER] >= 0)
		close(h.s.ns_fds[OCI_NS_USER]);
	if (h.target_fd >= 0)
		close(h.target_fd);
	if (h.root_fd >= 0)
		close(h.root_fd);
	plan_done(&h.s.plan);
	runtime_state_done(&h.state);
	return r;
}
