/* rootless: an ordinary user's containers live in one user namespace.
 *
 * The first command of a user makes it: uid 0 inside is the user, 1.. are the subordinate ids of
 * /etc/subuid and /etc/subgid, mapped by newuidmap(1) and newgidmap(1). A small holder process
 * keeps it for as long as a container or a command is in it and a few seconds more, so that later
 * commands join the same one (RUNROOT/userns, "PID STARTTIME NAMESPACE"). Inside, the whole engine
 * works as it does for root; what the kernel still refuses (bridge, cgroups not delegated, mknod)
 * is refused by name.
 *
 * Call rootless_enter() first thing in main(), with one thread, before any state is opened. */
#pragma once
#include "base/err.h"
#include <stdbool.h>
#include <sys/types.h>

/* The user is not root on the host: either euid is not 0, or we are in a user namespace. */
bool rootless_is(void);
/* The user's uid on the host, also inside the namespace. */
uid_t rootless_uid(void);
/* Default directories: $XDG_DATA_HOME/dhow or ~/.local/share/dhow, $XDG_RUNTIME_DIR/dhow or
 * /run/user/UID/dhow or /tmp/dhow-UID. Caller frees. */
char *rootless_root_path(struct err *err);    /* NULL with err */
char *rootless_runroot_path(struct err *err); /* NULL with err */

/* No-op for root and for who is inside already. runroot NULL: the default. Errors say what is
 * missing: no subordinate ids, no newuidmap. */
int rootless_enter(const char *runroot, struct err *err);
