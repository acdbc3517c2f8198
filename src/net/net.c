#include "net/net.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/netlink.h>
#include <net/if.h>
#include <sched.h>

#include "base/id.h"
#include "base/xalloc.h"
#include "net/net-internal.h"
#include "sys/netlink-route.h"

#define CTR_INTERFACE "eth0"
#define MTU_MIN       576u
#define MTU_MAX       65535u

void net_root_tag(const char *root_path, bool is_default, char ret_tag[NET_TAG_LEN + 1])
{
	/* FNV-1a: the tag only has to differ between the few roots of one machine */
	uint32_t hash = 2166136261u;

	ret_tag[0] = '\0';
	if (is_default)
		return;
	for (const char *p = root_path; *p; p++)
		hash = (hash ^ (uint8_t)*p) * 16777619u;
	hash ^= hash >> 24;
	snprintf(ret_tag, NET_TAG_LEN + 1, "%06x", hash & 0xffffff);
}

int net_open(struct db *db, const struct net_options *options, struct net **ret, struct err *err)
{
	struct net *net;

	if (db_migrate(db, "network", net_db_steps, net_db_steps_len, err) < 0)
		return -1;
	net = xcalloc(1, sizeof(*net));
	net->db = db;
	net->nft_fd = -1;
	memcpy(net->tag, options->root_tag, sizeof(net->tag));
	snprintf(net->table, sizeof(net->table), "dhow%s", net->tag);
	snprintf(net->bridge, sizeof(net->bridge), "dhow%s", *net->tag ? net->tag : "0");
	net->root_path = xstrdup_null(options->root_path);
	*ret = net;
	return 0;
}

void net_free(struct net *net)
{
	if (!net)
		return;
	if (net->nft_fd >= 0)
		close(net->nft_fd);
	free(net->root_path);
	free(net);
}

/* Hand the result over to *to; what it owned is the receiver's now. */
static void move_result(struct net_result *to, struct net_result *from)
{
	*to = *from;
	*from = NET_RESULT_INIT;
}

void net_result_done(struct net_result *result)
{
	for (size_t i = 0; i < result->hold_fds_len; i++)
		close(result->hold_fds[i]);
	free(result->hold_fds);
	net_ports_done(&result->ports);
	*result = NET_RESULT_INIT;
}

static int parse_mac(const char *text, uint8_t ret[6], struct err *err)
{
	unsigned v[6];
	char end;

	if (strlen(text) != 17 || sscanf(text, "%2x:%2x:%2x:%2x:%2x:%2x%c", &v[0], &v[1], &v[2],
	                                 &v[3], &v[4], &v[5], &end) != 6)
		return err_set(err, E_INVALID, "'%s' is not a MAC address", text);
	if (v[0] & 1)
		return err_set(err, E_INVALID, "MAC address '%s' is a multicast address", text);
	for (int i = 0; i < 6; i++)
		ret[i] = (uint8_t)v[i];
	return 0;
}

static int need_root(struct err *err)
{
	if (geteuid() == 0)
		return 0;
	err_set(err, E_UNSUPPORTED, "the bridge network needs root");
	return err_hint(err, "use --network host or none");
}

/* Check what was asked for and fill in what follows from it, before anything is taken. */
static int plan(const struct net_request *request, struct in_addr *ret_wanted,
                struct net_result *ret, struct err *err)
{
	ret_wanted->s_addr = INADDR_ANY;
	if (need_root(err) < 0)
		return -1;
	if (request->mtu && (request->mtu < MTU_MIN || request->mtu > MTU_MAX))
		return err_set(err, E_INVALID, "MTU %u is not within %u - %u", request->mtu,
		               MTU_MIN, MTU_MAX);
	if (request->ip && inet_pton(AF_INET, request->ip, ret_wanted) != 1)
		return err_set(err, E_INVALID, "'%s' is not an IPv4 address", request->ip);
	if (request->mac && parse_mac(request->mac, ret->mac, err) < 0)
		return -1;
	return 0;
}

static int teardown(struct net *net, const char *container_id, struct err *err)
{
	AUTO_FREE struct publish_entry *entries = NULL;
	size_t len;

	if (publish_list(net, container_id, &entries, &len, err) < 0 ||
	    firewall_unpublish(net, entries, len, err) < 0 ||
	    db_exec(net->db, err, "DELETE FROM net_ports WHERE container = ?",
	            DB_TEXT(container_id)) < 0 ||
	    db_exec(net->db, err, "DELETE FROM net_addresses WHERE container = ?",
	            DB_TEXT(container_id)) < 0)
		return -1;
	return 0;
}

/* What this very container still has was left by a start that was killed half-way. */
static int drop_leftovers(struct net *net, const char *container_id, struct err *err)
{
	int64_t ip;
	int r = db_get_i64(net->db, &ip, err, "SELECT ip FROM net_addresses WHERE container = ?",
	                   DB_TEXT(container_id));

	return r > 0 ? teardown(net, container_id, err) : r;
}

/* Address, ports, bridge and firewall in one transaction: whatever changes the firewall holds the
 * database's write lock, so that nobody rebuilds the table from an older list meanwhile. */
