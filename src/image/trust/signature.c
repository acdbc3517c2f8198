#include "image/trust/signature.h"
#include "base/xalloc.h"
#include "codec/base64.h"
#include "codec/json.h"
#include <time.h>

#define PREFIX_JSON   "\0sigstore-json\n"
#define PREFIX_BUNDLE "\0sigstore-bundle\n"

void signature_done(struct signature *s)
{
	free(s->data);
	free(s->mime);
	free(s->base64);
	free(s->cert);
	free(s->chain);
	free(s->rekor);
	*s = (struct signature){ 0 };
}

void signatures_done(struct signatures *s)
{
	for (size_t i = 0; i < s->n; i++)
		signature_done(&s->items[i]);
	free(s->items);
	*s = SIGNATURES_INIT;
}

int signatures_add(struct signatures *list, struct signature *s, struct err *err)
{
	if (list->n >= SIGNATURES_MAX) {
		signature_done(s);
		return err_set(err, E_LIMIT, "more than %d signatures", SIGNATURES_MAX);
	}
	VEC_PUSH(list->items, list->n, *s);
	*s = (struct signature){ 0 };
	return 0;
}

/* --- the form of dir: layouts --- */

static const struct {
	const char *key;
	size_t offset;
} annotations[] = {
	{ ANNOTATION_SIGNATURE, offsetof(struct signature, base64) },
	{ ANNOTATION_CERTIFICATE, offsetof(struct signature, cert) },
	{ ANNOTATION_CHAIN, offsetof(struct signature, chain) },
	{ ANNOTATION_REKOR, offsetof(struct signature, rekor) },
};

static int parse_json(const char *what, const char *text, size_t len, struct signature *s,
                      struct err *err)
{
	AUTO_JSON *obj = NULL;
	AUTO_BUF payload = STRBUF_INIT;
	struct json root, map;
	const char *mime = NULL, *base64 = NULL;
	bool present = false;

	if (json_parse(what, text, len, &obj, err) < 0)
		return -1;
	root = json_root(obj, what);
	if (json_expect(&root, json_type_object, err) < 0 ||
	    json_get_str(&root, "mimeType", &mime, err) < 0 ||
	    json_get_str(&root, "payload", &base64, err) < 0 ||
	    json_get_object(&root, "annotations", &map, &present, err) < 0)
		return -1;
	if (!mime || !base64 || base64_decode(base64, strlen(base64), &payload) < 0)
		return json_error(err, &root, "mimeType or payload is missing or bad");
	for (size_t i = 0; present && i < ARRAY_LEN(annotations); i++) {
		const char *value = NULL;

		if (json_get_str(&map, annotations[i].key, &value, err) < 0)
			return -1;
		*(char **)((char *)s + annotations[i].offset) = xstrdup_null(value);
	}
	s->mime = xstrdup(mime);
	s->len = payload.len;
	s->data = strbuf_take(&payload);
	return 0;
}

int signature_parse(const char *what, const char *data, size_t len, struct signature *ret,
                    struct err *err)
{
	const size_t json = sizeof(PREFIX_JSON) - 1, bundle = sizeof(PREFIX_BUNDLE) - 1;
	struct signature s = { 0 };

	if (!len || len > SIGNATURE_MAX_BYTES)
		return err_set(err, len ? E_LIMIT : E_INVALID, "%s: %zu bytes", what, len);
	if (len >= json && memcmp(data, PREFIX_JSON, json) == 0) {
		s.kind = SIGNATURE_SIGSTORE;
		if (parse_json(what, data + json, len - json, &s, err) < 0) {
			signature_done(&s);
			return -1;
		}
	} else if (len >= bundle && memcmp(data, PREFIX_BUNDLE, bundle) == 0) {
		s.kind = SIGNATURE_BUNDLE;
		s.len = len - bundle;
		s.data = xcalloc(s.len + 1, 1);
		memcpy(s.data, data + bundle, s.len);
	} else if (data[0] == '\0') {
		return err_set(err, E_UNSUPPORTED, "%s: a signature of an unknown format", what);
	} else {
		s.len = len;
		s.data = xmemdup(data, len);
	}
	*ret = s;
	return 0;
}

