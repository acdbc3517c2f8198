/* How layers are stored and mounted here: probing, and the forms a layer can have. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "base/fd.h"
#include "base/xalloc.h"
#include "codec/erofs.h"
#include "codec/json.h"
#include "image/extract.h"
#include "image/layers-internal.h"
#include "image/rootfs-internal.h"

#define PROBE_MAX_BYTES 4096
#define READ_BYTES      ((size_t)256 << 10)

static const char *const mode_names[LAYER_MODE_MAX] = {
	[LAYER_MODE_NONE] = "none",
	[LAYER_MODE_EROFS_FILE] = "erofs",
	[LAYER_MODE_EROFS_LOOP] = "erofs-loop",
	[LAYER_MODE_DIR] = "directory",
};

const char *layer_mode_name(enum layer_mode mode)
{
	return mode < LAYER_MODE_MAX ? mode_names[mode] : "none";
}

/* What the answer depends on: another boot may be another kernel, another user has other rights. */
static void probe_key(char *ret, size_t size)
{
	AUTO_FREE char *boot = NULL;

	if (file_read_at(AT_FDCWD, "/proc/sys/kernel/random/boot_id", 64, &boot, NULL, ERR_IGNORE) <
	    0)
		boot = xstrdup("?");
	boot[strcspn(boot, "\n")] = '\0';
	snprintf(ret, size, "%s uid %u%s", boot, geteuid(),
	         is_in_user_namespace() ? " in a user namespace" : "");
}

static bool probe_load(struct layer_store *store, const char *key)
{
	AUTO_FREE char *text = NULL;
	AUTO_JSON *obj = NULL;
	const char *mode = "", *reason = "", *stored = "";
	struct json root;
	size_t len;

	if (file_read_at(store->fd, LAYER_PROBE, PROBE_MAX_BYTES, &text, &len, ERR_IGNORE) < 0 ||
	    json_parse(LAYER_PROBE, text, len, &obj, ERR_IGNORE) < 0)
		return false;
	root = json_root(obj, LAYER_PROBE);
	json_get_str(&root, "key", &stored, ERR_IGNORE);
	json_get_str(&root, "mode", &mode, ERR_IGNORE);
	json_get_str(&root, "reason", &reason, ERR_IGNORE);
	if (strcmp(stored, key) != 0)
		return false;
	for (int m = LAYER_MODE_EROFS_FILE; m < LAYER_MODE_MAX; m++)
		if (!strcmp(mode, mode_names[m]))
			store->mode = (enum layer_mode)m;
	snprintf(store->reason, sizeof(store->reason), "%s", reason);
	return store->mode != LAYER_MODE_NONE;
}

static void probe_save(struct layer_store *store, const char *key)
{
	AUTO_JSON *obj = json_object_new_object();
	const char *text;

	json_add_str(obj, "key", key);
	json_add_str(obj, "mode", mode_names[store->mode]);
	json_add_str(obj, "reason", store->reason);
	text = json_text(obj, true);
	/* only saves time: a store that cannot be written is noticed elsewhere */
	file_write_atomic_at(store->fd, LAYER_PROBE, text, strlen(text), 0600, 0, ERR_IGNORE);
}

