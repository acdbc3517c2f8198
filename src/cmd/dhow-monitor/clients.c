/* Attached clients. The output of the container goes to each of them without waiting: a client
 * whose socket is full holds everyone back for CLIENT_STALL_MS at most (so that a pipeline like
 * `dhow run ... | gzip` simply runs at the pace of its reader), and is then served from a file of
 * its own. */
#include "monitor.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

/* A client that says it cleans up and then hangs is not waited for. */
#define CLEAN_WAIT_MS 10000
#define PACKET_MAX    (sizeof(struct monitor_msg) + MONITOR_DATA_MAX)

static char packet_buf[PACKET_MAX];

static bool is_behind(const struct client *c)
{
	return c->held_len || c->spill_fd >= 0;
}

/* What to wait for: its socket's room while it is behind, its words while they can be taken. */
static void client_watch(struct monitor *m, struct client *c)
{
	uint32_t events = is_behind(c) ? EPOLLOUT : 0;

	if (!input_pending(m))
		events |= EPOLLIN;
	source_set(m, c->fd, SOURCE_CLIENT, (uint32_t)(c - m->clients), events);
}

static void watch_all(struct monitor *m)
{
	for (size_t i = 0; i < CLIENTS_MAX; i++)
		if (m->clients[i].fd >= 0)
			client_watch(m, &m->clients[i]);
}

void clients_add(struct monitor *m, int fd)
{
	for (size_t i = 0; i < CLIENTS_MAX; i++) {
		if (m->clients[i].fd >= 0)
			continue;
		m->clients[i].fd = fd;
		client_watch(m, &m->clients[i]);
		return;
	}
	close(fd); /* the client sees the end of the conversation before it began */
}

