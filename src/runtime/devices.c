/* Device rules: which nodes may be made, read and written.
 * v2 (also beside v1): a small eBPF program on the cgroup. v1: the devices controller. */
#include "runtime/internal.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <sys/syscall.h>

#include "base/xalloc.h"

#define INSN(c, d, s, o, i)                                                                        \
	((struct bpf_insn){                                                                        \
		.code = (c), .dst_reg = (d), .src_reg = (s), .off = (short)(o), .imm = (i) })

static int sys_bpf(int cmd, union bpf_attr *attr, size_t size)
{
	return (int)syscall(SYS_bpf, cmd, attr, size);
}

bool device_rules_by_bpf(void)
{
	return cgroup_layout_get()->on_v2 & CGROUP_BIT(CGROUP_UNIFIED);
}

static unsigned access_bits(const char *access)
{
	return (strchr(access, 'm') ? BPF_DEVCG_ACC_MKNOD : 0u) |
	       (strchr(access, 'r') ? BPF_DEVCG_ACC_READ : 0u) |
	       (strchr(access, 'w') ? BPF_DEVCG_ACC_WRITE : 0u);
}

/* What a container may always use, whatever the configuration denies, as with other runtimes:
 * without them no /dev/null and no terminal. They come after the configuration's rules. */
static const struct oci_device_rule always[] = {
	{ true, 'c', OCI_UNSET, OCI_UNSET, "m" },
	{ true, 'b', OCI_UNSET, OCI_UNSET, "m" },
	{ true, 'c', 1, 3, "rwm" }, /* null */
	{ true, 'c', 1, 5, "rwm" }, /* zero */
	{ true, 'c', 1, 7, "rwm" }, /* full */
	{ true, 'c', 1, 8, "rwm" }, /* random */
	{ true, 'c', 1, 9, "rwm" }, /* urandom */
	{ true, 'c', 5, 0, "rwm" }, /* tty */
	{ true, 'c', 5, 2, "rwm" }, /* ptmx */
	{ true, 'c', 136, OCI_UNSET, "rwm" },
};

static bool is_listed(const struct oci_resources *r, const struct oci_device_rule *d)
{
	for (size_t i = 0; i < r->n_devices; i++)
		if (r->devices[i].allow && r->devices[i].type == d->type &&
		    r->devices[i].major == d->major && r->devices[i].minor == d->minor &&
		    strcmp(r->devices[i].access, d->access) == 0)
			return true;
	return false;
}

struct program {
	struct bpf_insn *items;
	size_t count;
};

static void add(struct program *p, struct bpf_insn insn)
{
	VEC_PUSH(p->items, p->count, insn);
}

/* One rule: tests that jump over "return allow" when they do not hold. Registers: r2 type, r3
 * access, r4 major, r5 minor. A rule matches when all that is asked for lies in its access (an
 * allowing one) or any of it does (a denying one). */
static void add_rule(struct program *p, const struct oci_device_rule *r)
{
	size_t jumps[5], n_jumps = 0;
	unsigned bits = access_bits(r->access);

	if (r->type != 'a') {
		jumps[n_jumps++] = p->count;
		add(p, INSN(BPF_JMP | BPF_JNE | BPF_K, 2, 0, 0,
		            r->type == 'b' ? BPF_DEVCG_DEV_BLOCK : BPF_DEVCG_DEV_CHAR));
	}
	if (bits != 7) {
		add(p, INSN(BPF_ALU | BPF_MOV | BPF_X, 1, 3, 0, 0));
		add(p, INSN(BPF_ALU | BPF_AND | BPF_K, 1, 0, 0, (int)bits));
		jumps[n_jumps++] = p->count;
		if (r->allow)
			add(p, INSN(BPF_JMP | BPF_JNE | BPF_X, 1, 3, 0, 0));
		else
			add(p, INSN(BPF_JMP | BPF_JEQ | BPF_K, 1, 0, 0, 0));
	}
	if (r->major != OCI_UNSET) {
		jumps[n_jumps++] = p->count;
		add(p, INSN(BPF_JMP | BPF_JNE | BPF_K, 4, 0, 0, (int)r->major));
	}
	if (r->minor != OCI_UNSET) {
		jumps[n_jumps++] = p->count;
		add(p, INSN(BPF_JMP | BPF_JNE | BPF_K, 5, 0, 0, (int)r->minor));
	}
	add(p, INSN(BPF_ALU64 | BPF_MOV | BPF_K, 0, 0, 0, r->allow));
	add(p, INSN(BPF_JMP | BPF_EXIT, 0, 0, 0, 0));
	for (size_t i = 0; i < n_jumps; i++)
		p->items[jumps[i]].off = (short)(p->count - jumps[i] - 1);
}

