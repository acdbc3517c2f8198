/* save: images as an OCI layout, in a tar or a directory. The docker archive is the same with
 * manifest.json and repositories beside it, as docker itself writes since version 25; every older
 * reader finds what it wants too. */
#include "base/fd.h"
#include "base/strbuf.h"
#include "base/xalloc.h"
#include "codec/tar.h"
#include "image/archive-internal.h"
#include "image/packed-internal.h"
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#define COPY_BYTES (256u << 10)
#define LAYOUT     "{\"imageLayoutVersion\":\"1.0.0\"}"

static const struct {
	const char *name;
	enum archive_format format;
} formats[] = {
	{ "docker-archive", ARCHIVE_DOCKER },
	{ "oci-archive", ARCHIVE_OCI },
	{ "oci-dir", ARCHIVE_OCI_DIR },
};

int archive_format_parse(const char *s, enum archive_format *ret, struct err *err)
{
	for (size_t i = 0; i < ARRAY_LEN(formats); i++)
		if (strcmp(formats[i].name, s) == 0) {
			*ret = formats[i].format;
			return 0;
		}
	err_set(err, E_INVALID, "unknown archive format '%.100s'", s);
	return err_hint(err, "docker-archive, oci-archive or oci-dir");
}

struct saving {
	struct image_store *store;
	const struct archive_options *options;
	int fd;                     /* where it goes; the directory for ARCHIVE_OCI_DIR */
	struct tar_writer *tar;     /* NULL for a directory */
	struct strv written;        /* blobs that are in it already: images share layers */
	struct json_object *index;  /* manifests of index.json */
	struct json_object *docker; /* manifest.json */
	struct json_object *repositories;
};

/* --- files --- */

/* Below the directory, with the folders it needs. */
static int create_in_dir(const struct saving *s, const char *name, int *ret_fd, struct err *err)
{
	const char *slash = strrchr(name, '/');

	if (slash) {
		AUTO_FREE char *folder = xstrndup(name, (size_t)(slash - name));

		if (dir_make_at(s->fd, folder, 0755, err) < 0)
			return -1;
	}
	*ret_fd = openat(s->fd, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0644);
	if (*ret_fd < 0)
		return err_sys(err, errno, "save: create '%s'", name);
	return 0;
}

static int put_text(struct saving *s, const char *name, const char *text, size_t len,
                    struct err *err)
{
	AUTO_FD fd = -1;
	int r;

	if (s->tar)
		return tar_writer_file(s->tar, name, text, len, 0, err);
	if (create_in_dir(s, name, &fd, err) < 0)
		return -1;
	r = fd_write_all(fd, text, len);
	return r < 0 ? err_sys(err, -r, "save: write '%s'", name) : 0;
}

static int put_json(struct saving *s, const char *name, struct json_object *obj, struct err *err)
{
	const char *text = json_text(obj, false);

	return put_text(s, name, text, strlen(text), err);
}

/* Feed a whole file on, in pieces that can be interrupted and shown. */
static int copy_layer(struct saving *s, int in, uint64_t size, int out, const char *id,
                      struct err *err)
{
	AUTO_FREE char *buf = xmalloc(COPY_BYTES);
	uint64_t done = 0;

	while (done < size) {
		ssize_t n = read(in, buf, COPY_BYTES);
		int r;

		if (image_cancelled(s->options->cancel, err) < 0)
			return -1;
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_sys(err, errno, "save: read layer %s", id);
		if (n == 0)
			return err_set(err, E_CORRUPT, "save: layer %s is cut off in the store",
			               id);
		if (s->tar) {
			if (tar_writer_data(s->tar, buf, (size_t)n, err) < 0)
				return -1;
		} else {
			r = fd_write_all(out, buf, (size_t)n);
			if (r < 0)
				return err_sys(err, -r, "save: write layer %s", id);
		}
		done += (uint64_t)n;
		image_report(s->options->progress, IMAGE_STAGE_DOWNLOAD, id, done, size, NULL);
	}
	return 0;
}

