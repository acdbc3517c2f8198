/* Requests a second, and digests kept between chunks. */
#include "registry/limits.h"
#include "registry/hashes.h"
#include "test.h"
#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>

static struct sockaddr_in6 client(const char *text)
{
	struct sockaddr_in6 a = { .sin6_family = AF_INET6 };

	ck_assert_int_eq(inet_pton(AF_INET6, text, &a.sin6_addr), 1);
	return a;
}

static bool passes(struct limits *limits, const char *text, int64_t now_ms)
{
	struct sockaddr_in6 a = client(text);

	return limits_pass(limits, (const struct sockaddr *)&a, now_ms);
}

START_TEST(a_bucket_per_client)
{
	struct limits *limits = limits_new(10);

	for (int i = 0; i < 20; i++)
		ck_assert(passes(limits, "2001:db8::1", 1000));
	ck_assert(!passes(limits, "2001:db8::1", 1000));
	/* the same network, and another one */
	ck_assert(!passes(limits, "2001:db8::2", 1000));
	ck_assert(passes(limits, "2001:db8:0:1::2", 1000));
	ck_assert(passes(limits, "::ffff:10.0.0.1", 1000));
	ck_assert(!passes(limits, "2001:db8::1", 1099));
	ck_assert(passes(limits, "2001:db8::1", 1200));
	limits_free(limits);
}
END_TEST

START_TEST(digests_between_chunks)
{
	struct hashes *hashes = hashes_new();
	struct hash_state s = { digester_new(DIGEST_SHA256), DIGEST_SHA256, 3 };
	char id[37];

	hashes_put(hashes, "a", &s);
	ck_assert_ptr_null(s.digester);
	hashes_take(hashes, "a", 3, &s);
	ck_assert_ptr_nonnull(s.digester);
	hashes_put(hashes, "a", &s);
	/* somebody wrote meanwhile */
	hashes_take(hashes, "a", 4, &s);
	ck_assert_ptr_null(s.digester);
	for (int i = 0; i <= HASHES_MAX; i++) {
		snprintf(id, sizeof(id), "%d", i);
		s = (struct hash_state){ digester_new(DIGEST_SHA256), DIGEST_SHA256, 0 };
		hashes_put(hashes, id, &s);
	}
	hashes_take(hashes, "0", 0, &s);
	ck_assert_ptr_null(s.digester);
	hashes_take(hashes, "1", 0, &s);
	ck_assert_ptr_nonnull(s.digester);
	hash_state_done(&s);
	hashes_free(hashes);
}
END_TEST

TEST_MAIN("limits", a_bucket_per_client, digests_between_chunks)
