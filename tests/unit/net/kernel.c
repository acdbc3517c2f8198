/* The network layer against the kernel: bridge, links, published ports. Everything happens in a
 * network namespace of the test's own, so the machine's network is not touched. Needs root. */
#include "test.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/netlink.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "base/fd.h"
#include "base/proc.h"
#include "net/net-internal.h"
#include "sys/netlink-route.h"

#define HOST_IP    "192.0.2.77" /* an address of the "host" besides the bridge's */
#define TIMEOUT_MS 2000
#define MANY       24

static struct err e;
static char dir[] = "/tmp/net-kernel-XXXXXX";
static struct net *net;
static struct db *db;

static struct in_addr ip(const char *text)
{
	struct in_addr a;

	ck_assert_int_eq(inet_pton(AF_INET, text, &a), 1);
	return a;
}

static void open_net(void)
{
	struct net_options options = { .root_path = dir };
	AUTO_FD fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	net_root_tag(dir, false, options.root_tag);
	CHECK_OK(db_open(fd, "t.db", DB_CREATE, &db, &e));
	CHECK_OK(net_open(db, &options, &net, &e));
}

/* A "host" of our own, with an address beside the loopback one. */
static void begin(void)
{
	AUTO_NL_BATCH b = NL_BATCH_INIT;
	AUTO_FD fd = -1;

	ck_assert_int_eq(unshare(CLONE_NEWNET), 0);
	ck_assert_int_eq(net_loopback_up(), 0);
	fd = nl_open(NETLINK_ROUTE);
	rt_add_address(&b, 1, ip(HOST_IP), 32);
	ck_assert_int_eq(nl_transact(fd, &b, NULL, NULL), 0);
	ck_assert_ptr_nonnull(mkdtemp(dir));
	open_net();
}

static void end(void)
{
	net_free(net);
	db_free(db);
	CHECK_OK(tree_remove_at(AT_FDCWD, dir, &e));
}

/* Run fn in a child that lives in the namespace (-1: ours) until it returns or we die. */
static pid_t spawn(int ns_fd, int (*fn)(void *ctx), void *ctx)
{
	pid_t pid = fork();

	ck_assert_int_ge(pid, 0);
	if (pid)
		return pid;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (ns_fd >= 0 && setns(ns_fd, CLONE_NEWNET) < 0)
		_exit(99);
	_exit(fn(ctx));
}

static int exit_code(pid_t pid)
{
	int status;

	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128;
}

static int idle(void *ctx)
{
	int *ready = ctx;

	if (unshare(CLONE_NEWNET) < 0 || write(*ready, "r", 1) != 1)
		return 1;
	pause();
	return 0;
}

/* Something like a container: a process in a network namespace of its own. */
struct ctr {
	char id[65];
	pid_t pid;
	int ns_fd;
	struct net_result result;
};

static void ctr_start(struct ctr *c, const char *id)
{
	char path[64], byte;
	int ready[2];

	ck_assert_int_eq(pipe2(ready, O_CLOEXEC), 0);
	snprintf(c->id, sizeof(c->id), "%s", id);
	c->pid = spawn(-1, idle, &ready[1]);
	ck_assert_int_eq(read(ready[0], &byte, 1), 1);
	close(ready[0]);
	close(ready[1]);
	snprintf(path, sizeof(path), "/proc/%d/ns/net", c->pid);
	c->ns_fd = open(path, O_RDONLY | O_CLOEXEC);
	ck_assert_int_ge(c->ns_fd, 0);
	c->result = NET_RESULT_INIT;
}

static int ctr_connect(struct ctr *c, const char *const *specs)
{
	struct net_ports ports = NET_PORTS_INIT;
	struct net_request request = { .container_id = c->id, .name = c->id, .netns_fd = c->ns_fd };
	int r;

	for (; specs && *specs; specs++)
		CHECK_OK(net_ports_parse(&ports, *specs, &e));
	request.ports = &ports;
	r = net_setup(net, &request, &c->result, &e);
	net_ports_done(&ports);
	return r;
}

static void ctr_end(struct ctr *c)
{
	kill(c->pid, SIGKILL);
	exit_code(c->pid);
	close(c->ns_fd);
	CHECK_OK(net_teardown(net, c->id, &e));
	net_result_done(&c->result);
}

