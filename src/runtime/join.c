/* Namespaces that are joined instead of made. */
#include "runtime/internal.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/nsfs.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/stat.h>

#ifndef CLONE_NEWTIME
#	define CLONE_NEWTIME 0x00000080
#endif

/* Order matters: the user namespace first, since it gives the right to join the others; the mount
 * namespace last, since paths change with it. */
static const struct {
	enum oci_ns ns;
	int flag;
	const char *name;
} join_order[] = {
	{ OCI_NS_USER, CLONE_NEWUSER, "user" },       { OCI_NS_IPC, CLONE_NEWIPC, "ipc" },
	{ OCI_NS_UTS, CLONE_NEWUTS, "uts" },          { OCI_NS_NETWORK, CLONE_NEWNET, "network" },
	{ OCI_NS_PID, CLONE_NEWPID, "pid" },          { OCI_NS_TIME, CLONE_NEWTIME, "time" },
	{ OCI_NS_CGROUP, CLONE_NEWCGROUP, "cgroup" }, { OCI_NS_MOUNT, CLONE_NEWNS, "mount" },
};

static const char *ns_name(int flag)
{
	for (size_t i = 0; i < ARRAY_LEN(join_order); i++)
		if (join_order[i].flag == flag)
			return join_order[i].name;
	return "unknown";
}

int ns_check_type(int fd, int flag, const char *path, struct err *err)
{
	int found = ioctl(fd, NS_GET_NSTYPE);

	if (found == flag)
		return 0;
	if (found < 0)
		return err_set(err, E_INVALID, "linux.namespaces: '%s' is not a namespace", path);
	return err_set(err, E_INVALID, "linux.namespaces: '%s' is a %s namespace, not a %s one",
	               path, ns_name(found), ns_name(flag));
}

/* Whether it is the one we are in ourselves. */
static bool is_own(int fd, const char *name)
{
	char path[32];
	struct stat theirs, own;

	snprintf(path, sizeof(path), "/proc/self/ns/%s", name);
	return fstat(fd, &theirs) == 0 && stat(path, &own) == 0 && theirs.st_dev == own.st_dev &&
	       theirs.st_ino == own.st_ino;
}

int ns_open_all(struct runtime_sandbox *s, struct err *err)
{
	for (size_t i = 0; i < ARRAY_LEN(join_order); i++) {
		enum oci_ns kind = join_order[i].ns;
		const struct oci_namespace *ns = &s->spec->linux_.ns[kind];

		if (!s->plan.ns_join[kind])
			continue;
		s->ns_fds[kind] = ns->fd >= 0 ? ns->fd : open(ns->path, O_RDONLY | O_CLOEXEC);
		if (s->ns_fds[kind] < 0)
			return err_sys(err, errno, "linux.namespaces: open '%s'", ns->path);
		if (ns_check_type(s->ns_fds[kind], join_order[i].flag,
		                  ns->path ? ns->path : "(descriptor)", err) < 0)
			return -1;
	}
	/* "/proc/self/ns/net" is a path to join, too, but nothing of the container's own. */
	if (s->plan.ns_join[OCI_NS_NETWORK] && s->spec->linux_.n_sysctl &&
	    is_own(s->ns_fds[OCI_NS_NETWORK], "net"))
		return plan_check_shared_net(&s->spec->linux_, err);
	return 0;
}

static int join_failed(struct err *err, int errno_value, const char *name)
{
	err_sys(err, errno_value, "linux.namespaces: join the %s namespace", name);
	if (errno_value == EPERM)
		return err_hint(err, "it is owned by a user namespace that this one has no rights "
		                     "over");
	if (errno_value == EINVAL && strcmp(name, "user") == 0)
		return err_hint(err, "it may be the one we are in already");
	return -1;
}

int ns_join_all(const int fds[OCI_NS_MAX], unsigned skip, struct err *err)
{
	for (size_t i = 0; i < ARRAY_LEN(join_order); i++) {
		int fd = fds[join_order[i].ns];

		if (fd < 0 || skip & 1u << join_order[i].ns)
			continue;
		if (setns(fd, join_order[i].flag) < 0)
			return join_failed(err, errno, join_order[i].name);
	}
	return 0;
}

int ns_join_before_user(struct runtime_sandbox *s, struct err *err)
{
	/* The mount namespace comes last of all, and lets us keep the host's paths until then. */
	unsigned skip = 1u << OCI_NS_USER | 1u << OCI_NS_MOUNT;

	for (size_t i = 0; i < ARRAY_LEN(join_order); i++) {
		int fd = s->ns_fds[join_order[i].ns];

		if (fd < 0 || skip & 1u << join_order[i].ns)
			continue;
		if (setns(fd, join_order[i].flag) == 0)
			s->ns_joined |= 1u << join_order[i].ns;
		/* What belongs to the user namespace that is joined next, not to ours. */
		else if (errno != EPERM)
			return join_failed(err, errno, join_order[i].name);
	}
	return 0;
}
