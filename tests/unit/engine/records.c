/* Rows of containers, finding them, and what becomes of a row whose processes are gone. */
#include "base/db.h"
#include "base/fd.h"
#include "base/strbuf.h"
#include "base/xalloc.h"
#include "engine/engine-internal.h"
#include "engine/monitor-proto.h"
#include "sys/pidfd.h"
#include "test.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

static char base_path[] = "/tmp/dhow-records-XXXXXX";
static struct engine engine;

static void begin(void)
{
	struct err e = ERR_INIT;
	AUTO_FREE char *root = NULL;
	AUTO_FREE char *runroot = NULL;
	struct engine_options opts = { 0 };

	ck_assert(mkdtemp(base_path));
	root = xasprintf("%s/root", base_path);
	runroot = xasprintf("%s/run", base_path);
	opts.root = root;
	opts.runroot = runroot;
	CHECK_OK(engine_open(&opts, &engine, &e));
	ck_assert(engine_db(&engine, &e));
}

static void end(void)
{
	engine_close(&engine);
	tree_remove_at(AT_FDCWD, base_path, ERR_IGNORE);
}

/* A row with its directory; the id is `prefix` filled up with zeros. */
static void add(const char *prefix, const char *name, enum container_status status, pid_t pid,
                uint64_t pid_start, int64_t created_ns)
{
	struct err e = ERR_INIT;
	struct container_options opts;
	struct container_row row = {
		.status = status, .pid = pid, .pid_start = pid_start, .created_ns = created_ns
	};
	AUTO_FREE char *dir = NULL;

	memset(row.id, '0', ID_LEN);
	memcpy(row.id, prefix, strlen(prefix));
	row.name = xstrdup(name);
	row.image = xstrdup("busybox");
	row.image_id = xstrdup("sha256:00");
	row.command = xstrdup("sh");
	row.labels = xstrdup("{\"tier\":\"web\",\"empty\":\"\"}");
	row.ports = xstrdup("");
	row.networks = xstrdup("none");
	row.mounts = xstrdup("data,/srv");
	row.ip = xstrdup("");
	row.error = xstrdup("");
	snprintf(row.boot_id, sizeof(row.boot_id), "%s", engine_boot_id());
	container_options_init(&opts);
	opts.hostname = "h";
	CHECK_OK(record_insert(&engine, &row, &opts, &e));
	container_options_done(&opts);
	dir = xasprintf(CONTAINERS_DIR "/%s", row.id);
	CHECK_OK(dir_make_at(engine.root_fd, dir, 0700, &e));
	container_row_done(&row);
}

START_TEST(found_by_name_id_and_prefix)
{
	struct err e = ERR_INIT;
	char id[ID_LEN + 1];

	begin();
	add("abc1", "one", CONTAINER_CREATED, 0, 0, 1);
	add("abc2", "two", CONTAINER_CREATED, 0, 0, 2);
	add("ff", "abc1", CONTAINER_CREATED, 0, 0, 3);
	CHECK_OK(container_find(&engine, "one", id, &e));
	ck_assert_int_eq(strncmp(id, "abc1", 4), 0);
	CHECK_OK(container_find(&engine, "/two", id, &e));
	CHECK_OK(container_find(&engine, "abc2", id, &e));
	ck_assert_int_eq(strncmp(id, "abc2", 4), 0);
	CHECK_OK(container_find(&engine, id, id, &e));
	CHECK_OK(container_find(&engine, "abc1", id, &e)); /* the name wins */
	ck_assert_int_eq(strncmp(id, "ff", 2), 0);
	CHECK_ERR(E_INVALID, container_find(&engine, "abc", id, &e));
	ck_assert_ptr_nonnull(strstr(e.msg, "ambiguous"));
	CHECK_ERR(E_NOT_FOUND, container_find(&engine, "abd", id, &e));
	CHECK_ERR(E_NOT_FOUND, container_find(&engine, "' OR 1=1 --", id, &e));
	end();
}
END_TEST

