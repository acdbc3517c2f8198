#include "codec/json.h"

#include <stdarg.h>
#include <string.h>

#include "base/strbuf.h"

struct json json_root(struct json_object *obj, const char *what)
{
	return (struct json){ .obj = obj, .key = what, .index = -1 };
}

bool json_get(const struct json *at, const char *key, struct json *ret)
{
	struct json_object *child;

	if (!json_object_is_type(at->obj, json_type_object) ||
	    !json_object_object_get_ex(at->obj, key, &child) || !child)
		return false;
	*ret = (struct json){ .obj = child, .up = at, .key = key, .index = -1 };
	return true;
}

bool json_has(const struct json *at, const char *key)
{
	struct json ignored;

	return json_get(at, key, &ignored);
}

int json_require(const struct json *at, const char *key, struct json *ret, struct err *err)
{
	if (!json_get(at, key, ret))
		return json_error(err, at, "'%s' is missing", key);
	return 0;
}

size_t json_len(const struct json *at)
{
	return json_object_is_type(at->obj, json_type_array) ? json_object_array_length(at->obj)
	                                                     : 0;
}

struct json json_item(const struct json *at, size_t index)
{
	return (struct json){
		.obj = json_object_array_get_idx(at->obj, index),
		.up = at,
		.index = (int)index,
	};
}

static const char *type_text(enum json_type type)
{
	switch (type) {
	case json_type_null:
		return "null";
	case json_type_boolean:
		return "a boolean";
	case json_type_double:
	case json_type_int:
		return "a number";
	case json_type_object:
		return "an object";
	case json_type_array:
		return "an array";
	case json_type_string:
		return "a string";
	}
	return "something else";
}

static int expect_failed(const struct json *at, const char *wanted, struct err *err)
{
	if (json_object_is_type(at->obj, json_type_int))
		return json_error(err, at, "expected %s, got %s", wanted,
		                  json_object_to_json_string(at->obj));
	return json_error(err, at, "expected %s, got %s", wanted,
	                  type_text(json_object_get_type(at->obj)));
}

int json_expect(const struct json *at, enum json_type type, struct err *err)
{
	enum json_type got = json_object_get_type(at->obj);

	if (got != type)
		return json_error(err, at, "expected %s, got %s",
		                  type == json_type_int ? "an integer" : type_text(type),
		                  type_text(got));
	return 0;
}

/* The path above `at`, root first, bounded: it is for a message. */
static void add_path(struct strbuf *sb, const struct json *at)
{
	if (!at->up) {
		strbuf_adds(sb, at->key ? at->key : "JSON");
		strbuf_adds(sb, ": ");
		return;
	}
	add_path(sb, at->up);
	if (at->index >= 0) {
		strbuf_addf(sb, "[%d]", at->index);
		return;
	}
	if (at->up->up)
		strbuf_addc(sb, '.');
	/* keys come from outside: keep them to one short, printable piece */
	for (size_t i = 0; at->key && at->key[i]; i++) {
		unsigned char c = (unsigned char)at->key[i];

		if (i == 64) {
			strbuf_adds(sb, "...");
			break;
		}
		strbuf_addc(sb, c < 0x20 || c == 0x7f ? '?' : (char)c);
	}
}

int json_error(struct err *err, const struct json *at, const char *fmt, ...)
{
	AUTO_BUF sb = STRBUF_INIT;
	va_list ap;

	add_path(&sb, at);
	if (at->up)
		strbuf_adds(&sb, ": ");
	va_start(ap, fmt);
	strbuf_vaddf(&sb, fmt, ap);
	va_end(ap);
	return err_set(err, E_INVALID, "%s", sb.buf);
}

int json_get_str(const struct json *at, const char *key, const char **ret, struct err *err)
{
	struct json v;

	if (!json_get(at, key, &v))
		return 0;
	if (json_expect(&v, json_type_string, err) < 0)
		return -1;
	*ret = json_object_get_string(v.obj);
	return 0;
}

int json_get_bool(const struct json *at, const char *key, bool *ret, struct err *err)
{
	struct json v;

	if (!json_get(at, key, &v))
		return 0;
	if (json_expect(&v, json_type_boolean, err) < 0)
		return -1;
	*ret = json_object_get_boolean(v.obj);
	return 0;
}

/* An unsigned value above INT64_MAX reads back as INT64_MAX: tell them apart. */
static bool is_above_i64(struct json_object *obj)
{
	return json_object_get_uint64(obj) > INT64_MAX && json_object_get_int64(obj) >= 0;
}

