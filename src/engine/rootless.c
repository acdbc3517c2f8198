#include "engine/rootless.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pwd.h>
#include <sched.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "base/fd.h"
#include "base/num.h"
#include "base/proc.h"
#include "base/strbuf.h"
#include "base/xalloc.h"
#include "engine/rootless-internal.h"
#include "sys/pidfd.h"

#define HOLDER_FILE    "userns"
#define LOCK_NAME      "userns.lock"
#define LINGER_MS      3000
#define SUBID_FILE_MAX (1u << 20)
#define RANGES_MAX     64

/* ---- who we are ---- */

/* The first line of our uid_map: container id, host id, count. */
static bool own_map(uint32_t ret[3])
{
	AUTO_FREE char *text = NULL;
	size_t len;

	if (file_read_at(AT_FDCWD, "/proc/self/uid_map", 65536, &text, &len, ERR_IGNORE) < 0)
		return false;
	return sscanf(text, "%u %u %u", &ret[0], &ret[1], &ret[2]) == 3;
}

static bool in_user_namespace(void)
{
	uint32_t map[3];

	return own_map(map) && !(map[0] == 0 && map[1] == 0 && map[2] == UINT32_MAX);
}

bool rootless_is(void)
{
	/* asked before and after rootless_enter(): the answer is the same */
	static int answer = -1;

	if (answer < 0)
		answer = geteuid() != 0 || in_user_namespace();
	return answer;
}

uid_t rootless_uid(void)
{
	uint32_t map[3];

	if (geteuid() == 0 && own_map(map) && map[0] == 0)
		return map[1];
	return geteuid();
}

static char *below_env(const char *variable, const char *rest)
{
	const char *dir = getenv(variable);

	return dir && *dir == '/' ? xasprintf("%s/%s", dir, rest) : NULL;
}

char *rootless_root_path(struct err *err)
{
	char *path = below_env("XDG_DATA_HOME", "dhow") ?: below_env("HOME", ".local/share/dhow");
	const struct passwd *pw;

	if (path)
		return path;
	pw = getpwuid(rootless_uid());
	if (pw && pw->pw_dir && *pw->pw_dir == '/')
		return xasprintf("%s/.local/share/dhow", pw->pw_dir);
	err_set(err, E_INVALID, "no home directory for user %u", (unsigned)rootless_uid());
	err_hint(err, "set HOME, or use --root");
	return NULL;
}

char *rootless_runroot_path(struct err *err)
{
	char *path = below_env("XDG_RUNTIME_DIR", "dhow");
	struct stat st;

	if (path)
		return path;
	path = xasprintf("/run/user/%u", (unsigned)rootless_uid());
	if (stat(path, &st) == 0 && S_ISDIR(st.st_mode) && st.st_uid == geteuid()) {
		char *below = xasprintf("%s/dhow", path);

		free(path);
		return below;
	}
	free(path);
	return xasprintf("/tmp/dhow-%u", (unsigned)rootless_uid());
}

/* The directory must be ours alone: in /tmp somebody else may have made it first. */
static int runroot_open(const char *path, struct err *err)
{
	AUTO_FD fd = -1;
	struct stat st;

	if (dir_make_at(AT_FDCWD, path, 0700, err) < 0)
		return -1;
	fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return err_sys(err, errno, "open '%s'", path);
	if (fstat(fd, &st) < 0)
		return err_sys(err, errno, "stat '%s'", path);
	if (st.st_uid != geteuid() || (st.st_mode & 022)) {
		err_set(err, E_PERM, "'%s' is not a directory that only user %u can write", path,
		        (unsigned)geteuid());
		return err_hint(err, "set XDG_RUNTIME_DIR, or use --runroot");
	}
	return TAKE_FD(fd);
}

/* ---- subordinate ids ---- */

