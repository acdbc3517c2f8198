#include "registry/facts.h"
#include "base/xalloc.h"
#include "codec/json.h"
#include "oci/descriptor.h"
#include <strings.h>

#define ANNOTATIONS_MAX (256u << 10) /* of a referrer, kept in the database */
#define TYPE_MAX        255

void manifest_facts_done(struct manifest_facts *f)
{
	free(f->media_type);
	free(f->artifact_type);
	free(f->annotations);
	free(f->links);
	free(f->elsewhere);
	*f = MANIFEST_FACTS_INIT;
}

/* The four types that may be pushed, as "application/...". */
static bool is_manifest_type(const char *type, bool *ret_index)
{
	enum media_kind kind = media_kind(type);

	*ret_index = kind == MEDIA_KIND_INDEX;
	return kind == MEDIA_KIND_INDEX || kind == MEDIA_KIND_MANIFEST;
}

static int find_type(const struct json *root, const char *content_type, struct manifest_facts *f,
                     struct err *err)
{
	bool index = json_has(root, "manifests");
	bool image = json_has(root, "config") || json_has(root, "layers");
	const char *stated = NULL;
	AUTO_FREE char *served = NULL;
	bool typed_index = false;

	if (json_get_str(root, "mediaType", &stated, err) < 0)
		return -1;
	if (content_type && *content_type)
		served = xstrndup(content_type, strcspn(content_type, "; \t"));
	if (stated && served && strcasecmp(stated, served) != 0)
		return err_set(err, E_INVALID,
		               "mediaType '%.100s' is not the Content-Type '%.100s'", stated,
		               served);
	if (image && index)
		return err_set(err, E_INVALID, "an image and a list of manifests at once");
	if (!image && !index)
		return err_set(err, E_INVALID, "neither an image manifest nor an index");
	if (!stated && !served)
		return err_set(err, E_INVALID, "neither a mediaType nor a Content-Type");
	f->media_type = xstrdup(served ? served : stated);
	if (!is_manifest_type(f->media_type, &typed_index))
		return err_set(err, E_UNSUPPORTED, "manifests of type '%.100s' are not taken",
		               f->media_type);
	if (typed_index != index)
		return err_set(err, E_INVALID, "type '%.100s' does not fit what is in it",
		               f->media_type);
	f->is_index = index;
	return 0;
}

static bool is_foreign(const struct json *at, const char *media_type)
{
	return json_has(at, "urls") || strstr(media_type, ".nondistributable.") ||
	       strstr(media_type, ".foreign.");
}

/* digest, size and type of a descriptor. */
static int take_descriptor(const struct json *at, const char **ret_type, struct digest *ret,
                           uint64_t *ret_size, struct err *err)
{
	const char *digest = NULL;

	*ret_type = "";
	if (json_expect(at, json_type_object, err) < 0 ||
	    json_get_str(at, "mediaType", ret_type, err) < 0 ||
	    json_get_str(at, "digest", &digest, err) < 0 ||
	    json_get_u64(at, "size", ret_size, err) < 0)
		return -1;
	if (!digest)
		return json_error(err, at, "no digest");
	if (*ret_size > DESCRIPTOR_MAX_SIZE)
		return json_error(err, at, "the size is above 1 TiB");
	return digest_parse(digest, ret, err);
}

static int add_link(const struct json *at, bool elsewhere, struct manifest_facts *f,
                    struct err *err)
{
	struct repo_link link = { 0 };
	const char *type;

	if (take_descriptor(at, &type, &link.digest, &link.size, err) < 0)
		return -1;
	elsewhere |= is_foreign(at, type);
	/* two arrays with one count: grow both before it moves */
	f->elsewhere = xreallocarray(f->elsewhere, f->n_links + 1, sizeof(*f->elsewhere));
	f->elsewhere[f->n_links] = elsewhere;
	VEC_PUSH(f->links, f->n_links, link);
	return 0;
}

static int add_list(const struct json *root, const char *key, bool elsewhere,
                    struct manifest_facts *f, struct err *err)
{
	struct json list;
	bool present = false;
	size_t n;

