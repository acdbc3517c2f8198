/* The store of layers: finding, listing, removing, sweeping. Importing is in layers-import.c, how
 * layers are stored and mounted is decided in layers-mode.c. */
#include "image/layers.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>

#include "base/fd.h"
#include "base/id.h"
#include "base/xalloc.h"
#include "codec/json.h"
#include "image/layers-internal.h"

#define STORE_DIR      "layers"
#define META_MAX_BYTES 4096
#define TMP_TRIES      16

int layer_store_open(int root_fd, const struct layer_store_options *options,
                     struct layer_store **ret, struct err *err)
{
	AUTO_FD fd = openat(root_fd, STORE_DIR, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct layer_store *store;

	if (fd < 0 && errno == ENOENT) {
		if (mkdirat(root_fd, STORE_DIR, 0700) < 0 && errno != EEXIST)
			return err_sys(err, errno, "make the layer store '%s'", STORE_DIR);
		fd = openat(root_fd, STORE_DIR, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	}
	if (fd < 0)
		return err_sys(err, errno, "open the layer store '%s'", STORE_DIR);
	store = xcalloc(1, sizeof(*store));
	store->fd = TAKE_FD(fd);
	pthread_mutex_init(&store->lock, NULL);
	if (options)
		store->mode = options->mode;
	*ret = store;
	return 0;
}

void layer_store_free(struct layer_store *store)
{
	if (!store)
		return;
	close(store->fd);
	pthread_mutex_destroy(&store->lock);
	free(store);
}

bool is_in_user_namespace(void)
{
	/* the number of the first user namespace is fixed in the kernel (PROC_USER_INIT_INO) */
	struct stat st;

	return stat("/proc/self/ns/user", &st) == 0 && st.st_ino != 0xeffffffdu;
}

int layer_tmp_make(struct layer_store *store, char ret_name[LAYER_TMP_MAX], int *ret_fd,
                   struct err *err)
{
	for (int i = 0; i < TMP_TRIES; i++) {
		char tag[ID_SHORT_LEN + 1];
		AUTO_FD fd = -1;
		struct stat st;

		id_random_short(tag);
		snprintf(ret_name, LAYER_TMP_MAX, LAYER_TMP "%s", tag);
		if (mkdirat(store->fd, ret_name, 0700) < 0)
			return err_sys(err, errno, "make a directory in the layer store");
		fd = openat(store->fd, ret_name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		/* a sweep may take it away until the lock is held */
		if (fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) == 0 && fstat(fd, &st) == 0 &&
		    st.st_nlink > 0) {
			*ret_fd = TAKE_FD(fd);
			return 0;
		}
		if (fd < 0 && errno != ENOENT)
			return err_sys(err, errno, "open a directory in the layer store");
	}
	return err_set(err, E_BUSY, "the layer store is being swept again and again");
}

int layer_dir_open(struct layer_store *store, const struct digest *diff_id, struct err *err)
{
	int fd = openat(store->fd, digest_hex(diff_id).s,
	                O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	if (fd < 0 && errno == ENOENT)
		return err_set(err, E_NOT_FOUND, "layer %s is not in the store",
		               digest_format(diff_id).s);
	if (fd < 0)
		return err_sys(err, errno, "open layer %s", digest_format(diff_id).s);
	return fd;
}

bool layer_store_has(struct layer_store *store, const struct digest *diff_id)
{
	struct stat st;

	return fstatat(store->fd, digest_hex(diff_id).s, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
	       S_ISDIR(st.st_mode);
}

/* The size an extracted tree had when it was written. */
static uint64_t diff_bytes(int dir_fd)
{
	AUTO_FREE char *text = NULL;
	AUTO_JSON *obj = NULL;
	uint64_t bytes = 0;
	struct json root;
	size_t len;

	if (file_read_at(dir_fd, LAYER_META, META_MAX_BYTES, &text, &len, ERR_IGNORE) < 0 ||
	    json_parse(LAYER_META, text, len, &obj, ERR_IGNORE) < 0)
		return 0;
	root = json_root(obj, LAYER_META);
	json_get_u64(&root, "diffBytes", &bytes, ERR_IGNORE);
	return bytes;
}

static int info_of(int dir_fd, const struct digest *diff_id, struct layer_info *ret,
                   struct err *err)
{
	struct layer_info info = { .diff_id = *diff_id };
	struct stat st;

	if (fstatat(dir_fd, LAYER_TAR, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return err_sys(err, errno, "layer %s: stat '%s'", digest_format(diff_id).s,
		               LAYER_TAR);
	info.tar_bytes = (uint64_t)st.st_size;
	info.disk_bytes = (uint64_t)st.st_blocks * 512;
	if (fstatat(dir_fd, LAYER_INDEX, &st, AT_SYMLINK_NOFOLLOW) == 0)
		info.disk_bytes += (uint64_t)st.st_blocks * 512;
	if (fstatat(dir_fd, LAYER_DIFF, &st, AT_SYMLINK_NOFOLLOW) == 0)
		info.disk_bytes += diff_bytes(dir_fd);
	*ret = info;
	return 0;
}

int layer_store_info(struct layer_store *store, const struct digest *diff_id,
                     struct layer_info *ret, struct err *err)
{
	AUTO_FD fd = layer_dir_open(store, diff_id, err);

	return fd < 0 ? -1 : info_of(fd, diff_id, ret, err);
}

/* A listing of the store with its own position. */
static DIR *store_list(struct layer_store *store, struct err *err)
{
	int fd = openat(store->fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);

	if (!dir) {
		err_sys(err, errno, "list the layer store");
		if (fd >= 0)
			close(fd);
	}
	return dir;
}

int layer_store_list(struct layer_store *store, struct layer_info **ret, size_t *ret_count,
                     struct err *err)
{
	DIR *dir = store_list(store, err);
	struct layer_info *list = NULL;
	size_t count = 0;
	struct dirent *de;

	if (!dir)
		return -1;
	while ((de = readdir(dir))) {
		struct layer_info info;
		struct digest d;

		/* one that is removed at this moment is not listed */
		if (digest_parse_hex(de->d_name, &d, ERR_IGNORE) == 0 &&
		    layer_store_info(store, &d, &info, ERR_IGNORE) == 0)
			VEC_PUSH(list, count, info);
	}
	closedir(dir);
	*ret = list;
	*ret_count = count;
	return 0;
}

int layer_store_open_tar(struct layer_store *store, const struct digest *diff_id, struct err *err)
{
	AUTO_FD dir = layer_dir_open(store, diff_id, err);
	int fd;

	if (dir < 0)
		return -1;
	fd = openat(dir, LAYER_TAR, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return err_sys(err, errno, "layer %s: open '%s'", digest_format(diff_id).s,
		               LAYER_TAR);
	return fd;
}

/* Rename it out of sight. Return 1, or 0 when there is no such layer. */
static int hide(struct layer_store *store, const struct digest *diff_id,
                char tmp[static LAYER_TMP_MAX], struct err *err)
{
	char tag[ID_SHORT_LEN + 1];

	id_random_short(tag);
	snprintf(tmp, LAYER_TMP_MAX, LAYER_TMP "%s", tag);
	if (renameat(store->fd, digest_hex(diff_id).s, store->fd, tmp) == 0)
		return 1;
	if (errno == ENOENT)
		return 0;
	return err_sys(err, errno, "remove layer %s", digest_format(diff_id).s);
}

int layer_store_hide(struct layer_store *store, const struct digest *diff_id, struct err *err)
{
	char tmp[LAYER_TMP_MAX];

	return hide(store, diff_id, tmp, err) < 0 ? -1 : 0;
}

int layer_store_remove(struct layer_store *store, const struct digest *diff_id, struct err *err)
{
	char tmp[LAYER_TMP_MAX];
	int r = hide(store, diff_id, tmp, err);

	/* a sweep ends what is interrupted after this */
	if (r > 0 && tree_remove_at(store->fd, tmp, err) < 0)
		return err_ctx(err, "remove layer %s", digest_format(diff_id).s);
	return r < 0 ? -1 : 0;
}

int layer_store_sweep(struct layer_store *store, struct err *err)
{
	DIR *dir = store_list(store, err);
	struct dirent *de;
	int r = 0;

	if (!dir)
		return -1;
	while (r == 0 && (de = readdir(dir))) {
		AUTO_FD fd = -1;

		if (strncmp(de->d_name, LAYER_TMP, strlen(LAYER_TMP)) != 0)
			continue;
		fd = openat(store->fd, de->d_name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		/* locked: its owner is alive */
		if (fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) == 0)
			r = tree_remove_at(store->fd, de->d_name, err);
	}
	closedir(dir);
	return r;
}
