#include "base/err.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static const struct {
	const char *name;
	int exit_status;
} codes[E_CODE_MAX] = {
	[E_OK] = { "ok", 0 },
	[E_INVALID] = { "invalid", 125 },
	[E_NOT_FOUND] = { "not-found", 125 },
	[E_EXISTS] = { "exists", 125 },
	[E_STATE] = { "wrong-state", 125 },
	[E_BUSY] = { "busy", 125 },
	[E_PERM] = { "not-permitted", 125 },
	[E_IO] = { "io", 125 },
	[E_LIMIT] = { "limit", 125 },
	[E_TIMEOUT] = { "timeout", 125 },
	[E_UNSUPPORTED] = { "unsupported", 125 },
	[E_NETWORK] = { "network", 125 },
	[E_AUTH] = { "unauthorized", 125 },
	[E_CORRUPT] = { "corrupt", 125 },
	[E_NO_SPACE] = { "no-space", 125 },
	[E_NOT_EXEC] = { "not-executable", 126 },
	[E_NO_COMMAND] = { "command-not-found", 127 },
	[E_INTERRUPTED] = { "interrupted", 130 },
	[E_INTERNAL] = { "internal", 125 },
};

enum err_code err_code_from_errno(int errno_value)
{
	switch (errno_value) {
	case 0:
		return E_OK;
	case ENOENT:
	case ESRCH:
		return E_NOT_FOUND;
	case EEXIST:
		return E_EXISTS;
	case EBUSY:
	case ETXTBSY:
		return E_BUSY;
	case EPERM:
	case EACCES:
	case EROFS:
		return E_PERM;
	case ENOSPC:
	case EDQUOT:
		return E_NO_SPACE;
	case EINVAL:
	case ENAMETOOLONG:
	case ENOTDIR:
	case EISDIR:
	case ELOOP:
		return E_INVALID;
	case ENOSYS:
	case EOPNOTSUPP:
	case ENODEV:
		return E_UNSUPPORTED;
	case ETIMEDOUT:
		return E_TIMEOUT;
	case EINTR:
		return E_INTERRUPTED;
	default:
		return E_IO;
	}
}

const char *err_code_name(enum err_code code)
{
	return code < E_CODE_MAX ? codes[code].name : "unknown";
}

int err_exit_status(const struct err *err)
{
	return err->code < E_CODE_MAX ? codes[err->code].exit_status : 125;
}

/* Texts may have pieces from outside: they stay one line, and drive no terminal (C0, DEL and C1).
 */
static void make_printable(char *s)
{
	for (unsigned char *c = (unsigned char *)s; *c; c++)
		if (*c < 0x20 || *c == 0x7f)
			*c = '?';
		else if (*c == 0xc2 && c[1] >= 0x80 && c[1] < 0xa0)
			*c = c[1] = '?';
}

void err_set_(struct err *err, enum err_code code, int errno_value, const char *file, int line,
              const char *fmt, ...)
{
	va_list ap;
	int n;

	err->code = errno_value ? err_code_from_errno(errno_value) : code;
	err->sys = errno_value;
	err->file = file;
	err->line = line;
	err->hint[0] = '\0';
	va_start(ap, fmt);
	n = vsnprintf(err->msg, sizeof(err->msg), fmt, ap);
	va_end(ap);
	if (errno_value && n >= 0 && (size_t)n < sizeof(err->msg))
		snprintf(err->msg + n, sizeof(err->msg) - (size_t)n, ": %s",
		         strerrordesc_np(errno_value) ? strerrordesc_np(errno_value)
		                                      : "unknown error");
	make_printable(err->msg);
}

void err_ctx_(struct err *err, const char *fmt, ...)
{
	char prefix[sizeof(err->msg)];
	size_t prefix_len, msg_len, keep;
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(prefix, sizeof(prefix) - 2, fmt, ap);
	va_end(ap);
	if (n < 0)
		return;
	make_printable(prefix);
	prefix_len = strlen(prefix);
	prefix[prefix_len++] = ':';
	prefix[prefix_len++] = ' ';
	msg_len = strlen(err->msg);
	/* the cause matters more than the context: cut the prefix, not the message */
	if (prefix_len + msg_len >= sizeof(err->msg))
		return;
	keep = msg_len + 1;
	memmove(err->msg + prefix_len, err->msg, keep);
	memcpy(err->msg, prefix, prefix_len);
}

void err_hint_(struct err *err, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(err->hint, sizeof(err->hint), fmt, ap);
	va_end(ap);
	make_printable(err->hint);
}
