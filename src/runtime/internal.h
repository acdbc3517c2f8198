/* Shared by the files of the runtime: one creation (or exec) under way.
 *
 * Caller and new process talk over a pair of sequenced-packet sockets, one byte per message:
 *
 *   caller                                     new process
 *                                    <-----   'u' user namespace is made (by a stage)
 *   'm' user namespace is mapped      ----->   (only with a new one) becomes its root
 *   'c' cgroup is ready, with a file
 *       to enter it for each hierarchy ---->   enters, makes its cgroup namespace, mounts cgroups
 *                                     <-----   'h' namespaces and mounts are there
 *   'h' createRuntime hooks have run  ----->   (only when there are such hooks) pivots
 *                                     <-----   't' the terminal's master, as a descriptor
 *                                     <-----   'r' ready
 *   'd' the state is written          ----->   (not with START_BY_FD) waits at the start socket
 *   's' start                         ----->   (START_BY_FD; else by the start socket, which
 *                                              answers 'k') executes
 *                                   <-----   'n' the seccomp listener, for its agent (only with
 * 'n' the agent has it              ----->       SCMP_ACT_NOTIFY: seccomp-notify.c)
 * At any time the new process may send 'e' and a struct err, and end. An execve that fails is an
 * 'x', errno and the path (stage/stage.c); one that succeeds closes the socket. */
#pragma once
#include "runtime/attributes.h"
#include "runtime/isolator.h"
#include "runtime/lsm.h"
#include "runtime/plan.h"
#include "runtime/rdt.h"
#include "runtime/systemd-scope.h"

struct runtime_sandbox {
	const struct runtime_create_args *args;
	const struct oci_spec *spec;
	struct plan plan;
	struct cgroup cgroup;
	int state_dir_fd;
	int sync_fd;                 /* the caller's end */
	int child_sync_fd;           /* the new process's end */
	struct netdevs *netdevs;     /* interfaces that have been moved; NULL: none are wanted */
	int shared_root_fd;          /* the root, attached, where mounts are shared; or -1 */
	int listen_fd;               /* of the start socket; -1 with RUNTIME_START_BY_FD */
	int ns_fds[OCI_NS_MAX];      /* to join; -1: none */
	unsigned ns_joined;          /* 1 << OCI_NS_*: joined before the user namespace was */
	int *mount_sources;          /* per plan mount: opened by the caller, or -1 */
	bool cgroup_ready;           /* in the new process: 'c' has been seen */
	unsigned cgroup_hierarchies; /* that it will have joined; decided before the clone */
	bool made_dir;
	bool ran_hooks; /* of the caller's side: their ends are owed, too */
	struct rdt rdt;
	struct scope scope; /* with the systemd cgroup manager */
	pid_t pid;
	int pidfd;
	int console_fd;
};

/* sync.c */
int sync_pair(int ret_fds[2]);
int sync_send(int fd, char what);
/* The same for who reads answers next: that the peer has ended is no error here, since its last
 * message says why. */
int sync_tell(int fd, char what, struct err *err);
int sync_send_fd(int fd, char what, int passed_fd);
#define SYNC_FDS_MAX 16
int sync_send_fds(int fd, char what, const int *passed, size_t n);
void sync_send_err(int fd, const struct err *err);
/* Next message: its byte, 0 at end of file, -1 with *err (an 'e' message becomes that error).
 * *ret_fd: a descriptor that came with it, or -1; NULL: none is expected. */
int sync_receive(int fd, int *ret_fd, struct err *err);
/* Wait for exactly this message. */
int sync_expect(int fd, char what, struct err *err);
/* The same, with at most *n_fds descriptors, which become the caller's; *n_fds: how many. */
int sync_expect_fds(int fd, char what, int *fds, size_t *n_fds, struct err *err);

/* create-cgroup.c: before the clone, after it, and when the new process is ready. */
int create_cgroup_prepare(struct runtime_sandbox *s, unsigned *ret_wanted, struct err *err);
int create_cgroup_join(struct runtime_sandbox *s, unsigned wanted, struct err *err);
int create_cgroup_delegate(struct runtime_sandbox *s, struct err *err);

