/* exec-internal: moving the bytes of a foreground exec. */
#pragma once
#include "base/err.h"
#include "engine/terminal.h"
#include <stdbool.h>

struct exec_io {
	int fds[3]; /* our ends of stdin, stdout, stderr; a terminal's master is fds[1] (and,
	             * duplicated, fds[0]); -1: none. Owned by the caller, closed as they end. */
	int pidfd;
	bool tty;
	struct detach_keys keys;
	bool detached; /* result: the user left, the command runs on */
};

/* Copy until the process has ended and its output is read, or the user detaches. Signals we get
 * go to the process. */
int exec_pump(struct exec_io *io, struct err *err);
