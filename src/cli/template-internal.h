/* template-internal: the tree a template is parsed into, and the values it computes with. */
#pragma once
#include "cli/template.h"
#include <stddef.h>

enum operand_kind {
	OPERAND_DOT,     /* the dot */
	OPERAND_VAR,     /* $name; "" is $ itself, the root */
	OPERAND_LITERAL, /* a string, number, true, false or nil */
	OPERAND_FUNC,    /* a function's name */
	OPERAND_PIPE,    /* ( pipeline ) */
};

struct pipeline;

struct operand {
	enum operand_kind kind;
	const char *name;            /* of a variable or function */
	struct json_object *literal; /* owned by the template */
	struct pipeline *pipe;
	const char **fields; /* .A.B after the operand */
	size_t n_fields;
	const char *source; /* the text of the operand, for messages */
};

struct call {
	struct operand *operands;
	size_t n_operands;
};

struct pipeline {
	const char *vars[2]; /* declared or assigned: {{$i, $v := range}} */
	int n_vars;
	bool assigns; /* '=' and not ':=' */
	struct call *calls;
	size_t n_calls;
};

enum node_kind { NODE_TEXT, NODE_PRINT, NODE_IF, NODE_RANGE, NODE_WITH, NODE_BREAK, NODE_CONTINUE };

struct node_list {
	struct node *nodes;
	size_t n;
};

struct node {
	enum node_kind kind;
	const char *text;
	size_t len;
	struct pipeline *pipe;
	struct node_list body;
	struct node_list otherwise;
};

struct template
{
	char *source;
	struct node_list root;
	/* everything the tree points at, freed together */
	void **memory;
	size_t n_memory;
	struct json_object **literals;
	size_t n_literals;
};

enum value_kind {
	VALUE_JSON,    /* obj */
	VALUE_NIL,     /* prints <nil> */
	VALUE_MISSING, /* a key that a map does not have: prints <no value> */
	VALUE_ZERO,    /* what index gives for such a key: prints nothing */
};

struct value {
	enum value_kind kind;
	struct json_object *obj; /* a reference owned by the value; NULL unless VALUE_JSON */
};

#define VALUE_INIT ((struct value){ .kind = VALUE_NIL })
#define AUTO_VALUE __attribute__((cleanup(value_done))) struct value

void value_done(struct value *v);
/* Takes the reference; NULL makes VALUE_NIL. */
struct value value_of(struct json_object *obj);
struct value value_copy(const struct value *v);
bool value_truth(const struct value *v);
/* As Go's fmt.Print would: lists in brackets, maps as map[k:v] sorted by key. */
void value_print(const struct value *v, struct strbuf *out);
const char *value_type(const struct value *v);

struct template_func {
	const char *name;
	int min_args;
	int max_args; /* -1: any number */
	int (*run)(const struct value *args, size_t n, struct value *ret, struct err *err);
};

/* NULL for an unknown name. `and` and `or` are the interpreter's: they evaluate lazily. */
const struct template_func *template_func_find(const char *name);
/* Keys of an object in Go's order of iteration; the array (not the keys) is the caller's. */
const char **object_keys_sorted(struct json_object *obj, size_t *ret_n);
