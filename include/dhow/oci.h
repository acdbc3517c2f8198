/* libdhow-oci: run OCI containers in the calling process (dhow-oci(3)).
 *
 * A container is made from a bundle (runtime-spec 1.3), by the same code that `dhow-oci` and dhow
 * itself use; no other program is executed and no shared library is loaded for it. The state lies
 * in a directory that `dhow-oci --root` understands, too.
 *
 * Stable: everything in this header. Structures without members here are opaque; those with members
 * do not change; functions and enumerators may be added. Symbols are versioned (DHOW_OCI_1).
 *
 * Errors are values: a function that can fail takes `struct dhow_oci_error *` last, which may be
 * NULL, and returns 0, or -1 with it filled in. Nothing is printed. Running out of memory aborts.
 * A pointer that is handed out belongs to the caller, who gives it back to the `_free` of its type
 * (NULL is fine); strings returned as `const char *` belong to the object asked.
 *
 * Threads: a function that makes processes (create, start, exec) is refused while the calling
 * process has more than one thread. Objects are not for several threads at once.
 * Children: the processes made are children of the caller: wait for them with
 * dhow_oci_process_wait(), and leave SIGCHLD and its reaping to the library for them. */
#ifndef DHOW_OCI_H
#define DHOW_OCI_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#ifdef __cplusplus
extern "C" {
#endif

#define DHOW_OCI_API 1 /* grows with what is added; see dhow_oci_api() */

#if defined(__GNUC__)
#	define DHOW_OCI_PUBLIC __attribute__((visibility("default")))
#else
#	define DHOW_OCI_PUBLIC
#endif

/* ---- errors ---- */

enum dhow_oci_code {
	DHOW_OCI_OK = 0,
	DHOW_OCI_INVALID = 1,     /* the configuration or an argument is wrong */
	DHOW_OCI_NOT_FOUND = 2,   /* there is no such container */
	DHOW_OCI_EXISTS = 3,      /* the id is taken */
	DHOW_OCI_STATE = 4,       /* the container, or the caller, is in the wrong state for this */
	DHOW_OCI_PERM = 5,        /* not permitted */
	DHOW_OCI_IO = 6,          /* a system call failed; errno_value says how */
	DHOW_OCI_LIMIT = 7,       /* a bound was exceeded */
	DHOW_OCI_TIMEOUT = 8,     /* it took too long; may be tried again */
	DHOW_OCI_UNSUPPORTED = 9, /* not available here */
	DHOW_OCI_NOT_EXEC = 10,   /* the program cannot be executed (a shell's exit status 126) */
	DHOW_OCI_NO_COMMAND = 11, /* the program is not there (127) */
	DHOW_OCI_INTERNAL = 12    /* a fault of the library's */
};

struct dhow_oci_error {
	int code;           /* enum dhow_oci_code */
	int errno_value;    /* of the system call that failed, or 0 */
	char message[1000]; /* one line, no full stop: what was tried, on what, why it failed */
	char hint[200];     /* what to do about it, or "" */
	char reserved[64];
};

/* DHOW_OCI_API of the library that is loaded. */
DHOW_OCI_PUBLIC int dhow_oci_api(void);
/* The release: "0.1.0". */
DHOW_OCI_PUBLIC const char *dhow_oci_version(void);

/* ---- where containers are kept ---- */

struct dhow_oci;

/* The directory of states, made when it is missing. NULL: "/run/dhow-oci", or for an ordinary user
 * $XDG_RUNTIME_DIR/dhow-oci. */
DHOW_OCI_PUBLIC int dhow_oci_open(const char *state_root, struct dhow_oci **ret,
                                  struct dhow_oci_error *err);
DHOW_OCI_PUBLIC void dhow_oci_free(struct dhow_oci *oci);

/* ---- bundles ---- */

struct dhow_oci_bundle;

/* Read `config` (NULL: DIRECTORY/config.json). Relative paths in it start at the directory. */
DHOW_OCI_PUBLIC int dhow_oci_bundle_load(const char *directory, const char *config,
                                         struct dhow_oci_bundle **ret, struct dhow_oci_error *err);
/* The configuration as text. directory: as above. */
DHOW_OCI_PUBLIC int dhow_oci_bundle_parse(const char *directory, const char *text, size_t len,
                                          struct dhow_oci_bundle **ret, struct dhow_oci_error *err);
/* What was read and ignored, one by one; NULL after the last. */
DHOW_OCI_PUBLIC const char *dhow_oci_bundle_warning(const struct dhow_oci_bundle *bundle,
                                                    size_t index);
DHOW_OCI_PUBLIC void dhow_oci_bundle_free(struct dhow_oci_bundle *bundle);

/* ---- options of create and exec ---- */

struct dhow_oci_options;

enum dhow_oci_flag {
	DHOW_OCI_NO_PIVOT = 1 << 0,       /* MS_MOVE and chroot instead of pivot_root */
	DHOW_OCI_NO_NEW_KEYRING = 1 << 1, /* keep the caller's session keyring */
	DHOW_OCI_NO_CGROUP = 1 << 2,      /* stay in the caller's cgroups */
	DHOW_OCI_IGNORE_PAUSED = 1 << 3   /* exec: also in a paused container */
};

/* Defaults: the caller's standard descriptors, nothing preserved, no flags. */
DHOW_OCI_PUBLIC struct dhow_oci_options *dhow_oci_options_new(void);
/* Descriptors for 0, 1 and 2, borrowed; -1 is /dev/null. Not used with a terminal. */
DHOW_OCI_PUBLIC void dhow_oci_options_set_stdio(struct dhow_oci_options *o, int in, int out,
                                                int error);
/* Unix socket that the terminal's master is sent to. Without it dhow_oci_process_console() has it.
 */
DHOW_OCI_PUBLIC void dhow_oci_options_set_console_socket(struct dhow_oci_options *o,
                                                         const char *path);
/* Pass on `count` descriptors from 3 upwards. */
DHOW_OCI_PUBLIC void dhow_oci_options_set_preserve_fds(struct dhow_oci_options *o, unsigned count);
DHOW_OCI_PUBLIC void dhow_oci_options_set_flags(struct dhow_oci_options *o, unsigned flags);
DHOW_OCI_PUBLIC void dhow_oci_options_free(struct dhow_oci_options *o);

/* ---- processes: a container's first one, or one of exec ---- */

struct dhow_oci_process;

DHOW_OCI_PUBLIC pid_t dhow_oci_process_pid(const struct dhow_oci_process *p);
/* A pidfd, borrowed; readable when the process has ended. */
DHOW_OCI_PUBLIC int dhow_oci_process_pidfd(const struct dhow_oci_process *p);
/* The terminal's master, borrowed; -1 without one. */
DHOW_OCI_PUBLIC int dhow_oci_process_console(const struct dhow_oci_process *p);
/* Wait until it has ended. timeout_ms: -1 for ever, 0 to look. *ret_status: as of waitpid(2). May
 * be asked again: the status is kept. DHOW_OCI_TIMEOUT when it still runs. */
DHOW_OCI_PUBLIC int dhow_oci_process_wait(struct dhow_oci_process *p, int timeout_ms,
                                          int *ret_status, struct dhow_oci_error *err);
/* Closes what it holds; the process goes on. Who has not waited has to reap it. */
DHOW_OCI_PUBLIC void dhow_oci_process_free(struct dhow_oci_process *p);

/* ---- the life of a container ---- */

/* Make it: its first process waits to be started. options may be NULL. A failure leaves nothing. */
DHOW_OCI_PUBLIC int dhow_oci_create(struct dhow_oci *oci, const char *id,
                                    const struct dhow_oci_bundle *bundle,
                                    const struct dhow_oci_options *options,
                                    struct dhow_oci_process **ret, struct dhow_oci_error *err);
/* Returns when its program runs. */
DHOW_OCI_PUBLIC int dhow_oci_start(struct dhow_oci *oci, const char *id,
                                   struct dhow_oci_error *err);
/* Another process in it: `process` as JSON (as `dhow-oci exec --process`), or NULL for the process
 * of its configuration with these arguments, without a terminal. */
DHOW_OCI_PUBLIC int dhow_oci_exec(struct dhow_oci *oci, const char *id, const char *process,
                                  const char *const argv[], const struct dhow_oci_options *options,
                                  struct dhow_oci_process **ret, struct dhow_oci_error *err);
/* all: every process of it, else its first one. */
DHOW_OCI_PUBLIC int dhow_oci_kill(struct dhow_oci *oci, const char *id, int signal, int all,
                                  struct dhow_oci_error *err);
/* force: kill it first; no error when there is none. */
DHOW_OCI_PUBLIC int dhow_oci_delete(struct dhow_oci *oci, const char *id, int force,
                                    struct dhow_oci_error *err);
DHOW_OCI_PUBLIC int dhow_oci_pause(struct dhow_oci *oci, const char *id,
                                   struct dhow_oci_error *err);
DHOW_OCI_PUBLIC int dhow_oci_resume(struct dhow_oci *oci, const char *id,
                                    struct dhow_oci_error *err);
/* Other limits: linux.resources as JSON. What is not in it stays. */
DHOW_OCI_PUBLIC int dhow_oci_update(struct dhow_oci *oci, const char *id, const char *resources,
                                    struct dhow_oci_error *err);

/* ---- looking ---- */

enum dhow_oci_status {
	DHOW_OCI_CREATING = 0,
	DHOW_OCI_CREATED = 1,
	DHOW_OCI_RUNNING = 2,
	DHOW_OCI_PAUSED = 3,
	DHOW_OCI_STOPPED = 4
};

struct dhow_oci_state;

/* As it is now; probed, not remembered. */
DHOW_OCI_PUBLIC int dhow_oci_state(struct dhow_oci *oci, const char *id,
                                   struct dhow_oci_state **ret, struct dhow_oci_error *err);
DHOW_OCI_PUBLIC enum dhow_oci_status dhow_oci_state_status(const struct dhow_oci_state *s);
DHOW_OCI_PUBLIC pid_t dhow_oci_state_pid(const struct dhow_oci_state *s); /* 0: stopped */
DHOW_OCI_PUBLIC const char *dhow_oci_state_bundle(const struct dhow_oci_state *s);
/* Nanoseconds since 1970. */
DHOW_OCI_PUBLIC int64_t dhow_oci_state_created(const struct dhow_oci_state *s);
DHOW_OCI_PUBLIC const char *dhow_oci_state_annotation(const struct dhow_oci_state *s,
                                                      const char *key); /* or NULL */
/* The specification's state as JSON. free(3) it. */
DHOW_OCI_PUBLIC char *dhow_oci_state_json(const struct dhow_oci_state *s);
DHOW_OCI_PUBLIC void dhow_oci_state_free(struct dhow_oci_state *s);

/* Ids of all containers, sorted, with NULL at the end. */
DHOW_OCI_PUBLIC int dhow_oci_list(struct dhow_oci *oci, char ***ret, struct dhow_oci_error *err);
DHOW_OCI_PUBLIC void dhow_oci_list_free(char **ids);
/* Pids of all its processes. free(3) *ret. */
DHOW_OCI_PUBLIC int dhow_oci_pids(struct dhow_oci *oci, const char *id, pid_t **ret,
                                  size_t *ret_count, struct dhow_oci_error *err);
/* What dhow_oci_create() and dhow_oci_start() would do, as a JSON list of steps; nothing is done.
 * free(3) *ret. */
DHOW_OCI_PUBLIC int dhow_oci_plan(const char *id, const struct dhow_oci_bundle *bundle,
                                  const struct dhow_oci_options *options, char **ret,
                                  struct dhow_oci_error *err);

#ifdef __cplusplus
}
#endif
#endif
