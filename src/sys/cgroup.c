#include "sys/cgroup-internal.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#include "base/fd.h"
#include "base/strbuf.h"
#include "base/xalloc.h"
#include "sys/rootfs.h"

#define CGROUP2_MAGIC  0x63677270
#define TMPFS_FS_MAGIC 0x01021994

/* clang-format off */
static const struct { const char *v1, *v2; } names[CGROUP_MAX] = {
	[CGROUP_CPU] = { "cpu", "cpu" },
	[CGROUP_CPUACCT] = { "cpuacct", "cpu" },
	[CGROUP_CPUSET] = { "cpuset", "cpuset" },
	[CGROUP_MEMORY] = { "memory", "memory" },
	[CGROUP_DEVICES] = { "devices", NULL },
	[CGROUP_FREEZER] = { "freezer", NULL },
	[CGROUP_BLKIO] = { "blkio", "io" },
	[CGROUP_PIDS] = { "pids", "pids" },
	[CGROUP_HUGETLB] = { "hugetlb", "hugetlb" },
	[CGROUP_NET_CLS] = { "net_cls", NULL },
	[CGROUP_NET_PRIO] = { "net_prio", NULL },
	[CGROUP_PERF_EVENT] = { "perf_event", NULL },
	[CGROUP_RDMA] = { "rdma", "rdma" },
	[CGROUP_MISC] = { "misc", "misc" },
	[CGROUP_SYSTEMD] = { "systemd", NULL },
	[CGROUP_UNIFIED] = { "unified", "" },
};
/* clang-format on */

static struct {
	bool known;
	struct cgroup_layout layout;
	enum cgroup_controller hierarchy[CGROUP_MAX];
	int v2_root;
	bool in_v2_root; /* this process is in the root cgroup of v2 */
} host = { .v2_root = -1 };

const char *cgroup_controller_name(enum cgroup_controller c, bool v2)
{
	return v2 ? names[c].v2 : names[c].v1;
}

unsigned cgroup_controller_of(const char *v2_file)
{
	size_t len = strcspn(v2_file, ".");

	for (int c = 0; c < CGROUP_UNIFIED; c++)
		if (names[c].v2 && strlen(names[c].v2) == len &&
		    memcmp(names[c].v2, v2_file, len) == 0)
			return CGROUP_BIT(c);
	return 0;
}

static int read_small(int dir_fd, const char *path, char *buf, size_t size)
{
	AUTO_FD fd = openat(dir_fd, path, O_RDONLY | O_CLOEXEC);
	ssize_t n;

	if (fd < 0)
		return -errno;
	n = read(fd, buf, size - 1);
	if (n < 0)
		return -errno;
	buf[n] = '\0';
	return (int)n;
}

static int mount_v2(void)
{
	AUTO_FD sb = fsopen("cgroup2", FSOPEN_CLOEXEC);
	int fd;

	if (sb < 0 || fsconfig(sb, FSCONFIG_CMD_CREATE, NULL, NULL, 0) < 0)
		return -errno;
	fd = fsmount(sb, FSMOUNT_CLOEXEC, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC);
	return fd < 0 ? -errno : fd;
}

/* A mount of the v2 hierarchy that only this process holds. A mount made in the initial cgroup
 * namespace sets the hierarchy's options for the whole machine, and waits 5 to 15 ms for a grace
 * period to do so (cgroup_favor_dynmods); one made in another namespace does neither. */
static int private_v2(void)
{
	AUTO_FD home = -1;
	int fd;

	if (!host.in_v2_root) /* a namespace of ours would show only what is below us */
		return mount_v2();
	home = open("/proc/self/ns/cgroup", O_RDONLY | O_CLOEXEC);
	if (home < 0 || unshare(CLONE_NEWCGROUP) < 0)
		return mount_v2();
	fd = mount_v2();
	if (setns(home, CLONE_NEWCGROUP) < 0) {
		int r = -errno;

		if (fd >= 0)
			close(fd);
		return r;
	}
	return fd;
}

int cgroup_v2_root(void)
{
	const char *path =
		host.layout.mode == CGROUP_MODE_V2 ? CGROUP_ROOT : CGROUP_ROOT "/unified";
	struct statfs fs;
	int r;

	if (host.v2_root >= 0)
		return host.v2_root;
	host.v2_root = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (host.v2_root >= 0 && fstatfs(host.v2_root, &fs) == 0 && fs.f_type == CGROUP2_MAGIC)
		return host.v2_root;
	if (host.v2_root >= 0)
		close(TAKE_FD(host.v2_root));
	/* The kernel always has the v2 hierarchy; where nobody mounted it, we do for ourselves. */
	r = private_v2();
	if (r >= 0)
		host.v2_root = r;
	return r;
}

