/* whiteout: the names by which a layer deletes things (image-spec layer.md, "Whiteouts"), and the
 * xattrs that belong to overlayfs and so must not come out of an archive. */
#pragma once
#include <stdbool.h>

enum whiteout {
	WHITEOUT_NONE,
	WHITEOUT_FILE,    /* ".wh.NAME": NAME is deleted */
	WHITEOUT_OPAQUE,  /* ".wh..wh..opq": what lower layers have in this directory is hidden */
	WHITEOUT_DROP,    /* other ".wh..wh.*": aufs's own files, not part of the tree */
	WHITEOUT_INVALID, /* ".wh.", ".wh..", ".wh...": would delete the directory or its parent */
};

/* name: a normalised path. *ret_base: the last part's deleted name for WHITEOUT_FILE (borrowed
 * from name), else the last part. */
enum whiteout whiteout_classify(const char *name, const char **ret_base);
/* Whether an archive may set it: user.*, trusted.*, security.capability and POSIX ACLs, without
 * trusted.overlay.* and user.overlay.* (they would steer overlayfs). Others are dropped, as they
 * mean nothing here (macOS) or would speak for this host's policy (security.selinux, .ima). */
bool xattr_is_allowed(const char *name);
