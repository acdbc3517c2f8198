#include "image/lists.h"
#include "base/xalloc.h"
#include "image/lists-internal.h"

/* The stored document: {"annotations": {...}, "entries": [{"source": TEXT, "descriptor": {...}}]}
 */

static char *whole_name(const char *name, struct err *err)
{
	AUTO_REF ref = IMAGE_REF_INIT;

	if (image_ref_parse(name, &ref, err) < 0)
		return NULL;
	if (ref.has_digest) {
		err_set(err, E_INVALID, "a list has a name, not a digest: '%.200s'", name);
		return NULL;
	}
	return image_ref_name(&ref);
}

static int no_list(const char *name, struct err *err)
{
	err_set(err, E_NOT_FOUND, "no such list of images: '%.200s'", name);
	return err_hint(err, "make it with 'dhow manifest create %.100s'", name);
}

int list_read(struct image_store *store, const char *name, struct json_object **ret,
              struct err *err)
{
	AUTO_FREE char *whole = whole_name(name, err);
	AUTO_STMT st = DB_STMT_INIT;
	int r;

	if (!whole ||
	    db_query(store->db, &st, err, "SELECT document FROM image_list WHERE name = ?",
	             DB_TEXT(whole)) < 0)
		return -1;
	r = db_step(&st, err);
	if (r <= 0)
		return r < 0 ? -1 : no_list(name, err);
	return json_parse("list of images", db_text(&st, 0), strlen(db_text(&st, 0)), ret, err);
}

static int write_list(struct image_store *store, const char *name, struct json_object *obj,
                      struct err *err)
{
	AUTO_FREE char *whole = whole_name(name, err);

	if (!whole)
		return -1;
	return db_exec(store->db, err, "UPDATE image_list SET document = ? WHERE name = ?",
	               DB_TEXT(json_text(obj, false)), DB_TEXT(whole)) < 0
	               ? -1
	               : 0;
}

int image_list_exists(struct image_store *store, const char *name, struct err *err)
{
	AUTO_FREE char *whole = whole_name(name, err);
	int64_t one;

	if (!whole)
		return -1;
	return db_get_i64(store->db, &one, err, "SELECT 1 FROM image_list WHERE name = ?",
	                  DB_TEXT(whole));
}

int image_list_create(struct image_store *store, const char *name, bool replace, struct err *err)
{
	AUTO_FREE char *whole = whole_name(name, err);
	int r = whole ? image_list_exists(store, name, err) : -1;

	if (r < 0)
		return -1;
	if (r && !replace) {
		err_set(err, E_EXISTS, "a list of images '%.200s' is there already", name);
		return err_hint(err, "remove it with 'dhow manifest rm', or use --amend");
	}
	return db_exec(store->db, err,
	               "INSERT OR IGNORE INTO image_list(name, document)"
	               " VALUES(?, '{\"annotations\":{},\"entries\":[]}')",
	               DB_TEXT(whole)) < 0
	               ? -1
	               : 0;
}

int image_list_remove(struct image_store *store, const char *name, struct err *err)
{
	AUTO_FREE char *whole = whole_name(name, err);
	int n;

	if (!whole)
		return -1;
	n = db_exec(store->db, err, "DELETE FROM image_list WHERE name = ?", DB_TEXT(whole));
	return n < 0 ? -1 : n == 0 ? no_list(name, err) : 0;
}

int image_list_names(struct image_store *store, struct strv *ret, struct err *err)
{
	AUTO_STMT st = DB_STMT_INIT;
	int r;

	if (db_query(store->db, &st, err, "SELECT name FROM image_list ORDER BY name") < 0)
		return -1;
	while ((r = db_step(&st, err)) > 0)
		strv_add(ret, db_text(&st, 0));
	return r;
}

/* --- what the index says --- */

