/* policy: policy.json, as containers-policy.json(5) describes it, with the meaning that skopeo
 * gives it.
 *
 * The requirements for an image are those of the most specific scope of its transport, else of the
 * transport's "" scope, else `default`; all of them must be met. What is not understood is refused:
 * unknown keys, types and key types, an empty list, a default that is missing. */
#pragma once
#include "base/err.h"
#include "base/strv.h"
#include "oci/ref.h"
#include <stdbool.h>

#define POLICY_MAX_BYTES (4u << 20)

enum requirement_kind {
	REQ_ACCEPT = 0, /* insecureAcceptAnything */
	REQ_REJECT,     /* reject */
	REQ_SIGNED_BY,  /* signedBy: OpenPGP */
	REQ_BASE_LAYER, /* signedBaseLayer: never met, as in skopeo */
	REQ_SIGSTORE,   /* sigstoreSigned */
};

enum identity_kind {
	IDENTITY_REPO_DIGEST_OR_EXACT = 0, /* the default */
	IDENTITY_EXACT,
	IDENTITY_REPOSITORY,
	IDENTITY_EXACT_REFERENCE,
	IDENTITY_EXACT_REPOSITORY,
	IDENTITY_REMAP,
	IDENTITY_ANY, /* not of a file: the digest alone counts, as for cosign verify */
};

struct identity_rule {
	enum identity_kind kind;
	char *reference;   /* exactReference, exactRepository; remapIdentity: the prefix */
	char *replacement; /* remapIdentity: the signed prefix */
};

/* Keys or certificates: files, or bytes in the policy itself. */
struct key_source {
	struct strv paths;
	struct strv data; /* base64, checked */
};

struct requirement {
	enum requirement_kind kind;
	char *key_type; /* signedBy: "GPGKeys"; any other refuses every image, as skopeo does */
	struct key_source keys;
	struct key_source rekor;
	struct identity_rule identity;
	bool has_fulcio;
	bool has_pki;
	struct key_source ca;            /* fulcio: caPath, pki: caRootsPath */
	struct key_source intermediates; /* pki */
	char *oidc_issuer;
	char *email;
	char *hostname;
	/* not of a file: what `image verify` asks for */
	char *subject;      /* e-mail or URI of a certificate, instead of email */
	bool takes_bundles; /* also sigstore bundles, which name no reference */
};

struct requirements {
	struct requirement *items;
	size_t n;
};
void requirement_done(struct requirement *r);

struct policy_scope {
	char *transport; /* NULL: the default */
	char *scope;     /* "": the transport's own */
	struct requirements reqs;
};

struct policy {
	char *path; /* of the file; NULL: there is none, and everything is accepted */
	struct policy_scope *scopes; /* the first is the default */
	size_t n_scopes;
};
#define POLICY_INIT ((struct policy){ 0 })
void policy_done(struct policy *p);
#define AUTO_POLICY __attribute__((cleanup(policy_done))) struct policy

/* named: --signature-policy, or NULL for ~/.config/containers/policy.json, then
 * /etc/containers/policy.json. A named file must be there; with none at all, *ret accepts
 * everything. */
int policy_load(const char *named, struct policy *ret, struct err *err);
int policy_parse(const char *what, const char *text, size_t len, struct policy *ret,
                 struct err *err);
/* Whether nothing in it can refuse an image. */
bool policy_is_open(const struct policy *p);
/* By transport and identity: "docker" with the reference, or another one with a path (or ""). */
const struct requirements *policy_for_ref(const struct policy *p, const struct image_ref *ref);
/* The same, NULL when only `default` says something about it. */
const struct requirements *policy_scope_for_ref(const struct policy *p,
                                                const struct image_ref *ref);
const struct requirements *policy_for_path(const struct policy *p, const char *transport,
                                           const char *path);

/* Whether a signature for the name `signed_name` is one for the image `ref` (NULL: an image without
 * a reference, which no rule about its own name fits). */
bool identity_matches(const struct identity_rule *rule, const struct image_ref *ref,
                      const char *signed_name);
