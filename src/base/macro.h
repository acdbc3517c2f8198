/* Small macros used everywhere: owners that clean up after themselves, and hand-over.
 * Ownership rule: a local that owns something is declared AUTO_*; it leaves the function
 * only through TAKE_FD or TAKE_PTR, which empty the local. */
#pragma once
/* string.h and stdio.h are here so that they are read before the poison below */
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define ARRAY_LEN(a)           (sizeof(a) / sizeof((a)[0]))
#define PRINTF_LIKE(fmt, args) __attribute__((format(printf, fmt, args)))
#define NORETURN               __attribute__((noreturn))
#define MUST_CHECK             __attribute__((warn_unused_result))

static inline void auto_free_(void *p)
{
	free(*(void **)p);
}

static inline void auto_close_(int *fd)
{
	if (*fd >= 0)
		close(*fd);
}

/* A heap pointer freed at scope exit. */
#define AUTO_FREE __attribute__((cleanup(auto_free_), unused))
/* AUTO_FD fd = -1: an int closed at scope exit. The macro carries the type. */
#define AUTO_FD __attribute__((cleanup(auto_close_), unused)) int
/* AUTO(fn): call fn(&variable) at scope exit; for _done and _freep functions. */
#define AUTO(fn) __attribute__((cleanup(fn), unused))

static inline int take_fd_(int *fd)
{
	int taken = *fd;

	*fd = -1;
	return taken;
}

#define TAKE_FD(fd) take_fd_(&(fd))
#define TAKE_PTR(p)                                                                                \
	({                                                                                         \
		__auto_type taken_ = (p);                                                          \
		(p) = NULL;                                                                        \
		taken_;                                                                            \
	})

/* Declares thing_freep() for AUTO(thing_freep) from thing_free(). */
#define DEFINE_FREEP(type, name)                                                                   \
	static inline void name##p(type **p)                                                       \
	{                                                                                          \
		if (*p)                                                                            \
			name(*p);                                                                  \
	}

/* what fortified headers define as macros cannot be poisoned */
#undef sprintf
#undef vsprintf
#undef strcpy
#undef strcat
#pragma GCC poison strcpy strcat sprintf vsprintf strtok atoi atol atoll gets
