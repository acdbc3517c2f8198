/* The root file system and what is mounted in it: the new process's work, in its own mount
 * namespace. Every target is a descriptor resolved inside the new root; nothing is mounted by
 * path. */
#include "runtime/internal.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/magic.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>

#include "base/fd.h"
#include "sys/rootfs.h"

#define DETACHED_TREE (OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC)

static int set_attr(int fd, bool tree, uint64_t set, uint64_t clr, unsigned long propagation)
{
	struct mount_attr attr = { .attr_set = set, .attr_clr = clr, .propagation = propagation };

	return mount_setattr(fd, "", AT_EMPTY_PATH | (tree ? AT_RECURSIVE : 0), &attr,
	                     sizeof(attr)) < 0
	               ? -errno
	               : 0;
}

static int attach(int mount_fd, int target_fd)
{
	return move_mount(mount_fd, "", target_fd, "",
	                  MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH) < 0
	               ? -errno
	               : 0;
}

/* On top of "/": needs no directory to mount on, and no path leads there by accident; the process's
 * own root stays below it until pivot_root. Only hooks that run in this namespace before that, or
 * enter it, look for mounts where the configuration says that the root is. */
static int attach_root(struct runtime_sandbox *s, int root_fd)
{
	const struct oci_hooks *h = s->spec->hooks;
	AUTO_FREE char *path = NULL;
	AUTO_FD dir = -1;

	if (!s->args->mount_rootfs && !(s->args->flags & RUNTIME_NO_PIVOT) &&
	    (h[OCI_HOOK_PRESTART].count || h[OCI_HOOK_CREATE_RUNTIME].count ||
	     h[OCI_HOOK_CREATE_CONTAINER].count)) {
		path = bundle_path(s->args, s->spec->root_path);
		dir = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
		if (dir < 0)
			return -1;
		return move_mount(root_fd, "", dir, "",
		                  MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH);
	}
	return move_mount(root_fd, "", AT_FDCWD, "/", MOVE_MOUNT_F_EMPTY_PATH);
}

int init_mount_root(struct runtime_sandbox *s, int *ret_root_fd, struct err *err)
{
	const struct runtime_create_args *a = s->args;
	struct mount_attr slave = { .propagation = s->plan.propagation };
	AUTO_FD root = -1;

	if (s->shared_root_fd >= 0) {
		*ret_root_fd = fd_dup(s->shared_root_fd);
		return ns_join_all(s->ns_fds, ~(1u << OCI_NS_MOUNT), err);
	}
	/* Volumes that share their mounts with the host are taken while they still do. */
	if (mount_sources_early(s, true, err) < 0)
		return -1;
	/* Before anything is mounted: nothing of ours may reach the host. */
	if (mount_setattr(AT_FDCWD, "/", AT_RECURSIVE, &slave, sizeof(slave)) < 0)
		return err_sys(err, errno, "make the mounts of the new namespace our own");
	if (a->mount_rootfs) {
		/* the caller's own words: it may do more than mount */
		if (a->mount_rootfs(a->mount_rootfs_ctx, &root, err) < 0)
			return -1;
	} else {
		AUTO_FREE char *path = bundle_path(a, s->spec->root_path);

		root = open_tree(AT_FDCWD, path, DETACHED_TREE | AT_RECURSIVE);
		if (root < 0)
			return err_sys(err, errno, "root.path: '%s'", s->spec->root_path);
	}
	/* After the callback, which may still choose descriptors for some. */
	if (mount_sources_early(s, false, err) < 0)
		return -1;
	if (attach_root(s, root) < 0)
		return err_sys(err, errno, "attach the root file system");
	*ret_root_fd = TAKE_FD(root);
	return 0;
}

/* /proc and /sys that are links would send masks and labels elsewhere (CVE-2019-19921,
 * CVE-2023-27561), so the pseudo file systems want a plain directory. */
static bool is_pseudo(const char *type)
{
	return strcmp(type, "proc") == 0 || strcmp(type, "sysfs") == 0;
}

/* What is missing of it is made. So is what a link of the image's names that leads nowhere, inside
 * the root. */
static int make_target(int root_fd, const char *path, bool is_dir)
{
	char resolved[PATH_MAX];
	int fd = is_dir ? rootfs_mkdir_all(root_fd, path, 0755)
	                : rootfs_make_file(root_fd, path, 0644);

	if ((fd != -ENOENT && fd != -ELOOP) ||
	    rootfs_resolve(root_fd, path, resolved, sizeof(resolved)) < 0)
		return fd;
	return is_dir ? rootfs_mkdir_all(root_fd, resolved, 0755)
	              : rootfs_make_file(root_fd, resolved, 0644);
}

