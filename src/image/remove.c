/* Removing names, images, and the content nothing refers to any more.
 *
 * Two steps, so that a crash between them leaves only files without rows: the rows go in one
 * durable transaction; then, holding the database's write lock, each file that neither an image
 * nor a lease refers to by now is unlinked. Who wants such content leases it first, under the
 * same lock, and then looks whether it is there. */
#include "base/clock.h"
#include "base/fd.h"
#include "base/strbuf.h"
#include "base/xalloc.h"
#include "image/packed-internal.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>

#define STRAY_AGE_S 3600

void image_removed_done(struct image_removed *r)
{
	strv_done(&r->untagged);
	strv_done(&r->deleted);
}

/* --- content --- */

static int is_wanted(struct image_store *store, const struct content *c, struct err *err)
{
	struct digest_text d = digest_format(&c->digest);
	int64_t one;

	return db_get_i64(
		store->db, &one, err,
		c->kind == CONTENT_LAYER
			? "SELECT 1 FROM image_layer WHERE digest = ?1"
			  " UNION ALL SELECT 1 FROM image_lease WHERE digest = ?1 LIMIT 1"
			: "SELECT 1 FROM blob_user WHERE digest = ?1"
			  " UNION ALL SELECT 1 FROM image_lease WHERE digest = ?1 LIMIT 1",
		DB_TEXT(d.s));
}

static int remove_content(struct image_store *store, const struct content *c,
                          struct image_removed *ret, struct err *err)
{
	struct layer_info info = { 0 };

	if (c->kind == CONTENT_BLOB)
		return blob_remove(store, &c->digest, err);
	if (!layer_store_has(store->layers, &c->digest))
		return 0;
	if (ret && layer_store_info(store->layers, &c->digest, &info, ERR_IGNORE) == 0)
		ret->freed += info.disk_bytes;
	if (layer_store_hide(store->layers, &c->digest, err) < 0 ||
	    packed_forget(store, &c->digest, ret ? &ret->freed : NULL, err) < 0)
		return -1;
	if (ret)
		strv_add(&ret->deleted, digest_format(&c->digest).s);
	return 0;
}

static int collect_locked(struct image_store *store, const struct content *items, size_t n,
                          struct image_removed *ret, struct err *err)
{
	for (size_t i = 0; i < n; i++) {
		int wanted = is_wanted(store, &items[i], err);

		if (wanted < 0 || (!wanted && remove_content(store, &items[i], ret, err) < 0))
			return -1;
	}
	return 0;
}

int content_collect(struct image_store *store, const struct content *items, size_t n,
                    struct image_removed *ret, struct err *err)
{
	if (n == 0)
		return 0;
	if (db_begin_immediate(store->db, err) < 0)
		return -1;
	/* held for its lock: little is written but that packed forms are gone */
	if (collect_locked(store, items, n, ret, err) < 0) {
		db_rollback(store->db);
		return -1;
	}
	return db_commit(store->db, err);
}

struct sweep {
	struct content *items;
	size_t n;
};

static int sweep_blob(void *ctx, int dir_fd, const char *name, const struct digest *d,
                      struct err *err)
{
	struct sweep *sweep = ctx;
	struct stat st;

