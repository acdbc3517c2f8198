/* erofs: a metadata-only EROFS image that indexes a layer's tar.
 *
 * The image has 512-byte blocks and names the tar as its external device (`mount -o device=TAR`):
 * file contents stay where they are in the tar, the image holds inodes, directories and xattrs.
 * No name out of the archive is ever resolved on the host.
 *
 * Layer rules (image-spec, layer.md) are applied here: the last of equal names wins, missing
 * parents are made (0755, owner 0), ".wh.NAME" becomes a 0:0 character device NAME, and
 * ".wh..wh..opq" the xattr trusted.overlay.opaque=y. Names beginning with ".wh..wh." besides that,
 * and overlayfs's own xattrs, are dropped. Hard links resolve inside the layer only.
 *
 * On-disk format: Linux fs/erofs/erofs_fs.h (facts only; see docs/adr). Memory: about 150 bytes
 * an entry besides its name. */
#pragma once
#include "base/err.h"
#include "codec/tar.h"
#include <stdint.h>

#define EROFS_INDEX_BLOCK 512

struct erofs_writer;

struct erofs_writer *erofs_writer_new(void);
void erofs_writer_free(struct erofs_writer *w);
DEFINE_FREEP(struct erofs_writer, erofs_writer_free)
/* Entries in archive order. E_INVALID for a link to nothing or a root that is no directory. */
int erofs_writer_add(struct erofs_writer *w, const struct tar_entry *e, struct err *err);
/* Write the image to out_fd (from offset 0). tar_fd is read for data that is not aligned to
 * blocks (sparse files), which is copied into the image; -1 when there is none.
 * tar_bytes: the size of the tar, padded up to a block by the caller. Call once. */
int erofs_writer_finish(struct erofs_writer *w, int tar_fd, uint64_t tar_bytes, int out_fd,
                        uint64_t *ret_bytes, struct err *err);
uint64_t erofs_writer_inodes(const struct erofs_writer *w);
