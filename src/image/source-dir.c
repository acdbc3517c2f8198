/* dir: as skopeo writes it: manifest.json, blobs by their hexadecimal digests, version. */
#include "base/fd.h"
#include "base/xalloc.h"
#include "image/transport-internal.h"
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

struct dir_source {
	struct image_source base;
	int fd;
};

static void dir_source_free(struct image_source *base)
{
	struct dir_source *s = (struct dir_source *)base;

	if (s->fd >= 0)
		close(s->fd);
	free(s);
}

static int dir_document(struct image_source *base, const struct digest *d, struct document *ret,
                        struct err *err)
{
	struct dir_source *s = (struct dir_source *)base;
	AUTO_FREE char *name =
		d ? xasprintf("%s.manifest.json", digest_hex(d).s) : xstrdup("manifest.json");

	if (file_read_at(s->fd, name, MANIFEST_MAX_BYTES, &ret->text, &ret->len, err) < 0)
		return -1;
	digest_of(d ? d->alg : DIGEST_SHA256, ret->text, ret->len, &ret->digest);
	if (!d || digest_equal(d, &ret->digest))
		return 0;
	return err_set(err, E_CORRUPT, "'%s' does not have that digest", name);
}

static int dir_open_blob(struct image_source *base, const struct descriptor *d, uint64_t offset,
                         struct reader **ret, struct err *err)
{
	struct dir_source *s = (struct dir_source *)base;
	struct digest_text hex = digest_hex(&d->digest);
	AUTO_FD fd = openat(s->fd, hex.s, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0)
		return err_sys(err, errno, "open blob '%s'", hex.s);
	if (!S_ISREG(st.st_mode) || offset > (uint64_t)st.st_size)
		return err_set(err, E_CORRUPT, "blob '%s' is not a file of that size", hex.s);
	*ret = reader_file(TAKE_FD(fd), offset, (uint64_t)st.st_size - offset, hex.s);
	return 0;
}

int source_dir_open(const struct transport_args *a, struct image_source **ret, struct err *err)
{
	static const struct image_source_ops ops = { .document = dir_document,
		                                     .open = dir_open_blob,
		                                     .free = dir_source_free };
	struct dir_source *s = xcalloc(1, sizeof(*s));
	AUTO_SOURCE *base = &s->base;

	s->base.ops = &ops;
	s->fd = open(a->at->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (s->fd < 0)
		return err_sys(err, errno, "open '%s'", a->at->path);
	*ret = TAKE_PTR(base);
	return 0;
}
