/* Signatures beside an image in its registry: cosign's tags, and bundles as referrers. */
#include "base/xalloc.h"
#include "codec/base64.h"
#include "image/accept-internal.h"
#include "oci/manifest.h"

#define MEDIA_EMPTY       "application/vnd.oci.empty.v1+json"
#define PAYLOAD_MAX_BYTES (1u << 20)
#define REFERRERS_MAX     64

/* --- reading --- */

static char *get_annotation(const struct json *at, const char *key)
{
	const char *value = NULL;
	struct json map;
	bool present = false;

	if (json_get_object(at, "annotations", &map, &present, ERR_IGNORE) < 0 || !present ||
	    json_get_str(&map, key, &value, ERR_IGNORE) < 0)
		return NULL;
	return xstrdup_null(value);
}

static int fetch_layer(struct registry *reg, struct http *http, const struct json *layer,
                       struct signatures *ret, struct err *err)
{
	struct descriptor d = { 0 };
	struct signature s = { 0 };
	int r = descriptor_parse(layer, &d, err);

	if (r == 0 && strcmp(d.media_type, MEDIA_SIMPLE_SIGNING) != 0 &&
	    strcmp(d.media_type, MEDIA_BUNDLE) != 0) {
		descriptor_done(&d);
		return 0;
	}
	if (r == 0)
		r = registry_blob(reg, http, &d, PAYLOAD_MAX_BYTES, &s.data, err);
	if (r == 0) {
		s.len = (size_t)d.size;
		s.kind = strcmp(d.media_type, MEDIA_BUNDLE) == 0 ? SIGNATURE_BUNDLE
		                                                 : SIGNATURE_SIGSTORE;
		s.mime = xstrdup(d.media_type);
		s.base64 = get_annotation(layer, ANNOTATION_SIGNATURE);
		s.cert = get_annotation(layer, ANNOTATION_CERTIFICATE);
		s.chain = get_annotation(layer, ANNOTATION_CHAIN);
		s.rekor = get_annotation(layer, ANNOTATION_REKOR);
		r = signatures_add(ret, &s, err);
	}
	descriptor_done(&d);
	return r;
}

/* A manifest as JSON, by tag or digest; 0 when there is none. Caller puts. */
static int get_manifest(struct registry *reg, struct http *http, const char *reference,
                        const struct digest *expected, struct json_object **ret, struct err *err)
{
	AUTO_FREE char *text = NULL;
	AUTO_FREE char *type = NULL;
	struct digest d;
	struct json root;
	size_t len;

	if (registry_manifest(reg, http, reference, expected, &text, &len, &type, &d, err) < 0)
		return err->code == E_NOT_FOUND ? 0 : -1;
	if (json_parse("manifest of signatures", text, len, ret, err) < 0)
		return -1;
	root = json_root(*ret, "manifest of signatures");
	return json_expect(&root, json_type_object, err) < 0 ? -1 : 1;
}

static int fetch_manifest(struct registry *reg, struct http *http, const char *reference,
                          const struct digest *expected, struct signatures *ret, struct err *err)
{
	AUTO_JSON *obj = NULL;
	struct json root, layers;
	bool present = false;
	int r = get_manifest(reg, http, reference, expected, &obj, err);

	if (r <= 0)
		return r;
	root = json_root(obj, "manifest of signatures");
	if (json_get_array(&root, "layers", &layers, &present, err) < 0)
		return -1;
	if (present && json_len(&layers) > SIGNATURES_MAX)
		return err_set(err, E_LIMIT, "'%s' holds more than %d signatures", reference,
		               SIGNATURES_MAX);
	for (size_t i = 0; present && i < json_len(&layers); i++) {
		struct json layer = json_item(&layers, i);

		if (fetch_layer(reg, http, &layer, ret, err) < 0)
			return -1;
	}
	return 0;
}

