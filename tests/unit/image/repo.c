/* Repositories of the registry server: what is read through which, uploads, and what goes. */
#include "image/repo.h"
#include "base/fd.h"
#include "base/xalloc.h"
#include "image/check.h"
#include "image/image-internal.h"
#include "test.h"
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

static struct err e;
static char dir[] = "/tmp/dhow-unit-repo-XXXXXX";
static int root_fd = -1;
static struct db *db;
static struct image_store *store;

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

/* Called by what adds things, too, so that tests can begin with what they add. */
static void begin(void)
{
	if (store)
		return;
	ck_assert_ptr_nonnull(mkdtemp(dir));
	root_fd = open(dir, O_DIRECTORY | O_CLOEXEC);
	open_store();
}

static void end(void)
{
	close_store();
	close(root_fd);
	CHECK_OK(tree_remove_at(AT_FDCWD, dir, &e));
}

static struct digest sha256(const char *text)
{
	struct digest d;

	digest_of(DIGEST_SHA256, text, strlen(text), &d);
	return d;
}

static struct digest add_blob(const char *repo, const char *text)
{
	struct repo_upload u = REPO_UPLOAD_INIT;
	struct digest d = sha256(text), got;

	begin();
	CHECK_OK(repo_upload_begin(store, repo, DIGEST_SHA256, &u, &e));
	CHECK_OK(repo_upload_write(&u, text, strlen(text), &e));
	CHECK_OK(repo_upload_digest(&u, DIGEST_SHA256, &got, &e));
	ck_assert(digest_equal(&d, &got));
	CHECK_OK(repo_upload_commit(store, &u, &d, &e));
	repo_upload_close(&u);
	return d;
}

/* A manifest whose text is only told apart; link and subject may be NULL. */
static struct digest add_manifest(const char *repo, const char *text, const char *tag,
                                  const struct digest *link, const struct digest *subject)
{
	struct repo_link links[1] = { { { 0 }, 3 } };
	struct repo_manifest_new m = { .text = text,
		                       .len = strlen(text),
		                       .digest = sha256(text),
		                       .media_type = "application/x",
		                       .artifact_type = "type/a",
		                       .links = links,
		                       .n_links = link ? 1 : 0,
		                       .tags = &tag,
		                       .n_tags = tag ? 1 : 0 };

	begin();
	if (link)
		links[0].digest = *link;
	if (subject)
		m.subject = *subject;
	CHECK_OK(repo_put_manifest(store, repo, &m, &e));
	return m.digest;
}

static bool has(const char *repo, const struct digest *d)
{
	int r = repo_has_blob(store, repo, d, NULL, &e);

	ck_assert_int_ge(r, 0);
	return r;
}

static bool is_tagged(const char *repo, const char *tag)
{
	AUTO_REPO_MANIFEST m = { 0 };

	return repo_find_manifest(store, repo, tag, NULL, &m, &e) == 0;
}

START_TEST(blobs_are_of_their_repository)
{
	struct digest d = add_blob("a/one", "abc");
	struct digest other = sha256("nothing");
	AUTO_FD fd = -1;
	uint64_t size = 0;
	struct stat st;

	CHECK_OK(repo_open_blob(store, "a/one", &d, &fd, &size, &e));
	ck_assert_uint_eq(size, 3);
	ck_assert_int_eq(fstat(fd, &st), 0);
	ck_assert_uint_eq(st.st_mode & 07777, 0444);
	CHECK_ERR(E_NOT_FOUND, repo_open_blob(store, "b/two", &d, &fd, &size, &e));
	CHECK_ERR(E_NOT_FOUND, repo_mount_blob(store, "c", "b/two", &d, &e));
	CHECK_ERR(E_NOT_FOUND, repo_mount_blob(store, NULL, "b/two", &other, &e));
	ck_assert(!has("b/two", &d));
	CHECK_OK(repo_mount_blob(store, "a/one", "b/two", &d, &e));
	CHECK_OK(repo_mount_blob(store, NULL, "b/three", &d, &e));
	ck_assert(has("b/two", &d) && has("b/three", &d));
	/* one copy, until the last one lets go of it */
	CHECK_OK(repo_remove_blob(store, "a/one", &d, &e));
	CHECK_OK(repo_remove_blob(store, "b/two", &d, &e));
	ck_assert(blob_has(store, &d));
	CHECK_OK(repo_remove_blob(store, "b/three", &d, &e));
	ck_assert(!blob_has(store, &d));
	CHECK_ERR(E_NOT_FOUND, repo_remove_blob(store, "b/three", &d, &e));
	end();
}
END_TEST

