/* Finding images: by name, digest or id. */
#include "base/clock.h"
#include "base/xalloc.h"
#include "image/image-internal.h"
#include "image/registries.h"

int db_digest(const struct db_stmt *st, int column, struct digest *ret, struct err *err)
{
	const char *text = db_text(st, column);

	if (!text || digest_parse(text, ret, ERR_IGNORE) < 0)
		return err_set(err, E_CORRUPT, "image database: '%.100s' is not a digest",
		               text ? text : "");
	return 0;
}

void image_done(struct image *image)
{
	free(image->id);
	strv_done(&image->names);
	strv_done(&image->digests);
	image_config_done(&image->config);
	free(image->layer_sizes);
	*image = IMAGE_INIT;
}

static int not_found(const char *name, struct err *err)
{
	err_set(err, E_NOT_FOUND, "no such image: '%.300s'", name);
	return err_hint(err, "get it with 'dhow pull', or see 'dhow images'");
}

/* By "repo:tag" or "repo@digest". Return 1 when found. */
static int find_by_ref(struct image_store *store, const struct image_ref *ref, char **ret_id,
                       struct err *err)
{
	AUTO_FREE char *repo = image_ref_repo(ref);
	AUTO_FREE char *name = NULL;
	AUTO_STMT st = DB_STMT_INIT;
	int r;

	if (ref->has_digest) {
		r = db_query(store->db, &st, err,
		             "SELECT image FROM image_digest WHERE repo = ? AND digest = ?"
		             " ORDER BY image LIMIT 1",
		             DB_TEXT(repo), DB_TEXT(digest_format(&ref->digest).s));
	} else {
		name = image_ref_name(ref);
		r = db_query(store->db, &st, err, "SELECT image FROM image_name WHERE name = ?",
		             DB_TEXT(name));
	}
	if (r < 0)
		return -1;
	r = db_step(&st, err);
	if (r > 0)
		*ret_id = xstrdup(db_text(&st, 0));
	return r;
}

/* By a prefix of its id. Return 1 when found, E_INVALID when several fit. */
static int find_by_id(struct image_store *store, const char *prefix, char **ret_id, struct err *err)
{
	AUTO_FREE char *low = xasprintf("sha256:%s", prefix);
	AUTO_FREE char *high = xasprintf("sha256:%sg", prefix); /* above every hex digit */
	AUTO_FREE char *id = NULL;
	AUTO_STMT st = DB_STMT_INIT;
	int r;

	if (db_query(store->db, &st, err,
	             "SELECT id FROM image WHERE id >= ? AND id < ? ORDER BY id LIMIT 2",
	             DB_TEXT(low), DB_TEXT(high)) < 0)
		return -1;
	r = db_step(&st, err);
	if (r <= 0)
		return r;
	id = xstrdup(db_text(&st, 0));
	r = db_step(&st, err);
	if (r < 0)
		return -1;
	if (r > 0) {
		err_set(err, E_INVALID, "more than one image has an id that begins with '%s'",
		        prefix);
		return err_hint(err, "give more of its digits");
	}
	*ret_id = TAKE_PTR(id);
	return 1;
}

/* A short name that is not docker.io's may be an alias, or one of a search registry: looked up only
 * now, since the files that say so cost time. Return 1 when found. */
static int find_short_name(struct image_store *store, const char *name, char **ret_id,
                           struct err *err)
{
	AUTO_REGISTRIES registries = REGISTRIES_INIT;
	AUTO_SHORT_NAMES names = SHORT_NAMES_INIT;

	/* what cannot be resolved is not here; who pulls is told why */
	if (!is_short_name(name) || registries_load(&registries, ERR_IGNORE) < 0 ||
	    short_names_resolve(&registries, name, true, &names, ERR_IGNORE) < 0)
		return 0;
	for (size_t i = 0; i < names.names.len; i++) {
		AUTO_REF ref = IMAGE_REF_INIT;
		int r;

		if (image_ref_parse(names.names.items[i], &ref, ERR_IGNORE) < 0)
			continue;
		r = find_by_ref(store, &ref, ret_id, err);
		if (r != 0)
			return r;
	}
	return 0;
}

