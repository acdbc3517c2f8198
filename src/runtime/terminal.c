#include "runtime/internal.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/un.h>
#include <sys/vfs.h>
#include <termios.h>

int terminal_open(int pts_fd, const struct oci_process *p, int *ret_master, int *ret_slave,
                  struct err *err)
{
	struct winsize size = { .ws_row = (unsigned short)p->console_size.height,
		                .ws_col = (unsigned short)p->console_size.width };
	AUTO_FD master = openat(pts_fd, "ptmx", O_RDWR | O_NOCTTY | O_CLOEXEC | O_NOFOLLOW);
	AUTO_FD slave = -1;
	struct statfs fs;
	struct stat st;
	int unlock = 0;

	if (master < 0)
		return err_sys(err, errno,
		               "process.terminal: open 'ptmx' of the container's /dev/pts");
	/* A root file system must not hand us some other device under this name. */
	if (fstatfs(master, &fs) < 0 || fs.f_type != DEVPTS_SUPER_MAGIC)
		return err_set(err, E_PERM, "process.terminal: /dev/pts is not a devpts");
	if (ioctl(master, TIOCSPTLCK, &unlock) < 0)
		return err_sys(err, errno, "process.terminal: unlock");
	slave = ioctl(master, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC);
	if (slave < 0)
		return err_sys(err, errno, "process.terminal: open the other end");
	if (fstat(slave, &st) < 0 || !S_ISCHR(st.st_mode) || major(st.st_rdev) < 136 ||
	    major(st.st_rdev) > 143)
		return err_set(err, E_PERM, "process.terminal: the other end is not a terminal");
	if (size.ws_row && size.ws_col && ioctl(master, TIOCSWINSZ, &size) < 0)
		return err_sys(err, errno, "process.consoleSize: set");
	/* Group and mode are the mount's (gid=5,mode=0620). */
	if (p->user.uid && fchown(slave, p->user.uid, (gid_t)-1) < 0)
		return err_sys(err, errno, "process.terminal: give it to user %u", p->user.uid);
	*ret_master = TAKE_FD(master);
	*ret_slave = TAKE_FD(slave);
	return 0;
}

void runtime_terminal_plain(int master_fd)
{
	struct termios mode;

	if (tcgetattr(master_fd, &mode) < 0)
		return;
	mode.c_oflag &= ~(tcflag_t)ONLCR;
	(void)tcsetattr(master_fd, TCSANOW, &mode);
}

int terminal_send(const char *socket_path, int master_fd, struct err *err)
{
	static char name[] = "/dev/ptmx";
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	union {
		struct cmsghdr head;
		char room[CMSG_SPACE(sizeof(int))];
	} control = { 0 };
	struct iovec iov = { .iov_base = name, .iov_len = sizeof(name) - 1 };
	struct msghdr msg = {
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = &control,
		.msg_controllen = sizeof(control),
	};
	struct cmsghdr *c = CMSG_FIRSTHDR(&msg);
	AUTO_FD fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return err_sys(err, errno, "make a socket");
	if (strlen(socket_path) >= sizeof(addr.sun_path))
		return err_set(err, E_INVALID,
		               "console socket '%s': the path is longer than %zu bytes",
		               socket_path, sizeof(addr.sun_path) - 1);
	memcpy(addr.sun_path, socket_path, strlen(socket_path) + 1);
	if (connect(fd, (struct sockaddr *)&addr, sizeof(addr)) < 0)
		return err_sys(err, errno, "connect to console socket '%s'", socket_path);
	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(c), &master_fd, sizeof(int));
	if (sendmsg(fd, &msg, MSG_NOSIGNAL) < 0)
		return err_sys(err, errno, "send the terminal to console socket '%s'", socket_path);
	return 0;
}
