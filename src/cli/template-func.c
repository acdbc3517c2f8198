/* Values of a template, and its functions. */
#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <string.h>

#include "base/num.h"
#include "base/xalloc.h"
#include "cli/template-internal.h"

void value_done(struct value *v)
{
	if (v->obj)
		json_object_put(v->obj);
	*v = VALUE_INIT;
}

struct value value_of(struct json_object *obj)
{
	return (struct value){ obj ? VALUE_JSON : VALUE_NIL, obj };
}

struct value value_copy(const struct value *v)
{
	return (struct value){ v->kind, json_object_get(v->obj) };
}

static struct value value_str(const char *s)
{
	return value_of(json_object_new_string(s));
}

static struct value value_bool(bool b)
{
	return value_of(json_object_new_boolean(b));
}

static bool is_str(const struct value *v)
{
	return v->obj && json_object_is_type(v->obj, json_type_string);
}

static bool is_list(const struct value *v)
{
	return v->obj && json_object_is_type(v->obj, json_type_array);
}

static bool is_int(const struct value *v)
{
	return v->obj && json_object_is_type(v->obj, json_type_int);
}

const char *value_type(const struct value *v)
{
	static const char *const names[] = {
		[json_type_null] = "nil",     [json_type_boolean] = "bool",
		[json_type_double] = "float", [json_type_int] = "int",
		[json_type_object] = "map",   [json_type_array] = "list",
		[json_type_string] = "string"
	};

	return v->obj ? names[json_object_get_type(v->obj)] : "nil";
}

bool value_truth(const struct value *v)
{
	if (!v->obj)
		return false;
	switch (json_object_get_type(v->obj)) {
	case json_type_boolean:
		return json_object_get_boolean(v->obj);
	case json_type_double:
		return json_object_get_double(v->obj) < 0 || json_object_get_double(v->obj) > 0;
	case json_type_int:
		return json_object_get_int64(v->obj) != 0;
	case json_type_object:
		return json_object_object_length(v->obj) > 0;
	case json_type_array:
		return json_object_array_length(v->obj) > 0;
	case json_type_string:
		return json_object_get_string_len(v->obj) > 0;
	case json_type_null:
		break;
	}
	return false;
}

