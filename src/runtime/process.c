/* What a container's first process and an exec have in common: user, capabilities, limits,
 * terminal, seccomp, execve. */
#include "runtime/internal.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <limits.h>
#include <linux/capability.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>

#include "base/fd.h"
#include "base/xalloc.h"
#include "oci/names.h"
#include "sys/caps.h"

#ifndef SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV
#	define SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV (1u << 5)
#endif

#define DEFAULT_PATH "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

/* Signals that are ignored or handled, by /proc/self/status; all of them where it cannot be read.
 */
static uint64_t signals_set(void)
{
	static const char *const lines[] = { "\nSigIgn:\t", "\nSigCgt:\t" };
	char buf[4096];
	AUTO_FD fd = open("/proc/self/status", O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, buf, sizeof(buf) - 1);
	uint64_t set = 0;

	if (n <= 0)
		return UINT64_MAX;
	buf[n] = '\0';
	for (size_t i = 0; i < ARRAY_LEN(lines); i++) {
		const char *at = strstr(buf, lines[i]);

		if (!at)
			return UINT64_MAX;
		set |= strtoull(at + strlen(lines[i]), NULL, 16);
	}
	return set;
}

void process_reset_signals(void)
{
	/* A caller may have set any of them to be ignored, which execve would pass on. */
	uint64_t set = signals_set();
	sigset_t none;

	for (int i = 1; i < _NSIG; i++)
		if (set >> (i - 1) & 1 && i != SIGKILL && i != SIGSTOP)
			signal(i, SIG_DFL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
}

int process_stdio(const struct oci_process *p, const int stdio[3], int slave_fd, struct err *err)
{
	AUTO_FD null = -1;

	if (p->terminal && ioctl(slave_fd, TIOCSCTTY, 0) < 0)
		return err_sys(err, errno, "make the terminal the controlling one");
	for (int i = 0; i < 3; i++) {
		int from = p->terminal ? slave_fd : stdio[i];

		if (from < 0 && null < 0) {
			null = open("/dev/null", O_RDWR | O_CLOEXEC);
			if (null < 0)
				return err_sys(err, errno, "open '/dev/null'");
		}
		if (from < 0)
			from = null;
		if (from == i ? fd_set_cloexec(i, false) < 0 : dup2(from, i) < 0)
			return err_sys(err, errno, "set up descriptor %d", i);
	}
	return 0;
}

/* So that a user other than root can open /dev/stdout again, as log files linked there do. */
static void give_stdio(uid_t uid)
{
	struct stat st;

	if (uid == 0)
		return;
	for (int i = 0; i < 3; i++)
		if (fstat(i, &st) == 0 && st.st_uid != uid && !S_ISREG(st.st_mode) &&
		    !(S_ISCHR(st.st_mode) && st.st_rdev == makedev(1, 3)))
			(void)!fchown(i, uid, (gid_t)-1);
}

static int set_user(const struct oci_user *u, struct err *err)
{
	if (!u->keep_groups && setgroups(u->n_additional_gids, u->additional_gids) < 0) {
		/* A user namespace whose setgroups is denied has no groups to drop either. */
		if (errno != EPERM || u->n_additional_gids)
			return err_sys(err, errno, "process.user.additionalGids: set groups");
	}
	if (setresgid(u->gid, u->gid, u->gid) < 0)
		return err_sys(err, errno, "process.user.gid: become group %u", u->gid);
	/* Permitted capabilities survive the change of user, and are cut to size at the end. */
	if (u->uid != 0 && prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) < 0)
		return err_sys(err, errno, "keep capabilities");
	if (setresuid(u->uid, u->uid, u->uid) < 0)
		return err_sys(err, errno, "process.user.uid: become user %u", u->uid);
	umask(u->umask == OCI_UNSET ? 0022 : (mode_t)u->umask);
	return 0;
}

static int try_program(const char *path, struct err *err)
{
	struct stat st;

	if (stat(path, &st) < 0)
		return err_sys(err, errno, "'%s'", path);
	if (S_ISDIR(st.st_mode))
		return err_set(err, E_NOT_EXEC, "'%s' is a directory", path);
	if (faccessat(AT_FDCWD, path, X_OK, AT_EACCESS) < 0)
		return err_set(err, E_NOT_EXEC, "'%s': %s", path, strerror(errno));
	return 0;
}