int image_resolve_id(struct image_store *store, const char *name, char **ret_id, struct err *err)
{
	AUTO_REF ref = IMAGE_REF_INIT;
	struct err why = ERR_INIT;
	const char *prefix = name;
	bool is_id;
	int r = 0;

	if (strncmp(prefix, "sha256:", 7) == 0)
		prefix += 7;
	is_id = is_id_prefix(prefix);
	if (image_ref_parse(name, &ref, &why) == 0) {
		r = find_by_ref(store, &ref, ret_id, err);
	} else if (!is_id) {
		*err = why;
		return -1;
	}
	if (r == 0 && is_id)
		r = find_by_id(store, prefix, ret_id, err);
	if (r == 0)
		r = find_short_name(store, name, ret_id, err);
	if (r == 0)
		return not_found(name, err);
	return r < 0 ? -1 : 0;
}

int image_hold(struct image_store *store, const char *id, struct err *err)
{
	int64_t used_ns, now_ns = clock_realtime_ns();
	int r = db_get_i64(store->db, &used_ns, err, "SELECT used_ns FROM image WHERE id = ?",
	                   DB_TEXT(id));

	if (r == 0)
		return not_found(id, err);
	/* to the hour is enough for who removes what was not used for days, and costs the other
	 * runs of that hour nothing; a clock that was set back counts as an hour, too */
	if (r > 0 && (now_ns - used_ns >= IMAGE_USE_GRAIN_NS || used_ns > now_ns))
		r = db_exec(store->db, err, "UPDATE image SET used_ns = ? WHERE id = ?",
		            DB_I64(now_ns), DB_TEXT(id));
	return r < 0 ? -1 : 0;
}

static int load_names(struct image_store *store, struct image *image, struct err *err)
{
	AUTO_STMT names = DB_STMT_INIT;
	AUTO_STMT digests = DB_STMT_INIT;
	int r;

	if (db_query(store->db, &names, err,
	             "SELECT name FROM image_name WHERE image = ? ORDER BY name",
	             DB_TEXT(image->id)) < 0)
		return -1;
	while ((r = db_step(&names, err)) > 0)
		strv_add(&image->names, db_text(&names, 0));
	if (r < 0)
		return -1;
	if (db_query(store->db, &digests, err,
	             "SELECT repo, digest FROM image_digest WHERE image = ? ORDER BY repo, digest",
	             DB_TEXT(image->id)) < 0)
		return -1;
	while ((r = db_step(&digests, err)) > 0)
		strv_addf(&image->digests, "%s@%s", db_text(&digests, 0), db_text(&digests, 1));
	return r;
}

static int load_layers(struct image_store *store, struct image *image, struct err *err)
{
	AUTO_STMT st = DB_STMT_INIT;
	size_t n = 0;
	int r;

	image->layer_sizes = xcalloc(image->config.n_diff_ids + 1, sizeof(*image->layer_sizes));
	if (db_query(store->db, &st, err,
	             "SELECT digest, size FROM image_layer WHERE image = ? ORDER BY position",
	             DB_TEXT(image->id)) < 0)
		return -1;
	while ((r = db_step(&st, err)) > 0) {
		struct digest d;

		if (db_digest(&st, 0, &d, err) < 0)
			return -1;
		if (n == image->config.n_diff_ids || !digest_equal(&d, &image->config.diff_ids[n]))
			return err_set(err, E_CORRUPT,
			               "image %s: its layers in the database are not those of its"
			               " config",
			               image->id);
		image->layer_sizes[n++] = (uint64_t)db_i64(&st, 1);
	}
	if (r == 0 && n != image->config.n_diff_ids)
		return err_set(err, E_CORRUPT, "image %s: %zu of %zu layers in the database",
		               image->id, n, image->config.n_diff_ids);
	return r;
}

