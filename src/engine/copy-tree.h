/* copy-tree: a directory's content into another directory, by descriptors only.
 *
 * Symbolic links are copied as links, never followed; the source may change meanwhile and may be
 * hostile: what is opened is checked again after opening. Keeps owner, mode, times, extended
 * attributes (as far as permitted), hard links within the tree, holes. Sockets are left out,
 * and device nodes where the kernel refuses to make them. */
#pragma once
#include "base/err.h"

/* Copy what is in src_fd into dst_fd, which is empty or gets merged; dst_fd's own owner, mode and
 * times become src_fd's. Both are borrowed directory descriptors. */
int copy_tree(int src_fd, int dst_fd, struct err *err);
