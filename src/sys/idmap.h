/* sys/idmap: user and group id mappings of a user namespace.
 * Written directly where the kernel allows it, through newuidmap(1) and newgidmap(1) otherwise. */
#pragma once
#include "base/err.h"
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct idmap {
	uint32_t container_id, host_id, size;
};

/* Write both maps of the process's user namespace (it must still be unmapped). An unprivileged
 * caller that maps only itself writes directly, after "deny" to setgroups. */
int idmap_write(pid_t pid, const struct idmap *uids, size_t n_uids, const struct idmap *gids,
                size_t n_gids, struct err *err);
/* The host id of a container id, or -1 when it is not mapped. */
int64_t idmap_to_host(const struct idmap *map, size_t n, uint32_t container_id);
int64_t idmap_to_container(const struct idmap *map, size_t n, uint32_t host_id);
/* A descriptor of a new user namespace with these maps and no process in it, for idmapped mounts;
 * -1 with *err. */
int idmap_open_ns(const struct idmap *uids, size_t n_uids, const struct idmap *gids, size_t n_gids,
                  struct err *err);
