/* netlink: build messages, send them in one system call, read the answers.
 * Used for links, addresses and routes (rtnetlink) and for nftables (nfnetlink). The kernel handles
 * a request inside sendmsg, so when it returns every answer is already in the socket's queue;
 * nothing here ever waits. Leaf tier: 0 or -errno. */
#pragma once
#include "base/strbuf.h"
#include <stdbool.h>
#include <stdint.h>

struct nl_batch {
	struct strbuf buf;
	size_t message; /* where the current message starts */
	uint32_t seq;   /* of the current message; the first one has 1 */
	/* after a failed nl_transact: */
	uint32_t failed_seq; /* of the message the kernel refused, 0 when it was not a message */
	char reason[120];    /* the kernel's own words, or empty */
};

#define NL_BATCH_INIT ((struct nl_batch){ .buf = STRBUF_INIT })
#define AUTO_NL_BATCH __attribute__((cleanup(nl_batch_done))) struct nl_batch

void nl_batch_done(struct nl_batch *b);
void nl_batch_reset(struct nl_batch *b); /* empty, memory kept */

/* A netlink socket in the calling thread's network namespace, with the kernel's error texts
 * switched on. Return the fd or -errno. */
int nl_open(int protocol);

/* Start a message (NLM_F_REQUEST is implied) with its protocol header; then attributes. It ends
 * where the next one begins or the batch is sent. */
void nl_message(struct nl_batch *b, uint16_t type, uint16_t flags, const void *header,
                size_t header_len);
void nl_attr(struct nl_batch *b, uint16_t type, const void *data, size_t len);
void nl_attr_str(struct nl_batch *b, uint16_t type, const char *s); /* with its NUL */
void nl_attr_u8(struct nl_batch *b, uint16_t type, uint8_t v);
void nl_attr_u32(struct nl_batch *b, uint16_t type, uint32_t v);
void nl_attr_be32(struct nl_batch *b, uint16_t type, uint32_t v); /* converts */
void nl_attr_be64(struct nl_batch *b, uint16_t type, uint64_t v); /* converts */
/* A nested attribute: returns a mark for nl_nest_end. More than 64 KiB in one is a caller's bug. */
size_t nl_nest(struct nl_batch *b, uint16_t type);
void nl_nest_end(struct nl_batch *b, size_t mark);
/* Raw bytes inside the current message or nest, padded to 4. */
void nl_raw(struct nl_batch *b, const void *data, size_t len);

struct nl_message_view {
	uint16_t type;
	const void *data; /* after the netlink header: the protocol's own header first */
	size_t len;
};

/* Called for each message that is not an acknowledgement. */
typedef void nl_reply_fn(void *ctx, const struct nl_message_view *message);

/* Send the batch and read the answers. Return 0, or -errno of the first refused message, with
 * failed_seq and reason in the batch. on_reply may be NULL. Dumps are read to their end. */
int nl_transact(int fd, struct nl_batch *b, nl_reply_fn *on_reply, void *ctx);

/* Walk attributes: find `type` among the attributes in data; NULL when absent. */
const void *nl_find_attr(const void *data, size_t len, uint16_t type, size_t *ret_len);
