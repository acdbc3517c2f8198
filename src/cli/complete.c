/* Shell completion: the hidden `__complete`, and the scripts that call it.
 *
 * `dhow __complete WORD...` prints candidates for the last word, one a line, as
 * "CANDIDATE<TAB>DESCRIPTION", and then ":N": 4 for "nothing else", 0 for "file names too",
 * 16 for "directories only" (cobra's directives, which the scripts of other tools know). */
#include <string.h>

#include "base/xalloc.h"
#include "cli/cli-internal.h"
#include "engine/options.h"
#include "engine/volumes.h"
#include "image/image.h"

enum directive { DIRECTIVE_FILES = 0, DIRECTIVE_NO_FILES = 4, DIRECTIVE_DIRS = 16 };

struct completion {
	struct cmd_ctx *ctx;
	const char *word; /* the part to be completed */
	const char *lead; /* printed before each candidate: "--name=" */
	enum directive directive;
};

static void offer(struct completion *c, const char *candidate, const char *description)
{
	if (strncmp(candidate, c->word, strlen(c->word)))
		return;
	printf("%s%s", c->lead, candidate);
	if (description && description[0])
		printf("\t%s", description);
	putchar('\n');
}

static void offer_containers(struct completion *c, bool running_only)
{
	struct container_list_args args = { .all = !running_only };
	struct container_list list = { 0 };

	if (!cli_engine(c->ctx) || container_list(&c->ctx->engine, &args, &list, ERR_IGNORE) < 0)
		return;
	for (size_t i = 0; i < list.count; i++) {
		offer(c, list.rows[i].name, list.rows[i].image);
		/* ids only for who has begun to type one */
		if (c->word[0])
			offer(c, list.rows[i].id, list.rows[i].name);
	}
	container_list_done(&list);
}

static void offer_images(struct completion *c)
{
	struct image_store *store = cli_images(c->ctx);
	struct image_row *rows = NULL;
	size_t n = 0;

	if (!store || image_list(store, &rows, &n, ERR_IGNORE) < 0)
		return;
	for (size_t i = 0; i < n; i++) {
		if (rows[i].name)
			offer(c, image_ref_familiar(rows[i].name), NULL);
		if (c->word[0])
			offer(c, rows[i].id + strlen("sha256:"), rows[i].name);
	}
	image_rows_free(rows, n);
}

static void offer_volumes(struct completion *c)
{
	struct volume_list list = { 0 };
	struct engine *e = cli_engine(c->ctx);

	if (!e || volume_list(e->root_fd, e->root_path, &list, ERR_IGNORE) < 0)
		return;
	for (size_t i = 0; i < list.count; i++)
		offer(c, list.items[i].name, NULL);
	volume_list_done(&list);
}

static void offer_signals(struct completion *c)
{
	for (int s = 1; s < 32; s++)
		if (signal_name(s))
			offer(c, signal_name(s), NULL);
}

static void offer_kind(struct completion *c, enum opt_complete kind)
{
	c->directive = DIRECTIVE_NO_FILES;
	switch (kind) {
	case COMPLETE_NONE:
		break;
	case COMPLETE_FILE:
		c->directive = DIRECTIVE_FILES;
		break;
	case COMPLETE_DIR:
		c->directive = DIRECTIVE_DIRS;
		break;
	case COMPLETE_CONTAINER:
		offer_containers(c, false);
		break;
	case COMPLETE_RUNNING:
		offer_containers(c, true);
		break;
	case COMPLETE_IMAGE:
		offer_images(c);
		break;
	case COMPLETE_NETWORK:
		offer(c, "bridge", "a private network behind the host's address");
		offer(c, "host", "the host's network");
		offer(c, "none", "loopback only");
		break;
	case COMPLETE_VOLUME:
		offer_volumes(c);
		c->directive = DIRECTIVE_FILES;
		break;
	case COMPLETE_SIGNAL:
		offer_signals(c);
		break;
	}
}

static bool takes_value(const struct opt *o)
{
	return o->kind != OPT_BOOL && o->kind != OPT_TRISTATE && o->kind != OPT_OPTSTR;
}

static void offer_options(struct completion *c, const struct opt *const *tables)
{
	c->directive = DIRECTIVE_NO_FILES;
	for (; *tables; tables++)
		for (const struct opt *o = *tables; o->kind; o++) {
			AUTO_FREE char *text = xasprintf("--%s", o->name);

			if (!(o->flags & OPT_HIDDEN))
				offer(c, text, o->help);
		}
	offer(c, "--help", "print help and exit");
}

static const struct opt *find_option(const struct opt *const *tables, const char *word)
{
	size_t len = strcspn(word, "=");

	for (; *tables; tables++)
		for (const struct opt *o = *tables; o->kind; o++) {
			if (!strncmp(word, "--", 2) && strlen(o->name) == len - 2 &&
			    !strncmp(o->name, word + 2, len - 2))
				return o;
			if (word[0] == '-' && word[1] != '-' && o->letter && word[1] &&
			    word[strlen(word) - 1] == o->letter)
				return o;
		}
	return NULL;
}