static unsigned v2_controllers(int root_fd)
{
	char buf[512], *save = NULL;
	unsigned mask = 0;

	if (read_small(root_fd, "cgroup.controllers", buf, sizeof(buf)) < 0)
		return 0;
	for (char *w = strtok_r(buf, " \n", &save); w; w = strtok_r(NULL, " \n", &save))
		for (int c = 0; c < CGROUP_UNIFIED; c++)
			if (names[c].v2 && strcmp(names[c].v2, w) == 0)
				mask |= CGROUP_BIT(c);
	return mask;
}

/* One line of /proc/self/cgroup: "4:cpu,cpuacct:/path". */
static void note_hierarchy(char *line)
{
	char *list = strchr(line, ':'), *end, *save = NULL;
	int first = -1;

	if (!list || !(end = strchr(++list, ':')))
		return;
	if (list == end) /* "0::/path": v2 */
		host.in_v2_root = strcmp(end, ":/") == 0;
	*end = '\0';
	for (char *w = strtok_r(list, ",", &save); w; w = strtok_r(NULL, ",", &save)) {
		const char *name = strcmp(w, "name=systemd") == 0 ? "systemd" : w;

		for (int c = 0; c < CGROUP_UNIFIED; c++) {
			if (strcmp(names[c].v1, name) != 0)
				continue;
			first = first < 0 ? c : first;
			host.hierarchy[c] = first;
			host.layout.available |= CGROUP_BIT(c);
		}
	}
}

static void detect_v1(void)
{
	char buf[4096], *save = NULL;
	int root;

	host.layout.mode = CGROUP_MODE_V1;
	if (read_small(AT_FDCWD, "/proc/self/cgroup", buf, sizeof(buf)) < 0)
		return;
	for (char *line = strtok_r(buf, "\n", &save); line; line = strtok_r(NULL, "\n", &save))
		note_hierarchy(line);
	root = cgroup_v2_root();
	if (root < 0)
		return;
	host.layout.mode = CGROUP_MODE_HYBRID;
	host.layout.on_v2 = v2_controllers(root) & ~host.layout.available;
	host.layout.on_v2 |= CGROUP_BIT(CGROUP_UNIFIED);
	for (int c = 0; c < CGROUP_MAX; c++)
		if (host.layout.on_v2 & CGROUP_BIT(c))
			host.hierarchy[c] = CGROUP_UNIFIED;
	host.layout.available |= host.layout.on_v2;
}

const struct cgroup_layout *cgroup_layout_get(void)
{
	struct statfs fs;
	int root;

	if (host.known)
		return &host.layout;
	host.known = true;
	if (statfs(CGROUP_ROOT, &fs) < 0)
		return &host.layout;
	if (fs.f_type == TMPFS_FS_MAGIC) {
		detect_v1();
	} else if (fs.f_type == CGROUP2_MAGIC) {
		host.layout.mode = CGROUP_MODE_V2;
		for (int c = 0; c < CGROUP_MAX; c++)
			host.hierarchy[c] = CGROUP_UNIFIED;
		root = cgroup_v2_root();
		host.layout.available = v2_controllers(root) | CGROUP_BIT(CGROUP_UNIFIED) |
		                        CGROUP_BIT(CGROUP_FREEZER) | CGROUP_BIT(CGROUP_DEVICES);
		host.layout.on_v2 = host.layout.available;
	}
	return &host.layout;
}

enum cgroup_controller cgroup_hierarchy_of(enum cgroup_controller c)
{
	cgroup_layout_get();
	return host.hierarchy[c];
}

void cgroup_done(struct cgroup *cg)
{
	for (int c = 0; c < CGROUP_MAX; c++)
		if (cg->fds[c] >= 0)
			close(cg->fds[c]);
	free(cg->path);
	*cg = CGROUP_INIT;
}

