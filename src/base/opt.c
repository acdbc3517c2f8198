#include "base/opt.h"

#include <ctype.h>
#include <errno.h>
#include <string.h>

#include "base/num.h"
#include "base/strbuf.h"
#include "base/xalloc.h"

/* One parse: where we are, and what is being filled. */
struct parse {
	const struct opt *const *tables;
	const char *who;   /* "dhow run", for hints */
	const char *place; /* "run: ", for messages: the program's name is printed before them */
	char *values;
	int argc;
	char **argv;
	int next; /* index of the next unread argument */
	struct err *err;
};

static bool takes_value(const struct opt *o)
{
	return o->kind != OPT_BOOL && o->kind != OPT_TRISTATE && o->kind != OPT_OPTSTR;
}

static const struct opt *find_long(const struct opt *const *tables, const char *name, size_t len)
{
	for (; *tables; tables++)
		for (const struct opt *o = *tables; o->kind; o++)
			if (o->name && strlen(o->name) == len && !strncmp(o->name, name, len))
				return o;
	return NULL;
}

static const struct opt *find_letter(const struct opt *const *tables, char letter)
{
	for (; *tables; tables++)
		for (const struct opt *o = *tables; o->kind; o++)
			if (o->letter && o->letter == letter)
				return o;
	return NULL;
}

static int parse_bool(const char *s, bool *ret)
{
	if (!strcmp(s, "true") || !strcmp(s, "1") || !strcmp(s, "t"))
		*ret = true;
	else if (!strcmp(s, "false") || !strcmp(s, "0") || !strcmp(s, "f"))
		*ret = false;
	else
		return -EINVAL;
	return 0;
}

static const char *expected(enum opt_kind kind)
{
	switch (kind) {
	case OPT_BOOL:
	case OPT_TRISTATE:
		return "true or false";
	case OPT_INT:
		return "a whole number";
	case OPT_UINT:
		return "a whole number, 0 or more";
	case OPT_SIZE:
	case OPT_SSIZE:
		return "a size such as 512m or 2g";
	case OPT_DOUBLE:
		return "a number such as 1.5";
	case OPT_DURATION:
		return "a duration such as 10 or 1m30s";
	case OPT_KIND_END:
	case OPT_STR:
	case OPT_LIST:
	case OPT_OPTSTR:
		break;
	}
	return "a value";
}

static int convert(const struct opt *o, const char *value, void *field)
{
	bool b = true;
	int r;

	switch (o->kind) {
	case OPT_BOOL:
		return value ? parse_bool(value, field) : (*(bool *)field = true, 0);
	case OPT_TRISTATE:
		r = value ? parse_bool(value, &b) : 0;
		if (r == 0)
			*(int *)field = b;
		return r;
	case OPT_STR:
		*(const char **)field = value;
		return 0;
	case OPT_OPTSTR:
		*(const char **)field = value ? value : "";
		return 0;
	case OPT_LIST:
		strv_add(field, value);
		return 0;
	case OPT_INT:
		return parse_i64(value, field);
	case OPT_UINT:
		return parse_u64(value, field);
	case OPT_SIZE:
		return parse_size(value, field);
	case OPT_SSIZE:
		if (!strcmp(value, "-1"))
			return *(int64_t *)field = -1, 0;
		r = parse_size(value, field);
		return r == 0 && *(int64_t *)field < 0 ? -ERANGE : r;
	case OPT_DOUBLE:
		return parse_double(value, field);
	case OPT_DURATION:
		return parse_duration_ms(value, field);
	case OPT_KIND_END:
		break;
	}
	return -EINVAL;
}

static int assign(struct parse *p, const struct opt *o, const char *value)
{
	int r = convert(o, value, p->values + o->offset);

	if (r == -ERANGE)
		return err_set(p->err, E_INVALID, "%soption --%s: '%s' is out of range", p->place,
		               o->name, value);
	if (r < 0)
		return err_set(p->err, E_INVALID, "%soption --%s: '%s' is not %s", p->place,
		               o->name, value, expected(o->kind));
	return 0;
}

static size_t distance(const char *a, const char *b);

/* The shown option whose name is nearest to a mistyped one, or NULL. */
static const struct opt *nearest(const struct opt *const *tables, const char *name)
{
	const struct opt *best = NULL;
	size_t best_distance = 3;

	for (; *tables; tables++)
		for (const struct opt *o = *tables; o->kind; o++) {
			size_t d = o->flags & OPT_HIDDEN ? 99 : distance(name, o->name);

			if (d < best_distance && d < strlen(o->name) / 2) {
				best_distance = d;
				best = o;
			}
		}
	return best;
}

static int unknown(struct parse *p, const char *text)
{
	AUTO_FREE char *name = xstrndup(text, strcspn(text, "="));
	const struct opt *near = NULL;

	if (!strncmp(name, "--", 2))
		near = nearest(p->tables, name + 2);
	err_set(p->err, E_INVALID, "%sunknown option '%s'", p->place, text);
	if (near)
		return err_hint(p->err, "did you mean --%s?", near->name);
	return err_hint(p->err, "see '%s --help'", p->who);
}

