#include "sys/idmap.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "base/proc.h"
#include "base/strbuf.h"
#include "base/strv.h"

int64_t idmap_to_host(const struct idmap *map, size_t n, uint32_t container_id)
{
	for (size_t i = 0; i < n; i++)
		if (container_id >= map[i].container_id &&
		    container_id - map[i].container_id < map[i].size)
			return (int64_t)map[i].host_id + (container_id - map[i].container_id);
	return -1;
}

int64_t idmap_to_container(const struct idmap *map, size_t n, uint32_t host_id)
{
	for (size_t i = 0; i < n; i++)
		if (host_id >= map[i].host_id && host_id - map[i].host_id < map[i].size)
			return (int64_t)map[i].container_id + (host_id - map[i].host_id);
	return -1;
}

static int write_proc(pid_t pid, const char *file, const char *text, size_t len)
{
	char path[64];
	AUTO_FD fd = -1;

	snprintf(path, sizeof(path), "/proc/%d/%s", pid, file);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	return write(fd, text, len) == (ssize_t)len ? 0 : -errno;
}

static int write_direct(pid_t pid, const char *file, const struct idmap *map, size_t n)
{
	AUTO_BUF text = STRBUF_INIT;

	for (size_t i = 0; i < n; i++)
		strbuf_addf(&text, "%u %u %u\n", map[i].container_id, map[i].host_id, map[i].size);
	return write_proc(pid, file, text.buf, text.len);
}

/* newuidmap and newgidmap are set-user-id (or carry file capabilities) and check /etc/subuid. */
static int write_by_helper(pid_t pid, const char *program, const char *kind,
                           const struct idmap *map, size_t n, struct err *err)
{
	AUTO_STRV argv = STRV_INIT;
	AUTO_BUF errors = STRBUF_INIT;
	struct proc_spec spec = { .stdin_fd = -1, .ret_err = &errors };
	int status = 0;

	strv_add(&argv, program);
	strv_addf(&argv, "%d", pid);
	for (size_t i = 0; i < n; i++) {
		strv_addf(&argv, "%u", map[i].container_id);
		strv_addf(&argv, "%u", map[i].host_id);
		strv_addf(&argv, "%u", map[i].size);
	}
	spec.argv = (const char *const *)argv.items;
	if (proc_run(&spec, &status, err) < 0) {
		err_hint(err, "install the package 'uidmap'");
		return err_ctx(err, "map %s ids", kind);
	}
	if (status != 0) {
		while (errors.len && errors.buf[errors.len - 1] == '\n')
			strbuf_trunc(&errors, errors.len - 1);
		err_set(err, E_PERM, "map %s ids: %s: %s", kind, program, errors.buf);
		return err_hint(err, "check this user's ranges in /etc/sub%cid", kind[0]);
	}
	return 0;
}

/* The kernel lets an unprivileged caller map just its own id. */
static bool maps_only_self(const struct idmap *map, size_t n, uint32_t own)
{
	return n == 1 && map[0].size == 1 && map[0].host_id == own;
}

int idmap_write(pid_t pid, const struct idmap *uids, size_t n_uids, const struct idmap *gids,
                size_t n_gids, struct err *err)
{
	int r;

	/* Privileged callers need not give up setgroups; all others get EPERM here and go on below.
	 */
	r = write_direct(pid, "gid_map", gids, n_gids);
	if (r == -EPERM && maps_only_self(gids, n_gids, getegid())) {
		r = write_proc(pid, "setgroups", "deny", 4);
		if (r == 0 || r == -ENOENT)
			r = write_direct(pid, "gid_map", gids, n_gids);
	}
	if (r == -EPERM) {
		if (write_by_helper(pid, "newgidmap", "group", gids, n_gids, err) < 0)
			return -1;
	} else if (r < 0) {
		return err_sys(err, -r, "write the group id mapping of process %d", pid);
	}
	r = write_direct(pid, "uid_map", uids, n_uids);
	if (r == -EPERM)
		return write_by_helper(pid, "newuidmap", "user", uids, n_uids, err);
	return r < 0 ? err_sys(err, -r, "write the user id mapping of process %d", pid) : 0;
}

int idmap_open_ns(const struct idmap *uids, size_t n_uids, const struct idmap *gids, size_t n_gids,
                  struct err *err)
{
	struct clone_args a = { .flags = CLONE_NEWUSER, .exit_signal = SIGCHLD };
	char path[64];
	int go[2], fd = -1;
	pid_t pid;

	if (pipe2(go, O_CLOEXEC) < 0)
		return err_sys(err, errno, "make a pipe");
	pid = (pid_t)syscall(SYS_clone3, &a, sizeof(a));
	if (pid == 0) {
		char c;

		/* Only there to hold the namespace until it has been opened. */
		close(go[1]);
		(void)!read(go[0], &c, 1);
		_exit(0);
	}
	close(go[0]);
	if (pid < 0) {
		close(go[1]);
		return err_sys(err, errno, "make a user namespace");
	}
	if (idmap_write(pid, uids, n_uids, gids, n_gids, err) == 0) {
		snprintf(path, sizeof(path), "/proc/%d/ns/user", pid);
		fd = open(path, O_RDONLY | O_CLOEXEC);
		if (fd < 0)
			err_sys(err, errno, "open the new user namespace");
	}
	close(go[1]);
	while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
		;
	return fd;
}
