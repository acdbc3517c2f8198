/* opt: commands and options as tables.
 * One table feeds the parser, --help, the man-page check and shell completion, so that they
 * cannot disagree. A command's options are a NULL-terminated list of tables that all describe
 * fields of the same struct; every table ends with OPT_END. The caller fills that struct with
 * defaults before it parses.
 *
 * Syntax: --name VALUE, --name=VALUE, -nVALUE, -n VALUE, -abc for booleans, --bool=false, "--".
 * Errors name the option and the command, and say how to get help. */
#pragma once
#include "base/err.h"
#include "base/strv.h"
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

enum opt_kind {
	OPT_KIND_END = 0,
	OPT_BOOL,     /* bool */
	OPT_TRISTATE, /* int: -1 not given, 0 false, 1 true; written like a boolean */
	OPT_STR,      /* const char *: borrowed from argv; the last one wins */
	OPT_LIST,     /* struct strv: every occurrence is appended */
	OPT_INT,      /* int64_t */
	OPT_UINT,     /* uint64_t */
	OPT_SIZE,     /* uint64_t bytes; k, m, g suffixes */
	OPT_SSIZE,    /* int64_t bytes; as OPT_SIZE, and -1 */
	OPT_DOUBLE,   /* double */
	OPT_DURATION, /* int64_t milliseconds; "10" is seconds, "1m30s" too */
	OPT_OPTSTR,   /* const char *: --name or --name=VALUE; "" without a value */
};

enum opt_complete {
	COMPLETE_NONE = 0,
	COMPLETE_FILE,
	COMPLETE_DIR,
	COMPLETE_CONTAINER,
	COMPLETE_RUNNING,
	COMPLETE_IMAGE,
	COMPLETE_NETWORK,
	COMPLETE_VOLUME,
	COMPLETE_SIGNAL,
};

enum opt_flags {
	OPT_HIDDEN = 1u << 0,   /* parsed, not shown: spellings kept for other tools */
	OPT_REQUIRED = 1u << 1, /* the command is refused without it */
};

struct opt {
	const char *name; /* long name without dashes */
	char letter;      /* 0 for none */
	enum opt_kind kind;
	size_t offset;    /* of the field: OPT(struct, field) */
	const char *arg;  /* placeholder in help: "SIZE"; NULL for booleans */
	const char *help; /* one clause, lower case, no full stop */
	unsigned flags;
	enum opt_complete complete; /* of its value */
};

#define OPT(type, field) offsetof(type, field)
#define OPT_END                                                                                    \
	{                                                                                          \
		.kind = OPT_KIND_END                                                               \
	}
#define OPT_TABLES_MAX 8

/* What a command gets besides its arguments; programs embed this first in a struct of theirs. */
struct cmd_ctx;

struct command {
	const char *name;
	const char *aliases; /* comma-separated, or NULL */
	const char *args;    /* positional synopsis: "IMAGE [COMMAND [ARG...]]" */
	const char *summary; /* one line, imperative, no full stop */
	const struct opt *tables[OPT_TABLES_MAX]; /* NULL-terminated */
	int min_args;
	int max_args;      /* -1: any number */
	bool stop_at_args; /* the first positional ends option parsing (run, exec) */
	bool hidden;
	enum opt_complete complete; /* of the positionals */
	const struct command *sub;  /* sub-commands, ended by a NULL name; then run is NULL */
	/* Parses its own options from argv (argv[0] is the command's name). Return exit status. */
	int (*run)(struct cmd_ctx *ctx, const struct command *self, int argc, char **argv);
};

/* Parse argv[1..] into `values`; positionals land in *ret_args (borrowed strings).
 * Return 0, 1 when --help was asked for and printed to stdout, or -1 with E_INVALID. */
int opt_parse(const struct command *cmd, const char *program, void *values, int argc, char **argv,
              struct strv *ret_args, struct err *err);
/* The options before the sub-command: returns the index of the first positional. */
int opt_parse_globals(const struct opt *table, const char *program, void *values, int argc,
                      char **argv, int *ret_index, struct err *err);
/* The command called `name` (or one of its aliases), or NULL. */
const struct command *command_find(const struct command *commands, const char *name);
/* The nearest command name to a mistyped one, or NULL. */
const char *command_suggest(const struct command *commands, const char *name);
const struct opt *opt_find(const struct command *cmd, const char *name);

void command_print_help(const struct command *cmd, const char *program, FILE *out);
/* The sub-commands of a group. */
void command_print_group(const struct command *group, const char *program, FILE *out);
/* The visible options of one table, as in help. */
void opt_print_table(const struct opt *table, FILE *out);
void program_print_help(const char *program, const char *about, const struct command *commands,
                        const struct opt *globals, FILE *out);
