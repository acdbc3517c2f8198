/* /etc/hosts, /etc/hostname and /etc/resolv.conf of a container, and the ports it publishes. */
#include "base/fd.h"
#include "base/strbuf.h"
#include "base/xalloc.h"
#include "engine/launch-internal.h"
#include "image/image.h"
#include "net/files.h"
#include "net/net.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/utsname.h>

/* In place, not by rename: the container may have the old file mounted. Read by any user in the
 * container, whatever our umask. */
static int write_in_place(int dir_fd, const char *name, const char *text, size_t len,
                          struct err *err)
{
	AUTO_FD fd =
		openat(dir_fd, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0644);
	int r;

	if (fd < 0)
		return err_sys(err, errno, "write '%s'", name);
	r = fd_write_all(fd, text, len);
	if (r < 0)
		return err_sys(err, -r, "write '%s'", name);
	if (fchmod(fd, 0644) < 0)
		return err_sys(err, errno, "write '%s'", name);
	return 0;
}

/* --network container:ID shares the other's view of names. */
static int copy_from_peer(struct engine *e, int dir_fd, const char *peer, struct err *err)
{
	static const char *const names[] = { "hosts", "hostname", "resolv.conf" };
	char id[ID_LEN + 1];
	AUTO_FD peer_fd = -1;

	if (container_find(e, peer, id, err) < 0)
		return -1;
	peer_fd = container_dir_open(e, id, err);
	if (peer_fd < 0)
		return -1;
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		AUTO_FREE char *text = NULL;
		size_t len;

		if (file_read_at(peer_fd, names[i], 1u << 20, &text, &len, err) < 0 ||
		    write_in_place(dir_fd, names[i], text, len, err) < 0)
			return -1;
	}
	return 0;
}

static int write_hosts(int dir_fd, const struct container_row *row,
                       const struct container_options *opts, const struct network_choice *network,
                       const char *hostname, const struct net_result *net, struct err *err)
{
	AUTO_BUF text = STRBUF_INIT;
	AUTO_FREE char *host_text = NULL;
	size_t len;
	struct net_hosts_options options = {
		.hostname = hostname,
		.name = row->name,
		.add_hosts = &opts->add_host,
	};

	/* the address is known once the namespace is there; until then the file has to exist */
	if (!net && network->mode == NETWORK_BRIDGE)
		return write_in_place(dir_fd, "hosts", "", 0, err);
	if (net) {
		options.ip = net->ip;
		options.gateway = net->gateway;
	}
	if (network->mode == NETWORK_HOST)
		options.gateway.s_addr = htonl(INADDR_LOOPBACK);
	if (network->mode == NETWORK_HOST &&
	    file_read_at(AT_FDCWD, "/etc/hosts", 1u << 20, &host_text, &len, ERR_IGNORE) == 0)
		options.host_text = host_text;
	if (net_hosts_build(&options, &text, err) < 0)
		return -1;
	return write_in_place(dir_fd, "hosts", text.buf, text.len, err);
}

int launch_write_files(struct engine *e, int dir_fd, const struct container_row *row,
                       const struct container_options *opts, const struct network_choice *network,
                       const struct net_result *net, struct err *err)
{
	AUTO_BUF resolv = STRBUF_INIT;
	AUTO_FREE char *host_text = NULL;
	AUTO_FREE char *line = NULL;
	struct net_resolv_options options = {
		.dns = &opts->dns,
		.dns_search = &opts->dns_search,
		.dns_options = &opts->dns_option,
		.host_network = network->mode == NETWORK_HOST,
	};
	char short_id[ID_SHORT_LEN + 1];
	struct utsname host;
	const char *hostname = opts->hostname;

	if (network->mode == NETWORK_CONTAINER)
		return net ? 0 : copy_from_peer(e, dir_fd, network->container, err);
	snprintf(short_id, sizeof(short_id), "%.*s", ID_SHORT_LEN, row->id);
	if (!hostname)
		hostname = short_id;
	if (!opts->hostname &&
	    (network->mode == NETWORK_HOST || (opts->uts && strcmp(opts->uts, "host") == 0)) &&
	    uname(&host) == 0)
		hostname = host.nodename;
	if (write_hosts(dir_fd, row, opts, network, hostname, net, err) < 0)
		return -1;
	if (net)
		return 0; /* the second time: only the address is new */
	line = xasprintf("%s\n", hostname);
	if (write_in_place(dir_fd, "hostname", line, strlen(line), err) < 0 ||
	    net_resolv_read_host(&host_text, err) < 0)
		return -1;
	net_resolv_build(host_text, &options, &resolv);
	return write_in_place(dir_fd, "resolv.conf", resolv.buf, resolv.len, err);
}

int launch_ports(const struct container_options *opts, const struct image_config *image,
                 struct net_ports *ret, struct err *err)
{
	for (size_t i = 0; i < opts->publish.len; i++)
		if (net_ports_parse(ret, opts->publish.items[i], err) < 0)
			return -1;
	if (opts->publish_all) {
		for (size_t i = 0; i < opts->expose.len; i++)
			if (net_ports_parse_exposed(ret, opts->expose.items[i], err) < 0)
				return -1;
		for (size_t i = 0; i < image->exposed_ports.len; i++)
			if (net_ports_parse_exposed(ret, image->exposed_ports.items[i], err) < 0)
				return -1;
	}
	return net_ports_check(ret, err);
}
