#include "image/pull.h"
#include "base/log.h"
#include "base/xalloc.h"
#include "image/accept-internal.h"
#include "image/fetch-internal.h"
#include "image/packed-internal.h"
#include <fcntl.h>
#include <sys/stat.h>

#define INDEX_DEPTH_MAX 3
#define PACKED_ROOM     8 /* a layer's tar, and its like again, in terms of its compressed form */

static const struct {
	const char *name;
	enum pull_policy policy;
} policies[] = {
	{ "missing", PULL_MISSING },      { "always", PULL_ALWAYS }, { "never", PULL_NEVER },
	{ "newer", PULL_NEWER },          { "true", PULL_ALWAYS },   { "false", PULL_NEVER },
	{ "ifnotpresent", PULL_MISSING },
};

int pull_policy_parse(const char *s, enum pull_policy *ret, struct err *err)
{
	for (size_t i = 0; i < ARRAY_LEN(policies); i++)
		if (strcasecmp(policies[i].name, s) == 0) {
			*ret = policies[i].policy;
			return 0;
		}
	err_set(err, E_INVALID, "bad pull policy '%.100s'", s);
	return err_hint(err, "always, missing, newer or never");
}

void pull_plan_done(struct pull_plan *plan)
{
	free(plan->layers);
	*plan = PULL_PLAN_INIT;
}

void pull_result_done(struct pull_result *r)
{
	free(r->id);
	free(r->name);
	*r = PULL_RESULT_INIT;
}

/* A document that becomes a blob of the image. */
struct document {
	struct digest digest;
	char *text;
	size_t len;
};

/* One pull: what was asked for, then what it turned out to be. */
struct pull {
	struct image_store *store;
	const struct pull_options *options;
	const char *asked; /* as the user wrote it */
	struct image_ref ref;
	struct platform platform;
	char *name; /* whole */
	char *repo;
	const struct endpoint *endpoint; /* the one being tried */
	struct registry *reg;
	struct http http;
	struct lease lease;
	atomic_bool stop;
	struct document *documents; /* indexes, the manifest, the config: top down */
	size_t n_documents;
	struct digest target;
	struct manifest manifest;
	struct digest manifest_digest;
	struct image_config config;
	uint64_t *layer_sizes;
	struct policy policy;
	struct trust_document *trust; /* the manifests among the documents; borrows their texts */
	size_t n_trust;
	struct signatures signatures;
};

/* What came from one endpoint. */
static void pull_reset(struct pull *p)
{
	http_done(&p->http);
	registry_free(TAKE_PTR(p->reg));
	for (size_t i = 0; i < p->n_documents; i++)
		free(p->documents[i].text);
	free(TAKE_PTR(p->documents));
	p->n_documents = 0;
	manifest_done(&p->manifest);
	p->manifest = MANIFEST_INIT;
	image_config_done(&p->config);
	p->config = IMAGE_CONFIG_INIT;
	free(TAKE_PTR(p->layer_sizes));
	free(TAKE_PTR(p->trust));
	p->n_trust = 0;
	signatures_done(&p->signatures);
	atomic_store(&p->stop, false);
}

static void pull_done(struct pull *p)
{
	pull_reset(p);
	policy_done(&p->policy);
	image_ref_done(&p->ref);
	free(p->name);
	free(p->repo);
}

/* --- what is there already --- */

static bool all_layers_there(struct image_store *store, const struct image_config *c)
{
	for (size_t i = 0; i < c->n_diff_ids; i++)
		if (!layer_store_has(store->layers, &c->diff_ids[i]))
			return false;
	return true;
}

/* Return 1 when the image is there, whole and for the platform; without one wanted by name any will
 * do, unless strict. */
static int find_local(struct pull *p, bool strict, struct pull_result *ret, struct err *err)
{
	AUTO_IMAGE image = IMAGE_INIT;
	struct err why = ERR_INIT;
	const char *name = p->ref.has_digest ? p->asked : p->name;

	if (image_resolve(p->store, name, &image, &why) < 0) {
		/* a damaged one is made whole by pulling it */
		if (why.code == E_NOT_FOUND || why.code == E_CORRUPT)
			return 0;
		*err = why;
		return -1;
	}
	if ((strict || p->options->platform) && image.config.platform.architecture[0] &&
	    platform_rank(&p->platform, &image.config.platform) < 0)
		return 0;
	if (!all_layers_there(p->store, &image.config))
		return 0;
	ret->id = TAKE_PTR(image.id);
	ret->name = xstrdup(p->name);
	ret->digest = image.manifest;
	ret->changed = false;
	return 1;
}

