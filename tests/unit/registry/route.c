/* Targets of requests as values, and ranges. */
#include "registry/route.h"
#include "test.h"
#include <string.h>

#define SHA256 "sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"

static struct err e;

static struct route good(const char *target)
{
	struct route r = ROUTE_INIT;
	enum route_fault fault;

	CHECK_OK(route_parse(target, &r, &fault, &e));
	ck_assert_int_eq(fault, ROUTE_FAULT_NONE);
	return r;
}

static void bad(enum route_fault want, const char *target)
{
	AUTO_ROUTE r = ROUTE_INIT;
	enum route_fault fault;

	ck_assert_msg(route_parse(target, &r, &fault, &e) < 0, "%s was taken", target);
	ck_assert_msg(fault == want, "%s: fault %d, wanted %d: %s", target, fault, want, e.msg);
}

static void is(enum route_kind kind, const char *name, const char *target)
{
	struct route r = good(target);

	ck_assert_int_eq(r.kind, kind);
	if (name)
		ck_assert_str_eq(r.name, name);
	else
		ck_assert_ptr_null(r.name);
	route_done(&r);
}

START_TEST(every_address)
{
	is(ROUTE_BASE, NULL, "/v2");
	is(ROUTE_BASE, NULL, "/v2/");
	is(ROUTE_BASE, NULL, "/v2/?a=b");
	is(ROUTE_CATALOG, NULL, "/v2/_catalog?n=5");
	is(ROUTE_TAGS, "a", "/v2/a/tags/list");
	is(ROUTE_TAGS, "a/tags/b", "/v2/a/tags/b/tags/list");
	is(ROUTE_MANIFEST, "blobs/uploads", "/v2/blobs/uploads/manifests/v1");
	is(ROUTE_MANIFEST, "a", "/v2/a/manifests/" SHA256);
	is(ROUTE_BLOB, "a/manifests",
	   "/v2/a/manifests/blobs/sha256%3a" /* clients may escape */
	   "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa");
	is(ROUTE_UPLOADS, "a", "/v2/a/blobs/uploads/");
	is(ROUTE_UPLOADS, "a", "/v2/a/blobs/uploads");
	is(ROUTE_UPLOAD, "a", "/v2/a/blobs/uploads/x");
	is(ROUTE_BASE, NULL, "http://elsewhere:5000/v2/");
	is(ROUTE_REFERRERS, "a", "/v2/a/referrers/" SHA256);
}
END_TEST

START_TEST(other_addresses)
{
	bad(ROUTE_FAULT_ADDRESS, "");
	bad(ROUTE_FAULT_ADDRESS, "/");
	bad(ROUTE_FAULT_ADDRESS, "/v1/");
	bad(ROUTE_FAULT_ADDRESS, "/v22/");
	bad(ROUTE_FAULT_ADDRESS, "v2/");
	bad(ROUTE_FAULT_ADDRESS, "/v2/a");
	bad(ROUTE_FAULT_ADDRESS, "/v2/tags/list");
	bad(ROUTE_FAULT_ADDRESS, "/v2/manifests/x");
	bad(ROUTE_FAULT_ADDRESS, "/v2/a/manifests/");
	bad(ROUTE_FAULT_ADDRESS, "/v2/a%2Fb/manifests/x");
	bad(ROUTE_FAULT_ADDRESS, "/v2/a/manifests/x%0a");
	bad(ROUTE_FAULT_ADDRESS, "/v2/a/manifests/x%0");
	bad(ROUTE_FAULT_ADDRESS, "/v2/a/manifests/x%");
	bad(ROUTE_FAULT_ADDRESS, "/v2/a/manifests/%zz");
	bad(ROUTE_FAULT_NAME, "/v2/A/tags/list");
	bad(ROUTE_FAULT_NAME, "/v2//tags/list");
	bad(ROUTE_FAULT_NAME, "/v2/../tags/list");
	bad(ROUTE_FAULT_NAME, "/v2/a/%2e%2e/tags/list");
	bad(ROUTE_FAULT_TAG, "/v2/a/manifests/-x");
	bad(ROUTE_FAULT_DIGEST, "/v2/a/manifests/sha256:x");
	bad(ROUTE_FAULT_DIGEST, "/v2/a/blobs/x");
	bad(ROUTE_FAULT_DIGEST, "/v2/a/referrers/md5:00");
}
END_TEST

