#include "image/trust/rekor.h"
#include "base/num.h"
#include "base/xalloc.h"
#include "codec/base64.h"
#include "codec/digest.h"
#include "codec/json.h"
#include <ctype.h>

#define PROOF_MAX 64 /* hashes: enough for any log */

void rekor_keys_done(struct rekor_keys *k)
{
	for (size_t i = 0; i < k->n; i++)
		key_free(k->items[i]);
	free(k->items);
	*k = (struct rekor_keys){ 0 };
}

/* Whether one of the log's keys signed it. */
static int verify_by_any(const struct rekor_keys *keys, const struct strbuf *signature,
                         const void *data, size_t len, const char *what, struct err *err)
{
	for (size_t i = 0; i < keys->n; i++)
		if (key_verify(keys->items[i], signature->buf, signature->len, data, len,
		               ERR_IGNORE) == 0)
			return 0;
	return err_set(err, E_AUTH, "transparency log: %s is not signed by the log", what);
}

/* --- the body of an entry --- */

static int get_base64(const struct json *at, const char *key, struct strbuf *ret, struct err *err)
{
	const char *text = NULL;

	if (json_get_str(at, key, &text, err) < 0)
		return -1;
	if (!text || base64_decode(text, strlen(text), ret) < 0)
		return json_error(err, at, "%s is missing or no base64", key);
	return 0;
}

static int same_bytes(const struct strbuf *a, const struct strbuf *b, const char *what,
                      struct err *err)
{
	if (a->len == b->len && memcmp(a->buf, b->buf, a->len) == 0)
		return 0;
	return err_set(err, E_AUTH, "transparency log: the entry is about another %s", what);
}

static int check_hash(const struct json *parent, const char *key, const void *data, size_t len,
                      struct err *err)
{
	const char *algorithm = NULL, *value = NULL;
	struct digest have;
	struct json hash;

	if (json_require(parent, key, &hash, err) < 0 ||
	    json_expect(&hash, json_type_object, err) < 0 ||
	    json_get_str(&hash, "algorithm", &algorithm, err) < 0 ||
	    json_get_str(&hash, "value", &value, err) < 0)
		return -1;
	if (!algorithm || strcmp(algorithm, "sha256") != 0)
		return json_error(err, &hash, "algorithm is not sha256");
	digest_of(DIGEST_SHA256, data, len, &have);
	if (!value || strcasecmp(value, digest_hex(&have).s) != 0)
		return err_set(err, E_AUTH, "transparency log: the entry is about other data");
	return 0;
}

/* The DER in a PEM in base64. */
static int check_key(const struct json *at, const char *key, const struct strbuf *want,
                     struct err *err)
{
	AUTO_BUF pem = STRBUF_INIT;
	AUTO_BUF der = STRBUF_INIT;

	if (get_base64(at, key, &pem, err) < 0)
		return -1;
	if (pem_decode(pem.buf, pem.len, &der) < 0)
		return json_error(err, at, "%s is no PEM", key);
	return same_bytes(&der, want, "key or certificate", err);
}

static int check_hashedrekord(const struct json *spec, const struct rekor_subject *subject,
                              struct err *err)
{
	AUTO_BUF signature = STRBUF_INIT;
	struct json data, sig, key;

	if (json_require(spec, "data", &data, err) < 0 ||
	    json_expect(&data, json_type_object, err) < 0 ||
	    check_hash(&data, "hash", subject->data, subject->len, err) < 0 ||
	    json_require(spec, "signature", &sig, err) < 0 ||
	    json_expect(&sig, json_type_object, err) < 0 ||
	    get_base64(&sig, "content", &signature, err) < 0 ||
	    same_bytes(&signature, subject->signature, "signature", err) < 0 ||
	    json_require(&sig, "publicKey", &key, err) < 0 ||
	    json_expect(&key, json_type_object, err) < 0)
		return -1;
	return check_key(&key, "content", subject->key_der, err);
}