/* ---- a server that answers with the address it sees, and its client ---- */

struct endpoint {
	struct in_addr ip;
	uint16_t port;
	int type; /* SOCK_STREAM, SOCK_DGRAM */
	int ready;
};

static int serve(void *ctx)
{
	const struct endpoint *at = ctx;
	struct sockaddr_in address = {
		.sin_family = AF_INET,
		.sin_port = htons(at->port),
		.sin_addr = at->ip,
	};
	int fd = socket(AF_INET, at->type, 0), on = 1;

	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0 ||
	    (at->type == SOCK_STREAM && listen(fd, 16) < 0) || write(at->ready, "r", 1) != 1)
		return 1;
	for (;;) {
		socklen_t len = sizeof(address);
		char byte;

		if (at->type == SOCK_STREAM) {
			int conn = accept(fd, (struct sockaddr *)&address, &len);

			if (conn < 0 ||
			    write(conn, &address.sin_addr, sizeof(address.sin_addr)) < 0)
				return 1;
			close(conn);
		} else if (recvfrom(fd, &byte, 1, 0, (struct sockaddr *)&address, &len) < 0 ||
		           sendto(fd, &address.sin_addr, sizeof(address.sin_addr), 0,
		                  (struct sockaddr *)&address, len) < 0) {
			return 1;
		}
	}
}

static pid_t start_server(int ns_fd, struct in_addr at, uint16_t port, int type)
{
	struct endpoint endpoint = { at, port, type, -1 };
	int ready[2];
	char byte;
	pid_t pid;

	ck_assert_int_eq(pipe2(ready, O_CLOEXEC), 0);
	endpoint.ready = ready[1];
	pid = spawn(ns_fd, serve, &endpoint);
	close(ready[1]);
	ck_assert_int_eq(read(ready[0], &byte, 1), 1);
	close(ready[0]);
	return pid;
}

static void stop_server(pid_t pid)
{
	kill(pid, SIGKILL);
	exit_code(pid);
}

struct question {
	struct endpoint to;
	struct in_addr seen; /* the server must see this; INADDR_ANY: whatever */
};

/* 0 right answer, 1 wrong one, 2 no connection. */
static int ask_here(void *ctx)
{
	const struct question *q = ctx;
	struct sockaddr_in to = {
		.sin_family = AF_INET,
		.sin_port = htons(q->to.port),
		.sin_addr = q->to.ip,
	};
	int fd = socket(AF_INET, q->to.type | SOCK_NONBLOCK, 0);
	struct pollfd poll_fd = { .fd = fd, .events = POLLIN };
	struct in_addr seen;

	if (connect(fd, (struct sockaddr *)&to, sizeof(to)) < 0 && errno != EINPROGRESS)
		return 2;
	if (q->to.type == SOCK_DGRAM && write(fd, "?", 1) != 1)
		return 2;
	if (poll(&poll_fd, 1, TIMEOUT_MS) != 1 || read(fd, &seen, sizeof(seen)) != sizeof(seen))
		return 2;
	return q->seen.s_addr != INADDR_ANY && seen.s_addr != q->seen.s_addr;
}

static int ask(int ns_fd, struct in_addr to, uint16_t port, int type, struct in_addr seen)
{
	struct question q = { { to, port, type, -1 }, seen };

	return exit_code(spawn(ns_fd, ask_here, &q));
}

static const struct in_addr any = { INADDR_ANY };

START_TEST(containers_reach_each_other)
{
	struct ctr a, b;
	pid_t server;

	begin();
	ctr_start(&a, "a");
	ctr_start(&b, "b");
	CHECK_OK(ctr_connect(&a, NULL));
	CHECK_OK(ctr_connect(&b, NULL));
	ck_assert_uint_ne(a.result.ip.s_addr, b.result.ip.s_addr);
	server = start_server(b.ns_fd, any, 80, SOCK_STREAM);
	ck_assert_int_eq(ask(a.ns_fd, b.result.ip, 80, SOCK_STREAM, a.result.ip), 0);
	/* and the host reaches a container by its address */
	ck_assert_int_eq(ask(-1, b.result.ip, 80, SOCK_STREAM, b.result.gateway), 0);
	stop_server(server);
	ctr_end(&a);
	ctr_end(&b);
	end();
}
END_TEST

