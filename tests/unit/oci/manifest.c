#include "oci/manifest.h"
#include "test.h"
#include <string.h>

static struct err e;
static struct manifest m;

#define HEX "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define DESC(type, size, more)                                                                     \
	"{\"mediaType\":\"" type "\",\"digest\":\"sha256:" HEX "\",\"size\":" size more "}"
#define CONFIG DESC(MEDIA_OCI_CONFIG, "7", "")
#define LAYER  DESC(MEDIA_OCI_LAYER_GZIP, "9", "")
#define ENTRY(arch)                                                                                \
	DESC(MEDIA_OCI_MANIFEST, "5",                                                              \
	     ",\"platform\":{\"os\":\"linux\",\"architecture\":\"" arch "\"}")
#define IMAGE "{\"schemaVersion\":2,\"config\":" CONFIG ",\"layers\":[" LAYER "]}"

static int parse(const char *type, const char *text)
{
	manifest_done(&m);
	return manifest_parse("m", type, text, strlen(text), &m, &e);
}

START_TEST(an_oci_manifest_may_leave_its_media_type_out)
{
	CHECK_OK(parse(NULL, IMAGE));
	ck_assert_int_eq(m.kind, MANIFEST_IMAGE);
	ck_assert_uint_eq(m.n_layers, 1);
	ck_assert_uint_eq(m.layers[0].size, 9);
	ck_assert_str_eq(m.media_type, MEDIA_OCI_MANIFEST);
	CHECK_OK(parse("text/plain", IMAGE));
	CHECK_OK(parse(MEDIA_OCI_MANIFEST "; charset=utf-8", IMAGE));
	manifest_done(&m);
}
END_TEST

START_TEST(list_and_image_at_once_is_refused)
{
	CHECK_ERR(E_CORRUPT, parse(NULL, "{\"schemaVersion\":2,\"config\":" CONFIG
	                                 ",\"layers\":[],\"manifests\":[]}"));
	CHECK_ERR(E_CORRUPT, parse(NULL, "{\"schemaVersion\":2,\"layers\":[],\"manifests\":[]}"));
	CHECK_ERR(E_CORRUPT, parse(NULL, "{\"schemaVersion\":2}"));
}
END_TEST

START_TEST(the_types_told_must_agree_with_the_body)
{
	CHECK_ERR(E_CORRUPT, parse(MEDIA_OCI_INDEX, IMAGE));
	CHECK_ERR(E_CORRUPT, parse(NULL, "{\"schemaVersion\":2,\"mediaType\":\"" MEDIA_OCI_INDEX
	                                 "\",\"config\":" CONFIG ",\"layers\":[]}"));
	CHECK_ERR(E_CORRUPT, parse(MEDIA_DOCKER_MANIFEST,
	                           "{\"schemaVersion\":2,\"mediaType\":\"" MEDIA_OCI_MANIFEST
	                           "\",\"config\":" CONFIG ",\"layers\":[]}"));
}
END_TEST

START_TEST(schema_1_and_artifacts_are_refused_by_name)
{
	CHECK_ERR(E_UNSUPPORTED, parse(NULL, "{\"schemaVersion\":1,\"fsLayers\":[]}"));
	ck_assert_ptr_nonnull(strstr(e.msg, "schema 1"));
	CHECK_ERR(E_UNSUPPORTED, parse(NULL, "{\"schemaVersion\":3,\"manifests\":[]}"));
	CHECK_ERR(E_UNSUPPORTED, parse(NULL, "{\"schemaVersion\":2,\"config\":" DESC(
						     "application/x", "2", "") ",\"layers\":[]}"));
	ck_assert_ptr_nonnull(strstr(e.msg, "artifact"));
}
END_TEST

START_TEST(descriptors_are_strict)
{
	static const char *const bad[] = {
		"{\"mediaType\":\"" MEDIA_OCI_CONFIG "\",\"digest\":\"sha256:" HEX "\"}",
		"{\"mediaType\":\"" MEDIA_OCI_CONFIG "\",\"size\":1}",
		"{\"digest\":\"sha256:" HEX "\",\"size\":1}",
		"{\"mediaType\":\"" MEDIA_OCI_CONFIG
		"\",\"digest\":\"sha256:../../etc\",\"size\":1}",
		"{\"mediaType\":\"" MEDIA_OCI_CONFIG "\",\"digest\":\"" HEX "\",\"size\":1}",
		DESC(MEDIA_OCI_CONFIG, "-1", ""),
		DESC(MEDIA_OCI_CONFIG, "1.5", ""),
		DESC(MEDIA_OCI_CONFIG, "18446744073709551615", ""),
		"\"x\"",
		"null",
	};

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		char text[2000];

		snprintf(text, sizeof(text), "{\"schemaVersion\":2,\"config\":%s,\"layers\":[]}",
		         bad[i]);
		ck_assert_msg(parse(NULL, text) < 0, "%s was taken", bad[i]);
	}
}
END_TEST

START_TEST(the_best_platform_is_chosen)
{
	const struct descriptor *d;
	struct platform want;

	CHECK_OK(parse(NULL, "{\"schemaVersion\":2,\"manifests\":[" ENTRY("amd64") "," ENTRY(
				     "unknown") "," ENTRY("arm\",\"variant\":\"v6") "]}"));
	CHECK_OK(platform_parse("linux/arm/v7", &want, &e));
	CHECK_OK(manifest_choose(&m, &want, &d, &e));
	ck_assert_str_eq(platform_format(&d->platform).s, "linux/arm/v6");
	CHECK_OK(platform_parse("linux/s390x", &want, &e));
	CHECK_ERR(E_NOT_FOUND, manifest_choose(&m, &want, &d, &e));
	ck_assert_ptr_nonnull(strstr(e.msg, "linux/amd64"));
	manifest_done(&m);
}
END_TEST

START_TEST(counts_are_bounded)
{
	char *text = malloc(MANIFEST_MAX_BYTES + 2);
	size_t n;

	n = (size_t)snprintf(text, 300, "{\"schemaVersion\":2,\"config\":" CONFIG ",\"layers\":[");
	for (int i = 0; i <= MANIFEST_MAX_LAYERS; i++)
		n += (size_t)snprintf(text + n, 300, "%s" LAYER, i ? "," : "");
	snprintf(text + n, 300, "]}");
	CHECK_ERR(E_LIMIT, parse(NULL, text));
	memset(text, ' ', MANIFEST_MAX_BYTES + 1);
	text[MANIFEST_MAX_BYTES + 1] = '\0';
	CHECK_ERR(E_LIMIT, parse(NULL, text));
	free(text);
}
END_TEST

TEST_MAIN("manifest", an_oci_manifest_may_leave_its_media_type_out,
          list_and_image_at_once_is_refused, the_types_told_must_agree_with_the_body,
          schema_1_and_artifacts_are_refused_by_name, descriptors_are_strict,
          the_best_platform_is_chosen, counts_are_bounded)
