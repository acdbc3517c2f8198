/* linux.landlock: rules opened inside the container's root, applied last before seccomp. */
#include "runtime/internal.h"

#include <errno.h>
#include <fcntl.h>

#include "oci/landlock.h"
#include "sys/landlock.h"
#include "sys/rootfs.h"

static int lacks(const char *key, enum oci_landlock_kind kind, uint64_t missing, int abi,
                 struct err *err)
{
	AUTO_STRV names = STRV_INIT;

	oci_landlock_names(kind, missing, &names);
	err_set(err, E_UNSUPPORTED,
	        "linux.landlock.ruleset.%s: this kernel (Landlock ABI %d) has no %s", key, abi,
	        names.items[0]);
	return err_hint(err, "without disableBestEffort it would be left out");
}

/* The ruleset, with what the kernel has of what is asked for. *ret_handled: that. */
static int open_ruleset(const struct oci_landlock *l, struct landlock_rights *ret_handled,
                        struct err *err)
{
	int abi = landlock_abi(), fd = -EINVAL;
	const struct landlock_rights known = landlock_rights_of(LANDLOCK_KNOWN_ABI);
	struct landlock_rights have = landlock_rights_of(abi);
	struct landlock_rights wanted = { l->fs, l->net, l->scoped };

	if (abi > LANDLOCK_KNOWN_ABI) {
		/* It may know the bits that we do not. */
		*ret_handled = wanted;
		fd = landlock_ruleset(ret_handled);
	}
	if (fd == -EINVAL) {
		ret_handled->fs = wanted.fs & have.fs & known.fs;
		ret_handled->net = wanted.net & have.net & known.net;
		ret_handled->scoped = wanted.scoped & have.scoped & known.scoped;
		if (l->required && wanted.fs & ~ret_handled->fs)
			return lacks("handledAccessFS", OCI_LANDLOCK_FS,
			             wanted.fs & ~ret_handled->fs, abi, err);
		if (l->required && wanted.net & ~ret_handled->net)
			return lacks("handledAccessNet", OCI_LANDLOCK_NET,
			             wanted.net & ~ret_handled->net, abi, err);
		if (l->required && wanted.scoped & ~ret_handled->scoped)
			return lacks("scoped", OCI_LANDLOCK_SCOPE,
			             wanted.scoped & ~ret_handled->scoped, abi, err);
		if (!ret_handled->fs && !ret_handled->net && !ret_handled->scoped)
			return -ENOSYS; /* best effort: nothing of it can be had */
		fd = landlock_ruleset(ret_handled);
	}
	return fd < 0 ? err_sys(err, -fd, "linux.landlock: make the ruleset") : fd;
}

static int allow_paths(const struct oci_landlock *l, int ruleset_fd, uint64_t handled,
                       struct err *err)
{
	AUTO_FD root = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);

	if (root < 0)
		return err_sys(err, errno, "linux.landlock: open '/'");
	for (size_t i = 0; i < l->n_paths; i++) {
		const struct oci_landlock_path *p = &l->paths[i];

		for (size_t j = 0; j < p->paths.len; j++) {
			AUTO_FD fd = rootfs_open(root, p->paths.items[j], O_PATH, 0);
			int r = fd;

			if (r >= 0)
				r = landlock_allow_path(ruleset_fd, fd, p->access & handled);
			else if (r == -ENOENT && p->ignore_missing)
				continue;
			if (r < 0)
				return err_sys(err, -r,
				               "linux.landlock.rules.pathBeneath[%zu].paths[%zu]: "
				               "'%s'",
				               i, j, p->paths.items[j]);
		}
	}
	return 0;
}

int landlock_prepare(const struct oci_landlock *l, int *ret_fd, struct err *err)
{
	struct landlock_rights handled = { 0 };
	AUTO_FD fd = -1;
	int r;

	*ret_fd = -1;
	fd = open_ruleset(l, &handled, err);
	if (fd < 0)
		return fd == -ENOSYS ? 0 : -1;
	if (handled.fs && allow_paths(l, fd, handled.fs, err) < 0)
		return -1;
	for (size_t i = 0; i < l->n_ports; i++) {
		const struct oci_landlock_port *p = &l->ports[i];

		for (size_t j = 0; j < p->n_ports; j++) {
			r = landlock_allow_port(fd, p->ports[j], p->access & handled.net);
			if (r < 0)
				return err_sys(err, -r,
				               "linux.landlock.rules.netPort[%zu].ports[%zu]: %u",
				               i, j, p->ports[j]);
		}
	}
	*ret_fd = TAKE_FD(fd);
	return 0;
}

int landlock_apply(const struct oci_landlock *l, int fd, struct err *err)
{
	/* Flags came with ABI 7; they only concern what the kernel logs. */
	uint32_t flags = landlock_abi() >= 7 ? l->restrict_flags : 0;
	int r = landlock_restrict(fd, flags);

	return r < 0 ? err_sys(err, -r, "linux.landlock: restrict the process") : 0;
}
