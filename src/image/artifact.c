#include "image/artifact.h"
#include "base/fd.h"
#include "base/xalloc.h"
#include "image/endpoint-internal.h"
#include "image/lists-internal.h"
#include "image/transport-internal.h"
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#define TYPE_UNKNOWN  "application/vnd.unknown.artifact.v1"
#define TYPE_EMPTY    "application/vnd.oci.empty.v1+json"
#define TYPE_FILE     "application/octet-stream"
#define TITLE         "org.opencontainers.image.title"
#define INDEX_RETRIES 5

/* A repository that artifacts come from and go to. */
struct place {
	struct image_ref ref;
	bool has_tag; /* one was written */
	struct registry *reg;
	struct http http;
};

static void place_done(struct place *p)
{
	http_done(&p->http);
	registry_free(p->reg);
	image_ref_done(&p->ref);
}
#define AUTO_PLACE __attribute__((cleanup(place_done))) struct place

static int place_open(const char *ref, const struct copy_side *side, bool push,
                      const volatile sig_atomic_t *cancel, struct place *p, struct err *err)
{
	AUTO_REGISTRIES registries = REGISTRIES_INIT;
	struct endpoint *endpoints = NULL;
	struct registry_options options = { .tls_verify = side->tls_verify,
		                            .creds = side->creds,
		                            .authfile = side->authfile,
		                            .cert_dir = side->cert_dir,
		                            .cancel = cancel,
		                            .push = push };
	const char *slash;
	size_t n = 0;
	int r;

	if (strncmp(ref, "docker://", 9) == 0)
		ref += 9;
	slash = strrchr(ref, '/');
	if (image_ref_parse(ref, &p->ref, err) < 0 || registries_load(&registries, err) < 0 ||
	    endpoints_find(&registries, &p->ref, ENDPOINT_PUSH, &endpoints, &n, err) < 0)
		return -1;
	p->has_tag = !p->ref.has_digest && strchr(slash ? slash : ref, ':');
	options.endpoint = &endpoints[0];
	r = registry_new(p->ref.domain, p->ref.path, &options, &p->reg, err);
	if (r == 0)
		r = http_init(&p->http, registry_policy(p->reg), err);
	endpoints_free(endpoints, n);
	return r;
}

/* Tag or digest. */
static struct digest_text place_reference(const struct place *p, const char **ret)
{
	struct digest_text text = { "" };

	if (p->ref.has_digest)
		text = digest_format(&p->ref.digest);
	*ret = p->ref.tag;
	return text;
}

static int get_manifest(struct place *p, struct document *ret, struct err *err)
{
	const char *tag;
	struct digest_text digest = place_reference(p, &tag);

	return registry_manifest(p->reg, &p->http, p->ref.has_digest ? digest.s : tag,
	                         p->ref.has_digest ? &p->ref.digest : NULL, &ret->text, &ret->len,
	                         &ret->media_type, &ret->digest, err);
}

/* --- pushing --- */

struct upload_file {
	int fd;
	uint64_t size;
	const char *path;
};

static int open_file(void *ctx, uint64_t offset, struct reader **ret, struct err *err)
{
	const struct upload_file *f = ctx;
	int fd = fd_dup(f->fd);

	if (fd < 0)
		return err_sys(err, -fd, "read '%s'", f->path);
	*ret = reader_file(fd, offset, f->size - offset, f->path);
	return 0;
}

static int open_empty(void *ctx, uint64_t offset, struct reader **ret, struct err *err)
{
	(void)ctx, (void)err;
	*ret = reader_memory(&"{}"[offset], 2 - (size_t)offset);
	return 0;
}

static int send_blob(struct place *p, const struct blob_source *source,
                     const struct image_progress *progress, struct err *err)
{
	struct digest_text id = digest_short_text(&source->digest);
	struct digest digest;
	uint64_t size = (uint64_t)source->size;
	int there = registry_has_blob(p->reg, &p->http, &source->digest, NULL, err);

	if (there < 0)
		return -1;
	if (there) {
		image_report(progress, IMAGE_STAGE_EXISTS, id.s, size, size, NULL);
		return 0;
	}
	image_report(progress, IMAGE_STAGE_DOWNLOAD, id.s, 0, size, NULL);
	if (registry_upload(p->reg, &p->http, source, &digest, &size, err) < 0)
		return -1;
	image_report(progress, IMAGE_STAGE_DONE, id.s, size, size, NULL);
	return 0;
}

