/* start: fork the process that becomes the monitor, and stay connected or not. */
#include "base/clock.h"
#include "base/fd.h"
#include "base/xalloc.h"
#include "engine/attach-internal.h"
#include "engine/engine-internal.h"
#include "engine/monitor-proto.h"
#include "engine/terminal.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

/* What M and the command that forked it say to each other, over a socket pair:
 *	M: init waits (pid)      command: the row is written, go on (and the ports' sockets)
 *	M: ready                 and then the end of file, which is the execve of the monitor
 * A failure ends it from either side; M that is killed says nothing. */
enum report_kind { REPORT_CREATED, REPORT_READY, REPORT_FAILED };
struct report {
	enum report_kind kind;
	pid_t pid;
	struct err err;
};

struct go_on {
	bool client_cleans;
	bool more; /* sockets come with the next message, too */
};

#define GO_ON_FDS     64 /* sockets in one message; the kernel's bound is 253 */
#define GO_ON_FDS_MAX 16384

static void report_send(int fd, enum report_kind kind, pid_t pid, const struct err *err)
{
	struct report report = { .kind = kind, .pid = pid };

	if (err)
		report.err = *err;
	if (fd >= 0)
		send(fd, &report, sizeof(report), MSG_NOSIGNAL);
}

void launch_report_ready(int fd)
{
	report_send(fd, REPORT_READY, 0, NULL);
}

static int go_on_send(int fd, const struct launch_holds *holds)
{
	size_t sent = 0;

	do {
		union {
			struct cmsghdr align;
			char buf[CMSG_SPACE(GO_ON_FDS * sizeof(int))];
		} control = { 0 };
		size_t n = holds->n - sent < GO_ON_FDS ? holds->n - sent : GO_ON_FDS;
		struct go_on go = { .client_cleans = holds->client_cleans,
			            .more = sent + n < holds->n };
		struct iovec iov = { .iov_base = &go, .iov_len = sizeof(go) };
		struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };

		if (n) {
			struct cmsghdr *c;

			msg.msg_control = control.buf;
			msg.msg_controllen = CMSG_SPACE(n * sizeof(int));
			c = CMSG_FIRSTHDR(&msg);
			c->cmsg_level = SOL_SOCKET;
			c->cmsg_type = SCM_RIGHTS;
			c->cmsg_len = CMSG_LEN(n * sizeof(int));
			memcpy(CMSG_DATA(c), holds->fds + sent, n * sizeof(int));
		}
		if (sendmsg(fd, &msg, MSG_NOSIGNAL) < 0)
			return -1;
		sent += n;
	} while (sent < holds->n);
	return 0;
}

/* In M. -1: the command is gone or has failed. The descriptors stay open until the execve. */
static int go_on_receive(int fd, struct launch_holds *ret, int **ret_fds)
{
	struct go_on go;
	int *fds = NULL;
	size_t n = 0;

	do {
		union {
			struct cmsghdr align;
			char buf[CMSG_SPACE(GO_ON_FDS * sizeof(int))];
		} control;
		struct iovec iov = { .iov_base = &go, .iov_len = sizeof(go) };
		struct msghdr msg = { .msg_iov = &iov,
			              .msg_iovlen = 1,
			              .msg_control = control.buf,
			              .msg_controllen = sizeof(control.buf) };
		struct cmsghdr *c;
		ssize_t len = recvmsg(fd, &msg, MSG_CMSG_CLOEXEC);

		if (len < 0 && errno == EINTR) {
			go.more = true;
			continue;
		}
		if (len != sizeof(go))
			return -1;
		c = CMSG_FIRSTHDR(&msg);
		if (c && c->cmsg_type == SCM_RIGHTS && n < GO_ON_FDS_MAX) {
			size_t count = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);

			fds = xreallocarray(fds, n + count, sizeof(int));
			memcpy(fds + n, CMSG_DATA(c), count * sizeof(int));
			n += count;
		}
	} while (go.more);
	*ret_fds = fds;
	*ret = (struct launch_holds){ .fds = fds, .n = n, .client_cleans = go.client_cleans };
	return 0;
}