/* The list of referrers, by the API or the tag that stands in for it. */
static int get_referrers(struct registry *reg, struct http *http, const struct digest *d,
                         struct json_object **ret, struct err *err)
{
	AUTO_FREE char *at = xasprintf("referrers/%s", digest_format(d).s);
	AUTO_FREE char *tag = xasprintf("%s-%s", digest_alg_name(d->alg), digest_hex(d).s);
	AUTO_RESPONSE r = HTTP_RESPONSE_INIT;
	struct http_request q = { .method = "GET",
		                  .accept = MEDIA_OCI_INDEX,
		                  .max_body = MANIFEST_MAX_BYTES };
	struct json root;

	if (registry_request_once(reg, http, &q, at, &r, err) < 0)
		return -1;
	if (r.status != 200)
		return get_manifest(reg, http, tag, NULL, ret, err);
	if (json_parse("referrers", r.body.buf, r.body.len, ret, err) < 0)
		return -1;
	root = json_root(*ret, "referrers");
	return json_expect(&root, json_type_object, err) < 0 ? -1 : 1;
}

/* Who lists them by the tag may write the type of the empty config instead, as cosign does. */
static bool may_be_bundle(const char *type)
{
	return !type || strcmp(type, MEDIA_EMPTY) == 0 ||
	       strncmp(type, "application/vnd.dev.sigstore.bundle", 35) == 0;
}

static int fetch_referrers(struct registry *reg, struct http *http, const struct digest *d,
                           struct signatures *ret, struct err *err)
{
	AUTO_JSON *obj = NULL;
	struct json root, list;
	bool present = false;
	size_t n = 0;
	int r = get_referrers(reg, http, d, &obj, err);

	if (r <= 0)
		return r;
	root = json_root(obj, "referrers");
	if (json_get_array(&root, "manifests", &list, &present, err) < 0)
		return -1;
	for (size_t i = 0; present && r >= 0 && i < json_len(&list); i++) {
		struct json item = json_item(&list, i);
		struct descriptor e = { 0 };
		const char *type = NULL;

		if (descriptor_parse(&item, &e, err) < 0 ||
		    json_get_str(&item, "artifactType", &type, err) < 0) {
			descriptor_done(&e);
			return -1;
		}
		r = 0;
		if (may_be_bundle(type))
			r = ++n > REFERRERS_MAX
			            ? err_set(err, E_LIMIT,
			                      "more than %d bundles refer to the image",
			                      REFERRERS_MAX)
			            : fetch_manifest(reg, http, digest_format(&e.digest).s,
			                             &e.digest, ret, err);
		descriptor_done(&e);
	}
	return r < 0 ? -1 : 0;
}

/* "sha256-HEX.sig" */
static char *signature_tag(const struct digest *d)
{
	return xasprintf("%s-%s.sig", digest_alg_name(d->alg), digest_hex(d).s);
}

int attachments_fetch(struct registry *reg, struct http *http, const struct digest *d,
                      unsigned flags, struct signatures *ret, struct err *err)
{
	AUTO_FREE char *tag = signature_tag(d);
	struct err why = ERR_INIT;

	if ((flags & ATTACHMENT_TAGS) && fetch_manifest(reg, http, tag, NULL, ret, err) < 0)
		return err_ctx(err, "signatures");
	if ((flags & ATTACHMENT_REFERRERS) && fetch_referrers(reg, http, d, ret, err) < 0)
		return err_ctx(err, "signatures");
	*err = why;
	return 0;
}

/* --- writing --- */

static int put_blob(struct registry *reg, struct http *http, const void *data, size_t len,
                    struct err *err)
{
	AUTO_RESPONSE start = HTTP_RESPONSE_INIT, end = HTTP_RESPONSE_INIT,
		      head = HTTP_RESPONSE_INIT;
	AUTO_FREE char *at = NULL;
	struct http_request have = { .method = "HEAD" };
	struct http_request begin = { .method = "POST", .max_body = HTTP_ERROR_BODY_MAX };
	struct http_request put = { .method = "PUT",
		                    .data = data,
		                    .data_len = len,
		                    .content_type = "application/octet-stream",
		                    .max_body = HTTP_ERROR_BODY_MAX };
	struct digest d;

