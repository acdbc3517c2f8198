#include "image/sign.h"
#include "base/fd.h"
#include "base/xalloc.h"
#include "codec/base64.h"
#include "image/accept-internal.h"
#include "image/config-files.h"
#include "image/trust/gpg.h"
#include "image/trust/keys.h"
#include "oci/manifest.h"
#include <fcntl.h>

#define SECRET_MAX 4096

/* What is signed or verified: in a registry, or in a folder. */
struct target {
	const char *text; /* as given */
	const char *dir;  /* of a dir: layout, or NULL */
	struct image_ref ref;
	struct registry *reg;
	struct http http;
	char *manifest;
	size_t manifest_len;
	char *media_type;
	struct digest digest;
};

static void target_done(struct target *t)
{
	http_done(&t->http);
	registry_free(t->reg);
	image_ref_done(&t->ref);
	free(t->manifest);
	free(t->media_type);
}
#define AUTO_TARGET __attribute__((cleanup(target_done))) struct target

/* The registry itself, not its mirrors: signatures are put and looked for where the name says. */
static int open_registry(struct target *t, const struct sign_access *a, bool push, struct err *err)
{
	AUTO_REGISTRIES registries = REGISTRIES_INIT;
	struct registry_options options = { .tls_verify = a->tls_verify,
		                            .creds = a->creds,
		                            .authfile = a->authfile,
		                            .cert_dir = a->cert_dir,
		                            .cancel = a->cancel,
		                            .push = push };
	struct endpoint *list = NULL;
	size_t n = 0;
	int r;

	if (registries_load(&registries, err) < 0 ||
	    endpoints_find(&registries, &t->ref, push ? ENDPOINT_PUSH : ENDPOINT_PULL, &list, &n,
	                   err) < 0)
		return -1;
	options.endpoint = &list[n - 1];
	r = registry_new(t->ref.domain, t->ref.path, &options, &t->reg, err);
	endpoints_free(list, n);
	return r < 0 ? -1 : http_init(&t->http, registry_policy(t->reg), err);
}

static int open_target(const char *text, const struct sign_access *a, bool push, struct target *t,
                       struct err *err)
{
	AUTO_FREE char *reference = NULL;

	t->text = text;
	if (strncmp(text, "dir:", 4) == 0) {
		AUTO_FREE char *file = xasprintf("%s/manifest.json", text + 4);

		t->dir = text + 4;
		if (file_read_at(AT_FDCWD, file, MANIFEST_MAX_BYTES, &t->manifest, &t->manifest_len,
		                 err) < 0)
			return -1;
		digest_of(DIGEST_SHA256, t->manifest, t->manifest_len, &t->digest);
		return 0;
	}
	if (image_ref_parse(text, &t->ref, err) < 0 || open_registry(t, a, push, err) < 0)
		return -1;
	reference = xstrdup(t->ref.has_digest ? digest_format(&t->ref.digest).s : t->ref.tag);
	return registry_manifest(t->reg, &t->http, reference,
	                         t->ref.has_digest ? &t->ref.digest : NULL, &t->manifest,
	                         &t->manifest_len, &t->media_type, &t->digest, err);
}

/* --- signing --- */

/* The first line of a file, or of $COSIGN_PASSWORD. Caller wipes and frees. */
static int read_passphrase(const struct sign_options *o, char **ret, struct err *err)
{
	const char *env = getenv("COSIGN_PASSWORD");
	size_t len;

	if (!o->passphrase_file) {
		*ret = xstrdup_null(env);
		return 0;
	}
	if (file_read_at(AT_FDCWD, o->passphrase_file, SECRET_MAX, ret, &len, err) < 0)
		return err_ctx(err, "passphrase");
	(*ret)[strcspn(*ret, "\r\n")] = '\0';
	return 0;
}

