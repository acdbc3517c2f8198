/* Bringing a container back: state and cgroup are made as for a new one, criu makes its processes.
 */
#include "runtime/criu-internal.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "base/fd.h"
#include "base/xalloc.h"
#include "codec/json.h"
#include "codec/protobuf.h"
#include "sys/pidfd.h"
#include "sys/rootfs.h"

#ifndef CLONE_NEWTIME
#	define CLONE_NEWTIME 0x00000080
#endif

/* Fields of criu_opts. */
enum {
	OPT_EVASIVE_DEVICES = 6,
	OPT_ROOT = 13,
	OPT_EXT_MNT = 23,
	OPT_CG_ROOT = 25,
	OPT_RST_SIBLING = 26,
	OPT_JOIN_NS = 39,
	OPT_LSM_PROFILE = 53,
	OPT_LSM_MOUNT_CONTEXT = 63,
};

/* ---- the root, in a mount namespace that criu has for itself ---- */

/* A directory of ours, opened again: what was opened before belongs to the mount namespace that was
 * left, where nothing can be mounted from here. The caller gets it as well, since criu opens the
 * directories by the caller's /proc/PID/fd. */
static int reopen(int fd, struct err *err)
{
	AUTO_FREE char *path = realpath(fd_path(fd).s, NULL);
	AUTO_FD now = path ? open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;

	if (now < 0 || dup2(now, fd) < 0)
		return err_sys(err, errno, "open the directories of criu again");
	return 0;
}

/* criu wants a root that is a mount point. Nobody else sees it, and it goes with criu. */
static int bind_root(struct criu *c, struct err *err)
{
	AUTO_FREE char *rootfs = bundle_path(c->sandbox->args, c->sandbox->spec->root_path);
	int r;

	if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_SLAVE, NULL) < 0 ||
	    mount(rootfs, c->root_mount, NULL, MS_BIND | MS_REC, NULL) < 0)
		return err_sys(err, errno, "bind '%s' for criu", rootfs);
	if (reopen(c->images_fd, err) < 0 || reopen(c->work_fd, err) < 0)
		return -1;
	r = sync_send_fds(c->child_sock, 'd', (int[]){ c->images_fd, c->work_fd }, 2);
	return r < 0 ? err_sys(err, -r, "hand over the directories of criu") : 0;
}

static int take_directories(struct criu *c, struct err *err)
{
	int fds[2] = { -1, -1 }, own[2] = { c->images_fd, c->work_fd }, r = 0;
	size_t n = 2;

	if (sync_expect_fds(c->sock, 'd', fds, &n, err) < 0)
		return -1;
	for (size_t i = 0; i < n; i++) {
		if (dup3(fds[i], own[i], O_CLOEXEC) < 0)
			r = err_sys(err, errno, "take the directories of criu");
		close(fds[i]);
	}
	return r;
}

static bool is_below_fs(const struct plan *plan, size_t index)
{
	const char *d = plan->mounts[index].spec->destination;

	for (size_t i = 0; i < plan->n_mounts; i++) {
		const char *up = plan->mounts[i].spec->destination;
		size_t len = strlen(up);

		if (i != index && plan->mounts[i].kind != PLAN_MOUNT_BIND && len > 1 &&
		    strncmp(d, up, len) == 0 && d[len] == '/')
			return true;
	}
	return false;
}

/* Directories and files to mount on, where the root has none; those on file systems of the images
 * come with them. */
