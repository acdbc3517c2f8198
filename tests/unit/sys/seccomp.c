#include "test.h"

#include <errno.h>
#include <linux/audit.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdint.h>

#include "sys/seccomp.h"

#define ALLOW      SECCOMP_RET_ALLOW
#define EPERM_RET  (SECCOMP_RET_ERRNO | EPERM)
#define ENOSYS_RET (SECCOMP_RET_ERRNO | ENOSYS)

static struct err e;

/* What the kernel would do with one call: an interpreter for the instructions we emit. */
static uint32_t run(const struct sock_filter *f, size_t len, uint32_t arch, uint32_t nr,
                    const uint64_t args[6])
{
	struct seccomp_data d = { .nr = (int)nr, .arch = arch };
	uint32_t a = 0;

	for (int i = 0; args && i < 6; i++)
		d.args[i] = args[i];
	for (size_t pc = 0; pc < len; pc++) {
		uint32_t k = f[pc].k;

		switch (f[pc].code) {
		case BPF_LD | BPF_W | BPF_ABS:
			memcpy(&a, (char *)&d + k, 4);
			break;
		case BPF_ALU | BPF_AND | BPF_K:
			a &= k;
			break;
		case BPF_JMP | BPF_JA:
			pc += k;
			break;
		case BPF_JMP | BPF_JEQ | BPF_K:
			pc += a == k ? f[pc].jt : f[pc].jf;
			break;
		case BPF_JMP | BPF_JGT | BPF_K:
			pc += a > k ? f[pc].jt : f[pc].jf;
			break;
		case BPF_JMP | BPF_JGE | BPF_K:
			pc += a >= k ? f[pc].jt : f[pc].jf;
			break;
		case BPF_RET | BPF_K:
			return k;
		default:
			ck_abort_msg("instruction %zu: code %#x", pc, f[pc].code);
		}
	}
	ck_abort_msg("ran off the end");
}

static struct sock_filter *prog;
static unsigned short prog_len;

static void compile(unsigned archs, uint32_t def, const struct seccomp_rule *rules, size_t n)
{
	struct seccomp_policy p = { archs, def, rules, n };

	CHECK_OK(seccomp_compile(&p, &prog, &prog_len, &e));
}

static uint32_t call(const char *name, uint64_t arg0, uint64_t arg1)
{
	uint64_t args[6] = { arg0, arg1 };

	return run(prog, prog_len, AUDIT_ARCH_X86_64,
	           (uint32_t)seccomp_syscall_number(SECCOMP_ARCH_X86_64, name), args);
}

static struct strv names(const char *list)
{
	struct strv v = STRV_INIT;

	strv_split(&v, list, ',');
	return v;
}

START_TEST(a_listed_call_gets_its_action_and_others_the_default)
{
	struct strv v = names("read,write,close,openat,clone3");
	struct seccomp_rule rules[] = { { &v, ALLOW, NULL, 0 } };

	compile(0, EPERM_RET, rules, 1);
	ck_assert_uint_eq(call("read", 0, 0), ALLOW);
	ck_assert_uint_eq(call("write", 0, 0), ALLOW);
	ck_assert_uint_eq(call("open", 0, 0), EPERM_RET);
	ck_assert_uint_eq(call("clone3", 0, 0), ALLOW);
}
END_TEST

START_TEST(a_call_newer_than_the_policy_gets_enosys)
{
	struct strv v = names("read,openat");
	struct seccomp_rule rules[] = { { &v, ALLOW, NULL, 0 } };

	compile(0, EPERM_RET, rules, 1);
	ck_assert_uint_eq(call("mseal", 0, 0), ENOSYS_RET);
	ck_assert_uint_eq(call("mount", 0, 0), EPERM_RET);
}
END_TEST

START_TEST(a_killing_default_is_no_trap_for_new_calls_either)
{
	struct strv v = names("read,openat"), w = names("fchmodat2");
	struct seccomp_rule rules[] = { { &v, ALLOW, NULL, 0 },
		                        { &w, SECCOMP_RET_KILL_PROCESS, NULL, 0 } };

	compile(0, SECCOMP_RET_KILL_PROCESS, rules, 1);
	ck_assert_uint_eq(call("mseal", 0, 0), ENOSYS_RET);
	free(prog);
	/* named, if only to have the default: known to the policy, as are those before it */
	compile(0, SECCOMP_RET_KILL_PROCESS, rules, 2);
	ck_assert_uint_eq(call("fchmodat2", 0, 0), SECCOMP_RET_KILL_PROCESS);
	ck_assert_uint_eq(call("clone3", 0, 0), SECCOMP_RET_KILL_PROCESS);
	ck_assert_uint_eq(call("mseal", 0, 0), ENOSYS_RET);
	free(prog);
	/* a tracer decides for itself */
	compile(0, SECCOMP_RET_TRACE, rules, 1);
	ck_assert_uint_eq(call("mseal", 0, 0), SECCOMP_RET_TRACE);
}
END_TEST

