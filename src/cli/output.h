/* output: listings by --format: a table, a template for each row, or JSON.
 *
 * A row is a JSON object with one string (or number) per field. The format is "table" (the
 * default columns), "table TEMPLATE" (aligned, under the headers of its fields), "json" (one
 * object a line, as docker does) or a template, printed for each row and followed by a newline.
 * \t and \n in a format stand for the characters.
 * In tables, control characters of a cell are shown as '?', so that a name from an image cannot
 * drive the terminal. */
#pragma once
#include "base/err.h"
#include "base/strbuf.h"
#include <json-c/json.h>
#include <stdbool.h>

struct column {
	const char *field;  /* "ID" */
	const char *header; /* "CONTAINER ID" */
};

struct output {
	struct template *template;
	const struct column *columns; /* every field that has a header; ended by a NULL field */
	bool is_table;
	bool is_json;
	bool no_heading;
	struct strbuf lines; /* a table's cells: tabs between, newline after */
	struct strbuf line;  /* scratch */
};

void output_done(struct output *o);
#define OUTPUT_INIT ((struct output){ .lines = STRBUF_INIT, .line = STRBUF_INIT })
#define AUTO_OUTPUT __attribute__((cleanup(output_done))) struct output

/* format NULL or "table": default_template, without the "table " before it. */
int output_begin(struct output *o, const char *format, const char *default_template,
                 const struct column *columns, struct err *err);
/* Whether the format shows the field: skip what costs something otherwise. */
bool output_wants(const struct output *o, const char *field);
/* Takes `row`. */
int output_row(struct output *o, struct json_object *row, struct err *err);
/* Prints the table. */
void output_end(struct output *o);

/* {{.Label "key"}} of a row reads the object attached here (taken). */
void output_row_labels(struct json_object *row, struct json_object *labels);

/* Align tab-separated lines and append them to out: three blanks between columns. */
void table_align(const char *lines, struct strbuf *out);
/* One value by a template (inspect, info, version), or as pretty JSON for "json" and NULL.
 * A newline follows. */
int output_value(const char *format, struct json_object *value, struct err *err);
/* Replace "\t" and "\n" written as two characters. Caller frees. */
char *format_unescape(const char *format);
