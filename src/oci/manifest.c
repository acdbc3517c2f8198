#include "oci/manifest.h"
#include "base/strbuf.h"
#include "base/xalloc.h"

void manifest_done(struct manifest *m)
{
	free(m->media_type);
	descriptor_done(&m->config);
	for (size_t i = 0; i < m->n_layers; i++)
		descriptor_done(&m->layers[i]);
	free(m->layers);
	for (size_t i = 0; i < m->n_entries; i++)
		descriptor_done(&m->entries[i]);
	free(m->entries);
	*m = MANIFEST_INIT;
}

static int parse_list(const struct json *at, const char *key, size_t max, struct descriptor **ret,
                      size_t *ret_n, struct err *err)
{
	struct json list;
	bool present = false;
	size_t n;

	if (json_get_array(at, key, &list, &present, err) < 0)
		return -1;
	n = present ? json_len(&list) : 0;
	if (n > max)
		return err_set(err, E_LIMIT, "%s: %zu %s, at most %zu are taken", at->key, n, key,
		               max);
	*ret = xcalloc(n ? n : 1, sizeof(**ret));
	for (size_t i = 0; i < n; i++) {
		struct json item = json_item(&list, i);

		if (descriptor_parse(&item, &(*ret)[i], err) < 0)
			return -1;
		*ret_n = i + 1;
	}
	return 0;
}

static int parse_image(const struct json *root, struct manifest *m, struct err *err)
{
	struct json config;

	m->kind = MANIFEST_IMAGE;
	if (json_require(root, "config", &config, err) < 0 ||
	    descriptor_parse(&config, &m->config, err) < 0)
		return -1;
	if (parse_list(root, "layers", MANIFEST_MAX_LAYERS, &m->layers, &m->n_layers, err) < 0)
		return -1;
	if (media_kind(m->config.media_type) != MEDIA_KIND_CONFIG) {
		err_set(err, E_UNSUPPORTED, "%s: an artifact of type '%.100s', not an image",
		        root->key, m->config.media_type);
		return -1;
	}
	for (size_t i = 0; i < m->n_layers; i++)
		if (media_kind(m->layers[i].media_type) != MEDIA_KIND_LAYER)
			return err_set(err, E_UNSUPPORTED, "%s: layer %zu has the type '%.100s'",
			               root->key, i + 1, m->layers[i].media_type);
	return 0;
}

static int parse_index(const struct json *root, struct manifest *m, struct err *err)
{
	m->kind = MANIFEST_INDEX;
	return parse_list(root, "manifests", MANIFEST_MAX_ENTRIES, &m->entries, &m->n_entries, err);
}

static int refuse_schema1(const char *what, struct err *err)
{
	err_set(err, E_UNSUPPORTED, "%s: a Docker schema 1 manifest, which nobody can verify",
	        what);
	return err_hint(err, "push the image again with a tool made after 2016");
}

/* What the document is, by its mediaType, the content type and its members, all of which agree. */
static int find_kind(const struct json *root, const char *what, const char *content_type,
                     struct manifest *m, struct err *err)
{
	bool image = json_has(root, "config") || json_has(root, "layers");
	bool index = json_has(root, "manifests");
	enum media_kind served = media_kind(content_type), stated, is;
	const char *media_type = NULL;
	uint64_t version = 0;

