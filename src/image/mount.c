/* Images mounted on the host, to be looked at. */
#include "image/mount.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/xalloc.h"
#include "image/image-internal.h"
#include "image/layers-internal.h"
#include "image/rootfs.h"

/* Mounts of an earlier boot are gone, whatever their rows say. */
static const char *boot_id(void)
{
	static char id[40];
	AUTO_FREE char *text = NULL;

	if (!id[0] && file_read_at(AT_FDCWD, "/proc/sys/kernel/random/boot_id", 64, &text, NULL,
	                           ERR_IGNORE) == 0)
		snprintf(id, sizeof(id), "%.36s", text);
	return id;
}

int image_mount_users(struct image_store *store, const char *id, struct strv *ret, struct err *err)
{
	AUTO_STMT st = DB_STMT_INIT;
	int r;

	if (db_query(store->db, &st, err,
	             "SELECT path FROM image_mount WHERE image = ? AND boot = ? ORDER BY path",
	             DB_TEXT(id), DB_TEXT(boot_id())) < 0)
		return -1;
	while ((r = db_step(&st, err)) > 0)
		strv_addf(ret, "mount of %s", db_text(&st, 0));
	return r;
}

/* Whether something is mounted right there: the directory is the root of its mount. */
static bool is_mount_point(const char *path)
{
	struct statx stx;

	return statx(AT_FDCWD, path, AT_SYMLINK_NOFOLLOW, STATX_BASIC_STATS, &stx) == 0 &&
	       stx.stx_attributes & STATX_ATTR_MOUNT_ROOT;
}

/* --- making --- */

/* In one transaction: the image is there, and the path is ours. Return 1 when it is mounted there
 * already. */
static int claim(struct image_store *store, const char *name, const char *path, char **ret_id,
                 struct err *err)
{
	AUTO_FREE char *id = NULL;
	int64_t one;
	int r;

	if (db_begin_immediate(store->db, err) < 0)
		return -1;
	if (image_resolve_id(store, name, &id, err) < 0 || image_hold(store, id, err) < 0)
		goto fail;
	r = db_get_i64(store->db, &one, err,
	               "SELECT image = ?2 FROM image_mount WHERE path = ?1 AND boot = ?3",
	               DB_TEXT(path), DB_TEXT(id), DB_TEXT(boot_id()));
	if (r < 0)
		goto fail;
	if (is_mount_point(path)) {
		db_rollback(store->db);
		if (r > 0 && one)
			return 1;
		err_set(err, E_BUSY, "something is mounted at '%.400s' already", path);
		return err_hint(err, "unmount it, or choose another directory");
	}
	if (db_exec(store->db, err,
	            "INSERT OR REPLACE INTO image_mount(path, image, boot, mounted_ns)"
	            " VALUES(?, ?, ?, ?)",
	            DB_TEXT(path), DB_TEXT(id), DB_TEXT(boot_id()),
	            DB_I64(clock_realtime_ns())) < 0)
		goto fail;
	*ret_id = TAKE_PTR(id);
	return db_commit(store->db, err);
fail:
	db_rollback(store->db);
	return -1;
}

static void unclaim(struct image_store *store, const char *path)
{
	(void)db_exec(store->db, ERR_IGNORE, "DELETE FROM image_mount WHERE path = ?",
	              DB_TEXT(path));
}

struct answer {
	struct err err; /* E_OK: the mount's fd comes with it */
};

static int send_fd(int sock, int fd, const struct answer *answer)
{
	struct iovec iov = { (void *)answer, sizeof(*answer) };
	union {
		char buf[CMSG_SPACE(sizeof(int))];
		struct cmsghdr align;
	} control = { 0 };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };

	if (fd >= 0) {
		struct cmsghdr *c;

		msg.msg_control = control.buf;
		msg.msg_controllen = sizeof(control.buf);
		c = CMSG_FIRSTHDR(&msg);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(c), &fd, sizeof(int));
	}
	return sendmsg(sock, &msg, MSG_NOSIGNAL) < 0 ? -errno : 0;
}

