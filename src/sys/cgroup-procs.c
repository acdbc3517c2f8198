/* The processes of a cgroup: listing, signalling, freezing, removal. */
#include "sys/cgroup-internal.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <time.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/xalloc.h"

#define WAIT_TOTAL_MS 2000 /* for the kernel to finish what it was told */

static void sleep_ms(long ms)
{
	struct timespec t = { .tv_nsec = ms * 1000000 };

	nanosleep(&t, NULL);
}

int cgroup_walk(int dir_fd, int (*visit)(void *ctx, int dir_fd), void *ctx)
{
	int fd = openat(dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct dirent *e;
	DIR *dir;
	int r = 0;

	if (fd < 0)
		return errno == ENOENT ? 0 : -errno;
	dir = fdopendir(fd);
	if (!dir) {
		close(fd);
		return -ENOMEM;
	}
	while (r >= 0 && (e = readdir(dir))) {
		AUTO_FD child = -1;

		if (e->d_type != DT_DIR || e->d_name[0] == '.')
			continue;
		child = openat(dir_fd, e->d_name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		if (child >= 0)
			r = cgroup_walk(child, visit, ctx);
	}
	closedir(dir);
	return r < 0 ? r : visit(ctx, dir_fd);
}

struct pid_list {
	pid_t *items;
	size_t count;
};

static int collect_pids(void *ctx, int dir_fd)
{
	struct pid_list *list = ctx;
	AUTO_FREE char *text = NULL;
	size_t len;
	AUTO_FD fd = openat(dir_fd, "cgroup.procs", O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return errno == ENOENT ? 0 : -errno;
	if (fd_read_all(fd, 16u << 20, &text, &len, ERR_IGNORE) < 0)
		return 0; /* ENODEV: removed while we looked */
	for (char *p = text; *p;) {
		long pid = strtol(p, &p, 10);

		if (pid > 0)
			VEC_PUSH(list->items, list->count, (pid_t)pid);
		while (*p && (*p < '0' || *p > '9'))
			p++;
	}
	return 0;
}

/* The hierarchy to ask for processes: v2 when joined, else any. */
static int procs_fd(const struct cgroup *cg)
{
	if (cg->fds[CGROUP_UNIFIED] >= 0)
		return cg->fds[CGROUP_UNIFIED];
	for (int h = 0; h < CGROUP_MAX; h++)
		if (cg->fds[h] >= 0)
			return cg->fds[h];
	return -1;
}

int cgroup_pids(struct cgroup *cg, pid_t **ret, size_t *ret_count, struct err *err)
{
	struct pid_list list = { 0 };
	int fd = procs_fd(cg);
	int r = fd < 0 ? 0 : cgroup_walk(fd, collect_pids, &list);

	if (r < 0) {
		free(list.items);
		return err_sys(err, -r, "list the processes of cgroup '%s'", cg->path);
	}
	*ret = list.items;
	*ret_count = list.count;
	return 0;
}

int cgroup_kill_all(struct cgroup *cg, int signal, struct err *err)
{
	AUTO_FREE pid_t *pids = NULL;
	size_t n = 0;

	if (signal == SIGKILL && cg->fds[CGROUP_UNIFIED] >= 0 &&
	    cgroup_write(cg, CGROUP_UNIFIED, "cgroup.kill", "1") == 0)
		return 0;
	/* Freezing would make it race-free for forking processes; killing until none is left does,
	 * too (cgroup_remove), without stopping those that are only signalled. */
	if (cgroup_pids(cg, &pids, &n, err) < 0)
		return -1;
	for (size_t i = 0; i < n; i++)
		if (kill(pids[i], signal) < 0 && errno != ESRCH)
			return err_sys(err, errno, "signal process %d of cgroup '%s'", pids[i],
			               cg->path);
	return 0;
}

static int remove_dir(void *ctx, int dir_fd)
{
	/* A directory cannot be removed by its descriptor: its parent is asked for by "..", which
	 * is safe on cgroupfs, where there are no links and no renames. */
	char target[32], path[256], *name;
	ssize_t n;

	snprintf(target, sizeof(target), "/proc/self/fd/%d", dir_fd);
	n = readlink(target, path, sizeof(path) - 1);
	(void)ctx;
	if (n < 0)
		return -errno;
	path[n] = '\0';
	name = strrchr(path, '/');
	if (!name || !name[1])
		return -EINVAL;
	{
		AUTO_FD parent = openat(dir_fd, "..", O_PATH | O_DIRECTORY | O_CLOEXEC);

		if (parent < 0)
			return errno == ENOENT ? 0 : -errno;
		if (unlinkat(parent, name + 1, AT_REMOVEDIR) < 0 && errno != ENOENT)
			return -errno;
	}
	return 0;
}

/* Most have nothing below them. */
static int remove_leaf(const struct cgroup *cg, int dir_fd)
{
	const char *name = strrchr(cg->path, '/');
	AUTO_FD parent = openat(dir_fd, "..", O_PATH | O_DIRECTORY | O_CLOEXEC);

	if (parent < 0 || !name || !name[1])
		return -ENOENT;
	return unlinkat(parent, name + 1, AT_REMOVEDIR) < 0 ? -errno : 0;
}

int cgroup_remove(struct cgroup *cg, bool kill_them, struct err *err)
{
	for (int h = 0; h < CGROUP_MAX; h++) {
		int64_t end = clock_monotonic_ms() + WAIT_TOTAL_MS;
		long pause_ms = 1;
		int r;

		if (cg->fds[h] < 0)
			continue;
		r = remove_leaf(cg, cg->fds[h]);
		while (r < 0 && (r = cgroup_walk(cg->fds[h], remove_dir, NULL)) == -EBUSY &&
		       clock_monotonic_ms() < end) {
			/* Busy: processes that were killed a moment ago, or that still have to be.
			 */
			if (kill_them)
				(void)cgroup_kill_all(cg, SIGKILL, ERR_IGNORE);
			sleep_ms(pause_ms);
			pause_ms = pause_ms < 50 ? pause_ms * 2 : 50;
		}
		if (r < 0 && r != -ENOENT)
			return err_sys(err, -r, "remove cgroup '%s' of '%s'", cg->path,
			               cgroup_controller_name(h, false));
		close(TAKE_FD(cg->fds[h]));
		cg->joined &= ~CGROUP_BIT(h);
	}
	return 0;
}

static bool v2_is_frozen(struct cgroup *cg)
{
	char buf[256];

	return cgroup_read(cg, CGROUP_UNIFIED, "cgroup.events", buf, sizeof(buf)) > 0 &&
	       strstr(buf, "frozen 1");
}

static bool v1_is_frozen(struct cgroup *cg)
{
	char buf[32];

	return cgroup_read(cg, CGROUP_FREEZER, "freezer.state", buf, sizeof(buf)) > 0 &&
	       strncmp(buf, "FROZEN", 6) == 0;
}

bool cgroup_is_frozen(struct cgroup *cg)
{
	if (cg->fds[CGROUP_UNIFIED] >= 0)
		return v2_is_frozen(cg);
	return v1_is_frozen(cg);
}

int cgroup_freeze(struct cgroup *cg, bool frozen, struct err *err)
{
	/* cgroup.freeze is part of v2's core, so it also works on a hybrid host. */
	bool v2 = cg->fds[CGROUP_UNIFIED] >= 0;
	int64_t end = clock_monotonic_ms() + WAIT_TOTAL_MS;
	int r;

	do {
		r = v2 ? cgroup_write(cg, CGROUP_UNIFIED, "cgroup.freeze", frozen ? "1" : "0")
		       : cgroup_write(cg, CGROUP_FREEZER, "freezer.state",
		                      frozen ? "FROZEN" : "THAWED");
		if (r == -ENOENT)
			return err_set(err, E_UNSUPPORTED, "cgroup '%s' has no freezer", cg->path);
		if (r < 0)
			return err_sys(err, -r, "%s cgroup '%s'", frozen ? "freeze" : "thaw",
			               cg->path);
		if (cgroup_is_frozen(cg) == frozen)
			return 0;
		sleep_ms(2);
		/* v1: a process that forked meanwhile is caught by writing FROZEN again. */
	} while (clock_monotonic_ms() < end);
	if (frozen)
		(void)cgroup_freeze(cg, false, ERR_IGNORE);
	return err_set(err, E_TIMEOUT, "cgroup '%s' did not %s within %d ms", cg->path,
	               frozen ? "freeze" : "thaw", WAIT_TOTAL_MS);
}
