/* What happens when a container has ended: by its monitor's last act (`dhow __after-exit`), or
 * by whoever finds it dead. Every step can be repeated, because each may have been cut short. */
#include "base/clock.h"
#include "base/fd.h"
#include "base/xalloc.h"
#include "engine/engine-internal.h"
#include "engine/monitor-proto.h"
#include "engine/volumes.h"
#include "net/net.h"
#include "runtime/runtime.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#define RESTART_DELAY_FIRST_MS 100u
#define RESTART_DELAY_MAX_MS   60000u
/* A container that ran so long is taken for a healthy one: its next restart comes at once. */
#define RESTART_HEALTHY_NS (10 * 1000000000ll)

int container_release(struct engine *e, const struct container_row *row, struct err *err)
{
	char path[sizeof(MONITOR_SOCKET_DIR) + 1 + ID_LEN];
	AUTO_FD state_root = engine_state_root(e, err);

	if (state_root < 0)
		return -1;
	if (runtime_delete(state_root, row->id, true, err) < 0 && err->code != E_NOT_FOUND)
		return err_ctx(err, "clean up after container '%s'", row->name);
	snprintf(path, sizeof(path), MONITOR_SOCKET_DIR "/%s", row->id);
	unlinkat(e->runroot_fd, path, 0);
	if (strcmp(row->networks, "bridge") == 0) {
		struct net *net = engine_net(e, err);

		if (!net || net_teardown(net, row->id, err) < 0)
			return err_ctx(err, "clean up after container '%s'", row->name);
	}
	return 0;
}

static int end_events(struct engine *e, const struct container_row *row, struct err *err)
{
	char code[12];

	if (row->oom_killed && event_container(e, row, "oom", NULL, NULL, err) < 0)
		return -1;
	snprintf(code, sizeof(code), "%d", row->exit_code);
	return event_container(e, row, "die", "exitCode", code, err);
}

int container_record_end(struct engine *e, struct container_row *row, struct err *err)
{
	struct db *db = engine_db(e, err);

	row->pid = 0;
	free(row->ip);
	row->ip = xstrdup("");
	if (!db || db_begin_immediate(db, err) < 0)
		return -1;
	if (record_update(e, row, err) < 0 || end_events(e, row, err) < 0) {
		db_rollback(db);
		return -1;
	}
	return db_commit(db, err);
}

enum remove_how {
	REMOVE_ENDED = 1u << 0, /* it has just ended: that is told in the same transaction */
	REMOVE_LATER = 1u << 1, /* the files are put aside: the monitor removes them */
};

/* Out of sight, for the monitor (or the next command that sweeps) to remove. Returns whether it
 * could be. */
static bool put_aside(struct engine *e, const char *id)
{
	char from[sizeof(CONTAINERS_DIR) + 1 + ID_LEN], to[sizeof(TRASH_DIR) + 1 + ID_LEN];

	snprintf(from, sizeof(from), CONTAINERS_DIR "/%s", id);
	snprintf(to, sizeof(to), TRASH_DIR "/%s", id);
	if (renameat(e->root_fd, from, e->root_fd, to) == 0)
		return true;
	return errno == ENOENT && mkdirat(e->root_fd, TRASH_DIR, 0700) == 0 &&
	       renameat(e->root_fd, from, e->root_fd, to) == 0;
}

/* Needs no lock of its own and no row: what a directory holds is of no use without one. */
static void remove_files(struct engine *e, const char *id)
{
	char path[sizeof(CONTAINERS_DIR) + 1 + ID_LEN];

	snprintf(path, sizeof(path), CONTAINERS_DIR "/%s", id);
	tree_remove_at(e->root_fd, path, ERR_IGNORE);
}

/* The row goes before the files: a directory without a row is swept, a row without its
 * directory would be a broken container. */
static int remove_container(struct engine *e, const struct container_row *row, unsigned flags,
                            unsigned how, struct err *err)
{
	struct db *db = engine_db(e, err);

	if (!db)
		return -1;
	if (flags & CONTAINER_RM_VOLUMES) {
		struct container_options opts;
		int r = container_options_load(e, row->id, &opts, err);

		if (r == 0)
			r = volumes_remove_anonymous(e->root_fd, &opts, err);
		container_options_done(&opts);
		if (r < 0)
			return -1;
	}
	if (db_begin_immediate(db, err) < 0)
		return -1;
	if (((how & REMOVE_ENDED) && end_events(e, row, err) < 0) ||
	    event_container(e, row, "destroy", NULL, NULL, err) < 0 ||
	    record_delete(e, row->id, err) < 0) {
		db_rollback(db);
		return -1;
	}
	if (db_commit(db, err) < 0)
		return -1;
	if (!(how & REMOVE_LATER) || !put_aside(e, row->id))
		remove_files(e, row->id);
	return 0;
}

int container_remove_locked(struct engine *e, const struct container_row *row, unsigned flags,
                            struct err *err)
{
	return remove_container(e, row, flags, 0, err);
}

