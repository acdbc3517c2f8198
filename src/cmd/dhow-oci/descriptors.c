/* Descriptors in and out: those to pass on to the container, and pidfds for who asked for them. */
#include "oci.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/num.h"

#define PRESERVE_MAX 65536

int oci_listen_fds(uint64_t preserve, unsigned *ret_listen, unsigned *ret_total, struct err *err)
{
	const char *pid = getenv("LISTEN_PID"), *fds = getenv("LISTEN_FDS");
	uint32_t p = 0, n = 0;

	*ret_listen = 0;
	/* runc's callers set LISTEN_FDS without LISTEN_PID as well. */
	if (fds && parse_u32(fds, &n) == 0 && n < 1024 &&
	    (!pid || (parse_u32(pid, &p) == 0 && (pid_t)p == getpid())))
		*ret_listen = n;
	if (preserve > PRESERVE_MAX)
		return err_set(err, E_INVALID, "option --preserve-fds: at most %d", PRESERVE_MAX);
	*ret_total = *ret_listen + (unsigned)preserve;
	/* What was inherited is never close-on-exec, and what we opened ourselves always is: such a
	 * number was not given to us, and nothing of ours is inherited by the container. What
	 * LISTEN_FDS promises is its writer's affair. */
	for (unsigned i = *ret_listen; i < *ret_total; i++) {
		int flags = fcntl(3 + (int)i, F_GETFD);

		if (flags < 0 || flags & FD_CLOEXEC)
			return err_set(err, E_INVALID,
			               "option --preserve-fds: descriptor %u is not open", 3 + i);
	}
	return 0;
}

int oci_send_pidfd(const char *path, int pidfd, struct err *err)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	union {
		struct cmsghdr head;
		char room[CMSG_SPACE(sizeof(int))];
	} control = { 0 };
	char name[] = "pidfd";
	struct iovec iov = { .iov_base = name, .iov_len = 5 };
	struct msghdr msg = { .msg_iov = &iov,
		              .msg_iovlen = 1,
		              .msg_control = &control,
		              .msg_controllen = sizeof(control) };
	struct cmsghdr *c = CMSG_FIRSTHDR(&msg);
	AUTO_FD fd = -1;

	if (!path)
		return 0;
	if (strlen(path) >= sizeof(addr.sun_path))
		return err_set(err, E_INVALID, "option --pidfd-socket: the path is too long");
	memcpy(addr.sun_path, path, strlen(path) + 1);
	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(c), &pidfd, sizeof(int));
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0 || connect(fd, (struct sockaddr *)&addr, sizeof(addr)) < 0 ||
	    sendmsg(fd, &msg, MSG_NOSIGNAL) < 0)
		return err_sys(err, errno, "send the pidfd to '%s'", path);
	return 0;
}
