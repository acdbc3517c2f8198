/* runtime: the OCI runtime as a library (runtime-spec 1.3).
 *
 * Parse -> plan -> execute: oci/spec.h parses, plan.h checks the configuration and turns it into a
 * list of steps, and runtime_create() executes them. What was done is undone in reverse when a
 * step fails: a failed call leaves no process, mount, cgroup or file.
 *
 * The state of a container is the directory ID below state_root_fd: `state.json` (written whole or
 * not at all; pid and start time, so that a reused pid is never taken for it), and, until
 * it is started, the socket `start`.
 *
 * The calling process must have one thread while it calls runtime_create() or runtime_exec().
 * The new process is a child of the caller, who must reap it (or exit). */
#pragma once
#include "base/err.h"
#include "base/strbuf.h"
#include "oci/spec.h"
#include "runtime/rdt.h"
#include "sys/cgroup.h"
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct isolator; /* runtime/isolator.h: how a container is kept apart; namespaces by default */

enum runtime_create_flags {
	RUNTIME_NO_PIVOT = 1u << 0,       /* MS_MOVE and chroot: for a root on a ramdisk */
	RUNTIME_NO_NEW_KEYRING = 1u << 1, /* keep the caller's session keyring */
	/* The caller starts it itself, through ret->start_fd; no start socket is made.
	 * If the caller closes start_fd or dies before that, init ends by itself. */
	RUNTIME_START_BY_FD = 1u << 2,
	RUNTIME_NO_CGROUP =
		1u << 3, /* stay in the caller's cgroups (crun: cgroup-manager disabled) */
	/* Join every v1 hierarchy, for callers that read figures from them; costs 5 to 15 ms.
	 * Without it only those that limits need are joined where a v2 hierarchy exists. */
	RUNTIME_JOIN_ALL = 1u << 5,
	/* Let systemd make the cgroup, as a scope; linux.cgroupsPath is SLICE:PREFIX:NAME. */
	RUNTIME_SYSTEMD = 1u << 6,
	RUNTIME_SAVE_CONFIG = 1u << 4, /* keep the configuration beside state.json, for
	                                * runtime_exec() without a spec and for `dhow-oci` */
};

struct runtime_create_args {
	const char *id;
	const struct oci_spec *spec;
	int state_root_fd; /* directory of container directories */
	int bundle_fd;     /* not used: -1 */
	const char *
		bundle_path; /* absolute: relative paths of the spec start here; also for state.json
	                      * and hooks. NULL: none, and the current directory for paths */
	/* The container's root file system. Called in the new process, inside its new mount
	 * namespace and before pivot_root, as root of its user namespace; returns a descriptor of a
	 * mount, attached or detached, that becomes "/". NULL: spec->root_path. Must not print or
	 * exit. */
	int (*mount_rootfs)(void *ctx, int *ret_mount_fd, struct err *err);
	void *mount_rootfs_ctx;
	int stdio[3]; /* borrowed; ignored when the process has a terminal; -1: /dev/null */
	/* With a terminal: its master is sent to the unix socket at this path, or, when NULL, is
	 * returned in ret->console_fd. */
	const char *console_socket;
	unsigned preserve_fds; /* descriptors 3 .. 3+n-1 are passed on */
	unsigned listen_fds;   /* of those: the first n are socket-activation descriptors */
	unsigned flags;        /* enum runtime_create_flags */
	const struct isolator *isolator; /* NULL: namespaces */
};

struct runtime_container {
	pid_t pid; /* of init, in the caller's pid namespace */
	int pidfd;
	int console_fd; /* -1 without a terminal */
	int start_fd;   /* RUNTIME_START_BY_FD; else -1 */
};

#define RUNTIME_CONTAINER_INIT                                                                     \
	((struct runtime_container){ .pid = -1, .pidfd = -1, .console_fd = -1, .start_fd = -1 })
void runtime_container_done(struct runtime_container *c); /* closes what it holds */

/* Make the container: on success its init waits, in its namespaces and cgroup, to be started.
 * E_EXISTS when the id is taken, E_INVALID for a bad configuration, E_NO_COMMAND and E_NOT_EXEC
 * when process.args[0] cannot be run, E_UNSUPPORTED for what this host or build cannot do. */
int runtime_create(const struct runtime_create_args *args, struct runtime_container *ret,
                   struct err *err);
/* Let init execute its program. start_fd: from runtime_create() with RUNTIME_START_BY_FD, else -1.
 * Returns when execve has succeeded, or fails with its error. Runs poststart hooks. */
int runtime_start(int state_root_fd, const char *id, int start_fd, struct err *err);

enum runtime_status {
	RUNTIME_CREATING,
	RUNTIME_CREATED,
	RUNTIME_RUNNING,
	RUNTIME_PAUSED,
	RUNTIME_STOPPED,
};
const char *runtime_status_name(enum runtime_status s); /* "created" */

