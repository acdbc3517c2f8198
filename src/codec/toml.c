/* TOML: keys, tables and arrays of tables. */
#include "codec/toml-internal.h"
#include "codec/utf8.h"

#include <ctype.h>

enum toml_origin toml_origin(struct json_object *o)
{
	return (enum toml_origin)(uintptr_t)json_object_get_userdata(o);
}

void toml_set_origin(struct json_object *o, enum toml_origin origin)
{
	json_object_set_userdata(o, (void *)(uintptr_t)origin, NULL);
}

int toml_fail_at(struct toml *t, const char *at, enum err_code code, const char *text)
{
	size_t line = 1, col = 1;

	for (const char *c = t->start; c < at; c++) {
		if (*c == '\n') {
			line++;
			col = 1;
		} else {
			col++;
		}
	}
	return err_set(t->err, code, "%s:%zu:%zu: %s", t->what, line, col, text);
}

int toml_fail(struct toml *t, const char *text)
{
	return toml_fail_at(t, t->p, E_INVALID, text);
}

static int fail_key(struct toml *t, const char *at, const char *key, const char *why)
{
	char text[TOML_KEY_SHOWN + 96];

	snprintf(text, sizeof(text), "'%.*s' %s", TOML_KEY_SHOWN, key, why);
	return toml_fail_at(t, at, E_INVALID, text);
}

/* --- between things --- */

void toml_skip_blanks(struct toml *t)
{
	while (t->p < t->end && (*t->p == ' ' || *t->p == '\t'))
		t->p++;
}

/* A comment, when there is one, up to its line end. */
static int skip_comment(struct toml *t)
{
	if (toml_peek(t) != '#')
		return 0;
	while (t->p < t->end && *t->p != '\n' && *t->p != '\r') {
		size_t len = utf8_len((const unsigned char *)t->p, (size_t)(t->end - t->p));

		if (!len)
			return toml_fail(t, "bytes that are not UTF-8 in a comment");
		if (((unsigned char)*t->p < 0x20 && *t->p != '\t') || *t->p == 0x7f)
			return toml_fail(t, "a control character in a comment");
		t->p += len;
	}
	return 0;
}

/* Return 1 when there was a line end. */
static int skip_line_end(struct toml *t)
{
	if (toml_peek(t) == '\r') {
		if (t->end - t->p < 2 || t->p[1] != '\n')
			return toml_fail(t, "a carriage return without a line feed");
		t->p++;
	}
	if (toml_peek(t) != '\n')
		return 0;
	t->p++;
	return 1;
}

int toml_skip_lines(struct toml *t)
{
	int r;

	do {
		toml_skip_blanks(t);
		if (skip_comment(t) < 0)
			return -1;
		r = skip_line_end(t);
	} while (r > 0);
	return r;
}

static int expect_line_end(struct toml *t)
{
	int r;

	toml_skip_blanks(t);
	if (skip_comment(t) < 0)
		return -1;
	r = skip_line_end(t);
	if (r == 0 && t->p < t->end)
		return toml_fail(t, "expected the end of the line");
	return r < 0 ? -1 : 0;
}

/* --- keys --- */

static bool is_bare(char c)
{
	return isalnum((unsigned char)c) || c == '_' || c == '-';
}

int toml_key(struct toml *t, struct strv *ret)
{
	for (;;) {
		AUTO_BUF name = STRBUF_INIT;

		toml_skip_blanks(t);
		if (toml_peek(t) == '"' || toml_peek(t) == '\'') {
			if (toml_string(t, true, &name) < 0)
				return -1;
		} else {
			while (t->p < t->end && is_bare(*t->p))
				strbuf_addc(&name, *t->p++);
			if (!name.len)
				return toml_fail(t, "expected a key");
		}
		if (ret->len == TOML_MAX_DEPTH)
			return toml_fail_at(t, t->p, E_LIMIT, "nested too deeply");
		strv_add_owned(ret, strbuf_take(&name));
		toml_skip_blanks(t);
		if (toml_peek(t) != '.')
			return 0;
		t->p++;
	}
}

/* From `table` to where the last part of a dotted key belongs. */
static int walk_dotted(struct toml *t, const char *at, const struct strv *key,
                       struct json_object **table)
{
	for (size_t i = 0; i + 1 < key->len; i++) {
		struct json_object *next;

		if (!json_object_object_get_ex(*table, key->items[i], &next)) {
			next = json_object_new_object();
			toml_set_origin(next, TOML_DOTTED);
			json_object_object_add(*table, key->items[i], next);
		} else if (!json_object_is_type(next, json_type_object)) {
			return fail_key(t, at, key->items[i], "has a value already");
		} else if (toml_origin(next) != TOML_DOTTED) {
			return fail_key(t, at, key->items[i],
			                "is a table defined elsewhere, which is not added to");
		}
		*table = next;
	}
	return 0;
}

