/* Certificates: chains, and the names that Fulcio and other CAs put into them. */
#include "base/xalloc.h"
#include "image/trust/crypto-dl.h"
#include "image/trust/keys.h"

#define OID_ISSUER_V1 "1.3.6.1.4.1.57264.1.1" /* the bytes are the text */
#define OID_ISSUER_V2 "1.3.6.1.4.1.57264.1.8" /* a DER UTF8String */
#define NAME_MAX_LEN  4096

void certs_done(struct certs *c)
{
	for (size_t i = 0; i < c->n; i++)
		crypto_api(ERR_IGNORE)->X509_free(c->items[i]);
	free(c->items);
	*c = CERTS_INIT;
}

int certs_pem(const char *what, const char *pem, size_t len, struct certs *ret, struct err *err)
{
	const struct crypto_api *api = crypto_api(err);
	size_t before = ret->n;
	X509 *cert;
	BIO *bio;

	if (!api)
		return -1;
	if (len > KEY_MAX_BYTES)
		return err_set(err, E_LIMIT, "'%s': %zu bytes of certificates", what, len);
	bio = api->BIO_new_mem_buf(pem, (int)len);
	while (ret->n < CERTS_MAX && (cert = api->PEM_read_bio_X509(bio, NULL, NULL, NULL)))
		VEC_PUSH(ret->items, ret->n, cert);
	api->BIO_free(bio);
	api->ERR_clear_error();
	if (ret->n == before)
		return err_set(err, E_INVALID, "'%s' holds no certificate in PEM", what);
	if (ret->n == CERTS_MAX)
		return err_set(err, E_LIMIT, "'%s': %d certificates or more", what, CERTS_MAX);
	return 0;
}

int certs_add_der(const char *what, const void *der, size_t len, struct certs *ret, struct err *err)
{
	const struct crypto_api *api = crypto_api(err);
	const unsigned char *p = der;
	X509 *cert;

	if (!api)
		return -1;
	cert = len <= KEY_MAX_BYTES ? api->d2i_X509(NULL, &p, (long)len) : NULL;
	api->ERR_clear_error();
	if (cert)
		VEC_PUSH(ret->items, ret->n, cert);
	if (!cert || p != (const unsigned char *)der + len || ret->n > CERTS_MAX)
		return err_set(err, E_INVALID, "%s is no certificate in DER", what);
	return 0;
}

static void nothing(void *p)
{
	(void)p;
}

int cert_verify(const struct certs *roots, const struct certs *intermediates, struct x509_st *leaf,
                int64_t at_s, struct err *err)
{
	const struct crypto_api *api = crypto_api(err);
	X509_STORE *store = api->X509_STORE_new();
	X509_STORE_CTX *ctx = api->X509_STORE_CTX_new();
	OPENSSL_STACK *chain = api->OPENSSL_sk_new_null();
	int why = X509_V_ERR_UNSPECIFIED;
	bool good = store && ctx && chain;

	for (size_t i = 0; good && i < roots->n; i++)
		good = api->X509_STORE_add_cert(store, roots->items[i]) == 1;
	for (size_t i = 0; good && i < intermediates->n; i++)
		good = api->OPENSSL_sk_push(chain, intermediates->items[i]) > 0;
	if (good)
		good = api->X509_STORE_CTX_init(ctx, store, leaf,
		                                (STACK_OF(X509) *)(void *)chain) == 1;
	if (good) {
		if (at_s)
			api->X509_VERIFY_PARAM_set_time(api->X509_STORE_CTX_get0_param(ctx), at_s);
		good = api->X509_verify_cert(ctx) == 1;
		why = api->X509_STORE_CTX_get_error(ctx);
	}
	api->X509_STORE_CTX_free(ctx);
	api->X509_STORE_free(store);
	api->OPENSSL_sk_pop_free(chain, nothing);
	api->ERR_clear_error();
	if (!good)
		return err_set(err, E_AUTH, "the certificate does not lead to a trusted CA: %s",
		               api->X509_verify_cert_error_string(why));
	if (!(api->X509_get_extended_key_usage(leaf) & XKU_CODE_SIGN))
		return err_set(err, E_AUTH, "the certificate is not one for code signing");
	return 0;
}

struct key *cert_key(struct x509_st *cert, struct err *err)
{
	struct key *k = xcalloc(1, sizeof(*k));

	k->pkey = crypto_api(err)->X509_get_pubkey(cert);
	if (k->pkey)
		return k;
	free(k);
	err_set(err, E_INVALID, "the certificate holds no usable key");
	return NULL;
}

void cert_der(struct x509_st *cert, struct strbuf *ret)
{
	const struct crypto_api *api = crypto_api(ERR_IGNORE);
	unsigned char *der = NULL;
	int len = api->i2d_X509(cert, &der);

	if (len > 0)
		strbuf_add(ret, der, (size_t)len);
	api->CRYPTO_free(der, __FILE__, __LINE__);
}

