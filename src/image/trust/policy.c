/* Reading policy.json. */
#include "image/trust/policy.h"
#include "base/xalloc.h"
#include "codec/base64.h"
#include "codec/json.h"
#include "image/config-files.h"

#define SYSTEM_FILE "/etc/containers/policy.json"
#define SCOPES_MAX  10000
#define KEYS_MAX    256

static void source_done(struct key_source *s)
{
	strv_done(&s->paths);
	strv_done(&s->data);
}

void requirement_done(struct requirement *r)
{
	free(r->key_type);
	source_done(&r->keys);
	source_done(&r->rekor);
	source_done(&r->ca);
	source_done(&r->intermediates);
	free(r->identity.reference);
	free(r->identity.replacement);
	free(r->oidc_issuer);
	free(r->email);
	free(r->hostname);
	free(r->subject);
}

static void scope_done(struct policy_scope *s)
{
	for (size_t i = 0; i < s->reqs.n; i++)
		requirement_done(&s->reqs.items[i]);
	free(s->reqs.items);
	free(s->transport);
	free(s->scope);
}

void policy_done(struct policy *p)
{
	for (size_t i = 0; i < p->n_scopes; i++)
		scope_done(&p->scopes[i]);
	free(p->scopes);
	free(p->path);
	*p = POLICY_INIT;
}

/* Every key must be one of `known` (NULL-terminated): a typing error must not weaken a policy. */
static int check_keys(const struct json *at, const char *const *known, struct err *err)
{
	if (json_expect(at, json_type_object, err) < 0)
		return -1;
	json_object_object_foreach(at->obj, key, value)
	{
		size_t i = 0;

		if (!value)
			return json_error(err, at, "'%.100s' is null", key);
		while (known[i] && strcmp(known[i], key) != 0)
			i++;
		if (!known[i])
			return json_error(err, at, "unknown key '%.100s'", key);
	}
	return 0;
}

/* --- parts of requirements --- */

/* A text that must not be empty when it is there. */
static int get_text(const struct json *at, const char *key, char **ret, struct err *err)
{
	const char *text = NULL;

	if (json_get_str(at, key, &text, err) < 0)
		return -1;
	if (!text)
		return 0;
	if (!*text)
		return json_error(err, at, "%s is empty", key);
	free(*ret);
	*ret = xstrdup(text);
	return 1;
}

static int check_base64(const struct json *at, const char *key, const char *text, struct err *err)
{
	AUTO_BUF data = STRBUF_INIT;

	if (base64_decode(text, strlen(text), &data) < 0 || !data.len)
		return json_error(err, at, "%s is not base64", key);
	return 0;
}

/* PREFIXPath, PREFIXPaths, PREFIXData, PREFIXDatas: returns how many of them there are. */
static int get_source(const struct json *at, const char *prefix, struct key_source *ret,
                      struct err *err)
{
	static const struct {
		const char *suffix;
		bool is_list, is_data;
	} forms[] = { { "Path", false, false },
		      { "Paths", true, false },
		      { "Data", false, true },
		      { "Datas", true, true } };
	int found = 0;

	for (size_t i = 0; i < ARRAY_LEN(forms); i++) {
		AUTO_FREE char *key = xasprintf("%s%s", prefix, forms[i].suffix);
		struct strv *list = forms[i].is_data ? &ret->data : &ret->paths;
		AUTO_FREE char *one = NULL;
		size_t before = list->len;

		if (!json_has(at, key))
			continue;
		found++;
		if (forms[i].is_list) {
			if (json_get_strv(at, key, list, err) < 0)
				return -1;
		} else if (get_text(at, key, &one, err) < 0) {
			return -1;
		} else {
			strv_add(list, one);
		}
		if (list->len == before || list->len > KEYS_MAX)
			return json_error(err, at, "%s has no entries, or too many", key);
		for (size_t k = before; forms[i].is_data && k < list->len; k++)
			if (check_base64(at, key, list->items[k], err) < 0)
				return -1;
	}
	return found;
}

