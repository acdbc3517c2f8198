/* Namespaces: which are new, shared with the host or with another container, and what follows. */
#include <errno.h>
#include <fcntl.h>
#include <sys/utsname.h>

#include "base/xalloc.h"
#include "engine/spec-internal.h"

/* --ipc, --pid, --uts, --userns, --cgroupns: what each may say besides "". */
enum share { SHARE_PRIVATE, SHARE_HOST, SHARE_CONTAINER, SHARE_NONE };

static const struct ns_option {
	const char *option;
	size_t offset; /* of the text in struct container_options */
	enum oci_ns ns;
	const char *file;  /* in /proc/PID/ns */
	const char *words; /* accepted, for messages and the check */
} ns_options[] = {
	{ "--ipc", offsetof(struct container_options, ipc), OCI_NS_IPC, "ipc",
	  "private, shareable, none, host, container:ID" },
	{ "--pid", offsetof(struct container_options, pid), OCI_NS_PID, "pid",
	  "private, host, container:ID" },
	{ "--uts", offsetof(struct container_options, uts), OCI_NS_UTS, "uts",
	  "private, host, container:ID" },
	{ "--userns", offsetof(struct container_options, userns), OCI_NS_USER, "user", "host" },
	{ "--cgroupns", offsetof(struct container_options, cgroupns), OCI_NS_CGROUP, "cgroup",
	  "private, host" },
};

static const char *option_text(const struct container_options *opts, const struct ns_option *o)
{
	return *(const char *const *)((const char *)opts + o->offset);
}

static bool word_allowed(const char *words, const char *word, size_t len)
{
	while (*words) {
		size_t n = strcspn(words, ",");

		if (n == len && !strncmp(words, word, len))
			return true;
		words += n;
		words += strspn(words, ", ");
	}
	return false;
}

static int share_parse(const struct ns_option *o, const char *text, enum share *ret,
                       const char **ret_container, struct err *err)
{
	size_t len;

	*ret = SHARE_PRIVATE;
	if (!text || !*text)
		return 0;
	if (!strncmp(text, "container:", 10) && strstr(o->words, "container:ID")) {
		if (!text[10])
			return err_set(err, E_INVALID, "%s '%s': no container is named", o->option,
			               text);
		*ret = SHARE_CONTAINER;
		*ret_container = text + 10;
		return 0;
	}
	len = strlen(text);
	if (!word_allowed(o->words, text, len)) {
		err_set(err, E_INVALID, "%s '%s': no such mode", o->option, text);
		return err_hint(err, "use %s", o->words);
	}
	if (!strcmp(text, "host"))
		*ret = SHARE_HOST;
	else if (!strcmp(text, "none"))
		*ret = SHARE_NONE;
	return 0;
}

