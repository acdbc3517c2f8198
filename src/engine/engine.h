/* engine: containers from create to removal, for the command line and later for the APIs.
 *
 * There is no daemon. Every function here does its work in the calling process; what must go on
 * afterwards is done by dhow-monitor (monitor-proto.h). The calling process must be
 * single-threaded when it starts a container or a command in one.
 *
 * Containers are named by `ref`: a name, a full id, or an unambiguous prefix of an id. Errors:
 * E_NOT_FOUND "no such container 'x'", E_INVALID for an ambiguous prefix, E_STATE when the
 * container is in the wrong state, E_EXISTS for a name in use.
 *
 * Truth: rows of ROOT/dhow.db say what was decided, the kernel says what runs. A row that claims
 * a running container is believed only while its init (pid and start time) and its boot are
 * there; otherwise the first command that looks settles it (container_settle(), state.c).
 *
 * Locks: a container's directory is flock'ed while it changes state, never while it runs. */
#pragma once
#include "base/err.h"
#include "base/id.h"
#include "base/strv.h"
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct container_options;
struct db;
struct image_store;
struct json_object;
struct net;

struct engine_options {
	const char *root;    /* NULL: /var/lib/dhow or $XDG_DATA_HOME/dhow */
	const char *runroot; /* NULL: /run/dhow or $XDG_RUNTIME_DIR/dhow */
};

/* The handles below are opened on first use, by the functions of the same name: a command pays
 * only for what it touches. Fields are for reading. */
struct engine {
	char *root_path; /* absolute */
	char *runroot_path;
	int root_fd;
	int runroot_fd;
	bool default_root; /* network objects carry a hash of root_path otherwise */
	bool rootless;     /* the user is not root on the host */
	struct db *db;
	struct image_store *images;
	struct net *net;
};

/* Makes the directories when missing. *ret is valid for engine_close() also after a failure. */
int engine_open(const struct engine_options *opts, struct engine *ret, struct err *err);
void engine_close(struct engine *e);
struct db *engine_db(struct engine *e, struct err *err);              /* NULL on failure */
struct image_store *engine_images(struct engine *e, struct err *err); /* NULL on failure */
struct net *engine_net(struct engine *e, struct err *err);            /* NULL on failure */
/* Close database handles (before fork, and before a long wait); they come back on use. */
void engine_release(struct engine *e);
/* ---- states and rows ---- */

enum container_status {
	CONTAINER_CREATED,
	CONTAINER_RUNNING,
	CONTAINER_PAUSED,
	CONTAINER_RESTARTING, /* ended, waits to be started again by its restart policy */
	CONTAINER_EXITED,
	CONTAINER_DEAD, /* a row we cannot make sense of */
	CONTAINER_STATUS_MAX
};
const char *container_status_name(enum container_status status);       /* "running" */
int container_status_parse(const char *s, enum container_status *ret); /* 0 or -EINVAL */

/* One line of `ps`. Strings are never NULL. */
struct container_row {
	char id[ID_LEN + 1];
	char *name;
	char *image;    /* as the user wrote it */
	char *image_id; /* hexadecimal */
	char *command;  /* entrypoint and arguments, joined by blanks */
	char *labels;   /* JSON object */
	char *ports;    /* "0.0.0.0:8080->80/tcp, ..." */
	char *networks; /* "bridge" */
	char *mounts;   /* names of volumes and host paths, comma-separated */
	char *ip;       /* address on the bridge while running, or "" */
	char *error;    /* why the last start failed, or what is unknown about the end */
	int64_t created_ns;
	int64_t started_ns;           /* 0: never */
	int64_t finished_ns;          /* 0: never */
	enum container_status status; /* probed */
	int exit_code;
	bool oom_killed;
	bool auto_remove;
	pid_t pid;         /* init, in our pid namespace; 0 when not running */
	pid_t monitor_pid; /* 0 when not running */
	uint32_t restart_count;
	/* the engine's own */
	uint64_t pid_start;     /* start time of pid, in ticks since boot */
	uint64_t monitor_start; /* the same of monitor_pid */
	char boot_id[40];       /* of the boot in which these mean something */
	uint32_t restart_delay_ms;
	bool stdin_once; /* the end of a client's input ends the container's: docker's StdinOnce */
	bool user_stopped; /* by stop, kill or rm: unless-stopped and always leave it alone */
};