/* enter-cgroup.c: both sides of 'c'. The caller opens the doors of `cg` in the hierarchies of
 * `controllers` (sys/cgroup.h) and sends them; the new process, of one thread, goes through. */
int cgroup_send(int sync_fd, struct cgroup *cg, unsigned controllers, struct err *err);
int cgroup_receive(int child_sync_fd, struct err *err);

/* create.c: the hierarchies (CGROUP_BIT) that the container joins. */
unsigned create_hierarchies(const struct runtime_sandbox *s);
/* For restore.c, which does the same with another first process. */
void sandbox_init(struct runtime_sandbox *s, const struct runtime_create_args *args);
void sandbox_done(struct runtime_sandbox *s);
void sandbox_undo(struct runtime_sandbox *s); /* after a failure, in reverse */
int make_state_dir(struct runtime_sandbox *s, struct err *err);
int save_config(struct runtime_sandbox *s, struct err *err);

/* init.c: the new process. Never returns. */
void init_main(struct runtime_sandbox *s) NORETURN;
/* Wait for 'c' (once), then make the cgroup namespace. */
int init_wait_cgroup(struct runtime_sandbox *s, struct err *err);

/* join.c */
/* Open the namespaces to join, and see that they are what they are said to be. */
int ns_open_all(struct runtime_sandbox *s, struct err *err);
int ns_check_type(int fd, int flag, const char *path, struct err *err);
/* Join the namespaces given as descriptors, user first, but for those in skip (1 << OCI_NS_*). */
int ns_join_all(const int fds[OCI_NS_MAX], unsigned skip, struct err *err);
/* Join those that our present rights suffice for, before they are given up for those of another
 * user namespace; notes them in s->ns_joined. */
int ns_join_before_user(struct runtime_sandbox *s, struct err *err);

/* init-mounts.c: root file system, mounts, devices, masks. In the new process. */
int init_mount_root(struct runtime_sandbox *s, int *ret_root_fd, struct err *err);
int init_mount_all(struct runtime_sandbox *s, int *root_fd, struct err *err);
int init_pivot(struct runtime_sandbox *s, int root_fd, struct err *err);
int init_hide_paths(struct runtime_sandbox *s, struct err *err);
/* init-copy.c: regular files, directories and links with owner and mode; 0 or -errno. */
int init_copy_tree(int from_fd, int to_fd);
/* init-dev.c */
int init_devices(struct runtime_sandbox *s, int root_fd, struct err *err);
/* Bind the terminal on /dev/console below dev_fd. 0 or -errno. */
int init_bind_console(int dev_fd, int slave_fd);
/* cgroup mounts: init-cgroup.c */
int init_mount_cgroup(struct runtime_sandbox *s, const struct plan_mount *m, int root_fd,
                      struct err *err);

/* process.c: what a container's first process and an exec have in common. */
struct process_context {
	const struct oci_process *process;
	const struct sock_filter *filter;
	unsigned short filter_len;
	unsigned filter_flags;
	const struct oci_landlock *landlock; /* NULL: none */
	int landlock_fd;                     /* opened by process_prepare(); -1: none */
	const struct oci_seccomp *seccomp;   /* who gets the listener */
	const struct lsm *lsm;               /* labels to execute with; NULL: none */
	unsigned preserve_fds, listen_fds;
	/* In a new user namespace the process cannot raise its limits; the caller may. */
	bool limits_by_caller;
	char *exe;    /* found by process_prepare() */
	int stage_fd; /* opened by process_prepare() */
};
/* Controlling terminal or stdio onto 0..2. slave_fd: the terminal's end, or -1. */
int process_stdio(const struct oci_process *p, const int stdio[3], int slave_fd, struct err *err);
/* User, groups, bounding set, working directory; finds the program. */
int process_prepare(struct process_context *c, struct err *err);
/* Capabilities, seccomp, execve. Returns only on failure; one of the container's program itself is
 * reported by the stage on report_fd, with an 'x' message. */
