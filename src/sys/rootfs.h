/* sys/rootfs: paths inside a container's root.
 *
 * The root may be hostile: any component may be a symbolic link that points anywhere, and may be
 * exchanged at any moment. Everything here resolves with openat2(RESOLVE_IN_ROOT |
 * RESOLVE_NO_MAGICLINKS), so that "/" and ".." stay inside root_fd, and works on descriptors from
 * there on. There is no fallback to path strings: where openat2 is not to be had (a seccomp
 * filter), rootfs-walk.c does the same on descriptors, one component after the other. Leaf tier:
 * results are >= 0 or -errno. Every descriptor is close-on-exec. */
#pragma once
#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/types.h>

/* Open `path` inside root_fd. flags as open(2); O_CLOEXEC is added. Symbolic links are followed
 * inside the root (add O_NOFOLLOW for the last component). */
int rootfs_open(int root_fd, const char *path, int flags, mode_t mode);
/* As rootfs_open, with no symbolic link allowed in any component (-ELOOP). */
int rootfs_open_nolinks(int root_fd, const char *path, int flags, mode_t mode);
/* Below dir_fd only: ".." out of it, absolute links and mount crossings (-EXDEV) are refused. */
int rootfs_open_beneath(int dir_fd, const char *path, int flags, mode_t mode);

/* Make every missing component (mode, umask not applied on the caller's behalf) and return an
 * O_PATH descriptor of the last directory. */
int rootfs_mkdir_all(int root_fd, const char *path, mode_t mode);
/* The O_PATH descriptor of a regular file or anything else at `path` that is not a directory;
 * made empty (with its parents) where missing. */
int rootfs_make_file(int root_fd, const char *path, mode_t mode);
/* Open the parent directory of `path` (O_PATH), components made where missing when make_mode is
 * not 0; *ret_name points at the last component inside `path`. -EINVAL for "/" and "..". */
int rootfs_open_parent(int root_fd, const char *path, mode_t make_mode, const char **ret_name);

/* Where `path` leads inside the root when links that dangle are followed, too: a path without links
 * and "..", whose last components may be missing. For who is then to make them. 0 or -errno. */
int rootfs_resolve(int root_fd, const char *path, char ret[], size_t size);

/* The raw system call, with a retry on EAGAIN (a rename raced with RESOLVE_IN_ROOT). */
int sys_openat2(int dir_fd, const char *path, uint64_t flags, uint64_t mode, uint64_t resolve);
