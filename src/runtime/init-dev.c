/* /dev of the container. Everything is relative to one descriptor of <root>/dev that must be a real
 * directory: an image's /dev that is a link would have us make nodes on the host
 * (CVE-2026-41579). */
#include "runtime/internal.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "base/fd.h"
#include "sys/rootfs.h"

/* clang-format off */
const struct plan_node plan_default_nodes[PLAN_DEFAULT_NODES] = {
	{ "null", 1, 3 }, { "zero", 1, 5 }, { "full", 1, 7 },
	{ "random", 1, 8 }, { "urandom", 1, 9 }, { "tty", 5, 0 },
};

const struct plan_link plan_default_links[PLAN_DEFAULT_LINKS] = {
	{ "fd", "/proc/self/fd" }, { "stdin", "/proc/self/fd/0" },
	{ "stdout", "/proc/self/fd/1" }, { "stderr", "/proc/self/fd/2" },
	{ "ptmx", "pts/ptmx" },
};
/* clang-format on */

/* The host's node at this path, if it is that device; else -1. */
static int open_node(const char *path, mode_t type, dev_t dev)
{
	AUTO_FD fd = open(path, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0 || (st.st_mode & S_IFMT) != type || st.st_rdev != dev)
		return -1;
	return TAKE_FD(fd);
}

/* By the name that the kernel has for it, where the container calls it something else. */
static int find_node(mode_t type, dev_t dev)
{
	AUTO_FREE char *text = NULL;
	char path[64], node[256];
	const char *name;
	size_t len = 0;

	snprintf(path, sizeof(path), "/sys/dev/%s/%u:%u/uevent", type == S_IFBLK ? "block" : "char",
	         major(dev), minor(dev));
	if (file_read_at(AT_FDCWD, path, 8192, &text, &len, ERR_IGNORE) < 0)
		return -1;
	name = strstr(text, "DEVNAME=");
	if (!name || (name != text && name[-1] != '\n'))
		return -1;
	name += 8;
	snprintf(node, sizeof(node), "/dev/%.*s", (int)strcspn(name, "\n"), name);
	return open_node(node, type, dev);
}

/* A user namespace may not make nodes: the host's own is bound, after a look at what it is. */
static int bind_node(int dir_fd, const char *name, const char *host_path, mode_t type, dev_t dev)
{
	AUTO_FD source = open_node(host_path, type, dev), tree = -1, target = -1;

	if (source < 0)
		source = find_node(type, dev);
	if (source < 0)
		return -ENODEV;
	target = rootfs_make_file(dir_fd, name, 0644);
	if (target < 0)
		return target;
	tree = open_tree(source, "", OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_EMPTY_PATH);
	if (tree < 0)
		return -errno;
	if (move_mount(tree, "", target, "", MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH) < 0)
		return -errno;
	return 0;
}

int init_bind_console(int dev_fd, int slave_fd)
{
	/* CVE-2025-52565: from a descriptor the kernel gave us to a file we have just made. */
	AUTO_FD target = rootfs_make_file(dev_fd, "console", 0600);
	AUTO_FD tree = open_tree(slave_fd, "", OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_EMPTY_PATH);

	if (target < 0)
		return target;
	if (tree < 0 ||
	    move_mount(tree, "", target, "", MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH) < 0)
		return -errno;
	return 0;
}

static bool in_user_ns(const struct runtime_sandbox *s)
{
	return s->spec->linux_.ns[OCI_NS_USER].wanted;
}

