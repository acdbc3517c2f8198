/* Upload sessions of the registry server: files that grow until they become blobs. */
#include "base/fd.h"
#include "base/xalloc.h"
#include "image/image-internal.h"
#include "image/repo-internal.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>

/* A random UUID (RFC 9562, version 4). */
static void make_uuid(char ret[REPO_UPLOAD_ID_LEN + 1])
{
	uint8_t b[16];
	char hex[33];

	random_bytes(b, sizeof(b));
	b[6] = (uint8_t)((b[6] & 0x0f) | 0x40);
	b[8] = (uint8_t)((b[8] & 0x3f) | 0x80);
	hex_encode(b, sizeof(b), hex);
	snprintf(ret, REPO_UPLOAD_ID_LEN + 1, "%.8s-%.4s-%.4s-%.4s-%.12s", hex, hex + 8, hex + 12,
	         hex + 16, hex + 20);
}

/* The only names that ever become a path. */
static bool is_uuid(const char *s)
{
	if (strlen(s) != REPO_UPLOAD_ID_LEN)
		return false;
	for (size_t i = 0; i < REPO_UPLOAD_ID_LEN; i++) {
		bool dash = i == 8 || i == 13 || i == 18 || i == 23;

		if (dash ? s[i] != '-' : !strchr("0123456789abcdef", s[i]))
			return false;
	}
	return true;
}

/* Return the fd of ROOT/uploads or -1. */
static int open_uploads(struct image_store *store, struct err *err)
{
	if (mkdirat(store->root_fd, "uploads", 0700) < 0 && errno != EEXIST)
		return err_sys(err, errno, "make 'uploads' in the image store");
	return dir_open_at(store->root_fd, "uploads", err);
}

void repo_upload_close(struct repo_upload *u)
{
	auto_close_(&u->fd);
	free(u->repo);
	*u = REPO_UPLOAD_INIT;
}

int repo_upload_begin(struct image_store *store, const char *repo, enum digest_alg alg,
                      struct repo_upload *ret, struct err *err)
{
	AUTO_REPO_UPLOAD u = REPO_UPLOAD_INIT;
	AUTO_FD dir_fd = open_uploads(store, err);

	if (dir_fd < 0)
		return -1;
	make_uuid(u.id);
	u.alg = alg;
	u.repo = xstrdup(repo);
	u.fd = openat(dir_fd, u.id, O_RDWR | O_CREAT | O_EXCL | O_APPEND | O_CLOEXEC, 0600);
	if (u.fd < 0 || flock(u.fd, LOCK_EX) < 0)
		return err_sys(err, errno, "begin an upload in the image store");
	if (db_exec(store->db, err,
	            "INSERT INTO registry_upload(id, repo, algorithm) VALUES(?, ?, ?)",
	            DB_TEXT(u.id), DB_TEXT(repo), DB_TEXT(digest_alg_name(alg))) < 0) {
		unlinkat(dir_fd, u.id, 0);
		return -1;
	}
	*ret = u;
	u = REPO_UPLOAD_INIT;
	return 0;
}

static int unknown_upload(const char *repo, struct err *err)
{
	return err_set(err, E_NOT_FOUND, "repository '%s' has no such upload", repo);
}

/* What the row says of it. */
static int find_row(struct image_store *store, const char *repo, struct repo_upload *u,
                    struct err *err)
{
	AUTO_STMT st = DB_STMT_INIT;
	int r;

	if (db_query(store->db, &st, err,
	             "SELECT algorithm FROM registry_upload WHERE id = ? AND repo = ?",
	             DB_TEXT(u->id), DB_TEXT(repo)) < 0)
		return -1;
	r = db_step(&st, err);
	if (r <= 0)
		return r < 0 ? -1 : unknown_upload(repo, err);
	u->alg = strcmp(db_text(&st, 0), digest_alg_name(DIGEST_SHA512)) == 0 ? DIGEST_SHA512
	                                                                      : DIGEST_SHA256;
	return 0;
}

int repo_upload_open(struct image_store *store, const char *repo, const char *id,
                     struct repo_upload *ret, struct err *err)
{
	AUTO_REPO_UPLOAD u = REPO_UPLOAD_INIT;
	AUTO_FD dir_fd = -1;
	struct stat st;

	if (!is_uuid(id))
		return unknown_upload(repo, err);
	memcpy(u.id, id, sizeof(u.id));
	if (find_row(store, repo, &u, err) < 0)
		return -1;
	dir_fd = open_uploads(store, err);
	if (dir_fd < 0)
		return -1;
	u.fd = openat(dir_fd, u.id, O_RDWR | O_APPEND | O_CLOEXEC | O_NOFOLLOW);
	if (u.fd < 0 && errno == ENOENT)
		return unknown_upload(repo, err);
	if (u.fd < 0)
		return err_sys(err, errno, "open an upload in the image store");
	if (flock(u.fd, LOCK_EX | LOCK_NB) < 0)
		return errno == EWOULDBLOCK
		               ? err_set(err, E_BUSY, "another request is writing to this upload")
		               : err_sys(err, errno, "lock an upload in the image store");
	if (fstat(u.fd, &st) < 0)
		return err_sys(err, errno, "open an upload in the image store");
	/* who had it before us may have made it a blob, or removed it */
	if (st.st_nlink == 0 || find_row(store, repo, &u, err) < 0)
		return unknown_upload(repo, err);
	u.repo = xstrdup(repo);
	u.size = (uint64_t)st.st_size;
	*ret = u;
	u = REPO_UPLOAD_INIT;
	return 0;
}

