#include "sys/seccomp.h"

#include <errno.h>
#include <linux/audit.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <string.h>

#include "base/xalloc.h"
#include "sys/seccomp-internal.h"

/* Theory of operation.
 * Per architecture the policy becomes a sorted list of ranges [first, last] of call numbers; a
 * range has one plain action, or, for a single number, a chain of conditional rules. The ranges are
 * then emitted as a balanced tree of `jge`; leaves return. Conditional jumps reach 255 instructions
 * forward; a farther one goes by `ja`. */

#define X32_BIT 0x40000000u

struct range {
	uint32_t first, last;
	uint32_t action;
	const struct call_rules *chain; /* conditional rules tried before `action`; NULL: none */
};

struct code {
	struct sock_filter *insns;
	size_t len;
};

static void emit(struct code *c, uint16_t op, uint8_t jt, uint8_t jf, uint32_t k)
{
	VEC_PUSH(c->insns, c->len, (struct sock_filter){ .code = op, .jt = jt, .jf = jf, .k = k });
}

static void append(struct code *c, const struct code *tail)
{
	for (size_t i = 0; i < tail->len; i++)
		VEC_PUSH(c->insns, c->len, tail->insns[i]);
}

static void emit_ret(struct code *c, uint32_t action)
{
	emit(c, BPF_RET | BPF_K, 0, 0, action);
}

static void emit_load(struct code *c, size_t offset)
{
	emit(c, BPF_LD | BPF_W | BPF_ABS, 0, 0, (uint32_t)offset);
}

/* Jump targets inside one condition, patched when its length is known. */
enum target { NEXT = 0, HOLDS = 253, FAILS = 254 };

static void emit_jump(struct code *c, uint16_t op, uint32_t k, enum target yes, enum target no)
{
	emit(c, (uint16_t)(BPF_JMP | op | BPF_K), (uint8_t)yes, (uint8_t)no, k);
}

/* 64-bit comparisons on two 32-bit halves, most significant first (little-endian layout). */
static void emit_cond(struct code *c, const struct seccomp_cond *cond)
{
	size_t lo = offsetof(struct seccomp_data, args) + 8 * cond->arg, hi = lo + 4;
	uint32_t value_hi = (uint32_t)(cond->value >> 32), value_lo = (uint32_t)cond->value;

	emit_load(c, hi);
	switch (cond->op) {
	case SECCOMP_EQ:
	case SECCOMP_NE:
		emit_jump(c, BPF_JEQ, value_hi, NEXT, cond->op == SECCOMP_EQ ? FAILS : HOLDS);
		emit_load(c, lo);
		emit_jump(c, BPF_JEQ, value_lo, cond->op == SECCOMP_EQ ? HOLDS : FAILS,
		          cond->op == SECCOMP_EQ ? FAILS : HOLDS);
		break;
	case SECCOMP_MASKED_EQ:
		emit(c, BPF_ALU | BPF_AND | BPF_K, 0, 0, value_hi);
		emit_jump(c, BPF_JEQ, (uint32_t)(cond->value_two >> 32), NEXT, FAILS);
		emit_load(c, lo);
		emit(c, BPF_ALU | BPF_AND | BPF_K, 0, 0, value_lo);
		emit_jump(c, BPF_JEQ, (uint32_t)cond->value_two, HOLDS, FAILS);
		break;
	case SECCOMP_GT:
	case SECCOMP_GE:
		emit_jump(c, BPF_JGT, value_hi, HOLDS, NEXT);
		emit_jump(c, BPF_JEQ, value_hi, NEXT, FAILS);
		emit_load(c, lo);
		emit_jump(c, cond->op == SECCOMP_GT ? BPF_JGT : BPF_JGE, value_lo, HOLDS, FAILS);
		break;
	case SECCOMP_LT:
	case SECCOMP_LE:
		emit_jump(c, BPF_JGT, value_hi, FAILS, NEXT);
		emit_jump(c, BPF_JEQ, value_hi, NEXT, HOLDS);
		emit_load(c, lo);
		emit_jump(c, cond->op == SECCOMP_LT ? BPF_JGE : BPF_JGT, value_lo, FAILS, HOLDS);
		break;
	}
}

