#include "base/clock.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/xalloc.h"
#include "image/layers-internal.h"
#include "image/packed-internal.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

void packed_keep(struct image_store *store, const struct digest *d, const char *ingest_name)
{
	if (renameat(store->ingest_fd, ingest_name, store->packed_fd, digest_hex(d).s) == 0)
		return;
	log_debug("keep %s: %s", ingest_name, strerror(errno));
	unlinkat(store->ingest_fd, ingest_name, 0);
}

int packed_record(struct image_store *store, const struct digest *diff_id,
                  const struct packed *packed, const char *recipe, struct err *err)
{
	return db_exec(store->db, err,
	               "INSERT INTO layer_packed(digest, layer, size, compression, recipe, used_ns)"
	               " VALUES(?, ?, ?, ?, ?, ?)"
	               " ON CONFLICT(digest) DO UPDATE SET used_ns = excluded.used_ns",
	               DB_TEXT(digest_format(&packed->digest).s), DB_TEXT(digest_format(diff_id).s),
	               DB_I64((int64_t)packed->size),
	               DB_TEXT(compression_name(packed->compression)), DB_TEXT(recipe),
	               DB_I64(clock_realtime_ns()));
}

static int read_row(const struct db_stmt *st, struct packed *ret, struct err *err)
{
	if (db_digest(st, 0, &ret->digest, err) < 0)
		return -1;
	ret->size = (uint64_t)db_i64(st, 1);
	ret->compression =
		strcmp(db_text(st, 2), "zstd") == 0 ? COMPRESSION_ZSTD : COMPRESSION_GZIP;
	return 0;
}

int packed_find(struct image_store *store, const struct digest *diff_id, const char *recipe,
                struct packed *ret, struct err *err)
{
	AUTO_STMT st = DB_STMT_INIT;
	int r, found = 0;

	if (db_query(store->db, &st, err,
	             "SELECT digest, size, compression FROM layer_packed"
	             " WHERE layer = ? AND recipe = ? ORDER BY used_ns DESC",
	             DB_TEXT(digest_format(diff_id).s), DB_TEXT(recipe ? recipe : "")) < 0)
		return -1;
	while ((r = db_step(&st, err)) > 0) {
		struct packed p = { 0 };

		if (read_row(&st, &p, err) < 0)
			return -1;
		p.is_here = packed_has(store, &p.digest);
		if (found && !p.is_here)
			continue;
		*ret = p;
		found = 1;
		if (p.is_here)
			break;
	}
	return r < 0 ? -1 : found;
}

bool packed_has(struct image_store *store, const struct digest *d)
{
	return faccessat(store->packed_fd, digest_hex(d).s, F_OK, 0) == 0;
}

int packed_open(struct image_store *store, const struct digest *d, int *ret_fd, uint64_t *ret_size,
                struct err *err)
{
	AUTO_FD fd = openat(store->packed_fd, digest_hex(d).s, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0)
		return err_sys(err, errno, "open the compressed layer %s", digest_format(d).s);
	*ret_size = (uint64_t)st.st_size;
	*ret_fd = TAKE_FD(fd);
	return 0;
}

void packed_drop(struct image_store *store, const struct digest *d)
{
	unlinkat(store->packed_fd, digest_hex(d).s, 0);
}

/* Out of sight at once; its space comes back with the next sweep of the layers, since unlinking a
 * large file takes a while. */
static void hide(struct image_store *store, const char *hex, uint64_t *ret_freed)
{
	char tag[ID_SHORT_LEN + 1], dir[LAYER_TMP_MAX + 8], to[LAYER_TMP_MAX + 16];
	struct stat st;

	if (fstatat(store->packed_fd, hex, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return;
	if (ret_freed)
		*ret_freed += (uint64_t)st.st_blocks * 512;
	id_random_short(tag);
	snprintf(dir, sizeof(dir), "layers/" LAYER_TMP "%s", tag);
	snprintf(to, sizeof(to), "%s/packed", dir);
	if (mkdirat(store->root_fd, dir, 0700) < 0 ||
	    renameat(store->packed_fd, hex, store->root_fd, to) < 0)
		unlinkat(store->packed_fd, hex, 0);
}

int packed_forget(struct image_store *store, const struct digest *diff_id, uint64_t *ret_freed,
                  struct err *err)
{
	struct digest_text layer = digest_format(diff_id);
	AUTO_STMT st = DB_STMT_INIT;
	int r;

	if (db_query(store->db, &st, err, "SELECT digest FROM layer_packed WHERE layer = ?",
	             DB_TEXT(layer.s)) < 0)
		return -1;
	while ((r = db_step(&st, err)) > 0) {
		struct digest d;

		if (db_digest(&st, 0, &d, err) < 0)
			return -1;
		hide(store, digest_hex(&d).s, ret_freed);
	}
	db_stmt_done(&st);
	if (r < 0)
		return -1;
	r = db_exec(store->db, err, "DELETE FROM layer_packed WHERE layer = ?", DB_TEXT(layer.s));
	return r < 0 ? -1 : 0;
}

int packed_evict(struct image_store *store, uint64_t bytes, uint64_t *ret_freed, struct err *err)
{
	AUTO_STMT st = DB_STMT_INIT;
	uint64_t freed = 0;
	int r;

	if (db_query(store->db, &st, err,
	             "SELECT digest FROM layer_packed ORDER BY used_ns, digest") < 0)
		return -1;
	while ((bytes == 0 || freed < bytes) && (r = db_step(&st, err)) > 0) {
		struct digest d;
		struct stat sb;

		if (db_digest(&st, 0, &d, err) < 0)
			return -1;
		if (fstatat(store->packed_fd, digest_hex(&d).s, &sb, AT_SYMLINK_NOFOLLOW) == 0 &&
		    unlinkat(store->packed_fd, digest_hex(&d).s, 0) == 0)
			freed += (uint64_t)sb.st_blocks * 512;
	}
	if (ret_freed)
		*ret_freed += freed;
	return 0;
}

/* Whether a row says what the file is, and its layer is in use or waited for. */
static int is_known(struct image_store *store, const struct digest *d, struct err *err)
{
	int64_t one;

	return db_get_i64(store->db, &one, err,
	                  "SELECT 1 FROM layer_packed p WHERE p.digest = ?1 AND EXISTS"
	                  " (SELECT 1 FROM image_layer l WHERE l.digest = p.layer)"
	                  " UNION ALL SELECT 1 FROM image_lease WHERE digest = ?1 LIMIT 1",
	                  DB_TEXT(digest_format(d).s));
}

int packed_sweep(struct image_store *store, struct err *err)
{
	int fd = openat(store->packed_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *entry;
	int r = 0;

	if (!dir) {
		if (fd >= 0)
			close(fd);
		return err_sys(err, errno, "read 'packed' of the image store");
	}
	while (r == 0 && (entry = readdir(dir))) {
		struct digest d;
		int known = 0;

		if (entry->d_name[0] == '.')
			continue;
		if (digest_parse_hex(entry->d_name, &d, ERR_IGNORE) == 0)
			known = is_known(store, &d, err);
		if (known < 0)
			r = -1;
		else if (!known)
			unlinkat(store->packed_fd, entry->d_name, 0);
	}
	closedir(dir);
	if (r < 0)
		return -1;
	r = db_exec(store->db, err,
	            "DELETE FROM layer_packed WHERE NOT EXISTS"
	            " (SELECT 1 FROM image_layer l WHERE l.digest = layer)"
	            " AND NOT EXISTS (SELECT 1 FROM image_lease e WHERE e.digest = layer)");
	return r < 0 ? -1 : 0;
}