/* name: one component below dir_fd. */
static int make_node(struct runtime_sandbox *s, int dir_fd, const char *name, const char *host_path,
                     mode_t type, mode_t mode, dev_t dev, uid_t uid, gid_t gid)
{
	struct stat st;

	if (!in_user_ns(s) || type == S_IFIFO) {
		if (mknodat(dir_fd, name, type | mode, dev) == 0)
			return (uid || gid) && fchownat(dir_fd, name, uid, gid,
			                                AT_SYMLINK_NOFOLLOW) < 0
			               ? -errno
			               : 0;
		if (errno == EEXIST && fstatat(dir_fd, name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
		    (st.st_mode & S_IFMT) == type && st.st_rdev == dev)
			return 0;
		if (errno != EPERM)
			return -errno;
		/* Root of some outer user namespace. */
	}
	return bind_node(dir_fd, name, host_path, type, dev);
}

static int default_devices(struct runtime_sandbox *s, int dev_fd, struct err *err)
{
	for (size_t i = 0; i < PLAN_DEFAULT_NODES; i++) {
		char host[32];
		int r;

		snprintf(host, sizeof(host), "/dev/%s", plan_default_nodes[i].name);
		r = make_node(s, dev_fd, plan_default_nodes[i].name, host, S_IFCHR, 0666,
		              makedev(plan_default_nodes[i].major, plan_default_nodes[i].minor), 0,
		              0);
		if (r < 0)
			return err_sys(err, -r, "make device '%s'", host);
	}
	for (size_t i = 0; i < PLAN_DEFAULT_LINKS; i++) {
		if (symlinkat(plan_default_links[i].target, dev_fd, plan_default_links[i].name) ==
		    0)
			continue;
		/* A root without a tmpfs on /dev brings its own. */
		if (errno == EEXIST && strcmp(plan_default_links[i].name, "ptmx") == 0 &&
		    unlinkat(dev_fd, "ptmx", 0) == 0 && symlinkat("pts/ptmx", dev_fd, "ptmx") == 0)
			continue;
		if (errno != EEXIST)
			return err_sys(err, errno, "make link '/dev/%s'",
			               plan_default_links[i].name);
	}
	return 0;
}

static int listed_device(struct runtime_sandbox *s, int root_fd, const struct oci_device *d,
                         size_t index, struct err *err)
{
	mode_t mode = d->file_mode == OCI_UNSET ? 0666 : (mode_t)d->file_mode;
	uid_t uid = d->uid == OCI_UNSET ? 0 : (uid_t)d->uid;
	gid_t gid = d->gid == OCI_UNSET ? 0 : (gid_t)d->gid;
	mode_t type = d->type == 'b' ? S_IFBLK : d->type == 'p' ? S_IFIFO : S_IFCHR;
	const char *name;
	AUTO_FD dir = rootfs_open_parent(root_fd, d->path, 0755, &name);
	int r = dir;

	if (r >= 0)
		r = make_node(s, dir, name, d->path, type, mode,
		              type == S_IFIFO ? 0 : makedev((unsigned)d->major, (unsigned)d->minor),
		              uid, gid);
	if (r == -EEXIST) {
		err_sys(err, -r, "linux.devices[%zu]: make '%s'", index, d->path);
		return err_hint(err, "what is there is not this device");
	}
	if (r < 0)
		return err_sys(err, -r, "linux.devices[%zu]: make '%s'", index, d->path);
	return 0;
}

int init_devices(struct runtime_sandbox *s, int root_fd, struct err *err)
{
	const struct oci_linux *l = &s->spec->linux_;
	AUTO_FD dev = -1;
	mode_t old;
	int r = 0;

	if (!s->plan.setup_dev)
		return 0;
	dev = rootfs_open_nolinks(root_fd, "dev", O_PATH | O_DIRECTORY, 0);
	if (dev == -ENOENT)
		dev = rootfs_mkdir_all(root_fd, "dev", 0755);
	if (dev < 0)
		return err_sys(err, -dev, "open '/dev' of the container");
	old = umask(0);
	r = default_devices(s, dev, err);
	/* /dev/ptmx is the container's own devpts's, also when all devices of the host are asked
	 * for. */
	for (size_t i = 0; r == 0 && i < l->n_devices; i++)
		if (strcmp(l->devices[i].path, "/dev/ptmx") != 0)
			r = listed_device(s, root_fd, &l->devices[i], i, err);
	umask(old);
	return r;
}
