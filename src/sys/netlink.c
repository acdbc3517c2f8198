#include "sys/netlink.h"

#include <arpa/inet.h>
#include <assert.h>
#include <endian.h>
#include <errno.h>
#include <linux/netlink.h>
#include <sys/socket.h>

/* Large enough for any single answer: the kernel's biggest skb for a dump is 32 KiB. */
#define RECEIVE_BYTES 32768
/* Below this a batch fits any socket's buffer. */
#define DEFAULT_SEND_BYTES 65536

void nl_batch_done(struct nl_batch *b)
{
	strbuf_done(&b->buf);
}

void nl_batch_reset(struct nl_batch *b)
{
	strbuf_reset(&b->buf);
	b->message = 0;
	b->seq = 0;
	b->failed_seq = 0;
	b->reason[0] = '\0';
}

int nl_open(int protocol)
{
	AUTO_FD fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, protocol);
	int on = 1;

	if (fd < 0)
		return -errno;
	/* both are only about how errors are told: going on without them is fine */
	(void)setsockopt(fd, SOL_NETLINK, NETLINK_EXT_ACK, &on, sizeof(on));
	(void)setsockopt(fd, SOL_NETLINK, NETLINK_CAP_ACK, &on, sizeof(on));
	return TAKE_FD(fd);
}

static struct nlmsghdr *current(struct nl_batch *b)
{
	return (struct nlmsghdr *)(void *)(b->buf.buf + b->message);
}

void nl_raw(struct nl_batch *b, const void *data, size_t len)
{
	static const char zeros[NLMSG_ALIGNTO];

	strbuf_add(&b->buf, data, len);
	strbuf_add(&b->buf, zeros, NLMSG_ALIGN(len) - len);
	current(b)->nlmsg_len = (uint32_t)(b->buf.len - b->message);
}

void nl_message(struct nl_batch *b, uint16_t type, uint16_t flags, const void *header,
                size_t header_len)
{
	struct nlmsghdr head = {
		.nlmsg_len = sizeof(head),
		.nlmsg_type = type,
		.nlmsg_flags = NLM_F_REQUEST | flags,
		.nlmsg_seq = ++b->seq,
	};

	b->message = b->buf.len;
	strbuf_add(&b->buf, &head, sizeof(head));
	nl_raw(b, header, header_len);
}

void nl_attr(struct nl_batch *b, uint16_t type, const void *data, size_t len)
{
	struct nlattr head = { .nla_len = (uint16_t)(sizeof(head) + len), .nla_type = type };

	assert(len <= UINT16_MAX - sizeof(head));
	strbuf_add(&b->buf, &head, sizeof(head));
	nl_raw(b, data, len);
}

void nl_attr_str(struct nl_batch *b, uint16_t type, const char *s)
{
	nl_attr(b, type, s, strlen(s) + 1);
}

void nl_attr_u8(struct nl_batch *b, uint16_t type, uint8_t v)
{
	nl_attr(b, type, &v, sizeof(v));
}

void nl_attr_u32(struct nl_batch *b, uint16_t type, uint32_t v)
{
	nl_attr(b, type, &v, sizeof(v));
}

void nl_attr_be32(struct nl_batch *b, uint16_t type, uint32_t v)
{
	nl_attr_u32(b, type, htonl(v));
}

void nl_attr_be64(struct nl_batch *b, uint16_t type, uint64_t v)
{
	v = htobe64(v);
	nl_attr(b, type, &v, sizeof(v));
}

size_t nl_nest(struct nl_batch *b, uint16_t type)
{
	size_t mark = b->buf.len;

	nl_attr(b, type | NLA_F_NESTED, NULL, 0);
	return mark;
}

void nl_nest_end(struct nl_batch *b, size_t mark)
{
	struct nlattr *attr = (struct nlattr *)(void *)(b->buf.buf + mark);
	size_t len = b->buf.len - mark;

	assert(len <= UINT16_MAX);
	attr->nla_len = (uint16_t)len;
}