/* PATH or PATH:TYPE; a file whose whole name is there is meant first. */
static int push_file(struct place *p, const struct artifact_push *a, const char *file,
                     struct json_object *layers, struct err *err)
{
	const char *colon = access(file, F_OK) == 0 ? NULL : strrchr(file, ':'), *slash;
	AUTO_FREE char *path = colon ? xstrndup(file, (size_t)(colon - file)) : xstrdup(file);
	AUTO_FD fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	struct upload_file f = { .fd = fd, .path = path };
	struct blob_source source = { .what = path, .open = open_file, .ctx = &f };
	struct json_object *entry;
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0)
		return err_sys(err, errno, "open '%s'", path);
	if (!S_ISREG(st.st_mode))
		return err_set(err, E_INVALID, "'%s' is not a file", path);
	if (fd_digest(fd, DIGEST_SHA256, &source.digest, err) < 0)
		return -1;
	f.size = (uint64_t)st.st_size;
	source.size = (int64_t)st.st_size;
	if (send_blob(p, &source, a->progress, err) < 0)
		return -1;
	entry = descriptor_to_json(colon ? colon + 1 : TYPE_FILE, &source.digest, f.size);
	slash = strrchr(path, '/');
	json_add_str(json_add_object(entry, "annotations"), TITLE, slash ? slash + 1 : path);
	json_object_array_add(layers, entry);
	return 0;
}

static int push_empty(struct place *p, struct digest *ret, struct err *err)
{
	struct blob_source source = { .what = "empty config", .open = open_empty, .size = 2 };

	digest_of(DIGEST_SHA256, "{}", 2, &source.digest);
	*ret = source.digest;
	return send_blob(p, &source, NULL, err);
}

/* The manifest that it refers to, of the same repository. */
static int add_subject(struct place *p, const char *subject, struct json_object *obj,
                       struct digest *ret, struct err *err)
{
	AUTO_FREE char *repo = image_ref_repo(&p->ref);
	AUTO_REF ref = IMAGE_REF_INIT;
	AUTO_DOCUMENT doc = { 0 };
	AUTO_FREE char *other = NULL;
	bool is_digest = strncmp(subject, "sha256:", 7) == 0 || strncmp(subject, "sha512:", 7) == 0;
	AUTO_FREE char *whole = is_digest                 ? xasprintf("%s@%s", repo, subject)
	                        : strpbrk(subject, "/:@") ? xstrdup(subject)
	                                                  : xasprintf("%s:%s", repo, subject);

	if (image_ref_parse(whole, &ref, err) < 0)
		return err_ctx(err, "subject");
	other = image_ref_repo(&ref);
	if (strcmp(other, repo) != 0)
		return err_set(
			err, E_INVALID,
			"subject '%s': an artifact is in the repository of what it refers to",
			subject);
	if (registry_manifest(p->reg, &p->http,
	                      ref.has_digest ? digest_format(&ref.digest).s : ref.tag,
	                      ref.has_digest ? &ref.digest : NULL, &doc.text, &doc.len,
	                      &doc.media_type, &doc.digest, err) < 0)
		return err_ctx(err, "subject");
	json_object_object_add(
		obj, "subject",
		descriptor_to_json(doc.media_type ? doc.media_type : MEDIA_OCI_MANIFEST,
	                           &doc.digest, doc.len));
	*ret = doc.digest;
	return 0;
}

/* --- references without the registry's help --- */

static struct json_object *new_index(void)
{
	struct json_object *obj = json_object_new_object();

	json_add_i64(obj, "schemaVersion", 2);
	json_add_str(obj, "mediaType", MEDIA_OCI_INDEX);
	json_add_array(obj, "manifests");
	return obj;
}

/* Where in the list the manifest is; its length: not there. */
static size_t find_in(struct json_object *list, const struct digest *d)
{
	size_t n = json_object_array_length(list);

	for (size_t i = 0; i < n; i++) {
		struct json_object *digest =
			json_object_object_get(json_object_array_get_idx(list, i), "digest");
		const char *text = digest ? json_object_get_string(digest) : "";

		if (strcmp(text, digest_format(d).s) == 0)
			return i;
	}
	return n;
}

