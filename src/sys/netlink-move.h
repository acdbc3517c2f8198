/* netlink-move: a network interface goes to another network namespace and keeps its addresses.
 * Leaf tier: 0 or -errno; batch: where to look for the kernel's words after a failure. */
#pragma once
#include "sys/netlink.h"
#include <net/if.h>

struct link_address {
	uint8_t family, prefix_len;
	uint32_t flags;
	bool has_local, has_broadcast;
	uint8_t len; /* 4 or 16 */
	uint8_t address[16], local[16], broadcast[16];
};

struct link_addresses {
	struct link_address *items;
	size_t count;
};

/* Permanent addresses of global scope. fd: a route socket of the interface's namespace. The caller
 * frees items. */
int link_addresses_read(int fd, int ifindex, struct link_addresses *ret);
int link_addresses_add(int fd, int ifindex, const struct link_addresses *a, struct nl_batch *batch);
/* Move and rename. Its addresses are lost, and it is down. */
int link_move(int fd, int ifindex, int netns_fd, const char *new_name, struct nl_batch *batch);
int link_up(int fd, int ifindex, struct nl_batch *batch);
