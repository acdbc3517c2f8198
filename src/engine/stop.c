/* Ending, freezing, naming and removing containers. The command does the waiting; the container's
 * monitor records the end and cleans up, and if there is none any more, the command does. */
#include "base/clock.h"
#include "base/xalloc.h"
#include "engine/engine-internal.h"
#include "runtime/runtime.h"
#include "sys/pidfd.h"

#include <errno.h>
#include <signal.h>
#include <string.h>

#define AUTO_ROW __attribute__((cleanup(container_row_done))) struct container_row

/* A killed process needs no longer than this to go, whatever it was doing in the kernel. */
#define KILL_WAIT_MS   30000
#define RECORD_WAIT_MS 60000
#define RECORD_LOOK_MS 100

static void thaw(struct engine *e, const char *id)
{
	AUTO_FD state_root = engine_state_root(e, ERR_IGNORE);

	if (state_root >= 0)
		runtime_resume(state_root, id, ERR_IGNORE);
}

/* It waits to be started again: what sleeps is `dhow __after-exit`, which needs no ceremony. */
static int stop_restarting(struct engine *e, const char *id, struct err *err)
{
	AUTO_ROW row = { 0 };
	AUTO_FD lock = container_lock_settled(e, id, &row, err);
	AUTO_FD sleeper = -1;

	if (lock < 0)
		return err->code == E_NOT_FOUND ? 0 : -1;
	if (row.status != CONTAINER_RESTARTING)
		return 0;
	sleeper = pidfd_open_exact(row.monitor_pid, row.monitor_start);
	row.status = CONTAINER_EXITED;
	row.monitor_pid = 0;
	if (record_user_stopped(e, row.id, true, err) < 0 || record_update(e, &row, err) < 0)
		return -1;
	if (sleeper >= 0)
		pidfd_signal(sleeper, SIGKILL);
	return 0;
}

/* Init is gone: wait until its monitor has recorded and cleaned up, or do that in its place. The
 * monitor may have made up its mind to start it again before it heard of us. */
static int wait_recorded(struct engine *e, const struct container_row *row, struct err *err)
{
	AUTO_FD monitor = pidfd_open_exact(row->monitor_pid, row->monitor_start);
	AUTO_ROW now = { 0 };
	AUTO_FD lock = -1;

	for (int waited_ms = 0; monitor >= 0; waited_ms += RECORD_LOOK_MS) {
		engine_release(e);
		if (pidfd_wait_exit(monitor, RECORD_LOOK_MS) != 0)
			break;
		if (waited_ms >= RECORD_WAIT_MS)
			return err_set(err, E_TIMEOUT,
			               "container '%s' has ended, but its monitor %d hangs",
			               row->name, row->monitor_pid);
		container_row_done(&now);
		if (record_load(e, row->id, &now, err) < 0)
			return err->code == E_NOT_FOUND ? 0 : -1;
		if (now.status == CONTAINER_RESTARTING)
			return stop_restarting(e, row->id, err);
	}
	container_row_done(&now);
	lock = container_lock_settled(e, row->id, &now, err);
	return lock >= 0 || err->code == E_NOT_FOUND ? 0 : -1;
}

static int load_stop_options(struct engine *e, const char *id, int *ret_signal,
                             int64_t *ret_timeout_s, struct err *err)
{
	struct container_options opts;
	int r = container_options_load(e, id, &opts, err);

	*ret_signal = SIGTERM;
	*ret_timeout_s = STOP_TIMEOUT_DEFAULT_S;
	if (r == 0 && opts.stop_signal)
		signal_parse(opts.stop_signal, ret_signal);
	if (r == 0 && opts.stop_timeout_s != STOP_TIMEOUT_UNSET)
		*ret_timeout_s = opts.stop_timeout_s;
	container_options_done(&opts);
	return r;
}

static int wait_init(struct engine *e, int pidfd, int64_t timeout_s)
{
	int64_t ms = timeout_s < 0                  ? -1
	             : timeout_s > INT32_MAX / 1000 ? INT32_MAX
	                                            : timeout_s * 1000;

	engine_release(e);
	return pidfd_wait_exit(pidfd, (int)ms);
}

int container_stop(struct engine *e, const char *ref, const char *signal, int64_t timeout_s,
                   struct err *err)
{
	AUTO_ROW row = { 0 };
	AUTO_FD pidfd = -1;
	char id[ID_LEN + 1];
	int64_t own_timeout_s;
	int number, own_number;
	pid_t pid;

