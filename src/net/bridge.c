#include "net/net-internal.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_link.h>
#include <linux/netlink.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "base/fd.h"
#include "base/log.h"
#include "sys/netlink-route.h"

#define ROUTES_MAX_BYTES (4u << 20)
#define DEFAULT_MTU      1500

int sysctl_write_link(const char *family, const char *link, const char *key, const char *value)
{
	char path[128];
	AUTO_FD fd = -1;

	snprintf(path, sizeof(path), "/proc/sys/net/%s/conf/%s/%s", family, link, key);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	return fd < 0 ? -errno : fd_write_all(fd, value, strlen(value));
}

/* A bridge needs forwarding between interfaces, which the kernel has only as a switch for all of
 * them (the answers come in by another interface). It stays on, as docker and podman leave it. */
static int enable_forwarding(int fd, struct err *err)
{
	char now = '0';
	int r;

	if (pread(fd, &now, 1, 0) == 1 && now == '1')
		return 0;
	r = fd_write_all(fd, "1", 1);
	if (r < 0) {
		err_sys(err, -r, "switch on /proc/sys/net/ipv4/ip_forward");
		return err_hint(err, "set it yourself, or use --network host or none");
	}
	log_debug("switched on net.ipv4.ip_forward");
	return 0;
}

/* The range of a bridge that is there although the database does not know it: the database was
 * removed, and containers may still be on it. Return 1, or 0 when it has none. */
static int adopt_range(struct net *net, struct subnet *ret)
{
	AUTO_FD fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct ifreq request = { 0 };
	struct in_addr ip, mask;

	memcpy(request.ifr_name, net->bridge, strlen(net->bridge));
	if (fd < 0 || ioctl(fd, SIOCGIFADDR, &request) < 0)
		return 0;
	ip = ((struct sockaddr_in *)(void *)&request.ifr_addr)->sin_addr;
	if (ioctl(fd, SIOCGIFNETMASK, &request) < 0)
		return 0;
	mask = ((struct sockaddr_in *)(void *)&request.ifr_netmask)->sin_addr;
	*ret = (struct subnet){ ntohl(ip.s_addr & mask.s_addr),
		                (uint8_t)__builtin_popcount(mask.s_addr) };
	return ret->prefix_len >= 8 && ret->prefix_len <= 28;
}

/* The subnet of this root: the one it had, unless the host now routes that elsewhere. */
static int choose_range(struct net *net, struct subnet *ret, struct err *err)
{
	AUTO_FREE char *routes = NULL;
	size_t len;
	int known, in_use;

	known = ipam_load(net, ret, err);
	if (known < 0)
		return -1;
	if (!known && adopt_range(net, ret))
		return ipam_store(net, ret, err);
	if (file_read_at(AT_FDCWD, "/proc/net/route", ROUTES_MAX_BYTES, &routes, &len, err) < 0)
		return -1;
	if (known) {
		in_use = ipam_in_use(net, err);
		if (in_use < 0)
			return -1;
		if (in_use || !subnet_is_routed(ret, routes, net->bridge))
			return 0;
	}
	for (unsigned n = 0; subnet_candidate(net->tag, n, ret); n++) {
		if (!subnet_is_routed(ret, routes, net->bridge))
			return ipam_store(net, ret, err);
	}
	return err_set(err, E_NO_SPACE,
	               "no free address range for bridge '%s': the host routes all of "
	               "10.64.0.0 - 10.87.255.255",
	               net->bridge);
}

/* The MTU of the interface with the default route, so that nothing has to be fragmented there. */
static uint32_t host_mtu(int socket_fd)
{
	AUTO_FREE char *routes = NULL;
	uint32_t mtu;
	size_t len;

	if (file_read_at(AT_FDCWD, "/proc/net/route", ROUTES_MAX_BYTES, &routes, &len, ERR_IGNORE) <
	    0)
		return DEFAULT_MTU;
	for (const char *line = routes; line && *line; line = strchr(line, '\n')) {
		char name[IFNAMSIZ];
		unsigned destination, mask;

		line += *line == '\n';
		if (sscanf(line, "%15s %x %*x %*x %*d %*d %*d %x", name, &destination, &mask) ==
		            3 &&
		    !destination && !mask && !link_mtu(socket_fd, name, &mtu))
			return mtu;
	}
	return DEFAULT_MTU;
}

static int make_link(struct net *net, const struct subnet *s, int fd, int *ret_ifindex,
                     struct err *err)
{
	AUTO_NL_BATCH b = NL_BATCH_INIT;
	struct in_addr gateway = subnet_gateway(s);
	uint8_t mac[6] = { 0x02, 0xd0 };
	int r;

