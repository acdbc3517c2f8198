/* What images take on disk. */
#include "image/usage.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/xalloc.h"
#include "image/image-internal.h"

void image_usage_done(struct image_usage *usage)
{
	for (size_t i = 0; i < usage->n_images; i++) {
		struct usage_image *image = &usage->images[i];

		free(image->id);
		strv_done(&image->names);
		strv_done(&image->users);
		free(image->content);
	}
	free(usage->images);
	free(usage->content);
	*usage = IMAGE_USAGE_INIT;
}

static int compare_ids(const void *a, const void *b)
{
	return strcmp(((const struct usage_image *)a)->id, ((const struct usage_image *)b)->id);
}

static struct usage_image *find(struct image_usage *usage, const char *id)
{
	struct usage_image key = { .id = (char *)id };

	return usage->n_images
	               ? bsearch(&key, usage->images, usage->n_images, sizeof(key), compare_ids)
	               : NULL;
}

static int read_images(struct image_store *store, struct image_usage *usage, struct err *err)
{
	AUTO_STMT st = DB_STMT_INIT;
	int r;

	if (db_query(store->db, &st, err,
	             "SELECT id, created_ns, stored_ns, max(used_ns, stored_ns) FROM image"
	             " ORDER BY id") < 0)
		return -1;
	while ((r = db_step(&st, err)) > 0) {
		struct usage_image image = { .id = xstrdup(db_text(&st, 0)),
			                     .created_ns = db_i64(&st, 1),
			                     .stored_ns = db_i64(&st, 2),
			                     .used_ns = db_i64(&st, 3) };

		VEC_PUSH(usage->images, usage->n_images, image);
	}
	return r;
}

static int read_names(struct image_store *store, struct image_usage *usage, struct err *err)
{
	AUTO_STMT st = DB_STMT_INIT;
	int r;

	if (db_query(store->db, &st, err, "SELECT image, name FROM image_name ORDER BY name") < 0)
		return -1;
	while ((r = db_step(&st, err)) > 0) {
		struct usage_image *image = find(usage, db_text(&st, 0));

		if (image)
			strv_add(&image->names, db_text(&st, 1));
	}
	return r;
}

static uint64_t content_bytes(struct image_store *store, const struct usage_content *c)
{
	struct layer_info info;
	struct stat st;

	/* what is missing takes nothing; `store check` is who complains */
	if (c->is_layer)
		return layer_store_info(store->layers, &c->digest, &info, ERR_IGNORE) < 0
		               ? 0
		               : info.disk_bytes;
	return fstatat(store->blobs_fd, blob_path(&c->digest).s, &st, AT_SYMLINK_NOFOLLOW) < 0
	               ? 0
	               : (uint64_t)st.st_blocks * 512;
}

/* Rows come by digest, so that each piece of content is one run of them. */
static int read_content(struct image_store *store, struct image_usage *usage, struct err *err)
{
	AUTO_STMT st = DB_STMT_INIT;
	struct usage_content *last = NULL;
	int r;

	if (db_query(store->db, &st, err,
	             "SELECT digest, 1, image FROM image_layer UNION"
	             " SELECT digest, 0, image FROM image_blob ORDER BY 1, 2") < 0)
		return -1;
	while ((r = db_step(&st, err)) > 0) {
		struct usage_image *image = find(usage, db_text(&st, 2));
		struct usage_content c = { .is_layer = db_i64(&st, 1) != 0 };

		if (db_digest(&st, 0, &c.digest, err) < 0)
			return -1;
		if (!image)
			continue;
		if (!last || last->is_layer != c.is_layer ||
		    !digest_equal(&last->digest, &c.digest)) {
			c.disk_bytes = content_bytes(store, &c);
			VEC_PUSH(usage->content, usage->n_content, c);
			last = &usage->content[usage->n_content - 1];
		}
		last->n_images++;
		VEC_PUSH(image->content, image->n_content, (uint32_t)(usage->n_content - 1));
	}
	return r;
}

static int read_users(struct image_store *store, struct image_usage *usage, struct err *err)
{
	for (size_t i = 0; i < usage->n_images; i++) {
		struct usage_image *image = &usage->images[i];

		if (store->users &&
		    store->users(store->users_ctx, image->id, &image->users, err) < 0)
			return -1;
		image->n_containers = image->users.len;
		if (image_mount_users(store, image->id, &image->users, err) < 0)
			return -1;
	}
	return 0;
}

