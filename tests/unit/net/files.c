/* files: resolv.conf and hosts. */
#include "test.h"

#include <arpa/inet.h>

#include "net/files.h"

static struct err e;

static void check_resolv(const char *host, const struct net_resolv_options *options, int servers,
                         const char *want)
{
	AUTO_BUF text = STRBUF_INIT;

	ck_assert_int_eq(net_resolv_build(host, options, &text), servers);
	ck_assert_str_eq(text.buf, want);
}

START_TEST(reachable_servers_are_kept)
{
	check_resolv("# made by hand\n"
	             "; and this\n"
	             "domain old.example\n"
	             "search a.example  b.example # trailing\n"
	             "nameserver 127.0.0.53\n"
	             "nameserver\t192.0.2.53\n"
	             "nameserver ::1\n"
	             "nameserver 2001:db8::53\n"
	             "options ndots:2 timeout:1\n"
	             "options edns0\n"
	             "sortlist 10.0.0.0\n"
	             "nameserver 198.51.100.1",
	             &(struct net_resolv_options){ 0 }, 2,
	             "search a.example b.example\n"
	             "nameserver 192.0.2.53\n"
	             "nameserver 198.51.100.1\n"
	             "options ndots:2 timeout:1 edns0\n");
}
END_TEST

START_TEST(no_server_is_said_not_invented)
{
	check_resolv("nameserver 127.0.0.1\n", &(struct net_resolv_options){ 0 }, 0,
	             "# the host names no name server that a container can reach; give one with "
	             "--dns\n");
	check_resolv("nameserver 127.0.0.1\n", &(struct net_resolv_options){ .host_network = true },
	             1, "nameserver 127.0.0.1\n");
}
END_TEST

START_TEST(options_replace_the_hosts)
{
	AUTO_STRV dns = STRV_INIT, search = STRV_INIT, options = STRV_INIT, none = STRV_INIT;
	struct net_resolv_options o = { .dns = &dns,
		                        .dns_search = &search,
		                        .dns_options = &options };

	strv_add(&dns, "127.0.0.11");
	strv_add(&search, "x.example");
	strv_add(&options, "ndots:1");
	check_resolv("search a\nnameserver 192.0.2.53\noptions ndots:9\n", &o, 1,
	             "search x.example\nnameserver 127.0.0.11\noptions ndots:1\n");
	strv_add(&none, ".");
	o.dns_search = &none;
	check_resolv("search a\n", &o, 1, "nameserver 127.0.0.11\noptions ndots:1\n");
}
END_TEST

START_TEST(values_that_would_break_the_file_are_refused)
{
	CHECK_OK(net_dns_check("192.0.2.1", &e));
	CHECK_OK(net_dns_check("2001:db8::1", &e));
	CHECK_ERR(E_INVALID, net_dns_check("ns.example", &e));
	CHECK_ERR(E_INVALID, net_dns_check("192.0.2.1\nnameserver 6.6.6.6", &e));
	CHECK_OK(net_dns_search_check("a-b.example.", &e));
	CHECK_OK(net_dns_search_check(".", &e));
	CHECK_ERR(E_INVALID, net_dns_search_check("a b", &e));
	CHECK_ERR(E_INVALID, net_dns_search_check("", &e));
	CHECK_OK(net_dns_option_check("ndots:2", &e));
	CHECK_ERR(E_INVALID, net_dns_option_check("ndots:2\nnameserver", &e));
	CHECK_ERR(E_INVALID, net_dns_option_check("", &e));
	CHECK_OK(net_add_host_check("db:192.0.2.7", &e));
	CHECK_OK(net_add_host_check("db=192.0.2.7", &e));
	CHECK_OK(net_add_host_check("db:2001:db8::1", &e));
	CHECK_OK(net_add_host_check("db:[2001:db8::1]", &e));
	CHECK_OK(net_add_host_check("up:host-gateway", &e));
	CHECK_ERR(E_INVALID, net_add_host_check("db", &e));
	CHECK_ERR(E_INVALID, net_add_host_check("db:", &e));
	CHECK_ERR(E_INVALID, net_add_host_check("db:[", &e));
	CHECK_ERR(E_INVALID, net_add_host_check(":192.0.2.7", &e));
	CHECK_ERR(E_INVALID, net_add_host_check("a\tb:192.0.2.7", &e));
	CHECK_ERR(E_INVALID, net_add_host_check("db:192.0.2.7\n6.6.6.6 x", &e));
}
END_TEST

static struct in_addr ip(const char *text)
{
	struct in_addr a;

	ck_assert_int_eq(inet_pton(AF_INET, text, &a), 1);
	return a;
}

START_TEST(hosts_of_a_bridged_container)
{
	AUTO_BUF text = STRBUF_INIT;
	AUTO_STRV add = STRV_INIT;
	struct net_hosts_options o = {
		.hostname = "3f2a91bc0d4e",
		.name = "web",
		.add_hosts = &add,
		.ip = ip("10.88.0.2"),
		.gateway = ip("10.88.0.1"),
	};

	strv_add(&add, "db:192.0.2.7");
	strv_add(&add, "up:host-gateway");
	CHECK_OK(net_hosts_build(&o, &text, &e));
	ck_assert_str_eq(text.buf, "192.0.2.7\tdb\n"
	                           "10.88.0.1\tup\n"
	                           "127.0.0.1\tlocalhost\n"
	                           "::1\tlocalhost ip6-localhost ip6-loopback\n"
	                           "10.88.0.1\thost.containers.internal host.docker.internal\n"
	                           "10.88.0.2\t3f2a91bc0d4e web\n");
}
END_TEST

START_TEST(hosts_without_a_network)
{
	AUTO_BUF text = STRBUF_INIT;
	AUTO_STRV add = STRV_INIT;
	struct net_hosts_options o = { .hostname = "a", .name = "a", .add_hosts = &add };

	CHECK_OK(net_hosts_build(&o, &text, &e));
	ck_assert_str_eq(text.buf, "127.0.0.1\tlocalhost\n"
	                           "::1\tlocalhost ip6-localhost ip6-loopback\n"
	                           "127.0.1.1\ta\n");
	strv_add(&add, "up:host-gateway");
	CHECK_ERR(E_INVALID, net_hosts_build(&o, &text, &e));
}
END_TEST

TEST_MAIN("files", reachable_servers_are_kept, no_server_is_said_not_invented,
          options_replace_the_hosts, values_that_would_break_the_file_are_refused,
          hosts_of_a_bridged_container, hosts_without_a_network)
