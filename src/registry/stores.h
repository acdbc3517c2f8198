/* stores: a few handles of the image store, lent to the threads of the server. A handle serves
 * one thread at a time, is never kept across a wait for the network, and bounds both memory and
 * how many work on the database at once. */
#pragma once
#include "base/err.h"

#define STORES_MAX 6

struct image_store;
struct stores;
int stores_new(int root_fd, struct stores **ret, struct err *err);
void stores_free(struct stores *stores); /* all must be back */
DEFINE_FREEP(struct stores, stores_free)
/* Waits for one. NULL: err. */
struct image_store *stores_take(struct stores *stores, struct err *err);
void stores_give(struct stores *stores, struct image_store *store);