START_TEST(names_are_unique_and_checked)
{
	struct err e = ERR_INIT;
	struct container_row row = { .id = "x" };

	begin();
	add("a", "one", CONTAINER_CREATED, 0, 0, 1);
	add("b", "two", CONTAINER_CREATED, 0, 0, 1);
	CHECK_ERR(E_EXISTS, container_rename(&engine, "two", "one", &e));
	ck_assert_ptr_nonnull(strstr(e.msg, "'one' is already in use"));
	CHECK_ERR(E_INVALID, container_rename(&engine, "two", "-x", &e));
	CHECK_OK(container_rename(&engine, "two", "three", &e));
	CHECK_OK(container_get(&engine, "three", &row, &e));
	container_row_done(&row);
	for (unsigned i = 0; i < 100; i++) {
		AUTO_FREE char *name = container_name_random(i % 3);

		ck_assert(container_name_is_valid(name));
	}
	end();
}
END_TEST

static size_t count(const char *filter, bool all, const char *want_name)
{
	struct err e = ERR_INIT;
	struct container_list list;
	AUTO_STRV filters = STRV_INIT;
	struct container_list_args args = { .all = all, .filters = &filters };
	size_t n;

	if (filter)
		strv_split(&filters, filter, ';');
	CHECK_OK(container_list(&engine, &args, &list, &e));
	if (want_name)
		ck_assert_str_eq(list.rows[0].name, want_name);
	n = list.count;
	container_list_done(&list);
	return n;
}

START_TEST(listed_newest_first_and_filtered)
{
	struct err e = ERR_INIT;
	uint64_t start;

	begin();
	ck_assert_int_eq(process_start_time(getpid(), &start), 0);
	add("a", "old", CONTAINER_CREATED, 0, 0, 1);
	add("b", "running", CONTAINER_RUNNING, getpid(), start, 2);
	add("c", "new", CONTAINER_EXITED, 0, 0, 3);
	ck_assert_uint_eq(count(NULL, true, "new"), 3);
	ck_assert_uint_eq(count(NULL, false, "running"), 1);
	ck_assert_uint_eq(count("status=exited", false, "new"), 1);
	ck_assert_uint_eq(count("status=exited;status=created", true, NULL), 2);
	ck_assert_uint_eq(count("name=o;name=runn", true, NULL), 2);
	ck_assert_uint_eq(count("label=tier=web;label=empty", true, NULL), 3);
	ck_assert_uint_eq(count("label=tier=web;label=tier=db", true, NULL), 0);
	ck_assert_uint_eq(count("before=running", true, "old"), 1);
	ck_assert_uint_eq(count("since=running", true, "new"), 1);
	ck_assert_uint_eq(count("volume=data;network=none", true, NULL), 3);
	ck_assert_uint_eq(count("exited=0", true, "new"), 1);
	{
		struct container_list list;
		AUTO_STRV filters = STRV_INIT;
		struct container_list_args args = { .filters = &filters };

		strv_add(&filters, "colour=red");
		CHECK_ERR(E_INVALID, container_list(&engine, &args, &list, &e));
	}
	end();
}
END_TEST

START_TEST(a_dead_container_is_settled)
{
	struct err e = ERR_INIT;
	struct container_row row;
	AUTO_FD dir = -1;
	static const char record[] = "pid=7 start=99 code=3 oom=1 finished=1700000000000000000\n";

	begin();
	add("a", "unknown", CONTAINER_RUNNING, getpid(), 1, 1); /* the pid is another's now */
	add("b", "recorded", CONTAINER_RUNNING, 7, 99, 2);
	add("c", "older", CONTAINER_RUNNING, 7, 98, 2);
	for (int i = 0; i < 2; i++) {
		AUTO_FREE char *path = xasprintf(CONTAINERS_DIR "/%c%063d", "bc"[i], 0);

		dir = dir_open_at(engine.root_fd, path, &e);
		CHECK_OK(file_write_atomic_at(dir, MONITOR_EXIT_FILE, record, sizeof(record) - 1,
		                              0600, 0, &e));
		close(TAKE_FD(dir));
	}
	CHECK_OK(container_get(&engine, "recorded", &row, &e));
	ck_assert_int_eq(row.status, CONTAINER_EXITED);
	ck_assert_int_eq(row.exit_code, 3);
	ck_assert(row.oom_killed);
	ck_assert_int_eq(row.finished_ns, 1700000000000000000);
	container_row_done(&row);
	ck_assert_uint_eq(count("status=exited", true, NULL), 3);
	CHECK_OK(container_get(&engine, "unknown", &row, &e));
	ck_assert_int_eq(row.exit_code, 137);
	ck_assert_ptr_nonnull(strstr(row.error, "monitor was killed"));
	container_row_done(&row);
	CHECK_OK(container_get(&engine, "older", &row, &e));
	ck_assert_int_eq(row.exit_code, 137); /* the record is of another life */
	container_row_done(&row);
	end();
}
END_TEST

