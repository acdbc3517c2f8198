/* erofs: a metadata-only EROFS image that indexes a layer's tar.
 *
 * The image has 512-byte blocks and names the tar as its external device (`mount -o device=TAR`):
 * file contents stay where they are in the tar, the image holds inodes, directories and xattrs.
 * Whiteouts become 0:0 character devices, opaque directories get trusted.overlay.opaque=y, so an
 * image is at once a lower layer for overlayfs. Identical trees give identical images.
 *
 * On-disk format: Linux fs/erofs/erofs_fs.h, of which plain, inline and chunk-based inodes, inline
 * xattrs and one device slot are used. Tried on Linux 6.1 (over loop devices) and 6.18. */
#pragma once
#include "base/err.h"
#include "codec/tree.h"
#include <stdint.h>

#define EROFS_INDEX_BLOCK 512
/* The volume's name, 16 bytes at EROFS_NAME_OFFSET. The number changes whenever the same tree would
 * give other bytes, so that an index of an older version is not taken for a damaged one. */
#define EROFS_INDEX_NAME  "dhow-index-1"
#define EROFS_NAME_OFFSET (1024 + 64)
#define EROFS_NAME_BYTES  16

/* Write the image of a frozen tree to out_fd from its present position, which must be 0.
 * tar_fd is read for sparse files whose pieces are not aligned to blocks: those are copied into
 * the image; it may be -1 when there are none. tar_bytes: the size of the tar. Uses the `user`
 * field of the tree's inodes. E_LIMIT when the image would be out of proportion to the tar. */
int erofs_write_index(struct tree *t, int tar_fd, uint64_t tar_bytes, int out_fd,
                      uint64_t *ret_bytes, struct err *err);
