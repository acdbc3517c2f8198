/* Rows of containers: SQL, and nothing that knows what the values mean. */
#include "base/db.h"
#include "base/num.h"
#include "base/xalloc.h"
#include "codec/json.h"
#include "engine/engine-internal.h"

#include <errno.h>
#include <string.h>

#define ROW_COLUMNS                                                                                \
	"id, name, image, image_id, command, labels, ports, networks, mounts, ip, error, "         \
	"created_ns, started_ns, finished_ns, status, exit_code, oom_killed, auto_remove, "        \
	"pid, pid_start, monitor_pid, monitor_start, boot_id, restart_count, user_stopped, "       \
	"restart_delay_ms, stdin_once"

#define PLACEHOLDERS                                                                               \
	"?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?"

static const char *const status_names[CONTAINER_STATUS_MAX] = {
	[CONTAINER_CREATED] = "created", [CONTAINER_RUNNING] = "running",
	[CONTAINER_PAUSED] = "paused",   [CONTAINER_RESTARTING] = "restarting",
	[CONTAINER_EXITED] = "exited",   [CONTAINER_DEAD] = "dead",
};

const char *container_status_name(enum container_status status)
{
	return status < CONTAINER_STATUS_MAX ? status_names[status] : "unknown";
}

int container_status_parse(const char *s, enum container_status *ret)
{
	for (int i = 0; i < CONTAINER_STATUS_MAX; i++) {
		if (strcmp(s, status_names[i]) == 0) {
			*ret = (enum container_status)i;
			return 0;
		}
	}
	return -EINVAL;
}

static char *text_copy(const struct db_stmt *st, int column)
{
	const char *s = db_text(st, column);

	return xstrdup(s ? s : "");
}

static void row_read(const struct db_stmt *st, struct container_row *row)
{
	const char *id = db_text(st, 0);
	const char *boot = db_text(st, 22);
	int c = 1;

	*row = (struct container_row){ 0 };
	snprintf(row->id, sizeof(row->id), "%s", id ? id : "");
	row->name = text_copy(st, c++);
	row->image = text_copy(st, c++);
	row->image_id = text_copy(st, c++);
	row->command = text_copy(st, c++);
	row->labels = text_copy(st, c++);
	row->ports = text_copy(st, c++);
	row->networks = text_copy(st, c++);
	row->mounts = text_copy(st, c++);
	row->ip = text_copy(st, c++);
	row->error = text_copy(st, c++);
	row->created_ns = db_i64(st, c++);
	row->started_ns = db_i64(st, c++);
	row->finished_ns = db_i64(st, c++);
	row->status = (enum container_status)db_i64(st, c++);
	if (row->status >= CONTAINER_STATUS_MAX)
		row->status = CONTAINER_DEAD;
	row->exit_code = (int)db_i64(st, c++);
	row->oom_killed = db_i64(st, c++) != 0;
	row->auto_remove = db_i64(st, c++) != 0;
	row->pid = (pid_t)db_i64(st, c++);
	row->pid_start = (uint64_t)db_i64(st, c++);
	row->monitor_pid = (pid_t)db_i64(st, c++);
	row->monitor_start = (uint64_t)db_i64(st, c++);
	snprintf(row->boot_id, sizeof(row->boot_id), "%s", boot ? boot : "");
	c++;
	row->restart_count = (uint32_t)db_i64(st, c++);
	row->user_stopped = db_i64(st, c++) != 0;
	row->restart_delay_ms = (uint32_t)db_i64(st, c++);
	row->stdin_once = db_i64(st, c++) != 0;
}

void container_row_done(struct container_row *row)
{
	free(row->name);
	free(row->image);
	free(row->image_id);
	free(row->command);
	free(row->labels);
	free(row->ports);
	free(row->networks);
	free(row->mounts);
	free(row->ip);
	free(row->error);
	*row = (struct container_row){ 0 };
}

void container_list_done(struct container_list *list)
{
	for (size_t i = 0; i < list->count; i++)
		container_row_done(&list->rows[i]);
	free(list->rows);
	*list = (struct container_list){ 0 };
}

