/* ipam: addresses and ports as rows. */
#include "test.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <sys/socket.h>

#include "base/fd.h"
#include "base/num.h"
#include "net/net-internal.h"

static struct err e;
static char dir[] = "/tmp/net-ipam-XXXXXX";
static struct net net;
static const struct subnet small = { 0x0a590000, 29 }; /* 10.89.0.2 - 10.89.0.6 */

static void open_net(void)
{
	AUTO_FD fd = -1;

	ck_assert_ptr_nonnull(mkdtemp(dir));
	fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	CHECK_OK(db_open(fd, "t.db", DB_CREATE, &net.db, &e));
	CHECK_OK(db_migrate(net.db, "network", net_db_steps, net_db_steps_len, &e));
	CHECK_OK(ipam_store(&net, &small, &e));
}

static void close_net(void)
{
	db_free(net.db);
	CHECK_OK(tree_remove_at(AT_FDCWD, dir, &e));
}

static const char *take(const char *container, const char *wanted)
{
	static char text[INET_ADDRSTRLEN];
	struct net_request request = { .container_id = container, .name = container };
	struct in_addr ip, want = { INADDR_ANY };

	if (wanted)
		ck_assert_int_eq(inet_pton(AF_INET, wanted, &want), 1);
	if (ipam_take(&net, &small, &request, want, &ip, &e) < 0)
		return NULL;
	return inet_ntop(AF_INET, &ip, text, sizeof(text));
}

static void give_back(const char *container)
{
	CHECK_OK(db_exec(net.db, &e, "DELETE FROM net_addresses WHERE container = ?",
	                 DB_TEXT(container)));
}

START_TEST(an_address_is_used_again_as_late_as_can_be)
{
	open_net();
	ck_assert_str_eq(take("a", NULL), "10.89.0.2");
	ck_assert_str_eq(take("b", NULL), "10.89.0.3");
	give_back("a");
	ck_assert_str_eq(take("c", NULL), "10.89.0.4");
	ck_assert_str_eq(take("d", NULL), "10.89.0.5");
	ck_assert_str_eq(take("e", NULL), "10.89.0.6");
	ck_assert_str_eq(take("f", NULL), "10.89.0.2");
	ck_assert_ptr_null(take("g", NULL));
	ck_assert_int_eq(e.code, E_NO_SPACE);
	ck_assert_str_eq(e.msg, "no free address in 10.89.0.0/29");
	give_back("d");
	ck_assert_str_eq(take("g", NULL), "10.89.0.5");
	close_net();
}
END_TEST

START_TEST(a_wanted_address_must_be_free_and_fit)
{
	open_net();
	ck_assert_str_eq(take("a", "10.89.0.5"), "10.89.0.5");
	ck_assert_ptr_null(take("b", "10.89.0.5"));
	ck_assert_int_eq(e.code, E_EXISTS);
	ck_assert_str_eq(e.msg, "address 10.89.0.5 is in use by container 'a'");
	ck_assert_ptr_null(take("b", "10.89.0.9"));
	ck_assert_int_eq(e.code, E_INVALID);
	ck_assert_ptr_null(take("b", "10.89.0.0"));
	ck_assert_ptr_null(take("b", "10.89.0.1"));
	ck_assert_ptr_null(take("b", "10.89.0.7"));
	ck_assert_ptr_null(take("a", NULL)); /* one address each */
	close_net();
}
END_TEST

static int publish(const char *container, const char *spec, struct net_result *ret)
{
	struct net_ports ports = NET_PORTS_INIT;
	struct net_request request = { .container_id = container, .name = container };
	struct in_addr ip = { htonl(0x0a590002) };
	int r;

	*ret = NET_RESULT_INIT;
	CHECK_OK(net_ports_parse(&ports, spec, &e));
	request.ports = &ports;
	r = publish_take(&net, &request, ip, ret, &e);
	net_ports_done(&ports);
	return r;
}