START_TEST(published_ports_answer_everywhere_they_should)
{
	static const char *const ports[] = { "18080:80", "18081:81/udp", "127.0.0.1:18082:80",
		                             NULL };
	struct ctr a, b;
	pid_t tcp, udp;
	struct in_addr gateway;

	begin();
	ctr_start(&a, "a");
	ctr_start(&b, "b");
	CHECK_OK(ctr_connect(&a, ports));
	CHECK_OK(ctr_connect(&b, NULL));
	gateway = a.result.gateway;
	tcp = start_server(a.ns_fd, any, 80, SOCK_STREAM);
	udp = start_server(a.ns_fd, any, 81, SOCK_DGRAM);
	/* from the loopback the container sees the bridge, never 127.0.0.1 (CVE-2021-20199) */
	ck_assert_int_eq(ask(-1, ip("127.0.0.1"), 18080, SOCK_STREAM, gateway), 0);
	ck_assert_int_eq(ask(-1, ip("127.0.0.1"), 18081, SOCK_DGRAM, gateway), 0);
	ck_assert_int_eq(ask(-1, ip("127.0.0.1"), 18082, SOCK_STREAM, gateway), 0);
	ck_assert_int_eq(ask(-1, ip(HOST_IP), 18080, SOCK_STREAM, ip(HOST_IP)), 0);
	ck_assert_int_eq(ask(-1, gateway, 18081, SOCK_DGRAM, any), 0);
	/* published on one address, not on the others */
	ck_assert_int_eq(ask(-1, ip(HOST_IP), 18082, SOCK_STREAM, any), 2);
	/* a container by the host's address, and even itself */
	ck_assert_int_eq(ask(b.ns_fd, ip(HOST_IP), 18080, SOCK_STREAM, gateway), 0);
	ck_assert_int_eq(ask(a.ns_fd, ip(HOST_IP), 18080, SOCK_STREAM, gateway), 0);
	stop_server(tcp);
	stop_server(udp);
	ctr_end(&a);
	ck_assert_int_eq(ask(-1, ip("127.0.0.1"), 18080, SOCK_STREAM, any), 2);
	ctr_end(&b);
	end();
}
END_TEST

/* A UDP client that has been sending before the port is published, from one socket all the time. */
static int persist(void *ctx)
{
	const struct question *q = ctx;
	struct sockaddr_in to = {
		.sin_family = AF_INET,
		.sin_port = htons(q->to.port),
		.sin_addr = q->to.ip,
	};
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0);
	struct pollfd poll_fd = { .fd = fd, .events = POLLIN };
	char answer[4];

	for (int i = 0; i < 100; i++) {
		sendto(fd, "?", 1, 0, (struct sockaddr *)&to, sizeof(to));
		if (i == 0 && write(q->to.ready, "r", 1) != 1)
			return 3;
		if (poll(&poll_fd, 1, 50) == 1 && recv(fd, answer, sizeof(answer), 0) == 4)
			return 0;
	}
	return 2;
}

START_TEST(old_udp_senders_reach_a_new_container)
{
	static const char *const ports[] = { "18081:81/udp", NULL };
	struct question q = { { ip(HOST_IP), 18081, SOCK_DGRAM, -1 }, { INADDR_ANY } };
	struct ctr first, a;
	pid_t server, client;
	int ready[2];
	char byte;

	begin();
	ctr_start(&first, "first"); /* connection tracking begins with the first rules */
	ctr_start(&a, "a");
	CHECK_OK(ctr_connect(&first, NULL));
	ck_assert_int_eq(pipe2(ready, O_CLOEXEC), 0);
	q.to.ready = ready[1];
	/* from a container, so that it is forwarded and tracked like a neighbour's packets */
	client = spawn(first.ns_fd, persist, &q);
	ck_assert_int_eq(read(ready[0], &byte, 1), 1);
	server = start_server(a.ns_fd, any, 81, SOCK_DGRAM);
	CHECK_OK(ctr_connect(&a, ports));
	ck_assert_int_eq(exit_code(client), 0);
	stop_server(server);
	ctr_end(&a);
	ctr_end(&first);
	end();
}
END_TEST

