/* disk-quota: --storage-opt size=N,inodes=N: how much a container's writable layer may hold.
 *
 * By project quota (ext4 and xfs): the upper and work directories get a project id of their own,
 * which everything made in them inherits, and the id gets limits. overlayfs writes with the rights
 * of who mounted it, less CAP_SYS_RESOURCE, so that the limit holds for the container's root as
 * well. Nothing else can do this without a file system in a file, whose blocks would be written
 * twice and whose loop device a kill would leave behind: where there are no project quotas, the
 * option is refused.
 *
 * Ids are taken at random and noted in the database; those of containers that are gone are given
 * back when the next one is taken, so that a removal costs nothing more. */
#pragma once
#include "base/err.h"
#include "base/strv.h"
#include <stdint.h>

struct engine;

struct disk_quota {
	uint64_t bytes;  /* 0: no limit */
	uint64_t inodes; /* 0: no limit */
};

/* E_INVALID names the option. None given: both 0. */
int disk_quota_parse(const struct strv *storage_opt, struct disk_quota *ret, struct err *err);
/* dir_fd: the container's directory with its two empty directories. E_UNSUPPORTED says what is
 * missing. */
int disk_quota_set(struct engine *e, const char *id, int dir_fd, const struct disk_quota *quota,
                   struct err *err);
/* The work directory was made anew: give it the project of the upper one. */
int disk_quota_copy(int dir_fd, struct err *err);
