/* One record of a log file: docker's json-file, or the text of Kubernetes' CRI. */
#include <errno.h>

#include "base/clock.h"
#include "engine/log-internal.h"

/* ---- json-file: {"log":"text\n","stream":"stdout","time":"..."} ---- */

struct cursor {
	char *p, *end;
};

static void skip_space(struct cursor *c)
{
	while (c->p < c->end && strchr(" \t\r", *c->p))
		c->p++;
}

static bool take(struct cursor *c, char want)
{
	skip_space(c);
	if (c->p >= c->end || *c->p != want)
		return false;
	c->p++;
	return true;
}

static int hex4(const char *s, const char *end)
{
	int v = 0;

	if (end - s < 4)
		return -1;
	for (int i = 0; i < 4; i++) {
		int c = s[i] | 0x20;

		if (s[i] >= '0' && s[i] <= '9')
			v = v * 16 + s[i] - '0';
		else if (c >= 'a' && c <= 'f')
			v = v * 16 + c - 'a' + 10;
		else
			return -1;
	}
	return v;
}

static char *put_utf8(char *out, uint32_t v)
{
	if (v < 0x80) {
		*out++ = (char)v;
	} else if (v < 0x800) {
		*out++ = (char)(0xc0 | v >> 6);
		*out++ = (char)(0x80 | (v & 63));
	} else if (v < 0x10000) {
		*out++ = (char)(0xe0 | v >> 12);
		*out++ = (char)(0x80 | (v >> 6 & 63));
		*out++ = (char)(0x80 | (v & 63));
	} else {
		*out++ = (char)(0xf0 | v >> 18);
		*out++ = (char)(0x80 | (v >> 12 & 63));
		*out++ = (char)(0x80 | (v >> 6 & 63));
		*out++ = (char)(0x80 | (v & 63));
	}
	return out;
}

/* The escape after a backslash; text never grows by it, so it is undone in place. */
static bool unescape(struct cursor *c, char **out)
{
	static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
	const char *known;
	int v, low;

	if (c->p >= c->end)
		return false;
	if (*c->p == 'u') {
		v = hex4(c->p + 1, c->end);
		if (v < 0)
			return false;
		c->p += 5;
		if (v >= 0xd800 && v < 0xdc00 && c->end - c->p >= 6 && c->p[0] == '\\' &&
		    c->p[1] == 'u' && (low = hex4(c->p + 2, c->end)) >= 0xdc00 && low < 0xe000) {
			v = 0x10000 + ((v - 0xd800) << 10) + (low - 0xdc00);
			c->p += 6;
		}
		*out = put_utf8(*out, (uint32_t)v);
		return true;
	}
	known = *c->p ? strchr(from, *c->p) : NULL;
	if (!known)
		return false;
	*(*out)++ = to[known - from];
	c->p++;
	return true;
}

static bool take_string(struct cursor *c, char **ret, size_t *ret_len)
{
	char *out;

	if (!take(c, '"'))
		return false;
	*ret = out = c->p;
	while (c->p < c->end && *c->p != '"') {
		if (*c->p != '\\') {
			*out++ = *c->p++;
			continue;
		}
		c->p++;
		if (!unescape(c, &out))
			return false;
	}
	if (c->p >= c->end)
		return false;
	c->p++;
	*ret_len = (size_t)(out - *ret);
	return true;
}

static bool is(const char *s, size_t len, const char *word)
{
	return strlen(word) == len && !memcmp(s, word, len);
}

static bool parse_time(const char *s, size_t len, int64_t *ret)
{
	char text[40];

	if (len >= sizeof(text))
		return false;
	memcpy(text, s, len);
	text[len] = '\0';
	return time_parse(text, ret) == 0;
}

static bool parse_stream(const char *s, size_t len, int *ret)
{
	*ret = is(s, len, "stdout") ? 1 : is(s, len, "stderr") ? 2 : 0;
	return *ret != 0;
}

static bool parse_json(char *line, size_t len, struct log_entry *ret)
{
	struct cursor c = { line, line + len };
	bool has_log = false, has_time = false, has_stream = false;

	if (!take(&c, '{'))
		return false;
	do {
		char *key, *value;
		size_t key_len, value_len;

		if (!take_string(&c, &key, &key_len) || !take(&c, ':') ||
		    !take_string(&c, &value, &value_len))
			return false;
		if (is(key, key_len, "log")) {
			ret->data = value;
			ret->len = value_len;
			has_log = true;
		} else if (is(key, key_len, "stream")) {
			has_stream = parse_stream(value, value_len, &ret->stream);
		} else if (is(key, key_len, "time")) {
			has_time = parse_time(value, value_len, &ret->time_ns);
		}
	} while (take(&c, ','));
	return take(&c, '}') && has_log && has_time && has_stream;
}

/* ---- k8s-file: "TIME stdout F text", P instead of F for a piece ---- */

static bool parse_k8s(char *line, size_t len, struct log_entry *ret)
{
	char *end = line + len;
	char *stream = memchr(line, ' ', len);
	char *tag = stream ? memchr(stream + 1, ' ', (size_t)(end - stream - 1)) : NULL;

	if (!tag || end - tag < 3 || tag[2] != ' ' || (tag[1] != 'F' && tag[1] != 'P'))
		return false;
	if (!parse_time(line, (size_t)(stream - line), &ret->time_ns) ||
	    !parse_stream(stream + 1, (size_t)(tag - stream - 1), &ret->stream))
		return false;
	ret->data = tag + 3;
	ret->len = (size_t)(end - tag - 3);
	/* the newline that ended the record is the line's own, unless this is a piece of it */
	if (tag[1] == 'F')
		ret->len++;
	return true;
}

bool log_parse(enum log_driver driver, char *line, size_t len, struct log_entry *ret)
{
	return driver == LOG_DRIVER_K8S_FILE ? parse_k8s(line, len, ret)
	                                     : parse_json(line, len, ret);
}
