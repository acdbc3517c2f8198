/* load and import: from archives into the store. */
#include "base/clock.h"
#include "base/fd.h"
#include "base/strbuf.h"
#include "base/xalloc.h"
#include "image/accept-internal.h"
#include "image/archive-internal.h"
#include <errno.h>
#include <sys/mman.h>

#define INDEX_DEPTH_MAX 3
#define LOAD_IMAGES_MAX 1024

/* A document that becomes a blob. */
struct document {
	struct digest digest;
	char *text;
	size_t len;
};

/* One image of an archive on its way in. */
struct loading {
	struct image_store *store;
	const struct archive_source *src;
	const struct archive_options *options;
	struct lease *lease;
	struct document *documents;
	size_t n_documents;
	struct image_config config;
	struct digest id;
	uint64_t *layer_sizes;
	const struct policy *policy; /* NULL: it is our own image */
	const char *transport;
};

static void loading_done(struct loading *l)
{
	for (size_t i = 0; i < l->n_documents; i++)
		free(l->documents[i].text);
	free(l->documents);
	image_config_done(&l->config);
	free(l->layer_sizes);
}

/* Takes text. */
static void keep_document(struct loading *l, const struct digest *digest, char *text, size_t len)
{
	struct document d = { .digest = *digest, .text = text, .len = len };

	VEC_PUSH(l->documents, l->n_documents, d);
}

static int take_config(struct loading *l, const struct digest *id, char *text, size_t len,
                       struct err *err)
{
	l->id = *id;
	keep_document(l, id, text, len);
	return image_config_parse("config of the image", text, len, &l->config, err);
}

static int lease_content(struct loading *l, struct err *err)
{
	AUTO_FREE struct digest *digests = NULL;
	size_t n = 0;

	for (size_t i = 0; i < l->config.n_diff_ids; i++)
		VEC_PUSH(digests, n, l->config.diff_ids[i]);
	for (size_t i = 0; i < l->n_documents; i++)
		VEC_PUSH(digests, n, l->documents[i].digest);
	return lease_add(l->store, l->lease, digests, n, err);
}

/* Layer i from the member `name`; blob: digest and size of its bytes as they are, or NULL. */
static int load_layer(struct loading *l, size_t i, const char *name, const struct descriptor *blob,
                      struct err *err)
{
	const struct digest *diff_id = &l->config.diff_ids[i];
	AUTO_FREE char *what = xasprintf("layer %s", digest_format(diff_id).s);
	struct digest_text id = digest_short_text(diff_id);
	struct archive_layer layer = { .what = what,
		                       .id = id.s,
		                       .fd = -1,
		                       .blob = blob ? &blob->digest : NULL,
		                       .expected = diff_id,
		                       .progress = l->options->progress,
		                       .cancel = l->options->cancel };
	struct layer_info info;
	AUTO_FD fd = -1;
	uint64_t offset;

	if (layer_store_has(l->store->layers, diff_id)) {
		image_report(layer.progress, IMAGE_STAGE_EXISTS, id.s, 0, 0, NULL);
		if (layer_store_info(l->store->layers, diff_id, &info, err) < 0)
			return -1;
	} else {
		if (archive_source_get(l->src, name, &fd, &offset, &layer.size, err) < 0)
			return -1;
		if (blob && blob->size != layer.size)
			return err_set(err, E_CORRUPT,
			               "%s: %llu bytes in the archive, the manifest says %llu",
			               what, (unsigned long long)layer.size,
			               (unsigned long long)blob->size);
		layer.fd = fd;
		layer.offset = (int64_t)offset;
		if (archive_import_layer(l->store, &layer, &info, err) < 0)
			return -1;
	}
	l->layer_sizes[i] = info.tar_bytes;
	return 0;
}

/* A bundle made by `save --for` leaves out what the other side said it has. All that is missing is
 * named before anything is imported. name_of: the member of layer i. */
