#include "test.h"

#include "codec/json.h"

#include <string.h>

static struct err e;

static struct json_object *parse(const char *text)
{
	struct json_object *obj = NULL;

	CHECK_OK(json_parse("t.json", text, strlen(text), &obj, &e));
	return obj;
}

START_TEST(what_is_refused_and_where)
{
	static const struct {
		const char *text, *msg;
	} cases[] = {
		{ "", "t.json:1:1: expected a value, got the end of the text" },
		{ "{\"a\":1,\"a\":2}", "t.json:1:8: duplicate key 'a'" },
		{ "{\"a\":1,\"\\u0061\":2}", "t.json:1:8: duplicate key 'a'" },
		{ "{\n\"a\": NaN}", "t.json:2:6: expected a value, got 'N'" },
		{ "[1,]", "t.json:1:4: expected a value, got ']'" },
		{ "{'a':1}", "t.json:1:2: expected a key in double quotes, got '''" },
		{ "{\"a\":1,}", "t.json:1:8: expected a key in double quotes, got '}'" },
		{ "[1] x", "t.json:1:5: text after the end of the JSON value" },
		{ "\"a\nb\"",
		  "t.json:1:3: a control character in a string (write it as an escape)" },
		{ "18446744073709551616", "t.json:1:1: number out of range: 18446744073709551616" },
		{ "-9223372036854775809", "t.json:1:1: number out of range: -9223372036854775809" },
		{ "1e999", "t.json:1:1: number out of range: 1e999" },
		{ "01", "t.json:1:1: a number with a leading zero" },
		{ "\"\\ud800\"", "t.json:1:2: half of a surrogate pair" },
		{ "\"\\u0000\"", "t.json:1:2: a NUL character in a string" },
		{ "\"\xc0\x80\"", "t.json:1:2: bytes that are not UTF-8 in a string" },
		{ "\"abc", "t.json:1:5: a string without its closing quote" },
		{ "// x\n1", "t.json:1:1: expected a value, got '/'" },
		{ "\xef\xbb\xbf{}", "t.json:1:1: a byte order mark before the JSON" },
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct json_object *obj = NULL;

		CHECK_ERR(E_INVALID,
		          json_parse("t.json", cases[i].text, strlen(cases[i].text), &obj, &e));
		ck_assert_str_eq(e.msg, cases[i].msg);
		ck_assert_ptr_null(obj);
	}
}
END_TEST

START_TEST(values_are_counted)
{
	const size_t len = 2 * (JSON_MAX_VALUES - 2) + 1;
	char *text = malloc(len + 3);
	struct json_object *obj = NULL;

	for (size_t i = 0; i < len; i++)
		text[i] = i % 2 ? '1' : ',';
	text[0] = '[';
	text[len - 1] = ']';
	CHECK_OK(json_parse("t", text, len, &obj, &e));
	json_object_put(obj);
	memcpy(text + len - 1, ",1]", 3);
	CHECK_ERR(E_LIMIT, json_parse("t", text, len + 2, &obj, &e));
	free(text);
}
END_TEST

START_TEST(depth_is_limited)
{
	char text[2 * JSON_MAX_DEPTH + 4];
	struct json_object *obj = NULL;

	memset(text, '[', JSON_MAX_DEPTH);
	memset(text + JSON_MAX_DEPTH, ']', JSON_MAX_DEPTH);
	CHECK_OK(json_parse("t", text, 2 * JSON_MAX_DEPTH, &obj, &e));
	json_object_put(obj);
	memset(text, '[', JSON_MAX_DEPTH + 1);
	memset(text + JSON_MAX_DEPTH + 1, ']', JSON_MAX_DEPTH + 1);
	CHECK_ERR(E_LIMIT, json_parse("t", text, 2 * JSON_MAX_DEPTH + 2, &obj, &e));
}
END_TEST

