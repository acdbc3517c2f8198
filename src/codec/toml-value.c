/* TOML: strings, numbers, times, arrays and inline tables. */
#include "base/num.h"
#include "codec/toml-internal.h"
#include "codec/utf8.h"

#include <ctype.h>
#include <errno.h>

#define WORD_MAX 128 /* bytes of a number or time */

/* --- strings --- */

static bool at_text(const struct toml *t, const char *text)
{
	size_t len = strlen(text);

	return (size_t)(t->end - t->p) >= len && memcmp(t->p, text, len) == 0;
}

static int hex_escape(struct toml *t, int digits, struct strbuf *ret)
{
	uint32_t c = 0;

	for (int i = 0; i < digits; i++, t->p++) {
		char d = toml_peek(t);

		if (!isxdigit((unsigned char)d))
			return toml_fail(t, "expected a hexadecimal digit");
		c = c << 4 | (uint32_t)(d <= '9' ? d - '0' : (d | 0x20) - 'a' + 10);
	}
	if (c > 0x10ffff || (c >= 0xd800 && c <= 0xdfff))
		return toml_fail(t, "an escape that is no Unicode character");
	/* every reader of these strings is C: a NUL would hide what follows it */
	if (c == 0)
		return toml_fail(t, "a NUL character in a string");
	utf8_add(ret, c);
	return 0;
}

/* p is after the backslash. */
static int escape(struct toml *t, bool multi, struct strbuf *ret)
{
	static const char from[] = "\"\\bfnrt", to[] = "\"\\\b\f\n\r\t";
	const char *found, *line = t->p;
	char c = toml_peek(t);

	if (c == 'u' || c == 'U') {
		t->p++;
		return hex_escape(t, c == 'u' ? 4 : 8, ret);
	}
	found = c ? strchr(from, c) : NULL;
	if (found) {
		strbuf_addc(ret, to[found - from]);
		t->p++;
		return 0;
	}
	/* a backslash at the end of a line joins it with what the next lines begin with */
	while (line < t->end && (*line == ' ' || *line == '\t'))
		line++;
	if (!multi || line == t->end || (*line != '\n' && *line != '\r'))
		return toml_fail(t, "an unknown escape");
	while (line < t->end && strchr(" \t\r\n", *line) && *line)
		line++;
	t->p = line;
	return 0;
}

/* One character that stands for itself. */
static int plain(struct toml *t, bool multi, struct strbuf *ret)
{
	unsigned char c = (unsigned char)*t->p;
	size_t len = utf8_len((const unsigned char *)t->p, (size_t)(t->end - t->p));

	if (!len)
		return toml_fail(t, "bytes that are not UTF-8 in a string");
	if (c == '\r' && multi && at_text(t, "\r\n")) {
		t->p++;
		return 0;
	}
	if (c == '\n' && !multi)
		return toml_fail(t, "a string without its closing quote");
	if ((c < 0x20 && c != '\t' && c != '\n') || c == 0x7f)
		return toml_fail(t, "a control character in a string");
	strbuf_add(ret, t->p, len);
	t->p += len;
	return 0;
}

/* At three quotes or more: up to two of them may belong to the string's end. */
static int close_multi(struct toml *t, char quote, struct strbuf *ret)
{
	size_t n = 0;

	while (t->p < t->end && *t->p == quote && n < 5) {
		t->p++;
		n++;
	}
	for (; n > 3; n--)
		strbuf_addc(ret, quote);
	return 0;
}

int toml_string(struct toml *t, bool single_line, struct strbuf *ret)
{
	char quote = *t->p;
	const char *const triple = quote == '"' ? "\"\"\"" : "'''";
	bool multi = at_text(t, triple);

	if (multi && single_line)
		return toml_fail(t, "a key cannot have several lines");
	t->p += multi ? 3 : 1;
	if (multi)
		t->p += at_text(t, "\r\n") ? 2 : at_text(t, "\n") ? 1 : 0;
	for (;;) {
		int r = 0;

		if (t->p >= t->end)
			return toml_fail(t, "a string without its closing quote");
		if (multi && at_text(t, triple))
			return close_multi(t, quote, ret);
		if (!multi && *t->p == quote) {
			t->p++;
			return 0;
		}
		if (*t->p == '\\' && quote == '"') {
			t->p++;
			r = escape(t, multi, ret);
		} else {
			r = plain(t, multi, ret);
		}
		if (r < 0)
			return -1;
	}
}

