#include "image/trust/evaluate.h"
#include "base/fd.h"
#include "base/xalloc.h"
#include "codec/base64.h"
#include "codec/json.h"
#include "image/trust/gpg.h"
#include "image/trust/rekor.h"
#include <fcntl.h>

#define CHAIN_MAX_BYTES (256u << 10)

/* What a requirement trusts, read anew for each check. */
struct roots {
	struct rekor_keys keys; /* the public keys */
	struct rekor_keys rekor;
	struct certs ca;
	struct certs intermediates;
};

static void roots_done(struct roots *r)
{
	rekor_keys_done(&r->keys);
	rekor_keys_done(&r->rekor);
	certs_done(&r->ca);
	certs_done(&r->intermediates);
}
#define AUTO_ROOTS __attribute__((cleanup(roots_done))) struct roots

/* Call fn with the bytes of each source. */
static int each_source(const struct key_source *s,
                       int (*fn)(void *ctx, const char *what, const char *data, size_t len,
                                 struct err *err),
                       void *ctx, struct err *err)
{
	for (size_t i = 0; i < s->paths.len; i++) {
		AUTO_FREE char *text = NULL;
		size_t len;

		if (file_read_at(AT_FDCWD, s->paths.items[i], KEY_MAX_BYTES, &text, &len, err) <
		            0 ||
		    fn(ctx, s->paths.items[i], text, len, err) < 0)
			return err_ctx(err, "key of the policy");
	}
	for (size_t i = 0; i < s->data.len; i++) {
		AUTO_BUF data = STRBUF_INIT;

		base64_decode(s->data.items[i], strlen(s->data.items[i]), &data);
		if (fn(ctx, "data in the policy", data.buf, data.len, err) < 0)
			return err_ctx(err, "key of the policy");
	}
	return 0;
}

static int add_key(void *ctx, const char *what, const char *data, size_t len, struct err *err)
{
	struct rekor_keys *keys = ctx;
	struct key *k = NULL;

	if (key_public(what, data, len, &k, err) < 0)
		return -1;
	VEC_PUSH(keys->items, keys->n, k);
	return 0;
}

static int add_certs(void *ctx, const char *what, const char *data, size_t len, struct err *err)
{
	return certs_pem(what, data, len, ctx, err);
}

static int add_gpg(void *ctx, const char *what, const char *data, size_t len, struct err *err)
{
	return gpg_dearmor(what, data, len, ctx, err);
}

static int load_roots(const struct requirement *r, struct roots *ret, struct err *err)
{
	return each_source(&r->keys, add_key, &ret->keys, err) < 0 ||
	                       each_source(&r->rekor, add_key, &ret->rekor, err) < 0 ||
	                       each_source(&r->ca, add_certs, &ret->ca, err) < 0 ||
	                       each_source(&r->intermediates, add_certs, &ret->intermediates, err) <
	                               0
	               ? -1
	               : 0;
}

/* What is signed must be one of the image's documents, under a name that is allowed. */
static int check_payload(enum payload_kind kind, const struct requirement *r,
                         const struct trust_subject *subject, const char *text, size_t len,
                         struct err *err)
{
	AUTO_PAYLOAD payload = { 0 };
	size_t i = 0;

	if (payload_parse(kind, text, len, &payload, err) < 0)
		return -1;
	while (i < subject->n_documents &&
	       !digest_equal(&subject->documents[i].digest, &payload.digest))
		i++;
	if (i == subject->n_documents)
		return err_set(err, E_AUTH, "it is for another image, %.26s...",
		               digest_format(&payload.digest).s);
	if (!identity_matches(&r->identity, subject->ref, payload.reference))
		return err_set(err, E_AUTH, "it is for the name '%.200s'", payload.reference);
	return 0;
}

/* --- certificates --- */

