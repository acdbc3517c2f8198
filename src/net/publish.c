#include "net/net-internal.h"

#include <arpa/inet.h>
#include <errno.h>
#include <sys/socket.h>

#include "base/xalloc.h"

#define RANDOM_TRIES 64 /* the kernel picks a free port; only our own rows can clash with it */

/* Bind a socket that nobody listens on: it takes the port from other programs and never answers, as
 * packets for it are redirected before they reach a socket. *port 0 is filled in.
 * Return the fd, -1 where the protocol has no sockets here (SCTP), or -errno below -1. */
static int reserve(uint8_t protocol, struct in_addr ip, uint16_t *port)
{
	struct sockaddr_in address = {
		.sin_family = AF_INET,
		.sin_port = htons(*port),
		.sin_addr = ip,
	};
	int type = protocol == IPPROTO_UDP ? SOCK_DGRAM : SOCK_STREAM;
	socklen_t len = sizeof(address);
	int on = 1, off = 0;
	AUTO_FD fd = socket(AF_INET, type | SOCK_CLOEXEC, protocol);

	if (fd < 0 && (errno == EPROTONOSUPPORT || errno == ESOCKTNOSUPPORT))
		return -1;
	if (fd < 0)
		return -errno;
	/* old connections in TIME_WAIT must not count as users of the port, but once we have it
	 * nobody may share it */
	if (type == SOCK_STREAM)
		(void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0)
		return -errno;
	(void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &off, sizeof(off));
	if (getsockname(fd, (struct sockaddr *)&address, &len) < 0)
		return -errno;
	*port = ntohs(address.sin_port);
	return TAKE_FD(fd);
}

/* Who has this port already: 1 with its name in ret, 0 nobody. Two addresses clash when they are
 * equal or either is every address. */
static int find_owner(struct net *net, uint8_t protocol, struct in_addr ip, uint16_t port,
                      char *ret, size_t ret_size, struct err *err)
{
	AUTO_STMT st = DB_STMT_INIT;
	int r;

	if (db_query(net->db, &st, err,
	             "SELECT coalesce(a.name, p.container) FROM net_ports p"
	             " LEFT JOIN net_addresses a ON a.container = p.container"
	             " WHERE p.protocol = ? AND p.host_port = ?"
	             " AND (?3 = 0 OR p.host_ip = 0 OR p.host_ip = ?3)",
	             DB_I64(protocol), DB_I64(port), DB_I64(ntohl(ip.s_addr))) < 0)
		return -1;
	r = db_step(&st, err);
	if (r > 0)
		snprintf(ret, ret_size, "%s", db_text(&st, 0));
	return r;
}

static int explain_bind(const struct net_port *port, uint16_t number, int error, struct err *err)
{
	char ip[INET_ADDRSTRLEN];

	inet_ntop(AF_INET, &port->host_ip, ip, sizeof(ip));
	if (error == EADDRINUSE) {
		err_set(err, E_BUSY, "port %s:%u/%s is in use by another program", ip, number,
		        net_protocol_name(port->protocol));
		return err_hint(err, "publish another host port");
	}
	if (error == EADDRNOTAVAIL)
		return err_set(err, E_INVALID, "publish on %s: the host has no such address", ip);
	return err_sys(err, error, "reserve port %s:%u/%s", ip, number,
	               net_protocol_name(port->protocol));
}

/* Try one number (0: any). Return 1 when taken, 0 when it is busy (err says by whom), or -1. */
static int try_number(struct net *net, struct net_port *port, uint16_t number, int *ret_fd,
                      struct err *err)
{
	char owner[128];
	int fd, r;

	if (number) {
		r = find_owner(net, port->protocol, port->host_ip, number, owner, sizeof(owner),
		               err);
		if (r < 0)
			return -1;
		if (r > 0) {
			err_set(err, E_BUSY, "port %u/%s is already published by container '%s'",
			        number, net_protocol_name(port->protocol), owner);
			(void)err_hint(err, "publish another host port");
			return 0;
		}
	}
	fd = reserve(port->protocol, port->host_ip, &number);
	if (fd < -1) {
		explain_bind(port, number, -fd, err);
		return fd == -EADDRINUSE ? 0 : -1;
	}
	if (!number)
		return err_set(err, E_UNSUPPORTED,
		               "publish '%u/%s': this kernel cannot choose a free %s port",
		               port->ctr_port, net_protocol_name(port->protocol),
		               net_protocol_name(port->protocol));
	port->host_port = port->host_port_last = number;
	*ret_fd = fd;
	return 1;
}