static bool matches_all(const struct oci_device_rule *r)
{
	return r->type == 'a' && r->major == OCI_UNSET && r->minor == OCI_UNSET &&
	       access_bits(r->access) == 7;
}

/* The last matching rule counts: they are tested from the end. */
static void build(struct program *p, const struct oci_resources *r)
{
	bool decided = false;

	add(p, INSN(BPF_LDX | BPF_MEM | BPF_W, 2, 1, 0, 0));
	add(p, INSN(BPF_ALU | BPF_AND | BPF_K, 2, 0, 0, 0xffff));
	add(p, INSN(BPF_LDX | BPF_MEM | BPF_W, 3, 1, 0, 0));
	add(p, INSN(BPF_ALU | BPF_RSH | BPF_K, 3, 0, 0, 16));
	add(p, INSN(BPF_LDX | BPF_MEM | BPF_W, 4, 1, 4, 0));
	add(p, INSN(BPF_LDX | BPF_MEM | BPF_W, 5, 1, 8, 0));
	for (size_t i = ARRAY_LEN(always); i-- > 0;)
		if (!is_listed(r, &always[i]))
			add_rule(p, &always[i]);
	for (size_t i = r->n_devices; i-- > 0 && !decided;) {
		add_rule(p, &r->devices[i]);
		decided = matches_all(&r->devices[i]);
	}
	if (decided)
		return;
	/* No rule for everything: without any rule at all nothing would be restricted, so what is
	 * not named is allowed, as in v1's initial state. */
	add(p, INSN(BPF_ALU64 | BPF_MOV | BPF_K, 0, 0, 0, 1));
	add(p, INSN(BPF_JMP | BPF_EXIT, 0, 0, 0, 0));
}

static int apply_bpf(struct cgroup *cg, const struct oci_resources *r, struct err *err)
{
	struct program p = { 0 };
	union bpf_attr attr = { 0 };
	AUTO_FD prog = -1, dir = -1;

	build(&p, r);
	attr.prog_type = BPF_PROG_TYPE_CGROUP_DEVICE;
	attr.insns = (uintptr_t)p.items;
	attr.insn_cnt = (uint32_t)p.count;
	attr.license = (uintptr_t) "Apache-2.0";
	prog = sys_bpf(BPF_PROG_LOAD, &attr, sizeof(attr));
	free(p.items);
	if (prog < 0)
		return err_sys(err, errno, "linux.resources.devices: load the device filter");
	dir = openat(cg->fds[CGROUP_UNIFIED], ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dir < 0)
		return err_sys(err, errno, "linux.resources.devices: open the cgroup");
	attr = (union bpf_attr){ 0 };
	attr.target_fd = (uint32_t)dir;
	attr.attach_bpf_fd = (uint32_t)prog;
	attr.attach_type = BPF_CGROUP_DEVICE;
	/* Several may be attached, all must agree: a delegated child cannot widen it. */
	attr.attach_flags = BPF_F_ALLOW_MULTI;
	if (sys_bpf(BPF_PROG_ATTACH, &attr, sizeof(attr)) < 0)
		return err_sys(err, errno, "linux.resources.devices: attach the device filter");
	return 0;
}

static int write_rule(struct cgroup *cg, const struct oci_device_rule *d, struct err *err)
{
	char major[24] = "*", minor[24] = "*", text[80];
	int e;

	if (d->major != OCI_UNSET)
		snprintf(major, sizeof(major), "%lld", (long long)d->major);
	if (d->minor != OCI_UNSET)
		snprintf(minor, sizeof(minor), "%lld", (long long)d->minor);
	if (d->type == 'a')
		snprintf(text, sizeof(text), "a");
	else
		snprintf(text, sizeof(text), "%c %s:%s %s", d->type, major, minor, d->access);
	e = cgroup_write(cg, CGROUP_DEVICES, d->allow ? "devices.allow" : "devices.deny", text);
	return e < 0 ? err_sys(err, -e, "linux.resources.devices: write '%s'", text) : 0;
}

static int apply_v1(struct cgroup *cg, const struct oci_resources *r, struct err *err)
{
	for (size_t i = 0; i < r->n_devices; i++)
		if (write_rule(cg, &r->devices[i], err) < 0)
			return -1;
	for (size_t i = 0; i < ARRAY_LEN(always); i++)
		if (!is_listed(r, &always[i]) && write_rule(cg, &always[i], err) < 0)
			return -1;
	return 0;
}

int device_rules_apply(struct cgroup *cg, const struct oci_resources *r, struct err *err)
{
	if (!r->n_devices)
		return 0;
	/* The controller's language is the readable form of both. */
	if (cg->record)
		return apply_v1(cg, r, err);
	return device_rules_by_bpf() ? apply_bpf(cg, r, err) : apply_v1(cg, r, err);
}
