/* strbuf: a growing byte string.
 * Invariants: `buf` is never NULL and buf[len] is NUL; `buf` may be read and its bytes changed
 * directly, `len` and `cap` only through these functions.
 * Running out of memory aborts (see xalloc.h); servers bound their input first. */
#pragma once
#include "base/macro.h"
#include <stdarg.h>

struct strbuf {
	char *buf;
	size_t len;
	size_t cap; /* 0 while buf points at the shared empty string */
};

extern char strbuf_empty_[1];
#define STRBUF_INIT ((struct strbuf){ .buf = strbuf_empty_ })
#define AUTO_BUF    __attribute__((cleanup(strbuf_done))) struct strbuf

void strbuf_done(struct strbuf *sb);  /* free; leaves an empty, usable strbuf */
void strbuf_reset(struct strbuf *sb); /* length 0, memory kept */
void strbuf_grow(struct strbuf *sb, size_t extra_bytes);
void strbuf_add(struct strbuf *sb, const void *data, size_t len);
void strbuf_adds(struct strbuf *sb, const char *s);
void strbuf_addc(struct strbuf *sb, char c);
void strbuf_addf(struct strbuf *sb, const char *fmt, ...) PRINTF_LIKE(2, 3);
void strbuf_vaddf(struct strbuf *sb, const char *fmt, va_list ap) PRINTF_LIKE(2, 0);
void strbuf_trunc(struct strbuf *sb, size_t len); /* len <= sb->len */
/* Hand the NUL-terminated bytes to the caller, who frees them; sb is empty afterwards. */
char *strbuf_take(struct strbuf *sb);