START_TEST(removals_of_images_leave_them)
{
	struct digest blob = add_blob("a", "abc");
	struct digest manifest = add_manifest("a", "{m}", "v1", &blob, NULL);
	AUTO_CHECK_REPORT report = CHECK_REPORT_INIT;

	CHECK_OK(content_sweep(store, true, &e));
	ck_assert(blob_has(store, &blob) && blob_has(store, &manifest));
	CHECK_OK(image_store_check(store, &(struct check_options){ 0 }, &report, &e));
	ck_assert_uint_eq(report.n, 0);
	end();
}
END_TEST

START_TEST(uploads_survive)
{
	struct repo_upload u = REPO_UPLOAD_INIT, again = REPO_UPLOAD_INIT;
	struct digest d = sha256("abcdef");
	char id[REPO_UPLOAD_ID_LEN + 1];

	begin();
	CHECK_OK(repo_upload_begin(store, "a", DIGEST_SHA512, &u, &e));
	CHECK_OK(repo_upload_write(&u, "abc", 3, &e));
	memcpy(id, u.id, sizeof(id));
	CHECK_ERR(E_BUSY, repo_upload_open(store, "a", id, &again, &e));
	repo_upload_close(&u);
	close_store();
	open_store();
	CHECK_ERR(E_NOT_FOUND, repo_upload_open(store, "b", id, &u, &e));
	CHECK_ERR(E_NOT_FOUND, repo_upload_open(store, "a", "../dhow.db", &u, &e));
	CHECK_OK(repo_upload_open(store, "a", id, &u, &e));
	ck_assert_int_eq(u.alg, DIGEST_SHA512);
	ck_assert_uint_eq(u.size, 3);
	CHECK_OK(repo_upload_write(&u, "def", 3, &e));
	/* somebody else's sweep leaves it, it is locked */
	CHECK_OK(repo_upload_sweep(store, -10, &e));
	CHECK_OK(repo_upload_commit(store, &u, &d, &e));
	repo_upload_close(&u);
	ck_assert(has("a", &d));
	CHECK_OK(blob_verify(store, &d, &e));
	CHECK_ERR(E_NOT_FOUND, repo_upload_open(store, "a", id, &u, &e));
	end();
}
END_TEST

START_TEST(uploads_end)
{
	struct repo_upload u = REPO_UPLOAD_INIT;
	char id[REPO_UPLOAD_ID_LEN + 1];

	begin();
	CHECK_OK(repo_upload_begin(store, "a", DIGEST_SHA256, &u, &e));
	memcpy(id, u.id, sizeof(id));
	CHECK_OK(repo_upload_cancel(store, &u, &e));
	repo_upload_close(&u);
	CHECK_ERR(E_NOT_FOUND, repo_upload_open(store, "a", id, &u, &e));
	CHECK_OK(repo_upload_begin(store, "a", DIGEST_SHA256, &u, &e));
	memcpy(id, u.id, sizeof(id));
	repo_upload_close(&u);
	CHECK_OK(repo_upload_sweep(store, 3600, &e));
	CHECK_OK(repo_upload_open(store, "a", id, &u, &e));
	repo_upload_close(&u);
	CHECK_OK(repo_upload_sweep(store, -10, &e));
	CHECK_ERR(E_NOT_FOUND, repo_upload_open(store, "a", id, &u, &e));
	end();
}
END_TEST

