#include "registry/stores.h"
#include "base/db.h"
#include "base/fd.h"
#include "base/xalloc.h"
#include "image/image.h"
#include <pthread.h>

struct stores {
	int root_fd;
	pthread_mutex_t lock;
	pthread_cond_t back;
	struct slot {
		struct db *db;
		struct image_store *store; /* NULL: not opened yet */
		bool lent;
	} slots[STORES_MAX];
};

static int open_slot(struct stores *stores, struct slot *slot, struct err *err)
{
	if (db_open(stores->root_fd, "dhow.db", DB_CREATE, &slot->db, err) < 0)
		return -1;
	if (image_store_open(stores->root_fd, slot->db, &slot->store, err) == 0)
		return 0;
	db_free(slot->db);
	slot->db = NULL;
	return -1;
}

int stores_new(int root_fd, struct stores **ret, struct err *err)
{
	AUTO(stores_freep) struct stores *stores = xcalloc(1, sizeof(*stores));

	pthread_mutex_init(&stores->lock, NULL);
	pthread_cond_init(&stores->back, NULL);
	stores->root_fd = fd_dup(root_fd);
	if (stores->root_fd < 0)
		return err_sys(err, -stores->root_fd, "open the image store");
	if (open_slot(stores, &stores->slots[0], err) < 0)
		return -1;
	*ret = TAKE_PTR(stores);
	return 0;
}

void stores_free(struct stores *stores)
{
	if (!stores)
		return;
	for (size_t i = 0; i < STORES_MAX; i++) {
		image_store_free(stores->slots[i].store);
		db_free(stores->slots[i].db);
	}
	auto_close_(&stores->root_fd);
	pthread_cond_destroy(&stores->back);
	pthread_mutex_destroy(&stores->lock);
	free(stores);
}

/* An idle slot, an open one if there is any; NULL: all are lent. */
static struct slot *find_idle(struct stores *stores)
{
	struct slot *found = NULL;

	for (size_t i = 0; i < STORES_MAX; i++)
		if (!stores->slots[i].lent && (!found || (!found->store && stores->slots[i].store)))
			found = &stores->slots[i];
	return found;
}

struct image_store *stores_take(struct stores *stores, struct err *err)
{
	struct slot *slot;

	pthread_mutex_lock(&stores->lock);
	while (!(slot = find_idle(stores)))
		pthread_cond_wait(&stores->back, &stores->lock);
	slot->lent = true;
	pthread_mutex_unlock(&stores->lock);
	if (slot->store || open_slot(stores, slot, err) == 0)
		return slot->store;
	pthread_mutex_lock(&stores->lock);
	slot->lent = false;
	pthread_cond_signal(&stores->back);
	pthread_mutex_unlock(&stores->lock);
	return NULL;
}

void stores_give(struct stores *stores, struct image_store *store)
{
	pthread_mutex_lock(&stores->lock);
	for (size_t i = 0; i < STORES_MAX; i++)
		if (stores->slots[i].store == store)
			stores->slots[i].lent = false;
	pthread_cond_signal(&stores->back);
	pthread_mutex_unlock(&stores->lock);
}
