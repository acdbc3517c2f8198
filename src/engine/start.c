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

/* What M tells us through a pipe: nothing if it was killed, a failure, or that it is ready to
 * become the monitor; the end of the pipe without a failure means that it has. */
struct report {
	bool ready;
	struct err err;
};

void launch_report_ready(int fd)
{
	struct report report = { .ready = true };

	if (fd >= 0)
		fd_write_all(fd, &report, sizeof(report));
}

/* In M: it could not be started. Put the row back as it was, with the reason, and say so. */
static void launch_failed(struct engine *e, struct container_row *row, enum container_status before,
                          int report_fd, struct err *err)
{
	struct report report = { .err = *err };

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
	engine_release(e);
	fd_write_all(report_fd, &report, sizeof(report));
}

NORETURN static void run_m(struct engine *e, struct container_row *row, struct launch_fds *fds)
{
	enum container_status before =
		row->status == CONTAINER_CREATED ? CONTAINER_CREATED : CONTAINER_EXITED;
	struct err err = ERR_INIT;

	signals_give_back();
	setsid();
	container_launch(e, row, fds, &err);
	launch_failed(e, row, before, fds->report, &err);
	_exit(125);
}

static int read_report(int fd, const char *name, struct err *err)
{
	struct report report;
	bool ready = false;

	while (fd_read_exact(fd, &report, sizeof(report)) == 0) {
		if (!report.ready) {
			*err = report.err;
			return -1;
		}
		ready = true;
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

	if (pipe2(pair, O_CLOEXEC) < 0)
		return err_sys(err, errno, "make a pipe");
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
	if (attach_hello(s->sock, attach->streams, err) < 0)
		return -1;
	terminal_size(STDIN_FILENO, &fds->rows, &fds->cols);
	s->signals = signals_take(err);
	return s->signals < 0 ? -1 : 0;
}

static void close_launch_fds(struct launch_fds *fds)
{
	if (fds->client >= 0)
		close(TAKE_FD(fds->client));
	if (fds->done >= 0)
		close(TAKE_FD(fds->done));
	if (fds->lock >= 0)
		close(TAKE_FD(fds->lock));
	if (fds->report >= 0)
		close(TAKE_FD(fds->report));
}

/* The container has ended and said how; wait until it is cleaned up. */
static void wait_done(int done_fd)
{
	char c;

	while (read(done_fd, &c, 1) < 0 && errno == EINTR)
		;
}

static int start_row(struct engine *e, struct container_row *row, struct launch_fds *fds,
                     const struct attach_args *attach, bool tty, struct start_result *ret,
                     struct err *err)
{
	struct start s = { .signals = -1, .sock = -1, .done = -1, .report = -1 };
	pid_t m;
	int r = -1;

	if (make_channels(&s, fds, attach, err) < 0)
		goto out;
	engine_release(e); /* a database handle does not survive fork */
	m = fork();
	if (m == 0) {
		start_close(&s);
		run_m(e, row, fds);
	}
	if (m < 0) {
		err_sys(err, errno, "fork");
		goto out;
	}
	close_launch_fds(fds);
	if (read_report(s.report, row->name, err) < 0) {
		waitpid(m, NULL, 0);
		goto out;
	}
	r = 0;
	if (attach)
		r = attach_pump(e, row->id, s.sock, s.signals, tty, attach, ret, err);
	if (attach && r == 0 && !ret->detached)
		wait_done(s.done);
out:
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
