/* Opening the engine: directories, and handles made on first use. */
#include "engine/engine.h"

#include "base/db.h"
#include "base/fd.h"
#include "base/xalloc.h"
#include "engine/engine-internal.h"
#include "engine/rootless.h"
#include "image/image.h"
#include "net/net.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define DB_NAME "dhow.db"

static const char *const schema[] = {
	/* 1: containers; the columns of `container` are what one line of ps needs */
	"CREATE TABLE container ("
	" id TEXT PRIMARY KEY NOT NULL,"
	" name TEXT UNIQUE NOT NULL,"
	" image TEXT NOT NULL,"
	" image_id TEXT NOT NULL,"
	" command TEXT NOT NULL,"
	" labels TEXT NOT NULL,"
	" ports TEXT NOT NULL,"
	" networks TEXT NOT NULL,"
	" mounts TEXT NOT NULL,"
	" ip TEXT NOT NULL,"
	" error TEXT NOT NULL,"
	" created_ns INTEGER NOT NULL,"
	" started_ns INTEGER NOT NULL,"
	" finished_ns INTEGER NOT NULL,"
	" status INTEGER NOT NULL,"
	" exit_code INTEGER NOT NULL,"
	" oom_killed INTEGER NOT NULL,"
	" auto_remove INTEGER NOT NULL,"
	" pid INTEGER NOT NULL,"
	" pid_start INTEGER NOT NULL,"
	" monitor_pid INTEGER NOT NULL,"
	" monitor_start INTEGER NOT NULL,"
	" boot_id TEXT NOT NULL,"
	" restart_count INTEGER NOT NULL,"
	" user_stopped INTEGER NOT NULL,"
	" restart_delay_ms INTEGER NOT NULL,"
	" stdin_once INTEGER NOT NULL"
	") WITHOUT ROWID;"
	"CREATE TABLE container_options ("
	" id TEXT PRIMARY KEY NOT NULL REFERENCES container(id) ON DELETE CASCADE,"
	" options TEXT NOT NULL"
	") WITHOUT ROWID;"
	"CREATE TABLE event ("
	" id INTEGER PRIMARY KEY,"
	" time_ns INTEGER NOT NULL,"
	" type TEXT NOT NULL,"
	" action TEXT NOT NULL,"
	" actor TEXT NOT NULL,"
	" attributes TEXT NOT NULL"
	");",
	/* images that containers mount besides their own, and project ids of disk quotas; the
	 * latter outlive the container until they are given back */
	"CREATE TABLE container_image("
	" container TEXT NOT NULL REFERENCES container(id) ON DELETE CASCADE,"
	" image TEXT NOT NULL, PRIMARY KEY(container, image)) WITHOUT ROWID;"
	"CREATE INDEX container_image_image ON container_image(image);"
	"CREATE TABLE container_quota("
	" container TEXT PRIMARY KEY, project INTEGER NOT NULL) WITHOUT ROWID;",
};

/* Open a directory by path, making it when it is not there; *ret_path is its canonical name. */
static int open_root(const char *path, const char *what, char **ret_path, struct err *err)
{
	AUTO_FD fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0 && errno == ENOENT) {
		if (dir_make_at(AT_FDCWD, path, 0700, err) < 0)
			return err_ctx(err, "make %s", what);
		fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	}
	if (fd < 0) {
		err_sys(err, errno, "open %s '%s'", what, path);
		return err_hint(err, "run as root, or choose another with --%s", what);
	}
	*ret_path = realpath(path, NULL);
	if (!*ret_path)
		return err_sys(err, errno, "resolve %s '%s'", what, path);
	return TAKE_FD(fd);
}

