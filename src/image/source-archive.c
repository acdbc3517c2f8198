/* Archives and OCI layouts as sources: oci:, oci-archive:, docker-archive:. */
#include "base/strbuf.h"
#include "base/xalloc.h"
#include "image/archive-internal.h"
#include "image/transport-internal.h"
#include <errno.h>
#include <fcntl.h>

#define MAGIC_BYTES 6

/* A blob of a docker archive, which has names of its own for them. */
struct member {
	struct digest digest;
	char *name;
};

struct archive_image_source {
	struct image_source base;
	struct archive_source src;
	struct document top;
	struct member *members; /* docker-archive only */
	size_t n_members;
};

static void archive_image_free(struct image_source *base)
{
	struct archive_image_source *s = (struct archive_image_source *)base;

	archive_source_done(&s->src);
	document_done(&s->top);
	for (size_t i = 0; i < s->n_members; i++)
		free(s->members[i].name);
	free(s->members);
	free(base->name);
	free(s);
}

/* Caller frees. */
static char *blob_name(const struct archive_image_source *s, const struct digest *d)
{
	for (size_t i = 0; i < s->n_members; i++)
		if (digest_equal(&s->members[i].digest, d))
			return xstrdup(s->members[i].name);
	return xasprintf("blobs/%s", blob_path(d).s);
}

static int read_document(struct archive_image_source *s, const struct digest *d,
                         struct document *ret, struct err *err)
{
	AUTO_FREE char *name = blob_name(s, d);
	struct digest got;

	if (archive_source_text(&s->src, name, MANIFEST_MAX_BYTES, &ret->text, &ret->len, err) < 0)
		return -1;
	digest_of(d->alg, ret->text, ret->len, &got);
	ret->digest = *d;
	return digest_equal(&got, d)
	               ? 0
	               : err_set(err, E_CORRUPT, "archive: '%s' does not have that digest", name);
}

static int archive_document(struct image_source *base, const struct digest *d, struct document *ret,
                            struct err *err)
{
	struct archive_image_source *s = (struct archive_image_source *)base;

	if (d)
		return read_document(s, d, ret, err);
	*ret = (struct document){ .text = xmemdup(s->top.text, s->top.len + 1),
		                  .len = s->top.len,
		                  .media_type = xstrdup_null(s->top.media_type),
		                  .digest = s->top.digest };
	return 0;
}

static int archive_open_blob(struct image_source *base, const struct descriptor *d, uint64_t offset,
                             struct reader **ret, struct err *err)
{
	struct archive_image_source *s = (struct archive_image_source *)base;
	AUTO_FREE char *name = blob_name(s, &d->digest);
	uint64_t start, size;
	int fd;

	if (archive_source_get(&s->src, name, &fd, &start, &size, err) < 0)
		return -1;
	if (offset > size)
		offset = size;
	*ret = reader_file(fd, start + offset, size - offset, name);
	return 0;
}

/* --- OCI layouts --- */

static bool is_named(const struct descriptor *d, const char *name)
{
	return (d->ref_name && strcmp(d->ref_name, name) == 0) ||
	       (d->name && strcmp(d->name, name) == 0);
}

static int choose_entry(const struct manifest *index, const char *name,
                        const struct descriptor **ret, struct err *err)
{
	AUTO_BUF have = STRBUF_INIT;

	*ret = NULL;
	for (size_t i = 0; i < index->n_entries; i++) {
		const struct descriptor *d = &index->entries[i];

		if (name && is_named(d, name)) {
			*ret = d;
			return 0;
		}
		if (d->ref_name && have.len < 400)
			strbuf_addf(&have, "%s%s", have.len ? ", " : "", d->ref_name);
	}
	if (!name && index->n_entries == 1) {
		*ret = &index->entries[0];
		return 0;
	}
	if (index->n_entries == 0)
		return err_set(err, E_NOT_FOUND, "the layout has no image");
	if (name)
		err_set(err, E_NOT_FOUND, "the layout has no image '%.200s'", name);
	else
		err_set(err, E_INVALID, "the layout has %zu images: name one behind the path",
		        index->n_entries);
	return have.len ? err_hint(err, "it has %.150s", have.buf) : -1;
}

