/* What the two halves of the TOML reader share: toml.c (tables and keys), toml-value.c (values). */
#pragma once
#include "base/strbuf.h"
#include "base/strv.h"
#include "codec/toml.h"

#define TOML_KEY_SHOWN 64 /* bytes of a key quoted in an error */

struct toml {
	const char *what;
	const char *start;
	const char *p;
	const char *end;
	int depth;
	struct err *err;
};

/* How a table or an array came to be, which decides who may still add to it. 0: made on the way to
 * a table below it. */
enum toml_origin {
	TOML_IMPLICIT = 0,
	TOML_HEADER, /* [name] */
	TOML_DOTTED, /* name.key = */
	TOML_CLOSED, /* { } */
	TOML_TABLES, /* [[name]]: an array */
};

enum toml_origin toml_origin(struct json_object *o);
void toml_set_origin(struct json_object *o, enum toml_origin origin);

int toml_fail_at(struct toml *t, const char *at, enum err_code code, const char *text);
int toml_fail(struct toml *t, const char *text);
void toml_skip_blanks(struct toml *t);
/* Blanks, comments and line ends. */
int toml_skip_lines(struct toml *t);
static inline char toml_peek(const struct toml *t)
{
	return t->p < t->end ? *t->p : '\0';
}

/* The dotted key at p, up to what follows it. */
int toml_key(struct toml *t, struct strv *ret);
/* key = value, at p, into the table. */
int toml_pair(struct toml *t, struct json_object *table);
/* The string at p, in any of its four forms (single_line: only two). */
int toml_string(struct toml *t, bool single_line, struct strbuf *ret);
int toml_value(struct toml *t, struct json_object **ret);