static int find_program(const struct oci_process *p, char **ret, struct err *err)
{
	const char *name = p->args.items[0];
	const char *path = strv_get_env(&p->env, "PATH");
	struct err first = ERR_INIT;

	if (strchr(name, '/')) {
		if (try_program(name, &first) == 0) {
			*ret = xstrdup(name);
			return 0;
		}
		return err_set(err, first.code == E_NOT_EXEC ? E_NOT_EXEC : E_NO_COMMAND, "exec %s",
		               first.msg);
	}
	for (const char *at = path ? path : DEFAULT_PATH; *name;) {
		size_t len = strcspn(at, ":");
		AUTO_FREE char *full = xasprintf("%.*s%s%s", (int)len, at, len ? "/" : "./", name);
		struct err e = ERR_INIT;

		if (try_program(full, &e) == 0) {
			*ret = TAKE_PTR(full);
			return 0;
		}
		if (e.code == E_NOT_EXEC && first.code == E_OK && !strstr(e.msg, "directory"))
			first = e;
		at += len;
		if (!*at)
			break;
		at++;
	}
	if (first.code == E_NOT_EXEC)
		return err_set(err, E_NOT_EXEC, "exec %s", first.msg);
	return err_set(err, E_NO_COMMAND, "exec '%s': executable file not found in $PATH", name);
}

static int enter_cwd(const char *cwd, struct err *err)
{
	char where[PATH_MAX];

	if (chdir(cwd) < 0)
		return err_sys(err, errno, "process.cwd: change to '%s'", cwd);
	/* CVE-2024-21626: a directory descriptor of the host's leads out of the root; the kernel
	 * then answers "(unreachable)". */
	if (syscall(SYS_getcwd, where, sizeof(where)) < 0)
		return err_sys(err, errno, "process.cwd: '%s'", cwd);
	if (where[0] != '/')
		return err_set(err, E_PERM, "process.cwd: '%s' is outside of the container", cwd);
	return 0;
}

/* Of a name that is given twice the last one counts; most programs would take the first. */
static void drop_repeated(struct strv *env)
{
	size_t kept = 0;

	for (size_t i = 0; i < env->len; i++) {
		size_t len = strcspn(env->items[i], "="), j = i + 1;

		while (j < env->len && (strncmp(env->items[i], env->items[j], len) != 0 ||
		                        env->items[j][len] != '='))
			j++;
		if (j < env->len)
			free(env->items[i]);
		else
			env->items[kept++] = env->items[i];
	}
	env->len = kept;
	if (env->items)
		env->items[kept] = NULL;
}

static void add_default_env(struct process_context *c)
{
	struct strv *env = (struct strv *)&c->process->env;
	const char *given;

	drop_repeated(env);
	given = strv_get_env(env, "HOME");
	if (!given || !*given) {
		AUTO_FREE char *home = NULL;
		AUTO_FREE char *text = NULL;
		size_t len = 0;

		if (file_read_at(AT_FDCWD, "/etc/passwd", 1u << 20, &text, &len, ERR_IGNORE) == 0) {
			for (char *line = text; line && *line;) {
				char *next = strchr(line, '\n');
				AUTO_STRV fields = STRV_INIT;
				char want[16];

				if (next)
					*next++ = '\0';
				strv_split(&fields, line, ':');
				snprintf(want, sizeof(want), "%u", c->process->user.uid);
				if (fields.len >= 6 && strcmp(fields.items[2], want) == 0) {
					home = xstrdup(fields.items[5]);
					break;
				}
				line = next;
			}
		}
		strv_set_env(env, "HOME",
		             home && *home          ? home
		             : c->process->user.uid ? "/"
		                                    : "/root");
	}
	if (c->listen_fds) {
		char n[16];

		snprintf(n, sizeof(n), "%u", c->listen_fds);
		strv_set_env(env, "LISTEN_FDS", n);
		/* As the program sees itself: 1, where it is the first of a pid namespace. */
		snprintf(n, sizeof(n), "%d", getpid());
		strv_set_env(env, "LISTEN_PID", n);
	}
}

