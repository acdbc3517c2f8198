/* One image in detail: docker-shaped JSON, and its history. */
#include "base/clock.h"
#include "base/xalloc.h"
#include "image/image-internal.h"

static void add_familiar(struct json_object *obj, const char *key, const struct strv *names)
{
	struct json_object *list = json_add_array(obj, key);

	for (size_t i = 0; i < names->len; i++)
		json_object_array_add(list,
		                      json_object_new_string(image_ref_familiar(names->items[i])));
}

static void add_rootfs(struct json_object *obj, const struct image_config *c)
{
	struct json_object *rootfs = json_add_object(obj, "RootFS");
	struct json_object *layers;

	json_add_str(rootfs, "Type", "layers");
	layers = json_add_array(rootfs, "Layers");
	for (size_t i = 0; i < c->n_diff_ids; i++)
		json_object_array_add(layers,
		                      json_object_new_string(digest_format(&c->diff_ids[i]).s));
}

int image_inspect(struct image_store *store, const struct image *image, struct json_object **ret,
                  struct err *err)
{
	const struct image_config *c = &image->config;
	struct json_object *obj = json_object_new_object();
	struct json_object *driver;
	enum layer_mode mode = LAYER_MODE_NONE;
	const char *reason;

	json_add_str(obj, "Id", image->id);
	add_familiar(obj, "RepoTags", &image->names);
	add_familiar(obj, "RepoDigests", &image->digests);
	/* always there, so that a template may ask for it */
	json_add_str(obj, "Digest",
	             image->manifest.alg != DIGEST_NONE ? digest_format(&image->manifest).s : "");
	json_add_str(obj, "Comment",
	             c->n_history && c->history[c->n_history - 1].comment
	                     ? c->history[c->n_history - 1].comment
	                     : "");
	json_add_str(obj, "Created", c->created ? c->created : time_format(c->created_ns).s);
	json_add_str(obj, "Author", c->author ? c->author : "");
	json_object_object_add(obj, "Config", image_config_run_json(c));
	json_add_str(obj, "Architecture", c->platform.architecture);
	if (c->platform.variant[0])
		json_add_str(obj, "Variant", c->platform.variant);
	json_add_str(obj, "Os", c->platform.os);
	if (c->platform.os_version[0])
		json_add_str(obj, "OsVersion", c->platform.os_version);
	json_add_u64(obj, "Size", image->size);
	json_add_u64(obj, "VirtualSize", image->size);
	driver = json_add_object(obj, "GraphDriver");
	if (layer_store_mode(store->layers, &mode, &reason, ERR_IGNORE) == 0)
		json_add_str(driver, "Name", layer_mode_name(mode));
	json_add_object(driver, "Data");
	add_rootfs(obj, c);
	json_add_str(json_add_object(obj, "Metadata"), "LastTagTime",
	             time_format(image->stored_ns).s);
	*ret = obj;
	return 0;
}

int image_history(const struct image *image, struct image_history_row **ret, size_t *ret_n,
                  struct err *err)
{
	const struct image_config *c = &image->config;
	struct image_history_row *rows = NULL;
	size_t n = 0, layer = 0, n_real = 0;

	for (size_t i = 0; i < c->n_history; i++)
		n_real += !c->history[i].empty_layer;
	rows = xcalloc(c->n_history + c->n_diff_ids + 1, sizeof(*rows));
	/* layers the history does not tell of are the oldest ones: shown, without a story */
	for (; n_real < c->n_diff_ids; n_real++)
		rows[n++] = (struct image_history_row){ .created_by = "",
			                                .comment = "",
			                                .size = image->layer_sizes[layer++] };
	for (size_t i = 0; i < c->n_history; i++) {
		const struct image_history *h = &c->history[i];
		struct image_history_row *row = &rows[n++];

		row->created_by = h->created_by ? h->created_by : "";
		row->comment = h->comment ? h->comment : "";
		if (h->created && time_parse(h->created, &row->created_ns) < 0)
			row->created_ns = 0;
		if (!h->empty_layer && layer < c->n_diff_ids)
			row->size = image->layer_sizes[layer++];
	}
	for (size_t i = 0; i < n / 2; i++) {
		struct image_history_row tmp = rows[i];

		rows[i] = rows[n - 1 - i];
		rows[n - 1 - i] = tmp;
	}
	for (size_t i = 0; i < n; i++)
		rows[i].id = i == 0 ? image->id : "<missing>";
	*ret = rows;
	*ret_n = n;
	return 0;
}
