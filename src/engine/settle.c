/* Rows and reality: what a row claims is compared with the processes that are there, and a row
 * that claims too much is brought up to date by the first command that notices.
 *
 * Who may write a row: the holder of the container's lock. Who lists does not wait for it: a
 * container that is just being started, ended or removed by another command is shown as it looks.
 */
#include "base/clock.h"
#include "base/fd.h"
#include "base/xalloc.h"
#include "engine/engine-internal.h"
#include "engine/monitor-proto.h"
#include "runtime/runtime.h"
#include "sys/pidfd.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>

/* A container's directory without a row is either being made or was left by a killed command. */
#define ORPHAN_AGE_S 5

bool row_init_alive(const struct container_row *row)
{
	return process_is_alive(row->pid, row->pid_start) &&
	       strcmp(row->boot_id, engine_boot_id()) == 0;
}

bool row_monitor_alive(const struct container_row *row)
{
	return process_is_alive(row->monitor_pid, row->monitor_start) &&
	       strcmp(row->boot_id, engine_boot_id()) == 0;
}

bool exit_record_read(struct engine *e, struct container_row *row)
{
	AUTO_FD dir_fd = container_dir_open(e, row->id, ERR_IGNORE);
	AUTO_FREE char *text = NULL;
	long long pid, code, oom, finished;
	unsigned long long start;
	size_t len;

	if (dir_fd < 0 ||
	    file_read_at(dir_fd, MONITOR_EXIT_FILE, 4096, &text, &len, ERR_IGNORE) < 0)
		return false;
	if (sscanf(text, "pid=%lld start=%llu code=%lld oom=%lld finished=%lld", &pid, &start,
	           &code, &oom, &finished) != 5 ||
	    pid != row->pid || start != row->pid_start)
		return false; /* of an earlier life */
	row->exit_code = (int)code;
	row->oom_killed = oom != 0;
	row->finished_ns = finished;
	return true;
}

static bool exit_record_is_there(struct engine *e, const struct container_row *row)
{
	struct container_row copy = *row;

	return exit_record_read(e, &copy); /* changes numbers only */
}

static void set_text(char **field, const char *text)
{
	free(*field);
	*field = xstrdup(text);
}

/* The end of a row that claims to run, as far as it can be known. */
static void row_find_end(struct engine *e, struct container_row *row)
{
	if (!exit_record_read(e, row)) {
		row->exit_code = 137;
		row->finished_ns = clock_realtime_ns();
		set_text(&row->error,
		         strcmp(row->boot_id, engine_boot_id()) == 0
		                 ? "its monitor was killed: how the container ended is not known"
		                 : "the machine was restarted while the container ran");
	}
	row->status = CONTAINER_EXITED;
	row->pid = 0;
}

static bool claims_to_run(const struct container_row *row)
{
	return row->status == CONTAINER_RUNNING || row->status == CONTAINER_PAUSED;
}

void row_probe(struct engine *e, struct container_row *row)
{
	/* Init is gone, but its monitor has not written so yet: in a moment it will, and until
	 * then nobody knows more than that it ran. */
	if (claims_to_run(row) && !row_init_alive(row) &&
	    (exit_record_is_there(e, row) || !row_monitor_alive(row)))
		row_find_end(e, row);
	else if (row->status == CONTAINER_RESTARTING && !row_monitor_alive(row))
		row->status = CONTAINER_EXITED;
	if (!claims_to_run(row))
		row->pid = 0;
}

/* Left by a process that is no more, so that nobody else will put it right. */
static bool needs_settling(const struct container_row *row)
{
	switch (row->status) {
	case CONTAINER_RUNNING:
	case CONTAINER_PAUSED:
		return !row_init_alive(row) && !row_monitor_alive(row);
	case CONTAINER_RESTARTING:
		return !row_monitor_alive(row);
	case CONTAINER_CREATED:
		/* made by a `dhow run --rm` that was killed before it could start it */
		return row->auto_remove && row->monitor_pid && !row_monitor_alive(row);
	case CONTAINER_EXITED:
		return row->auto_remove;
	case CONTAINER_DEAD:
	case CONTAINER_STATUS_MAX:
		break;
	}
	return false;
}

