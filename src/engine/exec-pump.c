#include "base/fd.h"
#include "engine/exec-internal.h"
#include "sys/pidfd.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <unistd.h>

#define CHUNK 32768
/* A terminal's last output comes a moment after its process is gone. */
#define DRAIN_TTY_MS 200

struct pump {
	struct exec_io *io;
	int signals;
	bool read_stdin;
	bool keys_on;
	char in[CHUNK + DETACH_KEYS_MAX];
	size_t in_len, in_sent;
};

static void close_fd(struct exec_io *io, int i)
{
	if (io->fds[i] >= 0)
		close(TAKE_FD(io->fds[i]));
}

/* Returns 1 when something came, 0 when nothing is there now, -1 at an error of ours. */
static int copy_out(struct exec_io *io, int i, struct err *err)
{
	char buf[CHUNK];
	ssize_t n = read(io->fds[i], buf, sizeof(buf));
	int r;

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return 0;
	if (n <= 0) {
		close_fd(io, i);
		return 0;
	}
	r = fd_write_all(i == 2 ? STDERR_FILENO : STDOUT_FILENO, buf, (size_t)n);
	return r < 0 ? err_sys(err, -r, "write the command's output") : 1;
}

static void send_input(struct pump *p)
{
	while (p->in_sent < p->in_len) {
		ssize_t n = write(p->io->fds[0], p->in + p->in_sent, p->in_len - p->in_sent);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN)
			return;
		if (n < 0) { /* it does not read any more */
			p->read_stdin = false;
			close_fd(p->io, 0);
			break;
		}
		p->in_sent += (size_t)n;
	}
	p->in_len = p->in_sent = 0;
	if (!p->read_stdin && !p->io->tty)
		close_fd(p->io, 0);
}

static void take_input(struct pump *p)
{
	char buf[CHUNK];
	ssize_t n = read(STDIN_FILENO, buf, sizeof(buf));

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) {
		p->read_stdin = false;
	} else if (p->keys_on) {
		p->io->detached = detach_keys_feed(&p->io->keys, buf, (size_t)n, p->in, &p->in_len);
	} else {
		memcpy(p->in, buf, (size_t)n);
		p->in_len = (size_t)n;
	}
	send_input(p);
}

static void copy_size(const struct exec_io *io)
{
	struct winsize size;

	if (io->tty && ioctl(STDIN_FILENO, TIOCGWINSZ, &size) == 0)
		ioctl(io->fds[1], TIOCSWINSZ, &size);
}

static void take_signals(struct pump *p)
{
	struct signalfd_siginfo info;

	while (read(p->signals, &info, sizeof(info)) == sizeof(info)) {
		if (info.ssi_signo == SIGCONT)
			terminal_raw_again();
		if (info.ssi_signo == SIGWINCH || info.ssi_signo == SIGCONT)
			copy_size(p->io);
		if (signal_is_proxied((int)info.ssi_signo))
			pidfd_signal(p->io->pidfd, (int)info.ssi_signo);
	}
}

static int drain(struct exec_io *io, struct err *err)
{
	for (int i = 1; i < 3; i++) {
		while (io->fds[i] >= 0) {
			struct pollfd pfd = { .fd = io->fds[i], .events = POLLIN };
			int r = copy_out(io, i, err);

			if (r < 0)
				return -1;
			if (r == 0 &&
			    (!io->tty || io->fds[i] < 0 || poll(&pfd, 1, DRAIN_TTY_MS) <= 0))
				break;
		}
	}
	return 0;
}

static int loop(struct pump *p, struct err *err)
{
	struct exec_io *io = p->io;

	for (;;) {
		bool sending = p->in_sent < p->in_len;
		struct pollfd fds[6] = {
			{ .fd = io->pidfd, .events = POLLIN },
			{ .fd = p->signals, .events = POLLIN },
			{ .fd = io->fds[1], .events = POLLIN },
			{ .fd = io->fds[2], .events = POLLIN },
			{ .fd = sending ? io->fds[0] : -1, .events = POLLOUT },
			{ .fd = p->read_stdin && !sending ? STDIN_FILENO : -1, .events = POLLIN },
		};

		if (poll(fds, 6, -1) < 0 && errno != EINTR)
			return err_sys(err, errno, "poll");
		if (fds[1].revents)
			take_signals(p);
		for (int i = 1; i < 3; i++)
			if (fds[i + 1].revents && copy_out(io, i, err) < 0)
				return -1;
		if (fds[4].revents)
			send_input(p);
		if (fds[5].revents)
			take_input(p);
		if (io->detached)
			return 0;
		if (fds[0].revents)
			return drain(io, err);
	}
}

/* The user left: somebody has to keep reading the terminal, or the command would be hung up. */
static void keep_terminal(struct exec_io *io)
{
	char buf[4096];
	int null;

	if (fork() != 0)
		return;
	setsid();
	null = open("/dev/null", O_RDWR | O_CLOEXEC);
	for (int fd = 0; fd < 3 && null >= 0; fd++)
		dup2(null, fd);
	fd_set_nonblock(io->fds[1], false);
	while (read(io->fds[1], buf, sizeof(buf)) > 0)
		;
	_exit(0);
}

int exec_pump(struct exec_io *io, struct err *err)
{
	struct pump p = { .io = io, .read_stdin = io->fds[0] >= 0 };
	int r;

	p.signals = signals_take(err);
	if (p.signals < 0)
		return -1;
	for (int i = 0; i < 3; i++)
		if (io->fds[i] >= 0)
			fd_set_nonblock(io->fds[i], true);
	if (io->tty) {
		copy_size(io);
		p.keys_on = p.read_stdin && terminal_raw(STDIN_FILENO) == 0;
	}
	r = loop(&p, err);
	terminal_restore();
	close(p.signals);
	signals_give_back();
	if (r == 0 && io->detached)
		keep_terminal(io);
	return r;
}
