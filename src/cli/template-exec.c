/* Walking a template's tree over a JSON value. */
#include <errno.h>
#include <string.h>
#include <strings.h>

#include "base/opt.h"
#include "base/xalloc.h"
#include "cli/template-internal.h"

struct variable {
	const char *name; /* borrowed from the tree */
	struct value value;
};

enum flow { FLOW_ON, FLOW_BREAK, FLOW_CONTINUE };

struct machine {
	struct variable *vars; /* a stack: blocks truncate it to where they found it */
	size_t n_vars;
	enum flow flow;
	struct strbuf *out;
	struct err *err;
};

/* Objects below these keys map names that users chose, so that a key may be absent. */
static const char *const map_keys[] = { "Labels",       "Annotations", "Sysctls", "Ports",
	                                "Networks",     "Volumes",     "Options", "ExposedPorts",
	                                "PortBindings", "Tmpfs",       "Storage", "LogOpts" };

static bool is_map_key(const char *key)
{
	for (size_t i = 0; i < ARRAY_LEN(map_keys); i++)
		if (!strcasecmp(key, map_keys[i]))
			return true;
	return false;
}

static void push_var(struct machine *m, const char *name, struct value value)
{
	struct variable v = { name, value };

	VEC_PUSH(m->vars, m->n_vars, v);
}

static void pop_vars(struct machine *m, size_t to)
{
	/* VEC_PUSH grows when the count is a power of two: shrinking the count only re-allocates
	 * to the same size later, which is harmless */
	while (m->n_vars > to)
		value_done(&m->vars[--m->n_vars].value);
}

static struct variable *find_var(struct machine *m, const char *name)
{
	for (size_t i = m->n_vars; i > 0; i--)
		if (!strcmp(m->vars[i - 1].name, name))
			return &m->vars[i - 1];
	return NULL;
}

static struct json_object *lookup(struct json_object *obj, const char *key, bool *ret_found)
{
	struct json_object *value = NULL;

	*ret_found = json_object_object_get_ex(obj, key, &value);
	if (*ret_found)
		return value;
	json_object_object_foreach(obj, k, v)
	{
		if (strcasecmp(k, key))
			continue;
		*ret_found = true;
		return v;
	}
	return NULL;
}

/* The key that is most like the wrong one, for the message; NULL when none is near. */
static const char *nearest_key(struct json_object *obj, const char *wrong)
{
	struct command *list = NULL;
	size_t n = 0;
	const char *near;

	json_object_object_foreach(obj, key, val)
	{
		(void)val;
		VEC_PUSH(list, n, (struct command){ .name = key });
	}
	VEC_PUSH(list, n, (struct command){ 0 });
	near = command_suggest(list, wrong);
	free(list);
	return near;
}

static int no_field(struct machine *m, struct json_object *obj, const char *field)
{
	const char *near = nearest_key(obj, field);
	AUTO_BUF all = STRBUF_INIT;

	err_set(m->err, E_INVALID, "template: can't evaluate field %s: there is none", field);
	if (near)
		return err_hint(m->err, "did you mean .%s?", near);
	json_object_object_foreach(obj, key, val)
	{
		(void)val;
		strbuf_addf(&all, " .%s", key);
	}
	return err_hint(m->err, "there are%s", all.len ? all.buf : " no fields");
}

/* Replace *v by its field. parent: the key *v was reached by, or NULL. */
static int step(struct machine *m, struct value *v, const char *parent, const char *field)
{
	struct json_object *found;
	bool is_found;

	if (!v->obj) {
		v->kind = v->kind == VALUE_ZERO ? VALUE_ZERO : VALUE_MISSING;
		return 0;
	}
	if (!json_object_is_type(v->obj, json_type_object))
		return err_set(m->err, E_INVALID,
		               "template: can't evaluate field %s in a value of type %s", field,
		               value_type(v));
	found = json_object_get(lookup(v->obj, field, &is_found));
	if (!is_found && !(parent && is_map_key(parent)))
		return no_field(m, v->obj, field);
	value_done(v);
	*v = is_found ? value_of(found) : (struct value){ .kind = VALUE_MISSING };
	return 0;
}