static int take(struct net *net, const struct net_request *request, struct in_addr wanted,
                struct rt_veth *veth, struct net_result *ret, struct err *err)
{
	AUTO_FREE struct publish_entry *entries = NULL;
	struct subnet subnet;
	size_t len;

	if (db_begin_immediate(net->db, err) < 0 ||
	    bridge_ensure(net, &subnet, &veth->host_master, &veth->mtu, err) < 0 ||
	    drop_leftovers(net, request->container_id, err) < 0 ||
	    ipam_take(net, &subnet, request, wanted, &ret->ip, err) < 0 ||
	    publish_take(net, request, ret->ip, ret, err) < 0)
		return -1;
	ret->gateway = subnet_gateway(&subnet);
	ret->prefix_len = subnet.prefix_len;
	if (!request->mac) {
		/* made from the address: a neighbour's ARP entry stays right when it is used again
		 */
		ret->mac[0] = 0x02;
		ret->mac[1] = 0xd0;
		memcpy(ret->mac + 2, &ret->ip, sizeof(ret->ip));
	}
	if (db_exec(net->db, err, "UPDATE net_addresses SET mac = ? WHERE container = ?",
	            DB_BLOB(ret->mac, sizeof(ret->mac)), DB_TEXT(request->container_id)) < 0 ||
	    publish_list(net, request->container_id, &entries, &len, err) < 0)
		return -1;
	/* committed first: an element in the kernel always has a row */
	if (db_commit(net->db, err) < 0)
		return -1;
	if (!len)
		return 0;
	if (db_begin_immediate(net->db, err) < 0 || firewall_publish(net, entries, len, err) < 0)
		return -1;
	return db_commit(net->db, err);
}

/* In the container's namespace. */
static int configure_here(const struct net_result *result, struct err *err)
{
	AUTO_NL_BATCH b = NL_BATCH_INIT;
	AUTO_FD fd = nl_open(NETLINK_ROUTE);
	int eth, lo, r;

	if (fd < 0)
		return err_sys(err, -fd, "open a netlink socket in the container's network");
	if ((r = link_index(fd, "lo", &lo)) || (r = link_index(fd, CTR_INTERFACE, &eth)))
		return err_sys(err, -r, "find the container's interfaces");
	/* /proc/sys/net shows the current namespace. Before the link is up, or it would listen to
	 * router advertisements of other containers for a moment. */
	r = sysctl_write_link("ipv6", CTR_INTERFACE, "disable_ipv6", "1");
	if (r < 0 && r != -ENOENT)
		return err_sys(err, -r, "switch off IPv6 on the container's interface");
	rt_set_up(&b, lo, 0);
	rt_set_up(&b, eth, 0);
	rt_add_address(&b, eth, result->ip, result->prefix_len);
	rt_add_default_route(&b, result->gateway);
	r = nl_transact(fd, &b, NULL, NULL);
	if (r < 0)
		return err_sys(err, -r, "configure the container's interface%s%s",
		               *b.reason ? ": " : "", b.reason);
	return 0;
}

static int configure_container(const struct net_request *request, const struct net_result *result,
                               struct err *err)
{
	AUTO_FD home = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);
	int r;

	if (home < 0)
		return err_sys(err, errno, "open our network namespace");
	if (setns(request->netns_fd, CLONE_NEWNET) < 0)
		return err_sys(err, errno, "enter the container's network namespace");
	r = configure_here(result, err);
	/* staying in the container's network would make everything after this wrong */
	if (setns(home, CLONE_NEWNET) < 0)
		abort();
	return r;
}

/* `link` says which bridge and MTU; the rest of it is filled in here. */
static int attach(struct net *net, const struct net_request *request, const struct rt_veth *link,
                  const struct net_result *result, struct err *err)
{
	struct rt_veth veth = *link;
	AUTO_NL_BATCH b = NL_BATCH_INIT;
	AUTO_FD fd = nl_open(NETLINK_ROUTE);
	char random[ID_SHORT_LEN + 1], name[IFNAMSIZ];
	int r, ifindex;

	if (fd < 0)
		return err_sys(err, -fd, "open a netlink socket");
	/* random: a link dies some milliseconds after its container, and a restart must not wait
	 * for the old name */
	id_random_short(random);
	snprintf(name, sizeof(name), "dh%s", random);
	veth.host_name = name;
	veth.peer_name = CTR_INTERFACE;
	veth.peer_netns_fd = request->netns_fd;
	if (request->mtu)
		veth.mtu = request->mtu;
	memcpy(veth.peer_mac, result->mac, sizeof(veth.peer_mac));
	rt_add_veth(&b, &veth);
	/* with br_netfilter a container that calls itself by its published port never leaves the
	 * bridge, and has to get its own frame back */
	if (result->ports.len)
		rt_set_hairpin(&b, name);
	r = nl_transact(fd, &b, NULL, NULL);
	if (r == -EXFULL)
		return err_set(err, E_LIMIT, "bridge '%s' has 1023 containers: no room for more",
		               net->bridge);
	if (r < 0)
		return err_sys(err, -r, "make the link to bridge '%s'%s%s", net->bridge,
		               *b.reason ? ": " : "", b.reason);
	if (!configure_container(request, result, err))
		return 0;
	if (!link_index(fd, name, &ifindex)) {
		nl_batch_reset(&b);
		rt_del_link(&b, ifindex);
		(void)nl_transact(fd, &b, NULL, NULL);
	}
	return -1;
}

