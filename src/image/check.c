/* image_store_check: every row against its files, every file against its name and its row. */
#include "base/fd.h"
#include "base/xalloc.h"
#include "image/image-internal.h"
#include <errno.h>

struct check {
	struct image_store *store;
	unsigned flags;
	void (*report)(void *ctx, const char *finding);
	void *ctx;
	int findings;
	struct strv broken;      /* ids of images that cannot be used */
	struct content *damaged; /* content whose bytes are wrong */
	size_t n_damaged;
};

static void found(struct check *k, const char *fmt, ...) PRINTF_LIKE(2, 3);
static void found(struct check *k, const char *fmt, ...)
{
	AUTO_FREE char *text = NULL;
	va_list ap;

	va_start(ap, fmt);
	text = xvasprintf(fmt, ap);
	va_end(ap);
	k->findings++;
	if (k->report)
		k->report(k->ctx, text);
}

/* --- files --- */

static int is_referred(struct check *k, const char *table, const struct digest *d, struct err *err)
{
	AUTO_FREE char *sql = xasprintf("SELECT 1 FROM %s WHERE digest = ?1 UNION ALL"
	                                " SELECT 1 FROM image_lease WHERE digest = ?1 LIMIT 1",
	                                table);
	int64_t one;

	return db_get_i64(k->store->db, &one, err, sql, DB_TEXT(digest_format(d).s));
}

static int check_blob(void *ctx, int dir_fd, const char *name, const struct digest *d,
                      struct err *err)
{
	struct check *k = ctx;
	struct content c = { .kind = CONTENT_BLOB };
	struct err why = ERR_INIT;
	int referred;

	if (!d) {
		found(k, "blobs: '%.100s' is not a blob", name);
		return 0;
	}
	c.digest = *d;
	if (blob_verify(k->store, d, &why) < 0) {
		found(k, "%s", why.msg);
		VEC_PUSH(k->damaged, k->n_damaged, c);
	}
	referred = is_referred(k, "blob_user", d, err);
	if (referred < 0)
		return -1;
	if (!referred)
		found(k, "blob %s: no image refers to it", digest_format(d).s);
	return 0;
}

/* Takes long, so no lock is held: a layer that went meanwhile is not a finding. */
static int verify_layers(struct check *k, struct err *err)
{
	AUTO_FREE struct layer_info *layers = NULL;
	size_t n = 0;

	if (layer_store_list(k->store->layers, &layers, &n, err) < 0)
		return -1;
	for (size_t i = 0; i < n; i++) {
		struct content c = { CONTENT_LAYER, layers[i].diff_id };
		struct err why = ERR_INIT;

		if (layer_store_verify(k->store->layers, &c.digest, &why) == 0 ||
		    !layer_store_has(k->store->layers, &c.digest))
			continue;
		found(k, "%s", why.msg);
		VEC_PUSH(k->damaged, k->n_damaged, c);
	}
	return 0;
}

static int check_orphan_layers(struct check *k, struct err *err)
{
	AUTO_FREE struct layer_info *layers = NULL;
	size_t n = 0;

	if (layer_store_list(k->store->layers, &layers, &n, err) < 0)
		return -1;
	for (size_t i = 0; i < n; i++) {
		const struct digest *d = &layers[i].diff_id;
		int referred = is_referred(k, "image_layer", d, err);

		if (referred < 0)
			return -1;
		if (!referred)
			found(k, "layer %s: no image refers to it", digest_format(d).s);
	}
	return 0;
}

/* --- rows --- */

static void broken(struct check *k, const char *id)
{
	if (!strv_has(&k->broken, id))
		strv_add(&k->broken, id);
}

static bool is_damaged(const struct check *k, enum content_kind kind, const struct digest *d)
{
	for (size_t i = 0; i < k->n_damaged; i++)
		if (k->damaged[i].kind == kind && digest_equal(&k->damaged[i].digest, d))
			return true;
	return false;
}

