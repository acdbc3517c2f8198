#include "image/rootfs.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/utsname.h>

#include "base/fd.h"
#include "base/strbuf.h"
#include "base/xalloc.h"
#include "image/layers-internal.h"
#include "image/rootfs-internal.h"

#define OPTIONS_MAX_BYTES 4096 /* a page: what mount(2) takes */

/* --- plan --- */

void rootfs_plan_done(struct rootfs_plan *plan)
{
	for (size_t i = 0; i < plan->n_layers; i++) {
		int fds[] = { plan->layers[i].dir_fd, plan->layers[i].mount_fd,
			      plan->layers[i].diff_fd };

		for (size_t f = 0; f < ARRAY_LEN(fds); f++)
			if (fds[f] >= 0)
				close(fds[f]);
	}
	free(plan->layers);
	if (plan->upper_fd >= 0)
		close(plan->upper_fd);
	if (plan->work_fd >= 0)
		close(plan->work_fd);
	*plan = ROOTFS_PLAN_INIT;
}

/* From the file where the kernel can, else over loop devices. Return the mount's fd, or -1. */
static int mount_index(int index_fd, int tar_fd, bool by_loop, struct err *err)
{
	if (!by_loop) {
		struct err why = ERR_INIT; /* what another way makes good is no error */
		int fd = erofs_mount_file(index_fd, tar_fd, &why);

		if (fd < 0 && why.sys != ENOTBLK)
			*err = why;
		if (fd >= 0 || why.sys != ENOTBLK)
			return fd;
	}
	return erofs_mount_loop(index_fd, tar_fd, err);
}

/* Mount the index, or open the directory, whichever this process can use. Return 0, or 1 when the
 * layer does not have that form (yet). */
