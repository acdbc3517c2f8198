/* ps: rows, filters, and how a state is put in words. */
#include "base/clock.h"
#include "base/num.h"
#include "base/xalloc.h"
#include "codec/json.h"
#include "engine/engine-internal.h"
#include "image/image.h"

#include <string.h>

struct status_text container_status_text(const struct container_row *row, int64_t now_ns)
{
	struct status_text text = { "" };
	struct time_text up = duration_human((now_ns - row->started_ns) / 1000000000);
	struct time_text ago = duration_human((now_ns - row->finished_ns) / 1000000000);

	switch (row->status) {
	case CONTAINER_CREATED:
		snprintf(text.s, sizeof(text.s), "Created");
		break;
	case CONTAINER_RUNNING:
		snprintf(text.s, sizeof(text.s), "Up %s", up.s);
		break;
	case CONTAINER_PAUSED:
		snprintf(text.s, sizeof(text.s), "Up %s (Paused)", up.s);
		break;
	case CONTAINER_RESTARTING:
		snprintf(text.s, sizeof(text.s), "Restarting (%d) %s ago", row->exit_code, ago.s);
		break;
	case CONTAINER_EXITED:
		snprintf(text.s, sizeof(text.s), "Exited (%d) %s ago", row->exit_code, ago.s);
		break;
	case CONTAINER_DEAD:
	case CONTAINER_STATUS_MAX:
		snprintf(text.s, sizeof(text.s), "Dead");
		break;
	}
	return text;
}

/* What the filters need that a row does not have: looked up once. */
struct filter_facts {
	int64_t before_ns, since_ns; /* created; 0: no bound */
	struct strv image_ids;       /* of ancestor= */
};

static bool labels_match(const char *labels, const char *want)
{
	AUTO_JSON *obj = json_tokener_parse(labels);
	const char *equals = strchr(want, '=');
	AUTO_FREE char *key = equals ? xstrndup(want, (size_t)(equals - want)) : xstrdup(want);
	struct json_object *value;

	if (!obj || !json_object_object_get_ex(obj, key, &value))
		return false;
	return !equals || strcmp(json_object_get_string(value), equals + 1) == 0;
}

/* One of a comma-separated list, or the beginning of a path in it. */
static bool list_has(const char *list, const char *want)
{
	AUTO_STRV items = STRV_INIT;

	strv_split(&items, list, ',');
	return strv_has(&items, want);
}

static bool ancestor_match(const struct container_row *row, const struct filter_facts *facts)
{
	return strv_has(&facts->image_ids, row->image_id);
}

enum filter_key {
	FILTER_NAME,
	FILTER_ID,
	FILTER_STATUS,
	FILTER_EXITED,
	FILTER_LABEL,
	FILTER_ANCESTOR,
	FILTER_BEFORE,
	FILTER_SINCE,
	FILTER_VOLUME,
	FILTER_NETWORK,
	FILTER_MAX
};

static const char *const filter_names[FILTER_MAX] = {
	"name",     "id",     "status", "exited", "label",
	"ancestor", "before", "since",  "volume", "network",
};

static bool filter_match(enum filter_key key, const char *value, const struct container_row *row,
                         const struct filter_facts *facts)
{
	int64_t number;

	switch (key) {
	case FILTER_NAME:
		return strstr(row->name, value) != NULL;
	case FILTER_ID:
		return strncmp(row->id, value, strlen(value)) == 0;
	case FILTER_STATUS:
		return strcmp(container_status_name(row->status), value) == 0;
	case FILTER_EXITED:
		return row->status == CONTAINER_EXITED && parse_i64(value, &number) == 0 &&
		       row->exit_code == number;
	case FILTER_LABEL:
		return labels_match(row->labels, value);
	case FILTER_ANCESTOR:
		return ancestor_match(row, facts);
	case FILTER_BEFORE:
		return row->created_ns < facts->before_ns;
	case FILTER_SINCE:
		return row->created_ns > facts->since_ns;
	case FILTER_VOLUME:
		return list_has(row->mounts, value);
	case FILTER_NETWORK:
		return strcmp(row->networks, value) == 0;
	case FILTER_MAX:
		break;
	}
	return false;
}