static int load_key(const struct sign_options *o, struct key **ret, struct err *err)
{
	AUTO_FREE char *pem = NULL;
	AUTO_FREE char *secret = NULL;
	size_t len;
	int r;

	if (file_read_at(AT_FDCWD, o->key_file, KEY_MAX_BYTES, &pem, &len, err) < 0)
		return err_ctx(err, "private key");
	r = read_passphrase(o, &secret, err);
	if (r == 0)
		r = key_private(o->key_file, pem, len, secret, ret, err);
	explicit_bzero(pem, len);
	if (secret)
		explicit_bzero(secret, strlen(secret));
	return r;
}

static int sign_bundle(const struct target *t, const struct key *key, struct signature *s,
                       struct err *err)
{
	AUTO_FREE char *statement = statement_format(&t->digest);
	AUTO_FREE char *hint = NULL;
	AUTO_BUF text = STRBUF_INIT;
	AUTO_BUF bytes = STRBUF_INIT;
	AUTO_BUF der = STRBUF_INIT;
	struct digest id;

	dsse_text(STATEMENT_TYPE, statement, strlen(statement), &text);
	if (key_sign(key, text.buf, text.len, &bytes, err) < 0)
		return -1;
	key_der(key, &der);
	digest_of(DIGEST_SHA256, der.buf, der.len, &id);
	hint = base64_encode(id.bytes, id.len);
	s->kind = SIGNATURE_BUNDLE;
	s->data = bundle_format(statement, &bytes, hint);
	s->len = strlen(s->data);
	return 0;
}

static int sign_cosign(const struct target *t, const struct key *key, const char *identity,
                       struct signature *s, struct err *err)
{
	AUTO_BUF bytes = STRBUF_INIT;

	s->kind = SIGNATURE_SIGSTORE;
	s->mime = xstrdup(MEDIA_SIMPLE_SIGNING);
	s->data = payload_format(PAYLOAD_COSIGN, &t->digest, identity);
	s->len = strlen(s->data);
	if (key_sign(key, s->data, s->len, &bytes, err) < 0)
		return -1;
	s->base64 = base64_encode(bytes.buf, bytes.len);
	return 0;
}

static int sign_gpg(const struct target *t, const struct sign_options *o, const char *identity,
                    struct signature *s, struct err *err)
{
	AUTO_FREE char *payload = payload_format(PAYLOAD_ATOMIC, &t->digest, identity);
	AUTO_BUF message = STRBUF_INIT;

	if (gpg_sign(o->gpg_key, o->passphrase_file, payload, &message, err) < 0)
		return -1;
	s->len = message.len;
	s->data = strbuf_take(&message);
	return 0;
}

/* The first signature-N that is free. */
static int add_to_dir(const char *path, const struct signature *s, struct err *err)
{
	AUTO_FD dir = dir_open_at(AT_FDCWD, path, err);
	AUTO_BUF data = STRBUF_INIT;

	if (dir < 0)
		return -1;
	signature_format(s, &data);
	for (size_t i = 1; i <= SIGNATURES_MAX; i++) {
		AUTO_FREE char *name = xasprintf("signature-%zu", i);

		if (faccessat(dir, name, F_OK, AT_SYMLINK_NOFOLLOW) < 0)
			return file_write_atomic_at(dir, name, data.buf, data.len, 0644, 0, err);
	}
	return err_set(err, E_LIMIT, "'%s' holds %d signatures", path, SIGNATURES_MAX);
}

static int add_signature(struct target *t, const struct signature *s, struct err *err)
{
	struct lookaside l;
	int r;

	if (t->dir)
		return add_to_dir(t->dir, s, err);
	if (s->kind == SIGNATURE_SIGSTORE)
		return attachment_add_tag(t->reg, &t->http, &t->digest, s, err);
	if (s->kind == SIGNATURE_BUNDLE)
		return attachment_add_referrer(t->reg, &t->http, &t->digest,
		                               t->media_type ? t->media_type : MEDIA_OCI_MANIFEST,
		                               t->manifest_len, s, err);
	if (lookaside_find(&t->ref, true, &l, err) < 0)
		return -1;
	r = lookaside_add(&l, &t->ref, &t->digest, s, err);
	lookaside_done(&l);
	return r;
}