static int open_form(struct rootfs_layer *l, bool is_dir, bool by_loop,
                     const struct digest *diff_id, struct err *err)
{
	AUTO_FD index = -1, tar = -1;

	if (is_dir) {
		l->diff_fd = openat(l->dir_fd, LAYER_DIFF,
		                    O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		if (l->diff_fd >= 0)
			return 0;
	} else {
		index = openat(l->dir_fd, LAYER_INDEX, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
		if (index >= 0)
			tar = openat(l->dir_fd, LAYER_TAR, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
		if (tar >= 0) {
			l->mount_fd = mount_index(index, tar, by_loop, err);
			return l->mount_fd < 0 ? -1 : 0;
		}
	}
	if (errno == ENOENT)
		return 1;
	return err_sys(err, errno, "open its files");
}

static int open_layer(struct layer_store *store, const struct digest *diff_id, bool is_userns,
                      bool by_loop, struct rootfs_layer *l, struct err *err)
{
	enum layer_mode mode;
	int r;

	*l = (struct rootfs_layer){ -1, -1, -1 };
	l->dir_fd = layer_dir_open(store, diff_id, err);
	if (l->dir_fd < 0)
		return -1;
	/* the common case asks nothing about modes */
	r = open_form(l, is_userns || store->mode == LAYER_MODE_DIR, by_loop, diff_id, err);
	if (r > 0) {
		if (layer_store_mode(store, &mode, NULL, err) < 0)
			return -1;
		r = layer_form_ensure(store, l->dir_fd, mode, err);
		if (r == 0)
			r = open_form(l, mode == LAYER_MODE_DIR, by_loop, diff_id, err);
	}
	if (r > 0)
		r = err_set(err, E_CORRUPT, "it is incomplete in the store");
	return r < 0 ? err_ctx(err, "layer %s", digest_format(diff_id).s) : 0;
}

int rootfs_plan_init(struct rootfs_plan *plan, struct layer_store *store,
                     const struct digest *diff_ids, size_t n_layers, int upper_fd, int work_fd,
                     unsigned flags, struct err *err)
{
	return rootfs_plan_init_forced(plan, store, diff_ids, n_layers, upper_fd, work_fd, flags, 0,
	                               err);
}

int rootfs_plan_init_forced(struct rootfs_plan *plan, struct layer_store *store,
                            const struct digest *diff_ids, size_t n_layers, int upper_fd,
                            int work_fd, unsigned flags, unsigned force, struct err *err)
{
	AUTO(rootfs_plan_done) struct rootfs_plan p = ROOTFS_PLAN_INIT;
	bool is_userns = is_in_user_namespace();

	if (!n_layers)
		return err_set(err, E_INVALID, "an image without layers has no root file system");
	p.flags = flags;
	if (!(flags & ROOTFS_READ_ONLY)) {
		p.upper_fd = fd_dup(upper_fd);
		p.work_fd = fd_dup(work_fd);
		if (p.upper_fd < 0 || p.work_fd < 0)
			return err_sys(err, EBADF, "no upper directory for the root file system");
	}
	p.layers = xreallocarray(NULL, n_layers, sizeof(*p.layers));
	for (size_t i = 0; i < n_layers; i++) {
		p.n_layers = i + 1;
		if (open_layer(store, &diff_ids[i], is_userns, force & ROOTFS_FORCE_LOOP,
		               &p.layers[i], err) < 0)
			return -1;
	}
	*plan = p;
	p = ROOTFS_PLAN_INIT;
	return 0;
}

int rootfs_plan_add_below(struct rootfs_plan *plan, int dir_fd, struct err *err)
{
	struct rootfs_layer below = { .dir_fd = fd_dup(dir_fd),
		                      .mount_fd = -1,
		                      .diff_fd = fd_dup(dir_fd) };

	plan->layers = xreallocarray(plan->layers, plan->n_layers + 1, sizeof(*plan->layers));
	memmove(plan->layers + 1, plan->layers, plan->n_layers * sizeof(*plan->layers));
	plan->layers[0] = below;
	plan->n_layers++;
	if (below.dir_fd < 0 || below.diff_fd < 0)
		return err_sys(err, EBADF, "no directory below the layers");
	return 0;
}

/* --- mounting --- */

struct mounting {
	const struct rootfs_plan *plan;
	unsigned force;
	bool is_userns;
	int *lowers; /* one directory or detached mount for each layer, bottom-up */
	size_t n_lowers;
	int upper_fd, work_fd; /* opened in this mount namespace */
	struct err *err;
};

/* The kernel's path for a directory of ours, in a buffer of PATH_MAX bytes. */
static int path_of(struct mounting *m, int fd, const char *what, char *ret)
{
	ssize_t n = readlink(fd_path(fd).s, ret, PATH_MAX - 1);

	if (n < 0)
		return err_sys(m->err, errno, "find the %s directory", what);
	ret[n] = '\0';
	return 0;
}

/* An fd of the parent's mount namespace is of no use to overlayfs in this one: open the same
 * directory again by its path, and see that it is the same. */
static int reopen_dir(struct mounting *m, int fd, const char *what)
{
	char path[PATH_MAX];
	struct stat a, b;
	AUTO_FD again = -1;

	if (path_of(m, fd, what, path) < 0)
		return -1;
	again = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (again < 0)
		return err_sys(m->err, errno, "open the %s directory '%s'", what, path);
	if (fstat(fd, &a) < 0 || fstat(again, &b) < 0 || a.st_dev != b.st_dev ||
	    a.st_ino != b.st_ino)
		return err_set(m->err, E_STATE, "the %s directory '%s' was moved", what, path);
	return TAKE_FD(again);
}

/* Attach a detached mount on the layer's own directory, seen in this namespace only. */
static int attach(struct mounting *m, const struct rootfs_layer *l, int mount_fd)
{
	AUTO_FD target = reopen_dir(m, l->dir_fd, "layer");

	if (target < 0)
		return -1;
	if (move_mount(mount_fd, "", target, "",
	               MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH) < 0)
		return err_sys(m->err, errno, "attach a layer");
	return 0;
}

static int open_lowers(struct mounting *m)
{
	m->lowers = xreallocarray(NULL, m->plan->n_layers, sizeof(*m->lowers));
	for (; m->n_lowers < m->plan->n_layers; m->n_lowers++) {
		const struct rootfs_layer *l = &m->plan->layers[m->n_lowers];
		int fd = l->diff_fd >= 0 ? reopen_dir(m, l->diff_fd, "layer") : fd_dup(l->mount_fd);

		if (fd < 0)
			return l->diff_fd >= 0 ? -1
			                       : err_sys(m->err, -fd, "duplicate a layer's mount");
		m->lowers[m->n_lowers] = fd;
	}
	return 0;
}

static int attach_lowers(struct mounting *m)
{
	for (size_t i = 0; i < m->n_lowers; i++)
		if (m->plan->layers[i].diff_fd < 0 &&
		    attach(m, &m->plan->layers[i], m->lowers[i]) < 0)
			return -1;
	return 0;
}

/* One layer and nothing to write on: no overlayfs is needed (nor would it mount). */
static int mount_single(struct mounting *m)
{
	struct mount_attr attr = { .attr_set = MOUNT_ATTR_RDONLY };
	AUTO_FD fd = -1;

	if (m->plan->layers[0].diff_fd < 0) {
		fd = TAKE_FD(m->lowers[0]);
		m->n_lowers = 0;
		return TAKE_FD(fd);
	}
	fd = open_tree(m->lowers[0], "", AT_EMPTY_PATH | OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
	if (fd < 0 || mount_setattr(fd, "", AT_EMPTY_PATH, &attr, sizeof(attr)) < 0)
		return err_sys(m->err, errno, "mount the layer's directory");
	return TAKE_FD(fd);
}

/* A directory option, by fd or by path. */
static int set_dir(struct mounting *m, int fs, const char *key, int fd)
{
	int r;

	if (m->force & ROOTFS_FORCE_STRING)
		r = fsconfig(fs, FSCONFIG_SET_STRING, key, fd_path(fd).s, 0);
	else
		r = fsconfig(fs, FSCONFIG_SET_FD, key, NULL, fd);
	return r < 0 ? -errno : 0;
}

static int set_flag(int fs, const char *key)
{
	return fsconfig(fs, FSCONFIG_SET_FLAG, key, NULL, 0) < 0 ? -errno : 0;
}

/* Return the mount's fd or -errno; *ret_step says what failed. */
static int overlay_by_fsopen(struct mounting *m, const char **ret_step)
{
	AUTO_FD fs = fsopen("overlay", FSOPEN_CLOEXEC);
	int r;

	*ret_step = "open the overlay file system";
	if (fs < 0)
		return -errno;
	*ret_step = "set the overlay's layers";
	for (size_t i = m->n_lowers; i-- > 0;) {
		r = set_dir(m, fs, "lowerdir+", m->lowers[i]);
		if (r < 0)
			return r;
	}
	*ret_step = "set the overlay's upper directory";
	if (m->upper_fd >= 0) {
		r = set_dir(m, fs, "upperdir", m->upper_fd);
		if (r == 0)
			r = set_dir(m, fs, "workdir", m->work_fd);
		if (r < 0)
			return r;
	}
	*ret_step = "set the overlay's options";
	/* an index would tie the upper directory to this very mount of the layers */
	if (m->upper_fd >= 0 && fsconfig(fs, FSCONFIG_SET_STRING, "index", "off", 0) < 0)
		return -errno;
	/* One inode number for readdir and stat, though layers and upper lie on different file
	 * systems: programs compare them (Python's test_os does). Left off where the kernel has no
	 * such option. */
	(void)fsconfig(fs, FSCONFIG_SET_STRING, "xino", "on", 0);
	if (m->is_userns && (r = set_flag(fs, "userxattr")) < 0)
		return r;
	if (m->upper_fd >= 0 && m->plan->flags & ROOTFS_VOLATILE &&
	    (r = set_flag(fs, "volatile")) < 0)
		return r;
	*ret_step = "mount the overlay";
	if (fsconfig(fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0) < 0)
		return -errno;
	r = fsmount(fs, FSMOUNT_CLOEXEC, 0);
	return r < 0 ? -errno : r;
}

/* For kernels before 6.5: one option string, mounted on a directory of ours and taken from it. */
static int overlay_by_mount(struct mounting *m, const char **ret_step)
{
	AUTO_BUF options = STRBUF_INIT;
	char target[PATH_MAX];
	int fd;

	*ret_step = "mount the overlay";
	strbuf_adds(&options, "lowerdir=");
	for (size_t i = m->n_lowers; i-- > 0;)
		strbuf_addf(&options, "%s%s", fd_path(m->lowers[i]).s, i ? ":" : "");
	if (m->upper_fd >= 0)
		strbuf_addf(&options, ",upperdir=%s,workdir=%s,index=off", fd_path(m->upper_fd).s,
		            fd_path(m->work_fd).s);
	if (m->is_userns)
		strbuf_adds(&options, ",userxattr");
	if (m->upper_fd >= 0 && m->plan->flags & ROOTFS_VOLATILE)
		strbuf_adds(&options, ",volatile");
	if (options.len >= OPTIONS_MAX_BYTES)
		return -E2BIG;
	if (path_of(m, m->plan->layers[0].dir_fd, "layer", target) < 0)
		return -m->err->sys;
	if (mount("overlay", target, "overlay", 0, options.buf) < 0)
		return -errno;
	fd = open_tree(AT_FDCWD, target, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
	if (fd < 0 || umount2(target, MNT_DETACH) < 0) {
		int saved = errno;

		if (fd >= 0)
			close(fd);
		return -saved;
	}
	return fd;
}

/* Trying lowerdir+ on kernels before 6.5 works as a probe, but writes to the kernel's log. */
static bool has_lowerdir_plus(void)
{
	unsigned major = 0, minor = 0;
	struct utsname u;

	if (uname(&u) < 0 || sscanf(u.release, "%u.%u", &major, &minor) != 2)
		return true;
	return major > 6 || (major == 6 && minor >= 5);
}

static int mount_overlay(struct mounting *m)
{
	static const struct {
		unsigned force;
	} ways[] = {
		/* the newest kernels, then what each older one lacks more */
		{ 0 },
		{ ROOTFS_FORCE_ATTACH },
		{ ROOTFS_FORCE_ATTACH | ROOTFS_FORCE_STRING },
		{ ROOTFS_FORCE_ATTACH | ROOTFS_FORCE_STRING | ROOTFS_FORCE_MOUNT2 },
	};
	const unsigned forced = (m->force & ~(unsigned)ROOTFS_FORCE_LOOP) |
	                        (has_lowerdir_plus() ? 0 : ROOTFS_FORCE_MOUNT2);
	const char *step = "";
	bool attached = false;
	int r = -EINVAL;

	for (size_t i = 0; i < ARRAY_LEN(ways); i++) {
		unsigned way = ways[i].force;

		if ((way & forced) != forced)
			continue;
		if (way & ROOTFS_FORCE_ATTACH && !attached && attach_lowers(m) < 0)
			return -1;
		attached = attached || (way & ROOTFS_FORCE_ATTACH);
		m->force = way;
		r = way & ROOTFS_FORCE_MOUNT2 ? overlay_by_mount(m, &step)
		                              : overlay_by_fsopen(m, &step);
		if (r >= 0 || (r != -EINVAL && r != -EBADF && r != -EOPNOTSUPP))
			break;
	}
	if (r == -E2BIG)
		return err_set(m->err, E_LIMIT,
		               "%zu layers are more than this kernel's overlay takes", m->n_lowers);
	if (r >= 0)
		return r;
	err_sys(m->err, -r, "%s", step);
	if (r == -EINVAL && m->upper_fd >= 0)
		return err_hint(m->err, "the file system below --root may not be able to hold an "
		                        "overlay's upper directory: overlayfs and NFS cannot");
	return -1;
}

/* The mark of an earlier volatile mount, for which the kernel refuses another one. Its data is in
 * the page cache still, or was lost with the whole container: ROOTFS_VOLATILE says so. */
static void forget_volatile(int work_fd)
{
	if (unlinkat(work_fd, "work/incompat/volatile/dirty", 0) == 0)
		unlinkat(work_fd, "work/incompat/volatile", AT_REMOVEDIR);
}

static int mount_all(struct mounting *m)
{
	if (open_lowers(m) < 0)
		return -1;
	if (m->plan->upper_fd < 0 && m->n_lowers == 1)
		return mount_single(m);
	if (m->plan->upper_fd >= 0) {
		m->upper_fd = reopen_dir(m, m->plan->upper_fd, "upper");
		m->work_fd = m->upper_fd < 0 ? -1 : reopen_dir(m, m->plan->work_fd, "work");
		if (m->work_fd < 0)
			return -1;
		if (m->plan->flags & ROOTFS_VOLATILE)
			forget_volatile(m->work_fd);
	}
	return mount_overlay(m);
}

int rootfs_mount_forced(const struct rootfs_plan *plan, unsigned force, int *ret_mount_fd,
                        struct err *err)
{
	struct mounting m = {
		.plan = plan,
		.force = force,
		.is_userns = is_in_user_namespace(),
		.upper_fd = -1,
		.work_fd = -1,
		.err = err,
	};
	int fd = mount_all(&m);

	for (size_t i = 0; i < m.n_lowers; i++)
		close(m.lowers[i]);
	free(m.lowers);
	if (m.upper_fd >= 0)
		close(m.upper_fd);
	if (m.work_fd >= 0)
		close(m.work_fd);
	if (fd < 0)
		return -1;
	*ret_mount_fd = fd;
	return 0;
}

int rootfs_mount(const struct rootfs_plan *plan, int *ret_mount_fd, struct err *err)
{
	return rootfs_mount_forced(plan, 0, ret_mount_fd, err);
}
