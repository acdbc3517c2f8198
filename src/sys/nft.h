/* nft: nftables objects as messages of one batch that the kernel applies whole or not at all. It
 *answers only when something is refused: silence is success.
 *
 *	nft_batch_begin(&b);
 *	nft_table_add(&b, &table);  ... chains, maps, rules, elements ...
 *	nft_batch_end(&b);
 *	r = nl_transact(fd, &b, NULL, NULL);   fd from nl_open(NETLINK_NETFILTER)
 *
 * Rules are written as a chain of expressions on 4-byte registers 0..15 (a value longer than that
 * takes the following ones); a comparison that fails ends the rule. Leaf tier, no state. */
#pragma once
#include "sys/netlink.h"
#include <netinet/in.h>

struct nft_table {
	uint8_t family; /* NFPROTO_INET, NFPROTO_IPV4 */
	const char *name;
};

void nft_batch_begin(struct nl_batch *b);
void nft_batch_end(struct nl_batch *b);

void nft_table_add(struct nl_batch *b, const struct nft_table *t); /* an existing one is fine */
/* Without a batch around it: ask for the table; its answer goes to nl_transact's on_reply, its
 * absence is -ENOENT. Likewise a chain, and all rules of a chain. */
void nft_table_get(struct nl_batch *b, const struct nft_table *t);
void nft_chain_get(struct nl_batch *b, const struct nft_table *t, const char *chain);
void nft_rules_get(struct nl_batch *b, const struct nft_table *t, const char *chain);
void nft_table_del(struct nl_batch *b, const struct nft_table *t);

struct nft_chain {
	const char *name;
	const char *type; /* "filter" or "nat" */
	uint32_t hook;    /* NF_INET_PRE_ROUTING, ... */
	int32_t priority;
};

/* A base chain with policy accept. */
void nft_chain_add(struct nl_batch *b, const struct nft_table *t, const struct nft_chain *chain);

struct nft_map {
	const char *name;
	uint32_t id;       /* distinct within the batch */
	uint32_t key_type; /* NFT_TYPE(...) */
	uint32_t key_len;
	uint32_t data_type;
	uint32_t data_len;
};

/* nft's own numbers for types, which only its listing uses; joined with NFT_TYPE2/3. */
#define NFT_TYPE_IPV4      7u
#define NFT_TYPE_PROTOCOL  12u
#define NFT_TYPE_PORT      13u
#define NFT_TYPE2(a, b)    ((a) << 6 | (b))
#define NFT_TYPE3(a, b, c) (NFT_TYPE2(a, b) << 6 | (c))

void nft_map_add(struct nl_batch *b, const struct nft_table *t, const struct nft_map *map);

enum nft_change { NFT_ADD, NFT_DEL };

/* Start a message of elements of one map; then up to NFT_ELEMS_MAX elements; then _end. */
#define NFT_ELEMS_MAX 500
size_t nft_elems_begin(struct nl_batch *b, enum nft_change change, const struct nft_table *t,
                       const char *map);
/* data may be NULL for NFT_DEL. */
void nft_elem(struct nl_batch *b, const void *key, size_t key_len, const void *data,
              size_t data_len);
void nft_elems_end(struct nl_batch *b, size_t mark);

/* Rules. */
enum nft_where { NFT_APPEND, NFT_INSERT /* at the head */ };
/* comment: shown by nft and found again by nft_rule_has_comment(); NULL for none. Returns a mark
 * for nft_rule_end. */
size_t nft_rule_begin(struct nl_batch *b, const struct nft_table *t, const char *chain,
                      enum nft_where where, const char *comment);
void nft_rule_end(struct nl_batch *b, size_t mark);
void nft_rule_del(struct nl_batch *b, const struct nft_table *t, const char *chain,
                  uint64_t handle);
/* Whether a rule (as answered to nft_rules_get) has this comment; its handle in *ret. */
bool nft_rule_has_comment(const struct nl_message_view *rule, const char *comment,
                          uint64_t *ret_handle);
/* The policy of a chain as answered to nft_chain_get: NF_ACCEPT, NF_DROP, or -1. */
int nft_chain_policy(const struct nl_message_view *chain);

void nft_meta(struct nl_batch *b, uint32_t key, unsigned reg);
void nft_payload(struct nl_batch *b, uint32_t base, uint32_t offset, uint32_t len, unsigned reg);
void nft_ct(struct nl_batch *b, uint32_t key, unsigned reg);
void nft_fib_daddr_type(struct nl_batch *b, unsigned reg);
void nft_cmp(struct nl_batch *b, uint32_t op, unsigned reg, const void *data, size_t len);
/* Go on when any of the bits is set in the 4-byte register. */
void nft_any_bit(struct nl_batch *b, unsigned reg, uint32_t bits);
/* reg = reg & mask, 4 bytes in network order. */
void nft_mask(struct nl_batch *b, unsigned reg, uint32_t mask_be);
/* Look the key at reg up in a map and put the data at the same reg; ends the rule when absent. */
void nft_lookup(struct nl_batch *b, unsigned reg, const char *map);
void nft_dnat_ipv4(struct nl_batch *b, unsigned addr_reg, unsigned port_reg);
void nft_masquerade(struct nl_batch *b);
void nft_counter(struct nl_batch *b);
void nft_verdict(struct nl_batch *b, int32_t verdict); /* NF_ACCEPT, NF_DROP, NFT_RETURN */