/* A port that nobody uses, found by the kernel; p + 1 and p + 2 are likely free as well. */
static unsigned some_port(void)
{
	struct net_result r;
	unsigned port;

	CHECK_OK(publish("probe", "1", &r));
	port = r.ports.items[0].host_port;
	net_result_done(&r);
	CHECK_OK(db_exec(net.db, &e, "DELETE FROM net_ports"));
	return port;
}

START_TEST(conflicts_name_the_container)
{
	struct net_result a, b;
	char spec[64];
	unsigned port;

	open_net();
	port = some_port();
	ck_assert_str_eq(take("web", NULL), "10.89.0.2");
	snprintf(spec, sizeof(spec), "127.0.0.1:%u:80", port);
	CHECK_OK(publish("web", spec, &a));
	net_result_done(&a); /* even when nobody holds the socket, the row does */
	snprintf(spec, sizeof(spec), "%u:80", port);
	CHECK_ERR(E_BUSY, publish("other", spec, &b));
	ck_assert_msg(strstr(e.msg, "is already published by container 'web'"), "%s", e.msg);
	net_result_done(&b);
	snprintf(spec, sizeof(spec), "127.0.0.2:%u:80", port);
	CHECK_OK(publish("other", spec, &b));
	net_result_done(&b);
	snprintf(spec, sizeof(spec), "%u:80/udp", port);
	CHECK_OK(publish("other", spec, &b));
	net_result_done(&b);
	close_net();
}
END_TEST

START_TEST(a_port_of_another_program_is_refused)
{
	struct sockaddr_in address = { .sin_family = AF_INET,
		                       .sin_addr = { htonl(INADDR_LOOPBACK) } };
	socklen_t len = sizeof(address);
	struct net_result r;
	char spec[64];
	AUTO_FD fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	open_net();
	ck_assert_int_eq(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	ck_assert_int_eq(listen(fd, 1), 0);
	ck_assert_int_eq(getsockname(fd, (struct sockaddr *)&address, &len), 0);
	snprintf(spec, sizeof(spec), "%u:80", ntohs(address.sin_port));
	CHECK_ERR(E_BUSY, publish("a", spec, &r));
	ck_assert_msg(strstr(e.msg, "in use by another program"), "%s", e.msg);
	net_result_done(&r);
	CHECK_ERR(E_INVALID, publish("a", "203.0.113.9:8080:80", &r));
	ck_assert_msg(strstr(e.msg, "the host has no such address"), "%s", e.msg);
	net_result_done(&r);
	close_net();
}
END_TEST

START_TEST(a_held_port_cannot_be_taken)
{
	struct sockaddr_in address = { .sin_family = AF_INET };
	struct net_result r;
	int on = 1;
	AUTO_FD fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	open_net();
	CHECK_OK(publish("a", "80", &r));
	ck_assert_uint_eq(r.hold_fds_len, 1);
	address.sin_port = htons(r.ports.items[0].host_port);
	/* as servers do it */
	ck_assert_int_eq(setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)), 0);
	ck_assert(bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0 || listen(fd, 1) < 0);
	net_result_done(&r);
	close_net();
}
END_TEST

START_TEST(a_range_gives_the_first_free_port)
{
	struct net_result a, b, c;
	char spec[64];
	unsigned port;

	open_net();
	port = some_port();
	if (port > 65000)
		port = 40000;
	snprintf(spec, sizeof(spec), "%u-%u:80", port, port + 400);
	CHECK_OK(publish("a", spec, &a));
	CHECK_OK(publish("b", spec, &b));
	ck_assert_uint_gt(b.ports.items[0].host_port, a.ports.items[0].host_port);
	snprintf(spec, sizeof(spec), "%u-%u:80", a.ports.items[0].host_port,
	         a.ports.items[0].host_port);
	CHECK_ERR(E_BUSY, publish("c", spec, &c));
	net_result_done(&a);
	net_result_done(&b);
	net_result_done(&c);
	close_net();
}
END_TEST

TEST_MAIN("ipam", an_address_is_used_again_as_late_as_can_be, a_wanted_address_must_be_free_and_fit,
          conflicts_name_the_container, a_port_of_another_program_is_refused,
          a_held_port_cannot_be_taken, a_range_gives_the_first_free_port)
