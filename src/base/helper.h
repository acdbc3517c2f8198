/* helper: where the other programs of this installation are.
 * The place is worked out from the running program's own (/proc/self/exe), never from PATH or a
 * compiled-in prefix: a build tree, PREFIX and a DESTDIR all work, and a user cannot redirect it.
 *   build tree:    build/{dhow,dhow-oci,dhow-monitor}
 *   installation:  PREFIX/bin/{dhow,dhow-oci}, PREFIX/libexec/dhow/dhow-monitor */
#pragma once
#include "base/err.h"

/* Absolute path of the program `name` ("dhow-monitor") into *ret_path, which the caller frees.
 * E_NOT_FOUND names the directories that were tried. */
int helper_find(const char *name, char **ret_path, struct err *err);
