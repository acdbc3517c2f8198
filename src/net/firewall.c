#include "net/net-internal.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_conntrack_common.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter_ipv4.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>

#include "base/log.h"
#include "sys/conntrack.h"
#include "sys/nft.h"

/* The table of a root, as `nft list table inet dhow` shows it, for bridge dhow0 and 10.87.0.0/16:
 *
 *	map ports    { type inet_proto . inet_service : ipv4_addr . inet_service }
 *	map ports_ip { type ipv4_addr . inet_proto . inet_service : ipv4_addr . inet_service }
 *	chain guard       { hook prerouting, raw
 *		iifname "dhow0" ip daddr 127.0.0.0/8 drop
 *		iifname != "dhow0" ip daddr 10.87.0.0/16 drop }
 *	chain prerouting  { nat hook prerouting, dstnat
 *		ip daddr 127.0.0.0/8 return
 *		fib daddr type local dnat ip to ip daddr . meta l4proto . th dport map @ports_ip
 *		fib daddr type local dnat ip to meta l4proto . th dport map @ports }
 *	chain output      { nat hook output: the same two dnat rules }
 *	chain postrouting { nat hook postrouting, srcnat
 *		oifname "dhow0" ip saddr 127.0.0.0/8 masquerade
 *		ip saddr 10.87.0.0/16 ip daddr 10.87.0.0/16 ct status dnat masquerade
 *		ip saddr 10.87.0.0/16 oifname != "dhow0" masquerade }
 *	chain forward     { filter hook forward, filter
 *		oifname "dhow0" ct state established,related accept
 *		oifname "dhow0" iifname "dhow0" accept
 *		oifname "dhow0" ct status dnat accept
 *		oifname "dhow0" drop }
 *
 * Why:
 * - A port published on every address must answer on 127.0.0.1 too; so the bridge has
 *   route_localnet, and `guard` keeps containers from using that to reach the host's
 *   loopback services (CVE-2020-8558). What comes from other hosts for 127/8 is never redirected.
 * - Only what is addressed to the host itself is redirected (fib ... local): else a container's or
 *a neighbour's connection to port 80 of anywhere would end in our container (CVE-2025-67499).
 * - A connection from the host's loopback gets the bridge's address, never 127.0.0.1, which
 *   programs in the container would trust (CVE-2021-20199). So does one container that reaches
 *   another (or itself) by a published port, or the answer would bypass the translation. All
 *   others keep their source address.
 * - Nobody reaches a container by its own address from outside the bridge but the host. */

#define IP_SADDR_OFFSET 12
#define IP_DADDR_OFFSET 16
#define TH_DPORT_OFFSET 2
#define TYPE_TARGET     NFT_TYPE2(NFT_TYPE_IPV4, NFT_TYPE_PORT)

/* Keys and data of the maps: every field padded to a register of 4 bytes. */
struct any_key {
	uint8_t protocol, pad1[3];
	uint16_t port_be, pad2;
};
struct ip_key {
	struct in_addr ip;
	struct any_key any;
};
struct target {
	struct in_addr ip;
	uint16_t port_be, pad;
};

/* Another table whose forward policy is drop makes no difference between our traffic and any other.
 */
#define FOREIGN_CHAIN      "FORWARD"
#define FOREIGN_USER_CHAIN "DOCKER-USER" /* where docker asks others to put their rules */
static const struct nft_table foreign_table = { NFPROTO_IPV4, "filter" };

static struct nft_table our_table(const struct net *net)
{
	return (struct nft_table){ NFPROTO_INET, net->table };
}

static void match_interface(struct nl_batch *b, uint32_t key, uint32_t op, const char *name)
{
	char padded[IFNAMSIZ] = { 0 };

	memcpy(padded, name, strnlen(name, IFNAMSIZ - 1));
	nft_meta(b, key, 0);
	nft_cmp(b, op, 0, padded, sizeof(padded));
}

static void match_ipv4(struct nl_batch *b)
{
	uint8_t family = NFPROTO_IPV4;

	nft_meta(b, NFT_META_NFPROTO, 0);
	nft_cmp(b, NFT_CMP_EQ, 0, &family, sizeof(family));
}

/* match_ipv4 comes before. */
static void match_subnet(struct nl_batch *b, uint32_t offset, const struct subnet *s)
{
	uint32_t base_be = htonl(s->base);

	nft_payload(b, NFT_PAYLOAD_NETWORK_HEADER, offset, 4, 0);
	nft_mask(b, 0, htonl(subnet_mask(s->prefix_len)));
	nft_cmp(b, NFT_CMP_EQ, 0, &base_be, sizeof(base_be));
}

