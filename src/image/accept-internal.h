/* accept: signatures of images found, kept, and judged by the policy.
 *
 * Where an image came from is recorded with the signatures that were there then (image_origin); who
 * makes a container of it is judged by these and by the policy and keys of that moment. No verdict
 * is kept. */
#pragma once
#include "image/image-internal.h"
#include "image/registry-internal.h"
#include "image/trust/evaluate.h"

/* --- registries.d (lookaside.c) --- */

struct lookaside {
	char *url;       /* without the repository's path; NULL: none */
	int attachments; /* use-sigstore-attachments: 0, 1, -1 not said */
};
void lookaside_done(struct lookaside *l);
int lookaside_find(const struct image_ref *ref, bool write, struct lookaside *ret, struct err *err);
int lookaside_fetch(const struct lookaside *l, const struct image_ref *ref, const struct digest *d,
                    const struct http_policy *policy, struct signatures *ret, struct err *err);
/* As the next signature-N. */
int lookaside_add(const struct lookaside *l, const struct image_ref *ref, const struct digest *d,
                  const struct signature *s, struct err *err);

/* --- in the registry (attachments.c) --- */

enum attachment_flags {
	ATTACHMENT_TAGS = 1u << 0,      /* cosign's sha256-HEX.sig */
	ATTACHMENT_REFERRERS = 1u << 1, /* bundles, also by the fallback tag sha256-HEX */
};
int attachments_fetch(struct registry *reg, struct http *http, const struct digest *d,
                      unsigned flags, struct signatures *ret, struct err *err);
/* Add to what is there. */
int attachment_add_tag(struct registry *reg, struct http *http, const struct digest *d,
                       const struct signature *s, struct err *err);
int attachment_add_referrer(struct registry *reg, struct http *http, const struct digest *d,
                            const char *media_type, uint64_t size, const struct signature *s,
                            struct err *err);

/* --- judging (accept.c) --- */

/* What the policy wants of the image: signatures are fetched only when it wants any. */
int accept_fetch(const struct policy *policy, struct registry *reg, struct http *http,
                 const struct image_ref *ref, const struct trust_document *documents, size_t n,
                 struct signatures *ret, struct err *err);
int accept_check(const struct policy *policy, const struct image_ref *ref,
                 const struct trust_document *documents, size_t n,
                 const struct signatures *signatures, struct err *err);
/* An archive of that transport ("docker-archive", "oci-archive", "oci", "dir"); name: the image in
 * it that is about to get that name here, or NULL. */
int accept_archive(const struct policy *policy, const char *transport, const char *name,
                   struct err *err);

/* Before a transaction: the table is there. */
int origin_prepare(struct image_store *store, struct err *err);
/* Within one, after the image's row. signatures: or NULL. */
int origin_record(struct image_store *store, const char *image_id, const char *transport,
                  const char *name, const struct trust_document *documents, size_t n,
                  const struct signatures *signatures, struct err *err);
