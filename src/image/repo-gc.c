/* Taking away what a registry's repositories do not need any more. */
#include "base/clock.h"
#include "base/xalloc.h"
#include "image/image-internal.h"
#include "image/repo.h"

/* A manifest stays while a tag, an index that stays, or (for what refers to a subject) a subject
 * that stays leads to it; and while it is young. UNION ends the walk where it has been. */
#define KEPT                                                                                       \
	"WITH RECURSIVE kept(repo, digest) AS ("                                                   \
	" SELECT repo, digest FROM registry_tag"                                                   \
	" UNION SELECT repo, digest FROM registry_manifest WHERE added_ns > ?1"                    \
	" UNION SELECT l.repo, l.digest FROM registry_link l JOIN kept k"                          \
	"  ON l.repo = k.repo AND l.manifest = k.digest"                                           \
	" UNION SELECT m.repo, m.digest FROM registry_manifest m JOIN kept k"                      \
	"  ON m.repo = k.repo AND m.subject = k.digest)"

struct doomed {
	struct content *items;
	size_t n;
};

/* Add the digests that the query gives. */
static int collect_digests(struct image_store *store, const char *sql, int64_t before_ns,
                           struct doomed *ret, struct err *err)
{
	AUTO_STMT st = DB_STMT_INIT;
	int r;

	if (db_query(store->db, &st, err, sql, DB_I64(before_ns)) < 0)
		return -1;
	while ((r = db_step(&st, err)) > 0) {
		struct content c = { .kind = CONTENT_BLOB };

		if (db_digest(&st, 0, &c.digest, err) < 0)
			return -1;
		VEC_PUSH(ret->items, ret->n, c);
	}
	return r;
}

static int remove_rows(struct image_store *store, bool untagged, int64_t before_ns,
                       struct doomed *doomed, struct repo_gc_result *ret, struct err *err)
{
	static const char idle_blobs[] =
		" FROM registry_blob AS b WHERE added_ns <= ?1 AND NOT EXISTS (SELECT 1"
		" FROM registry_link l WHERE l.repo = b.repo AND l.digest = b.digest)";
	AUTO_FREE char *list = xasprintf("SELECT digest%s", idle_blobs);
	AUTO_FREE char *drop = xasprintf("DELETE%s", idle_blobs);
	int n;

	if (untagged) {
		if (collect_digests(store,
		                    KEPT " SELECT digest FROM registry_manifest"
		                         " WHERE (repo, digest) NOT IN kept",
		                    before_ns, doomed, err) < 0)
			return -1;
		n = db_exec(store->db, err,
		            KEPT " DELETE FROM registry_manifest WHERE (repo, digest) NOT IN kept",
		            DB_I64(before_ns));
		if (n < 0)
			return -1;
		ret->manifests = (uint64_t)n;
	}
	if (collect_digests(store, list, before_ns, doomed, err) < 0)
		return -1;
	n = db_exec(store->db, err, drop, DB_I64(before_ns));
	if (n < 0)
		return -1;
	ret->blobs = (uint64_t)n;
	return db_exec(store->db, err,
	               "DELETE FROM registry_repo WHERE id NOT IN (SELECT repo FROM registry_blob)"
	               " AND id NOT IN (SELECT repo FROM registry_manifest)") < 0
	               ? -1
	               : 0;
}

int repo_gc(struct image_store *store, bool untagged, int64_t min_age_s, struct repo_gc_result *ret,
            struct err *err)
{
	struct repo_gc_result result = { 0 };
	struct doomed doomed = { 0 };
	int r = -1;

	if (db_begin_durable(store->db, err) < 0)
		return -1;
	if (remove_rows(store, untagged, clock_realtime_ns() - min_age_s * 1000000000, &doomed,
	                &result, err) < 0)
		db_rollback(store->db);
	else if (db_commit(store->db, err) == 0)
		r = content_collect(store, doomed.items, doomed.n, NULL, err);
	free(doomed.items);
	if (r == 0)
		*ret = result;
	return r;
}

int repo_remove(struct image_store *store, const char *repo, struct err *err)
{
	struct doomed doomed = { 0 };
	int64_t id = 0;
	int r = -1, found;

	if (db_begin_durable(store->db, err) < 0)
		return -1;
	found = db_get_i64(store->db, &id, err, "SELECT id FROM registry_repo WHERE name = ?",
	                   DB_TEXT(repo));
	if (found == 0)
		err_set(err, E_NOT_FOUND, "no repository '%s'", repo);
	if (found <= 0 ||
	    collect_digests(store,
	                    "SELECT digest FROM registry_blob WHERE repo = ?1"
	                    " UNION SELECT digest FROM registry_manifest WHERE repo = ?1",
	                    id, &doomed, err) < 0 ||
	    db_exec(store->db, err, "DELETE FROM registry_repo WHERE id = ?", DB_I64(id)) < 0)
		db_rollback(store->db);
	else if (db_commit(store->db, err) == 0)
		r = content_collect(store, doomed.items, doomed.n, NULL, err);
	free(doomed.items);
	return r;
}
