/* netlink-route: the few links, addresses and routes that a container's network is made of, as
 * messages appended to a batch (sys/netlink.h). Each asks for an acknowledgement. */
#pragma once
#include "sys/netlink.h"
#include <net/if.h>
#include <netinet/in.h>

struct rt_veth {
	const char *host_name;
	int host_master; /* ifindex of the bridge */
	const char *peer_name;
	int peer_netns_fd; /* the peer is born there; borrowed */
	uint8_t peer_mac[6];
	uint32_t mtu; /* of both ends */
};

/* The host's end comes up at once; the peer has to be set up in its namespace. */
void rt_add_veth(struct nl_batch *b, const struct rt_veth *veth);
/* Let the bridge send a frame back through the port it came in by; the port is found by name, so
 * this can follow rt_add_veth in the same batch. */
void rt_set_hairpin(struct nl_batch *b, const char *port_name);
/* A bridge without spanning tree, down, with a fixed MAC (else it changes with its ports). */
void rt_add_bridge(struct nl_batch *b, const char *name, const uint8_t mac[6]);
/* Set a link up; mtu 0 leaves it. */
void rt_set_up(struct nl_batch *b, int ifindex, uint32_t mtu);
void rt_del_link(struct nl_batch *b, int ifindex);
void rt_add_address(struct nl_batch *b, int ifindex, struct in_addr ip, uint8_t prefix_len);
void rt_add_default_route(struct nl_batch *b, struct in_addr gateway);

/* By ioctl on any socket of the wanted namespace: cheaper than a netlink dump. 0 or -errno. */
int link_index(int socket_fd, const char *name, int *ret);
int link_flags(int socket_fd, const char *name, short *ret);
int link_mtu(int socket_fd, const char *name, uint32_t *ret);