/* The index as it is now, by tag or API. *ret_has_api: nobody has to keep it. */
static int read_referrers(struct place *p, const struct digest *subject, const char *type,
                          struct json_object **ret, bool *ret_has_api, struct err *err)
{
	AUTO_FREE char *text = NULL;
	AUTO_JSON *obj = NULL;
	struct json root, list;
	bool present = false;
	size_t len;

	if (registry_referrers(p->reg, &p->http, subject, type, &text, &len, ret_has_api, err) < 0)
		return -1;
	if (!text) {
		*ret = new_index();
		return 0;
	}
	if (json_parse("index of referrers", text, len, &obj, err) < 0)
		return -1;
	root = json_root(obj, "index of referrers");
	if (json_expect(&root, json_type_object, err) < 0 ||
	    json_get_array(&root, "manifests", &list, &present, err) < 0)
		return -1;
	if (!present)
		json_add_array(obj, "manifests");
	*ret = TAKE_PTR(obj);
	return 0;
}

/* Put `entry` into the index under the subject's tag, or (NULL) take d out of it. Others do the
 * same at the same time, and a registry knows no conditions: so it is looked at again. */
static int update_tag(struct place *p, const struct digest *subject, const struct digest *d,
                      struct json_object *entry, struct err *err)
{
	AUTO_FREE char *tag = registry_referrers_tag(subject);

	for (int i = 0; i < INDEX_RETRIES; i++) {
		AUTO_JSON *obj = NULL;
		struct json_object *list;
		bool has_api;
		const char *text;
		size_t place;

		if (read_referrers(p, subject, NULL, &obj, &has_api, err) < 0)
			return -1;
		list = json_object_object_get(obj, "manifests");
		place = find_in(list, d);
		if (has_api || (place < json_object_array_length(list)) == (entry != NULL))
			return 0;
		if (entry)
			json_object_array_add(list, json_object_get(entry));
		else
			json_object_array_del_idx(list, place, 1);
		text = json_text(obj, false);
		if (registry_put_manifest(p->reg, &p->http, tag, MEDIA_OCI_INDEX, text,
		                          strlen(text), NULL, err) < 0)
			return err_ctx(err, "note what refers to %s", digest_format(subject).s);
	}
	return err_set(err, E_BUSY, "the index of what refers to %s changes all the time",
	               digest_format(subject).s);
}

static struct json_object *make_entry(struct json_object *manifest, const struct digest *d,
                                      size_t len)
{
	struct json_object *entry = descriptor_to_json(MEDIA_OCI_MANIFEST, d, len);
	struct json_object *type = json_object_object_get(manifest, "artifactType");
	struct json_object *annotations = json_object_object_get(manifest, "annotations");

	json_object_object_add(entry, "artifactType", json_object_get(type));
	if (annotations)
		json_object_object_add(entry, "annotations", json_object_get(annotations));
	return entry;
}

static int put_artifact(struct place *p, struct json_object *manifest, const struct digest *subject,
                        struct digest *ret, struct err *err)
{
	const char *text = json_text(manifest, false);
	AUTO_JSON *entry = NULL;
	struct digest_text digest;
	bool knows = false;

	digest_of(DIGEST_SHA256, text, strlen(text), ret);
	digest = digest_format(ret);
	if (registry_put_manifest(p->reg, &p->http, p->has_tag ? p->ref.tag : digest.s,
	                          MEDIA_OCI_MANIFEST, text, strlen(text), &knows, err) < 0)
		return -1;
	if (!subject->alg || knows)
		return 0;
	entry = make_entry(manifest, ret, strlen(text));
	return update_tag(p, subject, ret, entry, err);
}

