/* Inside sys/rootfs only. */
#pragma once
#include <stdint.h>

/* What openat2(dir_fd, path, {flags, mode, resolve}) does, one component after the other, for a
 * process whose seccomp filter knows no openat2. Works on descriptors alone: a link is read and its
 * text is walked, ".." goes back to the directory that was come from, and nothing is ever opened by
 * more than one name. resolve: RESOLVE_IN_ROOT or RESOLVE_BENEATH (the default), NO_SYMLINKS,
 * NO_XDEV; magic links are never followed. A descriptor or -errno, as openat2 gives. */
int rootfs_walk(int dir_fd, const char *path, uint64_t flags, uint64_t mode, uint64_t resolve);
