/* Saving a container. */
#include "runtime/criu-internal.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "base/fd.h"
#include "base/xalloc.h"
#include "codec/json.h"
#include "codec/protobuf.h"
#include "sys/cgroup.h"

/* Fields of criu_opts. */
enum { OPT_PID = 2, OPT_ROOT = 13, OPT_EXT_MNT = 23, OPT_EXTERNAL = 37, OPT_FREEZE_CGROUP = 44 };

static void add_external(struct criu *c, const char *text)
{
	protobuf_add_str(&c->opts, OPT_EXTERNAL, text);
}

/* What is bound from the host is not saved, and bound again at the restore. */
static void add_mounts(struct criu *c, const struct plan *plan)
{
	bool v2 = cgroup_layout_get()->mode == CGROUP_MODE_V2;

	for (size_t i = 0; i < plan->n_mounts; i++)
		if (plan->mounts[i].kind == PLAN_MOUNT_BIND ||
		    (plan->mounts[i].kind == PLAN_MOUNT_CGROUP && v2))
			criu_add_pair(c, OPT_EXT_MNT, plan->mounts[i].spec->destination,
			              plan->mounts[i].spec->destination);
}

/* Joined network and pid namespaces stay where they are. */
static int add_namespaces(struct criu *c, const struct oci_spec *spec, struct err *err)
{
	static const struct {
		enum oci_ns ns;
		const char *name, *key;
	} kinds[] = { { OCI_NS_NETWORK, "net", "extRootNetNS" },
		      { OCI_NS_PID, "pid", "extRootPidNS" } };

	for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
		const char *path = spec->linux_.ns[kinds[i].ns].path;
		AUTO_FREE char *text = NULL;
		struct stat st;

		if (!path)
			continue;
		if (stat(path, &st) < 0)
			return err_sys(err, errno, "linux.namespaces: '%s'", path);
		text = xasprintf("%s[%lu]:%s", kinds[i].name, (unsigned long)st.st_ino,
		                 kinds[i].key);
		add_external(c, text);
	}
	return 0;
}

static long mount_id_of(pid_t pid, int fd)
{
	AUTO_FREE char *path = xasprintf("/proc/%d/fdinfo/%d", pid, fd);
	AUTO_FREE char *text = NULL;
	size_t len = 0;
	const char *line;

	if (file_read_at(AT_FDCWD, path, 65536, &text, &len, ERR_IGNORE) < 0)
		return -1;
	line = strstr(text, "mnt_id:");
	return line ? strtol(line + 7, NULL, 10) : -1;
}

static bool has_mount(pid_t pid, long id)
{
	AUTO_FREE char *path = xasprintf("/proc/%d/mountinfo", pid);
	AUTO_FREE char *text = NULL;
	AUTO_FREE char *want = xasprintf("\n%ld ", id);
	size_t len = 0;

	if (file_read_at(AT_FDCWD, path, 16u << 20, &text, &len, ERR_IGNORE) < 0)
		return true;
	return strncmp(text, want + 1, strlen(want) - 1) == 0 || strstr(text, want);
}

/* Files of the host at 0 to 2 are replaced at the restore, as pipes are: named so that they are
 * found again. */
static void add_descriptors(struct criu *c, pid_t pid)
{
	for (int fd = 0; fd < 3; fd++) {
		AUTO_FREE char *path = xasprintf("/proc/%d/fd/%d", pid, fd);
		char target[256] = "";
		struct stat st;
		long id;

		if (readlink(path, target, sizeof(target) - 1) < 0) {
			strv_add(&c->descriptors, "");
			continue;
		}
		id = mount_id_of(pid, fd);
		if (target[0] == '/' && id >= 0 && !has_mount(pid, id) && stat(path, &st) == 0) {
			AUTO_FREE char *key =
				xasprintf("file[%lx:%lx]", id, (unsigned long)st.st_ino);

			add_external(c, key);
			strv_add(&c->descriptors, key);
		} else {
			strv_add(&c->descriptors, target);
		}
	}
}

