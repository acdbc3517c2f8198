/* artifact: files at a registry that are no image, and what refers to an image (image-spec,
 * "Guidelines for Artifact Usage"; distribution-spec, "Listing Referrers").
 *
 * An artifact is a manifest with an artifactType, an empty config and a layer for each file, whose
 * name is in an annotation. With a subject it refers to another manifest of the repository; a
 * registry that does not keep such references itself gets them in an index under the tag that the
 * specification names for it. Artifacts of the store do not exist: they go from files to the
 * registry and back. */
#pragma once
#include "image/copy.h"

struct artifact_push {
	const char *ref;           /* without a tag: by digest only, which needs a subject */
	const struct strv *files;  /* PATH[:MEDIA_TYPE] */
	const char *artifact_type; /* NULL: application/vnd.unknown.artifact.v1 */
	const char *subject; /* tag or digest in the same repository, or a whole name; or NULL */
	const struct strv *annotations; /* KEY=VALUE */
	struct copy_side side;
	const struct image_progress *progress;
	const volatile sig_atomic_t *cancel;
};
int artifact_push(const struct artifact_push *a, struct digest *ret, struct err *err);
/* Write its files below dir (names without folders); *ret_files gets their names. */
int artifact_pull(const char *ref, const char *dir, const struct copy_side *side,
                  const struct image_progress *progress, const volatile sig_atomic_t *cancel,
                  struct strv *ret_files, struct digest *ret, struct err *err);
/* The index of what refers to the image. type: of artifacts, or NULL. Caller puts it. */
int artifact_referrers(const char *ref, const char *type, const struct copy_side *side,
                       const volatile sig_atomic_t *cancel, struct json_object **ret,
                       struct err *err);
/* Delete its manifest at the registry, and the reference to it. */
int artifact_remove(const char *ref, const struct copy_side *side,
                    const volatile sig_atomic_t *cancel, struct digest *ret, struct err *err);
