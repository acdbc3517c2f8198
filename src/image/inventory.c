#include "image/inventory.h"

#include <stdlib.h>
#include <string.h>

#include "base/xalloc.h"
#include "image/image-internal.h"

#define INVENTORY_MAX 1000000 /* layers */

void inventory_done(struct inventory *inventory)
{
	strv_done(&inventory->layers);
}

static int compare(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static void sort(struct inventory *inventory)
{
	if (inventory->layers.len)
		qsort(inventory->layers.items, inventory->layers.len, sizeof(char *), compare);
}

int inventory_read(struct image_store *store, const char *const *names, size_t n,
                   struct inventory *ret, struct err *err)
{
	AUTO_INVENTORY inventory = INVENTORY_INIT;
	AUTO_FREE struct layer_info *layers = NULL;
	size_t n_layers = 0;

	if (n == 0 && layer_store_list(store->layers, &layers, &n_layers, err) < 0)
		return -1;
	for (size_t i = 0; i < n_layers; i++)
		strv_add(&inventory.layers, digest_format(&layers[i].diff_id).s);
	for (size_t i = 0; i < n; i++) {
		AUTO_IMAGE image = IMAGE_INIT;

		if (image_resolve(store, names[i], &image, err) < 0)
			return -1;
		for (size_t k = 0; k < image.config.n_diff_ids; k++) {
			struct digest_text id = digest_format(&image.config.diff_ids[k]);

			if (!strv_has(&inventory.layers, id.s))
				strv_add(&inventory.layers, id.s);
		}
	}
	sort(&inventory);
	*ret = inventory;
	inventory = INVENTORY_INIT;
	return 0;
}

struct json_object *inventory_to_json(const struct inventory *inventory)
{
	struct json_object *obj = json_object_new_object();

	json_add_u64(obj, "version", 1);
	json_add_strv(obj, "layers", &inventory->layers);
	return obj;
}

int inventory_parse(const char *what, const char *text, size_t len, struct inventory *ret,
                    struct err *err)
{
	AUTO_INVENTORY inventory = INVENTORY_INIT;
	AUTO_JSON *obj = NULL;
	struct json root;
	uint64_t version = 0;

	if (json_parse(what, text, len, &obj, err) < 0)
		return -1;
	root = json_root(obj, what);
	if (json_expect(&root, json_type_object, err) < 0 ||
	    json_get_u64(&root, "version", &version, err) < 0 ||
	    json_get_strv(&root, "layers", &inventory.layers, err) < 0)
		return -1;
	if (version != 1)
		return err_set(err, E_UNSUPPORTED, "%s: not an inventory of version 1", what);
	if (inventory.layers.len > INVENTORY_MAX)
		return err_set(err, E_LIMIT, "%s: more than %d layers", what, INVENTORY_MAX);
	for (size_t i = 0; i < inventory.layers.len; i++) {
		struct digest d;

		if (digest_parse(inventory.layers.items[i], &d, err) < 0)
			return err_ctx(err, "%s", what);
	}
	sort(&inventory);
	*ret = inventory;
	inventory = INVENTORY_INIT;
	return 0;
}

bool inventory_has(const struct inventory *inventory, const struct digest *diff_id)
{
	struct digest_text id = digest_format(diff_id);
	const char *key = id.s;

	return inventory->layers.len && bsearch(&key, inventory->layers.items,
	                                        inventory->layers.len, sizeof(char *), compare);
}