static int compare_keys(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

const char **object_keys_sorted(struct json_object *obj, size_t *ret_n)
{
	const char **keys = NULL;
	size_t n = 0;

	json_object_object_foreach(obj, key, val)
	{
		(void)val;
		VEC_PUSH(keys, n, key);
	}
	if (n)
		qsort(keys, n, sizeof(*keys), compare_keys);
	*ret_n = n;
	return keys;
}

static void print_double(double d, struct strbuf *out)
{
	/* the shortest text that reads back the same */
	for (int precision = 1; precision <= 17; precision++) {
		char text[40];

		snprintf(text, sizeof(text), "%.*g", precision, d);
		if (precision < 17 && (strtod(text, NULL) < d || strtod(text, NULL) > d))
			continue;
		strbuf_adds(out, text);
		return;
	}
}

static void print_json(struct json_object *obj, struct strbuf *out)
{
	struct value v = { VALUE_JSON, obj };

	if (!obj)
		strbuf_adds(out, "<nil>");
	else
		value_print(&v, out);
}

static void print_map(struct json_object *obj, struct strbuf *out)
{
	size_t n;
	AUTO_FREE const char **keys = object_keys_sorted(obj, &n);

	strbuf_adds(out, "map[");
	for (size_t i = 0; i < n; i++) {
		struct json_object *value;

		strbuf_addf(out, "%s%s:", i ? " " : "", keys[i]);
		json_object_object_get_ex(obj, keys[i], &value);
		print_json(value, out);
	}
	strbuf_addc(out, ']');
}

void value_print(const struct value *v, struct strbuf *out)
{
	if (!v->obj) {
		if (v->kind != VALUE_ZERO)
			strbuf_adds(out, v->kind == VALUE_MISSING ? "<no value>" : "<nil>");
		return;
	}
	switch (json_object_get_type(v->obj)) {
	case json_type_boolean:
	case json_type_int:
		strbuf_adds(out, json_object_get_string(v->obj));
		break;
	case json_type_double:
		print_double(json_object_get_double(v->obj), out);
		break;
	case json_type_string:
		strbuf_add(out, json_object_get_string(v->obj),
		           (size_t)json_object_get_string_len(v->obj));
		break;
	case json_type_object:
		print_map(v->obj, out);
		break;
	case json_type_array:
		strbuf_addc(out, '[');
		for (size_t i = 0; i < json_object_array_length(v->obj); i++) {
			if (i)
				strbuf_addc(out, ' ');
			print_json(json_object_array_get_idx(v->obj, i), out);
		}
		strbuf_addc(out, ']');
		break;
	case json_type_null:
		break;
	}
}

static int want_str(const char *func, const struct value *v, const char **ret, struct err *err)
{
	if (v->kind == VALUE_ZERO || v->kind == VALUE_MISSING)
		return *ret = "", 0;
	if (!is_str(v))
		return err_set(err, E_INVALID, "template: %s wants a string, got a %s", func,
		               value_type(v));
	*ret = json_object_get_string(v->obj);
	return 0;
}

static int want_int(const char *func, const struct value *v, int64_t *ret, struct err *err)
{
	if (!is_int(v))
		return err_set(err, E_INVALID, "template: %s wants a number, got a %s", func,
		               value_type(v));
	*ret = json_object_get_int64(v->obj);
	return 0;
}

static int fn_not(const struct value *args, size_t n, struct value *ret, struct err *err)
{
	*ret = value_bool(!value_truth(&args[0]));
	return 0;
}

static int fn_len(const struct value *args, size_t n, struct value *ret, struct err *err)
{
	const struct value *v = &args[0];
	int64_t len = 0;

	if (is_str(v))
		len = json_object_get_string_len(v->obj);
	else if (is_list(v))
		len = (int64_t)json_object_array_length(v->obj);
	else if (v->obj && json_object_is_type(v->obj, json_type_object))
		len = json_object_object_length(v->obj);
	else if (v->obj)
		return err_set(err, E_INVALID, "template: len of a %s", value_type(v));
	*ret = value_of(json_object_new_int64(len));
	return 0;
}

static int index_one(const struct value *v, const struct value *key, struct value *ret,
                     struct err *err)
{
	struct json_object *found = NULL;
	const char *name;
	int64_t i;

	if (!v->obj) {
		ret->kind = VALUE_ZERO;
		return 0;
	}
	if (is_list(v)) {
		if (want_int("index", key, &i, err) < 0)
			return -1;
		if (i < 0 || i >= (int64_t)json_object_array_length(v->obj))
			return err_set(err, E_INVALID,
			               "template: index %lld of a list of %zu is out of range",
			               (long long)i, json_object_array_length(v->obj));
		*ret = value_of(json_object_get(json_object_array_get_idx(v->obj, (size_t)i)));
		return 0;
	}
	if (!json_object_is_type(v->obj, json_type_object))
		return err_set(err, E_INVALID, "template: index of a %s", value_type(v));
	if (want_str("index", key, &name, err) < 0)
		return -1;
	if (json_object_object_get_ex(v->obj, name, &found))
		*ret = value_of(json_object_get(found));
	else
		ret->kind = VALUE_ZERO;
	return 0;
}

static int fn_index(const struct value *args, size_t n, struct value *ret, struct err *err)
{
	AUTO_VALUE at = value_copy(&args[0]);

	for (size_t i = 1; i < n; i++) {
		struct value next = VALUE_INIT;

		if (index_one(&at, &args[i], &next, err) < 0)
			return -1;
		value_done(&at);
		at = next;
	}
	*ret = value_copy(&at);
	return 0;
}

static int fn_slice(const struct value *args, size_t n, struct value *ret, struct err *err)
{
	const struct value *v = &args[0];
	int64_t len, from = 0, to;

	if (!is_str(v) && !is_list(v))
		return err_set(err, E_INVALID, "template: slice of a %s", value_type(v));
	len = is_str(v) ? json_object_get_string_len(v->obj)
	                : (int64_t)json_object_array_length(v->obj);
	to = len;
	if ((n > 1 && want_int("slice", &args[1], &from, err) < 0) ||
	    (n > 2 && want_int("slice", &args[2], &to, err) < 0))
		return -1;
	if (from < 0 || to > len || from > to)
		return err_set(err, E_INVALID, "template: slice %lld:%lld of length %lld",
		               (long long)from, (long long)to, (long long)len);
	if (is_str(v)) {
		*ret = value_of(json_object_new_string_len(json_object_get_string(v->obj) + from,
		                                           (int)(to - from)));
		return 0;
	}
	*ret = value_of(json_object_new_array());
	for (int64_t i = from; i < to; i++)
		json_object_array_add(
			ret->obj, json_object_get(json_object_array_get_idx(v->obj, (size_t)i)));
	return 0;
}

/* -1, 0 or 1 in *ret; values of different kinds cannot be compared. */
static int compare(const struct value *a, const struct value *b, int *ret, struct err *err)
{
	double x, y;
	int c;

	if (!a->obj || !b->obj) {
		/* an absent value equals nil and the empty string only */
		const struct value *other = a->obj ? a : b;

		*ret = other->obj && !(is_str(other) && !value_truth(other));
		return 0;
	}
	if (is_str(a) && is_str(b)) {
		c = strcmp(json_object_get_string(a->obj), json_object_get_string(b->obj));
	} else if (is_int(a) && is_int(b)) {
		int64_t i = json_object_get_int64(a->obj), j = json_object_get_int64(b->obj);

		c = (i > j) - (i < j);
	} else if (json_object_is_type(a->obj, json_type_boolean) &&
	           json_object_is_type(b->obj, json_type_boolean)) {
		c = json_object_get_boolean(a->obj) - json_object_get_boolean(b->obj);
	} else if ((is_int(a) || json_object_is_type(a->obj, json_type_double)) &&
	           (is_int(b) || json_object_is_type(b->obj, json_type_double))) {
		x = json_object_get_double(a->obj);
		y = json_object_get_double(b->obj);
		c = (x > y) - (x < y);
	} else {
		return err_set(err, E_INVALID, "template: a %s and a %s cannot be compared",
		               value_type(a), value_type(b));
	}
	*ret = (c > 0) - (c < 0);
	return 0;
}

static int fn_eq(const struct value *args, size_t n, struct value *ret, struct err *err)
{
	bool equal = false;

	for (size_t i = 1; i < n && !equal; i++) {
		int c;

		if (compare(&args[0], &args[i], &c, err) < 0)
			return -1;
		equal = c == 0;
	}
	*ret = value_bool(equal);
	return 0;
}

#define DEFINE_COMPARISON(name, test)                                                              \
	static int fn_##name(const struct value *args, size_t n, struct value *ret,                \
	                     struct err *err)                                                      \
	{                                                                                          \
		int c;                                                                             \
		if (compare(&args[0], &args[1], &c, err) < 0)                                      \
			return -1;                                                                 \
		*ret = value_bool(c test 0);                                                       \
		return 0;                                                                          \
	}
