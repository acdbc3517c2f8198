/* signature: what claims to be a signature of an image, and what is signed.
 *
 * Kept and exchanged in the form of the files signature-N of a dir: layout: an OpenPGP message as
 * it is, or "\0sigstore-json\n" and JSON. Bundles are kept as "\0sigstore-bundle\n" and their JSON.
 * Everything here comes from outside: limits are SIGNATURES_MAX and SIGNATURE_MAX_BYTES. */
#pragma once
#include "base/err.h"
#include "base/strbuf.h"
#include "codec/digest.h"
#include <stdint.h>

#define SIGNATURES_MAX      128
#define SIGNATURE_MAX_BYTES (4u << 20)

#define MEDIA_SIMPLE_SIGNING "application/vnd.dev.cosign.simplesigning.v1+json"
#define MEDIA_BUNDLE         "application/vnd.dev.sigstore.bundle.v0.3+json"

enum signature_kind { SIGNATURE_OPENPGP = 0, SIGNATURE_SIGSTORE, SIGNATURE_BUNDLE };

struct signature {
	enum signature_kind kind;
	char *data; /* the OpenPGP message, the payload, or the bundle's JSON */
	size_t len;
	/* of SIGNATURE_SIGSTORE; NULL when absent */
	char *mime;
	char *base64; /* the signature over data */
	char *cert;   /* PEM */
	char *chain;  /* PEM */
	char *rekor;  /* JSON: SignedEntryTimestamp and Payload */
};
void signature_done(struct signature *s);

struct signatures {
	struct signature *items;
	size_t n;
};
#define SIGNATURES_INIT ((struct signatures){ 0 })
void signatures_done(struct signatures *s);
#define AUTO_SIGNATURES __attribute__((cleanup(signatures_done))) struct signatures

int signature_parse(const char *what, const char *data, size_t len, struct signature *ret,
                    struct err *err);
void signature_format(const struct signature *s, struct strbuf *ret);
/* Takes *s. E_LIMIT above SIGNATURES_MAX. */
int signatures_add(struct signatures *list, struct signature *s, struct err *err);

/* The annotations that cosign gives a signature's layer. */
#define ANNOTATION_SIGNATURE   "dev.cosignproject.cosign/signature"
#define ANNOTATION_CERTIFICATE "dev.sigstore.cosign/certificate"
#define ANNOTATION_CHAIN       "dev.sigstore.cosign/chain"
#define ANNOTATION_REKOR       "dev.sigstore.cosign/bundle"

/* --- payloads: atomic and cosign container image signature --- */

enum payload_kind { PAYLOAD_ATOMIC = 0, PAYLOAD_COSIGN };

struct payload {
	struct digest digest; /* docker-manifest-digest */
	char *reference;      /* docker-reference */
};
void payload_done(struct payload *p);
#define AUTO_PAYLOAD __attribute__((cleanup(payload_done))) struct payload

/* Strict: exactly the keys that belong there, and the right type. */
int payload_parse(enum payload_kind kind, const char *text, size_t len, struct payload *ret,
                  struct err *err);
/* Caller frees. */
char *payload_format(enum payload_kind kind, const struct digest *digest, const char *reference);
