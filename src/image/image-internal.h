/* What the files of the image store share. See image.h for the invariants. */
#pragma once
#include "base/id.h"
#include "image/image.h"
#include "image/layers.h"

#define IMAGE_KEPT_NS      (24LL * 3600 * 1000000000LL) /* content of a broken pull waits so long */
#define INGEST_MAX_AGE_S   (7 * 24 * 3600)              /* half a download, too */
#define IMAGE_USE_GRAIN_NS (3600 * 1000000000LL)        /* the last use is noted so exactly */

struct image_store {
	int root_fd;
	int blobs_fd; /* ROOT/blobs */
	int ingest_fd;
	int packed_fd; /* ROOT/packed (packed-internal.h) */
	int leases_fd;
	struct db *db;
	struct layer_store *layers;
	image_users_fn users;
	void *users_ctx;
};

/* --- blobs: small documents, held in memory whole; others as files --- */

struct blob_path {
	char s[16 + 2 * DIGEST_BYTES_MAX];
};
struct blob_path blob_path(const struct digest *d); /* "sha256/HEX", below blobs_fd */
bool blob_has(struct image_store *store, const struct digest *d);
/* Verifies data against d first: E_CORRUPT. Durable when it returns. */
int blob_put(struct image_store *store, const struct digest *d, const void *data, size_t len,
             struct err *err);
/* Verifies. E_NOT_FOUND, E_CORRUPT. Caller frees. */
int blob_read(struct image_store *store, const struct digest *d, size_t max_bytes, char **ret,
              size_t *ret_len, struct err *err);
/* Take the file `name` below dir_fd, whose bytes the caller has verified and made durable, for the
 * blob d; it is removed when the blob is there already. The name is durable when it returns. */
int blob_adopt(struct image_store *store, const struct digest *d, int dir_fd, const char *name,
               struct err *err);
/* For reading; not verified. E_NOT_FOUND. */
int blob_open(struct image_store *store, const struct digest *d, int *ret_fd, uint64_t *ret_size,
              struct err *err);
/* Hash the whole file, a piece at a time. E_CORRUPT, E_NOT_FOUND. */
int blob_verify(struct image_store *store, const struct digest *d, struct err *err);
/* The digest of a file from its beginning; its offset stays. */
int fd_digest(int fd, enum digest_alg alg, struct digest *ret, struct err *err);
int blob_remove(struct image_store *store, const struct digest *d, struct err *err);
/* Call fn for every blob, complete or not a blob at all (d NULL: a stray name to be removed). */
typedef int (*blob_fn)(void *ctx, int dir_fd, const char *name, const struct digest *d,
                       struct err *err);
int blob_each(struct image_store *store, blob_fn fn, void *ctx, struct err *err);

/* --- leases: content that an operation under way relies on ---
 * The owner holds the flock of ROOT/leases/ID; rows name that ID. A lease whose flock is free
 * belonged to a process that died: that is also how a crash is noticed. */

struct lease {
	int fd; /* -1: none */
	char id[ID_SHORT_LEN + 1];
};
#define LEASE_INIT ((struct lease){ .fd = -1 })

int lease_begin(struct image_store *store, struct lease *ret, struct err *err);
/* Before the content is looked for or made. */
int lease_add(struct image_store *store, const struct lease *lease, const struct digest *digests,
              size_t n, struct err *err);
/* keep: what was leased and is not referred to stays for IMAGE_KEPT_NS (a pull to be resumed). */
void lease_end(struct image_store *store, struct lease *lease, bool keep);

/* --- rows --- */

struct trust_document;
struct signatures;
struct image_blob {
	struct digest digest;
	uint64_t size;
};

struct image_new {
	struct digest id; /* of the config */
	const struct image_config *config;
	const uint64_t *layer_sizes;
	struct digest manifest;         /* alg NONE: none */
	const struct image_blob *blobs; /* config, manifest, index: what is in blobs/ */
	size_t n_blobs;
	const char *name;     /* whole name to give it, or NULL */
	struct digest target; /* what the name stood for: manifest or index; NONE: none */
	const char *repo;     /* for repo@target, or NULL */
	/* where it came from, for the policy (accept-internal.h); transport NULL: made here */
	const char *transport;
	const char *origin; /* the name it had there, or NULL */
	const struct trust_document *documents;
	size_t n_documents;
	const struct signatures *signatures;
};
/* One durable transaction. All its files must be durable. */
int image_record(struct image_store *store, const struct image_new *image, struct err *err);

/* A digest column. A row that holds no digest is E_CORRUPT. */
int db_digest(const struct db_stmt *st, int column, struct digest *ret, struct err *err);

/* --- removal of content --- */

enum content_kind { CONTENT_LAYER, CONTENT_BLOB };
struct content {
	enum content_kind kind;
	struct digest digest;
};
/* Remove those of `items` that no image and no lease refers to. ret may be NULL. */
int content_collect(struct image_store *store, const struct content *items, size_t n,
                    struct image_removed *ret, struct err *err);
/* What is checked once more before an image that was chosen earlier goes: E_BUSY when it changed.
 */
struct remove_guard {
	bool unnamed;        /* it must have no name */
	int64_t used_max_ns; /* it must not have been used after this */
};
/* image_remove() of an id under a guard (NULL: none). */
int image_remove_guarded(struct image_store *store, const char *name, unsigned flags,
                         const struct remove_guard *guard, struct image_removed *ret,
                         struct err *err);
/* Everything without a row goes, and ingest files nobody holds that are older. */
int content_sweep(struct image_store *store, bool drop_kept, struct err *err);
int ingest_sweep(struct image_store *store, int64_t max_age_s, struct err *err);

/* Where an image is mounted, as "mount of PATH", appended. */
int image_mount_users(struct image_store *store, const char *id, struct strv *ret, struct err *err);

/* Progress, NULL-safe. */
void image_report(const struct image_progress *progress, enum image_stage stage, const char *id,
                  uint64_t done, uint64_t total, const char *text);
/* What the disk has left for a layer, some reserve kept: the bound that ends a bomb before the disk
 * is full. After E_LIMIT image_disk_hint() says so. */
uint64_t image_disk_left(struct image_store *store);
void image_disk_hint(uint64_t left, struct err *err);
/* E_INTERRUPTED when *cancel is set. */
int image_cancelled(const volatile sig_atomic_t *cancel, struct err *err);