START_TEST(only_the_hosts_own_addresses_are_redirected)
{
	static const char *const ports[] = { "80:80", NULL };
	struct ctr a, b;
	pid_t in_a, in_b;

	/* b's connection to a neighbour's port 80 must not end in a (CVE-2025-67499) */
	begin();
	ctr_start(&a, "a");
	ctr_start(&b, "b");
	CHECK_OK(ctr_connect(&a, ports));
	CHECK_OK(ctr_connect(&b, NULL));
	in_a = start_server(a.ns_fd, any, 80, SOCK_STREAM);
	ck_assert_int_eq(ask(-1, b.result.ip, 80, SOCK_STREAM, any), 2);
	in_b = start_server(b.ns_fd, any, 80, SOCK_STREAM);
	ck_assert_int_eq(ask(a.ns_fd, b.result.ip, 80, SOCK_STREAM, a.result.ip), 0);
	stop_server(in_a);
	stop_server(in_b);
	ctr_end(&a);
	ctr_end(&b);
	end();
}
END_TEST

START_TEST(the_rules_come_back_after_a_flush)
{
	static const char *const ports[] = { "18080:80", NULL };
	struct ctr a, b;
	pid_t server;

	begin();
	ctr_start(&a, "a");
	ctr_start(&b, "b");
	CHECK_OK(ctr_connect(&a, ports));
	server = start_server(a.ns_fd, any, 80, SOCK_STREAM);
	CHECK_OK(firewall_remove(net, &e));
	ck_assert_int_eq(ask(-1, ip(HOST_IP), 18080, SOCK_STREAM, any), 2);
	CHECK_OK(net_reload(net, &e));
	ck_assert_int_eq(ask(-1, ip(HOST_IP), 18080, SOCK_STREAM, any), 0);
	/* the next container notices as well */
	CHECK_OK(firewall_remove(net, &e));
	CHECK_OK(ctr_connect(&b, NULL));
	ck_assert_int_eq(ask(-1, ip(HOST_IP), 18080, SOCK_STREAM, any), 0);
	/* teardown does not mind that its elements are gone */
	CHECK_OK(firewall_remove(net, &e));
	stop_server(server);
	ctr_end(&a);
	ctr_end(&b);
	end();
}
END_TEST

static struct strbuf nft_output = { .buf = strbuf_empty_ };

static int nft(const char *what)
{
	const char *const argv[] = { "nft", what, NULL };
	int status = -1;

	strbuf_reset(&nft_output);
	if (proc_run(&(struct proc_spec){ .argv = argv, .stdin_fd = -1, .ret_out = &nft_output },
	             &status, &e) < 0)
		return -1;
	return proc_exit_code(status);
}

START_TEST(a_forward_policy_of_drop_is_passed)
{
	static const char *const ports[] = { "18080:80", NULL };
	struct ctr a, b;
	pid_t server;

	/* what dockerd leaves behind with iptables-nft */
	begin();
	ck_assert_int_eq(nft("add table ip filter; add chain ip filter FORWARD { type filter hook "
	                     "forward priority 0; policy drop; }; add chain ip filter DOCKER-USER; "
	                     "add rule ip filter FORWARD jump DOCKER-USER"),
	                 0);
	ctr_start(&a, "a");
	ctr_start(&b, "b");
	CHECK_OK(ctr_connect(&a, ports));
	CHECK_OK(ctr_connect(&b, NULL)); /* looks again, adds nothing */
	server = start_server(a.ns_fd, any, 80, SOCK_STREAM);
	ck_assert_int_eq(ask(b.ns_fd, ip(HOST_IP), 18080, SOCK_STREAM, any), 0);
	/* docker starts anew and has forgotten us: the next look puts it right */
	ck_assert_int_eq(nft("flush chain ip filter DOCKER-USER"), 0);
	ck_assert_int_eq(ask(b.ns_fd, ip(HOST_IP), 18080, SOCK_STREAM, any), 2);
	CHECK_OK(net_reload(net, &e));
	ck_assert_int_eq(ask(b.ns_fd, ip(HOST_IP), 18080, SOCK_STREAM, any), 0);
	stop_server(server);
	ctr_end(&a);
	ctr_end(&b);
	CHECK_OK(net_destroy(net, &e));
	/* only an empty chain without users can be deleted */
	ck_assert_int_eq(nft("flush chain ip filter FORWARD; delete chain ip filter DOCKER-USER"),
	                 0);
	end();
}
END_TEST