static int need_value(struct parse *p, const struct opt *o, const char **ret)
{
	if (p->next >= p->argc)
		return err_set(p->err, E_INVALID, "%soption --%s needs %s", p->place, o->name,
		               expected(o->kind));
	*ret = p->argv[p->next++];
	return 0;
}

static int parse_long(struct parse *p, const char *text)
{
	const char *name = text + 2, *equals = strchr(name, '=');
	size_t len = equals ? (size_t)(equals - name) : strlen(name);
	const struct opt *o = find_long(p->tables, name, len);
	const char *value = equals ? equals + 1 : NULL;

	if (!o)
		return unknown(p, text);
	if (!value && takes_value(o) && need_value(p, o, &value) < 0)
		return -1;
	return assign(p, o, value);
}

static int parse_letters(struct parse *p, const char *text)
{
	for (const char *s = text + 1; *s; s++) {
		const struct opt *o = find_letter(p->tables, *s);
		const char *value = NULL;

		if (!o)
			return unknown(p, text);
		if (!takes_value(o)) {
			if (s[1] == '=') {
				value = s + 2;
				return assign(p, o, value);
			}
			if (assign(p, o, NULL) < 0)
				return -1;
			continue;
		}
		if (s[1])
			value = s[1] == '=' ? s + 2 : s + 1;
		else if (need_value(p, o, &value) < 0)
			return -1;
		return assign(p, o, value);
	}
	return 0;
}

static bool is_help(struct parse *p, const char *text)
{
	return !strcmp(text, "--help") || (!strcmp(text, "-h") && !find_letter(p->tables, 'h'));
}

int opt_parse(const struct command *cmd, const char *program, void *values, int argc, char **argv,
              struct strv *ret_args, struct err *err)
{
	AUTO_FREE char *who = xasprintf("%s %s", program, cmd->name);
	const char *group = strchr(program, ' ');
	AUTO_FREE char *place =
		xasprintf("%s%s%s: ", group ? group + 1 : "", group ? " " : "", cmd->name);
	struct parse p = { .tables = cmd->tables,
		           .who = who,
		           .place = place,
		           .values = values,
		           .argc = argc,
		           .argv = argv,
		           .next = 1,
		           .err = err };
	bool only_args = false;
	int n;

	while (p.next < argc) {
		const char *text = argv[p.next++];

		if (only_args || text[0] != '-' || !text[1]) {
			strv_add(ret_args, text);
			only_args = only_args || cmd->stop_at_args;
		} else if (!strcmp(text, "--")) {
			only_args = true;
		} else if (is_help(&p, text)) {
			command_print_help(cmd, program, stdout);
			return 1;
		} else if ((text[1] == '-' ? parse_long(&p, text) : parse_letters(&p, text)) < 0) {
			return -1;
		}
	}
	n = (int)ret_args->len;
	if (n < cmd->min_args) {
		err_set(err, E_INVALID, "%sneeds %s%d argument%s, got %d", place,
		        cmd->max_args == cmd->min_args ? "" : "at least ", cmd->min_args,
		        cmd->min_args == 1 ? "" : "s", n);
		return err_hint(err, "usage: %s %s", who, cmd->args ? cmd->args : "");
	}
	if (cmd->max_args >= 0 && n > cmd->max_args) {
		err_set(err, E_INVALID, "%stakes %s%d argument%s, got %d ('%s')", place,
		        cmd->max_args == cmd->min_args || !cmd->max_args ? "" : "at most ",
		        cmd->max_args, cmd->max_args == 1 ? "" : "s", n,
		        ret_args->items[cmd->max_args]);
		return err_hint(err, "usage: %s %s", who, cmd->args ? cmd->args : "[OPTIONS]");
	}
	return 0;
}

int opt_parse_globals(const struct opt *table, const char *program, void *values, int argc,
                      char **argv, int *ret_index, struct err *err)
{
	const struct opt *tables[] = { table, NULL };
	struct parse p = { .tables = tables,
		           .who = program,
		           .place = "",
		           .values = values,
		           .argc = argc,
		           .argv = argv,
		           .next = 1,
		           .err = err };

	while (p.next < argc) {
		const char *text = argv[p.next];

		if (text[0] != '-' || !text[1])
			break;
		p.next++;
		if (!strcmp(text, "--"))
			break;
		if (is_help(&p, text))
			return 1;
		if ((text[1] == '-' ? parse_long(&p, text) : parse_letters(&p, text)) < 0)
			return -1;
	}
	*ret_index = p.next;
	return 0;
}

static bool name_in_list(const char *list, const char *name)
{
	size_t len = strlen(name);

	if (strchr(name, ','))
		return false;
	for (const char *s = list; s; s = strchr(s, ',')) {
		s += *s == ',';
		if (!strncmp(s, name, len) && (s[len] == ',' || !s[len]))
			return true;
	}
	return false;
}

