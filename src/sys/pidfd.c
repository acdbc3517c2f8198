#include "sys/pidfd.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/syscall.h>

#include "base/macro.h"

int pidfd_open_pid(pid_t pid)
{
	long fd = syscall(SYS_pidfd_open, pid, 0);

	return fd < 0 ? -errno : (int)fd; /* always close-on-exec */
}

int pidfd_signal(int pidfd, int signal)
{
	return syscall(SYS_pidfd_send_signal, pidfd, signal, NULL, 0) < 0 ? -errno : 0;
}

int pidfd_wait_exit(int pidfd, int timeout_ms)
{
	struct pollfd p = { .fd = pidfd, .events = POLLIN };
	int r;

	do
		r = poll(&p, 1, timeout_ms);
	while (r < 0 && errno == EINTR && timeout_ms < 0);
	if (r < 0)
		return errno == EINTR ? 0 : -errno;
	return r > 0;
}

/* Start time and state letter of /proc/PID/stat. */
static int read_stat(pid_t pid, uint64_t *ret_ticks, char *ret_state)
{
	char path[32], buf[1024], *p;
	unsigned long long ticks;
	ssize_t n;
	AUTO_FD fd = -1;

	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return errno == ENOENT ? -ESRCH : -errno;
	n = read(fd, buf, sizeof(buf) - 1);
	if (n <= 0)
		return n < 0 ? -errno : -ESRCH;
	buf[n] = '\0';
	/* The command name may hold blanks and brackets: fields are counted from the last ')'. */
	p = strrchr(buf, ')');
	if (!p || p[1] != ' ')
		return -EIO;
	*ret_state = p[2];
	p += 2;
	for (int field = 3; field < 22; field++) {
		p = strchr(p, ' ');
		if (!p)
			return -EIO;
		p++;
	}
	ticks = strtoull(p, NULL, 10);
	*ret_ticks = ticks;
	return 0;
}

int process_start_time(pid_t pid, uint64_t *ret_ticks)
{
	char state;

	return read_stat(pid, ret_ticks, &state);
}

bool process_is_alive(pid_t pid, uint64_t start_ticks)
{
	uint64_t ticks;
	char state;

	return pid > 0 && read_stat(pid, &ticks, &state) == 0 && ticks == start_ticks &&
	       state != 'Z' && state != 'X';
}

int pidfd_open_exact(pid_t pid, uint64_t start_ticks)
{
	uint64_t ticks;
	AUTO_FD fd = -1;
	char state;
	int r;

	if (pid <= 0)
		return -ESRCH;
	/* The descriptor first: from then on the pid cannot be given to another while we look. */
	fd = pidfd_open_pid(pid);
	if (fd < 0)
		return fd;
	r = read_stat(pid, &ticks, &state);
	if (r < 0)
		return r;
	if (ticks != start_ticks || state == 'Z' || state == 'X')
		return -ESRCH;
	return TAKE_FD(fd);
}
