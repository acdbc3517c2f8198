/* The store's rows, names, blobs and leases, on images without layers (those need a file system
 * that mounts; the bats files have them). */
#include "base/fd.h"
#include "base/xalloc.h"
#include "image/archive-internal.h"
#include "image/check.h"
#include "image/image-internal.h"
#include "image/prune.h"
#include "test.h"
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>

static struct err e;
static char dir[] = "/tmp/dhow-unit-store-XXXXXX";
static int root_fd = -1;
static struct db *db;
static struct image_store *store;
static struct image_removed removed;

static void open_store(void)
{
	CHECK_OK(db_open(root_fd, "dhow.db", DB_CREATE, &db, &e));
	CHECK_OK(image_store_open(root_fd, db, &store, &e));
}

static void close_store(void)
{
	image_store_free(store);
	db_free(db);
}

static void begin(void)
{
	ck_assert_ptr_nonnull(mkdtemp(dir));
	root_fd = open(dir, O_DIRECTORY | O_CLOEXEC);
	open_store();
}

static void end(void)
{
	image_removed_done(&removed);
	close_store();
	close(root_fd);
	CHECK_OK(tree_remove_at(AT_FDCWD, dir, &e));
}

/* An image of no layers whose author tells it from others. Returns its id. */
static char *add(const char *author, const char *name)
{
	struct image_config c = IMAGE_CONFIG_INIT;
	struct image_blob blob;
	struct image_new new = { .config = &c, .blobs = &blob, .n_blobs = 1, .name = name };
	char *text = xasprintf("{\"author\":\"%s\",\"os\":\"linux\",\"architecture\":\"amd64\","
	                       "\"rootfs\":{\"type\":\"layers\",\"diff_ids\":[]}}",
	                       author);
	uint64_t none = 0;

	CHECK_OK(image_config_parse("c", text, strlen(text), &c, &e));
	digest_of(DIGEST_SHA256, text, strlen(text), &new.id);
	blob = (struct image_blob){ new.id, strlen(text) };
	new.layer_sizes = &none;
	CHECK_OK(blob_put(store, &new.id, text, strlen(text), &e));
	CHECK_OK(image_record(store, &new, &e));
	image_config_done(&c);
	free(text);
	return xstrdup(digest_format(&new.id).s);
}

static int remove_it(const char *name, unsigned flags)
{
	image_removed_done(&removed);
	removed = IMAGE_REMOVED_INIT;
	return image_remove(store, name, flags, &removed, &e);
}

static int one_user(void *ctx, const char *id, struct strv *ret, struct err *err)
{
	(void)id, (void)err;
	strv_add(ret, ctx);
	return 0;
}

static int check_it(bool repair)
{
	AUTO_CHECK_REPORT report = CHECK_REPORT_INIT;
	const struct check_options options = { .repair = repair };

	CHECK_OK(image_store_check(store, &options, &report, &e));
	return (int)report.n;
}

START_TEST(an_image_is_found_by_name_and_id)
{
	struct image image = IMAGE_INIT;
	char *id, *got;

	begin();
	id = add("a", "docker.io/library/a:latest");
	CHECK_OK(image_resolve_id(store, "a", &got, &e));
	ck_assert_str_eq(got, id);
	free(got);
	CHECK_OK(image_resolve_id(store, id + 7, &got, &e));
	free(got);
	CHECK_OK(image_resolve(store, id, &image, &e));
	ck_assert_str_eq(image.config.author, "a");
	ck_assert_uint_eq(image.names.len, 1);
	image_done(&image);
	CHECK_ERR(E_NOT_FOUND, image_resolve_id(store, "b", &got, &e));
	CHECK_ERR(E_INVALID, image_resolve_id(store, "B", &got, &e));
	CHECK_OK(image_hold(store, id, &e));
	CHECK_ERR(E_NOT_FOUND, image_hold(store, "sha256:00", &e));
	free(id);
	end();
}
END_TEST

