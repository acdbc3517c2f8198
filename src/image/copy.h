/* copy: images from anywhere to anywhere, without passing through the store.
 *
 * Locations: docker://NAME, containers-storage:NAME (our store), oci:DIR[:NAME],
 * oci-archive:FILE[:NAME], docker-archive:FILE[:NAME], dir:DIR; a name alone is the store's.
 *
 * Bytes are streamed, a few blobs at once, with bounded memory whatever their size; each is hashed
 * on its way. Nothing is seen at the destination before it is whole: blobs first, manifests last,
 * folders and archives under a temporary name until then. What is there is not sent; within one
 * registry blobs are mounted from repository to repository.
 *
 * Manifests stay as they are, byte for byte, unless layers have to be compressed or inflated, or
 * another format is asked for. Layers are compressed by codec/deflate.h: the same bytes whatever
 * the machine. */
#pragma once
#include "codec/deflate.h"
#include "image/image.h"
#include "image/pull.h"

enum image_format { FORMAT_KEEP = 0, FORMAT_OCI, FORMAT_V2S2 };
int image_format_parse(const char *s, enum image_format *ret, struct err *err);

enum transport {
	TRANSPORT_STORE = 0,
	TRANSPORT_DOCKER,
	TRANSPORT_OCI,
	TRANSPORT_OCI_ARCHIVE,
	TRANSPORT_DOCKER_ARCHIVE,
	TRANSPORT_DIR,
	TRANSPORT_LIST, /* of the store (image/lists.h), as a source; it has no text */
};
struct image_location {
	enum transport transport;
	char *path; /* of a file or folder */
	char *name; /* of an image there: reference, or the text behind the path; may be NULL */
};
#define LOCATION_INIT ((struct image_location){ 0 })
void image_location_done(struct image_location *l);
#define AUTO_LOCATION __attribute__((cleanup(image_location_done))) struct image_location
/* bare: what a text without a transport is. E_UNSUPPORTED names transports that we do not have. */
int image_location_parse(const char *s, enum transport bare, struct image_location *ret,
                         struct err *err);
/* Whether the text begins with a transport's name. */
bool image_location_has_transport(const char *s);

/* Who we are at one end. */
struct copy_side {
	int tls_verify; /* as in pull_options */
	const char *creds;
	const char *authfile;
	const char *cert_dir;
};

enum copy_flags {
	COPY_ALL = 1u << 0,               /* every image of an index, and the index */
	COPY_INDEX_ONLY = 1u << 1,        /* the index without its images */
	COPY_PRESERVE_DIGESTS = 1u << 2,  /* E_STATE where a manifest would have to change */
	COPY_FORCE_COMPRESSION = 1u << 3, /* also what is compressed otherwise */
	COPY_DECOMPRESS = 1u << 4,
};

struct copy_options {
	struct copy_side source, dest;
	unsigned flags;
	const char *platform; /* of an index; NULL: this machine's */
	enum image_format format;
	enum compression compression; /* AUTO: gzip, for layers that are to be compressed */
	int level;                    /* 0: the default */
	int max_parallel;             /* 0: the destination's */
	int max_retries;              /* as in pull_options */
	const struct image_progress *progress;
	const volatile sig_atomic_t *cancel;
};
#define COPY_OPTIONS_INIT ((struct copy_options){ .source.tls_verify = -1, .dest.tls_verify = -1 })

struct copy_result {
	struct digest digest; /* of what the destination's name is now */
	size_t blobs_sent, blobs_there;
	uint64_t bytes_sent;
};

/* store: may be NULL when neither end is TRANSPORT_STORE. */
int image_copy(struct image_store *store, const struct image_location *from,
               const struct image_location *to, const struct copy_options *options,
               struct copy_result *ret, struct err *err);

/* The manifest or index that the location names, as it is. Caller frees. */
int image_raw_manifest(struct image_store *store, const struct image_location *at,
                       const struct copy_side *side, const volatile sig_atomic_t *cancel,
                       char **ret_text, struct digest *ret_digest, struct err *err);
/* Every tag that the repository has at its registry. */
int image_registry_tags(const char *repo, const struct copy_side *side,
                        const volatile sig_atomic_t *cancel, struct strv *ret, struct err *err);
