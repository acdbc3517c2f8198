/* The built-in isolator: Linux namespaces, by clone3. */
#include "runtime/internal.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include <linux/sched.h>

#include "base/fd.h"
#include "sys/idmap.h"
#include "sys/pidfd.h"

#ifndef CLONE_INTO_CGROUP
#	define CLONE_INTO_CGROUP 0x200000000ULL
#endif

static pid_t clone_process(uint64_t flags, int cgroup_fd, int *ret_pidfd)
{
	struct clone_args a = {
		.flags = flags | (ret_pidfd ? CLONE_PIDFD : 0) |
		         (cgroup_fd >= 0 ? CLONE_INTO_CGROUP : 0),
		.pidfd = (uintptr_t)ret_pidfd,
		.exit_signal = flags & CLONE_PARENT ? 0 : SIGCHLD,
		.cgroup = cgroup_fd >= 0 ? (uint64_t)cgroup_fd : 0,
	};

	return (pid_t)syscall(SYS_clone3, &a, sizeof(a));
}

static int map_ids(struct runtime_sandbox *s, pid_t pid, struct err *err)
{
	const struct oci_linux *l = &s->spec->linux_;

	/* struct oci_idmap and struct idmap are the same three numbers in two layers. */
	_Static_assert(sizeof(struct oci_idmap) == sizeof(struct idmap), "layout");
	if (idmap_write(pid, (const struct idmap *)(const void *)l->uid_mappings, l->n_uid_mappings,
	                (const struct idmap *)(const void *)l->gid_mappings, l->n_gid_mappings,
	                err) < 0)
		return err_ctx(err, "linux.uidMappings, linux.gidMappings");
	if (sync_send(s->sync_fd, 'm') < 0)
		return err_set(err, E_IO, "the new process ended early");
	return 0;
}

static int clone_failed(struct err *err, int errno_value, uint64_t flags)
{
	err_sys(err, errno_value, "make the container's process");
	if (errno_value == ENOSPC || errno_value == EUSERS)
		return err_hint(err, "the limit in /proc/sys/user/max_*_namespaces is reached");
	if (errno_value == EPERM && flags & CLONE_NEWUSER)
		return err_hint(err, "user namespaces are not permitted here: see "
		                     "/proc/sys/kernel/unprivileged_userns_clone");
	if (errno_value == EPERM)
		return err_hint(err, "namespaces take root, or a user namespace with id mappings");
	return -1;
}

static int launch_direct(struct runtime_sandbox *s, int cgroup_fd, struct err *err)
{
	pid_t pid = clone_process(s->plan.clone_flags, cgroup_fd, &s->pidfd);

	if (pid == 0)
		init_main(s);
	if (pid < 0)
		return clone_failed(err, errno, s->plan.clone_flags);
	s->pid = pid;
	if (s->plan.clone_flags & CLONE_NEWUSER)
		return map_ids(s, pid, err);
	return 0;
}

static int write_time_offsets(const struct oci_linux *l, struct err *err)
{
	char text[160] = "";
	AUTO_FD fd = open("/proc/self/timens_offsets", O_WRONLY | O_CLOEXEC);

	if (l->time_monotonic.present)
		snprintf(text, sizeof(text), "monotonic %lld %u\n",
		         (long long)l->time_monotonic.secs, l->time_monotonic.nanosecs);
	if (l->time_boottime.present)
		snprintf(text + strlen(text), sizeof(text) - strlen(text), "boottime %lld %u\n",
		         (long long)l->time_boottime.secs, l->time_boottime.nanosecs);
	if (fd < 0 || write(fd, text, strlen(text)) < 0)
		return err_sys(err, errno, "linux.timeOffsets: set");
	return 0;
}

/* Between caller and init, where init must be born in namespaces that cannot be entered by clone3:
 * joined user, pid and time namespaces, and a time namespace whose clocks are set first. Init
 * is made with CLONE_PARENT, so that it is the caller's child. The stage is born in the container's
 * cgroup: a joined user namespace has no right to move anything there. */