static int check_ipv6(void *ctx)
{
	char value = '0';
	int fd = open("/proc/sys/net/ipv6/conf/eth0/disable_ipv6", O_RDONLY | O_CLOEXEC);

	return fd >= 0 && (read(fd, &value, 1) != 1 || value != '1');
}

START_TEST(inside_there_is_no_ipv6)
{
	struct ctr a;

	/* CVE-2020-13401, CVE-2024-32473 */
	begin();
	ctr_start(&a, "a");
	CHECK_OK(ctr_connect(&a, NULL));
	ck_assert_int_eq(exit_code(spawn(a.ns_fd, check_ipv6, NULL)), 0);
	ctr_end(&a);
	end();
}
END_TEST

START_TEST(a_failure_leaves_nothing)
{
	static const char *const ports[] = { "18080:80", NULL };
	struct publish_entry *entries;
	struct ctr a, b;
	size_t len;

	begin();
	ctr_start(&a, "a");
	ctr_start(&b, "b");
	CHECK_OK(ctr_connect(&a, ports));
	CHECK_ERR(E_BUSY, ctr_connect(&b, ports));
	ck_assert_str_eq(e.msg, "network: port 18080/tcp is already published by container 'a'");
	CHECK_ERR(E_NOT_FOUND, net_lookup(net, "b", &b.result, &e));
	/* the netns of b is not one: the link fails after address and port were taken */
	close(b.ns_fd);
	b.ns_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	CHECK_ERR(E_INVALID, ctr_connect(&b, (const char *const[]){ "18081:80", NULL }));
	CHECK_ERR(E_NOT_FOUND, net_lookup(net, "b", &b.result, &e));
	CHECK_OK(publish_list(net, "b", &entries, &len, &e));
	ck_assert_uint_eq(len, 0);
	ctr_end(&a);
	ctr_end(&b);
	end();
}
END_TEST

START_TEST(what_the_dead_had_can_be_found_and_freed)
{
	static const char *const ports[] = { "18080:80", NULL };
	struct net_result r = NET_RESULT_INIT, again = NET_RESULT_INIT;
	AUTO_STRV users = STRV_INIT;
	struct ctr a, b;

	begin();
	ctr_start(&a, "dead");
	ctr_start(&b, "live");
	CHECK_OK(ctr_connect(&a, ports));
	CHECK_OK(ctr_connect(&b, NULL));
	CHECK_OK(net_users(net, &users, &e));
	ck_assert_uint_eq(users.len, 2);
	ck_assert(strv_has(&users, "dead") && strv_has(&users, "live"));
	CHECK_OK(net_lookup(net, "live", &r, &e));
	ck_assert_uint_eq(r.ip.s_addr, b.result.ip.s_addr);
	ck_assert_int_eq(memcmp(r.mac, b.result.mac, 6), 0);
	net_result_done(&r);
	ctr_end(&a);
	CHECK_ERR(E_NOT_FOUND, net_lookup(net, "dead", &r, &e));
	/* a start that was killed half-way does not stand in the way of the next */
	ctr_start(&a, "twice");
	CHECK_OK(ctr_connect(&a, ports));
	net_result_done(&a.result);
	kill(a.pid, SIGKILL);
	exit_code(a.pid);
	close(a.ns_fd);
	ctr_start(&a, "twice");
	CHECK_OK(ctr_connect(&a, ports));
	CHECK_OK(net_lookup(net, "twice", &again, &e));
	ck_assert_uint_eq(again.ports.len, 1);
	net_result_done(&again);
	CHECK_ERR(E_BUSY, net_destroy(net, &e));
	ctr_end(&a);
	ctr_end(&b);
	CHECK_OK(net_destroy(net, &e));
	CHECK_OK(net_destroy(net, &e));
	end();
}
END_TEST