START_TEST(tags_and_manifests)
{
	struct digest m1 = add_manifest("a", "{1}", "v1", NULL, NULL);
	struct digest m2 = add_manifest("a", "{2}", "v2", NULL, NULL);
	AUTO_STRV tags = STRV_INIT;
	AUTO_STRV rest = STRV_INIT;
	AUTO_STRV repos = STRV_INIT;
	bool more = false;

	add_manifest("a", "{2}", "v3", NULL, NULL);
	add_manifest("b", "{1}", NULL, NULL, NULL);
	CHECK_OK(repo_tags(store, "a", NULL, 2, &tags, &more, &e));
	ck_assert(more && tags.len == 2);
	ck_assert_str_eq(tags.items[1], "v2");
	CHECK_OK(repo_tags(store, "a", "v2", 2, &rest, &more, &e));
	ck_assert(!more && rest.len == 1);
	CHECK_ERR(E_NOT_FOUND, repo_tags(store, "c", NULL, 2, &rest, &more, &e));
	CHECK_OK(repo_list(store, "a", 9, &repos, &more, &e));
	ck_assert(!more && repos.len == 1);
	CHECK_OK(repo_remove_tag(store, "a", "v1", &e));
	CHECK_ERR(E_NOT_FOUND, repo_remove_tag(store, "a", "v1", &e));
	CHECK_OK(repo_remove_manifest(store, "a", &m2, &e));
	ck_assert(!is_tagged("a", "v2") && !is_tagged("a", "v3"));
	ck_assert(!blob_has(store, &m2));
	CHECK_OK(repo_remove_manifest(store, "a", &m1, &e));
	ck_assert(blob_has(store, &m1));
	CHECK_OK(repo_remove(store, "b", &e));
	ck_assert(!blob_has(store, &m1));
	CHECK_ERR(E_NOT_FOUND, repo_remove(store, "b", &e));
	end();
}
END_TEST

static int count(void *ctx, const struct repo_referrer *r, struct err *err)
{
	(void)err;
	ck_assert_str_eq(r->artifact_type, "type/a");
	++*(int *)ctx;
	return 0;
}

START_TEST(referrers)
{
	struct digest subject = sha256("{subject}");
	int n = 0;

	add_manifest("a", "{r1}", NULL, NULL, &subject);
	add_manifest("a", "{r2}", NULL, NULL, &subject);
	add_manifest("b", "{r3}", NULL, NULL, &subject);
	CHECK_OK(repo_referrers(store, "a", &subject, NULL, NULL, count, &n, &e));
	ck_assert_int_eq(n, 2);
	CHECK_OK(repo_referrers(store, "a", &subject, "type/b", NULL, count, &n, &e));
	ck_assert_int_eq(n, 2);
	end();
}
END_TEST

START_TEST(gc)
{
	struct digest kept = add_blob("a", "kept"), idle = add_blob("a", "idle");
	struct digest image = add_manifest("a", "{image}", NULL, &kept, NULL);
	struct digest index = add_manifest("a", "{index}", "v1", &image, NULL);
	struct digest signature = add_manifest("a", "{sig}", NULL, NULL, &image);
	struct digest loose = add_manifest("a", "{loose}", NULL, &idle, NULL);
	struct repo_gc_result r;

	CHECK_OK(repo_gc(store, true, 60, &r, &e));
	ck_assert(r.blobs == 0 && r.manifests == 0);
	CHECK_OK(repo_gc(store, false, -1, &r, &e));
	ck_assert(r.blobs == 0 && r.manifests == 0);
	CHECK_OK(repo_gc(store, true, -1, &r, &e));
	ck_assert(r.blobs == 1 && r.manifests == 1);
	ck_assert(!blob_has(store, &loose) && !blob_has(store, &idle));
	ck_assert(blob_has(store, &index) && blob_has(store, &signature) && has("a", &kept));
	end();
}
END_TEST

TEST_MAIN("repo", blobs_are_of_their_repository, removals_of_images_leave_them, uploads_survive,
          uploads_end, tags_and_manifests, referrers, gc)
