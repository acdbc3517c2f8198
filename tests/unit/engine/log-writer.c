/* The monitor's log: records, partial lines, bytes that are no text, rotation. */
#include "monitor.h"

#include "base/fd.h"
#include "base/strbuf.h"
#include "codec/json.h"
#include "test.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char dir_path[] = "/tmp/dhow-log-XXXXXX";
static struct log_writer writer;

static void begin(enum log_format_kind kind, uint64_t max_bytes, unsigned max_files)
{
	ck_assert(mkdtemp(dir_path));
	writer = (struct log_writer){
		.kind = kind,
		.dir_fd = open(dir_path, O_RDONLY | O_DIRECTORY | O_CLOEXEC),
		.max_bytes = max_bytes,
		.max_files = max_files,
	};
	log_open(&writer);
}

static void end(void)
{
	close(writer.fd);
	close(writer.dir_fd);
	tree_remove_at(AT_FDCWD, dir_path, ERR_IGNORE);
}

static char *content(const char *name)
{
	struct err e = ERR_INIT;
	char *text;
	size_t len;

	CHECK_OK(file_read_at(writer.dir_fd, name, 64u << 20, &text, &len, &e));
	return text;
}

/* The "log" strings of a json-file log, put together. */
static void check_json(const char *text, const char *want, size_t want_records)
{
	AUTO_BUF sum = STRBUF_INIT;
	size_t records = 0;

	while (*text) {
		struct err e = ERR_INIT;
		size_t n = strcspn(text, "\n");
		AUTO_JSON *obj = NULL;
		struct json at;
		const char *s = NULL;

		CHECK_OK(json_parse("log", text, n, &obj, &e));
		at = json_root(obj, "log");
		CHECK_OK(json_get_str(&at, "log", &s, &e));
		strbuf_adds(&sum, s);
		records++;
		text += n + 1;
	}
	ck_assert_str_eq(sum.buf, want);
	ck_assert_uint_eq(records, want_records);
}

static void add(int stream, const char *s)
{
	log_add(&writer, stream, s, strlen(s));
}

START_TEST(json_lines)
{
	AUTO_FREE char *text = NULL;

	begin(LOG_JSON_FILE, 0, 1);
	add(0, "one\ntwo \"quoted\" \\ \t\x01\n");
	add(0, "par");
	add(0, "tial\n");
	text = content("ctr.log");
	check_json(text, "one\ntwo \"quoted\" \\ \t\x01\npartial\n", 3);
	ck_assert_ptr_nonnull(strstr(text, "\"stream\":\"stdout\",\"time\":\"20"));
	end();
}
END_TEST

START_TEST(json_bytes_that_are_no_text)
{
	AUTO_FREE char *text = NULL;

	begin(LOG_JSON_FILE, 0, 1);
	add(0, "a\xff\xc3(\xe2\x82z\xed\xa0\x80\n");
	text = content("ctr.log");
	check_json(text,
	           "a\xef\xbf\xbd\xef\xbf\xbd(\xef\xbf\xbd\xef\xbf\xbdz\xef\xbf\xbd\xef\xbf\xbd"
	           "\xef\xbf\xbd\n",
	           1);
	end();
}
END_TEST

START_TEST(a_character_in_two_reads_stays_one)
{
	AUTO_FREE char *text = NULL;

	begin(LOG_JSON_FILE, 0, 1);
	add(0, "caf\xc3");
	usleep(LOG_PARTIAL_MS * 1000 + 20000);
	log_flush_partial(&writer, false);
	add(0, "\xa9\n");
	text = content("ctr.log");
	check_json(text, "caf\xc3\xa9\n", 2);
	end();
}
END_TEST

START_TEST(k8s_lines_and_parts)
{
	AUTO_FREE char *text = NULL;
	char *line;

	begin(LOG_K8S_FILE, 0, 1);
	add(0, "whole\n");
	add(1, "begun");
	ck_assert_int_gt(log_flush_partial(&writer, false), 0);
	log_flush_partial(&writer, true);
	add(1, "\n");
	text = content("ctr.log");
	line = strstr(text, " stdout F whole\n");
	ck_assert_ptr_nonnull(line);
	line = strstr(line, " stderr P begun\n");
	ck_assert_ptr_nonnull(line);
	ck_assert_ptr_nonnull(strstr(line, " stderr F \n"));
	end();
}
END_TEST

START_TEST(long_lines_come_in_parts)
{
	AUTO_FREE char *text = NULL;
	AUTO_FREE char *big = malloc(100000);
	size_t parts = 0;

	memset(big, 'x', 100000);
	big[99999] = '\n';
	begin(LOG_K8S_FILE, 0, 1);
	for (size_t i = 0; i < 100000; i += 12500)
		log_add(&writer, 0, big + i, 12500);
	text = content("ctr.log");
	for (const char *at = text; (at = strstr(at, " stdout P ")); at++)
		parts++;
	ck_assert_uint_eq(parts, 99999 / 16384);
	ck_assert_ptr_nonnull(strstr(text, " stdout F "));
	end();
}
END_TEST

START_TEST(rotation_keeps_every_line_and_the_bound)
{
	AUTO_FREE char *newest = NULL;
	AUTO_FREE char *older = NULL;
	char line[32];
	struct stat st;

	begin(LOG_K8S_FILE, 4096, 3);
	for (int i = 0; i < 1000; i++) {
		snprintf(line, sizeof(line), "line %d\n", i);
		add(0, line);
	}
	ck_assert_int_eq(fstatat(writer.dir_fd, "ctr.log.3", &st, 0), -1);
	for (int i = 0; i < 3; i++) {
		char name[16];

		snprintf(name, sizeof(name), i ? "ctr.log.%d" : "ctr.log", i);
		ck_assert_int_eq(fstatat(writer.dir_fd, name, &st, 0), 0);
		ck_assert_int_le(st.st_size, 4096);
	}
	newest = content("ctr.log");
	older = content("ctr.log.1");
	ck_assert_ptr_nonnull(strstr(newest, " line 999\n"));
	/* what one file ends with, the next goes on with */
	{
		int last = 0, first = 0;
		const char *at = strrchr(older, 'l');

		ck_assert_int_eq(sscanf(at, "line %d", &last), 1);
		ck_assert_int_eq(sscanf(strstr(newest, "line "), "line %d", &first), 1);
		ck_assert_int_eq(first, last + 1);
	}
	end();
}
END_TEST

START_TEST(times)
{
	char text[40];

	*text_time(text, 0) = '\0';
	ck_assert_str_eq(text, "1970-01-01T00:00:00.000000000Z");
	*text_time(text, 951782399999999999) = '\0';
	ck_assert_str_eq(text, "2000-02-28T23:59:59.999999999Z");
	*text_time(text, 951782400000000001) = '\0';
	ck_assert_str_eq(text, "2000-02-29T00:00:00.000000001Z");
	*text_time(text, 4107542400000000000) = '\0';
	ck_assert_str_eq(text, "2100-03-01T00:00:00.000000000Z");
}
END_TEST

TEST_MAIN("monitor-log", json_lines, json_bytes_that_are_no_text,
          a_character_in_two_reads_stays_one, k8s_lines_and_parts, long_lines_come_in_parts,
          rotation_keeps_every_line_and_the_bound, times)
