/* Repositories of the registry server: rows over the store's blobs. repo.h says what must hold. */
#include "image/repo.h"
#include "base/clock.h"
#include "base/xalloc.h"
#include "image/image-internal.h"
#include "image/repo-internal.h"

/* --- repositories --- */

static int unknown_repo(const char *repo, struct err *err)
{
	return err_set(err, E_NOT_FOUND, "no repository '%s'", repo);
}

int repo_exists(struct image_store *store, const char *repo, struct err *err)
{
	int64_t id;

	return db_get_i64(store->db, &id, err, "SELECT id FROM registry_repo WHERE name = ?",
	                  DB_TEXT(repo));
}

int repo_id_make(struct image_store *store, const char *repo, int64_t *ret, struct err *err)
{
	if (db_exec(store->db, err, "INSERT OR IGNORE INTO registry_repo(name) VALUES(?)",
	            DB_TEXT(repo)) < 0)
		return -1;
	return db_get_i64(store->db, ret, err, "SELECT id FROM registry_repo WHERE name = ?",
	                  DB_TEXT(repo)) < 0
	               ? -1
	               : 0;
}

/* The first column of up to max rows of a query that was asked for one more. */
static int take_page(struct db_stmt *st, size_t max, struct strv *ret, bool *ret_more,
                     struct err *err)
{
	int r;

	*ret_more = false;
	while ((r = db_step(st, err)) > 0) {
		if (ret->len == max) {
			*ret_more = max > 0;
			return 0;
		}
		strv_add(ret, db_text(st, 0));
	}
	return r;
}

int repo_list(struct image_store *store, const char *last, size_t max, struct strv *ret,
              bool *ret_more, struct err *err)
{
	AUTO_STMT st = DB_STMT_INIT;

	if (db_query(store->db, &st, err,
	             "SELECT name FROM registry_repo WHERE name > ? ORDER BY name LIMIT ?",
	             DB_TEXT(last ? last : ""), DB_I64((int64_t)max + 1)) < 0)
		return -1;
	return take_page(&st, max, ret, ret_more, err);
}

int repo_tags(struct image_store *store, const char *repo, const char *last, size_t max,
              struct strv *ret, bool *ret_more, struct err *err)
{
	AUTO_STMT st = DB_STMT_INIT;
	int r = repo_exists(store, repo, err);

	if (r <= 0)
		return r < 0 ? -1 : unknown_repo(repo, err);
	if (db_query(store->db, &st, err,
	             "SELECT t.name FROM registry_tag t JOIN registry_repo r ON r.id = t.repo"
	             " WHERE r.name = ? AND t.name > ? ORDER BY t.name LIMIT ?",
	             DB_TEXT(repo), DB_TEXT(last ? last : ""), DB_I64((int64_t)max + 1)) < 0)
		return -1;
	return take_page(&st, max, ret, ret_more, err);
}

/* --- blobs --- */

int repo_has_blob(struct image_store *store, const char *repo, const struct digest *d,
                  uint64_t *ret_size, struct err *err)
{
	int64_t size = 0;
	int r = db_get_i64(
		store->db, &size, err,
		"SELECT b.size FROM registry_blob b JOIN registry_repo r ON r.id = b.repo"
		" WHERE r.name = ? AND b.digest = ?",
		DB_TEXT(repo), DB_TEXT(digest_format(d).s));

	if (r > 0 && ret_size)
		*ret_size = (uint64_t)size;
	return r;
}

static int unknown_blob(const char *repo, const struct digest *d, struct err *err)
{
	return err_set(err, E_NOT_FOUND, "repository '%s' has no blob %s", repo,
	               digest_format(d).s);
}

int repo_open_blob(struct image_store *store, const char *repo, const struct digest *d, int *ret_fd,
                   uint64_t *ret_size, struct err *err)
{
	int r = repo_has_blob(store, repo, d, NULL, err);

	if (r <= 0)
		return r < 0 ? -1 : unknown_blob(repo, d, err);
	return blob_open(store, d, ret_fd, ret_size, err);
}

int repo_add_blob(struct image_store *store, const char *repo, const struct digest *d,
                  uint64_t size, struct err *err)
{
	int64_t id;

	if (repo_id_make(store, repo, &id, err) < 0)
		return -1;
	return db_exec(store->db, err,
	               "INSERT INTO registry_blob(repo, digest, size, added_ns) VALUES(?, ?, ?, ?)"
	               " ON CONFLICT DO UPDATE SET added_ns = excluded.added_ns",
	               DB_I64(id), DB_TEXT(digest_format(d).s), DB_I64((int64_t)size),
	               DB_I64(clock_realtime_ns())) < 0
	               ? -1
	               : 0;
}

