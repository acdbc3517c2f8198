/* sys/landlock: rulesets of the Landlock security module (landlock(7)).
 * The kernel's ABI number says which rights it knows; ours are those of ABI 7 (Linux 6.15), and
 * newer bits pass through. Leaf tier: 0 or -errno; descriptors are close-on-exec. */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#define LANDLOCK_KNOWN_ABI 7

struct landlock_rights {
	uint64_t fs;     /* LANDLOCK_ACCESS_FS_* */
	uint64_t net;    /* LANDLOCK_ACCESS_NET_* */
	uint64_t scoped; /* LANDLOCK_SCOPE_* */
};

/* 0: this kernel has no Landlock, or it is switched off. */
int landlock_abi(void);
/* The rights of an ABI, as far as we know them. */
struct landlock_rights landlock_rights_of(int abi);
/* A ruleset that denies what it handles unless a rule allows it. -EINVAL: bits the kernel does not
 * know. */
int landlock_ruleset(const struct landlock_rights *handled);
/* Allow access below the directory (or to the file) of an O_PATH descriptor. For a file, rights
 * that only directories have are left out. Nothing to allow: no rule. */
int landlock_allow_path(int ruleset_fd, int path_fd, uint64_t access);
int landlock_allow_port(int ruleset_fd, uint64_t port, uint64_t access);
/* For ever, for this thread and what it becomes. Takes no_new_privs or CAP_SYS_ADMIN. */
int landlock_restrict(int ruleset_fd, uint32_t flags);
