/* Where bind mounts come from: trees taken by the caller, by the new process before the host's
 * mounts are out of reach, or, most of them, when their turn comes. */
#include "runtime/internal.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include "base/fd.h"
#include "base/xalloc.h"
#include "sys/caps.h"
#include "sys/idmap.h"

#define DETACHED_TREE (OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC)

int mount_source_open(struct runtime_sandbox *s, const struct plan_mount *pm, struct err *err)
{
	const struct oci_mount *m = pm->spec;
	bool tree = pm->options.flags & MOUNT_RECURSIVE;
	unsigned flags = DETACHED_TREE | (tree ? AT_RECURSIVE : 0);
	AUTO_FREE char *path = NULL;
	int fd;

	if (pm->options.flags & MOUNT_SOURCE_NOFOLLOW)
		flags |= AT_SYMLINK_NOFOLLOW;
	if (m->source_fd >= 0) {
		fd = open_tree(m->source_fd, "", flags | AT_EMPTY_PATH);
		/* Before Linux 6.15 a detached tree cannot be cloned; it can be attached itself. */
		if (fd < 0 && errno == EINVAL)
			fd = fcntl(m->source_fd, F_DUPFD_CLOEXEC, 3);
	} else {
		path = bundle_path(s->args, m->source);
		fd = open_tree(AT_FDCWD, path, flags);
	}
	if (fd < 0)
		return err_sys(err, errno, "mounts: source '%s' of '%s'",
		               m->source ? m->source : "(descriptor)", m->destination);
	return fd;
}

/* What was taken early, as a mount of now: mountinfo lists mounts by age, and they are to be in the
 * order of the configuration. Before Linux 6.15 that cannot be had. */
int mount_source_take(struct runtime_sandbox *s, const struct plan_mount *pm)
{
	int *source = &s->mount_sources[pm - s->plan.mounts];
	unsigned tree = pm->options.flags & MOUNT_RECURSIVE ? AT_RECURSIVE : 0;
	int fd;

	if (*source >= 0 && pm->options.propagation == MS_SHARED) {
		fd = open_tree(*source, "", DETACHED_TREE | AT_EMPTY_PATH | tree);
		if (fd >= 0) {
			close(TAKE_FD(*source));
			return fd;
		}
	}
	return TAKE_FD(*source);
}

/* A recursive bind of the host's "/", by whatever name. */
static bool takes_host_root(struct runtime_sandbox *s, const struct plan_mount *pm)
{
	AUTO_FREE char *path = NULL;
	struct stat source, root;

	if (!(pm->options.flags & MOUNT_RECURSIVE) || pm->spec->source_fd >= 0)
		return false;
	path = bundle_path(s->args, pm->spec->source);
	return stat(path, &source) == 0 && stat("/", &root) == 0 && source.st_dev == root.st_dev &&
	       source.st_ino == root.st_ino;
}

/* Sources that have to be taken early: those that share mounts with the host, while they still do
 * (only_shared), and the host's "/" before the new root covers it, since the bind would otherwise
 * take the new root along and show the container itself (crun #2262). */
int mount_sources_early(struct runtime_sandbox *s, bool only_shared, struct err *err)
{
	for (size_t i = 0; i < s->plan.n_mounts; i++) {
		const struct plan_mount *pm = &s->plan.mounts[i];

		if (pm->kind != PLAN_MOUNT_BIND || s->mount_sources[i] >= 0)
			continue;
		if (only_shared ? pm->options.propagation != MS_SHARED : !takes_host_root(s, pm))
			continue;
		s->mount_sources[i] = mount_source_open(s, pm, err);
		if (s->mount_sources[i] < 0)
			return -1;
	}
	return 0;
}

/* ---- the caller's side ---- */

