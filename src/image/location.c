/* Locations of images as skopeo writes them. */
#include "base/xalloc.h"
#include "image/copy.h"

static const struct {
	const char *prefix;
	enum transport transport;
} transports[] = {
	{ "docker://", TRANSPORT_DOCKER },
	{ "containers-storage:", TRANSPORT_STORE },
	{ "oci:", TRANSPORT_OCI },
	{ "oci-archive:", TRANSPORT_OCI_ARCHIVE },
	{ "docker-archive:", TRANSPORT_DOCKER_ARCHIVE },
	{ "dir:", TRANSPORT_DIR },
};

static const char *const refused[] = { "docker-daemon:", "ostree:", "tarball:", "sif:", "atomic:" };

static const struct {
	const char *name;
	enum image_format format;
} formats[] = {
	{ "oci", FORMAT_OCI },
	{ "v2s2", FORMAT_V2S2 },
	{ "docker", FORMAT_V2S2 },
};

int image_format_parse(const char *s, enum image_format *ret, struct err *err)
{
	for (size_t i = 0; i < ARRAY_LEN(formats); i++)
		if (strcmp(formats[i].name, s) == 0) {
			*ret = formats[i].format;
			return 0;
		}
	err_set(err, E_INVALID, "unknown format of manifests '%.100s'", s);
	return err_hint(err, "oci or v2s2");
}

void image_location_done(struct image_location *l)
{
	free(l->path);
	free(l->name);
	*l = LOCATION_INIT;
}

bool image_location_has_transport(const char *s)
{
	for (size_t i = 0; i < ARRAY_LEN(transports); i++)
		if (strncmp(s, transports[i].prefix, strlen(transports[i].prefix)) == 0)
			return true;
	for (size_t i = 0; i < ARRAY_LEN(refused); i++)
		if (strncmp(s, refused[i], strlen(refused[i])) == 0)
			return true;
	return false;
}

/* PATH[:NAME]; a name is a reference, so it may have colons of its own. */
static int split_path(const char *rest, struct image_location *l, struct err *err)
{
	const char *colon = l->transport == TRANSPORT_DIR ? NULL : strchr(rest, ':');

	l->path = colon ? xstrndup(rest, (size_t)(colon - rest)) : xstrdup(rest);
	if (colon && colon[1])
		l->name = xstrdup(colon + 1);
	if (!l->path[0])
		return err_set(err, E_INVALID, "the location names no file: '%.200s'", rest);
	return 0;
}

static int parse(const char *rest, struct image_location *l, struct err *err)
{
	AUTO_REF ref = IMAGE_REF_INIT;

	if (l->transport != TRANSPORT_DOCKER && l->transport != TRANSPORT_STORE)
		return split_path(rest, l, err);
	if (!*rest)
		return err_set(err, E_INVALID, "the location names no image");
	/* ids name images of the store, too */
	if (l->transport == TRANSPORT_DOCKER && image_ref_parse(rest, &ref, err) < 0)
		return -1;
	l->name = xstrdup(rest);
	return 0;
}

int image_location_parse(const char *s, enum transport bare, struct image_location *ret,
                         struct err *err)
{
	AUTO_LOCATION l = { .transport = bare };
	const char *rest = s;

	for (size_t i = 0; i < ARRAY_LEN(refused); i++)
		if (strncmp(s, refused[i], strlen(refused[i])) == 0)
			return err_set(err, E_UNSUPPORTED, "transport '%s' is not supported",
			               refused[i]);
	for (size_t i = 0; i < ARRAY_LEN(transports); i++)
		if (strncmp(s, transports[i].prefix, strlen(transports[i].prefix)) == 0) {
			l.transport = transports[i].transport;
			rest = s + strlen(transports[i].prefix);
			break;
		}
	if (parse(rest, &l, err) < 0)
		return err_hint(err,
		                "docker://NAME, containers-storage:NAME, oci:DIR[:NAME], "
		                "oci-archive:FILE[:NAME], docker-archive:FILE[:NAME], dir:DIR");
	*ret = l;
	l = LOCATION_INIT;
	return 0;
}