/* A DSSE envelope: subject->data is its payload here. */
static int check_dsse(const struct json *spec, const struct rekor_subject *subject, struct err *err)
{
	AUTO_BUF signature = STRBUF_INIT;
	struct json list, item;

	if (check_hash(spec, "payloadHash", subject->data, subject->len, err) < 0 ||
	    json_require(spec, "signatures", &list, err) < 0 ||
	    json_expect(&list, json_type_array, err) < 0)
		return -1;
	if (json_len(&list) != 1)
		return json_error(err, &list, "expected one signature");
	item = json_item(&list, 0);
	if (json_expect(&item, json_type_object, err) < 0 ||
	    get_base64(&item, "signature", &signature, err) < 0 ||
	    same_bytes(&signature, subject->signature, "signature", err) < 0)
		return -1;
	return check_key(&item, "verifier", subject->key_der, err);
}

int rekor_check_body(const char *body, size_t len, const struct rekor_subject *subject,
                     struct err *err)
{
	const char *kind = NULL, *version = NULL;
	AUTO_JSON *obj = NULL;
	struct json root, spec;

	if (json_parse("transparency log: body", body, len, &obj, err) < 0)
		return -1;
	root = json_root(obj, "transparency log: body");
	if (json_expect(&root, json_type_object, err) < 0 ||
	    json_get_str(&root, "kind", &kind, err) < 0 ||
	    json_get_str(&root, "apiVersion", &version, err) < 0 ||
	    json_require(&root, "spec", &spec, err) < 0 ||
	    json_expect(&spec, json_type_object, err) < 0)
		return -1;
	if (!kind || !version || strcmp(version, "0.0.1") != 0)
		return json_error(err, &root, "version '%.50s' is not supported",
		                  version ? version : "");
	if (strcmp(kind, "hashedrekord") == 0)
		return check_hashedrekord(&spec, subject, err);
	if (strcmp(kind, "dsse") == 0)
		return check_dsse(&spec, subject, err);
	return json_error(err, &root, "kind '%.50s' is not supported", kind);
}

/* --- the signed entry timestamp --- */

/* What the log signed, in the canonical form of RFC 8785. The texts are checked to need no escapes.
 */
static int set_text(const char *body, int64_t time_s, const char *log_id, int64_t index,
                    struct strbuf *ret, struct err *err)
{
	for (const char *c = body; *c; c++)
		if (!isalnum((unsigned char)*c) && !strchr("+/=", *c))
			return err_set(err, E_INVALID, "transparency log: body is no base64");
	for (const char *c = log_id; *c; c++)
		if (!isxdigit((unsigned char)*c))
			return err_set(err, E_INVALID,
			               "transparency log: logID is not hexadecimal");
	strbuf_addf(ret,
	            "{\"body\":\"%s\",\"integratedTime\":%lld,\"logID\":\"%s\",\"logIndex\":%lld}",
	            body, (long long)time_s, log_id, (long long)index);
	return 0;
}

static int verify_promise(const struct rekor_keys *keys, const struct strbuf *signature,
                          const char *body, int64_t time_s, const char *log_id, int64_t index,
                          struct err *err)
{
	AUTO_BUF text = STRBUF_INIT;

	if (time_s <= 0 || index < 0)
		return err_set(err, E_INVALID, "transparency log: no time or no index");
	if (set_text(body, time_s, log_id, index, &text, err) < 0)
		return -1;
	return verify_by_any(keys, signature, text.buf, text.len, "the entry's timestamp", err);
}

static int check_encoded_body(const char *body, const struct rekor_subject *subject,
                              struct err *err)
{
	AUTO_BUF text = STRBUF_INIT;

	if (base64_decode(body, strlen(body), &text) < 0)
		return err_set(err, E_INVALID, "transparency log: body is no base64");
	return rekor_check_body(text.buf, text.len, subject, err);
}

