/* Writing an image's rows, names included: the last step of pull, load and import. */
#include "base/clock.h"
#include "base/xalloc.h"
#include "image/accept-internal.h"

/* A text that lives as long as the statement's full expression; NULL for no digest. */
static char *digest_text_or_null(const struct digest *d)
{
	return d->alg == DIGEST_NONE ? NULL : xstrdup(digest_format(d).s);
}

static int record_image(struct image_store *store, const struct image_new *new, const char *id,
                        struct err *err)
{
	const struct image_config *c = new->config;
	AUTO_FREE char *manifest = digest_text_or_null(&new->manifest);
	uint64_t size = 0;

	for (size_t i = 0; i < c->n_diff_ids; i++)
		size += new->layer_sizes[i];
	return db_exec(store->db, err,
	               "INSERT INTO image(id, manifest, os, architecture, variant, created_ns,"
	               " stored_ns, size, n_layers) VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?)"
	               " ON CONFLICT(id) DO UPDATE SET"
	               " manifest = coalesce(excluded.manifest, manifest)",
	               DB_TEXT(id), DB_TEXT(manifest), DB_TEXT(c->platform.os),
	               DB_TEXT(c->platform.architecture), DB_TEXT(c->platform.variant),
	               DB_I64(c->created_ns), DB_I64(clock_realtime_ns()), DB_I64((int64_t)size),
	               DB_I64((int64_t)c->n_diff_ids));
}

static int record_content(struct image_store *store, const struct image_new *new, const char *id,
                          struct err *err)
{
	for (size_t i = 0; i < new->config->n_diff_ids; i++)
		if (db_exec(store->db, err,
		            "INSERT OR REPLACE INTO image_layer(image, position, digest, size)"
		            " VALUES(?, ?, ?, ?)",
		            DB_TEXT(id), DB_I64((int64_t)i),
		            DB_TEXT(digest_format(&new->config->diff_ids[i]).s),
		            DB_I64((int64_t) new->layer_sizes[i])) < 0)
			return -1;
	for (size_t i = 0; i < new->n_blobs; i++)
		if (db_exec(store->db, err,
		            "INSERT OR REPLACE INTO image_blob(image, digest, size)"
		            " VALUES(?, ?, ?)",
		            DB_TEXT(id), DB_TEXT(digest_format(&new->blobs[i].digest).s),
		            DB_I64((int64_t) new->blobs[i].size)) < 0)
			return -1;
	return 0;
}

static int record_names(struct image_store *store, const struct image_new *new, const char *id,
                        struct err *err)
{
	AUTO_FREE char *target = digest_text_or_null(&new->target);

	if (new->name &&
	    db_exec(store->db, err,
	            "INSERT OR REPLACE INTO image_name(name, image, target) VALUES(?, ?, ?)",
	            DB_TEXT(new->name), DB_TEXT(id), DB_TEXT(target)) < 0)
		return -1;
	if (new->repo &&
	    target &&db_exec(
		    store->db, err,
		    "INSERT OR IGNORE INTO image_digest(repo, digest, image) VALUES(?, ?, ?)",
		    DB_TEXT(new->repo), DB_TEXT(target), DB_TEXT(id)) < 0)
		return -1;
	return 0;
}

int image_record(struct image_store *store, const struct image_new *new, struct err *err)
{
	struct digest_text id = digest_format(&new->id);

	if (new->transport && origin_prepare(store, err) < 0)
		return -1;
	if (db_begin_durable(store->db, err) < 0)
		return -1;
	if (record_image(store, new, id.s, err) < 0 || record_content(store, new, id.s, err) < 0 ||
	    record_names(store, new, id.s, err) < 0 ||
	    (new->transport &&origin_record(store, id.s, new->transport, new->origin,
	                                    new->documents, new->n_documents, new->signatures,
	                                    err) < 0)) {
		db_rollback(store->db);
		return err_ctx(err, "record image %.19s", id.s);
	}
	return db_commit(store->db, err);
}

int image_tag(struct image_store *store, const char *source, const char *target, struct err *err)
{
	AUTO_REF ref = IMAGE_REF_INIT;
	AUTO_FREE char *id = NULL;
	AUTO_FREE char *name = NULL;

	if (image_ref_parse(target, &ref, err) < 0)
		return -1;
	if (ref.has_digest)
		return err_set(err, E_INVALID, "tag '%.300s': a name with a digest cannot be given",
		               target);
	name = image_ref_name(&ref);
	if (db_begin_durable(store->db, err) < 0)
		return -1;
	if (image_resolve_id(store, source, &id, err) < 0 ||
	    db_exec(store->db, err,
	            "INSERT OR REPLACE INTO image_name(name, image, target)"
	            " SELECT ?, id, manifest FROM image WHERE id = ?",
	            DB_TEXT(name), DB_TEXT(id)) < 0) {
		db_rollback(store->db);
		return -1;
	}
	return db_commit(store->db, err);
}

int image_note_digest(struct image_store *store, const char *image, const char *ref,
                      const struct digest *digest, struct err *err)
{
	AUTO_REF parsed = IMAGE_REF_INIT;
	AUTO_FREE char *repo = NULL;
	AUTO_FREE char *id = NULL;

	if (image_ref_parse(ref, &parsed, err) < 0 || image_resolve_id(store, image, &id, err) < 0)
		return -1;
	repo = image_ref_repo(&parsed);
	return db_exec(store->db, err,
	               "INSERT OR IGNORE INTO image_digest(repo, digest, image) VALUES(?, ?, ?)",
	               DB_TEXT(repo), DB_TEXT(digest_format(digest).s), DB_TEXT(id)) < 0
	               ? -1
	               : 0;
}

int image_untag(struct image_store *store, const char *name, struct err *err)
{
	AUTO_REF ref = IMAGE_REF_INIT;
	AUTO_FREE char *full = NULL;
	int n;

	if (image_ref_parse(name, &ref, err) < 0)
		return -1;
	full = image_ref_name(&ref);
	if (db_begin_durable(store->db, err) < 0)
		return -1;
	n = db_exec(store->db, err, "DELETE FROM image_name WHERE name = ?", DB_TEXT(full));
	if (n < 0) {
		db_rollback(store->db);
		return -1;
	}
	if (db_commit(store->db, err) < 0)
		return -1;
	return n ? 0 : err_set(err, E_NOT_FOUND, "no image has the name '%.300s'", name);
}