static int make_targets(struct criu *c, struct err *err)
{
	const struct plan *plan = &c->sandbox->plan;
	AUTO_FREE char *path = bundle_path(c->sandbox->args, c->sandbox->spec->root_path);
	AUTO_FD root = dir_open_at(AT_FDCWD, path, err);

	if (root < 0)
		return err_ctx(err, "root.path");
	for (size_t i = 0; i < plan->n_mounts; i++) {
		const struct plan_mount *pm = &plan->mounts[i];
		AUTO_FREE char *source = NULL;
		AUTO_FD target = -1;
		struct stat st;

		if (is_below_fs(plan, i))
			continue;
		source = pm->kind == PLAN_MOUNT_BIND
		                 ? bundle_path(c->sandbox->args, pm->spec->source)
		                 : NULL;
		if (source && stat(source, &st) < 0)
			return err_sys(err, errno, "mounts[%zu]: source '%s'", i, source);
		target = !source || S_ISDIR(st.st_mode)
		                 ? rootfs_mkdir_all(root, pm->spec->destination, 0755)
		                 : rootfs_make_file(root, pm->spec->destination, 0644);
		if (target < 0)
			return err_sys(err, -target, "mounts[%zu]: open '%s'", i,
			               pm->spec->destination);
		if (source)
			criu_add_pair(c, OPT_EXT_MNT, pm->spec->destination, source);
	}
	return 0;
}

/* ---- namespaces, cgroup, descriptors ---- */

static int add_namespaces(struct criu *c, struct err *err)
{
	const struct oci_linux *l = &c->sandbox->spec->linux_;

	for (int i = 0; i < OCI_NS_MAX; i++) {
		const char *path = l->ns[i].path;
		AUTO_BUF item = STRBUF_INIT;

		if (!path)
			continue;
		if (i == OCI_NS_NETWORK || i == OCI_NS_PID) {
			int fd = open(path, O_RDONLY | O_CLOEXEC);

			if (fd < 0)
				return err_sys(err, errno, "linux.namespaces: '%s'", path);
			/* ends with this process, or below with the sandbox */
			c->sandbox->ns_fds[i] = fd;
			criu_add_inherit(c, i == OCI_NS_PID ? "extRootPidNS" : "extRootNetNS", fd);
			continue;
		}
		if (i != OCI_NS_IPC && i != OCI_NS_UTS)
			return err_set(err, E_UNSUPPORTED,
			               "linux.namespaces: criu cannot restore into the %s "
			               "namespace '%s'",
			               oci_ns_name((enum oci_ns)i), path);
		protobuf_add_str(&item, 1, oci_ns_name((enum oci_ns)i));
		protobuf_add_str(&item, 2, path);
		protobuf_add_message(&c->opts, OPT_JOIN_NS, &item);
	}
	return 0;
}

/* The cgroup with its limits, as for a new container. */
static int make_cgroup(struct runtime_sandbox *s, struct err *err)
{
	unsigned wanted = 0;

	if (s->args->flags & RUNTIME_SYSTEMD)
		return err_set(err, E_UNSUPPORTED,
		               "a container cannot be restored into a scope of systemd: use the "
		               "cgroup manager cgroupfs");
	if (create_cgroup_prepare(s, &wanted, err) < 0)
		return -1;
	if (!wanted)
		return 0;
	if (cgroup_create(&s->cgroup, s->plan.cgroup_path, wanted, err) < 0 ||
	    resources_apply(&s->cgroup, &s->spec->linux_.resources, err) < 0)
		return -1;
	return device_rules_apply(&s->cgroup, &s->spec->linux_.resources, err);
}

/* criu is put into the cgroup, and makes the processes where it is itself. */
static int criu_launched(struct criu *c, pid_t criu_pid, struct err *err)
{
	struct runtime_sandbox *s = c->sandbox;
	AUTO_FREE char *path = xasprintf("/proc/%d/cgroup", criu_pid);
	AUTO_FREE char *text = NULL;
	size_t len = 0;

	if (take_directories(c, err) < 0)
		return -1;
	if (!s->cgroup.joined)
		return 0;
	if (cgroup_attach(&s->cgroup, criu_pid, err) < 0 ||
	    file_read_at(AT_FDCWD, path, 65536, &text, &len, err) < 0)
		return -1;
	for (char *line = text, *next; *line; line = next) {
		char *controllers = strchr(line, ':'), *where;
		AUTO_BUF item = STRBUF_INIT;

		next = line + strcspn(line, "\n");
		if (*next)
			*next++ = '\0';
		where = controllers ? strchr(controllers + 1, ':') : NULL;
		if (!where)
			continue;
		*where++ = '\0';
		protobuf_add_str(&item, 1, controllers + 1);
		protobuf_add_str(&item, 2, where);
		protobuf_add_message(&c->opts, OPT_CG_ROOT, &item);
	}
	return 0;
}

