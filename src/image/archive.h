/* archive: images as files: save, load and import.
 *
 * Formats: docker-archive (what `docker save` writes), oci-archive (an OCI layout in a tar),
 * oci-dir (an OCI layout in a folder). load recognises them by their content, also compressed with
 * gzip or zstd, and from a pipe (spooled below the root first). Layers are saved as plain tars,
 * byte for byte what was imported, so ids and diffIDs stay; manifest digests may not.
 * Everything in an archive is untrusted: member names are never used as paths. */
#pragma once
#include "image/image.h"
#include "image/inventory.h"

enum archive_format { ARCHIVE_DOCKER = 0, ARCHIVE_OCI, ARCHIVE_OCI_DIR };
int archive_format_parse(const char *s, enum archive_format *ret, struct err *err);

struct archive_options {
	enum archive_format format;     /* save */
	const struct inventory *except; /* save: leave out the layers that this has; or NULL */
	const char *platform;           /* load: of an index; NULL: this machine's */
	const char *policy_file;        /* load: NULL: policy.json of the user or the system */
	const struct image_progress *progress;
	const volatile sig_atomic_t *cancel;
};

/* Write the images to fd (a file, a pipe; or for ARCHIVE_OCI_DIR a directory, made by the caller).
 * An image given by name keeps that name in the archive, one given by id gets none. */
int image_save(struct image_store *store, const char *const *names, size_t n_names,
               const struct archive_options *options, int fd, struct err *err);

/* Load from fd: an archive, or a directory with an OCI layout. ret_loaded: one line per image,
 * its name or its id. */
int image_load(struct image_store *store, int fd, const struct archive_options *options,
               struct strv *ret_loaded, struct err *err);
/* The same from memory: how the image embedded in the program is installed. */
int image_load_memory(struct image_store *store, const void *data, size_t len,
                      struct strv *ret_loaded, struct err *err);

struct import_options {
	const char *name;           /* to give it, or NULL */
	const char *message;        /* comment of its history, or NULL */
	const char *platform;       /* NULL: this machine's */
	const char *const *changes; /* Dockerfile instructions (image_config_change) */
	size_t n_changes;
	const struct image_progress *progress;
	const volatile sig_atomic_t *cancel;
};
/* Make an image of one layer from a tar of a root file system (plain, gzip or zstd).
 * Caller frees *ret_id. */
int image_import(struct image_store *store, int fd, const struct import_options *options,
                 char **ret_id, struct err *err);
