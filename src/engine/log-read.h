/* log-read: a container's log files, oldest line first, and following the newest.
 *
 * ctr.log is being written by the monitor; ctr.log.1 is the one before, and so on. Rotation is
 * a chain of renames, so a reader that has a file open loses nothing: it reads that file to its
 * end, then goes on with the next newer one, found by inode.
 * The files are ours, but what is in them is the container's: lines are bounded, anything that
 * does not parse is passed over. */
#pragma once
#include "base/err.h"
#include "engine/options.h"
#include <stdbool.h>
#include <stdint.h>

#define LOG_FILE "ctr.log"

struct log_entry {
	int64_t time_ns;
	int stream;       /* 1 stdout, 2 stderr */
	const char *data; /* as the container wrote it, newline included unless it is a part */
	size_t len;
};

struct log_read_args {
	enum log_driver driver;
	int64_t tail;     /* last lines only; -1: all */
	int64_t since_ns; /* entries at or after; 0: no bound */
	int64_t until_ns; /* entries at or before; 0: no bound */
	bool follow;
	/* follow: is the container still running? Return 1, 0, or -1 with err. Asked when
	 * nothing new has come for a moment, or the directory changed. */
	int (*running)(void *ctx, struct err *err);
	/* One entry; data is valid during the call. Return 0; non-zero ends reading (no error). */
	int (*emit)(void *ctx, const struct log_entry *entry);
	void *ctx;
};

/* container_dir_fd: ROOT/containers/ID. A container that never ran has no files: no entries. */
int log_read(int container_dir_fd, const struct log_read_args *args, struct err *err);

/* --since and --until: RFC 3339, "2026-11-22[T13:00:00]", Unix seconds ("1700000000.5"), or a
 * duration before now ("10m", "1h30m"). Return 0 or -EINVAL. */
int log_time_parse(const char *text, int64_t now_ns, int64_t *ret_ns);

struct engine;
/* `dhow logs`: prints to out_fd and err_fd. */
struct logs_args {
	bool follow;
	bool timestamps;
	int64_t tail; /* -1: all */
	int64_t since_ns;
	int64_t until_ns;
	int out_fd;
	int err_fd;
};
int container_logs(struct engine *e, const char *ref, const struct logs_args *args,
                   struct err *err);