DEFINE_COMPARISON(ne, !=)
DEFINE_COMPARISON(lt, <)
DEFINE_COMPARISON(le, <=)
DEFINE_COMPARISON(gt, >)
DEFINE_COMPARISON(ge, >=)

static int fn_print(const struct value *args, size_t n, struct value *ret, struct err *err)
{
	AUTO_BUF sb = STRBUF_INIT;

	for (size_t i = 0; i < n; i++) {
		/* Go's rule: a blank between operands when neither is a string */
		if (i && !is_str(&args[i]) && !is_str(&args[i - 1]))
			strbuf_addc(&sb, ' ');
		value_print(&args[i], &sb);
	}
	*ret = value_str(sb.buf);
	return 0;
}

static int fn_println(const struct value *args, size_t n, struct value *ret, struct err *err)
{
	AUTO_BUF sb = STRBUF_INIT;

	for (size_t i = 0; i < n; i++) {
		if (i)
			strbuf_addc(&sb, ' ');
		value_print(&args[i], &sb);
	}
	strbuf_addc(&sb, '\n');
	*ret = value_str(sb.buf);
	return 0;
}

/* One printf directive: %[flags][width][.precision]verb */
struct directive {
	bool left, zero, plus;
	int width;
	int precision; /* -1: none */
	char verb;
};