	digest_of(DIGEST_SHA256, data, len, &d);
	at = xasprintf("blobs/%s", digest_format(&d).s);
	if (registry_request_once(reg, http, &have, at, &head, err) == 0 && head.status == 200)
		return 0;
	if (registry_request(reg, http, &begin, "blobs/uploads/", "upload", &start, err) < 0)
		return -1;
	if (!start.location)
		return err_set(err, E_NETWORK, "registry '%s' does not say where to upload",
		               registry_domain(reg));
	free(at);
	at = xasprintf("%s%sdigest=%s", start.location, strchr(start.location, '?') ? "&" : "?",
	               digest_format(&d).s);
	return registry_request(reg, http, &put, at, "upload", &end, err);
}

static int put_manifest(struct registry *reg, struct http *http, const char *reference,
                        const char *type, struct json_object *obj, struct err *err)
{
	AUTO_FREE char *at = xasprintf("manifests/%s", reference);
	AUTO_RESPONSE r = HTTP_RESPONSE_INIT;
	const char *text = json_text(obj, false);
	struct http_request q = { .method = "PUT",
		                  .data = text,
		                  .data_len = strlen(text),
		                  .content_type = type,
		                  .max_body = HTTP_ERROR_BODY_MAX };

	return registry_request(reg, http, &q, at, "manifest of signatures", &r, err);
}

static void add_descriptor(struct json_object *to, const char *key, const char *type,
                           const void *data, size_t len)
{
	struct digest d;

	digest_of(DIGEST_SHA256, data, len, &d);
	json_object_object_add(to, key, descriptor_to_json(type, &d, len));
}

/* cosign reads diff_ids of the config as many as there are layers. */
static int put_config(struct registry *reg, struct http *http, struct json_object *manifest,
                      struct json_object *layers, struct err *err)
{
	AUTO_JSON *config = json_object_new_object();
	struct json_object *rootfs, *ids;
	const char *text;

	json_add_str(config, "architecture", "");
	json_add_str(config, "os", "");
	json_object_object_add(config, "config", json_object_new_object());
	rootfs = json_add_object(config, "rootfs");
	json_add_str(rootfs, "type", "layers");
	ids = json_add_array(rootfs, "diff_ids");
	for (size_t i = 0; i < json_object_array_length(layers); i++) {
		struct json_object *digest = NULL;

		json_object_object_get_ex(json_object_array_get_idx(layers, i), "digest", &digest);
		json_object_array_add(ids, json_object_get(digest));
	}
	text = json_text(config, false);
	add_descriptor(manifest, "config", MEDIA_OCI_CONFIG, text, strlen(text));
	return put_blob(reg, http, text, strlen(text), err);
}

static struct json_object *signature_layer(const struct signature *s)
{
	struct json_object *layer, *map;
	struct digest d;

	digest_of(DIGEST_SHA256, s->data, s->len, &d);
	layer = descriptor_to_json(MEDIA_SIMPLE_SIGNING, &d, s->len);
	map = json_add_object(layer, "annotations");
	json_add_str(map, ANNOTATION_SIGNATURE, s->base64);
	json_add_str(map, ANNOTATION_CERTIFICATE, s->cert);
	json_add_str(map, ANNOTATION_CHAIN, s->chain);
	json_add_str(map, ANNOTATION_REKOR, s->rekor);
	return layer;
}

int attachment_add_tag(struct registry *reg, struct http *http, const struct digest *d,
                       const struct signature *s, struct err *err)
{
	AUTO_FREE char *tag = signature_tag(d);
	AUTO_JSON *old = NULL, *manifest = json_object_new_object();
	struct json_object *layers = NULL;
	struct err why = ERR_INIT;

	if (put_blob(reg, http, s->data, s->len, err) < 0 ||
	    get_manifest(reg, http, tag, NULL, &old, &why) < 0) {
		if (why.code != E_OK)
			*err = why;
		return -1;
	}
	json_object_object_add(manifest, "schemaVersion", json_object_new_int(2));
	json_add_str(manifest, "mediaType", MEDIA_OCI_MANIFEST);
	if (old && json_object_object_get_ex(old, "layers", &layers) &&
	    json_object_is_type(layers, json_type_array))
		json_object_get(layers);
	else
		layers = json_object_new_array();
	if (json_object_array_length(layers) >= SIGNATURES_MAX) {
		json_object_put(layers);
		return err_set(err, E_LIMIT, "'%s' holds %d signatures", tag, SIGNATURES_MAX);
	}
	json_object_array_add(layers, signature_layer(s));
	if (put_config(reg, http, manifest, layers, err) < 0) {
		json_object_put(layers);
		return -1;
	}
	json_object_object_add(manifest, "layers", layers);
	return put_manifest(reg, http, tag, MEDIA_OCI_MANIFEST, manifest, err);
}

