#include "sys/netlink-route.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <linux/veth.h>
#include <sys/ioctl.h>

#define CREATE (NLM_F_ACK | NLM_F_CREATE | NLM_F_EXCL)

/* By default a veth has a queue for every CPU, each with folders in sysfs; it needs none, as it
 * hands packets over without a lock. */
static void one_queue(struct nl_batch *b)
{
	nl_attr_u32(b, IFLA_NUM_TX_QUEUES, 1);
	nl_attr_u32(b, IFLA_NUM_RX_QUEUES, 1);
}

void rt_add_veth(struct nl_batch *b, const struct rt_veth *veth)
{
	struct ifinfomsg head = { .ifi_flags = IFF_UP, .ifi_change = IFF_UP };
	struct ifinfomsg peer_head = { 0 }; /* cannot be up before its other end exists */
	size_t info, data, peer;

	nl_message(b, RTM_NEWLINK, CREATE, &head, sizeof(head));
	nl_attr_str(b, IFLA_IFNAME, veth->host_name);
	nl_attr_u32(b, IFLA_MTU, veth->mtu);
	one_queue(b);
	nl_attr_u32(b, IFLA_MASTER, (uint32_t)veth->host_master);
	info = nl_nest(b, IFLA_LINKINFO);
	nl_attr(b, IFLA_INFO_KIND, "veth", 4);
	data = nl_nest(b, IFLA_INFO_DATA);
	peer = nl_nest(b, VETH_INFO_PEER);
	nl_raw(b, &peer_head, sizeof(peer_head));
	nl_attr_str(b, IFLA_IFNAME, veth->peer_name);
	nl_attr_u32(b, IFLA_MTU, veth->mtu);
	one_queue(b);
	nl_attr(b, IFLA_ADDRESS, veth->peer_mac, sizeof(veth->peer_mac));
	nl_attr_u32(b, IFLA_NET_NS_FD, (uint32_t)veth->peer_netns_fd);
	nl_nest_end(b, peer);
	nl_nest_end(b, data);
	nl_nest_end(b, info);
}

void rt_set_hairpin(struct nl_batch *b, const char *port_name)
{
	struct ifinfomsg head = { 0 };
	size_t info, data;

	nl_message(b, RTM_NEWLINK, NLM_F_ACK, &head, sizeof(head));
	nl_attr_str(b, IFLA_IFNAME, port_name);
	info = nl_nest(b, IFLA_LINKINFO);
	nl_attr_str(b, IFLA_INFO_SLAVE_KIND, "bridge");
	data = nl_nest(b, IFLA_INFO_SLAVE_DATA);
	nl_attr_u8(b, IFLA_BRPORT_MODE, 1);
	nl_nest_end(b, data);
	nl_nest_end(b, info);
}

void rt_add_bridge(struct nl_batch *b, const char *name, const uint8_t mac[6])
{
	struct ifinfomsg head = { 0 };
	size_t info;

	nl_message(b, RTM_NEWLINK, CREATE, &head, sizeof(head));
	nl_attr_str(b, IFLA_IFNAME, name);
	nl_attr(b, IFLA_ADDRESS, mac, 6);
	info = nl_nest(b, IFLA_LINKINFO);
	nl_attr(b, IFLA_INFO_KIND, "bridge", 6);
	nl_nest_end(b, info);
}

void rt_set_up(struct nl_batch *b, int ifindex, uint32_t mtu)
{
	struct ifinfomsg head = {
		.ifi_index = ifindex,
		.ifi_flags = IFF_UP,
		.ifi_change = IFF_UP,
	};

	nl_message(b, RTM_SETLINK, NLM_F_ACK, &head, sizeof(head));
	if (mtu)
		nl_attr_u32(b, IFLA_MTU, mtu);
}

void rt_del_link(struct nl_batch *b, int ifindex)
{
	struct ifinfomsg head = { .ifi_index = ifindex };

	nl_message(b, RTM_DELLINK, NLM_F_ACK, &head, sizeof(head));
}

void rt_add_address(struct nl_batch *b, int ifindex, struct in_addr ip, uint8_t prefix_len)
{
	struct ifaddrmsg head = {
		.ifa_family = AF_INET,
		.ifa_prefixlen = prefix_len,
		.ifa_index = (uint32_t)ifindex,
	};
	struct in_addr broadcast = { ip.s_addr |
		                     htonl((uint32_t)(UINT64_C(0xffffffff) >> prefix_len)) };

	nl_message(b, RTM_NEWADDR, CREATE, &head, sizeof(head));
	nl_attr(b, IFA_LOCAL, &ip, sizeof(ip));
	nl_attr(b, IFA_ADDRESS, &ip, sizeof(ip));
	nl_attr(b, IFA_BROADCAST, &broadcast, sizeof(broadcast));
}

void rt_add_default_route(struct nl_batch *b, struct in_addr gateway)
{
	struct rtmsg head = {
		.rtm_family = AF_INET,
		.rtm_table = RT_TABLE_MAIN,
		.rtm_protocol = RTPROT_STATIC,
		.rtm_scope = RT_SCOPE_UNIVERSE,
		.rtm_type = RTN_UNICAST,
	};

	nl_message(b, RTM_NEWROUTE, CREATE, &head, sizeof(head));
	nl_attr(b, RTA_GATEWAY, &gateway, sizeof(gateway));
}

static int link_ioctl(int fd, unsigned long what, const char *name, struct ifreq *request)
{
	*request = (struct ifreq){ 0 };
	if (strlen(name) >= sizeof(request->ifr_name))
		return -ENAMETOOLONG;
	memcpy(request->ifr_name, name, strlen(name));
	return ioctl(fd, what, request) < 0 ? -errno : 0;
}

int link_index(int socket_fd, const char *name, int *ret)
{
	struct ifreq request;
	int r = link_ioctl(socket_fd, SIOCGIFINDEX, name, &request);

	if (!r)
		*ret = request.ifr_ifindex;
	return r;
}

int link_flags(int socket_fd, const char *name, short *ret)
{
	struct ifreq request;
	int r = link_ioctl(socket_fd, SIOCGIFFLAGS, name, &request);

	if (!r)
		*ret = request.ifr_flags;
	return r;
}

int link_mtu(int socket_fd, const char *name, uint32_t *ret)
{
	struct ifreq request;
	int r = link_ioctl(socket_fd, SIOCGIFMTU, name, &request);

	if (!r)
		*ret = (uint32_t)request.ifr_mtu;
	return r;
}
