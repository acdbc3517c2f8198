/* db: the one SQLite database of a root (dhow.db), shared by processes that come and go.
 *
 * Opened in WAL mode with foreign keys on and a busy timeout of 10 s, so that several dhow
 * processes may read and write at once; E_BUSY means that the timeout passed. Each layer owns
 * its own tables, made and changed by its own numbered steps (db_migrate); a database written by
 * a newer dhow is refused by the name of the component.
 *
 * Durability: an ordinary transaction survives the death of the process at once and a power cut
 * after the next checkpoint (synchronous=NORMAL); db_begin_durable() waits for the disk at commit.
 * In both cases a power cut leaves the database consistent.
 *
 * Threads: one struct db per thread. Fork: open anew in the child, never use an inherited one.
 *
 *	AUTO_STMT st = DB_STMT_INIT;
 *	int r;
 *	if (db_query(db, &st, err, "SELECT id, size FROM image WHERE name = ?", DB_TEXT(name)) < 0)
 *		return -1;
 *	while ((r = db_step(&st, err)) > 0)
 *		use(db_text(&st, 0), db_i64(&st, 1));
 *	return r;
 */
#pragma once
#include "base/err.h"
#include <stdbool.h>
#include <stdint.h>

struct db;
struct sqlite3_stmt;

enum db_flags {
	DB_CREATE = 1u << 0, /* make the file (0600) when it is missing; else E_NOT_FOUND */
};

/* Open `name` below dir_fd (borrowed). Caller frees. */
int db_open(int dir_fd, const char *name, unsigned flags, struct db **ret, struct err *err);
void db_free(struct db *db); /* rolls back what is open; NULL is fine */
DEFINE_FREEP(struct db, db_free)
#define AUTO_DB __attribute__((cleanup(db_freep))) struct db

/* Fold what was written back into the file if there is much of it. Waits for the disk: call it when
 * nobody waits for us any more. */
void db_tidy(struct db *db);

/* Bring the tables of `component` to version n by running steps[version..n-1], each a list of SQL
 * statements, in one transaction. Released steps are never changed, only added to.
 * Cheap when nothing is to do (one read). E_UNSUPPORTED when the file is newer than n. */
int db_migrate(struct db *db, const char *component, const char *const *steps, int n,
               struct err *err);

/* A value to bind; TEXT and BLOB are borrowed until the statement is stepped to its end or done. */
struct db_value {
	enum db_value_type {
		DB_VALUE_END = 0,
		DB_VALUE_NULL,
		DB_VALUE_I64,
		DB_VALUE_TEXT,
		DB_VALUE_BLOB
	} type;
	int64_t i;
	const void *data;
	size_t len;
};

#define DB_I64(v)     ((struct db_value){ .type = DB_VALUE_I64, .i = (v) })
#define DB_TEXT(s)    ((struct db_value){ .type = DB_VALUE_TEXT, .data = (s) }) /* NULL: SQL NULL */
#define DB_BLOB(p, n) ((struct db_value){ .type = DB_VALUE_BLOB, .data = (p), .len = (n) })
#define DB_NULL       ((struct db_value){ .type = DB_VALUE_NULL })
/* Starts with a value that is skipped: an empty list needs no __VA_OPT__, which is not C17. */
#define DB_VALUES_(...)                                                                            \
	((const struct db_value[]){                                                                \
		 { .type = DB_VALUE_END }, ##__VA_ARGS__, { .type = DB_VALUE_END } } +             \
	 1)

/* A statement in progress. */
struct db_stmt {
	struct sqlite3_stmt *stmt;
	struct db *db;
};
#define DB_STMT_INIT ((struct db_stmt){ 0 })
void db_stmt_done(struct db_stmt *st);
#define AUTO_STMT __attribute__((cleanup(db_stmt_done))) struct db_stmt

/* Prepare and bind: db_query(db, &st, err, "... ? ... ?", DB_TEXT(a), DB_I64(b)). */
#define db_query(db, ret_st, err, sql, ...)                                                        \
	db_query_((db), (ret_st), (err), (sql), DB_VALUES_(__VA_ARGS__))
int db_query_(struct db *db, struct db_stmt *ret, struct err *err, const char *sql,
              const struct db_value *values);
/* Bind anew to run the same statement again. */
#define db_rebind(st, err, ...) db_rebind_((st), (err), DB_VALUES_(__VA_ARGS__))
int db_rebind_(struct db_stmt *st, struct err *err, const struct db_value *values);
/* Return 1 with a row, 0 at the end, -1. A broken UNIQUE or primary key is E_EXISTS, a broken
 * foreign key E_BUSY. */
int db_step(struct db_stmt *st, struct err *err);

/* Columns of the current row; borrowed until the next db_step. */
int64_t db_i64(const struct db_stmt *st, int column);
const char *db_text(const struct db_stmt *st, int column); /* NULL for SQL NULL */
const void *db_blob(const struct db_stmt *st, int column, size_t *ret_len);
bool db_is_null(const struct db_stmt *st, int column);

/* Run a statement to its end, rows ignored. Return the number of rows it changed, or -1. */
#define db_exec(db, err, sql, ...) db_exec_((db), (err), (sql), DB_VALUES_(__VA_ARGS__))
int db_exec_(struct db *db, struct err *err, const char *sql, const struct db_value *values);
/* The first column of the first row. Return 1, 0 when there is no row (*ret untouched), or -1. */
#define db_get_i64(db, ret, err, sql, ...)                                                         \
	db_get_i64_((db), (ret), (err), (sql), DB_VALUES_(__VA_ARGS__))
int db_get_i64_(struct db *db, int64_t *ret, struct err *err, const char *sql,
                const struct db_value *values);
int64_t db_last_rowid(const struct db *db);

/* Transactions do not nest. A writer begins with one of these, so that two writers queue up
 * instead of failing at their first write; keep it short and never across a wait.
 * db_rollback() is harmless when none is open, so it can stand on every error path. */
int db_begin_immediate(struct db *db, struct err *err);
int db_begin_durable(struct db *db, struct err *err); /* commit waits for the disk */
int db_begin_read(struct db *db, struct err *err);    /* one snapshot for several queries */
int db_commit(struct db *db, struct err *err);        /* rolled back when it fails */
void db_rollback(struct db *db);
bool db_in_transaction(const struct db *db);

/* PRAGMA quick_check: 0 when sound, else E_CORRUPT with the first finding. */
int db_check(struct db *db, struct err *err);