static int mount_rows(struct image_store *store, const char *from, const char *to,
                      const struct digest *d, struct err *err)
{
	int64_t size = 0;
	int r = db_get_i64(
		store->db, &size, err,
		"SELECT b.size FROM registry_blob b JOIN registry_repo r ON r.id = b.repo"
		" WHERE b.digest = ?1 AND (?2 IS NULL OR r.name = ?2) LIMIT 1",
		DB_TEXT(digest_format(d).s), DB_TEXT(from));

	if (r <= 0)
		return r < 0 ? -1 : unknown_blob(from ? from : "*", d, err);
	return repo_add_blob(store, to, d, (uint64_t)size, err);
}

int repo_mount_blob(struct image_store *store, const char *from, const char *to,
                    const struct digest *d, struct err *err)
{
	if (db_begin_durable(store->db, err) < 0)
		return -1;
	if (mount_rows(store, from, to, d, err) < 0) {
		db_rollback(store->db);
		return -1;
	}
	return db_commit(store->db, err);
}

/* Commit what was taken away, then the bytes that nobody needs by now. */
static int commit_and_collect(struct image_store *store, const struct digest *d, struct err *err)
{
	struct content c = { CONTENT_BLOB, *d };

	if (db_commit(store->db, err) < 0)
		return -1;
	return content_collect(store, &c, 1, NULL, err);
}

int repo_remove_blob(struct image_store *store, const char *repo, const struct digest *d,
                     struct err *err)
{
	int n;

	if (db_begin_durable(store->db, err) < 0)
		return -1;
	n = db_exec(store->db, err,
	            "DELETE FROM registry_blob WHERE digest = ? AND repo ="
	            " (SELECT id FROM registry_repo WHERE name = ?)",
	            DB_TEXT(digest_format(d).s), DB_TEXT(repo));
	if (n > 0)
		return commit_and_collect(store, d, err);
	db_rollback(store->db);
	return n < 0 ? -1 : unknown_blob(repo, d, err);
}

/* --- manifests --- */

static int put_links(struct image_store *store, int64_t repo, const char *manifest,
                     const struct repo_manifest_new *m, struct err *err)
{
	for (size_t i = 0; i < m->n_links; i++)
		if (db_exec(store->db, err,
		            "INSERT OR IGNORE INTO registry_link(repo, manifest, digest, size)"
		            " VALUES(?, ?, ?, ?)",
		            DB_I64(repo), DB_TEXT(manifest),
		            DB_TEXT(digest_format(&m->links[i].digest).s),
		            DB_I64((int64_t)m->links[i].size)) < 0)
			return -1;
	return 0;
}

static int put_tags(struct image_store *store, int64_t repo, const char *manifest,
                    const struct repo_manifest_new *m, struct err *err)
{
	for (size_t i = 0; i < m->n_tags; i++)
		if (db_exec(store->db, err,
		            "INSERT OR REPLACE INTO registry_tag(repo, name, digest)"
		            " VALUES(?, ?, ?)",
		            DB_I64(repo), DB_TEXT(m->tags[i]), DB_TEXT(manifest)) < 0)
			return -1;
	return 0;
}

/* Inside the transaction: the file gets its name under the lock that a removal needs. */
static int put_manifest(struct image_store *store, const char *repo,
                        const struct repo_manifest_new *m, struct err *err)
{
	struct digest_text digest = digest_format(&m->digest);
	struct digest_text subject = { "" };
	int64_t id;

	if (m->subject.alg != DIGEST_NONE)
		subject = digest_format(&m->subject);
	if (blob_put(store, &m->digest, m->text, m->len, err) < 0 ||
	    repo_id_make(store, repo, &id, err) < 0 ||
	    db_exec(store->db, err,
	            "INSERT INTO registry_manifest(repo, digest, size, added_ns, media_type,"
	            " subject, artifact_type, annotations) VALUES(?, ?, ?, ?, ?, ?, ?, ?)"
	            " ON CONFLICT DO UPDATE SET added_ns = excluded.added_ns,"
	            " media_type = excluded.media_type",
	            DB_I64(id), DB_TEXT(digest.s), DB_I64((int64_t)m->len),
	            DB_I64(clock_realtime_ns()), DB_TEXT(m->media_type),
	            DB_TEXT(subject.s[0] ? subject.s : NULL), DB_TEXT(m->artifact_type),
	            DB_TEXT(m->annotations)) < 0)
		return -1;
	if (put_links(store, id, digest.s, m, err) < 0)
		return -1;
	return put_tags(store, id, digest.s, m, err);
}

int repo_put_manifest(struct image_store *store, const char *repo,
                      const struct repo_manifest_new *m, struct err *err)
{
	if (db_begin_durable(store->db, err) < 0)
		return -1;
	if (put_manifest(store, repo, m, err) < 0) {
		db_rollback(store->db);
		return -1;
	}
	return db_commit(store->db, err);
}

void repo_manifest_done(struct repo_manifest *m)
{
	free(m->media_type);
	*m = (struct repo_manifest){ 0 };
}

#define MANIFEST_COLUMNS "SELECT m.digest, m.media_type, m.size FROM registry_repo r"

