#include "test.h"

#include <fcntl.h>
#include <sys/stat.h>

#include "base/fd.h"
#include "engine/user.h"

static struct err e;
static struct user_identity u;
static char dir[32];
static int root = -1;

static void put(const char *path, const char *text)
{
	CHECK_OK(file_write_atomic_at(root, path, text, strlen(text), 0644, 0, &e));
}

static void setup(void)
{
	snprintf(dir, sizeof(dir), "/tmp/dhow-user-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(dir));
	root = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	ck_assert_int_eq(mkdirat(root, "etc", 0755), 0);
	put("etc/passwd", "root:x:0:0:root:/root:/bin/sh\n"
	                  "bad line\n"
	                  "dup:x:5:5::/dup:\n"
	                  "web:x:33:34:Web:/var/www:/bin/false\n"
	                  "big:x:4294967295:0::/:\n"
	                  "1000:x:77:78::/home/n:\n"
	                  "late:x:33:99::/late:");
	put("etc/group", "root:x:0:\nwheel:x:10:root,web\nweb:x:34:\nextra:x:50:other,web,root\n"
	                 "webby:x:51:webb\n");
}

static void teardown(void)
{
	tree_remove_at(AT_FDCWD, dir, &e);
	close(root);
}

static int lookup(const char *spec)
{
	setup();
	int r = user_lookup(root, spec, NULL, &u, &e);
	teardown();
	return r;
}

START_TEST(nothing_means_root_and_its_groups)
{
	CHECK_OK(lookup(NULL));
	ck_assert(u.uid == 0 && u.gid == 0);
	ck_assert_str_eq(u.home, "/root");
	ck_assert_uint_eq(u.group_count, 3);
	ck_assert(u.groups[0] == 0 && u.groups[1] == 10 && u.groups[2] == 50);
}
END_TEST

START_TEST(a_name_brings_group_groups_and_home)
{
	CHECK_OK(lookup("web"));
	ck_assert(u.uid == 33 && u.gid == 34);
	ck_assert_str_eq(u.home, "/var/www");
	ck_assert_uint_eq(u.group_count, 3);
}
END_TEST

START_TEST(a_group_given_replaces_memberships)
{
	CHECK_OK(lookup("web:wheel"));
	ck_assert(u.uid == 33 && u.gid == 10);
	ck_assert_uint_eq(u.group_count, 1);
	ck_assert_uint_eq(u.groups[0], 10);
}
END_TEST

START_TEST(a_number_without_entry_is_taken_as_it_is)
{
	CHECK_OK(lookup("2147483647:4242"));
	ck_assert(u.uid == 2147483647u && u.gid == 4242);
	ck_assert_str_eq(u.home, "/");
}
END_TEST

START_TEST(a_name_of_digits_wins_over_the_number)
{
	CHECK_OK(lookup("1000"));
	ck_assert(u.uid == 77 && u.gid == 78);
}
END_TEST

START_TEST(what_cannot_be_resolved_is_refused)
{
	static const char *const bad[] = { "nobody",     "web:nogroup", "-1",    "1abc",
		                           ":",          "web:",        "a:b:c", "2147483648",
		                           "4294967296", "0x0",         " 0",    "+0",
		                           "root\n" };

	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		ck_assert_msg(lookup(bad[i]) < 0, "'%s' became %u", bad[i], u.uid);
}
END_TEST

START_TEST(group_add_takes_names_and_numbers)
{
	AUTO_STRV add = STRV_INIT;

	setup();
	strv_add(&add, "wheel");
	strv_add(&add, "777");
	strv_add(&add, "wheel");
	CHECK_OK(user_lookup(root, "dup", &add, &u, &e));
	ck_assert_uint_eq(u.group_count, 3);
	ck_assert(u.groups[0] == 5 && u.groups[1] == 10 && u.groups[2] == 777);
	strv_add(&add, "nope");
	CHECK_ERR(E_NOT_FOUND, user_lookup(root, "dup", &add, &u, &e));
	teardown();
}
END_TEST

/* CVE-2024-9676: a FIFO or a link to the host in place of /etc/passwd */
START_TEST(passwd_that_is_no_file_is_refused_without_blocking)
{
	setup();
	ck_assert_int_eq(unlinkat(root, "etc/passwd", 0), 0);
	ck_assert_int_eq(mkfifoat(root, "etc/passwd", 0644), 0);
	CHECK_ERR(E_INVALID, user_lookup(root, "web", NULL, &u, &e));
	ck_assert_int_eq(unlinkat(root, "etc/passwd", 0), 0);
	/* a link that would be the host's own file is looked up inside the root: not there */
	ck_assert_int_eq(symlinkat("/../../../../etc/passwd-host", root, "etc/passwd"), 0);
	CHECK_ERR(E_NOT_FOUND, user_lookup(root, "daemon", NULL, &u, &e));
	teardown();
}
END_TEST

TEST_MAIN("user", nothing_means_root_and_its_groups, a_name_brings_group_groups_and_home,
          a_group_given_replaces_memberships, a_number_without_entry_is_taken_as_it_is,
          a_name_of_digits_wins_over_the_number, what_cannot_be_resolved_is_refused,
          group_add_takes_names_and_numbers, passwd_that_is_no_file_is_refused_without_blocking)
