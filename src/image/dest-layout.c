/* OCI layouts as destinations: oci: (a folder; images are added to one that is there) and
 * oci-archive: (a new tar). */
#include "base/fd.h"
#include "base/xalloc.h"
#include "codec/tar.h"
#include "image/archive-internal.h"
#include "image/transport-internal.h"
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#define LAYOUT   "{\"imageLayoutVersion\":\"1.0.0\"}"
#define PARALLEL 4
struct layout_dest {
	struct image_dest base;
	char *name;
	struct fresh fresh; /* the archive, or a folder that is not there yet */
	int fd;             /* the folder; -1: an archive */
	struct members members;
	struct json_object *top;
	struct platform platform; /* of the image that came last */
};

static void layout_free(struct image_dest *base)
{
	struct layout_dest *d = (struct layout_dest *)base;

	members_done(&d->members);
	if (d->fd >= 0)
		close(d->fd);
	fresh_done(&d->fresh);
	json_object_put(d->top);
	free(d->name);
	free(d);
}

static int layout_begin(struct image_dest *base, const struct document *manifest,
                        const struct document *config, struct err *err)
{
	struct layout_dest *d = (struct layout_dest *)base;
	AUTO_IMAGE_CONFIG parsed = IMAGE_CONFIG_INIT;

	(void)manifest, (void)err;
	d->platform = (struct platform){ 0 };
	if (config->text &&
	    image_config_parse("config", config->text, config->len, &parsed, ERR_IGNORE) == 0)
		d->platform = parsed.platform;
	return 0;
}

static int layout_has(struct image_dest *base, const struct digest *digest, int layer,
                      struct err *err)
{
	struct layout_dest *d = (struct layout_dest *)base;
	AUTO_FREE char *name = xasprintf("blobs/%s", blob_path(digest).s);

