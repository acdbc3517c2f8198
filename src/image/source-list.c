/* A list of images (lists.h) as a source: an index, each of whose images comes from where it is. */
#include "base/xalloc.h"
#include "image/lists-internal.h"

struct list_source {
	struct image_source base;
	struct image_source **parts;
	struct document *documents; /* of the parts, as they are now */
	size_t n;
	struct image_source *current; /* whose blobs are copied: they come image by image */
	struct document top;
};

static void list_free(struct image_source *base)
{
	struct list_source *s = (struct list_source *)base;

	for (size_t i = 0; i < s->n; i++) {
		document_done(&s->documents[i]);
		image_source_freep(&s->parts[i]);
	}
	free(s->parts);
	free(s->documents);
	document_done(&s->top);
	strv_done(&base->mount_from);
	free(s);
}

static void copy_of(const struct document *d, struct document *ret)
{
	*ret = (struct document){ .text = xmemdup(d->text, d->len + 1),
		                  .len = d->len,
		                  .media_type = xstrdup_null(d->media_type),
		                  .digest = d->digest };
}

static int list_document(struct image_source *base, const struct digest *d, struct document *ret,
                         struct err *err)
{
	struct list_source *s = (struct list_source *)base;

	if (!d) {
		copy_of(&s->top, ret);
		return 0;
	}
	for (size_t i = 0; i < s->n; i++)
		if (digest_equal(d, &s->documents[i].digest)) {
			s->current = s->parts[i];
			copy_of(&s->documents[i], ret);
			return 0;
		}
	return err_set(err, E_NOT_FOUND, "the list has no image %s", digest_format(d).s);
}

static int list_open(struct image_source *base, const struct descriptor *d, uint64_t offset,
                     struct reader **ret, struct err *err)
{
	struct image_source *c = ((struct list_source *)base)->current;

	return c->ops->open(c, d, offset, ret, err);
}

static bool list_has(struct image_source *base, const struct digest *d)
{
	struct image_source *c = ((struct list_source *)base)->current;

	return !c->ops->has || c->ops->has(c, d);
}

static int list_open_plain(struct image_source *base, const struct copy_layer_ref *layer,
                           struct reader **ret, struct err *err)
{
	struct image_source *c = ((struct list_source *)base)->current;

	return source_open_plain(c, layer, ret, err);
}

static int list_known(struct image_source *base, const struct digest *diff_id, const char *recipe,
                      struct packed *ret, struct err *err)
{
	struct image_source *c = ((struct list_source *)base)->current;

	return c->ops->known ? c->ops->known(c, diff_id, recipe, ret, err) : 0;
}

static void list_drop(struct image_source *base, const struct digest *d)
{
	struct image_source *c = ((struct list_source *)base)->current;

	if (c->ops->drop)
		c->ops->drop(c, d);
}

static int list_remember(struct image_source *base, const struct digest *diff_id,
                         const struct packed *packed, const char *recipe, struct err *err)
{
	struct image_source *c = ((struct list_source *)base)->current;

	return c->ops->remember ? c->ops->remember(c, diff_id, packed, recipe, err) : 0;
}

/* --- opening --- */

static int open_part(struct list_source *s, const struct transport_args *a,
                     struct json_object *entry, size_t i, struct err *err)
{
	const char *where = json_object_get_string(json_object_object_get(entry, "source"));
	struct json_object *descriptor = json_object_object_get(entry, "descriptor");
	AUTO_LOCATION at = LOCATION_INIT;
	struct document *doc = &s->documents[i];

	if (image_location_parse(where, TRANSPORT_STORE, &at, err) < 0 ||
	    image_source_open(a->store, &at, a->options, a->stop, &s->parts[i], err) < 0 ||
	    s->parts[i]->ops->document(s->parts[i], NULL, doc, err) < 0)
		return err_ctx(err, "image '%s' of the list", where);
	if (!doc->media_type)
		doc->media_type = xstrdup(
			json_object_get_string(json_object_object_get(descriptor, "mediaType")));
	strv_add_all(&s->base.mount_from, s->parts[i]->mount_from.items);
	/* an image of the store may be had in another form by now */
	json_add_str(descriptor, "mediaType", doc->media_type);
	json_add_str(descriptor, "digest", digest_format(&doc->digest).s);
	json_add_u64(descriptor, "size", doc->len);
	return 0;
}

static int open_parts(struct list_source *s, const struct transport_args *a, struct err *err)
{
	AUTO_JSON *obj = NULL;
	AUTO_JSON *index = NULL;
	struct json_object *entries;

	if (list_read(a->store, a->at->name, &obj, err) < 0)
		return -1;
	entries = json_object_object_get(obj, "entries");
	s->n = json_object_array_length(entries);
	s->parts = xcalloc(s->n + 1, sizeof(struct image_source *));
	s->documents = xcalloc(s->n + 1, sizeof(*s->documents));
	for (size_t i = 0; i < s->n; i++)
		if (open_part(s, a, json_object_array_get_idx(entries, i), i, err) < 0)
			return -1;
	index = list_to_index(obj);
	s->top.text = xstrdup(json_text(index, false));
	s->top.len = strlen(s->top.text);
	s->top.media_type = xstrdup(MEDIA_OCI_INDEX);
	digest_of(DIGEST_SHA256, s->top.text, s->top.len, &s->top.digest);
	return 0;
}

int source_list_open(const struct transport_args *a, struct image_source **ret, struct err *err)
{
	static const struct image_source_ops ops = {
		.document = list_document,
		.open = list_open,
		.free = list_free,
		.has = list_has,
		.open_plain = list_open_plain,
		.known = list_known,
		.drop = list_drop,
		.remember = list_remember,
	};
	struct list_source *s = xcalloc(1, sizeof(*s));
	AUTO_SOURCE *base = &s->base;

	s->base.ops = &ops;
	if (open_parts(s, a, err) < 0)
		return -1;
	*ret = TAKE_PTR(base);
	return 0;
}
