/* Keys: reading, verifying, signing. */
#include "image/trust/keys.h"
#include "base/xalloc.h"
#include "codec/base64.h"
#include "image/trust/crypto-dl.h"

#define RSA_MIN_BITS 2048

void key_free(struct key *k)
{
	if (!k)
		return;
	if (k->pkey)
		crypto_api(ERR_IGNORE)->EVP_PKEY_free(k->pkey);
	free(k);
}

/* Takes pkey. */
static int accept_key(const struct crypto_api *api, const char *what, EVP_PKEY *pkey,
                      struct key **ret, struct err *err)
{
	AUTO_KEY *k = xcalloc(1, sizeof(*k));
	int id;

	k->pkey = pkey;
	id = api->EVP_PKEY_get_base_id(pkey);
	if (id != EVP_PKEY_EC && id != EVP_PKEY_RSA && id != EVP_PKEY_ED25519)
		return err_set(err, E_UNSUPPORTED, "'%s': neither ECDSA, RSA nor Ed25519", what);
	if (id == EVP_PKEY_RSA && api->EVP_PKEY_get_bits(pkey) < RSA_MIN_BITS)
		return err_set(err, E_UNSUPPORTED, "'%s': an RSA key of less than %d bits", what,
		               RSA_MIN_BITS);
	*ret = TAKE_PTR(k);
	return 0;
}

static int no_passphrase(char *buf, int size, int rwflag, void *ctx)
{
	size_t len = ctx ? strlen(ctx) : 0;

	(void)rwflag;
	if (!len || len > (size_t)size)
		return -1;
	memcpy(buf, ctx, len);
	return (int)len;
}

int key_public(const char *what, const char *pem, size_t len, struct key **ret, struct err *err)
{
	const struct crypto_api *api = crypto_api(err);
	EVP_PKEY *pkey;
	BIO *bio;

	if (!api)
		return -1;
	if (len > KEY_MAX_BYTES)
		return err_set(err, E_LIMIT, "'%s': %zu bytes are no key", what, len);
	bio = api->BIO_new_mem_buf(pem, (int)len);
	pkey = api->PEM_read_bio_PUBKEY(bio, NULL, no_passphrase, NULL);
	api->BIO_free(bio);
	api->ERR_clear_error();
	if (!pkey)
		return err_set(err, E_INVALID, "'%s' is no public key in PEM", what);
	return accept_key(api, what, pkey, ret, err);
}

int pem_decode(const char *text, size_t len, struct strbuf *ret)
{
	AUTO_FREE char *copy = xstrndup(text, len);
	const char *begin = strstr(copy, "-----BEGIN "), *body, *end;

	body = begin ? strstr(begin + 11, "-----") : NULL;
	end = body ? strstr(body + 5, "-----END ") : NULL;
	if (!end)
		return -1;
	body += 5;
	return base64_decode_lines(body, (size_t)(end - body), ret);
}

static int private_der(const struct crypto_api *api, const char *what, const struct strbuf *der,
                       struct key **ret, struct err *err)
{
	const unsigned char *p = (const unsigned char *)der->buf;
	EVP_PKEY *pkey = api->d2i_AutoPrivateKey(NULL, &p, (long)der->len);

	api->ERR_clear_error();
	if (!pkey)
		return err_set(err, E_INVALID, "'%s' holds no private key", what);
	return accept_key(api, what, pkey, ret, err);
}

int key_private(const char *what, const char *pem, size_t len, const char *passphrase,
                struct key **ret, struct err *err)
{
	const struct crypto_api *api = crypto_api(err);
	EVP_PKEY *pkey;
	BIO *bio;

