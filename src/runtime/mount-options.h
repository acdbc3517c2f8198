/* Mount options of config.json, understood: pure, tested without root. */
#pragma once
#include "base/err.h"
#include "base/strv.h"
#include <stdbool.h>
#include <stdint.h>

enum mount_flags {
	MOUNT_BIND = 1u << 0,
	MOUNT_RECURSIVE = 1u << 1, /* of the bind */
	MOUNT_COPY_UP = 1u << 2,   /* tmpcopyup: fill a tmpfs with what it hides */
	MOUNT_IDMAP = 1u << 3,
	MOUNT_IDMAP_RECURSIVE = 1u << 4,
	MOUNT_SOURCE_NOFOLLOW = 1u << 5,
	MOUNT_TARGET_NOFOLLOW = 1u << 6, /* dest-nofollow: mount on a link, not on what it names */
	MOUNT_COPY_SYMLINK = 1u << 7,    /* a source that is a link is made anew, not mounted */
	MOUNT_REMOUNT = 1u << 8,         /* change what is mounted there already */
};

struct mount_options {
	unsigned flags;
	uint64_t attr_set, attr_clr; /* MOUNT_ATTR_* of the mount itself */
	uint64_t tree_set, tree_clr; /* and of it and all below it (rro, rnosuid, ...) */
	unsigned long propagation;   /* MS_SHARED, MS_SLAVE, MS_PRIVATE, MS_UNBINDABLE or 0 */
	bool propagation_recursive;
	unsigned long legacy; /* MS_* flags that only mount(2) knows */
	const char *idmap;    /* crun's "idmap=uids=0-1-10;gids=...": borrowed; NULL: none */
	struct strv data;     /* for the file system: "size=64k", "newinstance" */
};

/* Every word means something: those not known are for the file system. options must outlive ret. */
void mount_options_parse(const struct strv *options, struct mount_options *ret);
void mount_options_done(struct mount_options *o);
/* "rslave" and friends; false for another word. */
bool mount_propagation_parse(const char *word, unsigned long *ret, bool *ret_recursive);
/* Every option understood, for `features`. */
void mount_options_list(struct strv *ret);