struct container_list {
	struct container_row *rows;
	size_t count;
};

/* filters: "name=web", "status=exited", "id=...", "label=a=b", "ancestor=IMAGE", "exited=N",
 * "before=REF", "since=REF", "volume=NAME", "network=NAME"; equal keys are or-ed, different
 * ones and-ed, label and-ed always (docker's rules). */
struct container_list_args {
	bool all;                   /* also those that do not run */
	int last;                   /* the newest N, all states; 0: no bound */
	const struct strv *filters; /* NULL: none */
};

/* Newest first. One SELECT and one probe of /proc per container said to run. */
int container_list(struct engine *e, const struct container_list_args *args,
                   struct container_list *ret, struct err *err);
void container_list_done(struct container_list *list);
/* "Up 5 minutes (Paused)", "Exited (0) 3 seconds ago", "Created", ... */
struct status_text {
	char s[80];
} container_status_text(const struct container_row *row, int64_t now_ns);

/* Full id of `ref`. */
int container_find(struct engine *e, const char *ref, char ret_id[ID_LEN + 1], struct err *err);
/* One row, settled. *ret is ended with container_row_done(). */
int container_get(struct engine *e, const char *ref, struct container_row *ret, struct err *err);
void container_row_done(struct container_row *row);
/* docker-shaped: Id, Created, Path, Args, State, Image, Mounts, Config, HostConfig,
 * NetworkSettings, ... with_size adds SizeRw and SizeRootFs. Caller puts *ret. */
int container_inspect(struct engine *e, const char *ref, bool with_size, struct json_object **ret,
                      struct err *err);

/* What it wrote into its layer takes on disk; 0 for one that is gone. */
uint64_t container_disk_bytes(struct engine *e, const char *id);

/* ---- life cycle ---- */

/* image must be in the store (the caller pulls). opts passed container_options_check(); volumes
 * made for it are added to opts. Leaves nothing behind when it fails. */
int container_create(struct engine *e, const char *image, struct container_options *opts,
                     char ret_id[ID_LEN + 1], struct err *err);
/* For `run`: with opts->rm the container belongs to this process until it is started, and is
 * removed by the next command if this one is killed before. */
int container_create_for_run(struct engine *e, const char *image, struct container_options *opts,
                             char ret_id[ID_LEN + 1], struct err *err);

enum attach_streams {
	ATTACH_STDIN = 1u << 0,
	ATTACH_STDOUT = 1u << 1,
	ATTACH_STDERR = 1u << 2,
	ATTACH_OUTPUT = ATTACH_STDOUT | ATTACH_STDERR,
};

/* How a command stays connected to a container's standard streams. */
struct attach_args {
	unsigned streams;        /* enum attach_streams */
	bool sig_proxy;          /* pass signals we get on to the container */
	const char *detach_keys; /* NULL: "ctrl-p,ctrl-q"; "" none */
};

/* Start a created or ended container. attach NULL: return once it runs. Otherwise stay
 * connected until it ends (and, with --rm, is removed); *ret_exit_code is its exit code, or 0
 * with *ret_detached when the user left by the detach keys.
 * Errors of the container's command are E_NO_COMMAND and E_NOT_EXEC. A container with --rm that
 * could not be started is removed. */
struct start_result {
	char id[ID_LEN + 1];
	int exit_code;
	bool detached;
};
int container_start(struct engine *e, const char *ref, const struct attach_args *attach,
                    struct start_result *ret, struct err *err);

/* timeout_s: < -1 is the container's own (--stop-timeout, else 10), -1 waits for ever. E_OK for
 * one that does not run. Returns when it ended and its end is recorded. */
#define STOP_TIMEOUT_OWN (-2)
int container_stop(struct engine *e, const char *ref, const char *signal, int64_t timeout_s,
                   struct err *err);
int container_kill(struct engine *e, const char *ref, const char *signal, struct err *err);
int container_restart(struct engine *e, const char *ref, const char *signal, int64_t timeout_s,
                      struct err *err);
