/* errors: one value type, no heap, that says what was tried, on what and why it failed.
 *
 * Two tiers: leaf functions of base and sys return 0 or -errno and never log; everything above
 * takes `struct err *err` last and returns 0 (or a value >= 0), or -1 with *err filled in.
 * Works when memory is exhausted and after seccomp; a forked child reports one with a single
 * write(2) (the struct is smaller than PIPE_BUF; `file` points into the program's image, so it
 * is valid across fork, not across exec).
 *
 * Message style: lower case, no full stop, values quoted '%s': "open '%s'". err_ctx() prefixes
 * the outer step: "load bundle: open 'config.json': No such file or directory".
 * `hint` says what to do about it; the program prints it on the same line.
 *
 * The err_* macros evaluate to -1 so that `return err_set(...)` is visible to static analysis. */
#pragma once
#include "base/macro.h"

enum err_code {
	E_OK = 0,
	E_INVALID,     /* the caller's input is wrong */
	E_NOT_FOUND,   /* the named object does not exist */
	E_EXISTS,      /* the name is taken */
	E_STATE,       /* the object is in the wrong state for this */
	E_BUSY,        /* the object is in use */
	E_PERM,        /* not permitted by the kernel or a policy */
	E_IO,          /* a read, write or system call failed */
	E_LIMIT,       /* a documented bound was exceeded */
	E_TIMEOUT,     /* it took too long; may be tried again */
	E_UNSUPPORTED, /* understood, but not available here or not implemented */
	E_NETWORK,     /* the other side could not be reached or broke off */
	E_AUTH,        /* credentials missing or refused */
	E_CORRUPT,     /* bytes do not match their digest or their format */
	E_NO_SPACE,    /* disk, quota or address pool exhausted */
	E_NOT_EXEC,    /* command found but cannot be executed (exit 126) */
	E_NO_COMMAND,  /* command not found (exit 127) */
	E_INTERRUPTED, /* SIGINT or SIGTERM asked us to stop */
	E_INTERNAL,    /* a broken invariant of ours */
	E_CODE_MAX
};

struct err {
	enum err_code code;
	int sys;  /* errno when a system call was the cause, else 0 */
	int line; /* where it was set, for --debug */
	const char *file;
	char msg[1000];
	char hint[200]; /* what to do; empty when there is nothing useful to say */
};

#define ERR_INIT ((struct err){ .code = E_OK })
/* Passing ERR_IGNORE makes it visible that a failure is of no interest. */
#define ERR_IGNORE (&(struct err){ .code = E_OK })

static inline int err_failed_(void)
{
	return -1;
}

#define err_set(err, code, ...)                                                                    \
	(err_set_((err), (code), 0, __FILE__, __LINE__, __VA_ARGS__), err_failed_())
/* errno_value is kept and its text appended; the code is derived from it (err_code_from_errno). */
#define err_sys(err, errno_value, ...)                                                             \
	(err_set_((err), E_OK, (errno_value), __FILE__, __LINE__, __VA_ARGS__), err_failed_())
/* Prefix "text: " to the message already there. */
#define err_ctx(err, ...) (err_ctx_((err), __VA_ARGS__), err_failed_())
/* Replace the hint: one short clause that says what to do. */
#define err_hint(err, ...) (err_hint_((err), __VA_ARGS__), err_failed_())

void err_set_(struct err *err, enum err_code code, int errno_value, const char *file, int line,
              const char *fmt, ...) PRINTF_LIKE(6, 7);
void err_ctx_(struct err *err, const char *fmt, ...) PRINTF_LIKE(2, 3);
void err_hint_(struct err *err, const char *fmt, ...) PRINTF_LIKE(2, 3);

enum err_code err_code_from_errno(int errno_value);
/* "not-found", "busy", ...: the stable name used in JSON output and logs. */
const char *err_code_name(enum err_code code);
/* Process exit status for an engine command: 125, except 126, 127 and 130 (interrupted). */
int err_exit_status(const struct err *err);
