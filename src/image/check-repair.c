/* Making broken images whole again, or removing them. */
#include <stdlib.h>
#include <string.h>

#include "base/strbuf.h"
#include "base/xalloc.h"
#include "image/check-internal.h"

enum outcome {
	OUTCOME_FETCHED,
	OUTCOME_GONE, /* there is nowhere to fetch it from */
	OUTCOME_LEFT, /* there is, but not now */
};

static struct check_finding *finding_of(struct check *k, const char *id)
{
	for (size_t i = 0; i < k->report->n; i++)
		if (!strcmp(k->report->items[i].object, "image") &&
		    !strcmp(k->report->items[i].id, id))
			return &k->report->items[i];
	return NULL;
}

static int list(struct check *k, const char *sql, const char *id, struct strv *ret, struct err *err)
{
	AUTO_STMT st = DB_STMT_INIT;
	int r;

	if (db_query(k->store->db, &st, err, sql, DB_TEXT(id)) < 0)
		return -1;
	while ((r = db_step(&st, err)) > 0)
		strv_add(ret, db_text(&st, 0));
	return r;
}

/* Return 1 when all that the image's rows name is there. */
static int is_whole(struct check *k, const char *id, struct err *err)
{
	AUTO_IMAGE image = IMAGE_INIT;
	AUTO_STMT st = DB_STMT_INIT;
	int r;

	if (db_query(k->store->db, &st, err,
	             "SELECT digest, 0 FROM image_layer WHERE image = ?1"
	             " UNION SELECT digest, 1 FROM image_blob WHERE image = ?1",
	             DB_TEXT(id)) < 0)
		return -1;
	while ((r = db_step(&st, err)) > 0) {
		struct content c = { db_i64(&st, 1) ? CONTENT_BLOB : CONTENT_LAYER, { 0 } };

		if (db_digest(&st, 0, &c.digest, ERR_IGNORE) < 0 || !check_has_content(k, &c))
			return 0;
	}
	return r < 0 ? -1 : image_resolve(k->store, id, &image, ERR_IGNORE) == 0;
}

/* By digest, from each repository it is known to have come from. */
static int fetch(struct check *k, const char *id, enum outcome *ret, char **ret_why,
                 struct err *err)
{
	struct pull_options options = k->options->pull ? *k->options->pull : PULL_OPTIONS_INIT;
	AUTO_STRV sources = STRV_INIT;
	AUTO_STRV platform = STRV_INIT;

	*ret = OUTCOME_GONE;
	if (k->options->no_fetch) {
		*ret_why = xstrdup("it was not to be fetched");
		return 0;
	}
	if (list(k, "SELECT repo || '@' || digest FROM image_digest WHERE image = ?", id, &sources,
	         err) < 0 ||
	    list(k,
	         "SELECT os || '/' || architecture || CASE variant WHEN '' THEN '' ELSE"
	         " '/' || variant END FROM image WHERE id = ?",
	         id, &platform, err) < 0)
		return -1;
	if (!sources.len)
		*ret_why = xstrdup("it did not come from a registry");
	options.policy = PULL_ALWAYS;
	options.refetch = true;
	options.platform = platform.len && platform.items[0][0] != '/' ? platform.items[0] : NULL;
	for (size_t i = 0; i < sources.len; i++) {
		AUTO_PULL_RESULT result = PULL_RESULT_INIT;
		struct err why = ERR_INIT;
		int whole;

		if (image_pull(k->store, sources.items[i], &options, &result, &why) < 0) {
			free(*ret_why);
			*ret_why = xstrdup(why.msg);
			if (why.code == E_INTERRUPTED) {
				*err = why;
				return -1;
			}
			/* it has been deleted there: waiting does not help */
			if (why.code != E_NOT_FOUND)
				*ret = OUTCOME_LEFT;
			continue;
		}
		whole = is_whole(k, id, err);
		if (whole < 0)
			return -1;
		if (whole) {
			*ret = OUTCOME_FETCHED;
			return 0;
		}
	}
	return 0;
}

static void describe_loss(const struct strv *names, const struct strv *users, const char *why,
                          struct strbuf *ret)
{
	strbuf_adds(ret, why ? why : "nothing says where it came from");
	for (size_t i = 0; i < names->len; i++)
		strbuf_addf(ret, "%s%s", i ? ", " : "; it was called ",
		            image_ref_familiar(names->items[i]));
	for (size_t i = 0; i < users->len; i++)
		strbuf_addf(ret, "%s%s", i ? ", " : "; needed by container ", users->items[i]);
}

static int remove_image(struct check *k, const char *id, const char *why, struct err *err)
{
	struct check_finding *f = finding_of(k, id);
	AUTO_STRV names = STRV_INIT;
	AUTO_STRV users = STRV_INIT;
	AUTO_BUF text = STRBUF_INIT;

	if (db_begin_durable(k->store->db, err) < 0)
		return -1;
	if (list(k, "SELECT name FROM image_name WHERE image = ? ORDER BY name", id, &names, err) <
	            0 ||
	    (k->store->users && k->store->users(k->store->users_ctx, id, &users, err) < 0) ||
	    db_exec(k->store->db, err, "DELETE FROM image WHERE id = ?", DB_TEXT(id)) < 0) {
		db_rollback(k->store->db);
		return -1;
	}
	if (db_commit(k->store->db, err) < 0)
		return -1;
	describe_loss(&names, &users, why, &text);
	if (f) {
		f->action = "removed";
		f->note = strbuf_take(&text);
	}
	return 0;
}

int check_repair_images(struct check *k, struct err *err)
{
	for (size_t i = 0; i < k->broken.len; i++) {
		const char *id = k->broken.items[i];
		struct check_finding *f;
		AUTO_FREE char *why = NULL;
		enum outcome outcome;

		if (fetch(k, id, &outcome, &why, err) < 0)
			return -1;
		if (outcome == OUTCOME_GONE) {
			if (remove_image(k, id, why, err) < 0)
				return -1;
			continue;
		}
		f = finding_of(k, id);
		if (!f)
			continue;
		if (outcome == OUTCOME_FETCHED)
			f->action = "fetched";
		else
			f->note = xstrdup(why);
	}
	return 0;
}
