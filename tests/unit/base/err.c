#include "test.h"

#include <errno.h>

static struct err e;

START_TEST(err_sys_appends_the_reason)
{
	ck_assert_int_eq(err_sys(&e, ENOENT, "open '%s'", "config.json"), -1);
	ck_assert_str_eq(e.msg, "open 'config.json': No such file or directory");
	ck_assert_int_eq(e.code, E_NOT_FOUND);
}
END_TEST

START_TEST(err_ctx_prefixes_and_keeps_the_code)
{
	err_set(&e, E_LIMIT, "too long");
	err_ctx(&e, "load '%s'", "x");
	ck_assert_str_eq(e.msg, "load 'x': too long");
	ck_assert_int_eq(e.code, E_LIMIT);
}
END_TEST

START_TEST(err_ctx_never_cuts_the_cause)
{
	char text[sizeof(e.msg)];

	memset(text, 'a', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	err_set(&e, E_IO, "%s", text);
	err_ctx(&e, "outer");
	ck_assert_str_eq(e.msg, text);
}
END_TEST

START_TEST(pieces_from_outside_drive_no_terminal)
{
	err_set(&e, E_INVALID, "bad name '%s'",
	        "a\n\x1b[31m\x7f\xc2\x9b"
	        "2J\xc3\xa9");
	ck_assert_str_eq(e.msg, "bad name 'a??[31m???2J\xc3\xa9'");
	err_ctx(&e, "load '%s'", "\r");
	err_hint(&e, "try\t'%s'", "\a");
	ck_assert(strncmp(e.msg, "load '?': bad", 13) == 0);
	ck_assert_str_eq(e.hint, "try?'?'");
}
END_TEST

TEST_MAIN("err", pieces_from_outside_drive_no_terminal, err_sys_appends_the_reason,
          err_ctx_prefixes_and_keeps_the_code, err_ctx_never_cuts_the_cause)