static int check_complete(const struct loading *l, char *(*name_of)(const void *ctx, size_t i),
                          const void *ctx, struct err *err)
{
	AUTO_BUF missing = STRBUF_INIT;
	size_t n = 0;

	for (size_t i = 0; i < l->config.n_diff_ids; i++) {
		AUTO_FREE char *name = name_of(ctx, i);

		if (layer_store_has(l->store->layers, &l->config.diff_ids[i]) ||
		    archive_source_has(l->src, name))
			continue;
		if (n++ < 8)
			strbuf_addf(&missing, "%s%s", n > 1 ? ", " : "",
			            digest_format(&l->config.diff_ids[i]).s);
	}
	if (n == 0)
		return 0;
	err_set(err, E_NOT_FOUND, "%zu layer%s neither in the archive nor here: %s%s", n,
	        n == 1 ? " of the image is" : "s of the image are", missing.buf,
	        n > 8 ? ", ..." : "");
	return err_hint(err, "it was saved for a store that has them: make it again with"
	                     " 'image inventory' of this one, or without --for");
}

static int record_one(struct loading *l, const struct digest *manifest, const char *name,
                      struct err *err)
{
	AUTO_FREE struct image_blob *blobs = xcalloc(l->n_documents + 1, sizeof(*blobs));
	struct image_new new = { .id = l->id,
		                 .config = &l->config,
		                 .layer_sizes = l->layer_sizes,
		                 .blobs = blobs,
		                 .n_blobs = l->n_documents,
		                 .name = name,
		                 .transport = l->transport,
		                 .origin = name };

	if (l->policy && accept_archive(l->policy, l->transport, name, err) < 0)
		return -1;
	if (manifest)
		new.manifest = new.target = *manifest;
	for (size_t i = 0; i < l->n_documents; i++) {
		const struct document *d = &l->documents[i];

		blobs[i] = (struct image_blob){ .digest = d->digest, .size = d->len };
		if (blob_put(l->store, &d->digest, d->text, d->len, err) < 0)
			return -1;
	}
	return image_record(l->store, &new, err);
}

/* Give it all its names, or none. */
static int record_image(struct loading *l, const struct digest *manifest, const struct strv *names,
                        struct strv *ret_loaded, struct err *err)
{
	AUTO_STRV whole = STRV_INIT;

	for (size_t i = 0; i < names->len; i++) {
		AUTO_REF ref = IMAGE_REF_INIT;

		if (image_ref_parse(names->items[i], &ref, err) < 0)
			return err_ctx(err, "archive");
		if (ref.has_digest)
			return err_set(err, E_INVALID, "archive: bad image name '%.200s'",
			               names->items[i]);
		strv_add_owned(&whole, image_ref_name(&ref));
	}
	if (whole.len == 0) {
		if (record_one(l, manifest, NULL, err) < 0)
			return -1;
		strv_add(ret_loaded, digest_format(&l->id).s);
	}
	for (size_t i = 0; i < whole.len; i++) {
		if (record_one(l, manifest, whole.items[i], err) < 0)
			return -1;
		strv_add(ret_loaded, image_ref_familiar(whole.items[i]));
	}
	return 0;
}

static int check_platform(const struct loading *l, const struct platform *want, struct err *err)
{
	if (!l->options->platform || platform_rank(want, &l->config.platform) >= 0)
		return 0;
	return err_set(err, E_NOT_FOUND, "the archive has an image for %s, not for %s",
	               platform_format(&l->config.platform).s, platform_format(want).s);
}

/* --- docker-archive: manifest.json --- */

static char *docker_layer_name(const void *ctx, size_t i)
{
	return xstrdup(((const struct strv *)ctx)->items[i]);
}

static int load_docker_layers(struct loading *l, const struct strv *layers, struct err *err)
{
	if (layers->len != l->config.n_diff_ids)
		return err_set(err, E_CORRUPT,
		               "archive: manifest.json lists %zu layers, the config %zu",
		               layers->len, l->config.n_diff_ids);
	if (check_complete(l, docker_layer_name, layers, err) < 0)
		return -1;
	l->layer_sizes = xcalloc(layers->len + 1, sizeof(*l->layer_sizes));
	for (size_t i = 0; i < layers->len; i++)
		if (load_layer(l, i, layers->items[i], NULL, err) < 0)
			return -1;
	return 0;
}

