/* sys/pidfd: processes that cannot be mistaken for another.
 * A pid is only a name: it is kept together with the process's start time and turned into a pidfd
 * before anything is done to it. Leaf tier: results are >= 0 or -errno. */
#pragma once
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

int pidfd_open_pid(pid_t pid); /* close-on-exec */
int pidfd_signal(int pidfd, int signal);
/* 1 when the process has ended, 0 when it still runs after timeout_ms (-1: wait for ever). */
int pidfd_wait_exit(int pidfd, int timeout_ms);

/* Start time in clock ticks since boot (field 22 of /proc/PID/stat): with the pid, an identity. */
int process_start_time(pid_t pid, uint64_t *ret_ticks);
/* Whether that process is there and no zombie: without a descriptor, for listings. */
bool process_is_alive(pid_t pid, uint64_t start_ticks);
/* A pidfd of the process that has this pid *and* this start time; -ESRCH when it has ended, is a
 * zombie, or the pid now names another. */
int pidfd_open_exact(pid_t pid, uint64_t start_ticks);
