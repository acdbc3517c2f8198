/* Shared by the cgroup-*.c files. */
#pragma once
#include "sys/cgroup.h"

#define CGROUP_ROOT "/sys/fs/cgroup"

/* Walk the directory tree below dir_fd, children first. 0 or the first negative result. */
int cgroup_walk(int dir_fd, int (*visit)(void *ctx, int dir_fd), void *ctx);
/* O_PATH descriptor of the v2 root: /sys/fs/cgroup, .../unified, or a private mount of it. */
int cgroup_v2_root(void);