int json_get_i64(const struct json *at, const char *key, int64_t *ret, struct err *err)
{
	struct json v;

	if (!json_get(at, key, &v))
		return 0;
	if (json_expect(&v, json_type_int, err) < 0)
		return -1;
	if (is_above_i64(v.obj))
		return expect_failed(&v, "a signed 64-bit integer", err);
	*ret = json_object_get_int64(v.obj);
	return 0;
}

int json_get_u64(const struct json *at, const char *key, uint64_t *ret, struct err *err)
{
	struct json v;

	if (!json_get(at, key, &v))
		return 0;
	if (json_expect(&v, json_type_int, err) < 0)
		return -1;
	if (json_object_get_int64(v.obj) < 0)
		return expect_failed(&v, "a number that is not negative", err);
	*ret = json_object_get_uint64(v.obj);
	return 0;
}

int json_get_u32(const struct json *at, const char *key, uint32_t *ret, struct err *err)
{
	struct json v;

	if (!json_get(at, key, &v))
		return 0;
	if (json_expect(&v, json_type_int, err) < 0)
		return -1;
	if (json_object_get_int64(v.obj) < 0 || json_object_get_uint64(v.obj) > UINT32_MAX)
		return expect_failed(&v, "a number from 0 to 4294967295", err);
	*ret = (uint32_t)json_object_get_uint64(v.obj);
	return 0;
}

int json_get_double(const struct json *at, const char *key, double *ret, struct err *err)
{
	struct json v;

	if (!json_get(at, key, &v))
		return 0;
	if (!json_object_is_type(v.obj, json_type_int) &&
	    json_expect(&v, json_type_double, err) < 0)
		return -1;
	*ret = json_object_get_double(v.obj);
	return 0;
}

int json_get_strv(const struct json *at, const char *key, struct strv *ret, struct err *err)
{
	AUTO_STRV items = STRV_INIT;
	struct json v;

	if (!json_get(at, key, &v))
		return 0;
	if (json_expect(&v, json_type_array, err) < 0)
		return -1;
	for (size_t i = 0; i < json_len(&v); i++) {
		struct json item = json_item(&v, i);

		if (json_expect(&item, json_type_string, err) < 0)
			return -1;
		strv_add(&items, json_object_get_string(item.obj));
	}
	strv_done(ret);
	*ret = items;
	items = STRV_INIT;
	return 0;
}

static int get_container(const struct json *at, const char *key, enum json_type type,
                         struct json *ret, bool *ret_present, struct err *err)
{
	struct json v;
	bool present = json_get(at, key, &v);

	if (present && json_expect(&v, type, err) < 0)
		return -1;
	if (present)
		*ret = v;
	*ret_present = present;
	return 0;
}

int json_get_object(const struct json *at, const char *key, struct json *ret, bool *ret_present,
                    struct err *err)
{
	return get_container(at, key, json_type_object, ret, ret_present, err);
}

int json_get_array(const struct json *at, const char *key, struct json *ret, bool *ret_present,
                   struct err *err)
{
	return get_container(at, key, json_type_array, ret, ret_present, err);
}

void json_add_str(struct json_object *obj, const char *key, const char *value)
{
	if (value)
		json_object_object_add(obj, key, json_object_new_string(value));
}

void json_add_i64(struct json_object *obj, const char *key, int64_t value)
{
	json_object_object_add(obj, key, json_object_new_int64(value));
}

void json_add_u64(struct json_object *obj, const char *key, uint64_t value)
{
	json_object_object_add(obj, key, json_object_new_uint64(value));
}

void json_add_bool(struct json_object *obj, const char *key, bool value)
{
	json_object_object_add(obj, key, json_object_new_boolean(value));
}

void json_add_strv(struct json_object *obj, const char *key, const struct strv *v)
{
	struct json_object *array;

	if (!v->len)
		return;
	array = json_add_array(obj, key);
	for (size_t i = 0; i < v->len; i++)
		json_object_array_add(array, json_object_new_string(v->items[i]));
}

struct json_object *json_add_object(struct json_object *obj, const char *key)
{
	struct json_object *child = json_object_new_object();

	json_object_object_add(obj, key, child);
	return child;
}

struct json_object *json_add_array(struct json_object *obj, const char *key)
{
	struct json_object *child = json_object_new_array();

	json_object_object_add(obj, key, child);
	return child;
}

const char *json_text(struct json_object *obj, bool pretty)
{
	int flags = JSON_C_TO_STRING_NOSLASHESCAPE;

	if (pretty)
		flags |= JSON_C_TO_STRING_PRETTY | JSON_C_TO_STRING_SPACED;
	return json_object_to_json_string_ext(obj, flags);
}