NORETURN static void run_m(struct engine *e, struct launch *l, struct launch_fds *fds)
{
	struct launch_holds holds;
	struct err err = ERR_INIT;
	int *hold_fds = NULL;
	pid_t pid;

	signals_give_back();
	setsid();
	/* The database's handles are the parent's: they are not to be touched here, not even to
	 * be closed (sqlite.org/howtocorrupt.html, 2.6). The execve ends our copies. */
	e->db = NULL;
	e->images = NULL;
	e->net = NULL;
	if (launch_create(l, &pid, &err) == 0) {
		report_send(fds->report, REPORT_CREATED, pid, NULL);
		if (go_on_receive(fds->report, &holds, &hold_fds) < 0)
			err_set(&err, E_INTERRUPTED,
			        "the command that started the container ended");
		else
			launch_run(l, &holds, &err);
	}
	launch_undo(l);
	report_send(fds->report, REPORT_FAILED, 0, &err);
	_exit(125);
}

/* It could not be started: put the row back as it was, with the reason. */
static void launch_failed(struct engine *e, struct container_row *row, enum container_status before,
                          const struct err *err)
{
	container_release(e, row, ERR_IGNORE);
	row->status = before;
	row->pid = 0;
	row->monitor_pid = 0;
	row->exit_code = err_exit_status(err);
	free(row->error);
	row->error = xstrdup(err->msg);
	if (row->auto_remove)
		container_remove_locked(e, row, CONTAINER_RM_VOLUMES, ERR_IGNORE);
	else
		record_update(e, row, ERR_IGNORE);
}

/* The command's side. Returns when the monitor runs. */
static int see_through(struct launch *l, pid_t m, int fd, const char *name, struct err *err)
{
	struct launch_holds holds;
	struct report report;
	bool ready = false;

	for (;;) {
		ssize_t n = recv(fd, &report, sizeof(report), 0);

		if (n < 0 && errno == EINTR)
			continue;
		if (n != sizeof(report))
			break;
		switch (report.kind) {
		case REPORT_CREATED:
			if (launch_connect(l, report.pid, m, &holds, err) < 0)
				return -1;
			if (go_on_send(fd, &holds) < 0)
				return err_sys(err, errno, "talk to the monitor of '%s'", name);
			break;
		case REPORT_READY:
			ready = true;
			break;
		case REPORT_FAILED:
			*err = report.err;
			return -1;
		}
	}
	if (!ready)
		return err_set(err, E_INTERNAL, "container '%s' was killed while it was started",
		               name);
	return 0;
}

struct start {
	int signals;
	int sock; /* our end of the first client's connection */
	int done; /* end of file: cleaned up */
	int report;
};

static void start_close(struct start *s)
{
	for (size_t i = 0; i < 4; i++) {
		int fd = ((const int[]){ s->signals, s->sock, s->done, s->report })[i];

		if (fd >= 0)
			close(fd);
	}
}

static int make_channels(struct start *s, struct launch_fds *fds, const struct attach_args *attach,
                         struct err *err)
{
	int pair[2];

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return err_sys(err, errno, "make a socket");
	s->report = pair[0];
	fds->report = pair[1];
	if (!attach)
		return 0;
	if (pipe2(pair, O_CLOEXEC) < 0)
		return err_sys(err, errno, "make a pipe");
	s->done = pair[0];
	fds->done = pair[1];
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return err_sys(err, errno, "make a socket");
	s->sock = pair[0];
	fds->client = pair[1];
	fds->attached = true;
	if (attach_hello(s->sock, attach->streams, err) < 0)
		return -1;
	terminal_size(STDIN_FILENO, &fds->rows, &fds->cols);
	s->signals = signals_take(err);
	return s->signals < 0 ? -1 : 0;
}

/* Those that M alone is to hold, so that their ends are seen. */
static void close_m_fds(struct launch_fds *fds)
{
	if (fds->client >= 0)
		close(TAKE_FD(fds->client));
	if (fds->done >= 0)
		close(TAKE_FD(fds->done));
	if (fds->report >= 0)
		close(TAKE_FD(fds->report));
}

static void close_launch_fds(struct launch_fds *fds)
{
	close_m_fds(fds);
	if (fds->lock >= 0)
		close(TAKE_FD(fds->lock));
}

/* The container has ended and said how; wait until it is cleaned up. */
static void wait_done(int done_fd)
{
	char c;

	while (read(done_fd, &c, 1) < 0 && errno == EINTR)
		;
}

/* The container has ended and the monitor leaves the rest to us. Returns whether all is done. */
static bool clean_up(struct engine *e, const char *id, pid_t monitor_pid, uint32_t exit,
                     struct start *s)
{
	struct monitor_msg done = { .type = MONITOR_CLEANED };
	bool cleaned = container_clean_for_monitor(e, id, monitor_pid, (int)(exit & 0xff),
	                                           (exit & MONITOR_EXIT_OOM) != 0, ERR_IGNORE) == 0;