static int parse_identity(const struct json *parent, struct identity_rule *ret, struct err *err)
{
	static const struct {
		const char *type, *keys[4];
	} types[] = {
		[IDENTITY_REPO_DIGEST_OR_EXACT] = { "matchRepoDigestOrExact", { "type" } },
		[IDENTITY_EXACT] = { "matchExact", { "type" } },
		[IDENTITY_REPOSITORY] = { "matchRepository", { "type" } },
		[IDENTITY_EXACT_REFERENCE] = { "exactReference", { "type", "dockerReference" } },
		[IDENTITY_EXACT_REPOSITORY] = { "exactRepository", { "type", "dockerRepository" } },
		[IDENTITY_REMAP] = { "remapIdentity", { "type", "prefix", "signedPrefix" } },
	};
	const char *type = NULL;
	struct json at;
	bool present = false;
	size_t i = 0;

	if (json_get_object(parent, "signedIdentity", &at, &present, err) < 0)
		return -1;
	if (!present)
		return 0;
	if (json_get_str(&at, "type", &type, err) < 0)
		return -1;
	while (i < ARRAY_LEN(types) && (!type || strcmp(types[i].type, type) != 0))
		i++;
	if (i == ARRAY_LEN(types))
		return json_error(err, &at, "unknown type '%.100s'", type ? type : "");
	ret->kind = (enum identity_kind)i;
	if (check_keys(&at, types[i].keys, err) < 0)
		return -1;
	for (size_t k = 1; types[i].keys[k]; k++) {
		char **to = k == 1 ? &ret->reference : &ret->replacement;
		AUTO_REF ref = IMAGE_REF_INIT;
		int r = get_text(&at, types[i].keys[k], to, err);

		if (r <= 0)
			return r < 0 ? -1 : json_error(err, &at, "%s is missing", types[i].keys[k]);
		/* prefixes may be no more than a host */
		if (ret->kind != IDENTITY_REMAP && image_ref_parse(*to, &ref, err) < 0)
			return err_ctx(err, "%s", types[i].keys[k]);
	}
	if (ret->kind == IDENTITY_EXACT_REFERENCE &&
	    !strpbrk(strrchr(ret->reference, '/') ? strrchr(ret->reference, '/') : ret->reference,
	             ":@"))
		return json_error(err, &at, "dockerReference has neither a tag nor a digest");
	return 0;
}

static int parse_fulcio(const struct json *parent, struct requirement *r, struct err *err)
{
	static const char *const keys[] = { "caPath", "caData", "oidcIssuer", "subjectEmail",
		                            NULL };
	struct json at;
	int n;

	if (json_get_object(parent, "fulcio", &at, &r->has_fulcio, err) < 0)
		return -1;
	if (!r->has_fulcio)
		return 0;
	if (check_keys(&at, keys, err) < 0)
		return -1;
	n = get_source(&at, "ca", &r->ca, err);
	if (n < 0 || get_text(&at, "oidcIssuer", &r->oidc_issuer, err) < 0 ||
	    get_text(&at, "subjectEmail", &r->email, err) < 0)
		return -1;
	if (n != 1)
		return json_error(err, &at, "exactly one of caPath and caData is needed");
	if (!r->oidc_issuer || !r->email)
		return json_error(err, &at, "oidcIssuer and subjectEmail are needed");
	return 0;
}

static int parse_pki(const struct json *parent, struct requirement *r, struct err *err)
{
	static const char *const keys[] = { "caRootsPath",
		                            "caRootsData",
		                            "caIntermediatesPath",
		                            "caIntermediatesData",
		                            "subjectEmail",
		                            "subjectHostname",
		                            NULL };
	struct json at;
	int roots, intermediates;

	if (json_get_object(parent, "pki", &at, &r->has_pki, err) < 0)
		return -1;
	if (!r->has_pki)
		return 0;
	if (check_keys(&at, keys, err) < 0)
		return -1;
	roots = get_source(&at, "caRoots", &r->ca, err);
	intermediates = get_source(&at, "caIntermediates", &r->intermediates, err);
	if (roots < 0 || intermediates < 0 || get_text(&at, "subjectEmail", &r->email, err) < 0 ||
	    get_text(&at, "subjectHostname", &r->hostname, err) < 0)
		return -1;
	if (roots != 1 || intermediates > 1)
		return json_error(err, &at,
		                  "exactly one of caRootsPath and caRootsData, and at most one of"
		                  " caIntermediatesPath and caIntermediatesData are needed");
	if (!r->email && !r->hostname)
		return json_error(err, &at, "subjectEmail or subjectHostname is needed");
	return 0;
}