static int eval_pipeline(struct machine *m, const struct pipeline *pipe, const struct value *dot,
                         struct value *ret);
static int eval_func(struct machine *m, const struct call *call, const struct value *dot,
                     const struct value *last, struct value *ret);

/* The operand without its fields. */
static int eval_base(struct machine *m, const struct operand *op, const struct value *dot,
                     struct value *ret)
{
	const struct variable *var;

	switch (op->kind) {
	case OPERAND_DOT:
		*ret = value_copy(dot);
		return 0;
	case OPERAND_VAR:
		var = find_var(m, op->name);
		if (!var)
			return err_set(m->err, E_INVALID, "template: variable $%s is not defined",
			               op->name);
		*ret = value_copy(&var->value);
		return 0;
	case OPERAND_LITERAL:
		*ret = value_of(json_object_get(op->literal));
		return 0;
	case OPERAND_FUNC: {
		struct call alone = { (struct operand *)op, 1 };

		return eval_func(m, &alone, dot, NULL, ret);
	}
	case OPERAND_PIPE:
		return eval_pipeline(m, op->pipe, dot, ret);
	}
	return 0;
}

static int eval_operand(struct machine *m, const struct operand *op, const struct value *dot,
                        struct value *ret)
{
	AUTO_VALUE v = VALUE_INIT;
	const char *parent = NULL;

	if (eval_base(m, op, dot, &v) < 0)
		return -1;
	for (size_t i = 0; i < op->n_fields; i++) {
		if (step(m, &v, parent, op->fields[i]) < 0)
			return -1;
		parent = op->fields[i];
	}
	*ret = value_copy(&v);
	return 0;
}

/* and, or: the value that decided; what follows it is not evaluated. */
static int eval_logic(struct machine *m, const struct call *call, const struct value *dot,
                      const struct value *last, struct value *ret)
{
	bool stop_at = !strcmp(call->operands[0].name, "or");

	for (size_t i = 1; i < call->n_operands; i++) {
		value_done(ret);
		if (eval_operand(m, &call->operands[i], dot, ret) < 0)
			return -1;
		if (value_truth(ret) == stop_at)
			return 0;
	}
	if (last) {
		value_done(ret);
		*ret = value_copy(last);
	} else if (call->n_operands < 2) {
		return err_set(m->err, E_INVALID, "template: %s needs an argument",
		               call->operands[0].name);
	}
	return 0;
}

static int call_func(struct machine *m, const struct template_func *f, const struct value *args,
                     size_t n, struct value *ret)
{
	if ((int)n < f->min_args || (f->max_args >= 0 && (int)n > f->max_args))
		return err_set(m->err, E_INVALID, "template: %s: wrong number of arguments: %zu",
		               f->name, n);
	return f->run(args, n, ret, m->err);
}

static int eval_func(struct machine *m, const struct call *call, const struct value *dot,
                     const struct value *last, struct value *ret)
{
	const char *name = call->operands[0].name;
	struct value *args;
	size_t n = 0;
	int r = 0;

	if (!strcmp(name, "and") || !strcmp(name, "or"))
		return eval_logic(m, call, dot, last, ret);
	args = xcalloc(call->n_operands + 1, sizeof(*args));
	for (size_t i = 1; r == 0 && i < call->n_operands; i++)
		r = eval_operand(m, &call->operands[i], dot, &args[n++]);
	if (last)
		args[n++] = value_copy(last);
	if (r == 0)
		r = call_func(m, template_func_find(name), args, n, ret);
	for (size_t i = 0; i < n; i++)
		value_done(&args[i]);
	free(args);
	return r;
}

/* docker's {{.Label "key"}} on a row of a listing: output_row_labels() attached the labels. */
static int eval_label(struct machine *m, const struct call *call, const struct value *dot,
                      struct value *ret)
{
	AUTO_VALUE key = VALUE_INIT;
	AUTO_VALUE row = VALUE_INIT;
	struct json_object *labels, *label = NULL;

