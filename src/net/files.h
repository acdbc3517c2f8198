/* files: the text of a container's /etc/resolv.conf and /etc/hosts. Pure: text in, text out,
 * so that the engine decides where it is written and tests need no host. */
#pragma once
#include "base/err.h"
#include "base/strbuf.h"
#include "base/strv.h"
#include <netinet/in.h>
#include <stdbool.h>

struct net_resolv_options {
	const struct strv *dns;         /* --dns: replace the host's name servers */
	const struct strv *dns_search;  /* --dns-search: replace; a single "." clears */
	const struct strv *dns_options; /* --dns-option: replace */
	/* The container shares the host's network (--network host): loopback servers are kept. */
	bool host_network;
};

/* `host_text` is the host's resolv.conf ("" when there is none). Comments are dropped, as are
 * loopback name servers (nothing listens there in the container) and IPv6 ones, which the IPv4
 * bridge cannot reach. Return how many name servers the result names. */
int net_resolv_build(const char *host_text, const struct net_resolv_options *options,
                     struct strbuf *out);
/* The host's resolv.conf: /etc/resolv.conf, or systemd-resolved's list of real servers when that
 * names only the loopback stub. Caller frees. A missing file is "". */
int net_resolv_read_host(char **ret_text, struct err *err);
/* Check a --dns, --dns-search or --dns-option value before it goes into a file. */
int net_dns_check(const char *address, struct err *err);
int net_dns_search_check(const char *domain, struct err *err);
int net_dns_option_check(const char *option, struct err *err);

struct net_hosts_options {
	const char *hostname;         /* may be NULL */
	const char *name;             /* the container's name, may be NULL */
	const struct strv *add_hosts; /* "NAME:IP" or "NAME:host-gateway"; NULL for none */
	struct in_addr ip;            /* INADDR_ANY: none (no network) */
	struct in_addr gateway;       /* the host as the container sees it; INADDR_ANY: none */
	const char *host_text;        /* --network host: the host's /etc/hosts to start from */
};

int net_hosts_build(const struct net_hosts_options *options, struct strbuf *out, struct err *err);
/* Check an --add-host value ("NAME:IP", "NAME=IP", "NAME:host-gateway"). */
int net_add_host_check(const char *value, struct err *err);
