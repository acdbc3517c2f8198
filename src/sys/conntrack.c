#include "sys/conntrack.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_conntrack.h>
#include <linux/netlink.h>
#include <netinet/in.h>

#include "sys/netlink.h"

/* The kernel does not export the name of this flag of CTA_FILTER_ORIG_FLAGS: compare the
 * protocol. A kernel before 5.8 ignores the filter; what it answers is checked here anyway. */
#define FILTER_PROTOCOL (1u << 3)

struct search {
	const struct port_set *ports;
	struct nl_batch *deletions;
	int found;
};

static void message(struct nl_batch *b, uint16_t type, uint16_t flags)
{
	struct nfgenmsg head = { .nfgen_family = AF_INET, .version = NFNETLINK_V0 };

	nl_message(b, (uint16_t)(NFNL_SUBSYS_CTNETLINK << 8 | type), flags, &head, sizeof(head));
}

static void on_entry(void *ctx, const struct nl_message_view *m)
{
	struct search *search = ctx;
	const void *tuple, *proto, *number, *port;
	size_t tuple_len, proto_len, number_len, port_len;
	uint16_t port_be;

	if (m->len < sizeof(struct nfgenmsg))
		return;
	tuple = nl_find_attr((const char *)m->data + sizeof(struct nfgenmsg),
	                     m->len - sizeof(struct nfgenmsg), CTA_TUPLE_ORIG, &tuple_len);
	proto = tuple ? nl_find_attr(tuple, tuple_len, CTA_TUPLE_PROTO, &proto_len) : NULL;
	if (!proto)
		return;
	number = nl_find_attr(proto, proto_len, CTA_PROTO_NUM, &number_len);
	port = nl_find_attr(proto, proto_len, CTA_PROTO_DST_PORT, &port_len);
	if (!number || number_len != 1 || *(const uint8_t *)number != IPPROTO_UDP || !port ||
	    port_len != sizeof(port_be))
		return;
	memcpy(&port_be, port, sizeof(port_be));
	if (!(search->ports->bits[ntohs(port_be) / 8] >> ntohs(port_be) % 8 & 1))
		return;
	message(search->deletions, IPCTNL_MSG_CT_DELETE, 0);
	nl_attr(search->deletions, CTA_TUPLE_ORIG | NLA_F_NESTED, tuple, tuple_len);
	search->found++;
}

int conntrack_forget_udp(int fd, const struct port_set *ports)
{
	AUTO_NL_BATCH dump = NL_BATCH_INIT;
	AUTO_NL_BATCH deletions = NL_BATCH_INIT;
	struct search search = { .ports = ports, .deletions = &deletions };
	size_t tuple, part;
	int r;

	message(&dump, IPCTNL_MSG_CT_GET, NLM_F_DUMP);
	tuple = nl_nest(&dump, CTA_TUPLE_ORIG);
	part = nl_nest(&dump, CTA_TUPLE_PROTO);
	nl_attr_u8(&dump, CTA_PROTO_NUM, IPPROTO_UDP);
	nl_nest_end(&dump, part);
	nl_nest_end(&dump, tuple);
	part = nl_nest(&dump, CTA_FILTER);
	nl_attr_u32(&dump, CTA_FILTER_ORIG_FLAGS, FILTER_PROTOCOL);
	nl_attr_u32(&dump, CTA_FILTER_REPLY_FLAGS, 0);
	nl_nest_end(&dump, part);
	r = nl_transact(fd, &dump, on_entry, &search);
	if (r < 0)
		return r;
	/* one that ended meanwhile is as good as deleted */
	r = search.found ? nl_transact(fd, &deletions, NULL, NULL) : 0;
	return r < 0 && r != -ENOENT ? r : search.found;
}