	(void)layer, (void)err;
	if (d->members.tar)
		return strv_has(&d->members.written, name);
	return faccessat(d->fd, name, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

/* --- a folder --- */

/* A file without name, so that nothing stays of it if we are killed. */
static int open_unnamed(int dir_fd, const char *folder, struct err *err)
{
	int fd = openat(dir_fd, folder, O_TMPFILE | O_RDWR | O_CLOEXEC, 0644);

	return fd >= 0 ? fd : err_sys(err, errno, "write to the layout");
}

static int name_it(int dir_fd, int fd, const char *name, struct err *err)
{
	if (linkat(AT_FDCWD, fd_path(fd).s, dir_fd, name, AT_SYMLINK_FOLLOW) < 0 && errno != EEXIST)
		return err_sys(err, errno, "write '%s' of the layout", name);
	return 0;
}

static int put_in_dir(struct layout_dest *d, const struct blob_put *put, struct digest *ret_digest,
                      uint64_t *ret_size, struct err *err)
{
	AUTO_FREE char *name = NULL;
	AUTO_FD fd = open_unnamed(d->fd, "blobs/sha256", err);

	if (fd < 0 ||
	    feed_to_fd(&put->source, fd, d->members.cancel, ret_digest, ret_size, err) < 0)
		return -1;
	if (fsync(fd) < 0)
		return err_sys(err, errno, "write %s", put->source.what);
	name = xasprintf("blobs/%s", blob_path(ret_digest).s);
	if (ret_digest->alg != DIGEST_SHA256 && dir_make_at(d->fd, "blobs/sha512", 0755, err) < 0)
		return -1;
	return name_it(d->fd, fd, name, err);
}

/* --- a tar --- */

static int put_unknown(struct layout_dest *d, const struct blob_put *put, struct digest *ret_digest,
                       uint64_t *ret_size, struct err *err)
{
	AUTO_FD fd = members_spool(&d->members, d->fresh.parent_fd, &put->source, ret_digest,
	                           ret_size, err);
	AUTO_FREE char *name = NULL;

	if (fd < 0)
		return -1;
	name = xasprintf("blobs/%s", blob_path(ret_digest).s);
	if (strv_has(&d->members.written, name))
		return 0;
	return members_put_fd(&d->members, name, fd, *ret_size, err);
}

static int put_known(struct layout_dest *d, const struct blob_put *put, struct digest *ret_digest,
                     uint64_t *ret_size, struct err *err)
{
	AUTO_FREE char *name = xasprintf("blobs/%s", blob_path(&put->source.digest).s);

	return members_put(&d->members, name, &put->source, ret_digest, ret_size, err);
}

static int layout_put(struct image_dest *base, const struct blob_put *put,
                      struct digest *ret_digest, uint64_t *ret_size, struct err *err)
{
	struct layout_dest *d = (struct layout_dest *)base;

	if (!d->members.tar)
		return put_in_dir(d, put, ret_digest, ret_size, err);
	if (put->source.digest.alg && put->source.size >= 0)
		return put_known(d, put, ret_digest, ret_size, err);
	return put_unknown(d, put, ret_digest, ret_size, err);
}

/* --- documents --- */

static int put_text(struct layout_dest *d, const char *name, const char *text, size_t len,
                    struct err *err)
{
	AUTO_FD folder = -1;
	const char *slash = strrchr(name, '/');
	AUTO_FREE char *path = slash ? xstrndup(name, (size_t)(slash - name)) : xstrdup(".");

	if (d->members.tar) {
		if (strv_has(&d->members.written, name))
			return 0;
		strv_add(&d->members.written, name);
		return tar_writer_file(d->members.tar, name, text, len, 0, err);
	}
	folder = dir_open_at(d->fd, path, err);
	if (folder < 0)
		return -1;
	return file_write_atomic_at(folder, slash ? slash + 1 : name, text, len, 0644,
	                            FILE_WRITE_SYNC, err);
}

static void add_platform(struct json_object *entry, const struct platform *p)
{
	struct json_object *obj;

	if (!p->architecture[0])
		return;
	obj = json_add_object(entry, "platform");
	json_add_str(obj, "architecture", p->architecture);
	json_add_str(obj, "os", p->os);
	if (p->variant[0])
		json_add_str(obj, "variant", p->variant);
}

static int layout_document(struct image_dest *base, const struct document *doc, bool top,
                           struct err *err)
{
	struct layout_dest *d = (struct layout_dest *)base;
	AUTO_FREE char *name = xasprintf("blobs/%s", blob_path(&doc->digest).s);
	struct json_object *annotations;

	if (put_text(d, name, doc->text, doc->len, err) < 0)
		return -1;
	if (!top)
		return 0;
	json_object_put(d->top);
	d->top = descriptor_to_json(doc->media_type, &doc->digest, doc->len);
	if (media_kind(doc->media_type) == MEDIA_KIND_MANIFEST)
		add_platform(d->top, &d->platform);
	if (d->name) {
		annotations = json_add_object(d->top, "annotations");
		json_add_str(annotations, "org.opencontainers.image.ref.name", d->name);
	}
	return 0;
}

/* What a folder's index has beside the image of our name. */
static int old_entries(const struct layout_dest *d, struct json_object *list, struct err *err)
{
	AUTO_FREE char *text = NULL;
	AUTO_JSON *obj = NULL;
	struct json root, old;
	bool present = false;
	size_t len;

	if (d->members.tar || faccessat(d->fd, "index.json", F_OK, 0) < 0)
		return 0;
	if (file_read_at(d->fd, "index.json", MANIFEST_MAX_BYTES, &text, &len, err) < 0 ||
	    json_parse("index.json", text, len, &obj, err) < 0)
		return -1;
	root = json_root(obj, "index.json");
	if (json_get_array(&root, "manifests", &old, &present, err) < 0)
		return -1;
	for (size_t i = 0; present && i < json_len(&old); i++) {
		struct json item = json_item(&old, i);
		struct descriptor e = { 0 };
		const char *mine = json_object_get_string(json_object_object_get(d->top, "digest"));
		bool goes;

		if (descriptor_parse(&item, &e, err) < 0)
			return -1;
		goes = d->name ? e.ref_name && strcmp(e.ref_name, d->name) == 0
		               : !e.ref_name && strcmp(digest_format(&e.digest).s, mine) == 0;
		descriptor_done(&e);
		if (!goes)
			json_object_array_add(list, json_object_get(item.obj));
	}
	return 0;
}

static int layout_commit(struct image_dest *base, struct err *err)
{
	struct layout_dest *d = (struct layout_dest *)base;
	AUTO_JSON *index = json_object_new_object();
	struct json_object *list;
	const char *text;

	json_add_i64(index, "schemaVersion", 2);
	json_add_str(index, "mediaType", MEDIA_OCI_INDEX);
	list = json_add_array(index, "manifests");
	if (old_entries(d, list, err) < 0)
		return -1;
	json_object_array_add(list, json_object_get(d->top));
	text = json_text(index, false);
	/* last: what is cut off has no index */
	if (put_text(d, "index.json", text, strlen(text), err) < 0)
		return -1;
	if (d->members.tar && tar_writer_finish(d->members.tar, err) < 0)
		return -1;
	return d->fresh.fd >= 0 ? fresh_commit(&d->fresh, err) : 0;
}

/* --- opening --- */

static int open_folder(struct layout_dest *d, const char *path, struct err *err)
{
	struct stat st;

	if (lstat(path, &st) == 0 && !S_ISDIR(st.st_mode))
		return err_set(err, E_INVALID, "'%s' is not a directory", path);
	d->fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (d->fd < 0) {
		if (fresh_open(path, true, &d->fresh, err) < 0)
			return -1;
		d->fd = fd_dup(d->fresh.fd);
	}
	if (dir_make_at(d->fd, "blobs/sha256", 0755, err) < 0)
		return -1;
	return put_text(d, "oci-layout", LAYOUT, strlen(LAYOUT), err);
}

static int open_archive(struct layout_dest *d, const char *path, struct err *err)
{
	if (fresh_open(path, false, &d->fresh, err) < 0)
		return -1;
	d->members.tar = tar_writer_new(tar_write_to_fd, &d->fresh.fd);
	return put_text(d, "oci-layout", LAYOUT, strlen(LAYOUT), err);
}

int dest_layout_open(const struct transport_args *a, struct image_dest **ret, struct err *err)
{
	static const struct image_dest_ops ops = { .begin = layout_begin,
		                                   .has = layout_has,
		                                   .put = layout_put,
		                                   .document = layout_document,
		                                   .commit = layout_commit,
		                                   .free = layout_free };
	struct layout_dest *d = xcalloc(1, sizeof(*d));
	AUTO_DEST *base = &d->base;
	bool is_archive = a->at->transport == TRANSPORT_OCI_ARCHIVE;

	d->base = (struct image_dest){ .ops = &ops,
		                       .layers = COMPRESSION_GZIP,
		                       .only = FORMAT_OCI,
		                       .parallel = is_archive ? 1 : PARALLEL };
	d->members.cancel = a->options->cancel;
	d->name = xstrdup_null(a->at->name);
	d->fresh = FRESH_INIT;
	d->fd = -1;
	if (is_archive ? open_archive(d, a->at->path, err) < 0
	               : open_folder(d, a->at->path, err) < 0)
		return err_ctx(err, "'%s'", a->at->path);
	*ret = TAKE_PTR(base);
	return 0;
}
