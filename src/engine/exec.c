/* exec: a command in a running container. The command's process is our child, so a foreground
 * exec needs no monitor: we move the bytes and take the exit code ourselves. */
#include "base/fd.h"
#include "base/xalloc.h"
#include "engine/engine-internal.h"
#include "engine/exec-internal.h"
#include "engine/spec-build.h"
#include "engine/terminal.h"
#include "engine/user.h"
#include "image/image.h"
#include "runtime/runtime.h"
#include "sys/pidfd.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/wait.h>

struct exec {
	struct engine *e;
	const struct exec_args *args;
	struct container_row row;
	struct container_options opts;
	struct image image;
	struct oci_spec spec;
	struct runtime_container process;
	pid_t init;
	int init_pidfd;
	struct exec_io io;
	int theirs[3];
};

/* Namespaces are joined by way of init, whatever they were shared with when it started. */
static int find_no_peer(void *ctx, const char *name, struct spec_peer *ret, struct err *err)
{
	struct exec *x = ctx;

	ret->pid = x->init;
	snprintf(ret->id, sizeof(ret->id), "%s", x->row.id);
	return 0;
}

static int set_user(struct exec *x, struct err *err)
{
	struct user_identity u __attribute__((cleanup(user_identity_done))) = { 0 };
	struct oci_process *p = &x->spec.process;
	struct oci_user *user = &p->user;
	const char *who = x->args->user ?: x->opts.user ?: x->image.config.user;
	AUTO_FD root = -1;
	char path[32];

	snprintf(path, sizeof(path), "/proc/%d/root", x->init);
	root = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (root < 0)
		return err_sys(err, errno, "open the root of container '%s'", x->row.name);
	if (pidfd_wait_exit(x->init_pidfd, 0) == 1) /* the pid may be another's by now */
		return err_set(err, E_STATE, "container '%s' is not running", x->row.name);
	if (user_lookup(root, who, &x->opts.group_add, &u, err) < 0)
		return -1;
	user->uid = u.uid;
	user->gid = u.gid;
	free(user->additional_gids);
	user->additional_gids = NULL;
	user->n_additional_gids = 0;
	for (size_t i = 0; i < u.group_count; i++)
		VEC_PUSH(user->additional_gids, user->n_additional_gids, u.groups[i]);
	if (!strv_get_env(&p->env, "HOME"))
		strv_set_env(&p->env, "HOME", u.home);
	return 0;
}

static int set_env(struct exec *x, struct err *err)
{
	AUTO_STRV given = STRV_INIT;
	struct strv *env = &x->spec.process.env;

	if (env_build(NULL, &x->args->env_file, &x->args->env, NULL, &given, err) < 0)
		return -1;
	if (x->args->tty && !strv_get_env(env, "TERM"))
		strv_set_env(env, "TERM", "xterm");
	for (size_t i = 0; i < given.len; i++) {
		char *equals = strchr(given.items[i], '=');

		if (!equals)
			continue;
		*equals = '\0';
		strv_set_env(env, given.items[i], equals + 1);
	}
	return 0;
}

/* The process as the container's own would be, with what was asked for changed. */
static int prepare(struct exec *x, struct err *err)
{
	struct image_store *images = engine_images(x->e, err);
	struct oci_process *p = &x->spec.process;
	struct spec_build_env env = {
		.id = x->row.id,
		.name = x->row.name,
		.root_path = x->e->root_path,
		.container_path = x->e->root_path,
		.init_path = "/",
		.rootless = x->e->rootless,
		.find_peer = find_no_peer,
		.find_peer_ctx = x,
	};

	if (!images || container_options_load(x->e, x->row.id, &x->opts, err) < 0 ||
	    image_resolve(images, x->row.image_id, &x->image, err) < 0)
		return -1;
	if (x->args->privileged)
		x->opts.privileged = true;
	oci_spec_done(&x->spec);
	if (spec_build(&x->opts, &x->image.config, &env, &x->spec, err) < 0)
		return -1;
	strv_done(&p->args);
	strv_add_all(&p->args, x->args->argv.items);
	p->terminal = x->args->tty;
	if (x->args->workdir) {
		if (x->args->workdir[0] != '/')
			return err_set(err, E_INVALID, "--workdir '%s' is not an absolute path",
			               x->args->workdir);
		free(p->cwd);
		p->cwd = xstrdup(x->args->workdir);
	}
	return set_env(x, err) < 0 || set_user(x, err) < 0 ? -1 : 0;
}