static const struct subnet loopback = { 0x7f000000, 8 };

static void add_guard(const struct net *net, const struct subnet *s, const struct nft_table *t,
                      struct nl_batch *b)
{
	size_t rule = nft_rule_begin(b, t, "guard", NFT_APPEND, NULL);

	match_interface(b, NFT_META_IIFNAME, NFT_CMP_EQ, net->bridge);
	match_ipv4(b);
	match_subnet(b, IP_DADDR_OFFSET, &loopback);
	nft_verdict(b, NF_DROP);
	nft_rule_end(b, rule);

	rule = nft_rule_begin(b, t, "guard", NFT_APPEND, NULL);
	match_interface(b, NFT_META_IIFNAME, NFT_CMP_NEQ, net->bridge);
	match_ipv4(b);
	match_subnet(b, IP_DADDR_OFFSET, s);
	nft_verdict(b, NF_DROP);
	nft_rule_end(b, rule);
}

static void add_dnat(const struct nft_table *t, const char *chain, struct nl_batch *b)
{
	uint32_t local = RTN_LOCAL;
	size_t rule = nft_rule_begin(b, t, chain, NFT_APPEND, NULL);

	nft_fib_daddr_type(b, 0);
	nft_cmp(b, NFT_CMP_EQ, 0, &local, sizeof(local));
	match_ipv4(b);
	nft_payload(b, NFT_PAYLOAD_NETWORK_HEADER, IP_DADDR_OFFSET, 4, 0);
	nft_meta(b, NFT_META_L4PROTO, 1);
	nft_payload(b, NFT_PAYLOAD_TRANSPORT_HEADER, TH_DPORT_OFFSET, 2, 2);
	nft_lookup(b, 0, "ports_ip");
	nft_dnat_ipv4(b, 0, 1);
	nft_rule_end(b, rule);

	rule = nft_rule_begin(b, t, chain, NFT_APPEND, NULL);
	nft_fib_daddr_type(b, 0);
	nft_cmp(b, NFT_CMP_EQ, 0, &local, sizeof(local));
	match_ipv4(b);
	nft_meta(b, NFT_META_L4PROTO, 0);
	nft_payload(b, NFT_PAYLOAD_TRANSPORT_HEADER, TH_DPORT_OFFSET, 2, 1);
	nft_lookup(b, 0, "ports");
	nft_dnat_ipv4(b, 0, 1);
	nft_rule_end(b, rule);
}

static void add_nat(const struct net *net, const struct subnet *s, const struct nft_table *t,
                    struct nl_batch *b)
{
	size_t rule = nft_rule_begin(b, t, "prerouting", NFT_APPEND, NULL);

	match_ipv4(b);
	match_subnet(b, IP_DADDR_OFFSET, &loopback);
	nft_verdict(b, NFT_RETURN);
	nft_rule_end(b, rule);
	add_dnat(t, "prerouting", b);
	add_dnat(t, "output", b);

	rule = nft_rule_begin(b, t, "postrouting", NFT_APPEND, NULL);
	match_interface(b, NFT_META_OIFNAME, NFT_CMP_EQ, net->bridge);
	match_ipv4(b);
	match_subnet(b, IP_SADDR_OFFSET, &loopback);
	nft_masquerade(b);
	nft_rule_end(b, rule);

	rule = nft_rule_begin(b, t, "postrouting", NFT_APPEND, NULL);
	match_ipv4(b);
	match_subnet(b, IP_SADDR_OFFSET, s);
	match_subnet(b, IP_DADDR_OFFSET, s);
	nft_ct(b, NFT_CT_STATUS, 0);
	nft_any_bit(b, 0, IPS_DST_NAT);
	nft_masquerade(b);
	nft_rule_end(b, rule);

	rule = nft_rule_begin(b, t, "postrouting", NFT_APPEND, NULL);
	match_interface(b, NFT_META_OIFNAME, NFT_CMP_NEQ, net->bridge);
	match_ipv4(b);
	match_subnet(b, IP_SADDR_OFFSET, s);
	nft_masquerade(b);
	nft_rule_end(b, rule);
}

enum forward_match { FORWARD_ESTABLISHED, FORWARD_INSIDE, FORWARD_PUBLISHED, FORWARD_REST };