int artifact_push(const struct artifact_push *a, struct digest *ret, struct err *err)
{
	AUTO_PLACE p = { 0 };
	AUTO_JSON *manifest = json_object_new_object();
	struct digest config, subject = { 0 };
	struct json_object *layers = json_object_new_array();
	int r = 0;

	if (place_open(a->ref, &a->side, true, a->cancel, &p, err) < 0 ||
	    push_empty(&p, &config, err) < 0) {
		json_object_put(layers);
		return -1;
	}
	json_add_i64(manifest, "schemaVersion", 2);
	json_add_str(manifest, "mediaType", MEDIA_OCI_MANIFEST);
	json_add_str(manifest, "artifactType", a->artifact_type ? a->artifact_type : TYPE_UNKNOWN);
	json_object_object_add(manifest, "config", descriptor_to_json(TYPE_EMPTY, &config, 2));
	json_object_object_add(manifest, "layers", layers);
	for (size_t i = 0; r == 0 && i < a->files->len; i++)
		r = push_file(&p, a, a->files->items[i], layers, err);
	/* the specification wants one layer at least */
	if (r == 0 && a->files->len == 0)
		json_object_array_add(layers, descriptor_to_json(TYPE_EMPTY, &config, 2));
	if (r == 0 && a->subject)
		r = add_subject(&p, a->subject, manifest, &subject, err);
	if (r == 0)
		r = annotations_add(manifest, a->annotations, err);
	if (r == 0 && !p.has_tag && !a->subject)
		r = err_set(err, E_INVALID, "'%s' needs a tag: nothing would lead to the artifact",
		            a->ref);
	return r < 0 ? -1 : put_artifact(&p, manifest, &subject, ret, err);
}

/* --- pulling --- */

struct pulling {
	struct place *p;
	int dir_fd;
	const struct image_progress *progress;
	const volatile sig_atomic_t *cancel;
	const struct descriptor *blob;
};

static int open_remote(void *ctx, uint64_t offset, struct reader **ret, struct err *err)
{
	const struct pulling *a = ctx;

	return reader_registry(a->p->reg, a->blob, offset, ret, err);
}

/* A name of ours to be: it comes from the registry (no folders, nothing hidden in it). */
static int check_title(const char *title, struct err *err)
{
	if (*title && strcmp(title, ".") != 0 && strcmp(title, "..") != 0 && !strchr(title, '/') &&
	    strlen(title) <= 200)
		return 0;
	return err_set(err, E_UNSUPPORTED, "the artifact has a file '%.200s': not a mere name",
	               title);
}

static int pull_file(struct pulling *a, const char *title, struct err *err)
{
	struct digest_text id = digest_short_text(&a->blob->digest);
	AUTO_FREE char *what = xasprintf("file '%s'", title);
	struct blob_source source = { .what = what,
		                      .open = open_remote,
		                      .ctx = a,
		                      .digest = a->blob->digest,
		                      .size = (int64_t)a->blob->size };
	AUTO_FD fd = openat(a->dir_fd, ".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0644);
	char temp[ID_SHORT_LEN + 8] = ".tmp-";
	struct digest digest;
	uint64_t size;

	if (fd < 0)
		return err_sys(err, errno, "write %s", what);
	image_report(a->progress, IMAGE_STAGE_DOWNLOAD, id.s, 0, a->blob->size, NULL);
	if (feed_to_fd(&source, fd, a->cancel, &digest, &size, err) < 0)
		return -1;
	id_random_short(temp + 5);
	if (fsync(fd) < 0 ||
	    linkat(AT_FDCWD, fd_path(fd).s, a->dir_fd, temp, AT_SYMLINK_FOLLOW) < 0 ||
	    renameat(a->dir_fd, temp, a->dir_fd, title) < 0)
		return err_sys(err, errno, "write %s", what);
	image_report(a->progress, IMAGE_STAGE_DONE, id.s, size, size, NULL);
	return 0;
}

static int pull_layer(struct pulling *a, const struct json *item, struct strv *ret_files,
                      struct err *err)
{
	struct descriptor d = { 0 };
	struct json annotations;
	const char *title = NULL;
	struct digest_text hex;
	bool present = false;
	int r = 0;

	if (descriptor_parse(item, &d, err) < 0 ||
	    json_get_object(item, "annotations", &annotations, &present, err) < 0 ||
	    (present && json_get_str(&annotations, TITLE, &title, err) < 0)) {
		descriptor_done(&d);
		return -1;
	}
	hex = digest_hex(&d.digest);
	/* cppcheck-suppress autoVariables ; taken back below */
	a->blob = &d;
	/* the placeholder of an artifact without files */
	if (title || strcmp(d.media_type, TYPE_EMPTY) != 0) {
		title = title ? title : hex.s;
		r = check_title(title, err);
		if (r == 0)
			r = pull_file(a, title, err);
		if (r == 0)
			strv_add(ret_files, title);
	}
	a->blob = NULL;
	descriptor_done(&d);
	return r;
}

int artifact_pull(const char *ref, const char *dir, const struct copy_side *side,
                  const struct image_progress *progress, const volatile sig_atomic_t *cancel,
                  struct strv *ret_files, struct digest *ret, struct err *err)
{
	AUTO_PLACE p = { 0 };
	AUTO_DOCUMENT doc = { 0 };
	AUTO_JSON *obj = NULL;
	AUTO_FD dir_fd = -1;
	struct pulling a = { .p = &p, .progress = progress, .cancel = cancel };
	struct json root, layers;
	bool present = false;

	if (place_open(ref, side, false, cancel, &p, err) < 0 || get_manifest(&p, &doc, err) < 0 ||
	    json_parse("manifest of the artifact", doc.text, doc.len, &obj, err) < 0)
		return -1;
	root = json_root(obj, "manifest of the artifact");
	if (json_expect(&root, json_type_object, err) < 0 ||
	    json_get_array(&root, "layers", &layers, &present, err) < 0)
		return -1;
	if (!present)
		return err_set(err, E_UNSUPPORTED, "'%s' is an index, not an artifact", ref);
	if (json_len(&layers) > MANIFEST_MAX_LAYERS)
		return err_set(err, E_LIMIT, "the artifact has more than %d files",
		               MANIFEST_MAX_LAYERS);
	dir_fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dir_fd < 0)
		return err_sys(err, errno, "open '%s'", dir);
	a.dir_fd = dir_fd;
	for (size_t i = 0; i < json_len(&layers); i++) {
		struct json item = json_item(&layers, i);

		if (pull_layer(&a, &item, ret_files, err) < 0)
			return -1;
	}
	*ret = doc.digest;
	return 0;
}

