#include "base/clock.h"

#include <errno.h>

#include "test.h"

START_TEST(format_and_parse_are_inverse)
{
	static const int64_t times[] = { 0,           1,
		                         -1,          1763818794000000001,
		                         -1000000000, 4102444800999999999 };

	for (size_t i = 0; i < ARRAY_LEN(times); i++) {
		struct time_text t = time_format(times[i]);
		int64_t back = 7;

		ck_assert_msg(time_parse(t.s, &back) == 0, "%s", t.s);
		ck_assert_msg(back == times[i], "%s: %jd", t.s, (intmax_t)back);
	}
	ck_assert_str_eq(time_format(0).s, "1970-01-01T00:00:00.000000000Z");
	ck_assert_str_eq(time_format(-1).s, "1969-12-31T23:59:59.999999999Z");
}
END_TEST

START_TEST(parse_takes_every_rfc3339_form)
{
	static const struct {
		const char *s;
		int64_t want;
	} good[] = {
		{ "1970-01-01T00:00:01Z", 1000000000 },
		{ "1970-01-01T01:00:01+01:00", 1000000000 },
		{ "1969-12-31T23:30:01-00:30", 1000000000 },
		{ "1970-01-01T00:00:00.5Z", 500000000 },
		{ "1970-01-01T00:00:00.123456789123Z", 123456789 },
		{ "2026-11-22T13:39:54.000000001Z", 1795354794000000001 },
	};
	static const char *const bad[] = {
		"",
		"x",
		"1970-01-01",
		"1970-01-01T00:00:00",
		"1970-01-01T00:00:00Zx",
		"1970-13-01T00:00:00Z",
		"1970-01-01T00:00:00+1:00",
		"1970-01-01T00:00:00+01",
		"1970-01-01T25:00:00Z",
		"1970-02-30T00:00:00Z",
		"1970-01-01T00:00:00+-1:00",
		"1970-01-01T00:00:00.Z",
		" 1970-01-01T00:00:00Z",
		"99999-01-01T00:00:00Z",
		"1970-01-01T00:00:00+99:99",
	};
	int64_t ns = 7;

	for (size_t i = 0; i < ARRAY_LEN(good); i++) {
		ck_assert_msg(time_parse(good[i].s, &ns) == 0, "%s", good[i].s);
		ck_assert_msg(ns == good[i].want, "%s: %jd", good[i].s, (intmax_t)ns);
	}
	ns = 7;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		ck_assert_msg(time_parse(bad[i], &ns) == -EINVAL, "%s", bad[i]);
	ck_assert_int_eq(ns, 7);
}
END_TEST

START_TEST(times_outside_64_bits_are_clamped)
{
	int64_t ns = 7;

	ck_assert_int_eq(time_parse("0001-01-01T00:00:00Z", &ns), 0); /* Go's zero time */
	ck_assert(ns == INT64_MIN);
	ck_assert_int_eq(time_parse("2500-01-01T00:00:00Z", &ns), 0);
	ck_assert(ns == INT64_MAX);
}
END_TEST

START_TEST(durations_in_dockers_words)
{
	static const struct {
		int64_t seconds;
		const char *want;
	} cases[] = {
		{ 0, "Less than a second" }, { 1, "1 second" },
		{ 59, "59 seconds" },        { 60, "About a minute" },
		{ 119, "About a minute" },   { 120, "2 minutes" },
		{ 45 * 60, "45 minutes" },   { 60 * 60, "About an hour" },
		{ 2 * 3600, "2 hours" },     { 47 * 3600, "47 hours" },
		{ 48 * 3600, "2 days" },     { 13 * 86400, "13 days" },
		{ 14 * 86400, "2 weeks" },   { 60 * 86400, "2 months" },
		{ 800 * 86400, "2 years" },
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++)
		ck_assert_str_eq(duration_human(cases[i].seconds).s, cases[i].want);
}
END_TEST

TEST_MAIN("clock", format_and_parse_are_inverse, parse_takes_every_rfc3339_form,
          times_outside_64_bits_are_clamped, durations_in_dockers_words)
