#include "test.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "base/fd.h"
#include "base/strbuf.h"
#include "codec/tar.h"
#include "image/layers.h"

static struct err e;
static char dir[] = "/tmp/dhow-test-layers.XXXXXX";
static int root_fd = -1;

static void setup(void)
{
	ck_assert_ptr_nonnull(mkdtemp(dir));
	root_fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	ck_assert_int_ge(root_fd, 0);
}

static void teardown(void)
{
	CHECK_OK(tree_remove_at(AT_FDCWD, dir, &e));
}

static int to_buf(void *ctx, const void *data, size_t len, struct err *err)
{
	strbuf_add(ctx, data, len);
	return 0;
}

/* An archive of our own files, so that an ordinary user can extract it. */
static void make_tar(struct strbuf *out, const char *text, size_t copies)
{
	AUTO(tar_writer_freep) struct tar_writer *w = tar_writer_new(to_buf, out);
	struct tar_entry file = {
		.type = TAR_FILE,
		.name = "dir/file",
		.mode = 0640,
		.uid = getuid(),
		.gid = getgid(),
		.size = strlen(text) * copies,
	};
	struct tar_entry root = { .type = TAR_DIR, .name = "", .mode = 0755 };
	struct tar_entry sub = { .type = TAR_DIR, .name = "dir", .mode = 0755 };

	root.uid = sub.uid = getuid();
	root.gid = sub.gid = getgid();
	CHECK_OK(tar_writer_entry(w, &root, &e));
	CHECK_OK(tar_writer_entry(w, &sub, &e));
	CHECK_OK(tar_writer_entry(w, &file, &e));
	for (size_t i = 0; i < copies; i++)
		CHECK_OK(tar_writer_data(w, text, strlen(text), &e));
	CHECK_OK(tar_writer_finish(w, &e));
}

static struct layer_store *open_store(void)
{
	/* the directory form is the one that needs no privilege */
	struct layer_store_options options = { .mode = LAYER_MODE_DIR };
	struct layer_store *store = NULL;

	CHECK_OK(layer_store_open(root_fd, &options, &store, &e));
	return store;
}

static int import(struct layer_store *store, const struct strbuf *tar, const struct digest *want,
                  size_t piece, struct layer_info *ret)
{
	struct layer_import_args args = { .what = "layer x", .expected_diff_id = want };
	AUTO(layer_import_freep) struct layer_import *im = NULL;

	if (layer_import_begin(store, &args, &im, &e) < 0)
		return -1;
	for (size_t at = 0; at < tar->len; at += piece)
		if (layer_import_push(im, tar->buf + at,
		                      tar->len - at < piece ? tar->len - at : piece, &e) < 0)
			return -1;
	return layer_import_commit(im, ret, &e);
}

/* What is in ROOT/layers besides complete layers. */
static size_t count_leftovers(void)
{
	char command[128];
	FILE *p;
	size_t n = 0;

	snprintf(command, sizeof(command), "ls %s/layers | grep -vcE '^[0-9a-f]{64}$'", dir);
	p = popen(command, "r");
	ck_assert_int_eq(fscanf(p, "%zu", &n), 1);
	pclose(p);
	return n;
}

START_TEST(a_layer_comes_and_goes)
{
	AUTO(layer_store_freep) struct layer_store *store = open_store();
	AUTO_BUF tar = STRBUF_INIT;
	AUTO_FREE struct layer_info *list = NULL;
	AUTO_FREE char *text = NULL;
	struct layer_info info, again;
	struct digest want;
	AUTO_FD fd = -1;
	size_t n;

	make_tar(&tar, "some text\n", 300000);
	digest_of(DIGEST_SHA256, tar.buf, tar.len, &want);
	CHECK_OK(import(store, &tar, &want, 100000, &info));
	ck_assert(digest_equal(&info.diff_id, &want));
	ck_assert(info.is_new);
	ck_assert_uint_eq(info.tar_bytes, tar.len);
	ck_assert_uint_eq(info.entries, 3);
	ck_assert_int_eq(info.compression, COMPRESSION_NONE);
	ck_assert(layer_store_has(store, &want));
	CHECK_OK(import(store, &tar, NULL, 4097, &again));
	ck_assert(!again.is_new);
	CHECK_OK(layer_store_list(store, &list, &n, &e));
	ck_assert_uint_eq(n, 1);
	CHECK_OK(layer_store_verify(store, &want, &e));
	fd = layer_store_open_tar(store, &want, &e);
	CHECK_OK(fd);
	CHECK_OK(fd_read_all(fd, 1 << 23, &text, &n, &e));
	ck_assert_uint_eq(n, tar.len);
	ck_assert(!memcmp(text, tar.buf, n));
	CHECK_OK(layer_store_remove(store, &want, &e));
	CHECK_OK(layer_store_remove(store, &want, &e));
	ck_assert(!layer_store_has(store, &want));
	CHECK_ERR(E_NOT_FOUND, layer_store_info(store, &want, &info, &e));
	ck_assert_uint_eq(count_leftovers(), 0);
}
END_TEST

