#include "runtime/rdt.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/xalloc.h"

#define RESCTRL_PATH  "/sys/fs/resctrl"
#define RESCTRL_MAGIC 0x7655821
#define SCHEMATA_MAX  65536

void rdt_done(struct rdt *r)
{
	free(r->group);
	*r = (struct rdt){ 0 };
}

int rdt_open(struct err *err)
{
	AUTO_FD fd = open(RESCTRL_PATH, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	struct statfs fs;

	if (fd >= 0 && fstatfs(fd, &fs) == 0 && fs.f_type == RESCTRL_MAGIC)
		return TAKE_FD(fd);
	err_set(err, E_UNSUPPORTED, "linux.intelRdt: no resctrl file system is mounted on '%s'",
	        RESCTRL_PATH);
	return err_hint(err, "mount -t resctrl resctrl " RESCTRL_PATH ", on a CPU that has RDT");
}

/* The value of cache `id` in "0=7f0;1=1f": *ret_len characters without leading zeros. */
static const char *value_of(const char *pairs, unsigned long id, size_t *ret_len)
{
	for (const char *p = pairs; *p;) {
		char *end;
		unsigned long n = strtoul(p, &end, 10);

		if (*end == '=' && n == id) {
			end++;
			end += strspn(end, " ");
			while (*end == '0' && end[1] && !strchr(";\n", end[1]))
				end++;
			*ret_len = strcspn(end, "; \n");
			return end;
		}
		p = end + strcspn(end, ";\n");
		if (*p != ';')
			return NULL;
		p++;
	}
	return NULL;
}

/* Behind "L3:" on the line of that name; the kernel pads names with blanks. */
static const char *find_resource(const char *schemata, const char *name, size_t len)
{
	for (const char *p = schemata; p && *p; p = strchr(p, '\n')) {
		p += *p == '\n';
		p += strspn(p, " ");
		if (strncmp(p, name, len) == 0 && p[len] == ':')
			return p + len + 1;
	}
	return NULL;
}

bool rdt_schemata_have(const char *schemata, const char *line)
{
	const char *colon = strchr(line, ':'), *have;

	if (!colon)
		return false;
	line += strspn(line, " ");
	have = find_resource(schemata, line, (size_t)(colon - line));
	if (!have)
		return false;
	for (const char *p = colon + 1; *p;) {
		size_t want_len = 0, have_len = 0;
		unsigned long id = strtoul(p, NULL, 10);
		const char *want = value_of(p, id, &want_len), *got = value_of(have, id, &have_len);

		if (!want || !got || want_len != have_len || strncasecmp(want, got, want_len) != 0)
			return false;
		p += strcspn(p, ";");
		p += *p == ';';
	}
	return true;
}

static int open_group(int root_fd, const char *group)
{
	return openat(root_fd, *group ? group : ".",
	              O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
}

static int write_file(int dir_fd, const char *file, const char *text)
{
	AUTO_FD fd = openat(dir_fd, file, O_WRONLY | O_NOFOLLOW | O_CLOEXEC);

	return fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text) ? 0 : -1;
}

/* In the order that the specification wants. */
static void wanted_lines(const struct oci_intel_rdt *spec, struct strv *ret)
{
	if (spec->l3_cache_schema && *spec->l3_cache_schema)
		strv_add(ret, spec->l3_cache_schema);
	if (spec->mem_bw_schema && *spec->mem_bw_schema)
		strv_add(ret, spec->mem_bw_schema);
	for (size_t i = 0; i < spec->schemata.len; i++)
		strv_add(ret, spec->schemata.items[i]);
}

static int write_schemata(int group_fd, const char *group, const char *line, struct err *err)
{
	AUTO_FREE char *text = xasprintf("%s\n", line);

	if (write_file(group_fd, "schemata", text) == 0)
		return 0;
	err_sys(err, errno, "linux.intelRdt: write '%s' to the schemata of '%s'", line, group);
	return err_hint(err, "/sys/fs/resctrl/info/last_cmd_status says why");
}

static int check_schemata(int group_fd, const char *group, const struct strv *lines,
                          struct err *err)
{
	AUTO_FREE char *have = NULL;
	size_t len = 0;

	if (file_read_at(group_fd, "schemata", SCHEMATA_MAX, &have, &len, err) < 0)
		return err_ctx(err, "linux.intelRdt: class '%s'", group);
	for (size_t i = 0; i < lines->len; i++)
		if (!rdt_schemata_have(have, lines->items[i]))
			return err_set(err, E_STATE,
			               "linux.intelRdt.closID: class '%s' exists, and its schemata "
			               "differ from '%s'",
			               group, lines->items[i]);
	return 0;
}

static int make_monitor(int group_fd, const char *id, struct rdt *r, struct err *err)
{
	AUTO_FREE char *path = xasprintf("mon_groups/%s", id);

	if (mkdirat(group_fd, path, 0755) < 0)
		return err_sys(err, errno, "linux.intelRdt.enableMonitoring: make '%s'", path);
	r->monitored = true;
	return 0;
}

static int add_task(int group_fd, const char *id, const struct rdt *r, pid_t pid, struct err *err)
{
	AUTO_FREE char *monitor = xasprintf("mon_groups/%s/tasks", id);
	char text[16];

	snprintf(text, sizeof(text), "%d", pid);
	if (write_file(group_fd, "tasks", text) < 0 ||
	    (r->monitored && write_file(group_fd, monitor, text) < 0))
		return err_sys(err, errno, "linux.intelRdt: move process %d to class '%s'", pid,
		               r->group);
	return 0;
}

static int join(int root_fd, const struct oci_intel_rdt *spec, const char *id, pid_t pid,
                struct rdt *r, struct err *err)
{
	AUTO_STRV lines = STRV_INIT;
	AUTO_FD group_fd = -1;
	bool fresh;

	wanted_lines(spec, &lines);
	fresh = *r->group && (lines.len || !spec->clos_id) && mkdirat(root_fd, r->group, 0755) == 0;
	if (*r->group && !fresh && (lines.len || !spec->clos_id) && errno != EEXIST)
		return err_sys(err, errno, "linux.intelRdt: make the class '%s'", r->group);
	/* A class that the configuration names outlives the container. */
	r->made = fresh && !spec->clos_id;
	group_fd = open_group(root_fd, r->group);
	if (group_fd < 0)
		return err_sys(err, errno, "linux.intelRdt.closID: class '%s'", r->group);
	if (fresh || !spec->clos_id) {
		for (size_t i = 0; i < lines.len; i++)
			if (write_schemata(group_fd, r->group, lines.items[i], err) < 0) {
				if (fresh && spec->clos_id)
					unlinkat(root_fd, r->group, AT_REMOVEDIR);
				return -1;
			}
	} else if (check_schemata(group_fd, r->group, &lines, err) < 0) {
		return -1;
	}
	if (spec->enable_monitoring && make_monitor(group_fd, id, r, err) < 0)
		return -1;
	return add_task(group_fd, id, r, pid, err);
}

int rdt_join(int root_fd, const struct oci_intel_rdt *spec, const char *id, pid_t pid,
             struct rdt *ret, struct err *err)
{
	struct rdt r = { 0 };

	r.group = xstrdup(!spec->clos_id ? id : strcmp(spec->clos_id, "/") ? spec->clos_id : "");
	if (join(root_fd, spec, id, pid, &r, err) == 0) {
		*ret = r;
		return 0;
	}
	rdt_remove(root_fd, &r, id);
	rdt_done(&r);
	return -1;
}

void rdt_remove(int root_fd, const struct rdt *r, const char *id)
{
	AUTO_FD group_fd = r->group ? open_group(root_fd, r->group) : -1;

	if (group_fd >= 0 && r->monitored) {
		AUTO_FREE char *path = xasprintf("mon_groups/%s", id);

		unlinkat(group_fd, path, AT_REMOVEDIR);
	}
	if (r->made)
		unlinkat(root_fd, r->group, AT_REMOVEDIR);
}

void rdt_leave(const struct rdt *r, const char *id)
{
	AUTO_FD root = rdt_open(ERR_IGNORE);

	if (root >= 0)
		rdt_remove(root, r, id);
}

int rdt_update(int root_fd, const char *group, const char *l3, const char *mem_bw, struct err *err)
{
	AUTO_FD group_fd = open_group(root_fd, group);

	if (group_fd < 0)
		return err_sys(err, errno, "linux.intelRdt: class '%s'", group);
	if (l3 && write_schemata(group_fd, group, l3, err) < 0)
		return -1;
	return mem_bw ? write_schemata(group_fd, group, mem_bw, err) : 0;
}