int container_lock(struct engine *e, const char *id, bool try, struct err *err)
{
	AUTO_FD fd = container_dir_open(e, id, err);
	struct stat st;

	if (fd < 0)
		return -1;
	while (flock(fd, LOCK_EX | (try ? LOCK_NB : 0)) < 0) {
		if (errno == EWOULDBLOCK)
			return err_set(err, E_BUSY, "container '%.12s' is being worked on", id);
		if (errno != EINTR)
			return err_sys(err, errno, "lock container '%.12s'", id);
	}
	if (fstat(fd, &st) < 0 || st.st_nlink == 0)
		return err_set(err, E_NOT_FOUND, "no such container '%.12s'", id);
	return TAKE_FD(fd);
}

int settle_locked(struct engine *e, struct container_row *row, bool *ret_removed, struct err *err)
{
	*ret_removed = false;
	if (!needs_settling(row))
		return 0;
	if (claims_to_run(row)) {
		/* the identity is what the exit record is compared with */
		row_find_end(e, row);
		if (container_record_end(e, row, err) < 0)
			return -1;
	} else if (row->status == CONTAINER_RESTARTING) {
		row->status = CONTAINER_EXITED;
		if (record_update(e, row, err) < 0)
			return -1;
	}
	if (container_release(e, row, err) < 0)
		return -1;
	if (!row->auto_remove)
		return 0;
	*ret_removed = true;
	return container_remove_locked(e, row, CONTAINER_RM_VOLUMES, err);
}

int container_lock_settled(struct engine *e, const char *ref, struct container_row *ret,
                           struct err *err)
{
	char id[ID_LEN + 1];
	AUTO_FD lock = -1;
	bool removed = false;

	*ret = (struct container_row){ 0 };
	if (container_find(e, ref, id, err) < 0)
		return -1;
	lock = container_lock(e, id, false, err);
	if (lock < 0 || record_load(e, id, ret, err) < 0 ||
	    settle_locked(e, ret, &removed, err) < 0)
		return -1;
	if (removed)
		return err_set(err, E_NOT_FOUND, "no such container '%s': it has just ended", ref);
	return TAKE_FD(lock);
}

int container_get(struct engine *e, const char *ref, struct container_row *ret, struct err *err)
{
	char id[ID_LEN + 1];

	*ret = (struct container_row){ 0 };
	if (container_find(e, ref, id, err) < 0 || record_load(e, id, ret, err) < 0)
		return -1;
	if (needs_settling(ret)) {
		AUTO_FD lock = -1;

		container_row_done(ret);
		lock = container_lock_settled(e, id, ret, err);
		if (lock < 0)
			return -1;
	}
	row_probe(e, ret);
	return 0;
}

int container_pidfd(struct engine *e, const char *id, pid_t *ret_pid, int *ret_pidfd,
                    struct err *err)
{
	struct container_row row __attribute__((cleanup(container_row_done))) = { 0 };
	int fd;

	if (record_load(e, id, &row, err) < 0)
		return -1;
	fd = claims_to_run(&row) && strcmp(row.boot_id, engine_boot_id()) == 0
	             ? pidfd_open_exact(row.pid, row.pid_start)
	             : -ESRCH;
	if (fd < 0)
		return err_set(err, E_STATE, "container '%s' is not running", row.name);
	*ret_pid = row.pid;
	*ret_pidfd = fd;
	return 0;
}