START_TEST(other_machines_have_their_own_numbers)
{
	struct strv v = names("read,openat,execve");
	struct seccomp_rule rules[] = { { &v, ALLOW, NULL, 0 } };

	compile(SECCOMP_ARCH_AARCH64 | SECCOMP_ARCH_RISCV64, EPERM_RET, rules, 1);
	ck_assert_uint_eq(run(prog, prog_len, AUDIT_ARCH_AARCH64, 63, NULL), ALLOW);
	ck_assert_uint_eq(run(prog, prog_len, AUDIT_ARCH_AARCH64, 56, NULL), ALLOW);
	ck_assert_uint_eq(run(prog, prog_len, AUDIT_ARCH_RISCV64, 221, NULL), ALLOW);
	ck_assert_uint_eq(run(prog, prog_len, AUDIT_ARCH_AARCH64, 0, NULL), EPERM_RET);
	ck_assert_uint_eq(run(prog, prog_len, AUDIT_ARCH_AARCH64, 435, NULL), ENOSYS_RET);
	ck_assert_int_eq(seccomp_syscall_number(SECCOMP_ARCH_AARCH64, "fcntl"), 25);
	ck_assert_int_eq(seccomp_syscall_number(SECCOMP_ARCH_AARCH64, "open"), -1);
}
END_TEST

START_TEST(what_is_forbidden_stays_so_through_socketcall_and_ipc)
{
	struct strv v = names("socket,shmget"), w = names("socketcall");
	struct seccomp_rule rules[] = { { &v, EPERM_RET, NULL, 0 }, { &w, ENOSYS_RET, NULL, 0 } };
	const uint64_t make_socket[6] = { 1 }, connect_it[6] = { 3 }, shmget[6] = { 0x10000 | 23 };

	compile(SECCOMP_ARCH_X86, ALLOW, rules, 1);
	ck_assert_uint_eq(run(prog, prog_len, AUDIT_ARCH_I386, 102, make_socket), EPERM_RET);
	ck_assert_uint_eq(run(prog, prog_len, AUDIT_ARCH_I386, 102, connect_it), ALLOW);
	ck_assert_uint_eq(run(prog, prog_len, AUDIT_ARCH_I386, 117, shmget), EPERM_RET);
	free(prog);
	/* named itself: decided */
	compile(SECCOMP_ARCH_X86, ALLOW, rules, 2);
	ck_assert_uint_eq(run(prog, prog_len, AUDIT_ARCH_I386, 102, make_socket), ENOSYS_RET);
	free(prog);
	strv_done(&v);
	strv_done(&w);
}
END_TEST

START_TEST(a_deny_list_with_default_allow_stays_open_for_new_calls)
{
	struct strv v = names("mount");
	struct seccomp_rule rules[] = { { &v, EPERM_RET, NULL, 0 } };

	compile(0, ALLOW, rules, 1);
	ck_assert_uint_eq(call("mount", 0, 0), EPERM_RET);
	ck_assert_uint_eq(call("mseal", 0, 0), ALLOW);
}
END_TEST

static bool holds(enum seccomp_op op, uint64_t a, uint64_t v, uint64_t v2)
{
	switch (op) {
	case SECCOMP_NE:
		return a != v;
	case SECCOMP_LT:
		return a < v;
	case SECCOMP_LE:
		return a <= v;
	case SECCOMP_EQ:
		return a == v;
	case SECCOMP_GE:
		return a >= v;
	case SECCOMP_GT:
		return a > v;
	case SECCOMP_MASKED_EQ:
		return (a & v) == v2;
	}
	return false;
}

START_TEST(every_comparison_is_64_bit_exact)
{
	static const uint64_t values[] = { 0,           1,           0x7fffffff,
		                           0x80000000,  0xffffffff,  0x100000000,
		                           0x100000001, 0x1ffffffff, 0xffffffff00000000,
		                           UINT64_MAX };
	struct strv v = names("ioctl");

	for (int op = SECCOMP_NE; op <= SECCOMP_MASKED_EQ; op++)
		for (size_t i = 0; i < ARRAY_LEN(values); i++) {
			struct seccomp_cond c = { 0, (enum seccomp_op)op, values[i],
				                  values[i] & 0xff000000ff };
			struct seccomp_rule rules[] = { { &v, ALLOW, &c, 1 } };

			compile(0, EPERM_RET, rules, 1);
			for (size_t j = 0; j < ARRAY_LEN(values); j++) {
				bool want = holds(c.op, values[j], c.value, c.value_two);

				ck_assert_msg((call("ioctl", values[j], 0) == ALLOW) == want,
				              "op %d, value %#lx, argument %#lx", op,
				              (unsigned long)values[i], (unsigned long)values[j]);
			}
			free(prog);
		}
}
END_TEST

START_TEST(conditions_of_one_rule_must_all_hold)
{
	struct strv v = names("socket");
	struct seccomp_cond c[] = { { 0, SECCOMP_EQ, 1, 0 }, { 1, SECCOMP_NE, 2, 0 } };
	struct seccomp_rule rules[] = { { &v, ALLOW, c, 2 } };

	compile(0, EPERM_RET, rules, 1);
	ck_assert_uint_eq(call("socket", 1, 3), ALLOW);
	ck_assert_uint_eq(call("socket", 1, 2), EPERM_RET);
	ck_assert_uint_eq(call("socket", 0, 3), EPERM_RET);
}
END_TEST