	if (eval_base(m, &call->operands[0], dot, &row) < 0 ||
	    eval_operand(m, &call->operands[1], dot, &key) < 0)
		return -1;
	labels = row.obj ? json_object_get_userdata(row.obj) : NULL;
	ret->kind = VALUE_ZERO;
	if (labels && key.obj && json_object_is_type(labels, json_type_string)) {
		/* the line of titles */
		*ret = value_copy(&key);
		return 0;
	}
	if (labels && key.obj &&
	    json_object_object_get_ex(labels, json_object_get_string(key.obj), &label))
		*ret = value_of(json_object_get(label));
	return 0;
}

static int eval_call(struct machine *m, const struct call *call, const struct value *dot,
                     const struct value *last, struct value *ret)
{
	const struct operand *op = &call->operands[0];

	if (op->kind == OPERAND_FUNC && !op->n_fields)
		return eval_func(m, call, dot, last, ret);
	if (call->n_operands == 2 && !last && op->n_fields == 1 && !strcmp(op->fields[0], "Label"))
		return eval_label(m, call, dot, ret);
	if (call->n_operands > 1 || last)
		return err_set(m->err, E_INVALID,
		               "template: '%s' is not a function but is given arguments",
		               op->source);
	return eval_operand(m, op, dot, ret);
}

/* The value of the calls, without declaring variables. */
static int eval_calls(struct machine *m, const struct pipeline *pipe, const struct value *dot,
                      struct value *ret)
{
	AUTO_VALUE last = VALUE_INIT;

	for (size_t i = 0; i < pipe->n_calls; i++) {
		struct value next = VALUE_INIT;

		if (eval_call(m, &pipe->calls[i], dot, i ? &last : NULL, &next) < 0) {
			value_done(&next);
			return -1;
		}
		value_done(&last);
		last = next;
	}
	*ret = value_copy(&last);
	return 0;
}

static int eval_pipeline(struct machine *m, const struct pipeline *pipe, const struct value *dot,
                         struct value *ret)
{
	struct variable *var;

	if (eval_calls(m, pipe, dot, ret) < 0)
		return -1;
	if (!pipe->n_vars)
		return 0;
	if (!pipe->assigns) {
		push_var(m, pipe->vars[0], value_copy(ret));
		return 0;
	}
	var = find_var(m, pipe->vars[0]);
	if (!var)
		return err_set(m->err, E_INVALID, "template: variable $%s is not defined",
		               pipe->vars[0]);
	value_done(&var->value);
	var->value = value_copy(ret);
	return 0;
}

static int run_list(struct machine *m, const struct node_list *list, const struct value *dot);

static int run_item(struct machine *m, const struct node *node, struct value key,
                    const struct value *item)
{
	const struct pipeline *pipe = node->pipe;
	size_t mark = m->n_vars;
	int r;

	if (pipe->n_vars == 2)
		push_var(m, pipe->vars[0], value_copy(&key));
	if (pipe->n_vars)
		push_var(m, pipe->vars[pipe->n_vars - 1], value_copy(item));
	value_done(&key);
	r = run_list(m, &node->body, item);
	pop_vars(m, mark);
	if (m->flow == FLOW_CONTINUE)
		m->flow = FLOW_ON;
	return r;
}

static int range_object(struct machine *m, const struct node *node, struct json_object *obj)
{
	size_t n;
	AUTO_FREE const char **keys = object_keys_sorted(obj, &n);
	int r = 0;

	for (size_t i = 0; r == 0 && i < n && m->flow == FLOW_ON; i++) {
		struct json_object *value = NULL;
		AUTO_VALUE item = VALUE_INIT;

		json_object_object_get_ex(obj, keys[i], &value);
		item = value_of(json_object_get(value));
		r = run_item(m, node, value_of(json_object_new_string(keys[i])), &item);
	}
	return r;
}

static int range_array(struct machine *m, const struct node *node, struct json_object *array)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < json_object_array_length(array) && m->flow == FLOW_ON;
	     i++) {
		AUTO_VALUE item = value_of(json_object_get(json_object_array_get_idx(array, i)));

		r = run_item(m, node, value_of(json_object_new_int64((int64_t)i)), &item);
	}
	return r;
}