static int load_docker_image(struct loading *l, const struct json *item,
                             const struct platform *want, struct strv *ret_loaded, struct err *err)
{
	AUTO_STRV names = STRV_INIT;
	AUTO_STRV layers = STRV_INIT;
	AUTO_FREE char *text = NULL;
	const char *config = NULL;
	struct digest id;
	size_t len;

	if (json_expect(item, json_type_object, err) < 0 ||
	    json_get_str(item, "Config", &config, err) < 0 ||
	    json_get_strv(item, "RepoTags", &names, err) < 0 ||
	    json_get_strv(item, "Layers", &layers, err) < 0)
		return -1;
	if (!config)
		return json_error(err, item, "Config is missing");
	if (archive_source_text(l->src, config, IMAGE_CONFIG_MAX_BYTES, &text, &len, err) < 0)
		return -1;
	digest_of(DIGEST_SHA256, text, len, &id);
	if (take_config(l, &id, TAKE_PTR(text), len, err) < 0 || check_platform(l, want, err) < 0 ||
	    lease_content(l, err) < 0 || load_docker_layers(l, &layers, err) < 0)
		return -1;
	return record_image(l, NULL, &names, ret_loaded, err);
}

static int load_docker(struct loading *l, const struct platform *want, struct strv *ret_loaded,
                       struct err *err)
{
	AUTO_FREE char *text = NULL;
	AUTO_JSON *obj = NULL;
	struct json root;
	size_t len;

	if (archive_source_text(l->src, "manifest.json", ARCHIVE_TEXT_MAX, &text, &len, err) < 0 ||
	    json_parse("manifest.json", text, len, &obj, err) < 0)
		return -1;
	root = json_root(obj, "manifest.json");
	if (json_expect(&root, json_type_array, err) < 0)
		return -1;
	if (json_len(&root) == 0 || json_len(&root) > LOAD_IMAGES_MAX)
		return err_set(err, E_CORRUPT, "manifest.json: %zu images", json_len(&root));
	for (size_t i = 0; i < json_len(&root); i++) {
		struct json item = json_item(&root, i);
		struct loading one = *l;
		int r = load_docker_image(&one, &item, want, ret_loaded, err);

		loading_done(&one);
		if (r < 0)
			return -1;
	}
	return 0;
}

/* --- OCI layout: index.json --- */

static char *blob_name(const struct digest *d)
{
	return xasprintf("blobs/%s", blob_path(d).s);
}

/* A document by descriptor, verified. Caller frees. */
static int get_blob(const struct loading *l, const struct descriptor *d, size_t max_bytes,
                    char **ret, size_t *ret_len, struct err *err)
{
	AUTO_FREE char *name = blob_name(&d->digest);
	AUTO_FREE char *text = NULL;
	struct digest got;
	size_t len;

	if (archive_source_text(l->src, name, max_bytes, &text, &len, err) < 0)
		return -1;
	digest_of(d->digest.alg, text, len, &got);
	if (len != d->size || !digest_equal(&got, &d->digest))
		return err_set(err, E_CORRUPT, "archive: '%s' does not have that digest and size",
		               name);
	*ret = TAKE_PTR(text);
	*ret_len = len;
	return 0;
}

/* From a descriptor of index.json to an image manifest. */
static int get_manifest(struct loading *l, const struct descriptor *d, const struct platform *want,
                        struct manifest *ret, struct digest *ret_digest, struct err *err)
{
	struct descriptor at = *d; /* a view: nothing of it is freed */

	for (int depth = 0; depth < INDEX_DEPTH_MAX; depth++) {
		AUTO_MANIFEST m = MANIFEST_INIT;
		const struct descriptor *entry;
		char *text;
		size_t len;

		if (get_blob(l, &at, MANIFEST_MAX_BYTES, &text, &len, err) < 0)
			return -1;
		keep_document(l, &at.digest, text, len);
		if (manifest_parse("manifest in the archive", at.media_type, text, len, &m, err) <
		    0)
			return -1;
		if (m.kind == MANIFEST_IMAGE) {
			*ret_digest = at.digest;
			*ret = m;
			m = MANIFEST_INIT;
			return 0;
		}
		if (manifest_choose(&m, want, &entry, err) < 0)
			return -1;
		at = (struct descriptor){ .digest = entry->digest, .size = entry->size };
	}
	return err_set(err, E_LIMIT, "archive: indexes within indexes, %d deep", INDEX_DEPTH_MAX);
}

static void find_name(const struct descriptor *d, struct strv *ret)
{
	/* podman and skopeo write a whole name here, or a mere tag, which names nothing */
	const char *name = d->name ? d->name : d->ref_name;

	if (name && (d->name || strpbrk(name, "/:")))
		strv_add(ret, name);
}

static char *oci_layer_name(const void *ctx, size_t i)
{
	return blob_name(&((const struct manifest *)ctx)->layers[i].digest);
}

