/* dhow-oci: what its command files share. */
#pragma once
#include "base/err.h"
#include "base/opt.h"
#include "codec/json.h"
#include "runtime/runtime.h"

struct oci_globals {
	const char *root;
	const char *log;
	const char *log_format;
	const char *log_level;
	const char *cgroup_manager;
	const char *rootless;
	bool debug, systemd_cgroup, version;
};

/* A command returns its exit status, or -1 with `err` filled in. */
struct cmd_ctx {
	struct err err;
	struct oci_globals globals;
	int root_fd;        /* -1 until oci_root() */
	int failure_status; /* of a failure of our own: 1, but 255 of exec, as runc has it */
};

/* The directory of container directories, made when it is missing. -1: ctx->err. */
int oci_root(struct cmd_ctx *ctx);
/* opt_parse(); 1 when help was printed. */
int oci_parse(struct cmd_ctx *ctx, const struct command *self, void *values, int argc, char **argv,
              struct strv *ret_args);
/* Replace a file by this text (pid files). */
int oci_write_file(const char *path, const char *text, struct err *err);
int oci_read_file(const char *path, char **ret, size_t *ret_len, struct err *err);
int oci_write_pid(const char *path, pid_t pid, struct err *err);
/* Be init's (or an exec's) foreground: relay the terminal and signals until it ends. Returns its
 * exit status. console_fd: the terminal's master, or -1. Reaps pid. */
int oci_foreground(pid_t pid, int pidfd, int console_fd);
/* The steps of a --dry-run. format: "text" (or NULL) or "json". */
int oci_print_steps(struct json_object *steps, const char *id, const char *format, struct err *err);
/* Mappings for a new user namespace that has none. */
void oci_default_idmaps(struct oci_spec *spec);
/* Descriptors to pass on: --preserve-fds and what socket activation gave us. Refused when one of
 * --preserve-fds was not inherited. */
int oci_listen_fds(uint64_t preserve, unsigned *ret_listen, unsigned *ret_total, struct err *err);
/* annotations.c: put what annotations ask for into the configuration. pidfd_socket: or NULL. */
int oci_annotations_apply(struct oci_spec *spec, const char **pidfd_socket, struct err *err);
extern const char *const oci_annotation_names[]; /* for `features`; the last is NULL */
/* notify.c: sd_notify from inside. Nothing happens where the environment has no NOTIFY_SOCKET. */
int oci_notify_prepare(struct oci_spec *spec, int root_fd, const char *id, struct err *err);
/* What the container will write to; *ret_fd is -1 when nobody asked. */
int oci_notify_open(int root_fd, const char *id, int *ret_fd, struct err *err);
/* Until READY has been passed on, with `pid` as the one to watch, or the process has ended. */
void oci_notify_wait(int fd, pid_t pid, int pidfd);
/* The same in a process of its own. */
void oci_notify_fork(int fd, pid_t pid, int pidfd);
void oci_notify_remove(int root_fd, const char *id);
/* stats.c: a container's figures, in runc's format; the caller puts it. */
struct json_object *stats_format(struct cgroup *cg);
/* Send a pidfd to a unix socket; path NULL: nobody asked for it. */
int oci_send_pidfd(const char *path, int pidfd, struct err *err);

/* cmd-create.c, also for restore */
struct create_values {
	const char *bundle, *config, *console_socket, *pidfd_socket, *pid_file;
	const char *format;
	bool no_pivot, no_new_keyring, no_subreaper, detach, keep, dry_run;
	uint64_t preserve_fds;
};

struct bundle {
	int fd;
	char *path;
	struct oci_spec spec;
};

void bundle_done(struct bundle *b);
int bundle_load(struct bundle *b, struct create_values *v, struct err *err);
/* Without the state root. flags: enum runtime_create_flags, besides those of the options. */
struct runtime_create_args create_args(const struct cmd_ctx *ctx, const struct create_values *v,
                                       const char *id, const struct bundle *b, unsigned flags);

extern const struct command oci_commands[];

#define COMMAND(name)                                                                              \
	int name(struct cmd_ctx *ctx, const struct command *self, int argc, char **argv)
COMMAND(cmd_create);
COMMAND(cmd_run);
COMMAND(cmd_start);
COMMAND(cmd_spec);
COMMAND(cmd_exec);
COMMAND(cmd_state);
COMMAND(cmd_list);
COMMAND(cmd_kill);
COMMAND(cmd_delete);
COMMAND(cmd_ps);
COMMAND(cmd_pause);
COMMAND(cmd_resume);
COMMAND(cmd_mounts);
COMMAND(cmd_update);
COMMAND(cmd_events);
COMMAND(cmd_features);
COMMAND(cmd_checkpoint);
COMMAND(cmd_restore);

extern const struct opt oci_create_options[], oci_run_options[], oci_exec_options[],
	oci_spec_options[], oci_list_options[], oci_kill_options[], oci_delete_options[],
	oci_checkpoint_options[], oci_restore_options[], oci_ps_options[], oci_update_options[],
	oci_events_options[];
