/* image_store_check: the files of the store, each against its name. */
#include "image/check.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/fd.h"
#include "base/xalloc.h"
#include "image/check-internal.h"
#include "image/layers-internal.h"
#include "image/packed-internal.h"

#define READ_BYTES  ((size_t)256 << 10)
#define STRAY_AGE_S 3600

void check_report_done(struct check_report *report)
{
	for (size_t i = 0; i < report->n; i++) {
		free(report->items[i].id);
		free(report->items[i].text);
		free(report->items[i].note);
	}
	free(report->items);
	*report = CHECK_REPORT_INIT;
}

struct check_finding *check_add(struct check_report *report, const char *object, const char *id,
                                const char *problem, const char *fmt, ...)
{
	struct check_finding f = { .object = object, .id = xstrdup(id), .problem = problem };
	va_list ap;

	va_start(ap, fmt);
	f.text = xvasprintf(fmt, ap);
	va_end(ap);
	VEC_PUSH(report->items, report->n, f);
	return &report->items[report->n - 1];
}

size_t check_left(const struct check_report *report)
{
	size_t n = 0;

	for (size_t i = 0; i < report->n; i++)
		n += !report->items[i].action;
	return n;
}

bool check_has_content(struct check *k, const struct content *c)
{
	return c->kind == CONTENT_BLOB ? blob_has(k->store, &c->digest)
	                               : layer_store_has(k->store->layers, &c->digest);
}

static void add_damaged(struct check *k, enum content_kind kind, const struct digest *d,
                        const char *text)
{
	struct content c = { kind, *d };
	size_t n = k->n_damaged;

	check_add(k->report, kind == CONTENT_BLOB ? "blob" : "layer", digest_format(d).s, "damaged",
	          "%s", text);
	VEC_PUSH(k->damaged_finding, n, k->report->n - 1);
	VEC_PUSH(k->damaged, k->n_damaged, c);
}

/* --- layers --- */

/* A directory that a container may have mounted cannot be replaced below it. */
static int is_layer_in_use(struct check *k, const struct digest *d, struct strv *ret_users,
                           struct err *err)
{
	AUTO_STMT st = DB_STMT_INIT;
	AUTO_STRV ids = STRV_INIT;
	int r;

	if (db_query(k->store->db, &st, err,
	             "SELECT DISTINCT image FROM image_layer WHERE digest = ?",
	             DB_TEXT(digest_format(d).s)) < 0)
		return -1;
	while ((r = db_step(&st, err)) > 0)
		strv_add(&ids, db_text(&st, 0));
	for (size_t i = 0; r == 0 && i < ids.len && k->store->users; i++)
		r = k->store->users(k->store->users_ctx, ids.items[i], ret_users, err);
	return r < 0 ? -1 : ret_users->len > 0;
}

static int rebuild_layer(struct check *k, const struct digest *d, struct check_finding *f,
                         struct err *err)
{
	AUTO_STRV users = STRV_INIT;
	struct err why = ERR_INIT;

	if (!k->options->repair)
		return 0;
	if (layer_store_has_directory(k->store->layers, d)) {
		int used = is_layer_in_use(k, d, &users, err);

		if (used < 0)
			return -1;
		if (used) {
			f->note = xasprintf("container %.100s may have it mounted: remove it first",
			                    users.items[0]);
			return 0;
		}
	}
	if (layer_store_rebuild(k->store->layers, d, &why) < 0)
		f->note = xstrdup(why.msg);
	else
		f->action = "rebuilt";
	return 0;
}

