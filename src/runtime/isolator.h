/* runtime/isolator: what keeps a container apart from the host.
 * Namespaces are the one built in; a program may hand in another (a microVM, a user-space
 * kernel) in runtime_create_args. The runtime owns state, cgroup, hooks and the terminal; the
 * isolator owns the process that holds the container. */
#pragma once
#include "runtime/runtime.h"

struct runtime_sandbox; /* one creation under way: internal.h */

struct isolator {
	const char *name;
	/* Before anything is made. Refuse, with the JSON path, what this isolator cannot give. */
	int (*check)(const struct runtime_create_args *args, struct err *err);
	/* Make the process and set sandbox->pid and pidfd; on return it converses as internal.h
	 * says, on sandbox->child_sync_fd. */
	int (*launch)(struct runtime_sandbox *sandbox, struct err *err);
};

extern const struct isolator isolator_namespaces;