static void add_up(struct image_usage *usage)
{
	AUTO_FREE bool *held = xcalloc(usage->n_content + 1, sizeof(*held));

	for (size_t i = 0; i < usage->n_images; i++) {
		struct usage_image *image = &usage->images[i];

		for (size_t k = 0; k < image->n_content; k++) {
			const struct usage_content *c = &usage->content[image->content[k]];

			image->disk_bytes += c->disk_bytes;
			if (c->n_images > 1)
				image->shared_bytes += c->disk_bytes;
			held[image->content[k]] |= image->users.len > 0;
		}
	}
	for (size_t i = 0; i < usage->n_content; i++) {
		usage->disk_bytes += usage->content[i].disk_bytes;
		if (held[i])
			usage->held_bytes += usage->content[i].disk_bytes;
	}
}

static bool has_content(const struct image_usage *usage, const struct digest *d, bool is_layer)
{
	for (size_t i = 0; i < usage->n_content; i++)
		if (usage->content[i].is_layer == is_layer &&
		    digest_equal(&usage->content[i].digest, d))
			return true;
	return false;
}

struct strays {
	struct image_store *store;
	struct image_usage *usage;
	uint64_t bytes;
};

static int stray_blob(void *ctx, int dir_fd, const char *name, const struct digest *d,
                      struct err *err)
{
	struct strays *strays = ctx;
	int64_t one;
	struct stat st;
	int r = 0;

	if ((d && has_content(strays->usage, d, false)) ||
	    fstatat(dir_fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return 0;
	if (d)
		r = db_get_i64(strays->store->db, &one, err,
		               "SELECT 1 FROM blob_user WHERE digest = ? LIMIT 1",
		               DB_TEXT(digest_format(d).s));
	if (r < 0)
		return -1;
	*(r ? &strays->usage->registry_bytes : &strays->bytes) += (uint64_t)st.st_blocks * 512;
	return 0;
}

/* What no image has: a registry's, or left by a broken pull. */
static int read_kept(struct image_store *store, struct image_usage *usage, struct err *err)
{
	struct strays strays = { .store = store, .usage = usage };
	AUTO_FREE struct layer_info *layers = NULL;
	size_t n = 0;

	if (layer_store_list(store->layers, &layers, &n, err) < 0 ||
	    blob_each(store, stray_blob, &strays, err) < 0)
		return -1;
	for (size_t i = 0; i < n; i++)
		if (!has_content(usage, &layers[i].diff_id, true))
			strays.bytes += layers[i].disk_bytes;
	usage->kept_bytes = strays.bytes;
	return 0;
}

static uint64_t directory_bytes(int dir_fd)
{
	int fd = openat(dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *entry;
	uint64_t sum = 0;
	struct stat st;

	if (!dir) {
		if (fd >= 0)
			close(fd);
		return 0;
	}
	while ((entry = readdir(dir)))
		if (entry->d_name[0] != '.' &&
		    fstatat(dirfd(dir), entry->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0)
			sum += (uint64_t)st.st_blocks * 512;
	closedir(dir);
	return sum;
}

int image_usage_read(struct image_store *store, struct image_usage *ret, struct err *err)
{
	AUTO_IMAGE_USAGE usage = IMAGE_USAGE_INIT;
	int r;

	if (db_begin_read(store->db, err) < 0)
		return -1;
	r = read_images(store, &usage, err);
	if (r == 0)
		r = read_names(store, &usage, err);
	if (r == 0)
		r = read_content(store, &usage, err);
	if (r == 0)
		r = read_users(store, &usage, err);
	db_rollback(store->db); /* it only read */
	if (r < 0 || read_kept(store, &usage, err) < 0)
		return -1;
	usage.ingest_bytes = directory_bytes(store->ingest_fd);
	usage.packed_bytes = directory_bytes(store->packed_fd);
	add_up(&usage);
	usage.held_bytes += usage.registry_bytes;
	usage.disk_bytes +=
		usage.kept_bytes + usage.ingest_bytes + usage.packed_bytes + usage.registry_bytes;
	*ret = usage;
	usage = IMAGE_USAGE_INIT;
	return 0;
}
