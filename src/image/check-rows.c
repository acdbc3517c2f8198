/* The rows of the store against its files, and the files against the rows. */
#include <string.h>

#include "base/xalloc.h"
#include "image/check-internal.h"

/* --- content without a row --- */

static int is_referred(struct check *k, const char *table, const struct digest *d, struct err *err)
{
	AUTO_FREE char *sql = xasprintf("SELECT 1 FROM %s WHERE digest = ?1 UNION ALL"
	                                " SELECT 1 FROM image_lease WHERE digest = ?1 LIMIT 1",
	                                table);
	int64_t one;

	return db_get_i64(k->store->db, &one, err, sql, DB_TEXT(digest_format(d).s));
}

/* The sweep that ends a repair removes it. */
static void add_orphan(struct check *k, const char *what, const struct digest *d)
{
	struct check_finding *f =
		check_add(k->report, what, digest_format(d).s, "orphaned",
	                  "%s %s: no image refers to it", what, digest_format(d).s);

	if (k->options->repair)
		f->action = "removed";
}

static int orphan_blob(void *ctx, int dir_fd, const char *name, const struct digest *d,
                       struct err *err)
{
	struct check *k = ctx;
	int r = d ? is_referred(k, "blob_user", d, err) : 1;

	if (r == 0)
		add_orphan(k, "blob", d);
	return r < 0 ? -1 : 0;
}

static int orphan_layers(struct check *k, struct err *err)
{
	AUTO_FREE struct layer_info *layers = NULL;
	size_t n = 0;

	if (layer_store_list(k->store->layers, &layers, &n, err) < 0)
		return -1;
	for (size_t i = 0; i < n; i++) {
		int r = is_referred(k, "image_layer", &layers[i].diff_id, err);

		if (r < 0)
			return -1;
		if (!r)
			add_orphan(k, "layer", &layers[i].diff_id);
	}
	return 0;
}

/* --- images --- */

static void broken(struct check *k, const char *id)
{
	if (!strv_has(&k->broken, id))
		strv_add(&k->broken, id);
}

static bool is_damaged(const struct check *k, const struct content *c)
{
	for (size_t i = 0; i < k->n_damaged; i++)
		if (k->damaged[i].kind == c->kind &&
		    digest_equal(&k->damaged[i].digest, &c->digest))
			return true;
	return false;
}

static void add_incomplete(struct check *k, const char *id, const char *text)
{
	if (strv_has(&k->broken, id))
		return; /* told already; one finding an image is enough */
	check_add(k->report, "image", id, "incomplete", "image %s: %s", id, text);
	broken(k, id);
}

/* One row of image_layer or image_blob. */
static void check_ref(struct check *k, const char *id, const struct content *c, uint64_t size)
{
	const char *what = c->kind == CONTENT_BLOB ? "blob" : "layer";
	struct digest_text digest = digest_format(&c->digest);
	AUTO_FREE char *text = NULL;
	struct layer_info info;

	if (is_damaged(k, c))
		text = xasprintf("%s %s is damaged", what, digest.s);
	else if (!check_has_content(k, c))
		text = xasprintf("%s %s is missing", what, digest.s);
	else if (c->kind == CONTENT_LAYER &&
	         layer_store_info(k->store->layers, &c->digest, &info, ERR_IGNORE) == 0 &&
	         info.tar_bytes != size)
		text = xasprintf("layer %s has %llu bytes, recorded are %llu", digest.s,
		                 (unsigned long long)info.tar_bytes, (unsigned long long)size);
	if (text)
		add_incomplete(k, id, text);
}

static int check_refs(struct check *k, const char *sql, enum content_kind kind, struct err *err)
{
	AUTO_STMT st = DB_STMT_INIT;
	int r;

	if (db_query(k->store->db, &st, err, sql) < 0)
		return -1;
	while ((r = db_step(&st, err)) > 0) {
		struct content c = { .kind = kind };
		AUTO_FREE char *text = NULL;

		if (db_digest(&st, 1, &c.digest, ERR_IGNORE) == 0) {
			check_ref(k, db_text(&st, 0), &c, (uint64_t)db_i64(&st, 2));
			continue;
		}
		text = xasprintf("'%.100s' is not a digest", db_text(&st, 1));
		add_incomplete(k, db_text(&st, 0), text);
	}
	return r;
}