static int recheck_policy(struct pull *p, const struct pull_result *local,
                          const struct digest *manifest, struct err *err);

/* Whether the name stands for `target` here already, so that there is nothing to do. */
static int is_unchanged(struct pull *p, struct pull_result *ret, struct err *err)
{
	int64_t one;
	int r;

	if (p->options->refetch || p->options->plan)
		return 0;
	if (p->ref.tag && !p->ref.has_digest)
		r = db_get_i64(p->store->db, &one, err,
		               "SELECT 1 FROM image_name WHERE name = ? AND target = ?",
		               DB_TEXT(p->name), DB_TEXT(digest_format(&p->target).s));
	else
		r = db_get_i64(p->store->db, &one, err,
		               "SELECT 1 FROM image_digest WHERE repo = ? AND digest = ?",
		               DB_TEXT(p->repo), DB_TEXT(digest_format(&p->target).s));
	if (r <= 0)
		return r;
	r = find_local(p, true, ret, err);
	if (r <= 0)
		return r;
	if (recheck_policy(p, ret, &ret->digest, err) < 0) {
		pull_result_done(ret);
		return -1;
	}
	ret->digest = p->target;
	return 1;
}

/* --- documents --- */

static const char *document_what(const struct pull *p)
{
	return image_ref_familiar(p->name);
}

/* Takes text. */
static void keep_document(struct pull *p, const struct digest *digest, char *text, size_t len)
{
	struct document d = { .digest = *digest, .text = text, .len = len };

	VEC_PUSH(p->documents, p->n_documents, d);
}

static int get_manifest(struct pull *p, const char *reference, const struct digest *expected,
                        uint64_t expected_size, struct manifest *ret, struct digest *ret_digest,
                        struct err *err)
{
	AUTO_FREE char *what = xasprintf("manifest of '%s'", document_what(p));
	AUTO_FREE char *text = NULL;
	AUTO_FREE char *type = NULL;
	size_t len;

	if (registry_manifest(p->reg, &p->http, reference, expected, &text, &len, &type, ret_digest,
	                      err) < 0)
		return -1;
	if (expected_size && len != expected_size)
		return err_set(err, E_CORRUPT, "%s: %zu bytes, its index says %llu", what, len,
		               (unsigned long long)expected_size);
	if (manifest_parse(what, type, text, len, ret, err) < 0)
		return -1;
	keep_document(p, ret_digest, TAKE_PTR(text), len);
	return 0;
}

/* From an index down to the manifest for the platform. */
static int descend(struct pull *p, struct err *err)
{
	for (int depth = 0; p->manifest.kind == MANIFEST_INDEX; depth++) {
		AUTO_MANIFEST index = p->manifest;
		const struct descriptor *entry;

		p->manifest = MANIFEST_INIT;
		if (depth == INDEX_DEPTH_MAX)
			return err_set(err, E_LIMIT, "'%s': indexes within indexes, %d deep",
			               document_what(p), depth);
		if (manifest_choose(&index, &p->platform, &entry, err) < 0)
			return err_ctx(err, "'%s'", document_what(p));
		if (get_manifest(p, digest_format(&entry->digest).s, &entry->digest, entry->size,
		                 &p->manifest, &p->manifest_digest, err) < 0)
			return -1;
	}
	return 0;
}

