#include "test.h"

#include "cli/output.h"
#include "cli/progress.h"
#include "codec/json.h"
#include <fcntl.h>
#include <unistd.h>

static struct err e;
static int saved_stdout = -1;
static FILE *capture;

/* What is printed between these two, in a static buffer. */
static void begin_capture(void)
{
	fflush(stdout);
	saved_stdout = dup(STDOUT_FILENO);
	capture = tmpfile();
	dup2(fileno(capture), STDOUT_FILENO);
}

static const char *end_capture(void)
{
	static char text[4096];
	size_t n;

	fflush(stdout);
	dup2(saved_stdout, STDOUT_FILENO);
	close(saved_stdout);
	rewind(capture);
	n = fread(text, 1, sizeof(text) - 1, capture);
	text[n] = '\0';
	fclose(capture);
	return text;
}

static const struct column columns[] = { { "ID", "CONTAINER ID" }, { "Name", "NAME" }, { 0 } };

static struct json_object *row(const char *id, const char *name)
{
	struct json_object *obj = json_object_new_object(), *labels = json_object_new_object();

	json_add_str(obj, "ID", id);
	json_add_str(obj, "Name", name);
	json_add_str(labels, "team", "blue");
	output_row_labels(obj, labels);
	return obj;
}

/* Two rows by a format. */
static const char *listing(const char *format, bool no_heading)
{
	AUTO_OUTPUT o = OUTPUT_INIT;

	o.no_heading = no_heading;
	begin_capture();
	if (output_begin(&o, format, "{{.ID}}\t{{.Name}}", columns, &e) < 0 ||
	    output_row(&o, row("1", "web"), &e) < 0 ||
	    output_row(&o, row("22", "a\033[31mb"), &e) < 0) {
		end_capture();
		return e.msg;
	}
	output_end(&o);
	return end_capture();
}

START_TEST(tables)
{
	ck_assert_str_eq(listing(NULL, false), "CONTAINER ID   NAME\n"
	                                       "1              web\n"
	                                       "22             a?[31mb\n");
	ck_assert_str_eq(listing("table", true), "1    web\n22   a?[31mb\n");
	ck_assert_str_eq(listing("table {{.Name}}\\t{{.ID}}", false), "NAME      CONTAINER ID\n"
	                                                              "web       1\n"
	                                                              "a?[31mb   22\n");
	ck_assert_str_eq(listing("table {{.Name}} {{.Label \"team\"}}", true),
	                 "web       blue\na?[31mb   blue\n");
}
END_TEST

START_TEST(templates_and_json)
{
	ck_assert_str_eq(listing("{{.ID}}\\n", false), "1\n\n22\n\n");
	ck_assert_str_eq(listing("{{.Label \"team\"}}{{.Label \"x\"}}", false), "blue\nblue\n");
	ck_assert_str_eq(listing("json", false), "{\"ID\":\"1\",\"Name\":\"web\"}\n"
	                                         "{\"ID\":\"22\",\"Name\":\"a\\u001b[31mb\"}\n");
	ck_assert_str_eq(listing("{{.Nope}}", false),
	                 "option --format: template: can't evaluate field Nope: there is none");
	ck_assert_str_eq(listing("table {{.Nope}}", false),
	                 "template: can't evaluate field Nope: there is none");
}
END_TEST

START_TEST(wide_characters_align)
{
	AUTO_BUF out = STRBUF_INIT;

	table_align("é\tx\nabc\ty\n", &out);
	ck_assert_str_eq(out.buf, "é     x\nabc   y\n");
	strbuf_reset(&out);
	table_align("", &out);
	ck_assert_str_eq(out.buf, "");
	table_align("one\n\ntwo\t", &out);
	ck_assert_str_eq(out.buf, "one\n\ntwo   ");
}
END_TEST

START_TEST(progress_lines_fit_the_window)
{
	struct progress_line line = { "downloading", "3d2430473443", IMAGE_STAGE_DOWNLOAD,
		                      50u << 20,     100u << 20,     12000000,
		                      NULL };

	for (size_t width = 20; width <= 200; width += 7) {
		AUTO_BUF out = STRBUF_INIT;

		progress_format(&line, width, false, &out);
		ck_assert_msg(out.len <= width, "%zu columns in %zu: %s", out.len, width, out.buf);
		ck_assert_int_eq(strncmp(out.buf, "3d2430473443", 12), 0);
	}
}
END_TEST

START_TEST(progress_shows_what_is_known)
{
	struct progress_line line = {
		"downloading", "3d24", IMAGE_STAGE_DOWNLOAD, 50, 100, 7, NULL
	};
	AUTO_BUF out = STRBUF_INIT;

	progress_format(&line, 80, false, &out);
	ck_assert_str_eq(out.buf,
	                 "3d24  downloading   [===============>              ]  50B / 100B  7B/s");
	strbuf_reset(&out);
	line = (struct progress_line){ "downloading", "3d24", IMAGE_STAGE_RETRY, 0, 0, 0,
		                       "broken off" };
	progress_format(&line, 80, false, &out);
	ck_assert_str_eq(out.buf, "3d24  retrying      broken off");
	strbuf_reset(&out);
	line = (struct progress_line){ "downloading", "3d24", IMAGE_STAGE_EXISTS, 0, 100, 0, NULL };
	progress_format(&line, 80, true, &out);
	ck_assert_str_eq(out.buf, "3d24  \033[32malready here\033[0m");
}
END_TEST

TEST_MAIN("output", tables, templates_and_json, wide_characters_align,
          progress_lines_fit_the_window, progress_shows_what_is_known)
