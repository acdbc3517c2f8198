/* What the files of log-read share. */
#pragma once
#include "engine/log-read.h"
#include <stdbool.h>
#include <stddef.h>

/* Parse one record in place: line[len] is its newline, which ret->data may include. False for
 * what is no record. */
bool log_parse(enum log_driver driver, char *line, size_t len, struct log_entry *ret);
