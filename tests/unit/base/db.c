#include "base/db.h"
#include "base/fd.h"
#include "test.h"
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

static struct err e;
static char dir[] = "/tmp/dhow-unit-db-XXXXXX";
static int dir_fd = -1;

static const char *const steps[] = {
	"CREATE TABLE a(id INTEGER PRIMARY KEY, name TEXT UNIQUE)",
	"ALTER TABLE a ADD COLUMN data BLOB; CREATE TABLE b(a INTEGER NOT NULL REFERENCES a(id));",
};

static struct db *fresh(void)
{
	struct db *db = NULL;

	ck_assert_ptr_nonnull(mkdtemp(dir));
	dir_fd = open(dir, O_DIRECTORY | O_CLOEXEC);
	CHECK_OK(db_open(dir_fd, "dhow.db", DB_CREATE, &db, &e));
	return db;
}

static void cleanup(struct db *db)
{
	db_free(db);
	close(dir_fd);
	CHECK_OK(tree_remove_at(AT_FDCWD, dir, &e));
}

START_TEST(db_open_without_create_reports_a_missing_file)
{
	struct db *db = fresh();
	struct db *other = NULL;

	CHECK_ERR(E_NOT_FOUND, db_open(dir_fd, "none.db", 0, &other, &e));
	cleanup(db);
}
END_TEST

START_TEST(db_file_is_private_whatever_the_umask)
{
	struct db *db;
	struct stat st;

	umask(0);
	db = fresh();
	ck_assert_int_eq(fstatat(dir_fd, "dhow.db", &st, 0), 0);
	ck_assert_uint_eq(st.st_mode & 07777, 0600);
	cleanup(db);
}
END_TEST

START_TEST(db_migrate_runs_only_what_is_missing)
{
	struct db *db = fresh();

	CHECK_OK(db_migrate(db, "test", steps, 1, &e));
	CHECK_OK(db_migrate(db, "test", steps, 2, &e));
	CHECK_OK(db_migrate(db, "test", steps, 2, &e));
	CHECK_OK(db_exec(db, &e, "INSERT INTO a(name, data) VALUES('x', NULL)"));
	cleanup(db);
}
END_TEST

START_TEST(db_migrate_refuses_a_newer_schema_by_name)
{
	struct db *db = fresh();

	CHECK_OK(db_migrate(db, "test", steps, 2, &e));
	CHECK_ERR(E_UNSUPPORTED, db_migrate(db, "test", steps, 1, &e));
	ck_assert_ptr_nonnull(strstr(e.msg, "'test'"));
	cleanup(db);
}
END_TEST

START_TEST(db_migrate_that_fails_leaves_nothing)
{
	static const char *const bad[] = { "CREATE TABLE z(x)", "NOT SQL" };
	struct db *db = fresh();
	int64_t n = -1;

	CHECK_ERR(E_INTERNAL, db_migrate(db, "bad", bad, 2, &e));
	CHECK_OK(db_get_i64(db, &n, &e, "SELECT count(*) FROM sqlite_master WHERE name = 'z'"));
	ck_assert_int_eq(n, 0);
	cleanup(db);
}
END_TEST

START_TEST(db_values_come_back_as_bound)
{
	struct db *db = fresh();
	struct db_stmt st = DB_STMT_INIT;
	size_t len;

	CHECK_OK(db_migrate(db, "test", steps, 2, &e));
	ck_assert_int_eq(db_exec(db, &e, "INSERT INTO a(id, name, data) VALUES(?, ?, ?)",
	                         DB_I64(INT64_MAX), DB_TEXT("it's"), DB_BLOB("a\0b", 3)),
	                 1);
	CHECK_OK(db_query(db, &st, &e, "SELECT id, name, data, NULL FROM a WHERE name = ?",
	                  DB_TEXT("it's")));
	ck_assert_int_eq(db_step(&st, &e), 1);
	ck_assert(db_i64(&st, 0) == INT64_MAX);
	ck_assert_str_eq(db_text(&st, 1), "it's");
	ck_assert_mem_eq(db_blob(&st, 2, &len), "a\0b", 3);
	ck_assert_uint_eq(len, 3);
	ck_assert(db_is_null(&st, 3));
	ck_assert_int_eq(db_step(&st, &e), 0);
	db_stmt_done(&st);
	cleanup(db);
}
END_TEST

START_TEST(db_constraint_errors_have_their_codes)
{
	struct db *db = fresh();

	CHECK_OK(db_migrate(db, "test", steps, 2, &e));
	CHECK_OK(db_exec(db, &e, "INSERT INTO a(id, name) VALUES(1, 'x')"));
	CHECK_OK(db_exec(db, &e, "INSERT INTO b(a) VALUES(1)"));
	CHECK_ERR(E_EXISTS, db_exec(db, &e, "INSERT INTO a(name) VALUES('x')"));
	CHECK_ERR(E_BUSY, db_exec(db, &e, "DELETE FROM a WHERE id = 1"));
	CHECK_ERR(E_INTERNAL, db_exec(db, &e, "INSERT INTO a(name) VALUES(?)"));
	cleanup(db);
}
END_TEST

START_TEST(db_rollback_undoes_and_commit_keeps)
{
	struct db *db = fresh();
	int64_t n = -1;

	CHECK_OK(db_migrate(db, "test", steps, 2, &e));
	db_rollback(db); /* harmless without a transaction */
	CHECK_OK(db_begin_immediate(db, &e));
	CHECK_OK(db_exec(db, &e, "INSERT INTO a(name) VALUES('x')"));
	db_rollback(db);
	CHECK_OK(db_begin_durable(db, &e));
	CHECK_OK(db_exec(db, &e, "INSERT INTO a(name) VALUES('y')"));
	CHECK_OK(db_commit(db, &e));
	CHECK_OK(db_get_i64(db, &n, &e, "SELECT count(*) FROM a"));
	ck_assert_int_eq(n, 1);
	CHECK_OK(db_check(db, &e));
	cleanup(db);
}
END_TEST

START_TEST(db_a_file_that_is_no_database_is_corrupt)
{
	struct db *db = fresh();
	struct db *other = NULL;
	char junk[4096];

	memset(junk, 'x', sizeof(junk));
	CHECK_OK(file_write_atomic_at(dir_fd, "junk.db", junk, sizeof(junk), 0600, 0, &e));
	CHECK_ERR(E_CORRUPT, db_open(dir_fd, "junk.db", 0, &other, &e));
	cleanup(db);
}
END_TEST

TEST_MAIN("db", db_open_without_create_reports_a_missing_file,
          db_file_is_private_whatever_the_umask, db_migrate_runs_only_what_is_missing,
          db_migrate_refuses_a_newer_schema_by_name, db_migrate_that_fails_leaves_nothing,
          db_values_come_back_as_bound, db_constraint_errors_have_their_codes,
          db_rollback_undoes_and_commit_keeps, db_a_file_that_is_no_database_is_corrupt)