/* Whether, and after how long, the policy starts it again; row->restart_* are moved on. */
static bool restart_wanted(struct engine *e, struct container_row *row, uint32_t *ret_delay_ms)
{
	struct container_options opts;
	struct restart_policy policy = { .kind = RESTART_NO };

	if (row->user_stopped)
		return false;
	if (container_options_load(e, row->id, &opts, ERR_IGNORE) == 0)
		restart_policy_parse(opts.restart, &policy, ERR_IGNORE);
	container_options_done(&opts);
	if (policy.kind == RESTART_NO ||
	    (policy.kind == RESTART_ON_FAILURE &&
	     (row->exit_code == 0 ||
	      (policy.max_retries && row->restart_count >= policy.max_retries))))
		return false;
	if (row->finished_ns - row->started_ns >= RESTART_HEALTHY_NS || !row->restart_delay_ms)
		row->restart_delay_ms = RESTART_DELAY_FIRST_MS;
	else if (row->restart_delay_ms < RESTART_DELAY_MAX_MS / 2)
		row->restart_delay_ms *= 2;
	else
		row->restart_delay_ms = RESTART_DELAY_MAX_MS;
	*ret_delay_ms = row->restart_delay_ms;
	row->restart_count++;
	return true;
}

static void sleep_ms(uint32_t ms)
{
	struct timespec left = { .tv_sec = ms / 1000, .tv_nsec = (long)(ms % 1000) * 1000000 };

	while (nanosleep(&left, &left) < 0 && errno == EINTR)
		;
}

/* After the pause: start it again, unless somebody decided otherwise meanwhile. */
static int start_again(struct engine *e, const char *id, uint32_t delay_ms, struct err *err)
{
	struct container_row row __attribute__((cleanup(container_row_done))) = { 0 };
	struct launch_fds fds = {
		.client = -1, .done = -1, .lock = -1, .report = -1, .by_policy = true
	};
	AUTO_FD lock = -1;
	int exit_code;

	engine_release(e);
	sleep_ms(delay_ms);
	lock = container_lock(e, id, false, err);
	if (lock < 0 || record_load(e, id, &row, err) < 0)
		return err->code == E_NOT_FOUND ? 0 : -1;
	if (row.status != CONTAINER_RESTARTING || row.monitor_pid != getpid())
		return 0;
	exit_code = row.exit_code;
	fds.lock = lock;
	if (row.user_stopped)
		err_set(err, E_INTERRUPTED, "stopped");
	else
		container_launch(e, &row, &fds, err);
	/* back here, it was stopped meanwhile, or could not be started: then with the reason */
	row.status = CONTAINER_EXITED;
	row.exit_code = exit_code;
	row.pid = 0;
	if (err->code != E_INTERRUPTED) {
		free(row.error);
		row.error = xstrdup(err->msg);
		row.exit_code = err_exit_status(err);
		row.finished_ns = clock_realtime_ns();
	}
	return record_update(e, &row, err);
}

static int after_exit(struct engine *e, const char *id, uint32_t *ret_delay_ms, struct err *err)
{
	struct container_row row __attribute__((cleanup(container_row_done))) = { 0 };
	AUTO_FD lock = container_lock(e, id, false, err);

	if (lock < 0 || record_load(e, id, &row, err) < 0)
		return err->code == E_NOT_FOUND ? 0 : -1;
	if (row.monitor_pid != getpid())
		return 0; /* settled by another command, which saw our record */
	if (!exit_record_read(e, &row)) {
		row.exit_code = 137;
		row.finished_ns = clock_realtime_ns();
		free(row.error);
		row.error = xstrdup("its exit code could not be recorded");
	}
	row.status = CONTAINER_EXITED;
	if (row.auto_remove) {
		if (container_release(e, &row, err) < 0)
			return -1;
		return remove_container(e, &row, CONTAINER_RM_VOLUMES, REMOVE_ENDED, err);
	}
	if (restart_wanted(e, &row, ret_delay_ms))
		row.status = CONTAINER_RESTARTING;
	if (container_record_end(e, &row, err) < 0)
		return -1;
	return container_release(e, &row, err);
}

int container_after_exit(struct engine *e, const char *id, int done_fd, struct err *err)
{
	uint32_t delay_ms = 0;
	int r = after_exit(e, id, &delay_ms, err);

	if (done_fd >= 0)
		close(done_fd);
	if (r == 0 && delay_ms)
		return start_again(e, id, delay_ms, err);
	if (e->db)
		db_tidy(e->db); /* nobody waits for us now */
	return r;
}

int container_clean_for_monitor(struct engine *e, const char *id, pid_t monitor_pid, int exit_code,
                                bool oom_killed, struct err *err)
{
	struct container_row row __attribute__((cleanup(container_row_done))) = { 0 };
	AUTO_FD lock = container_lock(e, id, false, err);

	if (lock < 0 || record_load(e, id, &row, err) < 0)
		return err->code == E_NOT_FOUND ? 0 : -1;
	if (row.monitor_pid != monitor_pid)
		return 0;
	if (!row.auto_remove) /* by restart, meanwhile */
		return err_set(err, E_STATE, "container '%s' is kept", row.name);
	row.exit_code = exit_code;
	row.oom_killed = oom_killed;
	if (container_release(e, &row, err) < 0)
		return -1;
	return remove_container(e, &row, CONTAINER_RM_VOLUMES, REMOVE_ENDED | REMOVE_LATER, err);
}
