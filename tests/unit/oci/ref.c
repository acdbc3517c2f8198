#include "oci/ref.h"
#include "test.h"
#include <string.h>

static struct err e;
static struct image_ref ref;

#define HEX64 "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

static void is(const char *text, const char *full, const char *familiar)
{
	char *got;

	CHECK_OK(image_ref_parse(text, &ref, &e));
	got = image_ref_full(&ref);
	ck_assert_str_eq(got, full);
	ck_assert_str_eq(image_ref_familiar(got), familiar);
	free(got);
	image_ref_done(&ref);
}

START_TEST(names_get_dockers_defaults)
{
	is("busybox", "docker.io/library/busybox:latest", "busybox:latest");
	is("busybox:1.36", "docker.io/library/busybox:1.36", "busybox:1.36");
	is("me/app", "docker.io/me/app:latest", "me/app:latest");
	is("docker.io/busybox", "docker.io/library/busybox:latest", "busybox:latest");
	is("index.docker.io/busybox", "docker.io/library/busybox:latest", "busybox:latest");
	is("docker://busybox", "docker.io/library/busybox:latest", "busybox:latest");
	is("docker.io/library/a/b", "docker.io/library/a/b:latest", "library/a/b:latest");
}
END_TEST

START_TEST(a_registry_is_told_from_a_path)
{
	is("localhost/x", "localhost/x:latest", "localhost/x:latest");
	is("localhost:5000/x:t", "localhost:5000/x:t", "localhost:5000/x:t");
	is("127.0.0.1:5000/a/b/c", "127.0.0.1:5000/a/b/c:latest", "127.0.0.1:5000/a/b/c:latest");
	is("[::1]:5000/x", "[::1]:5000/x:latest", "[::1]:5000/x:latest");
	is("[fe80::1]/x", "[fe80::1]/x:latest", "[fe80::1]/x:latest");
	is("Quay.IO/x", "quay.io/x:latest", "quay.io/x:latest");
	is("oci:latest", "docker.io/library/oci:latest", "oci:latest");
}
END_TEST

START_TEST(a_digest_needs_no_tag_and_may_have_one)
{
	is("a.b/x@sha256:" HEX64, "a.b/x@sha256:" HEX64, "a.b/x@sha256:" HEX64);
	is("a.b/x:t@sha256:" HEX64, "a.b/x:t@sha256:" HEX64, "a.b/x:t@sha256:" HEX64);
}
END_TEST

START_TEST(separators_follow_the_grammar)
{
	is("a.b/a__b/c--d/e.f", "a.b/a__b/c--d/e.f:latest", "a.b/a__b/c--d/e.f:latest");
}
END_TEST

START_TEST(bad_names_are_refused)
{
	static const char *const bad[] = {
		"",
		":tag",
		"a:",
		"UPPER",
		"a/B",
		"a..b/c..d",
		"a.b/-x",
		"a.b/x-",
		"a.b/x___y",
		"a.b/x//y",
		"/x",
		"x/",
		"a b",
		"a:t@x",
		"a@sha256:abc",
		"a:-t",
		"a:t/x/",
		"[::1/x",
		"[::zz]:1/x",
		"h:0/x",
		"h:65536/x",
		"h:1x/x",
		"-h.x/x",
		"h..x/x",
		"https://a.b/x",
		"oci:/tmp/x",
		"dir:/x",
		"a\nb",
		"../../etc",
		"a.b/../c",
		HEX64,
		("a@sha512:" HEX64),
		"a@md5:00112233445566778899aabbccddeeff",
	};

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		ck_assert_msg(image_ref_parse(bad[i], &ref, &e) < 0, "'%s' was taken", bad[i]);
		ck_assert_int_eq(e.code, E_INVALID);
	}
}
END_TEST

START_TEST(lengths_are_bounded)
{
	char tag[140] = "a:", path[300];

	memset(tag + 2, 't', 128);
	CHECK_OK(image_ref_parse(tag, &ref, &e));
	image_ref_done(&ref);
	tag[130] = 't';
	CHECK_ERR(E_INVALID, image_ref_parse(tag, &ref, &e));
	memset(path, 'p', sizeof(path));
	path[256] = '\0';
	CHECK_ERR(E_INVALID, image_ref_parse(path, &ref, &e));
}
END_TEST

START_TEST(a_stored_name_splits_into_repository_and_tag)
{
	const char *tag;

	ck_assert_uint_eq(image_ref_split("localhost:5000/x:t", &tag), 16);
	ck_assert_str_eq(tag, "t");
	ck_assert_uint_eq(image_ref_split("localhost:5000/x", &tag), 16);
	ck_assert_ptr_null(tag);
	ck_assert_uint_eq(image_ref_split("a.b/x@sha256:00", &tag), 5);
	ck_assert_ptr_null(tag);
}
END_TEST

TEST_MAIN("ref", names_get_dockers_defaults, a_registry_is_told_from_a_path,
          a_digest_needs_no_tag_and_may_have_one, separators_follow_the_grammar,
          bad_names_are_refused, lengths_are_bounded, a_stored_name_splits_into_repository_and_tag)