static int make_pipes(struct exec *x, struct err *err)
{
	if (x->args->tty || x->args->detach)
		return 0;
	for (int i = 0; i < 3; i++) {
		int ends[2];

		if (i == 0 && !x->args->interactive)
			continue;
		if (pipe2(ends, O_CLOEXEC) < 0)
			return err_sys(err, errno, "make a pipe");
		x->theirs[i] = ends[i == 0 ? 0 : 1];
		x->io.fds[i] = ends[i == 0 ? 1 : 0];
	}
	return 0;
}

static void close_theirs(struct exec *x)
{
	for (int i = 0; i < 3; i++)
		if (x->theirs[i] >= 0)
			close(TAKE_FD(x->theirs[i]));
}

static int launch(struct exec *x, struct err *err)
{
	struct runtime_exec_args args = {
		.id = x->row.id,
		.process = &x->spec.process,
		.spec = &x->spec,
	};

	args.state_root_fd = engine_state_root(x->e, err);
	if (args.state_root_fd < 0)
		return -1;
	memcpy(args.stdio, x->theirs, sizeof(args.stdio));
	engine_release(x->e);
	if (runtime_exec(&args, &x->process, err) < 0) {
		close(args.state_root_fd);
		return -1;
	}
	close(args.state_root_fd);
	close_theirs(x);
	if (x->process.console_fd >= 0) {
		x->io.fds[1] = TAKE_FD(x->process.console_fd);
		if (x->args->interactive)
			x->io.fds[0] = fd_dup(x->io.fds[1]);
	}
	return 0;
}

static int exec_row(struct exec *x, int *ret_exit_code, struct err *err)
{
	int status = 0;

	if (x->row.status == CONTAINER_PAUSED) {
		err_set(err, E_STATE, "container '%s' is paused", x->row.name);
		return err_hint(err, "dhow unpause %s", x->row.name);
	}
	if (x->row.status != CONTAINER_RUNNING) {
		err_set(err, E_STATE, "container '%s' is not running", x->row.name);
		return err_hint(err, "dhow start %s", x->row.name);
	}
	if (detach_keys_parse(x->args->detach_keys, &x->io.keys, err) < 0 ||
	    container_pidfd(x->e, x->row.id, &x->init, &x->init_pidfd, err) < 0 ||
	    prepare(x, err) < 0 || make_pipes(x, err) < 0 || launch(x, err) < 0)
		return -1;
	if (x->args->detach) {
		*ret_exit_code = 0;
		return 0;
	}
	x->io.tty = x->args->tty;
	x->io.pidfd = x->process.pidfd;
	if (exec_pump(&x->io, err) < 0)
		return -1;
	if (x->io.detached) {
		*ret_exit_code = 0;
		return 0;
	}
	while (waitpid(x->process.pid, &status, 0) < 0)
		if (errno != EINTR)
			return err_sys(err, errno, "wait for the command");
	*ret_exit_code = WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
	return 0;
}

int container_exec(struct engine *e, const char *ref, const struct exec_args *args,
                   int *ret_exit_code, struct err *err)
{
	struct exec x = {
		.e = e,
		.args = args,
		.process = RUNTIME_CONTAINER_INIT,
		.init_pidfd = -1,
		.io = { .fds = { -1, -1, -1 }, .pidfd = -1 },
		.theirs = { -1, -1, -1 },
	};
	int r;

	container_options_init(&x.opts);
	oci_spec_init(&x.spec);
	r = container_get(e, ref, &x.row, err);
	if (r == 0)
		r = exec_row(&x, ret_exit_code, err);
	close_theirs(&x);
	for (int i = 0; i < 3; i++)
		if (x.io.fds[i] >= 0)
			close(x.io.fds[i]);
	if (x.init_pidfd >= 0)
		close(x.init_pidfd);
	runtime_container_done(&x.process);
	oci_spec_done(&x.spec);
	image_done(&x.image);
	container_options_done(&x.opts);
	container_row_done(&x.row);
	return r;
}
