/* Names of system calls to numbers, and a policy sorted by number. */
#include "sys/seccomp-internal.h"

#include <string.h>

#include "base/xalloc.h"

struct syscall_nr {
	const char *name;
	int nr;
};

/* The tables of one machine are in the program; the unit tests ask for the other one, too. */
#ifndef SECCOMP_GENERIC_TABLE
#	if defined(__aarch64__) || defined(__riscv)
#		define SECCOMP_GENERIC_TABLE 1
#	else
#		define SECCOMP_GENERIC_TABLE 0
#	endif
#endif

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
#if defined(__x86_64__)
	case SECCOMP_ARCH_X86_64:
		nr = lookup(syscalls_x86_64, ARRAY_LEN(syscalls_x86_64), name);
		break;
	case SECCOMP_ARCH_X32:
		nr = lookup(syscalls_x32, ARRAY_LEN(syscalls_x32), name);
		break;
	case SECCOMP_ARCH_X86:
		nr = lookup(syscalls_i386, ARRAY_LEN(syscalls_i386), name);
		break;
#else
	case SECCOMP_ARCH_X86_64:
	case SECCOMP_ARCH_X32:
	case SECCOMP_ARCH_X86:
		break;
#endif
	case SECCOMP_ARCH_AARCH64:
	case SECCOMP_ARCH_RISCV64:
#if SECCOMP_GENERIC_TABLE
		nr = lookup(syscalls_generic, ARRAY_LEN(syscalls_generic), name);
#endif
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
#if SECCOMP_GENERIC_TABLE
	if (!strcmp(name, "SCMP_ARCH_AARCH64"))
		return SECCOMP_ARCH_AARCH64;
	if (!strcmp(name, "SCMP_ARCH_RISCV64"))
		return SECCOMP_ARCH_RISCV64;
#endif
	return 0;
}

const char *const seccomp_arch_names[] = {
	"SCMP_ARCH_X86",     "SCMP_ARCH_X86_64",   "SCMP_ARCH_X32",         "SCMP_ARCH_ARM",
	"SCMP_ARCH_AARCH64", "SCMP_ARCH_MIPS",     "SCMP_ARCH_MIPS64",      "SCMP_ARCH_MIPS64N32",
	"SCMP_ARCH_MIPSEL",  "SCMP_ARCH_MIPSEL64", "SCMP_ARCH_MIPSEL64N32", "SCMP_ARCH_PPC",
	"SCMP_ARCH_PPC64",   "SCMP_ARCH_PPC64LE",  "SCMP_ARCH_S390",        "SCMP_ARCH_S390X",
	"SCMP_ARCH_PARISC",  "SCMP_ARCH_PARISC64", "SCMP_ARCH_RISCV64",     "SCMP_ARCH_LOONGARCH64",
	"SCMP_ARCH_M68K",    "SCMP_ARCH_SH",       "SCMP_ARCH_SHEB",        NULL,
};

bool seccomp_arch_is_known(const char *name)
{
	for (const char *const *n = seccomp_arch_names; *n; n++)
		if (!strcmp(*n, name))
			return true;
	return false;
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

/* i386 programs also make these through one call, with the number of the real one as its first
 * argument (net.h, ipc.h; ipc keeps a version in the upper half). What a policy says about the real
 * ones holds there too, or a policy that forbids some would be got around. */
/* clang-format off */
static const struct { const char *name, *through; uint32_t mask, number; } multiplexed[] = {
	{ "socket", "socketcall", ~0u, 1 }, { "bind", "socketcall", ~0u, 2 },
	{ "connect", "socketcall", ~0u, 3 }, { "listen", "socketcall", ~0u, 4 },
	{ "accept", "socketcall", ~0u, 5 }, { "getsockname", "socketcall", ~0u, 6 },
	{ "getpeername", "socketcall", ~0u, 7 }, { "socketpair", "socketcall", ~0u, 8 },
	{ "send", "socketcall", ~0u, 9 }, { "recv", "socketcall", ~0u, 10 },
	{ "sendto", "socketcall", ~0u, 11 }, { "recvfrom", "socketcall", ~0u, 12 },
	{ "shutdown", "socketcall", ~0u, 13 }, { "setsockopt", "socketcall", ~0u, 14 },
	{ "getsockopt", "socketcall", ~0u, 15 }, { "sendmsg", "socketcall", ~0u, 16 },
	{ "recvmsg", "socketcall", ~0u, 17 }, { "accept4", "socketcall", ~0u, 18 },
	{ "recvmmsg", "socketcall", ~0u, 19 }, { "sendmmsg", "socketcall", ~0u, 20 },
	{ "semop", "ipc", 0xffff, 1 }, { "semget", "ipc", 0xffff, 2 }, { "semctl", "ipc", 0xffff, 3 },
	{ "semtimedop", "ipc", 0xffff, 4 }, { "msgsnd", "ipc", 0xffff, 11 },
	{ "msgrcv", "ipc", 0xffff, 12 }, { "msgget", "ipc", 0xffff, 13 },
	{ "msgctl", "ipc", 0xffff, 14 }, { "shmat", "ipc", 0xffff, 21 }, { "shmdt", "ipc", 0xffff, 22 },
	{ "shmget", "ipc", 0xffff, 23 }, { "shmctl", "ipc", 0xffff, 24 },
};
/* clang-format on */

#define MAX_NR 1024

/* Rules whose arguments are looked at do not carry over: here they are behind a pointer. A policy
 * that names the one call itself has decided. */
static void apply_multiplexed(const struct seccomp_policy *p, struct call_rules *by_nr, bool *used)
{
	for (size_t i = 0; i < ARRAY_LEN(multiplexed); i++) {
		struct seccomp_cond cond = { .arg = 0,
			                     .op = SECCOMP_MASKED_EQ,
			                     .value = multiplexed[i].mask,
			                     .value_two = multiplexed[i].number };
		int nr = seccomp_syscall_number(SECCOMP_ARCH_X86, multiplexed[i].through);

		if (nr < 0 || nr >= MAX_NR || by_nr[nr].has_plain)
			continue;
		for (size_t j = 0; j < p->n_rules; j++) {
			const struct seccomp_rule *rule = &p->rules[j];

			if (rule->n_conds || rule->action == p->default_action ||
			    !strv_has(rule->names, multiplexed[i].name))
				continue;
			used[nr] = true;
			by_nr[nr].nr = (uint32_t)nr;
			add_rule(&by_nr[nr], &cond, 1, rule->action);
			break;
		}
	}
}

void call_table_init(struct call_table *t, const struct seccomp_policy *p, enum seccomp_arch arch)
{
	struct call_rules *by_nr = xcalloc(MAX_NR, sizeof(*by_nr));
	bool used[MAX_NR] = { false };

	t->highest = -1;
	for (size_t i = 0; i < p->n_rules; i++) {
		const struct seccomp_rule *rule = &p->rules[i];

		for (size_t j = 0; j < rule->names->len; j++) {
			int nr = seccomp_syscall_number(arch, rule->names->items[j]);

			if (nr < 0 || nr >= MAX_NR)
				continue;
			if (nr > t->highest)
				t->highest = nr;
			if (rule->action == p->default_action)
				continue;
			used[nr] = true;
			by_nr[nr].nr = (uint32_t)nr;
			apply(&by_nr[nr], rule);
		}
	}
	if (arch == SECCOMP_ARCH_X86)
		apply_multiplexed(p, by_nr, used);
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