int net_setup(struct net *net, const struct net_request *request, struct net_result *ret,
              struct err *err)
{
	AUTO(net_result_done) struct net_result result = NET_RESULT_INIT;
	struct rt_veth veth = { 0 };
	struct in_addr wanted;

	if (plan(request, &wanted, &result, err) < 0)
		return -1;
	snprintf(result.interface, sizeof(result.interface), "%s", CTR_INTERFACE);
	snprintf(result.bridge, sizeof(result.bridge), "%s", net->bridge);
	if (take(net, request, wanted, &veth, &result, err) < 0 ||
	    attach(net, request, &veth, &result, err) < 0) {
		db_rollback(net->db);
		(void)net_teardown(net, request->container_id, ERR_IGNORE);
		return err_ctx(err, "network");
	}
	move_result(ret, &result);
	return 0;
}

int net_teardown(struct net *net, const char *container_id, struct err *err)
{
	if (db_begin_immediate(net->db, err) < 0 || teardown(net, container_id, err) < 0 ||
	    db_commit(net->db, err) < 0) {
		db_rollback(net->db);
		return err_ctx(err, "network of container '%.12s'", container_id);
	}
	return 0;
}

int net_users(struct net *net, struct strv *ret_ids, struct err *err)
{
	AUTO_STMT st = DB_STMT_INIT;
	int r;

	if (db_query(net->db, &st, err, "SELECT container FROM net_addresses") < 0)
		return -1;
	while ((r = db_step(&st, err)) > 0)
		strv_add(ret_ids, db_text(&st, 0));
	return r;
}

int net_reload(struct net *net, struct err *err)
{
	struct subnet subnet;
	uint32_t mtu;
	int ifindex;

	if (need_root(err) < 0 || db_begin_immediate(net->db, err) < 0 ||
	    bridge_ensure(net, &subnet, &ifindex, &mtu, err) < 0 ||
	    firewall_rebuild(net, &subnet, err) < 0 || db_commit(net->db, err) < 0) {
		db_rollback(net->db);
		return err_ctx(err, "reload the network");
	}
	return 0;
}

int net_destroy(struct net *net, struct err *err)
{
	int in_use;

	if (need_root(err) < 0 || db_begin_immediate(net->db, err) < 0)
		return -1;
	in_use = ipam_in_use(net, err);
	if (in_use > 0) {
		err_set(err, E_BUSY, "bridge '%s' is in use", net->bridge);
		(void)err_hint(err, "stop its containers");
	}
	if (in_use || firewall_remove(net, err) < 0 || bridge_remove(net, err) < 0 ||
	    db_commit(net->db, err) < 0) {
		db_rollback(net->db);
		return -1;
	}
	return 0;
}

int net_lookup(struct net *net, const char *container_id, struct net_result *ret, struct err *err)
{
	AUTO(net_result_done) struct net_result result = NET_RESULT_INIT;
	AUTO_STMT st = DB_STMT_INIT;
	struct subnet subnet;
	const void *mac;
	size_t mac_len;
	int r;

	if (db_query(net->db, &st, err,
	             "SELECT a.ip, a.mac, n.base, n.prefix_len FROM net_addresses a"
	             " JOIN net_networks n ON n.id = a.network WHERE a.container = ?",
	             DB_TEXT(container_id)) < 0)
		return -1;
	r = db_step(&st, err);
	if (r < 0)
		return -1;
	if (!r)
		return err_set(err, E_NOT_FOUND, "container '%.12s' has no address", container_id);
	result.ip.s_addr = htonl((uint32_t)db_i64(&st, 0));
	mac = db_blob(&st, 1, &mac_len);
	if (mac && mac_len == sizeof(result.mac))
		memcpy(result.mac, mac, mac_len);
	subnet = (struct subnet){ (uint32_t)db_i64(&st, 2), (uint8_t)db_i64(&st, 3) };
	result.gateway = subnet_gateway(&subnet);
	result.prefix_len = subnet.prefix_len;
	snprintf(result.interface, sizeof(result.interface), "%s", CTR_INTERFACE);
	snprintf(result.bridge, sizeof(result.bridge), "%s", net->bridge);
	if (net_list_ports(net, container_id, &result.ports, err) < 0)
		return -1;
	move_result(ret, &result);
	return 0;
}

int net_list_ports(struct net *net, const char *container_id, struct net_ports *ret,
                   struct err *err)
{
	AUTO_FREE struct publish_entry *entries = NULL;
	size_t len;

	if (publish_list(net, container_id, &entries, &len, err) < 0)
		return -1;
	for (size_t i = 0; i < len; i++)
		VEC_PUSH(ret->items, ret->len, entries[i].port);
	return 0;
}
