/* The table of events: what happened to which object. */
#include "base/clock.h"
#include "base/xalloc.h"
#include "codec/json.h"
#include "engine/engine-internal.h"

/* Older ones are dropped now and then, so that the table has a bound. */
#define EVENTS_KEPT 10000

void event_done(struct event *ev)
{
	free(ev->type);
	free(ev->action);
	free(ev->actor);
	free(ev->attributes);
	*ev = (struct event){ 0 };
}

int event_add(struct engine *e, const char *type, const char *action, const char *actor,
              struct json_object *attributes, struct err *err)
{
	struct db *db = engine_db(e, err);
	int64_t id;

	if (!db)
		return -1;
	if (db_exec(db, err,
	            "INSERT INTO event (time_ns, type, action, actor, attributes) "
	            "VALUES (?, ?, ?, ?, ?)",
	            DB_I64(clock_realtime_ns()), DB_TEXT(type), DB_TEXT(action), DB_TEXT(actor),
	            DB_TEXT(attributes ? json_text(attributes, false) : "{}")) < 0)
		return -1;
	id = db_last_rowid(db);
	if (id % 1000 == 0 &&
	    db_exec(db, err, "DELETE FROM event WHERE id <= ?", DB_I64(id - EVENTS_KEPT)) < 0)
		return -1;
	return 0;
}

int event_container(struct engine *e, const struct container_row *row, const char *action,
                    const char *key, const char *value, struct err *err)
{
	AUTO_JSON *attributes = json_object_new_object();

	json_add_str(attributes, "image", row->image);
	json_add_str(attributes, "name", row->name);
	if (key)
		json_add_str(attributes, key, value);
	return event_add(e, "container", action, row->id, attributes, err);
}

int event_each(struct engine *e, int64_t after_id, int (*fn)(void *ctx, const struct event *ev),
               void *ctx, struct err *err)
{
	struct db *db = engine_db(e, err);
	AUTO_STMT st = DB_STMT_INIT;
	int r;

	if (!db || db_query(db, &st, err,
	                    "SELECT id, time_ns, type, action, actor, attributes FROM event "
	                    "WHERE id > ? ORDER BY id",
	                    DB_I64(after_id)) < 0)
		return -1;
	while ((r = db_step(&st, err)) > 0) {
		struct event ev = {
			.id = db_i64(&st, 0),
			.time_ns = db_i64(&st, 1),
			.type = (char *)db_text(&st, 2),
			.action = (char *)db_text(&st, 3),
			.actor = (char *)db_text(&st, 4),
			.attributes = (char *)db_text(&st, 5),
		};

		if (fn(ctx, &ev))
			return 0;
	}
	return r;
}
