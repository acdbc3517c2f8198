/* seccomp-internal: a policy sorted by call number, between seccomp-calls.c and seccomp.c. */
#pragma once
#include "sys/seccomp.h"
#include <stdbool.h>

struct call_rule {
	struct seccomp_cond *conds; /* owned */
	size_t n_conds;
	uint32_t action;
};

/* Everything the policy says about one call of one architecture. */
struct call_rules {
	uint32_t nr; /* without x32's bit */
	bool has_plain;
	uint32_t plain_action;
	struct call_rule *rules; /* conditional, in order */
	size_t n_rules;
};

struct call_table {
	struct call_rules *calls; /* sorted by nr, each nr once */
	size_t n_calls;
	int highest; /* number that the policy names, in whatever rule; -1: none */
};

void call_table_init(struct call_table *t, const struct seccomp_policy *p, enum seccomp_arch arch);
void call_table_done(struct call_table *t);
