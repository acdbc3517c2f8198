/* Lists: repositories, tags, referrers; a page at a time. */
#include "base/xalloc.h"
#include "codec/json.h"
#include "oci/descriptor.h"
#include "registry/server-internal.h"

#define CATALOG_DEFAULT 100
#define CATALOG_MAX     1000 /* CVE-2023-2253: no client decides how much memory a page takes */
#define TAGS_MAX        5000
#define REFERRERS_BYTES (2u << 20)

static size_t page_size(const struct request *q, size_t by_default, size_t max)
{
	if (!q->route.query.has_n)
		return by_default;
	return q->route.query.n < max ? (size_t)q->route.query.n : max;
}

static void add_next(struct request *q, const char *path, const char *last, size_t n)
{
	AUTO_FREE char *escaped = query_escape(last);

	reply_headerf(&q->reply, "Link", "<%s?n=%zu&last=%s>; rel=\"next\"", path, n, escaped);
}

static void send_json(struct request *q, const char *media_type, struct json_object *root)
{
	char *text = xstrdup(json_text(root, false));

	reply_text(&q->reply, 200, media_type, text, strlen(text));
}

/* json_add_strv leaves empty lists out */
static void add_names(struct json_object *root, const char *key, const struct strv *names)
{
	struct json_object *list = json_add_array(root, key);

	for (size_t i = 0; i < names->len; i++)
		json_object_array_add(list, json_object_new_string(names->items[i]));
}

void list_catalog(struct request *q, struct image_store *store)
{
	size_t n = page_size(q, CATALOG_DEFAULT, CATALOG_MAX);
	AUTO_JSON *root = json_object_new_object();
	AUTO_STRV names = STRV_INIT;
	struct err err = ERR_INIT;
	bool more = false;

	if (repo_list(store, q->route.query.last, n, &names, &more, &err) < 0) {
		reply_failure(&q->reply, &err, NULL);
		return;
	}
	add_names(root, "repositories", &names);
	if (more)
		add_next(q, "/v2/_catalog", names.items[names.len - 1], n);
	send_json(q, MEDIA_JSON, root);
}

void list_tags(struct request *q, struct image_store *store)
{
	size_t n = page_size(q, TAGS_MAX, TAGS_MAX);
	AUTO_JSON *root = json_object_new_object();
	AUTO_STRV names = STRV_INIT;
	struct err err = ERR_INIT;
	bool more = false;

	if (repo_tags(store, q->route.name, q->route.query.last, n, &names, &more, &err) < 0) {
		reply_failure(&q->reply, &err, "NAME_UNKNOWN");
		return;
	}
	json_add_str(root, "name", q->route.name);
	add_names(root, "tags", &names);
	if (more) {
		AUTO_FREE char *path = xasprintf("/v2/%s/tags/list", q->route.name);

		add_next(q, path, names.items[names.len - 1], n);
	}
	send_json(q, MEDIA_JSON, root);
}

/* --- referrers --- */

struct referrers {
	struct json_object *list;
	size_t bytes;
	char *last; /* of this page; for the next one */
	bool more;
};

static int add_referrer(void *ctx, const struct repo_referrer *row, struct err *err)
{
	struct referrers *page = ctx;
	struct json_object *one, *annotations = NULL;

	(void)err;
	if (page->bytes > REFERRERS_BYTES) {
		page->more = true;
		return 1;
	}
	one = json_object_new_object();
	json_add_str(one, "mediaType", row->media_type);
	json_add_str(one, "digest", row->digest);
	json_add_u64(one, "size", row->size);
	json_add_str(one, "artifactType", row->artifact_type);
	if (row->annotations && json_parse("annotations", row->annotations,
	                                   strlen(row->annotations), &annotations, ERR_IGNORE) == 0)
		json_object_object_add(one, "annotations", annotations);
	json_object_array_add(page->list, one);
	page->bytes += 300 + (row->annotations ? strlen(row->annotations) : 0);
	free(page->last);
	page->last = xstrdup(row->digest);
	return 0;
}

void list_referrers(struct request *q, struct image_store *store)
{
	const char *type = q->route.query.artifact_type;
	AUTO_JSON *root = json_object_new_object();
	struct referrers page = { 0 };
	struct err err = ERR_INIT;
	int r;

	json_add_i64(root, "schemaVersion", 2);
	json_add_str(root, "mediaType", MEDIA_OCI_INDEX);
	page.list = json_add_array(root, "manifests");
	r = repo_referrers(store, q->route.name, &q->route.digest, type, q->route.query.last,
	                   add_referrer, &page, &err);
	if (r < 0) {
		reply_failure(&q->reply, &err, NULL);
	} else {
		if (type)
			reply_header(&q->reply, "OCI-Filters-Applied", "artifactType");
		if (page.more) {
			AUTO_FREE char *filter = type ? query_escape(type) : NULL;

			reply_headerf(&q->reply, "Link",
			              "</v2/%s/referrers/%s?last=%s%s%s>; rel=\"next\"",
			              q->route.name, digest_format(&q->route.digest).s, page.last,
			              type ? "&artifactType=" : "", type ? filter : "");
		}
		send_json(q, MEDIA_OCI_INDEX, root);
	}
	free(page.last);
}
