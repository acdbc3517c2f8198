/* Layers laid over one another without being mounted; labels; inventories. */
#include "image/merge.h"
#include "base/fd.h"
#include "base/xalloc.h"
#include "codec/tar.h"
#include "codec/tree.h"
#include "image/image-internal.h"
#include "image/inventory.h"
#include "image/prune.h"
#include "test.h"
#include <fcntl.h>
#include <string.h>

static struct err e;
static char dir[] = "/tmp/dhow-unit-merge-XXXXXX";
static int root_fd = -1;
static struct db *db;
static struct image_store *store;

static void begin(void)
{
	ck_assert_ptr_nonnull(mkdtemp(dir));
	root_fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	CHECK_OK(db_open(root_fd, "dhow.db", DB_CREATE, &db, &e));
	CHECK_OK(image_store_open(root_fd, db, &store, &e));
}

static void end(void)
{
	image_store_free(store);
	db_free(db);
	close(root_fd);
	CHECK_OK(tree_remove_at(AT_FDCWD, dir, &e));
}

static int push(void *ctx, const void *data, size_t len, struct err *err)
{
	return layer_import_push(ctx, data, len, err);
}

/* A layer of entries "d NAME", "f NAME CONTENT". */
static struct digest layer(const char *const *entries, size_t n)
{
	const struct layer_import_args args = { .what = "test", .compression = COMPRESSION_NONE };
	AUTO(layer_import_freep) struct layer_import *im = NULL;
	AUTO(tar_writer_freep) struct tar_writer *w = NULL;
	struct layer_info info;

	CHECK_OK(layer_import_begin(store->layers, &args, &im, &e));
	w = tar_writer_new(push, im);
	for (size_t i = 0; i < n; i++) {
		AUTO_FREE char *name = xstrdup(entries[i] + 2);
		char *content = strchr(name, ' ');
		struct tar_entry t = {
			.type = entries[i][0] == 'd' ? TAR_DIR : TAR_FILE,
			.name = name,
			.link = "",
			.uname = "",
			.gname = "",
			.mode = 0755,
		};

		if (content)
			*content++ = '\0';
		t.size = content ? strlen(content) : 0;
		CHECK_OK(tar_writer_entry(w, &t, &e));
		if (content)
			CHECK_OK(tar_writer_data(w, content, t.size, &e));
	}
	CHECK_OK(tar_writer_finish(w, &e));
	CHECK_OK(layer_import_commit(im, &info, &e));
	return info.diff_id;
}
#define LAYER(...)                                                                                 \
	layer((const char *const[]){ __VA_ARGS__ },                                                \
	      sizeof((const char *const[]){ __VA_ARGS__ }) / sizeof(char *))

START_TEST(later_layers_replace_hide_and_keep)
{
	struct digest layers[2];
	AUTO_MERGE *m = NULL;
	AUTO_MERGE *top = NULL;

	begin();
	layers[0] = LAYER("d a", "f a/keep 1", "f a/gone 2", "f a/same 3", "d opaque",
	                  "f opaque/old x", "d dir", "f dir/in y", "f file z");
	layers[1] = LAYER("d a", "f a/.wh.gone", "f a/same 4", "d opaque", "f opaque/.wh..wh..opq",
	                  "f opaque/new n", "f dir now-a-file", "d file");
	CHECK_OK(merge_read(store, layers, 2, 0, &m, &e));
	ck_assert_ptr_nonnull(merge_find(m, "/a/keep"));
	ck_assert_ptr_null(merge_find(m, "/a/gone"));
	ck_assert_uint_eq(merge_find(m, "a/same")->layer, 1);
	ck_assert_ptr_null(merge_find(m, "/opaque/old"));
	ck_assert_ptr_nonnull(merge_find(m, "/opaque/new"));
	ck_assert_ptr_null(merge_find(m, "/dir/in"));
	ck_assert_uint_eq(merge_find(m, "/dir")->inode->size, strlen("now-a-file"));
	ck_assert_uint_eq(merge_find(m, "/file")->inode->type, TAR_DIR);
	ck_assert_int_eq(
		merge_same_content(m, merge_find(m, "a/keep"), m, merge_find(m, "a/same"), &e), 0);
	CHECK_OK(merge_read(store, &layers[1], 1, MERGE_KEEP_WHITEOUTS, &top, &e));
	ck_assert(merge_find(top, "/a/gone")->inode->flags & TREE_WHITEOUT);
	end();
}
END_TEST

START_TEST(labels_match_by_key_or_by_both)
{
	AUTO_STRV labels = STRV_INIT;

	strv_add(&labels, "keep=yes");
	strv_add(&labels, "bare");
	ck_assert(image_label_matches(&labels, "keep"));
	ck_assert(image_label_matches(&labels, "keep=yes"));
	ck_assert(!image_label_matches(&labels, "keep=no"));
	ck_assert(!image_label_matches(&labels, "kee"));
	ck_assert(image_label_matches(&labels, "bare"));
}
END_TEST

START_TEST(an_inventory_has_what_it_lists)
{
	AUTO_INVENTORY inventory = INVENTORY_INIT;
	struct digest d, other;
	AUTO_FREE char *text = NULL;

	digest_of(DIGEST_SHA256, "x", 1, &d);
	digest_of(DIGEST_SHA256, "y", 1, &other);
	text = xasprintf("{\"version\":1,\"layers\":[\"%s\"]}", digest_format(&d).s);
	CHECK_OK(inventory_parse("t", text, strlen(text), &inventory, &e));
	ck_assert(inventory_has(&inventory, &d));
	ck_assert(!inventory_has(&inventory, &other));
	CHECK_ERR(E_UNSUPPORTED, inventory_parse("t", "{}", 2, &inventory, &e));
}
END_TEST

TEST_MAIN("image-merge", later_layers_replace_hide_and_keep, labels_match_by_key_or_by_both,
          an_inventory_has_what_it_lists)
