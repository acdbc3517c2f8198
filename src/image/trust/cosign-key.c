/* cosign's private key files: PKCS#8 in a NaCl secretbox (XSalsa20 and Poly1305), under a key made
 * of the passphrase by scrypt. The JSON in the PEM names the parameters.
 *
 * OpenSSL has scrypt and Poly1305 but no Salsa20, so that is here (D. J. Bernstein, "Extending the
 * Salsa20 nonce"). */
#include "codec/base64.h"
#include "codec/json.h"
#include "image/trust/crypto-dl.h"
#include "image/trust/keys.h"

#define BOX_MAC   16
#define BOX_NONCE 24
#define BOX_KEY   32
/* cosign writes N=32768 or 65536, r=8, p=1; what costs more memory or time is refused */
#define SCRYPT_N_MAX   (1u << 20)
#define SCRYPT_MEM_MAX ((uint64_t)1200 << 20)

static uint32_t load32(const uint8_t *p)
{
	return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

static void store32(uint8_t *p, uint32_t v)
{
	for (int i = 0; i < 4; i++)
		p[i] = (uint8_t)(v >> 8 * i);
}

static uint32_t rotate(uint32_t v, int by)
{
	return v << by | v >> (32 - by);
}

static void quarter(uint32_t *a, uint32_t *b, uint32_t *c, uint32_t *d)
{
	*b ^= rotate(*a + *d, 7);
	*c ^= rotate(*b + *a, 9);
	*d ^= rotate(*c + *b, 13);
	*a ^= rotate(*d + *c, 18);
}

/* Twenty rounds over the state of a key and 16 bytes of input; *start keeps the state before them.
 */
static void rounds(uint32_t x[16], uint32_t start[16], const uint8_t *key, const uint8_t *input)
{
	static const uint8_t sigma[] = "expand 32-byte k";

	for (int i = 0; i < 4; i++) {
		start[5 * i] = load32(sigma + 4 * i);
		start[1 + i] = load32(key + 4 * i);
		start[6 + i] = load32(input + 4 * i);
		start[11 + i] = load32(key + 16 + 4 * i);
	}
	memcpy(x, start, 16 * sizeof(*x));
	for (int i = 0; i < 10; i++) {
		quarter(&x[0], &x[4], &x[8], &x[12]);
		quarter(&x[5], &x[9], &x[13], &x[1]);
		quarter(&x[10], &x[14], &x[2], &x[6]);
		quarter(&x[15], &x[3], &x[7], &x[11]);
		quarter(&x[0], &x[1], &x[2], &x[3]);
		quarter(&x[5], &x[6], &x[7], &x[4]);
		quarter(&x[10], &x[11], &x[8], &x[9]);
		quarter(&x[15], &x[12], &x[13], &x[14]);
	}
}

/* HSalsa20: a key for the last eight bytes of a long nonce, of the first sixteen. */
static void derive(uint8_t out[BOX_KEY], const uint8_t *key, const uint8_t *nonce)
{
	static const int words[] = { 0, 5, 10, 15, 6, 7, 8, 9 };
	uint32_t x[16], start[16];

	rounds(x, start, key, nonce);
	for (int i = 0; i < 8; i++)
		store32(out + 4 * i, x[words[i]]);
}

static void block(uint8_t out[64], const uint8_t *key, const uint8_t *nonce, uint64_t counter)
{
	uint32_t x[16], start[16];
	uint8_t input[16];

	memcpy(input, nonce, 8);
	store32(input + 8, (uint32_t)counter);
	store32(input + 12, (uint32_t)(counter >> 32));
	rounds(x, start, key, input);
	for (int i = 0; i < 16; i++)
		store32(out + 4 * i, x[i] + start[i]);
}

/* box: 16 bytes of MAC, then the text. Return -1 when the MAC is wrong. */
static int open_box(const struct crypto_api *api, const uint8_t *key, const uint8_t *nonce,
                    const uint8_t *box, size_t len, struct strbuf *ret)
{
	uint8_t sub[BOX_KEY], stream[64], mac[BOX_MAC], diff = 0;
	const uint8_t *text = box + BOX_MAC;
	size_t mac_len = 0;

	derive(sub, key, nonce);
	block(stream, sub, nonce + 16, 0);
	if (!api->EVP_Q_mac(NULL, "POLY1305", NULL, NULL, NULL, stream, 32, text, len - BOX_MAC,
	                    mac, sizeof(mac), &mac_len) ||
	    mac_len != sizeof(mac))
		return -1;
	for (size_t i = 0; i < sizeof(mac); i++)
		diff |= mac[i] ^ box[i];
	if (diff)
		return -1;
	for (size_t i = 0, at = 32; i < len - BOX_MAC; i++, at++) {
		if (at % 64 == 0)
			block(stream, sub, nonce + 16, at / 64);
		strbuf_addc(ret, (char)(text[i] ^ stream[at % 64]));
	}
	explicit_bzero(sub, sizeof(sub));
	explicit_bzero(stream, sizeof(stream));
	return 0;
}

static int get_bytes(const struct json *at, const char *key, struct strbuf *ret, struct err *err)
{
	const char *text = NULL;

	if (json_get_str(at, key, &text, err) < 0)
		return -1;
	if (!text || base64_decode(text, strlen(text), ret) < 0)
		return json_error(err, at, "%s is missing or no base64", key);
	return 0;
}

static int check_name(const struct json *at, const char *want, struct err *err)
{
	const char *name = NULL;

	if (json_get_str(at, "name", &name, err) < 0)
		return -1;
	if (!name || strcmp(name, want) != 0)
		return json_error(err, at, "'%.100s' instead of %s", name ? name : "", want);
	return 0;
}

int cosign_key_open(const char *what, const char *json, size_t len, const char *passphrase,
                    struct strbuf *ret, struct err *err)
{
	const struct crypto_api *api = crypto_api(err);
	AUTO_BUF salt = STRBUF_INIT;
	AUTO_BUF nonce = STRBUF_INIT;
	AUTO_BUF box = STRBUF_INIT;
	struct json root, kdf, cipher, params;
	AUTO_JSON *obj = NULL;
	uint64_t n = 0, r = 0, p = 0;
	uint8_t key[BOX_KEY];
	int result;

	if (!api || json_parse(what, json, len, &obj, err) < 0)
		return -1;
	root = json_root(obj, what);
	if (json_expect(&root, json_type_object, err) < 0 ||
	    json_require(&root, "kdf", &kdf, err) < 0 || check_name(&kdf, "scrypt", err) < 0 ||
	    json_require(&kdf, "params", &params, err) < 0 ||
	    json_get_u64(&params, "N", &n, err) < 0 || json_get_u64(&params, "r", &r, err) < 0 ||
	    json_get_u64(&params, "p", &p, err) < 0 || get_bytes(&kdf, "salt", &salt, err) < 0 ||
	    json_require(&root, "cipher", &cipher, err) < 0 ||
	    check_name(&cipher, "nacl/secretbox", err) < 0 ||
	    get_bytes(&cipher, "nonce", &nonce, err) < 0 ||
	    get_bytes(&root, "ciphertext", &box, err) < 0)
		return -1;
	if (nonce.len != BOX_NONCE || box.len <= BOX_MAC || n > SCRYPT_N_MAX || r > 64 || p > 64)
		return json_error(err, &root, "parameters out of bounds");
	if (api->EVP_PBE_scrypt(passphrase, strlen(passphrase), (const uint8_t *)salt.buf, salt.len,
	                        n, r, p, SCRYPT_MEM_MAX, key, sizeof(key)) != 1) {
		api->ERR_clear_error();
		return json_error(err, &root, "scrypt's parameters are no good");
	}
	result = open_box(api, key, (const uint8_t *)nonce.buf, (const uint8_t *)box.buf, box.len,
	                  ret);
	explicit_bzero(key, sizeof(key));
	if (result < 0) {
		err_set(err, E_AUTH, "'%s': the passphrase is wrong, or the file is damaged", what);
		return err_hint(err, "give it in COSIGN_PASSWORD or in a file");
	}
	return 0;
}
