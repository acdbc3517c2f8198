/* The new process: from clone to execve. Single-threaded, not dumpable, with the caller's memory
 * copied; it reports over the sync socket and never prints. */
#include "runtime/internal.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/keyctl.h>
#include <net/if.h>
#include <sched.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "base/xalloc.h"
#include "sys/rootfs.h"

int init_wait_cgroup(struct runtime_sandbox *s, struct err *err)
{
	if (s->cgroup_ready)
		return 0;
	if (cgroup_receive(s->child_sync_fd, err) < 0)
		return -1;
	s->cgroup_ready = true;
	if (s->args->flags & RUNTIME_SYSTEMD && s->scope.unit) {
		/* only known since systemd has made it */
		free(s->plan.cgroup_path);
		s->plan.cgroup_path = scope_cgroup(0, err);
		if (!s->plan.cgroup_path)
			return -1;
	}
	if (s->plan.new_cgroup_ns && unshare(CLONE_NEWCGROUP) < 0)
		return err_sys(err, errno, "linux.namespaces: make a cgroup namespace");
	return 0;
}

static int become_root(struct runtime_sandbox *s, struct err *err)
{
	if (s->plan.clone_flags & CLONE_NEWUSER && !s->plan.needs_stage &&
	    sync_expect(s->child_sync_fd, 'm', err) < 0)
		return -1;
	if (!s->spec->linux_.ns[OCI_NS_USER].wanted)
		return 0;
	/* EINVAL: the mapping has no id 0; the capabilities are there all the same. */
	if (setresgid(0, 0, 0) < 0 && errno != EINVAL)
		return err_sys(err, errno, "become group 0 of the user namespace");
	if (setresuid(0, 0, 0) < 0 && errno != EINVAL)
		return err_sys(err, errno, "become user 0 of the user namespace");
	return 0;
}

static void loopback_up(void)
{
	struct ifreq req = { .ifr_name = "lo" };
	AUTO_FD fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	/* A new network namespace without a working lo surprises programs, but is no failure. */
	req.ifr_flags = IFF_UP | IFF_RUNNING;
	if (fd >= 0)
		(void)ioctl(fd, SIOCSIFFLAGS, &req);
}

static int set_names(const struct oci_spec *spec, struct err *err)
{
	/* A joined uts namespace keeps the name it has. */
	if (spec->linux_.ns[OCI_NS_UTS].path || spec->linux_.ns[OCI_NS_UTS].fd >= 0)
		return 0;
	if (spec->hostname && sethostname(spec->hostname, strlen(spec->hostname)) < 0)
		return err_sys(err, errno, "hostname: set '%s'", spec->hostname);
	if (spec->domainname && setdomainname(spec->domainname, strlen(spec->domainname)) < 0)
		return err_sys(err, errno, "domainname: set '%s'", spec->domainname);
	return 0;
}

static int new_keyring(struct runtime_sandbox *s)
{
	AUTO_FREE char *name = xasprintf("_ses.%s", s->args->id);

	/* Keys of the caller's session must not be reachable. Kernels without keyrings, a full
	 * quota or a filter around us are not a reason to fail. */
	return (int)syscall(SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, name);
}

static int namespaces_and_names(struct runtime_sandbox *s, struct err *err)
{
	unsigned staged =
		(s->plan.needs_stage ? 1u << OCI_NS_USER | 1u << OCI_NS_PID | 1u << OCI_NS_TIME
	                             : 0) |
		s->ns_joined;

	/* In a pid namespace of its own nobody is there yet who could look. */
	if (s->plan.ns_join[OCI_NS_PID] && !s->spec->linux_.ns[OCI_NS_USER].wanted &&
	    hide_exe(err) < 0)
		return -1;
	/* CVE-2016-9962: nothing inside may trace us or reach our descriptors and our program. */
	if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0)
		return err_sys(err, errno, "become undumpable");
	if (ns_join_all(s->ns_fds, staged | 1u << OCI_NS_CGROUP | 1u << OCI_NS_MOUNT, err) < 0)
		return -1;
	if (setsid() < 0 && errno != EPERM)
		return err_sys(err, errno, "make a session");
	if (!(s->args->flags & RUNTIME_NO_NEW_KEYRING))
		(void)new_keyring(s);
	if (s->plan.clone_flags & CLONE_NEWNET)
		loopback_up();
	return set_names(s->spec, err);
}

static int create_container_hooks(struct runtime_sandbox *s, struct err *err)
{
	const struct oci_hooks *h = &s->spec->hooks[OCI_HOOK_CREATE_CONTAINER];
	AUTO_FREE char *state = NULL;
	struct hook_place place;

	if (!h->count)
		return 0;
	state = state_format_creating(s, RUNTIME_CREATED, getpid());
	/* In a joined mount namespace the bundle is another's, or nowhere. */
	place = hook_place(s->plan.ns_join[OCI_NS_MOUNT] ? NULL : s->args->bundle_path,
	                   s->spec->annotations, s->spec->n_annotations);
	return hooks_run(h, "createContainer", &place, state, err);
}

