/* Sigstore bundles, version 0.3: a signature with what is needed to verify it, as JSON. */
#include "base/xalloc.h"
#include "codec/base64.h"
#include "codec/json.h"
#include "image/trust/evaluate.h"

#define SIGN_PREDICATE "https://sigstore.dev/cosign/sign/v1"
#define SUBJECTS_MAX   1024

void bundle_done(struct bundle *b)
{
	if (b->obj)
		json_object_put(b->obj);
	free(b->payload_type);
	strbuf_done(&b->payload);
	strbuf_done(&b->signed_text);
	strbuf_done(&b->signature);
	strbuf_done(&b->cert_der);
	*b = BUNDLE_INIT;
}

static int get_base64(const struct json *at, const char *key, struct strbuf *ret, struct err *err)
{
	const char *text = NULL;

	if (json_get_str(at, key, &text, err) < 0)
		return -1;
	if (!text || base64_decode(text, strlen(text), ret) < 0 || !ret->len)
		return json_error(err, at, "%s is missing or no base64", key);
	return 0;
}

void dsse_text(const char *type, const void *payload, size_t len, struct strbuf *ret)
{
	strbuf_addf(ret, "DSSEv1 %zu %s %zu ", strlen(type), type, len);
	strbuf_add(ret, payload, len);
}

static int parse_dsse(const struct json *at, struct bundle *b, struct err *err)
{
	const char *type = NULL;
	struct json list, item;

	if (get_base64(at, "payload", &b->payload, err) < 0 ||
	    json_get_str(at, "payloadType", &type, err) < 0 ||
	    json_require(at, "signatures", &list, err) < 0 ||
	    json_expect(&list, json_type_array, err) < 0)
		return -1;
	if (!type || json_len(&list) != 1)
		return json_error(err, at, "expected a payloadType and one signature");
	item = json_item(&list, 0);
	if (json_expect(&item, json_type_object, err) < 0 ||
	    get_base64(&item, "sig", &b->signature, err) < 0)
		return -1;
	b->is_dsse = true;
	b->payload_type = xstrdup(type);
	dsse_text(type, b->payload.buf, b->payload.len, &b->signed_text);
	return 0;
}

static int parse_message(const struct json *at, struct bundle *b, struct err *err)
{
	const char *algorithm = NULL;
	AUTO_BUF bytes = STRBUF_INIT;
	struct json digest;

	if (get_base64(at, "signature", &b->signature, err) < 0 ||
	    json_require(at, "messageDigest", &digest, err) < 0 ||
	    json_expect(&digest, json_type_object, err) < 0 ||
	    json_get_str(&digest, "algorithm", &algorithm, err) < 0 ||
	    get_base64(&digest, "digest", &bytes, err) < 0)
		return -1;
	if (!algorithm || strcmp(algorithm, "SHA2_256") != 0 || bytes.len != 32)
		return json_error(err, &digest, "not a SHA2_256 digest");
	b->message = (struct digest){ .alg = DIGEST_SHA256, .len = 32 };
	memcpy(b->message.bytes, bytes.buf, 32);
	return 0;
}

static int parse_material(const struct json *at, struct bundle *b, struct err *err)
{
	struct json key, cert, chain, list;
	bool has_key, has_cert, has_chain;

	if (json_get_object(at, "publicKey", &key, &has_key, err) < 0 ||
	    json_get_object(at, "certificate", &cert, &has_cert, err) < 0 ||
	    json_get_object(at, "x509CertificateChain", &chain, &has_chain, err) < 0)
		return -1;
	if (has_key + has_cert + has_chain != 1)
		return json_error(err, at, "expected one of publicKey and certificate");
	if (has_chain) {
		if (json_require(&chain, "certificates", &list, err) < 0 ||
		    json_expect(&list, json_type_array, err) < 0)
			return -1;
		if (!json_len(&list))
			return json_error(err, &list, "no certificates");
		cert = json_item(&list, 0);
	}
	if (has_key)
		return 0;
	return json_expect(&cert, json_type_object, err) < 0
	               ? -1
	               : get_base64(&cert, "rawBytes", &b->cert_der, err);
}

int bundle_parse(const char *json, size_t len, struct bundle *ret, struct err *err)
{
	AUTO_BUNDLE b = BUNDLE_INIT;
	const char *type = NULL;
	struct json root, material, dsse, message;
	bool has_dsse, has_message;

	if (json_parse("bundle", json, len, &b.obj, err) < 0)
		return -1;
	root = json_root(b.obj, "bundle");
	if (json_expect(&root, json_type_object, err) < 0 ||
	    json_get_str(&root, "mediaType", &type, err) < 0)
		return -1;
	if (!type || (strcmp(type, MEDIA_BUNDLE) != 0 &&
	              strcmp(type, "application/vnd.dev.sigstore.bundle+json;version=0.3") != 0))
		return json_error(err, &root, "mediaType '%.100s' is not supported",
		                  type ? type : "");
	if (json_require(&root, "verificationMaterial", &material, err) < 0 ||
	    json_expect(&material, json_type_object, err) < 0 ||
	    parse_material(&material, &b, err) < 0 ||
	    json_get_object(&root, "dsseEnvelope", &dsse, &has_dsse, err) < 0 ||
	    json_get_object(&root, "messageSignature", &message, &has_message, err) < 0)
		return -1;
	if (has_dsse == has_message)
		return json_error(err, &root, "expected one of dsseEnvelope and messageSignature");
	if ((has_dsse ? parse_dsse(&dsse, &b, err) : parse_message(&message, &b, err)) < 0)
		return -1;
	*ret = b;
	b = BUNDLE_INIT;
	return 0;
}

