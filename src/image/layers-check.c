/* Verifying stored layers, and making their index or directory anew from the tar. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "base/fd.h"
#include "base/xalloc.h"
#include "codec/erofs.h"
#include "image/extract.h"
#include "image/layers-internal.h"

#define VERIFY_BYTES  ((size_t)1 << 20)
#define COMPARE_BYTES ((size_t)64 << 10)

static int files_are_equal(int a, int b, bool *ret, struct err *err)
{
	AUTO_FREE uint8_t *buf = xmalloc(2 * COMPARE_BYTES);
	off_t at = 0;

	for (;;) {
		ssize_t na = pread(a, buf, COMPARE_BYTES, at);
		ssize_t nb = pread(b, buf + COMPARE_BYTES, COMPARE_BYTES, at);

		if (na < 0 || nb < 0)
			return err_sys(err, errno, "read '%s'", LAYER_INDEX);
		*ret = na == nb && !memcmp(buf, buf + COMPARE_BYTES, (size_t)na);
		if (!*ret || na == 0)
			return 0;
		at += na;
	}
}

/* An index of another version of dhow has other bytes, and serves as well: its checksum tells
 * whether it is whole, which is the kernel's affair at each mount. */
static bool is_of_other_version(int index_fd)
{
	char name[EROFS_NAME_BYTES];
	static const char prefix[] = "dhow-index-";

	return pread(index_fd, name, sizeof(name), EROFS_NAME_OFFSET) == sizeof(name) &&
	       !strncmp(name, prefix, strlen(prefix)) &&
	       strncmp(name, EROFS_INDEX_NAME, sizeof(name)) != 0;
}

/* Make the index again: the same tar gives the same bytes. */
static int check_index(int dir_fd, int tar_fd, enum layer_damage *ret, struct err *why,
                       struct err *err)
{
	AUTO_FD index = openat(dir_fd, LAYER_INDEX, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	AUTO_FD again = -1;
	bool is_same = false;

	if (index < 0 && errno == ENOENT)
		return 0;
	again = memfd_create(LAYER_INDEX, MFD_CLOEXEC);
	if (index < 0 || again < 0)
		return err_sys(err, errno, "open '%s'", LAYER_INDEX);
	if (is_of_other_version(index))
		return 0;
	if (layer_index_make(tar_fd, again, err) < 0 ||
	    files_are_equal(index, again, &is_same, err) < 0)
		return -1;
	if (!is_same) {
		*ret = LAYER_DAMAGE_FORM;
		err_set(why, E_CORRUPT, "its index does not fit its content");
	}
	return 0;
}

static int check_diff(int dir_fd, int tar_fd, enum layer_damage *ret, struct err *why,
                      struct err *err)
{
	AUTO_FD diff = openat(dir_fd, LAYER_DIFF, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	AUTO(tree_freep) struct tree *t = NULL;

	if (diff < 0 && errno == ENOENT)
		return 0;
	if (diff < 0)
		return err_sys(err, errno, "open '%s'", LAYER_DIFF);
	if (layer_tree_read(tar_fd, &t, err) < 0)
		return -1;
	if (extract_verify(t, tar_fd, diff, is_in_user_namespace(), why) < 0)
		*ret = LAYER_DAMAGE_FORM;
	return 0;
}

static int check_tar(int tar_fd, const struct digest *diff_id, enum layer_damage *ret,
                     struct err *why, struct err *err)
{
	AUTO(digester_freep) struct digester *d = digester_new(diff_id->alg);
	AUTO_FREE uint8_t *buf = xmalloc(VERIFY_BYTES);
	struct digest got;
	ssize_t n;

	while ((n = read(tar_fd, buf, VERIFY_BYTES)) != 0) {
		if (n < 0 && errno == EINTR)
			continue;
		/* a disk that does not give the bytes back has lost them */
		if (n < 0 && errno == EIO) {
			*ret = LAYER_DAMAGE_TAR;
			err_sys(why, errno, "read '%s'", LAYER_TAR);
			return 0;
		}
		if (n < 0)
			return err_sys(err, errno, "read '%s'", LAYER_TAR);
		digester_update(d, buf, (size_t)n);
	}
	digester_finish(d, &got);
	if (!digest_equal(&got, diff_id)) {
		*ret = LAYER_DAMAGE_TAR;
		err_set(why, E_CORRUPT, "its content is %s", digest_format(&got).s);
	}
	return 0;
}

static int examine(int dir_fd, const struct digest *diff_id, bool quick, enum layer_damage *ret,
                   struct err *why, struct err *err)
{
	AUTO_FD tar = openat(dir_fd, LAYER_TAR, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);

