/* The strict JSON reader of RFC 8259: one pass, building json-c values.
 * json-c's own tokener takes the last of two equal keys, clamps numbers and lets raw control
 * characters pass, so it is not used for input. */
#include "codec/json.h"

#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/strbuf.h"
#include "codec/utf8.h"

#define JSON_KEY_SHOWN 64 /* bytes of a key or number quoted in an error */

struct parser {
	const char *what;
	const char *start;
	const char *p;
	const char *end;
	int depth;
	unsigned n_values;
	struct strbuf scratch; /* the string just read, unescaped */
	struct err *err;
};

static int parse_value(struct parser *ps, struct json_object **ret);

/* line and column (in bytes, from 1) of `at`, in front of the text */
static int fail_at(struct parser *ps, const char *at, enum err_code code, const char *text)
{
	size_t line = 1, col = 1;

	for (const char *c = ps->start; c < at; c++) {
		if (*c == '\n') {
			line++;
			col = 1;
		} else {
			col++;
		}
	}
	return err_set(ps->err, code, "%s:%zu:%zu: %s", ps->what, line, col, text);
}

static int fail(struct parser *ps, const char *text)
{
	return fail_at(ps, ps->p, E_INVALID, text);
}

/* "expected X, got Y" about the byte at p */
static int fail_expected(struct parser *ps, const char *expected)
{
	char text[128];
	unsigned char c;

	if (ps->p >= ps->end) {
		snprintf(text, sizeof(text), "expected %s, got the end of the text", expected);
		return fail(ps, text);
	}
	c = (unsigned char)*ps->p;
	if (c > 0x20 && c < 0x7f)
		snprintf(text, sizeof(text), "expected %s, got '%c'", expected, c);
	else
		snprintf(text, sizeof(text), "expected %s, got byte 0x%02x", expected, c);
	return fail(ps, text);
}

static void skip_space(struct parser *ps)
{
	while (ps->p < ps->end &&
	       (*ps->p == ' ' || *ps->p == '\n' || *ps->p == '\t' || *ps->p == '\r'))
		ps->p++;
}

static int parse_hex4(struct parser *ps, uint32_t *ret)
{
	uint32_t v = 0;

	for (int i = 0; i < 4; i++, ps->p++) {
		char c = ps->p < ps->end ? *ps->p : '\0';

		if (!isxdigit((unsigned char)c))
			return fail_expected(ps, "four hexadecimal digits after \\u");
		v = v << 4 | (uint32_t)(c <= '9' ? c - '0' : (c | 0x20) - 'a' + 10);
	}
	*ret = v;
	return 0;
}

/* p is after the 'u' of \uXXXX */
static int parse_unicode_escape(struct parser *ps)
{
	const char *at = ps->p - 2;
	uint32_t c, low;

	if (parse_hex4(ps, &c) < 0)
		return -1;
	if (c >= 0xd800 && c <= 0xdbff) {
		if (ps->end - ps->p < 2 || ps->p[0] != '\\' || ps->p[1] != 'u')
			return fail_at(ps, at, E_INVALID, "half of a surrogate pair");
		ps->p += 2;
		if (parse_hex4(ps, &low) < 0)
			return -1;
		if (low < 0xdc00 || low > 0xdfff)
			return fail_at(ps, at, E_INVALID, "half of a surrogate pair");
		c = 0x10000 + ((c - 0xd800) << 10) + (low - 0xdc00);
	} else if (c >= 0xdc00 && c <= 0xdfff) {
		return fail_at(ps, at, E_INVALID, "half of a surrogate pair");
	}
	/* every reader of these strings is C: a NUL would hide what follows it */
	if (c == 0)
		return fail_at(ps, at, E_INVALID, "a NUL character in a string");
	utf8_add(&ps->scratch, c);
	return 0;
}

static int parse_escape(struct parser *ps)
{
	static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
	const char *found;
	char c = ps->p < ps->end ? *ps->p : '\0';

	if (c == 'u') {
		ps->p++;
		return parse_unicode_escape(ps);
	}
	found = c ? strchr(from, c) : NULL;
	if (!found)
		return fail_expected(ps, "an escape character after '\\'");
	strbuf_addc(&ps->scratch, to[found - from]);
	ps->p++;
	return 0;
}

