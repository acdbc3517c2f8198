#include "cli/output.h"

#include <stdio.h>
#include <string.h>

#include "base/xalloc.h"
#include "cli/template.h"
#include "codec/json.h"

#define COLUMN_GAP  3
#define COLUMNS_MAX 64

char *format_unescape(const char *format)
{
	AUTO_BUF sb = STRBUF_INIT;

	for (; *format; format++) {
		if (format[0] == '\\' && (format[1] == 't' || format[1] == 'n'))
			strbuf_addc(&sb, *++format == 't' ? '\t' : '\n');
		else
			strbuf_addc(&sb, *format);
	}
	return strbuf_take(&sb);
}

void output_done(struct output *o)
{
	if (o->template)
		template_free(o->template);
	o->template = NULL;
	strbuf_done(&o->lines);
	strbuf_done(&o->line);
}

/* In a table, a blank between two actions is a new column, as podman has it. */
static void blanks_to_tabs(char *text)
{
	for (char *s = strstr(text, "}} {{"); s; s = strstr(s + 2, "}} {{"))
		s[2] = '\t';
}

/* The line of headers: the same template over an object of headers. */
static int add_heading(struct output *o, struct err *err)
{
	AUTO_JSON *headers = json_object_new_object();

	for (const struct column *c = o->columns; c->field; c++)
		json_add_str(headers, c->field, c->header);
	output_row_labels(headers, json_object_new_string("")); /* {{.Label}}: its own title */
	if (template_exec(o->template, headers, &o->lines, err) < 0)
		return -1;
	if (o->no_heading)
		strbuf_reset(&o->lines);
	else
		strbuf_addc(&o->lines, '\n');
	return 0;
}

int output_begin(struct output *o, const char *format, const char *default_template,
                 const struct column *columns, struct err *err)
{
	AUTO_FREE char *text = NULL;

	o->columns = columns;
	if (!format || !strcmp(format, "table")) {
		o->is_table = true;
		format = default_template;
	} else if (!strncmp(format, "table ", 6)) {
		o->is_table = true;
		format += 6;
	} else if (!strcmp(format, "json")) {
		o->is_json = true;
		return 0;
	}
	while (*format == ' ')
		format++;
	text = format_unescape(format);
	if (o->is_table)
		blanks_to_tabs(text);
	if (template_parse(text, &o->template, err) < 0)
		return err_ctx(err, "option --format");
	return o->is_table ? add_heading(o, err) : 0;
}

bool output_wants(const struct output *o, const char *field)
{
	return o->is_json || template_mentions(o->template, field);
}

static void add_cell_text(struct strbuf *out, const char *s, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		unsigned char c = (unsigned char)s[i];
		/* C1 controls are two bytes in UTF-8: c2 80 .. c2 9f */
		bool is_c1 = c == 0xc2 && i + 1 < len && ((unsigned char)s[i + 1] & 0xe0) == 0x80;

		if (is_c1)
			i++;
		strbuf_addc(out, (c < 0x20 && c != '\t') || c == 0x7f || is_c1 ? '?' : (char)c);
	}
}

int output_row(struct output *o, struct json_object *row, struct err *err)
{
	AUTO_JSON *owned = row;

	if (o->is_json) {
		puts(json_text(row, false));
		return 0;
	}
	strbuf_reset(&o->line);
	if (template_exec(o->template, row, &o->line, err) < 0)
		return err_ctx(err, "option --format");
	if (o->is_table) {
		add_cell_text(&o->lines, o->line.buf, o->line.len);
		strbuf_addc(&o->lines, '\n');
	} else {
		fwrite(o->line.buf, 1, o->line.len, stdout);
		putchar('\n');
	}
	return 0;
}

/* Columns a cell takes on a terminal: characters, not bytes. */
static size_t cell_width(const char *s, size_t len)
{
	size_t width = 0;

	for (size_t i = 0; i < len; i++)
		width += ((unsigned char)s[i] & 0xc0) != 0x80;
	return width;
}

/* Calls fn for each cell of each line. The last cell of a line ends with '\n' or the text. */
static void each_cell(const char *lines, size_t widths[COLUMNS_MAX], struct strbuf *out)
{
	size_t column = 0;

	while (*lines) {
		size_t len = strcspn(lines, "\t\n");
		size_t width = cell_width(lines, len);
		bool is_last = lines[len] != '\t' || column + 1 >= COLUMNS_MAX;

		if (!out && !is_last && width > widths[column])
			widths[column] = width;
		if (out) {
			strbuf_add(out, lines, len);
			if (is_last)
				strbuf_addc(out, '\n');
			else
				strbuf_addf(out, "%*s", (int)(widths[column] + COLUMN_GAP - width),
				            "");
		}
		column = is_last ? 0 : column + 1;
		lines += len + (lines[len] != '\0');
	}
}

void table_align(const char *lines, struct strbuf *out)
{
	size_t widths[COLUMNS_MAX] = { 0 };

	each_cell(lines, widths, NULL);
	each_cell(lines, widths, out);
}

void output_end(struct output *o)
{
	AUTO_BUF text = STRBUF_INIT;

	if (!o->is_table)
		return;
	table_align(o->lines.buf, &text);
	fwrite(text.buf, 1, text.len, stdout);
}

static void put_labels(struct json_object *row, void *labels)
{
	(void)row;
	json_object_put(labels);
}

void output_row_labels(struct json_object *row, struct json_object *labels)
{
	json_object_set_userdata(row, labels, put_labels);
}

int output_value(const char *format, struct json_object *value, struct err *err)
{
	AUTO_TEMPLATE *t = NULL;
	AUTO_FREE char *text = NULL;
	AUTO_BUF out = STRBUF_INIT;

	if (!format || !strcmp(format, "json")) {
		puts(json_text(value, true));
		return 0;
	}
	text = format_unescape(format);
	if (template_parse(text, &t, err) < 0 || template_exec(t, value, &out, err) < 0)
		return err_ctx(err, "option --format");
	fwrite(out.buf, 1, out.len, stdout);
	if (!out.len || out.buf[out.len - 1] != '\n')
		putchar('\n');
	return 0;
}
