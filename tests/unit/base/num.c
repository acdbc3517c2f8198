#include "base/num.h"

#include <errno.h>
#include <math.h>

#include "test.h"

START_TEST(whole_numbers)
{
	uint64_t u = 7;
	uint32_t w = 7;
	int64_t i = 7;

	ck_assert_int_eq(parse_u64("18446744073709551615", &u), 0);
	ck_assert_uint_eq(u, UINT64_MAX);
	ck_assert_int_eq(parse_u64("18446744073709551616", &u), -ERANGE);
	ck_assert_uint_eq(u, UINT64_MAX); /* written only on success */
	ck_assert_int_eq(parse_u32("4294967295", &w), 0);
	ck_assert_int_eq(parse_u32("4294967296", &w), -ERANGE);
	ck_assert_int_eq(parse_i64("-9223372036854775808", &i), 0);
	ck_assert_int_eq(i, INT64_MIN);
	ck_assert_int_eq(parse_i64("9223372036854775808", &i), -ERANGE);
	ck_assert_int_eq(parse_i64("-9223372036854775809", &i), -ERANGE);
	ck_assert_int_eq(parse_octal("0755", &w), 0);
	ck_assert_uint_eq(w, 0755);
	ck_assert_int_eq(parse_octal("8", &w), -EINVAL);
}
END_TEST

START_TEST(what_is_not_a_number)
{
	static const char *const bad[] = { "",    " 1",  "1 ", "+1", "-",   "--1",
		                           "0x1", "1e3", "a",  "1a", "1.0", "\t1" };
	uint64_t u = 7;
	int64_t i = 7;

	for (size_t n = 0; n < ARRAY_LEN(bad); n++) {
		ck_assert_msg(parse_u64(bad[n], &u) == -EINVAL, "'%s'", bad[n]);
		ck_assert_msg(parse_i64(bad[n], &i) == -EINVAL, "'%s'", bad[n]);
	}
	ck_assert_int_eq(parse_u64("-1", &u), -EINVAL);
	ck_assert_int_eq(u, 7);
}
END_TEST

START_TEST(decimal_numbers)
{
	double d = 7;

	ck_assert_int_eq(parse_double("1.5", &d), 0);
	ck_assert_double_eq(d, 1.5);
	ck_assert_int_eq(parse_double("-.5e1", &d), 0);
	ck_assert_double_eq(d, -5);
	ck_assert_int_eq(parse_double("1e999", &d), -ERANGE);
	ck_assert_int_eq(parse_double("nan", &d), -EINVAL);
	ck_assert_int_eq(parse_double("inf", &d), -EINVAL);
	ck_assert_int_eq(parse_double("0x10", &d), -EINVAL);
	ck_assert_int_eq(parse_double(" 1", &d), -EINVAL);
	ck_assert_int_eq(parse_double("1.5.5", &d), -EINVAL);
	ck_assert_int_eq(parse_double("", &d), -EINVAL);
	ck_assert_int_eq(parse_double(".", &d), -EINVAL);
	ck_assert_double_eq(d, -5);
}
END_TEST

START_TEST(sizes)
{
	static const struct {
		const char *s;
		uint64_t want;
	} good[] = {
		{ "0", 0 },
		{ "512", 512 },
		{ "512b", 512 },
		{ "64m", 64u << 20 },
		{ "64M", 64u << 20 },
		{ "10kb", 10240 },
		{ "1GiB", 1u << 30 },
		{ "1.5g", 3u << 29 },
		{ "0.5k", 512 },
		{ "15e", UINT64_C(15) << 60 },
		{ "18446744073709551615", UINT64_MAX },
	};
	static const char *const bad[] = { "",    "m",   "-1",     "1x",  "1 m",
		                           "1mm", "1ib", "1.5.5m", ".5k", "1bb" };
	uint64_t u = 7;

	for (size_t n = 0; n < ARRAY_LEN(good); n++) {
		ck_assert_msg(parse_size(good[n].s, &u) == 0, "'%s'", good[n].s);
		ck_assert_msg(u == good[n].want, "'%s' gave %ju", good[n].s, (uintmax_t)u);
	}
	u = 7;
	for (size_t n = 0; n < ARRAY_LEN(bad); n++)
		ck_assert_msg(parse_size(bad[n], &u) == -EINVAL, "'%s'", bad[n]);
	ck_assert_int_eq(parse_size("16e", &u), -ERANGE);
	ck_assert_int_eq(parse_size("16.5e", &u), -ERANGE);
	ck_assert_int_eq(parse_size("18446744073709551616", &u), -ERANGE);
	ck_assert_uint_eq(u, 7);
}
END_TEST

START_TEST(durations)
{
	static const struct {
		const char *s;
		int64_t want;
	} good[] = {
		{ "0", 0 },         { "10", 10000 }, { "300ms", 300 }, { "1h2m3.5s", 3723500 },
		{ "1m30s", 90000 }, { "1500us", 1 }, { "0.1s", 100 },  { "2.3s", 2300 },
		{ "1.001s", 1001 },
	};
	static const char *const bad[] = {
		"", "s", "1x", "-1", "-1s", "1m30", "1 s", "1..5s", "1sm"
	};
	int64_t i = 7;

	for (size_t n = 0; n < ARRAY_LEN(good); n++) {
		ck_assert_msg(parse_duration_ms(good[n].s, &i) == 0, "'%s'", good[n].s);
		ck_assert_msg(i == good[n].want, "'%s' gave %jd", good[n].s, (intmax_t)i);
	}
	i = 7;
	for (size_t n = 0; n < ARRAY_LEN(bad); n++)
		ck_assert_msg(parse_duration_ms(bad[n], &i) == -EINVAL, "'%s'", bad[n]);
	ck_assert_int_eq(parse_duration_ms("9223372036854775807", &i), -ERANGE);
	ck_assert_int_eq(parse_duration_ms("9999999999999999h", &i), -ERANGE);
	ck_assert_int_eq(i, 7);
}
END_TEST

START_TEST(sizes_as_docker_prints_them)
{
	ck_assert_str_eq(format_size(0).s, "0B");
	ck_assert_str_eq(format_size(999).s, "999B");
	ck_assert_str_eq(format_size(1000).s, "1kB");
	ck_assert_str_eq(format_size(1234567).s, "1.23MB");
	ck_assert_str_eq(format_size(164000000).s, "164MB");
	ck_assert_str_eq(format_size(999999).s, "1000kB");
	ck_assert_str_eq(format_size(UINT64_MAX).s, "18.4EB");
	ck_assert_str_eq(format_size_binary(1u << 20).s, "1MiB");
	ck_assert_str_eq(format_size_binary(3u << 19).s, "1.5MiB");
	ck_assert_str_eq(format_size_binary(1000 << 10).s, "1000KiB");
}
END_TEST

TEST_MAIN("num", whole_numbers, what_is_not_a_number, decimal_numbers, sizes, durations,
          sizes_as_docker_prints_them)