/* Append "INSIDE START COUNT" for every range of the user in `file` ("name:start:count" lines). */
int subid_args(const char *text, const char *user, uid_t uid, struct strv *ret)
{
	AUTO_STRV lines = STRV_INIT;
	uint32_t inside = 1;
	int ranges = 0;
	char number[16];

	snprintf(number, sizeof(number), "%u", (unsigned)uid);
	strv_split(&lines, text, '\n');
	for (size_t i = 0; i < lines.len && ranges < RANGES_MAX; i++) {
		AUTO_STRV f = STRV_INIT;
		uint32_t start, count;

		strv_split(&f, lines.items[i], ':');
		if (f.len != 3 || (strcmp(f.items[0], user) != 0 && strcmp(f.items[0], number)))
			continue;
		if (parse_u32(f.items[1], &start) < 0 || parse_u32(f.items[2], &count) < 0 ||
		    !count || count > UINT32_MAX - inside)
			continue;
		strv_addf(ret, "%u", inside);
		strv_add(ret, f.items[1]);
		strv_add(ret, f.items[2]);
		inside += count;
		ranges++;
	}
	return ranges;
}

struct map_kind {
	const char *program, *file, *what;
};

static int run_map(const struct map_kind *kind, const char *user, pid_t pid, uint32_t own_id,
                   struct err *err)
{
	AUTO_STRV argv = STRV_INIT;
	AUTO_FREE char *text = NULL;
	AUTO_BUF said = STRBUF_INIT;
	struct proc_spec spec = { .stdin_fd = -1, .ret_err = &said };
	size_t len;
	int status;

	strv_add(&argv, kind->program);
	strv_addf(&argv, "%d", (int)pid);
	strv_add(&argv, "0");
	strv_addf(&argv, "%u", own_id);
	strv_add(&argv, "1");
	if (file_read_at(AT_FDCWD, kind->file, SUBID_FILE_MAX, &text, &len, ERR_IGNORE) < 0 ||
	    !subid_args(text, user, getuid(), &argv)) {
		err_set(err, E_UNSUPPORTED, "user '%s' has no subordinate %s ids in %s", user,
		        kind->what, kind->file);
		return err_hint(err, "as root: usermod --add-sub%ss 100000-165535 %s", kind->what,
		                user);
	}
	spec.argv = (const char *const *)argv.items;
	if (proc_run(&spec, &status, err) < 0) {
		err_ctx(err, "map the ids of user '%s'", user);
		return err_hint(err, "install the package 'uidmap'");
	}
	if (proc_exit_code(status) != 0) {
		said.buf[strcspn(said.buf, "\n")] = '\0';
		return err_set(err, E_PERM, "map the ids of user '%s': %s: %s", user, kind->program,
		               said.len ? said.buf : "failed");
	}
	return 0;
}

static int map_ids(pid_t pid, struct err *err)
{
	static const struct map_kind kinds[] = {
		{ "newuidmap", "/etc/subuid", "uid" },
		{ "newgidmap", "/etc/subgid", "gid" },
	};
	const struct passwd *pw = getpwuid(getuid());
	AUTO_FREE char *user = pw ? xstrdup(pw->pw_name) : xasprintf("%u", (unsigned)getuid());

	if (run_map(&kinds[0], user, pid, getuid(), err) < 0)
		return -1;
	return run_map(&kinds[1], user, pid, getgid(), err);
}

/* ---- the holder ---- */

static ino_t user_namespace(pid_t pid)
{
	struct stat st;
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/ns/user", (int)pid);
	return stat(path, &st) == 0 ? st.st_ino : 0;
}

/* A zombie is in its namespace for ever when its parent does not care. */
static bool is_alive(pid_t pid)
{
	AUTO_FD pidfd = pidfd_open_pid(pid);

	return pidfd >= 0 && pidfd_wait_exit(pidfd, 0) == 0;
}

/* A process other than us in this user namespace, or 0. */
static pid_t find_member(ino_t ns)
{
	DIR *dir = opendir("/proc");
	struct dirent *d;
	pid_t found = 0;

	while (dir && !found && (d = readdir(dir))) {
		uint32_t pid;

		if (parse_u32(d->d_name, &pid) == 0 && (pid_t)pid != getpid() &&
		    user_namespace((pid_t)pid) == ns && is_alive((pid_t)pid))
			found = (pid_t)pid;
	}
	if (dir)
		closedir(dir);
	return found;
}

