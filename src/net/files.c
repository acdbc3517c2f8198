#include "net/files.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <fcntl.h>

#include "base/fd.h"
#include "base/xalloc.h"

#define FILE_MAX_BYTES (1u << 20) /* of resolv.conf; more is not a configuration */
#define DNS_NAME_MAX   253

static bool is_loopback(const char *address)
{
	struct in_addr ip;

	return inet_pton(AF_INET, address, &ip) == 1 && (ntohl(ip.s_addr) >> 24) == 127;
}

static bool is_ipv4(const char *address)
{
	struct in_addr ip;

	return inet_pton(AF_INET, address, &ip) == 1;
}

/* Letters, digits, '-', '_', '.': what a host name or a search domain may be made of. In a file of
 * lines anything else could start a line of its own. */
static bool is_domain(const char *s)
{
	size_t len = strlen(s);

	if (!len || len > DNS_NAME_MAX || *s == '-')
		return false;
	for (; *s; s++) {
		if (!isalnum((unsigned char)*s) && !strchr("-_.", *s))
			return false;
	}
	return true;
}

int net_dns_check(const char *address, struct err *err)
{
	struct in6_addr ip6;

	if (is_ipv4(address))
		return 0;
	if (inet_pton(AF_INET6, address, &ip6) == 1)
		return 0;
	err_set(err, E_INVALID, "--dns '%s' is not an address", address);
	return err_hint(err, "give the IP address of a name server");
}

int net_dns_search_check(const char *domain, struct err *err)
{
	if (!strcmp(domain, ".") || is_domain(domain))
		return 0;
	return err_set(err, E_INVALID, "--dns-search '%s' is not a domain name", domain);
}

int net_dns_option_check(const char *option, struct err *err)
{
	size_t len = strlen(option);

	for (const char *p = option; *p; p++) {
		if (!isalnum((unsigned char)*p) && !strchr("-_.:", *p))
			len = 0;
	}
	if (len && len < 64)
		return 0;
	return err_set(err, E_INVALID, "--dns-option '%s' is not a resolver option", option);
}

/* What the host's file says, one strv for each keyword. */
struct resolv {
	struct strv servers;
	struct strv search;
	struct strv options;
};

static void resolv_done(struct resolv *r)
{
	strv_done(&r->servers);
	strv_done(&r->search);
	strv_done(&r->options);
}

static void parse_line(struct resolv *r, char *line)
{
	struct strv *list = NULL;
	char *save = NULL, *word = strtok_r(line, " \t\r", &save);

	if (!word || *word == '#' || *word == ';')
		return;
	if (!strcmp(word, "nameserver"))
		list = &r->servers;
	else if (!strcmp(word, "search") || !strcmp(word, "domain"))
		list = &r->search;
	else if (!strcmp(word, "options"))
		list = &r->options;
	else
		return;
	/* the last search or domain line wins, as in the resolver; options add up */
	if (list == &r->search)
		strv_done(list);
	while ((word = strtok_r(NULL, " \t\r", &save)) && *word != '#' && *word != ';') {
		strv_add(list, word);
		if (list == &r->servers)
			break;
	}
}

static void parse_host_text(struct resolv *r, const char *text)
{
	AUTO_FREE char *copy = xstrdup(text);
	char *save = NULL;

	for (char *line = strtok_r(copy, "\n", &save); line; line = strtok_r(NULL, "\n", &save))
		parse_line(r, line);
}

static void override(struct strv *list, const struct strv *with)
{
	if (!with || !with->len)
		return;
	strv_done(list);
	strv_add_all(list, with->items);
}

static void add_joined(struct strbuf *out, const char *keyword, const struct strv *list)
{
	if (!list->len)
		return;
	strbuf_adds(out, keyword);
	for (size_t i = 0; i < list->len; i++)
		strbuf_addf(out, " %s", list->items[i]);
	strbuf_addc(out, '\n');
}

int net_resolv_build(const char *host_text, const struct net_resolv_options *options,
                     struct strbuf *out)
{
	AUTO(resolv_done) struct resolv r = { 0 };
	bool own_servers = options->dns && options->dns->len;
	int count = 0;

	parse_host_text(&r, host_text);
	override(&r.servers, options->dns);
	override(&r.search, options->dns_search);
	override(&r.options, options->dns_options);
	if (r.search.len == 1 && !strcmp(r.search.items[0], "."))
		strv_done(&r.search);
	add_joined(out, "search", &r.search);
	for (size_t i = 0; i < r.servers.len; i++) {
		const char *server = r.servers.items[i];

		if (!own_servers && !options->host_network &&
		    (is_loopback(server) || !is_ipv4(server)))
			continue;
		strbuf_addf(out, "nameserver %s\n", server);
		count++;
	}
	if (!count)
		strbuf_adds(out, "# the host names no name server that a container can reach; "
		                 "give one with --dns\n");
	add_joined(out, "options", &r.options);
	return count;
}

