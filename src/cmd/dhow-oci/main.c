/* dhow-oci: an OCI runtime with the command line of runc and crun. */
#include "oci.h"

#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <sys/stat.h>
#include <sys/utsname.h>

#include "base/fd.h"
#include "base/log.h"
#include "base/xalloc.h"
#include "runtime/plan-steps.h"

/* clang-format off */
#define G(field) OPT(struct oci_globals, field)
static const struct opt global_options[] = {
	{ "root", 0, OPT_STR, G(root), "DIR", "where the state of containers is kept", 0, COMPLETE_DIR },
	{ "log", 0, OPT_STR, G(log), "FILE", "append errors to this file, too", 0, COMPLETE_FILE },
	{ "log-format", 0, OPT_STR, G(log_format), "FORMAT", "text or json (default text)", 0, 0 },
	{ "log-level", 0, OPT_STR, G(log_level), "LEVEL", "error, warn, info or debug (default warn)", 0, 0 },
	{ "debug", 0, OPT_BOOL, G(debug), NULL, "log what is done", 0, 0 },
	{ "systemd-cgroup", 0, OPT_BOOL, G(systemd_cgroup), NULL, "let systemd make the cgroup (the same as --cgroup-manager systemd)", 0, 0 },
	{ "cgroup-manager", 0, OPT_STR, G(cgroup_manager), "MANAGER", "cgroupfs, systemd or disabled (default cgroupfs)", 0, 0 },
	{ "rootless", 0, OPT_STR, G(rootless), "WHEN", "auto, true or false; it is found out by trying", OPT_HIDDEN, 0 },
	{ "version", 'v', OPT_BOOL, G(version), NULL, "print the version and exit", 0, 0 },
	OPT_END
};

const struct command oci_commands[] = {
	{ "create", NULL, "ID", "make a container that waits to be started", { oci_create_options }, 1, 1, .run = cmd_create },
	{ "start", NULL, "ID", "start the program of a created container", { NULL }, 1, 1, .run = cmd_start },
	{ "run", NULL, "ID", "create and start a container, wait for it and delete it", { oci_run_options }, 1, 1, .run = cmd_run },
	{ "exec", NULL, "ID [COMMAND [ARG...]]", "run another program in a container", { oci_exec_options }, 1, -1, .stop_at_args = true, .run = cmd_exec },
	{ "state", NULL, "ID", "print the state of a container as JSON", { NULL }, 1, 1, .run = cmd_state },
	{ "list", "ls", "", "list containers", { oci_list_options }, 0, 0, .run = cmd_list },
	{ "ps", NULL, "ID [-- PS-OPTION...]", "list the processes of a container", { oci_ps_options }, 1, -1, .stop_at_args = true, .run = cmd_ps },
	{ "kill", NULL, "ID [SIGNAL]", "send a signal to a container (default TERM)", { oci_kill_options }, 1, 2, .run = cmd_kill },
	{ "delete", NULL, "ID...", "remove stopped containers", { oci_delete_options }, 1, -1, .run = cmd_delete },
	{ "pause", NULL, "ID", "freeze all processes of a container", { NULL }, 1, 1, .run = cmd_pause },
	{ "resume", NULL, "ID", "thaw a paused container", { NULL }, 1, 1, .run = cmd_resume },
	{ "update", NULL, "ID", "change the limits of a container", { oci_update_options }, 1, 1, .run = cmd_update },
	{ "mounts", NULL, "add|remove ID FILE", "mount in a running container, or unmount, by a JSON list of mounts", { NULL }, 3, 3, .run = cmd_mounts },
	{ "events", NULL, "ID", "print figures of a container, once or at intervals", { oci_events_options }, 1, 1, .run = cmd_events },
	{ "checkpoint", NULL, "ID", "save a running container to files, by criu", { oci_checkpoint_options }, 1, 1, .run = cmd_checkpoint },
	{ "restore", NULL, "ID", "make a container from the files of a checkpoint, and wait for it", { oci_restore_options }, 1, 1, .run = cmd_restore },
	{ "spec", NULL, "", "write an example config.json", { oci_spec_options }, 0, 0, .run = cmd_spec },
	{ "features", NULL, "", "print what this runtime supports as JSON", { NULL }, 0, 0, .run = cmd_features },
	{ NULL }
};
/* clang-format on */