static int open_target_dir(int root_fd, const struct oci_mount *m, bool strict)
{
	int fd;

	if (!strict)
		return make_target(root_fd, m->destination, true);
	fd = rootfs_open_nolinks(root_fd, m->destination, O_PATH | O_DIRECTORY, 0);
	if (fd == -ENOENT)
		fd = rootfs_mkdir_all(root_fd, m->destination, 0755);
	return fd;
}

static int mount_failed(struct err *err, int r, const struct oci_mount *m, const char *what)
{
	return err_sys(err, -r, "mounts: %s '%s' on '%s'", what,
	               m->type && *m->type ? m->type
	               : m->source         ? m->source
	                                   : "bind",
	               m->destination);
}

/* A tmpfs that is not told its mode has that of the directory it covers. */
static int tmpfs_mode(int sb, const struct plan_mount *pm, int root_fd)
{
	AUTO_FD covered = -1;
	struct stat st;
	char mode[8];

	if (strcmp(pm->spec->type, "tmpfs") != 0)
		return 0;
	for (size_t i = 0; i < pm->options.data.len; i++)
		if (strncmp(pm->options.data.items[i], "mode=", 5) == 0)
			return 0;
	covered = rootfs_open(root_fd, pm->spec->destination, O_PATH | O_DIRECTORY, 0);
	if (covered < 0 || fstat(covered, &st) < 0)
		return 0;
	snprintf(mode, sizeof(mode), "%o", st.st_mode & 07777);
	return fsconfig(sb, FSCONFIG_SET_STRING, "mode", mode, 0) < 0 ? -errno : 0;
}

static int fs_options(int sb, const struct plan_mount *pm)
{
	const struct mount_options *o = &pm->options;

	/* What is on a disk is not only shown but also opened read-only. */
	if (o->attr_set & MOUNT_ATTR_RDONLY && pm->spec->source && pm->spec->source[0] == '/' &&
	    fsconfig(sb, FSCONFIG_SET_FLAG, "ro", NULL, 0) < 0)
		return -errno;

	if (pm->spec->source && *pm->spec->source &&
	    fsconfig(sb, FSCONFIG_SET_STRING, "source", pm->spec->source, 0) < 0)
		return -errno;
	for (size_t i = 0; i < o->data.len; i++) {
		const char *word = o->data.items[i], *value = strchr(word, '=');
		char key[64];
		int r;

		if (value) {
			if ((size_t)(value - word) >= sizeof(key))
				return -EINVAL;
			memcpy(key, word, (size_t)(value - word));
			key[value - word] = '\0';
			r = fsconfig(sb, FSCONFIG_SET_STRING, key, value + 1, 0);
		} else {
			r = fsconfig(sb, FSCONFIG_SET_FLAG, word, NULL, 0);
		}
		if (r < 0)
			return -errno;
	}
	return fsconfig(sb, FSCONFIG_CMD_CREATE, NULL, NULL, 0) < 0 ? -errno : 0;
}

/* The reason the kernel wrote down for the last failure, if any. */
static int fs_failed(struct err *err, int r, int sb, const struct oci_mount *m)
{
	char log[200];
	ssize_t n = read(sb, log, sizeof(log) - 1);

	mount_failed(err, r, m, "mount");
	if (n > 2) {
		log[n] = '\0';
		log[strcspn(log, "\n")] = '\0';
		err_hint(err, "kernel: %s", log + 2);
	}
	return -1;
}

/* A user namespace that does not own the network or the pid namespace may not mount sysfs or proc
 * anew. The caller's own, bound, shows no more than the caller can see. */
static int bind_callers(const struct oci_mount *m, uint64_t attrs, struct err *err)
{
	const char *path = strcmp(m->type, "proc") == 0 ? "/proc" : "/sys";
	AUTO_FD fd = open_tree(AT_FDCWD, path, DETACHED_TREE | AT_RECURSIVE);
	int r;

	if (fd < 0)
		return mount_failed(err, -errno, m, "bind the caller's");
	r = set_attr(fd, true, attrs, 0, MS_SLAVE);
	if (r < 0)
		return mount_failed(err, r, m, "set attributes of");
	return TAKE_FD(fd);
}