	memcpy(mac + 2, &gateway, sizeof(gateway));
	rt_add_bridge(&b, net->bridge, mac);
	r = nl_transact(fd, &b, NULL, NULL);
	if (r == -EOPNOTSUPP) {
		err_set(err, E_UNSUPPORTED, "the kernel has no bridge driver");
		return err_hint(err, "load bridge and veth, or use --network host or none");
	}
	if (r < 0 && r != -EEXIST)
		return err_sys(err, -r, "make bridge '%s'", net->bridge);
	r = link_index(fd, net->bridge, ret_ifindex);
	if (r < 0)
		return err_sys(err, -r, "find bridge '%s'", net->bridge);
	nl_batch_reset(&b);
	rt_add_address(&b, *ret_ifindex, gateway, s->prefix_len);
	r = nl_transact(fd, &b, NULL, NULL);
	if (r < 0 && r != -EEXIST)
		return err_sys(err, -r, "give bridge '%s' its address", net->bridge);
	return 0;
}

/* IPv4 only: a bridge that listens to router advertisements could be given routes by any
 * container (CVE-2020-13401). */
static int set_sysctls(struct net *net, struct err *err)
{
	int r = sysctl_write_link("ipv6", net->bridge, "disable_ipv6", "1");

	if (r < 0 && r != -ENOENT)
		return err_sys(err, -r, "switch off IPv6 on bridge '%s'", net->bridge);
	r = sysctl_write_link("ipv4", net->bridge, "route_localnet", "1");
	if (r < 0)
		return err_sys(err, -r, "let published ports answer on 127.0.0.1");
	return 0;
}

/* The bridge comes up last, so one that is up is complete. */
static int make_bridge(struct net *net, struct subnet *ret_subnet, int fd, int *ret_ifindex,
                       struct err *err)
{
	AUTO_NL_BATCH b = NL_BATCH_INIT;
	AUTO_FD lock = open("/proc/sys/net/ipv4/ip_forward", O_RDWR | O_CLOEXEC);
	int r;

	if (lock < 0)
		return err_sys(err, errno, "open /proc/sys/net/ipv4/ip_forward");
	/* other roots have other databases: a lock on the one thing they share keeps two that
	 * start at once from choosing the same range */
	if (flock(lock, LOCK_EX) < 0)
		return err_sys(err, errno, "lock the choice of an address range");
	if (choose_range(net, ret_subnet, err) < 0 ||
	    make_link(net, ret_subnet, fd, ret_ifindex, err) < 0 ||
	    firewall_rebuild(net, ret_subnet, err) < 0 || set_sysctls(net, err) < 0 ||
	    enable_forwarding(lock, err) < 0)
		return -1;
	rt_set_up(&b, *ret_ifindex, host_mtu(fd));
	if (net->root_path)
		nl_attr_str(&b, IFLA_IFALIAS, net->root_path);
	r = nl_transact(fd, &b, NULL, NULL);
	if (r < 0)
		return err_sys(err, -r, "set up bridge '%s'", net->bridge);
	stale_bridges_remove(net, fd);
	return 0;
}

int bridge_ensure(struct net *net, struct subnet *ret_subnet, int *ret_ifindex, uint32_t *ret_mtu,
                  struct err *err)
{
	AUTO_FD fd = nl_open(NETLINK_ROUTE);
	short flags = 0;
	int known;

	if (fd < 0)
		return err_sys(err, -fd, "open a netlink socket");
	known = ipam_load(net, ret_subnet, err);
	if (known < 0)
		return -1;
	if (!known || link_flags(fd, net->bridge, &flags) || !(flags & IFF_UP) ||
	    link_index(fd, net->bridge, ret_ifindex)) {
		if (make_bridge(net, ret_subnet, fd, ret_ifindex, err) < 0)
			return -1;
	}
	if (link_mtu(fd, net->bridge, ret_mtu))
		*ret_mtu = DEFAULT_MTU;
	return firewall_ensure(net, ret_subnet, err);
}

int bridge_remove(struct net *net, struct err *err)
{
	AUTO_NL_BATCH b = NL_BATCH_INIT;
	AUTO_FD fd = nl_open(NETLINK_ROUTE);
	int ifindex, r;

	if (fd < 0)
		return err_sys(err, -fd, "open a netlink socket");
	if (link_index(fd, net->bridge, &ifindex))
		return 0;
	rt_del_link(&b, ifindex);
	r = nl_transact(fd, &b, NULL, NULL);
	if (r < 0 && r != -ENODEV)
		return err_sys(err, -r, "remove bridge '%s'", net->bridge);
	return 0;
}
