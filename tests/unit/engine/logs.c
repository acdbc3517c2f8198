#include "test.h"

#include <fcntl.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/strbuf.h"
#include "engine/log-read.h"

static struct err e;
static char dir[] = "/tmp/dhow-logs-XXXXXX";
static int dir_fd = -1;
static struct strbuf got;

static void setup(void)
{
	ck_assert_ptr_nonnull(mkdtemp(dir));
	dir_fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	got = STRBUF_INIT;
}

static void teardown(void)
{
	CHECK_OK(tree_remove_at(AT_FDCWD, dir, &e));
	close(dir_fd);
	strbuf_done(&got);
}

static void add(const char *name, const char *text)
{
	int fd = openat(dir_fd, name, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);

	ck_assert_int_eq(fd_write_all(fd, text, strlen(text)), 0);
	close(fd);
}

static void json(const char *name, const char *text, int second)
{
	AUTO_BUF line = STRBUF_INIT;

	strbuf_addf(
		&line,
		"{\"log\":\"%s\\n\",\"stream\":\"stdout\",\"time\":\"2026-01-01T00:00:%02dZ\"}\n",
		text, second);
	add(name, line.buf);
}

static int collect(void *ctx, const struct log_entry *entry)
{
	strbuf_addf(&got, "%d:", entry->stream);
	strbuf_add(&got, entry->data, entry->len);
	return 0;
}

static struct log_read_args args = { .tail = -1, .emit = collect };

START_TEST(rotated_files_are_read_oldest_first)
{
	setup();
	json("ctr.log.2", "a", 1);
	json("ctr.log.1", "b", 2);
	json("ctr.log", "c", 3);
	CHECK_OK(log_read(dir_fd, &args, &e));
	ck_assert_str_eq(got.buf, "1:a\n1:b\n1:c\n");
	teardown();
}
END_TEST

START_TEST(tail_counts_back_over_rotated_files)
{
	static const struct {
		int lines;
		const char *want;
	} cases[] = {
		{ 0, "" },
		{ 1, "1:d\n" },
		{ 2, "1:c\n1:d\n" },
		{ 3, "1:b\n1:c\n1:d\n" },
		{ 9, "1:a\n1:b\n1:c\n1:d\n" },
	};

	setup();
	json("ctr.log.1", "a", 1);
	json("ctr.log.1", "b", 2);
	json("ctr.log", "c", 3);
	json("ctr.log", "d", 4);
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		strbuf_reset(&got);
		args.tail = cases[i].lines;
		CHECK_OK(log_read(dir_fd, &args, &e));
		ck_assert_str_eq(got.buf, cases[i].want);
	}
	teardown();
}
END_TEST

START_TEST(since_and_until_bound_the_entries)
{
	setup();
	for (int i = 0; i < 5; i++)
		json("ctr.log", (char[]){ (char)('a' + i), 0 }, i);
	ck_assert_int_eq(time_parse("2026-01-01T00:00:01Z", &args.since_ns), 0);
	ck_assert_int_eq(time_parse("2026-01-01T00:00:03Z", &args.until_ns), 0);
	CHECK_OK(log_read(dir_fd, &args, &e));
	ck_assert_str_eq(got.buf, "1:b\n1:c\n1:d\n");
	teardown();
}
END_TEST

START_TEST(escapes_and_garbage)
{
	setup();
	add("ctr.log", "garbage\n{\"log\":\"x\"}\n{\"log\":\n\n");
	add("ctr.log", "{\"log\":\"q\\\"\\\\\\u00e9\\ud83d\\ude00\\t\",\"stream\":\"stderr\","
	               "\"time\":\"2026-01-01T00:00:00.5Z\"}\n");
	add("ctr.log", "{\"log\":\"half");
	CHECK_OK(log_read(dir_fd, &args, &e));
	ck_assert_str_eq(got.buf, "2:q\"\\\xc3\xa9\xf0\x9f\x98\x80\t");
	teardown();
}
END_TEST

START_TEST(k8s_file_pieces_have_no_newline)
{
	setup();
	args.driver = LOG_DRIVER_K8S_FILE;
	add("ctr.log", "2026-01-01T00:00:00Z stdout P par\n2026-01-01T00:00:00Z stdout F t 1\n"
	               "2026-01-01T00:00:00Z stderr F \nbad\n2026-01-01T00:00:00Z stdin F x\n");
	CHECK_OK(log_read(dir_fd, &args, &e));
	ck_assert_str_eq(got.buf, "1:par1:t 1\n2:\n");
	teardown();
}
END_TEST

/* Plays the monitor: each call is the container's next act. */
static int act(void *ctx, struct err *err)
{
	static int step;

	switch (step++) {
	case 0:
		json("ctr.log", "b", 2);
		return 1;
	case 1: /* two rotations before the reader looks again */
		json("ctr.log", "c", 3);
		ck_assert_int_eq(renameat(dir_fd, "ctr.log", dir_fd, "ctr.log.1"), 0);
		json("ctr.log", "d", 4);
		ck_assert_int_eq(renameat(dir_fd, "ctr.log.1", dir_fd, "ctr.log.2"), 0);
		ck_assert_int_eq(renameat(dir_fd, "ctr.log", dir_fd, "ctr.log.1"), 0);
		json("ctr.log", "e", 5);
		return 1;
	case 2:
		json("ctr.log", "f", 6);
		return 1;
	default:
		json("ctr.log", "last", 7);
		return 0;
	}
}

START_TEST(following_goes_on_over_rotations_to_the_end)
{
	setup();
	json("ctr.log", "a", 1);
	args.follow = true;
	args.running = act;
	CHECK_OK(log_read(dir_fd, &args, &e));
	ck_assert_str_eq(got.buf, "1:a\n1:b\n1:c\n1:d\n1:e\n1:f\n1:last\n");
	teardown();
}
END_TEST

START_TEST(times_are_taken_in_all_spellings)
{
	int64_t now = 1700000000000000000, t;

	ck_assert(log_time_parse("10m", now, &t) == 0 && t == now - 600000000000);
	ck_assert(log_time_parse("1700000000.5", now, &t) == 0 && t == now + 500000000);
	ck_assert(log_time_parse("2023-11-14", now, &t) == 0 && t == 1699920000000000000);
	ck_assert(log_time_parse("2023-11-14T22:13:20", now, &t) == 0 && t == now);
	ck_assert(log_time_parse("2023-11-14T23:13:20+01:00", now, &t) == 0 && t == now);
	ck_assert(log_time_parse("yesterday", now, &t) < 0);
	ck_assert(log_time_parse("", now, &t) < 0);
}
END_TEST

TEST_MAIN("logs", rotated_files_are_read_oldest_first, tail_counts_back_over_rotated_files,
          since_and_until_bound_the_entries, escapes_and_garbage, k8s_file_pieces_have_no_newline,
          following_goes_on_over_rotations_to_the_end, times_are_taken_in_all_spellings)