/* --- numbers and times --- */

/* Whether s fits the pattern, in which 'd' stands for a digit. */
static bool fits(const char *s, const char *pattern, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (pattern[i] == 'd' ? !isdigit((unsigned char)s[i]) : s[i] != pattern[i])
			return false;
	return true;
}

static unsigned two(const char *s)
{
	return (unsigned)(s[0] - '0') * 10 + (unsigned)(s[1] - '0');
}

/* HH:MM:SS[.F...] at *s, which is advanced. */
static bool take_time(const char **s)
{
	if (!fits(*s, "dd:dd:dd", 8) || two(*s) > 23 || two(*s + 3) > 59 || two(*s + 6) > 60)
		return false;
	*s += 8;
	if (**s == '.') {
		if (!isdigit((unsigned char)(*s)[1]))
			return false;
		for (++*s; isdigit((unsigned char)**s);)
			++*s;
	}
	return true;
}

static bool is_time(const char *s)
{
	if (!fits(s, "dddd-dd-dd", 10))
		return take_time(&s) && !*s;
	if (two(s + 5) < 1 || two(s + 5) > 12 || two(s + 8) < 1 || two(s + 8) > 31)
		return false;
	s += 10;
	if (!*s)
		return true;
	if (!strchr("Tt ", *s))
		return false;
	s++;
	if (!take_time(&s))
		return false;
	if ((*s == 'Z' || *s == 'z') && !s[1])
		return true;
	if (*s == '+' || *s == '-')
		return fits(s + 1, "dd:dd", 5) && two(s + 1) < 24 && two(s + 4) < 60 && !s[6];
	return !*s;
}

/* Remove the underscores, each of which must be between two digits. */
static bool drop_underscores(char *s)
{
	char *to = s;

	for (const char *from = s; *from; from++) {
		if (*from != '_')
			*to++ = *from;
		else if (from == s || !isxdigit((unsigned char)from[-1]) ||
		         !isxdigit((unsigned char)from[1]))
			return false;
	}
	*to = '\0';
	return true;
}

static int based(struct toml *t, const char *at, const char *s, struct json_object **ret)
{
	const char *allowed = s[1] == 'x'   ? "0123456789abcdefABCDEF"
	                      : s[1] == 'o' ? "01234567"
	                                    : "01";
	unsigned long long v;

	if (!s[2] || s[2 + strspn(s + 2, allowed)])
		return toml_fail_at(t, at, E_INVALID, "not a number");
	errno = 0;
	v = strtoull(s + 2, NULL, s[1] == 'x' ? 16 : s[1] == 'o' ? 8 : 2);
	if (errno || v > INT64_MAX)
		return toml_fail_at(t, at, E_INVALID, "a number out of range");
	*ret = json_object_new_int64((int64_t)v);
	return 0;
}

/* [+-]DIGITS[.DIGITS][eDIGITS], no leading zeros. *ret_is_int. */
static bool is_number(const char *s, bool *ret_is_int)
{
	size_t n;

	*ret_is_int = true;
	s += *s == '+' || *s == '-';
	n = strspn(s, "0123456789");
	if (!n || (n > 1 && *s == '0'))
		return false;
	s += n;
	if (*s == '.') {
		*ret_is_int = false;
		n = strspn(++s, "0123456789");
		if (!n)
			return false;
		s += n;
	}
	if (*s == 'e' || *s == 'E') {
		*ret_is_int = false;
		s++;
		s += *s == '+' || *s == '-';
		n = strspn(s, "0123456789");
		if (!n)
			return false;
		s += n;
	}
	return !*s;
}