/* Mount an image of an empty directory, attached nowhere. */
static int probe_in(struct layer_store *store, int dir_fd, struct err *err)
{
	AUTO(tree_freep) struct tree *t = tree_new();
	AUTO_FD tar = openat(dir_fd, LAYER_TAR, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	AUTO_FD index = openat(dir_fd, LAYER_INDEX, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	AUTO_FD mnt = -1;
	uint64_t bytes;

	if (tar < 0 || index < 0)
		return err_sys(err, errno, "write to the layer store");
	tree_freeze(t);
	if (ftruncate(tar, 2 * TAR_BLOCK_SIZE) < 0)
		return err_sys(err, errno, "write to the layer store");
	if (erofs_write_index(t, tar, 2 * TAR_BLOCK_SIZE, index, &bytes, err) < 0)
		return -1;
	store->reason[0] = '\0';
	mnt = erofs_mount_file(index, tar, err);
	if (mnt >= 0) {
		store->mode = LAYER_MODE_EROFS_FILE;
		return 0;
	}
	snprintf(store->reason, sizeof(store->reason),
	         "EROFS cannot be mounted from a file here: %.120s",
	         strerrordesc_np(err->sys) ? strerrordesc_np(err->sys) : err->msg);
	/* in a user namespace nothing but a directory will do */
	mnt = is_in_user_namespace() ? -1 : erofs_mount_loop(index, tar, err);
	store->mode = mnt >= 0 ? LAYER_MODE_EROFS_LOOP : LAYER_MODE_DIR;
	return 0;
}

static int probe(struct layer_store *store, struct err *err)
{
	char name[LAYER_TMP_MAX], key[160];
	AUTO_FD fd = -1;
	int r;

	probe_key(key, sizeof(key));
	if (probe_load(store, key))
		return 0;
	if (layer_tmp_make(store, name, &fd, err) < 0)
		return -1;
	r = probe_in(store, fd, err);
	tree_remove_at(store->fd, name, ERR_IGNORE);
	if (r == 0)
		probe_save(store, key);
	return r;
}

int layer_store_mode(struct layer_store *store, enum layer_mode *ret, const char **ret_reason,
                     struct err *err)
{
	int r = 0;

	pthread_mutex_lock(&store->lock);
	if (store->mode == LAYER_MODE_NONE)
		r = probe(store, err);
	if (r == 0) {
		*ret = store->mode;
		if (ret_reason)
			*ret_reason = store->reason;
	}
	pthread_mutex_unlock(&store->lock);
	return r;
}

static int write_index(struct tree *tree, int dir_fd, int tar_fd, uint64_t tar_bytes,
                       uint64_t *ret_bytes, struct err *err)
{
	AUTO_FD fd = openat(dir_fd, LAYER_INDEX, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0400);

	if (fd < 0)
		return err_sys(err, errno, "create '%s'", LAYER_INDEX);
	if (erofs_write_index(tree, tar_fd, tar_bytes, fd, ret_bytes, err) < 0)
		return -1;
	if (fsync(fd) < 0)
		return err_sys(err, errno, "sync '%s'", LAYER_INDEX);
	return 0;
}

static int write_diff(struct tree *tree, int dir_fd, int tar_fd, uint64_t *ret_bytes,
                      struct err *err)
{
	AUTO_JSON *obj = json_object_new_object();
	struct extract_result result;
	AUTO_FD fd = -1;
	const char *text;

	if (mkdirat(dir_fd, LAYER_DIFF, 0700) < 0)
		return err_sys(err, errno, "create '%s'", LAYER_DIFF);
	fd = dir_open_at(dir_fd, LAYER_DIFF, err);
	if (fd < 0 || extract_tree(tree, tar_fd, fd, is_in_user_namespace(), &result, err) < 0)
		return -1;
	json_add_u64(obj, "diffBytes", result.disk_bytes);
	json_add_u64(obj, "skippedDevices", result.skipped_devices);
	text = json_text(obj, true);
	if (file_write_atomic_at(dir_fd, LAYER_META, text, strlen(text), 0600, 0, err) < 0)
		return -1;
	/* one call for thousands of files */
	if (syncfs(fd) < 0)
		return err_sys(err, errno, "sync '%s'", LAYER_DIFF);
	*ret_bytes = result.disk_bytes;
	return 0;
}

int layer_form_write(struct tree *tree, enum layer_mode mode, int dir_fd, int tar_fd,
                     uint64_t tar_bytes, uint64_t *ret_bytes, struct err *err)
{
	if (mode == LAYER_MODE_DIR)
		return write_diff(tree, dir_fd, tar_fd, ret_bytes, err);
	return write_index(tree, dir_fd, tar_fd, tar_bytes, ret_bytes, err);
}

static int add_entry(void *ctx, const struct tar_entry *e, struct err *err)
{
	return tree_add(ctx, e, err);
}

int layer_tree_read(int tar_fd, struct tree **ret, struct err *err)
{
	static const struct tar_handler handler = { .entry = add_entry };
	AUTO(tree_freep) struct tree *t = tree_new();
	AUTO(tar_reader_freep) struct tar_reader *r = tar_reader_new(&handler, t, NULL);
	AUTO_FREE uint8_t *buf = xmalloc(READ_BYTES);
	off_t at = 0;
	struct stat st;

	if (fstat(tar_fd, &st) < 0)
		return err_sys(err, errno, "stat '%s'", LAYER_TAR);
	for (;;) {
		ssize_t n = pread(tar_fd, buf, READ_BYTES, at);
		uint64_t skip;

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_sys(err, errno, "read '%s'", LAYER_TAR);
		if (n == 0)
			break;
		if (tar_reader_push(r, buf, (size_t)n, err) < 0)
			return -1;
		at += n;
		/* contents of large files are not read at all */
		skip = tar_reader_skippable(r);
		if (skip > READ_BYTES && at + (off_t)skip <= st.st_size) {
			tar_reader_skip(r, skip);
			at += (off_t)skip;
		}
	}
	if (tar_reader_end(r, err) < 0)
		return -1;
	tree_freeze(t);
	*ret = TAKE_PTR(t);
	return 0;
}

int layer_index_make(int tar_fd, int out_fd, struct err *err)
{
	AUTO(tree_freep) struct tree *t = NULL;
	struct stat st;
	uint64_t bytes;

	if (fstat(tar_fd, &st) < 0)
		return err_sys(err, errno, "stat '%s'", LAYER_TAR);
	if (layer_tree_read(tar_fd, &t, err) < 0)
		return -1;
	return erofs_write_index(t, tar_fd, (uint64_t)st.st_size, out_fd, &bytes, err);
}

int layer_form_ensure(struct layer_store *store, int dir_fd, enum layer_mode mode, struct err *err)
{
	const char *name = mode == LAYER_MODE_DIR ? LAYER_DIFF : LAYER_INDEX;
	AUTO(tree_freep) struct tree *t = NULL;
	char tmp[LAYER_TMP_MAX];
	AUTO_FD tar = -1, tmp_fd = -1;
	uint64_t bytes;
	struct stat st;
	int r;

	if (faccessat(dir_fd, name, F_OK, AT_SYMLINK_NOFOLLOW) == 0)
		return 0;
	tar = openat(dir_fd, LAYER_TAR, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	if (tar < 0 || fstat(tar, &st) < 0)
		return err_sys(err, errno, "open '%s'", LAYER_TAR);
	if (layer_tree_read(tar, &t, err) < 0 || layer_tmp_make(store, tmp, &tmp_fd, err) < 0)
		return -1;
	r = layer_form_write(t, mode, tmp_fd, tar, (uint64_t)st.st_size, &bytes, err);
	if (r == 0 && mode == LAYER_MODE_DIR)
		renameat(tmp_fd, LAYER_META, dir_fd, LAYER_META);
	/* whoever else made it at the same time made the same */
	if (r == 0 && renameat(tmp_fd, name, dir_fd, name) < 0 && errno != EEXIST &&
	    errno != ENOTEMPTY)
		r = err_sys(err, errno, "rename '%s'", name);
	if (r == 0 && fsync(dir_fd) < 0)
		r = err_sys(err, errno, "sync the layer");
	tree_remove_at(store->fd, tmp, ERR_IGNORE);
	return r;
}
