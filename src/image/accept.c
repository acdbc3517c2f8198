#include "image/accept.h"
#include "base/xalloc.h"
#include "codec/base64.h"
#include "image/accept-internal.h"

static const char *const schema[] = {
	/* documents: digests, separated by blanks; signatures: JSON list of base64 */
	"CREATE TABLE image_origin("
	" image TEXT NOT NULL REFERENCES image(id) ON DELETE CASCADE,"
	" transport TEXT NOT NULL, name TEXT NOT NULL,"
	" documents TEXT NOT NULL, signatures TEXT NOT NULL,"
	" PRIMARY KEY(image, transport, name)) WITHOUT ROWID;",
};

int origin_prepare(struct image_store *store, struct err *err)
{
	return db_migrate(store->db, "trust", schema, ARRAY_LEN(schema), err);
}

/* --- at pull --- */

static bool wants(const struct requirements *reqs, enum requirement_kind kind)
{
	for (size_t i = 0; i < reqs->n; i++)
		if (reqs->items[i].kind == kind)
			return true;
	return false;
}

int accept_fetch(const struct policy *policy, struct registry *reg, struct http *http,
                 const struct image_ref *ref, const struct trust_document *documents, size_t n,
                 struct signatures *ret, struct err *err)
{
	const struct requirements *reqs = policy_for_ref(policy, ref);
	bool by_gpg = wants(reqs, REQ_SIGNED_BY), by_sigstore = wants(reqs, REQ_SIGSTORE);
	struct lookaside l;
	int r = 0;

	if (!by_gpg && !by_sigstore)
		return 0;
	if (lookaside_find(ref, false, &l, err) < 0)
		return -1;
	for (size_t i = 0; r == 0 && i < n; i++) {
		r = lookaside_fetch(&l, ref, &documents[i].digest, registry_policy(reg), ret, err);
		if (r == 0 && by_sigstore && l.attachments != 0)
			r = attachments_fetch(reg, http, &documents[i].digest, ATTACHMENT_TAGS, ret,
			                      err);
	}
	lookaside_done(&l);
	return r;
}

int accept_check(const struct policy *policy, const struct image_ref *ref,
                 const struct trust_document *documents, size_t n,
                 const struct signatures *signatures, struct err *err)
{
	AUTO_FREE char *name = image_ref_full(ref);
	struct trust_subject subject = { .what = image_ref_familiar(name),
		                         .ref = ref,
		                         .documents = documents,
		                         .n_documents = n,
		                         .signatures = signatures };

	if (requirements_check(policy_for_ref(policy, ref), &subject, err) == 0)
		return 0;
	return err_hint(err, "the policy is '%s'", policy->path ? policy->path : "");
}

int accept_archive(const struct policy *policy, const char *transport, const char *name,
                   struct err *err)
{
	const struct signatures none = SIGNATURES_INIT;
	struct trust_subject subject = { .what = name ? name : transport, .signatures = &none };
	const struct requirements *reqs;
	AUTO_REF ref = IMAGE_REF_INIT;

	if (requirements_check(policy_for_path(policy, transport, ""), &subject, err) < 0)
		return err_hint(err, "the policy is '%s', transport %s",
		                policy->path ? policy->path : "", transport);
	/* a name that has to be signed for cannot be had by way of an archive */
	if (!name || image_ref_parse(name, &ref, ERR_IGNORE) < 0)
		return 0;
	reqs = policy_scope_for_ref(policy, &ref);
	subject.ref = &ref;
	if (reqs && requirements_check(reqs, &subject, err) < 0)
		return err_hint(err, "the policy is '%s'; an archive brings no signatures",
		                policy->path ? policy->path : "");
	return 0;
}

/* --- what is recorded --- */

static char *signatures_text(const struct signatures *signatures)
{
	AUTO_JSON *list = json_object_new_array();

	for (size_t i = 0; signatures && i < signatures->n; i++) {
		AUTO_BUF data = STRBUF_INIT;
		AUTO_FREE char *text = NULL;

		signature_format(&signatures->items[i], &data);
		text = base64_encode(data.buf, data.len);
		json_object_array_add(list, json_object_new_string(text));
	}
	return xstrdup(json_text(list, false));
}

