#include "base/db.h"
#include "base/fd.h"
#include "base/strbuf.h"
#include "base/xalloc.h"
#include <errno.h>
#include <fcntl.h>
#include <sqlite3.h>
#include <sys/stat.h>

#define DB_BUSY_TIMEOUT_MS 10000
#define DB_LOG_PAGES_TIDY  64
#define DB_LOG_PAGES_MAX   256

struct db {
	sqlite3 *conn;
	char *name;
	bool durable;  /* synchronous=FULL is in force */
	int log_pages; /* of the write-ahead log, after our last commit */
};

static enum err_code code_of(int extended)
{
	switch (extended & 0xff) {
	case SQLITE_BUSY:
	case SQLITE_LOCKED:
		return E_BUSY;
	case SQLITE_FULL:
		return E_NO_SPACE;
	case SQLITE_READONLY:
	case SQLITE_PERM:
	case SQLITE_AUTH:
		return E_PERM;
	case SQLITE_CORRUPT:
	case SQLITE_NOTADB:
		return E_CORRUPT;
	case SQLITE_CANTOPEN:
	case SQLITE_IOERR:
		return E_IO;
	case SQLITE_CONSTRAINT:
		if (extended == SQLITE_CONSTRAINT_FOREIGNKEY)
			return E_BUSY;
		if (extended == SQLITE_CONSTRAINT_UNIQUE ||
		    extended == SQLITE_CONSTRAINT_PRIMARYKEY || extended == SQLITE_CONSTRAINT_ROWID)
			return E_EXISTS;
		return E_INVALID;
	default:
		return E_INTERNAL;
	}
}

static int db_error(struct db *db, struct err *err, const char *what)
{
	int extended = sqlite3_extended_errcode(db->conn);
	enum err_code code = code_of(extended);

	int os = (extended & 0xff) == SQLITE_IOERR ? sqlite3_system_errno(db->conn) : 0;

	/* "disk I/O error" alone does not say that the disk is full */
	if (os) {
		err_sys(err, os, "database '%s': %s: %s", db->name, what, sqlite3_errmsg(db->conn));
		return -1;
	}
	err_set(err, code, "database '%s': %s: %s", db->name, what, sqlite3_errmsg(db->conn));
	if (code == E_BUSY && (extended & 0xff) != SQLITE_CONSTRAINT)
		err_hint(err, "another dhow process holds it; try again");
	else if (code == E_CORRUPT)
		err_hint(err, "restore it from a backup, or move it away to start afresh");
	return -1;
}

static int pragma(struct db *db, const char *sql, struct err *err)
{
	if (sqlite3_exec(db->conn, sql, NULL, NULL, NULL) != SQLITE_OK)
		return db_error(db, err, sql);
	return 0;
}

/* journal_mode=WAL is stored in the file: asked for only when it is not so yet, because the
 * change needs an exclusive lock. */
static int ensure_wal(struct db *db, struct err *err)
{
	AUTO_STMT st = DB_STMT_INIT;
	int r;

	if (db_query(db, &st, err, "PRAGMA journal_mode") < 0)
		return -1;
	r = db_step(&st, err);
	if (r < 0)
		return -1;
	if (r > 0 && db_text(&st, 0) && strcmp(db_text(&st, 0), "wal") == 0)
		return 0;
	db_stmt_done(&st);
	return pragma(db, "PRAGMA journal_mode=WAL", err);
}

/* Empty the log, unless somebody else is at work on it: the next one will. A log that is only
 * copied back, not emptied, would be read and copied again by the next command. */
static void fold_back(struct db *db)
{
	sqlite3_busy_timeout(db->conn, 0);
	sqlite3_wal_checkpoint_v2(db->conn, NULL, SQLITE_CHECKPOINT_TRUNCATE, NULL, NULL);
	sqlite3_busy_timeout(db->conn, DB_BUSY_TIMEOUT_MS);
	db->log_pages = 0;
}

/* Who opens the database alone reads the whole log first, so it is kept short: by db_tidy() where
 * nobody waits, and by a writer only when it has grown long. */
static int after_commit(void *ctx, sqlite3 *conn, const char *name, int pages)
{
	struct db *db = ctx;

	db->log_pages = pages;
	if (pages >= DB_LOG_PAGES_MAX)
		fold_back(db);
	return SQLITE_OK;
}

void db_tidy(struct db *db)
{
	if (db->log_pages >= DB_LOG_PAGES_TIDY)
		fold_back(db);
}

