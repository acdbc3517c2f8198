/* repo: repositories as the registry server keeps them (`dhow registry serve`).
 *
 * A repository is a name, the blobs that were pushed or mounted into it, its manifests, and tags
 * that point at manifests. Bytes are the store's blobs, one copy whoever uses them; rows say what
 * may be read through which repository. A blob is never found through a repository that has no row
 * for it, whether its file is here or not (CVE-2024-39897).
 *
 * Invariants
 *  - Files first, durably, then the row, in the same write transaction in which the file got its
 *    name: a removal of unused blobs, which needs the same lock, sees both or neither.
 *  - Upload sessions are files in ROOT/uploads with a row that says for which repository. They
 *    survive the server; who writes to one holds its flock. What nobody touched for a day goes.
 *  - Names and tags are checked by the caller (image_ref_check_path, image_ref_check_tag).
 *
 * Return values: 0, or -1 with E_NOT_FOUND where the thing named is not in the repository. */
#pragma once
#include "image/image.h"

#define REPO_UPLOAD_ID_LEN    36 /* an UUID */
#define REPO_UPLOAD_MAX_AGE_S (24 * 3600)
#define REPO_GC_MIN_AGE_S     3600

/* --- repositories --- */

/* Names after `last` (NULL: from the first) in the order of their bytes, at most max; *ret_more:
 * there are others. */
int repo_list(struct image_store *store, const char *last, size_t max, struct strv *ret,
              bool *ret_more, struct err *err);
/* 1 when it exists, 0, -1. */
int repo_exists(struct image_store *store, const char *repo, struct err *err);
/* With all tags, manifests and blobs that no other has. */
int repo_remove(struct image_store *store, const char *repo, struct err *err);
int repo_tags(struct image_store *store, const char *repo, const char *last, size_t max,
              struct strv *ret, bool *ret_more, struct err *err);

/* --- blobs --- */

/* 1 when the repository has it, 0, -1. */
int repo_has_blob(struct image_store *store, const char *repo, const struct digest *d,
                  uint64_t *ret_size, struct err *err);
int repo_open_blob(struct image_store *store, const char *repo, const struct digest *d, int *ret_fd,
                   uint64_t *ret_size, struct err *err);
/* Let `to` have a blob of `from`, or, when from is NULL, of any repository. */
int repo_mount_blob(struct image_store *store, const char *from, const char *to,
                    const struct digest *d, struct err *err);
int repo_remove_blob(struct image_store *store, const char *repo, const struct digest *d,
                     struct err *err);

/* --- manifests --- */

struct repo_link {
	struct digest digest;
	uint64_t size;
};

struct repo_manifest_new {
	const char *text; /* as it came, byte for byte */
	size_t len;
	struct digest digest; /* of text: verified here */
	const char *media_type;
	struct digest subject;     /* alg NONE: none */
	const char *artifact_type; /* or NULL */
	const char *annotations;   /* JSON object, or NULL; for referrers */
	const struct repo_link *links;
	size_t n_links;
	const char *const *tags; /* to point at it */
	size_t n_tags;
};
/* One durable transaction. */
int repo_put_manifest(struct image_store *store, const char *repo,
                      const struct repo_manifest_new *m, struct err *err);

struct repo_manifest {
	struct digest digest;
	char *media_type;
	uint64_t size;
};
void repo_manifest_done(struct repo_manifest *m);
#define AUTO_REPO_MANIFEST __attribute__((cleanup(repo_manifest_done))) struct repo_manifest
/* By tag, or (tag NULL) by digest. */
int repo_find_manifest(struct image_store *store, const char *repo, const char *tag,
                       const struct digest *d, struct repo_manifest *ret, struct err *err);
/* Its bytes, verified. Caller frees. */
int repo_read_manifest(struct image_store *store, const struct repo_manifest *m, char **ret,
                       struct err *err);
/* With the tags that point at it. */
int repo_remove_manifest(struct image_store *store, const char *repo, const struct digest *d,
                         struct err *err);
int repo_remove_tag(struct image_store *store, const char *repo, const char *tag, struct err *err);
/* The size that some manifest of the repository states for a blob. */
int repo_linked_size(struct image_store *store, const char *repo, const struct digest *d,
                     uint64_t *ret_size, struct err *err);

struct repo_referrer { /* strings borrowed until fn returns */
	const char *digest;
	const char *media_type;
	const char *artifact_type; /* or NULL */
	const char *annotations;   /* JSON, or NULL */
	uint64_t size;
};
/* Manifests whose subject is d, by digest, after `last` (NULL: from the first). fn returns 1 to
 * end, -1 with *err. artifact_type NULL: all. Returns what fn returned last. */
typedef int (*repo_referrer_fn)(void *ctx, const struct repo_referrer *r, struct err *err);
int repo_referrers(struct image_store *store, const char *repo, const struct digest *d,
                   const char *artifact_type, const char *last, repo_referrer_fn fn, void *ctx,
                   struct err *err);

struct repo_gc_result {
	uint64_t blobs;
	uint64_t manifests;
};
/* Take away blobs that no manifest of their repository names, with `untagged` first manifests that
 * neither a tag, another manifest nor (as the subject's referrer) a kept manifest leads to; nothing
 * that came within the last min_age_s. Files go when no one else needs them. */
int repo_gc(struct image_store *store, bool untagged, int64_t min_age_s, struct repo_gc_result *ret,
            struct err *err);

/* --- uploads --- */

struct repo_upload {
	int fd; /* flock'ed; -1: none */
	char id[REPO_UPLOAD_ID_LEN + 1];
	char *repo;
	enum digest_alg alg; /* that the client announced */
	uint64_t size;       /* bytes that are there */
};
#define REPO_UPLOAD_INIT ((struct repo_upload){ .fd = -1 })
void repo_upload_close(struct repo_upload *u); /* what is there stays */
#define AUTO_REPO_UPLOAD __attribute__((cleanup(repo_upload_close))) struct repo_upload

int repo_upload_begin(struct image_store *store, const char *repo, enum digest_alg alg,
                      struct repo_upload *ret, struct err *err);
/* Only through its repository. E_BUSY: another request is writing to it. */
int repo_upload_open(struct image_store *store, const char *repo, const char *id,
                     struct repo_upload *ret, struct err *err);
/* Append. On an error the size is what it was. */
int repo_upload_write(struct repo_upload *u, const void *data, size_t len, struct err *err);
/* The digest of what is there. */
int repo_upload_digest(const struct repo_upload *u, enum digest_alg alg, struct digest *ret,
                       struct err *err);
/* The bytes, whose digest the caller has computed as d, become a blob of the repository. */
int repo_upload_commit(struct image_store *store, struct repo_upload *u, const struct digest *d,
                       struct err *err);
int repo_upload_cancel(struct image_store *store, struct repo_upload *u, struct err *err);
/* Remove sessions nobody wrote to for so long. */
int repo_upload_sweep(struct image_store *store, int64_t max_age_s, struct err *err);