static const char *read_directive(const char *s, struct directive *d)
{
	*d = (struct directive){ .precision = -1 };
	for (;; s++) {
		if (*s == '-')
			d->left = true;
		else if (*s == '0')
			d->zero = true;
		else if (*s == '+')
			d->plus = true;
		else if (*s != '#' && *s != ' ')
			break;
	}
	while (isdigit((unsigned char)*s) && d->width < 1000)
		d->width = d->width * 10 + (*s++ - '0');
	if (*s == '.') {
		d->precision = 0;
		while (isdigit((unsigned char)*++s) && d->precision < 1000)
			d->precision = d->precision * 10 + (*s - '0');
	}
	d->verb = *s;
	return *s ? s + 1 : s;
}

static void print_directive(const struct directive *d, const struct value *v, struct strbuf *out)
{
	AUTO_BUF text = STRBUF_INIT;
	size_t pad;

	if (d->verb == 'd' && is_int(v))
		strbuf_addf(&text, d->plus ? "%+lld" : "%lld",
		            (long long)json_object_get_int64(v->obj));
	else if ((d->verb == 'x' || d->verb == 'X') && is_int(v))
		strbuf_addf(&text, d->verb == 'x' ? "%llx" : "%llX",
		            (unsigned long long)json_object_get_int64(v->obj));
	else if ((d->verb == 'f' || d->verb == 'g' || d->verb == 'e') && v->obj)
		strbuf_addf(&text, "%.*f", d->precision < 0 ? 6 : d->precision,
		            json_object_get_double(v->obj));
	else if (d->verb == 'q')
		strbuf_adds(&text, json_object_to_json_string_ext(
					   v->obj, JSON_C_TO_STRING_PLAIN |
							   JSON_C_TO_STRING_NOSLASHESCAPE));
	else if (strchr("svdt", d->verb))
		value_print(v, &text);
	else
		strbuf_addf(&text, "%%!%c(%s)", d->verb, value_type(v));
	if (d->verb == 's' && d->precision >= 0 && (size_t)d->precision < text.len)
		strbuf_trunc(&text, (size_t)d->precision);
	pad = (size_t)d->width > text.len ? (size_t)d->width - text.len : 0;
	for (size_t i = 0; i < pad && !d->left; i++)
		strbuf_addc(out, d->zero && d->verb != 's' ? '0' : ' ');
	strbuf_add(out, text.buf, text.len);
	for (size_t i = 0; i < pad && d->left; i++)
		strbuf_addc(out, ' ');
}

static int fn_printf(const struct value *args, size_t n, struct value *ret, struct err *err)
{
	AUTO_BUF sb = STRBUF_INIT;
	const char *s;
	size_t next = 1;

	if (want_str("printf", &args[0], &s, err) < 0)
		return -1;
	while (*s) {
		struct directive d;

		if (*s != '%') {
			strbuf_addc(&sb, *s++);
			continue;
		}
		s = read_directive(s + 1, &d);
		if (d.verb == '%')
			strbuf_addc(&sb, '%');
		else if (!d.verb)
			strbuf_adds(&sb, "%!(NOVERB)");
		else if (next >= n)
			strbuf_addf(&sb, "%%!%c(MISSING)", d.verb);
		else
			print_directive(&d, &args[next++], &sb);
	}
	*ret = value_str(sb.buf);
	return 0;
}

static int fn_json(const struct value *args, size_t n, struct value *ret, struct err *err)
{
	*ret = value_str(args[0].obj ? json_object_to_json_string_ext(
					       args[0].obj, JSON_C_TO_STRING_PLAIN |
								    JSON_C_TO_STRING_NOSLASHESCAPE)
	                             : "null");
	return 0;
}

static int fn_join(const struct value *args, size_t n, struct value *ret, struct err *err)
{
	AUTO_BUF sb = STRBUF_INIT;
	const char *sep;

	if (want_str("join", &args[1], &sep, err) < 0)
		return -1;
	if (args[0].obj && !is_list(&args[0]))
		return err_set(err, E_INVALID, "template: join wants a list, got a %s",
		               value_type(&args[0]));
	for (size_t i = 0; args[0].obj && i < json_object_array_length(args[0].obj); i++) {
		if (i)
			strbuf_adds(&sb, sep);
		print_json(json_object_array_get_idx(args[0].obj, i), &sb);
	}
	*ret = value_str(sb.buf);
	return 0;
}

