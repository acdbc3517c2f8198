#include "codec/toml.h"
#include "codec/base64.h"
#include "test.h"
#include <errno.h>
#include <string.h>

static struct err e;

/* As compact JSON; "" and e filled in when it is refused. */
static const char *json_of(const char *toml)
{
	static char *text;
	AUTO_JSON *obj = NULL;

	free(text);
	text = NULL;
	if (toml_parse("t", toml, strlen(toml), &obj, &e) == 0)
		text = strdup(json_text(obj, false));
	return text ? text : "";
}

START_TEST(values_of_every_kind_are_read)
{
	ck_assert_str_eq(json_of("a = 1\nb = -0x1F"), "");
	ck_assert_str_eq(json_of("a = 1_000\nb = 0x1F\nc = 0o17\nd = 0b101\ne = -7\nf = +1\n"),
	                 "{\"a\":1000,\"b\":31,\"c\":15,\"d\":5,\"e\":-7,\"f\":1}");
	ck_assert_str_eq(json_of("a = true\nb = false # no\n"), "{\"a\":true,\"b\":false}");
	ck_assert_str_eq(json_of("a = [ 1, 'x', [ ], { b = 1 }, ] "),
	                 "{\"a\":[1,\"x\",[],{\"b\":1}]}");
	ck_assert_str_eq(json_of("a = 1979-05-27T07:32:00Z\nb = 07:32:00.5\nc = 1979-05-27 "
	                         "07:32:00-07:00"),
	                 "{\"a\":\"1979-05-27T07:32:00Z\",\"b\":\"07:32:00.5\",\"c\":\"1979-05-27 "
	                 "07:32:00-07:00\"}");
	ck_assert_str_eq(json_of("a = 1.5"), "{\"a\":1.5}");
}
END_TEST

START_TEST(strings_have_four_forms)
{
	ck_assert_str_eq(json_of("a = \"x\\t\\u00e9\\\"\""), "{\"a\":\"x\\t\xc3\xa9\\\"\"}");
	ck_assert_str_eq(json_of("a = 'C:\\x'"), "{\"a\":\"C:\\\\x\"}");
	ck_assert_str_eq(json_of("a = \"\"\"\nx \\\n   y\"\"\"\"\"\n"), "{\"a\":\"x y\\\"\\\"\"}");
	ck_assert_str_eq(json_of("a = '''\nx\r\ny'''\n"), "{\"a\":\"x\\ny\"}");
	ck_assert_str_eq(json_of("\"a b\".'c' = ''"), "{\"a b\":{\"c\":\"\"}}");
}
END_TEST

START_TEST(tables_and_arrays_of_tables)
{
	ck_assert_str_eq(json_of("[a.b]\nx = 1\n[a]\ny = 2\n"),
	                 "{\"a\":{\"b\":{\"x\":1},\"y\":2}}");
	ck_assert_str_eq(json_of("[[r]]\nl = 1\n[[r.m]]\nl = 2\n[[r.m]]\nl = 3\n[[r]]\nl = 4\n"),
	                 "{\"r\":[{\"l\":1,\"m\":[{\"l\":2},{\"l\":3}]},{\"l\":4}]}");
	ck_assert_str_eq(json_of("[f]\na.c = 1\na.t.s = 2\n[f.a.x]\ny = 3\n"),
	                 "{\"f\":{\"a\":{\"c\":1,\"t\":{\"s\":2},\"x\":{\"y\":3}}}}");
	ck_assert_str_eq(json_of("\xef\xbb\xbf"
	                         "[host.\"https://a.b\"]\r\nx = 1\r\n"),
	                 "{\"host\":{\"https://a.b\":{\"x\":1}}}");
}
END_TEST

START_TEST(what_toml_forbids_is_refused)
{
	static const char *const bad[] = {
		"a = 1\na = 2",
		"[a]\n[a]",
		"[a]\nb = 1\n[a.b]",
		"a = { b = 1 }\n[a.c]",
		"a = { b = 1 }\na.c = 2",
		"a = { b.c = 1 }\n[a.b]",
		"[a.b.c]\nz = 9\n[a]\nb.c.t = 1",
		"[f]\na.c = 1\n[f.a]",
		"a = [1]\n[[a]]",
		"[[a]]\n[a]",
		"[a]\n[[a]]",
		"a = 1 b = 2",
		"a = ",
		"a",
		"= 1",
		"[]",
		"[a",
		"[[a]",
		"[ [a]]",
		"a = 01",
		"a = 1__0",
		"a = _1",
		"a = 1_",
		"a = 0x",
		"a = 1.",
		"a = .5",
		"a = inf",
		"a = nan",
		"a = 9223372036854775808",
		"a = 1e999",
		"a = \"\\x\"",
		"a = \"\\u0000\"",
		"a = \"\\ud800\"",
		"a = \"x\ny\"",
		"a = 'x",
		"a = \"\"\"x",
		"a = \"\xff\"",
		"a = 1 # \xff",
		"a = 1 # \x01",
		"a = { b = 1, }",
		"a = { b = 1\n}",
		"a = [1 2]",
		"a = 2020-13-01",
		"a = 25:00:00",
		"a = 1\rb = 2",
		"\"\"\"a\"\"\" = 1",
		"a = tru",
		"a.b = 1\na = 2",
		"a = 1\na.b = 2",
	};

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		ck_assert_msg(!*json_of(bad[i]), "taken: %s as %s", bad[i], json_of(bad[i]));
}
END_TEST

START_TEST(errors_name_the_place)
{
	json_of("[a]\nx = 1\n  x = 2");
	ck_assert_str_eq(e.msg, "t:3:3: 'x' is defined twice");
	json_of("a = [1,\n2");
	ck_assert_str_eq(e.msg, "t:2:2: expected ',' or ']'");
}
END_TEST

START_TEST(depth_and_size_are_bounded)
{
	char deep[2 * 100 + 8] = "a = ";

	memset(deep + 4, '[', 100);
	ck_assert_str_eq(json_of(deep), "");
	ck_assert_int_eq(e.code, E_LIMIT);
	CHECK_ERR(E_LIMIT,
	          toml_parse("t", "", TOML_MAX_BYTES + 1, &(struct json_object *){ NULL }, &e));
}
END_TEST

START_TEST(base64_is_strict)
{
	AUTO_BUF out = STRBUF_INIT;
	char *text = base64_encode("\0\xff\x10g", 4);

	ck_assert_str_eq(text, "AP8QZw==");
	ck_assert_int_eq(base64_decode(text, 8, &out), 0);
	ck_assert_uint_eq(out.len, 4);
	free(text);
	ck_assert_int_eq(base64_decode("QQ=", 3, &out), -EINVAL);
	ck_assert_int_eq(base64_decode("QR==", 4, &out), -EINVAL);
	ck_assert_int_eq(base64_decode("Q=Q=", 4, &out), -EINVAL);
	ck_assert_int_eq(base64_decode("Q\nQ=", 4, &out), -EINVAL);
	ck_assert_uint_eq(out.len, 4);
	ck_assert_int_eq(base64_decode_lines("Q\nQ= =", 6, &out), 0);
	ck_assert_uint_eq(out.len, 5);
}
END_TEST

TEST_MAIN("toml", values_of_every_kind_are_read, strings_have_four_forms,
          tables_and_arrays_of_tables, what_toml_forbids_is_refused, errors_name_the_place,
          depth_and_size_are_bounded, base64_is_strict)
