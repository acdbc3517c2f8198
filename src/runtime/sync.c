#include "runtime/internal.h"

#include <errno.h>
#include <sys/socket.h>

struct message {
	char what;
	struct err err; /* with 'e' */
};

int sync_pair(int ret_fds[2])
{
	return socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ret_fds) < 0 ? -errno : 0;
}

int sync_send(int fd, char what)
{
	return send(fd, &what, 1, MSG_NOSIGNAL) == 1 ? 0 : -errno;
}

int sync_tell(int fd, char what, struct err *err)
{
	int r = sync_send(fd, what);

	if (r == 0 || r == -EPIPE || r == -ECONNRESET)
		return 0;
	return err_sys(err, -r, "send to the new process");
}

int sync_send_fds(int fd, char what, const int *passed, size_t n)
{
	union {
		struct cmsghdr head;
		char room[CMSG_SPACE(sizeof(int) * SYNC_FDS_MAX)];
	} control = { 0 };
	struct iovec iov = { .iov_base = &what, .iov_len = 1 };
	struct msghdr msg = {
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = n ? &control : NULL,
		.msg_controllen = n ? CMSG_SPACE(sizeof(int) * n) : 0,
	};
	struct cmsghdr *c = CMSG_FIRSTHDR(&msg);

	if (n > SYNC_FDS_MAX)
		return -E2BIG;
	if (c) {
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(sizeof(int) * n);
		memcpy(CMSG_DATA(c), passed, sizeof(int) * n);
	}
	return sendmsg(fd, &msg, MSG_NOSIGNAL) == 1 ? 0 : -errno;
}

int sync_send_fd(int fd, char what, int passed_fd)
{
	return sync_send_fds(fd, what, &passed_fd, 1);
}

void sync_send_err(int fd, const struct err *err)
{
	struct message m = { .what = 'e', .err = *err };

	(void)!send(fd, &m, sizeof(m), MSG_NOSIGNAL);
}

/* What the stage says when the container's program cannot be executed: 'x', errno, path. */
static int exec_failed(const char *bytes, size_t len, struct err *err)
{
	int number = len > 1 ? (unsigned char)bytes[1] : EIO;
	int path_len = len > 2 ? (int)(len - 2 < 900 ? len - 2 : 900) : 0;

	err_sys(err, number, "exec '%.*s'", path_len, bytes + 2);
	err->code = number == ENOENT ? E_NO_COMMAND : E_NOT_EXEC;
	if (number == ENOEXEC)
		err_hint(err, "it is neither a program for this CPU nor a script with '#!'");
	if (number == ENOENT)
		err_hint(err, "the interpreter or loader that it names does not exist");
	return -1;
}

/* Descriptors that came with a message; those beyond `room` are closed. */
static size_t take_fds(struct msghdr *msg, int *fds, size_t room)
{
	size_t n = 0;

	for (struct cmsghdr *c = CMSG_FIRSTHDR(msg); c; c = CMSG_NXTHDR(msg, c)) {
		size_t came = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);

		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		for (size_t i = 0; i < came; i++) {
			int fd;

			memcpy(&fd, CMSG_DATA(c) + i * sizeof(int), sizeof(int));
			if (n < room)
				fds[n++] = fd;
			else
				close(fd);
		}
	}
	return n;
}

static int receive(int fd, struct message *m, ssize_t *ret_len, int *fds, size_t *n_fds,
                   struct err *err)
{
	union {
		struct cmsghdr head;
		char room[CMSG_SPACE(sizeof(int) * SYNC_FDS_MAX)];
	} control;
	struct iovec iov = { .iov_base = m, .iov_len = sizeof(*m) };
	struct msghdr msg = {
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = fds ? &control : NULL,
		.msg_controllen = fds ? sizeof(control) : 0,
	};
	ssize_t n;

	/* A peer that ended with messages of ours unread shows as ECONNRESET, once, and before what
	 * it said itself: read on. */
	do
		n = recvmsg(fd, &msg, MSG_CMSG_CLOEXEC);
	while (n < 0 && (errno == EINTR || errno == ECONNRESET));
	if (n < 0)
		return err_sys(err, errno, "receive from the new process");
	if (fds)
		*n_fds = take_fds(&msg, fds, *n_fds);
	*ret_len = n;
	return 0;
}

/* What a message says: see sync_receive(). */
static int understand(struct message *m, size_t len, struct err *err)
{
	if (len == 0)
		return 0;
	if (m->what == 'x')
		return exec_failed((const char *)m, len, err);
	if (m->what != 'e')
		return m->what;
	/* The text may come from a container's process: bounded, and never a format. */
	m->err.msg[sizeof(m->err.msg) - 1] = '\0';
	m->err.hint[sizeof(m->err.hint) - 1] = '\0';
	m->err.file = __FILE__;
	if ((unsigned)m->err.code == 0 || (unsigned)m->err.code >= E_CODE_MAX)
		m->err.code = E_INTERNAL;
	*err = m->err;
	return -1;
}

int sync_receive(int fd, int *ret_fd, struct err *err)
{
	struct message m = { 0 };
	size_t n = 1;
	ssize_t len;

	if (ret_fd)
		*ret_fd = -1;
	if (receive(fd, &m, &len, ret_fd, &n, err) < 0)
		return -1;
	return understand(&m, (size_t)len, err);
}

static int expected(int got, char what, struct err *err)
{
	if (got < 0)
		return -1;
	if (got == 0)
		return err_set(err, E_INTERRUPTED,
		               "the runtime gave up before the container was "
		               "started");
	if (got != what)
		return err_set(err, E_INTERNAL, "message '%c' came where '%c' was expected", got,
		               what);
	return 0;
}

int sync_expect_fds(int fd, char what, int *fds, size_t *n_fds, struct err *err)
{
	struct message m = { 0 };
	ssize_t len;

	if (receive(fd, &m, &len, fds, n_fds, err) < 0)
		return -1;
	return expected(understand(&m, (size_t)len, err), what, err);
}

int sync_expect(int fd, char what, struct err *err)
{
	return expected(sync_receive(fd, NULL, err), what, err);
}