const void *nl_find_attr(const void *data, size_t len, uint16_t type, size_t *ret_len)
{
	const char *p = data;

	while (len >= sizeof(struct nlattr)) {
		struct nlattr attr;
		size_t step;

		memcpy(&attr, p, sizeof(attr));
		if (attr.nla_len < sizeof(attr) || attr.nla_len > len)
			return NULL;
		if ((attr.nla_type & NLA_TYPE_MASK) == type) {
			*ret_len = attr.nla_len - sizeof(attr);
			return p + sizeof(attr);
		}
		step = NLA_ALIGN(attr.nla_len);
		if (step > len)
			return NULL;
		p += step;
		len -= step;
	}
	return NULL;
}

/* Take error number and text out of an error message; 0 for an acknowledgement. */
static int read_error(struct nl_batch *b, const struct nlmsghdr *head)
{
	const struct nlmsgerr *e = NLMSG_DATA(head);
	size_t fixed = NLMSG_HDRLEN + sizeof(*e), text_len;
	const char *text;

	if (head->nlmsg_len < fixed)
		return -EBADMSG;
	if (!e->error)
		return 0;
	/* the first failure is the cause; later ones follow from it */
	if (b->failed_seq)
		return e->error;
	b->failed_seq = e->msg.nlmsg_seq;
	if (!(head->nlmsg_flags & NLM_F_ACK_TLVS))
		return e->error;
	if (!(head->nlmsg_flags & NLM_F_CAPPED) && e->msg.nlmsg_len > NLMSG_HDRLEN)
		fixed += NLMSG_ALIGN(e->msg.nlmsg_len) - NLMSG_HDRLEN;
	if (fixed > head->nlmsg_len)
		return e->error;
	text = nl_find_attr((const char *)head + fixed, head->nlmsg_len - fixed, NLMSGERR_ATTR_MSG,
	                    &text_len);
	if (text)
		snprintf(b->reason, sizeof(b->reason), "%.*s", (int)text_len, text);
	return e->error;
}

/* Handle the messages of one datagram. Return 0 or the first error in it. */
static int read_datagram(struct nl_batch *b, const char *data, size_t len, nl_reply_fn *on_reply,
                         void *ctx)
{
	int first = 0;

	while (len >= sizeof(struct nlmsghdr)) {
		const struct nlmsghdr *head = (const struct nlmsghdr *)(const void *)data;
		int r = 0;

		if (head->nlmsg_len < sizeof(*head) || head->nlmsg_len > len)
			return -EBADMSG;
		if (head->nlmsg_type == NLMSG_ERROR)
			r = read_error(b, head);
		else if (on_reply && head->nlmsg_type >= NLMSG_MIN_TYPE)
			on_reply(ctx, &(struct nl_message_view){
					      .type = head->nlmsg_type,
					      .data = NLMSG_DATA(head),
					      .len = head->nlmsg_len - NLMSG_HDRLEN,
				      });
		if (r && !first)
			first = r;
		if (NLMSG_ALIGN(head->nlmsg_len) >= len)
			break;
		data += NLMSG_ALIGN(head->nlmsg_len);
		len -= NLMSG_ALIGN(head->nlmsg_len);
	}
	return first;
}

int nl_transact(int fd, struct nl_batch *b, nl_reply_fn *on_reply, void *ctx)
{
	_Alignas(struct nlmsghdr) char data[RECEIVE_BYTES];
	struct sockaddr_nl kernel = { .nl_family = AF_NETLINK };
	int len = (int)b->buf.len, first = 0;
	ssize_t n;

	b->failed_seq = 0;
	b->reason[0] = '\0';
	if (len > DEFAULT_SEND_BYTES)
		(void)setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &len, sizeof(len));
	do {
		n = sendto(fd, b->buf.buf, b->buf.len, 0, (struct sockaddr *)&kernel,
		           sizeof(kernel));
	} while (n < 0 && errno == EINTR);
	if (n < 0)
		return -errno;
	for (;;) {
		int r;

		n = recv(fd, data, sizeof(data), MSG_DONTWAIT);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN)
			return first;
		if (n < 0)
			return -errno;
		r = read_datagram(b, data, (size_t)n, on_reply, ctx);
		if (r && !first)
			first = r;
	}
}
