/* port: what -p accepts, refuses and shows. */
#include "test.h"

#include <arpa/inet.h>

#include "net/port.h"

static struct err e;
static struct net_ports ports;

static const struct net_port *one(const char *spec)
{
	net_ports_done(&ports);
	CHECK_OK(net_ports_parse(&ports, spec, &e));
	ck_assert_uint_eq(ports.len, 1);
	return &ports.items[0];
}

START_TEST(forms_of_one_port)
{
	const struct {
		const char *spec;
		const char *ip;
		unsigned host, host_last, ctr, protocol;
	} cases[] = {
		{ "80", "0.0.0.0", 0, 0, 80, IPPROTO_TCP },
		{ "8080:80", "0.0.0.0", 8080, 8080, 80, IPPROTO_TCP },
		{ "8080:80/udp", "0.0.0.0", 8080, 8080, 80, IPPROTO_UDP },
		{ "8080:80/SCTP", "0.0.0.0", 8080, 8080, 80, IPPROTO_SCTP },
		{ "127.0.0.1:8080:80", "127.0.0.1", 8080, 8080, 80, IPPROTO_TCP },
		{ "127.0.0.1::80", "127.0.0.1", 0, 0, 80, IPPROTO_TCP },
		{ ":80", "0.0.0.0", 0, 0, 80, IPPROTO_TCP },
		{ "0:80", "0.0.0.0", 0, 0, 80, IPPROTO_TCP },
		{ "::80", "0.0.0.0", 0, 0, 80, IPPROTO_TCP },
		{ "8000-8009:80", "0.0.0.0", 8000, 8009, 80, IPPROTO_TCP },
		{ "1:65535", "0.0.0.0", 1, 1, 65535, IPPROTO_TCP },
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		const struct net_port *p = one(cases[i].spec);
		char ip[INET_ADDRSTRLEN];

		inet_ntop(AF_INET, &p->host_ip, ip, sizeof(ip));
		ck_assert_str_eq(ip, cases[i].ip);
		ck_assert_uint_eq(p->host_port, cases[i].host);
		ck_assert_uint_eq(p->host_port_last, cases[i].host_last);
		ck_assert_uint_eq(p->ctr_port, cases[i].ctr);
		ck_assert_uint_eq(p->protocol, cases[i].protocol);
	}
	net_ports_done(&ports);
}
END_TEST

START_TEST(ranges_are_paired)
{
	CHECK_OK(net_ports_parse(&ports, "8000-8002:80-82/udp", &e));
	ck_assert_uint_eq(ports.len, 3);
	for (unsigned i = 0; i < 3; i++) {
		ck_assert_uint_eq(ports.items[i].host_port, 8000 + i);
		ck_assert_uint_eq(ports.items[i].host_port_last, 8000 + i);
		ck_assert_uint_eq(ports.items[i].ctr_port, 80 + i);
	}
	CHECK_OK(net_ports_parse(&ports, "90-91", &e));
	ck_assert_uint_eq(ports.len, 5);
	ck_assert_uint_eq(ports.items[4].host_port, 0);
	net_ports_done(&ports);
}
END_TEST

START_TEST(what_is_wrong_is_refused_by_name)
{
	const struct {
		const char *spec;
		const char *says;
		enum err_code code;
	} cases[] = {
		{ "", "container port ''", E_INVALID },
		{ "8080:", "container port ''", E_INVALID },
		{ "0", "container port '0'", E_INVALID },
		{ "8080:0", "container port '0'", E_INVALID },
		{ "65536", "container port '65536'", E_INVALID },
		{ "70000:80", "host port '70000'", E_INVALID },
		{ "-1:80", "host port ''", E_INVALID },
		{ "a:80", "host port 'a'", E_INVALID },
		{ " 80", "container port ' 80'", E_INVALID },
		{ "+80", "container port '+80'", E_INVALID },
		{ "80/http", "protocol 'http'", E_INVALID },
		{ "80/", "protocol ''", E_INVALID },
		{ "90-80", "runs backwards", E_INVALID },
		{ "0-5:80", "runs backwards", E_INVALID },
		{ "1-2:1-3", "2 host ports for 3 container ports", E_INVALID },
		{ "1.2.3:1:1", "'1.2.3' is not an IPv4 address", E_INVALID },
		{ "127.0.0.1:80", "no container port", E_INVALID },
		{ "host:1:1", "'host' is not", E_INVALID },
		{ "[::1]:80:80", "IPv6", E_UNSUPPORTED },
		{ "::1:80:80", "IPv6", E_UNSUPPORTED },
		{ "1-65535", "more than 16384", E_LIMIT },
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		CHECK_ERR(cases[i].code, net_ports_parse(&ports, cases[i].spec, &e));
		ck_assert_msg(strstr(e.msg, cases[i].says), "'%s' is not in: %s", cases[i].says,
		              e.msg);
		ck_assert_msg(strstr(e.msg, cases[i].spec), "'%s' is not in: %s", cases[i].spec,
		              e.msg);
		net_ports_done(&ports);
	}
}
END_TEST

START_TEST(the_same_host_port_twice_is_refused)
{
	CHECK_OK(net_ports_parse(&ports, "8080:80", &e));
	CHECK_OK(net_ports_parse(&ports, "8080:80/udp", &e));
	CHECK_OK(net_ports_parse(&ports, "81", &e));
	CHECK_OK(net_ports_parse(&ports, "81", &e));
	CHECK_OK(net_ports_parse(&ports, "127.0.0.1:8081:80", &e));
	CHECK_OK(net_ports_parse(&ports, "127.0.0.2:8081:80", &e));
	CHECK_OK(net_ports_check(&ports, &e));
	CHECK_OK(net_ports_parse(&ports, "8000-8100:1-101", &e));
	CHECK_ERR(E_INVALID, net_ports_check(&ports, &e));
	ck_assert_str_eq(e.msg, "host port 8080/tcp is published twice");
	net_ports_done(&ports);
}
END_TEST

START_TEST(exposed_ports_get_any_host_port)
{
	CHECK_OK(net_ports_parse_exposed(&ports, "7000-7001/udp", &e));
	ck_assert_uint_eq(ports.len, 2);
	ck_assert_uint_eq(ports.items[1].ctr_port, 7001);
	ck_assert_uint_eq(ports.items[1].host_port, 0);
	ck_assert_uint_eq(ports.items[1].protocol, IPPROTO_UDP);
	CHECK_ERR(E_INVALID, net_ports_parse_exposed(&ports, "8080:80", &e));
	net_ports_done(&ports);
}
END_TEST

START_TEST(listing_joins_neighbours)
{
	AUTO_BUF text = STRBUF_INIT;

	CHECK_OK(net_ports_parse(&ports, "8000-8002:80-82", &e));
	CHECK_OK(net_ports_parse(&ports, "127.0.0.1:8003:83", &e));
	CHECK_OK(net_ports_parse(&ports, "53:53/udp", &e));
	CHECK_OK(net_ports_parse(&ports, "99", &e));
	net_ports_format(&ports, &text);
	ck_assert_str_eq(text.buf, "0.0.0.0:8000-8002->80-82/tcp, 127.0.0.1:8003->83/tcp, "
	                           "0.0.0.0:53->53/udp, 99/tcp");
	net_ports_done(&ports);
}
END_TEST

TEST_MAIN("port", forms_of_one_port, ranges_are_paired, what_is_wrong_is_refused_by_name,
          the_same_host_port_twice_is_refused, exposed_ports_get_any_host_port,
          listing_joins_neighbours)