int net_resolv_read_host(char **ret_text, struct err *err)
{
	/* where systemd-resolved writes the servers that its stub 127.0.0.53 asks */
	static const char *const paths[] = { "/etc/resolv.conf",
		                             "/run/systemd/resolve/resolv.conf" };
	struct net_resolv_options options = { 0 };
	AUTO_FREE char *first = NULL;

	for (size_t i = 0; i < ARRAY_LEN(paths); i++) {
		AUTO_FREE char *text = NULL;
		AUTO_BUF built = STRBUF_INIT;
		struct err reason = ERR_INIT;
		size_t len;

		if (file_read_at(AT_FDCWD, paths[i], FILE_MAX_BYTES, &text, &len, &reason) < 0) {
			if (reason.code == E_NOT_FOUND)
				continue;
			*err = reason;
			return -1;
		}
		if (net_resolv_build(text, &options, &built) > 0) {
			*ret_text = TAKE_PTR(text);
			return 0;
		}
		if (!first)
			first = TAKE_PTR(text);
	}
	*ret_text = first ? TAKE_PTR(first) : xstrdup("");
	return 0;
}

/* Split "NAME:IP" (or docker's newer "NAME=IP"); the name is cut in place. */
static int split_add_host(char *text, char **ret_name, char **ret_ip, const char *value,
                          struct err *err)
{
	char *sep = strchr(text, '=');
	struct in6_addr ip6;
	size_t len;

	if (!sep)
		sep = strchr(text, ':');
	if (!sep) {
		err_set(err, E_INVALID, "--add-host '%s' has no address", value);
		return err_hint(err, "NAME:IP or NAME:host-gateway");
	}
	*sep = '\0';
	*ret_name = text;
	*ret_ip = sep + 1;
	len = strlen(*ret_ip);
	if (**ret_ip == '[' && (*ret_ip)[len - 1] == ']') {
		(*ret_ip)[len - 1] = '\0';
		*ret_ip += 1;
	}
	if (!is_domain(text))
		return err_set(err, E_INVALID, "--add-host '%s': '%s' is not a host name", value,
		               text);
	if (!strcmp(*ret_ip, "host-gateway") || is_ipv4(*ret_ip) ||
	    inet_pton(AF_INET6, *ret_ip, &ip6) == 1)
		return 0;
	err_set(err, E_INVALID, "--add-host '%s': '%s' is not an IP address", value, *ret_ip);
	return err_hint(err, "NAME:IP or NAME:host-gateway");
}

int net_add_host_check(const char *value, struct err *err)
{
	AUTO_FREE char *text = xstrdup(value);
	char *name, *ip;

	return split_add_host(text, &name, &ip, value, err);
}

static int add_wanted_hosts(const struct net_hosts_options *options, const char *gateway,
                            struct strbuf *out, struct err *err)
{
	if (!options->add_hosts)
		return 0;
	for (size_t i = 0; i < options->add_hosts->len; i++) {
		const char *value = options->add_hosts->items[i];
		AUTO_FREE char *text = xstrdup(value);
		char *name, *ip;

		if (split_add_host(text, &name, &ip, value, err) < 0)
			return -1;
		if (!strcmp(ip, "host-gateway")) {
			if (!*gateway)
				return err_set(err, E_INVALID,
				               "--add-host '%s': without a network the container "
				               "has no gateway",
				               value);
			ip = (char *)gateway;
		}
		strbuf_addf(out, "%s\t%s\n", ip, name);
	}
	return 0;
}

int net_hosts_build(const struct net_hosts_options *options, struct strbuf *out, struct err *err)
{
	char ip[INET_ADDRSTRLEN] = "", gateway[INET_ADDRSTRLEN] = "";
	const char *hostname = options->hostname, *name = options->name;

	if (options->ip.s_addr != INADDR_ANY)
		inet_ntop(AF_INET, &options->ip, ip, sizeof(ip));
	if (options->gateway.s_addr != INADDR_ANY)
		inet_ntop(AF_INET, &options->gateway, gateway, sizeof(gateway));
	if (add_wanted_hosts(options, gateway, out, err) < 0)
		return -1;
	if (options->host_text) {
		strbuf_adds(out, options->host_text);
		if (out->len && out->buf[out->len - 1] != '\n')
			strbuf_addc(out, '\n');
		return 0;
	}
	strbuf_adds(out, "127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\n");
	if (*gateway)
		strbuf_addf(out, "%s\thost.containers.internal host.docker.internal\n", gateway);
	if (name && hostname && !strcmp(name, hostname))
		name = NULL;
	if (hostname || name)
		strbuf_addf(out, "%s\t%s%s%s\n", *ip ? ip : "127.0.1.1", hostname ? hostname : "",
		            hostname && name ? " " : "", name ? name : "");
	return 0;
}
