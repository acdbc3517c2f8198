/* lists: indexes under construction, as `dhow manifest` makes them.
 *
 * A list is a name and entries; each says where its image is (in the store, at a registry, in a
 * layout) and what the index is to say about it. Nothing is copied before the list is pushed: then
 * every entry's image comes from where it is, and the index is made of what the images became.
 * A list keeps no image of the store from being removed. */
#pragma once
#include "image/copy.h"

int image_list_create(struct image_store *store, const char *name, bool replace, struct err *err);
int image_list_remove(struct image_store *store, const char *name, struct err *err);
/* 1, 0, -1. */
int image_list_exists(struct image_store *store, const char *name, struct err *err);
/* Whole names, sorted. */
int image_list_names(struct image_store *store, struct strv *ret, struct err *err);

/* What the index says of an entry; NULL: left as it is. */
struct list_change {
	const char *os, *architecture, *variant, *os_version;
	struct strv os_features;
	struct strv annotations; /* KEY=VALUE */
};

struct list_add {
	const char *image; /* a location; a name alone is the store's, or else a registry's */
	bool all;          /* of an index: every image, not only the platform's */
	struct copy_side side;
	struct list_change change;
	const volatile sig_atomic_t *cancel;
};
/* Entries with a digest that is there are replaced. ret_digest: of the last one. */
int image_list_add(struct image_store *store, const char *name, const struct list_add *add,
                   struct digest *ret_digest, struct err *err);
/* entry: its digest, or an image of the store. change NULL: it goes. */
int image_list_change(struct image_store *store, const char *name, const char *entry,
                      const struct list_change *change, struct err *err);
/* Annotations of the index itself. */
int image_list_annotate(struct image_store *store, const char *name, const struct strv *annotations,
                        struct err *err);
/* The index as it would be pushed, if no image changed. Caller puts it. */
int image_list_index(struct image_store *store, const char *name, struct json_object **ret,
                     struct err *err);
