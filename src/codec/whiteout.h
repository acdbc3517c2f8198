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
/* trusted.overlay.*, user.overlay.*: dropped from archives. */
bool xattr_is_overlay(const char *name);