/* Live as long as somebody needs the namespace. Who has the lock is about to join. */
static void NORETURN hold(int runroot_fd)
{
	AUTO_FD lock = openat(runroot_fd, LOCK_NAME, O_RDWR | O_CLOEXEC);
	ino_t ns = user_namespace(getpid());
	bool lingered = false;

	for (;;) {
		pid_t member = find_member(ns);

		if (member) {
			AUTO_FD pidfd = pidfd_open_pid(member);

			if (pidfd >= 0)
				pidfd_wait_exit(pidfd, -1);
			lingered = false;
			continue;
		}
		if (lingered && flock(lock, LOCK_EX | LOCK_NB) == 0) {
			/* one may have joined just before */
			if (!find_member(ns))
				break;
			flock(lock, LOCK_UN);
		}
		poll(NULL, 0, LINGER_MS);
		lingered = true;
	}
	unlinkat(runroot_fd, HOLDER_FILE, 0);
	_exit(0);
}

/* What ps shows would be the command that happened to be the first: say what it is instead, as far
 * as there is room in the memory of its arguments. */
static void rename_holder(int runroot_fd)
{
	AUTO_FREE char *old = NULL;
	char path[4096] = "", *name = program_invocation_name;
	size_t room;

	if (file_read_at(AT_FDCWD, "/proc/self/cmdline", 65536, &old, &room, ERR_IGNORE) < 0 ||
	    !name || strcmp(name, old) != 0)
		return;
	if (readlink(fd_path(runroot_fd).s, path, sizeof(path) - 1) < 0)
		path[0] = '\0';
	memset(name, 0, room);
	snprintf(name, room, "dhow-userns %s", path);
}

/* ns_fd: the namespace to hold; -1: a new one. */
static void NORETURN holder_main(int runroot_fd, int ns_fd, int said_fd, int go_fd)
{
	char c = 0;
	int e = 0, null;

	/* not ended by the terminal of the command that happened to be the first */
	setsid();
	signal(SIGHUP, SIG_IGN);
	signal(SIGPIPE, SIG_IGN);
	if (ns_fd >= 0 ? setns(ns_fd, CLONE_NEWUSER) < 0 : unshare(CLONE_NEWUSER) < 0)
		e = errno;
	/* our files in /proc must stay the user's, so that later commands can join */
	prctl(PR_SET_DUMPABLE, 1);
	prctl(PR_SET_NAME, "dhow-userns");
	rename_holder(runroot_fd);
	if (fd_write_all(said_fd, &e, sizeof(e)) < 0 || e)
		_exit(1);
	close(said_fd);
	if (fd_read_exact(go_fd, &c, 1) < 0) /* the command gave up */
		_exit(1);
	null = open("/dev/null", O_RDWR | O_CLOEXEC);
	for (int i = 0; null >= 0 && i < 3; i++)
		dup2(null, i);
	if (chdir("/") < 0)
		_exit(1);
	runroot_fd = fcntl(runroot_fd, F_DUPFD_CLOEXEC, 3);
	/* the command's lock among them: it must end with the command */
	if (runroot_fd > 3)
		close_range(3, (unsigned)runroot_fd - 1, 0);
	close_range((unsigned)runroot_fd + 1, ~0u, 0);
	hold(runroot_fd);
}

static int holder_write(int runroot_fd, pid_t pid, struct err *err)
{
	uint64_t start;
	char text[64];
	int r = process_start_time(pid, &start);

	if (r < 0)
		return err_sys(err, -r, "start time of process %d", (int)pid);
	snprintf(text, sizeof(text), "%d %llu %llu\n", (int)pid, (unsigned long long)start,
	         (unsigned long long)user_namespace(pid));
	return file_write_atomic_at(runroot_fd, HOLDER_FILE, text, strlen(text), 0600, 0, err);
}