START_TEST(the_same_argument_twice_means_either)
{
	struct strv v = names("personality");
	struct seccomp_cond c[] = { { 0, SECCOMP_EQ, 0, 0 }, { 0, SECCOMP_EQ, 8, 0 } };
	struct seccomp_rule rules[] = { { &v, ALLOW, c, 2 } };

	compile(0, EPERM_RET, rules, 1);
	ck_assert_uint_eq(call("personality", 0, 0), ALLOW);
	ck_assert_uint_eq(call("personality", 8, 0), ALLOW);
	ck_assert_uint_eq(call("personality", 4, 0), EPERM_RET);
}
END_TEST

START_TEST(an_unlisted_architecture_is_killed)
{
	struct strv v = names("read");
	struct seccomp_rule rules[] = { { &v, ALLOW, NULL, 0 } };

	compile(0, EPERM_RET, rules, 1);
	ck_assert_uint_eq(run(prog, prog_len, AUDIT_ARCH_I386, 3, NULL), SECCOMP_RET_KILL_THREAD);
	ck_assert_uint_eq(run(prog, prog_len, AUDIT_ARCH_AARCH64, 3, NULL),
	                  SECCOMP_RET_KILL_THREAD);
	ck_assert_uint_eq(run(prog, prog_len, AUDIT_ARCH_X86_64, 0x40000000, NULL),
	                  SECCOMP_RET_KILL_THREAD);
}
END_TEST

START_TEST(a_listed_architecture_uses_its_own_numbers)
{
	struct strv v = names("read,ioctl");
	struct seccomp_rule rules[] = { { &v, ALLOW, NULL, 0 } };

	compile(SECCOMP_ARCH_X86 | SECCOMP_ARCH_X32, EPERM_RET, rules, 1);
	ck_assert_uint_eq(run(prog, prog_len, AUDIT_ARCH_I386, 3, NULL), ALLOW); /* read */
	ck_assert_uint_eq(run(prog, prog_len, AUDIT_ARCH_I386, 0, NULL), EPERM_RET);
	ck_assert_uint_eq(run(prog, prog_len, AUDIT_ARCH_X86_64, 0x40000000, NULL), ALLOW);
	ck_assert_uint_eq(run(prog, prog_len, AUDIT_ARCH_X86_64, 0x40000000 + 514, NULL), ALLOW);
	ck_assert_uint_eq(run(prog, prog_len, AUDIT_ARCH_X86_64, 0x40000000 + 16, NULL), EPERM_RET);
}
END_TEST

START_TEST(an_argument_index_above_five_is_refused)
{
	struct strv v = names("read");
	struct seccomp_cond c = { 6, SECCOMP_EQ, 0, 0 };
	struct seccomp_rule rules[] = { { &v, ALLOW, &c, 1 } };
	struct seccomp_policy p = { 0, EPERM_RET, rules, 1 };

	CHECK_ERR(E_INVALID, seccomp_compile(&p, &prog, &prog_len, &e));
}
END_TEST

START_TEST(a_tree_with_far_jumps_decides_every_call)
{
	/* alternate between actions so that no two neighbours melt, with a chain at each third */
	struct strv v[330];
	struct seccomp_cond c = { 0, SECCOMP_GE, UINT64_C(0x500000005), 0 };
	struct seccomp_rule rules[330];
	size_t n = 0;
	struct {
		const char *name;
		int nr;
	} probes[] = { { "read", 0 },    { "mmap", 9 },     { "kill", 62 },
		       { "mount", 165 }, { "openat", 257 }, { "bpf", 321 } };

	for (size_t i = 0; i < ARRAY_LEN(probes); i++) {
		v[n] = names(probes[i].name);
		rules[n] = (struct seccomp_rule){ &v[n], SECCOMP_RET_ERRNO | (unsigned)(100 + i),
			                          &c, 1 };
		n++;
	}
	compile(SECCOMP_ARCH_X86, ALLOW, rules, n);
	for (size_t i = 0; i < ARRAY_LEN(probes); i++) {
		ck_assert_uint_eq(call(probes[i].name, UINT64_C(0x500000005), 0),
		                  SECCOMP_RET_ERRNO | (unsigned)(100 + i));
		ck_assert_uint_eq(call(probes[i].name, UINT64_C(0x500000004), 0), ALLOW);
	}
}
END_TEST

TEST_MAIN("seccomp", a_listed_call_gets_its_action_and_others_the_default,
          a_call_newer_than_the_policy_gets_enosys,
          a_killing_default_is_no_trap_for_new_calls_either, other_machines_have_their_own_numbers,
          what_is_forbidden_stays_so_through_socketcall_and_ipc,
          a_deny_list_with_default_allow_stays_open_for_new_calls, every_comparison_is_64_bit_exact,
          conditions_of_one_rule_must_all_hold, the_same_argument_twice_means_either,
          an_unlisted_architecture_is_killed, a_listed_architecture_uses_its_own_numbers,
          an_argument_index_above_five_is_refused, a_tree_with_far_jumps_decides_every_call)