	if (cleaned)
		send(s->sock, &done, sizeof(done), MSG_NOSIGNAL);
	close(TAKE_FD(s->sock));
	return cleaned;
}

static int stay(struct engine *e, const char *id, pid_t m, struct start *s, bool tty,
                const struct attach_args *attach, struct start_result *ret, struct err *err)
{
	uint32_t exit = 0;

	if (attach_pump(e, id, s->sock, s->signals, tty, attach, ret, &exit, err) < 0)
		return -1;
	if (exit & MONITOR_EXIT_CLEAN && clean_up(e, id, m, exit, s))
		return 0;
	if (!ret->detached)
		wait_done(s->done);
	return 0;
}

static int start_row(struct engine *e, struct container_row *row, struct launch_fds *fds,
                     const struct attach_args *attach, bool tty, struct start_result *ret,
                     struct err *err)
{
	struct start s = { .signals = -1, .sock = -1, .done = -1, .report = -1 };
	enum container_status before =
		row->status == CONTAINER_CREATED ? CONTAINER_CREATED : CONTAINER_EXITED;
	struct launch *l = launch_new(e, row, fds);
	pid_t m = -1;
	int r = -1;

	if (make_channels(&s, fds, attach, err) < 0 || launch_prepare(l, err) < 0)
		goto failed;
	m = fork();
	if (m == 0) {
		start_close(&s);
		run_m(e, l, fds);
	}
	if (m < 0) {
		err_sys(err, errno, "fork");
		goto failed;
	}
	/* the lock is kept here until all is settled; M has its own copy until the execve */
	close_m_fds(fds);
	if (see_through(l, m, s.report, row->name, err) < 0) {
		close(TAKE_FD(s.report)); /* M gives up if it is still there */
		waitpid(m, NULL, 0);
		goto failed;
	}
	launch_free(TAKE_PTR(l));
	close(TAKE_FD(fds->lock));
	if (!attach)
		engine_release(e);
	r = attach ? stay(e, row->id, m, &s, tty, attach, ret, err) : 0;
	goto out;
failed:
	launch_failed(e, row, before, err);
out:
	launch_free(l);
	signals_give_back();
	close_launch_fds(fds);
	start_close(&s);
	return r;
}

int container_start(struct engine *e, const char *ref, const struct attach_args *attach,
                    struct start_result *ret, struct err *err)
{
	struct container_row row __attribute__((cleanup(container_row_done))) = { 0 };
	struct launch_fds fds = { .client = -1, .done = -1, .lock = -1, .report = -1 };
	struct attach_args mine = attach ? *attach : (struct attach_args){ 0 };
	struct start_result ignored;
	struct container_options opts;
	struct detach_keys keys;
	bool tty;
	int r;

	if (!ret)
		ret = &ignored;
	*ret = (struct start_result){ 0 };
	if (detach_keys_parse(mine.detach_keys, &keys, err) < 0)
		return -1;
	fds.lock = container_lock_settled(e, ref, &row, err);
	if (fds.lock < 0)
		return -1;
	snprintf(ret->id, sizeof(ret->id), "%s", row.id);
	if (row.status == CONTAINER_RUNNING && !row_init_alive(&row)) {
		/* its monitor is just recording the end: let it finish */
		close(TAKE_FD(fds.lock));
		if (container_wait(e, row.id, WAIT_NOT_RUNNING, &r, err) < 0)
			return -1;
		return container_start(e, row.id, attach, ret, err);
	}
	if (row.status == CONTAINER_PAUSED || row.status == CONTAINER_RUNNING) {
		close(TAKE_FD(fds.lock));
		if (row.status == CONTAINER_PAUSED) {
			err_set(err, E_STATE, "container '%s' is paused", row.name);
			return err_hint(err, "dhow unpause %s", row.name);
		}
		return attach ? container_attach(e, row.id, attach, ret, err) : 0;
	}
	r = container_options_load(e, row.id, &opts, err);
	tty = opts.tty;
	if (!opts.interactive)
		mine.streams &= ~(unsigned)ATTACH_STDIN;
	container_options_done(&opts);
	if (r < 0) {
		close(TAKE_FD(fds.lock));
		return -1;
	}
	return start_row(e, &row, &fds, attach ? &mine : NULL, tty, ret, err);
}