/* Whether the blob still has to be written; notes that it is. */
static bool is_new_blob(struct saving *s, const char *name)
{
	if (strv_has(&s->written, name))
		return false;
	strv_add(&s->written, name);
	return true;
}

static int put_blob(struct saving *s, const char *text, size_t len, struct digest *ret,
                    struct err *err)
{
	AUTO_FREE char *name = NULL;

	digest_of(DIGEST_SHA256, text, len, ret);
	name = xasprintf("blobs/%s", blob_path(ret).s);
	return is_new_blob(s, name) ? put_text(s, name, text, len, err) : 0;
}

/* The file `in` (taken), whose bytes have the digest d: a form of the layer diff_id. */
static int put_file(struct saving *s, const struct digest *d, const struct digest *diff_id,
                    int file, uint64_t *ret_size, struct err *err)
{
	AUTO_FREE char *name = xasprintf("blobs/%s", blob_path(d).s);
	struct digest_text id = digest_short_text(d);
	struct tar_entry entry = {
		.type = TAR_FILE, .name = name, .link = "", .uname = "", .gname = "", .mode = 0644
	};
	AUTO_FD in = file;
	AUTO_FD out = -1;
	struct stat st;

	if (fstat(in, &st) < 0)
		return err_sys(err, errno, "save: read layer %s", id.s);
	*ret_size = (uint64_t)st.st_size;
	if (!is_new_blob(s, name))
		return 0;
	if (s->options->except && inventory_has(s->options->except, diff_id)) {
		image_report(s->options->progress, IMAGE_STAGE_EXISTS, id.s, 0, *ret_size, NULL);
		return 0;
	}
	entry.size = *ret_size;
	if (s->tar ? tar_writer_entry(s->tar, &entry, err) < 0
	           : create_in_dir(s, name, &out, err) < 0)
		return -1;
	if (copy_layer(s, in, *ret_size, out, id.s, err) < 0)
		return -1;
	image_report(s->options->progress, IMAGE_STAGE_DONE, id.s, *ret_size, *ret_size, NULL);
	return 0;
}

static int put_layer(struct saving *s, const struct digest *diff_id, uint64_t *ret_size,
                     struct err *err)
{
	int in = layer_store_open_tar(s->store->layers, diff_id, err);

	return in < 0 ? -1 : put_file(s, diff_id, diff_id, in, ret_size, err);
}

/* --- an image as it came --- */

/* The compressed form of a layer, which is a cache: damage is found before it is used. */
static int open_packed(struct saving *s, const struct digest *d)
{
	uint64_t size;
	struct digest got;
	AUTO_FD fd = -1;

	if (packed_open(s->store, d, &fd, &size, ERR_IGNORE) < 0)
		return -1;
	if (fd_digest(fd, d->alg, &got, ERR_IGNORE) == 0 && digest_equal(&got, d))
		return TAKE_FD(fd);
	packed_drop(s->store, d);
	return -1;
}

static int put_as_came(struct saving *s, const struct image *image, const struct manifest *m,
                       const char *text, size_t len, struct err *err)
{
	struct digest written;
	uint64_t size;

	for (size_t i = 0; i < m->n_layers; i++) {
		const struct digest *d = &m->layers[i].digest;
		bool is_plain = digest_equal(d, &image->config.diff_ids[i]);
		int in = is_plain ? layer_store_open_tar(s->store->layers, d, err)
		                  : open_packed(s, d);

		if (in < 0)
			return is_plain ? -1 : 1;
		if (put_file(s, d, &image->config.diff_ids[i], in, &size, err) < 0)
			return -1;
	}
	return put_blob(s, text, len, &written, err);
}

/* When every layer is here in the form it came in, the manifest stays what it was, byte for byte:
 * return 0. 1: it has to be made. A docker archive wants plain layers. */
