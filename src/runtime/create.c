/* runtime_create and runtime_start: the caller's side. */
#include "runtime/internal.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <poll.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>

#include "base/fd.h"
#include "base/xalloc.h"
#include "sys/caps.h"

void runtime_container_done(struct runtime_container *c)
{
	if (c->pidfd >= 0)
		close(c->pidfd);
	if (c->console_fd >= 0)
		close(c->console_fd);
	if (c->start_fd >= 0)
		close(c->start_fd);
	*c = RUNTIME_CONTAINER_INIT;
}

static void close_fd(int *fd)
{
	if (*fd >= 0)
		close(TAKE_FD(*fd));
}

void sandbox_done(struct runtime_sandbox *s)
{
	close_fd(&s->state_dir_fd);
	close_fd(&s->sync_fd);
	close_fd(&s->child_sync_fd);
	close_fd(&s->shared_root_fd);
	close_fd(&s->listen_fd);
	close_fd(&s->pidfd);
	close_fd(&s->console_fd);
	for (int i = 0; i < OCI_NS_MAX; i++)
		if (s->ns_fds[i] != s->spec->linux_.ns[i].fd)
			close_fd(&s->ns_fds[i]);
	for (size_t i = 0; s->mount_sources && i < s->plan.n_mounts; i++)
		close_fd(&s->mount_sources[i]);
	free(s->mount_sources);
	netdevs_done(s->netdevs);
	cgroup_done(&s->cgroup);
	rdt_done(&s->rdt);
	plan_done(&s->plan);
}

static struct hook_place sandbox_hook_place(const struct runtime_sandbox *s)
{
	return hook_place(s->args->bundle_path, s->spec->annotations, s->spec->n_annotations);
}

/* Undo, in reverse, after a failure. */
void sandbox_undo(struct runtime_sandbox *s)
{
	netdevs_undo(s);
	if (s->pid > 0) {
		kill(s->pid, SIGKILL); /* our own unreaped child: the pid is still its */
		while (waitpid(s->pid, NULL, 0) < 0 && errno == EINTR)
			;
	}
	for (int h = 0; h < CGROUP_MAX; h++)
		if (!(s->cgroup.made & CGROUP_BIT(h)))
			close_fd(&s->cgroup.fds[h]);
	if (s->scope.unit && s->cgroup.made)
		scope_stop(s->scope.unit, s->scope.user, ERR_IGNORE);
	cgroup_remove(&s->cgroup, true, ERR_IGNORE);
	if (s->rdt.group)
		rdt_leave(&s->rdt, s->args->id);
	/* runtime-spec: after a failing hook the life cycle goes on at its end. */
	if (s->ran_hooks && s->spec->hooks[OCI_HOOK_POSTSTOP].count) {
		AUTO_FREE char *state = state_format_creating(s, RUNTIME_STOPPED, 0);

		struct hook_place place = sandbox_hook_place(s);

		hooks_run_all(&s->spec->hooks[OCI_HOOK_POSTSTOP], "poststop", &place, state,
		              ERR_IGNORE);
	}
	if (s->state_dir_fd < 0)
		return;
	if (s->shared_root_fd >= 0)
		shared_root_remove(s->state_dir_fd, ERR_IGNORE);
	unlinkat(s->state_dir_fd, "start", 0);
	unlinkat(s->state_dir_fd, "state.json", 0);
	unlinkat(s->state_dir_fd, "config.json", 0);
	unlinkat(s->state_dir_fd, "cgroup", 0);
	if (s->made_dir)
		unlinkat(s->args->state_root_fd, s->args->id, AT_REMOVEDIR);
}

int make_state_dir(struct runtime_sandbox *s, struct err *err)
{
	const char *id = s->args->id;
	int root = s->args->state_root_fd;

	s->made_dir = mkdirat(root, id, 0700) == 0;
	if (!s->made_dir && errno != EEXIST)
		return err_sys(err, errno, "make the state directory of '%s'", id);
	s->state_dir_fd = openat(root, id, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (s->state_dir_fd < 0)
		return err_sys(err, errno, "open the state directory of '%s'", id);
	/* Ours to fill unless another creation holds it or has finished in it. The lock ends with
	 * this process, however it ends. */
	if (flock(s->state_dir_fd, LOCK_EX | LOCK_NB) < 0 ||
	    (!s->made_dir && faccessat(s->state_dir_fd, "state.json", F_OK, 0) == 0)) {
		close_fd(&s->state_dir_fd);
		s->made_dir = false;
		return err_set(err, E_EXISTS, "container '%s' exists already", id);
	}
	return 0;
}

static int make_start_socket(struct runtime_sandbox *s, struct err *err)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };

	if (s->args->flags & RUNTIME_START_BY_FD)
		return 0;
	s->listen_fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	snprintf(addr.sun_path, sizeof(addr.sun_path), "/proc/self/fd/%d/start", s->state_dir_fd);
	unlinkat(s->state_dir_fd, "start", 0);
	if (s->listen_fd < 0 || bind(s->listen_fd, (struct sockaddr *)&addr, sizeof(addr)) < 0 ||
	    listen(s->listen_fd, 1) < 0)
		return err_sys(err, errno, "make the start socket of '%s'", s->args->id);
	return 0;
}