const struct command *command_find(const struct command *commands, const char *name)
{
	for (const struct command *c = commands; c->name; c++)
		if (!strcmp(c->name, name) || (c->aliases && name_in_list(c->aliases, name)))
			return c;
	return NULL;
}

/* Edit distance of two short words; long ones count as far apart. */
static size_t distance(const char *a, const char *b)
{
	size_t la = strlen(a), lb = strlen(b), row[33];

	if (la > 32 || lb > 32)
		return 99;
	for (size_t j = 0; j <= lb; j++)
		row[j] = j;
	for (size_t i = 1; i <= la; i++) {
		size_t diagonal = row[0];

		row[0] = i;
		for (size_t j = 1; j <= lb; j++) {
			size_t best = diagonal + (a[i - 1] != b[j - 1]);

			diagonal = row[j];
			if (row[j] + 1 < best)
				best = row[j] + 1;
			if (row[j - 1] + 1 < best)
				best = row[j - 1] + 1;
			row[j] = best;
		}
	}
	return row[lb];
}

const char *command_suggest(const struct command *commands, const char *name)
{
	const char *best = NULL;
	size_t best_distance = 3;

	for (const struct command *c = commands; c->name; c++) {
		size_t d = c->hidden ? 99 : distance(name, c->name);

		if (d < best_distance) {
			best_distance = d;
			best = c->name;
		}
	}
	return best;
}

const struct opt *opt_find(const struct command *cmd, const char *name)
{
	return find_long(cmd->tables, name, strlen(name));
}

#define HELP_INDENT 33
#define HELP_WIDTH  100

/* Words, broken into lines that begin at HELP_INDENT; the first begins where the caller is. */
static void print_wrapped(const char *text, FILE *out)
{
	size_t column = HELP_INDENT;

	for (const char *s = text; *s;) {
		size_t len = strcspn(s, " ");

		if (s != text && column + 1 + len > HELP_WIDTH) {
			fprintf(out, "\n%*s", HELP_INDENT, "");
			column = HELP_INDENT;
		} else if (s != text) {
			fputc(' ', out);
			column++;
		}
		fprintf(out, "%.*s", (int)len, s);
		column += len;
		s += len;
		while (*s == ' ')
			s++;
	}
	fputc('\n', out);
}

void opt_print_table(const struct opt *table, FILE *out)
{
	for (const struct opt *o = table; o->kind; o++) {
		AUTO_BUF left = STRBUF_INIT;

		if (o->flags & OPT_HIDDEN)
			continue;
		if (o->letter)
			strbuf_addf(&left, "  -%c, --%s", o->letter, o->name);
		else
			strbuf_addf(&left, "      --%s", o->name);
		if (o->arg)
			strbuf_addf(&left, o->kind == OPT_OPTSTR ? "[=%s]" : " %s", o->arg);
		fprintf(out, "%-*s", HELP_INDENT, left.buf);
		if (left.len >= HELP_INDENT)
			fprintf(out, "\n%*s", HELP_INDENT, "");
		print_wrapped(o->help, out);
	}
}

void command_print_help(const struct command *cmd, const char *program, FILE *out)
{
	bool any = false;

	for (size_t i = 0; cmd->tables[i]; i++)
		any = any || cmd->tables[i]->kind;
	fprintf(out, "Usage: %s %s%s%s%s\n\n%c%s.\n", program, cmd->name, any ? " [OPTIONS]" : "",
	        cmd->args && *cmd->args ? " " : "", cmd->args ? cmd->args : "",
	        toupper((unsigned char)cmd->summary[0]), cmd->summary + 1);
	if (cmd->aliases)
		fprintf(out, "\nAlso called: %s\n", cmd->aliases);
	if (!any)
		return;
	fputs("\nOptions:\n", out);
	for (size_t i = 0; cmd->tables[i]; i++)
		opt_print_table(cmd->tables[i], out);
}

void command_print_group(const struct command *group, const char *program, FILE *out)
{
	fprintf(out, "Usage: %s %s COMMAND\n\n%s.\n\nCommands:\n", program, group->name,
	        group->summary);
	for (const struct command *c = group->sub; c->name; c++)
		if (!c->hidden)
			fprintf(out, "  %-12s %s\n", c->name, c->summary);
	fprintf(out, "\nRun '%s %s COMMAND --help' for the options of a command.\n", program,
	        group->name);
}

void program_print_help(const char *program, const char *about, const struct command *commands,
                        const struct opt *globals, FILE *out)
{
	fprintf(out, "Usage: %s [OPTIONS] COMMAND\n\n%s\n\nCommands:\n", program, about);
	for (const struct command *c = commands; c->name; c++)
		if (!c->hidden)
			fprintf(out, "  %-14s %c%s\n", c->name,
			        toupper((unsigned char)c->summary[0]), c->summary + 1);
	fputs("\nOptions:\n", out);
	opt_print_table(globals, out);
	fprintf(out, "\nRun '%s COMMAND --help' for a command's options.\n", program);
}