static int stage_enter(struct runtime_sandbox *s, struct err *err)
{
	const struct oci_linux *l = &s->spec->linux_;
	unsigned later = ~(1u << OCI_NS_USER | 1u << OCI_NS_PID | 1u << OCI_NS_TIME);

	/* Namespaces of the host's are joined with the host's rights, while there are any. */
	if (l->ns[OCI_NS_USER].wanted && ns_join_before_user(s, err) < 0)
		return -1;
	if (s->plan.clone_flags & CLONE_NEWUSER) {
		if (unshare(CLONE_NEWUSER) < 0)
			return clone_failed(err, errno, CLONE_NEWUSER);
		if (sync_send(s->child_sync_fd, 'u') < 0)
			return err_set(err, E_INTERRUPTED, "the runtime is gone");
		if (sync_expect(s->child_sync_fd, 'm', err) < 0)
			return -1;
	}
	if (ns_join_all(s->ns_fds, later | s->ns_joined, err) < 0)
		return -1;
	if (l->ns[OCI_NS_USER].wanted && ((setresgid(0, 0, 0) < 0 && errno != EINVAL) ||
	                                  (setresuid(0, 0, 0) < 0 && errno != EINVAL)))
		return err_sys(err, errno, "become root of the user namespace");
	return 0;
}

static int stage_run(struct runtime_sandbox *s, int pid_fd, struct err *err)
{
	const struct oci_linux *l = &s->spec->linux_;
	uint64_t flags = s->plan.clone_flags & ~(uint64_t)CLONE_NEWUSER;
	pid_t pid;

	if (stage_enter(s, err) < 0)
		return -1;
	if (l->time_monotonic.present || l->time_boottime.present) {
		if (unshare(CLONE_NEWTIME) < 0)
			return err_sys(err, errno, "linux.namespaces: make a time namespace");
		if (write_time_offsets(l, err) < 0)
			return -1;
		flags &= ~(uint64_t)CLONE_NEWTIME;
	}
	pid = clone_process(flags | CLONE_PARENT, -1, NULL);
	if (pid == 0) {
		close(pid_fd);
		init_main(s);
	}
	if (pid < 0)
		return clone_failed(err, errno, flags);
	return write(pid_fd, &pid, sizeof(pid)) == sizeof(pid) ? 0 : -1;
}

static int launch_staged(struct runtime_sandbox *s, int cgroup_fd, struct err *err)
{
	int pipe_fds[2], status, r = 0;
	struct err child_err = ERR_INIT;
	ssize_t n = 0;
	pid_t stage, pid = -1;

	if (pipe2(pipe_fds, O_CLOEXEC) < 0)
		return err_sys(err, errno, "make a pipe");
	stage = clone_process(0, cgroup_fd, NULL);
	if (stage == 0) {
		close(pipe_fds[0]);
		if (stage_run(s, pipe_fds[1], &child_err) == 0)
			_exit(0);
		sync_send_err(s->child_sync_fd, &child_err);
		_exit(1);
	}
	close(pipe_fds[1]);
	/* so that its end is seen, whenever it comes */
	close(TAKE_FD(s->child_sync_fd));
	if (stage < 0) {
		close(pipe_fds[0]);
		return clone_failed(err, errno, s->plan.clone_flags);
	}
	if (s->plan.clone_flags & CLONE_NEWUSER) {
		/* An 'e' says why it is not made. */
		r = sync_expect(s->sync_fd, 'u', err);
		if (r == 0)
			r = map_ids(s, stage, err);
	}
	if (r < 0)
		kill(stage, SIGKILL);
	else
		n = read(pipe_fds[0], &pid, sizeof(pid));
	close(pipe_fds[0]);
	while (waitpid(stage, &status, 0) < 0 && errno == EINTR)
		;
	if (r < 0)
		return -1;
	if (n != sizeof(pid)) {
		r = sync_receive(s->sync_fd, NULL, err);
		return r < 0 ? -1 : err_set(err, E_INTERNAL, "no process was made");
	}
	s->pid = pid;
	s->pidfd = pidfd_open_pid(pid);
	return s->pidfd < 0 ? err_sys(err, -s->pidfd, "open a pidfd") : 0;
}

static int check(const struct runtime_create_args *args, struct err *err)
{
	const struct oci_spec *spec = args->spec;

	if (spec->vm.present) {
		err_set(err, E_UNSUPPORTED,
		        "vm: the container asks for a virtual machine, and namespaces are the one "
		        "isolation there is here");
		return err_hint(err,
		                "remove vm from the configuration, or use a runtime for machines");
	}
	if (!args->mount_rootfs && !spec->root_path)
		return err_set(err, E_INVALID, "root.path: is missing");
	return 0;
}

static int launch(struct runtime_sandbox *s, struct err *err)
{
	int cgroup_fd = s->cgroup.fds[CGROUP_UNIFIED];

	if (s->plan.needs_stage)
		return launch_staged(s, cgroup_fd, err);
	return launch_direct(s, cgroup_fd, err);
}

const struct isolator isolator_namespaces = {
	.name = "namespaces",
	.check = check,
	.launch = launch,
};
