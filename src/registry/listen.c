#include "registry/listen.h"
#include "base/fd.h"
#include "base/num.h"
#include "base/xalloc.h"
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <sys/socket.h>

#define INHERITED_FD 3
#define BACKLOG      256

/* -1 without err when there is none. */
static int inherited(struct err *err)
{
	const char *pid = getenv("LISTEN_PID"), *fds = getenv("LISTEN_FDS");
	uint32_t n = 0;
	int listens = 0;
	socklen_t len = sizeof(listens);

	if (!pid || !fds || parse_u32(pid, &n) < 0 || n != (uint32_t)getpid())
		return -1;
	if (parse_u32(fds, &n) < 0 || n != 1)
		return err_set(err, E_INVALID, "LISTEN_FDS is '%.20s': one socket is served", fds);
	if (getsockopt(INHERITED_FD, SOL_SOCKET, SO_ACCEPTCONN, &listens, &len) < 0 || !listens)
		return err_set(err, E_INVALID, "file 3 is not a listening socket");
	fd_set_cloexec(INHERITED_FD, true);
	return INHERITED_FD;
}

static int split(const char *where, char **ret_host, char **ret_port, struct err *err)
{
	const char *colon = strrchr(where, ':');
	uint32_t port;

	if (!colon || parse_u32(colon + 1, &port) < 0 || port > 65535) {
		err_set(err, E_INVALID, "'%.200s' is not ADDRESS:PORT", where);
		return -1;
	}
	if (where[0] == '[' && colon > where + 1 && colon[-1] == ']')
		*ret_host = xstrndup(where + 1, (size_t)(colon - where - 2));
	else
		*ret_host = xstrndup(where, (size_t)(colon - where));
	*ret_port = xstrdup(colon + 1);
	return 0;
}

static int bind_one(const struct addrinfo *a)
{
	AUTO_FD fd =
		socket(a->ai_family, a->ai_socktype | SOCK_CLOEXEC | SOCK_NONBLOCK, a->ai_protocol);
	int on = 1, off = 0;

	if (fd < 0)
		return -1;
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (a->ai_family == AF_INET6)
		setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof(off));
	if (bind(fd, a->ai_addr, a->ai_addrlen) < 0 || listen(fd, BACKLOG) < 0)
		return -1;
	return TAKE_FD(fd);
}

int listen_open(const char *where, struct err *err)
{
	struct addrinfo hints = { .ai_flags = AI_PASSIVE | AI_NUMERICSERV,
		                  .ai_socktype = SOCK_STREAM };
	AUTO_FREE char *host = NULL;
	AUTO_FREE char *port = NULL;
	struct addrinfo *found;
	int fd, r;

	err->code = E_OK;
	fd = inherited(err);
	if (fd >= 0 || err->code != E_OK)
		return fd;
	if (split(where, &host, &port, err) < 0)
		return -1;
	/* every address: IPv6's any takes IPv4 too, where there is IPv6 */
	r = getaddrinfo(*host ? host : NULL, port, &hints, &found);
	if (r)
		return err_set(err, E_INVALID, "listen on '%.200s': %s", where, gai_strerror(r));
	for (const struct addrinfo *a = found; a && fd < 0; a = a->ai_next)
		if (*host || a->ai_family == AF_INET6 || !a->ai_next)
			fd = bind_one(a);
	for (const struct addrinfo *a = found; a && fd < 0; a = a->ai_next)
		fd = bind_one(a);
	r = errno;
	freeaddrinfo(found);
	return fd >= 0 ? fd : err_sys(err, r, "listen on '%.200s'", where);
}

char *listen_name(int fd)
{
	struct sockaddr_storage a = { 0 };
	socklen_t len = sizeof(a);
	char host[INET6_ADDRSTRLEN + 1] = "", port[8] = "";

	getsockname(fd, (struct sockaddr *)&a, &len);
	getnameinfo((struct sockaddr *)&a, len, host, sizeof(host), port, sizeof(port),
	            NI_NUMERICHOST | NI_NUMERICSERV);
	return a.ss_family == AF_INET6 ? xasprintf("[%s]:%s", host, port)
	                               : xasprintf("%s:%s", host, port);
}

bool listen_is_local(int fd)
{
	struct sockaddr_storage a = { 0 };
	socklen_t len = sizeof(a);

	getsockname(fd, (struct sockaddr *)&a, &len);
	if (a.ss_family == AF_INET)
		return ntohl(((struct sockaddr_in *)&a)->sin_addr.s_addr) >> 24 == 127;
	if (a.ss_family == AF_INET6)
		return IN6_IS_ADDR_LOOPBACK(&((struct sockaddr_in6 *)&a)->sin6_addr);
	return a.ss_family == AF_UNIX;
}