static int add_descriptors(struct criu *c, struct err *err)
{
	AUTO_FREE char *text = NULL;
	AUTO_JSON *obj = NULL;
	struct json root;
	size_t len = 0;

	if (file_read_at(c->images_fd, "descriptors.json", 65536, &text, &len, err) < 0)
		return err_ctx(err, "images");
	if (json_parse("descriptors.json", text, len, &obj, err) < 0)
		return -1;
	root = json_root(obj, "descriptors.json");
	for (size_t i = 0; i < json_len(&root) && i < 3; i++) {
		struct json item = json_item(&root, i);

		if (json_expect(&item, json_type_string, err) < 0)
			return -1;
		text = (free(text), xstrdup(json_object_get_string(item.obj)));
		if (strncmp(text, "pipe:", 5) == 0 || strncmp(text, "file[", 5) == 0)
			criu_add_inherit(c, text, (int)i);
	}
	return 0;
}

/* Its part of cgroup v2's tree is bound again; criu would mount all of it. */
static void add_cgroup_mounts(struct criu *c)
{
	const struct runtime_sandbox *s = c->sandbox;
	AUTO_FREE char *path = xasprintf("/sys/fs/cgroup%s", s->plan.cgroup_path);

	if (cgroup_layout_get()->mode != CGROUP_MODE_V2)
		return;
	for (size_t i = 0; i < s->plan.n_mounts; i++)
		if (s->plan.mounts[i].kind == PLAN_MOUNT_CGROUP)
			criu_add_pair(c, OPT_EXT_MNT, s->plan.mounts[i].spec->destination,
			              s->cgroup.joined ? path : "/sys/fs/cgroup");
}

/* ---- what criu tells on the way ---- */

static int take_master(struct criu *c, int *fd, struct err *err)
{
	struct runtime_sandbox *s = c->sandbox;

	if (*fd < 0)
		return err_set(err, E_IO, "criu sent no terminal");
	if (s->args->console_socket)
		return terminal_send(s->args->console_socket, *fd, err);
	s->console_fd = TAKE_FD(*fd);
	return 0;
}

static int run_hooks(struct runtime_sandbox *s, pid_t pid, struct err *err)
{
	AUTO_FREE char *state = state_format_creating(s, RUNTIME_CREATED, pid);
	struct hook_place place =
		hook_place(s->args->bundle_path, s->spec->annotations, s->spec->n_annotations);
	const struct oci_hooks *hooks = s->spec->hooks;

	s->ran_hooks = true;
	if (hooks_run(&hooks[OCI_HOOK_PRESTART], "prestart", &place, state, err) < 0)
		return -1;
	return hooks_run(&hooks[OCI_HOOK_CREATE_RUNTIME], "createRuntime", &place, state, err);
}

static int on_notify(struct criu *c, const char *what, pid_t pid, int *fd, struct err *err)
{
	struct runtime_sandbox *s = c->sandbox;

	if (strcmp(what, "orphan-pts-master") == 0)
		return take_master(c, fd, err);
	if (strcmp(what, "setup-namespaces") == 0)
		return run_hooks(s, pid, err);
	if (strcmp(what, "post-restore") == 0)
		s->pid = pid;
	return 0;
}

/* ---- the whole ---- */