	if (signal && signal_parse(signal, &number) < 0)
		return err_set(err, E_INVALID, "invalid signal '%s'", signal);
	/* Said before we look: from then on the restart policy starts it no more. */
	if (container_find(e, ref, id, err) < 0 || record_user_stopped(e, id, true, err) < 0 ||
	    container_get(e, id, &row, err) < 0 ||
	    load_stop_options(e, id, &own_number, &own_timeout_s, err) < 0)
		return -1;
	if (!signal)
		number = own_number;
	if (timeout_s <= STOP_TIMEOUT_OWN)
		timeout_s = own_timeout_s;
	if (row.status == CONTAINER_RESTARTING)
		return stop_restarting(e, row.id, err);
	if (row.status != CONTAINER_RUNNING && row.status != CONTAINER_PAUSED)
		return row.monitor_pid && row_monitor_alive(&row) ? wait_recorded(e, &row, err) : 0;
	if (container_pidfd(e, row.id, &pid, &pidfd, err) == 0) {
		pidfd_signal(pidfd, number);
		if (row.status == CONTAINER_PAUSED)
			thaw(e, row.id);
		if (wait_init(e, pidfd, timeout_s) != 1) {
			pidfd_signal(pidfd, SIGKILL);
			if (pidfd_wait_exit(pidfd, KILL_WAIT_MS) != 1)
				return err_set(err, E_TIMEOUT,
				               "container '%s' does not end, even when killed",
				               row.name);
		}
	}
	if (wait_recorded(e, &row, err) < 0)
		return -1;
	return event_container(e, &row, "stop", NULL, NULL, err);
}

int container_kill(struct engine *e, const char *ref, const char *signal, struct err *err)
{
	AUTO_ROW row = { 0 };
	AUTO_FD pidfd = -1;
	int64_t timeout_s;
	int number = SIGKILL, stop_signal, r;
	char text[12];
	pid_t pid;

	if (signal && signal_parse(signal, &number) < 0) {
		err_set(err, E_INVALID, "invalid signal '%s'", signal);
		return err_hint(err, "give a name like KILL or a number");
	}
	if (container_get(e, ref, &row, err) < 0 ||
	    load_stop_options(e, row.id, &stop_signal, &timeout_s, err) < 0 ||
	    container_pidfd(e, row.id, &pid, &pidfd, err) < 0)
		return -1;
	/* these mean "end it", so the restart policy is to leave it alone */
	if ((number == SIGKILL || number == stop_signal) &&
	    record_user_stopped(e, row.id, true, err) < 0)
		return -1;
	r = pidfd_signal(pidfd, number);
	if (r < 0 && r != -ESRCH)
		return err_sys(err, -r, "send signal %d to container '%s'", number, row.name);
	snprintf(text, sizeof(text), "%d", number);
	if (event_container(e, &row, "kill", "signal", text, err) < 0)
		return -1;
	if (number != SIGKILL)
		return 0;
	if (row.status == CONTAINER_PAUSED)
		thaw(e, row.id);
	engine_release(e);
	if (pidfd_wait_exit(pidfd, KILL_WAIT_MS) != 1)
		return err_set(err, E_TIMEOUT, "container '%s' does not end, even when killed",
		               row.name);
	return wait_recorded(e, &row, err);
}

static int set_auto_remove(struct engine *e, const char *id, bool on, struct err *err)
{
	struct db *db = engine_db(e, err);

	return !db || db_exec(db, err, "UPDATE container SET auto_remove = ? WHERE id = ?",
	                      DB_I64(on), DB_TEXT(id)) < 0
	               ? -1
	               : 0;
}

int container_restart(struct engine *e, const char *ref, const char *signal, int64_t timeout_s,
                      struct err *err)
{
	AUTO_ROW row = { 0 };
	int r;

	if (container_get(e, ref, &row, err) < 0)
		return -1;
	/* the end of this life is not the end of the container */
	if (row.auto_remove && set_auto_remove(e, row.id, false, err) < 0)
		return -1;
	r = container_stop(e, row.id, signal, timeout_s, err);
	if (r == 0)
		r = container_start(e, row.id, NULL, NULL, err);
	if (row.auto_remove && set_auto_remove(e, row.id, true, r < 0 ? ERR_IGNORE : err) < 0)
		return -1;
	return r < 0 ? -1 : event_container(e, &row, "restart", NULL, NULL, err);
}

