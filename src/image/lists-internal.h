/* Between lists.c and the source that pushes them. */
#pragma once
#include "image/lists.h"
#include "image/transport-internal.h"

/* Caller puts it. */
int list_read(struct image_store *store, const char *name, struct json_object **ret,
              struct err *err);
struct json_object *list_to_index(struct json_object *obj);

/* KEY=VALUE each, into the "annotations" of a manifest, an index or a descriptor; list may be NULL.
 */
int annotations_add(struct json_object *obj, const struct strv *list, struct err *err);