START_TEST(values_survive)
{
	AUTO_JSON *obj = parse("{\"u\":18446744073709551615,\"i\":-9223372036854775808,"
	                       "\"d\":1.50,\"s\":\"a\\/\\u00e9\\ud83d\\ude00\\n\","
	                       "\"b\":true,\"n\":null,\"a\":[\"x\",\"y\"]}");
	struct json root = json_root(obj, "t.json");
	AUTO_STRV v = STRV_INIT;
	const char *s = "";
	uint64_t u = 0;
	int64_t i = 0;
	double d = 0;
	bool b = false;

	CHECK_OK(json_get_u64(&root, "u", &u, &e));
	ck_assert(u == UINT64_MAX);
	CHECK_OK(json_get_i64(&root, "i", &i, &e));
	ck_assert(i == INT64_MIN);
	CHECK_OK(json_get_double(&root, "d", &d, &e));
	ck_assert(d == 1.5);
	CHECK_OK(json_get_str(&root, "s", &s, &e));
	ck_assert_str_eq(s, "a/\xc3\xa9\xf0\x9f\x98\x80\n");
	CHECK_OK(json_get_bool(&root, "b", &b, &e));
	ck_assert(b);
	ck_assert(!json_has(&root, "n"));
	CHECK_OK(json_get_strv(&root, "a", &v, &e));
	ck_assert_uint_eq(v.len, 2);
	ck_assert_str_eq(json_text(obj, false),
	                 "{\"u\":18446744073709551615,\"i\":-9223372036854775808,\"d\":1.50,"
	                 "\"s\":\"a/\xc3\xa9\xf0\x9f\x98\x80\\n\",\"b\":true,\"n\":null,"
	                 "\"a\":[\"x\",\"y\"]}");
	CHECK_ERR(E_INVALID, json_get_i64(&root, "u", &i, &e));
	ck_assert_str_eq(e.msg,
	                 "t.json: u: expected a signed 64-bit integer, got 18446744073709551615");
	CHECK_ERR(E_INVALID, json_get_u64(&root, "i", &u, &e));
}
END_TEST

START_TEST(errors_name_the_place)
{
	AUTO_JSON *obj = parse("{\"process\":{\"args\":[\"a\",\"b\",3]},\"big\":4294967296}");
	struct json root = json_root(obj, "config.json"), process, none;
	AUTO_STRV v = STRV_INIT;
	bool present = true;
	uint32_t u;

	CHECK_OK(json_get_object(&root, "process", &process, &present, &e));
	ck_assert(present);
	CHECK_ERR(E_INVALID, json_get_strv(&process, "args", &v, &e));
	ck_assert_str_eq(e.msg, "config.json: process.args[2]: expected a string, got a number");
	CHECK_ERR(E_INVALID, json_require(&process, "cwd", &none, &e));
	ck_assert_str_eq(e.msg, "config.json: process: 'cwd' is missing");
	CHECK_ERR(E_INVALID, json_get_u32(&root, "big", &u, &e));
	ck_assert_str_eq(
		e.msg, "config.json: big: expected a number from 0 to 4294967295, got 4294967296");
	CHECK_OK(json_get_array(&root, "absent", &none, &present, &e));
	ck_assert(!present);
}
END_TEST

START_TEST(writing)
{
	AUTO_JSON *obj = json_object_new_object();
	struct strv empty = STRV_INIT;

	json_add_str(obj, "none", NULL);
	json_add_strv(obj, "empty", &empty);
	json_add_u64(obj, "u", UINT64_MAX);
	json_add_object(obj, "o");
	json_object_array_add(json_add_array(obj, "a"), json_object_new_string("/x"));
	ck_assert_str_eq(json_text(obj, false),
	                 "{\"u\":18446744073709551615,\"o\":{},\"a\":[\"/x\"]}");
}
END_TEST

TEST_MAIN("json", what_is_refused_and_where, values_are_counted, depth_is_limited, values_survive,
          errors_name_the_place, writing)
