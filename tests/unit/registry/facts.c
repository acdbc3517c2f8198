/* What a registry reads out of manifests. tests/integration/registry.bats has what it refuses. */
#include "registry/facts.h"
#include "test.h"
#include <string.h>

#define SHA256   "sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define MANIFEST "application/vnd.oci.image.manifest.v1+json"
#define INDEX    "application/vnd.oci.image.index.v1+json"

static struct err e;

static const char image_text[] =
	"{'schemaVersion':2,'config':{'mediaType':'a/config','size':7,'digest':'" SHA256 "'},"
	"'layers':[{'mediaType':'a/b','size':7,'digest':'" SHA256 "'},"
	"{'mediaType':'application/vnd.docker.image.rootfs.foreign.diff.tar.gzip','size':7,"
	"'digest':'" SHA256 "'}],'subject':{'mediaType':'x','size':7,'digest':'" SHA256 "'},"
	"'annotations':{'k':'v'},'more':[1]}";
static const char index_text[] = "{'schemaVersion':2,'mediaType':'" INDEX "','manifests':"
				 "[{'mediaType':'" MANIFEST "','size':7,'digest':'" SHA256 "'}]}";

static void parse(const char *type, const char *text, struct manifest_facts *ret)
{
	char json[2048];

	snprintf(json, sizeof(json), "%s", text);
	for (char *c = json; *c; c++)
		if (*c == '\'')
			*c = '"';
	CHECK_OK(manifest_facts_parse(type, json, strlen(json), ret, &e));
}

START_TEST(an_image)
{
	AUTO_FACTS f = MANIFEST_FACTS_INIT;

	parse(MANIFEST "; charset=utf-8", image_text, &f);
	ck_assert_str_eq(f.media_type, MANIFEST);
	ck_assert_str_eq(f.artifact_type, "a/config");
	ck_assert_str_eq(f.annotations, "{\"k\":\"v\"}");
	ck_assert(!f.is_index && f.subject.alg == DIGEST_SHA256);
	ck_assert_uint_eq(f.n_links, 3);
	ck_assert(!f.elsewhere[0] && !f.elsewhere[1] && f.elsewhere[2]);
	ck_assert_uint_eq(f.links[1].size, 7);
}
END_TEST

START_TEST(an_index)
{
	AUTO_FACTS f = MANIFEST_FACTS_INIT;

	parse(NULL, index_text, &f);
	ck_assert(f.is_index && f.n_links == 1 && f.elsewhere[0]);
	ck_assert_ptr_null(f.artifact_type);
	ck_assert_ptr_null(f.annotations);
}
END_TEST

TEST_MAIN("facts", an_image, an_index)
