/* engine-internal: what the files of the life cycle share. */
#pragma once
#include "base/db.h"
#include "base/err.h"
#include "engine/engine.h"
#include "engine/options.h"

#include <sys/types.h>

#define CONTAINERS_DIR "containers" /* in ROOT and in RUNROOT (there: the runtime's state) */
#define TRASH_DIR      "trash"      /* in ROOT: directories of containers that are no more */

/* ---- engine.c ---- */
/* RUNROOT/containers, the runtime's state root. Caller closes. */
int engine_state_root(struct engine *e, struct err *err);
const char *engine_boot_id(void);

/* ---- records.c: rows ---- */
/* Everything of one row, unprobed. E_NOT_FOUND. */
int record_load(struct engine *e, const char *id, struct container_row *ret, struct err *err);
/* All rows, newest first, unprobed. */
int record_load_all(struct engine *e, struct container_list *ret, struct err *err);
int record_insert(struct engine *e, const struct container_row *row,
                  const struct container_options *opts, struct err *err);
/* Write back what changes in a life: status, pids, times, exit, error, counters, ports, ip. */
int record_update(struct engine *e, const struct container_row *row, struct err *err);
/* Not part of an update: `stop` says so without the container's lock, and the restart policy must
 * not take it back. */
int record_user_stopped(struct engine *e, const char *id, bool stopped, struct err *err);
int record_delete(struct engine *e, const char *id, struct err *err);

/* ---- settle.c: rows and reality ---- */
bool row_init_alive(const struct container_row *row);
bool row_monitor_alive(const struct container_row *row);
/* Say in row what is true now, without changing anything stored. */
void row_probe(struct engine *e, struct container_row *row);
/* The exit record of this life of the container. Returns whether there is one. */
bool exit_record_read(struct engine *e, struct container_row *row);
/* flock the container's directory: waits, or with try E_BUSY. Returns the fd that holds it;
 * E_NOT_FOUND when the container went meanwhile. */
int container_lock(struct engine *e, const char *id, bool try, struct err *err);
/* Under the lock: bring a row whose processes are gone up to date and clean up after it. Sets
 * *ret_removed when that removed it (--rm). */
int settle_locked(struct engine *e, struct container_row *row, bool *ret_removed, struct err *err);
/* Load by ref, lock, settle. Returns the lock's fd. */
int container_lock_settled(struct engine *e, const char *ref, struct container_row *ret,
                           struct err *err);

/* All rows, settled, probed, newest first; leftovers of killed commands are removed. */
int engine_load_settled(struct engine *e, struct container_list *ret, struct err *err);

/* ---- cleanup.c ---- */
/* Under the lock, init gone: give back network, cgroup, runtime state, sockets. */
int container_release(struct engine *e, const struct container_row *row, struct err *err);
/* Under the lock: everything of it goes. The row is deleted last. */
int container_remove_locked(struct engine *e, const struct container_row *row, unsigned flags,
                            struct err *err);
/* What `dhow __after-exit` does, done by the client of a container with --rm: monitor_pid still
 * stands for it, and execs the real one if this fails. */
int container_clean_for_monitor(struct engine *e, const char *id, pid_t monitor_pid, int exit_code,
                                bool oom_killed, struct err *err);
/* Under the lock: record the end told by row->exit_code etc., with its events. */
int container_record_end(struct engine *e, struct container_row *row, struct err *err);

/* ---- launch.c ---- */
struct launch_fds {
	int client;          /* monitor's end of the first client, or -1 */
	int done;            /* write end of the pipe whose end of file means "cleaned up", or -1 */
	int lock;            /* the container's lock; released by becoming the monitor */
	int report;          /* where M says how far it came, or -1 */
	bool attached;       /* somebody stays: see client, which is -1 once it was handed over */
	bool by_policy;      /* started again by the restart policy, not by a user */
	uint16_t rows, cols; /* initial window; 0: unknown */
};
/* The steps of a launch. All in one process when a container is started again; when a command
 * starts it, M does create and run, and the command, which has the database open, the others. */
struct launch;
struct launch_holds {
	const int *fds; /* sockets that reserve published ports: the monitor keeps them open */
	size_t n;
	bool client_cleans;
};
struct launch *launch_new(struct engine *e, struct container_row *row, struct launch_fds *fds);
void launch_free(struct launch *l);
int launch_prepare(struct launch *l,
                   struct err *err); /* names to values; changes next to nothing */
int launch_create(struct launch *l, pid_t *ret_pid, struct err *err); /* init, waiting */
int launch_connect(struct launch *l, pid_t init_pid, pid_t monitor_pid, struct launch_holds *ret,
                   struct err *err); /* network and row; ret borrows */
/* Start, and become the monitor: returns only when it failed. */
int launch_run(struct launch *l, const struct launch_holds *holds, struct err *err);
/* After a failure: init and what the runtime made go. container_release() does the rest. */
void launch_undo(struct launch *l);
/* All of it: does not return when it succeeds. */
int container_launch(struct engine *e, struct container_row *row, struct launch_fds *fds,
                     struct err *err);
/* To who waits for the start: all went well, the monitor is next. */
void launch_report_ready(int fd);
/* The listening socket for attach. */
int attach_listen(struct engine *e, const char *id, struct err *err);
int attach_connect(struct engine *e, const char *id, unsigned want, struct err *err);

/* ---- events.c ---- */
int event_container(struct engine *e, const struct container_row *row, const char *action,
                    const char *key, const char *value, struct err *err);

/* ---- names.c ---- */
bool container_name_is_valid(const char *name);
/* "adjective_surname" + a digit when suffix is not 0. Caller frees. */
char *container_name_random(unsigned suffix);