static int save_as_came(struct saving *s, const struct image *image, struct digest *ret_manifest,
                        size_t *ret_size, struct err *err)
{
	AUTO_MANIFEST m = MANIFEST_INIT;
	AUTO_FREE char *text = NULL;
	size_t len;

	if (s->options->format == ARCHIVE_DOCKER || image->manifest.alg != DIGEST_SHA256 ||
	    !blob_has(s->store, &image->manifest))
		return 1;
	if (blob_read(s->store, &image->manifest, MANIFEST_MAX_BYTES, &text, &len, err) < 0 ||
	    manifest_parse("manifest of the image", NULL, text, len, &m, err) < 0)
		return -1;
	if (m.kind != MANIFEST_IMAGE || m.n_layers != image->config.n_diff_ids ||
	    media_kind(m.media_type) != MEDIA_KIND_MANIFEST ||
	    strcmp(m.media_type, MEDIA_OCI_MANIFEST) != 0)
		return 1;
	for (size_t i = 0; i < m.n_layers; i++)
		if (!packed_has(s->store, &m.layers[i].digest) &&
		    !digest_equal(&m.layers[i].digest, &image->config.diff_ids[i]))
			return 1;
	*ret_manifest = image->manifest;
	*ret_size = len;
	return put_as_came(s, image, &m, text, len, err);
}

/* --- one image --- */

static struct json_object *platform_json(const struct platform *p)
{
	struct json_object *obj = json_object_new_object();

	json_add_str(obj, "architecture", p->architecture);
	json_add_str(obj, "os", p->os);
	if (p->variant[0])
		json_add_str(obj, "variant", p->variant);
	return obj;
}

static void add_to_index(struct saving *s, const struct digest *manifest, size_t size,
                         const struct platform *platform, const char *name)
{
	struct json_object *entry = descriptor_to_json(MEDIA_OCI_MANIFEST, manifest, size);
	struct json_object *annotations;

	json_object_object_add(entry, "platform", platform_json(platform));
	if (name) {
		annotations = json_add_object(entry, "annotations");
		json_add_str(annotations, "io.containerd.image.name", name);
		json_add_str(annotations, "org.opencontainers.image.ref.name", name);
	}
	json_object_array_add(s->index, entry);
}

static void add_to_docker(struct saving *s, const struct image *image, const struct digest *id,
                          const char *name)
{
	struct json_object *entry = json_object_new_object();
	struct json_object *list;
	AUTO_FREE char *config = xasprintf("blobs/%s", blob_path(id).s);

	json_add_str(entry, "Config", config);
	if (name) {
		json_object_array_add(json_add_array(entry, "RepoTags"),
		                      json_object_new_string(image_ref_familiar(name)));
	} else {
		json_object_object_add(entry, "RepoTags", NULL);
	}
	list = json_add_array(entry, "Layers");
	for (size_t i = 0; i < image->config.n_diff_ids; i++) {
		AUTO_FREE char *layer =
			xasprintf("blobs/%s", blob_path(&image->config.diff_ids[i]).s);

		json_object_array_add(list, json_object_new_string(layer));
	}
	json_object_array_add(s->docker, entry);
}

static void add_to_repositories(struct saving *s, const struct digest *id, const char *name)
{
	const char *familiar = image_ref_familiar(name), *tag;
	size_t len = image_ref_split(familiar, &tag);
	AUTO_FREE char *repo = xstrndup(familiar, len);
	struct json_object *tags;

	if (!json_object_object_get_ex(s->repositories, repo, &tags))
		tags = json_add_object(s->repositories, repo);
	json_add_str(tags, tag ? tag : REF_DEFAULT_TAG, digest_hex(id).s);
}

/* The whole name when `called` is one of the image's names, else NULL. Caller frees. */
static char *name_called(const struct image *image, const char *called)
{
	AUTO_REF ref = IMAGE_REF_INIT;
	AUTO_FREE char *name = NULL;

	if (image_ref_parse(called, &ref, ERR_IGNORE) < 0 || ref.has_digest)
		return NULL;
	name = image_ref_name(&ref);
	return strv_has(&image->names, name) ? TAKE_PTR(name) : NULL;
}

static int save_content(struct saving *s, const struct image *image, const char *config,
                        size_t config_len, struct digest *ret_manifest, size_t *ret_size,
                        struct err *err)
{
	AUTO_JSON *manifest = json_object_new_object();
	struct json_object *layers;
	const char *text;
	struct digest id;
	int r;