static bool has_caller_hooks(const struct oci_spec *spec)
{
	return spec->hooks[OCI_HOOK_PRESTART].count || spec->hooks[OCI_HOOK_CREATE_RUNTIME].count;
}

static int set_sysctls(struct runtime_sandbox *s, struct err *err)
{
	const struct oci_linux *l = &s->spec->linux_;
	AUTO_FD sys = -1;

	if (!l->n_sysctl)
		return 0;
	sys = open("/proc/sys", O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (sys < 0)
		return err_sys(err, errno, "linux.sysctl: open '/proc/sys'");
	for (size_t i = 0; i < l->n_sysctl; i++) {
		const char *key = l->sysctl[i].key, *value = l->sysctl[i].value;
		AUTO_FREE char *path = NULL;
		AUTO_FD fd = -1;

		path = plan_sysctl_path(key);
		/* CVE-2025-52881: never through a mount or a link inside procfs. */
		fd = rootfs_open_beneath(sys, path, O_WRONLY | O_NOFOLLOW, 0);
		if (fd < 0)
			return err_sys(err, -fd, "linux.sysctl: '%s'", key);
		if (write(fd, value, strlen(value)) < 0)
			return err_sys(err, errno, "linux.sysctl: set '%s' to '%s'", key, value);
	}
	return 0;
}

/* The container's terminal: opened on its own devpts, bound over /dev/console. */
static int open_console(struct runtime_sandbox *s, int root_fd, int *ret_slave, struct err *err)
{
	AUTO_FD pts = rootfs_open_nolinks(root_fd, "dev/pts", O_PATH | O_DIRECTORY, 0);
	AUTO_FD master = -1, slave = -1, target = -1;
	int r;

	if (pts < 0)
		return err_sys(err, -pts, "process.terminal: open '/dev/pts' of the container");
	if (terminal_open(pts, &s->spec->process, &master, &slave, err) < 0)
		return -1;
	if (s->plan.setup_dev) {
		target = rootfs_open_nolinks(root_fd, "dev", O_PATH | O_DIRECTORY, 0);
		r = target < 0 ? target : init_bind_console(target, slave);
		if (r < 0)
			return err_sys(err, -r, "process.terminal: bind '/dev/console'");
	}
	r = sync_send_fd(s->child_sync_fd, 't', master);
	if (r < 0)
		return err_sys(err, -r, "process.terminal: hand over");
	*ret_slave = TAKE_FD(slave);
	return 0;
}

/* As the other runtimes do; what stands in the way shows when it is entered. */
static void make_cwd(struct runtime_sandbox *s, int root_fd)
{
	const char *cwd = s->spec->process.cwd;
	int fd = cwd && strcmp(cwd, "/") != 0 ? rootfs_mkdir_all(root_fd, cwd, 0755) : -1;

	if (fd >= 0)
		close(fd);
}

static int build_root(struct runtime_sandbox *s, int *ret_slave, struct err *err)
{
	AUTO_FD root = -1;

	if (init_mount_root(s, &root, err) < 0 || init_mount_all(s, &root, err) < 0 ||
	    init_devices(s, root, err) < 0)
		return -1;
	make_cwd(s, root);
	if (s->spec->process.terminal && open_console(s, root, ret_slave, err) < 0)
		return -1;
	if (init_wait_cgroup(s, err) < 0 ||
	    ns_join_all(s->ns_fds, ~(1u << OCI_NS_CGROUP) | s->ns_joined, err) < 0)
		return -1;
	if (has_caller_hooks(s->spec)) {
		if (sync_send(s->child_sync_fd, 'h') < 0)
			return err_set(err, E_INTERRUPTED, "the runtime is gone");
		if (sync_expect(s->child_sync_fd, 'h', err) < 0)
			return -1;
	}
	if (create_container_hooks(s, err) < 0 || init_pivot(s, root, err) < 0 ||
	    set_sysctls(s, err) < 0)
		return -1;
	return init_hide_paths(s, err);
}

static void quit(int signal)
{
	_exit(128 + signal);
}

/* The first process of a pid namespace is deaf to signals that it does not handle: until it
 * executes something, which takes the handlers away, it ends as a program would. */
static void end_by_signals(void)
{
	static const int signals[] = { SIGTERM, SIGINT, SIGHUP, SIGQUIT };

	for (size_t i = 0; i < ARRAY_LEN(signals); i++)
		(void)signal(signals[i], quit);
}

/* Block until somebody starts the container. Returns the descriptor that reports errors and, by
 * closing at execve, success. */
static int wait_start(struct runtime_sandbox *s, struct err *err)
{
	char c;

	if (s->listen_fd < 0)
		return sync_expect(s->child_sync_fd, 's', err) < 0 ? -1 : s->child_sync_fd;
	/* Only once the state is written may we outlive the caller: a container that nobody knows
	 * of would wait for ever. */
	if (sync_expect(s->child_sync_fd, 'd', err) < 0)
		return -1;
	close(TAKE_FD(s->child_sync_fd));
	end_by_signals();
	for (;;) {
		int fd = accept4(s->listen_fd, NULL, NULL, SOCK_CLOEXEC);

		if (fd < 0 && errno == EINTR)
			continue;
		if (fd < 0)
			return err_sys(err, errno, "wait to be started");
		if (recv(fd, &c, 1, 0) == 1 && c == 's') {
			s->child_sync_fd = fd;
			(void)sync_send(fd, 'k');
			return fd;
		}
		close(fd); /* a starter that died at once */
	}
}

/* Their programs are the container's: they may do what its process may, and no more. */
static int start_container_hooks(struct runtime_sandbox *s, const struct process_context *c,
                                 struct err *err)
{
	const struct oci_hooks *h = &s->spec->hooks[OCI_HOOK_START_CONTAINER];
	AUTO_FREE char *state = NULL;

	if (!h->count)
		return 0;
	state = state_format_creating(s, RUNTIME_CREATED, getpid());
	return hooks_run(h, "startContainer", &(struct hook_place){ .confined = c }, state, err);
}

/* Directories of the host (bundle, state, cgroups) and what the caller has open must not be reached
 * through a container that is not started yet. */
static int keep_descriptors(const struct runtime_sandbox *s, const struct process_context *c,
                            struct err *err)
{
	const int keep[] = {
		s->child_sync_fd,
		s->listen_fd,
		c->stage_fd,
		c->landlock_fd,
		c->lsm ? c->lsm->apparmor_fd : -1,
		c->lsm ? c->lsm->selinux_fd : -1,
	};

	return process_keep_fds(3 + c->preserve_fds, keep, ARRAY_LEN(keep), err);
}

/* The specification lets a container without a process be created, but not be started. */
static int wait_for_nothing(struct runtime_sandbox *s, const struct process_context *c,
                            struct err *err)
{
	if (keep_descriptors(s, c, err) < 0)
		return -1;
	if (sync_send(s->child_sync_fd, 'r') < 0)
		return err_set(err, E_INTERRUPTED, "the runtime is gone");
	if (wait_start(s, err) < 0)
		return -1;
	return err_set(err, E_INVALID, "process: is missing, so there is nothing to start");
}

static int open_labels(struct process_context *c, struct lsm *ret, struct err *err)
{
	AUTO_FD proc = -1;

	if (!lsm_is_wanted(c->process))
		return 0;
	proc = lsm_open_proc(err);
	if (proc < 0 || lsm_open(c->process, proc, ret, err) < 0)
		return -1;
	c->lsm = ret;
	return 0;
}

static int init_run(struct runtime_sandbox *s, struct err *err)
{
	struct process_context c = {
		.process = &s->spec->process,
		.filter = s->plan.filter,
		.filter_len = s->plan.filter_len,
		.filter_flags = s->plan.filter_flags,
		.landlock = s->spec->linux_.landlock.present ? &s->spec->linux_.landlock : NULL,
		.landlock_fd = -1,
		.stage_fd = -1,
		.seccomp = &s->spec->linux_.seccomp,
		.preserve_fds = s->args->preserve_fds,
		.listen_fds = s->args->listen_fds,
		.limits_by_caller = s->spec->linux_.ns[OCI_NS_USER].wanted,
	};
	AUTO_FD slave = -1;
	AUTO_LSM lsm = LSM_INIT;

	if (become_root(s, err) < 0 || open_labels(&c, &lsm, err) < 0 ||
	    process_oom_score(c.process, err) < 0 || namespaces_and_names(s, err) < 0 ||
	    build_root(s, &slave, err) < 0 || process_personality(&s->spec->linux_, err) < 0 ||
	    memory_policy_apply(&s->spec->linux_.memory_policy, err) < 0)
		return -1;
	if (!s->spec->has_process)
		return wait_for_nothing(s, &c, err);
	if (process_stdio(c.process, s->args->stdio, slave, err) < 0)
		return -1;
	(void)TAKE_FD(slave); /* 0 to 2 are it; closed with all others */
	/* The last word on descriptors: 0 to 2, those to be passed on, and nothing else. */
	if (close_range(3 + c.preserve_fds, ~0u, CLOSE_RANGE_CLOEXEC) < 0)
		return err_sys(err, errno, "close_range");
	if (process_prepare(&c, err) < 0 || keep_descriptors(s, &c, err) < 0)
		return -1;
	if (sync_send(s->child_sync_fd, 'r') < 0)
		return err_set(err, E_INTERRUPTED, "the runtime is gone");
	if (wait_start(s, err) < 0 || start_container_hooks(s, &c, err) < 0)
		return -1;
	return process_execute(&c, s->child_sync_fd, err);
}

void init_main(struct runtime_sandbox *s)
{
	struct err err = ERR_INIT;

	/* The caller's locks and end of the socket must not live on here. */
	if (s->sync_fd >= 0)
		close(s->sync_fd);
	if (s->state_dir_fd >= 0)
		close(s->state_dir_fd);
	process_reset_signals();
	umask(0022);
	init_run(s, &err);
	sync_send_err(s->child_sync_fd, &err);
	_exit(err_exit_status(&err));
}
