#include "test.h"

#include <fcntl.h>
#include <sys/stat.h>

#include "base/fd.h"
#include "engine/volumes.h"

static struct err e;
static char dir[] = "/tmp/dhow-volumes-XXXXXX";
static int root = -1;

static void setup(void)
{
	ck_assert_ptr_nonnull(mkdtemp(dir));
	root = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	ck_assert_int_eq(mkdirat(root, "rootfs", 0755), 0);
	ck_assert_int_eq(mkdirat(root, "rootfs/data", 0750), 0);
	CHECK_OK(file_write_atomic_at(root, "rootfs/data/f", "hello", 5, 0640, 0, &e));
	ck_assert_int_eq(linkat(root, "rootfs/data/f", root, "rootfs/data/g", 0), 0);
	ck_assert_int_eq(symlinkat("/etc/passwd", root, "rootfs/data/link"), 0);
	ck_assert_int_eq(mkdirat(root, "rootfs/data/sub", 0700), 0);
}

static void teardown(void)
{
	CHECK_OK(tree_remove_at(AT_FDCWD, dir, &e));
	close(root);
}

static int copy_up(const char *name, const char *inside)
{
	AUTO_FD ctr = openat(root, "rootfs", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	return volume_copy_up(root, name, ctr, inside, &e);
}

START_TEST(a_volume_is_made_once_and_removed)
{
	AUTO(volume_done) struct volume v = { 0 };
	AUTO_STRV labels = STRV_INIT;
	bool created;

	setup();
	strv_add(&labels, "a=b");
	CHECK_OK(volume_create(root, "v", &labels, NULL, &created, &e));
	ck_assert(created);
	CHECK_OK(volume_create(root, "v", NULL, NULL, &created, &e));
	ck_assert(!created);
	CHECK_OK(volume_get(root, dir, "v", &v, &e));
	ck_assert_str_eq(v.labels.items[0], "a=b");
	ck_assert(!v.anonymous && v.created_ns > 0);
	CHECK_OK(volume_remove(root, "v", &e));
	CHECK_ERR(E_NOT_FOUND, volume_remove(root, "v", &e));
	CHECK_ERR(E_INVALID, volume_create(root, "../v", NULL, NULL, NULL, &e));
	teardown();
}
END_TEST

START_TEST(a_fresh_volume_takes_the_images_content_once)
{
	struct stat a, b;
	char text[8] = "";

	setup();
	CHECK_OK(volume_create(root, "v", NULL, NULL, NULL, &e));
	CHECK_OK(copy_up("v", "/data"));
	ck_assert_int_eq(fstatat(root, "volumes/v/_data", &a, 0), 0);
	ck_assert_int_eq(a.st_mode & 07777, 0750);
	ck_assert_int_eq(fstatat(root, "volumes/v/_data/f", &a, 0), 0);
	ck_assert_int_eq(fstatat(root, "volumes/v/_data/g", &b, 0), 0);
	ck_assert(a.st_ino == b.st_ino && (a.st_mode & 07777) == 0640);
	ck_assert_int_eq(readlinkat(root, "volumes/v/_data/link", text, sizeof(text)), 8);
	ck_assert_int_eq(fstatat(root, "volumes/v/_data/sub", &b, 0), 0);
	/* what the container removed stays removed (CVE-2020-1726: copied twice) */
	ck_assert_int_eq(unlinkat(root, "volumes/v/_data/f", 0), 0);
	CHECK_OK(copy_up("v", "/data"));
	ck_assert_int_lt(fstatat(root, "volumes/v/_data/f", &a, 0), 0);
	teardown();
}
END_TEST

START_TEST(a_copy_that_was_cut_short_is_begun_anew)
{
	struct stat st;

	setup();
	CHECK_OK(volume_create(root, "v", NULL, NULL, NULL, &e));
	CHECK_OK(file_write_atomic_at(root, "volumes/v/_data/half", "x", 1, 0600, 0, &e));
	CHECK_OK(file_write_atomic_at(root, "volumes/v/filling", "", 0, 0600, 0, &e));
	CHECK_OK(copy_up("v", "/data"));
	ck_assert_int_lt(fstatat(root, "volumes/v/_data/half", &st, 0), 0);
	ck_assert_int_eq(fstatat(root, "volumes/v/_data/f", &st, 0), 0);
	ck_assert_int_lt(fstatat(root, "volumes/v/filling", &st, 0), 0);
	teardown();
}
END_TEST

START_TEST(a_link_in_the_image_cannot_reach_the_host)
{
	struct stat st;

	setup();
	ck_assert_int_eq(symlinkat("../../../../../../etc", root, "rootfs/esc"), 0);
	CHECK_OK(volume_create(root, "v", NULL, NULL, NULL, &e));
	CHECK_OK(copy_up("v", "/esc"));
	ck_assert_int_lt(fstatat(root, "volumes/v/_data/passwd", &st, 0), 0);
	teardown();
}
END_TEST

START_TEST(a_volume_without_facts_is_still_a_volume)
{
	AUTO(volume_list_done) struct volume_list list = { 0 };

	setup();
	CHECK_OK(volume_create(root, "v", NULL, NULL, NULL, &e));
	CHECK_OK(file_write_atomic_at(root, "volumes/v/volume.json", "", 0, 0644, 0, &e));
	CHECK_OK(volume_list(root, dir, &list, &e));
	ck_assert_uint_eq(list.count, 1);
	ck_assert(list.items[0].created_ns > 0 && !list.items[0].anonymous);
	teardown();
}
END_TEST

TEST_MAIN("volumes", a_volume_is_made_once_and_removed,
          a_fresh_volume_takes_the_images_content_once, a_copy_that_was_cut_short_is_begun_anew,
          a_link_in_the_image_cannot_reach_the_host, a_volume_without_facts_is_still_a_volume)