int origin_record(struct image_store *store, const char *image_id, const char *transport,
                  const char *name, const struct trust_document *documents, size_t n,
                  const struct signatures *signatures, struct err *err)
{
	AUTO_FREE char *text = signatures_text(signatures);
	AUTO_BUF digests = STRBUF_INIT;

	for (size_t i = 0; i < n; i++)
		strbuf_addf(&digests, "%s%s", i ? " " : "", digest_format(&documents[i].digest).s);
	return db_exec(store->db, err,
	               "INSERT OR REPLACE INTO image_origin(image, transport, name, documents,"
	               " signatures) VALUES(?, ?, ?, ?, ?)",
	               DB_TEXT(image_id), DB_TEXT(transport), DB_TEXT(name ? name : ""),
	               DB_TEXT(digests.buf), DB_TEXT(text)) < 0
	               ? -1
	               : 0;
}

static int parse_documents(const char *text, struct trust_document **ret, size_t *ret_n,
                           struct err *err)
{
	AUTO_STRV digests = STRV_INIT;

	if (*text)
		strv_split(&digests, text, ' ');
	for (size_t i = 0; i < digests.len; i++) {
		struct trust_document doc = { 0 };

		if (digest_parse(digests.items[i], &doc.digest, err) < 0)
			return err_ctx(err, "image database");
		VEC_PUSH(*ret, *ret_n, doc);
	}
	return 0;
}

static int parse_signatures(const char *text, struct signatures *ret, struct err *err)
{
	AUTO_JSON *obj = NULL;
	struct json root;

	if (json_parse("image database", text, strlen(text), &obj, err) < 0)
		return -1;
	root = json_root(obj, "image database");
	for (size_t i = 0; i < json_len(&root); i++) {
		struct json item = json_item(&root, i);
		struct signature s = { 0 };
		AUTO_BUF data = STRBUF_INIT;
		const char *code;

		if (json_expect(&item, json_type_string, err) < 0)
			return -1;
		code = json_object_get_string(item.obj);
		if (base64_decode(code, strlen(code), &data) < 0 ||
		    signature_parse("image database", data.buf, data.len, &s, err) < 0 ||
		    signatures_add(ret, &s, err) < 0)
			return err_set(err, E_CORRUPT, "image database: a signature is damaged");
	}
	return 0;
}

/* --- at run --- */

static int judge_origin(const struct policy *policy, const struct db_stmt *st, struct err *err)
{
	const char *transport = db_text(st, 0), *name = db_text(st, 1);
	AUTO_SIGNATURES signatures = SIGNATURES_INIT;
	AUTO_FREE struct trust_document *documents = NULL;
	AUTO_REF ref = IMAGE_REF_INIT;
	size_t n = 0;

	if (strcmp(transport, "docker") != 0)
		return accept_archive(policy, transport, *name ? name : NULL, err);
	if (parse_documents(db_text(st, 2), &documents, &n, err) < 0 ||
	    parse_signatures(db_text(st, 3), &signatures, err) < 0 ||
	    image_ref_parse(name, &ref, err) < 0)
		return -1;
	return accept_check(policy, &ref, documents, n, &signatures, err);
}

/* Made or brought here before origins were recorded, or made here: as skopeo's containers-storage.
 */
static int judge_local(const struct policy *policy, const char *image_id, struct err *err)
{
	const struct signatures none = SIGNATURES_INIT;
	struct trust_subject subject = { .what = image_id, .signatures = &none };

	if (requirements_check(policy_for_path(policy, "containers-storage", ""), &subject, err) ==
	    0)
		return 0;
	return err_hint(err, "pull it again, or allow the transport containers-storage in '%s'",
	                policy->path);
}

int image_accept(struct image_store *store, const char *image_id, const char *policy_path,
                 struct err *err)
{
	AUTO_POLICY policy = POLICY_INIT;
	AUTO_STMT st = DB_STMT_INIT;
	struct err why = ERR_INIT;
	bool any = false;
	int r;

	if (policy_load(policy_path, &policy, err) < 0)
		return -1;
	if (policy_is_open(&policy))
		return 0;
	if (origin_prepare(store, err) < 0 ||
	    db_query(store->db, &st, err,
	             "SELECT transport, name, documents, signatures FROM image_origin"
	             " WHERE image = ?",
	             DB_TEXT(image_id)) < 0)
		return -1;
	while ((r = db_step(&st, err)) > 0) {
		if (judge_origin(&policy, &st, &why) == 0)
			return 0;
		any = true;
	}
	if (r < 0)
		return -1;
	if (!any)
		return judge_local(&policy, image_id, err);
	*err = why;
	return -1;
}
