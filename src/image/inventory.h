/* inventory: what one store has, as a file that travels to another: the other side of `save --for`.
 *
 * A JSON object: {"version": 1, "layers": ["sha256:...", ...]} with the diffIDs of all whole
 * layers (or of those of some images), sorted. It says nothing about the images' names. */
#pragma once
#include "image/image.h"

struct inventory {
	struct strv layers; /* diffIDs, sorted */
};
#define INVENTORY_INIT ((struct inventory){ .layers = STRV_INIT })
void inventory_done(struct inventory *inventory);
#define AUTO_INVENTORY __attribute__((cleanup(inventory_done))) struct inventory

/* names: of images; n 0: the whole store. */
int inventory_read(struct image_store *store, const char *const *names, size_t n,
                   struct inventory *ret, struct err *err);
struct json_object *inventory_to_json(const struct inventory *inventory);
/* From a file of the other side: E_INVALID. what names it in errors. */
int inventory_parse(const char *what, const char *text, size_t len, struct inventory *ret,
                    struct err *err);
bool inventory_has(const struct inventory *inventory, const struct digest *diff_id);