/* Both kinds of signature need a name that says which image is meant, with a tag or a digest. */
static int find_identity(const struct target *t, const struct sign_options *o, char **ret,
                         struct err *err)
{
	AUTO_REF ref = IMAGE_REF_INIT;

	if (!o->identity && t->dir) {
		err_set(err, E_INVALID, "sign '%s': which name is it signed for?", t->text);
		return err_hint(err, "give it with --sign-identity NAME:TAG");
	}
	if (image_ref_parse(o->identity ? o->identity : t->text, &ref, err) < 0)
		return -1;
	*ret = image_ref_full(&ref);
	return 0;
}

int image_sign(const char *text, const struct sign_options *options, struct digest *ret,
               struct err *err)
{
	AUTO_TARGET t = { 0 };
	AUTO_FREE char *identity = NULL;
	AUTO_KEY *key = NULL;
	struct signature s = { 0 };
	int r;

	/* what the user may have got wrong comes before the network */
	if (options->key_file && load_key(options, &key, err) < 0)
		return -1;
	if (open_target(text, &options->access, options->key_file != NULL, &t, err) < 0 ||
	    find_identity(&t, options, &identity, err) < 0)
		return -1;
	if (!options->key_file)
		r = sign_gpg(&t, options, identity, &s, err);
	else if (options->bundle)
		r = sign_bundle(&t, key, &s, err);
	else
		r = sign_cosign(&t, key, identity, &s, err);
	if (r == 0)
		r = add_signature(&t, &s, err);
	signature_done(&s);
	*ret = t.digest;
	return r < 0 ? err_ctx(err, "sign '%.200s'", text) : 0;
}

/* --- verifying --- */

static int read_dir_signatures(const char *path, struct signatures *ret, struct err *err)
{
	for (size_t i = 1;; i++) {
		AUTO_FREE char *file = xasprintf("%s/signature-%zu", path, i);
		AUTO_FREE char *data = NULL;
		struct signature s = { 0 };
		size_t len;
		int found = config_file_read(file, SIGNATURE_MAX_BYTES, &data, &len, err);

		if (found <= 0)
			return found;
		if (signature_parse(file, data, len, &s, err) < 0 ||
		    signatures_add(ret, &s, err) < 0)
			return -1;
	}
}

static int find_signatures(struct target *t, bool lookaside, struct signatures *ret,
                           struct err *err)
{
	struct lookaside l;
	int r;

	if (t->dir)
		return read_dir_signatures(t->dir, ret, err);
	if (!lookaside)
		return attachments_fetch(t->reg, &t->http, &t->digest,
		                         ATTACHMENT_TAGS | ATTACHMENT_REFERRERS, ret, err);
	if (lookaside_find(&t->ref, false, &l, err) < 0)
		return -1;
	r = lookaside_fetch(&l, &t->ref, &t->digest, registry_policy(t->reg), ret, err);
	lookaside_done(&l);
	return r;
}

static void add_path(struct key_source *source, const char *file)
{
	if (file)
		strv_add(&source->paths, file);
}