static int make_fs(const struct plan_mount *pm, int root_fd, struct err *err)
{
	const struct oci_mount *m = pm->spec;
	uint64_t attrs = pm->options.attr_set;
	AUTO_FD sb = fsopen(m->type, FSOPEN_CLOEXEC);
	int fd, r;

	if (sb < 0 && errno == EPERM && is_pseudo(m->type))
		return bind_callers(m, attrs, err);
	if (sb < 0)
		return mount_failed(err, -errno, m, "open file system type");
	/* Filled before it becomes read-only. */
	if (pm->is_dev || pm->options.flags & MOUNT_COPY_UP)
		attrs &= ~(uint64_t)MOUNT_ATTR_RDONLY;
	r = tmpfs_mode(sb, pm, root_fd);
	if (r == 0)
		r = fs_options(sb, pm);
	if (r == -EPERM && is_pseudo(m->type))
		return bind_callers(m, attrs, err);
	if (r < 0)
		return fs_failed(err, r, sb, m);
	fd = fsmount(sb, FSMOUNT_CLOEXEC, (unsigned)attrs);
	if (fd < 0) {
		r = -errno;
		if (r == -EPERM && is_pseudo(m->type))
			return bind_callers(m, attrs, err);
		return mount_failed(err, r, m, "mount");
	}
	return fd;
}

/* What is mounted on "/" is the root from now on. */
static bool is_root(const struct oci_mount *m)
{
	return !m->destination[strspn(m->destination, "/.")] && !strstr(m->destination, "..");
}

static void replace_root(const struct oci_mount *m, int *root_fd, int *mount_fd)
{
	if (is_root(m)) {
		close(*root_fd);
		*root_fd = TAKE_FD(*mount_fd);
	}
}

static int mount_fs(const struct plan_mount *pm, int *root_fd, struct err *err)
{
	const struct oci_mount *m = pm->spec;
	bool legacy = init_needs_legacy(pm);
	AUTO_FD fd = legacy ? -1 : make_fs(pm, *root_fd, err), target = -1;
	int r;

	if (fd < 0 && !legacy)
		return -1;
	target = open_target_dir(*root_fd, m, is_pseudo(m->type));
	if (target < 0)
		return mount_failed(err, target, m, "open the target of");
	if (legacy) {
		fd = init_mount_legacy(pm, *root_fd, target, err);
		if (fd < 0)
			return -1;
	}
	if (pm->options.flags & MOUNT_COPY_UP) {
		r = init_copy_tree(target, fd);
		if (r < 0)
			return mount_failed(err, r, m, "copy what is hidden by");
		if (pm->options.attr_set & MOUNT_ATTR_RDONLY)
			r = set_attr(fd, false, MOUNT_ATTR_RDONLY, 0, 0);
		if (r < 0)
			return mount_failed(err, r, m, "make read-only");
	}
	if (pm->options.propagation) {
		r = set_attr(fd, pm->options.propagation_recursive, 0, 0, pm->options.propagation);
		if (r < 0)
			return mount_failed(err, r, m, "set the propagation of");
	}
	r = legacy ? 0 : attach(fd, target);
	if (r < 0)
		return mount_failed(err, r, m, "attach");
	replace_root(m, root_fd, &fd);
	return 0;
}

static int open_bind_target(const struct plan_mount *pm, int root_fd, mode_t mode)
{
	const char *path = pm->spec->destination;

	if (pm->options.flags & MOUNT_TARGET_NOFOLLOW)
		return init_open_target_nofollow(root_fd, path, mode & S_IFMT);
	return make_target(root_fd, path, S_ISDIR(mode));
}

/* CVE-2019-16884: whatever else lies on /proc, labels and the like would be written to it. */
static int check_proc(const struct plan_mount *pm, int fd, struct err *err)
{
	struct statfs fs;
	struct stat st;

	if (!pm->is_proc || (fstatfs(fd, &fs) == 0 && fs.f_type == PROC_SUPER_MAGIC &&
	                     fstat(fd, &st) == 0 && st.st_ino == 1))
		return 0;
	return err_set(err, E_PERM, "mounts: '%s' on '/proc' is no procfs", pm->spec->source);
}

static int mount_bind(struct runtime_sandbox *s, const struct plan_mount *pm, int *root_fd,
                      struct err *err)
{
	const struct oci_mount *m = pm->spec;
	const struct mount_options *o = &pm->options;
	AUTO_FD fd = mount_source_take(s, pm);
	AUTO_FD target = -1;
	struct stat st;
	int r = 0;

