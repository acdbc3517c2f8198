/* From the text of a template to its tree. */
#include <ctype.h>
#include <errno.h>
#include <string.h>

#include "base/num.h"
#include "base/xalloc.h"
#include "cli/template-internal.h"

struct parser {
	struct template *t;
	const char *at;  /* the next unread byte */
	const char *end; /* of the action being read: where its "}}" or "-}}" starts */
	int depth;
	int loops; /* enclosing ranges */
	struct err *err;
};

/* How a list of nodes ended. */
enum list_end { END_OF_TEXT, END_END, END_ELSE };

static void *own(struct parser *p, void *memory)
{
	VEC_PUSH(p->t->memory, p->t->n_memory, memory);
	return memory;
}

static const char *own_text(struct parser *p, const char *from, const char *to)
{
	return own(p, xstrndup(from, (size_t)(to - from)));
}

static struct json_object *own_literal(struct parser *p, struct json_object *obj)
{
	VEC_PUSH(p->t->literals, p->t->n_literals, obj);
	return obj;
}

static int fail(struct parser *p, const char *what)
{
	return err_set(p->err, E_INVALID, "template: column %zu: %s",
	               (size_t)(p->at - p->t->source) + 1, what);
}

static void skip_space(struct parser *p)
{
	while (p->at < p->end && isspace((unsigned char)*p->at))
		p->at++;
}

static bool is_name_char(char c)
{
	return isalnum((unsigned char)c) || c == '_';
}

static const char *read_name(struct parser *p)
{
	const char *from = p->at;

	while (p->at < p->end && is_name_char(*p->at))
		p->at++;
	return own_text(p, from, p->at);
}

static bool accept_word(struct parser *p, const char *word)
{
	size_t len = strlen(word);

	if ((size_t)(p->end - p->at) < len || strncmp(p->at, word, len))
		return false;
	if (p->at + len < p->end && is_name_char(p->at[len]))
		return false;
	p->at += len;
	skip_space(p);
	return true;
}

/* One escape of an interpreted string; Go's, less the octal and unicode ones. */
static int read_escape(struct parser *p, struct strbuf *sb)
{
	static const char names[] = "ntr\\\"'ab", bytes[] = "\n\t\r\\\"'\a\b";
	const char *found;
	unsigned value = 0;

	if (++p->at >= p->end)
		return fail(p, "unterminated string");
	found = strchr(names, *p->at);
	if (found && *found) {
		strbuf_addc(sb, bytes[found - names]);
		p->at++;
		return 0;
	}
	if (*p->at != 'x' || p->end - p->at < 3 || !isxdigit((unsigned char)p->at[1]) ||
	    !isxdigit((unsigned char)p->at[2]))
		return fail(p, "unknown escape in a string");
	for (int i = 1; i <= 2; i++) {
		char c = (char)tolower((unsigned char)p->at[i]);

		value = value * 16 + (unsigned)(c >= 'a' ? c - 'a' + 10 : c - '0');
	}
	strbuf_addc(sb, (char)value);
	p->at += 3;
	return 0;
}

static int read_string(struct parser *p, struct operand *op)
{
	AUTO_BUF sb = STRBUF_INIT;
	char quote = *p->at++;

	while (p->at < p->end && *p->at != quote) {
		if (*p->at == '\\' && quote != '`') {
			if (read_escape(p, &sb) < 0)
				return -1;
		} else {
			strbuf_addc(&sb, *p->at++);
		}
	}
	if (p->at >= p->end)
		return fail(p, "unterminated string");
	p->at++;
	op->kind = OPERAND_LITERAL;
	if (quote == '\'') /* a character is a number in Go */
		op->literal = own_literal(p, json_object_new_int64((unsigned char)sb.buf[0]));
	else
		op->literal = own_literal(p, json_object_new_string_len(sb.buf, (int)sb.len));
	return 0;
}

static int read_number(struct parser *p, struct operand *op)
{
	const char *from = p->at, *text;
	int64_t i;
	double d;

	while (p->at < p->end && (is_name_char(*p->at) || strchr("+-.", *p->at)))
		p->at++;
	text = own_text(p, from, p->at);
	op->kind = OPERAND_LITERAL;
	if (parse_i64(text, &i) == 0)
		op->literal = own_literal(p, json_object_new_int64(i));
	else if (parse_double(text, &d) == 0)
		op->literal = own_literal(p, json_object_new_double(d));
	else
		return fail(p, "bad number");
	return 0;
}

