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

static void print_synopsis(const char *program, const struct command *cmd)
{
	bool any = cmd->tables[0] && cmd->tables[0]->kind;

	printf("*%s %s*%s", program, cmd->name, any ? " [_OPTIONS_]" : "");
	if (cmd->args) {
		putchar(' ');
		print_escaped(cmd->args);
	}
	fputs("\n\n", stdout);
}

/* The command of its own that a member of a group stands for, or NULL. */
static const struct command *same_as(const struct command *sub, const struct command *all)
{
	for (; all->name; all++)
		if (all->run && all->run == sub->run)
			return all;
	return NULL;
}

static void print_group(const struct command *group, const struct command *all, bool synopsis)
{
	AUTO_FREE char *program = xasprintf("dhow %s", group->name);

	for (const struct command *sub = group->sub; sub->name; sub++) {
		const struct command *same = same_as(sub, all);

		if (synopsis) {
			print_synopsis(program, sub);
			continue;
		}
		printf("## %s %s\n\n%s", program, sub->name, sub->summary);
		if (same) {
			printf(": the same as *dhow %s*, see *dhow-%s*(1).\n\n", same->name,
			       same->name);
			continue;
		}
		fputs(".\n\n", stdout);
		print_options(sub->tables);
	}
}

/* __man --list: the names of all pages; __man --commands: as dhow(1) lists them;
 * __man: the global options;
 * __man COMMAND synopsis|options: that part of the command's page. */
static int run_man(struct cmd_ctx *ctx, const struct command *self, int argc, char **argv)
{
	const struct opt *const globals[] = { cli_global_options, NULL };
	AUTO_FREE struct command *all = cli_flat();
	const struct command *cmd;
	bool synopsis = argc > 2 && !strcmp(argv[2], "synopsis");

	if (argc < 2) {
		print_options(globals);
		return 0;
	}
	if (!strcmp(argv[1], "--commands")) {
		for (const struct command *c = all; c->name; c++)
			if (!c->hidden)
				printf("*dhow-%s*(1)\n\t%s.\n\n", c->name, c->summary);
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
	if (cmd->sub)
		print_group(cmd, all, synopsis);
	else if (synopsis)
		print_synopsis("dhow", cmd);
	else
		print_options(cmd->tables);
	return 0;
}

const struct command cmd_man = {
	.name = "__man",
	.summary = "Print parts of a command's man page",
	.hidden = true,
	.run = run_man,
};
