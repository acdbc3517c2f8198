#include "sys/device-filter.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/xalloc.h"

#define PROGRAM_NAME "dhow_devices" /* at most 15 bytes; how ours are told from others' */
#define ATTACHED_MAX 64             /* programs at one cgroup, as the kernel has it */

#define INSN(c, d, s, o, i)                                                                        \
	((struct bpf_insn){                                                                        \
		.code = (c), .dst_reg = (d), .src_reg = (s), .off = (short)(o), .imm = (i) })

struct program {
	struct bpf_insn *items;
	size_t count;
};

static void add(struct program *p, struct bpf_insn insn)
{
	VEC_PUSH(p->items, p->count, insn);
}

static void add_return(struct program *p, bool allow)
{
	add(p, INSN(BPF_ALU64 | BPF_MOV | BPF_K, 0, 0, 0, allow));
	add(p, INSN(BPF_JMP | BPF_EXIT, 0, 0, 0, 0));
}

/* One rule: tests that jump over the rest when they do not hold. Registers: r2 type, r3 what is
 * still undecided of the access asked for, r4 major, r5 minor. An allowing rule decides its part of
 * r3, and all when nothing is left; a refusing one decides all when any of its part is asked for.
 */
static void add_rule(struct program *p, const struct device_rule *r)
{
	size_t jumps[4], n_jumps = 0;

	if (r->type != 'a') {
		jumps[n_jumps++] = p->count;
		add(p, INSN(BPF_JMP | BPF_JNE | BPF_K, 2, 0, 0,
		            r->type == 'b' ? BPF_DEVCG_DEV_BLOCK : BPF_DEVCG_DEV_CHAR));
	}
	if (r->major >= 0) {
		jumps[n_jumps++] = p->count;
		add(p, INSN(BPF_JMP32 | BPF_JNE | BPF_K, 4, 0, 0, (int)r->major));
	}
	if (r->minor >= 0) {
		jumps[n_jumps++] = p->count;
		add(p, INSN(BPF_JMP32 | BPF_JNE | BPF_K, 5, 0, 0, (int)r->minor));
	}
	if (r->access != DEVICE_ACCESS_ALL) {
		if (r->allow) {
			add(p, INSN(BPF_ALU | BPF_AND | BPF_K, 3, 0, 0, (int)~r->access));
			jumps[n_jumps++] = p->count;
			add(p, INSN(BPF_JMP | BPF_JNE | BPF_K, 3, 0, 0, 0));
		} else {
			add(p, INSN(BPF_ALU | BPF_MOV | BPF_X, 1, 3, 0, 0));
			add(p, INSN(BPF_ALU | BPF_AND | BPF_K, 1, 0, 0, (int)r->access));
			jumps[n_jumps++] = p->count;
			add(p, INSN(BPF_JMP | BPF_JEQ | BPF_K, 1, 0, 0, 0));
		}
	}
	add_return(p, r->allow);
	for (size_t i = 0; i < n_jumps; i++)
		p->items[jumps[i]].off = (short)(p->count - jumps[i] - 1);
}

static bool decides_all(const struct device_rule *r)
{
	return r->type == 'a' && r->major < 0 && r->minor < 0 && r->access == DEVICE_ACCESS_ALL;
}

/* struct bpf_cgroup_dev_ctx: access << 16 | type, major, minor. The last rule that matches counts,
 * so they are tested from the end. */
struct bpf_insn *device_filter_build(const struct device_rule *rules, size_t n, size_t *ret_count)
{
	struct program p = { 0 };
	bool decided = false;

	add(&p, INSN(BPF_LDX | BPF_MEM | BPF_W, 2, 1, 0, 0));
	add(&p, INSN(BPF_ALU | BPF_MOV | BPF_X, 3, 2, 0, 0));
	add(&p, INSN(BPF_ALU | BPF_AND | BPF_K, 2, 0, 0, 0xffff));
	add(&p, INSN(BPF_ALU | BPF_RSH | BPF_K, 3, 0, 0, 16));
	add(&p, INSN(BPF_LDX | BPF_MEM | BPF_W, 4, 1, 4, 0));
	add(&p, INSN(BPF_LDX | BPF_MEM | BPF_W, 5, 1, 8, 0));
	for (size_t i = n; i-- > 0 && !decided;) {
		if (!rules[i].access)
			continue;
		add_rule(&p, &rules[i]);
		decided = decides_all(&rules[i]);
	}
	/* The verifier refuses what can never be reached. */
	if (!decided)
		add_return(&p, false);
	*ret_count = p.count;
	return p.items;
}

