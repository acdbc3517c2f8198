/* Opening the store, its tables, and the sweep after a crash. */
#include "base/clock.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/num.h"
#include "base/xalloc.h"
#include "image/image-internal.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

static const char *const schema[] = {
	/* 1 */
	"CREATE TABLE image("
	" id TEXT PRIMARY KEY," /* digest of the config */
	" manifest TEXT,"
	" os TEXT NOT NULL, architecture TEXT NOT NULL, variant TEXT NOT NULL,"
	" created_ns INTEGER NOT NULL, stored_ns INTEGER NOT NULL,"
	" size INTEGER NOT NULL, n_layers INTEGER NOT NULL) WITHOUT ROWID;"
	"CREATE TABLE image_name("
	" name TEXT PRIMARY KEY,"
	" image TEXT NOT NULL REFERENCES image(id) ON DELETE CASCADE,"
	" target TEXT) WITHOUT ROWID;" /* digest of what the name was pulled as */
	"CREATE INDEX image_name_image ON image_name(image);"
	"CREATE TABLE image_digest("
	" repo TEXT NOT NULL, digest TEXT NOT NULL,"
	" image TEXT NOT NULL REFERENCES image(id) ON DELETE CASCADE,"
	" PRIMARY KEY(repo, digest, image)) WITHOUT ROWID;"
	"CREATE INDEX image_digest_image ON image_digest(image);"
	"CREATE TABLE image_layer("
	" image TEXT NOT NULL REFERENCES image(id) ON DELETE CASCADE,"
	" position INTEGER NOT NULL, digest TEXT NOT NULL, size INTEGER NOT NULL,"
	" PRIMARY KEY(image, position)) WITHOUT ROWID;"
	"CREATE INDEX image_layer_digest ON image_layer(digest);"
	"CREATE TABLE image_blob("
	" image TEXT NOT NULL REFERENCES image(id) ON DELETE CASCADE,"
	" digest TEXT NOT NULL, size INTEGER NOT NULL,"
	" PRIMARY KEY(image, digest)) WITHOUT ROWID;"
	"CREATE INDEX image_blob_digest ON image_blob(digest);"
	/* owner '' with a time: kept after a broken operation, until then */
	"CREATE TABLE image_lease("
	" digest TEXT NOT NULL, owner TEXT NOT NULL, until_ns INTEGER NOT NULL,"
	" PRIMARY KEY(digest, owner)) WITHOUT ROWID;",
	/* repositories of the registry server (image/repo.h) */
	"CREATE TABLE registry_repo("
	" id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE);"
	"CREATE TABLE registry_blob(" /* what may be read through the repository */
	" repo INTEGER NOT NULL REFERENCES registry_repo(id) ON DELETE CASCADE,"
	" digest TEXT NOT NULL, size INTEGER NOT NULL, added_ns INTEGER NOT NULL,"
	" PRIMARY KEY(repo, digest)) WITHOUT ROWID;"
	"CREATE INDEX registry_blob_digest ON registry_blob(digest);"
	"CREATE TABLE registry_manifest("
	" repo INTEGER NOT NULL REFERENCES registry_repo(id) ON DELETE CASCADE,"
	" digest TEXT NOT NULL, size INTEGER NOT NULL, added_ns INTEGER NOT NULL,"
	" media_type TEXT NOT NULL, subject TEXT, artifact_type TEXT,"
	" annotations TEXT," /* a JSON object, kept for referrers only */
	" PRIMARY KEY(repo, digest)) WITHOUT ROWID;"
	"CREATE INDEX registry_manifest_digest ON registry_manifest(digest);"
	"CREATE INDEX registry_manifest_subject ON registry_manifest(repo, subject)"
	" WHERE subject IS NOT NULL;"
	"CREATE TABLE registry_link(" /* what a manifest names: config, layers, manifests */
	" repo INTEGER NOT NULL, manifest TEXT NOT NULL,"
	" digest TEXT NOT NULL, size INTEGER NOT NULL,"
	" PRIMARY KEY(repo, digest, manifest),"
	" FOREIGN KEY(repo, manifest) REFERENCES registry_manifest(repo, digest)"
	" ON DELETE CASCADE) WITHOUT ROWID;"
	"CREATE INDEX registry_link_manifest ON registry_link(repo, manifest);"
	"CREATE TABLE registry_tag("
	" repo INTEGER NOT NULL, name TEXT NOT NULL, digest TEXT NOT NULL,"
	" PRIMARY KEY(repo, name),"
	" FOREIGN KEY(repo, digest) REFERENCES registry_manifest(repo, digest)"
	" ON DELETE CASCADE) WITHOUT ROWID;"
	"CREATE INDEX registry_tag_digest ON registry_tag(repo, digest);"
	"CREATE TABLE registry_upload("
	" id TEXT PRIMARY KEY, repo TEXT NOT NULL, algorithm TEXT NOT NULL) WITHOUT ROWID;"
	/* every use of a blob but leases: who removes blobs asks here */
	"CREATE VIEW blob_user AS SELECT digest, size FROM image_blob"
	" UNION ALL SELECT digest, size FROM registry_blob"
	" UNION ALL SELECT digest, size FROM registry_manifest;",
	/* when a container was last made from an image, and where images are mounted */
	"ALTER TABLE image ADD COLUMN used_ns INTEGER NOT NULL DEFAULT 0;"
	"CREATE TABLE image_mount("
	" path TEXT PRIMARY KEY,"
	" image TEXT NOT NULL REFERENCES image(id) ON DELETE CASCADE,"
	" boot TEXT NOT NULL," /* a mount does not outlive its boot */
	" mounted_ns INTEGER NOT NULL) WITHOUT ROWID;"
	"CREATE INDEX image_mount_image ON image_mount(image);",
	/* compressed forms of layers that are here or were pushed (packed-internal.h) */
	"CREATE TABLE layer_packed("
	" digest TEXT PRIMARY KEY, layer TEXT NOT NULL, size INTEGER NOT NULL,"
	" compression TEXT NOT NULL, recipe TEXT NOT NULL, used_ns INTEGER NOT NULL)"
	" WITHOUT ROWID;"
	"CREATE INDEX layer_packed_layer ON layer_packed(layer);",
	/* indexes under construction (image/lists.h) */
	"CREATE TABLE image_list(name TEXT PRIMARY KEY, document TEXT NOT NULL) WITHOUT ROWID;",
};

