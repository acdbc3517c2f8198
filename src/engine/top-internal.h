/* For the tests of top. */
#pragma once
#include "engine/top.h"
#include <stddef.h>
#include <sys/types.h>

/* The table of these processes (sorted here); those that have ended are left out. */
int top_build(pid_t *pids, size_t count, const struct strv *ps_args, struct top_table *ret,
              struct err *err);
