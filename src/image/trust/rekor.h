/* rekor: a transparency log's word that it holds an entry, verified without asking the log.
 *
 * Either a signed entry timestamp (SET: the log's signature over the entry, its time and place), or
 * an inclusion proof up to a checkpoint that the log signed. Both bind the entry's body, which in
 * turn must be about our signature, our key or certificate, and our data. */
#pragma once
#include "image/trust/keys.h"

struct rekor_keys {
	struct key **items;
	size_t n;
};
void rekor_keys_done(struct rekor_keys *k);

/* What the log is to speak of. */
struct rekor_subject {
	const struct strbuf *key_der; /* public key or certificate */
	const struct strbuf *signature;
	const void *data; /* signed */
	size_t len;
};

/* The annotation of cosign: {"SignedEntryTimestamp", "Payload": {"body", "integratedTime",
 * "logIndex", "logID"}}. *ret_time_s: when the log took the entry. E_AUTH: not proven. */
int rekor_verify_set(const struct rekor_keys *keys, const char *json, size_t len,
                     const struct rekor_subject *subject, int64_t *ret_time_s, struct err *err);

struct json;
/* One entry of a bundle's tlogEntries: its inclusionPromise, or else its inclusionProof.
 * Without a SET there is no time: *ret_time_s is 0 then. */
int rekor_verify_entry(const struct rekor_keys *keys, const struct json *entry,
                       const struct rekor_subject *subject, int64_t *ret_time_s, struct err *err);

/* The parts, public for tests and fuzzing. */
int rekor_check_body(const char *body, size_t len, const struct rekor_subject *subject,
                     struct err *err);
/* RFC 9162, 2.1.3.2: hashes of 32 bytes each, one after the other. */
bool merkle_proves(const uint8_t leaf[32], uint64_t index, uint64_t size, const uint8_t *hashes,
                   size_t n, const uint8_t root[32]);
