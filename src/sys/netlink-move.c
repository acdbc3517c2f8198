#include "sys/netlink-move.h"

#include <linux/if_addr.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>

#include "base/xalloc.h"
#include "sys/netlink-route.h"

struct reading {
	int ifindex;
	struct link_addresses *ret;
};

static bool copy_attr(const struct nl_message_view *m, uint16_t type, uint8_t len, uint8_t ret[16])
{
	size_t skip = NLMSG_ALIGN(sizeof(struct ifaddrmsg)), found = 0;
	const void *p = nl_find_attr((const char *)m->data + skip, m->len - skip, type, &found);

	if (!p || found != len)
		return false;
	memcpy(ret, p, len);
	return true;
}

static void on_address(void *ctx, const struct nl_message_view *m)
{
	struct reading *r = ctx;
	struct link_address a = { 0 };
	struct ifaddrmsg head;
	uint8_t flags[16];

	if (m->type != RTM_NEWADDR || m->len < sizeof(head))
		return;
	memcpy(&head, m->data, sizeof(head));
	if ((int)head.ifa_index != r->ifindex || head.ifa_scope != RT_SCOPE_UNIVERSE)
		return;
	a.family = head.ifa_family;
	a.prefix_len = head.ifa_prefixlen;
	a.len = head.ifa_family == AF_INET ? 4 : 16;
	a.flags = head.ifa_flags;
	if (copy_attr(m, IFA_FLAGS, sizeof(a.flags), flags))
		memcpy(&a.flags, flags, sizeof(a.flags));
	if (!(a.flags & IFA_F_PERMANENT) || !copy_attr(m, IFA_ADDRESS, a.len, a.address))
		return;
	a.has_local = copy_attr(m, IFA_LOCAL, a.len, a.local);
	a.has_broadcast = copy_attr(m, IFA_BROADCAST, a.len, a.broadcast);
	VEC_PUSH(r->ret->items, r->ret->count, a);
}

int link_addresses_read(int fd, int ifindex, struct link_addresses *ret)
{
	struct ifaddrmsg head = { .ifa_family = AF_UNSPEC };
	struct reading r = { .ifindex = ifindex, .ret = ret };
	AUTO_NL_BATCH b = NL_BATCH_INIT;

	nl_message(&b, RTM_GETADDR, NLM_F_DUMP, &head, sizeof(head));
	return nl_transact(fd, &b, on_address, &r);
}

int link_addresses_add(int fd, int ifindex, const struct link_addresses *a, struct nl_batch *batch)
{
	nl_batch_reset(batch);
	for (size_t i = 0; i < a->count; i++) {
		const struct link_address *x = &a->items[i];
		struct ifaddrmsg head = {
			.ifa_family = x->family,
			.ifa_prefixlen = x->prefix_len,
			.ifa_index = (uint32_t)ifindex,
			.ifa_scope = RT_SCOPE_UNIVERSE,
		};

		nl_message(batch, RTM_NEWADDR, NLM_F_ACK | NLM_F_CREATE | NLM_F_REPLACE, &head,
		           sizeof(head));
		nl_attr(batch, IFA_ADDRESS, x->address, x->len);
		if (x->has_local)
			nl_attr(batch, IFA_LOCAL, x->local, x->len);
		if (x->has_broadcast)
			nl_attr(batch, IFA_BROADCAST, x->broadcast, x->len);
		nl_attr_u32(batch, IFA_FLAGS,
		            x->flags & ~(uint32_t)(IFA_F_TENTATIVE | IFA_F_DADFAILED));
	}
	return a->count ? nl_transact(fd, batch, NULL, NULL) : 0;
}

int link_move(int fd, int ifindex, int netns_fd, const char *new_name, struct nl_batch *batch)
{
	struct ifinfomsg head = { .ifi_index = ifindex };

	nl_batch_reset(batch);
	nl_message(batch, RTM_SETLINK, NLM_F_ACK, &head, sizeof(head));
	nl_attr_u32(batch, IFLA_NET_NS_FD, (uint32_t)netns_fd);
	nl_attr_str(batch, IFLA_IFNAME, new_name);
	return nl_transact(fd, batch, NULL, NULL);
}

int link_up(int fd, int ifindex, struct nl_batch *batch)
{
	nl_batch_reset(batch);
	rt_set_up(batch, ifindex, 0);
	return nl_transact(fd, batch, NULL, NULL);
}
