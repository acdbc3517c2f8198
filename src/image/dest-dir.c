/* dir: as skopeo reads it (source-dir.c). The folder appears, or is replaced, as a whole. */
#include "base/fd.h"
#include "base/xalloc.h"
#include "image/transport-internal.h"
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#define VERSION  "Directory Transport Version: 1.1\n"
#define PARALLEL 4

struct dir_dest {
	struct image_dest base;
	const volatile sig_atomic_t *cancel;
	struct fresh fresh;
};

static void dir_dest_free(struct image_dest *base)
{
	struct dir_dest *d = (struct dir_dest *)base;

	fresh_done(&d->fresh);
	free(d);
}

static int dir_dest_has(struct image_dest *base, const struct digest *digest, int layer,
                        struct err *err)
{
	struct dir_dest *d = (struct dir_dest *)base;

	(void)layer, (void)err;
	return faccessat(d->fresh.fd, digest_hex(digest).s, F_OK, 0) == 0;
}

/* The name is known when the bytes are: until then it is a file without one. */
static int dir_dest_put(struct image_dest *base, const struct blob_put *put,
                        struct digest *ret_digest, uint64_t *ret_size, struct err *err)
{
	struct dir_dest *d = (struct dir_dest *)base;
	char temp[ID_SHORT_LEN + 8] = "tmp-";
	AUTO_FD fd = -1;

	id_random_short(temp + 4);
	fd = openat(d->fresh.fd, temp, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
	if (fd < 0)
		return err_sys(err, errno, "write %s", put->source.what);
	if (feed_to_fd(&put->source, fd, d->cancel, ret_digest, ret_size, err) < 0)
		return -1;
	if (fsync(fd) < 0 || renameat(d->fresh.fd, temp, d->fresh.fd, digest_hex(ret_digest).s) < 0)
		return err_sys(err, errno, "write %s", put->source.what);
	return 0;
}

static int write_file(struct dir_dest *d, const char *name, const void *data, size_t len,
                      struct err *err)
{
	return file_write_atomic_at(d->fresh.fd, name, data, len, 0644, 0, err);
}

static int dir_dest_document(struct image_dest *base, const struct document *doc, bool top,
                             struct err *err)
{
	struct dir_dest *d = (struct dir_dest *)base;
	AUTO_FREE char *name = top ? xstrdup("manifest.json")
	                           : xasprintf("%s.manifest.json", digest_hex(&doc->digest).s);

	return write_file(d, name, doc->text, doc->len, err);
}

static int dir_dest_commit(struct image_dest *base, struct err *err)
{
	struct dir_dest *d = (struct dir_dest *)base;

	if (write_file(d, "version", VERSION, strlen(VERSION), err) < 0)
		return -1;
	return fresh_commit(&d->fresh, err);
}

/* Only what is empty, or such a folder, is replaced. */
static int check_old(const char *path, struct err *err)
{
	AUTO_FREE char *version = xasprintf("%s/version", path);
	AUTO_FREE char *manifest = xasprintf("%s/manifest.json", path);
	struct stat st;

	if (lstat(path, &st) < 0)
		return 0;
	if (S_ISDIR(st.st_mode) &&
	    (rmdir(path) == 0 || (access(version, F_OK) == 0 && access(manifest, F_OK) == 0)))
		return 0;
	err_set(err, E_EXISTS, "'%s' is there and holds other things than an image", path);
	return err_hint(err, "name a folder that is new or empty");
}

int dest_dir_open(const struct transport_args *a, struct image_dest **ret, struct err *err)
{
	static const struct image_dest_ops ops = { .has = dir_dest_has,
		                                   .put = dir_dest_put,
		                                   .document = dir_dest_document,
		                                   .commit = dir_dest_commit,
		                                   .free = dir_dest_free };
	struct dir_dest *d = xcalloc(1, sizeof(*d));
	AUTO_DEST *base = &d->base;

	d->base = (struct image_dest){ .ops = &ops, .parallel = PARALLEL };
	d->cancel = a->options->cancel;
	d->fresh = FRESH_INIT;
	if (check_old(a->at->path, err) < 0 || fresh_open(a->at->path, true, &d->fresh, err) < 0)
		return -1;
	*ret = TAKE_PTR(base);
	return 0;
}
