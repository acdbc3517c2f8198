/* subnet: which range a root takes. */
#include "test.h"

#include <arpa/inet.h>

#include "net/net-internal.h"

static const char routes[] =
	"Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT\n"
	"eth0\t00000000\t010200C0\t0003\t0\t0\t0\t00000000\t0\t0\t0\n"
	"tun0\t00000000\t010200C0\t0003\t0\t0\t0\t00000080\t0\t0\t0\n"
	"eth0\t000200C0\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0\n"
	"cni0\t0000580A\t00000000\t0001\t0\t0\t0\t0000FFFF\t0\t0\t0\n"
	"vpn0\t0000600A\t00000000\t0001\t0\t0\t0\t0000F0FF\t0\t0\t0\n";

START_TEST(overlap_with_a_route_counts)
{
	struct subnet podman = { 0x0a580000, 16 }, inside = { 0x0a580500, 24 };
	struct subnet free_one = { 0x0a590000, 24 }, in_vpn = { 0x0a670100, 24 };

	ck_assert(subnet_is_routed(&podman, routes, NULL));
	ck_assert(subnet_is_routed(&inside, routes, NULL));
	ck_assert(!subnet_is_routed(&podman, routes, "cni0"));
	ck_assert(!subnet_is_routed(&free_one, routes, NULL));
	ck_assert(subnet_is_routed(&in_vpn, routes, NULL));
	ck_assert(!subnet_is_routed(&podman, "", NULL));
	ck_assert(!subnet_is_routed(&podman, "garbage\n\nmore x y", NULL));
}
END_TEST

START_TEST(the_default_root_prefers_its_range)
{
	struct subnet s;

	ck_assert(subnet_candidate("", 0, &s));
	ck_assert_str_eq(subnet_format(&s).s, "10.87.0.0/16");
	ck_assert(subnet_candidate("", 1, &s));
	ck_assert_str_eq(subnet_format(&s).s, "10.64.1.0/24");
}
END_TEST

START_TEST(every_candidate_lies_in_the_pool)
{
	struct subnet s;
	unsigned n = 0;

	for (; subnet_candidate("ffffff", n, &s); n++)
		ck_assert(s.prefix_len == 24 && s.base >= 0x0a400000 && s.base < 0x0a570000);
	ck_assert_uint_gt(n, 23 * 256 - 1);
}
END_TEST

START_TEST(addresses_of_a_subnet)
{
	struct subnet s = { 0x0a590000, 24 };
	char ip[INET_ADDRSTRLEN];
	struct in_addr gateway = subnet_gateway(&s), other = { htonl(0x0a590100) };

	ck_assert_str_eq(inet_ntop(AF_INET, &gateway, ip, sizeof(ip)), "10.89.0.1");
	ck_assert(subnet_contains(&s, gateway));
	ck_assert(!subnet_contains(&s, other));
}
END_TEST

START_TEST(roots_have_tags_of_their_own)
{
	char a[NET_TAG_LEN + 1], b[NET_TAG_LEN + 1], c[NET_TAG_LEN + 1];

	net_root_tag("/var/lib/dhow", true, a);
	ck_assert_str_eq(a, "");
	net_root_tag("/tmp/a", false, a);
	net_root_tag("/tmp/b", false, b);
	net_root_tag("/tmp/a", false, c);
	ck_assert_uint_eq(strlen(a), NET_TAG_LEN);
	ck_assert_str_ne(a, b);
	ck_assert_str_eq(a, c);
}
END_TEST

TEST_MAIN("subnet", overlap_with_a_route_counts, the_default_root_prefers_its_range,
          every_candidate_lies_in_the_pool, addresses_of_a_subnet, roots_have_tags_of_their_own)