	if (o->flags & MOUNT_COPY_SYMLINK && fd < 0 && m->source_fd < 0) {
		r = init_copy_symlink(s, pm, *root_fd, err);
		if (r != 0)
			return r < 0 ? -1 : 0;
	}
	if (fd < 0)
		fd = mount_source_open(s, pm, err);
	if (fd < 0 || check_proc(pm, fd, err) < 0)
		return -1;
	if (fstat(fd, &st) < 0)
		return mount_failed(err, -errno, m, "look at the source of");
	target = open_bind_target(pm, *root_fd, st.st_mode);
	if (target < 0)
		return mount_failed(err, target, m, "open the target of");
	if (o->tree_set || o->tree_clr)
		r = set_attr(fd, true, o->tree_set, o->tree_clr, 0);
	if (r == 0 && (o->attr_set || o->attr_clr))
		r = set_attr(fd, false, o->attr_set, o->attr_clr, 0);
	if (r == 0 && o->propagation)
		r = set_attr(fd, o->propagation_recursive, 0, 0, o->propagation);
	if (r < 0)
		return mount_failed(err, r, m, "set attributes of");
	r = attach(fd, target);
	if (r < 0)
		return mount_failed(err, r, m, "bind");
	replace_root(m, root_fd, &fd);
	return 0;
}

int init_mount_all(struct runtime_sandbox *s, int *root_fd, struct err *err)
{
	for (size_t i = 0; i < s->plan.n_mounts; i++) {
		const struct plan_mount *pm = &s->plan.mounts[i];
		int r;

		if (pm->kind == PLAN_MOUNT_CGROUP)
			r = init_mount_cgroup(s, pm, *root_fd, err);
		else if (pm->kind == PLAN_MOUNT_REMOUNT)
			r = init_remount(pm, *root_fd, err);
		else if (pm->kind == PLAN_MOUNT_BIND)
			r = mount_bind(s, pm, root_fd, err);
		else
			r = mount_fs(pm, root_fd, err);
		if (r < 0)
			return -1;
	}
	return 0;
}

int init_pivot(struct runtime_sandbox *s, int root_fd, struct err *err)
{
	if (fchdir(root_fd) < 0)
		return err_sys(err, errno, "enter the new root");
	if (s->args->flags & RUNTIME_NO_PIVOT || s->plan.shares_mounts) {
		/* The new root already lies on top of "/": only the process's root has to follow.
		 */
		if (chroot(".") < 0)
			return err_sys(err, errno, "change the root");
	} else {
		/* Old root on top of the new one, then off it: no directory is needed for it. */
		if (syscall(SYS_pivot_root, ".", ".") < 0)
			return err_sys(err, errno, "pivot_root");
		if (umount2(".", MNT_DETACH) < 0)
			return err_sys(err, errno, "detach the host's root");
	}
	if (chdir("/") < 0)
		return err_sys(err, errno, "enter '/'");
	if (s->plan.root_propagation && s->plan.root_propagation != MS_SLAVE) {
		struct mount_attr attr = { .propagation = s->plan.root_propagation };

		if (mount_setattr(AT_FDCWD, "/", 0, &attr, sizeof(attr)) < 0)
			return err_sys(err, errno, "linux.rootfsPropagation: set '%s'",
			               s->spec->linux_.rootfs_propagation);
	}
	return 0;
}

/* ---- masked and read-only paths: after pivot, below the container's own "/" ---- */

/* What masks: opened with the first path that needs it. */
struct masks {
	int null_fd;  /* the null device */
	int empty_fd; /* one empty read-only tmpfs, cloned for each directory */
};

static int open_null(struct masks *m)
{
	AUTO_FD null = -1;
	struct stat st;

	if (m->null_fd >= 0)
		return 0;
	/* CVE-2025-31133: what lies at this name must be the null device and nothing else. */
	null = open("/dev/null", O_PATH | O_NOFOLLOW | O_CLOEXEC);
	if (null < 0 || fstat(null, &st) < 0)
		return -errno;
	if (!S_ISCHR(st.st_mode) || st.st_rdev != makedev(1, 3))
		return -EPERM;
	m->null_fd = TAKE_FD(null);
	return 0;
}

static int mask_file(int target_fd, struct masks *m)
{
	AUTO_FD tree = -1;
	int r = open_null(m);

	if (r < 0)
		return r;
	tree = open_tree(m->null_fd, "", DETACHED_TREE | AT_EMPTY_PATH);
	return tree < 0 ? -errno : attach(tree, target_fd);
}