START_TEST(failures_leave_nothing)
{
	AUTO(layer_store_freep) struct layer_store *store = open_store();
	struct digest wrong = { .alg = DIGEST_SHA256, .len = 32 };
	AUTO_BUF tar = STRBUF_INIT;
	struct layer_info info;

	make_tar(&tar, "0123456789", 500000);
	CHECK_ERR(E_CORRUPT, import(store, &tar, &wrong, 1 << 16, &info));
	ck_assert_int_eq(strncmp(e.msg, "layer x: its content has the diffID sha256:", 43), 0);
	/* damage in the second header: the reader stops the pipeline, and push says so */
	tar.buf[512 + 10] ^= 1;
	CHECK_ERR(E_CORRUPT, import(store, &tar, NULL, 1 << 16, &info));
	ck_assert_ptr_nonnull(strstr(e.msg, "wrong header checksum at byte 512"));
	tar.buf[512 + 10] ^= 1;
	strbuf_trunc(&tar, 3000);
	CHECK_ERR(E_CORRUPT, import(store, &tar, NULL, 1 << 16, &info));
	ck_assert_ptr_nonnull(strstr(e.msg, "cut off"));
	ck_assert_uint_eq(count_leftovers(), 0);
}
END_TEST

START_TEST(an_import_can_be_given_up)
{
	AUTO(layer_store_freep) struct layer_store *store = open_store();
	AUTO_BUF tar = STRBUF_INIT;

	make_tar(&tar, "0123456789", 500000);
	for (size_t pushed = 0; pushed < tar.len; pushed += tar.len / 3 + 1) {
		struct layer_import_args args = { .what = "layer" };
		AUTO(layer_import_freep) struct layer_import *im = NULL;

		CHECK_OK(layer_import_begin(store, &args, &im, &e));
		CHECK_OK(layer_import_push(im, tar.buf, pushed, &e));
		/* a sweep does not touch what is alive */
		CHECK_OK(layer_store_sweep(store, &e));
		ck_assert_uint_eq(count_leftovers(), 1);
	}
	ck_assert_uint_eq(count_leftovers(), 0);
}
END_TEST

START_TEST(two_imports_of_one_layer)
{
	AUTO(layer_store_freep) struct layer_store *store = open_store();
	AUTO(layer_import_freep) struct layer_import *a = NULL, *b = NULL;
	struct layer_import_args args = { .what = "layer" };
	AUTO_BUF tar = STRBUF_INIT;
	struct layer_info ia, ib;

	make_tar(&tar, "x", 10);
	CHECK_OK(layer_import_begin(store, &args, &a, &e));
	CHECK_OK(layer_import_begin(store, &args, &b, &e));
	CHECK_OK(layer_import_push(a, tar.buf, tar.len, &e));
	CHECK_OK(layer_import_push(b, tar.buf, tar.len, &e));
	CHECK_OK(layer_import_commit(a, &ia, &e));
	CHECK_OK(layer_import_commit(b, &ib, &e));
	ck_assert(ia.is_new && !ib.is_new);
	ck_assert_uint_eq(ia.tar_bytes, ib.tar_bytes);
}
END_TEST

START_TEST(what_a_killed_process_leaves_is_swept)
{
	AUTO(layer_store_freep) struct layer_store *store = open_store();

	ck_assert_int_eq(mkdirat(root_fd, "layers/tmp-dead", 0700), 0);
	ck_assert_int_eq(mkdirat(root_fd, "layers/tmp-dead/diff", 0), 0);
	ck_assert_uint_eq(count_leftovers(), 1);
	CHECK_OK(layer_store_sweep(store, &e));
	ck_assert_uint_eq(count_leftovers(), 0);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = { a_layer_comes_and_goes, failures_leave_nothing,
		                       an_import_can_be_given_up, two_imports_of_one_layer,
		                       what_a_killed_process_leaves_is_swept };
	Suite *suite = suite_create("layers");
	TCase *tc = tcase_create("layers");
	SRunner *sr = srunner_create(suite);
	int failed;

	tcase_set_timeout(tc, 60);
	tcase_add_checked_fixture(tc, setup, teardown);
	for (size_t i = 0; i < ARRAY_LEN(tests); i++)
		tcase_add_test(tc, tests[i]);
	suite_add_tcase(suite, tc);
	srunner_run_all(sr, CK_NORMAL);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