START_TEST(the_bridge_of_a_removed_root_goes)
{
	char gone[sizeof(dir)], gone_bridge[IFNAMSIZ];
	struct ctr a;
	short flags;
	AUTO_FD fd = -1;

	begin();
	fd = nl_open(NETLINK_ROUTE);
	ctr_start(&a, "a");
	CHECK_OK(ctr_connect(&a, NULL));
	snprintf(gone_bridge, sizeof(gone_bridge), "%s", a.result.bridge);
	snprintf(gone, sizeof(gone), "%s", dir);
	ctr_end(&a);
	net_free(net);
	db_free(db);
	/* while it is there its bridge stays ... */
	memcpy(strchr(dir, '-'), "-kernel-XXXXXX", sizeof("-kernel-XXXXXX"));
	ck_assert_ptr_nonnull(mkdtemp(dir));
	open_net();
	ctr_start(&a, "a");
	CHECK_OK(ctr_connect(&a, NULL));
	ck_assert_int_eq(link_flags(fd, gone_bridge, &flags), 0);
	ctr_end(&a);
	/* ... and when it is not, the next one made clears it away, once its last link is dead */
	CHECK_OK(tree_remove_at(AT_FDCWD, gone, &e));
	for (int i = 0; i < 50 && !link_flags(fd, gone_bridge, &flags); i++) {
		usleep(20000);
		CHECK_OK(net_destroy(net, &e));
		ctr_start(&a, "b");
		CHECK_OK(ctr_connect(&a, NULL));
		ctr_end(&a);
	}
	ck_assert_int_eq(link_flags(fd, gone_bridge, &flags), -ENODEV);
	ck_assert_int_eq(nft("list tables"), 0);
	ck_assert_msg(!strstr(nft_output.buf, gone_bridge), "%s", nft_output.buf);
	strbuf_done(&nft_output);
	end();
}
END_TEST

static int connect_one(void *ctx)
{
	struct ctr *c = ctx;

	open_net(); /* a database handle does not survive fork */
	return ctr_connect(c, NULL) < 0;
}

START_TEST(many_at_once_get_addresses_of_their_own)
{
	static struct ctr all[MANY];
	static struct net_result results[MANY];
	pid_t pids[MANY];

	begin();
	for (int i = 0; i < MANY; i++) {
		char id[16];

		snprintf(id, sizeof(id), "c%d", i);
		ctr_start(&all[i], id);
	}
	for (int i = 0; i < MANY; i++)
		pids[i] = spawn(-1, connect_one, &all[i]);
	for (int i = 0; i < MANY; i++)
		ck_assert_int_eq(exit_code(pids[i]), 0);
	for (int i = 0; i < MANY; i++) {
		CHECK_OK(net_lookup(net, all[i].id, &results[i], &e));
		for (int j = 0; j < i; j++)
			ck_assert_uint_ne(results[i].ip.s_addr, results[j].ip.s_addr);
	}
	for (int i = 0; i < MANY; i++)
		ctr_end(&all[i]);
	end();
}
END_TEST

/* Check has no skip at run time, so without what the tests need nothing is run. */
#define main run_tests
int run_tests(void);
TEST_MAIN("net-kernel", containers_reach_each_other, published_ports_answer_everywhere_they_should,
          old_udp_senders_reach_a_new_container, only_the_hosts_own_addresses_are_redirected,
          the_rules_come_back_after_a_flush, a_forward_policy_of_drop_is_passed,
          inside_there_is_no_ipv6, a_failure_leaves_nothing,
          what_the_dead_had_can_be_found_and_freed, the_bridge_of_a_removed_root_goes,
          many_at_once_get_addresses_of_their_own)
#undef main

static int can_make_network(void *ctx)
{
	return unshare(CLONE_NEWNET) < 0;
}

int main(void)
{
	pid_t pid = fork();
	int status = 1;

	if (!pid)
		_exit(can_make_network(NULL));
	waitpid(pid, &status, 0);
	if (status) {
		fprintf(stderr, "skipped: needs root, to make network namespaces\n");
		return 77;
	}
	return run_tests();
}
