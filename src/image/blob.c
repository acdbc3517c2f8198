/* Blobs by digest: manifests, indexes and configs, and what a registry was sent. */
#include "base/fd.h"
#include "base/xalloc.h"
#include "image/image-internal.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#define HASH_BYTES (256u << 10)

struct blob_path blob_path(const struct digest *d)
{
	struct blob_path p;

	snprintf(p.s, sizeof(p.s), "%s/%s", digest_alg_name(d->alg), digest_hex(d).s);
	return p;
}

bool blob_has(struct image_store *store, const struct digest *d)
{
	return faccessat(store->blobs_fd, blob_path(d).s, F_OK, 0) == 0;
}

static int compare(const struct digest *d, const struct digest *got, struct err *err)
{
	if (digest_equal(d, got))
		return 0;
	return err_set(err, E_CORRUPT, "blob %s: its bytes have the digest %s", digest_format(d).s,
	               digest_format(got).s);
}

static int verify(const struct digest *d, const void *data, size_t len, struct err *err)
{
	struct digest got;

	digest_of(d->alg, data, len, &got);
	return compare(d, &got, err);
}

/* Return the fd of the folder for d, made when missing, or -1. */
static int open_folder(struct image_store *store, const struct digest *d, struct err *err)
{
	/* sha256 is made when the store is opened */
	if (d->alg != DIGEST_SHA256) {
		if (mkdirat(store->blobs_fd, digest_alg_name(d->alg), 0700) == 0)
			fsync(store->blobs_fd);
		else if (errno != EEXIST)
			return err_sys(err, errno, "make 'blobs/%s'", digest_alg_name(d->alg));
	}
	return dir_open_at(store->blobs_fd, digest_alg_name(d->alg), err);
}

int blob_put(struct image_store *store, const struct digest *d, const void *data, size_t len,
             struct err *err)
{
	AUTO_FD dir_fd = -1;

	if (verify(d, data, len, err) < 0)
		return -1;
	if (blob_has(store, d))
		return 0;
	dir_fd = open_folder(store, d, err);
	if (dir_fd < 0)
		return -1;
	if (file_write_atomic_at(dir_fd, digest_hex(d).s, data, len, 0444, FILE_WRITE_SYNC, err) <
	    0)
		return err_ctx(err, "store blob %s", digest_format(d).s);
	return 0;
}

int blob_adopt(struct image_store *store, const struct digest *d, int dir_fd, const char *name,
               struct err *err)
{
	AUTO_FD folder_fd = -1;

	if (blob_has(store, d)) {
		unlinkat(dir_fd, name, 0);
		return 0;
	}
	folder_fd = open_folder(store, d, err);
	if (folder_fd < 0)
		return -1;
	if (fchmodat(dir_fd, name, 0444, 0) < 0 ||
	    renameat(dir_fd, name, folder_fd, digest_hex(d).s) < 0 || fsync(folder_fd) < 0)
		return err_sys(err, errno, "store blob %s", digest_format(d).s);
	return 0;
}

int blob_open(struct image_store *store, const struct digest *d, int *ret_fd, uint64_t *ret_size,
              struct err *err)
{
	AUTO_FD fd = openat(store->blobs_fd, blob_path(d).s, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0)
		return err_sys(err, errno, "open blob %s", digest_format(d).s);
	*ret_size = (uint64_t)st.st_size;
	*ret_fd = TAKE_FD(fd);
	return 0;
}

int fd_digest(int fd, enum digest_alg alg, struct digest *ret, struct err *err)
{
	AUTO(digester_freep) struct digester *digester = digester_new(alg);
	AUTO_FREE char *buf = xmalloc(HASH_BYTES);
	off_t offset = 0;

	for (;;) {
		ssize_t n = pread(fd, buf, HASH_BYTES, offset);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_sys(err, errno, "read from the image store");
		if (n == 0)
			break;
		digester_update(digester, buf, (size_t)n);
		offset += n;
	}
	digester_finish(digester, ret);
	return 0;
}

int blob_verify(struct image_store *store, const struct digest *d, struct err *err)
{
	AUTO_FD fd = -1;
	struct digest got;
	uint64_t size;

	if (blob_open(store, d, &fd, &size, err) < 0 || fd_digest(fd, d->alg, &got, err) < 0)
		return -1;
	return compare(d, &got, err);
}

int blob_read(struct image_store *store, const struct digest *d, size_t max_bytes, char **ret,
              size_t *ret_len, struct err *err)
{
	AUTO_FREE char *data = NULL;
	size_t len;

	if (file_read_at(store->blobs_fd, blob_path(d).s, max_bytes, &data, &len, err) < 0)
		return err_ctx(err, "image store");
	if (verify(d, data, len, err) < 0)
		return -1;
	*ret = TAKE_PTR(data);
	*ret_len = len;
	return 0;
}

int blob_remove(struct image_store *store, const struct digest *d, struct err *err)
{
	if (unlinkat(store->blobs_fd, blob_path(d).s, 0) < 0 && errno != ENOENT)
		return err_sys(err, errno, "remove blob %s", digest_format(d).s);
	return 0;
}

static int each_of(struct image_store *store, enum digest_alg alg, blob_fn fn, void *ctx,
                   struct err *err)
{
	int fd = openat(store->blobs_fd, digest_alg_name(alg), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct dirent *entry;
	DIR *dir;
	int r = 0;

	if (fd < 0)
		return errno == ENOENT
		               ? 0
		               : err_sys(err, errno, "open 'blobs/%s'", digest_alg_name(alg));
	dir = fdopendir(fd);
	if (!dir) {
		close(fd);
		return err_sys(err, errno, "read 'blobs/%s'", digest_alg_name(alg));
	}
	while (r == 0 && (entry = readdir(dir))) {
		struct digest d;
		bool is_blob;

		if (entry->d_name[0] == '.')
			continue;
		is_blob = digest_parse_hex(entry->d_name, &d, ERR_IGNORE) == 0 && d.alg == alg;
		r = fn(ctx, dirfd(dir), entry->d_name, is_blob ? &d : NULL, err);
	}
	closedir(dir);
	return r;
}

int blob_each(struct image_store *store, blob_fn fn, void *ctx, struct err *err)
{
	if (each_of(store, DIGEST_SHA256, fn, ctx, err) < 0)
		return -1;
	return each_of(store, DIGEST_SHA512, fn, ctx, err);
}
