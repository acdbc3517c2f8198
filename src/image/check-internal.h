/* check-internal: what the parts of a check share.
 *
 * check.c         layers, blobs, strays: what the files say
 * check-rows.c    what the database says
 * check-repair.c  fetching and removing */
#pragma once
#include "image/check.h"
#include "image/image-internal.h"

struct check {
	struct image_store *store;
	const struct check_options *options;
	struct check_report *report;
	struct content *damaged; /* content whose bytes are wrong */
	size_t *damaged_finding; /* of each: its index in the report */
	size_t n_damaged;
	struct strv broken; /* ids of images that cannot be used */
};

/* Under the write lock: rows against files and the reverse; fills `broken`. */
int check_rows(struct check *k, struct err *err);
/* Without a lock: make the broken images whole, or remove them. */
int check_repair_images(struct check *k, struct err *err);
bool check_has_content(struct check *k, const struct content *c);
