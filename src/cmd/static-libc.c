/* Parts of libc that a small static program never uses, and would carry all the same.
 *
 * glibc's printf, assert and streams refer to wide characters, message catalogues and stack
 * unwinding; those bring character set conversion, locales, and with them the dynamic loader: 235
 * of the 683 KB of an empty static program. Our programs stay in the "C" locale, open no wide
 * stream, have one thread, and never unwind. The linker takes a definition of the program's before
 * one of an archive, so these here keep the archive's out.
 *
 * The names are glibc's own, and may be others in another version: meson tries to link with this
 * file, and leaves it out where that fails. None of the functions is ever called, but for those of
 * assert and gettext; what would be wrong to go on with aborts. docs/adr/0014. */
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define WEAK __attribute__((weak))

#define UNUSED_HERE(name)                                                                          \
	WEAK void name(void);                                                                      \
	void name(void)                                                                            \
	{                                                                                          \
		abort();                                                                           \
	}

/* wcsmbsload.o: the conversions of wide streams. */
UNUSED_HERE(__wcsmbs_load_conv)
UNUSED_HERE(__wcsmbs_clone_conv)
UNUSED_HERE(__wcsmbs_named_conv)
UNUSED_HERE(__wcsmbs_getfct)
UNUSED_HERE(__gconv)
UNUSED_HERE(__gconv_close)
UNUSED_HERE(__gconv_release_step)
extern WEAK int __gconv_lock;
extern WEAK const void *const __wcsmbs_gconv_fcts_c[8];
const void *const __wcsmbs_gconv_fcts_c[8];
WEAK void _nl_cleanup_ctype(void *locale);
void _nl_cleanup_ctype(void *locale)
{
}

/* "%ls" and "%n" of printf: neither is used. -1 is a failed conversion, and not read-only. */
WEAK size_t __wcrtomb(char *s, int wide, void *state);
size_t __wcrtomb(char *s, int wide, void *state)
{
	return (size_t)-1;
}

WEAK size_t wcrtomb(char *s, int wide, void *state);
size_t wcrtomb(char *s, int wide, void *state)
{
	return (size_t)-1;
}

WEAK size_t __wcsrtombs(char *to, const void *from, size_t size, void *state);
size_t __wcsrtombs(char *to, const void *from, size_t size, void *state)
{
	return (size_t)-1;
}

WEAK int __readonly_area(const void *start, size_t size);
int __readonly_area(const void *start, size_t size)
{
	return -1;
}

/* strtod looks for "inf" and "nan" with it: five variants for processors, 35 KB. */
WEAK int __strncasecmp_l(const char *a, const char *b, size_t n, void *locale);
int __strncasecmp_l(const char *a, const char *b, size_t n, void *locale)
{
	for (; n; n--, a++, b++) {
		int x = *a >= 'A' && *a <= 'Z' ? *a + 32 : *a;
		int y = *b >= 'A' && *b <= 'Z' ? *b + 32 : *b;

		if (x != y || !x)
			return x - y;
	}
	return 0;
}

WEAK int strncasecmp(const char *a, const char *b, size_t n);
int strncasecmp(const char *a, const char *b, size_t n)
{
	return __strncasecmp_l(a, b, n, NULL);
}

/* Unwinding: for exceptions and the cancellation of threads. */
UNUSED_HERE(_Unwind_Resume)
UNUSED_HERE(__gcc_personality_v0)

/* Messages are not translated. */
WEAK char *__dcgettext(const char *domain, const char *text, int category);
char *__dcgettext(const char *domain, const char *text, int category)
{
	return (char *)text;
}

WEAK char *dcgettext(const char *domain, const char *text, int category);
char *dcgettext(const char *domain, const char *text, int category)
{
	return (char *)text;
}

/* perror and getopt print with it: not used. */
WEAK int __fxprintf(void *stream, const char *format, ...);
int __fxprintf(void *stream, const char *format, ...)
{
	return -1;
}

static void say(const char *text)
{
	(void)!write(STDERR_FILENO, text, strlen(text));
}

void __assert_fail(const char *what, const char *file, unsigned line, const char *function)
	__attribute__((noreturn, weak));
void __assert_fail(const char *what, const char *file, unsigned line, const char *function)
{
	say(file);
	say(": assertion failed: ");
	say(what);
	say("\n");
	abort();
}

void __assert_perror_fail(int error, const char *file, unsigned line, const char *function)
	__attribute__((noreturn, weak));
void __assert_perror_fail(int error, const char *file, unsigned line, const char *function)
{
	__assert_fail(strerror(error), file, line, function);
}