	if (!api)
		return -1;
	if (len > KEY_MAX_BYTES)
		return err_set(err, E_LIMIT, "'%s': %zu bytes are no key", what, len);
	if (memmem(pem, len, "ENCRYPTED SIGSTORE PRIVATE KEY", 30) ||
	    memmem(pem, len, "ENCRYPTED COSIGN PRIVATE KEY", 28)) {
		AUTO_BUF json = STRBUF_INIT;
		AUTO_BUF der = STRBUF_INIT;
		int r;

		if (pem_decode(pem, len, &json) < 0)
			return err_set(err, E_INVALID, "'%s' is no key in PEM", what);
		r = cosign_key_open(what, json.buf, json.len, passphrase ? passphrase : "", &der,
		                    err);
		if (r == 0)
			r = private_der(api, what, &der, ret, err);
		if (der.len)
			explicit_bzero(der.buf, der.len);
		return r;
	}
	bio = api->BIO_new_mem_buf(pem, (int)len);
	pkey = api->PEM_read_bio_PrivateKey(bio, NULL, no_passphrase,
	                                    (void *)(uintptr_t)passphrase);
	api->BIO_free(bio);
	api->ERR_clear_error();
	if (!pkey) {
		err_set(err, E_INVALID, "'%s' is no private key in PEM, or its passphrase is wrong",
		        what);
		return err_hint(err, "give the passphrase in COSIGN_PASSWORD or in a file");
	}
	return accept_key(api, what, pkey, ret, err);
}

void key_der(const struct key *k, struct strbuf *ret)
{
	const struct crypto_api *api = crypto_api(ERR_IGNORE);
	unsigned char *der = NULL;
	int len = api->i2d_PUBKEY(k->pkey, &der);

	if (len > 0)
		strbuf_add(ret, der, (size_t)len);
	api->CRYPTO_free(der, __FILE__, __LINE__);
}

void key_pem(const struct key *k, struct strbuf *ret)
{
	AUTO_BUF der = STRBUF_INIT;
	AUTO_FREE char *text = NULL;

	key_der(k, &der);
	text = base64_encode(der.buf, der.len);
	strbuf_adds(ret, "-----BEGIN PUBLIC KEY-----\n");
	for (size_t i = 0, len = strlen(text); i < len; i += 64)
		strbuf_addf(ret, "%.64s\n", text + i);
	strbuf_adds(ret, "-----END PUBLIC KEY-----\n");
}

bool key_is_ec(const struct key *k)
{
	return crypto_api(ERR_IGNORE)->EVP_PKEY_get_base_id(k->pkey) == EVP_PKEY_EC;
}

static const EVP_MD *hash_for(const struct crypto_api *api, const struct key *k)
{
	return api->EVP_PKEY_get_base_id(k->pkey) == EVP_PKEY_ED25519 ? NULL : api->EVP_sha256();
}

int key_verify(const struct key *k, const void *signature, size_t sig_len, const void *data,
               size_t len, struct err *err)
{
	const struct crypto_api *api = crypto_api(err);
	EVP_MD_CTX *ctx = api->EVP_MD_CTX_new();
	bool good;

	good = ctx && api->EVP_DigestVerifyInit(ctx, NULL, hash_for(api, k), NULL, k->pkey) == 1 &&
	       api->EVP_DigestVerify(ctx, signature, sig_len, data, len) == 1;
	api->EVP_MD_CTX_free(ctx);
	api->ERR_clear_error();
	return good ? 0 : err_set(err, E_AUTH, "the signature is not by this key");
}

int key_sign(const struct key *k, const void *data, size_t len, struct strbuf *ret, struct err *err)
{
	const struct crypto_api *api = crypto_api(err);
	EVP_MD_CTX *ctx = api->EVP_MD_CTX_new();
	AUTO_FREE unsigned char *out = NULL;
	size_t out_len = 0;
	bool good;

	good = ctx && api->EVP_DigestSignInit(ctx, NULL, hash_for(api, k), NULL, k->pkey) == 1 &&
	       api->EVP_DigestSign(ctx, NULL, &out_len, data, len) == 1;
	if (good) {
		out = xmalloc(out_len);
		good = api->EVP_DigestSign(ctx, out, &out_len, data, len) == 1;
	}
	api->EVP_MD_CTX_free(ctx);
	api->ERR_clear_error();
	if (!good)
		return err_set(err, E_INTERNAL, "OpenSSL cannot sign with this key");
	strbuf_add(ret, out, out_len);
	return 0;
}