static int read_word(struct parser *p, struct operand *op)
{
	const char *name = read_name(p);

	op->kind = OPERAND_LITERAL;
	if (!strcmp(name, "true") || !strcmp(name, "false")) {
		op->literal = own_literal(p, json_object_new_boolean(*name == 't'));
		return 0;
	}
	if (!strcmp(name, "nil"))
		return 0; /* a NULL literal */
	op->kind = OPERAND_FUNC;
	op->name = name;
	if (strcmp(name, "and") && strcmp(name, "or") && !template_func_find(name)) {
		err_set(p->err, E_INVALID, "template: function '%s' is not known", name);
		return err_hint(p->err, "and or not len index slice eq ne lt le gt ge print printf "
		                        "println json join split lower upper title truncate pad");
	}
	return 0;
}

static int read_pipeline(struct parser *p, struct pipeline **ret);

static int read_parenthesis(struct parser *p, struct operand *op)
{
	p->at++;
	if (++p->depth > TEMPLATE_MAX_DEPTH)
		return fail(p, "too deeply nested");
	if (read_pipeline(p, &op->pipe) < 0)
		return -1;
	p->depth--;
	if (p->at >= p->end || *p->at != ')')
		return fail(p, "expected ')'");
	p->at++;
	op->kind = OPERAND_PIPE;
	return 0;
}

/* The fields that follow an operand without a blank: .A.B */
static int read_fields(struct parser *p, struct operand *op)
{
	const char **fields = NULL;
	size_t n = 0;

	while (p->at + 1 < p->end && *p->at == '.' && is_name_char(p->at[1])) {
		p->at++;
		VEC_PUSH(fields, n, read_name(p));
	}
	if (n)
		op->fields = own(p, fields);
	op->n_fields = n;
	return 0;
}

static int read_operand(struct parser *p, struct operand *op)
{
	const char *from = p->at;
	char c = *p->at;
	int r = 0;

	*op = (struct operand){ .kind = OPERAND_DOT };
	if (c == '.') {
		if (p->at + 1 >= p->end || !is_name_char(p->at[1]))
			p->at++; /* the dot alone */
	} else if (c == '$') {
		p->at++;
		op->kind = OPERAND_VAR;
		op->name = read_name(p);
	} else if (c == '"' || c == '`' || c == '\'') {
		r = read_string(p, op);
	} else if (isdigit((unsigned char)c) || c == '-' || c == '+') {
		r = read_number(p, op);
	} else if (c == '(') {
		r = read_parenthesis(p, op);
	} else if (is_name_char(c)) {
		r = read_word(p, op);
	} else {
		r = fail(p, "unexpected character in an action");
	}
	if (r < 0)
		return -1;
	read_fields(p, op);
	op->source = own_text(p, from, p->at);
	return 0;
}

static int read_call(struct parser *p, struct call *ret)
{
	struct operand *operands = NULL;
	size_t n = 0;
	int r = 0;

	skip_space(p);
	while (r == 0 && p->at < p->end && *p->at != '|' && *p->at != ')') {
		struct operand op;

		r = read_operand(p, &op);
		if (r == 0)
			VEC_PUSH(operands, n, op);
		skip_space(p);
	}
	if (operands)
		own(p, operands);
	if (r == 0 && n == 0)
		return fail(p, "missing value");
	ret->operands = operands;
	ret->n_operands = n;
	return r;
}

/* "$i, $v :=" or "$x =" before the calls; backs off when it is no declaration. */
static void read_declaration(struct parser *p, struct pipeline *pipe)
{
	const char *start = p->at, *vars[2];
	int n = 0;

	while (n < 2 && p->at < p->end && *p->at == '$') {
		p->at++;
		vars[n++] = read_name(p);
		skip_space(p);
		if (p->at >= p->end || *p->at != ',')
			break;
		p->at++;
		skip_space(p);
	}
	if (n && p->end - p->at >= 2 && p->at[0] == ':' && p->at[1] == '=') {
		p->at += 2;
	} else if (n == 1 && p->at < p->end && *p->at == '=') {
		p->at++;
		pipe->assigns = true;
	} else {
		p->at = start;
		return;
	}
	memcpy(pipe->vars, vars, sizeof(vars[0]) * (size_t)n);
	pipe->n_vars = n;
}