static int join_rdt(struct runtime_sandbox *s, struct err *err)
{
	const struct oci_intel_rdt *r = &s->spec->linux_.intel_rdt;
	AUTO_FD root = -1;

	if (!r->present)
		return 0;
	root = rdt_open(err);
	return root < 0 ? -1 : rdt_join(root, r, s->args->id, s->pid, &s->rdt, err);
}

/* ---- the conversation ---- */

static int run_caller_hooks(struct runtime_sandbox *s, struct err *err)
{
	/* The environment is there, which is what "created" means to a hook. */
	AUTO_FREE char *state = state_format_creating(s, RUNTIME_CREATED, s->pid);
	struct hook_place place = sandbox_hook_place(s);
	const struct oci_hooks *hooks = s->spec->hooks;

	s->ran_hooks = true;
	if (hooks_run(&hooks[OCI_HOOK_PRESTART], "prestart", &place, state, err) < 0 ||
	    hooks_run(&hooks[OCI_HOOK_CREATE_RUNTIME], "createRuntime", &place, state, err) < 0)
		return -1;
	return sync_tell(s->sync_fd, 'h', err);
}

static int take_console(struct runtime_sandbox *s, int fd, struct err *err)
{
	if (fd < 0)
		return err_set(err, E_INTERNAL, "the terminal did not arrive");
	if (!s->args->console_socket) {
		s->console_fd = fd;
		return 0;
	}
	if (terminal_send(s->args->console_socket, fd, err) < 0) {
		close(fd);
		return -1;
	}
	close(fd);
	return 0;
}

static int init_died(struct runtime_sandbox *s, struct err *err)
{
	int status = 0;

	while (waitpid(s->pid, &status, 0) < 0 && errno == EINTR)
		;
	s->pid = -1;
	err_set(err, E_INTERNAL, "the container's first process ended before it was ready (%s %d)",
	        WIFSIGNALED(status) ? "signal" : "status",
	        WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status));
	if (WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL &&
	    s->spec->linux_.resources.memory_limit != OCI_UNSET)
		err_hint(err, "the memory limit may be too small to start in");
	return -1;
}

static int converse(struct runtime_sandbox *s, struct err *err)
{
	for (;;) {
		int fd = -1, r = sync_receive(s->sync_fd, &fd, err);

		if (r < 0)
			return -1;
		if (r == 't' && take_console(s, fd, err) < 0)
			return -1;
		if (r != 't' && fd >= 0)
			close(fd);
		if (r == 'h' && run_caller_hooks(s, err) < 0)
			return -1;
		if (r == 0)
			return init_died(s, err);
		if (r == 'r')
			return create_cgroup_delegate(s, err);
	}
}

int save_config(struct runtime_sandbox *s, struct err *err)
{
	AUTO_FREE char *text = NULL;

	if (!(s->args->flags & RUNTIME_SAVE_CONFIG))
		return 0;
	text = oci_spec_format(s->spec, false);
	return file_write_atomic_at(s->state_dir_fd, "config.json", text, strlen(text), 0600, 0,
	                            err);
}

void sandbox_init(struct runtime_sandbox *s, const struct runtime_create_args *args)
{
	*s = (struct runtime_sandbox){
		.args = args,
		.spec = args->spec,
		.cgroup = CGROUP_INIT,
		.state_dir_fd = -1,
		.sync_fd = -1,
		.child_sync_fd = -1,
		.shared_root_fd = -1,
		.listen_fd = -1,
		.pid = -1,
		.pidfd = -1,
		.console_fd = -1,
	};
	for (int i = 0; i < OCI_NS_MAX; i++)
		s->ns_fds[i] = -1;
}