int repo_find_manifest(struct image_store *store, const char *repo, const char *tag,
                       const struct digest *d, struct repo_manifest *ret, struct err *err)
{
	AUTO_STMT st = DB_STMT_INIT;
	int r = tag ? db_query(store->db, &st, err,
	                       MANIFEST_COLUMNS " JOIN registry_tag t ON t.repo = r.id"
	                                        " JOIN registry_manifest m"
	                                        " ON m.repo = r.id AND m.digest = t.digest"
	                                        " WHERE r.name = ? AND t.name = ?",
	                       DB_TEXT(repo), DB_TEXT(tag))
	            : db_query(store->db, &st, err,
	                       MANIFEST_COLUMNS " JOIN registry_manifest m ON m.repo = r.id"
	                                        " WHERE r.name = ? AND m.digest = ?",
	                       DB_TEXT(repo), DB_TEXT(digest_format(d).s));

	if (r < 0 || (r = db_step(&st, err)) < 0)
		return -1;
	if (r == 0)
		return err_set(err, E_NOT_FOUND, "repository '%s' has no manifest '%s'", repo,
		               tag ? tag : digest_format(d).s);
	if (db_digest(&st, 0, &ret->digest, err) < 0)
		return -1;
	ret->media_type = xstrdup(db_text(&st, 1));
	ret->size = (uint64_t)db_i64(&st, 2);
	return 0;
}

int repo_read_manifest(struct image_store *store, const struct repo_manifest *m, char **ret,
                       struct err *err)
{
	size_t len;

	return blob_read(store, &m->digest, MANIFEST_MAX_BYTES, ret, &len, err);
}

int repo_remove_manifest(struct image_store *store, const char *repo, const struct digest *d,
                         struct err *err)
{
	int n;

	if (db_begin_durable(store->db, err) < 0)
		return -1;
	n = db_exec(store->db, err,
	            "DELETE FROM registry_manifest WHERE digest = ? AND repo ="
	            " (SELECT id FROM registry_repo WHERE name = ?)",
	            DB_TEXT(digest_format(d).s), DB_TEXT(repo));
	if (n > 0)
		return commit_and_collect(store, d, err);
	db_rollback(store->db);
	return n < 0 ? -1
	             : err_set(err, E_NOT_FOUND, "repository '%s' has no manifest '%s'", repo,
	                       digest_format(d).s);
}

int repo_remove_tag(struct image_store *store, const char *repo, const char *tag, struct err *err)
{
	int n;

	if (db_begin_durable(store->db, err) < 0)
		return -1;
	n = db_exec(store->db, err,
	            "DELETE FROM registry_tag WHERE name = ? AND repo ="
	            " (SELECT id FROM registry_repo WHERE name = ?)",
	            DB_TEXT(tag), DB_TEXT(repo));
	if (n > 0)
		return db_commit(store->db, err);
	db_rollback(store->db);
	return n < 0 ? -1 : err_set(err, E_NOT_FOUND, "repository '%s' has no tag '%s'", repo, tag);
}

int repo_linked_size(struct image_store *store, const char *repo, const struct digest *d,
                     uint64_t *ret_size, struct err *err)
{
	int64_t size = 0;
	int r = db_get_i64(
		store->db, &size, err,
		"SELECT l.size FROM registry_link l JOIN registry_repo r ON r.id = l.repo"
		" WHERE r.name = ? AND l.digest = ? LIMIT 1",
		DB_TEXT(repo), DB_TEXT(digest_format(d).s));

	if (r <= 0)
		return r < 0 ? -1 : unknown_blob(repo, d, err);
	*ret_size = (uint64_t)size;
	return 0;
}

int repo_referrers(struct image_store *store, const char *repo, const struct digest *d,
                   const char *artifact_type, const char *last, repo_referrer_fn fn, void *ctx,
                   struct err *err)
{
	AUTO_STMT st = DB_STMT_INIT;
	int r;

	if (db_query(store->db, &st, err,
	             "SELECT m.digest, m.media_type, m.artifact_type, m.annotations, m.size"
	             " FROM registry_repo r JOIN registry_manifest m ON m.repo = r.id"
	             " WHERE r.name = ?1 AND m.subject = ?2"
	             " AND (?3 IS NULL OR m.artifact_type = ?3) AND m.digest > ?4"
	             " ORDER BY m.digest",
	             DB_TEXT(repo), DB_TEXT(digest_format(d).s), DB_TEXT(artifact_type),
	             DB_TEXT(last ? last : "")) < 0)
		return -1;
	while ((r = db_step(&st, err)) > 0) {
		struct repo_referrer row = { db_text(&st, 0), db_text(&st, 1), db_text(&st, 2),
			                     db_text(&st, 3), (uint64_t)db_i64(&st, 4) };

		r = fn(ctx, &row, err);
		if (r)
			return r;
	}
	return r;
}
