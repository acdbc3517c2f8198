/* What is done to a container that exists: kill, delete, pause, resume, update, ps. */
#include "runtime/internal.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "base/fd.h"
#include "base/xalloc.h"
#include "codec/json.h"
#include "sys/pidfd.h"

#define KILL_WAIT_MS  10000
#define THAW_AFTER_MS 500

static int state_and_cgroup(int root_fd, const char *id, struct runtime_state *st,
                            struct cgroup *cg, struct err *err)
{
	if (runtime_state(root_fd, id, st, err) < 0)
		return -1;
	return runtime_cgroup(st, cg, err);
}

static int wrong_state(const struct runtime_state *st, const char *verb, struct err *err)
{
	return err_set(err, E_STATE, "cannot %s container '%s': it is %s", verb, st->id,
	               runtime_status_name(st->status));
}

/* containerd looks for exactly "container not running". */
static int not_running(const char *id, struct err *err)
{
	return err_set(err, E_STATE, "container not running: '%s'", id);
}

/* Without a pid namespace of its own the end of its first process is not that of the others: a
 * SIGKILL is meant for all. */
static bool reaches_all(const struct runtime_state *st, const struct cgroup *cg, int signal)
{
	return signal == SIGKILL && !(st->namespaces & CLONE_NEWPID) && cg->joined;
}

static bool has_processes(struct cgroup *cg)
{
	pid_t *pids = NULL;
	size_t n = 0;

	if (cgroup_pids(cg, &pids, &n, ERR_IGNORE) < 0)
		n = 0;
	free(pids);
	return n > 0;
}

int runtime_kill(int state_root_fd, const char *id, int signal, unsigned flags, struct err *err)
{
	AUTO_STATE st = { 0 };
	AUTO_CGROUP cg = CGROUP_INIT;
	AUTO_FD pidfd = -1;
	int r;

	if (state_and_cgroup(state_root_fd, id, &st, &cg, err) < 0)
		return -1;
	if (flags & RUNTIME_KILL_ALL && cg.joined)
		return cgroup_kill_all(&cg, signal, err);
	if (reaches_all(&st, &cg, signal) && (st.status != RUNTIME_STOPPED || has_processes(&cg)))
		return cgroup_kill_all(&cg, signal, err);
	if (st.status == RUNTIME_STOPPED)
		return flags & RUNTIME_KILL_ALL ? 0 : not_running(id, err);
	pidfd = pidfd_open_exact(st.pid, st.start_ticks);
	if (pidfd < 0)
		return not_running(id, err);
	r = pidfd_signal(pidfd, signal);
	if (r < 0)
		return err_sys(err, -r, "send signal %d to container '%s'", signal, id);
	/* A frozen process takes its death only when it is thawed (v1's freezer). */
	if (st.status == RUNTIME_PAUSED && signal == SIGKILL)
		(void)cgroup_freeze(&cg, false, ERR_IGNORE);
	return 0;
}

/* Somebody may have moved it into a frozen cgroup of his own (v1), where SIGKILL waits. */
static void thaw_elsewhere(pid_t pid)
{
	AUTO_FREE char *file = xasprintf("/proc/%d/cgroup", pid);
	AUTO_FREE char *text = NULL;
	AUTO_CGROUP cg = CGROUP_INIT;
	size_t len = 0;
	char *path;

	if (file_read_at(AT_FDCWD, file, 65536, &text, &len, ERR_IGNORE) < 0)
		return;
	path = strstr(text, ":freezer:");
	if (!path)
		return;
	path += strlen(":freezer:");
	path[strcspn(path, "\n")] = '\0';
	if (cgroup_open(&cg, path, CGROUP_BIT(CGROUP_FREEZER), ERR_IGNORE) == 0 && cg.joined)
		(void)cgroup_freeze(&cg, false, ERR_IGNORE);
}