static int holder_start(int runroot_fd, int ns_fd, pid_t *ret_pid, struct err *err)
{
	int said[2], go[2], e = 0;
	pid_t pid;

	if (pipe2(said, O_CLOEXEC) < 0)
		return err_sys(err, errno, "pipe");
	if (pipe2(go, O_CLOEXEC) < 0) {
		close(said[0]);
		close(said[1]);
		return err_sys(err, errno, "pipe");
	}
	pid = fork();
	if (pid == 0) {
		close(said[0]);
		close(go[1]);
		holder_main(runroot_fd, ns_fd, said[1], go[0]);
	}
	close(said[1]);
	close(go[0]);
	AUTO_FD said_fd = said[0];
	AUTO_FD go_fd = go[1];

	if (pid < 0)
		return err_sys(err, errno, "fork");
	if (fd_read_exact(said_fd, &e, sizeof(e)) < 0)
		e = EIO;
	if (e) {
		waitpid(pid, NULL, 0);
		err_sys(err, e, "make a user namespace");
		return err_hint(err, "user namespaces must be allowed to ordinary users");
	}
	if ((ns_fd < 0 && map_ids(pid, err) < 0) || holder_write(runroot_fd, pid, err) < 0) {
		close(TAKE_FD(go_fd));
		waitpid(pid, NULL, 0);
		return -1;
	}
	fd_write_all(go_fd, "g", 1);
	*ret_pid = pid;
	return 0;
}

/* Whether a process's user namespace maps our id to 0, and more: one of ours. */
static bool maps_us(pid_t pid)
{
	AUTO_FREE char *text = NULL;
	char path[64];
	uint32_t inside, outside, count;
	size_t len;

	snprintf(path, sizeof(path), "/proc/%d/uid_map", (int)pid);
	return file_read_at(AT_FDCWD, path, 65536, &text, &len, ERR_IGNORE) == 0 &&
	       sscanf(text, "%u %u %u", &inside, &outside, &count) == 3 && inside == 0 &&
	       outside == getuid() && count == 1;
}

/* The living holder's pid, or 0. Without it (killed) a container or command may still be in the
 * namespace: *ret_member is one of them, or 0. */
static pid_t holder_find(int runroot_fd, pid_t *ret_member)
{
	AUTO_FREE char *text = NULL;
	unsigned long long start, ns;
	uint64_t now;
	size_t len;
	int pid;

	*ret_member = 0;
	if (file_read_at(runroot_fd, HOLDER_FILE, 64, &text, &len, ERR_IGNORE) < 0 ||
	    sscanf(text, "%d %llu %llu", &pid, &start, &ns) != 3 || pid <= 0)
		return 0;
	if (process_start_time(pid, &now) == 0 && now == start && is_alive(pid) &&
	    user_namespace(pid) == (ino_t)ns)
		return pid;
	*ret_member = find_member((ino_t)ns);
	if (*ret_member && !maps_us(*ret_member))
		*ret_member = 0;
	return 0;
}

static int open_namespace(pid_t pid, struct err *err)
{
	char path[64];
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/ns/user", (int)pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return err_sys(err, errno, "open the user namespace '%s'", path);
	return fd;
}

static int join(int runroot_fd, int lock_fd, struct err *err)
{
	AUTO_FD ns = -1;
	pid_t holder, member;

	if (flock(lock_fd, LOCK_EX) < 0)
		return err_sys(err, errno, "lock '%s'", LOCK_NAME);
	holder = holder_find(runroot_fd, &member);
	if (holder || member) {
		ns = open_namespace(holder ?: member, err);
		if (ns < 0)
			return -1;
	}
	if (!holder && holder_start(runroot_fd, ns, &holder, err) < 0)
		return -1;
	if (ns < 0)
		ns = open_namespace(holder, err);
	if (ns < 0)
		return -1;
	if (setns(ns, CLONE_NEWUSER) < 0)
		return err_sys(err, errno, "enter the user namespace");
	/* a member now, which the holder sees: the lock has done its work */
	prctl(PR_SET_DUMPABLE, 1);
	return 0;
}

int rootless_enter(const char *runroot, struct err *err)
{
	AUTO_FREE char *path = NULL;
	AUTO_FD dir = -1;
	AUTO_FD lock = -1;

	if (geteuid() == 0)
		return 0;
	rootless_is();
	path = runroot ? xstrdup(runroot) : rootless_runroot_path(err);
	if (!path)
		return -1;
	dir = runroot_open(path, err);
	if (dir < 0)
		return -1;
	lock = openat(dir, LOCK_NAME, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (lock < 0)
		return err_sys(err, errno, "open '%s/%s'", path, LOCK_NAME);
	return join(dir, lock, err);
}