static int set_limit(const struct oci_rlimit *l, size_t index, pid_t pid, struct err *err)
{
	struct rlimit64 want = { l->soft, l->hard }, have;
	const char *name = oci_rlimit_name(l->resource);

	if (prlimit64(pid, l->resource, &want, NULL) == 0)
		return 0;
	if (errno != EPERM || prlimit64(pid, l->resource, NULL, &have) < 0)
		return err_sys(err, errno, "process.rlimits[%zu]: set %s", index, name);
	err_set(err, E_PERM, "process.rlimits[%zu]: %s: hard limit %llu is above the caller's %llu",
	        index, name, (unsigned long long)l->hard, (unsigned long long)have.rlim_max);
	return err_hint(err, "raising it takes CAP_SYS_RESOURCE; ask for at most %llu",
	                (unsigned long long)have.rlim_max);
}

int process_oom_score(const struct oci_process *p, struct err *err)
{
	char text[16], now[16] = "";
	AUTO_FD fd = -1;

	if (p->oom_score_adj == OCI_UNSET)
		return 0;
	snprintf(text, sizeof(text), "%d", (int)p->oom_score_adj);
	fd = open("/proc/self/oom_score_adj", O_RDWR | O_CLOEXEC);
	if (fd < 0)
		return err_sys(err, errno, "process.oomScoreAdj: open '/proc/self/oom_score_adj'");
	if (read(fd, now, sizeof(now) - 1) > 0 && strtol(now, NULL, 10) == p->oom_score_adj)
		return 0;
	if (write(fd, text, strlen(text)) > 0)
		return 0;
	if (errno != EACCES && errno != EPERM)
		return err_sys(err, errno, "process.oomScoreAdj: set %s", text);
	err_set(err, E_PERM, "process.oomScoreAdj: lower it from %ld to %s", strtol(now, NULL, 10),
	        text);
	return err_hint(err, "takes CAP_SYS_RESOURCE");
}

/* So small a number of descriptors would leave none for us to be started with. */
static bool is_late(const struct oci_rlimit *l)
{
	return l->resource == RLIMIT_NOFILE && l->soft < 64;
}

int process_limits(const struct oci_process *p, pid_t pid, bool late, struct err *err)
{
	for (size_t i = 0; i < p->n_rlimits; i++)
		if (is_late(&p->rlimits[i]) == late && set_limit(&p->rlimits[i], i, pid, err) < 0)
			return -1;
	return 0;
}

int process_prepare(struct process_context *c, struct err *err)
{
	const struct oci_process *p = c->process;
	uint64_t known = caps_known(), bound = p->caps.bounding & known;
	int r;

	add_default_env(c);
	if (!c->limits_by_caller && process_limits(p, 0, false, err) < 0)
		return -1;
	/* As the root of the container: the rules are the configuration's, not the user's. */
	if (c->landlock && landlock_prepare(c->landlock, &c->landlock_fd, err) < 0)
		return -1;
	r = caps_bound(bound);
	if (r < 0)
		return err_sys(err, -r, "process.capabilities.bounding: drop");
	give_stdio(p->user.uid);
	if (set_user(&p->user, err) < 0)
		return -1;
	if (p->user.uid != 0) {
		/* What the user may do with its final capabilities decides what is found. */
		r = caps_set(p->caps.effective & caps_permitted(), caps_permitted(), 0);
		if (r < 0)
			return err_sys(err, -r, "process.capabilities: set");
	}
	if (enter_cwd(p->cwd, err) < 0 || find_program(p, &c->exe, err) < 0)
		return -1;
	c->stage_fd = stage_open(err);
	return c->stage_fd < 0 ? -1 : 0;
}

int process_keep_fds(unsigned from, const int *keep, size_t n, struct err *err)
{
	unsigned next;

	/* The next one that is kept, in ascending order, and what is before it. */
	do {
		next = ~0u;
		for (size_t i = 0; i < n; i++)
			if (keep[i] >= 0 && (unsigned)keep[i] >= from && (unsigned)keep[i] < next)
				next = (unsigned)keep[i];
		if (next > from && close_range(from, next - (next != ~0u), 0) < 0)
			return err_sys(err, errno, "close descriptors from %u", from);
		from = next + 1;
	} while (next != ~0u);
	return 0;
}