/* criu may have put the processes into a time namespace, so that their clocks go on. */
static void note_time_namespace(struct runtime_sandbox *s)
{
	AUTO_FREE char *path = xasprintf("/proc/%d/ns/time", s->pid);
	struct stat theirs, ours;

	if (stat(path, &theirs) == 0 && stat("/proc/self/ns/time", &ours) == 0 &&
	    theirs.st_ino != ours.st_ino)
		s->plan.exec_flags |= CLONE_NEWTIME;
}

static int prepare(struct criu *c, struct err *err)
{
	struct runtime_sandbox *s = c->sandbox;
	const struct criu_options *o = c->options;
	AUTO_FREE char *work = NULL;

	if (isolator_namespaces.check(s->args, err) < 0 ||
	    plan_make(&s->plan, s->spec, s->args->id, err) < 0 || make_state_dir(s, err) < 0)
		return -1;
	if (!s->spec->root_path)
		return err_set(err, E_INVALID, "root.path: is missing");
	if (criu_begin(c, false, "restore.log", err) < 0)
		return -1;
	if (mkdirat(c->work_fd, "criu-root", 0700) < 0 && errno != EEXIST)
		return err_sys(err, errno, "make 'criu-root' in the work directory");
	work = realpath(fd_path(c->work_fd).s, NULL);
	if (!work)
		return err_sys(err, errno, "work directory");
	c->root_mount = xasprintf("%s/criu-root", work);
	protobuf_add_str(&c->opts, OPT_ROOT, c->root_mount);
	protobuf_add_uint(&c->opts, OPT_RST_SIBLING, true);
	protobuf_add_uint(&c->opts, OPT_EVASIVE_DEVICES, true);
	if (o->lsm_profile)
		protobuf_add_str(&c->opts, OPT_LSM_PROFILE, o->lsm_profile);
	if (o->lsm_mount_context)
		protobuf_add_str(&c->opts, OPT_LSM_MOUNT_CONTEXT, o->lsm_mount_context);
	if (make_targets(c, err) < 0 || add_namespaces(c, err) < 0 || add_descriptors(c, err) < 0)
		return -1;
	if (make_cgroup(s, err) < 0)
		return -1;
	add_cgroup_mounts(c);
	return 0;
}

static int restore(struct criu *c, struct err *err)
{
	struct runtime_sandbox *s = c->sandbox;

	if (prepare(c, err) < 0 || save_config(s, err) < 0 || criu_run(c, CRIU_RESTORE, err) < 0)
		return -1;
	s->pid = c->restored;
	s->pidfd = pidfd_open_pid(s->pid);
	if (s->pidfd < 0)
		return err_sys(err, -s->pidfd, "open a pidfd");
	note_time_namespace(s);
	return state_write(s, err);
}

int runtime_restore(const struct runtime_create_args *args, const struct criu_options *o,
                    struct runtime_container *ret, struct err *err)
{
	struct runtime_sandbox s;
	struct criu c = CRIU_INIT;
	int r;

	if (!runtime_id_is_valid(args->id))
		return err_set(err, E_INVALID, "'%s' is not a container id", args->id);
	if (geteuid() != 0)
		return err_set(err, E_PERM, "restore: criu needs root");
	sandbox_init(&s, args);
	c.options = o;
	c.sandbox = &s;
	c.before_exec = bind_root;
	c.launched = criu_launched;
	c.notify = on_notify;
	memcpy(c.stdio, args->stdio, sizeof(c.stdio));
	r = restore(&c, err);
	if (c.work_fd >= 0)
		unlinkat(c.work_fd, "criu-root", AT_REMOVEDIR);
	if (r < 0) {
		sandbox_undo(&s);
		err_ctx(err, "restore '%s'", args->id);
	} else {
		*ret = RUNTIME_CONTAINER_INIT;
		ret->pid = s.pid;
		ret->pidfd = TAKE_FD(s.pidfd);
		ret->console_fd = TAKE_FD(s.console_fd);
	}
	criu_done(&c);
	sandbox_done(&s);
	return r;
}