static int get_config(struct pull *p, struct err *err)
{
	const struct descriptor *d = &p->manifest.config;
	AUTO_FREE char *what = xasprintf("config of '%s'", document_what(p));
	AUTO_FREE char *text = NULL;

	if (registry_blob(p->reg, &p->http, d, IMAGE_CONFIG_MAX_BYTES, &text, err) < 0 ||
	    image_config_parse(what, text, (size_t)d->size, &p->config, err) < 0)
		return -1;
	keep_document(p, &d->digest, TAKE_PTR(text), (size_t)d->size);
	if (p->config.n_diff_ids != p->manifest.n_layers)
		return err_set(err, E_CORRUPT, "'%s': its config has %zu layers, its manifest %zu",
		               document_what(p), p->config.n_diff_ids, p->manifest.n_layers);
	if (p->config.platform.architecture[0] &&
	    platform_rank(&p->platform, &p->config.platform) < 0) {
		err_set(err, E_NOT_FOUND, "'%s' is an image for %s, not for %s", document_what(p),
		        platform_format(&p->config.platform).s, platform_format(&p->platform).s);
		return err_hint(err, "to have it all the same: --platform %s",
		                platform_format(&p->config.platform).s);
	}
	return 0;
}

/* --- the policy --- */

static void add_trust(struct pull *p, const struct digest *d, const char *text, size_t len)
{
	struct trust_document doc = { .digest = *d, .text = text, .len = len };

	for (size_t i = 0; i < p->n_trust; i++)
		if (digest_equal(&p->trust[i].digest, d))
			return;
	VEC_PUSH(p->trust, p->n_trust, doc);
}

/* Before anything else of the image is read than its manifests. */
static int check_policy(struct pull *p, struct err *err)
{
	for (size_t i = 0; i < p->n_documents; i++)
		add_trust(p, &p->documents[i].digest, p->documents[i].text, p->documents[i].len);
	if (policy_is_open(&p->policy))
		return 0;
	if (accept_fetch(&p->policy, p->reg, &p->http, &p->ref, p->trust, p->n_trust,
	                 &p->signatures, err) < 0)
		return -1;
	return accept_check(&p->policy, &p->ref, p->trust, p->n_trust, &p->signatures, err);
}

/* Of an image that is here already: signatures may be new, or wanted only now. */
static int recheck_policy(struct pull *p, const struct pull_result *local,
                          const struct digest *manifest, struct err *err)
{
	AUTO_FREE char *origin = image_ref_full(&p->ref);

	if (policy_is_open(&p->policy))
		return 0;
	if (manifest->alg != DIGEST_NONE)
		add_trust(p, manifest, NULL, 0);
	if (check_policy(p, err) < 0 || origin_prepare(p->store, err) < 0 ||
	    db_begin_durable(p->store->db, err) < 0)
		return -1;
	if (origin_record(p->store, local->id, "docker", origin, p->trust, p->n_trust,
	                  &p->signatures, err) < 0) {
		db_rollback(p->store->db);
		return -1;
	}
	return db_commit(p->store->db, err);
}

/* --- layers --- */

static int lease_content(struct pull *p, struct err *err)
{
	AUTO_FREE struct digest *digests = NULL;
	size_t n = 0;

	for (size_t i = 0; i < p->config.n_diff_ids; i++)
		VEC_PUSH(digests, n, p->config.diff_ids[i]);
	for (size_t i = 0; i < p->n_documents; i++)
		VEC_PUSH(digests, n, p->documents[i].digest);
	for (size_t i = 0; i < p->manifest.n_layers; i++)
		VEC_PUSH(digests, n, p->manifest.layers[i].digest);
	return lease_add(p->store, &p->lease, digests, n, err);
}

static bool is_listed(const struct fetch_layer *list, size_t n, const struct digest *diff_id)
{
	for (size_t i = 0; i < n; i++)
		if (digest_equal(&list[i].diff_id, diff_id))
			return true;
	return false;
}

/* By option, and by what the disk has: a cache is no reason to fill it. */
static bool keeps_packed(const struct pull *p)
{
	const char *setting = getenv("DHOW_PACKED_LAYERS");
	uint64_t bytes = 0;

	if (p->options->discard_packed || (setting && strcmp(setting, "discard") == 0))
		return false;
	for (size_t i = 0; i < p->manifest.n_layers; i++)
		bytes += p->manifest.layers[i].size;
	return image_disk_left(p->store) / PACKED_ROOM > bytes;
}

/* Compressed forms of other layers go before the disk is too full for this image. */
static int make_room(struct pull *p, struct err *err)
{
	uint64_t left = image_disk_left(p->store), need = 0, freed = 0;

	for (size_t i = 0; i < p->manifest.n_layers; i++)
		need += p->manifest.layers[i].size;
	need = need > UINT64_MAX / PACKED_ROOM ? UINT64_MAX : need * PACKED_ROOM;
	if (left >= need)
		return 0;
	return packed_evict(p->store, need - left, &freed, err);
}

