/* hashes: the running digests of uploads that wait for their next chunk, so that the last one need
 * not read the whole file again. A bounded memory: what was forgotten is hashed from the file.
 * Thread-safe. */
#pragma once
#include "codec/digest.h"

#define HASHES_MAX 64

struct hash_state {
	struct digester *digester; /* NULL: none */
	enum digest_alg alg;
	uint64_t offset; /* bytes in it */
};
void hash_state_done(struct hash_state *state);

struct hashes;
struct hashes *hashes_new(void);
void hashes_free(struct hashes *hashes);
DEFINE_FREEP(struct hashes, hashes_free)
/* Take the state of an upload when it has just these bytes; else it is forgotten and *ret has none.
 */
void hashes_take(struct hashes *hashes, const char *id, uint64_t offset, struct hash_state *ret);
/* Keep it (the state is moved). */
void hashes_put(struct hashes *hashes, const char *id, struct hash_state *state);