START_TEST(queries)
{
	struct route r = good("/v2/a/blobs/uploads/?mount=" SHA256 "&from=b%2Fc&digest=" SHA256
	                      "&digest-algorithm=sha512&unknown=1&n=7&last=a%20b+c&artifactType=a/b"
	                      "&tag=x&tag=y");

	ck_assert_int_eq(r.query.mount.alg, DIGEST_SHA256);
	ck_assert_int_eq(r.query.digest.alg, DIGEST_SHA256);
	ck_assert_int_eq(r.query.algorithm, DIGEST_SHA512);
	ck_assert_str_eq(r.query.from, "b/c");
	ck_assert_str_eq(r.query.last, "a b c");
	ck_assert_str_eq(r.query.artifact_type, "a/b");
	ck_assert(r.query.has_n && r.query.n == 7 && r.query.tags.len == 2);
	route_done(&r);
	bad(ROUTE_FAULT_DIGEST, "/v2/a/blobs/uploads/?digest=");
	bad(ROUTE_FAULT_DIGEST, "/v2/a/blobs/uploads/?mount=x");
	bad(ROUTE_FAULT_DIGEST, "/v2/a/blobs/uploads/?digest-algorithm=crc");
	bad(ROUTE_FAULT_NAME, "/v2/a/blobs/uploads/?from=../b");
	bad(ROUTE_FAULT_TAG, "/v2/a/manifests/" SHA256 "?tag=a/b");
	bad(ROUTE_FAULT_QUERY, "/v2/a/tags/list?n=-1");
	bad(ROUTE_FAULT_QUERY, "/v2/a/tags/list?last=%00");
	bad(ROUTE_FAULT_QUERY, "/v2/a/tags/list?%");
}
END_TEST

static void range(int want, uint64_t first, uint64_t len, const char *header)
{
	uint64_t got_first = 0, got_len = 0;

	ck_assert_msg(range_parse(header, 10, &got_first, &got_len) == want, "%s",
	              header ? header : "(none)");
	if (want > 0)
		ck_assert_msg(got_first == first && got_len == len, "%s", header);
}

START_TEST(ranges)
{
	uint64_t first, len;

	range(1, 0, 1, "bytes=0-0");
	range(1, 2, 8, "bytes=2-");
	range(1, 9, 1, "Bytes=9-100");
	range(1, 7, 3, "bytes=-3");
	range(1, 0, 10, "bytes=-30");
	range(-1, 0, 0, "bytes=10-");
	range(-1, 0, 0, "bytes=-0");
	range(-1, 0, 0, "bytes=5-4");
	range(0, 0, 0, NULL);
	range(0, 0, 0, "bytes=");
	range(0, 0, 0, "bytes=-");
	range(0, 0, 0, "bytes=1-2,4-5");
	range(0, 0, 0, "bytes=a-b");
	range(0, 0, 0, "bytes=18446744073709551616-");
	ck_assert_int_eq(range_parse("bytes=-1", 0, &first, &len), -1);
	ck_assert_int_eq(content_range_parse("0-9", &first, &len), 0);
	ck_assert_int_eq(content_range_parse("bytes 5-9/10", &first, &len), 0);
	ck_assert(first == 5 && len == 9);
	ck_assert_int_eq(content_range_parse("9-5", &first, &len), -1);
	ck_assert_int_eq(content_range_parse("5", &first, &len), -1);
	ck_assert_int_eq(content_range_parse("", &first, &len), -1);
	ck_assert_int_eq(content_range_parse("1-2x", &first, &len), -1);
}
END_TEST

TEST_MAIN("route", every_address, other_addresses, queries, ranges)