static int mask_dir(int target_fd, int *empty_fd)
{
	AUTO_FD tree = -1;

	if (*empty_fd < 0) {
		AUTO_FD sb = fsopen("tmpfs", FSOPEN_CLOEXEC);

		if (sb < 0 || fsconfig(sb, FSCONFIG_SET_STRING, "size", "0", 0) < 0 ||
		    fsconfig(sb, FSCONFIG_SET_STRING, "nr_inodes", "1", 0) < 0 ||
		    fsconfig(sb, FSCONFIG_CMD_CREATE, NULL, NULL, 0) < 0)
			return -errno;
		*empty_fd = fsmount(sb, FSMOUNT_CLOEXEC,
		                    MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV |
		                            MOUNT_ATTR_NOEXEC);
		if (*empty_fd < 0)
			return -errno;
		return attach(*empty_fd, target_fd);
	}
	tree = open_tree(*empty_fd, "", DETACHED_TREE | AT_EMPTY_PATH);
	return tree < 0 ? -errno : attach(tree, target_fd);
}

static void close_masks(struct masks *m)
{
	if (m->null_fd >= 0)
		close(m->null_fd);
	if (m->empty_fd >= 0)
		close(m->empty_fd);
}

static int mask_path(int root_fd, const char *path, struct masks *m)
{
	AUTO_FD target = rootfs_open(root_fd, path, O_PATH, 0);
	struct stat st;

	if (target == -ENOENT || target == -ENOTDIR || target == -EACCES)
		return 0;
	if (target < 0)
		return target;
	if (fstat(target, &st) < 0)
		return -errno;
	return S_ISDIR(st.st_mode) ? mask_dir(target, &m->empty_fd) : mask_file(target, m);
}

static int readonly_path(int root_fd, const char *path)
{
	AUTO_FD target = rootfs_open(root_fd, path, O_PATH, 0);
	AUTO_FD tree = -1;
	int r;

	if (target == -ENOENT || target == -ENOTDIR || target == -EACCES)
		return 0;
	if (target < 0)
		return target;
	tree = open_tree(target, "", DETACHED_TREE | AT_EMPTY_PATH | AT_RECURSIVE);
	if (tree < 0)
		return -errno;
	r = set_attr(tree, true, MOUNT_ATTR_RDONLY, 0, 0);
	return r < 0 ? r : attach(tree, target);
}

/* Mounts that had to stay writable while they were filled. */
static int finish_readonly(struct runtime_sandbox *s, struct err *err)
{
	struct mount_attr attr = { .attr_set = MOUNT_ATTR_RDONLY };

	for (size_t i = 0; i < s->plan.n_mounts; i++) {
		const struct plan_mount *pm = &s->plan.mounts[i];

		if (pm->is_dev && pm->kind == PLAN_MOUNT_FS &&
		    pm->options.attr_set & MOUNT_ATTR_RDONLY &&
		    mount_setattr(AT_FDCWD, "/dev", AT_SYMLINK_NOFOLLOW, &attr, sizeof(attr)) < 0)
			return err_sys(err, errno, "mounts: make '/dev' read-only");
	}
	if (s->spec->root_readonly && mount_setattr(AT_FDCWD, "/", 0, &attr, sizeof(attr)) < 0)
		return err_sys(err, errno, "root.readonly: make '/' read-only");
	return 0;
}

int init_hide_paths(struct runtime_sandbox *s, struct err *err)
{
	const struct oci_linux *l = &s->spec->linux_;
	AUTO_FD root = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	struct masks masks = { -1, -1 };
	int r = 0;

	if (root < 0)
		return err_sys(err, errno, "open '/'");
	for (size_t i = 0; i < l->readonly_paths.len; i++) {
		r = readonly_path(root, l->readonly_paths.items[i]);
		if (r < 0)
			return err_sys(err, -r, "linux.readonlyPaths[%zu]: '%s'", i,
			               l->readonly_paths.items[i]);
	}
	for (size_t i = 0; i < l->masked_paths.len; i++) {
		r = mask_path(root, l->masked_paths.items[i], &masks);
		if (r < 0) {
			err_sys(err, -r, "linux.maskedPaths[%zu]: '%s'", i,
			        l->masked_paths.items[i]);
			break;
		}
	}
	close_masks(&masks);
	return r < 0 ? -1 : finish_readonly(s, err);
}