int oci_parse(struct cmd_ctx *ctx, const struct command *self, void *values, int argc, char **argv,
              struct strv *ret_args)
{
	return opt_parse(self, "dhow-oci", values, argc, argv, ret_args, &ctx->err);
}

int oci_root(struct cmd_ctx *ctx)
{
	const char *path = ctx->globals.root, *xdg = getenv("XDG_RUNTIME_DIR");
	AUTO_FREE char *made = NULL;

	if (ctx->root_fd >= 0)
		return ctx->root_fd;
	if (!path && geteuid() != 0 && xdg && *xdg)
		path = made = xasprintf("%s/dhow-oci", xdg);
	else if (!path && geteuid() != 0)
		path = made = xasprintf("/tmp/dhow-oci-%u", geteuid());
	else if (!path)
		path = "/run/dhow-oci";
	ctx->root_fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (ctx->root_fd < 0 && errno == ENOENT &&
	    dir_make_at(AT_FDCWD, path, 0700, &ctx->err) == 0)
		ctx->root_fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (ctx->root_fd < 0)
		return err_sys(&ctx->err, errno, "open the state root '%s'", path);
	return ctx->root_fd;
}

int oci_write_file(const char *path, const char *text, struct err *err)
{
	AUTO_FREE char *dir = xstrdup(path);
	char *slash = strrchr(dir, '/');
	AUTO_FD fd = -1;

	if (slash)
		*slash = '\0';
	fd = dir_open_at(AT_FDCWD, !slash ? "." : slash == dir ? "/" : dir, err);
	if (fd < 0)
		return -1;
	return file_write_atomic_at(fd, slash ? path + (slash - dir) + 1 : path, text, strlen(text),
	                            0644, 0, err);
}

int oci_write_pid(const char *path, pid_t pid, struct err *err)
{
	char text[16];

	if (!path)
		return 0;
	snprintf(text, sizeof(text), "%d", pid);
	return oci_write_file(path, text, err) < 0 ? err_ctx(err, "write the pid file") : 0;
}

int oci_read_file(const char *path, char **ret, size_t *ret_len, struct err *err)
{
	AUTO_FD fd = -1;

	if (strcmp(path, "-") == 0)
		return fd_read_all(0, 16u << 20, ret, ret_len, err);
	/* Shells hand over what a program prints as a pipe: <(...) */
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return err_sys(err, errno, "open '%s'", path);
	return fd_read_all(fd, 16u << 20, ret, ret_len, err);
}

int oci_print_steps(struct json_object *steps, const char *id, const char *format, struct err *err)
{
	AUTO_JSON *root = NULL;
	AUTO_FREE char *text = NULL;

	if (!format || strcmp(format, "text") == 0) {
		text = plan_steps_text(steps);
		fputs(text, stdout);
		return 0;
	}
	if (strcmp(format, "json") != 0)
		return err_set(err, E_INVALID, "option --format: '%s' is neither text nor json",
		               format);
	root = json_object_new_object();
	json_add_str(root, "id", id);
	json_object_object_add(root, "steps", json_object_get(steps));
	puts(json_text(root, true));
	return 0;
}

static int setup_log(struct cmd_ctx *ctx, int *ret_fd)
{
	const struct oci_globals *g = &ctx->globals;
	enum log_level level = g->debug ? LOG_DEBUG : LOG_WARN;
	enum log_format format = LOG_FORMAT_TEXT;

	if (g->log_level && log_level_parse(g->log_level, &level) < 0)
		return err_set(&ctx->err, E_INVALID, "option --log-level: '%s' is not a level",
		               g->log_level);
	if (g->log_format && strcmp(g->log_format, "json") == 0)
		format = LOG_FORMAT_JSON;
	else if (g->log_format && strcmp(g->log_format, "text") != 0)
		return err_set(&ctx->err, E_INVALID,
		               "option --log-format: '%s' is neither text nor json", g->log_format);
	*ret_fd = STDERR_FILENO;
	if (g->log && *g->log) {
		const char *path = strncmp(g->log, "file:", 5) == 0 ? g->log + 5 : g->log;

		*ret_fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
		if (*ret_fd < 0)
			return err_sys(&ctx->err, errno, "option --log: open '%s'", path);
	}
	log_init("dhow-oci", *ret_fd, level, format);
	return 0;
}

