/* Mounts of the configuration, checked. */
#include "runtime/plan.h"

#include <limits.h>

#include "base/xalloc.h"
#include "runtime/lsm.h"

/* Absolute, without empty components, "." and "..": relative destinations start at "/". Only to be
 * compared; what is mounted on is found by the kernel. */
static int clean_path(const char *path, char *ret, size_t size)
{
	size_t len = 0;

	for (const char *p = path; *p;) {
		size_t n;

		p += strspn(p, "/");
		n = strcspn(p, "/");
		if (n == 2 && memcmp(p, "..", 2) == 0) {
			while (len > 0 && ret[--len] != '/')
				;
		} else if (n > 0 && !(n == 1 && *p == '.')) {
			if (len + n + 2 > size)
				return -1;
			ret[len++] = '/';
			memcpy(ret + len, p, n);
			len += n;
		}
		p += n;
	}
	if (len == 0)
		ret[len++] = '/';
	ret[len] = '\0';
	return 0;
}

/* Destinations on /proc would let the configuration replace files that programs, and the
 * runtime, trust. The exceptions are what lxcfs provides, and procfs itself. */
static bool destination_is_allowed(const struct plan_mount *m, const char *d)
{
	static const char *const files[] = {
		"/proc/cpuinfo",
		"/proc/diskstats",
		"/proc/meminfo",
		"/proc/stat",
		"/proc/swaps",
		"/proc/uptime",
		"/proc/loadavg",
		"/proc/slabinfo",
		"/proc/net/dev",
		"/proc/sys/kernel/ns_last_pid",
		"/proc/sys/crypto/fips_enabled",
		"/proc/sys/fs/binfmt_misc",
	};

	if (strncmp(d, "/proc", 5) != 0 || (d[5] && d[5] != '/'))
		return true;
	if (!d[5])
		return m->kind == PLAN_MOUNT_FS ? m->spec->type && !strcmp(m->spec->type, "proc")
		                                : true;
	for (size_t i = 0; i < ARRAY_LEN(files); i++)
		if (strcmp(d, files[i]) == 0)
			return true;
	return false;
}

static int plan_mount(struct plan_mount *m, const struct oci_mount *spec, size_t index,
                      const struct oci_linux *l, struct err *err)
{
	const char *type = spec->type ? spec->type : "";
	char where[300], path[PATH_MAX];

	snprintf(where, sizeof(where), "mounts[%zu] ('%.200s')", index, spec->destination);
	m->spec = spec;
	mount_options_parse(&spec->options, &m->options);
	if (m->options.flags & MOUNT_REMOUNT)
		m->kind = PLAN_MOUNT_REMOUNT;
	else if (m->options.flags & MOUNT_BIND || strcmp(type, "bind") == 0 || spec->source_fd >= 0)
		m->kind = PLAN_MOUNT_BIND;
	else if (strcmp(type, "cgroup") == 0 || strcmp(type, "cgroup2") == 0)
		m->kind = PLAN_MOUNT_CGROUP;
	else
		m->kind = PLAN_MOUNT_FS;
	if (m->kind == PLAN_MOUNT_BIND && !spec->source && spec->source_fd < 0)
		return err_set(err, E_INVALID, "%s: a bind mount needs a source", where);
	if (m->kind == PLAN_MOUNT_FS && !*type)
		return err_set(err, E_INVALID, "%s: no type is given", where);
	/* Nothing is below a new file system yet: its tree is itself. */
	if (m->kind == PLAN_MOUNT_FS)
		m->options.attr_set =
			(m->options.attr_set & ~m->options.tree_clr) | m->options.tree_set;
	if (plan_idmap(m, l, where, err) < 0)
		return -1;
	if (clean_path(spec->destination, path, sizeof(path)) < 0)
		return err_set(err, E_INVALID, "%s: the destination is too long", where);
	m->is_dev = strcmp(path, "/dev") == 0;
	m->is_proc = strcmp(path, "/proc") == 0;
	if (!destination_is_allowed(m, path))
		return err_set(err, E_PERM, "%s: mounting inside /proc is not allowed", where);
	return 0;
}

static void add_label(struct mount_options *o, const char *type, const char *mount_label)
{
	char *option = lsm_mount_option(type, mount_label);

	if (option)
		strv_add_owned(&o->data, option);
}

int plan_mounts(struct plan *plan, const struct oci_spec *spec, struct err *err)
{
	plan->setup_dev = true;
	plan->mounts = xcalloc(spec->n_mounts ? spec->n_mounts : 1, sizeof(*plan->mounts));
	for (size_t i = 0; i < spec->n_mounts; i++) {
		plan->n_mounts++;
		if (plan_mount(&plan->mounts[i], &spec->mounts[i], i, &spec->linux_, err) < 0)
			return -1;
		if (plan->mounts[i].kind == PLAN_MOUNT_FS)
			add_label(&plan->mounts[i].options, spec->mounts[i].type,
			          spec->linux_.mount_label);
		if (plan->mounts[i].is_dev && plan->mounts[i].kind == PLAN_MOUNT_BIND)
			plan->setup_dev = false;
	}
	return 0;
}
