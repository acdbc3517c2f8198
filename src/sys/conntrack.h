/* conntrack: make the kernel forget connections, so that their next packet is looked at afresh. */
#pragma once
#include <stdint.h>

#define PORT_SET_BYTES (65536 / 8)

/* Bit N of byte N / 8: port N, host byte order. */
struct port_set {
	uint8_t bits[PORT_SET_BYTES];
};

static inline void port_set_add(struct port_set *s, uint16_t port)
{
	s->bits[port / 8] |= (uint8_t)(1u << port % 8);
}

/* Forget every IPv4 UDP "connection" of the current network namespace that was sent to one of these
 * ports. fd: of nl_open(NETLINK_NETFILTER). Return how many, or -errno. */
int conntrack_forget_udp(int fd, const struct port_set *ports);
