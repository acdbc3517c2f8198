/* A mount of another container, fetched by a child that visits it. */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "engine/spec-internal.h"
#include "sys/rootfs.h"

static int send_fd(int sock, int error, int fd)
{
	char control[CMSG_SPACE(sizeof(int))] = { 0 };
	struct iovec iov = { &error, sizeof(error) };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };

	if (fd >= 0) {
		struct cmsghdr *c;

		msg.msg_control = control;
		msg.msg_controllen = sizeof(control);
		c = CMSG_FIRSTHDR(&msg);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(c), &fd, sizeof(int));
	}
	return sendmsg(sock, &msg, MSG_NOSIGNAL) < 0 ? -errno : 0;
}

/* The descriptor, or -errno: the child's or our own. */
static int receive_fd(int sock)
{
	char control[CMSG_SPACE(sizeof(int))] = { 0 };
	int error = EIO, fd = -1;
	struct iovec iov = { &error, sizeof(error) };
	struct msghdr msg = { .msg_iov = &iov,
		              .msg_iovlen = 1,
		              .msg_control = control,
		              .msg_controllen = sizeof(control) };
	struct cmsghdr *c;

	if (recvmsg(sock, &msg, MSG_CMSG_CLOEXEC) != (ssize_t)sizeof(error))
		return -EIO;
	if (error)
		return -error;
	c = CMSG_FIRSTHDR(&msg);
	if (!c || c->cmsg_type != SCM_RIGHTS || c->cmsg_len != CMSG_LEN(sizeof(int)))
		return -EIO;
	memcpy(&fd, CMSG_DATA(c), sizeof(int));
	return fd;
}

static int clone_mount(int ns_fd, const char *path)
{
	AUTO_FD root = -1;
	AUTO_FD at = -1;
	int tree;

	prctl(PR_SET_DUMPABLE, 0);
	if (setns(ns_fd, CLONE_NEWNS) < 0)
		return -errno;
	root = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (root < 0)
		return -errno;
	at = rootfs_open_nolinks(root, path, O_PATH | O_DIRECTORY, 0);
	if (at < 0)
		return at;
	tree = open_tree(at, "", OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_EMPTY_PATH);
	return tree < 0 ? -errno : tree;
}

int peer_mount_open(pid_t pid, const char *path, struct err *err)
{
	AUTO_FD ns = -1;
	char ns_path[40];
	int pair[2], fd;
	pid_t child;

	snprintf(ns_path, sizeof(ns_path), "/proc/%d/ns/mnt", (int)pid);
	ns = open(ns_path, O_RDONLY | O_CLOEXEC);
	if (ns < 0)
		return err_sys(err, errno, "open '%s'", ns_path);
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return err_sys(err, errno, "socketpair");
	child = fork();
	if (child == 0) {
		fd = clone_mount(ns, path);
		_exit(send_fd(pair[1], fd < 0 ? -fd : 0, fd) < 0);
	}
	close(pair[1]);
	fd = child < 0 ? -errno : receive_fd(pair[0]);
	close(pair[0]);
	if (child > 0)
		waitpid(child, NULL, 0);
	if (fd < 0)
		return err_sys(err, -fd, "share '%s'", path);
	return fd;
}
