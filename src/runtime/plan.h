/* runtime/plan: a configuration checked and turned into what has to be done.
 * A plan is a value: making one changes nothing, needs no privilege and opens nothing. It borrows
 * from the spec, which must outlive it. */
#pragma once
#include "oci/spec.h"
#include "runtime/mount-options.h"
#include <linux/filter.h>

enum plan_mount_kind {
	PLAN_MOUNT_FS,      /* a new file system */
	PLAN_MOUNT_BIND,    /* a tree of the host's, or a prepared descriptor */
	PLAN_MOUNT_CGROUP,  /* the container's own part of the cgroup hierarchies */
	PLAN_MOUNT_REMOUNT, /* new options for what is mounted there */
};

/* Whose ids a bind mount shows (MOUNT_IDMAP). */
enum plan_idmap {
	PLAN_IDMAP_NONE,
	PLAN_IDMAP_GIVEN, /* by the mount's own mappings */
	PLAN_IDMAP_USER,  /* as in the container's user namespace */
};

struct plan_mount {
	const struct oci_mount *spec;
	enum plan_mount_kind kind;
	struct mount_options options;
	bool is_proc; /* its destination is /proc */
	bool is_dev;  /* its destination is /dev: default devices go into it */
	enum plan_idmap idmap;
	const struct oci_idmap *uids, *gids; /* with PLAN_IDMAP_GIVEN and, unless the container's
	                                      * namespace is joined, with PLAN_IDMAP_USER */
	size_t n_uids, n_gids;
	struct oci_idmap *idmap_owned[2]; /* of an "idmap=..." option */
};

struct plan {
	uint64_t clone_flags;     /* CLONE_NEW*: namespaces to make */
	bool ns_join[OCI_NS_MAX]; /* to join instead, by path or descriptor */
	bool new_cgroup_ns;       /* made late, once the process is in its cgroup */
	uint64_t exec_flags;      /* CLONE_NEW* of all namespaces made or joined, for exec */
	bool shares_mounts;       /* no mount namespace of its own: shared or joined */
	bool needs_stage;         /* a process between caller and init has to enter first */
	struct plan_mount *mounts;
	size_t n_mounts;
	bool setup_dev;                 /* /dev is ours to fill (not bound from the host) */
	unsigned long propagation;      /* of everything, first thing in the new mount namespace */
	unsigned long root_propagation; /* of "/" at the end, or 0 */
	char *cgroup_path;              /* absolute, in every hierarchy; NULL: none */
	unsigned cgroup_needed;         /* hierarchies that limits need (CGROUP_BIT) */
	struct sock_filter *filter;     /* seccomp; NULL: none */
	unsigned short filter_len;
	unsigned filter_flags; /* SECCOMP_FILTER_FLAG_* */
};

int plan_make(struct plan *plan, const struct oci_spec *spec, const char *id, struct err *err);
void plan_done(struct plan *plan);
/* netdev.c */
int plan_check_netdevs(const struct oci_linux *l, struct err *err);
/* plan-mounts.c */
int plan_mounts(struct plan *plan, const struct oci_spec *spec, struct err *err);
/* plan-idmap.c: fills in idmap, uids and gids. where: names the mount in errors. */
int plan_idmap(struct plan_mount *m, const struct oci_linux *l, const char *where, struct err *err);
/* Also for exec: compiles spec's profile into plan-like out-parameters. */
int plan_seccomp(const struct oci_seccomp *s, struct sock_filter **ret, unsigned short *ret_len,
                 unsigned *ret_flags, struct err *err);
/* CLONE_NEW* of a kind of namespace. */
uint64_t plan_ns_flag(enum oci_ns ns);
/* plan-sysctl.c: only keys that belong to a namespace of the container's own. */
int plan_check_sysctls(const struct oci_linux *l, struct err *err);
/* linux.sysctl may not say something else than domainname. */
int plan_check_names(const struct oci_spec *spec, struct err *err);
/* For a container that joins the network namespace of its caller. */
int plan_check_shared_net(const struct oci_linux *l, struct err *err);
/* The file below /proc/sys. The caller frees. */
char *plan_sysctl_path(const char *key);
/* What /dev is filled with, besides linux.devices (init-dev.c). */
enum { PLAN_DEFAULT_NODES = 6, PLAN_DEFAULT_LINKS = 5 };
struct plan_node {
	const char *name;
	unsigned major, minor;
};
struct plan_link {
	const char *name, *target;
};
extern const struct plan_node plan_default_nodes[PLAN_DEFAULT_NODES];
extern const struct plan_link plan_default_links[PLAN_DEFAULT_LINKS];
/* Hierarchies whose files these resources are written to. */
unsigned resources_controllers(const struct oci_resources *r);
