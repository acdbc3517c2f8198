#include "sys/nft.h"

#include <arpa/inet.h>
#include <assert.h>
#include <endian.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_nat.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netlink.h>

/* A comment in a rule's user data, as nft writes it: type 0, length with NUL, text. */
#define COMMENT_MAX 64

static void message(struct nl_batch *b, uint16_t type, uint16_t flags, uint8_t family)
{
	struct nfgenmsg head = { .nfgen_family = family, .version = NFNETLINK_V0 };

	nl_message(b, (uint16_t)(NFNL_SUBSYS_NFTABLES << 8 | type), flags, &head, sizeof(head));
}

static void batch_edge(struct nl_batch *b, uint16_t type)
{
	struct nfgenmsg head = {
		.nfgen_family = AF_UNSPEC,
		.version = NFNETLINK_V0,
		.res_id = htons(NFNL_SUBSYS_NFTABLES),
	};

	nl_message(b, type, 0, &head, sizeof(head));
}

void nft_batch_begin(struct nl_batch *b)
{
	batch_edge(b, NFNL_MSG_BATCH_BEGIN);
}

void nft_batch_end(struct nl_batch *b)
{
	batch_edge(b, NFNL_MSG_BATCH_END);
}

void nft_table_add(struct nl_batch *b, const struct nft_table *t)
{
	message(b, NFT_MSG_NEWTABLE, NLM_F_CREATE, t->family);
	nl_attr_str(b, NFTA_TABLE_NAME, t->name);
}

void nft_table_get(struct nl_batch *b, const struct nft_table *t)
{
	message(b, NFT_MSG_GETTABLE, 0, t->family);
	nl_attr_str(b, NFTA_TABLE_NAME, t->name);
}

void nft_chain_get(struct nl_batch *b, const struct nft_table *t, const char *chain)
{
	message(b, NFT_MSG_GETCHAIN, 0, t->family);
	nl_attr_str(b, NFTA_CHAIN_TABLE, t->name);
	nl_attr_str(b, NFTA_CHAIN_NAME, chain);
}

void nft_rules_get(struct nl_batch *b, const struct nft_table *t, const char *chain)
{
	message(b, NFT_MSG_GETRULE, NLM_F_DUMP, t->family);
	nl_attr_str(b, NFTA_RULE_TABLE, t->name);
	nl_attr_str(b, NFTA_RULE_CHAIN, chain);
}

void nft_table_del(struct nl_batch *b, const struct nft_table *t)
{
	message(b, NFT_MSG_DELTABLE, 0, t->family);
	nl_attr_str(b, NFTA_TABLE_NAME, t->name);
}

void nft_chain_add(struct nl_batch *b, const struct nft_table *t, const struct nft_chain *chain)
{
	size_t hook;

	message(b, NFT_MSG_NEWCHAIN, NLM_F_CREATE, t->family);
	nl_attr_str(b, NFTA_CHAIN_TABLE, t->name);
	nl_attr_str(b, NFTA_CHAIN_NAME, chain->name);
	hook = nl_nest(b, NFTA_CHAIN_HOOK);
	nl_attr_be32(b, NFTA_HOOK_HOOKNUM, chain->hook);
	nl_attr_be32(b, NFTA_HOOK_PRIORITY, (uint32_t)chain->priority);
	nl_nest_end(b, hook);
	nl_attr_be32(b, NFTA_CHAIN_POLICY, NF_ACCEPT);
	nl_attr_str(b, NFTA_CHAIN_TYPE, chain->type);
}

void nft_map_add(struct nl_batch *b, const struct nft_table *t, const struct nft_map *map)
{
	message(b, NFT_MSG_NEWSET, NLM_F_CREATE, t->family);
	nl_attr_str(b, NFTA_SET_TABLE, t->name);
	nl_attr_str(b, NFTA_SET_NAME, map->name);
	nl_attr_be32(b, NFTA_SET_ID, map->id);
	nl_attr_be32(b, NFTA_SET_FLAGS, NFT_SET_MAP);
	nl_attr_be32(b, NFTA_SET_KEY_TYPE, map->key_type);
	nl_attr_be32(b, NFTA_SET_KEY_LEN, map->key_len);
	nl_attr_be32(b, NFTA_SET_DATA_TYPE, map->data_type);
	nl_attr_be32(b, NFTA_SET_DATA_LEN, map->data_len);
}

size_t nft_elems_begin(struct nl_batch *b, enum nft_change change, const struct nft_table *t,
                       const char *map)
{
	if (change == NFT_ADD)
		message(b, NFT_MSG_NEWSETELEM, NLM_F_CREATE, t->family);
	else
		message(b, NFT_MSG_DELSETELEM, 0, t->family);
	nl_attr_str(b, NFTA_SET_ELEM_LIST_TABLE, t->name);
	nl_attr_str(b, NFTA_SET_ELEM_LIST_SET, map);
	return nl_nest(b, NFTA_SET_ELEM_LIST_ELEMENTS);
}

