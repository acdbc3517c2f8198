/* net: the default bridge network of one root.
 *
 * A container gets a veth whose peer `eth0` is made directly in its network namespace, an IPv4
 * address from the root's subnet (kept in the state database), a default route, and for each
 * published port one element in an nftables map. Everything shared by the containers of a root
 * (bridge, nft table) is made by the first one. The link dies with the container's network
 * namespace; net_teardown gives back what does not: the address and the ports.
 *
 * Two roots never share a bridge, a table or a subnet: their names carry the root's tag.
 * Invariants: a row in net_addresses exists before the kernel knows the address, and goes after;
 * so whatever is left behind by a kill has a row, and net_users shows it.
 * Needs CAP_NET_ADMIN and CAP_SYS_ADMIN in the host's namespaces: E_UNSUPPORTED for ordinary users.
 */
#pragma once
#include "base/err.h"
#include "base/strv.h"
#include "net/port.h"
#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>

struct db;
struct net;

#define NET_TAG_LEN 6

struct net_options {
	/* "" for the default root: bridge dhow0, table dhow; else 6 hexadecimal digits made by
	 * net_root_tag(): bridge dhowXXXXXX, table dhowXXXXXX. */
	char root_tag[NET_TAG_LEN + 1];
	/* Shown as the bridge's alias, so that an administrator sees whose it is; may be NULL. */
	const char *root_path;
};

/* The tag of the root directory at this canonical path. */
void net_root_tag(const char *root_path, bool is_default, char ret_tag[NET_TAG_LEN + 1]);

/* Migrate our tables in db; touches no kernel state, so it is cheap enough for `ps`.
 * db is borrowed and must outlive the result. */
int net_open(struct db *db, const struct net_options *options, struct net **ret, struct err *err);
/* After ports were taken back this waits some 10 ms for the kernel to free them (as does the end of
 * the process, or its execve); so tell whoever waits for you first. */
void net_free(struct net *net);
DEFINE_FREEP(struct net, net_free)

struct net_request {
	const char *container_id;      /* full id */
	const char *name;              /* for messages about port conflicts */
	int netns_fd;                  /* /proc/PID/ns/net of the container; borrowed */
	const struct net_ports *ports; /* NULL: none */
	const char *ip;                /* --ip, NULL: the next free one */
	const char *mac;               /* --mac-address, NULL: made from the address */
	uint32_t mtu;                  /* 0: as the host's default route */
};

struct net_result {
	struct in_addr ip;
	struct in_addr gateway;
	uint8_t prefix_len;
	uint8_t mac[6];
	char interface[16];     /* in the container: "eth0" */
	char bridge[16];        /* on the host */
	struct net_ports ports; /* with the host ports really used */
	/* One bound socket for each published port: as long as they are open no other program can
	 * take the port. Hand them (without O_CLOEXEC) to the monitor, which just keeps them; if
	 * they are closed publishing still works, but a later program may bind the port and then
	 * wonder why it gets no connections. Closed by net_result_done. */
	int *hold_fds;
	size_t hold_fds_len;
};

#define NET_RESULT_INIT ((struct net_result){ 0 })
void net_result_done(struct net_result *result);

/* Connect a container that exists but has not started. On failure nothing of it is left.
 * Call it from a single-threaded process: it visits the container's namespace and comes back. */
int net_setup(struct net *net, const struct net_request *request, struct net_result *ret,
              struct err *err);
/* Give back the ports and the address. Idempotent; an unknown id is fine. The container's processes
 * must be gone (or be going), as their link goes with them. */
int net_teardown(struct net *net, const char *container_id, struct err *err);
/* Append the ids of all containers that have an address; who finds one among them that does not run
 * (any more) calls net_teardown for it. One SELECT. */
int net_users(struct net *net, struct strv *ret_ids, struct err *err);
/* Make the bridge and the nft table anew from the database, after somebody flushed them. */
int net_reload(struct net *net, struct err *err);

/* Remove bridge and table of a root in which nothing runs (E_BUSY otherwise). They stay by
 * themselves when the last container ends, since removing a bridge takes the kernel 50 ms and
 * making one 1 ms. */
int net_destroy(struct net *net, struct err *err);

/* What a container has now: E_NOT_FOUND when it has no address. Reads the database only. */
int net_lookup(struct net *net, const char *container_id, struct net_result *ret, struct err *err);
/* Append the published ports of a container (none is fine). Reads the database only. */
int net_list_ports(struct net *net, const char *container_id, struct net_ports *ret,
                   struct err *err);

/* Bring up `lo` in the caller's network namespace: for a fresh one (--network none). 0 or -errno.
 */
int net_loopback_up(void);