	*ret = LAYER_SOUND;
	if (tar < 0 && errno != ENOENT)
		return err_sys(err, errno, "open '%s'", LAYER_TAR);
	if (tar < 0) {
		*ret = LAYER_DAMAGE_TAR;
		err_set(why, E_CORRUPT, "its content is missing");
		return 0;
	}
	if (faccessat(dir_fd, LAYER_INDEX, F_OK, AT_SYMLINK_NOFOLLOW) < 0 &&
	    faccessat(dir_fd, LAYER_DIFF, F_OK, AT_SYMLINK_NOFOLLOW) < 0) {
		*ret = LAYER_DAMAGE_FORM;
		err_set(why, E_CORRUPT, "its index is missing");
	}
	if (quick)
		return 0;
	if (check_tar(tar, diff_id, ret, why, err) < 0 || *ret == LAYER_DAMAGE_TAR)
		return *ret == LAYER_DAMAGE_TAR ? 0 : -1;
	if (check_index(dir_fd, tar, ret, why, err) < 0)
		return -1;
	return *ret == LAYER_SOUND ? check_diff(dir_fd, tar, ret, why, err) : 0;
}

int layer_store_examine(struct layer_store *store, const struct digest *diff_id, bool quick,
                        enum layer_damage *ret, struct err *ret_why, struct err *err)
{
	AUTO_FD dir = layer_dir_open(store, diff_id, err);

	if (dir < 0)
		return -1;
	if (examine(dir, diff_id, quick, ret, ret_why, err) < 0)
		return err_ctx(err, "layer %s", digest_format(diff_id).s);
	return 0;
}

int layer_store_verify(struct layer_store *store, const struct digest *diff_id, struct err *err)
{
	enum layer_damage damage;
	struct err why = ERR_INIT;

	if (layer_store_examine(store, diff_id, false, &damage, &why, err) < 0)
		return -1;
	if (damage == LAYER_SOUND)
		return 0;
	return err_set(err, E_CORRUPT, "layer %s is damaged: %s", digest_format(diff_id).s,
	               why.msg);
}

/* --- rebuilding --- */

/* The new form takes the old one's name in one step; who has the old one mounted keeps it until
 * then. What was there before ends in the temporary directory, and goes with it. */
static int replace(int tmp_fd, int dir_fd, const char *name, struct err *err)
{
	if (renameat2(tmp_fd, name, dir_fd, name, RENAME_EXCHANGE) < 0 &&
	    (errno != ENOENT || renameat(tmp_fd, name, dir_fd, name) < 0))
		return err_sys(err, errno, "rename '%s'", name);
	return 0;
}

static int rebuild(struct layer_store *store, int dir_fd, enum layer_mode mode, struct err *err)
{
	AUTO_FD tar = openat(dir_fd, LAYER_TAR, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	AUTO(tree_freep) struct tree *t = NULL;
	char tmp[LAYER_TMP_MAX];
	AUTO_FD tmp_fd = -1;
	uint64_t bytes;
	struct stat st;
	int r;

	if (tar < 0 || fstat(tar, &st) < 0)
		return err_sys(err, errno, "open '%s'", LAYER_TAR);
	if (layer_tree_read(tar, &t, err) < 0 || layer_tmp_make(store, tmp, &tmp_fd, err) < 0)
		return -1;
	r = layer_form_write(t, mode, tmp_fd, tar, (uint64_t)st.st_size, &bytes, err);
	if (r == 0 && mode == LAYER_MODE_DIR)
		r = replace(tmp_fd, dir_fd, LAYER_META, err);
	if (r == 0)
		r = replace(tmp_fd, dir_fd, mode == LAYER_MODE_DIR ? LAYER_DIFF : LAYER_INDEX, err);
	if (r == 0 && fsync(dir_fd) < 0)
		r = err_sys(err, errno, "sync the layer");
	tree_remove_at(store->fd, tmp, ERR_IGNORE);
	return r;
}

int layer_store_rebuild(struct layer_store *store, const struct digest *diff_id, struct err *err)
{
	AUTO_FD dir = layer_dir_open(store, diff_id, err);
	enum layer_mode mode = LAYER_MODE_EROFS_FILE;
	int r = 0;

	if (dir < 0)
		return -1;
	/* every form it has; the mode of this store when it has none */
	if (faccessat(dir, LAYER_DIFF, F_OK, AT_SYMLINK_NOFOLLOW) == 0)
		r = rebuild(store, dir, LAYER_MODE_DIR, err);
	else if (faccessat(dir, LAYER_INDEX, F_OK, AT_SYMLINK_NOFOLLOW) < 0)
		r = layer_store_mode(store, &mode, NULL, err) < 0 ||
		                    rebuild(store, dir, mode, err) < 0
		            ? -1
		            : 0;
	if (r == 0 && faccessat(dir, LAYER_INDEX, F_OK, AT_SYMLINK_NOFOLLOW) == 0)
		r = rebuild(store, dir, LAYER_MODE_EROFS_FILE, err);
	return r < 0 ? err_ctx(err, "layer %s", digest_format(diff_id).s) : 0;
}

bool layer_store_has_directory(struct layer_store *store, const struct digest *diff_id)
{
	AUTO_FD dir = layer_dir_open(store, diff_id, ERR_IGNORE);

	return dir >= 0 && faccessat(dir, LAYER_DIFF, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}
