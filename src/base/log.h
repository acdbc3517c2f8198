/* log: lines to standard error (or a file) at the edge of a program.
 * Libraries log at debug level only; programs print errors once, with log_err().
 * The level and format are the process's: set once in main(), before any thread. */
#pragma once
#include "base/err.h"

enum log_level { LOG_ERROR, LOG_WARN, LOG_INFO, LOG_DEBUG };
enum log_format { LOG_FORMAT_TEXT, LOG_FORMAT_JSON };

/* program: the prefix of text lines ("dhow"); fd: where lines go (borrowed). */
void log_init(const char *program, int fd, enum log_level level, enum log_format format);
int log_level_parse(const char *s, enum log_level *ret); /* 0 or -EINVAL */
void log_line(enum log_level level, const char *fmt, ...) PRINTF_LIKE(2, 3);
/* "dhow: MESSAGE (HINT)"; with debug level also the place it was set. */
void log_err(const struct err *err);

#define log_debug(...) log_line(LOG_DEBUG, __VA_ARGS__)
#define log_info(...)  log_line(LOG_INFO, __VA_ARGS__)
#define log_warn(...)  log_line(LOG_WARN, __VA_ARGS__)
#define log_error(...) log_line(LOG_ERROR, __VA_ARGS__)