static int open_layout(struct archive_image_source *s, const char *name, struct err *err)
{
	AUTO_MANIFEST index = MANIFEST_INIT;
	const struct descriptor *entry;
	AUTO_FREE char *text = NULL;
	size_t len;

	if (archive_source_text(&s->src, "index.json", MANIFEST_MAX_BYTES, &text, &len, err) < 0 ||
	    manifest_parse("index.json", NULL, text, len, &index, err) < 0)
		return -1;
	if (index.kind != MANIFEST_INDEX)
		return err_set(err, E_CORRUPT, "index.json: not an index");
	if (choose_entry(&index, name, &entry, err) < 0 ||
	    read_document(s, &entry->digest, &s->top, err) < 0)
		return -1;
	s->top.media_type = xstrdup(entry->media_type);
	return 0;
}

/* --- docker archives --- */

static void add_member(struct archive_image_source *s, const struct digest *d, const char *name)
{
	struct member m = { .digest = *d, .name = xstrdup(name) };

	VEC_PUSH(s->members, s->n_members, m);
}

/* A layer as it lies there: plain, as the config says, or compressed, then it is hashed now. */
static int add_layer(struct archive_image_source *s, const char *name, const struct digest *diff_id,
                     struct json_object *list, struct err *err)
{
	struct descriptor d = { .digest = *diff_id };
	const char *type = "application/vnd.docker.image.rootfs.diff.tar";
	AUTO_READER *reader = NULL;
	char magic[MAGIC_BYTES], buf[65536];
	AUTO(digester_freep) struct digester *digester = NULL;
	enum compression c;
	uint64_t start, size;
	AUTO_FD fd = -1;
	ssize_t n;

	if (archive_source_get(&s->src, name, &fd, &start, &size, err) < 0)
		return -1;
	n = pread(fd, magic, sizeof(magic), (off_t)start);
	c = n > 0 ? compression_detect(magic, (size_t)n) : COMPRESSION_NONE;
	if (c != COMPRESSION_NONE) {
		size_t got;

		type = c == COMPRESSION_ZSTD ? "application/vnd.docker.image.rootfs.diff.tar.zstd"
		                             : MEDIA_DOCKER_LAYER;
		digester = digester_new(DIGEST_SHA256);
		reader = reader_file(TAKE_FD(fd), start, size, name);
		do {
			if (reader->read(reader, buf, sizeof(buf), &got, err) < 0)
				return -1;
			digester_update(digester, buf, got);
		} while (got);
		digester_finish(digester, &d.digest);
	}
	add_member(s, &d.digest, name);
	json_object_array_add(list, descriptor_to_json(type, &d.digest, size));
	return 0;
}

static int make_manifest(struct archive_image_source *s, const char *config_name,
                         const struct strv *layers, struct err *err)
{
	AUTO_IMAGE_CONFIG config = IMAGE_CONFIG_INIT;
	AUTO_JSON *obj = json_object_new_object();
	AUTO_FREE char *text = NULL;
	struct json_object *list;
	struct digest id;
	size_t len;

	if (archive_source_text(&s->src, config_name, IMAGE_CONFIG_MAX_BYTES, &text, &len, err) <
	            0 ||
	    image_config_parse(config_name, text, len, &config, err) < 0)
		return -1;
	if (config.n_diff_ids != layers->len)
		return err_set(err, E_CORRUPT,
		               "archive: manifest.json lists %zu layers, the config %zu",
		               layers->len, config.n_diff_ids);
	digest_of(DIGEST_SHA256, text, len, &id);
	add_member(s, &id, config_name);
	json_add_i64(obj, "schemaVersion", 2);
	json_add_str(obj, "mediaType", MEDIA_DOCKER_MANIFEST);
	json_object_object_add(obj, "config", descriptor_to_json(MEDIA_DOCKER_CONFIG, &id, len));
	list = json_add_array(obj, "layers");
	for (size_t i = 0; i < layers->len; i++)
		if (add_layer(s, layers->items[i], &config.diff_ids[i], list, err) < 0)
			return -1;
	s->top.text = xstrdup(json_text(obj, false));
	s->top.len = strlen(s->top.text);
	s->top.media_type = xstrdup(MEDIA_DOCKER_MANIFEST);
	digest_of(DIGEST_SHA256, s->top.text, s->top.len, &s->top.digest);
	return 0;
}

