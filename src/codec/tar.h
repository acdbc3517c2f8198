/* tar: a strict reader and a writer.
 *
 * The reader takes bytes in pieces of any size, never seeks, and holds one entry's metadata at a
 * time (bounded by struct tar_limits). It understands v7, ustar (POSIX.1-1988), pax (POSIX.1-2001,
 * with global headers), GNU long names, base-256 numbers, and GNU and pax sparse files.
 * What different readers of tar would understand differently is refused rather than guessed:
 * '..' in names, NUL in names, sizes on entries without data, a pax size that contradicts the
 * header, negative sizes, unknown type flags, a global header that sets names or sizes.
 *
 * Names are delivered normalised: relative, no empty or "." parts, no trailing slash; the archive's
 * root is "". The reader knows nothing of layers: whiteouts are ordinary files to it. */
#pragma once
#include "base/err.h"
#include "base/strbuf.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum tar_type {
	TAR_FILE,
	TAR_HARDLINK, /* link: normalised like a name */
	TAR_SYMLINK,  /* link: the target as it is */
	TAR_CHAR,
	TAR_BLOCK,
	TAR_DIR,
	TAR_FIFO,
	TAR_TYPE_MAX
};

struct tar_xattr {
	const char *name; /* "security.capability" */
	const void *value;
	size_t len;
};

/* A run of stored bytes of a sparse file. Ascending, not overlapping, never empty. */
struct tar_extent {
	uint64_t offset; /* in the file */
	uint64_t len;
	uint64_t data_offset; /* in the archive */
};

struct tar_entry {
	enum tar_type type;
	const char *name;
	const char *link;          /* "" unless TAR_HARDLINK or TAR_SYMLINK */
	const char *uname, *gname; /* "" when absent */
	uint32_t mode;             /* permission bits, 07777 */
	uint32_t uid, gid;
	uint64_t size; /* of the file, holes included */
	int64_t mtime_s;
	uint32_t mtime_ns;
	uint32_t dev_major, dev_minor;
	uint64_t data_offset; /* of the first stored byte in the archive */
	uint64_t data_len;    /* stored bytes; == size unless sparse */
	bool is_sparse;
	const struct tar_extent *extents; /* when is_sparse */
	size_t n_extents;
	const struct tar_xattr *xattrs;
	size_t n_xattrs;
};

/* 0 in a field: the default in brackets. */
struct tar_limits {
	uint64_t max_entries;    /* [10 million] */
	uint64_t max_file_bytes; /* logical size of one file [1 TiB] */
	size_t max_pax_bytes;    /* one extended header [1 MiB] */
	size_t max_xattr_bytes;  /* all of one entry [128 KiB]; one value at most 65535 bytes */
	size_t max_extents;      /* of one sparse file [65536] */
};

#define TAR_NAME_MAX   4095 /* bytes of a name or link; one part of it at most 255 */
#define TAR_BLOCK_SIZE 512

/* Everything passed to these is borrowed until they return. A negative return stops the reader,
 * which passes it on. `data` and `end` may be NULL. */
struct tar_handler {
	int (*entry)(void *ctx, const struct tar_entry *e, struct err *err);
	/* Stored bytes of the last entry, in order; offset: where in the file they belong. */
	int (*data)(void *ctx, uint64_t offset, const void *data, size_t len, struct err *err);
	/* All data of the last entry came. */
	int (*end)(void *ctx, struct err *err);
};

struct tar_reader;
/* handler is borrowed, limits (NULL: defaults) are copied. */
struct tar_reader *tar_reader_new(const struct tar_handler *handler, void *ctx,
                                  const struct tar_limits *limits);
void tar_reader_free(struct tar_reader *r);
DEFINE_FREEP(struct tar_reader, tar_reader_free)
/* E_CORRUPT, E_LIMIT or E_UNSUPPORTED name the entry. Not usable after a failure. */
int tar_reader_push(struct tar_reader *r, const void *data, size_t len, struct err *err);
/* How many of the bytes that come next are data that nobody asked for (a handler without `data`):
 * who can seek in the archive goes past up to so many, and says so. */
uint64_t tar_reader_skippable(const struct tar_reader *r);
void tar_reader_skip(struct tar_reader *r, uint64_t len);
/* The archive ended here: E_CORRUPT when in the middle of an entry. A missing end mark is fine. */
int tar_reader_end(struct tar_reader *r, struct err *err);
uint64_t tar_reader_entries(const struct tar_reader *r);
/* True once the end mark (two zero blocks) was seen; what follows it is ignored. */
bool tar_reader_at_end(const struct tar_reader *r);

/* Normalise a name as the reader does: into ret (TAR_NAME_MAX + 1 bytes). E_INVALID. */
int tar_normalise_name(const char *name, char *ret, struct err *err);

/* Writing: ustar where it fits, else a pax header before the entry (long or non-ASCII-safe names,
 * large ids and sizes, sub-second times when not zero, xattrs). Output goes through `write`. */
struct tar_writer;
typedef int (*tar_write_fn)(void *ctx, const void *data, size_t len, struct err *err);
struct tar_writer *tar_writer_new(tar_write_fn write, void *ctx);
void tar_writer_free(struct tar_writer *w);
DEFINE_FREEP(struct tar_writer, tar_writer_free)
/* A `write` for file descriptors: ctx is an int *. */
int tar_write_to_fd(void *ctx, const void *data, size_t len, struct err *err);
/* Begin an entry; e->size bytes of data must follow when it is a TAR_FILE. data_*, extents are
 * ignored: sparse files are written out in full. */
int tar_writer_entry(struct tar_writer *w, const struct tar_entry *e, struct err *err);
int tar_writer_data(struct tar_writer *w, const void *data, size_t len, struct err *err);
/* A small file at once: mode 0644, owner 0, the given time. */
int tar_writer_file(struct tar_writer *w, const char *name, const void *data, size_t len,
                    int64_t mtime_s, struct err *err);
/* Copy exactly e->size bytes from fd as the data of the entry just begun. A file that became
 * shorter meanwhile is filled with zeros: the header is already out. */
int tar_writer_copy_fd(struct tar_writer *w, int fd, uint64_t len, struct err *err);
/* The end mark. */
int tar_writer_finish(struct tar_writer *w, struct err *err);