static int load_oci_image(struct loading *l, const struct descriptor *d,
                          const struct platform *want, struct strv *ret_loaded, struct err *err)
{
	AUTO_MANIFEST m = MANIFEST_INIT;
	AUTO_STRV names = STRV_INIT;
	struct digest manifest;
	char *text;
	size_t len;

	if (get_manifest(l, d, want, &m, &manifest, err) < 0 ||
	    get_blob(l, &m.config, IMAGE_CONFIG_MAX_BYTES, &text, &len, err) < 0 ||
	    take_config(l, &m.config.digest, text, len, err) < 0 ||
	    check_platform(l, want, err) < 0)
		return -1;
	if (l->config.n_diff_ids != m.n_layers)
		return err_set(err, E_CORRUPT,
		               "archive: the config has %zu layers, the manifest %zu",
		               l->config.n_diff_ids, m.n_layers);
	if (lease_content(l, err) < 0)
		return -1;
	if (check_complete(l, oci_layer_name, &m, err) < 0)
		return -1;
	l->layer_sizes = xcalloc(m.n_layers + 1, sizeof(*l->layer_sizes));
	for (size_t i = 0; i < m.n_layers; i++) {
		AUTO_FREE char *name = blob_name(&m.layers[i].digest);

		if (load_layer(l, i, name, &m.layers[i], err) < 0)
			return -1;
	}
	find_name(d, &names);
	return record_image(l, &manifest, &names, ret_loaded, err);
}

static bool is_image(const struct descriptor *d)
{
	enum media_kind kind = media_kind(d->media_type);

	return kind == MEDIA_KIND_MANIFEST || kind == MEDIA_KIND_INDEX;
}

static int load_oci(struct loading *l, const struct platform *want, struct strv *ret_loaded,
                    struct err *err)
{
	AUTO_MANIFEST index = MANIFEST_INIT;
	AUTO_FREE char *text = NULL;
	size_t len, n = 0;

	if (archive_source_text(l->src, "index.json", MANIFEST_MAX_BYTES, &text, &len, err) < 0 ||
	    manifest_parse("index.json", NULL, text, len, &index, err) < 0)
		return -1;
	if (index.kind != MANIFEST_INDEX)
		return err_set(err, E_CORRUPT, "index.json: not an index");
	for (size_t i = 0; i < index.n_entries; i++) {
		struct loading one = *l;
		int r;

		if (!is_image(&index.entries[i]))
			continue;
		n++;
		r = load_oci_image(&one, &index.entries[i], want, ret_loaded, err);
		loading_done(&one);
		if (r < 0)
			return -1;
	}
	return n ? 0 : err_set(err, E_NOT_FOUND, "the archive has no image");
}

/* Before anything of it is imported. */
static int begin_load(struct loading *l, const char *transport, struct err *err)
{
	if (!l->policy)
		return 0;
	l->transport = transport;
	return accept_archive(l->policy, transport, NULL, err);
}

static int load(struct image_store *store, int fd, const struct archive_options *options,
                const struct policy *policy, struct strv *ret_loaded, struct err *err)
{
	struct platform want = platform_host();
	struct archive_source src = { .fd = -1 };
	struct lease lease = LEASE_INIT;
	struct loading l = {
		.store = store, .src = &src, .options = options, .lease = &lease, .policy = policy
	};
	int r = -1;

	if (options->platform && platform_parse(options->platform, &want, err) < 0)
		return -1;
	if (archive_source_open(store, fd, options->cancel, &src, err) < 0)
		return err_ctx(err, "load");
	if (lease_begin(store, &lease, err) < 0)
		goto out;
	if (!src.is_dir && archive_source_has(&src, "manifest.json")) {
		if (begin_load(&l, "docker-archive", err) == 0)
			r = load_docker(&l, &want, ret_loaded, err);
	} else if (archive_source_has(&src, "index.json")) {
		if (begin_load(&l, src.is_dir ? "oci" : "oci-archive", err) == 0)
			r = load_oci(&l, &want, ret_loaded, err);
	} else {
		err_set(err, E_INVALID,
		        "load: neither a docker archive nor an OCI layout: no manifest.json or"
		        " index.json in it");
		err_hint(err, "a root file system is taken by 'dhow import'");
	}
out:
	lease_end(store, &lease, r < 0);
	archive_source_done(&src);
	return r;
}

int image_load(struct image_store *store, int fd, const struct archive_options *options,
               struct strv *ret_loaded, struct err *err)
{
	AUTO_POLICY policy = POLICY_INIT;