int rekor_verify_set(const struct rekor_keys *keys, const char *json, size_t len,
                     const struct rekor_subject *subject, int64_t *ret_time_s, struct err *err)
{
	const char *body = NULL, *log_id = NULL;
	AUTO_BUF signature = STRBUF_INIT;
	struct json root, payload;
	AUTO_JSON *obj = NULL;
	int64_t time_s = 0, index = -1;

	if (json_parse("transparency log", json, len, &obj, err) < 0)
		return -1;
	root = json_root(obj, "transparency log");
	if (json_expect(&root, json_type_object, err) < 0 ||
	    get_base64(&root, "SignedEntryTimestamp", &signature, err) < 0 ||
	    json_require(&root, "Payload", &payload, err) < 0 ||
	    json_expect(&payload, json_type_object, err) < 0 ||
	    json_get_str(&payload, "body", &body, err) < 0 ||
	    json_get_str(&payload, "logID", &log_id, err) < 0 ||
	    json_get_i64(&payload, "integratedTime", &time_s, err) < 0 ||
	    json_get_i64(&payload, "logIndex", &index, err) < 0)
		return -1;
	/* what is not signed must not be there */
	if (!body || !log_id || json_object_object_length(root.obj) != 2 ||
	    json_object_object_length(payload.obj) != 4)
		return json_error(err, &root, "keys are missing, or do not belong there");
	if (verify_promise(keys, &signature, body, time_s, log_id, index, err) < 0 ||
	    check_encoded_body(body, subject, err) < 0)
		return -1;
	*ret_time_s = time_s;
	return 0;
}

/* --- the inclusion proof --- */

static void hash_node(const uint8_t *left, const uint8_t *right, uint8_t ret[32])
{
	uint8_t node[65] = { 1 };
	struct digest d;

	memcpy(node + 1, left, 32);
	memcpy(node + 33, right, 32);
	digest_of(DIGEST_SHA256, node, sizeof(node), &d);
	memcpy(ret, d.bytes, 32);
}

bool merkle_proves(const uint8_t leaf[32], uint64_t index, uint64_t size, const uint8_t *hashes,
                   size_t n, const uint8_t root[32])
{
	uint64_t fn = index, sn = size - 1;
	uint8_t r[32];

	if (index >= size)
		return false;
	memcpy(r, leaf, 32);
	for (size_t i = 0; i < n; i++) {
		const uint8_t *p = hashes + 32 * i;

		if (sn == 0)
			return false;
		if ((fn & 1) || fn == sn) {
			hash_node(p, r, r);
			while (!(fn & 1) && fn != 0) {
				fn >>= 1;
				sn >>= 1;
			}
		} else {
			hash_node(r, p, r);
		}
		fn >>= 1;
		sn >>= 1;
	}
	return sn == 0 && memcmp(r, root, 32) == 0;
}

/* A signed note: ORIGIN, SIZE and ROOT in lines, a blank line, and lines of signatures:
 * em dash, blank, NAME, blank, base64 of a key's hint (4 bytes) and the signature. */
static int verify_checkpoint(const struct rekor_keys *keys, const char *note, uint64_t size,
                             const char *root_base64, struct err *err)
{
	const char *blank = strstr(note, "\n\n"), *line;
	size_t body_len = blank ? (size_t)(blank - note) + 1 : 0;
	AUTO_FREE char *body = xstrndup(note, body_len);
	AUTO_STRV lines = STRV_INIT;
	uint64_t told;

	strv_split(&lines, body, '\n');
	if (!blank || lines.len < 4 || parse_u64(lines.items[1], &told) < 0 || told != size ||
	    strcmp(lines.items[2], root_base64) != 0)
		return err_set(err, E_AUTH,
		               "transparency log: the checkpoint is not about this proof");
	for (line = blank + 2; *line; line += strcspn(line, "\n"), line += *line == '\n') {
		AUTO_BUF signature = STRBUF_INIT;
		AUTO_FREE char *text = xstrndup(line, strcspn(line, "\n"));
		const char *code = strrchr(text, ' ');

		if (strncmp(text, "\xe2\x80\x94 ", 4) != 0 || !code ||
		    base64_decode(code + 1, strlen(code + 1), &signature) < 0 || signature.len < 5)
			continue;
		memmove(signature.buf, signature.buf + 4, signature.len - 4);
		strbuf_trunc(&signature, signature.len - 4);
		if (verify_by_any(keys, &signature, body, body_len, "the checkpoint", err) == 0)
			return 0;
	}
	return err_set(err, E_AUTH, "transparency log: the checkpoint is not signed by the log");
}

/* Numbers of protobuf's JSON come as strings. */
static int get_number(const struct json *at, const char *key, uint64_t *ret, struct err *err)
{
	struct json value;

	if (!json_get(at, key, &value))
		return 0;
	if (!json_object_is_type(value.obj, json_type_string))
		return json_get_u64(at, key, ret, err);
	if (parse_u64(json_object_get_string(value.obj), ret) < 0)
		return json_error(err, at, "%s is no number", key);
	return 0;
}

