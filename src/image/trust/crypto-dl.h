/* crypto-dl: OpenSSL's libcrypto, opened on first use. The program itself links only its hashes:
 * the rest would make it several times as large, for what few runs need. The build needs the
 * headers. */
#pragma once
#include "base/err.h"
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/kdf.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <openssl/x509_vfy.h>
#include <openssl/x509v3.h>

#define CRYPTO_SYMBOLS(X)                                                                          \
	X(ASN1_STRING_get0_data)                                                                   \
	X(ASN1_STRING_length)                                                                      \
	X(BIO_ctrl)                                                                                \
	X(BIO_free)                                                                                \
	X(BIO_new)                                                                                 \
	X(BIO_new_mem_buf)                                                                         \
	X(BIO_s_mem)                                                                               \
	X(CRYPTO_free)                                                                             \
	X(ERR_clear_error)                                                                         \
	X(EVP_DigestSign)                                                                          \
	X(EVP_DigestSignInit)                                                                      \
	X(EVP_DigestVerify)                                                                        \
	X(EVP_DigestVerifyInit)                                                                    \
	X(EVP_MD_CTX_free)                                                                         \
	X(EVP_MD_CTX_new)                                                                          \
	X(EVP_PBE_scrypt)                                                                          \
	X(EVP_PKEY_free)                                                                           \
	X(EVP_PKEY_get_base_id)                                                                    \
	X(EVP_PKEY_get_bits)                                                                       \
	X(EVP_Q_mac)                                                                               \
	X(EVP_sha256)                                                                              \
	X(GENERAL_NAMES_free)                                                                      \
	X(OBJ_txt2obj)                                                                             \
	X(ASN1_OBJECT_free)                                                                        \
	X(OPENSSL_sk_new_null)                                                                     \
	X(OPENSSL_sk_num)                                                                          \
	X(OPENSSL_sk_pop_free)                                                                     \
	X(OPENSSL_sk_push)                                                                         \
	X(OPENSSL_sk_value)                                                                        \
	X(PEM_read_bio_PUBKEY)                                                                     \
	X(PEM_read_bio_PrivateKey)                                                                 \
	X(PEM_read_bio_X509)                                                                       \
	X(PEM_write_bio_PUBKEY)                                                                    \
	X(X509_STORE_CTX_free)                                                                     \
	X(X509_STORE_CTX_get0_param)                                                               \
	X(X509_STORE_CTX_get_error)                                                                \
	X(X509_STORE_CTX_init)                                                                     \
	X(X509_STORE_CTX_new)                                                                      \
	X(X509_STORE_add_cert)                                                                     \
	X(X509_STORE_free)                                                                         \
	X(X509_STORE_new)                                                                          \
	X(X509_VERIFY_PARAM_set_time)                                                              \
	X(X509_check_host)                                                                         \
	X(X509_free)                                                                               \
	X(X509_get_ext)                                                                            \
	X(X509_get_ext_by_OBJ)                                                                     \
	X(X509_get_ext_d2i)                                                                        \
	X(X509_get_extended_key_usage)                                                             \
	X(X509_get_pubkey)                                                                         \
	X(X509_EXTENSION_get_data)                                                                 \
	X(X509_verify_cert)                                                                        \
	X(X509_verify_cert_error_string)                                                           \
	X(d2i_AutoPrivateKey)                                                                      \
	X(d2i_X509)                                                                                \
	X(i2d_PUBKEY)                                                                              \
	X(i2d_X509)

struct crypto_api {
#define CRYPTO_MEMBER(name) __typeof__(&(name)) name;
	CRYPTO_SYMBOLS(CRYPTO_MEMBER)
#undef CRYPTO_MEMBER
};

/* NULL: E_UNSUPPORTED names the package to install. */
const struct crypto_api *crypto_api(struct err *err);