void signature_format(const struct signature *s, struct strbuf *ret)
{
	AUTO_JSON *obj = NULL;
	AUTO_FREE char *payload = NULL;
	struct json_object *map;

	if (s->kind == SIGNATURE_BUNDLE)
		strbuf_add(ret, PREFIX_BUNDLE, sizeof(PREFIX_BUNDLE) - 1);
	if (s->kind != SIGNATURE_SIGSTORE) {
		strbuf_add(ret, s->data, s->len);
		return;
	}
	obj = json_object_new_object();
	payload = base64_encode(s->data, s->len);
	json_add_str(obj, "mimeType", s->mime ? s->mime : MEDIA_SIMPLE_SIGNING);
	json_add_str(obj, "payload", payload);
	map = json_add_object(obj, "annotations");
	for (size_t i = 0; i < ARRAY_LEN(annotations); i++)
		json_add_str(map, annotations[i].key,
		             *(char *const *)((const char *)s + annotations[i].offset));
	strbuf_add(ret, PREFIX_JSON, sizeof(PREFIX_JSON) - 1);
	strbuf_adds(ret, json_text(obj, false));
}

/* --- payloads --- */

static const char *const payload_types[] = {
	[PAYLOAD_ATOMIC] = "atomic container signature",
	[PAYLOAD_COSIGN] = "cosign container image signature",
};

void payload_done(struct payload *p)
{
	free(p->reference);
	p->reference = NULL;
}

/* The object `key` with exactly n keys. */
static int exactly(const struct json *at, size_t n, struct err *err)
{
	if (json_expect(at, json_type_object, err) < 0)
		return -1;
	if ((size_t)json_object_object_length(at->obj) != n)
		return json_error(err, at, "keys that do not belong here");
	return 0;
}

int payload_parse(enum payload_kind kind, const char *text, size_t len, struct payload *ret,
                  struct err *err)
{
	struct json root, critical, image, identity, optional;
	const char *type = NULL, *digest = NULL, *reference = NULL;
	AUTO_JSON *obj = NULL;

	if (json_parse("payload", text, len, &obj, err) < 0)
		return -1;
	root = json_root(obj, "payload");
	if (exactly(&root, 2, err) < 0 || json_require(&root, "critical", &critical, err) < 0 ||
	    exactly(&critical, 3, err) < 0 || json_get_str(&critical, "type", &type, err) < 0 ||
	    json_require(&critical, "image", &image, err) < 0 || exactly(&image, 1, err) < 0 ||
	    json_get_str(&image, "docker-manifest-digest", &digest, err) < 0 ||
	    json_require(&critical, "identity", &identity, err) < 0 ||
	    exactly(&identity, 1, err) < 0 ||
	    json_get_str(&identity, "docker-reference", &reference, err) < 0)
		return -1;
	/* cosign writes null when there is nothing in it */
	if (!json_object_object_get_ex(obj, "optional", NULL) ||
	    (json_get(&root, "optional", &optional)
	             ? json_expect(&optional, json_type_object, err) < 0
	             : kind != PAYLOAD_COSIGN))
		return json_error(err, &root, "optional is missing or no object");
	if (!type || !digest || !reference)
		return json_error(err, &critical, "type, digest or reference is missing");
	if (strcmp(type, payload_types[kind]) != 0)
		return json_error(err, &critical, "type '%.100s' instead of '%s'", type,
		                  payload_types[kind]);
	if (digest_parse(digest, &ret->digest, err) < 0)
		return err_ctx(err, "payload");
	ret->reference = xstrdup(reference);
	return 0;
}

char *payload_format(enum payload_kind kind, const struct digest *digest, const char *reference)
{
	AUTO_JSON *obj = json_object_new_object();
	struct json_object *critical = json_add_object(obj, "critical");
	struct json_object *optional;

	json_add_str(json_add_object(critical, "identity"), "docker-reference", reference);
	json_add_str(json_add_object(critical, "image"), "docker-manifest-digest",
	             digest_format(digest).s);
	json_add_str(critical, "type", payload_types[kind]);
	optional = json_add_object(obj, "optional");
	json_add_str(optional, "creator", "dhow " DHOW_VERSION);
	json_add_i64(optional, "timestamp", (int64_t)time(NULL));
	return xstrdup(json_text(obj, false));
}