int process_execute(struct process_context *c, int report_fd, struct err *err);
/* Resource limits of a process (0: this one); late: those that would hinder us before execve. */
int process_limits(const struct oci_process *p, pid_t pid, bool late, struct err *err);
/* Of this process, while it still sees the host's /proc and is dumpable. */
int process_oom_score(const struct oci_process *p, struct err *err);
/* The same restrictions for a child of this process, which executes something else: no_new_privs,
 * capabilities, Landlock, seccomp (what would notify an agent fails with ENOSYS). */
int process_confine(const struct process_context *c, struct err *err);
void process_reset_signals(void);
/* Close all descriptors from this one upwards but for those (-1: none). Before the process waits
 * for its caller: what is only close-on-exec could be had by who gets to look into it meanwhile. */
int process_keep_fds(unsigned from, const int *keep, size_t n, struct err *err);
int process_personality(const struct oci_linux *l, struct err *err);

/* landlock.c: a ruleset of what the kernel has of this, rules opened inside "/". *ret_fd -1: the
 * kernel has none of it, and best effort is enough. */
int landlock_prepare(const struct oci_landlock *l, int *ret_fd, struct err *err);
int landlock_apply(const struct oci_landlock *l, int fd, struct err *err);
/* seccomp-notify.c: install a filter with SCMP_ACT_NOTIFY, and give its listener to the agent. */
int seccomp_notify_install(const struct process_context *c, const struct sock_fprog *prog,
                           int report_fd, struct err *err);
struct exec_wait {
	int state_root_fd;
	const char *id;
	pid_t exec_pid; /* 0: the container's first process */
};
/* The caller's last step: until the program is executed, or could not be. */
int sync_wait_exec(int sync_fd, const struct exec_wait *w, struct err *err);

/* stage.c: the sealed program between the runtime and the container's (CVE-2019-5736). */
int stage_open(struct err *err); /* its descriptor, or -1 */
/* Its argv (the caller frees argv[0] and argv): where it reports a failure, what it executes. */
char **stage_argv(int report_fd, const char *exe, const struct strv *args);
/* Returns only on failure, with errno. */
void stage_exec(int stage_fd, char *const *argv, char *const *envp);

/* exec-cgroup.c: open what args->cgroups names, or the container's own. */
int exec_cgroup(const struct runtime_exec_args *a, const struct runtime_state *st,
                struct cgroup *ret, struct err *err);
/* Where to go when the kernel refused (errno_value) to let a process be born there: to the cgroup
 * of the container's first process, where the container has handed controllers on to cgroups of its
 * own, or, for a user who may not write into the scope from outside, wherever systemd puts it. -1:
 * nowhere. */
int exec_cgroup_elsewhere(const struct runtime_state *st, int errno_value, struct cgroup *cg,
                          bool *ret_by_systemd);

/* exec.c: what cannot be executed, refused by its JSON path. */
int exec_check(const struct oci_process *p, struct err *err);

/* hide-exe.c: /proc/PID/exe of this process becomes the stage. Before other processes can see it.
 */
int hide_exe(struct err *err);

/* terminal.c */
/* Open a new terminal on the devpts at `pts_dir_fd`/ptmx; size it, give it to the user. */
int terminal_open(int pts_fd, const struct oci_process *p, int *ret_master, int *ret_slave,
                  struct err *err);
/* Send the master to a unix socket, as runc does: its name is the message. */
int terminal_send(const char *socket_path, int master_fd, struct err *err);

/* hooks.c */
/* Where a hook runs, and where its output goes: NULL is as we are, and nowhere (of standard error
 * the end goes into the error). */