static int check_images(struct check *k, struct err *err)
{
	AUTO_STRV ids = STRV_INIT;
	AUTO_STMT st = DB_STMT_INIT;
	int r;

	if (db_query(k->store->db, &st, err, "SELECT id FROM image ORDER BY id") < 0)
		return -1;
	while ((r = db_step(&st, err)) > 0)
		strv_add(&ids, db_text(&st, 0));
	if (r < 0)
		return -1;
	for (size_t i = 0; i < ids.len; i++) {
		AUTO_IMAGE image = IMAGE_INIT;
		struct err why = ERR_INIT;

		if (!strv_has(&k->broken, ids.items[i]) &&
		    image_resolve(k->store, ids.items[i], &image, &why) < 0)
			add_incomplete(k, ids.items[i], why.msg);
	}
	return 0;
}

/* --- the registry server's repositories --- */

static int forget_in_registry(struct check *k, const char *digest, struct err *err)
{
	return db_exec(k->store->db, err, "DELETE FROM registry_blob WHERE digest = ?",
	               DB_TEXT(digest)) < 0 ||
	                       db_exec(k->store->db, err,
	                               "DELETE FROM registry_manifest WHERE digest = ?",
	                               DB_TEXT(digest)) < 0
	               ? -1
	               : 0;
}

struct registry_row {
	char *repo;
	char *digest;
};

static int list_registry(struct check *k, struct registry_row **ret, size_t *ret_n, struct err *err)
{
	AUTO_STMT st = DB_STMT_INIT;
	int r;

	if (db_query(k->store->db, &st, err,
	             "SELECT r.name, b.digest FROM registry_repo r JOIN"
	             " (SELECT repo, digest FROM registry_blob UNION"
	             " SELECT repo, digest FROM registry_manifest) b ON b.repo = r.id"
	             " ORDER BY 1, 2") < 0)
		return -1;
	while ((r = db_step(&st, err)) > 0) {
		struct registry_row row = { xstrdup(db_text(&st, 0)), xstrdup(db_text(&st, 1)) };

		VEC_PUSH(*ret, *ret_n, row);
	}
	return r;
}

static int check_registry_row(struct check *k, const struct registry_row *row, struct err *err)
{
	struct content c = { .kind = CONTENT_BLOB };
	struct check_finding *f;

	if (digest_parse(row->digest, &c.digest, ERR_IGNORE) == 0 && !is_damaged(k, &c) &&
	    check_has_content(k, &c))
		return 0;
	f = check_add(k->report, "registry", row->digest, "incomplete",
	              "registry repository '%s': blob %s is damaged or missing", row->repo,
	              row->digest);
	if (!k->options->repair)
		return 0;
	f->action = "removed";
	f->note = xstrdup("push it again");
	return forget_in_registry(k, row->digest, err);
}

static int check_registry(struct check *k, struct err *err)
{
	struct registry_row *rows = NULL;
	size_t n = 0;
	int r = list_registry(k, &rows, &n, err);

	for (size_t i = 0; i < n; i++) {
		if (r == 0)
			r = check_registry_row(k, &rows[i], err);
		free(rows[i].repo);
		free(rows[i].digest);
	}
	free(rows);
	return r;
}

int check_rows(struct check *k, struct err *err)
{
	if (blob_each(k->store, orphan_blob, k, err) < 0 || orphan_layers(k, err) < 0 ||
	    check_refs(k, "SELECT image, digest, size FROM image_blob", CONTENT_BLOB, err) < 0 ||
	    check_refs(k, "SELECT image, digest, size FROM image_layer", CONTENT_LAYER, err) < 0 ||
	    check_registry(k, err) < 0)
		return -1;
	return check_images(k, err);
}