int annotations_add(struct json_object *obj, const struct strv *list, struct err *err)
{
	struct json_object *map;

	if (!list || list->len == 0)
		return 0;
	if (!json_object_object_get_ex(obj, "annotations", &map))
		map = json_add_object(obj, "annotations");
	for (size_t i = 0; i < list->len; i++) {
		const char *equals = strchr(list->items[i], '=');
		AUTO_FREE char *key = NULL;

		if (!equals || equals == list->items[i])
			return err_set(err, E_INVALID, "annotation '%.200s': not KEY=VALUE",
			               list->items[i]);
		key = xstrndup(list->items[i], (size_t)(equals - list->items[i]));
		json_add_str(map, key, equals + 1);
	}
	return 0;
}

static int apply(struct json_object *descriptor, const struct list_change *c, struct err *err)
{
	struct json_object *platform;
	struct platform checked;

	if (!json_object_object_get_ex(descriptor, "platform", &platform))
		platform = json_add_object(descriptor, "platform");
	if (c->os)
		json_add_str(platform, "os", c->os);
	if (c->architecture)
		json_add_str(platform, "architecture", c->architecture);
	if (c->variant)
		json_add_str(platform, "variant", c->variant);
	if (c->os_version)
		json_add_str(platform, "os.version", c->os_version);
	if (c->os_features.len) {
		json_object_object_del(platform, "os.features");
		json_add_strv(platform, "os.features", &c->os_features);
	}
	if (platform_set(&checked, c->os, c->architecture, c->variant, c->os_version, err) < 0)
		return -1;
	if (json_object_object_length(platform) == 0)
		json_object_object_del(descriptor, "platform");
	return annotations_add(descriptor, &c->annotations, err);
}

static const char *entry_digest(struct json_object *entry)
{
	struct json_object *descriptor = json_object_object_get(entry, "descriptor");

	return json_object_get_string(json_object_object_get(descriptor, "digest"));
}

/* The place of the entry with the digest; the number of entries: none has it. */
static size_t find_entry(struct json_object *entries, const char *digest)
{
	size_t n = json_object_array_length(entries);

	for (size_t i = 0; i < n; i++) {
		struct json_object *entry = json_object_array_get_idx(entries, i);
		const char *source =
			json_object_get_string(json_object_object_get(entry, "source"));

		if (strcmp(entry_digest(entry), digest) == 0 || strcmp(source, digest) == 0)
			return i;
	}
	return n;
}

/* --- adding --- */

struct adding {
	struct image_store *store;
	const struct list_add *add;
	struct image_source *source;
	struct json_object *entries;
	const char *where; /* location; of a registry's entry by its digest */
	struct digest last;
};

static void put_platform(struct json_object *descriptor, const struct platform *p)
{
	struct json_object *obj = json_add_object(descriptor, "platform");

	json_add_str(obj, "architecture", p->architecture);
	json_add_str(obj, "os", p->os);
	if (p->variant[0])
		json_add_str(obj, "variant", p->variant);
	if (p->os_version[0])
		json_add_str(obj, "os.version", p->os_version);
}

/* From the config, where the index does not say. */
static int find_platform(struct adding *a, const struct document *doc, struct platform *ret,
                         struct err *err)
{
	AUTO_MANIFEST m = MANIFEST_INIT;
	AUTO_IMAGE_CONFIG config = IMAGE_CONFIG_INIT;
	AUTO_READER *reader = NULL;
	AUTO_FREE char *text = NULL;
	size_t len;

	*ret = (struct platform){ 0 };
	/* an artifact has none */
	if (manifest_parse("manifest", doc->media_type, doc->text, doc->len, &m, ERR_IGNORE) < 0 ||
	    m.kind != MANIFEST_IMAGE)
		return 0;
	if (a->source->ops->open(a->source, &m.config, 0, &reader, err) < 0 ||
	    reader_text(reader, IMAGE_CONFIG_MAX_BYTES, &text, &len, err) < 0 ||
	    image_config_parse("config of the image", text, len, &config, err) < 0)
		return -1;
	*ret = config.platform;
	return 0;
}

