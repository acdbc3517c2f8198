/* The cgroup of a new container: which hierarchies, when, with what limits, and who owns it. */
#include "runtime/internal.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "base/fd.h"
#include "base/num.h"
#include "base/xalloc.h"

#define DELEGATE_ANNOTATION "run.oci.delegate-cgroup"

/* Which hierarchies to join. Each of v1 is a directory to make and remove, so a container without
 * limits joins v2's only, by CLONE_INTO_CGROUP, where it exists. One that could mount cgroups
 * itself joins all, so as not to see the root's. */
unsigned create_hierarchies(const struct runtime_sandbox *s)
{
	const struct cgroup_layout *l = cgroup_layout_get();
	unsigned wanted = s->plan.cgroup_needed;

	if (s->args->flags & RUNTIME_NO_CGROUP || l->mode == CGROUP_MODE_NONE)
		return 0;
	if (l->mode == CGROUP_MODE_V2 || s->args->flags & RUNTIME_SYSTEMD)
		return l->available;
	if (l->mode == CGROUP_MODE_V1 || s->args->flags & RUNTIME_JOIN_ALL ||
	    !device_rules_by_bpf() || s->spec->process.caps.bounding >> CAP_SYS_ADMIN & 1)
		return l->available;
	return wanted | CGROUP_BIT(CGROUP_UNIFIED);
}

static int cgroup_unusable(const struct runtime_sandbox *s, struct err *err)
{
	if (!s->plan.cgroup_needed)
		return 0;
	if (s->args->flags & RUNTIME_NO_CGROUP)
		return err_set(err, E_INVALID,
		               "linux.resources: limits are asked for, but the "
		               "container is to have no cgroup");
	return err_set(err, E_UNSUPPORTED,
	               "linux.resources: this host has no cgroups mounted on "
	               "/sys/fs/cgroup");
}

/* So that a `delete --force` finds the cgroup of a creation that was killed half-way: an absolute
 * path, or the name of a scope. */