	if (json_get_array(root, key, &list, &present, err) < 0)
		return -1;
	n = present ? json_len(&list) : 0;
	if (n > FACTS_LINKS_MAX)
		return err_set(err, E_LIMIT, "%zu %s, at most %d are taken", n, key,
		               FACTS_LINKS_MAX);
	for (size_t i = 0; i < n; i++) {
		struct json item = json_item(&list, i);

		if (add_link(&item, elsewhere, f, err) < 0)
			return -1;
	}
	return 0;
}

static int take_subject(const struct json *root, struct manifest_facts *f, struct err *err)
{
	struct json subject, annotations;
	const char *type = NULL;
	bool present = false;
	uint64_t size = 0;

	if (json_get_object(root, "subject", &subject, &present, err) < 0)
		return -1;
	if (!present)
		return 0;
	if (take_descriptor(&subject, &type, &f->subject, &size, err) < 0)
		return -1;
	if (json_get_object(root, "annotations", &annotations, &present, err) < 0)
		return -1;
	if (!present)
		return 0;
	f->annotations = xstrdup(json_text(annotations.obj, false));
	if (strlen(f->annotations) > ANNOTATIONS_MAX)
		return err_set(err, E_LIMIT, "annotations of more than %u KiB",
		               ANNOTATIONS_MAX >> 10);
	return 0;
}

static int take_artifact_type(const struct json *root, struct manifest_facts *f, struct err *err)
{
	struct json config;
	const char *type = NULL;

	if (json_get_str(root, "artifactType", &type, err) < 0)
		return -1;
	if ((!type || !*type) && !f->is_index && json_get(root, "config", &config) &&
	    json_get_str(&config, "mediaType", &type, err) < 0)
		return -1;
	if (type && strlen(type) > TYPE_MAX)
		return err_set(err, E_LIMIT, "an artifactType of more than %d bytes", TYPE_MAX);
	f->artifact_type = type && *type ? xstrdup(type) : NULL;
	return 0;
}

/* Readers that ignore case would take "Manifests" for what it is not here. */
static int check_case(const struct json *root, struct err *err)
{
	static const char *const known[] = { "schemaVersion", "mediaType", "artifactType", "config",
		                             "layers",        "manifests", "subject" };

	json_object_object_foreach(root->obj, key, value)
	{
		(void)value;
		for (size_t i = 0; i < ARRAY_LEN(known); i++)
			if (strcasecmp(key, known[i]) == 0 && strcmp(key, known[i]) != 0)
				return err_set(err, E_INVALID, "'%s' is '%s' in the wrong case",
				               key, known[i]);
	}
	return 0;
}

static int take_all(const struct json *root, const char *content_type, struct manifest_facts *f,
                    struct err *err)
{
	struct json config;
	uint64_t version = 0;

	if (json_expect(root, json_type_object, err) < 0 || check_case(root, err) < 0 ||
	    json_get_u64(root, "schemaVersion", &version, err) < 0)
		return -1;
	if (version != 2)
		return err_set(err, E_UNSUPPORTED, "schemaVersion is not 2");
	if (find_type(root, content_type, f, err) < 0 || take_subject(root, f, err) < 0 ||
	    take_artifact_type(root, f, err) < 0)
		return -1;
	if (f->is_index)
		return add_list(root, "manifests", true, f, err);
	if (json_require(root, "config", &config, err) < 0 || add_link(&config, false, f, err) < 0)
		return -1;
	return add_list(root, "layers", false, f, err);
}

int manifest_facts_parse(const char *content_type, const char *text, size_t len,
                         struct manifest_facts *ret, struct err *err)
{
	AUTO_FACTS f = MANIFEST_FACTS_INIT;
	AUTO_JSON *obj = NULL;
	struct json root;

	if (json_parse("manifest", text, len, &obj, err) < 0)
		return -1;
	root = json_root(obj, "manifest");
	if (take_all(&root, content_type, &f, err) < 0)
		return -1;
	*ret = f;
	f = MANIFEST_FACTS_INIT;
	return 0;
}
