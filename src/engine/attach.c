/* The client's side of the monitor's socket: `run`, `start -a` and `attach`. */
#include "base/fd.h"
#include "base/log.h"
#include "base/xalloc.h"
#include "engine/attach-internal.h"
#include "engine/engine-internal.h"
#include "engine/monitor-proto.h"
#include "engine/terminal.h"
#include "sys/pidfd.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#define KEEP_DB_MS 1000

/* A unix socket's path is short, ours may be long: reached through the directory's descriptor. */
static int socket_address(struct engine *e, const char *id, struct sockaddr_un *ret, int *ret_dir,
                          struct err *err)
{
	int dir = openat(e->runroot_fd, MONITOR_SOCKET_DIR, O_PATH | O_DIRECTORY | O_CLOEXEC);

	if (dir < 0 && errno == ENOENT) {
		if (dir_make_at(e->runroot_fd, MONITOR_SOCKET_DIR, 0700, err) < 0)
			return -1;
		dir = openat(e->runroot_fd, MONITOR_SOCKET_DIR, O_PATH | O_DIRECTORY | O_CLOEXEC);
	}
	if (dir < 0)
		return err_sys(err, errno, "open '%s/" MONITOR_SOCKET_DIR "'", e->runroot_path);
	*ret = (struct sockaddr_un){ .sun_family = AF_UNIX };
	snprintf(ret->sun_path, sizeof(ret->sun_path), "%s/%s", fd_path(dir).s, id);
	*ret_dir = dir;
	return 0;
}

int attach_listen(struct engine *e, const char *id, struct err *err)
{
	struct sockaddr_un address;
	AUTO_FD dir = -1;
	AUTO_FD fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return err_sys(err, errno, "make a socket");
	if (socket_address(e, id, &address, &dir, err) < 0)
		return -1;
	unlink(address.sun_path);
	if (bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0 || listen(fd, 16) < 0)
		return err_sys(err, errno, "listen for attach in '%s'", e->runroot_path);
	return TAKE_FD(fd);
}

int attach_hello(int fd, unsigned want, struct err *err)
{
	struct monitor_msg hello = { .type = MONITOR_HELLO, .arg = want };

	if (send(fd, &hello, sizeof(hello), MSG_NOSIGNAL) < 0)
		return err_sys(err, errno, "talk to the container's monitor");
	return 0;
}

int attach_connect(struct engine *e, const char *id, unsigned want, struct err *err)
{
	struct sockaddr_un address;
	AUTO_FD dir = -1;
	AUTO_FD fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return err_sys(err, errno, "make a socket");
	if (socket_address(e, id, &address, &dir, err) < 0)
		return -1;
	if (connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0) {
		err_sys(err, errno, "reach the monitor of container '%.12s'", id);
		return err_hint(err, "the container runs on without one if it was killed");
	}
	if (attach_hello(fd, want, err) < 0)
		return -1;
	return TAKE_FD(fd);
}

#define INTERRUPTS_MAX 3

struct pump {
	struct engine *e;
	const char *id;
	int sock;
	int signals;
	bool sig_proxy;
	int interrupts; /* SIGINT and SIGTERM passed on so far */
	bool read_stdin;
	bool keys_on;
	struct detach_keys keys;
	/* one packet of input the monitor did not take yet */
	size_t held_len;
	struct {
		struct monitor_msg msg;
		char data[MONITOR_DATA_MAX];
	} held;
	struct start_result *ret;
	bool ended;    /* the monitor said how */
	uint32_t exit; /* in these words */
};

static void send_resize(const struct pump *p)
{
	uint16_t rows, cols;
	struct monitor_msg msg = { .type = MONITOR_RESIZE };

	terminal_size(STDIN_FILENO, &rows, &cols);
	if (!rows && !cols)
		terminal_size(STDOUT_FILENO, &rows, &cols);
	if (!rows || !cols)
		return;
	msg.arg = (uint32_t)rows << 16 | cols;
	send(p->sock, &msg, sizeof(msg), MSG_NOSIGNAL | MSG_DONTWAIT);
}

static void send_held(struct pump *p)
{
	if (p->held_len && send(p->sock, &p->held, p->held_len, MSG_NOSIGNAL | MSG_DONTWAIT) < 0 &&
	    errno == EAGAIN)
		return;
	p->held_len = 0;
}