START_TEST(an_ambiguous_prefix_is_refused)
{
	char *got;

	begin();
	for (int i = 0; i < 20; i++) { /* two of seventeen share their first digit */
		char author[8];

		snprintf(author, sizeof(author), "%d", i);
		free(add(author, NULL));
	}
	for (int digit = 0; digit < 16; digit++) {
		char prefix[2] = { "0123456789abcdef"[digit], '\0' };

		if (image_resolve_id(store, prefix, &got, &e) == 0)
			free(got);
		else if (e.code == E_INVALID)
			break;
	}
	ck_assert_int_eq(e.code, E_INVALID);
	end();
}
END_TEST

START_TEST(a_name_moves_and_the_image_it_left_stays)
{
	struct image_row *rows;
	char *a, *b, *got;
	size_t n;

	begin();
	a = add("a", "docker.io/library/x:latest");
	b = add("b", "docker.io/library/x:latest");
	CHECK_OK(image_resolve_id(store, "x", &got, &e));
	ck_assert_str_eq(got, b);
	free(got);
	CHECK_OK(image_list(store, &rows, &n, &e));
	ck_assert_uint_eq(n, 2);
	image_rows_free(rows, n);
	CHECK_OK(image_tag(store, a, "y:1", &e));
	CHECK_OK(image_untag(store, "y:1", &e));
	CHECK_ERR(E_NOT_FOUND, image_untag(store, "y:1", &e));
	free(a);
	free(b);
	end();
}
END_TEST

START_TEST(the_last_name_takes_image_and_blobs_along)
{
	char *id;

	begin();
	id = add("a", "docker.io/library/a:latest");
	CHECK_OK(image_tag(store, "a", "b", &e));
	CHECK_OK(remove_it("a", 0));
	ck_assert_uint_eq(removed.deleted.len, 0);
	CHECK_OK(remove_it("b", 0));
	ck_assert_str_eq(removed.deleted.items[0], id);
	ck_assert_int_eq(check_it(false), 0);
	CHECK_ERR(E_NOT_FOUND, remove_it("b", 0));
	free(id);
	end();
}
END_TEST

START_TEST(an_image_in_use_is_busy_and_force_takes_its_names_only)
{
	static char user[] = "web";
	char *id;

	begin();
	id = add("a", "docker.io/library/a:latest");
	image_store_set_users(store, one_user, user);
	CHECK_ERR(E_BUSY, remove_it("a", 0));
	ck_assert_ptr_nonnull(strstr(e.msg, "web"));
	CHECK_OK(remove_it("a", IMAGE_REMOVE_FORCE));
	CHECK_OK(image_hold(store, id, &e));
	CHECK_OK(image_prune(store, &(struct image_prune_options){ 0 }, &removed, &e));
	CHECK_OK(image_hold(store, id, &e));
	image_store_set_users(store, NULL, NULL);
	CHECK_OK(image_prune(store, &(struct image_prune_options){ 0 }, &removed, &e));
	CHECK_ERR(E_NOT_FOUND, image_hold(store, id, &e));
	free(id);
	end();
}
END_TEST

START_TEST(leased_content_survives_a_removal_beside_it)
{
	struct lease lease = LEASE_INIT;
	struct digest d;
	char *id;

	begin();
	id = add("a", "docker.io/library/a:latest");
	CHECK_OK(digest_parse(id, &d, &e));
	CHECK_OK(lease_begin(store, &lease, &e));
	CHECK_OK(lease_add(store, &lease, &d, 1, &e));
	CHECK_OK(remove_it("a", 0));
	ck_assert(blob_has(store, &d));
	lease_end(store, &lease, false);
	CHECK_OK(content_sweep(store, false, &e));
	ck_assert(!blob_has(store, &d));
	free(id);
	end();
}
END_TEST

