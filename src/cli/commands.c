/* The list of commands, in the groups and the order of `dhow --help`. */
#include "cli/cli-internal.h"

#include <string.h>

#include "base/xalloc.h"

static const struct command *const system_commands[] = { &cmd_version, NULL };

const struct command_group cli_groups[] = {
	{ "System", system_commands },
	{ 0 },
};

const struct command *cli_find(const char *name)
{
	for (const struct command_group *g = cli_groups; g->title; g++)
		for (const struct command *const *c = g->commands; *c; c++) {
			struct command pair[2] = { **c, { 0 } };

			if (command_find(pair, name))
				return *c;
		}
	return NULL;
}

struct command *cli_flat(void)
{
	struct command *all = NULL;
	size_t n = 0;

	for (const struct command_group *g = cli_groups; g->title; g++)
		for (const struct command *const *c = g->commands; *c; c++)
			VEC_PUSH(all, n, **c);
	VEC_PUSH(all, n, (struct command){ 0 });
	return all;
}

static void print_group(const struct command_group *g, FILE *out)
{
	fprintf(out, "\n%s:\n", g->title);
	for (const struct command *const *c = g->commands; *c; c++)
		if (!(*c)->hidden)
			fprintf(out, "  %-12s %s\n", (*c)->name, (*c)->summary);
}

void cli_print_help(FILE *out)
{
	fputs("Usage: dhow [OPTIONS] COMMAND [ARG...]\n\n"
	      "Run OCI containers without a daemon.\n",
	      out);
	for (const struct command_group *g = cli_groups; g->title; g++)
		print_group(g, out);
	fputs("\nOptions:\n", out);
	opt_print_table(cli_global_options, out);
	fputs("\nRun 'dhow COMMAND --help' for the options of a command.\n", out);
}