static int read_pipeline(struct parser *p, struct pipeline **ret)
{
	struct pipeline *pipe = own(p, xcalloc(1, sizeof(*pipe)));
	struct call *calls = NULL;
	size_t n = 0;
	int r;

	skip_space(p);
	read_declaration(p, pipe);
	for (;;) {
		struct call call = { 0 };

		r = read_call(p, &call);
		if (r < 0)
			break;
		VEC_PUSH(calls, n, call);
		if (p->at >= p->end || *p->at != '|')
			break;
		p->at++;
	}
	if (calls)
		own(p, calls);
	pipe->calls = calls;
	pipe->n_calls = n;
	*ret = pipe;
	return r;
}

static int finish_action(struct parser *p)
{
	skip_space(p);
	if (p->at < p->end)
		return fail(p, "unexpected text in an action");
	if (*p->at == '-') { /* "-}}" eats the blanks behind it */
		p->at += 3;
		while (isspace((unsigned char)*p->at))
			p->at++;
	} else {
		p->at += 2;
	}
	return 0;
}

static int read_list(struct parser *p, struct node_list *list, enum list_end *ret_end);

static int read_block_body(struct parser *p, struct node *node)
{
	enum list_end end;

	if (read_list(p, &node->body, &end) < 0)
		return -1;
	if (end == END_ELSE) {
		/* p is behind "else", inside the action */
		if (p->at < p->end) {
			struct node *nested = xcalloc(1, sizeof(*nested));

			own(p, nested);
			node->otherwise = (struct node_list){ nested, 1 };
			nested->kind = node->kind == NODE_WITH ? NODE_WITH : NODE_IF;
			if (!accept_word(p, node->kind == NODE_WITH ? "with" : "if"))
				return fail(p, "expected 'else' or 'else if'");
			if (read_pipeline(p, &nested->pipe) < 0 || finish_action(p) < 0)
				return -1;
			return read_block_body(p, nested);
		}
		if (finish_action(p) < 0 || read_list(p, &node->otherwise, &end) < 0)
			return -1;
	}
	if (end != END_END)
		return fail(p, "missing {{end}}");
	return 0;
}

static int read_block(struct parser *p, enum node_kind kind, struct node *node)
{
	int r;

	node->kind = kind;
	if (++p->depth > TEMPLATE_MAX_DEPTH)
		return fail(p, "too deeply nested");
	if (read_pipeline(p, &node->pipe) < 0 || finish_action(p) < 0)
		return -1;
	p->loops += kind == NODE_RANGE;
	r = read_block_body(p, node);
	p->loops -= kind == NODE_RANGE;
	p->depth--;
	return r;
}

static int read_jump(struct parser *p, enum node_kind kind, struct node *node)
{
	node->kind = kind;
	if (!p->loops)
		return fail(p, "break and continue belong inside a range");
	return finish_action(p);
}

/* One action; p->at is behind "{{" and blanks. 1 when it was an end or else, in *ret_end. */
static int read_action(struct parser *p, struct node *node, enum list_end *ret_end)
{
	static const char *const refused[] = { "define", "template", "block", "call" };

	for (size_t i = 0; i < ARRAY_LEN(refused); i++)
		if (accept_word(p, refused[i]))
			return err_set(p->err, E_UNSUPPORTED, "template: '%s' is not supported",
			               refused[i]);
	if (accept_word(p, "end")) {
		*ret_end = END_END;
		return finish_action(p) < 0 ? -1 : 1;
	}
	if (accept_word(p, "else")) {
		*ret_end = END_ELSE;
		return 1;
	}
	if (accept_word(p, "if"))
		return read_block(p, NODE_IF, node);
	if (accept_word(p, "range"))
		return read_block(p, NODE_RANGE, node);
	if (accept_word(p, "with"))
		return read_block(p, NODE_WITH, node);
	if (accept_word(p, "break"))
		return read_jump(p, NODE_BREAK, node);
	if (accept_word(p, "continue"))
		return read_jump(p, NODE_CONTINUE, node);
	node->kind = NODE_PRINT;
	if (read_pipeline(p, &node->pipe) < 0)
		return -1;
	return finish_action(p);
}

