/* hello: the embedded image lands in a store like any other. */
#include "test.h"

#include <fcntl.h>

#include "base/fd.h"
#include "hello/image.h"
#include "image/check.h"
#include "image/image.h"

static struct err e;

START_TEST(its_names)
{
	ck_assert(hello_image_is_named("hello"));
	ck_assert(hello_image_is_named("hello:latest"));
	ck_assert(hello_image_is_named("docker.io/library/hello"));
	ck_assert(!hello_image_is_named("hello-world"));
	ck_assert(!hello_image_is_named("hello:v2"));
	ck_assert(!hello_image_is_named("example.com/hello"));
}
END_TEST

START_TEST(it_is_stored_once_and_can_be_found)
{
	char dir[] = "/tmp/hello-image-XXXXXX", id[80];
	AUTO_FD fd = -1;

	ck_assert_ptr_nonnull(mkdtemp(dir));
	fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	{
		AUTO_DB *db = NULL;
		AUTO_IMAGE_STORE *store = NULL;
		AUTO_CHECK_REPORT report = CHECK_REPORT_INIT;
		AUTO_IMAGE first = IMAGE_INIT, again = IMAGE_INIT, found = IMAGE_INIT;

		CHECK_OK(db_open(fd, "dhow.db", DB_CREATE, &db, &e));
		CHECK_OK(image_store_open(fd, db, &store, &e));
		CHECK_ERR(E_NOT_FOUND, image_resolve(store, "hello", &found, &e));
		CHECK_OK(hello_image_load(store, &first, &e));
		snprintf(id, sizeof(id), "%s", first.id);
		CHECK_OK(image_resolve(store, "hello", &found, &e));
		ck_assert_str_eq(found.id, id);
		CHECK_OK(hello_image_load(store, &again, &e));
		ck_assert_str_eq(again.id, id);
		ck_assert_uint_lt(first.size, 32768);
		CHECK_OK(image_store_check(store, &(struct check_options){ 0 }, &report, &e));
		ck_assert_uint_eq(report.n, 0);
	}
	CHECK_OK(tree_remove_at(AT_FDCWD, dir, &e));
}
END_TEST

TEST_MAIN("hello", its_names, it_is_stored_once_and_can_be_found)
