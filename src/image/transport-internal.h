/* transport: where images are copied from and to. copy.c is what moves them.
 *
 * A source gives documents and opens blobs; a destination takes blobs, then manifests, and shows
 * nothing of them before commit. Blobs may be opened and put by several threads at once, all other
 * calls are the caller's thread's. */
#pragma once
#include <limits.h>

#include "image/copy.h"
#include "image/feed-internal.h"
#include "image/packed-internal.h"
#include "image/registry-push-internal.h"

/* A document as it is stored: manifest or index. */
struct document {
	char *text;
	size_t len;
	char *media_type; /* as stored or served; NULL: as its text says */
	struct digest digest;
};
void document_done(struct document *d);
#define AUTO_DOCUMENT __attribute__((cleanup(document_done))) struct document

struct image_source;
/* A layer of an image, by both its digests. */
struct copy_layer_ref {
	const struct descriptor *blob;
	const struct digest *diff_id;
};
struct image_source_ops {
	/* The document that the source names (d NULL), or one below it. Verified. */
	int (*document)(struct image_source *s, const struct digest *d, struct document *ret,
	                struct err *err);
	/* A blob from an offset on; the reader need not verify. */
	int (*open)(struct image_source *s, const struct descriptor *d, uint64_t offset,
	            struct reader **ret, struct err *err);
	void (*free)(struct image_source *s);
	/* For sources that have layers unpacked, else NULL: whether the bytes themselves are here;
	 * the layer's plain tar; and the digest of a compressed form that was made of it before. */
	bool (*has)(struct image_source *s, const struct digest *d);
	int (*open_plain)(struct image_source *s, const struct copy_layer_ref *layer,
	                  struct reader **ret, struct err *err);
	int (*known)(struct image_source *s, const struct digest *diff_id, const char *recipe,
	             struct packed *ret, struct err *err);
	/* Its bytes were wrong. */
	void (*drop)(struct image_source *s, const struct digest *d);
	int (*remember)(struct image_source *s, const struct digest *diff_id,
	                const struct packed *packed, const char *recipe, struct err *err);
};
struct image_source {
	const struct image_source_ops *ops;
	char *name;   /* what a destination without a name of its own may call it, or NULL */
	char *domain; /* of a registry, else NULL */
	struct strv mount_from; /* "DOMAIN/PATH" that have (some of) its blobs */
};
static inline void image_source_freep(struct image_source **s)
{
	if (*s)
		(*s)->ops->free(*s);
}
#define AUTO_SOURCE __attribute__((cleanup(image_source_freep))) struct image_source

/* A layer, or another blob, on its way. */
struct blob_put {
	struct blob_source source;
	const char *media_type;
	int layer;                    /* its index, bottom first; -1: no layer */
	const struct digest *diff_id; /* of a layer of an image, or NULL */
};

struct image_dest;
struct image_dest_ops {
	/* The blobs of this image come next; or NULL. */
	int (*begin)(struct image_dest *d, const struct document *manifest,
	             const struct document *config, struct err *err);
	/* 1: it is there (or was made to be), so it need not be sent. size 0: not known. */
	int (*has)(struct image_dest *d, const struct digest *digest, int layer, struct err *err);
	int (*put)(struct image_dest *d, const struct blob_put *put, struct digest *ret_digest,
	           uint64_t *ret_size, struct err *err);
	/* top: the one that the destination's name is for; the last to come. */
	int (*document)(struct image_dest *d, const struct document *doc, bool top,
	                struct err *err);
	/* Everything came: durable, and visible. */
	int (*commit)(struct image_dest *d, struct err *err);
	void (*free)(struct image_dest *d); /* without commit: nothing stays */
};
struct image_dest {
	const struct image_dest_ops *ops;
	enum compression
		layers; /* as it wants them; AUTO: as they are, GZIP: plain ones become so */
	enum image_format only; /* the one format of manifests it takes; FORMAT_KEEP: any */
	bool no_index;          /* takes one image and no list */
	int parallel;           /* blobs at once */
};
static inline void image_dest_freep(struct image_dest **d)
{
	if (*d)
		(*d)->ops->free(*d);
}
#define AUTO_DEST __attribute__((cleanup(image_dest_freep))) struct image_dest

/* options: who we are there, and the cancel flag. store may be NULL where it is not needed. */
struct transport_args {
	struct image_store *store;
	const struct image_location *at;
	const struct copy_side *side;
	const struct copy_options *options;
	const atomic_bool *stop;
	const struct image_source *source; /* for destinations: where from */
};
/* A layer's plain tar, from where it is unpacked or by inflating; not verified against diff_id. */
int source_open_plain(struct image_source *s, const struct copy_layer_ref *layer,
                      struct reader **ret, struct err *err);
int image_source_open(struct image_store *store, const struct image_location *at,
                      const struct copy_options *options, const atomic_bool *stop,
                      struct image_source **ret, struct err *err);
int source_list_open(const struct transport_args *a, struct image_source **ret, struct err *err);
int source_store_open(const struct transport_args *a, struct image_source **ret, struct err *err);
int source_registry_open(const struct transport_args *a, struct image_source **ret,
                         struct err *err);
int source_archive_open(const struct transport_args *a, struct image_source **ret, struct err *err);
int source_dir_open(const struct transport_args *a, struct image_source **ret, struct err *err);
int dest_store_open(const struct transport_args *a, struct image_dest **ret, struct err *err);
int dest_registry_open(const struct transport_args *a, struct image_dest **ret, struct err *err);
int dest_layout_open(const struct transport_args *a, struct image_dest **ret, struct err *err);
int dest_docker_open(const struct transport_args *a, struct image_dest **ret, struct err *err);
int dest_dir_open(const struct transport_args *a, struct image_dest **ret, struct err *err);

/* A folder or file that appears whole: made under a temporary name beside the last one. */
struct fresh {
	int parent_fd;
	int fd;     /* the folder or the file */
	char *name; /* below parent_fd */
	char temp[NAME_MAX + 1];
	bool is_dir;
	bool is_new; /* nothing had the name */
};
#define FRESH_INIT ((struct fresh){ .parent_fd = -1, .fd = -1 })
int fresh_open(const char *path, bool is_dir, struct fresh *ret, struct err *err);
int fresh_commit(struct fresh *f, struct err *err); /* syncs, renames */
void fresh_done(struct fresh *f);                   /* removes what was not committed */

/* members.c: an archive that is written member by member. Whoever embeds it sets `tar` and
 * `cancel`. */
struct members {
	struct tar_writer *tar; /* NULL: none is written */
	struct strv written;    /* names, so that none comes twice */
	const volatile sig_atomic_t *cancel;
};
void members_done(struct members *m);
/* A blob whose size is known, straight into the archive. */
int members_put(struct members *m, const char *name, const struct blob_source *source,
                struct digest *ret_digest, uint64_t *ret_size, struct err *err);
/* A tar wants the size first: a blob of unknown size goes into a file without name in dir_fd, which
 * is returned (the caller closes it), and from there into the archive. */
int members_spool(struct members *m, int dir_fd, const struct blob_source *source,
                  struct digest *ret_digest, uint64_t *ret_size, struct err *err);
int members_put_fd(struct members *m, const char *name, int fd, uint64_t size, struct err *err);

/* Write all of a blob to a file; hashed and verified on the way. */
int feed_to_fd(const struct blob_source *source, int fd, const volatile sig_atomic_t *cancel,
               struct digest *ret_digest, uint64_t *ret_size, struct err *err);
