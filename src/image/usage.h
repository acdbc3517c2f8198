/* usage: what images take on disk, what they share, and when they were last used.
 *
 * A value read in one snapshot of the database; sizes are those of the files (blocks, not lengths),
 * each file counted once however many images need it. What is used is decided anew, under the
 * database's lock, when something is removed. */
#pragma once
#include "image/image.h"

struct usage_content { /* one layer or blob */
	struct digest digest;
	bool is_layer;
	uint64_t disk_bytes;
	uint32_t n_images; /* that need it */
};

struct usage_image {
	char *id;
	struct strv names;
	int64_t created_ns;
	int64_t stored_ns;
	int64_t used_ns; /* when a container was last made from it (to the hour), or it came */
	uint64_t disk_bytes;
	uint64_t shared_bytes; /* of these: what another image needs too */
	struct strv users;     /* containers, and mounts as "mount of PATH" */
	size_t n_containers;   /* of the users */
	uint32_t *content;     /* indexes into image_usage.content */
	size_t n_content;
};

struct image_usage {
	struct usage_image *images; /* by id */
	size_t n_images;
	struct usage_content *content;
	size_t n_content;
	uint64_t disk_bytes;     /* all files of the store */
	uint64_t registry_bytes; /* blobs that only the registry server's repositories need */
	uint64_t held_bytes;     /* content of images that are in use */
	uint64_t kept_bytes;     /* content of no image: of broken pulls, kept for a while */
	uint64_t packed_bytes;   /* compressed forms of layers: a cache */
	uint64_t ingest_bytes;   /* downloads under way, or broken off */
};
#define IMAGE_USAGE_INIT ((struct image_usage){ 0 })
#define AUTO_IMAGE_USAGE __attribute__((cleanup(image_usage_done))) struct image_usage

int image_usage_read(struct image_store *store, struct image_usage *ret, struct err *err);
void image_usage_done(struct image_usage *usage);
