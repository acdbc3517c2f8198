/* Files of users, and who is let in. */
#include "registry/auth.h"
#include "base/fd.h"
#include "base/xalloc.h"
#include "test.h"
#include <fcntl.h>
#include <string.h>

/* "right", as htpasswd -B -C 4 writes it */
#define HASH      "$2y$04$NfOKvwp/w9PYC4y1dry1Gedt/m3keZK7vFq/crMuEfPF.SmM5RXI2"
#define HASH_LINE ":" HASH "\n"

static struct err e;

static void refused(const char *text, const char *why)
{
	struct auth_user *users;
	size_t n;

	CHECK_ERR(E_INVALID, auth_parse("users", text, &users, &n, &e));
	ck_assert_msg(strstr(e.msg, why), "%s", e.msg);
}

START_TEST(files)
{
	struct auth_user *users;
	size_t n;

	CHECK_OK(auth_parse("users", "# who\n\na:" HASH "\r\nb:" HASH, &users, &n, &e));
	ck_assert_uint_eq(n, 2);
	ck_assert_str_eq(users[0].name, "a");
	ck_assert_str_eq(users[1].hash, HASH);
	auth_users_free(users, n);
	refused("a\n", "line 1 is not");
	refused("\n:" HASH, "line 2 is not");
	refused("a:$apr1$x$y", "not a bcrypt hash");
	refused("a:plain", "not a bcrypt hash");
	refused("a:" HASH "x", "not a bcrypt hash");
}
END_TEST

START_TEST(headers)
{
	char *user, *password;

	CHECK_OK(auth_parse_basic("basic  YTpiOmM=", &user, &password));
	ck_assert_str_eq(user, "a");
	ck_assert_str_eq(password, "b:c");
	free(user);
	free(password);
	ck_assert_int_lt(auth_parse_basic("Bearer YTpi", &user, &password), 0);
	ck_assert_int_lt(auth_parse_basic("Basic YWI=", &user, &password), 0); /* no colon */
	ck_assert_int_lt(auth_parse_basic("Basic OmI=", &user, &password), 0); /* no user */
	ck_assert_int_lt(auth_parse_basic("Basic YTpi!", &user, &password), 0);
	ck_assert_int_lt(auth_parse_basic("Basic YToAYg==", &user, &password), 0); /* NUL */
	ck_assert_int_lt(auth_parse_basic("Basic", &user, &password), 0);
}
END_TEST

static bool check(struct auth *auth, const char *header)
{
	AUTO_FREE char *user = NULL;

	return auth_check(auth, header, &user);
}

START_TEST(passwords)
{
	static const char text[] = "alice:" HASH "\n";
	char path[] = "/tmp/dhow-unit-auth-XXXXXX";
	AUTO_FD fd = mkostemp(path, O_CLOEXEC);
	AUTO(auth_freep) struct auth *auth = NULL;

	ck_assert_int_eq(fd_write_all(fd, text, strlen(text)), 0);
	CHECK_OK(auth_new(path, &auth, &e));
	ck_assert(check(auth, "Basic YWxpY2U6cmlnaHQ="));  /* alice:right */
	ck_assert(check(auth, "Basic YWxpY2U6cmlnaHQ="));  /* remembered */
	ck_assert(!check(auth, "Basic YWxpY2U6d3Jvbmc=")); /* alice:wrong */
	ck_assert(!check(auth, "Basic Ym9iOnJpZ2h0"));     /* bob:right */
	ck_assert(!check(auth, NULL));
	/* a bad file changes nothing, a good one at once */
	ck_assert_int_eq(ftruncate(fd, 10), 0);
	CHECK_ERR(E_INVALID, auth_reload(auth, &e));
	ck_assert(check(auth, "Basic YWxpY2U6cmlnaHQ="));
	ck_assert_int_eq(ftruncate(fd, 0), 0);
	ck_assert_int_eq(lseek(fd, 0, SEEK_SET), 0);
	ck_assert_int_eq(fd_write_all(fd, "bob" HASH_LINE, strlen("bob" HASH_LINE)), 0);
	CHECK_OK(auth_reload(auth, &e));
	ck_assert(!check(auth, "Basic YWxpY2U6cmlnaHQ="));
	ck_assert(check(auth, "Basic Ym9iOnJpZ2h0"));
	unlink(path);
}
END_TEST

TEST_MAIN("auth", files, headers, passwords)
