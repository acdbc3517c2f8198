/* sys/device-filter: which device nodes the processes of a cgroup v2 may make, read and write, as
 * an eBPF program of our own making (BPF_PROG_TYPE_CGROUP_DEVICE).
 *
 * Rules are those of cgroup v1's devices controller: later ones win over earlier ones, for each of
 * make, read and write apart, and what no rule names is refused. */
#pragma once
#include "base/err.h"
#include <linux/bpf.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct device_rule {
	bool allow;
	char type;            /* 'b', 'c' or 'a', both */
	int64_t major, minor; /* -1: any */
	unsigned access;      /* of BPF_DEVCG_ACC_MKNOD, _READ and _WRITE */
};

#define DEVICE_ACCESS_ALL (BPF_DEVCG_ACC_MKNOD | BPF_DEVCG_ACC_READ | BPF_DEVCG_ACC_WRITE)

/* The program; the caller frees it. Pure. */
struct bpf_insn *device_filter_build(const struct device_rule *rules, size_t n, size_t *ret_count);
/* Whether the rules let a device be used in every one of these ways: what the program does. */
bool device_filter_allows(const struct device_rule *rules, size_t n, char type, int64_t major,
                          int64_t minor, unsigned access);
/* Load and attach to the cgroup (an O_PATH descriptor will do). Several programs may be attached,
 * and all must agree: a delegated child cannot widen it. replace: in the place of what this
 * function attached before, at no moment with neither. 0 or -errno. */
int device_filter_attach(int cgroup_fd, const struct device_rule *rules, size_t n, bool replace);