static int name_compare(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static void list_dir(int parent_fd, const char *name, struct strv *ret)
{
	int fd = openat(parent_fd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *entry;

	if (!dir) {
		if (fd >= 0)
			close(fd);
		return;
	}
	while ((entry = readdir(dir)))
		if (entry->d_name[0] != '.')
			strv_add(ret, entry->d_name);
	closedir(dir);
}

static bool has_row(const struct strv *sorted_ids, const char *id)
{
	return sorted_ids->len &&
	       bsearch(&id, sorted_ids->items, sorted_ids->len, sizeof(char *), name_compare);
}

/* A directory in ROOT/containers that no row knows. */
static void remove_orphan(struct engine *e, const char *id)
{
	char path[sizeof(CONTAINERS_DIR) + 1 + ID_LEN];
	AUTO_FD lock = container_lock(e, id, true, ERR_IGNORE);
	struct container_row row;
	struct err err = ERR_INIT;
	struct stat st;

	if (lock < 0 || fstat(lock, &st) < 0 || time(NULL) - st.st_ctime < ORPHAN_AGE_S)
		return;
	if (record_load(e, id, &row, &err) == 0) {
		container_row_done(&row);
		return;
	}
	if (err.code != E_NOT_FOUND)
		return;
	snprintf(path, sizeof(path), CONTAINERS_DIR "/%s", id);
	tree_remove_at(e->root_fd, path, ERR_IGNORE);
}

/* Directories that were put aside and not removed, because their monitor was killed then. */
static void empty_trash(struct engine *e)
{
	AUTO_STRV names = STRV_INIT;

	list_dir(e->root_fd, TRASH_DIR, &names);
	for (size_t i = 0; i < names.len; i++) {
		char path[sizeof(TRASH_DIR) + 1 + NAME_MAX];
		struct stat st;

		snprintf(path, sizeof(path), TRASH_DIR "/%s", names.items[i]);
		if (fstatat(e->root_fd, path, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
		    time(NULL) - st.st_ctime >= ORPHAN_AGE_S)
			tree_remove_at(e->root_fd, path, ERR_IGNORE);
	}
}

/* What killed commands left outside the rows. State directories are listed before the rows are
 * read: a container gets its row first, so one without is nobody's any more. */
static int sweep(struct engine *e, const struct strv *dirs, const struct strv *states,
                 const struct strv *sockets, const struct strv *ids, struct err *err)
{
	AUTO_FD state_root = -1;

	empty_trash(e);
	for (size_t i = 0; i < dirs->len; i++)
		if (strlen(dirs->items[i]) == ID_LEN && !has_row(ids, dirs->items[i]))
			remove_orphan(e, dirs->items[i]);
	for (size_t i = 0; i < states->len; i++) {
		if (has_row(ids, states->items[i]))
			continue;
		if (state_root < 0)
			state_root = engine_state_root(e, err);
		if (state_root < 0)
			return -1;
		runtime_delete(state_root, states->items[i], true, ERR_IGNORE);
	}
	for (size_t i = 0; i < sockets->len; i++) {
		char path[sizeof(MONITOR_SOCKET_DIR) + 1 + NAME_MAX];

		if (has_row(ids, sockets->items[i]))
			continue;
		snprintf(path, sizeof(path), MONITOR_SOCKET_DIR "/%s", sockets->items[i]);
		unlinkat(e->runroot_fd, path, 0);
	}
	return 0;
}

/* Rows that need it are settled, and dropped from the list when that removed them. */
static void settle_list(struct engine *e, struct container_list *list)
{
	size_t kept = 0;

	for (size_t i = 0; i < list->count; i++) {
		struct container_row *row = &list->rows[i];
		bool removed = false;

		if (needs_settling(row)) {
			AUTO_FD lock = container_lock(e, row->id, true, ERR_IGNORE);
			struct container_row fresh;

			if (lock >= 0 && record_load(e, row->id, &fresh, ERR_IGNORE) == 0) {
				container_row_done(row);
				*row = fresh;
				settle_locked(e, row, &removed, ERR_IGNORE);
			}
		}
		if (removed)
			container_row_done(row);
		else
			list->rows[kept++] = *row;
	}
	list->count = kept;
}

int engine_load_settled(struct engine *e, struct container_list *ret, struct err *err)
{
	AUTO_STRV dirs = STRV_INIT;
	AUTO_STRV states = STRV_INIT;
	AUTO_STRV sockets = STRV_INIT;
	AUTO_STRV ids = STRV_INIT;

	list_dir(e->root_fd, CONTAINERS_DIR, &dirs);
	list_dir(e->runroot_fd, CONTAINERS_DIR, &states);
	list_dir(e->runroot_fd, MONITOR_SOCKET_DIR, &sockets);
	if (record_load_all(e, ret, err) < 0)
		return -1;
	settle_list(e, ret);
	for (size_t i = 0; i < ret->count; i++)
		strv_add(&ids, ret->rows[i].id);
	if (ids.len)
		qsort(ids.items, ids.len, sizeof(char *), name_compare);
	if (sweep(e, &dirs, &states, &sockets, &ids, err) < 0) {
		container_list_done(ret);
		return -1;
	}
	for (size_t i = 0; i < ret->count; i++)
		row_probe(e, &ret->rows[i]);
	return 0;
}

int engine_settle_all(struct engine *e, struct err *err)
{
	struct container_list list;

	if (engine_load_settled(e, &list, err) < 0)
		return -1;
	container_list_done(&list);
	return 0;
}