/* All conditions of one rule, then its `ret`; a failed one falls out behind it. */
static void emit_rule(struct code *c, const struct call_rule *rule)
{
	size_t start = c->len;

	for (size_t i = 0; i < rule->n_conds; i++) {
		size_t from = c->len;

		emit_cond(c, &rule->conds[i]);
		/* HOLDS means "go on behind this condition" */
		for (size_t j = from; j < c->len; j++) {
			struct sock_filter *in = &c->insns[j];

			if (BPF_CLASS(in->code) != BPF_JMP)
				continue;
			if (in->jt == HOLDS)
				in->jt = (uint8_t)(c->len - j - 1);
			if (in->jf == HOLDS)
				in->jf = (uint8_t)(c->len - j - 1);
		}
	}
	emit_ret(c, rule->action);
	for (size_t j = start; j < c->len; j++) {
		struct sock_filter *in = &c->insns[j];

		if (BPF_CLASS(in->code) != BPF_JMP)
			continue;
		if (in->jt == FAILS)
			in->jt = (uint8_t)(c->len - j - 1);
		if (in->jf == FAILS)
			in->jf = (uint8_t)(c->len - j - 1);
	}
}

static void emit_leaf(struct code *c, const struct range *r)
{
	if (r->chain)
		for (size_t i = 0; i < r->chain->n_rules; i++)
			emit_rule(c, &r->chain->rules[i]);
	emit_ret(c, r->action);
}

static void emit_tree(struct code *c, const struct range *ranges, size_t n)
{
	struct code left = { 0 }, right = { 0 };
	size_t half = n / 2;

	if (n == 1) {
		emit_leaf(c, ranges);
		return;
	}
	emit_tree(&left, ranges, half);
	emit_tree(&right, ranges + half, n - half);
	if (left.len <= 255) {
		emit(c, BPF_JMP | BPF_JGE | BPF_K, (uint8_t)left.len, 0, ranges[half].first);
	} else {
		emit(c, BPF_JMP | BPF_JGE | BPF_K, 0, 1, ranges[half].first);
		emit(c, BPF_JMP | BPF_JA, 0, 0, (uint32_t)left.len);
	}
	append(c, &left);
	append(c, &right);
	free(left.insns);
	free(right.insns);
}

/* Append a range, melting it into the one before when nothing tells them apart. */
static void add_range(struct range **ranges, size_t *n, struct range r)
{
	struct range *prev = *n ? &(*ranges)[*n - 1] : NULL;

	if (prev && !prev->chain && !r.chain && prev->action == r.action)
		prev->last = r.last;
	else
		VEC_PUSH(*ranges, *n, r);
}

/* A tracer is trusted to know new calls by itself. */
static bool lets_calls_happen(uint32_t action)
{
	uint32_t kind = action & SECCOMP_RET_ACTION_FULL;

	return kind == SECCOMP_RET_ALLOW || kind == SECCOMP_RET_LOG || kind == SECCOMP_RET_TRACE;
}

/* The tree for one table of numbers: [base, last]. */
static void emit_calls(struct code *c, const struct seccomp_policy *p, const struct call_table *t,
                       uint32_t base, uint32_t last)
{
	uint32_t next = base, beyond = p->default_action;
	struct range *ranges = NULL;
	size_t n = 0;

	for (size_t i = 0; i < t->n_calls; i++) {
		const struct call_rules *call = &t->calls[i];
		uint32_t nr = base + call->nr;

		if (nr > next)
			add_range(&ranges, &n,
			          (struct range){ next, nr - 1, p->default_action, NULL });
		add_range(&ranges, &n,
		          (struct range){ nr, nr,
		                          call->has_plain ? call->plain_action : p->default_action,
		                          call->n_rules ? call : NULL });
		next = nr + 1;
	}
	if (!lets_calls_happen(p->default_action) && t->highest >= 0) {
		beyond = SECCOMP_RET_ERRNO | ENOSYS;
		if (base + (uint32_t)t->highest >= next)
			add_range(&ranges, &n,
			          (struct range){ next, base + (uint32_t)t->highest,
			                          p->default_action, NULL });
		next = base + (uint32_t)t->highest + 1;
	}
	add_range(&ranges, &n, (struct range){ next, last, beyond, NULL });
	emit_tree(c, ranges, n);
	free(ranges);
}