/* What the options ask for, as a policy's requirement. Return 0 when they ask for nothing. */
static int make_requirement(const struct verify_options *o, struct requirement *r, struct err *err)
{
	int kinds = !!o->key_file + !!o->gpg_key_file + !!o->certificate_identity;

	if (kinds > 1)
		return err_set(err, E_INVALID,
		               "a key, a GPG key and a certificate's identity exclude each other");
	r->identity.kind = o->identity ? IDENTITY_REPO_DIGEST_OR_EXACT : IDENTITY_ANY;
	r->takes_bundles = true;
	add_path(&r->rekor, o->rekor_key_file);
	if (o->gpg_key_file) {
		r->kind = REQ_SIGNED_BY;
		r->key_type = xstrdup("GPGKeys");
		add_path(&r->keys, o->gpg_key_file);
		return 1;
	}
	r->kind = REQ_SIGSTORE;
	if (o->key_file) {
		add_path(&r->keys, o->key_file);
		return 1;
	}
	if (!o->certificate_identity)
		return 0;
	if (!o->ca_file || (o->certificate_issuer && !o->rekor_key_file)) {
		err_set(err, E_INVALID, "a certificate's identity needs %s",
		        o->ca_file ? "the transparency log's key" : "the roots of certificates");
		return err_hint(err, "give --ca-roots FILE, and with an issuer --rekor-key FILE");
	}
	/* Fulcio's certificates live for minutes: only the log knows that they were good then */
	r->has_fulcio = o->rekor_key_file != NULL;
	r->has_pki = !r->has_fulcio;
	r->subject = xstrdup(o->certificate_identity);
	r->oidc_issuer = xstrdup_null(o->certificate_issuer);
	add_path(&r->ca, o->ca_file);
	add_path(&r->intermediates, o->intermediates_file);
	return 1;
}

static int verify_by_policy(struct target *t, const struct verify_options *o,
                            const struct image_ref *name, const struct trust_document *doc,
                            struct err *err)
{
	AUTO_SIGNATURES signatures = SIGNATURES_INIT;
	AUTO_POLICY policy = POLICY_INIT;

	if (policy_load(o->policy_file, &policy, err) < 0)
		return -1;
	if (!name) {
		err_set(err, E_INVALID, "verify '%s': which name is it to be signed for?", t->text);
		return err_hint(err, "give it with --identity NAME:TAG");
	}
	if ((t->dir ? read_dir_signatures(t->dir, &signatures, err)
	            : accept_fetch(&policy, t->reg, &t->http, name, doc, 1, &signatures, err)) < 0)
		return -1;
	return accept_check(&policy, name, doc, 1, &signatures, err);
}

static int verify(struct target *t, const struct verify_options *o, struct requirement *req,
                  struct err *err)
{
	struct trust_document doc = { .digest = t->digest,
		                      .text = t->manifest,
		                      .len = t->manifest_len };
	AUTO_SIGNATURES signatures = SIGNATURES_INIT;
	AUTO_REF named = IMAGE_REF_INIT;
	const struct image_ref *name = t->dir ? NULL : &t->ref;
	struct requirements reqs = { req, 1 };
	struct trust_subject subject = {
		.what = t->text, .documents = &doc, .n_documents = 1, .signatures = &signatures
	};
	int r = make_requirement(o, req, err);

	if (r < 0)
		return -1;
	if (o->identity) {
		if (image_ref_parse(o->identity, &named, err) < 0)
			return -1;
		name = &named;
	}
	if (r == 0)
		return verify_by_policy(t, o, name, &doc, err);
	subject.ref = name;
	if (find_signatures(t, req->kind == REQ_SIGNED_BY, &signatures, err) < 0)
		return -1;
	return requirements_check(&reqs, &subject, err);
}

int image_verify(const char *text, const struct verify_options *options, struct digest *ret,
                 struct err *err)
{
	AUTO_TARGET t = { 0 };
	struct requirement req = { 0 };
	int r = open_target(text, &options->access, false, &t, err);

	if (r == 0)
		r = verify(&t, options, &req, err);
	requirement_done(&req);
	*ret = t.digest;
	return r;
}

int image_accept_source(const char *transport, const char *name, const struct sign_access *access,
                        const char *policy_file, struct digest *ret, struct err *err)
{
	struct verify_options options = { .access = *access, .policy_file = policy_file };
	AUTO_POLICY policy = POLICY_INIT;

	*ret = (struct digest){ 0 };
	if (policy_load(policy_file, &policy, err) < 0)
		return -1;
	if (policy_is_open(&policy))
		return 0;
	if (strcmp(transport, "docker") != 0)
		return accept_archive(&policy, transport, NULL, err);
	return image_verify(name, &options, ret, err);
}