static int receive_fd(int sock, struct err *err)
{
	AUTO_FREE struct answer *answer = xcalloc(1, sizeof(*answer));
	struct iovec iov = { answer, sizeof(*answer) };
	union {
		char buf[CMSG_SPACE(sizeof(int))];
		struct cmsghdr align;
	} control = { 0 };
	struct msghdr msg = { .msg_iov = &iov,
		              .msg_iovlen = 1,
		              .msg_control = control.buf,
		              .msg_controllen = sizeof(control.buf) };
	struct cmsghdr *c;
	int fd = -1;

	if (recvmsg(sock, &msg, MSG_CMSG_CLOEXEC) != (ssize_t)sizeof(*answer))
		return err_set(err, E_INTERNAL, "the mounting process ended unexpectedly");
	c = CMSG_FIRSTHDR(&msg);
	if (c && c->cmsg_type == SCM_RIGHTS)
		memcpy(&fd, CMSG_DATA(c), sizeof(fd));
	if (answer->err.code != E_OK) {
		*err = answer->err;
		return -1;
	}
	return fd < 0 ? err_set(err, E_INTERNAL, "the mounting process sent no mount") : fd;
}

static void NORETURN mount_in_child(const struct rootfs_plan *plan, int sock)
{
	struct answer answer = { .err = ERR_INIT };
	int fd = -1;

	if (unshare(CLONE_NEWNS) < 0)
		err_sys(&answer.err, errno, "make a mount namespace");
	else if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
		err_sys(&answer.err, errno, "make mounts private");
	else
		rootfs_mount(plan, &fd, &answer.err);
	send_fd(sock, fd, &answer);
	_exit(0);
}

/* Older kernels want the layers attached somewhere while the overlay is made: that must not be seen
 * on the host, so a child does it in a mount namespace of its own, and hands the result over. */
static int mount_apart(const struct rootfs_plan *plan, struct err *err)
{
	int socks[2], fd;
	pid_t child;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, socks) < 0)
		return err_sys(err, errno, "socketpair");
	child = fork();
	if (child == 0)
		mount_in_child(plan, socks[1]);
	close(socks[1]);
	if (child < 0) {
		close(socks[0]);
		return err_sys(err, errno, "fork");
	}
	fd = receive_fd(socks[0], err);
	close(socks[0]);
	while (waitpid(child, NULL, 0) < 0 && errno == EINTR)
		;
	return fd;
}

static int mount_at(struct image_store *store, const struct image *image, const char *path,
                    struct err *err)
{
	/* setuid programs and devices of an image mean nothing on the host */
	struct mount_attr attr = { .attr_set = MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID |
		                               MOUNT_ATTR_NODEV };
	struct rootfs_plan plan = ROOTFS_PLAN_INIT;
	AUTO_FD target = open(path, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	AUTO_FD fd = -1;

	if (target < 0)
		return err_sys(err, errno, "open '%s'", path);
	if (rootfs_plan_init(&plan, store->layers, image->config.diff_ids, image->config.n_diff_ids,
	                     -1, -1, ROOTFS_READ_ONLY, err) == 0)
		fd = mount_apart(&plan, err);
	rootfs_plan_done(&plan);
	if (fd < 0)
		return -1;
	if (mount_setattr(fd, "", AT_EMPTY_PATH | AT_RECURSIVE, &attr, sizeof(attr)) < 0)
		return err_sys(err, errno, "make the mount read-only");
	if (move_mount(fd, "", target, "", MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH) < 0)
		return err_sys(err, errno, "attach the mount at '%s'", path);
	return 0;
}

int image_mount(struct image_store *store, const char *name, const char *path, struct err *err)
{
	AUTO_IMAGE image = IMAGE_INIT;
	AUTO_FREE char *id = NULL;
	int r;

	if (is_in_user_namespace()) {
		err_set(err, E_UNSUPPORTED,
		        "mount image '%.200s': an ordinary user's mounts would be seen by nobody "
		        "but"
		        " dhow",
		        name);
		return err_hint(err, "list it with 'dhow image tree --files', or copy out of a"
		                     " container with 'dhow cp'");
	}
	r = claim(store, name, path, &id, err);
	if (r != 0)
		return r < 0 ? -1 : 0;
	if (image_resolve(store, id, &image, err) < 0 || mount_at(store, &image, path, err) < 0) {
		unclaim(store, path);
		return err_ctx(err, "mount image '%.200s'", name);
	}
	return 0;
}

/* --- taking away --- */

static int unmount_path(struct image_store *store, const char *path, unsigned flags,
                        struct err *err)
{
	int how = UMOUNT_NOFOLLOW | (flags & IMAGE_UNMOUNT_FORCE ? MNT_DETACH : 0);