/* The registry knows no referrers: the index of tag sha256-HEX lists them. */
static int add_fallback(struct registry *reg, struct http *http, const struct digest *subject,
                        struct json_object *manifest, struct err *err)
{
	AUTO_FREE char *tag =
		xasprintf("%s-%s", digest_alg_name(subject->alg), digest_hex(subject).s);
	const char *text = json_text(manifest, false);
	AUTO_JSON *index = NULL;
	struct json_object *list = NULL, *entry;
	struct digest d;
	int r = get_manifest(reg, http, tag, NULL, &index, err);

	if (r < 0)
		return -1;
	if (r == 0) {
		index = json_object_new_object();
		json_object_object_add(index, "schemaVersion", json_object_new_int(2));
		json_add_str(index, "mediaType", MEDIA_OCI_INDEX);
	}
	if (!json_object_object_get_ex(index, "manifests", &list) ||
	    !json_object_is_type(list, json_type_array))
		list = json_add_array(index, "manifests");
	digest_of(DIGEST_SHA256, text, strlen(text), &d);
	entry = descriptor_to_json(MEDIA_OCI_MANIFEST, &d, strlen(text));
	json_add_str(entry, "artifactType", MEDIA_BUNDLE);
	json_object_array_add(list, entry);
	return put_manifest(reg, http, tag, MEDIA_OCI_INDEX, index, err);
}

int attachment_add_referrer(struct registry *reg, struct http *http, const struct digest *d,
                            const char *media_type, uint64_t size, const struct signature *s,
                            struct err *err)
{
	AUTO_JSON *manifest = json_object_new_object();
	AUTO_JSON *listed = NULL;
	AUTO_RESPONSE r = HTTP_RESPONSE_INIT;
	AUTO_FREE char *at = xasprintf("referrers/%s", digest_format(d).s);
	struct http_request q = { .method = "GET", .max_body = MANIFEST_MAX_BYTES };
	struct json_object *layers, *layer;
	struct digest own;
	const char *text;

	if (put_blob(reg, http, s->data, s->len, err) < 0 || put_blob(reg, http, "{}", 2, err) < 0)
		return -1;
	json_object_object_add(manifest, "schemaVersion", json_object_new_int(2));
	json_add_str(manifest, "mediaType", MEDIA_OCI_MANIFEST);
	json_add_str(manifest, "artifactType", MEDIA_BUNDLE);
	add_descriptor(manifest, "config", MEDIA_EMPTY, "{}", 2);
	layers = json_add_array(manifest, "layers");
	digest_of(DIGEST_SHA256, s->data, s->len, &own);
	layer = descriptor_to_json(MEDIA_BUNDLE, &own, s->len);
	json_object_array_add(layers, layer);
	json_object_object_add(manifest, "subject", descriptor_to_json(media_type, d, size));
	json_add_str(json_add_object(manifest, "annotations"), "dev.sigstore.bundle.content",
	             "dsse-envelope");
	text = json_text(manifest, false);
	digest_of(DIGEST_SHA256, text, strlen(text), &own);
	if (put_manifest(reg, http, digest_format(&own).s, MEDIA_OCI_MANIFEST, manifest, err) < 0)
		return -1;
	if (registry_request_once(reg, http, &q, at, &r, err) < 0)
		return -1;
	return r.status == 200 ? 0 : add_fallback(reg, http, d, manifest, err);
}