START_TEST(what_a_dead_process_leased_is_kept_a_while_and_the_rest_is_swept)
{
	struct digest leased, orphan;
	pid_t child;

	begin();
	digest_of(DIGEST_SHA256, "leased", 6, &leased);
	digest_of(DIGEST_SHA256, "orphan", 6, &orphan);
	close_store();
	child = fork();
	if (child == 0) {
		struct lease lease = LEASE_INIT;

		open_store();
		CHECK_OK(lease_begin(store, &lease, &e));
		CHECK_OK(lease_add(store, &lease, &leased, 1, &e));
		CHECK_OK(blob_put(store, &leased, "leased", 6, &e));
		CHECK_OK(blob_put(store, &orphan, "orphan", 6, &e));
		_exit(0); /* as if killed */
	}
	ck_assert_int_eq(waitpid(child, NULL, 0), child);
	open_store();
	ck_assert(blob_has(store, &leased));
	ck_assert(!blob_has(store, &orphan));
	CHECK_OK(image_prune(store, &(struct image_prune_options){ 0 }, &removed, &e));
	ck_assert(!blob_has(store, &leased));
	end();
}
END_TEST

START_TEST(blobs_are_verified_in_and_out)
{
	struct digest d;
	char *data, path[200];
	size_t len;

	begin();
	digest_of(DIGEST_SHA256, "good", 4, &d);
	CHECK_ERR(E_CORRUPT, blob_put(store, &d, "evil", 4, &e));
	CHECK_OK(blob_put(store, &d, "good", 4, &e));
	CHECK_OK(blob_read(store, &d, 100, &data, &len, &e));
	free(data);
	CHECK_ERR(E_LIMIT, blob_read(store, &d, 3, &data, &len, &e));
	snprintf(path, sizeof(path), "blobs/%s", blob_path(&d).s);
	ck_assert_int_eq(fchmodat(root_fd, path, 0600, 0), 0);
	CHECK_OK(file_write_atomic_at(root_fd, path, "evil", 4, 0444, 0, &e));
	CHECK_ERR(E_CORRUPT, blob_read(store, &d, 100, &data, &len, &e));
	ck_assert_int_gt(check_it(false), 0);
	ck_assert_int_gt(check_it(true), 0);
	ck_assert_int_eq(check_it(false), 0);
	end();
}
END_TEST

START_TEST(history_puts_layers_where_they_belong)
{
	static char texts[] = "a\0b\0c", id[] = "i";
	struct image_history h[] = { { .created_by = texts },
		                     { .created_by = texts + 2, .empty_layer = true },
		                     { .created_by = texts + 4 } };
	struct digest diff_ids[3] = { 0 };
	uint64_t sizes[] = { 1, 2, 3 };
	struct image image = { .id = id, .layer_sizes = sizes };
	struct image_history_row *rows;
	size_t n;

	image.config.history = h;
	image.config.n_history = 3;
	image.config.diff_ids = diff_ids;
	image.config.n_diff_ids = 3; /* one more than the history tells of */
	CHECK_OK(image_history(&image, &rows, &n, &e));
	ck_assert_uint_eq(n, 4);
	ck_assert_str_eq(rows[0].created_by, "c");
	ck_assert_uint_eq(rows[0].size, 3);
	ck_assert_uint_eq(rows[1].size, 0);
	ck_assert_uint_eq(rows[2].size, 2);
	ck_assert_uint_eq(rows[3].size, 1);
	ck_assert_str_eq(rows[0].id, "i");
	ck_assert_str_eq(rows[3].id, "<missing>");
	free(rows);
}
END_TEST

TEST_MAIN("store", an_image_is_found_by_name_and_id, an_ambiguous_prefix_is_refused,
          a_name_moves_and_the_image_it_left_stays, the_last_name_takes_image_and_blobs_along,
          an_image_in_use_is_busy_and_force_takes_its_names_only,
          leased_content_survives_a_removal_beside_it,
          what_a_dead_process_leased_is_kept_a_while_and_the_rest_is_swept,
          blobs_are_verified_in_and_out, history_puts_layers_where_they_belong)
