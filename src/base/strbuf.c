#include "base/strbuf.h"

#include <assert.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "base/xalloc.h"

char strbuf_empty_[1];

void strbuf_done(struct strbuf *sb)
{
	if (sb->cap)
		free(sb->buf);
	*sb = STRBUF_INIT;
}

void strbuf_reset(struct strbuf *sb)
{
	strbuf_trunc(sb, 0);
}

void strbuf_grow(struct strbuf *sb, size_t extra_bytes)
{
	size_t need, cap;

	if (extra_bytes > SIZE_MAX / 4 || sb->len > SIZE_MAX / 4)
		abort();
	need = sb->len + extra_bytes + 1;
	if (need <= sb->cap)
		return;
	cap = sb->cap ? sb->cap * 2 : 64;
	if (cap < need)
		cap = need;
	sb->buf = xrealloc(sb->cap ? sb->buf : NULL, cap);
	sb->cap = cap;
	sb->buf[sb->len] = '\0';
}

void strbuf_add(struct strbuf *sb, const void *data, size_t len)
{
	if (!len)
		return;
	strbuf_grow(sb, len);
	memcpy(sb->buf + sb->len, data, len);
	sb->len += len;
	sb->buf[sb->len] = '\0';
}

void strbuf_adds(struct strbuf *sb, const char *s)
{
	strbuf_add(sb, s, strlen(s));
}

void strbuf_addc(struct strbuf *sb, char c)
{
	strbuf_add(sb, &c, 1);
}

void strbuf_vaddf(struct strbuf *sb, const char *fmt, va_list ap)
{
	va_list again;
	int n;

	va_copy(again, ap);
	n = vsnprintf(NULL, 0, fmt, ap);
	if (n > 0) {
		strbuf_grow(sb, (size_t)n);
		vsnprintf(sb->buf + sb->len, (size_t)n + 1, fmt, again);
		sb->len += (size_t)n;
	}
	va_end(again);
}

void strbuf_addf(struct strbuf *sb, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	strbuf_vaddf(sb, fmt, ap);
	va_end(ap);
}

void strbuf_trunc(struct strbuf *sb, size_t len)
{
	assert(len <= sb->len);
	sb->len = len;
	if (sb->cap)
		sb->buf[len] = '\0';
}

char *strbuf_take(struct strbuf *sb)
{
	char *s = sb->cap ? sb->buf : xstrdup("");

	*sb = STRBUF_INIT;
	return s;
}
