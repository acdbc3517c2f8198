/* json: strict reading of JSON on top of json-c, with errors that name the place.
 * Refused although json-c takes them: duplicate keys, NaN and Infinity, single quotes, raw control
 * characters in strings, numbers outside 64 bits, trailing text, depth and size above the limits.
 * A `struct json` is a cursor: a borrowed value and the path to it; it owns nothing and must not
 * outlive the root object. Keys are matched exactly (case-sensitive).
 *
 * The getters leave *ret untouched and return 0 when the key is absent or null; they return -1
 * with E_INVALID and "config.json: process.args[2]: expected a string, got a number" when the
 * type is wrong. Use json_has() or json_require() where a key must be there. */
#pragma once
#include "base/err.h"
#include "base/strv.h"
#include <json-c/json.h>
#include <stdbool.h>
#include <stdint.h>

#define JSON_MAX_BYTES (16u << 20)
#define JSON_MAX_DEPTH 64
/* of all kinds together; an object or array counts twice. It bounds the memory: an empty object
 * takes 800 bytes. */
#define JSON_MAX_VALUES (128u << 10)

static inline void json_putp(struct json_object **o)
{
	if (*o)
		json_object_put(*o);
}
#define AUTO_JSON __attribute__((cleanup(json_putp), unused)) struct json_object

struct json {
	struct json_object *obj;
	const struct json *up; /* NULL at the root */
	const char *key;       /* of this value in its object; at the root: what was parsed */
	int index;             /* in its array, or -1 */
};

/* what: names the document in errors ("config.json"). Caller puts *ret. */
int json_parse(const char *what, const char *text, size_t len, struct json_object **ret,
               struct err *err);
struct json json_root(struct json_object *obj, const char *what /* borrowed */);

/* The child at `key`; false when absent or null. ret->up points at `at`: keep `at` alive. */
bool json_get(const struct json *at, const char *key, struct json *ret);
bool json_has(const struct json *at, const char *key);
int json_require(const struct json *at, const char *key, struct json *ret, struct err *err);
int json_expect(const struct json *at, enum json_type type, struct err *err);
/* Arrays: 0 for a value that is not an array. */
size_t json_len(const struct json *at);
struct json json_item(const struct json *at, size_t index);

int json_get_str(const struct json *at, const char *key, const char **ret, struct err *err);
int json_get_bool(const struct json *at, const char *key, bool *ret, struct err *err);
int json_get_i64(const struct json *at, const char *key, int64_t *ret, struct err *err);
int json_get_u64(const struct json *at, const char *key, uint64_t *ret, struct err *err);
int json_get_u32(const struct json *at, const char *key, uint32_t *ret, struct err *err);
int json_get_double(const struct json *at, const char *key, double *ret, struct err *err);
int json_get_strv(const struct json *at, const char *key, struct strv *ret, struct err *err);
/* A child that must be an object or an array; *ret_present tells whether it is there. */
int json_get_object(const struct json *at, const char *key, struct json *ret, bool *ret_present,
                    struct err *err);
int json_get_array(const struct json *at, const char *key, struct json *ret, bool *ret_present,
                   struct err *err);

/* An error about `at`: "config.json: linux.resources: TEXT". */
int json_error(struct err *err, const struct json *at, const char *fmt, ...) PRINTF_LIKE(3, 4);

/* Writing: NULL strings and empty vectors are left out. The object takes over new values. */
void json_add_str(struct json_object *obj, const char *key, const char *value);
void json_add_i64(struct json_object *obj, const char *key, int64_t value);
void json_add_u64(struct json_object *obj, const char *key, uint64_t value);
void json_add_bool(struct json_object *obj, const char *key, bool value);
void json_add_strv(struct json_object *obj, const char *key, const struct strv *v);
struct json_object *json_add_object(struct json_object *obj, const char *key);
struct json_object *json_add_array(struct json_object *obj, const char *key);
/* Text owned by the object until it changes. pretty: two-space indent; '/' is never escaped. */
const char *json_text(struct json_object *obj, bool pretty);