int toml_pair(struct toml *t, struct json_object *table)
{
	AUTO_STRV key = STRV_INIT;
	struct json_object *value = NULL;
	const char *at = t->p, *last;

	if (toml_key(t, &key) < 0)
		return -1;
	if (toml_peek(t) != '=')
		return toml_fail(t, "expected '=' after the key");
	t->p++;
	if (walk_dotted(t, at, &key, &table) < 0)
		return -1;
	last = key.items[key.len - 1];
	if (json_object_object_get_ex(table, last, NULL))
		return fail_key(t, at, last, "is defined twice");
	toml_skip_blanks(t);
	if (toml_value(t, &value) < 0)
		return -1;
	json_object_object_add(table, last, value);
	return 0;
}

/* --- tables --- */

/* From the root to where the last part of a header belongs. */
static int walk_header(struct toml *t, const char *at, const struct strv *key,
                       struct json_object **table)
{
	for (size_t i = 0; i + 1 < key->len; i++) {
		struct json_object *next;

		if (!json_object_object_get_ex(*table, key->items[i], &next)) {
			next = json_object_new_object();
			json_object_object_add(*table, key->items[i], next);
		} else if (json_object_is_type(next, json_type_array) &&
		           toml_origin(next) == TOML_TABLES) {
			next = json_object_array_get_idx(next, json_object_array_length(next) - 1);
		} else if (!json_object_is_type(next, json_type_object)) {
			return fail_key(t, at, key->items[i], "is no table");
		} else if (toml_origin(next) == TOML_CLOSED) {
			return fail_key(t, at, key->items[i], "is closed: nothing is added to it");
		}
		*table = next;
	}
	return 0;
}

static int open_table(struct toml *t, const char *at, const struct strv *key,
                      struct json_object *parent, struct json_object **ret)
{
	const char *last = key->items[key->len - 1];

	if (!json_object_object_get_ex(parent, last, ret)) {
		*ret = json_object_new_object();
		json_object_object_add(parent, last, *ret);
	} else if (!json_object_is_type(*ret, json_type_object) ||
	           toml_origin(*ret) != TOML_IMPLICIT) {
		return fail_key(t, at, last, "is defined twice");
	}
	toml_set_origin(*ret, TOML_HEADER);
	return 0;
}

static int append_table(struct toml *t, const char *at, const struct strv *key,
                        struct json_object *parent, struct json_object **ret)
{
	const char *last = key->items[key->len - 1];
	struct json_object *array;

	if (!json_object_object_get_ex(parent, last, &array)) {
		array = json_object_new_array();
		toml_set_origin(array, TOML_TABLES);
		json_object_object_add(parent, last, array);
	} else if (!json_object_is_type(array, json_type_array) ||
	           toml_origin(array) != TOML_TABLES) {
		return fail_key(t, at, last, "is defined already, as something else");
	}
	*ret = json_object_new_object();
	toml_set_origin(*ret, TOML_HEADER);
	json_object_array_add(array, *ret);
	return 0;
}

/* [name] or [[name]] */
static int parse_header(struct toml *t, struct json_object *root, struct json_object **ret)
{
	AUTO_STRV key = STRV_INIT;
	const char *at = t->p;
	struct json_object *parent = root;
	bool many;

	t->p++;
	many = toml_peek(t) == '[';
	if (many)
		t->p++;
	if (toml_key(t, &key) < 0)
		return -1;
	for (int i = 0; i < (many ? 2 : 1); i++, t->p++)
		if (toml_peek(t) != ']')
			return toml_fail(t, many ? "expected ']]'" : "expected ']'");
	if (walk_header(t, at, &key, &parent) < 0)
		return -1;
	return many ? append_table(t, at, &key, parent, ret) : open_table(t, at, &key, parent, ret);
}

int toml_parse(const char *what, const char *text, size_t len, struct json_object **ret,
               struct err *err)
{
	struct toml t = { .what = what, .start = text, .p = text, .end = text + len, .err = err };
	AUTO_JSON *root = json_object_new_object();
	struct json_object *table = root;

	if (len > TOML_MAX_BYTES)
		return err_set(err, E_LIMIT, "%s: %zu bytes, more than %u", what, len,
		               TOML_MAX_BYTES);
	if (len >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0)
		t.p += 3;
	for (;;) {
		if (toml_skip_lines(&t) < 0)
			return -1;
		if (t.p == t.end)
			break;
		if ((*t.p == '[' ? parse_header(&t, root, &table) : toml_pair(&t, table)) < 0 ||
		    expect_line_end(&t) < 0)
			return -1;
	}
	*ret = TAKE_PTR(root);
	return 0;
}

void toml_add_string(struct strbuf *sb, const char *s)
{
	strbuf_addc(sb, '"');
	for (; *s; s++)
		if (*s == '"' || *s == '\\')
			strbuf_addf(sb, "\\%c", *s);
		else if ((unsigned char)*s < 0x20 || *s == 0x7f)
			strbuf_addf(sb, "\\u%04x", (unsigned)(unsigned char)*s);
		else
			strbuf_addc(sb, *s);
	strbuf_addc(sb, '"');
}
