#include "base/proc.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <spawn.h>
#include <sys/param.h>
#include <sys/wait.h>

extern char **environ;

int proc_exit_code(int wait_status)
{
	if (WIFSIGNALED(wait_status))
		return 128 + WTERMSIG(wait_status);
	return WEXITSTATUS(wait_status);
}

/* Drain both pipes until both are closed; what exceeds the bound is read and dropped. */
static void collect(int fds[2], struct strbuf *const bufs[2], size_t max)
{
	struct pollfd p[2] = { { .fd = fds[0], .events = POLLIN },
		               { .fd = fds[1], .events = POLLIN } };

	while (p[0].fd >= 0 || p[1].fd >= 0) {
		if (poll(p, 2, -1) < 0 && errno != EINTR)
			return;
		for (int i = 0; i < 2; i++) {
			char chunk[4096];
			ssize_t n;

			if (p[i].fd < 0 || !bufs[i] || !p[i].revents)
				continue;
			n = read(p[i].fd, chunk, sizeof(chunk));
			if (n > 0 && bufs[i]->len < max)
				strbuf_add(bufs[i], chunk, MIN((size_t)n, max - bufs[i]->len));
			else if (n == 0 || (n < 0 && errno != EINTR))
				p[i].fd = -1;
		}
	}
}

int proc_run(const struct proc_spec *spec, int *ret_status, struct err *err)
{
	struct strbuf *const bufs[2] = { spec->ret_out, spec->ret_err };
	size_t max = spec->max_output_bytes ? spec->max_output_bytes : 1u << 20;
	int ours[2] = { -1, -1 }, theirs[2] = { -1, -1 };
	posix_spawn_file_actions_t fa;
	pid_t pid = -1;
	int r;

	posix_spawn_file_actions_init(&fa);
	if (spec->stdin_fd >= 0)
		posix_spawn_file_actions_adddup2(&fa, spec->stdin_fd, 0);
	else
		posix_spawn_file_actions_addopen(&fa, 0, "/dev/null", O_RDONLY, 0);
	for (int i = 0; i < 2; i++) {
		int pair[2];

		if (!bufs[i])
			continue;
		if (pipe2(pair, O_CLOEXEC) < 0) {
			r = errno;
			goto out;
		}
		ours[i] = pair[0];
		theirs[i] = pair[1];
		posix_spawn_file_actions_adddup2(&fa, pair[1], i + 1);
	}
	r = posix_spawnp(&pid, spec->argv[0], &fa, NULL, (char *const *)(const void *)spec->argv,
	                 spec->envp ? spec->envp : environ);
	for (int i = 0; i < 2; i++)
		if (theirs[i] >= 0)
			close(TAKE_FD(theirs[i]));
	if (r == 0) {
		collect(ours, bufs, max);
		while (waitpid(pid, ret_status, 0) < 0 && errno == EINTR)
			;
	}
out:
	for (int i = 0; i < 2; i++) {
		if (ours[i] >= 0)
			close(ours[i]);
		if (theirs[i] >= 0)
			close(theirs[i]);
	}
	posix_spawn_file_actions_destroy(&fa);
	return r ? err_sys(err, r, "run '%s'", spec->argv[0]) : 0;
}
