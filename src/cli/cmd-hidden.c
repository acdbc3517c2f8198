/* Commands that programs call, not people: the monitor's way back, and existence tests. */
#include <string.h>

#include "base/num.h"
#include "cli/cli-internal.h"

static int run_after_exit(struct cmd_ctx *ctx, const struct command *self, int argc, char **argv)
{
	AUTO_STRV args = STRV_INIT;
	int r = cli_parse(ctx, self, NULL, argc, argv, &args);
	uint32_t done_fd = 0;

	if (r)
		return cli_parsed(r);
	if (args.len > 1 && parse_u32(args.items[1], &done_fd) < 0)
		return err_set(&ctx->err, E_INVALID, "'%s' is no descriptor", args.items[1]);
	if (!cli_engine(ctx))
		return -1;
	return container_after_exit(&ctx->engine, args.items[0], args.len > 1 ? (int)done_fd : -1,
	                            &ctx->err);
}

const struct command cmd_after_exit = {
	.name = "__after-exit",
	.args = "ID [DONE-FD]",
	.summary = "Record and clean up after a container (called by dhow-monitor)",
	.min_args = 1,
	.max_args = 2,
	.hidden = true,
	.run = run_after_exit,
};

static int run_exists(struct cmd_ctx *ctx, const struct command *self, int argc, char **argv)
{
	char id[ID_LEN + 1];
	AUTO_STRV args = STRV_INIT;
	int r = cli_parse(ctx, self, NULL, argc, argv, &args);

	if (r)
		return cli_parsed(r);
	if (!cli_engine(ctx))
		return -1;
	if (container_find(&ctx->engine, args.items[0], id, &ctx->err) == 0)
		return 0;
	return ctx->err.code == E_NOT_FOUND ? 1 : -1;
}

const struct command cmd_container_exists = {
	.name = "exists",
	.args = "CONTAINER",
	.summary = "Exit with 0 when the container is there, with 1 when not",
	.min_args = 1,
	.max_args = 1,
	.complete = COMPLETE_CONTAINER,
	.run = run_exists,
};