int container_pause(struct engine *e, const char *ref, struct err *err);
int container_unpause(struct engine *e, const char *ref, struct err *err);
int container_rename(struct engine *e, const char *ref, const char *name, struct err *err);

enum container_rm_flags {
	CONTAINER_RM_FORCE = 1u << 0,   /* kill it first */
	CONTAINER_RM_VOLUMES = 1u << 1, /* and its anonymous volumes */
};
int container_rm(struct engine *e, const char *ref, unsigned flags, struct err *err);

enum wait_condition { WAIT_NOT_RUNNING, WAIT_NEXT_EXIT, WAIT_REMOVED, WAIT_RUNNING };
int wait_condition_parse(const char *s, enum wait_condition *ret); /* 0 or -EINVAL */
/* Block until the condition holds. */
int container_wait(struct engine *e, const char *ref, enum wait_condition condition,
                   int *ret_exit_code, struct err *err);

int container_attach(struct engine *e, const char *ref, const struct attach_args *args,
                     struct start_result *ret, struct err *err);
/* A connection to the monitor after its hello (monitor-proto.h). Caller closes. */
int container_attach_fd(struct engine *e, const char *ref, unsigned streams, int *ret_fd,
                        struct err *err);
int container_resize(struct engine *e, const char *ref, uint16_t rows, uint16_t cols,
                     struct err *err);

struct exec_args {
	struct strv argv; /* at least one */
	struct strv env;  /* NAME=VALUE or NAME */
	struct strv env_file;
	const char *user;    /* NULL: the container's */
	const char *workdir; /* NULL: the container's */
	const char *detach_keys;
	bool interactive;
	bool tty;
	bool detach;
	bool privileged;
};
/* Run a command in a running container. Foreground: its exit code in *ret_exit_code.
 * detach: returns when it was started. */
int container_exec(struct engine *e, const char *ref, const struct exec_args *args,
                   int *ret_exit_code, struct err *err);

/* What the monitor execs when the container has ended: record, clean up, remove or start again.
 * done_fd: closed once all is cleaned up, for who waits; -1 for nobody. Ends by returning, or by
 * becoming the monitor once more. */
int container_after_exit(struct engine *e, const char *id, int done_fd, struct err *err);

/* Record the end of containers that died unseen (killed monitor, reboot), finish removals that
 * were cut short. Called by the commands that list; cheap when nothing is wrong. */
int engine_settle_all(struct engine *e, struct err *err);

/* ---- for the other parts of the engine (logs, cp, top, ...) ---- */

/* ROOT/containers/ID as a directory fd, or -1. Caller closes. */
int container_dir_open(struct engine *e, const char *id, struct err *err);
/* The options it was created with. *ret is ended with container_options_done(). */
int container_options_load(struct engine *e, const char *id, struct container_options *ret,
                           struct err *err);
/* The running init, pinned: E_STATE when it does not run. Caller closes *ret_pidfd. */
int container_pidfd(struct engine *e, const char *id, pid_t *ret_pid, int *ret_pidfd,
                    struct err *err);
/* Mount the root of a container that does not run, inside the caller's (private) mount
 * namespace: for cp and diff. Caller closes *ret_mount_fd. */
int container_mount(struct engine *e, const char *id, int *ret_mount_fd, struct err *err);

/* ---- events ---- */

struct event {
	int64_t id;
	int64_t time_ns;
	char *type;       /* "container", "image", "network", "volume" */
	char *action;     /* "create", "start", "die", "stop", "kill", "oom", "destroy", ... */
	char *actor;      /* id */
	char *attributes; /* JSON object: name, image, exitCode, signal */
};
void event_done(struct event *ev);
int event_add(struct engine *e, const char *type, const char *action, const char *actor,
              struct json_object *attributes /* borrowed, may be NULL */, struct err *err);
/* Events with an id above after_id, oldest first, in order; fn returns non-zero to stop. */
int event_each(struct engine *e, int64_t after_id, int (*fn)(void *ctx, const struct event *ev),
               void *ctx, struct err *err);
