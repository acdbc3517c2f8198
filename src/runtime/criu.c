/* `criu swrk`: one request, notifications in between, one answer. */
#include "runtime/criu-internal.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "base/fd.h"
#include "base/xalloc.h"
#include "codec/protobuf.h"

#define ANSWER_MAX 40960

/* Fields of criu_opts. */
enum {
	OPT_IMAGES_DIR_FD = 1,
	OPT_LEAVE_RUNNING = 3,
	OPT_EXT_UNIX_SK = 4,
	OPT_TCP_ESTABLISHED = 5,
	OPT_SHELL_JOB = 7,
	OPT_FILE_LOCKS = 8,
	OPT_LOG_LEVEL = 9,
	OPT_LOG_FILE = 10,
	OPT_PAGE_SERVER = 11,
	OPT_NOTIFY_SCRIPTS = 12,
	OPT_PARENT_IMG = 14,
	OPT_TRACK_MEM = 15,
	OPT_AUTO_DEDUP = 16,
	OPT_WORK_DIR_FD = 17,
	OPT_LINK_REMAP = 18,
	OPT_MANAGE_CGROUPS = 24,
	OPT_INHERIT_FD = 27,
	OPT_EXT_SHARING = 29,
	OPT_EXT_MASTERS = 30,
	OPT_MANAGE_CGROUPS_MODE = 34,
	OPT_EMPTY_NS = 38,
	OPT_TCP_SKIP_IN_FLIGHT = 46,
	OPT_LAZY_PAGES = 48,
	OPT_STATUS_FD = 49,
	OPT_ORPHAN_PTS_MASTER = 50,
	OPT_TCP_CLOSE = 52,
	OPT_NETWORK_LOCK = 64,
};

void criu_add_pair(struct criu *c, unsigned field, const char *key, const char *value)
{
	AUTO_BUF pair = STRBUF_INIT;

	protobuf_add_str(&pair, 1, key);
	protobuf_add_str(&pair, 2, value);
	protobuf_add_message(&c->opts, field, &pair);
}

static void inherit(struct criu *c, int fd)
{
	if (fd > 2 && c->n_inherit < ARRAY_LEN(c->inherit))
		c->inherit[c->n_inherit++] = fd;
}

void criu_add_inherit(struct criu *c, const char *key, int fd)
{
	AUTO_BUF item = STRBUF_INIT;

	protobuf_add_str(&item, 1, key);
	protobuf_add_int(&item, 2, fd);
	protobuf_add_message(&c->opts, OPT_INHERIT_FD, &item);
	inherit(c, fd);
}

static int open_dir(const char *path, bool make, struct err *err)
{
	if (make && dir_make_at(AT_FDCWD, path, 0700, err) < 0)
		return -1;
	return dir_open_at(AT_FDCWD, path, err);
}