static int check_subject(const struct requirement *r, struct x509_st *leaf, struct err *err)
{
	AUTO_STRV emails = STRV_INIT;
	AUTO_STRV uris = STRV_INIT;
	AUTO_FREE char *issuer = NULL;

	cert_names(leaf, &emails, &uris);
	if (r->oidc_issuer) {
		if (cert_issuer(leaf, &issuer, err) < 0)
			return -1;
		if (strcmp(issuer, r->oidc_issuer) != 0)
			return err_set(err, E_AUTH, "vouched for by '%.200s'", issuer);
	}
	if (r->email && !strv_has(&emails, r->email))
		return err_set(err, E_AUTH, "the certificate is not one of '%.200s'", r->email);
	if (r->subject && !strv_has(&emails, r->subject) && !strv_has(&uris, r->subject))
		return err_set(err, E_AUTH, "the certificate is one of '%.200s'",
		               emails.len ? emails.items[0]
		               : uris.len ? uris.items[0]
		                          : "nobody");
	if (r->hostname && !cert_has_host(leaf, r->hostname))
		return err_set(err, E_AUTH, "the certificate is not one of '%.200s'", r->hostname);
	return 0;
}

/* The chain at that time, then who it is. *ret: the certificate's key. */
static int check_cert(const struct requirement *r, const struct roots *roots, struct x509_st *leaf,
                      const char *chain, int64_t at_s, struct key **ret, struct err *err)
{
	AUTO_CERTS between = CERTS_INIT;

	for (size_t i = 0; i < roots->intermediates.n; i++) {
		AUTO_BUF der = STRBUF_INIT;

		cert_der(roots->intermediates.items[i], &der);
		if (certs_add_der("intermediate", der.buf, der.len, &between, err) < 0)
			return -1;
	}
	if (chain && *chain &&
	    (strlen(chain) > CHAIN_MAX_BYTES ? err_set(err, E_LIMIT, "the chain is too long")
	                                     : certs_pem("chain of the signature", chain,
	                                                 strlen(chain), &between, err)) < 0)
		return -1;
	if (cert_verify(&roots->ca, &between, leaf, at_s, err) < 0 ||
	    check_subject(r, leaf, err) < 0)
		return -1;
	*ret = cert_key(leaf, err);
	return *ret ? 0 : -1;
}

/* --- cosign's signatures --- */

static int check_with_cert(const struct requirement *r, const struct roots *roots,
                           const struct signature *s, const struct rekor_subject *over,
                           struct key **ret, struct err *err)
{
	AUTO_CERTS leaf = CERTS_INIT;
	AUTO_BUF der = STRBUF_INIT;
	struct rekor_subject log = *over;
	int64_t at_s = 0;

	if (!s->cert)
		return err_set(err, E_AUTH, "it has no certificate");
	if (certs_pem("certificate of the signature", s->cert, strlen(s->cert), &leaf, err) < 0)
		return -1;
	if (leaf.n != 1)
		return err_set(err, E_AUTH, "it has more than one certificate");
	cert_der(leaf.items[0], &der);
	log.key_der = &der;
	if (r->has_fulcio) {
		if (!s->rekor)
			return err_set(err, E_AUTH, "it has no proof of a transparency log");
		if (rekor_verify_set(&roots->rekor, s->rekor, strlen(s->rekor), &log, &at_s, err) <
		    0)
			return -1;
	}
	return check_cert(r, roots, leaf.items[0], s->chain, at_s, ret, err);
}

static int verify_bytes(const struct rekor_keys *keys, const struct rekor_subject *log,
                        struct err *err)
{
	for (size_t i = 0; i < keys->n; i++)
		if (key_verify(keys->items[i], log->signature->buf, log->signature->len, log->data,
		               log->len, err) == 0)
			return 0;
	return err_set(err, E_AUTH, "it is not by a trusted key");
}

/* Of several keys the one that the log's entry names. */
static int verify_logged(const struct roots *roots, const struct signature *s,
                         const struct rekor_subject *over, struct err *err)
{
	if (!s->rekor)
		return err_set(err, E_AUTH, "it has no proof of a transparency log");
	for (size_t i = 0; i < roots->keys.n; i++) {
		AUTO_BUF der = STRBUF_INIT;
		struct rekor_keys one = { &roots->keys.items[i], 1 };
		struct rekor_subject log = *over;
		int64_t at_s;

		key_der(roots->keys.items[i], &der);
		log.key_der = &der;
		if (rekor_verify_set(&roots->rekor, s->rekor, strlen(s->rekor), &log, &at_s, err) ==
		    0)
			return verify_bytes(&one, over, err);
	}
	return -1;
}