static void add_forward(const struct net *net, const struct nft_table *t, struct nl_batch *b)
{
	for (enum forward_match m = FORWARD_ESTABLISHED; m <= FORWARD_REST; m++) {
		size_t rule = nft_rule_begin(b, t, "forward", NFT_APPEND, NULL);

		match_interface(b, NFT_META_OIFNAME, NFT_CMP_EQ, net->bridge);
		if (m == FORWARD_ESTABLISHED) {
			nft_ct(b, NFT_CT_STATE, 0);
			nft_any_bit(b, 0,
			            NF_CT_STATE_BIT(IP_CT_ESTABLISHED) |
			                    NF_CT_STATE_BIT(IP_CT_RELATED));
		} else if (m == FORWARD_INSIDE) {
			match_interface(b, NFT_META_IIFNAME, NFT_CMP_EQ, net->bridge);
		} else if (m == FORWARD_PUBLISHED) {
			nft_ct(b, NFT_CT_STATUS, 0);
			nft_any_bit(b, 0, IPS_DST_NAT);
		}
		nft_verdict(b, m == FORWARD_REST ? NF_DROP : NF_ACCEPT);
		nft_rule_end(b, rule);
	}
}

void firewall_table_batch(const struct net *net, const struct subnet *s, struct nl_batch *b)
{
	static const struct nft_chain chains[] = {
		{ "guard", "filter", NF_INET_PRE_ROUTING, NF_IP_PRI_RAW },
		{ "prerouting", "nat", NF_INET_PRE_ROUTING, NF_IP_PRI_NAT_DST },
		{ "output", "nat", NF_INET_LOCAL_OUT, NF_IP_PRI_NAT_DST },
		{ "postrouting", "nat", NF_INET_POST_ROUTING, NF_IP_PRI_NAT_SRC },
		{ "forward", "filter", NF_INET_FORWARD, NF_IP_PRI_FILTER },
	};
	static const struct nft_map maps[] = {
		{ "ports", 1, NFT_TYPE2(NFT_TYPE_PROTOCOL, NFT_TYPE_PORT), sizeof(struct any_key),
		  TYPE_TARGET, sizeof(struct target) },
		{ "ports_ip", 2, NFT_TYPE3(NFT_TYPE_IPV4, NFT_TYPE_PROTOCOL, NFT_TYPE_PORT),
		  sizeof(struct ip_key), TYPE_TARGET, sizeof(struct target) },
	};
	struct nft_table t = our_table(net);

	nft_table_add(b, &t);
	for (size_t i = 0; i < ARRAY_LEN(maps); i++)
		nft_map_add(b, &t, &maps[i]);
	for (size_t i = 0; i < ARRAY_LEN(chains); i++)
		nft_chain_add(b, &t, &chains[i]);
	add_guard(net, s, &t, b);
	add_nat(net, s, &t, b);
	add_forward(net, &t, b);
}

static void add_element(struct nl_batch *b, const struct publish_entry *e)
{
	struct target target = { .ip = e->ctr_ip, .port_be = htons(e->port.ctr_port) };
	struct ip_key key = {
		.ip = e->port.host_ip,
		.any = { .protocol = e->port.protocol, .port_be = htons(e->port.host_port) },
	};

	if (key.ip.s_addr == INADDR_ANY)
		nft_elem(b, &key.any, sizeof(key.any), &target, sizeof(target));
	else
		nft_elem(b, &key, sizeof(key), &target, sizeof(target));
}

/* The elements of both maps, in as many messages as they need. */
static void add_elements(struct net *net, enum nft_change change,
                         const struct publish_entry *entries, size_t len, struct nl_batch *b)
{
	struct nft_table t = our_table(net);

	for (int with_ip = 0; with_ip <= 1; with_ip++) {
		size_t mark = 0, count = 0;

		for (size_t i = 0; i < len; i++) {
			if ((entries[i].port.host_ip.s_addr != INADDR_ANY) != with_ip)
				continue;
			if (count && count % NFT_ELEMS_MAX == 0)
				nft_elems_end(b, mark);
			if (count % NFT_ELEMS_MAX == 0)
				mark = nft_elems_begin(b, change, &t,
				                       with_ip ? "ports_ip" : "ports");
			add_element(b, &entries[i]);
			count++;
		}
		if (count)
			nft_elems_end(b, mark);
	}
}

/* The socket is kept for the life of struct net, since closing one while the kernel still has
 * deleted elements to free waits for that: some 10 ms (net.h, net_free). */
static int open_netfilter(struct net *net, struct err *err)
{
	int fd = net->nft_fd < 0 ? nl_open(NETLINK_NETFILTER) : net->nft_fd;

	if (fd == -EPROTONOSUPPORT) {
		err_set(err, E_UNSUPPORTED, "the kernel has no nftables");
		return err_hint(err, "load nf_tables, or use --network host or none");
	}
	if (fd < 0)
		return err_sys(err, -fd, "open a netfilter socket");
	net->nft_fd = fd;
	return fd;
}

