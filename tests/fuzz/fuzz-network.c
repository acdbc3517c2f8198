/* What a user or the host's files say about networks: -p values, --add-host values, resolv.conf.
 * The first byte chooses. What is accepted must hold only valid numbers, and must not be able to
 * add a line to the container's files. */
#include <stdlib.h>

#include "fuzz.h"
#include "net/files.h"
#include "net/port.h"

static void ports(const char *text)
{
	struct net_ports list = NET_PORTS_INIT;
	AUTO_BUF shown = STRBUF_INIT;
	struct err err;

	if (net_ports_parse(&list, text, &err) >= 0) {
		if (!list.len)
			abort();
		for (size_t i = 0; i < list.len; i++) {
			if (!list.items[i].ctr_port ||
			    list.items[i].host_port > list.items[i].host_port_last)
				abort();
		}
		(void)net_ports_check(&list, &err);
		net_ports_format(&list, &shown);
	}
	net_ports_done(&list);
}

static void add_host(const char *text)
{
	AUTO_STRV hosts = STRV_INIT;
	AUTO_BUF out = STRBUF_INIT;
	struct net_hosts_options options = { .add_hosts = &hosts, .gateway = { 1 } };
	struct err err;
	size_t lines = 0;

	strv_add(&hosts, text);
	if (net_hosts_build(&options, &out, &err) < 0)
		return;
	for (size_t i = 0; i < out.len; i++)
		lines += out.buf[i] == '\n';
	if (lines != 4)
		abort();
}

static void resolv(const char *text)
{
	AUTO_BUF out = STRBUF_INIT, again = STRBUF_INIT;
	struct net_resolv_options options = { 0 };

	/* what is built from what was built is the same */
	if (net_resolv_build(text, &options, &out) != net_resolv_build(out.buf, &options, &again) ||
	    strcmp(out.buf, again.buf) != 0)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text;

	if (!size)
		return 0;
	text = malloc(size);
	memcpy(text, data + 1, size - 1);
	text[size - 1] = '\0';
	switch (data[0] % 3) {
	case 0:
		ports(text);
		break;
	case 1:
		add_host(text);
		break;
	default:
		resolv(text);
	}
	free(text);
	return 0;
}
