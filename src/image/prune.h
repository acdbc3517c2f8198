/* prune: removing images by what they are, by age, by last use, and down to a size.
 *
 * A plan is made from one snapshot (image/usage.h) and then carried out image by image; each
 * removal looks again, in its own transaction, whether the image is still what the plan took it
 * for: one that got a name, a container or a new use meanwhile stays. An image in use is never
 * planned for. */
#pragma once
#include "image/image.h"

struct image_prune_options {
	bool all;            /* named images too, not only those without a name */
	bool external;       /* also those that only `image mount` holds: they are unmounted */
	bool dry_run;        /* say what would go, and remove nothing */
	bool has_keep_bytes; /* least recently used first, until the store is this small */
	uint64_t keep_bytes;
	int64_t until_ns;              /* only images made before; 0: any */
	int64_t unused_for_ns;         /* only images not used for so long; 0: any */
	const struct strv *labels;     /* KEY or KEY=VALUE: all of them; NULL: any image */
	const struct strv *not_labels; /* none of them */
};

/* What went (or, with dry_run, would go) is in *ret. Content that nothing needs goes too, as does
 * what broken pulls left, unless the options choose among images. */
int image_prune(struct image_store *store, const struct image_prune_options *options,
                struct image_removed *ret, struct err *err);

/* Whether a list of KEY=VALUE has `wanted`: KEY, or KEY=VALUE. */
bool image_label_matches(const struct strv *labels, const char *wanted);
