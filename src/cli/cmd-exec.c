/* exec and attach: going into a running container. */
#include <string.h>

#include "cli/cli-internal.h"

#define E(field) OPT(struct exec_args, field)
/* clang-format off */
static const struct opt exec_options[] = {
	{ "detach", 'd', OPT_BOOL, E(detach), NULL, "start the command and do not wait for it", 0, 0 },
	{ "detach-keys", 0, OPT_STR, E(detach_keys), "KEYS", "keys that detach a terminal (default ctrl-p,ctrl-q)", 0, 0 },
	{ "env", 'e', OPT_LIST, E(env), "NAME[=VALUE]", "set an environment variable; NAME alone copies ours", 0, 0 },
	{ "env-file", 0, OPT_LIST, E(env_file), "FILE", "read environment variables from FILE", 0, COMPLETE_FILE },
	{ "interactive", 'i', OPT_BOOL, E(interactive), NULL, "keep standard input open", 0, 0 },
	{ "privileged", 0, OPT_BOOL, E(privileged), NULL, "give the command all capabilities", 0, 0 },
	{ "tty", 't', OPT_BOOL, E(tty), NULL, "give it a terminal", 0, 0 },
	{ "user", 'u', OPT_STR, E(user), "USER[:GROUP]", "user and group, names or numbers", 0, 0 },
	{ "workdir", 'w', OPT_STR, E(workdir), "DIR", "working directory inside", 0, 0 },
	OPT_END
};
/* clang-format on */

static int run_exec(struct cmd_ctx *ctx, const struct command *self, int argc, char **argv)
{
	struct exec_args o = { 0 };
	AUTO_STRV args = STRV_INIT;
	int exit_code = 0;
	int r = cli_parse(ctx, self, &o, argc, argv, &args);

	if (r == 0) {
		strv_add_all(&o.argv, args.items + 1);
		r = cli_engine(ctx)
		            ? container_exec(&ctx->engine, args.items[0], &o, &exit_code, &ctx->err)
		            : -1;
	}
	strv_done(&o.argv);
	strv_done(&o.env);
	strv_done(&o.env_file);
	return r < 0 ? -1 : exit_code;
}

struct attach_opts {
	bool no_stdin;
	bool sig_proxy;
	const char *detach_keys;
};

#define A(field) OPT(struct attach_opts, field)
/* clang-format off */
static const struct opt attach_options[] = {
	{ "detach-keys", 0, OPT_STR, A(detach_keys), "KEYS", "keys that detach a terminal (default ctrl-p,ctrl-q)", 0, 0 },
	{ "no-stdin", 0, OPT_BOOL, A(no_stdin), NULL, "do not attach our standard input", 0, 0 },
	{ "sig-proxy", 0, OPT_BOOL, A(sig_proxy), NULL, "pass signals we get on to the container (default true)", 0, 0 },
	OPT_END
};
/* clang-format on */

static int run_attach(struct cmd_ctx *ctx, const struct command *self, int argc, char **argv)
{
	struct attach_opts o = { .sig_proxy = true };
	struct attach_args attach = { 0 };
	struct start_result result = { 0 };
	AUTO_STRV args = STRV_INIT;
	int r = cli_parse(ctx, self, &o, argc, argv, &args);

	if (r)
		return cli_parsed(r);
	if (!cli_engine(ctx))
		return -1;
	attach.streams = ATTACH_OUTPUT | (o.no_stdin ? 0 : ATTACH_STDIN);
	attach.sig_proxy = o.sig_proxy;
	attach.detach_keys = o.detach_keys;
	if (container_attach(&ctx->engine, args.items[0], &attach, &result, &ctx->err) < 0)
		return -1;
	return cli_attached(&result, args.items[0]);
}

const struct command cmd_exec = {
	.name = "exec",
	.args = "CONTAINER COMMAND [ARG...]",
	.summary = "Run a command in a running container",
	.tables = { exec_options },
	.min_args = 2,
	.max_args = -1,
	.stop_at_args = true,
	.complete = COMPLETE_RUNNING,
	.run = run_exec,
};

const struct command cmd_attach = {
	.name = "attach",
	.args = "CONTAINER",
	.summary = "Connect to the standard streams of a running container",
	.tables = { attach_options },
	.min_args = 1,
	.max_args = 1,
	.complete = COMPLETE_RUNNING,
	.run = run_attach,
};