static int map_ids(struct runtime_sandbox *s, const struct plan_mount *pm, int tree_fd,
                   size_t index, struct err *err)
{
	bool recursive = pm->options.flags & MOUNT_IDMAP_RECURSIVE;
	struct mount_attr attr = { .attr_set = MOUNT_ATTR_IDMAP };
	AUTO_FD made = -1;
	int user_ns = pm->idmap == PLAN_IDMAP_USER ? s->ns_fds[OCI_NS_USER] : -1;

	if (user_ns < 0) {
		_Static_assert(sizeof(struct oci_idmap) == sizeof(struct idmap), "layout");
		user_ns = made = idmap_open_ns(
			(const struct idmap *)(const void *)pm->uids, pm->n_uids,
			(const struct idmap *)(const void *)pm->gids, pm->n_gids, err);
		if (made < 0)
			return err_ctx(err, "mounts[%zu]: idmap '%s'", index,
			               pm->spec->destination);
	}
	attr.userns_fd = (uint64_t)user_ns;
	if (mount_setattr(tree_fd, "", AT_EMPTY_PATH | (recursive ? AT_RECURSIVE : 0), &attr,
	                  sizeof(attr)) == 0)
		return 0;
	err_sys(err, errno, "mounts[%zu]: idmap '%s' on '%s'", index, pm->spec->source,
	        pm->spec->destination);
	if (err->sys == EINVAL)
		return err_hint(err, "its file system may not support idmapped mounts, or it is "
		                     "one already");
	if (err->sys == EPERM)
		return err_hint(err, "it takes root in the user namespace that the file system "
		                     "belongs to");
	return -1;
}

static int open_one(struct runtime_sandbox *s, size_t index, struct err *err)
{
	const struct plan_mount *pm = &s->plan.mounts[index];
	unsigned tree = pm->options.flags & MOUNT_RECURSIVE ? AT_RECURSIVE : 0;
	struct mount_attr slave = { .propagation = MS_SLAVE };
	AUTO_FD fd = mount_source_open(s, pm, err);

	if (fd < 0)
		return -1;
	if (pm->options.propagation != MS_SHARED &&
	    mount_setattr(fd, "", AT_EMPTY_PATH | tree, &slave, sizeof(slave)) < 0)
		return err_sys(err, errno, "mounts[%zu]: source '%s' of '%s'", index,
		               pm->spec->source, pm->spec->destination);
	if (pm->idmap && map_ids(s, pm, fd, index, err) < 0)
		return -1;
	s->mount_sources[index] = TAKE_FD(fd);
	return 0;
}

/* With a user namespace the new process may not reach the sources that the caller can, and in a
 * joined mount namespace the paths are others: the caller opens them. Ordinary users cannot clone
 * mounts here, and then have the same rights inside. */
static bool opens_all(const struct runtime_sandbox *s)
{
	return s->plan.ns_join[OCI_NS_MOUNT] ||
	       (s->spec->linux_.ns[OCI_NS_USER].wanted && caps_have(CAP_SYS_ADMIN));
}

/* A link that is copied rather than mounted is read where it is. */
static bool copies_link(struct runtime_sandbox *s, const struct plan_mount *pm)
{
	AUTO_FREE char *path = NULL;
	struct stat st;

	if (!(pm->options.flags & MOUNT_COPY_SYMLINK) || pm->spec->source_fd >= 0)
		return false;
	path = bundle_path(s->args, pm->spec->source);
	return lstat(path, &st) == 0 && S_ISLNK(st.st_mode);
}

int mount_sources_open(struct runtime_sandbox *s, struct err *err)
{
	bool all = opens_all(s);

	s->mount_sources = xmalloc((s->plan.n_mounts + 1) * sizeof(int));
	for (size_t i = 0; i < s->plan.n_mounts; i++)
		s->mount_sources[i] = -1;
	for (size_t i = 0; i < s->plan.n_mounts; i++) {
		const struct plan_mount *pm = &s->plan.mounts[i];

		if (pm->kind != PLAN_MOUNT_BIND || (!all && !pm->idmap) ||
		    (pm->spec->source_fd >= 0 && !pm->idmap) || copies_link(s, pm))
			continue;
		if (open_one(s, i, err) < 0)
			return -1;
	}
	return 0;
}
