/* Names of system calls to numbers, and a policy sorted by number. */
#include "sys/seccomp-internal.h"

#include <string.h>

#include "base/xalloc.h"

struct syscall_nr {
	const char *name;
	int nr;
};

#include "syscalls.inc"

/* Calls that the kernel headers of the build machine may not know yet. Since 5.1 a new call has the
 * same number on every architecture. */
static const struct syscall_nr syscalls_new[] = {
	{ "cachestat", 451 },         { "fchmodat2", 452 },        { "map_shadow_stack", 453 },
	{ "futex_wake", 454 },        { "futex_wait", 455 },       { "futex_requeue", 456 },
	{ "statmount", 457 },         { "listmount", 458 },        { "lsm_get_self_attr", 459 },
	{ "lsm_set_self_attr", 460 }, { "lsm_list_modules", 461 }, { "mseal", 462 },
	{ "setxattrat", 463 },        { "getxattrat", 464 },       { "listxattrat", 465 },
	{ "removexattrat", 466 },     { "open_tree_attr", 467 },   { "file_getattr", 468 },
	{ "file_setattr", 469 },
};

static int lookup(const struct syscall_nr *table, size_t n, const char *name)
{
	size_t lo = 0, hi = n;

	while (lo < hi) {
		size_t mid = (lo + hi) / 2;
		int c = strcmp(name, table[mid].name);

		if (c == 0)
			return table[mid].nr;
		if (c < 0)
			hi = mid;
		else
			lo = mid + 1;
	}
	return -1;
}

int seccomp_syscall_number(enum seccomp_arch arch, const char *name)
{
	int nr = -1;

	switch (arch) {
	case SECCOMP_ARCH_X86_64:
		nr = lookup(syscalls_x86_64, ARRAY_LEN(syscalls_x86_64), name);
		break;
	case SECCOMP_ARCH_X32:
		nr = lookup(syscalls_x32, ARRAY_LEN(syscalls_x32), name);
		break;
	case SECCOMP_ARCH_X86:
		nr = lookup(syscalls_i386, ARRAY_LEN(syscalls_i386), name);
		break;
	}
	for (size_t i = 0; nr < 0 && i < ARRAY_LEN(syscalls_new); i++)
		if (!strcmp(syscalls_new[i].name, name))
			nr = syscalls_new[i].nr;
	return nr;
}

unsigned seccomp_arch_by_name(const char *name)
{
	if (!strcmp(name, "SCMP_ARCH_X86_64"))
		return SECCOMP_ARCH_X86_64;
	if (!strcmp(name, "SCMP_ARCH_X32"))
		return SECCOMP_ARCH_X32;
	if (!strcmp(name, "SCMP_ARCH_X86"))
		return SECCOMP_ARCH_X86;
	return 0;
}

static void add_rule(struct call_rules *call, const struct seccomp_cond *conds, size_t n,
                     uint32_t action)
{
	VEC_PUSH(call->rules, call->n_rules,
	         (struct call_rule){ xmemdup(conds, n * sizeof(*conds)), n, action });
}

static bool repeats_an_argument(const struct seccomp_rule *rule)
{
	unsigned seen = 0;

	for (size_t i = 0; i < rule->n_conds; i++) {
		if (seen & 1u << rule->conds[i].arg)
			return true;
		seen |= 1u << rule->conds[i].arg;
	}
	return false;
}

static void apply(struct call_rules *call, const struct seccomp_rule *rule)
{
	if (call->has_plain)
		return;
	if (!rule->n_conds) {
		call->has_plain = true;
		call->plain_action = rule->action;
	} else if (repeats_an_argument(rule)) {
		for (size_t i = 0; i < rule->n_conds; i++)
			add_rule(call, &rule->conds[i], 1, rule->action);
	} else {
		add_rule(call, rule->conds, rule->n_conds, rule->action);
	}
}

#define MAX_NR 1024

void call_table_init(struct call_table *t, const struct seccomp_policy *p, enum seccomp_arch arch)
{
	struct call_rules *by_nr = xcalloc(MAX_NR, sizeof(*by_nr));
	bool used[MAX_NR] = { false };

	for (size_t i = 0; i < p->n_rules; i++) {
		const struct seccomp_rule *rule = &p->rules[i];

		if (rule->action == p->default_action)
			continue;
		for (size_t j = 0; j < rule->names->len; j++) {
			int nr = seccomp_syscall_number(arch, rule->names->items[j]);

			if (nr < 0 || nr >= MAX_NR)
				continue;
			used[nr] = true;
			by_nr[nr].nr = (uint32_t)nr;
			apply(&by_nr[nr], rule);
		}
	}
	for (size_t nr = 0; nr < MAX_NR; nr++)
		if (used[nr])
			VEC_PUSH(t->calls, t->n_calls, by_nr[nr]);
	free(by_nr);
}

void call_table_done(struct call_table *t)
{
	for (size_t i = 0; i < t->n_calls; i++) {
		for (size_t j = 0; j < t->calls[i].n_rules; j++)
			free(t->calls[i].rules[j].conds);
		free(t->calls[i].rules);
	}
	free(t->calls);
	*t = (struct call_table){ 0 };
}
