/* linux.netDevices: interfaces of the caller's network namespace go to the container's, under
 * another name if one is given, keep their permanent global addresses, and are up. What happens to
 * them afterwards is the network namespace's affair (the kernel returns physical ones and removes
 * virtual ones with it); only a creation that fails moves them back. */
#include "runtime/internal.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/rtnetlink.h>
#include <sched.h>

#include "base/xalloc.h"
#include "sys/netlink-move.h"
#include "sys/netlink-route.h"

struct moved {
	char name[IFNAMSIZ]; /* inside */
	bool was_up;
	struct link_addresses addresses;
};

struct netdevs {
	int own_ns, ns;        /* network namespaces: the caller's, the container's */
	int own_fd, inside_fd; /* route sockets in them */
	struct nl_batch batch;
	struct moved *moved;
	size_t n_moved;
};

/* ---- the configuration ---- */

static bool is_link_name(const char *name)
{
	size_t len = strlen(name);

	return len > 0 && len < IFNAMSIZ && strcmp(name, ".") != 0 && strcmp(name, "..") != 0 &&
	       !name[strcspn(name, "/: \t\n\v\f\r")];
}

int plan_check_netdevs(const struct oci_linux *l, struct err *err)
{
	if (l->n_net_devices && !l->ns[OCI_NS_NETWORK].wanted)
		return err_set(
			err, E_INVALID,
			"linux.netDevices: needs a network namespace of the container's own");
	for (size_t i = 0; i < l->n_net_devices; i++) {
		const struct oci_net_device *d = &l->net_devices[i];
		const char *percent = d->name ? strchr(d->name, '%') : NULL;

		if (!is_link_name(d->host_name))
			return err_set(err, E_INVALID,
			               "linux.netDevices: '%s' is not an interface name",
			               d->host_name);
		if (!d->name)
			continue;
		if (!is_link_name(d->name) ||
		    (percent && (strncmp(percent, "%d", 2) != 0 || strchr(percent + 1, '%'))))
			return err_set(err, E_INVALID,
			               "linux.netDevices['%s'].name: '%s' is not an interface name",
			               d->host_name, d->name);
		for (size_t j = 0; j < i && !percent; j++) {
			const struct oci_net_device *o = &l->net_devices[j];

			if (strcmp(o->name ? o->name : o->host_name, d->name) == 0)
				return err_set(err, E_INVALID,
				               "linux.netDevices['%s'].name: '%s' is given twice",
				               d->host_name, d->name);
		}
	}
	return 0;
}

/* ---- moving ---- */

static int failed(struct netdevs *n, struct err *err, int r, const char *name, const char *what)
{
	err_sys(err, -r, "linux.netDevices['%s']: %s", name, what);
	if (n->batch.reason[0])
		return err_hint(err, "kernel: %s", n->batch.reason);
	if (r == -EPERM)
		return err_hint(err, "it takes CAP_NET_ADMIN in both network namespaces");
	return -1;
}

/* The name inside: for a template such as "eth%d" the first that is free there. */
static int choose_name(struct netdevs *n, const struct oci_net_device *d, char ret[IFNAMSIZ])
{
	const char *wanted = d->name ? d->name : d->host_name, *percent = strchr(wanted, '%');
	int unused;

	if (!percent) {
		snprintf(ret, IFNAMSIZ, "%s", wanted);
		return link_index(n->inside_fd, ret, &unused) == 0 ? -EEXIST : 0;
	}
	for (int i = 0; i < 1000; i++) {
		int len = snprintf(ret, IFNAMSIZ, "%.*s%d%s", (int)(percent - wanted), wanted, i,
		                   percent + 2);

		if (len >= IFNAMSIZ)
			return -ENAMETOOLONG;
		if (link_index(n->inside_fd, ret, &unused) < 0)
			return 0;
	}
	return -EEXIST;
}

static int settle(struct netdevs *n, int fd, const struct moved *m, const char *name, bool up)
{
	int index, r = link_index(fd, name, &index);

	if (r == 0)
		r = link_addresses_add(fd, index, &m->addresses, &n->batch);
	if (r == 0 && up)
		r = link_up(fd, index, &n->batch);
	return r;
}