/* Reads the string at p (which is at the opening quote) into ps->scratch. */
static int parse_string(struct parser *ps)
{
	strbuf_reset(&ps->scratch);
	ps->p++;
	for (;;) {
		const char *run = ps->p;

		while (ps->p < ps->end && (unsigned char)*ps->p >= 0x20 &&
		       (unsigned char)*ps->p < 0x80 && *ps->p != '"' && *ps->p != '\\')
			ps->p++;
		strbuf_add(&ps->scratch, run, (size_t)(ps->p - run));
		if (ps->p >= ps->end)
			return fail(ps, "a string without its closing quote");
		if (*ps->p == '"') {
			ps->p++;
			return 0;
		}
		if (*ps->p == '\\') {
			ps->p++;
			if (parse_escape(ps) < 0)
				return -1;
		} else if ((unsigned char)*ps->p < 0x20) {
			return fail(ps, "a control character in a string (write it as an escape)");
		} else {
			size_t len =
				utf8_len((const unsigned char *)ps->p, (size_t)(ps->end - ps->p));

			if (!len)
				return fail(ps, "bytes that are not UTF-8 in a string");
			strbuf_add(&ps->scratch, ps->p, len);
			ps->p += len;
		}
	}
}

static int number_range(struct parser *ps, const char *at, const char *number)
{
	char text[JSON_KEY_SHOWN + 64];

	snprintf(text, sizeof(text), "number out of range: %.*s", JSON_KEY_SHOWN, number);
	return fail_at(ps, at, E_INVALID, text);
}

static int parse_digits(struct parser *ps)
{
	if (ps->p >= ps->end || !isdigit((unsigned char)*ps->p))
		return fail_expected(ps, "a digit");
	while (ps->p < ps->end && isdigit((unsigned char)*ps->p))
		ps->p++;
	return 0;
}

static int parse_number(struct parser *ps, struct json_object **ret)
{
	const char *at = ps->p;
	bool minus = *at == '-', is_int = true;
	const char *text;

	if (minus)
		ps->p++;
	if (ps->p < ps->end && *ps->p == '0') {
		ps->p++;
		if (ps->p < ps->end && isdigit((unsigned char)*ps->p))
			return fail_at(ps, at, E_INVALID, "a number with a leading zero");
	} else if (parse_digits(ps) < 0) {
		return -1;
	}
	if (ps->p < ps->end && *ps->p == '.') {
		is_int = false;
		ps->p++;
		if (parse_digits(ps) < 0)
			return -1;
	}
	if (ps->p < ps->end && (*ps->p == 'e' || *ps->p == 'E')) {
		is_int = false;
		ps->p++;
		if (ps->p < ps->end && (*ps->p == '+' || *ps->p == '-'))
			ps->p++;
		if (parse_digits(ps) < 0)
			return -1;
	}
	strbuf_reset(&ps->scratch);
	strbuf_add(&ps->scratch, at, (size_t)(ps->p - at));
	text = ps->scratch.buf;
	errno = 0;
	if (is_int && minus) {
		long long v = strtoll(text, NULL, 10);

		if (errno == ERANGE)
			return number_range(ps, at, text);
		*ret = json_object_new_int64(v);
	} else if (is_int) {
		unsigned long long v = strtoull(text, NULL, 10);

		if (errno == ERANGE)
			return number_range(ps, at, text);
		*ret = v <= INT64_MAX ? json_object_new_int64((int64_t)v)
		                      : json_object_new_uint64(v);
	} else {
		double v = strtod(text, NULL);

		if (!isfinite(v))
			return number_range(ps, at, text);
		/* keeps the text, so that writing gives back what was read */
		*ret = json_object_new_double_s(v, text);
	}
	return 0;
}

static int parse_word(struct parser *ps, struct json_object **ret)
{
	static const struct {
		const char *word;
		enum json_type type;
		bool value;
	} words[] = {
		{ "true", json_type_boolean, true },
		{ "false", json_type_boolean, false },
		{ "null", json_type_null, false },
	};

	for (size_t i = 0; i < ARRAY_LEN(words); i++) {
		size_t len = strlen(words[i].word);

		if ((size_t)(ps->end - ps->p) < len || memcmp(ps->p, words[i].word, len) != 0)
			continue;
		ps->p += len;
		*ret = words[i].type == json_type_null ? NULL
		                                       : json_object_new_boolean(words[i].value);
		return 0;
	}
	return fail_expected(ps, "a value");
}

