#include "base/fd.h"
#include "image/registry-internal.h"
#include "test.h"
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

static struct err e;
static struct creds creds;
static char dir[] = "/tmp/dhow-unit-registry-XXXXXX";
static char file[sizeof(dir) + 16];

static void write_auth(const char *text)
{
	if (!file[0]) {
		ck_assert_ptr_nonnull(mkdtemp(dir));
		snprintf(file, sizeof(file), "%s/auth.json", dir);
	}
	CHECK_OK(file_write_atomic_at(AT_FDCWD, file, text, strlen(text), 0600, 0, &e));
}

static void cleanup(void)
{
	creds_done(&creds);
	CHECK_OK(tree_remove_at(AT_FDCWD, dir, &e));
}

START_TEST(a_bearer_challenge_is_taken_apart)
{
	struct challenge c;

	challenge_parse("Bearer realm=\"https://a.b/t?x=1\",service=\"a, "
	                "\\\"b\\\"\",scope=repository:x:pull",
	                &c);
	ck_assert(c.is_bearer && !c.is_basic);
	ck_assert_str_eq(c.realm, "https://a.b/t?x=1");
	ck_assert_str_eq(c.service, "a, \"b\"");
	ck_assert_str_eq(c.scope, "repository:x:pull");
	challenge_done(&c);
}
END_TEST

START_TEST(challenges_of_any_shape_do_no_harm)
{
	static const char *const odd[] = { "",
		                           "Basic",
		                           "basic realm=x",
		                           "Bearer",
		                           "Bearer =",
		                           "Bearer realm",
		                           "Bearer realm=\"x",
		                           "Negotiate abc==",
		                           " , ,",
		                           "Bearer realm=\"\\",
		                           "Bearer a=b,,c=d,=" };
	struct challenge c;

	for (size_t i = 0; i < sizeof(odd) / sizeof(odd[0]); i++) {
		challenge_parse(odd[i], &c);
		challenge_done(&c);
	}
	challenge_parse("BASIC realm=\"x\"", &c);
	ck_assert(c.is_basic);
	challenge_done(&c);
}
END_TEST

START_TEST(credentials_are_user_colon_password)
{
	char *basic;

	CHECK_OK(creds_parse("alice:a:b", &creds, &e));
	ck_assert_str_eq(creds.user, "alice");
	ck_assert_str_eq(creds.password, "a:b");
	basic = creds_basic(&creds);
	ck_assert_str_eq(basic, "Basic YWxpY2U6YTpi");
	free(basic);
	creds_done(&creds);
	CHECK_ERR(E_INVALID, creds_parse("alice", &creds, &e));
	CHECK_ERR(E_INVALID, creds_parse(":x", &creds, &e));
}
END_TEST

START_TEST(the_entry_that_covers_most_of_the_name_wins)
{
	/* a:1, b:2, c:3 */
	write_auth("{\"auths\":{\"r.io\":{\"auth\":\"YTox\"},\"r.io/team\":{\"auth\":\"Yjoy\"},"
	           "\"r.io/te\":{\"auth\":\"Yzoz\"}}}");
	CHECK_OK(creds_find(file, "r.io", "team/app", &creds, &e));
	ck_assert_str_eq(creds.user, "b");
	creds_done(&creds);
	CHECK_OK(creds_find(file, "r.io", "teams/app", &creds, &e));
	ck_assert_str_eq(creds.user, "a");
	creds_done(&creds);
	CHECK_OK(creds_find(file, "r.iox", "team", &creds, &e));
	ck_assert_ptr_null(creds.user);
	cleanup();
}
END_TEST

START_TEST(dockers_name_for_its_hub_is_understood)
{
	write_auth("{\"auths\":{\"https://index.docker.io/v1/\":{\"auth\":\"YTox\"}}}");
	CHECK_OK(creds_find(file, "docker.io", "library/busybox", &creds, &e));
	ck_assert_str_eq(creds.user, "a");
	cleanup();
}
END_TEST

START_TEST(an_identity_token_takes_the_place_of_a_password)
{
	write_auth("{\"auths\":{\"r.io\":{\"auth\":\"YTox\",\"identitytoken\":\"tok\"}}}");
	CHECK_OK(creds_find(file, "r.io", "x", &creds, &e));
	ck_assert_str_eq(creds.identity_token, "tok");
	ck_assert_ptr_null(creds.user);
	cleanup();
}
END_TEST

START_TEST(files_that_cannot_be_understood_are_errors)
{
	static const char *const bad[] = {
		"{",
		"[]",
		"{\"auths\":[]}",
		"{\"auths\":{\"r.io\":\"x\"}}",
		"{\"auths\":{\"r.io\":{\"auth\":\"!!\"}}}",
		"{\"auths\":{\"r.io\":{\"auth\":\"YWJj\"}}}",     /* no colon */
		"{\"auths\":{\"r.io\":{\"auth\":\"YToAYg==\"}}}", /* a NUL */
		"{\"credHelpers\":{\"r.io\":\"../x\"}}",
	};

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		write_auth(bad[i]);
		ck_assert_msg(creds_find(file, "r.io", "x", &creds, &e) < 0, "%s was taken",
		              bad[i]);
	}
	CHECK_ERR(E_NOT_FOUND, creds_find("/nonexistent/auth.json", "r.io", "x", &creds, &e));
	cleanup();
}
END_TEST

START_TEST(waits_grow_and_are_bounded)
{
	ck_assert(registry_delay_ms(1, -1) < registry_delay_ms(2, -1));
	ck_assert_int_eq(registry_delay_ms(50, -1), registry_delay_ms(51, -1));
	ck_assert_int_eq(registry_delay_ms(1, 7), 7000);
	ck_assert_int_le(registry_delay_ms(1, 1 << 30), 300000);
}
END_TEST

START_TEST(text_from_servers_is_made_printable)
{
	char *s = http_printable("a\x1b[31m\nb\x7f", 100);

	ck_assert_str_eq(s, "a [31m b ");
	free(s);
	s = http_printable("aaaaaaaa", 3);
	ck_assert_str_eq(s, "aaa");
	free(s);
	s = http_escape("a b&c=d/é");
	ck_assert_str_eq(s, "a%20b%26c%3Dd%2F%C3%A9");
	free(s);
}
END_TEST

TEST_MAIN("registry", a_bearer_challenge_is_taken_apart, challenges_of_any_shape_do_no_harm,
          credentials_are_user_colon_password, the_entry_that_covers_most_of_the_name_wins,
          dockers_name_for_its_hub_is_understood, an_identity_token_takes_the_place_of_a_password,
          files_that_cannot_be_understood_are_errors, waits_grow_and_are_bounded,
          text_from_servers_is_made_printable)
