#include "net/port.h"

#include <arpa/inet.h>
#include <stdbool.h>

#include "base/num.h"
#include "base/xalloc.h"

struct range {
	uint16_t first;
	uint16_t last;
};

static const struct {
	const char *name;
	uint8_t number;
} protocols[] = {
	{ "tcp", IPPROTO_TCP },
	{ "udp", IPPROTO_UDP },
	{ "sctp", IPPROTO_SCTP },
};

const char *net_protocol_name(uint8_t protocol)
{
	for (size_t i = 0; i < ARRAY_LEN(protocols); i++) {
		if (protocols[i].number == protocol)
			return protocols[i].name;
	}
	return "unknown";
}

void net_ports_done(struct net_ports *ports)
{
	free(ports->items);
	*ports = NET_PORTS_INIT;
}

static int append(struct net_ports *ports, struct net_port port, const char *spec, struct err *err)
{
	if (ports->len >= NET_PORTS_MAX)
		return err_set(err, E_LIMIT, "publish '%s': more than %d ports", spec,
		               NET_PORTS_MAX);
	VEC_PUSH(ports->items, ports->len, port);
	return 0;
}

/* Cut the "/udp" off text; tcp without one. */
static int cut_protocol(char *text, uint8_t *ret, const char *spec, struct err *err)
{
	char *slash = strchr(text, '/');

	*ret = IPPROTO_TCP;
	if (!slash)
		return 0;
	*slash++ = '\0';
	for (size_t i = 0; i < ARRAY_LEN(protocols); i++) {
		if (!strcasecmp(slash, protocols[i].name)) {
			*ret = protocols[i].number;
			return 0;
		}
	}
	err_set(err, E_INVALID, "publish '%s': unknown protocol '%s'", spec, slash);
	return err_hint(err, "tcp, udp or sctp");
}

/* "80" or "80-89"; cuts text. `what` is "host" or "container". */
static int parse_range(char *text, unsigned min, struct range *ret, const char *what,
                       const char *spec, struct err *err)
{
	char *dash = strchr(text, '-');
	uint32_t first, last;

	if (dash)
		*dash++ = '\0';
	if (parse_u32(text, &first) || first < min || first > 65535)
		return err_set(err, E_INVALID,
		               "publish '%s': %s port '%s' is not a number from %u to 65535", spec,
		               what, text, min);
	last = first;
	if (dash && (parse_u32(dash, &last) || last < 1 || last > 65535))
		return err_set(err, E_INVALID,
		               "publish '%s': %s port '%s' is not a number from 1 to 65535", spec,
		               what, dash);
	if (last < first || (dash && !first))
		return err_set(err, E_INVALID, "publish '%s': %s port range %u-%u runs backwards",
		               spec, what, first, last);
	*ret = (struct range){ (uint16_t)first, (uint16_t)last };
	return 0;
}

static int parse_host_ip(const char *text, struct in_addr *ret, const char *spec, struct err *err)
{
	ret->s_addr = INADDR_ANY;
	if (!*text)
		return 0;
	if (*text == '[' || strchr(text, ':')) {
		err_set(err, E_UNSUPPORTED, "publish '%s': IPv6 host addresses are not supported",
		        spec);
		return err_hint(err, "give an IPv4 address or none");
	}
	if (inet_pton(AF_INET, text, ret) == 1)
		return 0;
	err_set(err, E_INVALID, "publish '%s': '%s' is not an IPv4 address", spec, text);
	return err_hint(err, "[IP:][HOSTPORT:]CONTAINERPORT[/tcp|udp|sctp]");
}

/* Append one item for each container port. */
static int expand(struct net_ports *ports, struct in_addr ip, uint8_t protocol, struct range host,
                  struct range ctr, const char *spec, struct err *err)
{
	unsigned host_count = host.last - host.first + 1u;
	unsigned ctr_count = ctr.last - ctr.first + 1u;

	if (host.first && ctr_count > 1 && host_count != ctr_count) {
		err_set(err, E_INVALID, "publish '%s': %u host ports for %u container ports", spec,
		        host_count, ctr_count);
		return err_hint(err, "give ranges of the same length");
	}
	for (unsigned i = 0; i < ctr_count; i++) {
		struct net_port port = {
			.host_ip = ip,
			.host_port = host.first,
			.host_port_last = host.last,
			.ctr_port = (uint16_t)(ctr.first + i),
			.protocol = protocol,
		};

		if (host.first && host_count == ctr_count)
			port.host_port = port.host_port_last = (uint16_t)(host.first + i);
		if (append(ports, port, spec, err) < 0)
			return -1;
	}
	return 0;
}

