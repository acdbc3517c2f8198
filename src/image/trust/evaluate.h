/* evaluate: whether an image meets requirements. Nothing is remembered: keys, certificates and
 * signatures are read and verified each time, so that what was accepted once is not accepted for
 * ever. */
#pragma once
#include "image/trust/policy.h"
#include "image/trust/signature.h"

/* What signatures may be about: the manifest, and the index that led to it. */
struct trust_document {
	struct digest digest;
	const char *text; /* or NULL: then a signature over the document itself cannot be checked */
	size_t len;
};

struct trust_subject {
	const char *what;            /* for messages */
	const struct image_ref *ref; /* NULL: it has none */
	const struct trust_document *documents;
	size_t n_documents;
	const struct signatures *signatures;
};

/* 0: all requirements are met. E_PERM says which one is not, and why each signature was refused;
 * what cannot be decided (a key that cannot be read) is an error too. */
int requirements_check(const struct requirements *reqs, const struct trust_subject *subject,
                       struct err *err);

/* --- of bundles (bundle.c) --- */

struct certs;
struct key;
struct json_object;
struct bundle {
	struct json_object *obj;
	bool is_dsse;
	char *payload_type;        /* DSSE */
	struct strbuf payload;     /* DSSE */
	struct strbuf signed_text; /* what the signature is over; messageSignature: empty */
	struct strbuf signature;
	struct digest message;  /* messageSignature */
	struct strbuf cert_der; /* empty: a public key */
};
void bundle_done(struct bundle *b);
#define BUNDLE_INIT                                                                                \
	((struct bundle){ .payload = STRBUF_INIT,                                                  \
	                  .signed_text = STRBUF_INIT,                                              \
	                  .signature = STRBUF_INIT,                                                \
	                  .cert_der = STRBUF_INIT })
#define AUTO_BUNDLE __attribute__((cleanup(bundle_done))) struct bundle
int bundle_parse(const char *json, size_t len, struct bundle *ret, struct err *err);
/* Whether the statement or the message is about one of the documents; *ret: which. */
int bundle_about(const struct bundle *b, const struct trust_subject *subject,
                 const struct trust_document **ret, struct err *err);
/* Caller frees. signature over the DSSE text of `statement`; hint: of the public key. */
char *bundle_format(const char *statement, const struct strbuf *signature, const char *hint);
char *statement_format(const struct digest *digest);
/* "DSSEv1 LEN TYPE LEN TEXT" */
void dsse_text(const char *type, const void *payload, size_t len, struct strbuf *ret);
#define STATEMENT_TYPE "application/vnd.in-toto+json"