static int explain(const struct net *net, const struct nl_batch *b, int r, const char *what,
                   struct err *err)
{
	err_sys(err, -r, "%s in nftables table '%s'%s%s", what, net->table, *b->reason ? ": " : "",
	        b->reason);
	if (r == -EOPNOTSUPP || r == -EPROTONOSUPPORT)
		(void)err_hint(err, "load nf_tables, nft_nat and nft_fib_inet");
	return -1;
}

struct presence {
	bool has_table;
	int foreign_policy; /* of iptables' FORWARD, -1 without one */
};

static void on_presence(void *ctx, const struct nl_message_view *m)
{
	struct presence *p = ctx;
	int policy = nft_chain_policy(m);

	if (m->type == (NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_NEWTABLE))
		p->has_table = true;
	else if (policy >= 0)
		p->foreign_policy = policy;
}

/* Ask for our table and for the policy of iptables' FORWARD in one go. */
static int look(struct net *net, struct presence *ret, struct err *err)
{
	AUTO_NL_BATCH b = NL_BATCH_INIT;
	struct nft_table t = our_table(net);
	int fd = open_netfilter(net, err), r;

	*ret = (struct presence){ .foreign_policy = -1 };
	if (fd < 0)
		return -1;
	nft_table_get(&b, &t);
	nft_chain_get(&b, &foreign_table, FOREIGN_CHAIN);
	r = nl_transact(fd, &b, on_presence, ret);
	if (r < 0 && r != -ENOENT)
		return explain(net, &b, r, "look for the rules", err);
	return 0;
}

/* All in one step for the packets: the old table goes and the new one comes with every port. */
static int rebuild(struct net *net, const struct subnet *s, bool has_table, struct err *err)
{
	AUTO_NL_BATCH b = NL_BATCH_INIT;
	AUTO_FREE struct publish_entry *entries = NULL;
	struct nft_table t = our_table(net);
	int fd = open_netfilter(net, err);
	size_t len;
	int r;

	if (fd < 0 || publish_list(net, NULL, &entries, &len, err) < 0)
		return -1;
	nft_batch_begin(&b);
	if (has_table)
		nft_table_del(&b, &t);
	firewall_table_batch(net, s, &b);
	add_elements(net, NFT_ADD, entries, len, &b);
	nft_batch_end(&b);
	r = nl_transact(fd, &b, NULL, NULL);
	return r < 0 ? explain(net, &b, r, "make the rules", err) : 0;
}

/* A client that kept sending to a UDP port before it was published, or while the last container had
 * it, is remembered without our translation or with the old one for as long as it sends. */
static int forget_udp(struct net *net, const struct publish_entry *entries, size_t len,
                      struct err *err)
{
	struct port_set ports = { { 0 } };
	bool any = false;
	int r;

	for (size_t i = 0; i < len; i++) {
		if (entries[i].port.protocol != IPPROTO_UDP)
			continue;
		port_set_add(&ports, entries[i].port.host_port);
		any = true;
	}
	r = any ? conntrack_forget_udp(net->nft_fd, &ports) : 0;
	/* without connection tracking of its own interface there is nothing to forget */
	if (r < 0 && r != -EINVAL && r != -EOPNOTSUPP)
		return err_sys(err, -r, "make the kernel forget old UDP connections");
	return 0;
}

int firewall_publish(struct net *net, const struct publish_entry *entries, size_t len,
                     struct err *err)
{
	AUTO_NL_BATCH b = NL_BATCH_INIT;
	int fd, r;

	if (!len)
		return 0;
	fd = open_netfilter(net, err);
	if (fd < 0)
		return -1;
	nft_batch_begin(&b);
	add_elements(net, NFT_ADD, entries, len, &b);
	nft_batch_end(&b);
	r = nl_transact(fd, &b, NULL, NULL);
	if (r < 0)
		return explain(net, &b, r, "publish ports", err);
	return forget_udp(net, entries, len, err);
}

int firewall_unpublish(struct net *net, const struct publish_entry *entries, size_t len,
                       struct err *err)
{
	AUTO_NL_BATCH b = NL_BATCH_INIT;
	int fd, r;

