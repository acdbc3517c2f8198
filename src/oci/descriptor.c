#include "oci/descriptor.h"
#include "base/xalloc.h"

#define MEDIA_TYPE_MAX 255

static const struct {
	const char *media_type;
	enum media_kind kind;
} media_types[] = {
	{ MEDIA_OCI_INDEX, MEDIA_KIND_INDEX },
	{ MEDIA_OCI_MANIFEST, MEDIA_KIND_MANIFEST },
	{ MEDIA_OCI_CONFIG, MEDIA_KIND_CONFIG },
	{ MEDIA_OCI_LAYER, MEDIA_KIND_LAYER },
	{ MEDIA_OCI_LAYER_GZIP, MEDIA_KIND_LAYER },
	{ MEDIA_OCI_LAYER_ZSTD, MEDIA_KIND_LAYER },
	{ "application/vnd.oci.image.layer.nondistributable.v1.tar", MEDIA_KIND_LAYER },
	{ "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip", MEDIA_KIND_LAYER },
	{ "application/vnd.oci.image.layer.nondistributable.v1.tar+zstd", MEDIA_KIND_LAYER },
	{ MEDIA_DOCKER_LIST, MEDIA_KIND_INDEX },
	{ MEDIA_DOCKER_MANIFEST, MEDIA_KIND_MANIFEST },
	{ MEDIA_DOCKER_CONFIG, MEDIA_KIND_CONFIG },
	{ MEDIA_DOCKER_LAYER, MEDIA_KIND_LAYER },
	{ "application/vnd.docker.image.rootfs.diff.tar", MEDIA_KIND_LAYER },
	{ "application/vnd.docker.image.rootfs.diff.tar.zstd", MEDIA_KIND_LAYER },
	{ "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip", MEDIA_KIND_LAYER },
	{ "application/vnd.docker.distribution.manifest.v1+json", MEDIA_KIND_SCHEMA1 },
	{ "application/vnd.docker.distribution.manifest.v1+prettyjws", MEDIA_KIND_SCHEMA1 },
};

enum media_kind media_kind(const char *media_type)
{
	size_t len = media_type ? strcspn(media_type, "; \t") : 0;

	for (size_t i = 0; i < ARRAY_LEN(media_types); i++)
		if (strlen(media_types[i].media_type) == len &&
		    strncasecmp(media_types[i].media_type, media_type, len) == 0)
			return media_types[i].kind;
	return MEDIA_UNKNOWN;
}

enum compression media_compression(const char *media_type)
{
	size_t len = strcspn(media_type, "; \t");

	if (media_kind(media_type) != MEDIA_KIND_LAYER || len < 4)
		return COMPRESSION_NONE;
	if (strncasecmp(media_type + len - 4, "gzip", 4) == 0)
		return COMPRESSION_GZIP;
	return strncasecmp(media_type + len - 4, "zstd", 4) == 0 ? COMPRESSION_ZSTD
	                                                         : COMPRESSION_NONE;
}

void descriptor_done(struct descriptor *d)
{
	free(d->media_type);
	free(d->ref_name);
	free(d->name);
	*d = (struct descriptor){ 0 };
}

static int parse_platform(const struct json *at, struct descriptor *d, struct err *err)
{
	const char *os = NULL, *architecture = NULL, *variant = NULL, *os_version = NULL;
	struct json p;
	bool present = false;

	if (json_get_object(at, "platform", &p, &present, err) < 0)
		return -1;
	if (!present)
		return 0;
	if (json_get_str(&p, "os", &os, err) < 0 ||
	    json_get_str(&p, "architecture", &architecture, err) < 0 ||
	    json_get_str(&p, "variant", &variant, err) < 0 ||
	    json_get_str(&p, "os.version", &os_version, err) < 0)
		return -1;
	if (platform_set(&d->platform, os, architecture, variant, os_version, err) < 0)
		return json_error(err, &p, "not a platform");
	/* {} says as little as nothing */
	d->has_platform = d->platform.os[0] || d->platform.architecture[0];
	return 0;
}

static int parse_annotations(const struct json *at, struct descriptor *d, struct err *err)
{
	const char *ref_name = NULL, *name = NULL;
	struct json a;
	bool present = false;

	if (json_get_object(at, "annotations", &a, &present, err) < 0)
		return -1;
	if (!present)
		return 0;
	if (json_get_str(&a, "org.opencontainers.image.ref.name", &ref_name, err) < 0 ||
	    json_get_str(&a, "io.containerd.image.name", &name, err) < 0)
		return -1;
	d->ref_name = xstrdup_null(ref_name);
	d->name = xstrdup_null(name);
	return 0;
}

static int parse(const struct json *at, struct descriptor *d, struct err *err)
{
	const char *media_type = NULL, *digest = NULL;
	struct json size;
	struct err why = ERR_INIT;

	if (json_expect(at, json_type_object, err) < 0 ||
	    json_get_str(at, "mediaType", &media_type, err) < 0 ||
	    json_get_str(at, "digest", &digest, err) < 0 ||
	    json_require(at, "size", &size, err) < 0 || json_get_u64(at, "size", &d->size, err) < 0)
		return -1;
	if (!media_type || !*media_type || strlen(media_type) > MEDIA_TYPE_MAX)
		return json_error(err, at, "mediaType is missing or not one");
	if (!digest)
		return json_error(err, at, "digest is missing");
	if (digest_parse(digest, &d->digest, &why) < 0)
		return json_error(err, at, "%s", why.msg);
	if (d->size > DESCRIPTOR_MAX_SIZE)
		return json_error(err, at, "size %llu is beyond any blob",
		                  (unsigned long long)d->size);
	d->media_type = xstrdup(media_type);
	if (parse_platform(at, d, err) < 0)
		return -1;
	return parse_annotations(at, d, err);
}

int descriptor_parse(const struct json *at, struct descriptor *ret, struct err *err)
{
	struct descriptor d = { 0 };

	if (parse(at, &d, err) < 0) {
		descriptor_done(&d);
		return -1;
	}
	*ret = d;
	return 0;
}

struct json_object *descriptor_to_json(const char *media_type, const struct digest *digest,
                                       uint64_t size)
{
	struct json_object *obj = json_object_new_object();

	json_add_str(obj, "mediaType", media_type);
	json_add_str(obj, "digest", digest_format(digest).s);
	json_add_u64(obj, "size", size);
	return obj;
}
