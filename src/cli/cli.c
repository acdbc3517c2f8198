#include "cli/cli.h"

#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "base/xalloc.h"
#include "cli/cli-internal.h"

/* clang-format off */
#define G(field) OPT(struct cli_globals, field)
const struct opt cli_global_options[] = {
	{ "root", 0, OPT_STR, G(root), "DIR", "where images and containers are kept", 0, COMPLETE_DIR },
	{ "runroot", 0, OPT_STR, G(runroot), "DIR", "where the state that ends with a reboot is kept", 0, COMPLETE_DIR },
	{ "debug", 'D', OPT_BOOL, G(debug), NULL, "log what is done, to standard error", 0, 0 },
	{ "log-level", 0, OPT_STR, G(log_level), "LEVEL", "error, warn, info or debug (default warn)", 0, 0 },
	{ "log-format", 0, OPT_STR, G(log_format), "FORMAT", "text or json (default text)", 0, 0 },
	{ "version", 'v', OPT_BOOL, G(version), NULL, "print the version and exit", 0, 0 },
	OPT_END
};
/* clang-format on */

int cli_parse(struct cmd_ctx *ctx, const struct command *self, void *values, int argc, char **argv,
              struct strv *ret_args)
{
	return opt_parse(self, ctx->program, values, argc, argv, ret_args, &ctx->err);
}

void cli_report(struct cmd_ctx *ctx)
{
	fflush(stdout);
	log_err(&ctx->err);
	ctx->reported = err_exit_status(&ctx->err);
	ctx->err = ERR_INIT;
}

static int setup_log(struct cmd_ctx *ctx)
{
	enum log_level level = LOG_WARN;
	enum log_format format = LOG_FORMAT_TEXT;
	const struct cli_globals *g = &ctx->globals;

	if (g->log_level && log_level_parse(g->log_level, &level) < 0) {
		err_set(&ctx->err, E_INVALID, "option --log-level: '%s' is not a level",
		        g->log_level);
		return err_hint(&ctx->err, "use error, warn, info or debug");
	}
	if (g->log_format && !strcmp(g->log_format, "json"))
		format = LOG_FORMAT_JSON;
	else if (g->log_format && strcmp(g->log_format, "text"))
		return err_set(&ctx->err, E_INVALID,
		               "option --log-format: '%s' is neither text nor json", g->log_format);
	if (g->debug)
		level = LOG_DEBUG;
	log_init("dhow", STDERR_FILENO, level, format);
	return 0;
}

static int unknown_command(struct cmd_ctx *ctx, const struct command *among, const char *name)
{
	const char *near = command_suggest(among, name);

	err_set(&ctx->err, E_INVALID, "'%s' is not a command of %s", name, ctx->program);
	if (near)
		return err_hint(&ctx->err, "did you mean '%s %s'?", ctx->program, near);
	return err_hint(&ctx->err, "see '%s --help'", ctx->program);
}

/* A group of sub-commands: `dhow volume ls`. */
static int run_group(struct cmd_ctx *ctx, const struct command *group, int argc, char **argv)
{
	AUTO_FREE char *program = xasprintf("%s %s", ctx->program, group->name);
	const struct command *sub;
	int r;

	if (argc < 2 || !strcmp(argv[1], "--help") || !strcmp(argv[1], "-h")) {
		command_print_group(group, ctx->program, argc < 2 ? stderr : stdout);
		return argc < 2 ? 125 : 0;
	}
	ctx->program = program;
	sub = command_find(group->sub, argv[1]);
	r = sub ? sub->run(ctx, sub, argc - 1, argv + 1)
	        : unknown_command(ctx, group->sub, argv[1]);
	ctx->program = "dhow";
	return r;
}

/* dhow help COMMAND [SUB-COMMAND] */
static int help_of(struct cmd_ctx *ctx, int argc, char **argv)
{
	const struct command *cmd = argc > 1 ? cli_find(argv[1]) : NULL;
	AUTO_FREE char *program = NULL;

	if (argc < 2) {
		cli_print_help(stdout);
		return 0;
	}
	if (!cmd) {
		AUTO_FREE struct command *all = cli_flat();

		return unknown_command(ctx, all, argv[1]);
	}
	if (cmd->sub && argc > 2) {
		const struct command *sub = command_find(cmd->sub, argv[2]);

		if (!sub)
			return unknown_command(ctx, cmd->sub, argv[2]);
		program = xasprintf("%s %s", ctx->program, cmd->name);
		command_print_help(sub, program, stdout);
	} else if (cmd->sub) {
		command_print_group(cmd, ctx->program, stdout);
	} else {
		command_print_help(cmd, ctx->program, stdout);
	}
	return 0;
}

static int dispatch(struct cmd_ctx *ctx, int argc, char **argv)
{
	const struct command *cmd;
	int first = 0;
	int r = opt_parse_globals(cli_global_options, "dhow", &ctx->globals, argc, argv, &first,
	                          &ctx->err);

	if (r < 0 || (r == 0 && setup_log(ctx) < 0))
		return -1;
	if (r > 0) {
		cli_print_help(stdout);
		return 0;
	}
	if (ctx->globals.version) {
		puts("dhow version " DHOW_VERSION);
		return 0;
	}
	if (first >= argc) {
		cli_print_help(stderr);
		return 125;
	}
	argc -= first;
	argv += first;
	if (!strcmp(argv[0], "help"))
		return help_of(ctx, argc, argv);
	cmd = cli_find(argv[0]);
	if (!cmd) {
		AUTO_FREE struct command *all = cli_flat();

		return unknown_command(ctx, all, argv[0]);
	}
	return cmd->sub ? run_group(ctx, cmd, argc, argv) : cmd->run(ctx, cmd, argc, argv);
}

int cli_main(int argc, char **argv)
{
	struct cmd_ctx ctx = { .program = "dhow" };
	int status;

	cli_commands_init();
	status = dispatch(&ctx, argc, argv);
	if (ctx.opened)
		engine_close(&ctx.engine);

	if (status < 0) {
		cli_report(&ctx);
		status = ctx.reported;
	} else if (status == 0) {
		status = ctx.reported;
	}
	if (fflush(stdout) != 0 && status == 0) {
		log_error("write standard output: %m");
		status = 125;
	}
	return status;
}