/* What came compressed, by the layer it is a form of. Its file may be gone: then it is known. */
static int record_packed(struct pull *p, struct err *err)
{
	for (size_t i = 0; i < p->manifest.n_layers; i++) {
		const struct descriptor *blob = &p->manifest.layers[i];
		struct packed packed = { .digest = blob->digest, .size = blob->size };

		packed.compression = media_compression(blob->media_type);
		if (packed.compression == COMPRESSION_NONE)
			continue;
		if (packed_record(p->store, &p->config.diff_ids[i], &packed, "", err) < 0)
			return -1;
	}
	return 0;
}

static int get_layers(struct pull *p, size_t *ret_fetched, struct err *err)
{
	const struct pull_options *o = p->options;
	struct fetch_options options = { .max_parallel = o->max_parallel,
		                         .keep_packed = keeps_packed(p),
		                         .progress = o->progress,
		                         .cancel = o->cancel,
		                         .stop = &p->stop };
	AUTO_FREE struct fetch_layer *wanted = NULL;
	size_t n = 0;

	for (size_t i = 0; i < p->manifest.n_layers; i++) {
		const struct descriptor *blob = &p->manifest.layers[i];
		struct fetch_layer l = { .blob = blob, .diff_id = p->config.diff_ids[i] };
		struct digest_text id = digest_short_text(&blob->digest);

		if (layer_store_has(p->store->layers, &l.diff_id)) {
			image_report(o->progress, IMAGE_STAGE_EXISTS, id.s, 0, blob->size, NULL);
		} else if (!is_listed(wanted, n, &l.diff_id)) {
			image_report(o->progress, IMAGE_STAGE_WAIT, id.s, 0, blob->size, NULL);
			VEC_PUSH(wanted, n, l);
		}
	}
	return fetch_layers(p->store, p->reg, wanted, n, &options, ret_fetched, err);
}

