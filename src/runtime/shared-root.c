/* The root of a container that makes no mount namespace of its own: it shares the caller's, or
 * joins another. Its tree of mounts then has to be attached somewhere that others see: on the root
 * directory itself, private, so that nothing below it spreads. The container is put into it by
 * chroot, and what it leaves is taken away by `delete`, or by whoever undoes the creation: the file
 * `root` in the state directory says what (mount id, path, namespace), and is there before the
 * mount is. */
#include "runtime/internal.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/stat.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "base/fd.h"
#include "base/xalloc.h"

#ifndef STATX_MNT_ID_UNIQUE /* Linux 6.8: an id that is never used again */
#	define STATX_MNT_ID_UNIQUE 0x4000U
#endif

struct shared_root {
	uint64_t mount_id;
	char *path;
	char *ns_path; /* of a joined mount namespace; NULL: the caller's */
};

static void root_done(struct shared_root *r)
{
	free(r->path);
	free(r->ns_path);
}

static int mount_id(int fd, uint64_t *ret)
{
	struct statx st = { 0 };

	if (syscall(SYS_statx, fd, "", AT_EMPTY_PATH, STATX_MNT_ID_UNIQUE | STATX_MNT_ID, &st) < 0)
		return -errno;
	*ret = st.stx_mnt_id;
	return 0;
}

/* Run step in a child that is in the mount namespace of r: entering one is not undone. The child
 * reports a struct err through a pipe. */
static int in_namespace(const struct shared_root *r, int ns_fd,
                        int (*step)(const struct shared_root *r, int fd, struct err *err), int fd,
                        struct err *err)
{
	struct err child_err = ERR_INIT;
	int pipe_fds[2], status;
	ssize_t n;
	pid_t pid;

	if (pipe2(pipe_fds, O_CLOEXEC) < 0)
		return err_sys(err, errno, "make a pipe");
	pid = fork();
	if (pid == 0) {
		if ((ns_fd >= 0 && setns(ns_fd, CLONE_NEWNS) < 0 &&
		     err_sys(&child_err, errno, "linux.namespaces: join the mount namespace '%s'",
		             r->ns_path) < 0) ||
		    step(r, fd, &child_err) < 0)
			(void)!write(pipe_fds[1], &child_err, sizeof(child_err));
		_exit(0);
	}
	close(pipe_fds[1]);
	if (pid < 0) {
		close(pipe_fds[0]);
		return err_sys(err, errno, "fork");
	}
	n = read(pipe_fds[0], &child_err, sizeof(child_err));
	close(pipe_fds[0]);
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	if (n == (ssize_t)sizeof(child_err)) {
		*err = child_err;
		return -1;
	}
	return 0;
}

static int attach(const struct shared_root *r, int mount_fd, struct err *err)
{
	AUTO_FD target = open(r->path, O_PATH | O_DIRECTORY | O_CLOEXEC);

	if (target < 0)
		return err_sys(err, errno, "root.path: '%s' in the container's mount namespace",
		               r->path);
	if (move_mount(mount_fd, "", target, "",
	               MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH) < 0)
		return err_sys(err, errno, "root.path: mount on '%s'", r->path);
	return 0;
}

static int note(int state_dir_fd, const struct shared_root *r, struct err *err)
{
	AUTO_FREE char *text = xasprintf("%" PRIu64 "\n%s\n%s\n", r->mount_id, r->path,
	                                 r->ns_path ? r->ns_path : "");

	return file_write_atomic_at(state_dir_fd, "root", text, strlen(text), 0600, 0, err);
}

static int is_host_root(const char *path)
{
	struct stat a, b;

	return stat(path, &a) == 0 && stat("/", &b) == 0 && a.st_dev == b.st_dev &&
	       a.st_ino == b.st_ino;
}

