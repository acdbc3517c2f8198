/* proc: run another program without a shell. */
#pragma once
#include "base/err.h"
#include "base/strbuf.h"
#include <sys/types.h>

struct proc_spec {
	const char *const *argv; /* argv[0] is searched in PATH when it has no slash */
	char *const *envp;       /* NULL: ours */
	int stdin_fd;            /* borrowed; -1: /dev/null */
	struct strbuf *ret_out;  /* collects standard output; NULL: inherited */
	struct strbuf *ret_err;  /* collects standard error; NULL: inherited */
	size_t max_output_bytes; /* of either; 0: 1 MiB */
};

/* Run to completion. *ret_status is a wait(2) status. Return 0, or -1 when it could not be run. */
int proc_run(const struct proc_spec *spec, int *ret_status, struct err *err);
/* 128 + signal for a killed process, its exit code otherwise. */
int proc_exit_code(int wait_status);
