/* port: what -p publishes.
 * Syntax: [[IP:][HOSTPORT[-LAST]]:]CTRPORT[-LAST][/tcp|udp|sctp], docker's and podman's.
 *   8080:80            host port 8080 on every address
 *   127.0.0.1:8080:80  one address
 *   80  127.0.0.1::80  the kernel chooses a free host port
 *   8000-8009:80       the first free port of the range
 *   8000-8009:80-89    ten ports, in pairs
 * IPv4 only; an IPv6 address is refused by name (docs/limits.md). */
#pragma once
#include "base/err.h"
#include "base/strbuf.h"
#include <netinet/in.h>
#include <stdint.h>

struct net_port {
	struct in_addr host_ip;  /* INADDR_ANY: every address of the host */
	uint16_t host_port;      /* first acceptable one, host byte order; 0: any free port */
	uint16_t host_port_last; /* last acceptable one; equals host_port when it is fixed */
	uint16_t ctr_port;       /* in the container, host byte order */
	uint8_t protocol;        /* IPPROTO_TCP, IPPROTO_UDP or IPPROTO_SCTP */
};

/* An array that owns its items. */
struct net_ports {
	struct net_port *items;
	size_t len;
};

#define NET_PORTS_INIT ((struct net_ports){ 0 })
#define NET_PORTS_MAX  16384 /* of one container */

void net_ports_done(struct net_ports *ports);
/* Parse one -p value and append what it names, one item for each container port. */
int net_ports_parse(struct net_ports *ports, const char *spec, struct err *err);
/* "80/tcp", "80", "7000-7004/udp": what --expose and an image's ExposedPorts name; every port is
 * appended with a random host port (for -P). */
int net_ports_parse_exposed(struct net_ports *ports, const char *spec, struct err *err);
/* Refuse two items that want the same fixed host port. */
int net_ports_check(const struct net_ports *ports, struct err *err);
const char *net_protocol_name(uint8_t protocol); /* "tcp"; "unknown" */
/* "0.0.0.0:8080->80/tcp" as `ps` shows it; runs of neighbours are joined ("8000-8002->80-82/tcp").
 */
void net_ports_format(const struct net_ports *ports, struct strbuf *out);
