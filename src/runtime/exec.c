/* runtime_exec: another process in a container.
 *
 * caller --clone--> stage: joins all namespaces with one setns(pidfd), --clone(CLONE_PARENT)--> the
 * process, in the container's pid namespace and a child of the caller. The stage ends at once. */
#include "runtime/internal.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include <linux/sched.h>

#include "base/fd.h"
#include "base/xalloc.h"
#include "sys/pidfd.h"
#include "sys/rootfs.h"

struct exec {
	const struct runtime_exec_args *args;
	struct runtime_state state;
	struct cgroup cgroup;
	const struct oci_spec *spec; /* the container's */
	struct oci_spec loaded;      /* when the caller gave none */
	struct process_context ctx;
	struct sock_filter *filter;
	bool can_be_traced; /* somebody inside may have CAP_SYS_PTRACE over us */
	int target_fd;      /* pidfd of the container's init */
	int proc_fd;        /* the host's procfs, for labels; -1: none are wanted */
	int root_fd;        /* its root, where that is a chroot; else -1 */
	int sync_fd, child_sync_fd;
	pid_t pid;
	int pidfd;
	int console_fd;
};

static int load_spec(struct exec *e, const struct oci_spec **ret, struct err *err)
{
	AUTO_FD dir = -1;
	AUTO_FREE char *text = NULL;
	size_t len = 0;

	*ret = e->args->spec;
	if (*ret)
		return 0;
	dir = state_dir_open(e->args->state_root_fd, e->args->id, err);
	if (dir < 0)
		return -1;
	if (file_read_at(dir, "config.json", 16u << 20, &text, &len, err) < 0 ||
	    oci_spec_parse(&e->loaded, "config.json", text, len, err) < 0)
		return err_ctx(err, "container '%s'", e->args->id);
	*ret = &e->loaded;
	return 0;
}

int exec_check(const struct oci_process *p, struct err *err)
{
	if (!p->args.len)
		return err_set(err, E_INVALID, "process.args: is empty");
	if (!p->cwd || p->cwd[0] != '/')
		return err_set(err, E_INVALID, "process.cwd: is not an absolute path");
	return lsm_check(p, NULL, NULL, err) < 0 ? -1 : attributes_check(p, err);
}

static int prepare(struct exec *e, struct err *err)
{
	const struct runtime_exec_args *a = e->args;
	const struct oci_spec *spec;

	if (exec_check(a->process, err) < 0 ||
	    runtime_state(a->state_root_fd, a->id, &e->state, err) < 0)
		return -1;
	if (e->state.status == RUNTIME_STOPPED)
		return err_set(err, E_STATE, "cannot exec in container '%s': it is stopped", a->id);
	if (e->state.status == RUNTIME_PAUSED && !a->ignore_paused)
		return err_set(err, E_STATE, "cannot exec in container '%s': it is paused", a->id);
	e->target_fd = pidfd_open_exact(e->state.pid, e->state.start_ticks);
	if (e->target_fd < 0)
		return err_set(err, E_STATE, "cannot exec in container '%s': it is stopped", a->id);
	if (e->state.shares_mounts) {
		e->root_fd = shared_root_open(&e->state);
		if (e->root_fd < 0)
			return err_sys(err, -e->root_fd, "open the root of container '%s'", a->id);
	}
	if (load_spec(e, &spec, err) < 0)
		return -1;
	e->spec = spec;
	if (spec->linux_.seccomp.present &&
	    plan_seccomp(&spec->linux_.seccomp, &e->filter, &e->ctx.filter_len,
	                 &e->ctx.filter_flags, err) < 0)
		return -1;
	e->can_be_traced =
		!(e->state.namespaces & CLONE_NEWUSER) &&
		((spec->process.caps.bounding | a->process->caps.bounding) >> CAP_SYS_PTRACE & 1 ||
	         !(e->state.namespaces & CLONE_NEWPID));
	e->ctx.process = a->process;
	e->ctx.filter = e->filter;
	e->ctx.landlock = spec->linux_.landlock.present ? &spec->linux_.landlock : NULL;
	e->ctx.seccomp = &spec->linux_.seccomp;
	e->ctx.preserve_fds = a->preserve_fds;
	e->ctx.limits_by_caller = e->state.namespaces & CLONE_NEWUSER;
	e->ctx.listen_fds = a->listen_fds;
	return exec_cgroup(a, &e->state, &e->cgroup, err);
}

static int open_console(struct exec *e, int *ret_slave, struct err *err)
{
	AUTO_FD root = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	AUTO_FD pts = root < 0 ? -1 : rootfs_open_nolinks(root, "dev/pts", O_PATH | O_DIRECTORY, 0);
	AUTO_FD master = -1;
	int r;

	if (pts < 0)
		return err_sys(err, root < 0 ? errno : -pts,
		               "process.terminal: open '/dev/pts' of the container");
	if (terminal_open(pts, e->args->process, &master, ret_slave, err) < 0)
		return -1;
	r = sync_send_fd(e->child_sync_fd, 't', master);
	return r < 0 ? err_sys(err, -r, "process.terminal: hand over") : 0;
}

