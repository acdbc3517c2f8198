/* user: whom a container's process runs as, by the image's own /etc/passwd and /etc/group.
 *
 * The two files belong to the image, so they are hostile: they are reached with
 * openat2(RESOLVE_IN_ROOT), must be regular files of at most USER_FILE_MAX bytes, are opened
 * without blocking (CVE-2024-9676: a FIFO), and lines that do not parse are skipped. A missing file
 * is an empty one. Whatever cannot be resolved is refused; nothing falls back to root. */
#pragma once
#include "base/err.h"
#include "base/strv.h"
#include <stdint.h>
#include <sys/types.h>

#define USER_FILE_MAX (4u << 20)
#define USER_ID_MAX   2147483647u /* 2^31 - 1, docker's bound */

struct user_identity {
	uint32_t uid;
	uint32_t gid;
	uint32_t *groups; /* supplementary, without duplicates */
	size_t group_count;
	char *home; /* "/" when the user has no entry */
	char *name; /* "" when the user has no entry */
};

/* spec: "", "user", "uid", "user:group", "uid:gid" (NULL is ""): "" is uid 0, gid 0. Without a
 * group the user's own gid and the groups that list it are taken (docker's rule); with one,
 * only that. group_add: more groups, names or numbers (NULL: none).
 * E_NOT_FOUND "no user 'x' in the image's /etc/passwd", E_INVALID, E_LIMIT. */
int user_lookup(int root_fd, const char *spec, const struct strv *group_add,
                struct user_identity *ret, struct err *err);
/* The same on the text of the two files. */
int user_lookup_in(const char *passwd, const char *groups, const char *spec,
                   const struct strv *group_add, struct user_identity *ret, struct err *err);
void user_identity_done(struct user_identity *u);