static int check_layer(struct check *k, const struct digest *d, struct err *err)
{
	struct digest_text id = digest_format(d);
	struct err why = ERR_INIT, e = ERR_INIT;
	struct check_finding *f;
	enum layer_damage damage;
	AUTO_FREE char *text = NULL;

	if (layer_store_examine(k->store->layers, d, k->options->quick, &damage, &why, &e) < 0) {
		/* it went meanwhile */
		if (e.code == E_NOT_FOUND || !layer_store_has(k->store->layers, d))
			return 0;
		/* a tar that hashes right and is refused all the same: an older dhow took it */
		check_add(k->report, "layer", id.s, "damaged", "%s", e.msg);
		return 0;
	}
	if (damage == LAYER_SOUND)
		return 0;
	if (damage == LAYER_DAMAGE_TAR) {
		text = xasprintf("layer %s is damaged: %s", id.s, why.msg);
		add_damaged(k, CONTENT_LAYER, d, text);
		return 0;
	}
	f = check_add(k->report, "layer", id.s, "damaged", "layer %s is damaged: %s", id.s,
	              why.msg);
	return rebuild_layer(k, d, f, err);
}

static void add_stray(struct check *k, int dir_fd, const char *folder, const char *name)
{
	AUTO_FREE char *path = xasprintf("%s/%s", folder, name);
	struct check_finding *f =
		check_add(k->report, "file", path, "stray", "'%.200s' does not belong there", path);

	if (!k->options->repair)
		return;
	if (tree_remove_at(dir_fd, name, ERR_IGNORE) == 0)
		f->action = "removed";
	else
		f->note = xstrdup("it cannot be removed");
}

