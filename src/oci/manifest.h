/* manifest: an image manifest or an index of them, OCI or Docker schema 2.
 *
 * One document is one kind: `layers`/`config` beside `manifests` is refused (CVE-2021-41190), and
 * mediaType, the content type it was served with and the body must agree. Digests are strict.
 * Limits: MANIFEST_MAX_BYTES, MANIFEST_MAX_LAYERS, MANIFEST_MAX_ENTRIES. */
#pragma once
#include "base/err.h"
#include "oci/descriptor.h"

#define MANIFEST_MAX_BYTES   (4u << 20)
#define MANIFEST_MAX_LAYERS  512
#define MANIFEST_MAX_ENTRIES 1024

struct manifest {
	enum manifest_kind { MANIFEST_IMAGE, MANIFEST_INDEX } kind;
	char *media_type;          /* the effective one, never NULL */
	struct descriptor config;  /* image */
	struct descriptor *layers; /* image: bottom first */
	size_t n_layers;
	struct descriptor *entries; /* index */
	size_t n_entries;
};

#define MANIFEST_INIT ((struct manifest){ 0 })
#define AUTO_MANIFEST __attribute__((cleanup(manifest_done))) struct manifest

/* what: names the document in errors ("manifest of 'busybox:latest'").
 * content_type: as served, or NULL when unknown. */
int manifest_parse(const char *what, const char *content_type, const char *text, size_t len,
                   struct manifest *ret, struct err *err);
void manifest_done(struct manifest *m);

/* The best entry of an index for `want`: E_NOT_FOUND lists what there is. Attestations and other
 * entries of platform unknown/unknown are never chosen; entries without a platform only when
 * there is nothing else to choose. Borrowed from m. */
int manifest_choose(const struct manifest *m, const struct platform *want,
                    const struct descriptor **ret, struct err *err);