static int verify_proof(const struct rekor_keys *keys, const struct json *proof,
                        const struct strbuf *body, struct err *err)
{
	AUTO_BUF root = STRBUF_INIT;
	AUTO_BUF hashes = STRBUF_INIT;
	AUTO_BUF leaf = STRBUF_INIT;
	AUTO_STRV list = STRV_INIT;
	const char *note = NULL, *root_base64 = NULL;
	uint64_t index = 0, size = 0;
	struct json checkpoint;
	struct digest leaf_hash;

	if (get_number(proof, "logIndex", &index, err) < 0 ||
	    get_number(proof, "treeSize", &size, err) < 0 ||
	    get_base64(proof, "rootHash", &root, err) < 0 ||
	    json_get_str(proof, "rootHash", &root_base64, err) < 0 ||
	    json_get_strv(proof, "hashes", &list, err) < 0 ||
	    json_require(proof, "checkpoint", &checkpoint, err) < 0 ||
	    json_expect(&checkpoint, json_type_object, err) < 0 ||
	    json_get_str(&checkpoint, "envelope", &note, err) < 0)
		return -1;
	for (size_t i = 0; i < list.len; i++)
		if (base64_decode(list.items[i], strlen(list.items[i]), &hashes) < 0 ||
		    hashes.len != 32 * (i + 1) || i == PROOF_MAX)
			return json_error(err, proof, "hashes are malformed or too many");
	strbuf_addc(&leaf, '\0');
	strbuf_add(&leaf, body->buf, body->len);
	digest_of(DIGEST_SHA256, leaf.buf, leaf.len, &leaf_hash);
	if (root.len != 32 || !size ||
	    !merkle_proves(leaf_hash.bytes, index, size, (const uint8_t *)hashes.buf, list.len,
	                   (const uint8_t *)root.buf))
		return err_set(err, E_AUTH, "transparency log: the proof does not hold");
	return verify_checkpoint(keys, note ? note : "", size, root_base64, err);
}

int rekor_verify_entry(const struct rekor_keys *keys, const struct json *entry,
                       const struct rekor_subject *subject, int64_t *ret_time_s, struct err *err)
{
	const char *body64 = NULL;
	AUTO_BUF body = STRBUF_INIT;
	AUTO_BUF log_id = STRBUF_INIT;
	AUTO_BUF signature = STRBUF_INIT;
	struct json promise, proof, id;
	uint64_t index = 0, time_s = 0;
	char hex[2 * 64 + 1] = "";
	bool has_promise, has_proof;

	if (json_expect(entry, json_type_object, err) < 0 ||
	    get_number(entry, "logIndex", &index, err) < 0 ||
	    get_number(entry, "integratedTime", &time_s, err) < 0 ||
	    json_require(entry, "logId", &id, err) < 0 ||
	    json_expect(&id, json_type_object, err) < 0 ||
	    get_base64(&id, "keyId", &log_id, err) < 0 ||
	    json_get_str(entry, "canonicalizedBody", &body64, err) < 0 ||
	    get_base64(entry, "canonicalizedBody", &body, err) < 0 ||
	    json_get_object(entry, "inclusionPromise", &promise, &has_promise, err) < 0 ||
	    json_get_object(entry, "inclusionProof", &proof, &has_proof, err) < 0)
		return -1;
	if (log_id.len > 64 || index > INT64_MAX || time_s > INT64_MAX)
		return json_error(err, entry, "logId or a number is out of range");
	for (size_t i = 0; i < log_id.len; i++)
		snprintf(hex + 2 * i, 3, "%02x", (unsigned char)log_id.buf[i]);
	*ret_time_s = 0;
	if (!has_promise && !has_proof)
		return err_set(err, E_AUTH, "transparency log: neither a promise nor a proof");
	if (has_promise) {
		if (get_base64(&promise, "signedEntryTimestamp", &signature, err) < 0 ||
		    verify_promise(keys, &signature, body64, (int64_t)time_s, hex, (int64_t)index,
		                   err) < 0)
			return -1;
		*ret_time_s = (int64_t)time_s;
	}
	if (has_proof && verify_proof(keys, &proof, &body, err) < 0)
		return -1;
	return rekor_check_body(body.buf, body.len, subject, err);
}