static int add_entry(struct adding *a, const struct document *doc, const struct platform *platform,
                     struct err *err)
{
	struct json_object *entry = json_object_new_object();
	struct digest_text digest = digest_format(&doc->digest);
	AUTO_FREE char *at =
		a->source->domain ? xasprintf("%s@%s", a->where, digest.s) : xstrdup(a->where);
	struct json_object *descriptor = descriptor_to_json(
		doc->media_type ? doc->media_type : MEDIA_OCI_MANIFEST, &doc->digest, doc->len);
	size_t place = find_entry(a->entries, digest.s);

	json_add_str(entry, "source", at);
	json_object_object_add(entry, "descriptor", descriptor);
	if (platform->architecture[0])
		put_platform(descriptor, platform);
	a->last = doc->digest;
	if (apply(descriptor, &a->add->change, err) < 0) {
		json_object_put(entry);
		return -1;
	}
	if (place < json_object_array_length(a->entries))
		json_object_array_put_idx(a->entries, place, entry);
	else
		json_object_array_add(a->entries, entry);
	return 0;
}

static int add_from_index(struct adding *a, const struct manifest *index, struct err *err)
{
	const struct list_change *c = &a->add->change;
	struct platform want = platform_host();
	const struct descriptor *chosen = NULL;

	if ((c->os || c->architecture) &&
	    platform_set(&want, c->os ? c->os : "linux",
	                 c->architecture ? c->architecture : want.architecture, c->variant, NULL,
	                 err) < 0)
		return -1;
	if (!a->add->all && manifest_choose(index, &want, &chosen, err) < 0)
		return -1;
	for (size_t i = 0; i < index->n_entries; i++) {
		const struct descriptor *d = &index->entries[i];
		AUTO_DOCUMENT doc = { 0 };

		if (chosen && d != chosen)
			continue;
		if (a->source->ops->document(a->source, &d->digest, &doc, err) < 0)
			return -1;
		if (!doc.media_type)
			doc.media_type = xstrdup(d->media_type);
		if (add_entry(a, &doc, &d->platform, err) < 0)
			return -1;
	}
	return 0;
}

static int add_all(struct adding *a, struct err *err)
{
	AUTO_DOCUMENT doc = { 0 };
	AUTO_MANIFEST m = MANIFEST_INIT;
	struct platform platform;

	if (a->source->ops->document(a->source, NULL, &doc, err) < 0)
		return -1;
	if (manifest_parse("manifest", doc.media_type, doc.text, doc.len, &m, ERR_IGNORE) == 0 &&
	    m.kind == MANIFEST_INDEX) {
		if (!a->source->domain)
			return err_set(err, E_UNSUPPORTED,
			               "an index in an archive or folder cannot be added: push "
			               "it to a registry first");
		return add_from_index(a, &m, err);
	}
	if (!doc.media_type && m.media_type)
		doc.media_type = xstrdup(m.media_type);
	if (find_platform(a, &doc, &platform, err) < 0)
		return -1;
	return add_entry(a, &doc, &platform, err);
}

/* What the entry remembers: an image of the store by its id, which stays when names move. */
static int find_where(struct image_store *store, struct image_location *at, char **ret,
                      struct err *err)
{
	AUTO_REF ref = IMAGE_REF_INIT;
	AUTO_FREE char *id = NULL;

	switch (at->transport) {
	case TRANSPORT_STORE:
		if (image_resolve_id(store, at->name, &id, err) < 0)
			return -1;
		*ret = xasprintf("containers-storage:%s", id);
		return 0;
	case TRANSPORT_DOCKER: {
		AUTO_FREE char *repo = NULL;

		if (image_ref_parse(at->name, &ref, err) < 0)
			return -1;
		repo = image_ref_repo(&ref);
		*ret = xasprintf("docker://%s", repo);
		return 0;
	}
	case TRANSPORT_OCI:
	case TRANSPORT_OCI_ARCHIVE:
	case TRANSPORT_DOCKER_ARCHIVE:
	case TRANSPORT_DIR:
	case TRANSPORT_LIST:
		break;
	}
	return err_set(err, E_UNSUPPORTED, "a list takes images of the store and of registries");
}