static int choose(struct net *net, struct net_port *port, int *ret_fd, struct err *err)
{
	char owner[128];
	unsigned first = port->host_port, last = port->host_port_last;
	int r;

	for (unsigned number = first; first && number <= last; number++) {
		r = try_number(net, port, (uint16_t)number, ret_fd, err);
		if (r)
			return r < 0 ? -1 : 0;
	}
	if (first && last > first) {
		err_set(err, E_BUSY, "no free %s port in %u-%u", net_protocol_name(port->protocol),
		        first, last);
		return err_hint(err, "publish another range");
	}
	if (first)
		return -1;
	for (int i = 0; i < RANDOM_TRIES; i++) {
		if (try_number(net, port, 0, ret_fd, err) <= 0)
			return -1;
		r = find_owner(net, port->protocol, port->host_ip, port->host_port, owner,
		               sizeof(owner), err);
		if (r <= 0)
			return r;
		if (*ret_fd >= 0)
			close(*ret_fd);
		*ret_fd = -1;
	}
	return err_set(err, E_NO_SPACE, "no free %s port for container port %u",
	               net_protocol_name(port->protocol), port->ctr_port);
}

int publish_take(struct net *net, const struct net_request *request, struct in_addr ctr_ip,
                 struct net_result *ret, struct err *err)
{
	size_t len = request->ports ? request->ports->len : 0;

	if (!len)
		return 0;
	if (net_ports_check(request->ports, err) < 0)
		return -1;
	ret->hold_fds = xcalloc(len, sizeof(*ret->hold_fds));
	ret->ports.items = xcalloc(len, sizeof(*ret->ports.items));
	for (size_t i = 0; i < len; i++) {
		struct net_port port = request->ports->items[i];
		int fd = -1;

		if (choose(net, &port, &fd, err) < 0)
			return -1;
		if (fd >= 0)
			ret->hold_fds[ret->hold_fds_len++] = fd;
		ret->ports.items[ret->ports.len++] = port;
		if (db_exec(net->db, err,
		            "INSERT INTO net_ports(protocol, host_port, host_ip, container,"
		            " ctr_ip, ctr_port) VALUES(?, ?, ?, ?, ?, ?)",
		            DB_I64(port.protocol), DB_I64(port.host_port),
		            DB_I64(ntohl(port.host_ip.s_addr)), DB_TEXT(request->container_id),
		            DB_I64(ntohl(ctr_ip.s_addr)), DB_I64(port.ctr_port)) < 0)
			return err_ctx(err, "record the published port %u", port.host_port);
	}
	return 0;
}

int publish_list(struct net *net, const char *container_id, struct publish_entry **ret,
                 size_t *ret_len, struct err *err)
{
	AUTO_STMT st = DB_STMT_INIT;
	AUTO_FREE struct publish_entry *entries = NULL;
	size_t len = 0;
	int r;

	if (db_query(net->db, &st, err,
	             "SELECT protocol, host_port, host_ip, ctr_ip, ctr_port FROM net_ports"
	             " WHERE ?1 IS NULL OR container = ?1"
	             " ORDER BY protocol, ctr_port, host_port",
	             DB_TEXT(container_id)) < 0)
		return -1;
	while ((r = db_step(&st, err)) > 0) {
		struct publish_entry entry = {
			.port = {
				.protocol = (uint8_t)db_i64(&st, 0),
				.host_port = (uint16_t)db_i64(&st, 1),
				.host_port_last = (uint16_t)db_i64(&st, 1),
				.host_ip = { htonl((uint32_t)db_i64(&st, 2)) },
				.ctr_port = (uint16_t)db_i64(&st, 4),
			},
			.ctr_ip = { htonl((uint32_t)db_i64(&st, 3)) },
		};

		VEC_PUSH(entries, len, entry);
	}
	if (r < 0)
		return -1;
	*ret = TAKE_PTR(entries);
	*ret_len = len;
	return 0;
}
