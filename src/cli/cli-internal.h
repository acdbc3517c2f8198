/* cli-internal: what the command files share. */
#pragma once
#include "base/err.h"
#include "base/opt.h"
#include "engine/engine.h"
#include <json-c/json.h>
#include <signal.h>
#include <stdbool.h>

/* The options before the command. */
struct cli_globals {
	const char *root;    /* NULL: the default of the user */
	const char *runroot; /* NULL: the default of the user */
	const char *log_level;
	const char *log_format;
	bool debug;
	bool version;
};

/* One run of the program. A command returns its exit status, or -1 with `err` filled in, which
 * cli_main() prints. A command that goes on after an error on one of several objects prints it
 * with cli_report(). */
struct cmd_ctx {
	struct err err;
	struct cli_globals globals;
	const char *program; /* "dhow", or "dhow volume" inside a group */
	int reported;        /* exit status of what cli_report() printed; 0: nothing */
	bool opened;         /* engine is open */
	struct engine engine;
};

/* opt_parse() with the program's name in place. 0: go on; 1: help was printed; -1: ctx->err. */
int cli_parse(struct cmd_ctx *ctx, const struct command *self, void *values, int argc, char **argv,
              struct strv *ret_args);
/* What a command returns when cli_parse() did not return 0. */
static inline int cli_parsed(int r)
{
	return r < 0 ? -1 : 0;
}
/* Print ctx->err now and remember its exit status in ctx->reported. */
void cli_report(struct cmd_ctx *ctx);

/* The engine, opened on first use (as an ordinary user: in their user namespace). NULL: ctx->err.
 */
struct engine *cli_engine(struct cmd_ctx *ctx);
/* Its image store. NULL: ctx->err. */
struct image_store *cli_images(struct cmd_ctx *ctx);

/* Call fn for each of args, print what succeeded, report what failed and go on.
 * fn returns 0, 1 (nothing was to be done), or -1 with ctx->err. Returns 0 (ctx->reported tells),
 * or -1 without an engine. */
typedef int (*cli_ref_fn)(struct cmd_ctx *ctx, const char *ref, void *arg);
int cli_each(struct cmd_ctx *ctx, const struct strv *args, cli_ref_fn fn, void *arg);
/* args, or with `all` the ids of every container in one of the states of the mask
 * (1u << enum container_status). Refuses both together, and neither. */
int cli_choose(struct cmd_ctx *ctx, const struct command *self, const struct strv *args, bool all,
               unsigned states, struct strv *ret);

/* SIGINT and SIGTERM ask a long operation to stop: between these two calls they set the flag that
 * cli_cancelled() points at instead of ending the program. */
void cli_catch_signals(void);
void cli_release_signals(void);
const volatile sig_atomic_t *cli_cancelled(void);

/* What `run`, `start -a` and `attach` return; says so on the terminal when the user detached. */
int cli_attached(const struct start_result *result, const char *ref);

/* "label=x" style filters: the value when `filter` has the key, else NULL. */
const char *cli_filter_value(const char *filter, const char *key);
/* Refuse filters whose key is not in `known` (comma-separated). */
int cli_check_filters(struct cmd_ctx *ctx, const struct strv *filters, const char *known);
/* "2026-11-22 13:59:25 +0000 UTC", as docker writes times in listings; "" for 0. */
const char *cli_time_text(int64_t realtime_ns, char *buf, size_t size);
/* "3 minutes ago"; "N/A" for 0. */
const char *cli_ago_text(int64_t realtime_ns, char *buf, size_t size);
/* 1: do it (force, or the answer on standard input is yes), 0: no, -1: there was no answer. */
int cli_confirm(struct cmd_ctx *ctx, bool force, const char *question);
/* id without "sha256:", cut to 12 digits unless no_trunc (then whole). Points into id or buf. */
const char *cli_short_id(const char *id, bool no_trunc, char buf[13]);

struct container_options;
/* Have the image of a new container here: by --pull, --platform and --quiet of opts. *ret_name,
 * for the caller to free, is what container_create() is to be given. */
int cli_ensure_image(struct cmd_ctx *ctx, const char *image, const struct container_options *opts,
                     char **ret_name);

/* Commands in the groups of `dhow --help`. */
struct command_group {
	const char *title;
	const struct command *const *commands; /* NULL-terminated */
};
extern const struct command_group cli_groups[]; /* ended by a NULL title */
extern const struct opt cli_global_options[];

/* Fill in the groups that repeat commands under another name (container, image, system). */
void cli_commands_init(void);
void cli_volume_init(void);
/* The command called `name`, or NULL. */
const struct command *cli_find(const char *name);
/* Every command as one array ended by a NULL name. Caller frees. */
struct command *cli_flat(void);
void cli_print_help(FILE *out);

/* clang-format off */
extern const struct command
	cmd_after_exit, cmd_attach, cmd_complete, cmd_completion, cmd_container_exists,
	cmd_container_inspect, cmd_container_prune, cmd_commit, cmd_cp, cmd_create, cmd_diff, cmd_events, cmd_exec, cmd_export,
	cmd_history, cmd_image_exists, cmd_image_inspect, cmd_image_diff, cmd_image_files, cmd_image_inventory, cmd_image_mount, cmd_image_squash, cmd_image_tree, cmd_image_prune,
	cmd_image_unmount, cmd_images, cmd_import,
	cmd_info, cmd_inspect, cmd_kill, cmd_load, cmd_login, cmd_logout, cmd_logs, cmd_man,
	cmd_network, cmd_pause, cmd_port, cmd_ps, cmd_pull, cmd_registry, cmd_rename, cmd_restart, cmd_rm, cmd_rmi,
	cmd_run, cmd_save, cmd_start, cmd_stop, cmd_store, cmd_system_df, cmd_system_prune, cmd_tag,
	cmd_top, cmd_unpause, cmd_untag, cmd_version, cmd_volume, cmd_wait;
extern const struct command cmd_artifact, cmd_image_copy, cmd_image_sync, cmd_manifest, cmd_push, cmd_image_sign, cmd_image_verify;
/* clang-format on */