static int create(struct runtime_sandbox *s, struct err *err)
{
	const struct isolator *isolator =
		s->args->isolator ? s->args->isolator : &isolator_namespaces;
	unsigned wanted = 0;
	int fds[2], r;

	if (isolator->check(s->args, err) < 0 ||
	    lsm_check(&s->spec->process, s->spec->linux_.mount_label, NULL, err) < 0 ||
	    plan_make(&s->plan, s->spec, s->args->id, err) < 0 || make_state_dir(s, err) < 0 ||
	    make_start_socket(s, err) < 0 || ns_open_all(s, err) < 0 ||
	    shared_root_make(s, err) < 0 || mount_sources_open(s, err) < 0 ||
	    create_cgroup_prepare(s, &wanted, err) < 0)
		return -1;
	r = sync_pair(fds);
	if (r < 0)
		return err_sys(err, -r, "make a socket pair");
	s->sync_fd = fds[0];
	s->child_sync_fd = fds[1];
	if (isolator->launch(s, err) < 0)
		return -1;
	close_fd(&s->child_sync_fd);
	close_fd(&s->listen_fd);
	if (netdevs_move(s, err) < 0)
		return -1;
	if (create_cgroup_join(s, wanted, err) < 0 || save_config(s, err) < 0 ||
	    join_rdt(s, err) < 0 || converse(s, err) < 0)
		return -1;
	affinity_reset(s->pid);
	if (attributes_apply(&s->spec->process, s->pid, err) < 0)
		return -1;
	if (s->spec->linux_.ns[OCI_NS_USER].wanted &&
	    process_limits(&s->spec->process, s->pid, false, err) < 0)
		return -1;
	if (state_write(s, err) < 0)
		return -1;
	return s->args->flags & RUNTIME_START_BY_FD ? 0 : sync_tell(s->sync_fd, 'd', err);
}

int runtime_create(const struct runtime_create_args *args, struct runtime_container *ret,
                   struct err *err)
{
	struct runtime_sandbox s;
	int r;

	sandbox_init(&s, args);
	if (!runtime_id_is_valid(args->id))
		return err_set(err, E_INVALID,
		               "'%s' is not a container id: use letters, digits and "
		               "_ + - .",
		               args->id);
	r = create(&s, err);
	if (r < 0) {
		sandbox_undo(&s);
	} else {
		*ret = RUNTIME_CONTAINER_INIT;
		ret->pid = s.pid;
		ret->pidfd = TAKE_FD(s.pidfd);
		ret->console_fd = TAKE_FD(s.console_fd);
		if (args->flags & RUNTIME_START_BY_FD)
			ret->start_fd = TAKE_FD(s.sync_fd);
	}
	sandbox_done(&s);
	return r;
}

/* ---- start ---- */

static int connect_start(int dir_fd, const char *id, struct err *err)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	AUTO_FD fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return err_sys(err, errno, "make a socket");
	snprintf(addr.sun_path, sizeof(addr.sun_path), "/proc/self/fd/%d/start", dir_fd);
	if (connect(fd, (struct sockaddr *)&addr, sizeof(addr)) == 0)
		return TAKE_FD(fd);
	if (errno == ENOENT || errno == ECONNREFUSED)
		return err_set(err, E_STATE, "container '%s' is not in the state 'created'", id);
	return err_sys(err, errno, "connect to the start socket of '%s'", id);
}

/* Most containers have none: not worth the parse. */
static bool has_poststart(int state_root_fd, const char *id)
{
	AUTO_FREE char *path = xasprintf("%s/state.json", id);
	AUTO_FREE char *text = NULL;
	size_t len;

	return file_read_at(state_root_fd, path, 1u << 20, &text, &len, ERR_IGNORE) == 0 &&
	       strstr(text, "\"poststart\"");
}

static int run_poststart(int state_root_fd, const char *id, struct err *err)
{
	AUTO_STATE st = { 0 };
	AUTO_FREE char *text = NULL;
	struct hook_place place;

	if (!has_poststart(state_root_fd, id))
		return 0;
	if (runtime_state(state_root_fd, id, &st, err) < 0)
		return -1;
	text = runtime_state_format(&st, false);
	place = hook_place(st.bundle, st.annotations, st.n_annotations);
	if (hooks_run(&st.poststart, "poststart", &place, text, err) == 0)
		return 0;
	/* runtime-spec 1.3: a failing poststart hook fails the start, and the container is taken
	 * down as by delete. */
	(void)runtime_delete(state_root_fd, id, true, ERR_IGNORE);
	return -1;
}

int runtime_start(int state_root_fd, const char *id, int start_fd, struct err *err)
{
	AUTO_FD dir = state_dir_open(state_root_fd, id, err);
	AUTO_FD own = -1;
	int fd = start_fd, r;

	if (dir < 0)
		return -1;
	if (fd < 0) {
		own = connect_start(dir, id, err);
		if (own < 0)
			return -1;
		fd = own;
	}
	if (sync_send(fd, 's') < 0)
		return err_set(err, E_STATE, "start '%s': its process is gone", id);
	/* Without the answer another starter was first, and this connection was never taken. */
	if (own >= 0 && (r = sync_receive(own, NULL, err)) != 'k')
		return r < 0 ? -1
		             : err_set(err, E_STATE, "container '%s' is not in the state 'created'",
		                       id);
	r = sync_wait_exec(fd, &(struct exec_wait){ state_root_fd, id, 0 }, err);
	unlinkat(dir, "start", 0);
	if (r < 0)
		return -1;
	return run_poststart(state_root_fd, id, err);
}