/* Whether it is called so, in its whole name. */
static bool has_tag(const struct strv *tags, const char *name)
{
	AUTO_REF want = IMAGE_REF_INIT;
	AUTO_FREE char *whole = NULL;

	if (image_ref_parse(name, &want, ERR_IGNORE) < 0)
		return false;
	whole = image_ref_name(&want);
	for (size_t i = 0; i < tags->len; i++) {
		AUTO_REF ref = IMAGE_REF_INIT;
		AUTO_FREE char *have = NULL;

		if (image_ref_parse(tags->items[i], &ref, ERR_IGNORE) < 0)
			continue;
		have = image_ref_name(&ref);
		if (strcmp(have, whole) == 0)
			return true;
	}
	return false;
}

/* Return 1 when it was the one. */
static int try_item(struct archive_image_source *s, const struct json *item, const char *name,
                    struct err *err)
{
	AUTO_STRV tags = STRV_INIT;
	AUTO_STRV layers = STRV_INIT;
	const char *config = NULL;

	if (json_expect(item, json_type_object, err) < 0 ||
	    json_get_str(item, "Config", &config, err) < 0 ||
	    json_get_strv(item, "RepoTags", &tags, err) < 0 ||
	    json_get_strv(item, "Layers", &layers, err) < 0)
		return -1;
	if (!config)
		return json_error(err, item, "Config is missing");
	if (name && !has_tag(&tags, name))
		return 0;
	if (tags.len)
		s->base.name = xstrdup(tags.items[0]);
	return make_manifest(s, config, &layers, err) < 0 ? -1 : 1;
}

static int open_docker(struct archive_image_source *s, const char *name, struct err *err)
{
	AUTO_FREE char *text = NULL;
	AUTO_JSON *obj = NULL;
	struct json root;
	size_t len;
	int r = 0;

	if (archive_source_text(&s->src, "manifest.json", ARCHIVE_TEXT_MAX, &text, &len, err) < 0 ||
	    json_parse("manifest.json", text, len, &obj, err) < 0)
		return -1;
	root = json_root(obj, "manifest.json");
	if (json_expect(&root, json_type_array, err) < 0)
		return -1;
	if (!name && json_len(&root) != 1)
		return err_set(err, E_INVALID,
		               "the archive has %zu images: name one behind the path",
		               json_len(&root));
	for (size_t i = 0; r == 0 && i < json_len(&root); i++) {
		struct json item = json_item(&root, i);

		r = try_item(s, &item, name, err);
	}
	if (r == 0)
		err_set(err, E_NOT_FOUND, "the archive has no image '%.200s'", name);
	return r > 0 ? 0 : -1;
}

int source_archive_open(const struct transport_args *a, struct image_source **ret, struct err *err)
{
	static const struct image_source_ops ops = { .document = archive_document,
		                                     .open = archive_open_blob,
		                                     .free = archive_image_free };
	struct archive_image_source *s = xcalloc(1, sizeof(*s));
	AUTO_SOURCE *base = &s->base;
	AUTO_FD fd = open(a->at->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	int r;

	s->base.ops = &ops;
	s->src.fd = -1;
	if (fd < 0)
		return err_sys(err, errno, "open '%s'", a->at->path);
	if (archive_source_open(a->store, fd, a->options->cancel, &s->src, err) < 0)
		return err_ctx(err, "'%s'", a->at->path);
	if (s->src.is_dir != (a->at->transport == TRANSPORT_OCI))
		return err_set(err, E_INVALID, "'%s' is %s", a->at->path,
		               s->src.is_dir ? "a directory, not an archive" : "not a directory");
	r = a->at->transport == TRANSPORT_DOCKER_ARCHIVE ? open_docker(s, a->at->name, err)
	                                                 : open_layout(s, a->at->name, err);
	if (r < 0)
		return err_ctx(err, "'%s'", a->at->path);
	*ret = TAKE_PTR(base);
	return 0;
}
