#include <stdio.h>

#include "cli/cli-internal.h"

struct version_opts {
	const char *format;
};

#define V(field) OPT(struct version_opts, field)
/* clang-format off */
static const struct opt options[] = {
	{ "format", 'f', OPT_STR, V(format), "TEMPLATE", "print by a Go template, or 'json'", 0, 0 },
	OPT_END
};
/* clang-format on */

static int run(struct cmd_ctx *ctx, const struct command *self, int argc, char **argv)
{
	struct version_opts o = { 0 };
	AUTO_STRV args = STRV_INIT;
	int r = cli_parse(ctx, self, &o, argc, argv, &args);

	if (r)
		return cli_parsed(r);
	puts("Version:      " DHOW_VERSION);
	return 0;
}

const struct command cmd_version = {
	.name = "version",
	.summary = "print the version of dhow",
	.tables = { options },
	.run = run,
};