START_TEST(another_boot_ends_all)
{
	struct err e = ERR_INIT;
	struct container_row row;
	uint64_t start;

	begin();
	ck_assert_int_eq(process_start_time(getpid(), &start), 0);
	add("a", "c", CONTAINER_RUNNING, getpid(), start, 1);
	CHECK_OK(db_exec(engine.db, &e, "UPDATE container SET boot_id = 'another'"));
	CHECK_OK(container_get(&engine, "c", &row, &e));
	ck_assert_int_eq(row.status, CONTAINER_EXITED);
	ck_assert_ptr_nonnull(strstr(row.error, "machine was restarted"));
	container_row_done(&row);
	end();
}
END_TEST

START_TEST(leftovers_are_swept)
{
	struct err e = ERR_INIT;
	struct stat st;
	AUTO_FREE char *orphan = xasprintf(CONTAINERS_DIR "/%064d", 5);
	AUTO_FREE char *socket_name = xasprintf(MONITOR_SOCKET_DIR "/%064d", 5);

	begin();
	add("a", "kept", CONTAINER_CREATED, 0, 0, 1);
	CHECK_OK(dir_make_at(engine.root_fd, orphan, 0700, &e));
	CHECK_OK(dir_make_at(engine.runroot_fd, MONITOR_SOCKET_DIR, 0700, &e));
	CHECK_OK(file_write_atomic_at(engine.runroot_fd, socket_name, "", 0, 0600, 0, &e));
	CHECK_OK(engine_settle_all(&engine, &e));
	/* a fresh directory may belong to a create under way */
	ck_assert_int_eq(fstatat(engine.root_fd, orphan, &st, 0), 0);
	ck_assert_int_eq(fstatat(engine.runroot_fd, socket_name, &st, 0), -1);
	end();
}
END_TEST

static int collect(void *ctx, const struct event *ev)
{
	strbuf_addf(ctx, "%s:%s ", ev->action, ev->attributes);
	return 0;
}

START_TEST(events_are_kept_in_order)
{
	struct err e = ERR_INIT;
	AUTO_BUF text = STRBUF_INIT;

	begin();
	CHECK_OK(event_add(&engine, "container", "create", "x", NULL, &e));
	CHECK_OK(event_add(&engine, "container", "die", "x", NULL, &e));
	CHECK_OK(event_each(&engine, 0, collect, &text, &e));
	ck_assert_str_eq(text.buf, "create:{} die:{} ");
	strbuf_reset(&text);
	CHECK_OK(event_each(&engine, 1, collect, &text, &e));
	ck_assert_str_eq(text.buf, "die:{} ");
	end();
}
END_TEST

START_TEST(states_in_words)
{
	struct container_row row = { .status = CONTAINER_RUNNING, .started_ns = 0 };

	ck_assert_str_eq(container_status_text(&row, 300000000000).s, "Up 5 minutes");
	row.status = CONTAINER_PAUSED;
	ck_assert_str_eq(container_status_text(&row, 300000000000).s, "Up 5 minutes (Paused)");
	row.status = CONTAINER_EXITED;
	row.exit_code = 3;
	ck_assert_str_eq(container_status_text(&row, 7200000000000).s, "Exited (3) 2 hours ago");
}
END_TEST

TEST_MAIN("engine-records", found_by_name_id_and_prefix, names_are_unique_and_checked,
          listed_newest_first_and_filtered, a_dead_container_is_settled, another_boot_ends_all,
          leftovers_are_swept, events_are_kept_in_order, states_in_words)