static int move_one(struct netdevs *n, const struct oci_net_device *d, struct err *err)
{
	struct moved m = { 0 };
	short flags = 0;
	int index, r;

	r = link_index(n->own_fd, d->host_name, &index);
	if (r == 0)
		r = link_flags(n->own_fd, d->host_name, &flags);
	if (r < 0)
		return failed(n, err, r, d->host_name, "look it up on the host");
	m.was_up = flags & IFF_UP;
	r = choose_name(n, d, m.name);
	if (r < 0)
		return failed(n, err, r, d->host_name,
		              r == -EEXIST ? "its name is taken in the container" : "name it");
	r = link_addresses_read(n->own_fd, index, &m.addresses);
	if (r < 0) {
		free(m.addresses.items);
		return failed(n, err, r, d->host_name, "read its addresses");
	}
	r = link_move(n->own_fd, index, n->ns, m.name, &n->batch);
	if (r < 0) {
		free(m.addresses.items);
		return failed(n, err, r, d->host_name, "move it into the network namespace");
	}
	VEC_PUSH(n->moved, n->n_moved, m);
	r = settle(n, n->inside_fd, &m, m.name, true);
	return r < 0 ? failed(n, err, r, d->host_name, "set it up in the container") : 0;
}

/* A route socket there, made by a short visit. */
static int open_inside(struct netdevs *n, struct err *err)
{
	int fd, r;

	if (setns(n->ns, CLONE_NEWNET) < 0)
		return err_sys(err, errno, "linux.netDevices: enter the network namespace");
	fd = nl_open(NETLINK_ROUTE);
	r = setns(n->own_ns, CLONE_NEWNET) < 0 ? -errno : 0;
	if (r < 0 && fd >= 0)
		close(fd);
	if (r < 0)
		return err_sys(err, -r, "linux.netDevices: come back from the network namespace");
	if (fd < 0)
		return err_sys(err, -fd, "linux.netDevices: open a netlink socket");
	n->inside_fd = fd;
	return 0;
}

static int open_all(struct runtime_sandbox *s, struct netdevs *n, struct err *err)
{
	char path[32];

	snprintf(path, sizeof(path), "/proc/%d/ns/net", s->pid);
	n->own_ns = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	n->ns = s->ns_fds[OCI_NS_NETWORK] >= 0
	                ? fcntl(s->ns_fds[OCI_NS_NETWORK], F_DUPFD_CLOEXEC, 3)
	                : open(path, O_RDONLY | O_CLOEXEC);
	if (n->own_ns < 0 || n->ns < 0)
		return err_sys(err, errno, "linux.netDevices: open the network namespaces");
	n->own_fd = nl_open(NETLINK_ROUTE);
	if (n->own_fd < 0)
		return err_sys(err, -n->own_fd, "linux.netDevices: open a netlink socket");
	return open_inside(n, err);
}

int netdevs_move(struct runtime_sandbox *s, struct err *err)
{
	const struct oci_linux *l = &s->spec->linux_;

	if (!l->n_net_devices)
		return 0;
	s->netdevs = xcalloc(1, sizeof(*s->netdevs));
	*s->netdevs = (struct netdevs){ -1, -1, -1, -1, NL_BATCH_INIT, NULL, 0 };
	if (open_all(s, s->netdevs, err) < 0)
		return -1;
	for (size_t i = 0; i < l->n_net_devices; i++)
		if (move_one(s->netdevs, &l->net_devices[i], err) < 0)
			return -1;
	return 0;
}

void netdevs_undo(struct runtime_sandbox *s)
{
	struct netdevs *n = s->netdevs;
	int index;

	while (n && n->n_moved > 0) {
		size_t i = --n->n_moved;
		struct moved *m = &n->moved[i];
		const char *name = s->spec->linux_.net_devices[i].host_name;

		if (link_index(n->inside_fd, m->name, &index) == 0 &&
		    link_move(n->inside_fd, index, n->own_ns, name, &n->batch) == 0)
			(void)settle(n, n->own_fd, m, name, m->was_up);
		free(m->addresses.items);
	}
}

void netdevs_done(struct netdevs *n)
{
	if (!n)
		return;
	for (size_t i = 0; i < n->n_moved; i++)
		free(n->moved[i].addresses.items);
	free(n->moved);
	nl_batch_done(&n->batch);
	if (n->inside_fd >= 0)
		close(n->inside_fd);
	if (n->own_fd >= 0)
		close(n->own_fd);
	if (n->ns >= 0)
		close(n->ns);
	if (n->own_ns >= 0)
		close(n->own_ns);
	free(n);
}