static int hierarchy_root(enum cgroup_controller h)
{
	char path[64];
	int fd;

	if (h == CGROUP_UNIFIED) {
		fd = cgroup_v2_root();
		return fd < 0 ? fd : fd_dup(fd);
	}
	snprintf(path, sizeof(path), CGROUP_ROOT "/%s", names[h].v1);
	fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

static int write_at(int dir_fd, const char *file, const char *value)
{
	AUTO_FD fd = openat(dir_fd, file, O_WRONLY | O_CLOEXEC);
	size_t len = strlen(value);

	if (fd < 0)
		return -errno;
	return write(fd, value, len) == (ssize_t)len ? 0 : -errno;
}

/* v1 cpusets start empty and take no process until they have cpus and mems: the parent's. */
static int fill_cpuset(int parent_fd, int fd)
{
	static const char *const files[] = { "cpuset.cpus", "cpuset.mems" };
	char buf[1024];

	for (size_t i = 0; i < ARRAY_LEN(files); i++) {
		int r = read_small(fd, files[i], buf, sizeof(buf));

		if (r < 0)
			return r;
		if (buf[0] && buf[0] != '\n')
			continue;
		r = read_small(parent_fd, files[i], buf, sizeof(buf));
		if (r >= 0)
			r = write_at(fd, files[i], buf);
		if (r < 0)
			return r;
	}
	return 0;
}

/* v2: let children of dir_fd use the controllers, one by one where all together fail. */
static void enable_controllers(int dir_fd, unsigned controllers)
{
	AUTO_BUF all = STRBUF_INIT;

	for (int c = 0; c < CGROUP_UNIFIED; c++)
		if (controllers & CGROUP_BIT(c) && names[c].v2 && c != CGROUP_CPUACCT)
			strbuf_addf(&all, "%s+%s", all.len ? " " : "", names[c].v2);
	if (!all.len || write_at(dir_fd, "cgroup.subtree_control", all.buf) == 0)
		return;
	for (int c = 0; c < CGROUP_UNIFIED; c++) {
		char one[32];

		if (!(controllers & CGROUP_BIT(c)) || !names[c].v2)
			continue;
		snprintf(one, sizeof(one), "+%s", names[c].v2);
		/* What could not be enabled shows when its limit is written, with a reason. */
		(void)write_at(dir_fd, "cgroup.subtree_control", one);
	}
}

/* Make and open every component of path below one hierarchy's root. *ret_made: the last one is
 * new. */
static int make_path(enum cgroup_controller h, const char *path, unsigned controllers,
                     bool *ret_made)
{
	AUTO_FD dir = hierarchy_root(h);
	const char *p = path;

	*ret_made = false;
	while (dir >= 0) {
		char name[NAME_MAX + 1];
		size_t len;
		AUTO_FD next = -1;
		int r;

		p += strspn(p, "/");
		len = strcspn(p, "/");
		if (!len)
			break;
		if (len > NAME_MAX)
			return -ENAMETOOLONG;
		memcpy(name, p, len);
		name[len] = '\0';
		p += len;
		if (h == CGROUP_UNIFIED)
			enable_controllers(dir, controllers);
		*ret_made = mkdirat(dir, name, 0755) == 0;
		if (!*ret_made && errno != EEXIST)
			return -errno;
		next = openat(dir, name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		r = next < 0 ? -errno : 0;
		if (r == 0 && h == cgroup_hierarchy_of(CGROUP_CPUSET) && h != CGROUP_UNIFIED)
			r = fill_cpuset(dir, next);
		if (r < 0) {
			if (*ret_made)
				unlinkat(dir, name, AT_REMOVEDIR);
			return r;
		}
		close(dir);
		dir = TAKE_FD(next);
	}
	return TAKE_FD(dir);
}

static bool path_is_safe(const char *path)
{
	for (const char *p = path; *p;) {
		size_t len;

		p += strspn(p, "/");
		len = strcspn(p, "/");
		if ((len == 1 && *p == '.') || (len == 2 && p[0] == '.' && p[1] == '.'))
			return false;
		p += len;
	}
	return true;
}

int cgroup_create(struct cgroup *cg, const char *path, unsigned controllers, struct err *err)
{
	const struct cgroup_layout *layout = cgroup_layout_get();

	if (!path_is_safe(path))
		return err_set(err, E_INVALID, "cgroup path '%s' has a component '.' or '..'",
		               path);
	if (!cg->path)
		cg->path = xstrdup(path);
	controllers &= layout->available;
	for (int c = 0; c < CGROUP_MAX; c++) {
		enum cgroup_controller h = cgroup_hierarchy_of(c);
		bool made;

		if (!(controllers & CGROUP_BIT(c)) || cg->joined & CGROUP_BIT(h))
			continue;
		cg->fds[h] = make_path(h, path, controllers & layout->on_v2, &made);
		if (cg->fds[h] < 0)
			return err_sys(err, -cg->fds[h], "make cgroup '%s' in hierarchy '%s'", path,
			               names[h].v1);
		cg->joined |= CGROUP_BIT(h);
		if (made)
			cg->made |= CGROUP_BIT(h);
	}
	return 0;
}

int cgroup_open(struct cgroup *cg, const char *path, unsigned controllers, struct err *err)
{
	if (!path_is_safe(path))
		return err_set(err, E_INVALID, "cgroup path '%s' has a component '.' or '..'",
		               path);
	if (!cg->path)
		cg->path = xstrdup(path);
	controllers &= cgroup_layout_get()->available;
	for (int c = 0; c < CGROUP_MAX; c++) {
		enum cgroup_controller h = cgroup_hierarchy_of(c);
		AUTO_FD root = -1;
		int fd;

		if (!(controllers & CGROUP_BIT(c)) || cg->fds[h] >= 0)
			continue;
		root = hierarchy_root(h);
		if (root < 0)
			continue;
		fd = sys_openat2(root, path[0] == '/' ? path + 1 : path, O_PATH | O_DIRECTORY, 0,
		                 0);
		if (fd == -ENOENT)
			continue;
		if (fd < 0)
			return err_sys(err, -fd, "open cgroup '%s' in hierarchy '%s'", path,
			               names[h].v1);
		cg->fds[h] = fd;
		cg->joined |= CGROUP_BIT(h);
	}
	return 0;
}

int cgroup_attach_in(struct cgroup *cg, unsigned controllers, pid_t pid, struct err *err)
{
	char text[16];

	snprintf(text, sizeof(text), "%d", pid);
	for (int h = 0; h < CGROUP_MAX; h++) {
		int r;

		if (!(controllers & CGROUP_BIT(h)) || cg->fds[h] < 0)
			continue;
		r = write_at(cg->fds[h], "cgroup.procs", text);
		if (r < 0)
			return err_sys(err, -r, "move process %d into cgroup '%s' of '%s'", pid,
			               cg->path, names[h].v1);
	}
	return 0;
}

int cgroup_doors(struct cgroup *cg, unsigned controllers, int *fds, struct err *err)
{
	int n = 0;

	for (int h = 0; h < CGROUP_MAX; h++) {
		const char *file = h == CGROUP_UNIFIED ? "cgroup.procs" : "tasks";

		if (!(controllers & CGROUP_BIT(h)) || cg->fds[h] < 0)
			continue;
		fds[n] = openat(cg->fds[h], file, O_WRONLY | O_CLOEXEC);
		if (fds[n] >= 0) {
			n++;
			continue;
		}
		err_sys(err, errno, "open '%s' of cgroup '%s' of '%s'", file, cg->path,
		        names[h].v1);
		while (n > 0)
			close(fds[--n]);
		return -1;
	}
	return n;
}

int cgroup_enter(int door_fd)
{
	return write(door_fd, "0", 1) == 1 ? 0 : -errno;
}

int cgroup_attach(struct cgroup *cg, pid_t pid, struct err *err)
{
	return cgroup_attach_in(cg, cg->joined, pid, err);
}

static int fd_for(const struct cgroup *cg, enum cgroup_controller c)
{
	return cg->fds[cgroup_hierarchy_of(c)];
}

int cgroup_write(struct cgroup *cg, enum cgroup_controller c, const char *file, const char *value)
{
	int fd = fd_for(cg, c);

	if (cg->record)
		return cg->record(cg, c, file, value);
	return fd < 0 ? -ENOENT : write_at(fd, file, value);
}

int cgroup_read(struct cgroup *cg, enum cgroup_controller c, const char *file, char *buf,
                size_t size)
{
	int fd = fd_for(cg, c);

	return fd < 0 ? -ENOENT : read_small(fd, file, buf, size);
}

int cgroup_read_u64(struct cgroup *cg, enum cgroup_controller c, const char *file, uint64_t *ret)
{
	char buf[64], *end;
	int r = cgroup_read(cg, c, file, buf, sizeof(buf));

	if (r < 0)
		return r;
	if (strncmp(buf, "max", 3) == 0) {
		*ret = UINT64_MAX;
		return 0;
	}
	errno = 0;
	*ret = strtoull(buf, &end, 10);
	return errno || end == buf ? -EIO : 0;
}
