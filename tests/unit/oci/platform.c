#include "oci/platform.h"
#include "test.h"
#include <string.h>

static struct err e;
static struct platform p;

static void is(const char *text, const char *want)
{
	CHECK_OK(platform_parse(text, &p, &e));
	ck_assert_str_eq(platform_format(&p).s, want);
}

static int rank(const char *want, const char *have)
{
	struct platform w, h;

	CHECK_OK(platform_parse(want, &w, &e));
	CHECK_OK(platform_parse(have, &h, &e));
	return platform_rank(&w, &h);
}

START_TEST(spellings_are_normalised)
{
	is("linux/amd64", "linux/amd64");
	is("linux/x86_64", "linux/amd64");
	is("linux/amd64/v1", "linux/amd64");
	is("linux/aarch64", "linux/arm64");
	is("linux/arm64/v8", "linux/arm64");
	is("linux/arm", "linux/arm/v7");
	is("linux/armel", "linux/arm/v6");
	is("linux/arm/6", "linux/arm/v6");
	is("arm64", "linux/arm64");
	is("Linux/AMD64", "linux/amd64");
}
END_TEST

START_TEST(an_operating_system_alone_means_this_cpu)
{
	struct platform host = platform_host();

	CHECK_OK(platform_parse("linux", &p, &e));
	ck_assert_str_eq(platform_format(&p).s, platform_format(&host).s);
}
END_TEST

START_TEST(bad_platforms_are_refused)
{
	CHECK_ERR(E_INVALID, platform_parse("", &p, &e));
	CHECK_ERR(E_INVALID, platform_parse("a/b/c/d", &p, &e));
	CHECK_ERR(E_INVALID, platform_parse("linux//v7", &p, &e));
	CHECK_ERR(E_INVALID, platform_parse("linux/a b", &p, &e));
	CHECK_ERR(E_LIMIT,
	          platform_parse("linux/aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", &p, &e));
}
END_TEST

START_TEST(older_variants_serve_newer_cpus_and_not_the_reverse)
{
	ck_assert_int_eq(rank("linux/arm/v7", "linux/arm/v7"), 0);
	ck_assert_int_eq(rank("linux/arm/v7", "linux/arm/v6"), 1);
	ck_assert_int_eq(rank("linux/arm/v6", "linux/arm/v7"), -1);
	ck_assert_int_eq(rank("linux/amd64/v3", "linux/amd64"), 2);
	ck_assert_int_eq(rank("linux/amd64/v3", "linux/amd64/v2"), 1);
	ck_assert_int_eq(rank("linux/amd64", "linux/amd64/v2"), -1);
	ck_assert_int_eq(rank("linux/amd64", "linux/386"), -1);
	ck_assert_int_eq(rank("linux/arm64", "linux/arm64/v8"), 0);
	ck_assert_int_eq(rank("linux/amd64", "windows/amd64"), -1);
	ck_assert_int_eq(rank("linux/arm64", "linux/arm"), -1);
}
END_TEST

TEST_MAIN("platform", spellings_are_normalised, an_operating_system_alone_means_this_cpu,
          bad_platforms_are_refused, older_variants_serve_newer_cpus_and_not_the_reverse)