/* Input from our standard input. Returns true when the user detached. */
static bool take_input(struct pump *p)
{
	char in[MONITOR_DATA_MAX - DETACH_KEYS_MAX];
	ssize_t n = read(STDIN_FILENO, in, sizeof(in));
	size_t len = 0;
	bool leave;

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return false;
	if (n <= 0) {
		p->read_stdin = false;
		p->held.msg = (struct monitor_msg){ .type = MONITOR_STDIN_EOF };
		p->held_len = sizeof(p->held.msg);
		send_held(p);
		return false;
	}
	if (p->keys_on) {
		leave = detach_keys_feed(&p->keys, in, (size_t)n, p->held.data, &len);
	} else {
		memcpy(p->held.data, in, (size_t)n);
		len = (size_t)n;
		leave = false;
	}
	if (len) {
		p->held.msg = (struct monitor_msg){ .type = MONITOR_STDIN };
		p->held_len = sizeof(p->held.msg) + len;
		send_held(p);
	}
	if (leave) {
		struct monitor_msg bye = { .type = MONITOR_DETACH };

		send(p->sock, &bye, sizeof(bye), MSG_NOSIGNAL);
		p->ret->detached = true;
	}
	return leave;
}

static int take_signals(struct pump *p, struct err *err)
{
	struct signalfd_siginfo info;

	while (read(p->signals, &info, sizeof(info)) == sizeof(info)) {
		int signal = (int)info.ssi_signo;
		AUTO_FD pidfd = -1;
		pid_t pid;

		if (signal == SIGCONT)
			terminal_raw_again();
		if (signal == SIGCONT || signal == SIGWINCH)
			send_resize(p);
		if (!signal_is_proxied(signal))
			continue;
		if (!p->sig_proxy) {
			if (signal == SIGINT || signal == SIGTERM || signal == SIGHUP ||
			    signal == SIGQUIT)
				return err_set(err, E_INTERRUPTED,
				               "interrupted; the container runs on");
			continue;
		}
		if (container_pidfd(p->e, p->id, &pid, &pidfd, ERR_IGNORE) == 0)
			pidfd_signal(pidfd, signal);
		engine_release(p->e);
		/* a first process without a handler ignores them: let the user go, as docker does
		 */
		if (signal == SIGINT || signal == SIGTERM)
			p->interrupts++;
		if (p->interrupts == INTERRUPTS_MAX) {
			err_set(err, E_INTERRUPTED,
			        "interrupted %d times, but the container runs on", INTERRUPTS_MAX);
			return err_hint(err, "stop it with: dhow stop %.12s", p->id);
		}
	}
	return 0;
}

/* One packet of the monitor's. Returns 1 at the end of the conversation. */
static int take_output(struct pump *p, struct err *err)
{
	struct {
		struct monitor_msg msg;
		char data[MONITOR_DATA_MAX];
	} packet;
	ssize_t n = recv(p->sock, &packet, sizeof(packet), 0);

	/* ECONNRESET: the monitor ended with input of ours unread; what it said is still there */
	if (n < 0 && (errno == EINTR || errno == ECONNRESET))
		return 0;
	if (n < (ssize_t)sizeof(packet.msg))
		return 1;
	n -= (ssize_t)sizeof(packet.msg);
	switch (packet.msg.type) {
	case MONITOR_STDOUT:
	case MONITOR_STDERR: {
		int fd = packet.msg.type == MONITOR_STDOUT ? STDOUT_FILENO : STDERR_FILENO;
		int r = fd_write_all(fd, packet.data, (size_t)n);

		return r < 0 ? err_sys(err, -r, "write the container's output") : 0;
	}
	case MONITOR_GAP:
		log_warn("%u KiB of output were skipped, because they were not read fast enough",
		         packet.msg.arg);
		return 0;
	case MONITOR_EXIT:
		p->ret->exit_code = (int)(packet.msg.arg & 0xff);
		p->exit = packet.msg.arg;
		p->ended = true;
		return 1;
	default:
		return 0;
	}
}

static int pump_loop(struct pump *p, struct err *err)
{
	for (;;) {
		struct pollfd fds[3] = {
			{ .fd = p->sock, .events = (short)(POLLIN | (p->held_len ? POLLOUT : 0)) },
			{ .fd = p->signals, .events = POLLIN },
			{ .fd = p->read_stdin && !p->held_len ? STDIN_FILENO : -1,
			  .events = POLLIN },
		};
		int r;

		/* A database that is open is of use to what ends at once, and in the way of others
		 * when the wait is a long one. */
		r = poll(fds, 3, p->e->db ? KEEP_DB_MS : -1);
		if (r < 0 && errno != EINTR)
			return err_sys(err, errno, "poll");
		if (r == 0)
			engine_release(p->e);
		if (r <= 0)
			continue;
		if (fds[1].revents && take_signals(p, err) < 0)
			return -1;
		if (fds[0].revents & POLLOUT)
			send_held(p);
		if (fds[0].revents & (POLLIN | POLLHUP | POLLERR)) {
			r = take_output(p, err);
			if (r)
				return r < 0 ? -1 : 0;
		}
		if (fds[2].revents && take_input(p))
			return 0;
	}
}