static int number(struct toml *t, const char *at, char *s, struct json_object **ret)
{
	const char *digits = s + (*s == '+');
	bool is_int;
	int64_t i;
	double d;

	if (!drop_underscores(s))
		return toml_fail_at(t, at, E_INVALID, "not a number");
	if (s[0] == '0' && s[1] && strchr("xob", s[1]))
		return based(t, at, s, ret);
	if (!is_number(s, &is_int))
		return toml_fail_at(t, at, E_INVALID, "expected a value");
	if (is_int ? parse_i64(digits, &i) < 0 : parse_double(digits, &d) < 0)
		return toml_fail_at(t, at, E_INVALID, "a number out of range");
	*ret = is_int ? json_object_new_int64(i) : json_object_new_double(d);
	return 0;
}

static bool is_word(char c)
{
	return isalnum((unsigned char)c) || (c && strchr("+-._:", c));
}

static int word(struct toml *t, struct json_object **ret)
{
	const char *at = t->p;
	char s[WORD_MAX];
	size_t len = 0;

	while (t->p < t->end && is_word(*t->p) && len < sizeof(s) - 1)
		s[len++] = *t->p++;
	/* a date and a time with a blank between them */
	if (len == 10 && s[4] == '-' && t->end - t->p > 1 && *t->p == ' ' &&
	    isdigit((unsigned char)t->p[1]))
		do
			s[len++] = *t->p++;
		while (t->p < t->end && is_word(*t->p) && len < sizeof(s) - 1);
	s[len] = '\0';
	if (strcmp(s, "true") == 0 || strcmp(s, "false") == 0)
		*ret = json_object_new_boolean(s[0] == 't');
	else if (is_time(s))
		*ret = json_object_new_string(s);
	else
		return number(t, at, s, ret);
	return 0;
}

/* --- arrays and inline tables --- */

static int array(struct toml *t, struct json_object **ret)
{
	AUTO_JSON *items = json_object_new_array();

	toml_set_origin(items, TOML_CLOSED);
	for (t->p++;;) {
		struct json_object *item = NULL;

		if (toml_skip_lines(t) < 0)
			return -1;
		if (toml_peek(t) == ']')
			break;
		if (toml_value(t, &item) < 0)
			return -1;
		json_object_array_add(items, item);
		if (toml_skip_lines(t) < 0)
			return -1;
		if (toml_peek(t) == ']')
			break;
		if (toml_peek(t) != ',')
			return toml_fail(t, "expected ',' or ']'");
		t->p++;
	}
	t->p++;
	*ret = TAKE_PTR(items);
	return 0;
}

/* Nothing can be added to it, nor to what is in it, once it is closed. */
static void close_table(struct json_object *table)
{
	toml_set_origin(table, TOML_CLOSED);
	json_object_object_foreach(table, key, value)
	{
		(void)key;
		if (json_object_is_type(value, json_type_object))
			close_table(value);
	}
}

static int inline_table(struct toml *t, struct json_object **ret)
{
	AUTO_JSON *table = json_object_new_object();

	t->p++;
	toml_skip_blanks(t);
	if (toml_peek(t) != '}')
		for (;; t->p++) {
			toml_skip_blanks(t);
			if (toml_pair(t, table) < 0)
				return -1;
			toml_skip_blanks(t);
			if (toml_peek(t) == '}')
				break;
			if (toml_peek(t) != ',')
				return toml_fail(t, "expected ',' or '}'");
		}
	t->p++;
	close_table(table);
	*ret = TAKE_PTR(table);
	return 0;
}

int toml_value(struct toml *t, struct json_object **ret)
{
	AUTO_BUF text = STRBUF_INIT;
	int r;

	switch (toml_peek(t)) {
	case '"':
	case '\'':
		if (toml_string(t, false, &text) < 0)
			return -1;
		*ret = json_object_new_string_len(text.buf, (int)text.len);
		return 0;
	case '[':
	case '{':
		if (++t->depth > TOML_MAX_DEPTH)
			return toml_fail_at(t, t->p, E_LIMIT, "nested too deeply");
		r = *t->p == '[' ? array(t, ret) : inline_table(t, ret);
		t->depth--;
		return r;
	default:
		return word(t, ret);
	}
}
