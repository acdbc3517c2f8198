/* Manifests while they are copied: read as they are, written anew only where they have to be. */
#include "base/xalloc.h"
#include "image/copy-internal.h"

void document_done(struct document *d)
{
	free(d->text);
	free(d->media_type);
	*d = (struct document){ 0 };
}

void copy_manifest_done(struct copy_manifest *m)
{
	json_object_put(m->obj);
	free(m->media_type);
	descriptor_done(&m->config);
	for (size_t i = 0; i < m->n_layers; i++)
		descriptor_done(&m->layers[i]);
	free(m->layers);
	*m = COPY_MANIFEST_INIT;
}

static int parse_layers(const struct json *root, const char *key, struct copy_manifest *m,
                        struct err *err)
{
	struct json list;
	bool present = false;
	size_t n;

	if (json_get_array(root, key, &list, &present, err) < 0)
		return -1;
	n = present ? json_len(&list) : 0;
	if (n > MANIFEST_MAX_LAYERS)
		return err_set(err, E_LIMIT, "%s: %zu layers, at most %d are taken", root->key, n,
		               MANIFEST_MAX_LAYERS);
	m->layers = xcalloc(n + 1, sizeof(*m->layers));
	for (size_t i = 0; i < n; i++) {
		struct json item = json_item(&list, i);

		if (descriptor_parse(&item, &m->layers[i], err) < 0)
			return -1;
		m->n_layers = i + 1;
	}
	return 0;
}

static bool is_image(const struct copy_manifest *m)
{
	if (media_kind(m->config.media_type) != MEDIA_KIND_CONFIG)
		return false;
	for (size_t i = 0; i < m->n_layers; i++)
		if (media_kind(m->layers[i].media_type) != MEDIA_KIND_LAYER)
			return false;
	return true;
}

/* Not an image by manifest_parse()'s strict rules, which had the first look. */
static int parse_artifact(const struct document *doc, const char *what, struct copy_manifest *m,
                          struct err *err)
{
	struct json root, config;
	const char *media_type = NULL;

	if (json_parse(what, doc->text, doc->len, &m->obj, err) < 0)
		return -1;
	root = json_root(m->obj, what);
	if (json_expect(&root, json_type_object, err) < 0 ||
	    json_get_str(&root, "mediaType", &media_type, err) < 0 ||
	    json_require(&root, "config", &config, err) < 0 ||
	    descriptor_parse(&config, &m->config, err) < 0 ||
	    parse_layers(&root, "layers", m, err) < 0)
		return -1;
	m->media_type = xstrdup(media_type ? media_type : MEDIA_OCI_MANIFEST);
	m->is_image = is_image(m);
	return 0;
}

int copy_manifest_parse(const struct document *doc, struct copy_manifest *ret, struct err *err)
{
	AUTO_COPY_MANIFEST m = COPY_MANIFEST_INIT;
	AUTO_FREE char *what = xasprintf("manifest %s", digest_format(&doc->digest).s);
	AUTO_MANIFEST strict = MANIFEST_INIT;
	struct err why = ERR_INIT;

	if (manifest_parse(what, doc->media_type, doc->text, doc->len, &strict, &why) < 0 &&
	    why.code != E_UNSUPPORTED) {
		*err = why;
		return -1;
	}
	if (why.code == E_OK && strict.kind == MANIFEST_INDEX)
		return 1;
	if (parse_artifact(doc, what, &m, err) < 0) {
		/* schema 1 and other things that have no config at all */
		if (why.code != E_OK)
			*err = why;
		return -1;
	}
	*ret = m;
	m = COPY_MANIFEST_INIT;
	return 0;
}

int copy_config_parse(const struct document *config, struct image_config *ret, struct err *err)
{
	AUTO_FREE char *what = xasprintf("config %s", digest_format(&config->digest).s);

	return image_config_parse(what, config->text, config->len, ret, err);
}

/* --- writing --- */