/* --- requirements --- */

static int parse_signed_by(const struct json *at, struct requirement *r, struct err *err)
{
	static const char *const keys[] = { "type",    "keyType",        "keyPath", "keyPaths",
		                            "keyData", "signedIdentity", NULL };
	static const char *const types[] = { "GPGKeys", "signedByGPGKeys", "X509Certificates",
		                             "signedByX509CAs" };
	int n, has_type = get_text(at, "keyType", &r->key_type, err);
	size_t i = 0;

	if (has_type < 0 || check_keys(at, keys, err) < 0)
		return -1;
	while (has_type && i < ARRAY_LEN(types) && strcmp(types[i], r->key_type) != 0)
		i++;
	if (!has_type || i == ARRAY_LEN(types))
		return json_error(err, at, "unknown keyType '%.100s'", has_type ? r->key_type : "");
	n = get_source(at, "key", &r->keys, err);
	if (n < 0)
		return -1;
	if (n != 1)
		return json_error(err, at,
		                  "exactly one of keyPath, keyPaths and keyData is needed");
	return parse_identity(at, &r->identity, err);
}

static int parse_sigstore(const struct json *at, struct requirement *r, struct err *err)
{
	static const char *const keys[] = { "type",
		                            "keyPath",
		                            "keyPaths",
		                            "keyData",
		                            "keyDatas",
		                            "fulcio",
		                            "pki",
		                            "rekorPublicKeyPath",
		                            "rekorPublicKeyPaths",
		                            "rekorPublicKeyData",
		                            "rekorPublicKeyDatas",
		                            "signedIdentity",
		                            NULL };
	int n, rekor;

	if (check_keys(at, keys, err) < 0 || parse_fulcio(at, r, err) < 0 ||
	    parse_pki(at, r, err) < 0)
		return -1;
	n = get_source(at, "key", &r->keys, err);
	rekor = get_source(at, "rekorPublicKey", &r->rekor, err);
	if (n < 0 || rekor < 0)
		return -1;
	if (n + r->has_fulcio + r->has_pki != 1)
		return json_error(err, at,
		                  "exactly one of keyPath, keyPaths, keyData, keyDatas, fulcio and"
		                  " pki is needed");
	if (rekor > 1)
		return json_error(err, at, "more than one of the rekorPublicKey... keys");
	if (r->has_fulcio && !rekor)
		return json_error(err, at, "fulcio needs a rekorPublicKey...");
	if (r->has_pki && rekor)
		return json_error(err, at, "pki and rekorPublicKey... exclude each other");
	return parse_identity(at, &r->identity, err);
}

static int parse_requirement(const struct json *at, struct requirement *r, struct err *err)
{
	static const char *const plain[] = { "type", NULL };
	static const char *const base[] = { "type", "baseLayerIdentity", NULL };
	const char *type = NULL;

	if (json_expect(at, json_type_object, err) < 0 || json_get_str(at, "type", &type, err) < 0)
		return -1;
	if (type && strcmp(type, "signedBy") == 0) {
		r->kind = REQ_SIGNED_BY;
		return parse_signed_by(at, r, err);
	}
	if (type && strcmp(type, "sigstoreSigned") == 0) {
		r->kind = REQ_SIGSTORE;
		return parse_sigstore(at, r, err);
	}
	if (type && strcmp(type, "insecureAcceptAnything") == 0)
		r->kind = REQ_ACCEPT;
	else if (type && strcmp(type, "reject") == 0)
		r->kind = REQ_REJECT;
	else if (type && strcmp(type, "signedBaseLayer") == 0)
		r->kind = REQ_BASE_LAYER;
	else
		return json_error(err, at, "unknown type '%.100s'", type ? type : "");
	return check_keys(at, r->kind == REQ_BASE_LAYER ? base : plain, err);
}