static int check_cosign(const struct requirement *r, const struct roots *roots,
                        const struct trust_subject *subject, const struct signature *s,
                        struct err *err)
{
	AUTO_BUF signature = STRBUF_INIT;
	AUTO_KEY *key = NULL;
	struct rekor_subject log = { .signature = &signature, .data = s->data, .len = s->len };
	int result;

	if (!s->base64 || base64_decode_lines(s->base64, strlen(s->base64), &signature) < 0)
		return err_set(err, E_AUTH, "it has no signature in base64");
	if (r->has_fulcio || r->has_pki) {
		if (check_with_cert(r, roots, s, &log, &key, err) < 0)
			return -1;
		result = verify_bytes(&(struct rekor_keys){ &key, 1 }, &log, err);
	} else if (roots->rekor.n) {
		result = verify_logged(roots, s, &log, err);
	} else {
		result = verify_bytes(&roots->keys, &log, err);
	}
	if (result < 0)
		return -1;
	return check_payload(PAYLOAD_COSIGN, r, subject, s->data, s->len, err);
}

/* --- bundles --- */

/* Every entry must hold; the time is that of one that has it. */
static int check_log(const struct roots *roots, const struct bundle *b,
                     const struct rekor_subject *log, int64_t *ret_time_s, struct err *err)
{
	struct json root = json_root(b->obj, "bundle"), material, list;
	bool present = false;

	if (json_require(&root, "verificationMaterial", &material, err) < 0 ||
	    json_get_array(&material, "tlogEntries", &list, &present, err) < 0)
		return -1;
	if (!present || !json_len(&list) || json_len(&list) > 8)
		return err_set(err, E_AUTH, "it has no proof of a transparency log, or too many");
	for (size_t i = 0; i < json_len(&list); i++) {
		struct json entry = json_item(&list, i);
		int64_t at_s = 0;

		if (rekor_verify_entry(&roots->rekor, &entry, log, &at_s, err) < 0)
			return -1;
		if (at_s)
			*ret_time_s = at_s;
	}
	return 0;
}

static int check_bundle_cert(const struct requirement *r, const struct roots *roots,
                             const struct bundle *b, struct rekor_subject *log,
                             const struct rekor_subject *over, struct err *err)
{
	AUTO_CERTS leaf = CERTS_INIT;
	AUTO_KEY *key = NULL;
	int64_t at_s = 0;

	log->key_der = &b->cert_der;
	if (!b->cert_der.len)
		return err_set(err, E_AUTH, "it has no certificate");
	if (certs_add_der("certificate of the bundle", b->cert_der.buf, b->cert_der.len, &leaf,
	                  err) < 0)
		return -1;
	if (r->has_fulcio) {
		if (check_log(roots, b, log, &at_s, err) < 0)
			return -1;
		if (!at_s)
			return err_set(err, E_AUTH, "nothing proves when it was signed");
	}
	if (check_cert(r, roots, leaf.items[0], NULL, at_s, &key, err) < 0)
		return -1;
	return verify_bytes(&(struct rekor_keys){ &key, 1 }, over, err);
}

static int check_bundle(const struct requirement *r, const struct roots *roots,
                        const struct trust_subject *subject, const struct signature *s,
                        struct err *err)
{
	AUTO_BUNDLE b = BUNDLE_INIT;
	const struct trust_document *doc = NULL;
	struct rekor_subject over, log;

	if (bundle_parse(s->data, s->len, &b, err) < 0 || bundle_about(&b, subject, &doc, err) < 0)
		return -1;
	if (!b.is_dsse && !doc->text)
		return err_set(err, E_UNSUPPORTED, "a signature over the manifest itself");
	over = (struct rekor_subject){ .signature = &b.signature,
		                       .data = b.is_dsse ? b.signed_text.buf : doc->text,
		                       .len = b.is_dsse ? b.signed_text.len : doc->len };
	log = over;
	if (b.is_dsse) {
		log.data = b.payload.buf;
		log.len = b.payload.len;
	}
	if (r->has_fulcio || r->has_pki)
		return check_bundle_cert(r, roots, &b, &log, &over, err);
	if (!roots->rekor.n)
		return verify_bytes(&roots->keys, &over, err);
	for (size_t i = 0; i < roots->keys.n; i++) {
		AUTO_BUF der = STRBUF_INIT;
		int64_t at_s = 0;

		key_der(roots->keys.items[i], &der);
		log.key_der = &der;
		if (check_log(roots, &b, &log, &at_s, err) == 0)
			return verify_bytes(&(struct rekor_keys){ &roots->keys.items[i], 1 }, &over,
			                    err);
	}
	return -1;
}

