/* The program that filters devices: run by an interpreter of its few instructions, against what
 * the rules mean, and loaded where the kernel lets us. */
#include "sys/device-filter.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/macro.h"
#include "test.h"

#define M BPF_DEVCG_ACC_MKNOD
#define R BPF_DEVCG_ACC_READ
#define W BPF_DEVCG_ACC_WRITE

static int64_t interpret(const struct bpf_insn *insns, size_t n,
                         const struct bpf_cgroup_dev_ctx *ctx)
{
	uint64_t reg[11] = { 0, (uintptr_t)ctx };

	for (size_t pc = 0; pc < n; pc++) {
		const struct bpf_insn *i = &insns[pc];
		uint64_t value = i->code & BPF_X ? reg[i->src_reg] : (uint64_t)(int64_t)i->imm;
		uint64_t *dst = &reg[i->dst_reg];
		bool wide = BPF_CLASS(i->code) == BPF_ALU64 || BPF_CLASS(i->code) == BPF_JMP;

		if (i->code == (BPF_LDX | BPF_MEM | BPF_W)) {
			uint32_t word;

			memcpy(&word, (const char *)(uintptr_t)reg[i->src_reg] + i->off,
			       4); /* NOLINT */
			*dst = word;
			continue;
		}
		if (i->code == (BPF_JMP | BPF_EXIT))
			return (int64_t)reg[0];
		value = wide ? value : (uint32_t)value;
		switch (BPF_CLASS(i->code)) {
		case BPF_ALU:
		case BPF_ALU64:
			if (BPF_OP(i->code) == BPF_MOV)
				*dst = value;
			else if (BPF_OP(i->code) == BPF_AND)
				*dst &= value;
			else if (BPF_OP(i->code) == BPF_RSH)
				*dst = (uint32_t)*dst >> value;
			else
				return -1;
			break;
		case BPF_JMP:
		case BPF_JMP32: {
			uint64_t left = wide ? *dst : (uint32_t)*dst;

			if (BPF_OP(i->code) == BPF_JNE)
				pc += left != value ? (size_t)i->off : 0;
			else if (BPF_OP(i->code) == BPF_JEQ)
				pc += left == value ? (size_t)i->off : 0;
			else
				return -1;
			break;
		}
		default:
			return -1;
		}
	}
	return -1; /* ran off the end */
}

/* Program and rules agree for every kind of access. */
static bool decide(const struct device_rule *rules, size_t n, char type, uint32_t major,
                   uint32_t minor, unsigned access)
{
	struct bpf_cgroup_dev_ctx ctx = {
		.access_type =
			access << 16 | (type == 'b' ? BPF_DEVCG_DEV_BLOCK : BPF_DEVCG_DEV_CHAR),
		.major = major,
		.minor = minor,
	};
	size_t count;
	struct bpf_insn *insns = device_filter_build(rules, n, &count);
	int64_t r = interpret(insns, count, &ctx);

	free(insns);
	ck_assert_int_ge(r, 0);
	ck_assert_int_eq(r, device_filter_allows(rules, n, type, major, minor, access));
	return r;
}

static const struct device_rule usual[] = {
	{ false, 'a', -1, -1, M | R | W }, { true, 'c', -1, -1, M }, { true, 'c', 1, 3, M | R | W },
	{ true, 'c', 136, -1, R | W },     { true, 'b', 8, 0, R },   { true, 'b', 8, 0, W },
	{ false, 'c', 136, 5, W },
};

START_TEST(a_usual_list)
{
	size_t n = ARRAY_LEN(usual);

	ck_assert(decide(usual, n, 'c', 1, 3, R | W));
	ck_assert(decide(usual, n, 'c', 10, 200, M));
	ck_assert(!decide(usual, n, 'c', 10, 200, M | R));
	ck_assert(!decide(usual, n, 'b', 1, 3, R));
	/* what two rules allow together */
	ck_assert(decide(usual, n, 'b', 8, 0, R | W));
	ck_assert(!decide(usual, n, 'b', 8, 0, M));
	ck_assert(!decide(usual, n, 'b', 8, 1, R));
	/* a later refusal takes its part only */
	ck_assert(decide(usual, n, 'c', 136, 5, R));
	ck_assert(!decide(usual, n, 'c', 136, 5, R | W));
	ck_assert(decide(usual, n, 'c', 136, 6, R | W));
	/* by the way: numbers that differ above 31 bits of sign */
	ck_assert(!decide(usual, n, 'c', 0xffffffffu, 3, R));
}
END_TEST

START_TEST(no_rules_and_all_rules)
{
	static const struct device_rule all = { true, 'a', -1, -1, M | R | W };
	static const struct device_rule both[] = { { true, 'a', -1, -1, M | R | W },
		                                   { true, 'a', 10, 200, R } };

	ck_assert(!decide(NULL, 0, 'c', 1, 3, R));
	ck_assert(decide(&all, 1, 'b', 8, 0, M | R | W));
	ck_assert(decide(both, 2, 'c', 10, 200, R | W));
}
END_TEST

static uint32_t pick(uint32_t *seed, uint32_t n)
{
	*seed = *seed * 1664525u + 1013904223u;
	return (*seed >> 16) % n;
}

/* Lists from a generator with a fixed seed: the program does what the rules say. */
START_TEST(any_list)
{
	uint32_t seed = 1;

	for (int round = 0; round < 3000; round++) {
		struct device_rule rules[6];
		size_t n = pick(&seed, 7);

		for (size_t i = 0; i < n; i++) {
			rules[i].allow = pick(&seed, 2);
			rules[i].type = "abc"[pick(&seed, 3)];
			rules[i].major = (int64_t)(pick(&seed, 3)) - 1;
			rules[i].minor = (int64_t)(pick(&seed, 3)) - 1;
			rules[i].access = pick(&seed, 8);
		}
		for (unsigned access = 1; access < 8; access++)
			for (uint32_t device = 0; device < 8; device++)
				decide(rules, n, device & 4 ? 'b' : 'c', device & 1,
				       device >> 1 & 1, access);
	}
}
END_TEST

/* The kernel's verifier takes it. */
START_TEST(the_kernel_takes_it)
{
	union bpf_attr attr = { .prog_type = BPF_PROG_TYPE_CGROUP_DEVICE };
	char log[4096] = "";
	size_t count;
	struct bpf_insn *insns = device_filter_build(usual, ARRAY_LEN(usual), &count);
	long fd;

	attr.insns = (uintptr_t)insns;
	attr.insn_cnt = (uint32_t)count;
	attr.license = (uintptr_t) "Apache-2.0";
	attr.log_buf = (uintptr_t)log;
	attr.log_size = sizeof(log);
	attr.log_level = 1;
	fd = syscall(SYS_bpf, BPF_PROG_LOAD, &attr, sizeof(attr));
	free(insns);
	if (fd < 0 && geteuid() != 0)
		return;
	ck_assert_msg(fd >= 0 || !log[0], "%s", log);
	if (fd >= 0)
		close((int)fd);
}
END_TEST

TEST_MAIN("device-filter", a_usual_list, no_rules_and_all_rules, any_list, the_kernel_takes_it)
