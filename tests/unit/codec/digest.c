#include "test.h"

#include "codec/digest.h"

#include <string.h>

static struct err e;

#define EMPTY_HEX "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
#define ABC_HEX   "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"

START_TEST(known_answers)
{
	struct digest d, again;
	struct digester *ds = digester_new(DIGEST_SHA256);

	digest_of(DIGEST_SHA256, "", 0, &d);
	ck_assert_str_eq(digest_format(&d).s, "sha256:" EMPTY_HEX);
	digester_update(ds, "a", 1);
	digester_update(ds, "bc", 2);
	digester_finish(ds, &d);
	ck_assert_str_eq(digest_hex(&d).s, ABC_HEX);
	ck_assert_str_eq(digest_short_text(&d).s, "ba7816bf8f01");
	digester_reset(ds);
	digester_update(ds, "abc", 3);
	digester_finish(ds, &again);
	ck_assert(digest_equal(&d, &again));
	digester_free(ds);
	CHECK_OK(digest_parse("sha256:" ABC_HEX, &again, &e));
	ck_assert(digest_equal(&d, &again));
	CHECK_OK(digest_parse_hex(EMPTY_HEX, &again, &e));
	ck_assert(!digest_equal(&d, &again));
}
END_TEST

START_TEST(bad_text)
{
	static const struct {
		const char *text;
		enum err_code code;
	} cases[] = {
		{ "", E_INVALID },
		{ "sha256", E_INVALID },
		{ "sha256:", E_INVALID },
		{ "sha256:" ABC_HEX "0", E_INVALID },
		{ "sha256:BA7816BF8F01CFEA414140DE5DAE2223B00361A396177A9CB410FF61F20015AD",
		  E_INVALID },
		{ "sha256:../../../../etc/passwd", E_INVALID },
		{ "sha512:" ABC_HEX, E_INVALID },
		{ "md5:d41d8cd98f00b204e9800998ecf8427e", E_UNSUPPORTED },
		{ ":" ABC_HEX, E_UNSUPPORTED },
	};
	struct digest d;

	for (size_t i = 0; i < ARRAY_LEN(cases); i++)
		CHECK_ERR(cases[i].code, digest_parse(cases[i].text, &d, &e));
}
END_TEST

START_TEST(no_digest_equals_nothing)
{
	struct digest a = { 0 }, b = { 0 };

	ck_assert(!digest_equal(&a, &b));
}
END_TEST

TEST_MAIN("digest", known_answers, bad_text, no_digest_equals_nothing)
