/* fd: whole reads and writes, and files that are never seen half-written.
 * Every descriptor made here is close-on-exec. Paths are relative to a directory fd;
 * these helpers are for our own directories (state, store), never for a container's root:
 * that is sys/rootfs.h. */
#pragma once
#include "base/err.h"
#include "base/macro.h"
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/* Write all of it, through EINTR and short writes. Return 0 or -errno. */
int fd_write_all(int fd, const void *data, size_t len);
/* Read exactly len bytes. Return 0, -errno, or -ENODATA at an early end. */
int fd_read_exact(int fd, void *data, size_t len);
/* Read to the end into a fresh NUL-terminated buffer; E_LIMIT above max_bytes. Caller frees. */
int fd_read_all(int fd, size_t max_bytes, char **ret_data, size_t *ret_len, struct err *err);
/* Open `path` below dir_fd (regular files only, no blocking on a FIFO) and read it whole. */
int file_read_at(int dir_fd, const char *path, size_t max_bytes, char **ret_data, size_t *ret_len,
                 struct err *err);

enum file_write_flags {
	FILE_WRITE_SYNC = 1u << 0, /* fsync the file and the directory: survives a power cut */
};
/* Replace `name` below dir_fd: temporary file, (fsync), rename, (fsync of dir_fd).
 * Readers see the old content or the new one, never a part. */
int file_write_atomic_at(int dir_fd, const char *name, const void *data, size_t len, mode_t mode,
                         unsigned flags, struct err *err);

/* Open a directory below dir_fd. Return the fd or -1. */
int dir_open_at(int dir_fd, const char *path, struct err *err);
/* mkdir every missing component of `path` below dir_fd with `mode`. */
int dir_make_at(int dir_fd, const char *path, mode_t mode, struct err *err);
/* Remove the tree `name` below dir_fd, never following a symbolic link, never crossing a mount.
 * A missing tree is fine. */
int tree_remove_at(int dir_fd, const char *name, struct err *err);

int fd_set_cloexec(int fd, bool on);  /* 0 or -errno */
int fd_set_nonblock(int fd, bool on); /* 0 or -errno */
/* Duplicate to a close-on-exec descriptor >= 3. Return it or -errno. */
int fd_dup(int fd);
/* "/proc/self/fd/N" in buf: for the few interfaces that only take a path. */
struct fd_path {
	char s[32];
};
struct fd_path fd_path(int fd);
