/* sd_notify from inside a container (NOTIFY_SOCKET): a socket of ours is mounted on /run/notify,
 * and READY=1 is passed on to the service manager, with the container's pid as the one to watch.
 *
 * The socket is ROOT/.notify/ID/notify.sock: no id begins with a dot. */
#include "oci.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"
#include "base/xalloc.h"

#define INSIDE       "/run/notify"
#define NAME         "notify.sock"
#define MESSAGE_MAX  4096
#define BARRIER_WAIT 30000 /* ms */

static char *dir_of(const char *id)
{
	return xasprintf(".notify/%s", id);
}

void oci_notify_remove(int root_fd, const char *id)
{
	AUTO_FREE char *socket_path = NULL;
	AUTO_FREE char *dir = NULL;

	if (strchr(id, '/'))
		return;
	socket_path = xasprintf(".notify/%s/" NAME, id);
	if (unlinkat(root_fd, socket_path, 0) < 0 && errno != ENOENT)
		return;
	dir = dir_of(id);
	if (unlinkat(root_fd, dir, AT_REMOVEDIR) == 0)
		unlinkat(root_fd, ".notify", AT_REMOVEDIR);
}

int oci_notify_prepare(struct oci_spec *spec, int root_fd, const char *id, struct err *err)
{
	AUTO_FREE char *dir = NULL;
	AUTO_FREE char *link = NULL;
	AUTO_FREE char *source = NULL;
	char root[PATH_MAX];
	ssize_t n;

	if (!getenv("NOTIFY_SOCKET") || !spec->has_process || !runtime_id_is_valid(id))
		return 0;
	dir = dir_of(id);
	if ((mkdirat(root_fd, ".notify", 0711) < 0 && errno != EEXIST) ||
	    (mkdirat(root_fd, dir, 0755) < 0 && errno != EEXIST))
		return err_sys(err, errno, "NOTIFY_SOCKET: make the directory of its socket");
	link = xasprintf("/proc/self/fd/%d", root_fd);
	n = readlink(link, root, sizeof(root) - 1);
	if (n < 0)
		return err_sys(err, errno, "NOTIFY_SOCKET: find the state root");
	root[n] = '\0';
	source = xasprintf("%s/%s", root, dir);
	oci_spec_add_mount(spec, INSIDE, "bind", source, "bind,nosuid,noexec,nodev,ro");
	strv_set_env(&spec->process.env, "NOTIFY_SOCKET", INSIDE "/" NAME);
	return 0;
}

int oci_notify_open(int root_fd, const char *id, int *ret_fd, struct err *err)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	AUTO_FREE char *path = NULL;
	AUTO_FD dir = -1;
	AUTO_FD fd = -1;

	*ret_fd = -1;
	if (!getenv("NOTIFY_SOCKET") || strchr(id, '/'))
		return 0;
	path = dir_of(id);
	dir = openat(root_fd, path, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (dir < 0) /* it was created without */
		return 0;
	/* short enough for an address, whatever the root */
	snprintf(addr.sun_path, sizeof(addr.sun_path), "/proc/self/fd/%d/" NAME, dir);
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	unlinkat(dir, NAME, 0);
	/* Users of the container write to it, whoever they are. */
	if (fd < 0 || bind(fd, (struct sockaddr *)&addr, sizeof(addr)) < 0 ||
	    fchmodat(dir, NAME, 0777, 0) < 0)
		return err_sys(err, errno, "NOTIFY_SOCKET: make the container's socket");
	*ret_fd = TAKE_FD(fd);
	return 0;
}

static int connect_manager(const char *path)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	socklen_t len;
	AUTO_FD fd = -1;

	if (strlen(path) >= sizeof(addr.sun_path))
		return -1;
	memcpy(addr.sun_path, path, strlen(path));
	len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(path) + 1);
	if (path[0] == '@') { /* an abstract name: without an end */
		addr.sun_path[0] = '\0';
		len--;
	}
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0 || connect(fd, (struct sockaddr *)&addr, len) < 0)
		return -1;
	return TAKE_FD(fd);
}

/* The manager closes the descriptor when it has dealt with all that came before; ours must not be
 * gone by then, or it could not tell whose messages these were. */
static void barrier(int manager)
{
	union {
		struct cmsghdr head;
		char room[CMSG_SPACE(sizeof(int))];
	} control = { 0 };
	static char text[] = "BARRIER=1";
	struct iovec iov = { .iov_base = text, .iov_len = sizeof(text) - 1 };
	struct msghdr msg = { .msg_iov = &iov,
		              .msg_iovlen = 1,
		              .msg_control = &control,
		              .msg_controllen = sizeof(control) };
	struct cmsghdr *c = CMSG_FIRSTHDR(&msg);
	struct pollfd p = { .events = 0 };
	int fds[2];

	if (pipe2(fds, O_CLOEXEC) < 0)
		return;
	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(c), &fds[1], sizeof(int));
	if (sendmsg(manager, &msg, MSG_NOSIGNAL) >= 0) {
		close(TAKE_FD(fds[1]));
		p.fd = fds[0];
		(void)poll(&p, 1, BARRIER_WAIT);
	}
	if (fds[1] >= 0)
		close(fds[1]);
	close(fds[0]);
}

static void tell_manager(const char *ready, pid_t pid)
{
	AUTO_FD manager = connect_manager(getenv("NOTIFY_SOCKET"));
	char text[64];

	if (manager < 0) {
		log_warn("NOTIFY_SOCKET '%s': cannot be reached", getenv("NOTIFY_SOCKET"));
		return;
	}
	snprintf(text, sizeof(text), "%s\n", ready);
	(void)!send(manager, text, strlen(text), MSG_NOSIGNAL);
	snprintf(text, sizeof(text), "MAINPID=%d\n", pid);
	(void)!send(manager, text, strlen(text), MSG_NOSIGNAL);
	barrier(manager);
}

void oci_notify_wait(int fd, pid_t pid, int pidfd)
{
	struct pollfd p[2] = { { .fd = fd, .events = POLLIN }, { .fd = pidfd, .events = POLLIN } };
	char text[MESSAGE_MAX + 1];

	for (;;) {
		char *save = NULL;
		ssize_t n;

		if (poll(p, 2, -1) < 0 && errno != EINTR)
			return;
		if (!(p[0].revents & POLLIN)) {
			if (p[1].revents)
				return;
			continue;
		}
		n = recv(fd, text, MESSAGE_MAX, MSG_DONTWAIT);
		if (n < 0)
			continue;
		text[n] = '\0';
		for (char *line = strtok_r(text, "\n", &save); line;
		     line = strtok_r(NULL, "\n", &save))
			if (strncmp(line, "READY=", 6) == 0 && strlen(line) < 16) {
				tell_manager(line, pid);
				return;
			}
	}
}

void oci_notify_fork(int fd, pid_t pid, int pidfd)
{
	if (fd < 0 || fork() != 0)
		return;
	oci_notify_wait(fd, pid, pidfd);
	_exit(0);
}