	if (json_get_str(root, "mediaType", &media_type, err) < 0 ||
	    json_get_u64(root, "schemaVersion", &version, err) < 0)
		return -1;
	stated = media_kind(media_type);
	if (version == 1 || json_has(root, "fsLayers") || served == MEDIA_KIND_SCHEMA1 ||
	    stated == MEDIA_KIND_SCHEMA1)
		return refuse_schema1(what, err);
	if (version != 2)
		return err_set(err, E_UNSUPPORTED, "%s: schemaVersion %llu, known is 2", what,
		               (unsigned long long)version);
	if (image && index)
		return err_set(err, E_CORRUPT,
		               "%s: it is an image and a list of images at once; refused", what);
	if (!image && !index)
		return err_set(err, E_CORRUPT, "%s: neither an image manifest nor an index", what);
	is = index ? MEDIA_KIND_INDEX : MEDIA_KIND_MANIFEST;
	if (media_type && stated != is)
		return err_set(err, E_CORRUPT, "%s: mediaType '%.100s' does not fit what is in it",
		               what, media_type);
	if ((served == MEDIA_KIND_INDEX || served == MEDIA_KIND_MANIFEST) && served != is)
		return err_set(err, E_CORRUPT, "%s: served as '%.100s', but it is %s", what,
		               content_type, index ? "an index" : "an image manifest");
	if (media_type && served != MEDIA_UNKNOWN &&
	    strncasecmp(media_type, content_type, strcspn(content_type, "; \t")) != 0)
		return err_set(err, E_CORRUPT,
		               "%s: served as '%.100s', but its mediaType is '%.100s'", what,
		               content_type, media_type);
	if (!media_type)
		media_type = index ? MEDIA_OCI_INDEX : MEDIA_OCI_MANIFEST;
	m->media_type = xstrdup(media_type);
	return 0;
}

int manifest_parse(const char *what, const char *content_type, const char *text, size_t len,
                   struct manifest *ret, struct err *err)
{
	AUTO_MANIFEST m = MANIFEST_INIT;
	AUTO_JSON *obj = NULL;
	struct json root;

	if (len > MANIFEST_MAX_BYTES)
		return err_set(err, E_LIMIT, "%s: larger than %u bytes", what, MANIFEST_MAX_BYTES);
	if (json_parse(what, text, len, &obj, err) < 0)
		return -1;
	root = json_root(obj, what);
	if (json_expect(&root, json_type_object, err) < 0 ||
	    find_kind(&root, what, content_type, &m, err) < 0)
		return -1;
	if (json_has(&root, "manifests") ? parse_index(&root, &m, err) < 0
	                                 : parse_image(&root, &m, err) < 0)
		return -1;
	*ret = m;
	m = MANIFEST_INIT;
	return 0;
}

static bool is_candidate(const struct descriptor *d)
{
	enum media_kind kind = media_kind(d->media_type);

	return (kind == MEDIA_KIND_MANIFEST || kind == MEDIA_KIND_INDEX) &&
	       !(d->has_platform && strcmp(d->platform.os, "unknown") == 0);
}

static int none_fits(const struct manifest *m, const struct platform *want, struct err *err)
{
	AUTO_BUF have = STRBUF_INIT;
	size_t n = 0;

	for (size_t i = 0; i < m->n_entries; i++) {
		const struct descriptor *d = &m->entries[i];

		if (!is_candidate(d) || !d->has_platform)
			continue;
		if (n++ < 12)
			strbuf_addf(&have, "%s%s", n > 1 ? ", " : "",
			            platform_format(&d->platform).s);
	}
	err_set(err, E_NOT_FOUND, "no image for %s in the index; it has %s%s",
	        platform_format(want).s, n ? have.buf : "none for any platform",
	        n > 12 ? " and more" : "");
	return n ? err_hint(err, "choose one with --platform") : -1;
}

int manifest_choose(const struct manifest *m, const struct platform *want,
                    const struct descriptor **ret, struct err *err)
{
	const struct descriptor *best = NULL, *unknown = NULL;
	size_t n_unknown = 0;
	bool any_known = false;
	int best_rank = -1;

	for (size_t i = 0; i < m->n_entries; i++) {
		const struct descriptor *d = &m->entries[i];
		int rank;

		if (!is_candidate(d))
			continue;
		if (!d->has_platform) {
			unknown = d;
			n_unknown++;
			continue;
		}
		any_known = true;
		rank = platform_rank(want, &d->platform);
		if (rank >= 0 && (!best || rank < best_rank)) {
			best = d;
			best_rank = rank;
		}
	}
	if (!best && !any_known && n_unknown == 1)
		best = unknown;
	if (!best)
		return none_fits(m, want, err);
	*ret = best;
	return 0;
}
