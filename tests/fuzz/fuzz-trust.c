/* What the judging of signatures reads: policies, payloads, signatures, bundles, entries of logs,
 * keys and certificates. The first byte chooses. */
#include <stdlib.h>

#include "base/xalloc.h"
#include "codec/json.h"
#include "fuzz.h"
#include "image/trust/evaluate.h"
#include "image/trust/gpg.h"
#include "image/trust/rekor.h"

static void policy(const char *text, size_t len)
{
	AUTO_POLICY p = POLICY_INIT;
	AUTO_REF ref = IMAGE_REF_INIT;
	struct err err;

	if (policy_parse("input", text, len, &p, &err) < 0 ||
	    image_ref_parse("a.example.com:5000/b/c:d", &ref, &err) < 0)
		return;
	if (!policy_for_ref(&p, &ref)->n || !policy_for_path(&p, "dir", "/a/b")->n)
		abort();
	for (size_t i = 0; i < p.n_scopes; i++)
		for (size_t k = 0; k < p.scopes[i].reqs.n; k++)
			identity_matches(&p.scopes[i].reqs.items[k].identity, &ref,
			                 "a.example.com:5000/b/c:d");
}

/* What is written must read back as the same. */
static void signature(const char *text, size_t len)
{
	struct signature s = { 0 }, again = { 0 };
	AUTO_BUF once = STRBUF_INIT;
	AUTO_BUF twice = STRBUF_INIT;
	struct err err;

	if (signature_parse("input", text, len, &s, &err) < 0)
		return;
	signature_format(&s, &once);
	if (signature_parse("again", once.buf, once.len, &again, &err) < 0)
		abort();
	signature_format(&again, &twice);
	if (once.len != twice.len || memcmp(once.buf, twice.buf, once.len) != 0)
		abort();
	signature_done(&s);
	signature_done(&again);
}

static void payload(const char *text, size_t len)
{
	for (int kind = PAYLOAD_ATOMIC; kind <= PAYLOAD_COSIGN; kind++) {
		AUTO_PAYLOAD p = { 0 };
		struct err err;

		if (payload_parse((enum payload_kind)kind, text, len, &p, &err) == 0 &&
		    !p.reference)
			abort();
	}
}

static void bundle(const char *text, size_t len)
{
	struct trust_document doc = { .digest = { .alg = DIGEST_SHA256, .len = 32 } };
	struct trust_subject subject = { .what = "x", .documents = &doc, .n_documents = 1 };
	const struct trust_document *about = NULL;
	AUTO_BUNDLE b = BUNDLE_INIT;
	struct err err;

	if (bundle_parse(text, len, &b, &err) == 0)
		bundle_about(&b, &subject, &about, &err);
}

static void rekor(const char *text, size_t len)
{
	AUTO_BUF some = STRBUF_INIT;
	struct rekor_subject subject = {
		.key_der = &some, .signature = &some, .data = "", .len = 0
	};
	struct rekor_keys none = { 0 };
	AUTO_JSON *obj = NULL;
	struct json root;
	int64_t time_s;
	struct err err;

	rekor_check_body(text, len, &subject, &err);
	rekor_verify_set(&none, text, len, &subject, &time_s, &err);
	if (json_parse("input", text, len, &obj, &err) < 0)
		return;
	root = json_root(obj, "input");
	/* no log has signed anything */
	if (rekor_verify_entry(&none, &root, &subject, &time_s, &err) == 0)
		abort();
}

static void keys(const char *text, size_t len)
{
	AUTO_BUF out = STRBUF_INIT;
	AUTO_CERTS certs = CERTS_INIT;
	AUTO_STRV emails = STRV_INIT;
	AUTO_STRV uris = STRV_INIT;
	AUTO_FREE char *issuer = NULL;
	AUTO_KEY *key = NULL;
	struct err err;

	gpg_dearmor("input", text, len, &out, &err);
	pem_decode(text, len, &out);
	key_public("input", text, len, &key, &err);
	certs_pem("input", text, len, &certs, &err);
	certs_add_der("input", text, len, &certs, &err);
	if (certs.n) {
		cert_names(certs.items[0], &emails, &uris);
		cert_issuer(certs.items[0], &issuer, &err);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static void (*const readers[])(const char *, size_t) = { policy, signature, payload,
		                                                 bundle, rekor,     keys };
	AUTO_FREE char *text = NULL;

	if (size < 1)
		return 0;
	text = xcalloc(1, size);
	memcpy(text, data + 1, size - 1);
	readers[data[0] % 6](text, size - 1);
	return 0;
}