/* --- listing and removing --- */

static void keep_type(struct json_object *index, const char *type)
{
	struct json_object *list = json_object_object_get(index, "manifests");

	for (size_t i = json_object_array_length(list); type && i-- > 0;) {
		struct json_object *have =
			json_object_object_get(json_object_array_get_idx(list, i), "artifactType");

		if (!have || strcmp(json_object_get_string(have), type) != 0)
			json_object_array_del_idx(list, i, 1);
	}
}

int artifact_referrers(const char *ref, const char *type, const struct copy_side *side,
                       const volatile sig_atomic_t *cancel, struct json_object **ret,
                       struct err *err)
{
	AUTO_PLACE p = { 0 };
	AUTO_DOCUMENT doc = { 0 };
	bool has_api;

	if (place_open(ref, side, false, cancel, &p, err) < 0 || get_manifest(&p, &doc, err) < 0 ||
	    read_referrers(&p, &doc.digest, type, ret, &has_api, err) < 0)
		return -1;
	/* a registry may filter, and a tag cannot */
	keep_type(*ret, type);
	return 0;
}

int artifact_remove(const char *ref, const struct copy_side *side,
                    const volatile sig_atomic_t *cancel, struct digest *ret, struct err *err)
{
	AUTO_PLACE p = { 0 };
	AUTO_DOCUMENT doc = { 0 };
	AUTO_JSON *obj = NULL;
	struct json root, subject;
	struct descriptor d = { 0 };
	bool present = false;
	int r = 0;

	if (place_open(ref, side, true, cancel, &p, err) < 0 || get_manifest(&p, &doc, err) < 0 ||
	    json_parse("manifest of the artifact", doc.text, doc.len, &obj, err) < 0)
		return -1;
	root = json_root(obj, "manifest of the artifact");
	if (json_expect(&root, json_type_object, err) < 0 ||
	    json_get_object(&root, "subject", &subject, &present, err) < 0 ||
	    registry_remove_manifest(p.reg, &p.http, digest_format(&doc.digest).s, err) < 0)
		return -1;
	if (present)
		r = descriptor_parse(&subject, &d, err);
	if (present && r == 0)
		r = update_tag(&p, &d.digest, &doc.digest, NULL, err);
	descriptor_done(&d);
	*ret = doc.digest;
	return r;
}
