/* wait: until a container has ended, been removed, or runs. */
#include "base/xalloc.h"
#include "engine/engine-internal.h"
#include "engine/monitor-proto.h"
#include "sys/pidfd.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#define POLL_FIRST_MS 2
#define POLL_LAST_MS  100

static const char *const condition_names[] = {
	[WAIT_NOT_RUNNING] = "not-running",
	[WAIT_NEXT_EXIT] = "next-exit",
	[WAIT_REMOVED] = "removed",
	[WAIT_RUNNING] = "running",
};

int wait_condition_parse(const char *s, enum wait_condition *ret)
{
	for (size_t i = 0; i < ARRAY_LEN(condition_names); i++) {
		if (strcmp(s, condition_names[i]) == 0) {
			*ret = (enum wait_condition)i;
			return 0;
		}
	}
	if (strcmp(s, "stopped") == 0 || strcmp(s, "exited") == 0) { /* podman's words */
		*ret = WAIT_NOT_RUNNING;
		return 0;
	}
	return -EINVAL;
}

/* The monitor tells everyone who is connected. Returns whether it did. */
static bool hear_exit(struct engine *e, const struct container_row *row, int *ret_exit_code)
{
	AUTO_FD sock = attach_connect(e, row->id, 0, ERR_IGNORE);
	struct monitor_msg msg;
	ssize_t n;

	if (sock < 0)
		return false;
	engine_release(e);
	do {
		n = recv(sock, &msg, sizeof(msg), 0);
	} while (n < 0 && errno == EINTR);
	if (n != sizeof(msg) || msg.type != MONITOR_EXIT)
		return false;
	*ret_exit_code = (int)(msg.arg & 0xff);
	return true;
}

static void pause_ms(int ms)
{
	nanosleep(&(struct timespec){ .tv_nsec = ms * 1000000L }, NULL);
}

static bool runs(const struct container_row *row)
{
	return row->status == CONTAINER_RUNNING || row->status == CONTAINER_PAUSED;
}

/* Wait for the end of a life that has begun. */
static int wait_end(struct engine *e, const struct container_row *row, int *ret_exit_code,
                    struct err *err)
{
	AUTO_FD pidfd = -1;
	pid_t pid;

	if (hear_exit(e, row, ret_exit_code))
		return 0;
	/* no monitor, or it was just leaving */
	if (container_pidfd(e, row->id, &pid, &pidfd, ERR_IGNORE) == 0) {
		engine_release(e);
		pidfd_wait_exit(pidfd, -1);
	}
	for (int ms = POLL_FIRST_MS;; ms = ms < POLL_LAST_MS ? ms * 2 : ms) {
		struct container_row now;
		bool over;

		if (container_get(e, row->id, &now, err) < 0) {
			*ret_exit_code = row->exit_code;
			return err->code == E_NOT_FOUND ? 0 : -1;
		}
		over = !runs(&now) || now.started_ns != row->started_ns;
		if (over)
			*ret_exit_code = now.exit_code;
		container_row_done(&now);
		if (over)
			return 0;
		pause_ms(ms);
	}
}

int container_wait(struct engine *e, const char *ref, enum wait_condition condition,
                   int *ret_exit_code, struct err *err)
{
	char id[ID_LEN + 1];

	*ret_exit_code = 0;
	if (container_find(e, ref, id, err) < 0)
		return -1;
	for (int ms = POLL_FIRST_MS;; ms = ms < POLL_LAST_MS ? ms * 2 : ms) {
		struct container_row row;
		int r = 0;
		bool over = false;

		if (container_get(e, id, &row, err) < 0)
			return err->code == E_NOT_FOUND && condition == WAIT_REMOVED ? 0 : -1;
		if (condition == WAIT_RUNNING) {
			over = row.status == CONTAINER_RUNNING;
		} else if (runs(&row)) {
			r = wait_end(e, &row, ret_exit_code, err);
			over = condition != WAIT_REMOVED;
		} else {
			*ret_exit_code = row.exit_code;
			over = condition == WAIT_NOT_RUNNING;
		}
		container_row_done(&row);
		if (r < 0 || over)
			return r;
		pause_ms(ms);
	}
}
