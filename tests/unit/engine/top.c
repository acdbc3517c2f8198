#include "test.h"

#include <sys/prctl.h>

#include "engine/top-internal.h"

static struct err e;
static struct top_table t;

static int build(const char *const *args)
{
	pid_t pids[] = { getpid(), getppid() };
	AUTO_STRV v = STRV_INIT;

	for (; *args; args++)
		strv_add(&v, *args);
	top_table_done(&t);
	return top_build(pids, 2, &v, &t, &e);
}
#define BUILD(...) build((const char *const[]){ __VA_ARGS__ __VA_OPT__(, ) NULL })

START_TEST(the_default_has_dockers_columns)
{
	static const char *const titles[] = { "UID",   "PID", "PPID", "C",
		                              "STIME", "TTY", "TIME", "CMD" };
	char pid[16];

	CHECK_OK(BUILD());
	ck_assert_uint_eq(t.titles.len, ARRAY_LEN(titles));
	for (size_t i = 0; i < ARRAY_LEN(titles); i++)
		ck_assert_str_eq(t.titles.items[i], titles[i]);
	ck_assert_uint_eq(t.count, 2);
	snprintf(pid, sizeof(pid), "%d", getpid());
	ck_assert_str_eq(t.rows[1].items[1], pid);
	ck_assert_uint_eq(t.rows[1].len, t.titles.len);
	top_table_done(&t);
}
END_TEST

START_TEST(columns_can_be_chosen)
{
	CHECK_OK(BUILD("-eo", "pid,comm,nlwp"));
	ck_assert_uint_eq(t.titles.len, 3);
	CHECK_OK(BUILD("-o", "pid,args"));
	ck_assert_uint_eq(t.titles.len, 2);
	CHECK_OK(BUILD("aux"));
	ck_assert_str_eq(t.titles.items[0], "USER");
	CHECK_OK(BUILD("pid", "user", "args"));
	ck_assert_uint_eq(t.titles.len, 3);
	CHECK_ERR(E_INVALID, BUILD("-o", "pid,nonsense"));
	ck_assert_ptr_nonnull(strstr(e.msg, "nonsense"));
	CHECK_ERR(E_INVALID, BUILD("-Z"));
	CHECK_ERR(E_INVALID, BUILD("-o"));
}
END_TEST

START_TEST(a_name_with_brackets_and_escapes_is_harmless)
{
	ck_assert_int_eq(prctl(PR_SET_NAME, "a) R 1 (\x1b["), 0);
	CHECK_OK(BUILD("-o", "ppid,comm"));
	ck_assert_str_ne(t.rows[1].items[0], "1 (");
	ck_assert_ptr_null(strchr(t.rows[1].items[1], '\x1b'));
}
END_TEST

TEST_MAIN("top", the_default_has_dockers_columns, columns_can_be_chosen,
          a_name_with_brackets_and_escapes_is_harmless)
