/* sys/cgroup-convert: values of cgroup v1, in which configurations speak, as those of v2. Pure. */
#pragma once
#include <stdbool.h>
#include <stdint.h>

/* cpu.shares (2 to 262144, default 1024) to cpu.weight (1 to 10000, default 100): the smallest
 * weight not below 10^((l^2 + 125 l) / 612 - 7/34) with l = log2(shares), the curve that runc and
 * crun use, which maps least, default and most onto each other. 0, "not set", stays 0. */
uint64_t cgroup_cpu_weight(uint64_t shares);
/* blkio.weight (10 to 1000) to io.weight (1 to 10000). */
uint64_t cgroup_io_weight(uint64_t weight);
/* A limit of memory and swap together, and one of memory, to one of swap alone. All in bytes, -1:
 * no limit. 0, or -1 where the limit is below that of memory. */
int cgroup_swap_limit(int64_t memory_and_swap, int64_t memory, int64_t *ret);
/* A CPU list ("0-3,7") as systemd takes it: a bit for each, the lowest first. Returns the bytes
 * that are used, or -1 for what is no list or names a CPU that does not fit. */
int cgroup_cpu_mask(const char *list, uint8_t *mask, int size);