int criu_begin(struct criu *c, bool make_images, const char *log, struct err *err)
{
	static const struct {
		unsigned flag, field;
	} flags[] = {
		{ CRIU_LEAVE_RUNNING, OPT_LEAVE_RUNNING },
		{ CRIU_TCP_ESTABLISHED, OPT_TCP_ESTABLISHED },
		{ CRIU_TCP_CLOSE, OPT_TCP_CLOSE },
		{ CRIU_TCP_SKIP_IN_FLIGHT, OPT_TCP_SKIP_IN_FLIGHT },
		{ CRIU_EXT_UNIX_SK, OPT_EXT_UNIX_SK },
		{ CRIU_SHELL_JOB, OPT_SHELL_JOB },
		{ CRIU_FILE_LOCKS, OPT_FILE_LOCKS },
		{ CRIU_AUTO_DEDUP, OPT_AUTO_DEDUP },
		{ CRIU_LAZY_PAGES, OPT_LAZY_PAGES },
		{ CRIU_LINK_REMAP, OPT_LINK_REMAP },
	};
	const struct criu_options *o = c->options;

	c->images_fd = open_dir(o->images, make_images, err);
	if (c->images_fd < 0)
		return err_ctx(err, "images");
	c->work_fd = o->work ? open_dir(o->work, true, err) : fd_dup(c->images_fd);
	if (c->work_fd < 0)
		return o->work ? err_ctx(err, "work directory")
		               : err_sys(err, -c->work_fd, "duplicate a descriptor");
	c->log = log;
	inherit(c, c->images_fd);
	inherit(c, c->work_fd);
	protobuf_add_int(&c->opts, OPT_IMAGES_DIR_FD, c->images_fd);
	protobuf_add_int(&c->opts, OPT_WORK_DIR_FD, c->work_fd);
	protobuf_add_int(&c->opts, OPT_LOG_LEVEL, 4);
	protobuf_add_str(&c->opts, OPT_LOG_FILE, log);
	protobuf_add_uint(&c->opts, OPT_NOTIFY_SCRIPTS, true);
	protobuf_add_uint(&c->opts, OPT_ORPHAN_PTS_MASTER, true);
	protobuf_add_uint(&c->opts, OPT_MANAGE_CGROUPS, true);
	/* Binds of the host's get what is mounted there, and no more. */
	protobuf_add_uint(&c->opts, OPT_EXT_SHARING, true);
	protobuf_add_uint(&c->opts, OPT_EXT_MASTERS, true);
	protobuf_add_uint(&c->opts, OPT_MANAGE_CGROUPS_MODE, o->cgroups);
	for (size_t i = 0; i < ARRAY_LEN(flags); i++)
		if (o->flags & flags[i].flag)
			protobuf_add_uint(&c->opts, flags[i].field, true);
	if (o->empty_ns)
		protobuf_add_uint(&c->opts, OPT_EMPTY_NS, o->empty_ns);
	if (o->network_lock)
		protobuf_add_uint(&c->opts, OPT_NETWORK_LOCK, (unsigned)o->network_lock);
	if (o->parent) {
		protobuf_add_str(&c->opts, OPT_PARENT_IMG, o->parent);
		protobuf_add_uint(&c->opts, OPT_TRACK_MEM, true);
	} else if (o->flags & CRIU_PRE_DUMP) {
		protobuf_add_uint(&c->opts, OPT_TRACK_MEM, true);
	}
	if (o->page_server_host) {
		AUTO_BUF server = STRBUF_INIT;

		protobuf_add_str(&server, 1, o->page_server_host);
		protobuf_add_int(&server, 2, o->page_server_port);
		protobuf_add_message(&c->opts, OPT_PAGE_SERVER, &server);
	}
	if (o->status_fd >= 0) {
		protobuf_add_int(&c->opts, OPT_STATUS_FD, o->status_fd);
		inherit(c, o->status_fd);
	}
	return 0;
}

void criu_done(struct criu *c)
{
	strbuf_done(&c->opts);
	strv_done(&c->descriptors);
	free(c->root_mount);
	if (c->images_fd >= 0)
		close(c->images_fd);
	if (c->work_fd >= 0)
		close(c->work_fd);
}

/* ---- the process ---- */

static void NORETURN become_criu(struct criu *c, int sock)
{
	struct err err = ERR_INIT;
	char number[16];
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	process_reset_signals();
	for (int i = 0; i < 3; i++) {
		int from = c->stdio[i] >= 0 ? c->stdio[i] : null;

		if (from == i ? fd_set_cloexec(i, false) < 0 : dup2(from, i) < 0)
			_exit(126);
	}
	fd_set_cloexec(sock, false);
	for (size_t i = 0; i < c->n_inherit; i++)
		fd_set_cloexec(c->inherit[i], false);
	c->child_sock = sock;
	if (c->before_exec && c->before_exec(c, &err) < 0) {
		sync_send_err(sock, &err);
		_exit(125);
	}
	snprintf(number, sizeof(number), "%d", sock);
	execlp("criu", "criu", "swrk", number, (char *)NULL);
	_exit(errno == ENOENT ? 127 : 126);
}

static int end_of(pid_t pid, struct err *err)
{
	int status = 0;

	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	if (WIFEXITED(status) && WEXITSTATUS(status) == 127) {
		err_set(err, E_UNSUPPORTED, "criu: program not found");
		return err_hint(err, "install the package criu");
	}
	if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
		return 0;
	return err_set(err, E_IO, "criu ended with status %d",
	               WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status));
}

/* ---- messages ---- */

struct answer {
	uint64_t type, success, pid, cr_errno;
	char script[64];
	int fd;
};

static void parse_inner(const struct protobuf_field *f, struct answer *a)
{
	struct protobuf_reader r = { f->data, f->data + f->len };
	struct protobuf_field in;

	while (f->data && protobuf_next(&r, &in) > 0) {
		if (f->number == 5 && in.number == 1 && in.data) /* notify.script */
			snprintf(a->script, sizeof(a->script), "%.*s", (int)in.len,
			         (const char *)in.data);
		else if (f->number == 5 && in.number == 2) /* notify.pid */
			a->pid = in.value;
		else if (f->number == 4 && in.number == 1) /* restore.pid */
			a->pid = in.value;
	}
}