/* The end of an action, past strings that may hold "}}". NULL when there is none. */
static const char *find_action_end(const char *s)
{
	for (char quote = 0; *s; s++) {
		if (quote) {
			if (*s == '\\' && quote != '`' && s[1])
				s++;
			else if (*s == quote)
				quote = 0;
		} else if (*s == '"' || *s == '`' || *s == '\'') {
			quote = *s;
		} else if (s[0] == '}' && s[1] == '}') {
			return s;
		}
	}
	return NULL;
}

static void add_text(struct parser *p, struct node_list *list, const char *from, const char *to)
{
	if (from < to)
		VEC_PUSH(list->nodes, list->n,
		         (struct node){ .kind = NODE_TEXT,
		                        .text = own_text(p, from, to),
		                        .len = (size_t)(to - from) });
}

/* Behind "{{": a comment is skipped (1), otherwise p->end is set (0). */
static int open_action(struct parser *p)
{
	const char *end;

	if (!strncmp(p->at, "/*", 2)) {
		end = strstr(p->at, "*/");
		if (!end)
			return fail(p, "unterminated comment");
		p->at = p->end = end + 2;
		while (isspace((unsigned char)*p->end))
			p->end++;
		if (strncmp(p->end, "-}}", 3) && strncmp(p->end, "}}", 2))
			return fail(p, "a comment must end its action");
		p->at = p->end;
		return finish_action(p) < 0 ? -1 : 1;
	}
	end = find_action_end(p->at);
	if (!end)
		return fail(p, "unclosed action: '}}' is missing");
	if (end > p->at && end[-1] == '-' && (end - 1 == p->at || isspace((unsigned char)end[-2])))
		end--;
	p->end = end;
	skip_space(p);
	return 0;
}

static int read_list(struct parser *p, struct node_list *list, enum list_end *ret_end)
{
	struct node_list l = { 0 };
	int r = 0;

	*ret_end = END_OF_TEXT;
	while (r == 0 && *p->at) {
		const char *from = p->at, *open = strstr(p->at, "{{"), *to;
		struct node node = { 0 };

		to = open ? open : from + strlen(from);
		p->at = open ? open + 2 : to;
		if (open && *p->at == '-' && isspace((unsigned char)p->at[1])) {
			p->at++;
			while (isspace((unsigned char)*p->at))
				p->at++;
			while (to > from && isspace((unsigned char)to[-1]))
				to--;
		}
		add_text(p, &l, from, to);
		if (!open)
			break;
		r = open_action(p);
		if (r > 0) {
			r = 0;
			continue;
		}
		if (r == 0)
			r = read_action(p, &node, ret_end);
		if (r == 0)
			VEC_PUSH(l.nodes, l.n, node);
	}
	if (l.nodes)
		own(p, l.nodes);
	*list = l;
	return r < 0 ? -1 : 0;
}

int template_parse(const char *text, struct template **ret, struct err *err)
{
	__attribute__((cleanup(template_freep))) struct template *t = xcalloc(1, sizeof(*t));
	struct parser p = { .t = t, .err = err };
	enum list_end end;

	if (strlen(text) > TEMPLATE_MAX_BYTES)
		return err_set(err, E_LIMIT, "template: longer than %u bytes", TEMPLATE_MAX_BYTES);
	t->source = xstrdup(text);
	p.at = p.end = t->source;
	if (read_list(&p, &t->root, &end) < 0)
		return -1;
	if (end != END_OF_TEXT)
		return fail(&p, "{{end}} or {{else}} without a block");
	*ret = TAKE_PTR(t);
	return 0;
}

void template_free(struct template *t)
{
	for (size_t i = 0; i < t->n_memory; i++)
		free(t->memory[i]);
	for (size_t i = 0; i < t->n_literals; i++)
		json_object_put(t->literals[i]);
	free(t->memory);
	free(t->literals);
	free(t->source);
	free(t);
}
