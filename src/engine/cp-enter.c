#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>

#include "base/fd.h"
#include "base/xalloc.h"
#include "engine/cp-internal.h"
#include "engine/engine-internal.h"
#include "engine/mounts-parse.h"
#include "sys/rootfs.h"

#ifndef OPEN_TREE_CLONE
#	define OPEN_TREE_CLONE 1
#endif

/* A running container: its mount namespace, volumes and all. Seen from the host's namespace
 * instead, its mount points would look like plain files, and replacing one would undo the mount. */
static int enter_running(struct engine *e, const char *id, struct err *err)
{
	AUTO_FD pidfd = -1;
	pid_t pid;
	int root;

	if (container_pidfd(e, id, &pid, &pidfd, err) < 0)
		return -1;
	if (setns(pidfd, CLONE_NEWNS) < 0)
		return err_sys(err, errno, "enter the mounts of the container");
	root = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (root < 0)
		return err_sys(err, errno, "open the root of the container");
	return root;
}

static int attach_source(int root_fd, const struct mount_request *m, const char *source,
                         struct err *err)
{
	AUTO_FD tree =
		open_tree(AT_FDCWD, source, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_RECURSIVE);
	AUTO_FD target = -1;
	struct stat st;

	if (tree < 0 || fstat(tree, &st) < 0)
		return err_sys(err, errno, "%s '%s'", m->option, m->text);
	target = S_ISDIR(st.st_mode) ? rootfs_mkdir_all(root_fd, m->target, 0755)
	                             : rootfs_make_file(root_fd, m->target, 0644);
	if (target < 0)
		return err_sys(err, -target, "%s '%s'", m->option, m->text);
	if (m->read_only) {
		struct mount_attr attr = { .attr_set = MOUNT_ATTR_RDONLY };

		if (mount_setattr(tree, "", AT_EMPTY_PATH | AT_RECURSIVE, &attr, sizeof(attr)) < 0)
			return err_sys(err, errno, "%s '%s'", m->option, m->text);
	}
	if (move_mount(tree, "", target, "", MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH) < 0)
		return err_sys(err, errno, "%s '%s'", m->option, m->text);
	return 0;
}

/* What a path below a volume means is the volume's file, running or not. */
static int attach_volumes(struct engine *e, const struct container_options *opts, int root_fd,
                          struct err *err)
{
	AUTO_MOUNTS mounts = { 0 };

	if (mount_requests_parse(opts, NULL, &mounts, err) < 0)
		return -1;
	for (size_t i = 0; i < mounts.count; i++) {
		const struct mount_request *m = &mounts.items[i];
		AUTO_FREE char *source = NULL;

		if (m->kind == MOUNT_KIND_TMPFS || m->kind == MOUNT_KIND_IMAGE || !m->source ||
		    m->subpath)
			continue;
		source = m->kind == MOUNT_KIND_BIND
		                 ? xstrdup(m->source)
		                 : xasprintf("%s/volumes/%s/_data", e->root_path, m->source);
		if (attach_source(root_fd, m, source, err) < 0)
			return -1;
	}
	return 0;
}

/* The container's own directory is where its root is attached, in our mount namespace only. */
static int mount_root(struct engine *e, const char *id, bool read_only, struct err *err)
{
	AUTO_FREE char *path = xasprintf("%s/containers/%s", e->root_path, id);
	AUTO_FD root = -1;
	AUTO_FD dir = -1;

	if (container_mount(e, id, &root, err) < 0)
		return -1;
	/* by its path: e->root_fd is of the mount namespace we came from */
	dir = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (dir < 0)
		return err_sys(err, errno, "open '%s'", path);
	if (read_only) {
		struct mount_attr attr = { .attr_set = MOUNT_ATTR_RDONLY };

		if (mount_setattr(root, "", AT_EMPTY_PATH, &attr, sizeof(attr)) < 0)
			return err_sys(err, errno, "make the root read-only");
	}
	if (move_mount(root, "", dir, "", MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH) < 0)
		return err_sys(err, errno, "attach the root of the container");
	return TAKE_FD(root);
}

static int enter_stopped(struct engine *e, const char *id, struct err *err)
{
	struct container_options opts;
	AUTO_FD root = -1;
	int r;

	if (unshare(CLONE_NEWNS) < 0)
		return err_sys(err, errno, "make a mount namespace");
	if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
		return err_sys(err, errno, "make mounts private");
	container_options_init(&opts);
	r = container_options_load(e, id, &opts, err);
	if (r == 0) {
		root = mount_root(e, id, opts.read_only, err);
		r = root < 0 ? -1 : attach_volumes(e, &opts, root, err);
	}
	container_options_done(&opts);
	return r < 0 ? -1 : TAKE_FD(root);
}

int cp_enter(struct engine *e, const char *id, int *ret_root_fd, struct err *err)
{
	struct container_row row = { 0 };
	AUTO_FD lock = container_lock_settled(e, id, &row, err);
	AUTO_FD root = -1;
	bool running = row.status == CONTAINER_RUNNING || row.status == CONTAINER_PAUSED;

	container_row_done(&row);
	if (lock < 0)
		return -1;
	if (running)
		close(TAKE_FD(lock));
	root = running ? enter_running(e, id, err) : enter_stopped(e, id, err);
	if (root < 0)
		return -1;
	/* from here on no path of the host has a name in this process */
	if (fchdir(root) < 0 || chroot(".") < 0)
		return err_sys(err, errno, "enter the root of the container");
	prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	*ret_root_fd = TAKE_FD(root);
	/* held to the end of this process: a start meanwhile would mount the same upper layer twice
	 */
	TAKE_FD(lock);
	return 0;
}