int db_open(int dir_fd, const char *name, unsigned flags, struct db **ret, struct err *err)
{
	AUTO_DB *db = xcalloc(1, sizeof(*db));
	AUTO_FREE char *path = xasprintf("%s/%s", fd_path(dir_fd).s, name);
	AUTO_FD fd = -1;

	db->name = xstrdup(name);
	/* made here, so that its mode does not depend on the umask */
	fd = openat(dir_fd, name,
	            O_RDWR | O_CLOEXEC | O_NOFOLLOW | (flags & DB_CREATE ? O_CREAT : 0), 0600);
	if (fd < 0)
		return err_sys(err, errno, "open database '%s'", name);
	if (sqlite3_open_v2(path, &db->conn, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, NULL) !=
	    SQLITE_OK) {
		if (!db->conn)
			return err_set(err, E_IO, "open database '%s': out of memory", name);
		return db_error(db, err, "open");
	}
	sqlite3_extended_result_codes(db->conn, 1);
	sqlite3_busy_timeout(db->conn, DB_BUSY_TIMEOUT_MS);
	/* Commands come and go: without this each one would write the log back into the database,
	 * wait for the disk three times and unlink the log, for the next one to make it anew. */
	sqlite3_db_config(db->conn, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
	sqlite3_wal_hook(db->conn, after_commit, db);
	if (ensure_wal(db, err) < 0 || pragma(db, "PRAGMA synchronous=NORMAL", err) < 0 ||
	    pragma(db, "PRAGMA foreign_keys=ON", err) < 0)
		return -1;
	*ret = TAKE_PTR(db);
	return 0;
}

void db_free(struct db *db)
{
	if (!db)
		return;
	if (db->conn)
		sqlite3_close_v2(db->conn);
	free(db->name);
	free(db);
}

void db_stmt_done(struct db_stmt *st)
{
	if (st->stmt)
		sqlite3_finalize(st->stmt);
	*st = DB_STMT_INIT;
}

int db_rebind_(struct db_stmt *st, struct err *err, const struct db_value *values)
{
	int n = sqlite3_bind_parameter_count(st->stmt);
	int i = 0;
	int r = SQLITE_OK;

	sqlite3_reset(st->stmt);
	for (; values[i].type != DB_VALUE_END && r == SQLITE_OK; i++) {
		const struct db_value *v = &values[i];

		switch (v->type) {
		case DB_VALUE_I64:
			r = sqlite3_bind_int64(st->stmt, i + 1, v->i);
			break;
		case DB_VALUE_TEXT:
			r = sqlite3_bind_text(st->stmt, i + 1, v->data, -1, SQLITE_TRANSIENT);
			break;
		case DB_VALUE_BLOB:
			r = sqlite3_bind_blob64(st->stmt, i + 1, v->data ? v->data : "", v->len,
			                        SQLITE_TRANSIENT);
			break;
		case DB_VALUE_NULL:
		case DB_VALUE_END:
			r = sqlite3_bind_null(st->stmt, i + 1);
			break;
		}
	}
	if (r != SQLITE_OK)
		return db_error(st->db, err, "bind");
	if (i != n)
		return err_set(err, E_INTERNAL, "database: %d values for %d parameters in '%s'", i,
		               n, sqlite3_sql(st->stmt));
	return 0;
}

int db_query_(struct db *db, struct db_stmt *ret, struct err *err, const char *sql,
              const struct db_value *values)
{
	struct db_stmt st = { .db = db };

	if (sqlite3_prepare_v2(db->conn, sql, -1, &st.stmt, NULL) != SQLITE_OK)
		return db_error(db, err, sql);
	if (db_rebind_(&st, err, values) < 0) {
		db_stmt_done(&st);
		return -1;
	}
	db_stmt_done(ret);
	*ret = st;
	return 0;
}

int db_step(struct db_stmt *st, struct err *err)
{
	switch (sqlite3_step(st->stmt)) {
	case SQLITE_ROW:
		return 1;
	case SQLITE_DONE:
		return 0;
	default:
		return db_error(st->db, err, sqlite3_sql(st->stmt));
	}
}

int64_t db_i64(const struct db_stmt *st, int column)
{
	return sqlite3_column_int64(st->stmt, column);
}

const char *db_text(const struct db_stmt *st, int column)
{
	return (const char *)sqlite3_column_text(st->stmt, column);
}

const void *db_blob(const struct db_stmt *st, int column, size_t *ret_len)
{
	const void *data = sqlite3_column_blob(st->stmt, column);

	*ret_len = (size_t)sqlite3_column_bytes(st->stmt, column);
	return data;
}

bool db_is_null(const struct db_stmt *st, int column)
{
	return sqlite3_column_type(st->stmt, column) == SQLITE_NULL;
}

int db_exec_(struct db *db, struct err *err, const char *sql, const struct db_value *values)
{
	AUTO_STMT st = DB_STMT_INIT;
	int r;

	if (db_query_(db, &st, err, sql, values) < 0)
		return -1;
	do
		r = db_step(&st, err);
	while (r > 0);
	return r < 0 ? -1 : sqlite3_changes(db->conn);
}

int db_get_i64_(struct db *db, int64_t *ret, struct err *err, const char *sql,
                const struct db_value *values)
{
	AUTO_STMT st = DB_STMT_INIT;
	int r;

	if (db_query_(db, &st, err, sql, values) < 0)
		return -1;
	r = db_step(&st, err);
	if (r > 0)
		*ret = db_i64(&st, 0);
	return r;
}

int64_t db_last_rowid(const struct db *db)
{
	return sqlite3_last_insert_rowid(db->conn);
}

static int begin(struct db *db, const char *sql, bool durable, struct err *err)
{
	if (db->durable != durable) {
		if (pragma(db, durable ? "PRAGMA synchronous=FULL" : "PRAGMA synchronous=NORMAL",
		           err) < 0)
			return -1;
		db->durable = durable;
	}
	return pragma(db, sql, err);
}

int db_begin_immediate(struct db *db, struct err *err)
{
	return begin(db, "BEGIN IMMEDIATE", false, err);
}

int db_begin_durable(struct db *db, struct err *err)
{
	return begin(db, "BEGIN IMMEDIATE", true, err);
}

int db_begin_read(struct db *db, struct err *err)
{
	return begin(db, "BEGIN DEFERRED", false, err);
}

int db_commit(struct db *db, struct err *err)
{
	if (pragma(db, "COMMIT", err) == 0)
		return 0;
	db_rollback(db);
	return -1;
}

void db_rollback(struct db *db)
{
	if (db_in_transaction(db))
		sqlite3_exec(db->conn, "ROLLBACK", NULL, NULL, NULL);
}

bool db_in_transaction(const struct db *db)
{
	return !sqlite3_get_autocommit(db->conn);
}

static int run_steps(struct db *db, const char *component, const char *const *steps, int from,
                     int to, struct err *err)
{
	for (int i = from; i < to; i++)
		if (sqlite3_exec(db->conn, steps[i], NULL, NULL, NULL) != SQLITE_OK) {
			db_error(db, err, "migrate");
			return err_ctx(err, "step %d of '%s'", i + 1, component);
		}
	if (db_exec(db, err,
	            "INSERT INTO schema_version(component, version) VALUES(?, ?)"
	            " ON CONFLICT(component) DO UPDATE SET version = excluded.version",
	            DB_TEXT(component), DB_I64(to)) < 0)
		return -1;
	return 0;
}

/* The stored version, 0 when there is none yet. */
static int component_version(struct db *db, const char *component, int64_t *ret, struct err *err)
{
	int64_t has_table = 0;

	*ret = 0;
	if (db_get_i64(db, &has_table, err,
	               "SELECT 1 FROM sqlite_master WHERE type='table' AND name='schema_version'") <
	    0)
		return -1;
	if (!has_table)
		return 0;
	return db_get_i64(db, ret, err, "SELECT version FROM schema_version WHERE component = ?",
	                  DB_TEXT(component)) < 0
	               ? -1
	               : 0;
}

static int newer(struct db *db, const char *component, int64_t have, int n, struct err *err)
{
	err_set(err, E_UNSUPPORTED, "database '%s': '%s' has version %lld, this dhow knows %d",
	        db->name, component, (long long)have, n);
	return err_hint(err, "use the newer dhow that wrote it, or another --root");
}

int db_migrate(struct db *db, const char *component, const char *const *steps, int n,
               struct err *err)
{
	int64_t have;

	if (component_version(db, component, &have, err) < 0)
		return -1;
	if (have == n)
		return 0;
	if (have > n)
		return newer(db, component, have, n, err);
	if (db_begin_durable(db, err) < 0)
		return -1;
	/* read again under the write lock: another process may have been here */
	if (component_version(db, component, &have, err) < 0)
		goto fail;
	if (have > n) {
		newer(db, component, have, n, err);
		goto fail;
	}
	if (sqlite3_exec(db->conn,
	                 "CREATE TABLE IF NOT EXISTS schema_version("
	                 "component TEXT PRIMARY KEY, version INTEGER NOT NULL) WITHOUT ROWID",
	                 NULL, NULL, NULL) != SQLITE_OK) {
		db_error(db, err, "create schema_version");
		goto fail;
	}
	if (have < n && run_steps(db, component, steps, (int)have, n, err) < 0)
		goto fail;
	return db_commit(db, err);
fail:
	db_rollback(db);
	return -1;
}

int db_check(struct db *db, struct err *err)
{
	AUTO_STMT st = DB_STMT_INIT;
	int r;

	if (db_query(db, &st, err, "PRAGMA quick_check(1)") < 0)
		return -1;
	r = db_step(&st, err);
	if (r < 0)
		return -1;
	if (r > 0 && strcmp(db_text(&st, 0), "ok") != 0)
		return err_set(err, E_CORRUPT, "database '%s': %s", db->name, db_text(&st, 0));
	return 0;
}