static int run_range(struct machine *m, const struct node *node, const struct value *dot)
{
	AUTO_VALUE over = VALUE_INIT;
	int r;

	if (eval_calls(m, node->pipe, dot, &over) < 0)
		return -1;
	if (!value_truth(&over))
		return run_list(m, &node->otherwise, dot);
	if (json_object_is_type(over.obj, json_type_array))
		r = range_array(m, node, over.obj);
	else if (json_object_is_type(over.obj, json_type_object))
		r = range_object(m, node, over.obj);
	else
		return err_set(m->err, E_INVALID, "template: can't range over a %s",
		               value_type(&over));
	m->flow = FLOW_ON;
	return r;
}

/* if and with; with also moves the dot. */
static int run_condition(struct machine *m, const struct node *node, const struct value *dot)
{
	AUTO_VALUE v = VALUE_INIT;

	if (eval_pipeline(m, node->pipe, dot, &v) < 0)
		return -1;
	if (!value_truth(&v))
		return run_list(m, &node->otherwise, dot);
	return run_list(m, &node->body, node->kind == NODE_WITH ? &v : dot);
}

static int run_print(struct machine *m, const struct node *node, const struct value *dot)
{
	AUTO_VALUE v = VALUE_INIT;

	if (eval_pipeline(m, node->pipe, dot, &v) < 0)
		return -1;
	if (!node->pipe->n_vars)
		value_print(&v, m->out);
	return 0;
}

static int run_node(struct machine *m, const struct node *node, const struct value *dot)
{
	size_t mark = m->n_vars;
	int r = 0;

	switch (node->kind) {
	case NODE_TEXT:
		strbuf_add(m->out, node->text, node->len);
		return 0;
	case NODE_PRINT: /* what it declares lives on to the end of the list */
		return run_print(m, node, dot);
	case NODE_IF:
	case NODE_WITH:
		r = run_condition(m, node, dot);
		break;
	case NODE_RANGE:
		r = run_range(m, node, dot);
		break;
	case NODE_BREAK:
		m->flow = FLOW_BREAK;
		break;
	case NODE_CONTINUE:
		m->flow = FLOW_CONTINUE;
		break;
	}
	pop_vars(m, mark);
	return r;
}

static int run_list(struct machine *m, const struct node_list *list, const struct value *dot)
{
	size_t mark = m->n_vars;
	int r = 0;

	for (size_t i = 0; r == 0 && i < list->n && m->flow == FLOW_ON; i++) {
		r = run_node(m, &list->nodes[i], dot);
		if (r == 0 && m->out->len > TEMPLATE_MAX_OUTPUT)
			r = err_set(m->err, E_LIMIT, "template: prints more than %u bytes",
			            TEMPLATE_MAX_OUTPUT);
	}
	pop_vars(m, mark);
	return r;
}

int template_exec(const struct template *t, struct json_object *data, struct strbuf *out,
                  struct err *err)
{
	struct machine m = { .out = out, .err = err };
	AUTO_VALUE dot = value_of(json_object_get(data));
	int r;

	push_var(&m, "", value_copy(&dot)); /* $ */
	r = run_list(&m, &t->root, &dot);
	pop_vars(&m, 0);
	free(m.vars);
	return r;
}

static bool pipe_mentions(const struct pipeline *pipe, const char *field)
{
	for (size_t i = 0; i < pipe->n_calls; i++)
		for (size_t j = 0; j < pipe->calls[i].n_operands; j++) {
			const struct operand *op = &pipe->calls[i].operands[j];

			if (op->kind == OPERAND_PIPE && pipe_mentions(op->pipe, field))
				return true;
			for (size_t k = 0; k < op->n_fields; k++)
				if (!strcasecmp(op->fields[k], field))
					return true;
			/* {{json .}} shows everything */
			if (op->kind == OPERAND_DOT && !op->n_fields)
				return true;
		}
	return false;
}

static bool list_mentions(const struct node_list *list, const char *field)
{
	for (size_t i = 0; i < list->n; i++) {
		const struct node *n = &list->nodes[i];

		if ((n->pipe && pipe_mentions(n->pipe, field)) || list_mentions(&n->body, field) ||
		    list_mentions(&n->otherwise, field))
			return true;
	}
	return false;
}

bool template_mentions(const struct template *t, const char *field)
{
	return list_mentions(&t->root, field);
}
