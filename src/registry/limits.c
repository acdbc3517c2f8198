#include "registry/limits.h"
#include "base/table.h"
#include "base/xalloc.h"
#include <netinet/in.h>
#include <pthread.h>

#define SLOTS 1024 /* a power of two */
#define WAYS  4    /* places of an address */
#define KEY   9
#define BURST 2 /* seconds' worth */

struct limits {
	pthread_mutex_t lock;
	int64_t rate;
	struct bucket {
		uint8_t key[KEY];
		int64_t millitokens;
		int64_t at_ms; /* 0: unused */
	} buckets[SLOTS];
};

struct limits *limits_new(unsigned requests_per_second)
{
	struct limits *limits = xcalloc(1, sizeof(*limits));

	pthread_mutex_init(&limits->lock, NULL);
	limits->rate = requests_per_second;
	return limits;
}

void limits_free(struct limits *limits)
{
	if (!limits)
		return;
	pthread_mutex_destroy(&limits->lock);
	free(limits);
}

static void make_key(const struct sockaddr *client, uint8_t ret[KEY])
{
	memset(ret, 0, KEY);
	if (client->sa_family == AF_INET) {
		const struct sockaddr_in *in = (const void *)client;

		ret[0] = 4;
		memcpy(ret + 1, &in->sin_addr, 4);
	} else if (client->sa_family == AF_INET6) {
		const struct sockaddr_in6 *in = (const void *)client;
		bool mapped = IN6_IS_ADDR_V4MAPPED(&in->sin6_addr);

		ret[0] = mapped ? 4 : 6;
		memcpy(ret + 1, in->sin6_addr.s6_addr + (mapped ? 12 : 0), mapped ? 4 : 8);
	}
}

/* Its bucket, or the one that was idle longest, emptied for it. */
static struct bucket *find(struct limits *limits, const uint8_t key[KEY], int64_t now_ms)
{
	size_t first = (size_t)table_hash(key, KEY) & (SLOTS - 1);
	struct bucket *oldest = NULL;

	for (size_t i = 0; i < WAYS; i++) {
		struct bucket *b = &limits->buckets[(first + i) & (SLOTS - 1)];

		if (b->at_ms && memcmp(b->key, key, KEY) == 0)
			return b;
		if (!oldest || b->at_ms < oldest->at_ms)
			oldest = b;
	}
	memcpy(oldest->key, key, KEY);
	oldest->millitokens = limits->rate * BURST * 1000;
	oldest->at_ms = now_ms;
	return oldest;
}

bool limits_pass(struct limits *limits, const struct sockaddr *client, int64_t now_ms)
{
	uint8_t key[KEY];
	struct bucket *b;
	bool pass;

	make_key(client, key);
	pthread_mutex_lock(&limits->lock);
	b = find(limits, key, now_ms);
	b->millitokens += (now_ms - b->at_ms) * limits->rate;
	b->at_ms = now_ms;
	if (b->millitokens > limits->rate * BURST * 1000)
		b->millitokens = limits->rate * BURST * 1000;
	pass = b->millitokens >= 1000;
	if (pass)
		b->millitokens -= 1000;
	pthread_mutex_unlock(&limits->lock);
	return pass;
}
