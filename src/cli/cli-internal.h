/* cli-internal: what the command files share. */
#pragma once
#include "base/err.h"
#include "base/opt.h"
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

/* Commands in the groups of `dhow --help`. */
struct command_group {
	const char *title;
	const struct command *const *commands; /* NULL-terminated */
};
extern const struct command_group cli_groups[]; /* ended by a NULL title */
extern const struct opt cli_global_options[];

/* The command called `name`, or NULL. */
const struct command *cli_find(const char *name);
/* Visible commands as one array ended by a NULL name. Caller frees. */
struct command *cli_flat(void);
void cli_print_help(FILE *out);

/* clang-format off */
extern const struct command
	cmd_version;
/* clang-format on */
