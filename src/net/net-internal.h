/* The parts of the net layer: subnet (pure choice of a range), ipam and publish (database rows),
 * bridge and firewall (the kernel). net.c puts them in order. */
#pragma once
#include "base/db.h"
#include "net/net.h"
#include "sys/netlink.h"
#include <net/if.h>

struct subnet {
	uint32_t base; /* host byte order, host bits zero */
	uint8_t prefix_len;
};

struct net {
	struct db *db; /* borrowed */
	char tag[NET_TAG_LEN + 1];
	char bridge[IFNAMSIZ]; /* also the name of the nft table, but for the default root */
	char table[IFNAMSIZ];
	char *root_path; /* may be NULL */
	int nft_fd;      /* opened when first needed */
};

/* subnet.c */
uint32_t subnet_mask(uint8_t prefix_len);              /* host byte order */
struct in_addr subnet_gateway(const struct subnet *s); /* the first address */
bool subnet_contains(const struct subnet *s, struct in_addr ip);
struct subnet_text {
	char s[24];
};
struct subnet_text subnet_format(const struct subnet *s);
/* Whether the text of /proc/net/route has a route that overlaps, other than a default one or
 * one of the interface `except`. */
bool subnet_is_routed(const struct subnet *s, const char *routes, const char *except);
/* The n-th range a root with this tag tries; false when there are no more. */
bool subnet_candidate(const char *tag, unsigned n, struct subnet *ret);

/* ipam.c: rows; the caller has a write transaction open. */
extern const char *const net_db_steps[];
extern const int net_db_steps_len;
/* Return 1, or 0 when this root has no network yet. */
int ipam_load(struct net *net, struct subnet *ret, struct err *err);
int ipam_store(struct net *net, const struct subnet *s, struct err *err);
/* Return 1 when some container has an address, else 0. */
int ipam_in_use(struct net *net, struct err *err);
/* `wanted` INADDR_ANY: the next free one after the last one given, so that an address is used again
 * as late as can be. */
int ipam_take(struct net *net, const struct subnet *s, const struct net_request *request,
              struct in_addr wanted, struct in_addr *ret, struct err *err);

/* publish.c */
/* Decide the host ports of a request, reserve them by bound sockets and write their rows. */
int publish_take(struct net *net, const struct net_request *request, struct in_addr ctr_ip,
                 struct net_result *ret, struct err *err);
/* A port as the firewall needs it. */
struct publish_entry {
	struct net_port port;
	struct in_addr ctr_ip;
};
/* The rows of one container, or of all when container_id is NULL. Caller frees. */
int publish_list(struct net *net, const char *container_id, struct publish_entry **ret,
                 size_t *ret_len, struct err *err);

/* bridge.c */
/* Make sure that bridge and firewall are there. In the caller's transaction, so that only one
 * process makes them. *ret_mtu is what links should have. */
int bridge_ensure(struct net *net, struct subnet *ret_subnet, int *ret_ifindex, uint32_t *ret_mtu,
                  struct err *err);
int bridge_remove(struct net *net, struct err *err);
/* Write /proc/sys/net/FAMILY/conf/LINK/KEY of the current network namespace. 0 or -errno. */
int sysctl_write_link(const char *family, const char *link, const char *key, const char *value);

/* stale.c */
/* Remove bridges and tables of other roots whose directory is gone and that have no container. */
void stale_bridges_remove(struct net *net, int route_fd);

/* firewall.c */
/* Make the table with every published port of the database if it is missing. */
int firewall_ensure(struct net *net, const struct subnet *s, struct err *err);
int firewall_rebuild(struct net *net, const struct subnet *s, struct err *err);
int firewall_publish(struct net *net, const struct publish_entry *entries, size_t len,
                     struct err *err);
/* Take elements out; those already gone are fine. */
int firewall_unpublish(struct net *net, const struct publish_entry *entries, size_t len,
                       struct err *err);
int firewall_remove(struct net *net, struct err *err);
/* The batch that makes the whole table: for firewall_rebuild and its tests. */
void firewall_table_batch(const struct net *net, const struct subnet *s, struct nl_batch *b);