/* "key=value" to its key; *ret_value borrows from text. */
static int filter_split(const char *text, enum filter_key *ret_key, const char **ret_value,
                        struct err *err)
{
	const char *equals = strchr(text, '=');

	for (int k = 0; equals && k < FILTER_MAX; k++) {
		if (strlen(filter_names[k]) == (size_t)(equals - text) &&
		    strncmp(filter_names[k], text, (size_t)(equals - text)) == 0) {
			*ret_key = (enum filter_key)k;
			*ret_value = equals + 1;
			return 0;
		}
	}
	err_set(err, E_INVALID, "filter '%s' is not known", text);
	return err_hint(err, "filters are name=, id=, status=, exited=, label=, ancestor=, "
	                     "before=, since=, volume=, network=");
}

static int filter_prepare(struct engine *e, const struct strv *filters, struct filter_facts *facts,
                          struct err *err)
{
	for (size_t i = 0; filters && i < filters->len; i++) {
		struct container_row row = { 0 };
		enum container_status status;
		enum filter_key key;
		const char *value;
		AUTO_FREE char *image_id = NULL;
		int64_t number;

		if (filter_split(filters->items[i], &key, &value, err) < 0)
			return -1;
		if (key == FILTER_STATUS && container_status_parse(value, &status) < 0)
			return err_set(err, E_INVALID, "filter status='%s': no such state", value);
		if (key == FILTER_EXITED && parse_i64(value, &number) < 0)
			return err_set(err, E_INVALID, "filter exited='%s': not a number", value);
		if (key == FILTER_BEFORE || key == FILTER_SINCE) {
			if (container_get(e, value, &row, err) < 0)
				return -1;
			*(key == FILTER_BEFORE ? &facts->before_ns : &facts->since_ns) =
				row.created_ns;
			container_row_done(&row);
		}
		if (key == FILTER_ANCESTOR) {
			struct image_store *images = engine_images(e, err);

			if (!images)
				return -1;
			if (image_resolve_id(images, value, &image_id, ERR_IGNORE) == 0)
				strv_add(&facts->image_ids, image_id);
		}
	}
	return 0;
}

/* docker's rule: values of one key are alternatives, keys must all match; labels must all match. */
static bool row_wanted(const struct container_row *row, const struct strv *filters,
                       const struct filter_facts *facts)
{
	bool seen[FILTER_MAX] = { false };
	bool match[FILTER_MAX] = { false };

	for (size_t i = 0; filters && i < filters->len; i++) {
		enum filter_key key;
		const char *value;
		bool m;

		if (filter_split(filters->items[i], &key, &value, ERR_IGNORE) < 0)
			return false;
		m = filter_match(key, value, row, facts);
		match[key] = key == FILTER_LABEL && seen[key] ? match[key] && m : match[key] || m;
		seen[key] = true;
	}
	for (int k = 0; k < FILTER_MAX; k++)
		if (seen[k] && !match[k])
			return false;
	return true;
}

static bool names_states(const struct strv *filters)
{
	for (size_t i = 0; filters && i < filters->len; i++)
		if (strncmp(filters->items[i], "status=", 7) == 0 ||
		    strncmp(filters->items[i], "exited=", 7) == 0)
			return true;
	return false;
}

int container_list(struct engine *e, const struct container_list_args *args,
                   struct container_list *ret, struct err *err)
{
	bool all = args->all || args->last > 0 || names_states(args->filters);
	struct filter_facts facts = { 0 };
	size_t kept = 0;
	int r;

	*ret = (struct container_list){ 0 };
	r = filter_prepare(e, args->filters, &facts, err);
	if (r == 0)
		r = engine_load_settled(e, ret, err);
	for (size_t i = 0; r == 0 && i < ret->count; i++) {
		struct container_row *row = &ret->rows[i];

		if ((all || row->pid || row->status == CONTAINER_RESTARTING) &&
		    row_wanted(row, args->filters, &facts) &&
		    (args->last <= 0 || kept < (size_t)args->last))
			ret->rows[kept++] = *row;
		else
			container_row_done(row);
	}
	if (r == 0)
		ret->count = kept;
	strv_done(&facts.image_ids);
	return r;
}
