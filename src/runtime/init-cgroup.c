/* The container's view of its cgroups: its own directory of each hierarchy it has joined, and
 * nothing above. Bound from the host's mounts, which works with and without a cgroup namespace
 * and keeps v1's release_agent, a file of the root, out of reach (CVE-2022-0492). */
#include "runtime/internal.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include "base/xalloc.h"
#include "sys/rootfs.h"

static int failed(struct err *err, int r, const struct oci_mount *m, const char *what)
{
	return err_sys(err, -r, "mounts: %s the cgroups on '%s'", what, m->destination);
}

static int attach_dir(int source_fd, uint64_t attrs, int target_fd)
{
	struct mount_attr attr = { .attr_set = attrs };
	AUTO_FD tree =
		open_tree(source_fd, "", OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_EMPTY_PATH);

	if (tree < 0 || mount_setattr(tree, "", AT_EMPTY_PATH, &attr, sizeof(attr)) < 0 ||
	    move_mount(tree, "", target_fd, "", MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH) <
	            0)
		return -errno;
	return 0;
}

/* The directory of one hierarchy: opened by this process, on mounts of its own namespace (a
 * descriptor of the caller's belongs to another, and cannot be cloned here). */
static int open_own(const struct runtime_sandbox *s, enum cgroup_controller h)
{
	const char *name = cgroup_controller_name(h, false);
	AUTO_FREE char *path = NULL;
	int fd;

	if (cgroup_layout_get()->mode == CGROUP_MODE_V2)
		path = xasprintf("/sys/fs/cgroup%s", s->plan.cgroup_path);
	else
		path = xasprintf("/sys/fs/cgroup/%s%s", name, s->plan.cgroup_path);
	fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

static int mount_v2(struct runtime_sandbox *s, const struct plan_mount *pm, int target,
                    struct err *err)
{
	AUTO_FD own = open_own(s, CGROUP_UNIFIED);
	int r = own < 0 ? own : attach_dir(own, pm->options.attr_set, target);

	return r < 0 ? failed(err, r, pm->spec, "bind") : 0;
}

static int mount_v1(struct runtime_sandbox *s, const struct plan_mount *pm, int target,
                    unsigned joined, struct err *err)
{
	struct mount_attr attr = { .attr_set = pm->options.attr_set };
	AUTO_FD sb = fsopen("tmpfs", FSOPEN_CLOEXEC), dir = -1;

	if (sb < 0 || fsconfig(sb, FSCONFIG_SET_STRING, "mode", "755", 0) < 0 ||
	    fsconfig(sb, FSCONFIG_CMD_CREATE, NULL, NULL, 0) < 0)
		return failed(err, -errno, pm->spec, "make a tmpfs for");
	dir = fsmount(sb, FSMOUNT_CLOEXEC, (unsigned)attr.attr_set & ~MOUNT_ATTR_RDONLY);
	if (dir < 0 ||
	    move_mount(dir, "", target, "", MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH) < 0)
		return failed(err, -errno, pm->spec, "mount a tmpfs for");
	for (int h = 0; h < CGROUP_MAX; h++) {
		const char *name = cgroup_controller_name(h, false);
		AUTO_FD own = -1, at = -1;
		int r;

		if (!(joined & CGROUP_BIT(h)))
			continue;
		own = open_own(s, h);
		if (own == -ENOENT)
			continue; /* v2 beside v1 that the host did not mount */
		if (own < 0 || mkdirat(dir, name, 0755) < 0)
			return failed(err, own < 0 ? own : -errno, pm->spec, "open");
		at = rootfs_open_nolinks(dir, name, O_PATH | O_DIRECTORY, 0);
		r = at < 0 ? at : attach_dir(own, attr.attr_set, at);
		if (r < 0)
			return failed(err, r, pm->spec, "bind");
		/* "cpuacct" beside "cpu" where both are one hierarchy */
		for (int c = h + 1; c < CGROUP_UNIFIED; c++)
			if (cgroup_layout_get()->available & CGROUP_BIT(c) &&
			    !(cgroup_layout_get()->on_v2 & CGROUP_BIT(c)) &&
			    (int)cgroup_hierarchy_of(c) == h)
				(void)!symlinkat(name, dir, cgroup_controller_name(c, false));
	}
	if (attr.attr_set & MOUNT_ATTR_RDONLY &&
	    mount_setattr(dir, "", AT_EMPTY_PATH, &attr, sizeof(attr)) < 0)
		return failed(err, -errno, pm->spec, "make read-only");
	return 0;
}

int init_mount_cgroup(struct runtime_sandbox *s, const struct plan_mount *pm, int root_fd,
                      struct err *err)
{
	AUTO_FD target = rootfs_mkdir_all(root_fd, pm->spec->destination, 0755);
	enum cgroup_mode mode = cgroup_layout_get()->mode;

	if (target < 0)
		return failed(err, target, pm->spec, "open the target of");
	if (init_wait_cgroup(s, err) < 0)
		return -1;
	if (mode == CGROUP_MODE_NONE || !s->plan.cgroup_path || !s->cgroup_hierarchies)
		return 0; /* nothing of the container's own to show */
	if (mode == CGROUP_MODE_V2)
		return mount_v2(s, pm, target, err);
	return mount_v1(s, pm, target, s->cgroup_hierarchies, err);
}
