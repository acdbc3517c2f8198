/* network ls, reload, down. */
#include <string.h>

#include "cli/cli-internal.h"
#include "cli/output.h"
#include "codec/json.h"
#include "net/net.h"

struct network_opts {
	bool quiet;
	bool no_heading;
	const char *format;
};

#define N(field) OPT(struct network_opts, field)
static const struct opt network_ls_options[] = {
	{ "format", 0, OPT_STR, N(format), "TEMPLATE",
	  "table, 'table TEMPLATE', json, or a Go template", 0, 0 },
	{ "noheading", 'n', OPT_BOOL, N(no_heading), NULL, "no line of column titles", 0, 0 },
	{ "quiet", 'q', OPT_BOOL, N(quiet), NULL, "print names only", 0, 0 },
	OPT_END
};

static const struct opt no_options[] = { OPT_END };

static const struct column network_columns[] = {
	{ "Name", "NAME" },
	{ "Driver", "DRIVER" },
	{ "Scope", "SCOPE" },
	{ 0 },
};

static int run_network_ls(struct cmd_ctx *ctx, const struct command *self, int argc, char **argv)
{
	static const char *const networks[][2] = { { "bridge", "bridge" },
		                                   { "host", "host" },
		                                   { "none", "null" } };
	struct network_opts o = { 0 };
	AUTO_OUTPUT out = OUTPUT_INIT;
	AUTO_STRV args = STRV_INIT;
	int r = cli_parse(ctx, self, &o, argc, argv, &args);

	if (r)
		return cli_parsed(r);
	out.no_heading = o.no_heading;
	if (output_begin(&out, o.format, "{{.Name}}\t{{.Driver}}\t{{.Scope}}", network_columns,
	                 &ctx->err) < 0)
		return -1;
	for (size_t i = 0; i < ARRAY_LEN(networks); i++) {
		struct json_object *row;

		if (o.quiet && !o.format) {
			puts(networks[i][0]);
			continue;
		}
		row = json_object_new_object();
		json_add_str(row, "Name", networks[i][0]);
		json_add_str(row, "Driver", networks[i][1]);
		json_add_str(row, "Scope", "local");
		if (output_row(&out, row, &ctx->err) < 0)
			return -1;
	}
	if (!o.quiet || o.format)
		output_end(&out);
	return 0;
}

/* The two below take no option and act on the bridge of this root. */
static int run_on_bridge(struct cmd_ctx *ctx, const struct command *self, int argc, char **argv,
                         int (*act)(struct net *net, struct err *err))
{
	struct network_opts o = { 0 };
	AUTO_STRV args = STRV_INIT;
	int r = cli_parse(ctx, self, &o, argc, argv, &args);
	struct engine *e;
	struct net *net;

	if (r)
		return cli_parsed(r);
	e = cli_engine(ctx);
	if (e && e->rootless)
		return err_set(&ctx->err, E_UNSUPPORTED, "ordinary users have no bridge network");
	net = e ? engine_net(e, &ctx->err) : NULL;
	return net ? act(net, &ctx->err) : -1;
}

static int run_network_reload(struct cmd_ctx *ctx, const struct command *self, int argc,
                              char **argv)
{
	return run_on_bridge(ctx, self, argc, argv, net_reload);
}

static int run_network_down(struct cmd_ctx *ctx, const struct command *self, int argc, char **argv)
{
	return run_on_bridge(ctx, self, argc, argv, net_destroy);
}

static const struct command network_commands[] = {
	{
		.name = "down",
		.summary = "Remove the bridge and its firewall rules, when no container uses them",
		.tables = { no_options },
		.run = run_network_down,
	},
	{
		.name = "ls",
		.aliases = "list",
		.summary = "List networks",
		.tables = { network_ls_options },
		.run = run_network_ls,
	},
	{
		.name = "reload",
		.summary = "Make the bridge's firewall rules anew, after something removed them",
		.tables = { no_options },
		.run = run_network_reload,
	},
	{ 0 },
};

const struct command cmd_network = {
	.name = "network",
	.summary = "Show the networks, repair the bridge",
	.sub = network_commands,
};