static int load_config(struct image_store *store, struct image *image, struct err *err)
{
	AUTO_FREE char *what = xasprintf("config of image %.19s", image->id);
	AUTO_FREE char *text = NULL;
	struct digest id;
	size_t len;

	if (digest_parse(image->id, &id, err) < 0 ||
	    blob_read(store, &id, IMAGE_CONFIG_MAX_BYTES, &text, &len, err) < 0) {
		/* the row says that it is here */
		if (err->code == E_NOT_FOUND)
			err->code = E_CORRUPT;
		return err_hint(err, "remove the image and pull it again");
	}
	return image_config_parse(what, text, len, &image->config, err);
}

static int load(struct image_store *store, const char *name, struct image *image, struct err *err)
{
	AUTO_STMT st = DB_STMT_INIT;
	int r;

	if (image_resolve_id(store, name, &image->id, err) < 0)
		return -1;
	if (db_query(store->db, &st, err,
	             "SELECT manifest, size, stored_ns, used_ns FROM image WHERE id = ?",
	             DB_TEXT(image->id)) < 0)
		return -1;
	r = db_step(&st, err);
	if (r <= 0)
		return r < 0 ? -1 : not_found(name, err);
	if (!db_is_null(&st, 0) && db_digest(&st, 0, &image->manifest, err) < 0)
		return -1;
	image->size = (uint64_t)db_i64(&st, 1);
	image->stored_ns = db_i64(&st, 2);
	image->used_ns = db_i64(&st, 3);
	if (load_names(store, image, err) < 0 || load_config(store, image, err) < 0)
		return -1;
	return load_layers(store, image, err);
}

int image_resolve(struct image_store *store, const char *name, struct image *ret, struct err *err)
{
	AUTO_IMAGE image = IMAGE_INIT;
	bool own = !db_in_transaction(store->db);
	int r;

	if (own && db_begin_read(store->db, err) < 0)
		return -1;
	r = load(store, name, &image, err);
	if (own)
		db_rollback(store->db); /* it only read */
	if (r < 0)
		return -1;
	*ret = image;
	image = IMAGE_INIT;
	return 0;
}

int image_list(struct image_store *store, struct image_row **ret, size_t *ret_n, struct err *err)
{
	struct image_row *rows = NULL;
	AUTO_STMT st = DB_STMT_INIT;
	size_t n = 0;
	int r;

	if (db_query(store->db, &st, err,
	             "SELECT i.id, n.name, coalesce(n.target, i.manifest), i.os, i.architecture,"
	             " i.variant, i.created_ns, i.stored_ns, i.size, i.n_layers"
	             " FROM image i LEFT JOIN image_name n ON n.image = i.id"
	             " ORDER BY i.created_ns DESC, i.id, n.name") < 0)
		return -1;
	while ((r = db_step(&st, err)) > 0) {
		struct image_row row = {
			.id = xstrdup(db_text(&st, 0)),
			.name = xstrdup_null(db_text(&st, 1)),
			.digest = xstrdup_null(db_text(&st, 2)),
			.created_ns = db_i64(&st, 6),
			.stored_ns = db_i64(&st, 7),
			.size = (uint64_t)db_i64(&st, 8),
			.n_layers = (uint32_t)db_i64(&st, 9),
		};

		/* was valid when it was written; shown only */
		platform_set(&row.platform, db_text(&st, 3), db_text(&st, 4), db_text(&st, 5), NULL,
		             ERR_IGNORE);
		VEC_PUSH(rows, n, row);
	}
	if (r < 0) {
		image_rows_free(rows, n);
		return -1;
	}
	*ret = rows;
	*ret_n = n;
	return 0;
}

void image_rows_free(struct image_row *rows, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		free(rows[i].id);
		free(rows[i].name);
		free(rows[i].digest);
	}
	free(rows);
}
