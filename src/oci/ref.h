/* ref: image references, by the grammar of the distribution specification with docker's defaults.
 *
 *	[DOMAIN/]PATH[:TAG][@DIGEST]
 *
 * The first component is the registry when it has a '.', a ':' or is "localhost" or "[IPv6]";
 * otherwise the registry is docker.io, and a path of one component gets "library/" in front.
 * Bounds: path 255 bytes, tag 128 bytes; path components [a-z0-9] with single '.', one or two '_'
 * or any number of '-' between; upper case is refused by name, since it is the usual mistake. */
#pragma once
#include "base/err.h"
#include "codec/digest.h"
#include <stdbool.h>

#define REF_DEFAULT_DOMAIN "docker.io"
#define REF_DEFAULT_TAG    "latest"
#define REF_PATH_MAX       255
#define REF_TAG_MAX        128

struct image_ref {
	char *domain; /* "docker.io", "localhost:5000", "[::1]:5000": never NULL */
	char *path;   /* "library/busybox": never NULL */
	char *tag;    /* NULL when only a digest was given */
	bool has_digest;
	struct digest digest;
};

#define IMAGE_REF_INIT ((struct image_ref){ 0 })
#define AUTO_REF       __attribute__((cleanup(image_ref_done))) struct image_ref

/* A reference with neither tag nor digest gets the tag "latest". Caller: image_ref_done(ret).
 * E_INVALID names the part that is wrong. A docker:// prefix is accepted, other transports are
 * refused by name. */
int image_ref_parse(const char *s, struct image_ref *ret, struct err *err);
void image_ref_done(struct image_ref *ref);
void image_ref_copy(const struct image_ref *ref, struct image_ref *ret);

/* The parts alone, as a registry's addresses have them. E_INVALID. */
int image_ref_check_path(const char *path, struct err *err);
int image_ref_check_tag(const char *tag, struct err *err);

/* Texts, for the caller to free. */
char *image_ref_repo(const struct image_ref *ref); /* "docker.io/library/busybox" */
char *image_ref_name(const struct image_ref *ref); /* with ":tag" or, without a tag, "@digest" */
char *image_ref_full(const struct image_ref *ref); /* with every part that is there */

/* The short form that is shown: "docker.io/library/busybox:1" -> "busybox:1",
 * "docker.io/a/b" -> "a/b"; others unchanged. Returns a part of `name`, so no memory is owned. */
const char *image_ref_familiar(const char *name);
/* Split a stored name: returns the length of its repository part, and the tag (or NULL). */
size_t image_ref_split(const char *name, const char **ret_tag);