static bool hostname_is_valid(const char *s)
{
	size_t len = strlen(s);

	return len && len <= 63 &&
	       strspn(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._") ==
	               len;
}

int namespaces_check(const struct container_options *opts, struct err *err)
{
	const char *container;
	enum share share;

	for (size_t i = 0; i < ARRAY_LEN(ns_options); i++)
		if (share_parse(&ns_options[i], option_text(opts, &ns_options[i]), &share,
		                &container, err) < 0)
			return -1;
	if (opts->hostname && !hostname_is_valid(opts->hostname))
		return err_set(err, E_INVALID,
		               "--hostname '%s': expected at most 63 letters, digits, '-', '.' "
		               "or '_'",
		               opts->hostname);
	if (opts->hostname && opts->uts && strcmp(opts->uts, "private") != 0)
		return err_set(err, E_INVALID, "--hostname '%s' contradicts --uts '%s'",
		               opts->hostname, opts->uts);
	if (opts->domainname && strlen(opts->domainname) > 63)
		return err_set(err, E_INVALID, "--domainname '%s': longer than 63 bytes",
		               opts->domainname);
	return 0;
}

/* A peer of ours, or an error that names the option. */
static int find_peer(struct spec_ctx *c, const char *option, const char *name,
                     struct spec_peer *ret)
{
	if (!c->env->find_peer)
		return err_set(c->err, E_UNSUPPORTED, "%s: cannot share with '%s' here", option,
		               name);
	if (c->env->find_peer(c->env->find_peer_ctx, name, ret, c->err) < 0)
		return err_ctx(c->err, "%s", option);
	return 0;
}

static void join(struct spec_ctx *c, enum oci_ns ns, pid_t pid, const char *file)
{
	struct oci_namespace *n = &c->spec->linux_.ns[ns];

	n->wanted = true;
	free(n->path);
	n->path = xasprintf("/proc/%d/ns/%s", (int)pid, file);
}

/* The descriptor is borrowed by the spec and lives as long as this process, which is about to
 * become the container's monitor. */
static int share_peer_shm(struct spec_ctx *c, pid_t pid)
{
	int fd = peer_mount_open(pid, "/dev/shm", c->err);
	struct oci_mount *m;

	if (fd < 0)
		return -1;
	oci_spec_remove_mount(c->spec, "/dev/shm");
	m = oci_spec_add_mount(c->spec, "/dev/shm", "bind", "/dev/shm", "bind,nosuid,noexec,nodev");
	m->source_fd = fd;
	return 0;
}

static int apply_option(struct spec_ctx *c, const struct ns_option *o)
{
	struct oci_namespace *n = &c->spec->linux_.ns[o->ns];
	const char *container = NULL;
	struct spec_peer peer;
	enum share share;

	if (share_parse(o, option_text(c->opts, o), &share, &container, c->err) < 0)
		return -1;
	switch (share) {
	case SHARE_HOST:
		n->wanted = false;
		/* the kernel lets only who owns a PID namespace mount its proc */
		if (o->ns == OCI_NS_PID && c->env->rootless) {
			oci_spec_remove_mount(c->spec, "/proc");
			oci_spec_add_mount(c->spec, "/proc", "bind", "/proc",
			                   "rbind,nosuid,noexec,nodev,rslave");
		}
		break;
	case SHARE_CONTAINER:
		if (find_peer(c, o->option, container, &peer) < 0)
			return -1;
		join(c, o->ns, peer.pid, o->file);
		/* POSIX shared memory is files: the peer's are shared with the namespace */
		if (o->ns == OCI_NS_IPC && share_peer_shm(c, peer.pid) < 0)
			return err_ctx(c->err, "%s '%s'", o->option, option_text(c->opts, o));
		break;
	case SHARE_NONE:
	case SHARE_PRIVATE:
		break;
	}
	return 0;
}

/* The host's own devices of System V and POSIX messages go with its IPC namespace. */
static void share_host_ipc(struct spec_ctx *c)
{
	static const char *const paths[] = { "/dev/shm", "/dev/mqueue" };

	for (size_t i = 0; i < ARRAY_LEN(paths); i++) {
		oci_spec_remove_mount(c->spec, paths[i]);
		if (access(paths[i], F_OK) == 0)
			oci_spec_add_mount(c->spec, paths[i], "bind", paths[i],
			                   "rbind,nosuid,noexec,nodev");
	}
}

static int apply_network(struct spec_ctx *c)
{
	struct oci_namespace *n = &c->spec->linux_.ns[OCI_NS_NETWORK];

	switch (c->network.mode) {
	case NETWORK_HOST:
		n->wanted = false;
		if (c->env->rootless) {
			/* sysfs shows network devices: the kernel wants it mounted by who owns
			 * the network namespace */
			oci_spec_remove_mount(c->spec, "/sys");
			oci_spec_remove_mount(c->spec, "/sys/fs/cgroup");
			oci_spec_add_mount(c->spec, "/sys", "bind", "/sys",
			                   "rbind,nosuid,noexec,nodev,ro,rslave");
		}
		break;
	case NETWORK_CONTAINER:
		if (find_peer(c, "--network", c->network.container, &c->net_peer) < 0)
			return -1;
		join(c, OCI_NS_NETWORK, c->net_peer.pid, "net");
		break;
	case NETWORK_BRIDGE:
	case NETWORK_NONE:
		break;
	}
	return 0;
}

/* docker's rule: the host's name with the host's network, else the first 12 digits of the id. */
static int set_hostname(struct spec_ctx *c)
{
	struct utsname host;

	if (!c->spec->linux_.ns[OCI_NS_UTS].wanted || c->spec->linux_.ns[OCI_NS_UTS].path)
		return 0;
	free(TAKE_PTR(c->spec->hostname));
	if (c->opts->hostname) {
		c->spec->hostname = xstrdup(c->opts->hostname);
	} else if (c->network.mode == NETWORK_HOST) {
		if (uname(&host) < 0)
			return err_sys(c->err, errno, "uname");
		c->spec->hostname = xstrdup(host.nodename);
	} else {
		c->spec->hostname = xstrndup(c->env->id, 12);
	}
	if (c->opts->domainname)
		c->spec->domainname = xstrdup(c->opts->domainname);
	return 0;
}

int spec_namespaces(struct spec_ctx *c)
{
	for (size_t i = 0; i < ARRAY_LEN(ns_options); i++)
		if (apply_option(c, &ns_options[i]) < 0)
			return -1;
	/* the default of --userns is the host's, or the user's own when rootless */
	c->spec->linux_.ns[OCI_NS_USER].wanted = false;
	if (!c->spec->linux_.ns[OCI_NS_IPC].wanted)
		share_host_ipc(c);
	else if (c->opts->ipc && !strcmp(c->opts->ipc, "none"))
		oci_spec_remove_mount(c->spec, "/dev/shm");
	if (apply_network(c) < 0)
		return -1;
	return set_hostname(c);
}