	if (!len)
		return 0;
	fd = open_netfilter(net, err);
	if (fd < 0)
		return -1;
	nft_batch_begin(&b);
	add_elements(net, NFT_DEL, entries, len, &b);
	nft_batch_end(&b);
	r = nl_transact(fd, &b, NULL, NULL);
	/* some are gone already (a flush, an earlier try): then each by itself */
	for (size_t i = 0; r == -ENOENT && i < len; i++) {
		int one;

		nl_batch_reset(&b);
		nft_batch_begin(&b);
		add_elements(net, NFT_DEL, &entries[i], 1, &b);
		nft_batch_end(&b);
		one = nl_transact(fd, &b, NULL, NULL);
		if (one < 0 && one != -ENOENT)
			r = one;
	}
	if (r < 0 && r != -ENOENT)
		return explain(net, &b, r, "take back ports", err);
	return 0;
}

struct comment_search {
	const char *comment;
	uint64_t handles[8];
	size_t len;
};

static void on_foreign_rule(void *ctx, const struct nl_message_view *m)
{
	struct comment_search *search = ctx;
	uint64_t handle;

	if (search->len < ARRAY_LEN(search->handles) &&
	    nft_rule_has_comment(m, search->comment, &handle))
		search->handles[search->len++] = handle;
}

/* The chain that our exceptions go into, and the handles of those that are there. */
static const char *find_exceptions(struct net *net, int fd, struct comment_search *ret)
{
	AUTO_NL_BATCH b = NL_BATCH_INIT;
	const char *chain;

	nft_chain_get(&b, &foreign_table, FOREIGN_USER_CHAIN);
	chain = nl_transact(fd, &b, NULL, NULL) ? FOREIGN_CHAIN : FOREIGN_USER_CHAIN;
	nl_batch_reset(&b);
	*ret = (struct comment_search){ .comment = net->bridge };
	nft_rules_get(&b, &foreign_table, chain);
	(void)nl_transact(fd, &b, on_foreign_rule, ret);
	return chain;
}

/* docker, ufw and others set the policy of iptables' FORWARD to drop, and an accept in our table
 * cannot overrule a drop in theirs; so two rules in theirs let our bridge through. What may reach a
 * container is still decided by our own chain. */
static int allow_in_foreign(struct net *net, struct err *err)
{
	int fd = net->nft_fd;
	AUTO_NL_BATCH b = NL_BATCH_INIT;
	struct comment_search search;
	const char *chain = find_exceptions(net, fd, &search);
	int r;

	if (search.len >= 2)
		return 0;
	nft_batch_begin(&b);
	for (size_t i = 0; i < search.len; i++)
		nft_rule_del(&b, &foreign_table, chain, search.handles[i]);
	for (int out = 0; out <= 1; out++) {
		size_t rule = nft_rule_begin(&b, &foreign_table, chain, NFT_INSERT, net->bridge);

		nft_meta(&b, out ? NFT_META_OIFNAME : NFT_META_IIFNAME, 0);
		nft_cmp(&b, NFT_CMP_EQ, 0, net->bridge, strlen(net->bridge) + 1);
		nft_counter(&b);
		nft_verdict(&b, NF_ACCEPT);
		nft_rule_end(&b, rule);
	}
	nft_batch_end(&b);
	r = nl_transact(fd, &b, NULL, NULL);
	if (!r)
		log_debug("let %s through iptables' chain %s", net->bridge, chain);
	return r < 0 ? explain(net, &b, r, "let the bridge through iptables' FORWARD", err) : 0;
}

int firewall_ensure(struct net *net, const struct subnet *s, struct err *err)
{
	struct presence presence;

	if (look(net, &presence, err) < 0 ||
	    (!presence.has_table && rebuild(net, s, false, err) < 0))
		return -1;
	return presence.foreign_policy == NF_DROP ? allow_in_foreign(net, err) : 0;
}

int firewall_rebuild(struct net *net, const struct subnet *s, struct err *err)
{
	struct presence presence;

	if (look(net, &presence, err) < 0)
		return -1;
	return rebuild(net, s, presence.has_table, err);
}

int firewall_remove(struct net *net, struct err *err)
{
	AUTO_NL_BATCH b = NL_BATCH_INIT;
	struct nft_table t = our_table(net);
	struct comment_search search;
	int fd = open_netfilter(net, err);
	const char *chain;
	int r;

	if (fd < 0)
		return -1;
	chain = find_exceptions(net, fd, &search);
	nft_batch_begin(&b);
	nft_table_add(&b, &t);
	nft_table_del(&b, &t);
	for (size_t i = 0; i < search.len; i++)
		nft_rule_del(&b, &foreign_table, chain, search.handles[i]);
	nft_batch_end(&b);
	r = nl_transact(fd, &b, NULL, NULL);
	return r < 0 ? explain(net, &b, r, "remove the rules", err) : 0;
}