struct hook_place {
	const char *bundle, *out_path, *err_path;
	/* Of a hook whose program is the container's: what holds for its process. NULL: nothing. */
	const struct process_context *confined;
};
/* By crun's annotations run.oci.hooks.stdout and stderr. Borrows. */
struct hook_place hook_place(const char *bundle, const struct oci_keyval *annotations, size_t n);
int hooks_run(const struct oci_hooks *hooks, const char *what, const struct hook_place *place,
              const char *state_json, struct err *err);
/* All of them, also after one that failed; the first failure is reported. */
int hooks_run_all(const struct oci_hooks *hooks, const char *what, const struct hook_place *place,
                  const char *state_json, struct err *err);

/* netdev.c: linux.netDevices, by the caller, once the network namespace is there */
int netdevs_move(struct runtime_sandbox *s, struct err *err);
/* Back to where they were, while the network namespace still is. */
void netdevs_undo(struct runtime_sandbox *s);
void netdevs_done(struct netdevs *n);

/* mount-source.c: descriptors of the trees that are bound */
/* The caller's part: those that the new process could not open itself, and idmapped ones. */
int mount_sources_open(struct runtime_sandbox *s, struct err *err);
/* The new process's: those that have to be taken before the host's mounts are cut off. */
int mount_sources_early(struct runtime_sandbox *s, bool only_shared, struct err *err);
int mount_source_open(struct runtime_sandbox *s, const struct plan_mount *pm, struct err *err);
/* The one that was opened early, now the caller's to close; or -1. */
int mount_source_take(struct runtime_sandbox *s, const struct plan_mount *pm);

/* init-mount-rare.c: what few configurations ask for */
/* Make the link that the source is. 1: done; 0: the source is no link. */
int init_copy_symlink(struct runtime_sandbox *s, const struct plan_mount *pm, int root_fd,
                      struct err *err);
int init_remount(const struct plan_mount *pm, int root_fd, struct err *err);
/* Whether an option can only be told to mount(2), and the mount made that way: a descriptor of it,
 * attached on target_fd. */
bool init_needs_legacy(const struct plan_mount *pm);
int init_mount_legacy(const struct plan_mount *pm, int root_fd, int target_fd, struct err *err);
/* The target of a bind of this type of file, with dest-nofollow. -errno. */
int init_open_target_nofollow(int root_fd, const char *path, mode_t type);

/* shared-root.c: a container without a mount namespace of its own */
/* Attach the root on its directory, in the namespace that is shared or joined; does nothing for
 * other containers. Undone by shared_root_remove(). */
int shared_root_make(struct runtime_sandbox *s, struct err *err);
/* Take it away; fine when there is none. */
int shared_root_remove(int state_dir_fd, struct err *err);
/* For exec: the root of its process, before and after the namespaces are joined. -errno. */
int shared_root_open(const struct runtime_state *st);
int shared_root_enter(int root_fd);

/* state.c */
/* A path of the configuration, relative to the bundle, as an absolute one. The caller frees. Always
 * by path: a descriptor of the caller's belongs to its mount namespace and cannot be cloned in
 * ours. */
char *bundle_path(const struct runtime_create_args *args, const char *path);
int state_dir_open(int state_root_fd, const char *id, struct err *err);
int state_write(const struct runtime_sandbox *s, struct err *err);
/* What state_write() wrote, checked; what the kernel says about it (status) is not asked for. */
int state_parse(const char *text, size_t len, struct runtime_state *ret, struct err *err);
/* The state JSON of a container under construction, for hooks. */
char *state_format_creating(const struct runtime_sandbox *s, enum runtime_status status, pid_t pid);

/* resources.c */
/* Write limits into the joined hierarchies. what: "linux.resources", for errors. */
int resources_apply(struct cgroup *cg, const struct oci_resources *r, struct err *err);
/* devices.c: device rules, by eBPF on v2 or the devices controller of v1. */
int device_rules_apply(struct cgroup *cg, const struct oci_resources *r, struct err *err);
/* The same for a container that has rules: in their place. */
int device_rules_update(struct cgroup *cg, const struct oci_resources *r, struct err *err);
bool device_rules_by_bpf(void);
