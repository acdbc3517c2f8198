/* Reading archives: an index of the members of a tar, or an OCI layout in a directory.
 *
 * Members are found in a table by their normalised name; links are followed within that table.
 * Names never become paths; in a directory only names made here from digests, and the two fixed
 * ones, are opened, beneath it and through no link. */
#pragma once
#include "image/archive.h"
#include "image/image-internal.h"

#define ARCHIVE_MEMBERS_MAX 100000
#define ARCHIVE_TEXT_MAX    (16u << 20)

struct archive_member {
	char *name;
	char *link; /* NULL: a file */
	uint64_t offset;
	uint64_t size;
};

struct archive_source {
	int fd; /* the tar (seekable, plain) or the directory; owned */
	bool is_dir;
	struct archive_member *members; /* by name; of equal names the last in the tar is the one */
	size_t n;
};

/* fd is borrowed. What cannot be sought in or is compressed is spooled into a file without name
 * below the root. */
int archive_source_open(struct image_store *store, int fd, const volatile sig_atomic_t *cancel,
                        struct archive_source *ret, struct err *err);
void archive_source_done(struct archive_source *src);
bool archive_source_has(const struct archive_source *src, const char *name);
/* A file of it, to be read with pread from *ret_offset. Caller closes *ret_fd. E_NOT_FOUND. */
int archive_source_get(const struct archive_source *src, const char *name, int *ret_fd,
                       uint64_t *ret_offset, uint64_t *ret_size, struct err *err);
int archive_source_text(const struct archive_source *src, const char *name, size_t max_bytes,
                        char **ret, size_t *ret_len, struct err *err);

/* Feed len bytes of fd from offset (pread), or to the end of fd with read when offset is -1, into
 * a new layer. blob: verified over what is read, or NULL. expected: or NULL. */
struct archive_layer {
	const char *what;
	const char *id; /* for progress */
	int fd;
	int64_t offset;
	uint64_t size;
	const struct digest *blob;
	const struct digest *expected;
	const struct image_progress *progress;
	const volatile sig_atomic_t *cancel;
};
int archive_import_layer(struct image_store *store, const struct archive_layer *layer,
                         struct layer_info *ret, struct err *err);