/* As init does (init.c), while it waits for its limits and attributes. */
static int keep_descriptors(const struct exec *e, struct err *err)
{
	const struct process_context *c = &e->ctx;
	const int keep[] = {
		e->child_sync_fd,
		c->stage_fd,
		c->landlock_fd,
		c->lsm ? c->lsm->apparmor_fd : -1,
		c->lsm ? c->lsm->selinux_fd : -1,
	};

	return process_keep_fds(3 + c->preserve_fds, keep, ARRAY_LEN(keep), err);
}

/* The new process, inside. */
static int child_run(struct exec *e, struct err *err)
{
	AUTO_FD slave = -1;
	AUTO_LSM lsm = LSM_INIT;

	if (setsid() < 0)
		return err_sys(err, errno, "make a session");
	if (e->proc_fd >= 0) {
		if (lsm_open(e->args->process, e->proc_fd, &lsm, err) < 0)
			return -1;
		e->ctx.lsm = &lsm;
	}
	if (cgroup_receive(e->child_sync_fd, err) < 0)
		return -1;
	/* After the cgroup: entering a cpuset resets it. */
	if (!e->args->process->exec_cpu_initial && !e->args->process->exec_cpu_final)
		affinity_reset(0);
	if (affinity_apply(e->args->process->exec_cpu_final, "process.execCPUAffinity.final", 0,
	                   err) < 0)
		return -1;
	if (e->args->process->terminal && open_console(e, &slave, err) < 0)
		return -1;
	if (process_stdio(e->args->process, e->args->stdio, slave, err) < 0)
		return -1;
	if (close_range(3 + e->ctx.preserve_fds, ~0u, CLOSE_RANGE_CLOEXEC) < 0)
		return err_sys(err, errno, "close_range");
	if (process_personality(&e->spec->linux_, err) < 0 ||
	    memory_policy_apply(&e->spec->linux_.memory_policy, err) < 0 ||
	    process_prepare(&e->ctx, err) < 0 || keep_descriptors(e, err) < 0)
		return -1;
	if (sync_send(e->child_sync_fd, 'r') < 0)
		return err_set(err, E_INTERRUPTED, "the runtime is gone");
	if (sync_expect(e->child_sync_fd, 's', err) < 0)
		return -1;
	return process_execute(&e->ctx, e->child_sync_fd, err);
}

static void NORETURN child_main(struct exec *e)
{
	struct err err = ERR_INIT;

	child_run(e, &err);
	sync_send_err(e->child_sync_fd, &err);
	_exit(err_exit_status(&err));
}

static pid_t clone_into(uint64_t flags, int cgroup_fd)
{
	struct clone_args a = {
		.flags = flags | (cgroup_fd >= 0 ? CLONE_INTO_CGROUP : 0),
		.exit_signal = flags & CLONE_PARENT ? 0 : SIGCHLD,
		.cgroup = cgroup_fd >= 0 ? (uint64_t)cgroup_fd : 0,
	};

	return (pid_t)syscall(SYS_clone3, &a, sizeof(a));
}

static int stage_run(struct exec *e, int pid_fd, struct err *err)
{
	pid_t pid;

	close(TAKE_FD(e->sync_fd));
	process_reset_signals();
	if (process_oom_score(e->args->process, err) < 0 ||
	    affinity_apply(e->args->process->exec_cpu_initial, "process.execCPUAffinity.initial", 0,
	                   err) < 0)
		return -1;
	if (lsm_is_wanted(e->args->process)) {
		e->proc_fd = lsm_open_proc(err);
		if (e->proc_fd < 0)
			return -1;
	}
	/* CVE-2016-9962: before we are visible inside, nobody there may trace us or look at our
	 * descriptors. */
	if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0)
		return err_sys(err, errno, "become undumpable");
	if (e->can_be_traced && hide_exe(err) < 0)
		return -1;
	if (setns(e->target_fd, (int)e->state.namespaces) < 0)
		return err_sys(err, errno, "join the namespaces of container '%s'", e->args->id);
	if (e->root_fd >= 0 && shared_root_enter(e->root_fd) < 0)
		return err_sys(err, errno, "enter the root of container '%s'", e->args->id);
	if (e->state.namespaces & CLONE_NEWUSER && ((setresgid(0, 0, 0) < 0 && errno != EINVAL) ||
	                                            (setresuid(0, 0, 0) < 0 && errno != EINVAL)))
		return err_sys(err, errno, "become root of the user namespace");
	umask(0022);
	pid = clone_into(CLONE_PARENT, -1);
	if (pid == 0) {
		close(pid_fd);
		child_main(e);
	}
	if (pid < 0)
		return err_sys(err, errno, "make the process");
	return write(pid_fd, &pid, sizeof(pid)) == sizeof(pid) ? 0 : -1;
}