static int check_globals(struct cmd_ctx *ctx)
{
	const struct oci_globals *g = &ctx->globals;

	if (g->rootless && strcmp(g->rootless, "auto") != 0 && strcmp(g->rootless, "true") != 0 &&
	    strcmp(g->rootless, "false") != 0)
		return err_set(&ctx->err, E_INVALID,
		               "option --rootless: '%s' is not auto, true or false", g->rootless);
	if (g->cgroup_manager && strcmp(g->cgroup_manager, "cgroupfs") != 0 &&
	    strcmp(g->cgroup_manager, "systemd") != 0 && strcmp(g->cgroup_manager, "disabled") != 0)
		return err_set(&ctx->err, E_INVALID,
		               "option --cgroup-manager: '%s' is not cgroupfs, systemd or disabled",
		               g->cgroup_manager);
	return 0;
}

static int unknown_command(struct cmd_ctx *ctx, const char *name)
{
	const char *near = command_suggest(oci_commands, name);

	err_set(&ctx->err, E_INVALID, "unknown command '%s'", name);
	return near ? err_hint(&ctx->err, "did you mean '%s'?", near)
	            : err_hint(&ctx->err, "see 'dhow-oci --help'");
}

static int dispatch(struct cmd_ctx *ctx, int argc, char **argv, int *log_fd)
{
	const struct command *cmd;
	int first = 0;
	int r = opt_parse_globals(global_options, "dhow-oci", &ctx->globals, argc, argv, &first,
	                          &ctx->err);

	if (r < 0 || (r == 0 && (setup_log(ctx, log_fd) < 0 || check_globals(ctx) < 0)))
		return -1;
	if (ctx->globals.version) {
		puts("dhow-oci version " DHOW_VERSION);
		puts("spec: " OCI_VERSION);
		return 0;
	}
	if (r > 0 || first >= argc || strcmp(argv[first], "help") == 0) {
		program_print_help("dhow-oci", "an OCI container runtime", oci_commands,
		                   global_options, first >= argc && !r ? stderr : stdout);
		return first >= argc && !r ? 1 : 0;
	}
	cmd = command_find(oci_commands, argv[first]);
	if (!cmd)
		return unknown_command(ctx, argv[first]);
	return cmd->run(ctx, cmd, argc - first, argv + first);
}

/* A fault of the configuration: where the specification says what is right. */
static void explain(struct err *err)
{
	const char *section = oci_spec_section(err->msg);

	if (section && !err->hint[0] && (err->code == E_INVALID || err->code == E_UNSUPPORTED))
		err_hint(err, "runtime specification, %s", section);
}

int main(int argc, char **argv)
{
	struct cmd_ctx ctx = { .err = ERR_INIT, .root_fd = -1, .failure_status = 1 };
	int log_fd = STDERR_FILENO, r;

	mallopt(M_TOP_PAD, 512 << 10); /* one request to the kernel instead of many */
	r = dispatch(&ctx, argc, argv, &log_fd);
	if (r >= 0)
		return r;
	explain(&ctx.err);
	log_err(&ctx.err);
	/* Callers read the log file; people read standard error. */
	if (log_fd != STDERR_FILENO) {
		log_init("dhow-oci", STDERR_FILENO, LOG_WARN, LOG_FORMAT_TEXT);
		log_err(&ctx.err);
	}
	/* runc's, but an exec or run that finds no program tells so */
	return ctx.err.code == E_NO_COMMAND ? 127
	       : ctx.err.code == E_NOT_EXEC ? 126
	                                    : ctx.failure_status;
}