static int receive(int sock, struct answer *a, struct err *err)
{
	AUTO_FREE uint8_t *buf = xmalloc(ANSWER_MAX);
	union {
		struct cmsghdr head;
		char room[CMSG_SPACE(4 * sizeof(int))];
	} control;
	struct iovec iov = { buf, ANSWER_MAX };
	struct msghdr msg = { .msg_iov = &iov,
		              .msg_iovlen = 1,
		              .msg_control = &control,
		              .msg_controllen = sizeof(control) };
	struct protobuf_reader r;
	struct protobuf_field f;
	ssize_t n;
	int e;

	*a = (struct answer){ .fd = -1 };
	while ((n = recvmsg(sock, &msg, MSG_CMSG_CLOEXEC)) < 0 && errno == EINTR)
		;
	if (n <= 0)
		return n < 0 ? err_sys(err, errno, "listen to criu")
		             : err_set(err, E_IO, "criu ended without an answer");
	for (struct cmsghdr *c = CMSG_FIRSTHDR(&msg); c; c = CMSG_NXTHDR(&msg, c))
		if (c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_RIGHTS && a->fd < 0)
			memcpy(&a->fd, CMSG_DATA(c), sizeof(int));
	r = (struct protobuf_reader){ buf, buf + n };
	while ((e = protobuf_next(&r, &f)) > 0) {
		if (f.number == 1)
			a->type = f.value;
		else if (f.number == 2)
			a->success = f.value;
		else if (f.number == 7)
			a->cr_errno = f.value;
		else
			parse_inner(&f, a);
	}
	return e < 0 ? err_set(err, E_IO, "criu's answer cannot be understood") : 0;
}

static int send_request(int sock, enum criu_request request, const struct strbuf *opts,
                        struct err *err)
{
	AUTO_BUF message = STRBUF_INIT;

	protobuf_add_uint(&message, 1, request);
	protobuf_add_message(&message, 2, opts);
	if (send(sock, message.buf, message.len, MSG_NOSIGNAL) != (ssize_t)message.len)
		return err_sys(err, errno, "talk to criu");
	return 0;
}

/* The first line of the log that tells of an error: what comes later follows from it. */
static int explain(struct criu *c, const struct answer *a, struct err *err)
{
	AUTO_FREE char *text = NULL;
	size_t len = 0;
	char *line = NULL;

	if (file_read_at(c->work_fd, c->log, 64u << 20, &text, &len, ERR_IGNORE) == 0)
		line = strstr(text, "Error (");
	if (line)
		line[strcspn(line, "\n")] = '\0';
	err_set(err, E_IO, "criu: %s%s", line ? line : "failed",
	        !line && a->cr_errno ? " (see errno in its log)" : "");
	return err_hint(err, "more is in '%s/%s'",
	                c->options->work ? c->options->work : c->options->images, c->log);
}

static int serve(struct criu *c, int sock, enum criu_request request, struct err *err)
{
	static const char ok[] = { 1 << 3, 6, 3 << 3, 1 }; /* type NOTIFY, notify_success */

	for (;;) {
		struct answer a;
		int r;

		if (receive(sock, &a, err) < 0) {
			return explain(c, &a, err);
		}
		if (a.type != 6) {
			if (a.fd >= 0)
				close(a.fd);
			if (!a.success)
				return explain(c, &a, err);
			if (request == CRIU_RESTORE && a.type == CRIU_RESTORE)
				c->restored = (pid_t)a.pid;
			return 0;
		}
		r = c->notify ? c->notify(c, a.script, (pid_t)a.pid, &a.fd, err) : 0;
		if (a.fd >= 0)
			close(a.fd);
		if (strcmp(a.script, "status-ready") == 0 && c->options->status_fd >= 0)
			(void)!write(c->options->status_fd, "", 1);
		if (r < 0)
			return -1;
		if (send(sock, ok, sizeof(ok), MSG_NOSIGNAL) < 0)
			return err_sys(err, errno, "talk to criu");
	}
}

int criu_run(struct criu *c, enum criu_request request, struct err *err)
{
	AUTO_FD ours = -1;
	struct err end = ERR_INIT;
	int fds[2], r;
	pid_t pid;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds) < 0)
		return err_sys(err, errno, "make a socket pair");
	ours = fds[0];
	pid = fork();
	if (pid == 0)
		become_criu(c, fds[1]);
	close(fds[1]);
	if (pid < 0)
		return err_sys(err, errno, "make a process");
	c->sock = ours;
	r = c->launched ? c->launched(c, pid, err) : 0;
	if (r == 0)
		r = send_request(ours, request, &c->opts, err);
	if (r == 0)
		r = serve(c, ours, request, err);
	close(TAKE_FD(ours));
	/* After a pre-dump criu waits for the dump, and ends with an error without it. */
	if (end_of(pid, &end) < 0 &&
	    (end.code == E_UNSUPPORTED || (r == 0 && request != CRIU_PRE_DUMP_REQUEST))) {
		*err = end;
		return -1;
	}
	return r;
}