int process_personality(const struct oci_linux *l, struct err *err)
{
	if (!l->personality)
		return 0;
	if (personality(strcmp(l->personality, "LINUX32") == 0 ? PER_LINUX32 : PER_LINUX) < 0)
		return err_sys(err, errno, "linux.personality: set");
	return 0;
}

static int apply_filter(struct process_context *c, int report_fd, struct err *err)
{
	struct sock_fprog prog = { .len = c->filter_len, .filter = (void *)c->filter };

	if (!c->filter)
		return 0;
	if (c->filter_flags & SECCOMP_FILTER_FLAG_NEW_LISTENER)
		return seccomp_notify_install(c, &prog, report_fd, err);
	if (syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, c->filter_flags, &prog) < 0)
		return err_sys(err, errno, "linux.seccomp: install the filter");
	return 0;
}

/* Capabilities and no_new_privs, as they are at execve. */
static int apply_caps(const struct process_context *c, struct err *err)
{
	const struct oci_process *p = c->process;
	uint64_t known = caps_known();
	/* Not more than there is: an unprivileged runtime cannot give what it does not have. */
	uint64_t have = caps_permitted();
	uint64_t permitted = p->caps.permitted & known & have;
	uint64_t inheritable = p->caps.inheritable & known & have;
	uint64_t ambient = p->caps.ambient & permitted & inheritable;
	uint64_t extra = 0;
	int r;

	if (p->no_new_privileges && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return err_sys(err, errno, "process.noNewPrivileges: set");
	/* Installing a filter or a Landlock ruleset takes CAP_SYS_ADMIN or no_new_privs. Afterwards
	 * execve drops the extra bit by itself: what a process is permitted then follows from the
	 * bounding, inheritable and ambient sets, never from what was permitted before. */
	if ((c->filter || c->landlock) && !p->no_new_privileges)
		extra = (1ull << CAP_SYS_ADMIN) & have;
	r = caps_set((p->caps.effective & permitted) | extra, permitted | extra, inheritable);
	if (r < 0)
		return err_sys(err, -r, "process.capabilities: set");
	if (ambient) {
		r = caps_set_ambient(ambient);
		if (r < 0)
			return err_sys(err, -r, "process.capabilities.ambient: raise");
	}
	return 0;
}

int process_confine(const struct process_context *c, struct err *err)
{
	struct sock_fprog prog = { .len = c->filter_len, .filter = (void *)c->filter };
	unsigned long flags = c->filter_flags & ~(SECCOMP_FILTER_FLAG_NEW_LISTENER |
	                                          SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV);

	if (apply_caps(c, err) < 0)
		return -1;
	if (c->landlock && c->landlock_fd >= 0 &&
	    landlock_apply(c->landlock, c->landlock_fd, err) < 0)
		return -1;
	if (c->filter && syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, flags, &prog) < 0)
		return err_sys(err, errno, "linux.seccomp: install the filter");
	return 0;
}

int process_execute(struct process_context *c, int report_fd, struct err *err)
{
	const struct oci_process *p = c->process;
	char **argv = stage_argv(report_fd, c->exe, &p->args);
	int r;

	if (process_limits(p, 0, true, err) < 0 || (c->lsm && lsm_apply(c->lsm, err) < 0) ||
	    apply_caps(c, err) < 0)
		return -1;
	/* The stage closes it, or reports on it. */
	if (fd_set_cloexec(report_fd, false) < 0)
		return err_set(err, E_INTERNAL, "descriptor %d is gone", report_fd);
	if (c->landlock && c->landlock_fd >= 0 &&
	    landlock_apply(c->landlock, c->landlock_fd, err) < 0)
		return -1;
	if (apply_filter(c, report_fd, err) < 0)
		return -1;
	stage_exec(c->stage_fd, argv, p->env.items);
	r = errno;
	err_sys(err, r, "exec '%s'", c->exe);
	err->code = E_NOT_EXEC;
	return -1;
}
