/* xalloc: allocation that aborts when memory runs out.
 * For the short-lived programs; a server bounds what it is asked to hold before it allocates. */
#pragma once
#include "base/macro.h"
#include <stdarg.h>

void *xmalloc(size_t size) __attribute__((malloc, returns_nonnull));
void *xcalloc(size_t count, size_t size) __attribute__((malloc, returns_nonnull)); /* zeroed */
void *xrealloc(void *p, size_t size) __attribute__((returns_nonnull));
void *xreallocarray(void *p, size_t count, size_t size) __attribute__((returns_nonnull));
void *xmemdup(const void *p, size_t size) __attribute__((malloc, returns_nonnull));
char *xstrdup(const char *s) __attribute__((malloc, returns_nonnull));
char *xstrdup_null(const char *s); /* NULL for NULL */
char *xstrndup(const char *s, size_t max) __attribute__((malloc, returns_nonnull));
char *xasprintf(const char *fmt, ...) PRINTF_LIKE(1, 2) __attribute__((malloc, returns_nonnull));
char *xvasprintf(const char *fmt, va_list ap) PRINTF_LIKE(1, 0);

/* VEC_PUSH(items, count, value): append to a plain array that starts as NULL and 0.
 * Grows by powers of two, so `count` alone tells the capacity. */
#define VEC_PUSH(items, count, ...)                                                                \
	do {                                                                                       \
		if (((count) & ((count)-1)) == 0)                                                  \
			(items) = xreallocarray((items), (count) ? (size_t)(count)*2 : 1,          \
			                        sizeof(*(items)));                                 \
		(items)[(count)++] = (__VA_ARGS__);                                                \
	} while (0)