void nft_elem(struct nl_batch *b, const void *key, size_t key_len, const void *data,
              size_t data_len)
{
	size_t elem = nl_nest(b, NFTA_LIST_ELEM), value = nl_nest(b, NFTA_SET_ELEM_KEY);

	nl_attr(b, NFTA_DATA_VALUE, key, key_len);
	nl_nest_end(b, value);
	if (data) {
		value = nl_nest(b, NFTA_SET_ELEM_DATA);
		nl_attr(b, NFTA_DATA_VALUE, data, data_len);
		nl_nest_end(b, value);
	}
	nl_nest_end(b, elem);
}

void nft_elems_end(struct nl_batch *b, size_t mark)
{
	nl_nest_end(b, mark);
}

size_t nft_rule_begin(struct nl_batch *b, const struct nft_table *t, const char *chain,
                      enum nft_where where, const char *comment)
{
	message(b, NFT_MSG_NEWRULE, NLM_F_CREATE | (where == NFT_APPEND ? NLM_F_APPEND : 0),
	        t->family);
	nl_attr_str(b, NFTA_RULE_TABLE, t->name);
	nl_attr_str(b, NFTA_RULE_CHAIN, chain);
	if (comment) {
		char data[2 + COMMENT_MAX] = { 0 };
		size_t len = strlen(comment) + 1;

		assert(len <= COMMENT_MAX);
		data[1] = (char)len;
		memcpy(data + 2, comment, len);
		nl_attr(b, NFTA_RULE_USERDATA, data, 2 + len);
	}
	return nl_nest(b, NFTA_RULE_EXPRESSIONS);
}

void nft_rule_end(struct nl_batch *b, size_t mark)
{
	nl_nest_end(b, mark);
}

void nft_rule_del(struct nl_batch *b, const struct nft_table *t, const char *chain, uint64_t handle)
{
	message(b, NFT_MSG_DELRULE, 0, t->family);
	nl_attr_str(b, NFTA_RULE_TABLE, t->name);
	nl_attr_str(b, NFTA_RULE_CHAIN, chain);
	nl_attr_be64(b, NFTA_RULE_HANDLE, handle);
}

/* The attributes of an answer, after the nfnetlink header. */
static const void *answer_attr(const struct nl_message_view *m, uint16_t wanted, uint16_t attr,
                               size_t *ret_len)
{
	if (m->type != (NFNL_SUBSYS_NFTABLES << 8 | wanted) || m->len < sizeof(struct nfgenmsg))
		return NULL;
	return nl_find_attr((const char *)m->data + sizeof(struct nfgenmsg),
	                    m->len - sizeof(struct nfgenmsg), attr, ret_len);
}

bool nft_rule_has_comment(const struct nl_message_view *rule, const char *comment,
                          uint64_t *ret_handle)
{
	size_t len, handle_len;
	const char *data = answer_attr(rule, NFT_MSG_NEWRULE, NFTA_RULE_USERDATA, &len);
	const void *handle = answer_attr(rule, NFT_MSG_NEWRULE, NFTA_RULE_HANDLE, &handle_len);
	size_t want = strlen(comment) + 1;

	if (!data || !handle || handle_len != sizeof(*ret_handle))
		return false;
	if (len < 2 + want || data[0] != 0 || (size_t)data[1] != want ||
	    memcmp(data + 2, comment, want) != 0)
		return false;
	memcpy(ret_handle, handle, sizeof(*ret_handle));
	*ret_handle = be64toh(*ret_handle);
	return true;
}

int nft_chain_policy(const struct nl_message_view *chain)
{
	size_t len;
	const void *data = answer_attr(chain, NFT_MSG_NEWCHAIN, NFTA_CHAIN_POLICY, &len);
	uint32_t policy;

	if (!data || len != sizeof(policy))
		return -1;
	memcpy(&policy, data, sizeof(policy));
	return (int)ntohl(policy);
}

struct expr {
	size_t elem;
	size_t data;
};

static struct expr expr_begin(struct nl_batch *b, const char *name)
{
	struct expr e = { .elem = nl_nest(b, NFTA_LIST_ELEM) };

	nl_attr_str(b, NFTA_EXPR_NAME, name);
	e.data = nl_nest(b, NFTA_EXPR_DATA);
	return e;
}

static void expr_end(struct nl_batch *b, struct expr e)
{
	nl_nest_end(b, e.data);
	nl_nest_end(b, e.elem);
}

static uint32_t reg32(unsigned reg)
{
	return NFT_REG32_00 + reg;
}

static void value(struct nl_batch *b, uint16_t attr, const void *data, size_t len)
{
	size_t mark = nl_nest(b, attr);

	nl_attr(b, NFTA_DATA_VALUE, data, len);
	nl_nest_end(b, mark);
}

void nft_meta(struct nl_batch *b, uint32_t key, unsigned reg)
{
	struct expr e = expr_begin(b, "meta");

	nl_attr_be32(b, NFTA_META_DREG, reg32(reg));
	nl_attr_be32(b, NFTA_META_KEY, key);
	expr_end(b, e);
}