int net_ports_parse(struct net_ports *ports, const char *spec, struct err *err)
{
	AUTO_FREE char *text = xstrdup(spec);
	struct range host = { 0, 0 }, ctr;
	struct in_addr ip = { INADDR_ANY };
	char *ctr_text = text, *colon;
	uint8_t protocol;

	if (cut_protocol(text, &protocol, spec, err) < 0)
		return -1;
	colon = strrchr(text, ':');
	if (colon) {
		char *host_text = text;

		*colon = '\0';
		ctr_text = colon + 1;
		colon = strrchr(text, ':');
		/* "IP:PORT" without a container port is a common slip: say what is missing */
		if (!colon && strchr(text, '.')) {
			err_set(err, E_INVALID, "publish '%s': no container port after the address",
			        spec);
			return err_hint(err, "IP:HOSTPORT:CONTAINERPORT, or IP::CONTAINERPORT");
		}
		if (colon) {
			*colon = '\0';
			host_text = colon + 1;
			if (parse_host_ip(text, &ip, spec, err) < 0)
				return -1;
		}
		if (*host_text && parse_range(host_text, 0, &host, "host", spec, err) < 0)
			return -1;
	}
	if (parse_range(ctr_text, 1, &ctr, "container", spec, err) < 0)
		return -1;
	return expand(ports, ip, protocol, host, ctr, spec, err);
}

int net_ports_parse_exposed(struct net_ports *ports, const char *spec, struct err *err)
{
	AUTO_FREE char *text = xstrdup(spec);
	struct range ctr;
	uint8_t protocol;

	if (cut_protocol(text, &protocol, spec, err) < 0 ||
	    parse_range(text, 1, &ctr, "container", spec, err) < 0)
		return -1;
	return expand(ports, (struct in_addr){ INADDR_ANY }, protocol, (struct range){ 0, 0 }, ctr,
	              spec, err);
}

static bool is_fixed(const struct net_port *port)
{
	return port->host_port && port->host_port == port->host_port_last;
}

/* Two addresses collide when they are equal or one of them is every address. */
static bool overlaps(const struct net_port *a, const struct net_port *b)
{
	return a->protocol == b->protocol && a->host_port == b->host_port &&
	       (a->host_ip.s_addr == b->host_ip.s_addr || a->host_ip.s_addr == INADDR_ANY ||
	        b->host_ip.s_addr == INADDR_ANY);
}

static int compare_host_ports(const void *a, const void *b)
{
	const struct net_port *x = *(const struct net_port *const *)a;
	const struct net_port *y = *(const struct net_port *const *)b;

	if (x->host_port != y->host_port)
		return x->host_port < y->host_port ? -1 : 1;
	return (x->protocol > y->protocol) - (x->protocol < y->protocol);
}

int net_ports_check(const struct net_ports *ports, struct err *err)
{
	AUTO_FREE const struct net_port **fixed = xcalloc(ports->len + 1, sizeof(*fixed));
	size_t n = 0;

	for (size_t i = 0; i < ports->len; i++) {
		if (is_fixed(&ports->items[i]))
			fixed[n++] = &ports->items[i];
	}
	/* sorted, candidates are neighbours: ranges of thousands stay cheap */
	qsort(fixed, n, sizeof(*fixed), compare_host_ports);
	for (size_t i = 0; i < n; i++) {
		for (size_t j = i + 1; j < n && !compare_host_ports(&fixed[i], &fixed[j]); j++) {
			if (overlaps(fixed[i], fixed[j]))
				return err_set(err, E_INVALID, "host port %u/%s is published twice",
				               fixed[i]->host_port,
				               net_protocol_name(fixed[i]->protocol));
		}
	}
	return 0;
}

static bool continues(const struct net_port *run_end, const struct net_port *next)
{
	return is_fixed(run_end) && is_fixed(next) && run_end->protocol == next->protocol &&
	       run_end->host_ip.s_addr == next->host_ip.s_addr &&
	       next->host_port == run_end->host_port + 1 && next->ctr_port == run_end->ctr_port + 1;
}

void net_ports_format(const struct net_ports *ports, struct strbuf *out)
{
	for (size_t i = 0, end; i < ports->len; i = end + 1) {
		const struct net_port *first = &ports->items[i], *last;
		char ip[INET_ADDRSTRLEN];

		for (end = i; end + 1 < ports->len; end++) {
			if (!continues(&ports->items[end], &ports->items[end + 1]))
				break;
		}
		last = &ports->items[end];
		inet_ntop(AF_INET, &first->host_ip, ip, sizeof(ip));
		strbuf_adds(out, i ? ", " : "");
		if (first->host_port && first != last)
			strbuf_addf(out, "%s:%u-%u->%u-%u", ip, first->host_port, last->host_port,
			            first->ctr_port, last->ctr_port);
		else if (first->host_port)
			strbuf_addf(out, "%s:%u->%u", ip, first->host_port, first->ctr_port);
		else
			strbuf_addf(out, "%u", first->ctr_port);
		strbuf_addf(out, "/%s", net_protocol_name(first->protocol));
	}
}