/* What the words before the last one leave open. */
struct position {
	const struct opt *wants_value; /* the last word is this option's value */
	size_t arguments;              /* positionals so far */
	bool only_arguments;           /* no options any more */
};

static struct position find_position(const struct opt *const *tables, bool stop_at_args,
                                     char *const *words, size_t n)
{
	struct position pos = { 0 };

	for (size_t i = 0; i < n; i++) {
		const char *word = words[i];
		const struct opt *o = NULL;

		if (pos.wants_value) {
			pos.wants_value = NULL;
		} else if (pos.only_arguments || word[0] != '-' || !word[1]) {
			pos.arguments++;
			pos.only_arguments = pos.only_arguments || stop_at_args;
		} else if (!strcmp(word, "--")) {
			pos.only_arguments = true;
		} else {
			o = find_option(tables, word);
			if (o && takes_value(o) && !strchr(word, '='))
				pos.wants_value = o;
		}
	}
	return pos;
}

/* The last word is a value, an option, or an argument. Returns false for the latter. */
static bool complete_option(struct completion *c, const struct opt *const *tables,
                            const struct position *pos)
{
	const char *equals = strchr(c->word, '=');
	const struct opt *o;

	if (pos->wants_value) {
		offer_kind(c, pos->wants_value->complete);
		return true;
	}
	if (pos->only_arguments || c->word[0] != '-')
		return false;
	o = equals ? find_option(tables, c->word) : NULL;
	if (o) {
		AUTO_FREE char *lead = xstrndup(c->word, (size_t)(equals + 1 - c->word));

		c->word = equals + 1;
		c->lead = lead;
		offer_kind(c, o->complete);
		c->lead = "";
		return true;
	}
	offer_options(c, tables);
	return true;
}

static void complete_command(struct completion *c, const struct command *cmd, char *const *words,
                             size_t n)
{
	struct position pos = find_position(cmd->tables, cmd->stop_at_args, words, n);

	if (complete_option(c, cmd->tables, &pos))
		return;
	if (cmd->max_args >= 0 && pos.arguments >= (size_t)cmd->max_args)
		c->directive = DIRECTIVE_NO_FILES;
	else if (cmd->stop_at_args && pos.arguments)
		c->directive = DIRECTIVE_FILES; /* a command in the container: nobody knows */
	else
		offer_kind(c, cmd->complete);
	/* cp copies to and from the host too */
	if (cmd == &cmd_cp)
		c->directive = DIRECTIVE_FILES;
}

static void offer_commands(struct completion *c, const struct command *commands)
{
	c->directive = DIRECTIVE_NO_FILES;
	for (; commands->name; commands++)
		if (!commands->hidden)
			offer(c, commands->name, commands->summary);
}

/* words: those before the last. */
static void complete(struct completion *c, char *const *words, size_t n)
{
	const struct opt *const globals[] = { cli_global_options, NULL };
	AUTO_FREE struct command *all = cli_flat();
	const struct command *cmd = NULL;
	struct position pos = { 0 };
	size_t i;

	for (i = 0; i < n && !pos.arguments; i++)
		pos = find_position(globals, true, words, i + 1);
	if (!pos.arguments) {
		if (!complete_option(c, globals, &pos))
			offer_commands(c, all);
		return;
	}
	cmd = cli_find(words[i - 1]);
	if (cmd && cmd->sub) {
		if (i == n)
			offer_commands(c, cmd->sub);
		else
			cmd = command_find(cmd->sub, words[i++]);
	}
	if (cmd && !cmd->sub)
		complete_command(c, cmd, words + i, n - i);
}

static int run_complete(struct cmd_ctx *ctx, const struct command *self, int argc, char **argv)
{
	struct completion c = { .ctx = ctx, .lead = "", .directive = DIRECTIVE_NO_FILES };
	int first;

	if (argc < 2)
		return 0;
	c.word = argv[argc - 1];
	/* --root and --runroot decide whose names are offered */
	if (opt_parse_globals(cli_global_options, "dhow", &ctx->globals, argc - 1, argv, &first,
	                      ERR_IGNORE) != 0)
		ctx->globals = (struct cli_globals){ 0 };
	complete(&c, argv + 1, (size_t)argc - 2);
	printf(":%d\n", c.directive);
	/* whatever went wrong, a completion is silent */
	ctx->err = ERR_INIT;
	return 0;
}

const struct command cmd_complete = {
	.name = "__complete",
	.summary = "Print completions of the last word (called by shells)",
	.hidden = true,
	.run = run_complete,
};

/* ---- the scripts ---- */

