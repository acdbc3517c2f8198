/* Bridges of roots that are no more: a removed --root cannot take its bridge along. Looked for when
 * another bridge is made, which is rare. */
#include <errno.h>
#include <linux/if_link.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <sys/stat.h>

#include "base/xalloc.h"
#include "net/net-internal.h"

#define STALE_MAX 4 /* at a time: removing one takes the kernel some 50 ms */

struct link {
	int index;
	char name[IFNAMSIZ];
	char *root_path; /* a bridge's alias */
};

struct scan {
	const struct net *self;
	struct link *bridges;
	size_t bridges_len;
	int *masters; /* of all links that have one */
	size_t masters_len;
};

static void scan_done(struct scan *s)
{
	for (size_t i = 0; i < s->bridges_len; i++)
		free(s->bridges[i].root_path);
	free(s->bridges);
	free(s->masters);
}

/* "dhow" and six hexadecimal digits: of a root that is not the default one. */
static bool is_tagged(const char *name, size_t len)
{
	return len == 4 + NET_TAG_LEN && !memcmp(name, "dhow", 4) &&
	       strspn(name + 4, "0123456789abcdef") >= NET_TAG_LEN;
}

static void on_link(void *ctx, const struct nl_message_view *m)
{
	const size_t head = NLMSG_ALIGN(sizeof(struct ifinfomsg));
	struct link link = { 0 };
	const char *name, *alias, *master;
	size_t name_len, alias_len, master_len;
	struct scan *scan = ctx;

	if (m->type != RTM_NEWLINK || m->len < head)
		return;
	master =
		nl_find_attr((const char *)m->data + head, m->len - head, IFLA_MASTER, &master_len);
	if (master && master_len == sizeof(int)) {
		int index;

		memcpy(&index, master, sizeof(index));
		VEC_PUSH(scan->masters, scan->masters_len, index);
	}
	name = nl_find_attr((const char *)m->data + head, m->len - head, IFLA_IFNAME, &name_len);
	alias = nl_find_attr((const char *)m->data + head, m->len - head, IFLA_IFALIAS, &alias_len);
	if (!name || !alias || !is_tagged(name, strnlen(name, name_len)) || *alias != '/' ||
	    !strcmp(name, scan->self->bridge))
		return;
	memcpy(link.name, name, 4 + NET_TAG_LEN);
	link.root_path = xstrndup(alias, alias_len);
	VEC_PUSH(scan->bridges, scan->bridges_len, link);
}

static bool has_ports(const struct scan *scan, int index)
{
	for (size_t i = 0; i < scan->masters_len; i++) {
		if (scan->masters[i] == index)
			return true;
	}
	return false;
}

void stale_bridges_remove(struct net *net, int route_fd)
{
	AUTO(scan_done) struct scan scan = { .self = net };
	AUTO_NL_BATCH b = NL_BATCH_INIT;
	struct ifinfomsg head = { 0 };
	int removed = 0;

	nl_message(&b, RTM_GETLINK, NLM_F_DUMP, &head, sizeof(head));
	nl_attr_u32(&b, IFLA_EXT_MASK, RTEXT_FILTER_SKIP_STATS);
	if (nl_transact(route_fd, &b, on_link, &scan) < 0)
		return;
	for (size_t i = 0; i < scan.bridges_len && removed < STALE_MAX; i++) {
		struct net other = { .nft_fd = net->nft_fd };
		struct stat st;

		/* a root in another mount namespace looks gone from here: its bridge is left alone
		 * while it is used, and is made anew when it was not */
		if (has_ports(&scan, scan.bridges[i].index) ||
		    stat(scan.bridges[i].root_path, &st) == 0 || errno != ENOENT)
			continue;
		memcpy(other.bridge, scan.bridges[i].name, sizeof(other.bridge));
		memcpy(other.table, scan.bridges[i].name, sizeof(other.table));
		if (bridge_remove(&other, ERR_IGNORE) == 0 &&
		    firewall_remove(&other, ERR_IGNORE) == 0)
			removed++;
	}
}
