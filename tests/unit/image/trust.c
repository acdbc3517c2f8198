#include "image/trust/evaluate.h"
#include "image/trust/rekor.h"
#include "test.h"
#include <string.h>

static struct err e;
static struct policy policy;

static struct image_ref ref_of(const char *text)
{
	struct image_ref ref = IMAGE_REF_INIT;

	CHECK_OK(image_ref_parse(text, &ref, &e));
	return ref;
}

/* The number that a policy's reject/accept pattern hides: scope i has i+1 requirements. */
static size_t scope_of(const char *text)
{
	struct image_ref ref = ref_of(text);
	size_t n = policy_for_ref(&policy, &ref)->n;

	image_ref_done(&ref);
	return n;
}

#define ONE "{\"type\":\"reject\"}"

START_TEST(the_most_specific_scope_is_found)
{
	static const char text[] =
		"{\"default\":[" ONE "],\"transports\":{\"docker\":{"
		"\"a.b.example.com:5000/x/y:1\":[" ONE "," ONE "],"
		"\"a.b.example.com:5000/x/y\":[" ONE "," ONE "," ONE "],"
		"\"a.b.example.com:5000/x\":[" ONE "," ONE "," ONE "," ONE "],"
		"\"a.b.example.com:5000\":[" ONE "," ONE "," ONE "," ONE "," ONE "],"
		"\"*.example.com\":[" ONE "," ONE "," ONE "," ONE "," ONE "," ONE "],"
		"\"docker.io/library/busybox\":[" ONE "," ONE "," ONE "," ONE "," ONE "," ONE
		"," ONE "]}}}";

	CHECK_OK(policy_parse("p", text, strlen(text), &policy, &e));
	ck_assert_uint_eq(scope_of("a.b.example.com:5000/x/y:1"), 2);
	ck_assert_uint_eq(scope_of("a.b.example.com:5000/x/y:2"), 3);
	ck_assert_uint_eq(scope_of("a.b.example.com:5000/x/z"), 4);
	ck_assert_uint_eq(scope_of("a.b.example.com:5000/xx"), 5);
	ck_assert_uint_eq(scope_of("a.b.example.com:5001/x"), 6);
	ck_assert_uint_eq(scope_of("example.com/x"), 1);
	ck_assert_uint_eq(scope_of("busybox"), 7);
	ck_assert_uint_eq(scope_of("busyboxy"), 1);
	policy_done(&policy);
}
END_TEST

static bool matches(struct identity_rule rule, const char *image, const char *signature)
{
	struct image_ref ref = ref_of(image);
	bool r = identity_matches(&rule, &ref, signature);

	image_ref_done(&ref);
	return r;
}

#define DIGEST "@sha256:0000000000000000000000000000000000000000000000000000000000000000"

START_TEST(identities_match_as_the_rule_says)
{
	struct identity_rule usual = { 0 }, exact = { .kind = IDENTITY_EXACT };
	struct identity_rule repo = { .kind = IDENTITY_REPOSITORY };
	struct identity_rule reference = { IDENTITY_EXACT_REFERENCE, (char *)"a.b/c:1", NULL };
	struct identity_rule remap = { IDENTITY_REMAP, (char *)"m.x/y", (char *)"v.z" };

	ck_assert(matches(usual, "a.b/c:1", "a.b/c:1"));
	ck_assert(!matches(usual, "a.b/c:1", "a.b/c:2"));
	ck_assert(!matches(usual, "a.b/c:1", "a.b/c"));
	ck_assert(matches(usual, "a.b/c" DIGEST, "a.b/c:2"));
	ck_assert(!matches(usual, "a.b/c" DIGEST, "a.b/d:2"));
	ck_assert(!matches(exact, "a.b/c" DIGEST, "a.b/c:2"));
	ck_assert(matches(exact, "busybox", "docker.io/library/busybox:latest"));
	ck_assert(!matches(exact, "busybox", "busybox"));
	ck_assert(matches(repo, "a.b/c:1", "a.b/c"));
	ck_assert(!matches(repo, "a.b/c:1", "a.b/cc"));
	ck_assert(matches(reference, "x.y/z:9", "a.b/c:1"));
	ck_assert(!matches(reference, "a.b/c:1", "a.b/c:2"));
	ck_assert(matches(remap, "m.x/y/app:1", "v.z/app:1"));
	ck_assert(!matches(remap, "m.x/y/app:1", "m.x/y/app:1"));
	ck_assert(matches(remap, "m.x/yy:1", "m.x/yy:1"));
	ck_assert(!matches(usual, "a.b/c:1", "A.b/C"));
	ck_assert(!identity_matches(&usual, NULL, "a.b/c:1"));
}
END_TEST