/* Text of an ASN.1 string. A NUL in it would make it read as another name. */
static void add_name(const struct crypto_api *api, const ASN1_STRING *s, struct strv *ret)
{
	const char *text = (const char *)api->ASN1_STRING_get0_data(s);
	int len = api->ASN1_STRING_length(s);

	if (len > 0 && len < NAME_MAX_LEN && !memchr(text, '\0', (size_t)len))
		strv_add_owned(ret, xstrndup(text, (size_t)len));
}

void cert_names(struct x509_st *cert, struct strv *ret_emails, struct strv *ret_uris)
{
	const struct crypto_api *api = crypto_api(ERR_IGNORE);
	OPENSSL_STACK *names = api->X509_get_ext_d2i(cert, NID_subject_alt_name, NULL, NULL);

	api->ERR_clear_error();
	for (int i = 0; names && i < api->OPENSSL_sk_num(names); i++) {
		const GENERAL_NAME *name = api->OPENSSL_sk_value(names, i);

		if (name->type == GEN_EMAIL)
			add_name(api, name->d.rfc822Name, ret_emails);
		else if (name->type == GEN_URI)
			add_name(api, name->d.uniformResourceIdentifier, ret_uris);
	}
	if (names)
		api->GENERAL_NAMES_free((GENERAL_NAMES *)(void *)names);
}

bool cert_has_host(struct x509_st *cert, const char *host)
{
	return crypto_api(ERR_IGNORE)
	               ->X509_check_host(cert, host, 0, X509_CHECK_FLAG_NEVER_CHECK_SUBJECT,
	                                 NULL) == 1;
}

/* The bytes of an extension that is there once: 1; 0: absent. */
static int get_extension(const struct crypto_api *api, X509 *cert, const char *oid,
                         const unsigned char **ret, size_t *ret_len, struct err *err)
{
	ASN1_OBJECT *obj = api->OBJ_txt2obj(oid, 1);
	int at = api->X509_get_ext_by_OBJ(cert, obj, -1);
	int again = at < 0 ? -1 : api->X509_get_ext_by_OBJ(cert, obj, at);
	const ASN1_OCTET_STRING *data;

	api->ASN1_OBJECT_free(obj);
	api->ERR_clear_error();
	if (at < 0)
		return 0;
	if (again >= 0)
		return err_set(err, E_AUTH, "the certificate names its issuer twice");
	data = api->X509_EXTENSION_get_data(api->X509_get_ext(cert, at));
	*ret = api->ASN1_STRING_get0_data(data);
	*ret_len = (size_t)api->ASN1_STRING_length(data);
	return 1;
}

/* A DER UTF8String and nothing else (X.690: tag 12, a definite length). */
static int utf8_string(const unsigned char *p, size_t len, const unsigned char **ret,
                       size_t *ret_len)
{
	size_t n, head = 2;

	if (len < 2 || p[0] != 0x0c)
		return -1;
	n = p[1];
	if (n == 0x81 && len > 2 && p[2] >= 0x80) {
		n = p[2];
		head = 3;
	} else if (n == 0x82 && len > 3 && p[2]) {
		n = (size_t)p[2] << 8 | p[3];
		head = 4;
	} else if (n >= 0x80) {
		return -1;
	}
	if (head + n != len)
		return -1;
	*ret = p + head;
	*ret_len = n;
	return 0;
}

int cert_issuer(struct x509_st *cert, char **ret, struct err *err)
{
	const struct crypto_api *api = crypto_api(err);
	const unsigned char *v1 = NULL, *v2 = NULL;
	size_t v1_len = 0, v2_len = 0;
	int has_v1 = get_extension(api, cert, OID_ISSUER_V1, &v1, &v1_len, err);
	int has_v2 = has_v1 < 0 ? -1 : get_extension(api, cert, OID_ISSUER_V2, &v2, &v2_len, err);

	if (has_v2 < 0)
		return -1;
	if (has_v2 && utf8_string(v2, v2_len, &v2, &v2_len) < 0)
		return err_set(err, E_AUTH, "the certificate's issuer extension is malformed");
	if (!has_v1 && !has_v2)
		return err_set(err, E_AUTH,
		               "the certificate does not say who vouched for its subject");
	if (has_v1 && has_v2 && (v1_len != v2_len || memcmp(v1, v2, v1_len) != 0))
		return err_set(err, E_AUTH, "the certificate's two issuers differ");
	if (!has_v2) {
		v2 = v1;
		v2_len = v1_len;
	}
	if (memchr(v2, '\0', v2_len))
		return err_set(err, E_AUTH, "the certificate's issuer extension is malformed");
	*ret = xstrndup((const char *)v2, v2_len);
	return 0;
}