	if (policy_load(options->policy_file, &policy, err) < 0)
		return -1;
	return load(store, fd, options, &policy, ret_loaded, err);
}

int image_load_memory(struct image_store *store, const void *data, size_t len,
                      struct strv *ret_loaded, struct err *err)
{
	struct archive_options options = { 0 };
	AUTO_FD fd = memfd_create("image", MFD_CLOEXEC);
	int r;

	if (fd < 0)
		return err_sys(err, errno, "memfd_create");
	r = fd_write_all(fd, data, len);
	if (r < 0 || lseek(fd, 0, SEEK_SET) < 0)
		return err_sys(err, r < 0 ? -r : errno, "write a file in memory");
	return load(store, fd, &options, NULL, ret_loaded, err);
}

/* --- import --- */

static int make_config(const struct import_options *options, const struct layer_info *layer,
                       struct image_config *c, struct err *err)
{
	c->platform = platform_host();
	c->platform.variant[0] = '\0'; /* nobody knows what is in it: say as little as can be */
	if (options->platform && platform_parse(options->platform, &c->platform, err) < 0)
		return -1;
	c->created_ns = clock_realtime_ns();
	c->created = xstrdup(time_format(c->created_ns).s);
	c->diff_ids = xmemdup(&layer->diff_id, sizeof(layer->diff_id));
	c->n_diff_ids = 1;
	c->history = xcalloc(1, sizeof(*c->history));
	c->history[0].created = xstrdup(c->created);
	c->history[0].comment = xstrdup(options->message ? options->message : "Imported from -");
	c->n_history = 1;
	for (size_t i = 0; i < options->n_changes; i++)
		if (image_config_change(c, options->changes[i], err) < 0)
			return -1;
	return 0;
}

static int record_import(struct image_store *store, struct lease *lease, const char *name,
                         const struct image_config *config, const struct layer_info *layer,
                         char **ret_id, struct err *err)
{
	AUTO_JSON *obj = image_config_to_json(config);
	const char *text = json_text(obj, false);
	size_t len = strlen(text);
	uint64_t size = layer->tar_bytes;
	struct digest content[2] = { layer->diff_id };
	struct image_blob blob = { .size = len };
	struct image_new new = {
		.config = config, .layer_sizes = &size, .blobs = &blob, .n_blobs = 1, .name = name
	};

	digest_of(DIGEST_SHA256, text, len, &new.id);
	blob.digest = content[1] = new.id;
	if (lease_add(store, lease, content, ARRAY_LEN(content), err) < 0)
		return -1;
	/* it was visible for a moment without a lease */
	if (!layer_store_has(store->layers, &layer->diff_id))
		return err_set(err, E_BUSY,
		               "import: the layer was swept away meanwhile; try again");
	if (blob_put(store, &new.id, text, len, err) < 0 || image_record(store, &new, err) < 0)
		return -1;
	*ret_id = xstrdup(digest_format(&new.id).s);
	return 0;
}

int image_import(struct image_store *store, int fd, const struct import_options *options,
                 char **ret_id, struct err *err)
{
	struct archive_layer layer = { .what = "import",
		                       .id = "import",
		                       .fd = fd,
		                       .offset = -1,
		                       .progress = options->progress,
		                       .cancel = options->cancel };
	AUTO_IMAGE_CONFIG config = IMAGE_CONFIG_INIT;
	struct layer_info info = { 0 }, none = { 0 };
	struct lease lease = LEASE_INIT;
	AUTO_FREE char *name = NULL;
	int r;

	if (options->name) {
		AUTO_REF ref = IMAGE_REF_INIT;

		if (image_ref_parse(options->name, &ref, err) < 0)
			return -1;
		if (ref.has_digest)
			return err_set(err, E_INVALID,
			               "import: a name with a digest cannot be given: '%.200s'",
			               options->name);
		name = image_ref_name(&ref);
	}
	/* bad changes are told before the work, not after it */
	if (make_config(options, &none, &config, err) < 0)
		return -1;
	image_config_done(&config);
	if (lease_begin(store, &lease, err) < 0)
		return -1;
	r = archive_import_layer(store, &layer, &info, err);
	if (r == 0)
		r = make_config(options, &info, &config, err);
	if (r == 0)
		r = record_import(store, &lease, name, &config, &info, ret_id, err);
	lease_end(store, &lease, r < 0);
	return r;
}