static int note_cgroup(struct runtime_sandbox *s, struct err *err)
{
	AUTO_FD fd =
		openat(s->state_dir_fd, "cgroup", O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	const char *what = s->scope.unit ? s->scope.unit : s->plan.cgroup_path;
	size_t len = strlen(what);

	if (fd < 0 || write(fd, what, len) != (ssize_t)len)
		return err_sys(err, errno, "write the state of '%s'", s->args->id);
	return 0;
}

/* One that was there before may be frozen: nothing would ever start in it (runtime-spec: the
 * runtime may check, and then has to say so). */
static int refuse_frozen(const struct runtime_sandbox *s, struct err *err)
{
	struct cgroup cg = s->cgroup;

	if (!(cg.joined & ~cg.made) || !cgroup_is_frozen(&cg))
		return 0;
	return err_set(err, E_STATE, "cgroup '%s' is there already, and frozen", cg.path);
}

/* The part before the clone: v2's directory, for the process to be born into. */
int create_cgroup_prepare(struct runtime_sandbox *s, unsigned *ret_wanted, struct err *err)
{
	const struct cgroup_layout *l = cgroup_layout_get();
	unsigned wanted = create_hierarchies(s), missing;
	struct err e = ERR_INIT;

	*ret_wanted = 0;
	if (!wanted)
		return cgroup_unusable(s, err);
	if (s->args->flags & RUNTIME_SYSTEMD &&
	    scope_plan(&s->scope, s->spec->linux_.cgroups_path, s->args->id, err) < 0)
		return -1;
	if (note_cgroup(s, err) < 0)
		return -1;
	missing = s->plan.cgroup_needed & ~l->available;
	for (int c = 0; c < CGROUP_MAX; c++)
		if (missing & CGROUP_BIT(c))
			return err_set(err, E_UNSUPPORTED,
			               "linux.resources: this host has no cgroup controller '%s'",
			               cgroup_controller_name(c, false));
	if (s->scope.unit) {
		; /* systemd makes the directories, with the process */
	} else if (l->on_v2 & CGROUP_BIT(CGROUP_UNIFIED)) {
		if (cgroup_create(&s->cgroup, s->plan.cgroup_path,
		                  (wanted & l->on_v2) | CGROUP_BIT(CGROUP_UNIFIED), &e) < 0)
			goto refused;
	} else if (cgroup_create(&s->cgroup, s->plan.cgroup_path, wanted, &e) < 0) {
		goto refused;
	}
	if (refuse_frozen(s, err) < 0)
		return -1;
	*ret_wanted = wanted;
	for (int c = 0; c < CGROUP_MAX; c++)
		if (wanted & l->available & CGROUP_BIT(c))
			s->cgroup_hierarchies |= CGROUP_BIT(cgroup_hierarchy_of(c));
	return 0;
refused:
	/* An ordinary user without a delegated cgroup: fine as long as no limit is asked for. */
	if ((e.sys == EACCES || e.sys == EPERM || e.sys == EROFS) && !s->plan.cgroup_needed)
		return 0;
	*err = e;
	if (e.sys == EACCES || e.sys == EPERM || e.sys == EROFS)
		return err_hint(err, "limits take root or a delegated cgroup");
	return -1;
}

/* Whether the new process has ended by itself meanwhile: then *err is what it says about that, and
 * not what became of its scope. */
static bool ended_first(const struct runtime_sandbox *s, struct err *err)
{
	siginfo_t info = { 0 };

	return waitid(P_PID, (id_t)s->pid, &info, WEXITED | WNOHANG | WNOWAIT) == 0 &&
	       info.si_pid == s->pid && sync_receive(s->sync_fd, NULL, err) < 0;
}

/* Ask systemd for the scope, with the process in it, and open what it has made; hierarchies that
 * systemd does not care for are made as without it. */
static int start_scope(struct runtime_sandbox *s, unsigned wanted, struct err *err)
{
	int r = scope_start(&s->scope, s->pid, s->spec, err);

	/* Ours to stop, whatever follows: also one that came too late. Not one that was there. */
	if (r == 0 || err->code != E_EXISTS)
		s->cgroup.made = CGROUP_BIT(CGROUP_UNIFIED);
	if (r < 0) {
		(void)ended_first(s, err);
		return -1;
	}
	free(s->plan.cgroup_path);
	s->plan.cgroup_path = scope_cgroup(s->pid, err);
	if (!s->plan.cgroup_path)
		return -1;
	if (!strstr(s->plan.cgroup_path, s->scope.unit)) {
		if (ended_first(s, err))
			return -1;
		err_set(err, E_PERM,
		        "systemd did not move the container's process from '%s' to '%s'",
		        s->plan.cgroup_path, s->scope.unit);
		return err_hint(err,
		                "an ordinary user's systemd moves only what runs in his session");
	}
	if (cgroup_create(&s->cgroup, s->plan.cgroup_path, wanted, err) < 0)
		return -1;
	s->cgroup.made = s->cgroup.joined;
	return 0;
}

/* The id on the host of an id of the process's user namespace, or -1. */
static int64_t host_id(pid_t pid, uint32_t id)
{
	AUTO_FREE char *path = xasprintf("/proc/%d/uid_map", pid), *text = NULL;
	char *save = NULL;
	size_t len;

	if (file_read_at(AT_FDCWD, path, 1u << 20, &text, &len, ERR_IGNORE) < 0)
		return -1;
	for (char *line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
		char *p = line;
		uint64_t inside = strtoull(p, &p, 10), outside = strtoull(p, &p, 10),
			 count = strtoull(p, &p, 10);

		if (id >= inside && id - inside < count)
			return (int64_t)(outside + id - inside);
	}
	return -1;
}

/* Hand a cgroup of v2 to a user of the host: the directory and the files that the kernel lists for
 * that, and no other, since with those he could raise his own limits. */
static int give_away(int dir_fd, uid_t owner, struct err *err)
{
	AUTO_FREE char *list = NULL;
	char *save = NULL;
	size_t len;

	if (file_read_at(AT_FDCWD, "/sys/kernel/cgroup/delegate", 1u << 16, &list, &len,
	                 ERR_IGNORE) < 0)
		list = xstrdup("cgroup.procs\ncgroup.subtree_control\ncgroup.threads\n");
	if (fchownat(dir_fd, "", owner, (gid_t)-1, AT_EMPTY_PATH) < 0)
		return err_sys(err, errno, "give the container's cgroup to user %u", owner);
	for (char *file = strtok_r(list, "\n", &save); file; file = strtok_r(NULL, "\n", &save)) {
		if (strchr(file, '/') ||
		    fchownat(dir_fd, file, owner, (gid_t)-1, AT_SYMLINK_NOFOLLOW) == 0 ||
		    errno == ENOENT)
			continue;
		return err_sys(err, errno, "give '%s' of the container's cgroup to user %u", file,
		               owner);
	}
	return 0;
}

/* runtime-spec, "Cgroup ownership": with v2, a cgroup namespace of its own, and /sys/fs/cgroup
 * mounted for writing. */
static bool may_own(const struct runtime_sandbox *s)
{
	if (cgroup_layout_get()->mode != CGROUP_MODE_V2 || !s->plan.new_cgroup_ns ||
	    s->cgroup.fds[CGROUP_UNIFIED] < 0 || !(s->cgroup.made & CGROUP_BIT(CGROUP_UNIFIED)))
		return false;
	for (size_t i = 0; i < s->plan.n_mounts; i++) {
		const struct plan_mount *m = &s->plan.mounts[i];

		if (m->kind == PLAN_MOUNT_CGROUP &&
		    strcmp(m->spec->destination, "/sys/fs/cgroup") == 0 && m->spec->source &&
		    strcmp(m->spec->source, "cgroup") == 0 && !strv_has(&m->spec->options, "ro"))
			return true;
	}
	return false;
}

static int set_owner(const struct runtime_sandbox *s, struct err *err)
{
	int64_t owner;

	if (!may_own(s))
		return 0;
	owner = host_id(s->pid, s->spec->process.user.uid);
	if (owner <= 0 || owner == geteuid())
		return 0;
	return give_away(s->cgroup.fds[CGROUP_UNIFIED], (uid_t)owner, err);
}

/* The rest, while the new process mounts its root: all of it is in place before it is told so, and
 * it executes nothing of the container's before. */
int create_cgroup_join(struct runtime_sandbox *s, unsigned wanted, struct err *err)
{
	unsigned inside = s->cgroup.fds[CGROUP_UNIFIED] >= 0 ? CGROUP_BIT(CGROUP_UNIFIED) : 0;

	if (wanted) {
		if ((s->scope.unit
		             ? start_scope(s, wanted, err)
		             : cgroup_create(&s->cgroup, s->plan.cgroup_path, wanted, err)) < 0 ||
		    resources_apply(&s->cgroup, &s->spec->linux_.resources, err) < 0 ||
		    device_rules_apply(&s->cgroup, &s->spec->linux_.resources, err) < 0 ||
		    set_owner(s, err) < 0)
			return -1;
	}
	if (s->scope.unit && cgroup_layout_get()->mode == CGROUP_MODE_V2)
		inside = s->cgroup.joined;
	return cgroup_send(s->sync_fd, &s->cgroup, s->cgroup.joined & ~inside, err);
}

/* crun's annotation: the container runs in a cgroup below its own, which belongs to it, while the
 * limits stay above, out of its reach. Its cgroup namespace begins at the upper one. */
int create_cgroup_delegate(struct runtime_sandbox *s, struct err *err)
{
	const char *name = oci_spec_annotation(s->spec, DELEGATE_ANNOTATION);
	AUTO_FREE char *path = NULL;
	AUTO_CGROUP below = CGROUP_INIT;
	int64_t owner;

	if (!name || !*name)
		return 0;
	if (s->cgroup.fds[CGROUP_UNIFIED] < 0)
		return err_set(err, E_UNSUPPORTED,
		               "annotation " DELEGATE_ANNOTATION
		               ": the container has no cgroup of v2");
	if (strchr(name, '/'))
		return err_set(err, E_INVALID,
		               "annotation " DELEGATE_ANNOTATION ": '%s' is not one name", name);
	path = xasprintf("%s/%s", s->plan.cgroup_path, name);
	/* Only the directory: which controllers it has is its owner's business. */
	if (cgroup_create(&below, path, CGROUP_BIT(CGROUP_UNIFIED), err) < 0 ||
	    cgroup_attach(&below, s->pid, err) < 0)
		return err_ctx(err, "annotation " DELEGATE_ANNOTATION);
	owner = host_id(s->pid, s->spec->process.user.uid);
	return owner <= 0 ? 0 : give_away(below.fds[CGROUP_UNIFIED], (uid_t)owner, err);
}
