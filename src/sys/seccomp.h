/* seccomp: a policy becomes one BPF program (seccomp(2),
 * Documentation/userspace-api/seccomp_filter).
 *
 * Our own compiler, because it is on the path of every start: it needs no library, knows the system
 * calls newer than the distribution's tables, and turns the policy into a balanced tree over
 * ranges of numbers, so that a call costs about eight instructions, and compiling costs less
 * than a millisecond.
 *
 * Meaning of a policy, as runc and libseccomp have it:
 * - the first rule for a call without conditions decides it; before that, rules with conditions are
 *   tried in order, and the first whose conditions all hold decides;
 * - conditions on the same argument twice in one rule are alternatives: each becomes a rule;
 * - a rule whose action equals the default action is skipped;
 * - a call that no rule names gets the default action, but one that is newer than every call the
 * policy names gets ENOSYS unless the default lets calls happen (so that libc falls back to the
 * older call);
 * - on i386, what a rule without conditions says about a socket or System V IPC call also holds for
 * it when made through socketcall or ipc, unless the policy names those themselves;
 * - a call made through another architecture than those listed kills the thread. */
#pragma once
#include "base/err.h"
#include "base/strv.h"
#include <linux/filter.h>
#include <stdbool.h>
#include <stdint.h>

enum seccomp_arch {
	SECCOMP_ARCH_X86_64 = 1u << 0,
	SECCOMP_ARCH_X32 = 1u << 1,
	SECCOMP_ARCH_X86 = 1u << 2,
	SECCOMP_ARCH_AARCH64 = 1u << 3,
	SECCOMP_ARCH_RISCV64 = 1u << 4,
};

enum seccomp_op {
	SECCOMP_NE,
	SECCOMP_LT,
	SECCOMP_LE,
	SECCOMP_EQ,
	SECCOMP_GE,
	SECCOMP_GT,
	SECCOMP_MASKED_EQ, /* (arg & value) == value_two */
};

struct seccomp_cond {
	unsigned arg; /* 0..5 */
	enum seccomp_op op;
	uint64_t value, value_two;
};

struct seccomp_rule {
	const struct strv
		*names;  /* of calls; unknown ones are skipped, as the profile may be newer */
	uint32_t action; /* SECCOMP_RET_*, with its data */
	const struct seccomp_cond *conds;
	size_t n_conds;
};

struct seccomp_policy {
	unsigned archs; /* of seccomp_arch; the native one is always added */
	uint32_t default_action;
	const struct seccomp_rule *rules;
	size_t n_rules;
};

/* Compile. *ret is on the heap, at most BPF_MAXINSNS long. E_INVALID for a bad argument index,
 * E_LIMIT when the program would be too long. */
int seccomp_compile(const struct seccomp_policy *policy, struct sock_filter **ret,
                    unsigned short *ret_len, struct err *err);
/* The number of a call on one architecture, or -1. */
int seccomp_syscall_number(enum seccomp_arch arch, const char *name);
/* "SCMP_ARCH_X86_64" to its bit; 0 for another machine's (harmless: never reached here). */
unsigned seccomp_arch_by_name(const char *name);
/* The names that the specification knows, of any machine; the last is NULL. */
extern const char *const seccomp_arch_names[];
bool seccomp_arch_is_known(const char *name);
