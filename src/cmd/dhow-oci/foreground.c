/* The caller of a foreground `run` or `exec`: its terminal and its signals become the container's.
 */
#include "oci.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <termios.h>

#include "base/fd.h"
#include "base/proc.h"
#include "sys/pidfd.h"

static struct termios saved_mode;
static bool mode_is_saved;

static void restore_mode(void)
{
	if (mode_is_saved)
		tcsetattr(0, TCSANOW, &saved_mode);
}

static void raw_mode(void)
{
	struct termios raw;

	if (tcgetattr(0, &saved_mode) < 0)
		return;
	mode_is_saved = true;
	atexit(restore_mode);
	raw = saved_mode;
	cfmakeraw(&raw);
	/* Lines are ended by this terminal, not by the container's (runtime_terminal_plain). */
	raw.c_oflag |= OPOST;
	tcsetattr(0, TCSANOW, &raw);
}

static void copy_size(int console_fd)
{
	struct winsize size;

	if (ioctl(0, TIOCGWINSZ, &size) == 0)
		ioctl(console_fd, TIOCSWINSZ, &size);
}

/* One chunk from one end to the other; false at its end. EIO: the terminal's last user is gone. */
static bool relay(int from, int to)
{
	char buf[8192];
	ssize_t n = read(from, buf, sizeof(buf));

	if (n < 0)
		return errno == EINTR || errno == EAGAIN;
	return n > 0 && fd_write_all(to, buf, (size_t)n) == 0;
}

static void handle_signal(int signal_fd, int pidfd, int console_fd)
{
	struct signalfd_siginfo info;

	if (read(signal_fd, &info, sizeof(info)) != sizeof(info))
		return;
	if (info.ssi_signo == SIGWINCH) {
		if (console_fd >= 0)
			copy_size(console_fd);
		return;
	}
	if (info.ssi_signo != SIGCHLD)
		(void)pidfd_signal(pidfd, (int)info.ssi_signo);
}

int oci_foreground(pid_t pid, int pidfd, int console_fd)
{
	enum { EXIT, SIGNALS, MASTER, INPUT };
	struct pollfd p[] = {
		[EXIT] = { .fd = pidfd, .events = POLLIN },
		[SIGNALS] = { .fd = -1, .events = POLLIN },
		[MASTER] = { .fd = console_fd, .events = POLLIN },
		[INPUT] = { .fd = console_fd >= 0 ? 0 : -1, .events = POLLIN },
	};
	int status = 0;
	sigset_t set;

	/* All that can be passed on; those the kernel raises against ourselves stay ours. */
	sigfillset(&set);
	sigdelset(&set, SIGCHLD);
	sigdelset(&set, SIGSEGV);
	sigdelset(&set, SIGBUS);
	sigdelset(&set, SIGILL);
	sigdelset(&set, SIGFPE);
	sigdelset(&set, SIGABRT);
	sigdelset(&set, SIGTSTP);
	sigdelset(&set, SIGTTIN);
	sigdelset(&set, SIGTTOU);
	sigdelset(&set, SIGPIPE);
	sigprocmask(SIG_BLOCK, &set, NULL);
	p[SIGNALS].fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	if (console_fd >= 0) {
		raw_mode();
		copy_size(console_fd);
	}
	for (;;) {
		if (poll(p, 4, -1) < 0) {
			if (errno == EINTR)
				continue;
			break;
		}
		if (p[SIGNALS].revents)
			handle_signal(p[SIGNALS].fd, pidfd, console_fd);
		if (p[MASTER].revents && !relay(console_fd, 1))
			p[MASTER].fd = -1;
		if (p[INPUT].revents && !relay(0, console_fd))
			p[INPUT].fd = -1;
		if (p[EXIT].revents)
			break;
	}
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	/* What it wrote last is still in the terminal. */
	if (console_fd >= 0 && p[MASTER].fd >= 0) {
		fd_set_nonblock(console_fd, true);
		for (int i = 0; i < 64; i++) {
			struct pollfd rest = { .fd = console_fd, .events = POLLIN };

			if (poll(&rest, 1, 0) <= 0 || !(rest.revents & POLLIN) ||
			    !relay(console_fd, 1))
				break;
		}
	}
	if (p[SIGNALS].fd >= 0)
		close(p[SIGNALS].fd);
	restore_mode();
	mode_is_saved = false;
	return proc_exit_code(status);
}
