/* Which cgroups an exec joins: the container's, or directories below it (`exec --cgroup`). */
#include "runtime/internal.h"

#include <errno.h>

#include "base/xalloc.h"

/* The controllers of "cpu,memory"; 0 with *err. */
static unsigned controllers_of(const char *list, size_t len, const char *what, struct err *err)
{
	AUTO_FREE char *copy = xasprintf("%.*s", (int)len, list);
	AUTO_STRV names = STRV_INIT;
	unsigned mask = 0;

	strv_split(&names, copy, ',');
	for (size_t i = 0; i < names.len; i++) {
		int c;

		for (c = 0; c < CGROUP_MAX; c++)
			if (strcmp(cgroup_controller_name(c, false), names.items[i]) == 0)
				break;
		if (c == CGROUP_MAX) {
			err_set(err, E_INVALID, "option --cgroup: '%s': unknown controller '%s'",
			        what, names.items[i]);
			return 0;
		}
		mask |= CGROUP_BIT(c);
	}
	if (!mask)
		err_set(err, E_INVALID, "option --cgroup: '%s' names no controller before ':'",
		        what);
	return mask;
}

static unsigned hierarchies(unsigned controllers)
{
	unsigned mask = 0;

	for (int c = 0; c < CGROUP_MAX; c++)
		if (controllers & CGROUP_BIT(c))
			mask |= CGROUP_BIT(cgroup_hierarchy_of(c));
	return mask;
}

/* In the hierarchies of `mask`, the directory at `sub` instead of the container's own. */
static int replace(struct cgroup *cg, const struct runtime_state *st, unsigned mask,
                   const char *sub, struct err *err)
{
	AUTO_FREE char *path = NULL;
	AUTO_CGROUP below = CGROUP_INIT;

	while (*sub == '/')
		sub++;
	if (!*sub)
		return 0;
	path = xasprintf("%s/%s", st->cgroup_path, sub);
	if (cgroup_open(&below, path, mask, err) < 0)
		return err_ctx(err, "option --cgroup");
	for (int h = 0; h < CGROUP_MAX; h++) {
		if (!(mask & CGROUP_BIT(h)))
			continue;
		if (below.fds[h] < 0)
			return err_set(err, E_NOT_FOUND,
			               "option --cgroup: the container has no cgroup '%s' in "
			               "hierarchy '%s'",
			               sub, cgroup_controller_name(h, false));
		close(cg->fds[h]);
		cg->fds[h] = TAKE_FD(below.fds[h]);
	}
	return 0;
}

int exec_cgroup(const struct runtime_exec_args *a, const struct runtime_state *st,
                struct cgroup *ret, struct err *err)
{
	unsigned seen = 0;

	if (!st->cgroup_path)
		return a->cgroups && a->cgroups->len
		               ? err_set(err, E_STATE,
		                         "option --cgroup: container '%s' has no cgroup of its own",
		                         st->id)
		               : 0;
	if (runtime_cgroup(st, ret, err) < 0)
		return -1;
	for (size_t i = 0; a->cgroups && i < a->cgroups->len; i++) {
		const char *what = a->cgroups->items[i], *colon = strchr(what, ':');
		unsigned mask = ret->joined;

		if (colon) {
			mask = controllers_of(what, (size_t)(colon - what), what, err);
			if (!mask)
				return -1;
			mask = hierarchies(mask);
			if (mask & ~ret->joined)
				return err_set(err, E_NOT_FOUND,
				               "option --cgroup: '%s': the container is in no "
				               "cgroup of that controller",
				               what);
		}
		if (seen & mask)
			return err_set(err, E_INVALID,
			               "option --cgroup: '%s' names a hierarchy a second time",
			               what);
		seen |= mask;
		if (replace(ret, st, mask, colon ? colon + 1 : what, err) < 0)
			return -1;
	}
	return 0;
}

int exec_cgroup_elsewhere(const struct runtime_state *st, int errno_value, struct cgroup *cg,
                          bool *ret_by_systemd)
{
	AUTO_CGROUP other = CGROUP_INIT;
	AUTO_FREE char *path = NULL;

	if (cg->fds[CGROUP_UNIFIED] < 0)
		return -1;
	if (errno_value == EACCES && st->systemd_unit) {
		close(TAKE_FD(cg->fds[CGROUP_UNIFIED]));
		*ret_by_systemd = true;
		return 0;
	}
	if (errno_value != EBUSY)
		return -1;
	path = scope_cgroup(st->pid, ERR_IGNORE);
	/* below the container's own, or the first process has been moved out by somebody */
	if (!path || strncmp(path, st->cgroup_path, strlen(st->cgroup_path)) != 0 ||
	    cgroup_open(&other, path, CGROUP_BIT(CGROUP_UNIFIED), ERR_IGNORE) < 0 ||
	    other.fds[CGROUP_UNIFIED] < 0)
		return -1;
	close(cg->fds[CGROUP_UNIFIED]);
	cg->fds[CGROUP_UNIFIED] = TAKE_FD(other.fds[CGROUP_UNIFIED]);
	return 0;
}
