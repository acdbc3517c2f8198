#include "base/strbuf.h"
#include "base/strv.h"
#include "base/xalloc.h"

#include "test.h"

START_TEST(strbuf_is_always_a_string)
{
	AUTO_BUF sb = STRBUF_INIT;
	AUTO_FREE char *taken = NULL;

	ck_assert_str_eq(sb.buf, "");
	strbuf_reset(&sb);
	strbuf_trunc(&sb, 0);
	strbuf_add(&sb, NULL, 0);
	ck_assert_str_eq(sb.buf, "");
	taken = strbuf_take(&sb);
	ck_assert_str_eq(taken, "");
	strbuf_done(&sb);
	ck_assert_str_eq(sb.buf, "");
}
END_TEST

START_TEST(strbuf_grows)
{
	AUTO_BUF sb = STRBUF_INIT;
	AUTO_FREE char *taken = NULL;

	for (int i = 0; i < 10000; i++)
		strbuf_addf(&sb, "%d,", i % 10);
	ck_assert_uint_eq(sb.len, 20000);
	ck_assert_uint_eq(strlen(sb.buf), 20000);
	strbuf_trunc(&sb, 3);
	ck_assert_str_eq(sb.buf, "0,1");
	strbuf_addc(&sb, '!');
	strbuf_adds(&sb, "end");
	strbuf_add(&sb, "\0x", 2); /* bytes, not strings */
	ck_assert_uint_eq(sb.len, 9);
	taken = strbuf_take(&sb);
	ck_assert_mem_eq(taken, "0,1!end\0x", 10);
	ck_assert_uint_eq(sb.len, 0);
	strbuf_adds(&sb, "again");
	ck_assert_str_eq(sb.buf, "again");
}
END_TEST

START_TEST(strbuf_keeps_its_memory_on_reset)
{
	AUTO_BUF sb = STRBUF_INIT;
	char *before;

	strbuf_adds(&sb, "something");
	before = sb.buf;
	strbuf_reset(&sb);
	ck_assert_str_eq(sb.buf, "");
	strbuf_adds(&sb, "x");
	ck_assert_ptr_eq(sb.buf, before);
}
END_TEST

START_TEST(strv_ends_with_null_at_every_length)
{
	AUTO_STRV v = STRV_INIT;

	for (size_t i = 0; i < 100; i++) {
		strv_addf(&v, "%zu", i);
		ck_assert_uint_eq(v.len, i + 1);
		ck_assert_ptr_null(v.items[i + 1]);
	}
	ck_assert_str_eq(v.items[99], "99");
	ck_assert(strv_has(&v, "42"));
	ck_assert(!strv_has(&v, "100"));
	strv_done(&v);
	ck_assert_ptr_null(v.items);
	strv_add(&v, "usable again");
	ck_assert_ptr_null(v.items[1]);
}
END_TEST

START_TEST(strv_environment)
{
	AUTO_STRV v = STRV_INIT;
	char *const more[] = { (char[]){ "PATHS=no" }, (char[]){ "EMPTY=" }, NULL };

	strv_set_env(&v, "PATH", "/bin");
	strv_add_all(&v, more);
	strv_add_all(&v, NULL);
	strv_set_env(&v, "PATH", "/usr/bin");
	ck_assert_uint_eq(v.len, 3);
	ck_assert_str_eq(v.items[0], "PATH=/usr/bin");
	ck_assert_str_eq(strv_get_env(&v, "PATH"), "/usr/bin");
	ck_assert_str_eq(strv_get_env(&v, "EMPTY"), "");
	ck_assert_ptr_null(strv_get_env(&v, "PAT"));
}
END_TEST

START_TEST(strv_split_keeps_empty_fields)
{
	AUTO_STRV v = STRV_INIT;

	strv_split(&v, ",a,,b,", ',');
	ck_assert_uint_eq(v.len, 5);
	ck_assert_str_eq(v.items[0], "");
	ck_assert_str_eq(v.items[1], "a");
	ck_assert_str_eq(v.items[3], "b");
	ck_assert_str_eq(v.items[4], "");
}
END_TEST

START_TEST(vec_push_keeps_what_is_there)
{
	int *items = NULL;
	size_t count = 0;

	for (int i = 0; i < 1000; i++)
		VEC_PUSH(items, count, i);
	ck_assert_uint_eq(count, 1000);
	for (int i = 0; i < 1000; i++)
		ck_assert_int_eq(items[i], i);
	free(items);
}
END_TEST

START_TEST(copies)
{
	AUTO_FREE char *a = xstrndup("abc", 2), *b = xstrndup("abc", 10), *c = xstrdup_null(NULL);

	ck_assert_str_eq(a, "ab");
	ck_assert_str_eq(b, "abc");
	ck_assert_ptr_null(c);
}
END_TEST

TEST_MAIN("strings", strbuf_is_always_a_string, strbuf_grows, strbuf_keeps_its_memory_on_reset,
          strv_ends_with_null_at_every_length, strv_environment, strv_split_keeps_empty_fields,
          vec_push_keeps_what_is_there, copies)
