/* The hidden `__man`: a command's names, synopsis and options from the tables, as scdoc. The
 * pages in docs/man hold the same lines between markers; a lint test compares them. */
#include <ctype.h>
#include <string.h>

#include "base/xalloc.h"
#include "cli/cli-internal.h"

/* scdoc's markup characters in plain text. */
static void print_escaped(const char *s)
{
	for (; *s; s++) {
		if (strchr("\\*_<>#[", *s))
			putchar('\\');
		putchar(*s);
	}
}

static void print_option(const struct opt *o)
{
	if (o->letter)
		printf("*-%c*, ", o->letter);
	printf("*--%s*", o->name);
	if (o->arg && o->kind == OPT_OPTSTR)
		printf("[=_%s_]", o->arg);
	else if (o->arg) {
		fputs(" _", stdout);
		print_escaped(o->arg);
		putchar('_');
	}
	fputs("\n\t", stdout);
	putchar(toupper((unsigned char)o->help[0]));
	print_escaped(o->help + 1);
	fputs(".\n\n", stdout);
}

static void print_options(const struct opt *const *tables)
{
	for (; *tables; tables++)
		for (const struct opt *o = *tables; o->kind; o++)
			if (!(o->flags & OPT_HIDDEN))
				print_option(o);
}

static void print_page(const char *program, const struct command *cmd)
{
	bool any = cmd->tables[0] && cmd->tables[0]->kind;

	printf("*%s %s*%s", program, cmd->name, any ? " [_OPTIONS_]" : "");
	if (cmd->args) {
		putchar(' ');
		print_escaped(cmd->args);
	}
	fputs("\n\n", stdout);
	print_options(cmd->tables);
}

/* "" prints the global options, "--list" the names of all pages. */
static int run_man(struct cmd_ctx *ctx, const struct command *self, int argc, char **argv)
{
	const struct opt *const globals[] = { cli_global_options, NULL };
	AUTO_FREE struct command *all = cli_flat();
	const struct command *cmd;

	if (argc < 2) {
		print_options(globals);
		return 0;
	}
	if (!strcmp(argv[1], "--list")) {
		for (const struct command *c = all; c->name; c++)
			if (!c->hidden)
				puts(c->name);
		return 0;
	}
	cmd = cli_find(argv[1]);
	if (!cmd)
		return err_set(&ctx->err, E_NOT_FOUND, "no command '%s'", argv[1]);
	if (!cmd->sub) {
		print_page("dhow", cmd);
		return 0;
	}
	for (const struct command *sub = cmd->sub; sub->name; sub++) {
		AUTO_FREE char *program = xasprintf("dhow %s", cmd->name);

		print_page(program, sub);
	}
	return 0;
}

const struct command cmd_man = {
	.name = "__man",
	.summary = "Print the options of a command for its man page",
	.hidden = true,
	.run = run_man,
};