	if (put_blob(s, config, config_len, &id, err) < 0)
		return -1;
	r = save_as_came(s, image, ret_manifest, ret_size, err);
	if (r <= 0)
		return r;
	json_object_object_add(manifest, "schemaVersion", json_object_new_int(2));
	json_add_str(manifest, "mediaType", MEDIA_OCI_MANIFEST);
	json_object_object_add(manifest, "config",
	                       descriptor_to_json(MEDIA_OCI_CONFIG, &id, config_len));
	layers = json_add_array(manifest, "layers");
	for (size_t i = 0; i < image->config.n_diff_ids; i++) {
		const struct digest *d = &image->config.diff_ids[i];
		uint64_t size;

		if (put_layer(s, d, &size, err) < 0)
			return -1;
		json_object_array_add(layers, descriptor_to_json(MEDIA_OCI_LAYER, d, size));
	}
	text = json_text(manifest, false);
	*ret_size = strlen(text);
	return put_blob(s, text, *ret_size, ret_manifest, err);
}

static int save_image(struct saving *s, const char *called, struct err *err)
{
	AUTO_IMAGE image = IMAGE_INIT;
	AUTO_FREE char *config = NULL;
	AUTO_FREE char *name = NULL;
	struct digest id, manifest;
	size_t config_len, manifest_len;

	if (image_resolve(s->store, called, &image, err) < 0 ||
	    digest_parse(image.id, &id, err) < 0 ||
	    blob_read(s->store, &id, IMAGE_CONFIG_MAX_BYTES, &config, &config_len, err) < 0)
		return -1;
	name = name_called(&image, called);
	if (save_content(s, &image, config, config_len, &manifest, &manifest_len, err) < 0)
		return -1;
	add_to_index(s, &manifest, manifest_len, &image.config.platform, name);
	add_to_docker(s, &image, &id, name);
	if (name)
		add_to_repositories(s, &id, name);
	return 0;
}

static int save_all(struct saving *s, const char *const *names, size_t n, struct err *err)
{
	AUTO_JSON *index = json_object_new_object();

	if (put_text(s, "oci-layout", LAYOUT, strlen(LAYOUT), err) < 0)
		return -1;
	for (size_t i = 0; i < n; i++)
		if (save_image(s, names[i], err) < 0)
			return -1;
	json_object_object_add(index, "schemaVersion", json_object_new_int(2));
	json_add_str(index, "mediaType", MEDIA_OCI_INDEX);
	json_object_object_add(index, "manifests", json_object_get(s->index));
	/* last: what is cut off has no index */
	if (put_json(s, "index.json", index, err) < 0)
		return -1;
	if (s->options->format == ARCHIVE_DOCKER &&
	    (put_json(s, "manifest.json", s->docker, err) < 0 ||
	     put_json(s, "repositories", s->repositories, err) < 0))
		return -1;
	return s->tar ? tar_writer_finish(s->tar, err) : 0;
}

/* All of them must be there before the first byte is written. */
static int check_names(struct image_store *store, const char *const *names, size_t n,
                       struct err *err)
{
	for (size_t i = 0; i < n; i++) {
		AUTO_FREE char *id = NULL;

		if (image_resolve_id(store, names[i], &id, err) < 0)
			return -1;
	}
	return 0;
}

int image_save(struct image_store *store, const char *const *names, size_t n_names,
               const struct archive_options *options, int fd, struct err *err)
{
	struct saving s = { .store = store, .options = options, .fd = fd };
	int r;

	if (check_names(store, names, n_names, err) < 0)
		return -1;
	if (options->format != ARCHIVE_OCI_DIR)
		s.tar = tar_writer_new(tar_write_to_fd, &s.fd);
	s.index = json_object_new_array();
	s.docker = json_object_new_array();
	s.repositories = json_object_new_object();
	r = save_all(&s, names, n_names, err);
	if (s.tar)
		tar_writer_free(s.tar);
	json_object_put(s.index);
	json_object_put(s.docker);
	json_object_put(s.repositories);
	strv_done(&s.written);
	return r;
}