int record_load(struct engine *e, const char *id, struct container_row *ret, struct err *err)
{
	struct db *db = engine_db(e, err);
	AUTO_STMT st = DB_STMT_INIT;
	int r;

	*ret = (struct container_row){ 0 };
	if (!db || db_query(db, &st, err, "SELECT " ROW_COLUMNS " FROM container WHERE id = ?",
	                    DB_TEXT(id)) < 0)
		return -1;
	r = db_step(&st, err);
	if (r < 0)
		return -1;
	if (r == 0)
		return err_set(err, E_NOT_FOUND, "no such container '%.12s'", id);
	row_read(&st, ret);
	return 0;
}

int record_load_all(struct engine *e, struct container_list *ret, struct err *err)
{
	struct db *db = engine_db(e, err);
	AUTO_STMT st = DB_STMT_INIT;
	int r;

	*ret = (struct container_list){ 0 };
	if (!db ||
	    db_query(db, &st, err,
	             "SELECT " ROW_COLUMNS " FROM container ORDER BY created_ns DESC, id") < 0)
		return -1;
	while ((r = db_step(&st, err)) > 0) {
		struct container_row row;

		row_read(&st, &row);
		VEC_PUSH(ret->rows, ret->count, row);
	}
	if (r < 0)
		container_list_done(ret);
	return r;
}

int record_insert(struct engine *e, const struct container_row *row,
                  const struct container_options *opts, struct err *err)
{
	AUTO_JSON *json = container_options_to_json(opts);

	if (db_exec(e->db, err, "INSERT INTO container (" ROW_COLUMNS ") VALUES (" PLACEHOLDERS ")",
	            DB_TEXT(row->id), DB_TEXT(row->name), DB_TEXT(row->image),
	            DB_TEXT(row->image_id), DB_TEXT(row->command), DB_TEXT(row->labels),
	            DB_TEXT(row->ports), DB_TEXT(row->networks), DB_TEXT(row->mounts),
	            DB_TEXT(row->ip), DB_TEXT(row->error), DB_I64(row->created_ns),
	            DB_I64(row->started_ns), DB_I64(row->finished_ns), DB_I64(row->status),
	            DB_I64(row->exit_code), DB_I64(row->oom_killed), DB_I64(row->auto_remove),
	            DB_I64(row->pid), DB_I64((int64_t)row->pid_start), DB_I64(row->monitor_pid),
	            DB_I64((int64_t)row->monitor_start), DB_TEXT(row->boot_id),
	            DB_I64(row->restart_count), DB_I64(row->user_stopped),
	            DB_I64(row->restart_delay_ms), DB_I64(row->stdin_once)) < 0)
		return -1;
	return db_exec(e->db, err, "INSERT INTO container_options (id, options) VALUES (?, ?)",
	               DB_TEXT(row->id), DB_TEXT(json_text(json, false))) < 0
	               ? -1
	               : 0;
}

int record_update(struct engine *e, const struct container_row *row, struct err *err)
{
	struct db *db = engine_db(e, err);
	int n;

	if (!db)
		return -1;
	n = db_exec(db, err,
	            "UPDATE container SET ports = ?, ip = ?, error = ?, started_ns = ?, "
	            "finished_ns = ?, status = ?, exit_code = ?, oom_killed = ?, pid = ?, "
	            "pid_start = ?, monitor_pid = ?, monitor_start = ?, boot_id = ?, "
	            "restart_count = ?, restart_delay_ms = ? WHERE id = ?",
	            DB_TEXT(row->ports), DB_TEXT(row->ip), DB_TEXT(row->error),
	            DB_I64(row->started_ns), DB_I64(row->finished_ns), DB_I64(row->status),
	            DB_I64(row->exit_code), DB_I64(row->oom_killed), DB_I64(row->pid),
	            DB_I64((int64_t)row->pid_start), DB_I64(row->monitor_pid),
	            DB_I64((int64_t)row->monitor_start), DB_TEXT(row->boot_id),
	            DB_I64(row->restart_count), DB_I64(row->restart_delay_ms), DB_TEXT(row->id));
	if (n == 0)
		return err_set(err, E_NOT_FOUND, "no such container '%.12s'", row->id);
	return n < 0 ? -1 : 0;
}