static int launch(struct exec *e, struct err *err)
{
	struct err child_err = ERR_INIT;
	int fds[2], status, r;
	ssize_t n;
	pid_t stage, pid = -1;
	bool by_systemd = false;

	if (pipe2(fds, O_CLOEXEC) < 0)
		return err_sys(err, errno, "make a pipe");
	/* The stage is born in the container's cgroup, and the process inherits it: from within the
	 * container's namespaces the host's cgroup, which it would come from, cannot be seen. */
	stage = clone_into(0, e->cgroup.fds[CGROUP_UNIFIED]);
	if (stage < 0 && exec_cgroup_elsewhere(&e->state, errno, &e->cgroup, &by_systemd) == 0)
		stage = clone_into(0, e->cgroup.fds[CGROUP_UNIFIED]);
	if (stage == 0) {
		close(fds[0]);
		if ((!by_systemd || scope_attach(e->state.systemd_unit, e->state.systemd_user,
		                                 getpid(), &child_err) == 0) &&
		    stage_run(e, fds[1], &child_err) == 0)
			_exit(0);
		sync_send_err(e->child_sync_fd, &child_err);
		_exit(1);
	}
	close(fds[1]);
	close(TAKE_FD(e->child_sync_fd));
	n = stage > 0 ? read(fds[0], &pid, sizeof(pid)) : -1;
	close(fds[0]);
	if (stage < 0)
		return err_sys(err, errno, "make a process");
	while (waitpid(stage, &status, 0) < 0 && errno == EINTR)
		;
	if (n != sizeof(pid)) {
		r = sync_receive(e->sync_fd, NULL, err);
		return r < 0 ? -1 : err_set(err, E_INTERNAL, "no process was made");
	}
	e->pid = pid;
	e->pidfd = pidfd_open_pid(pid);
	return e->pidfd < 0 ? err_sys(err, -e->pidfd, "open a pidfd") : 0;
}

static int take_console(struct exec *e, int fd, struct err *err)
{
	int r = 0;

	if (fd < 0)
		return err_set(err, E_INTERNAL, "the terminal did not arrive");
	if (!e->args->console_socket) {
		if (e->args->plain_terminal)
			runtime_terminal_plain(fd);
		e->console_fd = fd;
		return 0;
	}
	r = terminal_send(e->args->console_socket, fd, err);
	close(fd);
	return r;
}

static int converse(struct exec *e, struct err *err)
{
	unsigned born_into = e->cgroup.fds[CGROUP_UNIFIED] >= 0 ? CGROUP_BIT(CGROUP_UNIFIED) : 0;
	const struct exec_wait wait = { e->args->state_root_fd, e->args->id, e->pid };

	if (cgroup_send(e->sync_fd, &e->cgroup, e->cgroup.joined & ~born_into, err) < 0)
		return -1;
	for (;;) {
		int fd = -1, r = sync_receive(e->sync_fd, &fd, err);

		if (r < 0)
			return -1;
		if (r == 't' && take_console(e, fd, err) < 0)
			return -1;
		if (r == 0)
			return err_set(err, E_STATE,
			               "the process ended before it was ready: is "
			               "container '%s' still running?",
			               e->args->id);
		if (r == 'r')
			break;
	}
	if (e->ctx.limits_by_caller && process_limits(e->args->process, e->pid, false, err) < 0)
		return -1;
	if (attributes_apply(e->args->process, e->pid, err) < 0 ||
	    sync_tell(e->sync_fd, 's', err) < 0)
		return -1;
	return sync_wait_exec(e->sync_fd, &wait, err);
}

static int run(struct exec *e, struct err *err)
{
	int fds[2], r;

	if (prepare(e, err) < 0)
		return -1;
	r = sync_pair(fds);
	if (r < 0)
		return err_sys(err, -r, "make a socket pair");
	e->sync_fd = fds[0];
	e->child_sync_fd = fds[1];
	if (launch(e, err) < 0)
		return -1;
	return converse(e, err);
}

static void close_fd(int fd)
{
	if (fd >= 0)
		close(fd);
}

int runtime_exec(const struct runtime_exec_args *args, struct runtime_container *ret,
                 struct err *err)
{
	struct exec e = {
		.args = args,
		.cgroup = CGROUP_INIT,
		.ctx = { .landlock_fd = -1, .stage_fd = -1 },
		.target_fd = -1,
		.proc_fd = -1,
		.root_fd = -1,
		.sync_fd = -1,
		.child_sync_fd = -1,
		.pid = -1,
		.pidfd = -1,
		.console_fd = -1,
	};
	int r;

	oci_spec_init(&e.loaded);
	r = run(&e, err);
	if (r == 0) {
		*ret = RUNTIME_CONTAINER_INIT;
		ret->pid = e.pid;
		ret->pidfd = TAKE_FD(e.pidfd);
		ret->console_fd = TAKE_FD(e.console_fd);
	} else if (e.pid > 0) {
		kill(e.pid, SIGKILL);
		while (waitpid(e.pid, NULL, 0) < 0 && errno == EINTR)
			;
	}
	close_fd(e.target_fd);
	close_fd(e.root_fd);
	close_fd(e.sync_fd);
	close_fd(e.child_sync_fd);
	close_fd(e.pidfd);
	close_fd(e.console_fd);
	free(e.filter);
	free(e.ctx.exe);
	cgroup_done(&e.cgroup);
	runtime_state_done(&e.state);
	oci_spec_done(&e.loaded);
	return r;
}