static const struct trust_document *find_document(const struct trust_subject *subject,
                                                  const struct digest *d)
{
	for (size_t i = 0; i < subject->n_documents; i++)
		if (digest_equal(&subject->documents[i].digest, d))
			return &subject->documents[i];
	return NULL;
}

/* An in-toto statement that says no more than: this image is signed. */
static int statement_about(const struct bundle *b, const struct trust_subject *subject,
                           const struct trust_document **ret, struct err *err)
{
	const char *type = NULL, *predicate = NULL;
	struct json root, list;
	AUTO_JSON *obj = NULL;

	if (strcmp(b->payload_type, STATEMENT_TYPE) != 0)
		return err_set(err, E_UNSUPPORTED, "bundle: payload of type '%.100s'",
		               b->payload_type);
	if (json_parse("statement", b->payload.buf, b->payload.len, &obj, err) < 0)
		return -1;
	root = json_root(obj, "statement");
	if (json_expect(&root, json_type_object, err) < 0 ||
	    json_get_str(&root, "_type", &type, err) < 0 ||
	    json_get_str(&root, "predicateType", &predicate, err) < 0 ||
	    json_require(&root, "subject", &list, err) < 0 ||
	    json_expect(&list, json_type_array, err) < 0)
		return -1;
	if (!type || strncmp(type, "https://in-toto.io/Statement/", 29) != 0)
		return json_error(err, &root, "no in-toto statement");
	/* an attestation that something was scanned is no signature by who signs releases */
	if (!predicate || strcmp(predicate, SIGN_PREDICATE) != 0)
		return json_error(err, &root, "an attestation ('%.100s') and no signature",
		                  predicate ? predicate : "");
	for (size_t i = 0; i < json_len(&list) && i < SUBJECTS_MAX; i++) {
		struct json item = json_item(&list, i), digests;
		const char *hex = NULL;
		struct digest d;

		if (json_expect(&item, json_type_object, err) < 0 ||
		    json_require(&item, "digest", &digests, err) < 0 ||
		    json_expect(&digests, json_type_object, err) < 0 ||
		    json_get_str(&digests, "sha256", &hex, err) < 0)
			return -1;
		if (hex && digest_parse_hex(hex, &d, ERR_IGNORE) == 0) {
			*ret = find_document(subject, &d);
			if (*ret)
				return 0;
		}
	}
	return err_set(err, E_AUTH, "bundle: it is about another image");
}

int bundle_about(const struct bundle *b, const struct trust_subject *subject,
                 const struct trust_document **ret, struct err *err)
{
	if (b->is_dsse)
		return statement_about(b, subject, ret, err);
	*ret = find_document(subject, &b->message);
	return *ret ? 0 : err_set(err, E_AUTH, "bundle: it is about another image");
}

char *statement_format(const struct digest *digest)
{
	AUTO_JSON *obj = json_object_new_object();
	struct json_object *subject, *item = json_object_new_object();

	json_add_str(obj, "_type", "https://in-toto.io/Statement/v1");
	subject = json_add_array(obj, "subject");
	json_add_str(json_add_object(item, "digest"), "sha256", digest_hex(digest).s);
	json_object_array_add(subject, item);
	json_add_str(obj, "predicateType", SIGN_PREDICATE);
	json_add_object(obj, "predicate");
	return xstrdup(json_text(obj, false));
}

char *bundle_format(const char *statement, const struct strbuf *signature, const char *hint)
{
	AUTO_FREE char *payload = base64_encode(statement, strlen(statement));
	AUTO_FREE char *sig = base64_encode(signature->buf, signature->len);
	AUTO_JSON *obj = json_object_new_object();
	struct json_object *material, *dsse, *item = json_object_new_object();

	json_add_str(obj, "mediaType", MEDIA_BUNDLE);
	material = json_add_object(obj, "verificationMaterial");
	json_add_str(json_add_object(material, "publicKey"), "hint", hint);
	dsse = json_add_object(obj, "dsseEnvelope");
	json_add_str(dsse, "payload", payload);
	json_add_str(dsse, "payloadType", STATEMENT_TYPE);
	json_add_str(item, "sig", sig);
	json_object_array_add(json_add_array(dsse, "signatures"), item);
	return xstrdup(json_text(obj, false));
}