static int find_location(struct image_store *store, const char *image, struct image_location *ret,
                         struct err *err)
{
	AUTO_FREE char *id = NULL;
	bool here = !image_location_has_transport(image) &&
	            image_resolve_id(store, image, &id, ERR_IGNORE) == 0;

	return image_location_parse(image, here ? TRANSPORT_STORE : TRANSPORT_DOCKER, ret, err);
}

int image_list_add(struct image_store *store, const char *name, const struct list_add *add,
                   struct digest *ret_digest, struct err *err)
{
	AUTO_LOCATION at = LOCATION_INIT;
	AUTO_FREE char *where = NULL;
	AUTO_JSON *obj = NULL;
	AUTO_SOURCE *source = NULL;
	atomic_bool stop = false;
	struct copy_options options = { .source = add->side, .cancel = add->cancel };
	struct adding a = { .store = store, .add = add };

	if (list_read(store, name, &obj, err) < 0 ||
	    find_location(store, add->image, &at, err) < 0 ||
	    find_where(store, &at, &where, err) < 0 ||
	    image_source_open(store, &at, &options, &stop, &source, err) < 0)
		return -1;
	a.source = source;
	a.where = where;
	a.entries = json_object_object_get(obj, "entries");
	if (add_all(&a, err) < 0)
		return err_ctx(err, "add '%s'", add->image);
	*ret_digest = a.last;
	return write_list(store, name, obj, err);
}

int image_list_change(struct image_store *store, const char *name, const char *entry,
                      const struct list_change *change, struct err *err)
{
	AUTO_JSON *obj = NULL;
	AUTO_FREE char *id = NULL;
	AUTO_FREE char *source = NULL;
	struct json_object *entries;
	size_t place;

	if (list_read(store, name, &obj, err) < 0)
		return -1;
	entries = json_object_object_get(obj, "entries");
	place = find_entry(entries, entry);
	if (place == json_object_array_length(entries) &&
	    image_resolve_id(store, entry, &id, ERR_IGNORE) == 0) {
		source = xasprintf("containers-storage:%s", id);
		place = find_entry(entries, source);
	}
	if (place == json_object_array_length(entries))
		return err_set(err, E_NOT_FOUND, "the list '%.200s' has no image '%.100s'", name,
		               entry);
	if (!change)
		json_object_array_del_idx(entries, place, 1);
	else if (apply(json_object_object_get(json_object_array_get_idx(entries, place),
	                                      "descriptor"),
	               change, err) < 0)
		return -1;
	return write_list(store, name, obj, err);
}

int image_list_annotate(struct image_store *store, const char *name, const struct strv *annotations,
                        struct err *err)
{
	AUTO_JSON *obj = NULL;

	if (list_read(store, name, &obj, err) < 0 || annotations_add(obj, annotations, err) < 0)
		return -1;
	return write_list(store, name, obj, err);
}

struct json_object *list_to_index(struct json_object *obj)
{
	struct json_object *index = json_object_new_object();
	struct json_object *entries = json_object_object_get(obj, "entries"), *list, *annotations;

	json_add_i64(index, "schemaVersion", 2);
	json_add_str(index, "mediaType", MEDIA_OCI_INDEX);
	list = json_add_array(index, "manifests");
	for (size_t i = 0; i < json_object_array_length(entries); i++)
		json_object_array_add(
			list, json_object_get(json_object_object_get(
				      json_object_array_get_idx(entries, i), "descriptor")));
	annotations = json_object_object_get(obj, "annotations");
	if (annotations && json_object_object_length(annotations))
		json_object_object_add(index, "annotations", json_object_get(annotations));
	return index;
}

int image_list_index(struct image_store *store, const char *name, struct json_object **ret,
                     struct err *err)
{
	AUTO_JSON *obj = NULL;

	if (list_read(store, name, &obj, err) < 0)
		return -1;
	*ret = list_to_index(obj);
	return 0;
}