static const char *layer_type(enum image_format format, enum compression c)
{
	if (format == FORMAT_V2S2)
		return c == COMPRESSION_NONE   ? "application/vnd.docker.image.rootfs.diff.tar"
		       : c == COMPRESSION_ZSTD ? "application/vnd.docker.image.rootfs.diff.tar.zstd"
		                               : MEDIA_DOCKER_LAYER;
	return c == COMPRESSION_NONE   ? MEDIA_OCI_LAYER
	       : c == COMPRESSION_ZSTD ? MEDIA_OCI_LAYER_ZSTD
	                               : MEDIA_OCI_LAYER_GZIP;
}

static bool is_docker(const char *media_type)
{
	return strncmp(media_type, "application/vnd.docker.", 23) == 0;
}

static void set_text(struct document *doc, struct json_object *obj, const char *media_type)
{
	free(doc->text);
	doc->text = xstrdup(json_text(obj, false));
	doc->len = strlen(doc->text);
	free(doc->media_type);
	doc->media_type = xstrdup(media_type);
	digest_of(DIGEST_SHA256, doc->text, doc->len, &doc->digest);
}

static void put_layer(struct json_object *list, size_t i, enum image_format format,
                      const struct copy_layer *l)
{
	struct json_object *entry = json_object_array_get_idx(list, i);

	json_add_str(entry, "mediaType", layer_type(format, l->target));
	json_add_str(entry, "digest", digest_format(&l->digest).s);
	json_add_u64(entry, "size", l->size);
	/* what is said of other bytes (zstd:chunked's and eStargz's tables) holds no more */
	if (!digest_equal(&l->digest, &l->have->digest))
		json_object_object_del(entry, "annotations");
}

void copy_manifest_rewrite(const struct copy_manifest *m, enum image_format format,
                           const struct copy_layer *layers, struct document *doc, bool *changed)
{
	bool to_docker = format == FORMAT_V2S2;
	struct json_object *config, *list;

	*changed = is_docker(m->media_type) != to_docker;
	for (size_t i = 0; i < m->n_layers; i++)
		*changed |= !digest_equal(&layers[i].digest, &m->layers[i].digest);
	if (!*changed || !m->is_image) {
		*changed = false;
		if (!doc->media_type)
			doc->media_type = xstrdup(m->media_type);
		return;
	}
	json_add_str(m->obj, "mediaType", to_docker ? MEDIA_DOCKER_MANIFEST : MEDIA_OCI_MANIFEST);
	config = json_object_object_get(m->obj, "config");
	json_add_str(config, "mediaType", to_docker ? MEDIA_DOCKER_CONFIG : MEDIA_OCI_CONFIG);
	list = json_object_object_get(m->obj, "layers");
	for (size_t i = 0; i < m->n_layers; i++)
		put_layer(list, i, format, &layers[i]);
	if (to_docker) {
		/* docker's format has no place for them */
		json_object_object_del(m->obj, "annotations");
		json_object_object_del(m->obj, "subject");
		json_object_object_del(m->obj, "artifactType");
	}
	set_text(doc, m->obj, to_docker ? MEDIA_DOCKER_MANIFEST : MEDIA_OCI_MANIFEST);
}

void copy_index_rewrite(struct document *doc, const struct document *entries, size_t n,
                        enum image_format format, bool *changed)
{
	const char *type = format == FORMAT_V2S2 ? MEDIA_DOCKER_LIST : MEDIA_OCI_INDEX;
	AUTO_JSON *obj = NULL;
	struct json_object *list;

	*changed = false;
	/* it was parsed once already */
	if (json_parse("index", doc->text, doc->len, &obj, ERR_IGNORE) < 0)
		return;
	list = json_object_object_get(obj, "manifests");
	for (size_t i = 0; i < n; i++) {
		struct json_object *entry = json_object_array_get_idx(list, i);
		const char *old = json_object_get_string(json_object_object_get(entry, "digest"));

		if (!entries[i].len || strcmp(old, digest_format(&entries[i].digest).s) == 0)
			continue;
		json_add_str(entry, "mediaType", entries[i].media_type);
		json_add_str(entry, "digest", digest_format(&entries[i].digest).s);
		json_add_u64(entry, "size", entries[i].len);
		*changed = true;
	}
	if (!*changed && strcmp(doc->media_type, type) == 0)
		return;
	*changed = true;
	json_add_str(obj, "mediaType", type);
	set_text(doc, obj, type);
}