static int kill_and_wait(struct runtime_state *st, struct cgroup *cg, struct err *err)
{
	AUTO_FD pidfd = pidfd_open_exact(st->pid, st->start_ticks);
	int r;

	if (pidfd < 0)
		return 0;
	r = pidfd_signal(pidfd, SIGKILL);
	if (r < 0 && r != -ESRCH)
		return err_sys(err, -r, "kill container '%s'", st->id);
	if (st->status == RUNTIME_PAUSED)
		(void)cgroup_freeze(cg, false, ERR_IGNORE);
	r = pidfd_wait_exit(pidfd, THAW_AFTER_MS);
	if (r == 0) {
		thaw_elsewhere(st->pid);
		r = pidfd_wait_exit(pidfd, KILL_WAIT_MS);
	}
	if (r == 0)
		return err_set(err, E_TIMEOUT, "container '%s' did not end within %d s of SIGKILL",
		               st->id, KILL_WAIT_MS / 1000);
	/* Reap it where it is our child (run); elsewhere its parent does. */
	(void)waitpid(st->pid, NULL, WNOHANG);
	return 0;
}

static void remove_state(int state_root_fd, const char *id)
{
	AUTO_FD dir = openat(state_root_fd, id, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	if (dir < 0)
		return;
	unlinkat(dir, "start", 0);
	unlinkat(dir, "config.json", 0);
	unlinkat(dir, "cgroup", 0);
	unlinkat(dir, "state.json", 0);
	/* Stays when the engine keeps files of its own there. */
	unlinkat(state_root_fd, id, AT_REMOVEDIR);
}

/* Files that were being written when it was killed (file_write_atomic_at). */
static void remove_temporary(int dir_fd)
{
	int fd = openat(dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *e;

	if (!dir) {
		if (fd >= 0)
			close(fd);
		return;
	}
	while ((e = readdir(dir)))
		if (strncmp(e->d_name, "state.json.", 11) == 0 ||
		    strncmp(e->d_name, "config.json.", 12) == 0)
			unlinkat(dir_fd, e->d_name, 0);
	closedir(dir);
}

/* What a creation that was killed half-way leaves: its processes end by themselves, a cgroup and a
 * directory do not. */
static int remove_unfinished(int state_root_fd, const char *id, struct err *err)
{
	AUTO_FD dir = state_dir_open(state_root_fd, id, ERR_IGNORE);
	AUTO_FREE char *path = NULL;
	AUTO_CGROUP cg = CGROUP_INIT;
	size_t len;

	if (dir < 0)
		return 0;
	if (flock(dir, LOCK_EX | LOCK_NB) < 0)
		return err_set(err, E_BUSY, "container '%s' is being created", id);
	if (file_read_at(dir, "cgroup", 8192, &path, &len, ERR_IGNORE) == 0 && path[0] != '/')
		(void)scope_stop(path, scope_is_users(), ERR_IGNORE);
	else if (path && cgroup_open(&cg, path, cgroup_layout_get()->available, ERR_IGNORE) == 0)
		cgroup_remove(&cg, false, ERR_IGNORE);
	if (shared_root_remove(dir, err) < 0)
		return -1;
	remove_temporary(dir);
	remove_state(state_root_fd, id);
	return 0;
}

int runtime_delete(int state_root_fd, const char *id, bool force, struct err *err)
{
	AUTO_STATE st = { 0 };
	AUTO_CGROUP cg = CGROUP_INIT;
	AUTO_FREE char *text = NULL;
	struct err e = ERR_INIT;
	int r = 0;

	if (runtime_state(state_root_fd, id, &st, &e) < 0) {
		if (force && (e.code == E_NOT_FOUND || e.code == E_CORRUPT))
			return remove_unfinished(state_root_fd, id, err);
		*err = e;
		return -1;
	}
	if (runtime_cgroup(&st, &cg, err) < 0)
		return -1;
	if (st.status != RUNTIME_STOPPED) {
		if (!force && st.status != RUNTIME_CREATED) {
			wrong_state(&st, "delete", err);
			return err_hint(err, "stop it first, or use --force");
		}
		if (kill_and_wait(&st, &cg, err) < 0)
			return -1;
		st.status = RUNTIME_STOPPED;
		st.pid = 0;
	}
	/* Directories that were there before belong to somebody else, and may hold others. */
	for (int h = 0; h < CGROUP_MAX; h++)
		if (!(st.cgroup_made & CGROUP_BIT(h)) && cg.fds[h] >= 0)
			close(TAKE_FD(cg.fds[h]));
	/* The scope ends with its last process; a unit that stays would hold the name. */
	if (st.systemd_unit) {
		(void)cgroup_kill_all(&cg, SIGKILL, ERR_IGNORE);
		if (scope_stop(st.systemd_unit, st.systemd_user, err) < 0 && !force)
			return -1;
	}
	if (cgroup_remove(&cg, true, err) < 0)
		return -1;
	if (st.rdt.group)
		rdt_leave(&st.rdt, id);
	if (st.shares_mounts) {
		AUTO_FD dir = state_dir_open(state_root_fd, id, err);

		if (dir < 0 || shared_root_remove(dir, err) < 0)
			return -1;
	}
	if (st.poststop.count) {
		struct hook_place place = hook_place(st.bundle, st.annotations, st.n_annotations);

		text = runtime_state_format(&st, false);
		/* A warning: the container is gone all the same. */
		r = hooks_run_all(&st.poststop, "poststop", &place, text, err) < 0 ? 1 : 0;
	}
	remove_state(state_root_fd, id);
	return r;
}

int runtime_pause(int state_root_fd, const char *id, struct err *err)
{
	AUTO_STATE st = { 0 };
	AUTO_CGROUP cg = CGROUP_INIT;

	if (state_and_cgroup(state_root_fd, id, &st, &cg, err) < 0)
		return -1;
	if (st.status != RUNTIME_RUNNING && st.status != RUNTIME_CREATED)
		return wrong_state(&st, "pause", err);
	if (!cg.joined)
		return err_set(err, E_UNSUPPORTED,
		               "cannot pause container '%s': it has no cgroup of its own", id);
	return cgroup_freeze(&cg, true, err);
}

int runtime_resume(int state_root_fd, const char *id, struct err *err)
{
	AUTO_STATE st = { 0 };
	AUTO_CGROUP cg = CGROUP_INIT;

	if (state_and_cgroup(state_root_fd, id, &st, &cg, err) < 0)
		return -1;
	if (st.status != RUNTIME_PAUSED)
		return wrong_state(&st, "resume", err);
	return cgroup_freeze(&cg, false, err);
}

int runtime_ps(int state_root_fd, const char *id, pid_t **ret_pids, size_t *ret_count,
               struct err *err)
{
	AUTO_STATE st = { 0 };
	AUTO_CGROUP cg = CGROUP_INIT;

	if (state_and_cgroup(state_root_fd, id, &st, &cg, err) < 0)
		return -1;
	if (cg.joined)
		return cgroup_pids(&cg, ret_pids, ret_count, err);
	*ret_pids = xcalloc(1, sizeof(pid_t));
	(*ret_pids)[0] = st.pid;
	*ret_count = st.pid > 0;
	return 0;
}

/* Remember hierarchies that were joined later. */
static int rewrite_joined(int state_root_fd, const char *id, const struct cgroup *cg, unsigned made,
                          struct err *err)
{
	AUTO_FD dir = state_dir_open(state_root_fd, id, err);
	AUTO_FREE char *text = NULL;
	AUTO_JSON *obj = NULL;
	const char *out;
	size_t len;

	if (dir < 0 || file_read_at(dir, "state.json", 1u << 20, &text, &len, err) < 0 ||
	    json_parse("state.json", text, len, &obj, err) < 0)
		return -1;
	json_add_u64(obj, "cgroupJoined", cg->joined);
	json_add_u64(obj, "cgroupMade", made);
	out = json_text(obj, false);
	return file_write_atomic_at(dir, "state.json", out, strlen(out), 0600, 0, err);
}

/* A limit for a controller that the container has not joined: make its directory, and move every
 * process, until none is left outside. */
static int join_late(struct cgroup *cg, unsigned wanted, struct err *err)
{
	unsigned before = cg->joined, fresh;

	if (cgroup_create(cg, cg->path, wanted, err) < 0)
		return -1;
	fresh = cg->joined & ~before;
	for (int round = 0; fresh && round < 100; round++) {
		AUTO_FREE pid_t *pids = NULL;
		AUTO_FREE pid_t *moved = NULL;
		size_t n = 0, n_moved = 0, left = 0;
		struct cgroup view = CGROUP_INIT;
		int h = __builtin_ctz(fresh);

		view.fds[h] = cg->fds[h];
		if (cgroup_pids(cg, &pids, &n, err) < 0 ||
		    cgroup_pids(&view, &moved, &n_moved, err) < 0)
			return -1;
		for (size_t i = 0; i < n; i++) {
			size_t j = 0;
			struct err e = ERR_INIT;

			while (j < n_moved && moved[j] != pids[i])
				j++;
			if (j < n_moved)
				continue;
			left++;
			if (cgroup_attach_in(cg, fresh, pids[i], &e) < 0 && e.sys != ESRCH) {
				*err = e;
				return -1;
			}
		}
		if (!left)
			break;
	}
	return 0;
}

int runtime_update_rdt(int state_root_fd, const char *id, const char *l3, const char *mem_bw,
                       struct err *err)
{
	AUTO_STATE st = { 0 };
	AUTO_FD root = -1;

	if (runtime_state(state_root_fd, id, &st, err) < 0)
		return -1;
	if (!st.rdt.group)
		return err_set(err, E_STATE,
		               "cannot update container '%s': it is in no Intel RDT class "
		               "(linux.intelRdt)",
		               id);
	root = rdt_open(err);
	return root < 0 ? -1 : rdt_update(root, st.rdt.group, l3, mem_bw, err);
}

int runtime_update(int state_root_fd, const char *id, const struct oci_resources *r,
                   struct err *err)
{
	const struct cgroup_layout *l = cgroup_layout_get();
	unsigned needed = resources_controllers(r), missing = 0;
	AUTO_STATE st = { 0 };
	AUTO_CGROUP cg = CGROUP_INIT;

	if (state_and_cgroup(state_root_fd, id, &st, &cg, err) < 0)
		return -1;
	if (st.status == RUNTIME_STOPPED)
		return wrong_state(&st, "update", err);
	if (!cg.path)
		return err_set(err, E_UNSUPPORTED,
		               "cannot update container '%s': it has no cgroup of its own", id);
	for (int c = 0; c < CGROUP_MAX; c++) {
		if (!(needed & CGROUP_BIT(c)))
			continue;
		if (!(l->available & CGROUP_BIT(c)))
			return err_set(err, E_UNSUPPORTED,
			               "this host has no cgroup controller '%s'",
			               cgroup_controller_name(c, false));
		if (!(cg.joined & CGROUP_BIT(cgroup_hierarchy_of(c))))
			missing |= CGROUP_BIT(c);
	}
	if (missing) {
		if (join_late(&cg, missing, err) < 0 ||
		    rewrite_joined(state_root_fd, id, &cg, st.cgroup_made | cg.made, err) < 0)
			return -1;
	}
	/* Told to systemd first, which would else undo it when it looks at the unit again. */
	if (st.systemd_unit && scope_update(st.systemd_unit, st.systemd_user, r, err) < 0)
		return -1;
	if (resources_apply(&cg, r, err) < 0)
		return -1;
	return device_rules_update(&cg, r, err);
}