	/* EINVAL, ENOENT: it is not mounted any more, which is what was wanted */
	if (is_mount_point(path) && umount2(path, how) < 0 && errno != EINVAL && errno != ENOENT) {
		err_sys(err, errno, "unmount '%s'", path);
		return errno == EBUSY ? err_hint(err, "files of it are in use; --force hides it at"
		                                      " once and ends it with the last of them")
		                      : -1;
	}
	return db_exec(store->db, err, "DELETE FROM image_mount WHERE path = ?", DB_TEXT(path)) < 0
	               ? -1
	               : 0;
}

static int paths_of(struct image_store *store, const char *column, const char *value,
                    struct strv *ret, struct err *err)
{
	AUTO_FREE char *sql =
		xasprintf("SELECT path FROM image_mount WHERE %s = ? ORDER BY path", column);
	AUTO_STMT st = DB_STMT_INIT;
	int r;

	if (db_query(store->db, &st, err, sql, DB_TEXT(value)) < 0)
		return -1;
	while ((r = db_step(&st, err)) > 0)
		strv_add(ret, db_text(&st, 0));
	return r;
}

int image_unmount(struct image_store *store, const char *what, unsigned flags,
                  struct strv *ret_paths, struct err *err)
{
	AUTO_FREE char *real = what[0] == '/' || what[0] == '.' ? realpath(what, NULL) : NULL;
	AUTO_STRV paths = STRV_INIT;
	AUTO_FREE char *id = NULL;

	if (what[0] == '/' || what[0] == '.') {
		if (paths_of(store, "path", real ? real : what, &paths, err) < 0)
			return -1;
		if (!paths.len)
			return err_set(err, E_NOT_FOUND, "no image is mounted at '%.400s'", what);
	} else {
		if (image_resolve_id(store, what, &id, err) < 0 ||
		    paths_of(store, "image", id, &paths, err) < 0)
			return -1;
		if (!paths.len)
			return err_set(err, E_NOT_FOUND, "image '%.300s' is not mounted", what);
	}
	for (size_t i = 0; i < paths.len; i++) {
		if (unmount_path(store, paths.items[i], flags, err) < 0)
			return -1;
		strv_add(ret_paths, paths.items[i]);
	}
	return 0;
}

int image_unmount_all(struct image_store *store, const char *id, struct err *err)
{
	AUTO_STRV paths = STRV_INIT;

	if (paths_of(store, "image", id, &paths, err) < 0)
		return -1;
	for (size_t i = 0; i < paths.len; i++)
		if (unmount_path(store, paths.items[i], IMAGE_UNMOUNT_FORCE, err) < 0)
			return -1;
	return 0;
}

int image_mount_list(struct image_store *store, struct image_mount **ret, size_t *ret_n,
                     struct err *err)
{
	AUTO_STMT st = DB_STMT_INIT;
	struct image_mount *mounts = NULL;
	size_t n = 0;
	int r;

	if (db_query(store->db, &st, err,
	             "SELECT m.path, m.image, m.mounted_ns,"
	             " (SELECT min(name) FROM image_name WHERE image = m.image)"
	             " FROM image_mount m WHERE boot = ? ORDER BY m.path",
	             DB_TEXT(boot_id())) < 0)
		return -1;
	while ((r = db_step(&st, err)) > 0) {
		struct image_mount m = { .path = xstrdup(db_text(&st, 0)),
			                 .id = xstrdup(db_text(&st, 1)),
			                 .mounted_ns = db_i64(&st, 2),
			                 .name = xstrdup_null(db_text(&st, 3)) };

		m.is_mounted = is_mount_point(m.path);
		VEC_PUSH(mounts, n, m);
	}
	if (r < 0) {
		image_mounts_free(mounts, n);
		return -1;
	}
	*ret = mounts;
	*ret_n = n;
	return 0;
}

void image_mounts_free(struct image_mount *mounts, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		free(mounts[i].path);
		free(mounts[i].id);
		free(mounts[i].name);
	}
	free(mounts);
}
