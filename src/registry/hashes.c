#include "registry/hashes.h"
#include "base/xalloc.h"
#include "image/repo.h"
#include <pthread.h>

struct hashes {
	pthread_mutex_t lock;
	struct entry {
		char id[REPO_UPLOAD_ID_LEN + 1];
		struct hash_state state;
		uint64_t used; /* larger is later */
	} entries[HASHES_MAX];
	uint64_t clock;
};

void hash_state_done(struct hash_state *state)
{
	if (state->digester)
		digester_free(state->digester);
	*state = (struct hash_state){ 0 };
}

struct hashes *hashes_new(void)
{
	struct hashes *hashes = xcalloc(1, sizeof(*hashes));

	pthread_mutex_init(&hashes->lock, NULL);
	return hashes;
}

void hashes_free(struct hashes *hashes)
{
	if (!hashes)
		return;
	for (size_t i = 0; i < HASHES_MAX; i++)
		hash_state_done(&hashes->entries[i].state);
	pthread_mutex_destroy(&hashes->lock);
	free(hashes);
}

void hashes_take(struct hashes *hashes, const char *id, uint64_t offset, struct hash_state *ret)
{
	*ret = (struct hash_state){ 0 };
	pthread_mutex_lock(&hashes->lock);
	for (size_t i = 0; i < HASHES_MAX; i++) {
		struct entry *e = &hashes->entries[i];

		if (!e->state.digester || strcmp(e->id, id) != 0)
			continue;
		*ret = e->state;
		e->state = (struct hash_state){ 0 };
	}
	pthread_mutex_unlock(&hashes->lock);
	if (ret->offset != offset)
		hash_state_done(ret);
}

void hashes_put(struct hashes *hashes, const char *id, struct hash_state *state)
{
	struct entry *oldest = &hashes->entries[0];

	if (!state->digester)
		return;
	pthread_mutex_lock(&hashes->lock);
	for (size_t i = 0; i < HASHES_MAX && oldest->state.digester; i++) {
		struct entry *e = &hashes->entries[i];

		if (!e->state.digester || e->used < oldest->used)
			oldest = e;
	}
	hash_state_done(&oldest->state);
	snprintf(oldest->id, sizeof(oldest->id), "%s", id);
	oldest->state = *state;
	oldest->used = ++hashes->clock;
	pthread_mutex_unlock(&hashes->lock);
	*state = (struct hash_state){ 0 };
}
