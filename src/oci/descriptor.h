/* descriptor: a typed, sized, digested pointer to content (image-spec, descriptor.md), and the
 * media types dhow knows. */
#pragma once
#include "base/err.h"
#include "codec/digest.h"
#include "codec/inflate.h"
#include "codec/json.h"
#include "oci/platform.h"

#define MEDIA_OCI_INDEX       "application/vnd.oci.image.index.v1+json"
#define MEDIA_OCI_MANIFEST    "application/vnd.oci.image.manifest.v1+json"
#define MEDIA_OCI_CONFIG      "application/vnd.oci.image.config.v1+json"
#define MEDIA_OCI_LAYER       "application/vnd.oci.image.layer.v1.tar"
#define MEDIA_OCI_LAYER_GZIP  "application/vnd.oci.image.layer.v1.tar+gzip"
#define MEDIA_OCI_LAYER_ZSTD  "application/vnd.oci.image.layer.v1.tar+zstd"
#define MEDIA_DOCKER_LIST     "application/vnd.docker.distribution.manifest.list.v2+json"
#define MEDIA_DOCKER_MANIFEST "application/vnd.docker.distribution.manifest.v2+json"
#define MEDIA_DOCKER_CONFIG   "application/vnd.docker.container.image.v1+json"
#define MEDIA_DOCKER_LAYER    "application/vnd.docker.image.rootfs.diff.tar.gzip"

#define DESCRIPTOR_MAX_SIZE ((uint64_t)1 << 40) /* 1 TiB: larger is a mistake or an attack */

struct descriptor {
	char *media_type; /* never NULL */
	struct digest digest;
	uint64_t size;
	bool has_platform;
	struct platform platform;
	char *ref_name; /* annotation org.opencontainers.image.ref.name, or NULL */
	char *name;     /* annotation io.containerd.image.name, or NULL */
};

void descriptor_done(struct descriptor *d);
int descriptor_parse(const struct json *at, struct descriptor *ret, struct err *err);
/* mediaType, digest and size as a new JSON object, for who writes manifests. */
struct json_object *descriptor_to_json(const char *media_type, const struct digest *digest,
                                       uint64_t size);

enum media_kind {
	MEDIA_UNKNOWN = 0,
	MEDIA_KIND_INDEX,
	MEDIA_KIND_MANIFEST,
	MEDIA_KIND_CONFIG,
	MEDIA_KIND_LAYER,
	MEDIA_KIND_SCHEMA1, /* docker's first format: refused everywhere, by name */
};
/* How a layer of that type is compressed; COMPRESSION_NONE for all other types. */
enum compression media_compression(const char *media_type);
/* Parameters ("; charset=utf-8") are ignored. */
enum media_kind media_kind(const char *media_type);