static int open_root(struct runtime_sandbox *s, const struct shared_root *r, struct err *err)
{
	struct mount_attr attr = { .propagation = MS_PRIVATE };
	AUTO_FD fd = -1;

	if (is_host_root(r->path))
		return err_set(err, E_INVALID,
		               "root.path: the host's own root needs a mount namespace that is "
		               "not shared");
	fd = open_tree(AT_FDCWD, r->path, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_RECURSIVE);
	if (fd < 0)
		return err_sys(err, errno, "root.path: '%s'", s->spec->root_path);
	if (mount_setattr(fd, "", AT_EMPTY_PATH | AT_RECURSIVE, &attr, sizeof(attr)) < 0)
		return err_sys(err, errno, "root.path: make the mounts of '%s' private", r->path);
	return TAKE_FD(fd);
}

int shared_root_make(struct runtime_sandbox *s, struct err *err)
{
	const struct oci_namespace *ns = &s->spec->linux_.ns[OCI_NS_MOUNT];
	AUTO(root_done) struct shared_root r = { 0 };
	int e;

	if (!s->plan.shares_mounts)
		return 0;
	if (s->args->mount_rootfs)
		return err_set(err, E_UNSUPPORTED,
		               "linux.namespaces: a new mount namespace is needed");
	r.path = bundle_path(s->args, s->spec->root_path);
	r.ns_path = xstrdup_null(ns->path);
	s->shared_root_fd = open_root(s, &r, err);
	if (s->shared_root_fd < 0)
		return -1;
	e = mount_id(s->shared_root_fd, &r.mount_id);
	if (e < 0)
		return err_sys(err, -e, "root.path: look at '%s'", r.path);
	if (note(s->state_dir_fd, &r, err) < 0)
		return -1;
	if (s->ns_fds[OCI_NS_MOUNT] >= 0)
		return in_namespace(&r, s->ns_fds[OCI_NS_MOUNT], attach, s->shared_root_fd, err);
	return attach(&r, s->shared_root_fd, err);
}

static int detach(const struct shared_root *r, int unused, struct err *err)
{
	AUTO_FD fd = open(r->path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	uint64_t id = 0;

	(void)unused;
	/* Gone, or covered by something that is not ours. */
	if (fd < 0 || mount_id(fd, &id) < 0 || id != r->mount_id)
		return 0;
	if (fchdir(fd) < 0 || umount2(".", MNT_DETACH) < 0)
		return err_sys(err, errno, "unmount the container's root '%s'", r->path);
	return 0;
}

static char *next_line(char **at)
{
	char *line = *at, *end = line ? strchr(line, '\n') : NULL;

	if (!end)
		return NULL;
	*end = '\0';
	*at = end + 1;
	return line;
}

int shared_root_remove(int state_dir_fd, struct err *err)
{
	AUTO(root_done) struct shared_root r = { 0 };
	AUTO_FREE char *text = NULL;
	AUTO_FD ns_fd = -1;
	char *at, *id, *path, *ns_path;
	size_t len;

	if (file_read_at(state_dir_fd, "root", 16384, &text, &len, ERR_IGNORE) < 0)
		return 0;
	at = text;
	id = next_line(&at);
	path = next_line(&at);
	ns_path = next_line(&at);
	if (!ns_path)
		return err_set(err, E_CORRUPT, "state: 'root' is damaged");
	r.mount_id = strtoull(id, NULL, 10);
	r.path = xstrdup(path);
	if (*ns_path) {
		r.ns_path = xstrdup(ns_path);
		ns_fd = open(ns_path, O_RDONLY | O_CLOEXEC);
		/* With the last of its processes the namespace has ended, and all its mounts. */
		if (ns_fd < 0)
			goto done;
	}
	if (in_namespace(&r, ns_fd, detach, -1, err) < 0)
		return -1;
done:
	unlinkat(state_dir_fd, "root", 0);
	return 0;
}

int shared_root_open(const struct runtime_state *st)
{
	char path[32];
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/root", st->pid);
	fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

int shared_root_enter(int root_fd)
{
	if (fchdir(root_fd) < 0 || chroot(".") < 0 || chdir("/") < 0)
		return -errno;
	return 0;
}
