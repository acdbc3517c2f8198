/* template: the part of Go's text/template that docker's and podman's --format uses, over JSON.
 *
 * Actions: fields, variables, if/else if/else, range (with $i, $v), with, break, continue,
 * comments, trim markers, pipes and parentheses. Functions: and or not len index slice eq ne lt
 * le gt ge print printf println json join split lower upper title truncate pad; and
 * {{.Label "key"}} on rows of listings (output.h).
 * Refused by name: define, template, block, call, html, js, urlquery.
 *
 * A key that an object does not have is an error that names the nearest key, except below the
 * maps that hold users' names (Labels, Ports, ...): there it prints "<no value>" as Go does.
 * Keys match exactly, then without regard to case ({{.ID}} finds "Id"), since Go's names and
 * JSON's names of the same field differ so.
 * The template is bounded in size and depth, and what it prints in size. */
#pragma once
#include "base/err.h"
#include "base/strbuf.h"
#include <json-c/json.h>
#include <stdbool.h>

#define TEMPLATE_MAX_BYTES  (64u << 10)
#define TEMPLATE_MAX_DEPTH  32
#define TEMPLATE_MAX_OUTPUT (16u << 20)

struct template;

/* Return 0, or -1 with E_INVALID saying where. Caller frees *ret with template_free(). */
int template_parse(const char *text, struct template **ret, struct err *err);
void template_free(struct template *t);
DEFINE_FREEP(struct template, template_free)
#define AUTO_TEMPLATE __attribute__((cleanup(template_freep))) struct template

/* Print `t` with data as the dot; appended to out. */
int template_exec(const struct template *t, struct json_object *data, struct strbuf *out,
                  struct err *err);
/* Whether the template mentions the field anywhere: for values that cost something to compute. */
bool template_mentions(const struct template *t, const char *field);