/* Behind "if the architecture is not `audit`, skip this section". */
static void emit_section(struct code *c, uint32_t audit, const struct code *section)
{
	emit_load(c, offsetof(struct seccomp_data, arch));
	emit(c, BPF_JMP | BPF_JEQ | BPF_K, 1, 0, audit);
	emit(c, BPF_JMP | BPF_JA, 0, 0, (uint32_t)section->len);
	append(c, section);
}

static void emit_x86_64(struct code *c, const struct seccomp_policy *p)
{
	struct call_table native = { 0 }, x32 = { 0 };
	struct code section = { 0 }, upper = { 0 }, lower = { 0 };

	call_table_init(&native, p, SECCOMP_ARCH_X86_64);
	emit_calls(&lower, p, &native, 0, X32_BIT - 1);
	if (p->archs & SECCOMP_ARCH_X32) {
		call_table_init(&x32, p, SECCOMP_ARCH_X32);
		emit_calls(&upper, p, &x32, X32_BIT, UINT32_MAX);
	} else {
		emit_ret(&upper, SECCOMP_RET_KILL_THREAD);
	}
	emit_load(&section, offsetof(struct seccomp_data, nr));
	emit(&section, BPF_JMP | BPF_JGE | BPF_K, 0, 1, X32_BIT);
	emit(&section, BPF_JMP | BPF_JA, 0, 0, (uint32_t)lower.len);
	append(&section, &lower);
	append(&section, &upper);
	emit_section(c, AUDIT_ARCH_X86_64, &section);
	call_table_done(&native);
	call_table_done(&x32);
	free(section.insns);
	free(upper.insns);
	free(lower.insns);
}

static void emit_arch(struct code *c, const struct seccomp_policy *p, enum seccomp_arch arch,
                      uint32_t audit)
{
	struct call_table calls = { 0 };
	struct code section = { 0 };

	call_table_init(&calls, p, arch);
	emit_load(&section, offsetof(struct seccomp_data, nr));
	emit_calls(&section, p, &calls, 0, UINT32_MAX);
	emit_section(c, audit, &section);
	call_table_done(&calls);
	free(section.insns);
}

#if defined(__x86_64__)
#	define NATIVE SECCOMP_ARCH_X86_64
#elif defined(__aarch64__)
#	define NATIVE SECCOMP_ARCH_AARCH64
#elif defined(__riscv)
#	define NATIVE SECCOMP_ARCH_RISCV64
#else
#	error "seccomp.c: add this machine's table of system calls"
#endif

static int check_arguments(const struct seccomp_policy *policy, struct err *err)
{
	for (size_t i = 0; i < policy->n_rules; i++)
		for (size_t j = 0; j < policy->rules[i].n_conds; j++)
			if (policy->rules[i].conds[j].arg > 5)
				return err_set(
					err, E_INVALID,
					"seccomp: argument index %u: a call has arguments 0 to 5",
					policy->rules[i].conds[j].arg);
	return 0;
}

int seccomp_compile(const struct seccomp_policy *policy, struct sock_filter **ret,
                    unsigned short *ret_len, struct err *err)
{
	unsigned archs = policy->archs | NATIVE;
	struct code code = { 0 };

	if (check_arguments(policy, err) < 0)
		return -1;
	if (archs & (SECCOMP_ARCH_X86_64 | SECCOMP_ARCH_X32))
		emit_x86_64(&code, policy);
	if (archs & SECCOMP_ARCH_X86)
		emit_arch(&code, policy, SECCOMP_ARCH_X86, AUDIT_ARCH_I386);
	if (archs & SECCOMP_ARCH_AARCH64)
		emit_arch(&code, policy, SECCOMP_ARCH_AARCH64, AUDIT_ARCH_AARCH64);
	if (archs & SECCOMP_ARCH_RISCV64)
		emit_arch(&code, policy, SECCOMP_ARCH_RISCV64, AUDIT_ARCH_RISCV64);
	emit_ret(&code, SECCOMP_RET_KILL_THREAD);
	if (code.len > BPF_MAXINSNS) {
		free(code.insns);
		return err_set(err, E_LIMIT,
		               "seccomp: the program has %zu instructions, the kernel takes %d",
		               code.len, BPF_MAXINSNS);
	}
	*ret = code.insns;
	*ret_len = (unsigned short)code.len;
	return 0;
}