static int parse_array(struct parser *ps, struct json_object **ret)
{
	AUTO_JSON *array = json_object_new_array();

	ps->p++;
	skip_space(ps);
	if (ps->p < ps->end && *ps->p == ']') {
		ps->p++;
		*ret = TAKE_PTR(array);
		return 0;
	}
	for (;;) {
		struct json_object *item = NULL;

		if (parse_value(ps, &item) < 0)
			return -1;
		json_object_array_add(array, item);
		skip_space(ps);
		if (ps->p < ps->end && *ps->p == ',') {
			ps->p++;
			continue;
		}
		if (ps->p >= ps->end || *ps->p != ']')
			return fail_expected(ps, "',' or ']'");
		ps->p++;
		*ret = TAKE_PTR(array);
		return 0;
	}
}

/* Adds one "key": value to the object. */
static int parse_member(struct parser *ps, struct json_object *object)
{
	AUTO_FREE char *key = NULL;
	struct json_object *value = NULL;
	const char *at;

	skip_space(ps);
	if (ps->p >= ps->end || *ps->p != '"')
		return fail_expected(ps, "a key in double quotes");
	at = ps->p;
	if (parse_string(ps) < 0)
		return -1;
	key = strbuf_take(&ps->scratch);
	if (json_object_object_get_ex(object, key, NULL)) {
		char text[JSON_KEY_SHOWN + 32];

		snprintf(text, sizeof(text), "duplicate key '%.*s'", JSON_KEY_SHOWN, key);
		return fail_at(ps, at, E_INVALID, text);
	}
	skip_space(ps);
	if (ps->p >= ps->end || *ps->p != ':')
		return fail_expected(ps, "':'");
	ps->p++;
	if (parse_value(ps, &value) < 0)
		return -1;
	json_object_object_add(object, key, value);
	return 0;
}

static int parse_object(struct parser *ps, struct json_object **ret)
{
	AUTO_JSON *object = json_object_new_object();

	ps->p++;
	skip_space(ps);
	if (ps->p < ps->end && *ps->p == '}') {
		ps->p++;
		*ret = TAKE_PTR(object);
		return 0;
	}
	for (;;) {
		if (parse_member(ps, object) < 0)
			return -1;
		skip_space(ps);
		if (ps->p < ps->end && *ps->p == ',') {
			ps->p++;
			continue;
		}
		if (ps->p >= ps->end || *ps->p != '}')
			return fail_expected(ps, "',' or '}'");
		ps->p++;
		*ret = TAKE_PTR(object);
		return 0;
	}
}

static int parse_value(struct parser *ps, struct json_object **ret)
{
	int r;

	skip_space(ps);
	if (ps->p >= ps->end)
		return fail_expected(ps, "a value");
	ps->n_values += *ps->p == '{' || *ps->p == '[' ? 2 : 1;
	if (ps->n_values > JSON_MAX_VALUES)
		return fail_at(ps, ps->p, E_LIMIT, "more values than are taken");
	switch (*ps->p) {
	case '{':
	case '[':
		if (++ps->depth > JSON_MAX_DEPTH)
			return fail_at(ps, ps->p, E_LIMIT, "nested too deeply");
		r = *ps->p == '{' ? parse_object(ps, ret) : parse_array(ps, ret);
		ps->depth--;
		return r;
	case '"':
		if (parse_string(ps) < 0)
			return -1;
		*ret = json_object_new_string_len(ps->scratch.buf, (int)ps->scratch.len);
		return 0;
	default:
		if (*ps->p == '-' || isdigit((unsigned char)*ps->p))
			return parse_number(ps, ret);
		return parse_word(ps, ret);
	}
}

int json_parse(const char *what, const char *text, size_t len, struct json_object **ret,
               struct err *err)
{
	struct parser ps = {
		.what = what,
		.start = text,
		.p = text,
		.end = text + len,
		.scratch = STRBUF_INIT,
		.err = err,
	};
	AUTO_JSON *value = NULL;
	int r;

	if (len > JSON_MAX_BYTES)
		return err_set(err, E_LIMIT, "%s: %zu bytes of JSON, more than %u", what, len,
		               JSON_MAX_BYTES);
	if (len >= 3 && !memcmp(text, "\xef\xbb\xbf", 3))
		return err_set(err, E_INVALID, "%s:1:1: a byte order mark before the JSON", what);
	r = parse_value(&ps, &value);
	if (r == 0) {
		skip_space(&ps);
		if (ps.p < ps.end)
			r = fail(&ps, "text after the end of the JSON value");
	}
	strbuf_done(&ps.scratch);
	if (r < 0)
		return -1;
	*ret = TAKE_PTR(value);
	return 0;
}