/* As runc has it: a list of what 0, 1 and 2 are. */
static int write_descriptors(struct criu *c, struct err *err)
{
	AUTO_JSON *list = json_object_new_array();
	const char *text;

	for (size_t i = 0; i < c->descriptors.len; i++)
		json_object_array_add(list, json_object_new_string(c->descriptors.items[i]));
	text = json_text(list, false);
	return file_write_atomic_at(c->images_fd, "descriptors.json", text, strlen(text), 0600, 0,
	                            err);
}

static int load_config(int state_root_fd, const char *id, struct oci_spec *ret, struct err *err)
{
	AUTO_FREE char *path = xasprintf("%s/config.json", id);
	AUTO_FREE char *text = NULL;
	size_t len = 0;

	if (file_read_at(state_root_fd, path, 16u << 20, &text, &len, err) < 0)
		return err_ctx(err, "container '%s'", id);
	return oci_spec_parse(ret, "config.json", text, len, err);
}

static void add_freezer(struct criu *c, const struct runtime_state *st)
{
	const struct cgroup_layout *l = cgroup_layout_get();
	AUTO_FREE char *path = NULL;

	if (!st->cgroup_path)
		return;
	if (l->mode == CGROUP_MODE_V2)
		path = xasprintf("/sys/fs/cgroup%s", st->cgroup_path);
	else if (st->cgroup_joined & CGROUP_BIT(CGROUP_FREEZER))
		path = xasprintf("/sys/fs/cgroup/freezer%s", st->cgroup_path);
	if (path)
		protobuf_add_str(&c->opts, OPT_FREEZE_CGROUP, path);
}

static int dump(struct criu *c, const struct runtime_state *st, const struct oci_spec *spec,
                const struct plan *plan, struct err *err)
{
	bool pre = c->options->flags & CRIU_PRE_DUMP;

	if (criu_begin(c, true, pre ? "pre-dump.log" : "dump.log", err) < 0)
		return -1;
	protobuf_add_int(&c->opts, OPT_PID, st->pid);
	if (st->rootfs)
		protobuf_add_str(&c->opts, OPT_ROOT, st->rootfs);
	add_mounts(c, plan);
	add_descriptors(c, st->pid);
	add_freezer(c, st);
	if (add_namespaces(c, spec, err) < 0)
		return -1;
	if (pre)
		return criu_run(c, CRIU_PRE_DUMP_REQUEST, err);
	if (write_descriptors(c, err) < 0)
		return -1;
	return criu_run(c, CRIU_DUMP, err);
}

int runtime_checkpoint(int state_root_fd, const char *id, const struct criu_options *o,
                       struct err *err)
{
	struct criu c = CRIU_INIT;
	struct plan plan = { 0 };
	AUTO_STATE st = { 0 };
	AUTO_SPEC spec;
	int r;

	c.options = o;
	oci_spec_init(&spec);
	if (geteuid() != 0)
		return err_set(err, E_PERM, "checkpoint: criu needs root");
	if (runtime_state(state_root_fd, id, &st, err) < 0)
		return -1;
	if (st.status != RUNTIME_RUNNING)
		return err_set(err, E_STATE, "container '%s' is %s, and has to run", id,
		               runtime_status_name(st.status));
	if (o->parent && o->parent[0] == '/')
		return err_set(err, E_INVALID, "parent path '%s': has to be relative to the images",
		               o->parent);
	if (load_config(state_root_fd, id, &spec, err) < 0)
		return -1;
	r = plan_make(&plan, &spec, id, err);
	if (r == 0)
		r = dump(&c, &st, &spec, &plan, err);
	plan_done(&plan);
	criu_done(&c);
	return r < 0 ? err_ctx(err, "checkpoint '%s'", id) : 0;
}
