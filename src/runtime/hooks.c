#include "runtime/internal.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/proc.h"
#include "sys/pidfd.h"

extern char **environ;

static int open_output(const char *path)
{
	if (!path)
		return open("/dev/null", O_RDWR | O_CLOEXEC);
	return open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
}

/* In the hook's process: the state on standard input, the environment exactly as configured (an
 * image must not reach a hook through LD_PRELOAD: CVE-2025-23266). */
static void NORETURN hook_child(const struct oci_hook *h, const struct hook_place *place, int in_fd,
                                int err_fd)
{
	static char *no_env[] = { NULL };
	char *no_args[] = { h->path, NULL };
	int out = open_output(place->out_path), err = err_fd;
	struct err e = ERR_INIT;

	process_reset_signals();
	if (place->err_path)
		err = open_output(place->err_path);
	dup2(in_fd, 0);
	if (out >= 0)
		dup2(out, 1);
	if (err >= 0)
		dup2(err, 2);
	if (place->bundle && chdir(place->bundle) < 0) {
		dprintf(2, "chdir '%s': %s", place->bundle, strerror(errno));
		_exit(127);
	}
	if (place->confined && process_confine(place->confined, &e) < 0) {
		dprintf(2, "%s", e.msg);
		_exit(127);
	}
	close_range(3, ~0u, 0);
	execve(h->path, h->args.len ? h->args.items : no_args, h->env.len ? h->env.items : no_env);
	dprintf(2, "exec: %s", strerror(errno));
	_exit(127);
}

static void keep_tail(char *tail, size_t size, int fd)
{
	ssize_t n = read(fd, tail, size - 1);

	tail[n > 0 ? n : 0] = '\0';
	for (char *p = tail; *p; p++)
		if (*p == '\n')
			*p = p[1] ? ' ' : '\0';
}

static int run_one(const struct oci_hook *h, const struct hook_place *place, const char *state_json,
                   struct err *err)
{
	int timeout_ms = h->timeout_s == OCI_UNSET ? -1
	                 : h->timeout_s > 2000000  ? 2000000000
	                                           : (int)h->timeout_s * 1000;
	int in[2], out[2], status = 0;
	AUTO_FD pidfd = -1;
	char tail[300] = "";
	pid_t pid;
	int done;

	/* A socket, so that a state that the hook does not read neither blocks nor kills us. */
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, in) < 0)
		return err_sys(err, errno, "make a socket");
	if (pipe2(out, O_CLOEXEC | O_NONBLOCK) < 0) {
		close(in[0]);
		close(in[1]);
		return err_sys(err, errno, "make a pipe");
	}
	pid = fork();
	if (pid == 0)
		hook_child(h, place, in[1], out[1]);
	close(in[1]);
	close(out[1]);
	if (pid > 0) {
		pidfd = pidfd_open_pid(pid);
		(void)!send(in[0], state_json, strlen(state_json), MSG_NOSIGNAL);
	}
	close(in[0]);
	if (pid < 0) {
		close(out[0]);
		return err_sys(err, errno, "fork");
	}
	done = pidfd_wait_exit(pidfd, timeout_ms);
	if (done == 0)
		kill(pid, SIGKILL);
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	keep_tail(tail, sizeof(tail), out[0]);
	close(out[0]);
	if (done == 0)
		return err_set(err, E_TIMEOUT, "'%s' did not end within %lld s", h->path,
		               (long long)h->timeout_s);
	if (status == 0)
		return 0;
	if (WIFSIGNALED(status))
		return err_set(err, E_STATE, "'%s' was killed by signal %d", h->path,
		               WTERMSIG(status));
	return err_set(err, E_STATE, "'%s' failed with status %d%s%s", h->path, WEXITSTATUS(status),
	               *tail ? ": " : "", tail);
}

int hooks_run(const struct oci_hooks *hooks, const char *what, const struct hook_place *place,
              const char *state_json, struct err *err)
{
	for (size_t i = 0; i < hooks->count; i++)
		if (run_one(&hooks->items[i], place, state_json, err) < 0)
			return err_ctx(err, "hooks.%s[%zu]", what, i);
	return 0;
}

int hooks_run_all(const struct oci_hooks *hooks, const char *what, const struct hook_place *place,
                  const char *state_json, struct err *err)
{
	int r = 0;

	for (size_t i = 0; i < hooks->count; i++) {
		struct err e = ERR_INIT;

		if (run_one(&hooks->items[i], place, state_json, &e) == 0 || r < 0)
			continue;
		*err = e;
		r = err_ctx(err, "hooks.%s[%zu]", what, i);
	}
	return r;
}

struct hook_place hook_place(const char *bundle, const struct oci_keyval *annotations, size_t n)
{
	struct hook_place p = { .bundle = bundle };

	for (size_t i = 0; i < n; i++) {
		if (strcmp(annotations[i].key, "run.oci.hooks.stdout") == 0)
			p.out_path = annotations[i].value;
		else if (strcmp(annotations[i].key, "run.oci.hooks.stderr") == 0)
			p.err_path = annotations[i].value;
	}
	return p;
}