/* The monitor went without a word. */
static int monitor_lost(struct pump *p, struct err *err)
{
	struct container_row row;

	if (container_get(p->e, p->id, &row, err) < 0)
		return -1;
	if (row.pid) {
		err_set(err, E_IO, "the monitor of container '%s' was killed", row.name);
		err_hint(err, "the container runs on; stop it with: dhow stop %s", row.name);
	} else {
		err_set(err, E_IO, "container '%s' ended: %s", row.name,
		        row.error[0] ? row.error : "its end was not reported");
	}
	container_row_done(&row);
	return -1;
}

int attach_pump(struct engine *e, const char *id, int sock, int signals, bool tty,
                const struct attach_args *args, struct start_result *ret, uint32_t *ret_exit,
                struct err *err)
{
	struct pump *p = xcalloc(1, sizeof(*p));
	int r;

	p->e = e;
	p->id = id;
	p->sock = sock;
	p->signals = signals;
	p->sig_proxy = args->sig_proxy;
	p->read_stdin = (args->streams & ATTACH_STDIN) != 0;
	p->ret = ret;
	r = detach_keys_parse(args->detach_keys, &p->keys, err);
	if (r == 0) {
		if (tty && p->read_stdin && terminal_raw(STDIN_FILENO) == 0)
			p->keys_on = true;
		if (tty)
			send_resize(p);
		r = pump_loop(p, err);
		terminal_restore();
	}
	*ret_exit = p->exit;
	if (r == 0 && !ret->detached && !p->ended)
		r = monitor_lost(p, err);
	free(p);
	return r;
}

int container_attach_fd(struct engine *e, const char *ref, unsigned streams, int *ret_fd,
                        struct err *err)
{
	struct container_row row __attribute__((cleanup(container_row_done))) = { 0 };
	int fd;

	if (container_get(e, ref, &row, err) < 0)
		return -1;
	if (row.status == CONTAINER_PAUSED) {
		err_set(err, E_STATE, "container '%s' is paused", row.name);
		return err_hint(err, "dhow unpause %s", row.name);
	}
	if (row.status != CONTAINER_RUNNING) {
		err_set(err, E_STATE, "container '%s' is not running", row.name);
		return err_hint(err, "dhow start -a %s", row.name);
	}
	fd = attach_connect(e, row.id, streams, err);
	if (fd < 0)
		return -1;
	*ret_fd = fd;
	return 0;
}

int container_attach(struct engine *e, const char *ref, const struct attach_args *args,
                     struct start_result *ret, struct err *err)
{
	struct container_options opts;
	struct attach_args mine = *args;
	uint32_t exit;
	AUTO_FD sock = -1;
	AUTO_FD signals = -1;
	bool tty;
	int r;

	*ret = (struct start_result){ 0 };
	if (container_find(e, ref, ret->id, err) < 0)
		return -1;
	r = container_options_load(e, ret->id, &opts, err);
	tty = opts.tty;
	if (!opts.interactive)
		mine.streams &= ~(unsigned)ATTACH_STDIN;
	container_options_done(&opts);
	if (r < 0 || container_attach_fd(e, ret->id, mine.streams, &sock, err) < 0)
		return -1;
	signals = signals_take(err);
	if (signals < 0)
		return -1;
	r = attach_pump(e, ret->id, sock, signals, tty, &mine, ret, &exit, err);
	signals_give_back();
	return r;
}

int container_resize(struct engine *e, const char *ref, uint16_t rows, uint16_t cols,
                     struct err *err)
{
	struct monitor_msg msg = { .type = MONITOR_RESIZE, .arg = (uint32_t)rows << 16 | cols };
	AUTO_FD sock = -1;

	if (container_attach_fd(e, ref, 0, &sock, err) < 0)
		return -1;
	if (send(sock, &msg, sizeof(msg), MSG_NOSIGNAL) < 0)
		return err_sys(err, errno, "talk to the container's monitor");
	return 0;
}