static int check_layers(struct check *k, struct err *err)
{
	int fd = openat(k->store->layers->fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *entry;
	AUTO_STRV names = STRV_INIT;
	int r = 0;

	if (!dir) {
		if (fd >= 0)
			close(fd);
		return err_sys(err, errno, "list the layer store");
	}
	while ((entry = readdir(dir)))
		if (entry->d_name[0] != '.' && strcmp(entry->d_name, LAYER_PROBE) != 0 &&
		    strncmp(entry->d_name, LAYER_TMP, strlen(LAYER_TMP)) != 0)
			strv_add(&names, entry->d_name);
	for (size_t i = 0; r == 0 && i < names.len; i++) {
		struct digest d;

		if (digest_parse_hex(names.items[i], &d, ERR_IGNORE) == 0)
			r = check_layer(k, &d, err);
		else if (!strstr(names.items[i], ".tmp"))
			add_stray(k, dirfd(dir), "layers", names.items[i]);
	}
	closedir(dir);
	return r;
}

/* --- blobs --- */

/* They may be as large as a layer: the registry server's are. */
static int hash_blob(int dir_fd, const char *name, const struct digest *d, struct digest *ret)
{
	AUTO_FD fd = openat(dir_fd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	AUTO(digester_freep) struct digester *h = digester_new(d->alg);
	AUTO_FREE uint8_t *buf = xmalloc(READ_BYTES);
	ssize_t n;

	if (fd < 0)
		return -errno;
	while ((n = read(fd, buf, READ_BYTES)) != 0) {
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		digester_update(h, buf, (size_t)n);
	}
	digester_finish(h, ret);
	return 0;
}

static int check_blob(void *ctx, int dir_fd, const char *name, const struct digest *d,
                      struct err *err)
{
	struct check *k = ctx;
	AUTO_FREE char *text = NULL;
	struct digest got = { 0 };
	struct stat st;
	int r;

	if (!d) {
		/* somebody's temporary file is young */
		if (fstatat(dir_fd, name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
		    (k->options->quick || !S_ISREG(st.st_mode) || !strchr(name, '.') ||
		     time(NULL) - st.st_mtime > STRAY_AGE_S))
			add_stray(k, dir_fd, "blobs", name);
		return 0;
	}
	if (k->options->quick)
		return 0;
	r = hash_blob(dir_fd, name, d, &got);
	if (r == -ENOENT || (r == 0 && digest_equal(d, &got)))
		return 0;
	if (r < 0 && r != -EIO && r != -ELOOP && r != -EISDIR)
		return err_sys(err, -r, "read blob %s", digest_format(d).s);
	text = r < 0 ? xasprintf("blob %s cannot be read: %s", digest_format(d).s, strerror(-r))
	             : xasprintf("blob %s is damaged: its bytes have the digest %s",
	                         digest_format(d).s, digest_format(&got).s);
	add_damaged(k, CONTENT_BLOB, d, text);
	return 0;
}

/* --- compressed forms: a cache, so a bad one just goes --- */

static int check_packed(struct check *k, struct err *err)
{
	int fd = openat(k->store->packed_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *entry;

	if (!dir) {
		if (fd >= 0)
			close(fd);
		return err_sys(err, errno, "list 'packed' of the image store");
	}
	while (!k->options->quick && (entry = readdir(dir))) {
		struct digest d, got = { 0 };
		struct check_finding *f;

		if (digest_parse_hex(entry->d_name, &d, ERR_IGNORE) < 0 ||
		    hash_blob(dirfd(dir), entry->d_name, &d, &got) == -ENOENT ||
		    digest_equal(&d, &got))
			continue;
		f = check_add(k->report, "packed", digest_format(&d).s, "damaged",
		              "compressed layer %s is damaged", digest_format(&d).s);
		if (!k->options->repair)
			continue;
		packed_drop(k->store, &d);
		f->action = "removed";
		f->note = xstrdup("the layer itself is not concerned");
	}
	closedir(dir);
	return 0;
}

/* --- the whole --- */

/* Damaged files go out of sight, so that from here on they are missing, for everybody. */
static int hide_damaged(struct check *k, struct err *err)
{
	for (size_t i = 0; i < k->n_damaged; i++) {
		const struct content *c = &k->damaged[i];

		if (c->kind == CONTENT_BLOB
		            ? blob_remove(k->store, &c->digest, err) < 0
		            : layer_store_hide(k->store->layers, &c->digest, err) < 0)
			return -1;
	}
	return 0;
}

static int compare_rows(struct check *k, struct err *err)
{
	int r = -1;

	/* the write lock keeps others from changing what is being looked at */
	if (db_begin_durable(k->store->db, err) < 0)
		return -1;
	if (!k->options->repair || hide_damaged(k, err) == 0)
		r = check_rows(k, err);
	if (r == 0 && k->options->repair)
		return db_commit(k->store->db, err);
	db_rollback(k->store->db);
	return r;
}

/* What became of damaged content. */
static void tell_damaged(struct check *k)
{
	for (size_t i = 0; i < k->n_damaged; i++) {
		struct check_finding *f = &k->report->items[k->damaged_finding[i]];

		f->action = check_has_content(k, &k->damaged[i]) ? "fetched" : "removed";
	}
}

static int run(struct check *k, struct err *err)
{
	struct lease lease = LEASE_INIT;
	struct err why = ERR_INIT;
	int r;

	if (db_check(k->store->db, &why) < 0) {
		struct check_finding *f;

		if (why.code != E_CORRUPT) {
			*err = why;
			return -1;
		}
		f = check_add(k->report, "database", "dhow.db", "damaged", "%s", why.msg);
		f->note = xstrdup("its rows cannot be trusted, so nothing else was looked at: "
		                  "restore dhow.db from a backup, or begin with a new root");
		return 0;
	}
	if (check_layers(k, err) < 0 || blob_each(k->store, check_blob, k, err) < 0 ||
	    check_packed(k, err) < 0)
		return -1;
	/* should this process die from here on, the next one sweeps */
	if (k->options->repair && lease_begin(k->store, &lease, err) < 0)
		return -1;
	r = compare_rows(k, err);
	if (r == 0 && k->options->repair)
		r = check_repair_images(k, err);
	if (r == 0 && k->options->repair)
		r = content_sweep(k->store, false, err);
	if (r == 0 && k->options->repair)
		tell_damaged(k);
	lease_end(k->store, &lease, false);
	return r;
}

int image_store_check(struct image_store *store, const struct check_options *options,
                      struct check_report *report, struct err *err)
{
	struct check k = { .store = store, .options = options, .report = report };
	int r = run(&k, err);

	free(k.damaged);
	free(k.damaged_finding);
	strv_done(&k.broken);
	return r;
}
