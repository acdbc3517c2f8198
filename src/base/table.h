/* table: uthash with the settings dhow needs, included only through here.
 * Keys that come from outside are hashed with a per-process random seed (SipHash-1-3), so that
 * nobody can choose them to collide. */
#pragma once
#include <stddef.h>
#include <stdint.h>

uint64_t table_hash(const void *key, size_t len);

#define HASH_FUNCTION(keyptr, keylen, hashv) ((hashv) = (unsigned)table_hash((keyptr), (keylen)))
#include <uthash.h>