	if (d) {
		struct content c = { CONTENT_BLOB, *d };

		VEC_PUSH(sweep->items, sweep->n, c);
		return 0;
	}
	/* somebody's temporary file: a dead one's when it is old */
	if (fstatat(dir_fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0 ||
	    st.st_mtime > time(NULL) - STRAY_AGE_S)
		return 0;
	if (unlinkat(dir_fd, name, 0) < 0 && errno != ENOENT)
		return err_sys(err, errno, "remove '%s' from the image store", name);
	return 0;
}

int content_sweep(struct image_store *store, bool drop_kept, struct err *err)
{
	AUTO_FREE struct layer_info *layers = NULL;
	struct sweep sweep = { 0 };
	size_t n_layers = 0;
	int r = -1;

	if (db_begin_immediate(store->db, err) < 0)
		return -1;
	if (db_exec(store->db, err, "DELETE FROM image_lease WHERE owner = '' AND until_ns < ?",
	            DB_I64(drop_kept ? INT64_MAX : clock_realtime_ns())) < 0 ||
	    blob_each(store, sweep_blob, &sweep, err) < 0 ||
	    layer_store_list(store->layers, &layers, &n_layers, err) < 0)
		goto out;
	for (size_t i = 0; i < n_layers; i++) {
		struct content c = { CONTENT_LAYER, layers[i].diff_id };

		VEC_PUSH(sweep.items, sweep.n, c);
	}
	r = collect_locked(store, sweep.items, sweep.n, NULL, err);
	if (r == 0)
		r = packed_sweep(store, err);
out:
	free(sweep.items);
	if (r == 0)
		r = db_commit(store->db, err);
	else
		db_rollback(store->db);
	return r < 0 ? -1 : layer_store_sweep(store->layers, err);
}

int ingest_sweep(struct image_store *store, int64_t max_age_s, struct err *err)
{
	int fd = openat(store->ingest_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *entry;

	if (!dir) {
		if (fd >= 0)
			close(fd);
		return err_sys(err, errno, "read 'ingest' of the image store");
	}
	while ((entry = readdir(dir))) {
		AUTO_FD file = -1;
		struct stat st;

		if (entry->d_name[0] == '.')
			continue;
		file = openat(store->ingest_fd, entry->d_name, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
		/* somebody's download */
		if (file < 0 || flock(file, LOCK_EX | LOCK_NB) < 0 || fstat(file, &st) < 0)
			continue;
		if (max_age_s == 0 || st.st_mtime < time(NULL) - max_age_s)
			unlinkat(store->ingest_fd, entry->d_name, 0);
	}
	closedir(dir);
	return 0;
}

/* --- images --- */

static int list_strings(struct image_store *store, const char *sql, const char *id,
                        struct strv *ret, struct err *err)
{
	AUTO_STMT st = DB_STMT_INIT;
	int r;

	if (db_query(store->db, &st, err, sql, DB_TEXT(id)) < 0)
		return -1;
	while ((r = db_step(&st, err)) > 0)
		strv_add(ret, db_text(&st, 0));
	return r;
}

static int list_content(struct image_store *store, const char *id, struct sweep *ret,
                        struct err *err)
{
	AUTO_STMT st = DB_STMT_INIT;
	int r;

	if (db_query(store->db, &st, err,
	             "SELECT digest, 0 FROM image_layer WHERE image = ?1"
	             " UNION SELECT digest, 1 FROM image_blob WHERE image = ?1",
	             DB_TEXT(id)) < 0)
		return -1;
	while ((r = db_step(&st, err)) > 0) {
		struct content c = { db_i64(&st, 1) ? CONTENT_BLOB : CONTENT_LAYER, { 0 } };

		if (db_digest(&st, 0, &c.digest, err) < 0)
			return -1;
		VEC_PUSH(ret->items, ret->n, c);
	}
	return r;
}

/* How the user named the image that is to go. */
struct target {
	char *id;
	char *name; /* the one name or repo@digest it was called by; NULL: by id */
	bool by_digest;
	struct strv names;
	struct strv digests;
};

static void target_done(struct target *t)
{
	free(t->id);
	free(t->name);
	strv_done(&t->names);
	strv_done(&t->digests);
}

static int find_target(struct image_store *store, const char *name, struct target *t,
                       struct err *err)
{
	AUTO_REF ref = IMAGE_REF_INIT;

	if (image_resolve_id(store, name, &t->id, err) < 0 ||
	    list_strings(store, "SELECT name FROM image_name WHERE image = ? ORDER BY name", t->id,
	                 &t->names, err) < 0 ||
	    list_strings(store, "SELECT repo || '@' || digest FROM image_digest WHERE image = ?",
	                 t->id, &t->digests, err) < 0)
		return -1;
	if (image_ref_parse(name, &ref, ERR_IGNORE) == 0) {
		AUTO_FREE char *repo = image_ref_repo(&ref);
		AUTO_FREE char *full =
			ref.has_digest ? xasprintf("%s@%s", repo, digest_format(&ref.digest).s)
				       : image_ref_name(&ref);

		if (strv_has(ref.has_digest ? &t->digests : &t->names, full)) {
			t->name = TAKE_PTR(full);
			t->by_digest = ref.has_digest;
		}
	}
	return 0;
}

/* Whether only a name goes and the image stays for its others. */
static bool only_untags(const struct target *t)
{
	if (!t->name)
		return false;
	return t->by_digest ? t->names.len > 0 || t->digests.len > 1 : t->names.len > 1;
}

static int untag_one(struct image_store *store, const struct target *t, struct image_removed *ret,
                     struct err *err)
{
	int r = t->by_digest ? db_exec(store->db, err,
	                               "DELETE FROM image_digest WHERE repo || '@' || digest = ?"
	                               " AND image = ?",
	                               DB_TEXT(t->name), DB_TEXT(t->id))
	                     : db_exec(store->db, err, "DELETE FROM image_name WHERE name = ?",
	                               DB_TEXT(t->name));

	if (r < 0)
		return -1;
	strv_add(&ret->untagged, t->name);
	return 0;
}

static bool in_several_repos(const struct target *t)
{
	const char *tag;

	for (size_t i = 1; i < t->names.len; i++) {
		size_t a = image_ref_split(t->names.items[0], &tag);
		size_t b = image_ref_split(t->names.items[i], &tag);

		if (a != b || memcmp(t->names.items[0], t->names.items[i], a) != 0)
			return true;
	}
	return false;
}

static void join(const struct strv *v, struct strbuf *ret)
{
	for (size_t i = 0; i < v->len && i < 8; i++)
		strbuf_addf(ret, "%s%s", i ? ", " : "", image_ref_familiar(v->items[i]));
	if (v->len > 8)
		strbuf_addf(ret, " and %zu more", v->len - 8);
}

/* Whether the image itself may go now. Return 1, 0 when a container uses it and only its names may
 * go (forced), or -1. */
static int may_delete(struct image_store *store, const struct target *t, const char *called,
                      unsigned flags, struct err *err)
{
	bool force = flags & IMAGE_REMOVE_FORCE;
	AUTO_STRV users = STRV_INIT;
	AUTO_BUF text = STRBUF_INIT;
	size_t n_containers;

	if (!t->name && !force && !(flags & IMAGE_REMOVE_ALL) && in_several_repos(t)) {
		join(&t->names, &text);
		err_set(err, E_STATE, "image '%.100s' has names in several repositories: %.500s",
		        called, text.buf);
		return err_hint(err, "remove it by name, or all of them with --force");
	}
	if (store->users && store->users(store->users_ctx, t->id, &users, err) < 0)
		return -1;
	n_containers = users.len;
	if (image_mount_users(store, t->id, &users, err) < 0)
		return -1;
	if (users.len == 0)
		return 1;
	if (force)
		return 0;
	join(&users, &text);
	err_set(err, E_BUSY, "image '%.300s' is used by %s%.500s", called,
	        n_containers ? "container " : "the ", text.buf);
	return err_hint(err, n_containers ? "remove the container first"
	                                  : "unmount it first: dhow image unmount");
}

/* Whether the image is still what the guard's owner chose. */
static int check_guard(struct image_store *store, const struct target *t,
                       const struct remove_guard *guard, struct err *err)
{
	int64_t used_ns = 0;

	if (!guard)
		return 0;
	if (db_get_i64(store->db, &used_ns, err, "SELECT used_ns FROM image WHERE id = ?",
	               DB_TEXT(t->id)) < 0)
		return -1;
	if ((guard->unnamed && t->names.len) || used_ns > guard->used_max_ns)
		return err_set(err, E_BUSY, "image '%s' was used meanwhile", t->id);
	return 0;
}

/* Inside the transaction. Content that may have become unused is added to `content`. */
static int remove_rows(struct image_store *store, const char *called, unsigned flags,
                       const struct remove_guard *guard, struct target *t, struct sweep *content,
                       struct image_removed *ret, struct err *err)
{
	int may;

	if (find_target(store, called, t, err) < 0 || check_guard(store, t, guard, err) < 0)
		return -1;
	if (only_untags(t))
		return untag_one(store, t, ret, err);
	may = may_delete(store, t, called, flags, err);
	if (may < 0)
		return -1;
	for (size_t i = 0; i < t->names.len; i++)
		strv_add(&ret->untagged, t->names.items[i]);
	if (!may)
		return db_exec(store->db, err, "DELETE FROM image_name WHERE image = ?",
		               DB_TEXT(t->id));
	for (size_t i = 0; i < t->digests.len; i++)
		strv_add(&ret->untagged, t->digests.items[i]);
	strv_add(&ret->deleted, t->id);
	if (list_content(store, t->id, content, err) < 0)
		return -1;
	return db_exec(store->db, err, "DELETE FROM image WHERE id = ?", DB_TEXT(t->id));
}

/* What the caller was given by its own caller (a pipe somebody waits on the end of) is not ours to
 * keep open: that is standard input, output and error, and whatever is not close-on-exec. */
static void let_go_of_callers_files(void)
{
	AUTO_FD null = open("/dev/null", O_RDWR | O_CLOEXEC);

	for (int fd = 0; fd < 1024; fd++) {
		int flags = fcntl(fd, F_GETFD);

		if (fd <= STDERR_FILENO && null >= 0)
			dup2(null, fd);
		else if (flags >= 0 && !(flags & FD_CLOEXEC))
			close(fd);
	}
}

/* Unlinking a gigabyte takes a file system some tenths of a second, and nobody needs to wait for
 * it: what was hidden is removed by a child that outlives us. It holds the lease's flock, so if it
 * is killed the next process sweeps. Returns -1 when it must be done here. */
static int reap_in_background(struct image_store *store, struct lease *lease)
{
	struct stat st;
	pid_t child;

	/* a fork of a process with threads could do next to nothing */
	if (stat("/proc/self/task", &st) < 0 || st.st_nlink != 3)
		return -1;
	child = fork();
	if (child < 0)
		return -1;
	if (child == 0) {
		/* the grandchild is nobody's child, so nobody has to wait for it */
		if (setsid() < 0 || fork() != 0)
			_exit(0);
		let_go_of_callers_files();
		if (layer_store_sweep(store->layers, ERR_IGNORE) == 0)
			unlinkat(store->leases_fd, lease->id, 0);
		_exit(0);
	}
	while (waitpid(child, NULL, 0) < 0 && errno == EINTR)
		;
	close(lease->fd);
	*lease = LEASE_INIT;
	return 0;
}

/* What broken pulls left and nobody resumed in time. */
static int drop_expired(struct image_store *store, struct err *err)
{
	int64_t one;
	int r = db_get_i64(store->db, &one, err,
	                   "SELECT 1 FROM image_lease WHERE owner = '' AND until_ns < ? LIMIT 1",
	                   DB_I64(clock_realtime_ns()));

	return r > 0 ? content_sweep(store, false, err) : r;
}

int image_remove(struct image_store *store, const char *name, unsigned flags,
                 struct image_removed *ret, struct err *err)
{
	return image_remove_guarded(store, name, flags, NULL, ret, err);
}

int image_remove_guarded(struct image_store *store, const char *name, unsigned flags,
                         const struct remove_guard *guard, struct image_removed *ret,
                         struct err *err)
{
	struct image_removed removed = IMAGE_REMOVED_INIT;
	struct lease lease = LEASE_INIT;
	struct sweep content = { 0 };
	struct target target = { 0 };
	int r = -1;

	/* not for its rows: should this process die, the next one sees it and sweeps */
	if (lease_begin(store, &lease, err) < 0)
		return -1;
	if (db_begin_durable(store->db, err) < 0)
		goto out;
	if (remove_rows(store, name, flags, guard, &target, &content, &removed, err) < 0) {
		db_rollback(store->db);
		goto out;
	}
	if (db_commit(store->db, err) == 0 &&
	    content_collect(store, content.items, content.n, &removed, err) == 0 &&
	    drop_expired(store, err) == 0)
		r = 0;
out:
	if (!removed.freed || reap_in_background(store, &lease) < 0)
		lease_end(store, &lease, false);
	target_done(&target);
	free(content.items);
	if (r == 0) {
		*ret = removed;
		return 0;
	}
	image_removed_done(&removed);
	return -1;
}
