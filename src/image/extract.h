/* extract: a layer's tree written out as a directory, for where EROFS cannot be mounted.
 *
 * The destination must be empty and ours. Everything is made new (O_EXCL) below an fd of its
 * parent, in the order of the tree and not of the archive, so there is never a symbolic link to
 * follow and nothing to race with. Whiteouts become 0:0 character devices; opaque directories get
 * overlay.opaque=y in trusted.* or, in a user namespace, in user.* (mount option userxattr).
 * In a user namespace other devices cannot be made and are left out. */
#pragma once
#include "base/err.h"
#include "codec/tree.h"

struct extract_result {
	uint64_t disk_bytes; /* about what it takes */
	uint64_t skipped_devices;
};

/* in_userns: the process is uid 0 of another user namespace than the first. E_PERM when an owner
 * is not mapped there. */
int extract_tree(struct tree *tree, int tar_fd, int dest_fd, bool in_userns,
                 struct extract_result *ret, struct err *err);

/* Compare a directory with what extract_tree() makes of the tree: names, types, modes, owners,
 * times to the second, and the content of files. E_CORRUPT in *why says what differs first. */
int extract_verify(struct tree *tree, int tar_fd, int dir_fd, bool in_userns, struct err *why);