/* Takes nothing; the scope is added to p whatever happens, so that policy_done() frees it. */
static int parse_scope(const struct json *at, const char *transport, const char *scope,
                       struct policy *p, struct err *err)
{
	struct policy_scope s = { .transport = xstrdup_null(transport), .scope = xstrdup(scope) };
	int r = json_expect(at, json_type_array, err);

	if (r == 0 && json_len(at) == 0)
		r = json_error(err, at, "an empty list of requirements");
	for (size_t i = 0; r == 0 && i < json_len(at); i++) {
		struct json item = json_item(at, i);
		struct requirement req = { 0 };

		r = parse_requirement(&item, &req, err);
		VEC_PUSH(s.reqs.items, s.reqs.n, req);
	}
	VEC_PUSH(p->scopes, p->n_scopes, s);
	if (r == 0 && p->n_scopes > SCOPES_MAX)
		r = json_error(err, at, "more than %d scopes", SCOPES_MAX);
	return r;
}

static int parse_transports(const struct json *root, struct policy *p, struct err *err)
{
	struct json transports, scopes, list;
	bool present = false;

	if (json_get_object(root, "transports", &transports, &present, err) < 0)
		return -1;
	if (!present)
		return 0;
	json_object_object_foreach(transports.obj, transport, value)
	{
		(void)value;
		if (json_require(&transports, transport, &scopes, err) < 0 ||
		    json_expect(&scopes, json_type_object, err) < 0)
			return -1;
		json_object_object_foreach(scopes.obj, scope, reqs)
		{
			(void)reqs;
			if (json_require(&scopes, scope, &list, err) < 0 ||
			    parse_scope(&list, transport, scope, p, err) < 0)
				return -1;
		}
	}
	return 0;
}

int policy_parse(const char *what, const char *text, size_t len, struct policy *ret,
                 struct err *err)
{
	static const char *const keys[] = { "default", "transports", NULL };
	AUTO_JSON *obj = NULL;
	AUTO_POLICY p = POLICY_INIT;
	struct json root, list;

	if (json_parse(what, text, len, &obj, err) < 0)
		return -1;
	root = json_root(obj, what);
	if (check_keys(&root, keys, err) < 0 || json_require(&root, "default", &list, err) < 0 ||
	    parse_scope(&list, NULL, "", &p, err) < 0 || parse_transports(&root, &p, err) < 0)
		return -1;
	p.path = xstrdup(what);
	*ret = p;
	p = POLICY_INIT;
	return 0;
}

int policy_load(const char *named, struct policy *ret, struct err *err)
{
	AUTO_FREE char *user = config_user_path("containers/policy.json");
	const char *files[] = { named, user, SYSTEM_FILE };

	for (size_t i = named && *named ? 0 : 1; i < ARRAY_LEN(files); i++) {
		AUTO_FREE char *text = NULL;
		size_t len;
		int found;

		if (!files[i])
			continue;
		found = config_file_read(files[i], POLICY_MAX_BYTES, &text, &len, err);
		if (found < 0)
			return err_ctx(err, "read the policy");
		if (found)
			return policy_parse(files[i], text, len, ret, err);
		if (i == 0)
			return err_set(err, E_NOT_FOUND, "no such policy: '%s'", named);
	}
	*ret = POLICY_INIT;
	return 0;
}

bool policy_is_open(const struct policy *p)
{
	for (size_t i = 0; i < p->n_scopes; i++)
		for (size_t k = 0; k < p->scopes[i].reqs.n; k++)
			if (p->scopes[i].reqs.items[k].kind != REQ_ACCEPT)
				return false;
	return true;
}