static int check_refs(struct check *k, const char *sql, enum content_kind kind, struct err *err)
{
	AUTO_STMT st = DB_STMT_INIT;
	int r;

	if (db_query(k->store->db, &st, err, sql) < 0)
		return -1;
	while ((r = db_step(&st, err)) > 0) {
		const char *id = db_text(&st, 0);
		struct layer_info info;
		struct digest d;

		if (db_digest(&st, 1, &d, ERR_IGNORE) < 0) {
			found(k, "image %s: '%.100s' is not a digest", id, db_text(&st, 1));
			broken(k, id);
			continue;
		}
		if (kind == CONTENT_BLOB ? !blob_has(k->store, &d)
		                         : !layer_store_has(k->store->layers, &d)) {
			found(k, "image %s: %s %s is missing", id,
			      kind == CONTENT_BLOB ? "blob" : "layer", digest_format(&d).s);
			broken(k, id);
		} else if (is_damaged(k, kind, &d)) {
			broken(k, id);
		} else if (kind == CONTENT_LAYER &&
		           layer_store_info(k->store->layers, &d, &info, ERR_IGNORE) == 0 &&
		           info.tar_bytes && info.tar_bytes != (uint64_t)db_i64(&st, 2)) {
			found(k, "image %s: layer %s has %llu bytes, recorded are %lld", id,
			      digest_format(&d).s, (unsigned long long)info.tar_bytes,
			      (long long)db_i64(&st, 2));
			broken(k, id);
		}
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

		if (strv_has(&k->broken, ids.items[i]))
			continue;
		if (image_resolve(k->store, ids.items[i], &image, &why) < 0) {
			found(k, "image %s: %s", ids.items[i], why.msg);
			broken(k, ids.items[i]);
		}
	}
	return 0;
}

/* --- repair --- */

static int repair(struct check *k, struct err *err)
{
	for (size_t i = 0; i < k->broken.len; i++)
		if (db_exec(k->store->db, err, "DELETE FROM image WHERE id = ?",
		            DB_TEXT(k->broken.items[i])) < 0)
			return -1;
	for (size_t i = 0; i < k->n_damaged; i++) {
		const struct content *c = &k->damaged[i];

		if (c->kind == CONTENT_BLOB
		            ? blob_remove(k->store, &c->digest, err) < 0
		            : layer_store_remove(k->store->layers, &c->digest, err) < 0)
			return -1;
	}
	return 0;
}

static int run(struct check *k, struct err *err)
{
	if (db_check(k->store->db, err) < 0)
		return -1;
	/* files first: rows are then checked against what is damaged */
	if (blob_each(k->store, check_blob, k, err) < 0 || check_orphan_layers(k, err) < 0 ||
	    check_refs(k, "SELECT image, digest, size FROM image_blob", CONTENT_BLOB, err) < 0 ||
	    check_refs(k, "SELECT image, digest, size FROM image_layer", CONTENT_LAYER, err) < 0)
		return -1;
	return check_images(k, err);
}

int image_store_check(struct image_store *store, unsigned flags,
                      void (*report)(void *ctx, const char *finding), void *ctx, struct err *err)
{
	struct check k = { .store = store, .flags = flags, .report = report, .ctx = ctx };
	int r;

	if (!(flags & IMAGE_CHECK_QUICK) && verify_layers(&k, err) < 0) {
		free(k.damaged);
		return -1;
	}
	/* the write lock keeps others from changing what is being looked at */
	if (db_begin_durable(store->db, err) < 0)
		return -1;
	r = run(&k, err);
	if (r == 0 && (flags & IMAGE_CHECK_REPAIR) && k.findings)
		r = repair(&k, err);
	if (r == 0)
		r = db_commit(store->db, err);
	else
		db_rollback(store->db);
	if (r == 0 && (flags & IMAGE_CHECK_REPAIR) && k.findings)
		r = content_sweep(store, false, err);
	strv_done(&k.broken);
	free(k.damaged);
	return r < 0 ? -1 : k.findings;
}