START_TEST(payloads_are_strict)
{
#define PAYLOAD(type, rest)                                                                        \
	"{\"critical\":{\"identity\":{\"docker-reference\":\"a.b/c:1\"},\"image\":{\"docker-"      \
	"manifest-digest\":\"sha256:"                                                              \
	"0000000000000000000000000000000000000000000000000000000000000000\"},\"type\":\"" type     \
	"\"" rest
	static const char good[] = PAYLOAD("atomic container signature", "},\"optional\":{}}");
	static const char null[] =
		PAYLOAD("cosign container image signature", "},\"optional\":null}");
	static const char *const bad[] = {
		PAYLOAD("cosign container image signature", "},\"optional\":{}}"),
		PAYLOAD("atomic container signature", ",\"x\":1},\"optional\":{}}"),
		PAYLOAD("atomic container signature", "},\"optional\":{},\"x\":1}"),
		PAYLOAD("atomic container signature", "}}"),
		PAYLOAD("atomic container signature", "},\"optional\":null}"),
		PAYLOAD("atomic container signature", "},\"Optional\":{}}"),
		"{}",
		"[]",
	};
	struct payload p = { 0 };

	CHECK_OK(payload_parse(PAYLOAD_ATOMIC, good, strlen(good), &p, &e));
	ck_assert_str_eq(p.reference, "a.b/c:1");
	payload_done(&p);
	CHECK_OK(payload_parse(PAYLOAD_COSIGN, null, strlen(null), &p, &e));
	payload_done(&p);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		ck_assert_msg(payload_parse(PAYLOAD_ATOMIC, bad[i], strlen(bad[i]), &p, &e) < 0,
		              "taken: %s", bad[i]);
}
END_TEST

static void node(const uint8_t *left, const uint8_t *right, uint8_t *ret)
{
	uint8_t data[65] = { 1 };
	struct digest d;

	memcpy(data + 1, left, 32);
	memcpy(data + 33, right, 32);
	digest_of(DIGEST_SHA256, data, sizeof(data), &d);
	memcpy(ret, d.bytes, 32);
}

START_TEST(a_merkle_proof_holds_for_its_leaf_and_place_only)
{
	/* a tree of three: root = ((0, 1), 2) */
	uint8_t leaf[3][32], left[32], root[32], proof[64];

	for (int i = 0; i < 3; i++)
		memset(leaf[i], i + 1, 32);
	node(leaf[0], leaf[1], left);
	node(left, leaf[2], root);
	memcpy(proof, leaf[1], 32);
	memcpy(proof + 32, leaf[2], 32);
	ck_assert(merkle_proves(leaf[0], 0, 3, proof, 2, root));
	ck_assert(!merkle_proves(leaf[1], 0, 3, proof, 2, root));
	ck_assert(!merkle_proves(leaf[0], 1, 3, proof, 2, root));
	ck_assert(!merkle_proves(leaf[0], 0, 3, proof, 1, root));
	ck_assert(!merkle_proves(leaf[0], 3, 3, proof, 2, root));
	ck_assert(merkle_proves(leaf[2], 2, 3, left, 1, root));
	ck_assert(merkle_proves(leaf[0], 0, 1, NULL, 0, leaf[0]));
	ck_assert(!merkle_proves(leaf[0], 0, 0, NULL, 0, leaf[0]));
}
END_TEST

TEST_MAIN("trust", the_most_specific_scope_is_found, identities_match_as_the_rule_says,
          payloads_are_strict, a_merkle_proof_holds_for_its_leaf_and_place_only)