bool device_filter_allows(const struct device_rule *rules, size_t n, char type, int64_t major,
                          int64_t minor, unsigned access)
{
	for (size_t i = n; i-- > 0;) {
		const struct device_rule *r = &rules[i];

		if ((r->type != 'a' && r->type != type) || (r->major >= 0 && r->major != major) ||
		    (r->minor >= 0 && r->minor != minor) || !(r->access & access))
			continue;
		if (!r->allow)
			return false;
		access &= ~r->access;
		if (!access)
			return true;
	}
	return false;
}

static int sys_bpf(int cmd, union bpf_attr *attr)
{
	int r = (int)syscall(SYS_bpf, cmd, attr, sizeof(*attr));

	return r < 0 ? -errno : r;
}

static int load(const struct device_rule *rules, size_t n)
{
	union bpf_attr attr = { .prog_type = BPF_PROG_TYPE_CGROUP_DEVICE,
		                .license = (uintptr_t) "Apache-2.0",
		                .prog_name = PROGRAM_NAME };
	size_t count;
	AUTO_FREE struct bpf_insn *insns = device_filter_build(rules, n, &count);

	attr.insns = (uintptr_t)insns;
	attr.insn_cnt = (uint32_t)count;
	return sys_bpf(BPF_PROG_LOAD, &attr);
}

static int attach(int dir_fd, int prog_fd, int replaced_fd)
{
	union bpf_attr attr = { .target_fd = (uint32_t)dir_fd,
		                .attach_bpf_fd = (uint32_t)prog_fd,
		                .attach_type = BPF_CGROUP_DEVICE,
		                .attach_flags = BPF_F_ALLOW_MULTI };

	if (replaced_fd >= 0) {
		attr.attach_flags |= BPF_F_REPLACE;
		attr.replace_bpf_fd = (uint32_t)replaced_fd;
	}
	return sys_bpf(BPF_PROG_ATTACH, &attr);
}

/* The program that we attached before: a descriptor, or -ENOENT. */
static int find_ours(int dir_fd)
{
	uint32_t ids[ATTACHED_MAX] = { 0 };
	union bpf_attr attr = { .query = { .target_fd = (uint32_t)dir_fd,
		                           .attach_type = BPF_CGROUP_DEVICE,
		                           .prog_ids = (uintptr_t)ids,
		                           .prog_cnt = ATTACHED_MAX } };
	int r = sys_bpf(BPF_PROG_QUERY, &attr);
	uint32_t count = attr.query.prog_cnt;

	for (uint32_t i = 0; r >= 0 && i < count; i++) {
		union bpf_attr by_id = { .prog_id = ids[i] };
		struct bpf_prog_info info = { 0 };
		union bpf_attr about = { .info = { .info_len = sizeof(info),
			                           .info = (uintptr_t)&info } };
		AUTO_FD fd = sys_bpf(BPF_PROG_GET_FD_BY_ID, &by_id);

		about.info.bpf_fd = (uint32_t)fd;
		if (fd >= 0 && sys_bpf(BPF_OBJ_GET_INFO_BY_FD, &about) >= 0 &&
		    strcmp(info.name, PROGRAM_NAME) == 0)
			return TAKE_FD(fd);
	}
	return r < 0 ? r : -ENOENT;
}

int device_filter_attach(int cgroup_fd, const struct device_rule *rules, size_t n, bool replace)
{
	AUTO_FD dir = openat(cgroup_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	AUTO_FD prog = -1, old = -1;

	if (dir < 0)
		return -errno;
	prog = load(rules, n);
	if (prog < 0)
		return prog;
	if (replace)
		old = find_ours(dir);
	return attach(dir, prog, old);
}
