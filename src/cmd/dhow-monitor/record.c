/* How the container ended: found out, recorded, handed over. */
#include "monitor.h"

#include "base/fd.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

extern char **environ;

/* Both versions of cgroups count the processes the OOM killer took: a line "oom_kill N". */
bool oom_happened(const struct monitor *m)
{
	char text[512];
	const char *at;
	ssize_t n;

	if (m->oom_fd < 0)
		return false;
	n = pread(m->oom_fd, text, sizeof(text) - 1, 0);
	if (n <= 0)
		return false;
	text[n] = '\0';
	at = strstr(text, "oom_kill ");
	return at && at[9] >= '1' && at[9] <= '9';
}

void record_write(const struct monitor *m, int code, bool oom)
{
	static const char temp[] = MONITOR_EXIT_FILE ".new";
	char text[256];
	char *p = text;
	int fd;

	p = text_str(p, "pid=");
	p = text_u64(p, (uint64_t)m->pid);
	p = text_str(p, " start=");
	p = text_u64(p, m->start_ticks);
	p = text_str(p, " code=");
	p = text_u64(p, (uint64_t)code);
	p = text_str(p, oom ? " oom=1 finished=" : " oom=0 finished=");
	p = text_u64(p, (uint64_t)now_wall_ns());
	*p++ = '\n';

	fd = openat(m->container_dir_fd, temp,
	            O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return; /* who looks next finds the container gone and says what is not known */
	if (fd_write_all(fd, text, (size_t)(p - text)) == 0 && (!m->sync || fsync(fd) == 0))
		renameat(m->container_dir_fd, temp, m->container_dir_fd, MONITOR_EXIT_FILE);
	close(fd);
	if (m->sync)
		fsync(m->container_dir_fd);
}

void remove_container_dir(const struct monitor *m)
{
	int parent = openat(m->container_dir_fd, "..", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (parent >= 0)
		tree_remove_at(parent, m->id, ERR_IGNORE);
}

void become_after_exit(const struct monitor *m)
{
	char *argv[9];
	char done[12];
	size_t n = 0;

	argv[n++] = (char *)m->program;
	argv[n++] = (char *)"--root";
	argv[n++] = (char *)m->root;
	argv[n++] = (char *)"--runroot";
	argv[n++] = (char *)m->runroot;
	argv[n++] = (char *)"__after-exit";
	argv[n++] = (char *)m->id;
	if (m->done_fd >= 0) {
		*text_u64(done, (uint64_t)m->done_fd) = '\0';
		argv[n++] = done;
		fcntl(m->done_fd, F_SETFD, 0);
	}
	argv[n] = NULL;
	execve(m->program, argv, environ);
}