struct runtime_state {
	char *id;
	enum runtime_status status; /* probed, not read */
	pid_t pid;                  /* 0 when stopped */
	uint64_t start_ticks;
	char *bundle, *rootfs;
	int64_t created_ns; /* realtime */
	uid_t owner;
	char *cgroup_path;                   /* NULL: in none of its own */
	unsigned cgroup_joined, cgroup_made; /* struct cgroup's */
	char *systemd_unit;                  /* NULL: the cgroup was made without systemd */
	bool systemd_user;                   /* of the user's systemd */
	struct rdt rdt;                      /* its Intel RDT class, and what of it is ours */
	bool has_terminal;
	bool shares_mounts;  /* its root is a chroot in a mount namespace that is not its own */
	uint32_t namespaces; /* CLONE_NEW*: those that are not the caller's of create */
	struct oci_keyval *annotations;
	size_t n_annotations;
	struct oci_hooks poststart, poststop; /* what must not change after create */
};
#define AUTO_STATE __attribute__((cleanup(runtime_state_done))) struct runtime_state

/* E_NOT_FOUND when there is no such container. ret is initialised here. */
int runtime_state(int state_root_fd, const char *id, struct runtime_state *ret, struct err *err);
void runtime_state_done(struct runtime_state *s);
/* The specification's state JSON ("ociVersion", "id", "status", "pid", "bundle", ...). */
char *runtime_state_format(const struct runtime_state *s, bool pretty);
/* Ids of all containers below state_root_fd, sorted. */
int runtime_list(int state_root_fd, struct strv *ret_ids, struct err *err);

enum runtime_kill_flags {
	RUNTIME_KILL_ALL = 1u << 0, /* every process of the container's cgroup */
};
/* E_STATE when it is stopped (with RUNTIME_KILL_ALL: fine, leftovers are signalled). */
int runtime_kill(int state_root_fd, const char *id, int signal, unsigned flags, struct err *err);
/* Remove a stopped container: cgroup, poststop hooks, state. force: kill it first, and no error
 * when it does not exist. 1: it is removed, but a poststop hook failed, as *err says. */
int runtime_delete(int state_root_fd, const char *id, bool force, struct err *err);

/* Have lines end in a newline alone, for who copies a container's terminal to a file, a pipe or
 * another terminal. Before the program is started, which may change it again. */
void runtime_terminal_plain(int master_fd);

struct runtime_exec_args {
	const char *id;
	int state_root_fd;
	const struct oci_process *process;
	/* The container's configuration, for its seccomp profile; NULL: the saved one, if any. */
	const struct oci_spec *spec;
	int stdio[3];
	const char *console_socket;
	unsigned preserve_fds;
	unsigned listen_fds; /* of those: the first n are socket-activation descriptors */
	/* "PATH" or "CONTROLLER[,CONTROLLER...]:PATH" below the container's cgroup; NULL: itself */
	const struct strv *cgroups;
	bool ignore_paused;
	bool plain_terminal; /* runtime_terminal_plain() before the program is executed */
};

/* Run another process in the container. On success it has executed its program; it is a child of
 * the caller (ret->pid, ret->pidfd, ret->console_fd). */
int runtime_exec(const struct runtime_exec_args *args, struct runtime_container *ret,
                 struct err *err);

/* Mount spec->mounts (all or none) in a container that has been created, or unmount what lies on
 * their destinations, the last first. Nothing else of spec is looked at. E_UNSUPPORTED for procfs
 * and cgroups. */
int runtime_mounts(int state_root_fd, const char *id, struct oci_spec *spec, bool remove,
                   struct err *err);
int runtime_pause(int state_root_fd, const char *id, struct err *err);
int runtime_resume(int state_root_fd, const char *id, struct err *err);
/* Change limits; fields that are OCI_UNSET, NULL or empty stay as they are. */
int runtime_update(int state_root_fd, const char *id, const struct oci_resources *r,
                   struct err *err);
/* Other schemata for its Intel RDT class; NULL: as it is. */
int runtime_update_rdt(int state_root_fd, const char *id, const char *l3, const char *mem_bw,
                       struct err *err);
/* Pids (in the caller's pid namespace) of all processes of the container. The caller frees. */
int runtime_ps(int state_root_fd, const char *id, pid_t **ret_pids, size_t *ret_count,
               struct err *err);
/* Open the container's cgroup, for cgroup_stats() and cgroup_oom_event_fd(). */
int runtime_cgroup(const struct runtime_state *s, struct cgroup *ret, struct err *err);

/* Whether an id is usable: [A-Za-z0-9_+-][A-Za-z0-9_+.-]*, at most 1024 bytes. */
bool runtime_id_is_valid(const char *id);