int engine_open(const struct engine_options *opts, struct engine *ret, struct err *err)
{
	AUTO_FREE char *root = NULL;
	AUTO_FREE char *runroot = NULL;

	*ret = (struct engine){ .root_fd = -1, .runroot_fd = -1, .rootless = rootless_is() };
	ret->default_root = !opts->root;
	root = opts->root      ? xstrdup(opts->root)
	       : ret->rootless ? rootless_root_path(err)
	                       : xstrdup("/var/lib/dhow");
	if (!root)
		return -1;
	runroot = opts->runroot   ? xstrdup(opts->runroot)
	          : ret->rootless ? rootless_runroot_path(err)
	                          : xstrdup("/run/dhow");
	if (!runroot)
		return -1;
	ret->root_fd = open_root(root, "root", &ret->root_path, err);
	if (ret->root_fd < 0)
		return -1;
	if (strcmp(ret->root_path, "/var/lib/dhow") == 0)
		ret->default_root = true;
	ret->runroot_fd = open_root(runroot, "runroot", &ret->runroot_path, err);
	return ret->runroot_fd < 0 ? -1 : 0;
}

void engine_release(struct engine *e)
{
	net_free(e->net);
	image_store_free(e->images);
	db_free(e->db);
	e->net = NULL;
	e->images = NULL;
	e->db = NULL;
}

void engine_close(struct engine *e)
{
	engine_release(e);
	free(e->root_path);
	free(e->runroot_path);
	if (e->root_fd >= 0)
		close(e->root_fd);
	if (e->runroot_fd >= 0)
		close(e->runroot_fd);
	*e = (struct engine){ .root_fd = -1, .runroot_fd = -1 };
}

struct db *engine_db(struct engine *e, struct err *err)
{
	if (e->db)
		return e->db;
	if (db_open(e->root_fd, DB_NAME, DB_CREATE, &e->db, err) < 0)
		return NULL;
	if (db_migrate(e->db, "engine", schema, (int)ARRAY_LEN(schema), err) < 0) {
		db_free(e->db);
		e->db = NULL;
	}
	return e->db;
}

/* Containers, in any state, that were made from an image: it cannot be removed. */
static int image_users(void *ctx, const char *image_id, struct strv *ret_users, struct err *err)
{
	struct engine *e = ctx;
	AUTO_STMT st = DB_STMT_INIT;
	int r;

	if (db_query(e->db, &st, err,
	             "SELECT name FROM container WHERE image_id = ?1 UNION"
	             " SELECT name FROM container JOIN container_image ON "
	             "container_image.container = id"
	             " WHERE container_image.image = ?1",
	             DB_TEXT(image_id)) < 0)
		return -1;
	while ((r = db_step(&st, err)) > 0)
		strv_add(ret_users, db_text(&st, 0));
	return r;
}

struct image_store *engine_images(struct engine *e, struct err *err)
{
	struct db *db = engine_db(e, err);

	if (!db)
		return NULL;
	if (!e->images && image_store_open(e->root_fd, db, &e->images, err) == 0)
		image_store_set_users(e->images, image_users, e);
	return e->images;
}

struct net *engine_net(struct engine *e, struct err *err)
{
	struct db *db = engine_db(e, err);
	struct net_options options = { .root_path = e->root_path };

	if (!db)
		return NULL;
	net_root_tag(e->root_path, e->default_root, options.root_tag);
	if (!e->net && net_open(db, &options, &e->net, err) < 0)
		return NULL;
	return e->net;
}

int engine_state_root(struct engine *e, struct err *err)
{
	int fd = openat(e->runroot_fd, CONTAINERS_DIR, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0 && errno == ENOENT) {
		if (dir_make_at(e->runroot_fd, CONTAINERS_DIR, 0700, err) < 0)
			return -1;
		fd = openat(e->runroot_fd, CONTAINERS_DIR, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	}
	if (fd < 0)
		return err_sys(err, errno, "open '%s/" CONTAINERS_DIR "'", e->runroot_path);
	return fd;
}

const char *engine_boot_id(void)
{
	static char boot_id[40];
	AUTO_FD fd = -1;
	ssize_t n;

	if (boot_id[0])
		return boot_id;
	fd = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);
	n = fd < 0 ? 0 : read(fd, boot_id, sizeof(boot_id) - 1);
	boot_id[n > 36 ? 36 : n < 0 ? 0 : n] = '\0';
	return boot_id;
}

int container_dir_open(struct engine *e, const char *id, struct err *err)
{
	char path[sizeof(CONTAINERS_DIR) + 1 + ID_LEN];

	snprintf(path, sizeof(path), CONTAINERS_DIR "/%s", id);
	return dir_open_at(e->root_fd, path, err);
}
