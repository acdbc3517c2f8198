/* facts: what a registry needs to know of a manifest: its type, what it names, what it refers to.
 *
 * The bytes are kept as they came and fields that are not known are nobody's business; but one
 * document is one kind (CVE-2021-41190: `manifests` beside `layers` or `config` is refused, and so
 * are these names in another case), its
 * mediaType and Content-Type agree, digests are strict and lists are bounded. */
#pragma once
#include "image/repo.h"

#define FACTS_LINKS_MAX 4096

struct manifest_facts {
	bool is_index;
	char *media_type;
	struct digest subject;   /* alg NONE: none */
	char *artifact_type;     /* or NULL; an image manifest's falls back to its config's type */
	char *annotations;       /* JSON, or NULL */
	struct repo_link *links; /* config and layers, or the manifests of an index */
	bool *elsewhere; /* links[i] need not be here: foreign layers, an index' manifests */
	size_t n_links;
};
#define MANIFEST_FACTS_INIT ((struct manifest_facts){ 0 })
void manifest_facts_done(struct manifest_facts *f);
#define AUTO_FACTS __attribute__((cleanup(manifest_facts_done))) struct manifest_facts

/* content_type: of the request, parameters ignored; NULL or "": the document says. E_INVALID,
 * E_UNSUPPORTED, E_LIMIT. */
int manifest_facts_parse(const char *content_type, const char *text, size_t len,
                         struct manifest_facts *ret, struct err *err);
