/* sign: signatures of images in registries and dir: layouts, made and verified.
 *
 * A signature is by an OpenPGP key (simple signing: kept in the lookaside store of registries.d) or
 * by a sigstore key (kept in the registry: cosign's tag, or a bundle that refers to the image). */
#pragma once
#include "base/err.h"
#include "codec/digest.h"
#include <signal.h>
#include <stdbool.h>

/* How to reach the registry; as in pull_options. */
struct sign_access {
	int tls_verify;
	const char *creds;
	const char *authfile;
	const char *cert_dir;
	const volatile sig_atomic_t *cancel;
};

struct sign_options {
	struct sign_access access;
	const char *gpg_key;         /* fingerprint or name of a key that gpg has */
	const char *key_file;        /* or: a sigstore private key */
	const char *passphrase_file; /* of either; NULL: gpg's agent, $COSIGN_PASSWORD */
	bool bundle;                 /* sigstore: a bundle instead of cosign's tag */
	const char *identity;        /* the name that is signed; NULL: the reference itself */
};
/* ref: NAME[:TAG|@DIGEST], or dir:PATH (which needs an identity). *ret: what was signed. */
int image_sign(const char *ref, const struct sign_options *options, struct digest *ret,
               struct err *err);

struct verify_options {
	struct sign_access access;
	/* one of: a public key; a GPG keyring; a certificate's owner; nothing of these: the policy
	 */
	const char *key_file;
	const char *gpg_key_file;
	const char *certificate_identity; /* e-mail or URI */
	const char *certificate_issuer;   /* OIDC issuer, recorded by Fulcio; or NULL */
	const char *ca_file;              /* roots of the certificates */
	const char *intermediates_file;   /* or NULL */
	const char *rekor_key_file; /* the log that must hold the signature; NULL: none must */
	const char *policy_file;
	const char *identity; /* the name that signatures must be for; NULL: ref's for the policy,
	                         any for keys */
};
/* E_PERM: no signature is good. Zero signatures are none that is good. */
int image_verify(const char *ref, const struct verify_options *options, struct digest *ret,
                 struct err *err);

/* For who copies an image without storing it: whether the policy accepts the source. transport:
 * "docker" with a reference, else one of policy.json's with a path. For "docker" with a policy that
 * wants something, *ret is the digest that was judged, which is the one to be copied; else its alg
 * is DIGEST_NONE. */
int image_accept_source(const char *transport, const char *name, const struct sign_access *access,
                        const char *policy_file, struct digest *ret, struct err *err);