int repo_upload_write(struct repo_upload *u, const void *data, size_t len, struct err *err)
{
	int r = fd_write_all(u->fd, data, len);

	if (r == 0) {
		u->size += len;
		return 0;
	}
	err_sys(err, -r, "write an upload to the image store");
	/* a part of a piece would shift what the client sends next */
	if (ftruncate(u->fd, (off_t)u->size) < 0)
		err_hint(err, "the upload cannot go on: cancel it");
	return -1;
}

int repo_upload_digest(const struct repo_upload *u, enum digest_alg alg, struct digest *ret,
                       struct err *err)
{
	return fd_digest(u->fd, alg, ret, err);
}

static int forget(struct image_store *store, const struct repo_upload *u, struct err *err)
{
	return db_exec(store->db, err, "DELETE FROM registry_upload WHERE id = ?", DB_TEXT(u->id)) <
	                       0
	               ? -1
	               : 0;
}

int repo_upload_commit(struct image_store *store, struct repo_upload *u, const struct digest *d,
                       struct err *err)
{
	AUTO_FD dir_fd = open_uploads(store, err);

	if (dir_fd < 0)
		return -1;
	/* the long wait, before the lock is taken */
	if (!blob_has(store, d) && fsync(u->fd) < 0)
		return err_sys(err, errno, "write an upload to the image store");
	if (db_begin_durable(store->db, err) < 0)
		return -1;
	if (blob_adopt(store, d, dir_fd, u->id, err) < 0 ||
	    repo_add_blob(store, u->repo, d, u->size, err) < 0 || forget(store, u, err) < 0) {
		db_rollback(store->db);
		return -1;
	}
	return db_commit(store->db, err);
}

int repo_upload_cancel(struct image_store *store, struct repo_upload *u, struct err *err)
{
	AUTO_FD dir_fd = open_uploads(store, err);

	if (dir_fd < 0)
		return -1;
	if (forget(store, u, err) < 0)
		return -1;
	if (unlinkat(dir_fd, u->id, 0) < 0 && errno != ENOENT)
		return err_sys(err, errno, "remove an upload from the image store");
	return 0;
}

/* Remove one when nobody holds it and it is old. */
static void sweep_one(struct image_store *store, int dir_fd, const char *name, int64_t max_age_s)
{
	struct repo_upload u = REPO_UPLOAD_INIT;
	AUTO_FD fd = openat(dir_fd, name, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
	struct stat st;

	if (fd < 0 || flock(fd, LOCK_EX | LOCK_NB) < 0 || fstat(fd, &st) < 0 ||
	    st.st_mtime > time(NULL) - max_age_s)
		return;
	memcpy(u.id, name, sizeof(u.id));
	if (forget(store, &u, ERR_IGNORE) == 0)
		unlinkat(dir_fd, name, 0);
}

/* Rows of sessions whose files are gone: the server died between the two. */
static int sweep_rows(struct image_store *store, int dir_fd, struct err *err)
{
	AUTO_STMT st = DB_STMT_INIT;
	AUTO_STRV gone = STRV_INIT;
	int r;

	if (db_query(store->db, &st, err, "SELECT id FROM registry_upload") < 0)
		return -1;
	while ((r = db_step(&st, err)) > 0)
		if (faccessat(dir_fd, db_text(&st, 0), F_OK, AT_SYMLINK_NOFOLLOW) < 0 &&
		    errno == ENOENT)
			strv_add(&gone, db_text(&st, 0));
	if (r < 0)
		return -1;
	db_stmt_done(&st);
	for (size_t i = 0; i < gone.len; i++)
		if (db_exec(store->db, err, "DELETE FROM registry_upload WHERE id = ?",
		            DB_TEXT(gone.items[i])) < 0)
			return -1;
	return 0;
}

int repo_upload_sweep(struct image_store *store, int64_t max_age_s, struct err *err)
{
	AUTO_FD dir_fd = open_uploads(store, err);
	struct dirent *entry;
	DIR *dir;
	int fd;

	if (dir_fd < 0)
		return -1;
	fd = fd_dup(dir_fd);
	dir = fd < 0 ? NULL : fdopendir(fd);
	if (!dir) {
		if (fd >= 0)
			close(fd);
		return err_sys(err, errno, "read 'uploads' of the image store");
	}
	while ((entry = readdir(dir)))
		if (is_uuid(entry->d_name))
			sweep_one(store, dir_fd, entry->d_name, max_age_s);
	closedir(dir);
	return sweep_rows(store, dir_fd, err);
}
