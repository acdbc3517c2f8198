/* keys: public and private keys, certificates and what they sign, by OpenSSL.
 * Keys are ECDSA (P-256, P-384, P-521), Ed25519 or RSA of at least 2048 bits; hashes are SHA-256
 * (Ed25519: none, it signs the message), as sigstore's formats say. */
#pragma once
#include "base/err.h"
#include "base/strbuf.h"
#include "base/strv.h"
#include <stdbool.h>
#include <stdint.h>

#define KEY_MAX_BYTES (1u << 20)

struct evp_pkey_st;
struct x509_st;

struct key {
	struct evp_pkey_st *pkey;
};
void key_free(struct key *k);
DEFINE_FREEP(struct key, key_free)
#define AUTO_KEY __attribute__((cleanup(key_freep), unused)) struct key

/* what: names it in errors. PEM, and nothing after it but blanks. */
int key_public(const char *what, const char *pem, size_t len, struct key **ret, struct err *err);
/* PEM: PKCS#8, traditional, or cosign's ("ENCRYPTED SIGSTORE PRIVATE KEY"). passphrase: or NULL. */
int key_private(const char *what, const char *pem, size_t len, const char *passphrase,
                struct key **ret, struct err *err);
/* SubjectPublicKeyInfo. */
void key_der(const struct key *k, struct strbuf *ret);
void key_pem(const struct key *k, struct strbuf *ret);
bool key_is_ec(const struct key *k);

/* 0: the signature is good. E_AUTH: it is not. */
int key_verify(const struct key *k, const void *signature, size_t sig_len, const void *data,
               size_t len, struct err *err);
int key_sign(const struct key *k, const void *data, size_t len, struct strbuf *ret,
             struct err *err);

/* Certificates, in the order they come. */
struct certs {
	struct x509_st **items;
	size_t n;
};
#define CERTS_INIT ((struct certs){ 0 })
void certs_done(struct certs *c);
#define AUTO_CERTS __attribute__((cleanup(certs_done))) struct certs
#define CERTS_MAX  64

int certs_pem(const char *what, const char *pem, size_t len, struct certs *ret, struct err *err);
int certs_add_der(const char *what, const void *der, size_t len, struct certs *ret,
                  struct err *err);
/* leaf must lead to one of roots, for code signing, at that time (0: now). Purposes of the rest of
 * the chain are those of CAs. */
int cert_verify(const struct certs *roots, const struct certs *intermediates, struct x509_st *leaf,
                int64_t at_s, struct err *err);
struct key *cert_key(struct x509_st *cert, struct err *err);
void cert_der(struct x509_st *cert, struct strbuf *ret);
/* Names of the subject: e-mail addresses, URIs. */
void cert_names(struct x509_st *cert, struct strv *ret_emails, struct strv *ret_uris);
bool cert_has_host(struct x509_st *cert, const char *host);
/* Fulcio's record of who vouched for the subject (OIDC issuer, versions 1 and 2 of the extension,
 * which must agree). Caller frees. */
int cert_issuer(struct x509_st *cert, char **ret, struct err *err);

/* The DER of the one PEM block in the text; whatever its type. */
int pem_decode(const char *text, size_t len, struct strbuf *ret);
/* cosign's private key file: the PKCS#8 in it. */
int cosign_key_open(const char *what, const char *json, size_t len, const char *passphrase,
                    struct strbuf *ret, struct err *err);