static int open_dir(int dir_fd, const char *name, int *ret_fd, struct err *err)
{
	int fd = openat(dir_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	struct stat st;

	if (fd < 0 && errno == ENOENT) {
		if (mkdirat(dir_fd, name, 0700) < 0 && errno != EEXIST)
			return err_sys(err, errno, "make '%s' in the image store", name);
		fd = openat(dir_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	}
	if (fd < 0)
		return err_sys(err, errno, "open '%s' of the image store", name);
	*ret_fd = fd;
	/* setuid programs of images lie in here: nobody else may walk in (CVE-2021-41091) */
	if (fstat(fd, &st) == 0 && (st.st_mode & 077) && fchmod(fd, 0700) < 0)
		return err_sys(err, errno, "make '%s' of the image store private", name);
	return 0;
}

static int open_dirs(struct image_store *store, int root_fd, struct err *err)
{
	int sha256 = -1;

	store->root_fd = fd_dup(root_fd);
	if (store->root_fd < 0)
		return err_sys(err, -store->root_fd, "open the image store");
	if (open_dir(root_fd, "blobs", &store->blobs_fd, err) < 0 ||
	    open_dir(root_fd, "ingest", &store->ingest_fd, err) < 0 ||
	    open_dir(root_fd, "leases", &store->leases_fd, err) < 0 ||
	    open_dir(root_fd, "packed", &store->packed_fd, err) < 0 ||
	    open_dir(store->blobs_fd, "sha256", &sha256, err) < 0)
		return -1;
	close(sha256);
	return 0;
}

static void sweep_after_crash(struct image_store *store);

int image_store_open(int root_fd, struct db *db, struct image_store **ret, struct err *err)
{
	AUTO_IMAGE_STORE *store = xcalloc(1, sizeof(*store));

	*store = (struct image_store){ .root_fd = -1,
		                       .blobs_fd = -1,
		                       .ingest_fd = -1,
		                       .packed_fd = -1,
		                       .leases_fd = -1,
		                       .db = db };
	if (open_dirs(store, root_fd, err) < 0)
		return -1;
	if (db_migrate(db, "image", schema, ARRAY_LEN(schema), err) < 0 ||
	    layer_store_open(root_fd, NULL, &store->layers, err) < 0)
		return err_ctx(err, "open the image store");
	sweep_after_crash(store);
	*ret = TAKE_PTR(store);
	return 0;
}

void image_store_free(struct image_store *store)
{
	if (!store)
		return;
	layer_store_free(store->layers);
	auto_close_(&store->root_fd);
	auto_close_(&store->blobs_fd);
	auto_close_(&store->ingest_fd);
	auto_close_(&store->packed_fd);
	auto_close_(&store->leases_fd);
	free(store);
}

struct layer_store *image_store_layers(struct image_store *store)
{
	return store->layers;
}

void image_store_set_users(struct image_store *store, image_users_fn users, void *ctx)
{
	store->users = users;
	store->users_ctx = ctx;
}

void image_report(const struct image_progress *progress, enum image_stage stage, const char *id,
                  uint64_t done, uint64_t total, const char *text)
{
	struct image_event event = {
		.stage = stage, .id = id, .done = done, .total = total, .text = text
	};

	if (progress && progress->event)
		progress->event(progress->ctx, &event);
}

#define RESERVE_MAX ((uint64_t)1 << 30)

uint64_t image_disk_left(struct image_store *store)
{
	struct statvfs v;
	uint64_t left, reserve;

	if (fstatvfs(store->root_fd, &v) < 0)
		return 0;
	left = (uint64_t)v.f_bavail * v.f_frsize;
	reserve = (uint64_t)v.f_blocks * v.f_frsize / 32;
	if (reserve > RESERVE_MAX)
		reserve = RESERVE_MAX;
	/* 0 would mean no bound at all */
	return left > reserve ? left - reserve : 1;
}

void image_disk_hint(uint64_t left, struct err *err)
{
	if (err->code == E_LIMIT && !err->hint[0])
		err_hint(err, "the disk has %s left for it", format_size(left).s);
}

int image_cancelled(const volatile sig_atomic_t *cancel, struct err *err)
{
	if (!cancel || !*cancel)
		return 0;
	return err_set(err, E_INTERRUPTED, "interrupted");
}

/* --- leases --- */

int lease_begin(struct image_store *store, struct lease *ret, struct err *err)
{
	for (;;) {
		struct stat st;
		AUTO_FD fd = -1;
		char id[ID_SHORT_LEN + 1];

		id_random_short(id);
		fd = openat(store->leases_fd, id, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
		if (fd < 0)
			return err_sys(err, errno, "write to the image store");
		/* a sweep may have taken it for dead before it was locked */
		if (flock(fd, LOCK_EX | LOCK_NB) < 0 && errno == EWOULDBLOCK)
			continue;
		if (fstat(fd, &st) == 0 && st.st_nlink == 0)
			continue;
		ret->fd = TAKE_FD(fd);
		memcpy(ret->id, id, sizeof(id));
		return 0;
	}
}

int lease_add(struct image_store *store, const struct lease *lease, const struct digest *digests,
              size_t n, struct err *err)
{
	if (db_begin_immediate(store->db, err) < 0)
		return -1;
	for (size_t i = 0; i < n; i++)
		if (db_exec(store->db, err,
		            "INSERT OR IGNORE INTO image_lease(digest, owner, until_ns)"
		            " VALUES(?, ?, 0)",
		            DB_TEXT(digest_format(&digests[i]).s), DB_TEXT(lease->id)) < 0) {
			db_rollback(store->db);
			return -1;
		}
	return db_commit(store->db, err);
}

/* Rows of a lease that ends early become rows kept for a while. */
static int lease_rows_keep(struct image_store *store, const char *id, struct err *err)
{
	return db_exec(store->db, err,
	               "INSERT OR REPLACE INTO image_lease(digest, owner, until_ns)"
	               " SELECT digest, '', ? FROM image_lease WHERE owner = ?",
	               DB_I64(clock_realtime_ns() + IMAGE_KEPT_NS), DB_TEXT(id));
}

static int lease_rows_delete(struct image_store *store, const char *id, struct err *err)
{
	return db_exec(store->db, err, "DELETE FROM image_lease WHERE owner = ?", DB_TEXT(id));
}

void lease_end(struct image_store *store, struct lease *lease, bool keep)
{
	struct err e = ERR_INIT;

	if (lease->fd < 0)
		return;
	/* temporary directories whose removal failed, and hidden layers */
	if (layer_store_sweep(store->layers, &e) < 0)
		log_debug("sweep the layer store: %s", e.msg);
	if (db_begin_immediate(store->db, &e) < 0 ||
	    (keep && lease_rows_keep(store, lease->id, &e) < 0) ||
	    lease_rows_delete(store, lease->id, &e) < 0 || db_commit(store->db, &e) < 0) {
		db_rollback(store->db);
		/* its file stays: the next open sees a dead lease and does the rest */
		log_debug("end lease %s: %s", lease->id, e.msg);
	} else {
		unlinkat(store->leases_fd, lease->id, 0);
	}
	close(lease->fd);
	*lease = LEASE_INIT;
}

/* --- the sweep --- */

struct dead_lease {
	int fd;
	char name[ID_SHORT_LEN + 1];
};

/* Take the flocks of those whose owners died. */
static int find_dead_leases(struct image_store *store, struct dead_lease **ret, size_t *ret_n)
{
	int fd = openat(store->leases_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *entry;

	if (!dir) {
		if (fd >= 0)
			close(fd);
		return -1;
	}
	while ((entry = readdir(dir))) {
		struct dead_lease dead = { .fd = -1 };

		if (strlen(entry->d_name) != ID_SHORT_LEN || !is_id_prefix(entry->d_name))
			continue;
		dead.fd = openat(store->leases_fd, entry->d_name, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
		if (dead.fd < 0)
			continue;
		if (flock(dead.fd, LOCK_EX | LOCK_NB) < 0) {
			close(dead.fd);
			continue;
		}
		memcpy(dead.name, entry->d_name, sizeof(dead.name));
		VEC_PUSH(*ret, *ret_n, dead);
	}
	closedir(dir);
	return 0;
}

static int keep_dead_rows(struct image_store *store, const struct dead_lease *dead, size_t n,
                          struct err *err)
{
	if (db_begin_immediate(store->db, err) < 0)
		return -1;
	for (size_t i = 0; i < n; i++)
		if (lease_rows_keep(store, dead[i].name, err) < 0 ||
		    lease_rows_delete(store, dead[i].name, err) < 0) {
			db_rollback(store->db);
			return -1;
		}
	return db_commit(store->db, err);
}

/* Nothing that is here depends on this having worked: a store that cannot be written to can still
 * be read, so failures are only noted. */
static void sweep_after_crash(struct image_store *store)
{
	AUTO_FREE struct dead_lease *dead = NULL;
	struct err e = ERR_INIT;
	size_t n = 0;

	if (find_dead_leases(store, &dead, &n) < 0 || n == 0)
		return;
	if (keep_dead_rows(store, dead, n, &e) < 0 || content_sweep(store, false, &e) < 0 ||
	    layer_store_sweep(store->layers, &e) < 0 ||
	    ingest_sweep(store, INGEST_MAX_AGE_S, &e) < 0)
		log_debug("sweep the image store: %s", e.msg);
	for (size_t i = 0; i < n; i++) {
		if (e.code == E_OK)
			unlinkat(store->leases_fd, dead[i].name, 0);
		close(dead[i].fd);
	}
}
