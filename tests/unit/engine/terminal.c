#include "engine/terminal.h"

#include "test.h"

#include <string.h>

static bool feed(struct detach_keys *k, const char *in, char *out)
{
	size_t len;
	bool leave = detach_keys_feed(k, in, strlen(in), out, &len);

	out[len] = '\0';
	return leave;
}

START_TEST(keys_are_parsed)
{
	struct err e = ERR_INIT;
	struct detach_keys k;

	CHECK_OK(detach_keys_parse(NULL, &k, &e));
	ck_assert_uint_eq(k.len, 2);
	ck_assert_uint_eq(k.keys[0], 0x10);
	ck_assert_uint_eq(k.keys[1], 0x11);
	CHECK_OK(detach_keys_parse("", &k, &e));
	ck_assert_uint_eq(k.len, 0);
	CHECK_OK(detach_keys_parse("ctrl-@,x,ctrl-[,ctrl-A", &k, &e));
	ck_assert_uint_eq(k.keys[0], 0);
	ck_assert_uint_eq(k.keys[1], 'x');
	ck_assert_uint_eq(k.keys[2], 0x1b);
	ck_assert_uint_eq(k.keys[3], 1);
	CHECK_ERR(E_INVALID, detach_keys_parse("ctrl-", &k, &e));
	CHECK_ERR(E_INVALID, detach_keys_parse("ab", &k, &e));
	CHECK_ERR(E_INVALID, detach_keys_parse("ctrl-p,,ctrl-q", &k, &e));
}
END_TEST

START_TEST(input_passes_until_the_keys)
{
	struct err e = ERR_INIT;
	struct detach_keys k;
	char out[64];

	CHECK_OK(detach_keys_parse("x,y", &k, &e));
	ck_assert(!feed(&k, "ab", out));
	ck_assert_str_eq(out, "ab");
	/* the first key is held back until it is clear what it meant */
	ck_assert(!feed(&k, "cx", out));
	ck_assert_str_eq(out, "c");
	ck_assert(!feed(&k, "d", out));
	ck_assert_str_eq(out, "xd");
	ck_assert(!feed(&k, "x", out));
	ck_assert(!feed(&k, "x", out));
	ck_assert_str_eq(out, "x");
	ck_assert(feed(&k, "y", out));
	ck_assert_str_eq(out, "");
	CHECK_OK(detach_keys_parse("q", &k, &e));
	ck_assert(feed(&k, "abq", out));
	ck_assert_str_eq(out, "ab");
}
END_TEST

START_TEST(no_keys_no_way_out)
{
	struct err e = ERR_INIT;
	struct detach_keys k;
	char out[64];

	CHECK_OK(detach_keys_parse("", &k, &e));
	ck_assert(!feed(&k, "\x10\x11", out));
	ck_assert_str_eq(out, "\x10\x11");
}
END_TEST

TEST_MAIN("engine-terminal", keys_are_parsed, input_passes_until_the_keys, no_keys_no_way_out)