/* What is left of a download that was begun; all of it when there is none. */
static uint64_t ingest_left(struct pull *p, const struct descriptor *blob)
{
	AUTO_FREE char *name =
		xasprintf("%s-%s", digest_alg_name(blob->digest.alg), digest_hex(&blob->digest).s);
	struct stat st;

	if (fstatat(p->store->ingest_fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0 ||
	    (uint64_t)st.st_size > blob->size)
		return blob->size;
	return blob->size - (uint64_t)st.st_size;
}

static void fill_plan(struct pull *p, struct pull_plan *plan)
{
	for (size_t i = 0; i < p->manifest.n_layers; i++) {
		const struct descriptor *blob = &p->manifest.layers[i];
		struct pull_plan_layer l = { .blob = blob->digest,
			                     .diff_id = p->config.diff_ids[i],
			                     .size = blob->size,
			                     .state = PULL_LAYER_FETCH };

		for (size_t k = 0; k < i; k++)
			if (digest_equal(&l.diff_id, &p->config.diff_ids[k]))
				l.state = PULL_LAYER_TWICE;
		if (layer_store_has(p->store->layers, &l.diff_id))
			l.state = PULL_LAYER_HERE;
		if (l.state == PULL_LAYER_FETCH) {
			l.fetch_bytes = ingest_left(p, blob);
			if (l.fetch_bytes < l.size)
				l.state = PULL_LAYER_PARTIAL;
		}
		plan->total_bytes += l.state == PULL_LAYER_TWICE ? 0 : l.size;
		plan->fetch_bytes += l.fetch_bytes;
		VEC_PUSH(plan->layers, plan->n_layers, l);
	}
	for (size_t i = 0; i < p->n_documents; i++)
		plan->document_bytes += p->documents[i].len;
	plan->platform = p->config.platform;
}

static int tell_plan(struct pull *p, struct pull_result *ret, struct err *err)
{
	struct pull_result local = PULL_RESULT_INIT;
	int64_t one;
	int r = db_get_i64(p->store->db, &one, err,
	                   p->ref.has_digest ? "SELECT 1 FROM image_digest WHERE repo = ?1"
	                                       " AND digest = ?3 AND ?2 IS NOT NULL"
	                                     : "SELECT 1 FROM image_name WHERE name = ?2"
	                                       " AND target = ?3 AND ?1 IS NOT NULL",
	                   DB_TEXT(p->repo), DB_TEXT(p->name),
	                   DB_TEXT(digest_format(&p->target).s));

	if (r > 0)
		r = find_local(p, true, &local, err);
	pull_result_done(&local);
	if (r < 0)
		return -1;
	fill_plan(p, p->options->plan);
	ret->id = xstrdup(digest_format(&p->manifest.config.digest).s);
	ret->name = xstrdup(p->name);
	ret->digest = p->target;
	ret->changed = r == 0;
	return 0;
}

static int measure_layers(struct pull *p, struct err *err)
{
	p->layer_sizes = xcalloc(p->config.n_diff_ids + 1, sizeof(*p->layer_sizes));
	for (size_t i = 0; i < p->config.n_diff_ids; i++) {
		struct layer_info info;

		if (layer_store_info(p->store->layers, &p->config.diff_ids[i], &info, err) < 0)
			return -1;
		p->layer_sizes[i] = info.tar_bytes;
	}
	return 0;
}

static int record(struct pull *p, struct err *err)
{
	AUTO_FREE struct image_blob *blobs = xcalloc(p->n_documents + 1, sizeof(*blobs));
	struct image_new new = { .id = p->manifest.config.digest,
		                 .config = &p->config,
		                 .layer_sizes = p->layer_sizes,
		                 .manifest = p->manifest_digest,
		                 .blobs = blobs,
		                 .n_blobs = p->n_documents,
		                 .name = p->ref.has_digest ? NULL : p->name,
		                 .target = p->target,
		                 .repo = p->repo,
		                 .transport = "docker",
		                 .documents = p->trust,
		                 .n_documents = p->n_trust,
		                 .signatures = &p->signatures };
	AUTO_FREE char *origin = image_ref_full(&p->ref);

	new.origin = origin;

	for (size_t i = 0; i < p->n_documents; i++) {
		const struct document *d = &p->documents[i];

		blobs[i] = (struct image_blob){ .digest = d->digest, .size = d->len };
		if (blob_put(p->store, &d->digest, d->text, d->len, err) < 0)
			return -1;
	}
	return record_packed(p, err) < 0 ? -1 : image_record(p->store, &new, err);
}

/* --- the whole --- */

static int open_registry(struct pull *p, struct err *err)
{
	const struct pull_options *o = p->options;
	struct registry_options options = { .tls_verify = o->tls_verify,
		                            .creds = o->creds,
		                            .authfile = o->authfile,
		                            .cert_dir = o->cert_dir,
		                            .max_retries = o->max_retries,
		                            .cancel = o->cancel,
		                            .stop = &p->stop,
		                            .endpoint = p->endpoint };

	if (registry_new(p->ref.domain, p->ref.path, &options, &p->reg, err) < 0)
		return -1;
	return http_init(&p->http, registry_policy(p->reg), err);
}

static int pull_from_endpoint(struct pull *p, struct pull_result *ret, struct err *err)
{
	AUTO_FREE char *reference =
		xstrdup(p->ref.has_digest ? digest_format(&p->ref.digest).s : p->ref.tag);
	size_t fetched = 0;
	int r;

	image_report(p->options->progress, IMAGE_STAGE_RESOLVE, document_what(p), 0, 0, NULL);
	if (open_registry(p, err) < 0 ||
	    get_manifest(p, reference, p->ref.has_digest ? &p->ref.digest : NULL, 0, &p->manifest,
	                 &p->target, err) < 0)
		return -1;
	p->manifest_digest = p->target;
	r = is_unchanged(p, ret, err);
	if (r != 0)
		return r < 0 ? -1 : 0;
	if (descend(p, err) < 0 || check_policy(p, err) < 0 || get_config(p, err) < 0)
		return -1;
	if (p->options->plan)
		return tell_plan(p, ret, err);
	if ((p->lease.fd < 0 && lease_begin(p->store, &p->lease, err) < 0))
		return -1;
	if (lease_content(p, err) < 0 || make_room(p, err) < 0 ||
	    get_layers(p, &fetched, err) < 0 || image_cancelled(p->options->cancel, err) < 0 ||
	    measure_layers(p, err) < 0 || record(p, err) < 0)
		return -1;
	ret->id = xstrdup(digest_format(&p->manifest.config.digest).s);
	ret->name = xstrdup(p->name);
	ret->digest = p->target;
	ret->changed = true;
	return 0;
}

/* Whether another place may do better. */
static bool is_hopeless(const struct err *err)
{
	return err->code == E_INTERRUPTED || err->code == E_NO_SPACE || err->code == E_PERM ||
	       err->code == E_INTERNAL;
}

/* From the first endpoint that can serve it whole. What failed before is told on the way, and again
 * at the end when nothing helped. */
static int pull_from_registry(struct pull *p, struct pull_result *ret, struct err *err)
{
	AUTO_REGISTRIES registries = REGISTRIES_INIT;
	AUTO_BUF failed = STRBUF_INIT;
	struct endpoint *list = NULL;
	size_t n = 0;
	int r = -1;

	if (registries_load(&registries, err) < 0 ||
	    endpoints_find(&registries, &p->ref,
	                   p->ref.has_digest ? ENDPOINT_PULL : ENDPOINT_RESOLVE, &list, &n,
	                   err) < 0)
		return -1;
	for (size_t i = 0; i < n; i++) {
		p->endpoint = &list[i];
		pull_reset(p);
		*err = ERR_INIT;
		r = pull_from_endpoint(p, ret, err);
		if (r == 0 || is_hopeless(err) || i + 1 == n)
			break;
		image_report(p->options->progress, IMAGE_STAGE_MIRROR, list[i].domain, 0, 0,
		             err->msg);
		strbuf_addf(&failed, "%s%s", failed.len ? "; " : "", err->msg);
	}
	if (r < 0 && failed.len && !is_hopeless(err)) {
		struct err last = *err;

		err_set(err, last.code, "%.400s (before that, mirrors: %.500s)", last.msg,
		        failed.buf);
		err->sys = last.sys;
		memcpy(err->hint, last.hint, sizeof(err->hint));
	}
	p->endpoint = NULL;
	pull_reset(p);
	endpoints_free(list, n);
	return r;
}

static int prepare(struct pull *p, struct err *err)
{
	if (image_ref_parse(p->asked, &p->ref, err) < 0)
		return -1;
	p->name = image_ref_name(&p->ref);
	p->repo = image_ref_repo(&p->ref);
	if (policy_load(p->options->policy_file, &p->policy, err) < 0)
		return -1;
	if (!p->options->platform) {
		p->platform = platform_host();
		return 0;
	}
	return platform_parse(p->options->platform, &p->platform, err);
}

static int pull_by_policy(struct pull *p, struct pull_result *ret, struct err *err)
{
	enum pull_policy policy = p->options->policy;
	struct pull_result local = PULL_RESULT_INIT;
	int have = 0;

	if (prepare(p, err) < 0)
		return -1;
	if (policy != PULL_ALWAYS)
		have = find_local(p, false, &local, err);
	if (have < 0)
		return -1;
	if (have && policy != PULL_NEWER) {
		*ret = local;
		return 0;
	}
	if (policy == PULL_NEVER) {
		err_set(err, E_NOT_FOUND, "no such image: '%.300s', and it may not be pulled",
		        p->asked);
		return err_hint(err, "pull it first: dhow pull %.120s", p->asked);
	}
	if (pull_from_registry(p, ret, err) == 0) {
		pull_result_done(&local);
		return 0;
	}
	if (have && (err->code == E_NETWORK || err->code == E_TIMEOUT)) {
		log_debug("%s: the image that is here serves", err->msg);
		*ret = local;
		return 0;
	}
	pull_result_done(&local);
	return -1;
}

int image_pull(struct image_store *store, const char *ref, const struct pull_options *options,
               struct pull_result *ret, struct err *err)
{
	struct pull p = { .store = store, .options = options, .asked = ref, .lease = LEASE_INIT };
	int r = pull_by_policy(&p, ret, err);

	/* layers that came whole are kept a while for the next attempt */
	lease_end(store, &p.lease, r < 0);
	pull_done(&p);
	return r;
}