static int set_frozen(struct engine *e, const char *ref, bool frozen, struct err *err)
{
	AUTO_ROW row = { 0 };
	AUTO_FD lock = container_lock_settled(e, ref, &row, err);
	AUTO_FD state_root = -1;
	int r;

	if (lock < 0)
		return -1;
	row_probe(e, &row);
	if (row.status == (frozen ? CONTAINER_PAUSED : CONTAINER_RUNNING) && frozen)
		return err_set(err, E_STATE, "container '%s' is already paused", row.name);
	if (row.status != (frozen ? CONTAINER_RUNNING : CONTAINER_PAUSED))
		return err_set(err, E_STATE, "container '%s' is not %s", row.name,
		               frozen ? "running" : "paused");
	state_root = engine_state_root(e, err);
	if (state_root < 0)
		return -1;
	r = frozen ? runtime_pause(state_root, row.id, err)
	           : runtime_resume(state_root, row.id, err);
	if (r < 0)
		return err_ctx(err, "container '%s'", row.name);
	row.status = frozen ? CONTAINER_PAUSED : CONTAINER_RUNNING;
	if (record_update(e, &row, err) < 0)
		return -1;
	return event_container(e, &row, frozen ? "pause" : "unpause", NULL, NULL, err);
}

int container_pause(struct engine *e, const char *ref, struct err *err)
{
	return set_frozen(e, ref, true, err);
}

int container_unpause(struct engine *e, const char *ref, struct err *err)
{
	return set_frozen(e, ref, false, err);
}

int container_rename(struct engine *e, const char *ref, const char *name, struct err *err)
{
	AUTO_ROW row = { 0 };
	AUTO_FD lock = container_lock_settled(e, ref, &row, err);
	char *old;

	if (lock < 0)
		return -1;
	if (!container_name_is_valid(name)) {
		err_set(err, E_INVALID, "invalid container name '%s'", name);
		return err_hint(err, "use letters, digits, '_', '.', '-'");
	}
	if (db_exec(e->db, err, "UPDATE container SET name = ? WHERE id = ?", DB_TEXT(name),
	            DB_TEXT(row.id)) < 0) {
		if (err->code == E_EXISTS)
			err_set(err, E_EXISTS, "the container name '%s' is already in use", name);
		return -1;
	}
	old = row.name;
	row.name = xstrdup(name);
	if (event_container(e, &row, "rename", "oldName", old, err) < 0) {
		free(old);
		return -1;
	}
	free(old);
	return 0;
}

/* Kill it and wait for its end. */
static int end_by_force(struct engine *e, const char *id, struct err *err)
{
	AUTO_ROW row = { 0 };
	AUTO_FD pidfd = -1;
	pid_t pid;

	if (record_user_stopped(e, id, true, err) < 0 || container_get(e, id, &row, err) < 0)
		return err->code == E_NOT_FOUND ? 0 : -1;
	if (row.status == CONTAINER_RESTARTING)
		return stop_restarting(e, id, err);
	if (container_pidfd(e, id, &pid, &pidfd, err) == 0) {
		pidfd_signal(pidfd, SIGKILL);
		if (row.status == CONTAINER_PAUSED)
			thaw(e, id);
		engine_release(e);
		if (pidfd_wait_exit(pidfd, KILL_WAIT_MS) != 1)
			return err_set(err, E_TIMEOUT,
			               "container '%s' does not end, even when killed", row.name);
	}
	return wait_recorded(e, &row, err);
}

static bool is_active(const struct container_row *row)
{
	return row->status == CONTAINER_RUNNING || row->status == CONTAINER_PAUSED ||
	       row->status == CONTAINER_RESTARTING;
}

int container_rm(struct engine *e, const char *ref, unsigned flags, struct err *err)
{
	AUTO_ROW row = { 0 };
	AUTO_FD lock = container_lock_settled(e, ref, &row, err);

	/* Active, unless somebody starts it again and again between our looks at it. */
	for (int tries = 0; lock >= 0 && is_active(&row) && tries < 3; tries++) {
		char id[ID_LEN + 1];
		bool running = row.status == CONTAINER_RESTARTING || row_init_alive(&row);

		if (running && !(flags & CONTAINER_RM_FORCE)) {
			err_set(err, E_STATE, "container '%s' is %s", row.name,
			        container_status_name(row.status));
			return err_hint(err, "stop it first, or remove it with --force");
		}
		close(TAKE_FD(lock));
		snprintf(id, sizeof(id), "%s", row.id);
		if ((running ? end_by_force(e, id, err) : wait_recorded(e, &row, err)) < 0)
			return -1;
		container_row_done(&row);
		lock = container_lock_settled(e, id, &row, err);
		if (lock < 0 && err->code == E_NOT_FOUND)
			return 0; /* it had --rm */
	}
	if (lock < 0)
		return -1;
	if (container_release(e, &row, err) < 0)
		return -1;
	return container_remove_locked(e, &row, flags, err);
}
