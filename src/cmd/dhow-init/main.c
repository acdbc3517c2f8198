/* dhow-init: process 1 of a container started with --init.
 * Usage: dhow-init -- COMMAND [ARG...]
 * Runs COMMAND as its only child, hands every signal on to it, reaps whatever is orphaned to it,
 * and ends with the command's exit code (128 + N when signal N ended it). Runs from a read-only
 * bind mount inside the container's root, so it is static and opens no file. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define EXIT_ENGINE     125
#define EXIT_NOT_EXEC   126
#define EXIT_NO_COMMAND 127

static void complain(const char *what, int error)
{
	dprintf(STDERR_FILENO, "dhow-init: %s: %s\n", what, strerror(error));
}

/* A signal that means our own code is broken, or that cannot be waited for. */
static int is_fatal(int signal)
{
	return signal == SIGSEGV || signal == SIGBUS || signal == SIGILL || signal == SIGFPE ||
	       signal == SIGTRAP || signal == SIGABRT || signal == SIGSYS;
}

static void signals_to_wait_for(sigset_t *ret)
{
	sigfillset(ret);
	for (int s = 1; s < NSIG; s++)
		if (is_fatal(s))
			sigdelset(ret, s);
}

static void run(char **argv, const sigset_t *old)
{
	/* a group of its own, and the terminal's, so that Ctrl-C reaches it and its children once:
	 * from the terminal, not from us too */
	setpgid(0, 0);
	signal(SIGTTOU, SIG_IGN);
	tcsetpgrp(STDIN_FILENO, getpid());
	signal(SIGTTOU, SIG_DFL);
	sigprocmask(SIG_SETMASK, old, NULL);
	execvp(argv[0], argv);
	complain(argv[0], errno);
	_exit(errno == ENOENT ? EXIT_NO_COMMAND : EXIT_NOT_EXEC);
}

/* Reap all that have ended. Returns the exit code of `child`, or -1 while it runs. */
static int reap(pid_t child)
{
	int code = -1, status;
	pid_t pid;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0 || (pid < 0 && errno == EINTR))
		if (pid == child)
			code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
	return code;
}

int main(int argc, char **argv)
{
	char **command = argv + 1;
	sigset_t all, old;
	pid_t child;
	int code = -1;

	if (*command && !strcmp(*command, "--"))
		command++;
	if (!*command) {
		dprintf(STDERR_FILENO, "usage: dhow-init -- COMMAND [ARG...]\n");
		return EXIT_ENGINE;
	}
	signals_to_wait_for(&all);
	sigprocmask(SIG_SETMASK, &all, &old);
	child = fork();
	if (child < 0) {
		complain("fork", errno);
		return EXIT_ENGINE;
	}
	if (child == 0)
		run(command, &old);
	while (code < 0) {
		int s = sigwaitinfo(&all, NULL);

		if (s == SIGCHLD)
			code = reap(child);
		else if (s > 0 && s != SIGTTIN && s != SIGTTOU)
			kill(child, s);
	}
	return code;
}