/* --- requirements --- */

/* One good signature is enough; none is a refusal that tells what was wrong with each. */
struct attempts {
	const struct requirement *req;
	size_t tried;
	struct strbuf why;
};

static void note(struct attempts *a, const struct err *why)
{
	a->tried++;
	if (a->why.len < 500)
		strbuf_addf(&a->why, "%s%s", a->why.len ? "; " : "", why->msg);
}

static int refuse(struct attempts *a, const struct trust_subject *subject, struct err *err)
{
	if (!a->tried)
		err_set(err, E_PERM, "'%s' is not signed as the policy demands", subject->what);
	else
		err_set(err, E_PERM, "'%s': no signature is accepted by the policy: %.600s",
		        subject->what, a->why.buf);
	strbuf_done(&a->why);
	return -1;
}

static int check_signed_by(const struct requirement *r, const struct trust_subject *subject,
                           struct err *err)
{
	struct attempts a = { .req = r, .why = STRBUF_INIT };
	AUTO_BUF keyring = STRBUF_INIT;

	if (strcmp(r->key_type, "GPGKeys") != 0)
		return err_set(err, E_UNSUPPORTED, "policy: keyType '%s' is not supported",
		               r->key_type);
	if (each_source(&r->keys, add_gpg, &keyring, err) < 0)
		return -1;
	for (size_t i = 0; i < subject->signatures->n; i++) {
		const struct signature *s = &subject->signatures->items[i];
		AUTO_BUF text = STRBUF_INIT;
		AUTO_FREE char *key = NULL;
		struct err why = ERR_INIT;

		if (s->kind != SIGNATURE_OPENPGP)
			continue;
		if (gpg_verify(&keyring, s->data, s->len, &text, &key, &why) == 0 &&
		    check_payload(PAYLOAD_ATOMIC, r, subject, text.buf, text.len, &why) == 0) {
			strbuf_done(&a.why);
			return 0;
		}
		note(&a, &why);
	}
	return refuse(&a, subject, err);
}

static int check_sigstore(const struct requirement *r, const struct trust_subject *subject,
                          struct err *err)
{
	struct attempts a = { .req = r, .why = STRBUF_INIT };
	AUTO_ROOTS roots = { 0 };

	if (load_roots(r, &roots, err) < 0)
		return -1;
	for (size_t i = 0; i < subject->signatures->n; i++) {
		const struct signature *s = &subject->signatures->items[i];
		struct err why = ERR_INIT;
		int result;

		if (s->kind == SIGNATURE_SIGSTORE && strcmp(s->mime, MEDIA_SIMPLE_SIGNING) == 0)
			result = check_cosign(r, &roots, subject, s, &why);
		else if (s->kind == SIGNATURE_BUNDLE && r->takes_bundles)
			result = check_bundle(r, &roots, subject, s, &why);
		else
			continue;
		if (result == 0) {
			strbuf_done(&a.why);
			return 0;
		}
		note(&a, &why);
	}
	return refuse(&a, subject, err);
}

int requirements_check(const struct requirements *reqs, const struct trust_subject *subject,
                       struct err *err)
{
	int r = reqs->n ? 0 : err_set(err, E_PERM, "policy: an empty list of requirements");

	for (size_t i = 0; r == 0 && i < reqs->n; i++) {
		const struct requirement *req = &reqs->items[i];

		switch (req->kind) {
		case REQ_ACCEPT:
			break;
		case REQ_REJECT:
			r = err_set(err, E_PERM, "'%s' is rejected by the policy", subject->what);
			break;
		case REQ_BASE_LAYER:
			r = err_set(err, E_UNSUPPORTED, "policy: signedBaseLayer is not supported");
			break;
		case REQ_SIGNED_BY:
			r = check_signed_by(req, subject, err);
			break;
		case REQ_SIGSTORE:
			r = check_sigstore(req, subject, err);
			break;
		}
	}
	return r;
}
