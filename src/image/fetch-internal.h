/* fetch: layers from a registry into the layer store, several at once.
 *
 * Per layer: flock on ingest/ALG-HEX (one download per blob on this machine), what an earlier
 * attempt left there goes through digest and import first, then the rest comes from the registry
 * with Range; every piece is written to ingest, hashed, and pushed into the import. The layer
 * becomes visible when size, digest and diffID are right; its ingest file is then kept as its
 * packed form, or removed.
 * After an interruption or a lost connection the ingest file stays for the next attempt; after bad
 * bytes or a full disk it goes. */
#pragma once
#include "image/image-internal.h"
#include "image/registry-internal.h"

struct fetch_layer {
	const struct descriptor *blob; /* borrowed */
	struct digest diff_id;
};

struct fetch_options {
	int max_parallel;
	bool keep_packed; /* the compressed form, too (packed-internal.h) */
	const struct image_progress *progress;
	const volatile sig_atomic_t *cancel;
	atomic_bool *stop; /* the one the registry's policy holds: set when one layer failed */
};

/* Start threads, wait for all of them. The first failure ends the others and is returned; layers
 * that were complete stay. *ret_fetched: how many came from the registry. */
int fetch_layers(struct image_store *store, struct registry *reg, const struct fetch_layer *layers,
                 size_t n, const struct fetch_options *options, size_t *ret_fetched,
                 struct err *err);