int record_user_stopped(struct engine *e, const char *id, bool stopped, struct err *err)
{
	struct db *db = engine_db(e, err);

	return !db || db_exec(db, err, "UPDATE container SET user_stopped = ? WHERE id = ?",
	                      DB_I64(stopped), DB_TEXT(id)) < 0
	               ? -1
	               : 0;
}

int record_delete(struct engine *e, const char *id, struct err *err)
{
	struct db *db = engine_db(e, err);

	if (!db)
		return -1;
	return db_exec(db, err, "DELETE FROM container WHERE id = ?", DB_TEXT(id)) < 0 ? -1 : 0;
}

int container_options_load(struct engine *e, const char *id, struct container_options *ret,
                           struct err *err)
{
	struct db *db = engine_db(e, err);
	AUTO_STMT st = DB_STMT_INIT;
	AUTO_JSON *json = NULL;
	struct json at;
	const char *text;
	int r;

	container_options_init(ret);
	if (!db || db_query(db, &st, err, "SELECT options FROM container_options WHERE id = ?",
	                    DB_TEXT(id)) < 0)
		return -1;
	r = db_step(&st, err);
	if (r < 0)
		return -1;
	if (r == 0)
		return err_set(err, E_NOT_FOUND, "no such container '%.12s'", id);
	text = db_text(&st, 0);
	if (json_parse("saved options", text, strlen(text), &json, err) < 0)
		return err_ctx(err, "container '%.12s'", id);
	at = json_root(json, "saved options");
	container_options_done(ret);
	if (container_options_from_json(&at, ret, err) < 0)
		return err_ctx(err, "container '%.12s'", id);
	return 0;
}

/* A name wins over an id prefix, as in docker. */
int container_find(struct engine *e, const char *ref, char ret_id[ID_LEN + 1], struct err *err)
{
	struct db *db = engine_db(e, err);
	AUTO_STMT st = DB_STMT_INIT;
	AUTO_STMT by_id = DB_STMT_INIT;
	AUTO_FREE char *end = NULL;
	int r;

	if (!db)
		return -1;
	if (ref[0] == '/') /* docker's inspect shows names so */
		ref++;
	if (strlen(ref) == ID_LEN && is_id_prefix(ref)) {
		int64_t found = 0;

		if (db_get_i64(db, &found, err, "SELECT 1 FROM container WHERE id = ?",
		               DB_TEXT(ref)) < 0)
			return -1;
		if (found) {
			memmove(ret_id, ref, ID_LEN + 1);
			return 0;
		}
	}
	if (db_query(db, &st, err, "SELECT id FROM container WHERE name = ?", DB_TEXT(ref)) < 0)
		return -1;
	r = db_step(&st, err);
	if (r > 0)
		snprintf(ret_id, ID_LEN + 1, "%s", db_text(&st, 0));
	if (r != 0)
		return r < 0 ? -1 : 0;
	if (!is_id_prefix(ref))
		return err_set(err, E_NOT_FOUND, "no such container '%s'", ref);
	end = xasprintf("%sg", ref); /* above every id that begins with ref */
	if (db_query(db, &by_id, err, "SELECT id FROM container WHERE id >= ? AND id < ? LIMIT 2",
	             DB_TEXT(ref), DB_TEXT(end)) < 0)
		return -1;
	r = db_step(&by_id, err);
	if (r == 0)
		return err_set(err, E_NOT_FOUND, "no such container '%s'", ref);
	if (r < 0)
		return -1;
	snprintf(ret_id, ID_LEN + 1, "%s", db_text(&by_id, 0));
	r = db_step(&by_id, err);
	if (r > 0) {
		err_set(err, E_INVALID, "id prefix '%s' is ambiguous: several containers match",
		        ref);
		return err_hint(err, "give more digits, or a name");
	}
	return r;
}