static const char bash_script[] =
	"# bash completion for dhow: asks dhow itself\n"
	"_dhow() {\n"
	"\tlocal line directive= words=() out\n"
	"\tlocal cur=${COMP_WORDS[COMP_CWORD]}\n"
	"\twords=(\"${COMP_WORDS[@]:1:COMP_CWORD-1}\" \"$cur\")\n"
	"\tif declare -F _get_comp_words_by_ref >/dev/null; then\n"
	"\t\tlocal whole=() index\n"
	"\t\t_get_comp_words_by_ref -n =: -c cur -w whole -i index\n"
	"\t\twords=(\"${whole[@]:1:index-1}\" \"$cur\")\n"
	"\tfi\n"
	"\tout=$(\"${COMP_WORDS[0]}\" __complete \"${words[@]}\" 2>/dev/null) || return\n"
	"\tCOMPREPLY=()\n"
	"\twhile IFS= read -r line; do\n"
	"\t\tcase $line in\n"
	"\t\t:[0-9]*) directive=${line#:} ;;\n"
	"\t\t*) COMPREPLY+=(\"${line%%$'\\t'*}\") ;;\n"
	"\t\tesac\n"
	"\tdone <<<\"$out\"\n"
	"\tcase $directive in\n"
	"\t0) compopt -o filenames 2>/dev/null\n"
	"\t   while IFS= read -r line; do COMPREPLY+=(\"$line\"); done < <(compgen -f -- \"$cur\") "
	";;\n"
	"\t16) compopt -o filenames 2>/dev/null\n"
	"\t   while IFS= read -r line; do COMPREPLY+=(\"$line\"); done < <(compgen -d -- \"$cur\") "
	";;\n"
	"\tesac\n"
	"\tdeclare -F __ltrim_colon_completions >/dev/null && __ltrim_colon_completions \"$cur\"\n"
	"}\n"
	"complete -F _dhow dhow\n";

static const char zsh_script[] =
	"#compdef dhow\n"
	"# zsh completion for dhow: asks dhow itself\n"
	"_dhow() {\n"
	"\tlocal -a candidates lines\n"
	"\tlocal line directive=4 text=\n"
	"\tlines=(\"${(@f)$(${words[1]} __complete \"${(@)words[2,CURRENT]}\" 2>/dev/null)}\")\n"
	"\tfor line in $lines; do\n"
	"\t\tif [[ $line == :[0-9]* ]]; then\n"
	"\t\t\tdirective=${line#:}\n"
	"\t\telse\n"
	"\t\t\ttext=${${line%%$'\\t'*}//:/\\\\:}\n"
	"\t\t\t[[ $line == *$'\\t'* ]] && text+=:${line#*$'\\t'}\n"
	"\t\t\tcandidates+=(\"$text\")\n"
	"\t\tfi\n"
	"\tdone\n"
	"\t(( $#candidates )) && _describe -t values value candidates\n"
	"\tcase $directive in\n"
	"\t0) _files ;;\n"
	"\t16) _files -/ ;;\n"
	"\tesac\n"
	"}\n"
	"if [[ $zsh_eval_context[-1] == loadautofunc ]]; then _dhow \"$@\"; else compdef _dhow "
	"dhow; fi\n";

static const char fish_script[] = "# fish completion for dhow: asks dhow itself\n"
				  "function __dhow_complete\n"
				  "\tset -l words (commandline -opc) (commandline -ct)\n"
				  "\tset -l directive 4\n"
				  "\tfor line in ($words[1] __complete $words[2..-1] 2>/dev/null)\n"
				  "\t\tif string match -qr '^:[0-9]+$' -- $line\n"
				  "\t\t\tset directive (string sub -s 2 -- $line)\n"
				  "\t\telse\n"
				  "\t\t\techo $line\n"
				  "\t\tend\n"
				  "\tend\n"
				  "\tswitch $directive\n"
				  "\t\tcase 0\n"
				  "\t\t\t__fish_complete_path (commandline -ct)\n"
				  "\t\tcase 16\n"
				  "\t\t\t__fish_complete_directories (commandline -ct)\n"
				  "\tend\n"
				  "end\n"
				  "complete -c dhow -f -a '(__dhow_complete)'\n";

static const struct {
	const char *shell;
	const char *script;
} scripts[] = { { "bash", bash_script }, { "fish", fish_script }, { "zsh", zsh_script } };

static int run_completion(struct cmd_ctx *ctx, const struct command *self, int argc, char **argv)
{
	AUTO_STRV args = STRV_INIT;
	int r = cli_parse(ctx, self, NULL, argc, argv, &args);

	if (r)
		return cli_parsed(r);
	for (size_t i = 0; i < ARRAY_LEN(scripts); i++)
		if (!strcmp(args.items[0], scripts[i].shell)) {
			fputs(scripts[i].script, stdout);
			return 0;
		}
	return err_set(&ctx->err, E_INVALID, "completion: '%s' is not bash, fish or zsh",
	               args.items[0]);
}

const struct command cmd_completion = {
	.name = "completion",
	.args = "bash|fish|zsh",
	.summary = "Print the completion script for a shell",
	.min_args = 1,
	.max_args = 1,
	.run = run_completion,
};