static int fn_split(const struct value *args, size_t n, struct value *ret, struct err *err)
{
	const char *s, *sep, *hit;

	if (want_str("split", &args[0], &s, err) < 0 || want_str("split", &args[1], &sep, err) < 0)
		return -1;
	*ret = value_of(json_object_new_array());
	while (*sep && (hit = strstr(s, sep))) {
		json_object_array_add(ret->obj, json_object_new_string_len(s, (int)(hit - s)));
		s = hit + strlen(sep);
	}
	json_object_array_add(ret->obj, json_object_new_string(s));
	return 0;
}

/* Change the letters of a copy: how is 'l', 'u' or 't'. */
static int change_case(const char *func, char how, const struct value *v, struct value *ret,
                       struct err *err)
{
	AUTO_FREE char *copy = NULL;
	const char *s;

	if (want_str(func, v, &s, err) < 0)
		return -1;
	copy = xstrdup(s);
	for (char *c = copy; *c; c++) {
		bool starts = c == copy || isspace((unsigned char)c[-1]);

		if (how == 'l')
			*c = (char)tolower((unsigned char)*c);
		else if (how == 'u' || starts)
			*c = (char)toupper((unsigned char)*c);
	}
	*ret = value_str(copy);
	return 0;
}

static int fn_lower(const struct value *args, size_t n, struct value *ret, struct err *err)
{
	return change_case("lower", 'l', &args[0], ret, err);
}

static int fn_upper(const struct value *args, size_t n, struct value *ret, struct err *err)
{
	return change_case("upper", 'u', &args[0], ret, err);
}

static int fn_title(const struct value *args, size_t n, struct value *ret, struct err *err)
{
	return change_case("title", 't', &args[0], ret, err);
}

static int fn_truncate(const struct value *args, size_t n, struct value *ret, struct err *err)
{
	const char *s;
	int64_t max;

	if (want_str("truncate", &args[0], &s, err) < 0 ||
	    want_int("truncate", &args[1], &max, err) < 0)
		return -1;
	*ret = max >= 0 && (size_t)max < strlen(s)
	               ? value_of(json_object_new_string_len(s, (int)max))
	               : value_str(s);
	return 0;
}

static int fn_pad(const struct value *args, size_t n, struct value *ret, struct err *err)
{
	AUTO_BUF sb = STRBUF_INIT;
	const char *s;
	int64_t before, after;

	if (want_str("pad", &args[0], &s, err) < 0 || want_int("pad", &args[1], &before, err) < 0 ||
	    want_int("pad", &args[2], &after, err) < 0)
		return -1;
	if (before < 0 || before > 1000 || after < 0 || after > 1000)
		return err_set(err, E_LIMIT, "template: pad takes 0 to 1000 blanks");
	strbuf_addf(&sb, "%*s%s%*s", (int)before, "", s, (int)after, "");
	*ret = value_str(*s ? sb.buf : "");
	return 0;
}

/* clang-format off */
static const struct template_func funcs[] = {
	{ "eq", 2, -1, fn_eq },
	{ "ge", 2, 2, fn_ge },
	{ "gt", 2, 2, fn_gt },
	{ "index", 1, -1, fn_index },
	{ "join", 2, 2, fn_join },
	{ "json", 1, 1, fn_json },
	{ "le", 2, 2, fn_le },
	{ "len", 1, 1, fn_len },
	{ "lower", 1, 1, fn_lower },
	{ "lt", 2, 2, fn_lt },
	{ "ne", 2, 2, fn_ne },
	{ "not", 1, 1, fn_not },
	{ "pad", 3, 3, fn_pad },
	{ "print", 0, -1, fn_print },
	{ "printf", 1, -1, fn_printf },
	{ "println", 0, -1, fn_println },
	{ "slice", 1, 3, fn_slice },
	{ "split", 2, 2, fn_split },
	{ "title", 1, 1, fn_title },
	{ "truncate", 2, 2, fn_truncate },
	{ "upper", 1, 1, fn_upper },
};
/* clang-format on */

const struct template_func *template_func_find(const char *name)
{
	for (size_t i = 0; i < ARRAY_LEN(funcs); i++)
		if (!strcmp(funcs[i].name, name))
			return &funcs[i];
	return NULL;
}