bool clients_accept(struct monitor *m)
{
	int fd = accept4(m->listen_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

	if (fd >= 0)
		clients_add(m, fd);
	return fd >= 0;
}

static void client_drop(struct monitor *m, struct client *c)
{
	bool had_input = (c->want & MONITOR_WANT_STDIN) && !c->stdin_eof;

	close(c->fd);
	if (c->spill_fd >= 0)
		close(c->spill_fd);
	if (c->held)
		munmap(c->held, PACKET_MAX);
	*c = (struct client){ .fd = -1, .spill_fd = -1 };
	if (had_input && !m->tty)
		input_end(m); /* it died: what it typed has an end now */
}

/* 1: sent, 0: no room, -1: the client is gone */
static int send_packet(const struct client *c, const struct iovec *iov, size_t count)
{
	struct msghdr msg = { .msg_iov = (struct iovec *)iov, .msg_iovlen = count };

	for (;;) {
		if (sendmsg(c->fd, &msg, MSG_DONTWAIT | MSG_NOSIGNAL) >= 0)
			return 1;
		if (errno == EAGAIN || errno == ENOBUFS)
			return 0;
		if (errno != EINTR)
			return -1;
	}
}

/* Append a packet, with its length in front, to the client's file. */
static void spill(struct monitor *m, struct client *c, const struct iovec *iov, size_t count)
{
	struct iovec out[4];
	uint32_t len = 0;

	for (size_t i = 0; i < count; i++) {
		out[i + 1] = iov[i];
		len += (uint32_t)iov[i].iov_len;
	}
	out[0] = (struct iovec){ .iov_base = &len, .iov_len = sizeof(len) };
	if (c->spill_end + len <= CLIENT_SPILL_MAX_BYTES &&
	    pwritev(c->spill_fd, out, (int)count + 1, (off_t)c->spill_end) ==
	            (ssize_t)(sizeof(len) + len))
		c->spill_end += sizeof(len) + len;
	else
		c->gap_kib += len / 1024 + 1;
}

static void spill_begin(struct monitor *m, struct client *c)
{
	struct iovec iov = { .iov_base = c->held, .iov_len = c->held_len };

	c->spill_fd = openat(m->container_dir_fd, ".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	if (c->spill_fd < 0)
		c->spill_fd = memfd_create("dhow-client", MFD_CLOEXEC);
	if (c->spill_fd < 0) {
		client_drop(m, c);
		return;
	}
	c->spill_read = c->spill_end = 0;
	spill(m, c, &iov, 1);
	c->held_len = 0;
}

static void client_send(struct monitor *m, struct client *c, const struct iovec *iov, size_t count)
{
	size_t at = 0;
	int r;

	if (c->held_len)
		spill_begin(m, c); /* order before all */
	if (c->fd < 0)
		return;
	if (c->spill_fd >= 0) {
		spill(m, c, iov, count);
		return;
	}
	r = send_packet(c, iov, count);
	if (r < 0)
		client_drop(m, c);
	if (r != 0)
		return;
	if (!c->held)
		c->held = mmap(NULL, PACKET_MAX, PROT_READ | PROT_WRITE,
		               MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (c->held == MAP_FAILED) {
		c->held = NULL;
		client_drop(m, c);
		return;
	}
	for (size_t i = 0; i < count; i++) {
		memcpy(c->held + at, iov[i].iov_base, iov[i].iov_len);
		at += iov[i].iov_len;
	}
	c->held_len = at;
	c->stalled_at_ms = now_ms();
	client_watch(m, c);
}

static void client_say(struct monitor *m, struct client *c, uint32_t type, uint32_t arg,
                       const char *data, size_t len)
{
	struct monitor_msg msg = { .type = type, .arg = arg };
	struct iovec iov[2] = { { .iov_base = &msg, .iov_len = sizeof(msg) },
		                { .iov_base = (char *)data, .iov_len = len } };

	client_send(m, c, iov, len ? 2 : 1);
}

void clients_output(struct monitor *m, uint32_t type, const char *data, size_t len)
{
	unsigned want = type == MONITOR_STDERR ? MONITOR_WANT_STDERR : MONITOR_WANT_STDOUT;

	for (size_t i = 0; i < CLIENTS_MAX; i++)
		if (m->clients[i].fd >= 0 && (m->clients[i].want & want))
			client_say(m, &m->clients[i], type, 0, data, len);
}

bool clients_held(const struct monitor *m)
{
	for (size_t i = 0; i < CLIENTS_MAX; i++)
		if (m->clients[i].fd >= 0 && m->clients[i].held_len)
			return true;
	return false;
}

int clients_check_stalls(struct monitor *m)
{
	uint64_t now = now_ms();
	int next_ms = -1;

	for (size_t i = 0; i < CLIENTS_MAX; i++) {
		struct client *c = &m->clients[i];
		uint64_t age = now - c->stalled_at_ms;

		if (c->fd < 0 || !c->held_len)
			continue;
		if (age >= CLIENT_STALL_MS)
			spill_begin(m, c);
		else if (next_ms < 0 || CLIENT_STALL_MS - (int)age < next_ms)
			next_ms = CLIENT_STALL_MS - (int)age;
	}
	return next_ms;
}

/* Send what is behind as far as there is room. Returns -1 when the client is gone. */
static int client_catch_up(struct monitor *m, struct client *c)
{
	struct iovec iov;
	int r;

	if (c->held_len) {
		iov = (struct iovec){ .iov_base = c->held, .iov_len = c->held_len };
		r = send_packet(c, &iov, 1);
		if (r <= 0)
			return r;
		c->held_len = 0;
	}
	while (c->spill_fd >= 0) {
		uint32_t len;

		if (c->spill_read == c->spill_end) {
			close(c->spill_fd);
			c->spill_fd = -1;
			if (c->gap_kib) {
				uint32_t gap = c->gap_kib;

				c->gap_kib = 0;
				client_say(m, c, MONITOR_GAP, gap, NULL, 0);
			}
			break;
		}
		if (pread(c->spill_fd, &len, sizeof(len), (off_t)c->spill_read) != sizeof(len) ||
		    len > sizeof(packet_buf) ||
		    pread(c->spill_fd, packet_buf, len, (off_t)(c->spill_read + sizeof(len))) !=
		            (ssize_t)len)
			return -1;
		iov = (struct iovec){ .iov_base = packet_buf, .iov_len = len };
		r = send_packet(c, &iov, 1);
		if (r <= 0)
			return r;
		c->spill_read += sizeof(len) + len;
	}
	return c->fd < 0 ? -1 : 0;
}

static void resize(const struct monitor *m, uint32_t rows_cols)
{
	struct winsize size = { .ws_row = (unsigned short)(rows_cols >> 16),
		                .ws_col = (unsigned short)rows_cols };

	if (m->tty)
		ioctl(m->out_fd[0], TIOCSWINSZ, &size);
}

/* One packet of the client's. Returns -1 when it is to be dropped. */
static int client_listen(struct monitor *m, struct client *c)
{
	const struct monitor_msg *msg = (const struct monitor_msg *)packet_buf;
	ssize_t n = recv(c->fd, packet_buf, sizeof(packet_buf), MSG_DONTWAIT | MSG_TRUNC);

	if (n < 0)
		return errno == EAGAIN || errno == EINTR ? 0 : -1;
	if ((size_t)n < sizeof(*msg) || (size_t)n > sizeof(packet_buf))
		return -1; /* the end, or none of ours */
	switch (msg->type) {
	case MONITOR_HELLO:
		c->want = msg->arg;
		return 0;
	case MONITOR_STDIN:
		if (!(c->want & MONITOR_WANT_STDIN) || c->stdin_eof)
			return -1;
		input_add(m, packet_buf + sizeof(*msg), (size_t)n - sizeof(*msg));
		break;
	case MONITOR_STDIN_EOF:
		if (!c->stdin_eof && (c->want & MONITOR_WANT_STDIN))
			input_end(m);
		c->stdin_eof = true;
		break;
	case MONITOR_DETACH:
		c->stdin_eof = true; /* it goes, but the input stays open for the next one */
		break;
	case MONITOR_RESIZE:
		resize(m, msg->arg);
		return 0;
	default:
		return -1;
	}
	if (input_pending(m)) {
		source_set(m, m->stdin_fd, SOURCE_STDIN, 0, EPOLLOUT);
		watch_all(m);
	}
	return 0;
}

void clients_event(struct monitor *m, uint32_t index, uint32_t events)
{
	struct client *c = &m->clients[index];

	if (c->fd < 0)
		return;
	if (((events & EPOLLOUT) && client_catch_up(m, c) < 0) ||
	    ((events & (EPOLLIN | EPOLLHUP | EPOLLERR)) && client_listen(m, c) < 0)) {
		if (c->fd >= 0)
			client_drop(m, c);
		return;
	}
	client_watch(m, c);
}

/* The first client has said its hello before we were started: it must not miss the output of a
 * container that is quicker than we are. */
void clients_init(struct monitor *m)
{
	for (size_t i = 0; i < CLIENTS_MAX; i++)
		m->clients[i] = (struct client){ .fd = -1, .spill_fd = -1 };
	if (m->first_client_fd < 0)
		return;
	clients_add(m, m->first_client_fd);
	m->clients[0].is_first = true;
	clients_event(m, 0, EPOLLIN);
}

void clients_input_taken(struct monitor *m)
{
	watch_all(m);
}

/* Send until the client has all, in a child, so that the clean-up need not wait for it. */
static void client_serve_rest(struct monitor *m, struct client *c)
{
	pid_t child = fork();

	if (child > 0)
		waitpid(child, NULL, 0);
	if (child != 0)
		return;
	if (fork() != 0) /* nobody of ours is left to be waited for */
		_exit(0);
	if (m->done_fd >= 0)
		close(m->done_fd); /* what follows is no part of the clean-up */
	fcntl(c->fd, F_SETFL, 0);
	for (;;) {
		struct iovec iov = { .iov_base = c->held, .iov_len = c->held_len };
		struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };
		uint32_t len;

		if (c->held_len && sendmsg(c->fd, &msg, MSG_NOSIGNAL) < 0)
			_exit(1);
		c->held_len = 0;
		if (c->spill_fd < 0 || c->spill_read == c->spill_end)
			_exit(0);
		if (pread(c->spill_fd, &len, sizeof(len), (off_t)c->spill_read) != sizeof(len) ||
		    len > sizeof(packet_buf) ||
		    pread(c->spill_fd, packet_buf, len, (off_t)(c->spill_read + sizeof(len))) !=
		            (ssize_t)len)
			_exit(1);
		c->spill_read += sizeof(len) + len;
		c->held = packet_buf;
		c->held_len = len;
	}
}

bool clients_will_clean(const struct monitor *m)
{
	const struct client *c = &m->clients[0];

	return m->client_cleans && c->fd >= 0 && c->is_first && !is_behind(c);
}

void clients_finish(struct monitor *m, uint32_t exit_arg)
{
	/* who knocks only now hears of the end, too */
	for (size_t i = 0; m->listen_fd >= 0 && i < CLIENTS_MAX && clients_accept(m); i++)
		;
	for (size_t i = 0; i < CLIENTS_MAX; i++) {
		struct client *c = &m->clients[i];

		if (c->fd < 0)
			continue;
		if (c->held_len)
			spill_begin(m, c);
		if (c->fd >= 0 && c->gap_kib) {
			client_say(m, c, MONITOR_GAP, c->gap_kib, NULL, 0);
			c->gap_kib = 0;
		}
		if (c->fd >= 0)
			client_say(m, c, MONITOR_EXIT,
			           i == 0 && clients_will_clean(m) ? exit_arg | MONITOR_EXIT_CLEAN
			                                           : exit_arg,
			           NULL, 0);
		if (c->fd >= 0 && is_behind(c))
			client_serve_rest(m, c);
	}
}

bool clients_cleaned(struct monitor *m)
{
	struct client *c = &m->clients[0];
	struct pollfd pfd = { .fd = c->fd, .events = POLLIN };
	uint64_t until = now_ms() + CLEAN_WAIT_MS;

	if (!clients_will_clean(m))
		return false;
	for (;;) {
		const struct monitor_msg *msg = (const struct monitor_msg *)packet_buf;
		uint64_t now = now_ms();
		ssize_t n;

		if (now >= until || poll(&pfd, 1, (int)(until - now)) == 0)
			return false;
		n = recv(c->fd, packet_buf, sizeof(packet_buf), MSG_DONTWAIT);
		if (n < 0 && (errno == EAGAIN || errno == EINTR))
			continue;
		if (n < (ssize_t)sizeof(*msg))
			return false;
		if (msg->type == MONITOR_CLEANED)
			return true;
	}
}