void nft_payload(struct nl_batch *b, uint32_t base, uint32_t offset, uint32_t len, unsigned reg)
{
	struct expr e = expr_begin(b, "payload");

	nl_attr_be32(b, NFTA_PAYLOAD_DREG, reg32(reg));
	nl_attr_be32(b, NFTA_PAYLOAD_BASE, base);
	nl_attr_be32(b, NFTA_PAYLOAD_OFFSET, offset);
	nl_attr_be32(b, NFTA_PAYLOAD_LEN, len);
	expr_end(b, e);
}

void nft_ct(struct nl_batch *b, uint32_t key, unsigned reg)
{
	struct expr e = expr_begin(b, "ct");

	nl_attr_be32(b, NFTA_CT_DREG, reg32(reg));
	nl_attr_be32(b, NFTA_CT_KEY, key);
	expr_end(b, e);
}

void nft_fib_daddr_type(struct nl_batch *b, unsigned reg)
{
	struct expr e = expr_begin(b, "fib");

	nl_attr_be32(b, NFTA_FIB_DREG, reg32(reg));
	nl_attr_be32(b, NFTA_FIB_RESULT, NFT_FIB_RESULT_ADDRTYPE);
	nl_attr_be32(b, NFTA_FIB_FLAGS, NFTA_FIB_F_DADDR);
	expr_end(b, e);
}

void nft_cmp(struct nl_batch *b, uint32_t op, unsigned reg, const void *data, size_t len)
{
	struct expr e = expr_begin(b, "cmp");

	nl_attr_be32(b, NFTA_CMP_SREG, reg32(reg));
	nl_attr_be32(b, NFTA_CMP_OP, op);
	value(b, NFTA_CMP_DATA, data, len);
	expr_end(b, e);
}

static void bitwise_and(struct nl_batch *b, unsigned reg, const void *mask)
{
	static const uint32_t zero;
	struct expr e = expr_begin(b, "bitwise");

	nl_attr_be32(b, NFTA_BITWISE_SREG, reg32(reg));
	nl_attr_be32(b, NFTA_BITWISE_DREG, reg32(reg));
	nl_attr_be32(b, NFTA_BITWISE_LEN, sizeof(zero));
	value(b, NFTA_BITWISE_MASK, mask, sizeof(zero));
	value(b, NFTA_BITWISE_XOR, &zero, sizeof(zero));
	expr_end(b, e);
}

void nft_any_bit(struct nl_batch *b, unsigned reg, uint32_t bits)
{
	static const uint32_t zero;

	bitwise_and(b, reg, &bits);
	nft_cmp(b, NFT_CMP_NEQ, reg, &zero, sizeof(zero));
}

void nft_mask(struct nl_batch *b, unsigned reg, uint32_t mask_be)
{
	bitwise_and(b, reg, &mask_be);
}

void nft_lookup(struct nl_batch *b, unsigned reg, const char *map)
{
	struct expr e = expr_begin(b, "lookup");

	nl_attr_str(b, NFTA_LOOKUP_SET, map);
	nl_attr_be32(b, NFTA_LOOKUP_SREG, reg32(reg));
	nl_attr_be32(b, NFTA_LOOKUP_DREG, reg32(reg));
	expr_end(b, e);
}

void nft_dnat_ipv4(struct nl_batch *b, unsigned addr_reg, unsigned port_reg)
{
	struct expr e = expr_begin(b, "nat");

	nl_attr_be32(b, NFTA_NAT_TYPE, NFT_NAT_DNAT);
	nl_attr_be32(b, NFTA_NAT_FAMILY, NFPROTO_IPV4);
	nl_attr_be32(b, NFTA_NAT_REG_ADDR_MIN, reg32(addr_reg));
	nl_attr_be32(b, NFTA_NAT_REG_PROTO_MIN, reg32(port_reg));
	nl_attr_be32(b, NFTA_NAT_FLAGS, NF_NAT_RANGE_PROTO_SPECIFIED);
	expr_end(b, e);
}

void nft_masquerade(struct nl_batch *b)
{
	expr_end(b, expr_begin(b, "masq"));
}

void nft_counter(struct nl_batch *b)
{
	expr_end(b, expr_begin(b, "counter"));
}

void nft_verdict(struct nl_batch *b, int32_t verdict)
{
	struct expr e = expr_begin(b, "immediate");
	size_t data, code;

	nl_attr_be32(b, NFTA_IMMEDIATE_DREG, NFT_REG_VERDICT);
	data = nl_nest(b, NFTA_IMMEDIATE_DATA);
	code = nl_nest(b, NFTA_DATA_VERDICT);
	nl_attr_be32(b, NFTA_VERDICT_CODE, (uint32_t)verdict);
	nl_nest_end(b, code);
	nl_nest_end(b, data);
	expr_end(b, e);
}
