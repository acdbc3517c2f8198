/* netlink: messages as the kernel wants them, attributes as it gives them, and errors. */
#include "test.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/netfilter.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <sys/socket.h>

#include "sys/netlink-route.h"
#include "sys/nft.h"

START_TEST(messages_are_padded_and_counted)
{
	AUTO_NL_BATCH b = NL_BATCH_INIT;
	const struct nlmsghdr *head;
	const struct nlattr *attr;
	const char header[3] = "abc";

	nl_message(&b, 16, NLM_F_ACK, header, sizeof(header));
	nl_attr_str(&b, 7, "lo");
	nl_message(&b, 17, 0, NULL, 0);
	ck_assert_uint_eq(b.buf.len, 16 + 4 + 4 + 4 + 16);
	head = (const void *)b.buf.buf;
	ck_assert_uint_eq(head->nlmsg_len, 28);
	ck_assert_uint_eq(head->nlmsg_flags, NLM_F_REQUEST | NLM_F_ACK);
	ck_assert_uint_eq(head->nlmsg_seq, 1);
	attr = (const void *)(b.buf.buf + 20);
	ck_assert_uint_eq(attr->nla_len, 4 + 3);
	ck_assert_uint_eq(attr->nla_type, 7);
	ck_assert_str_eq((const char *)(attr + 1), "lo");
	head = (const void *)(b.buf.buf + 28);
	ck_assert_uint_eq(head->nlmsg_len, 16);
	ck_assert_uint_eq(head->nlmsg_seq, 2);
}
END_TEST

START_TEST(nests_hold_what_is_inside)
{
	AUTO_NL_BATCH b = NL_BATCH_INIT;
	size_t outer, inner, len;
	const char *data, *found;
	uint32_t value;

	nl_message(&b, 16, 0, NULL, 0);
	outer = nl_nest(&b, 1);
	nl_attr_u8(&b, 2, 9);
	inner = nl_nest(&b, 3);
	nl_attr_be32(&b, 4, 0x01020304);
	nl_nest_end(&b, inner);
	nl_nest_end(&b, outer);
	nl_attr_u32(&b, 5, 5);
	data = b.buf.buf + NLMSG_HDRLEN;
	found = nl_find_attr(data, b.buf.len - NLMSG_HDRLEN, 1, &len);
	ck_assert_ptr_nonnull(found);
	ck_assert_uint_eq(len, 8 + 4 + 8);
	found = nl_find_attr(found, len, 3, &len);
	ck_assert_ptr_nonnull(found);
	found = nl_find_attr(found, len, 4, &len);
	ck_assert_ptr_nonnull(found);
	ck_assert_uint_eq(len, 4);
	memcpy(&value, found, 4);
	ck_assert_uint_eq(value, htonl(0x01020304));
	ck_assert_ptr_nonnull(nl_find_attr(data, b.buf.len - NLMSG_HDRLEN, 5, &len));
	ck_assert_ptr_null(nl_find_attr(data, b.buf.len - NLMSG_HDRLEN, 6, &len));
}
END_TEST

START_TEST(broken_attributes_are_not_followed)
{
	struct nlattr attrs[2] = { { 4, 1 }, { 4, 2 } };
	size_t len;

	ck_assert_ptr_nonnull(nl_find_attr(attrs, sizeof(attrs), 2, &len));
	attrs[0].nla_len = 3;
	ck_assert_ptr_null(nl_find_attr(attrs, sizeof(attrs), 2, &len));
	attrs[0].nla_len = 9;
	ck_assert_ptr_null(nl_find_attr(attrs, sizeof(attrs), 2, &len));
	attrs[0].nla_len = 0;
	ck_assert_ptr_null(nl_find_attr(attrs, sizeof(attrs), 2, &len));
	/* the last one may lack its padding */
	attrs[0].nla_len = 7;
	ck_assert_ptr_null(nl_find_attr(attrs, 7, 2, &len));
	ck_assert_ptr_nonnull(nl_find_attr(attrs, 7, 1, &len));
	ck_assert_uint_eq(len, 3);
	ck_assert_ptr_null(nl_find_attr(attrs, 3, 1, &len));
}
END_TEST

/* Needs no privilege: the kernel refuses both, with the number of the first. */
START_TEST(the_kernels_refusal_names_the_message)
{
	AUTO_NL_BATCH b = NL_BATCH_INIT;
	AUTO_FD fd = nl_open(NETLINK_ROUTE);
	struct ifinfomsg head = { .ifi_index = 0x7ffffffe };

	ck_assert_int_ge(fd, 0);
	nl_message(&b, RTM_GETLINK, 0, &head, sizeof(head));
	rt_del_link(&b, 0x7ffffffd);
	ck_assert_int_lt(nl_transact(fd, &b, NULL, NULL), 0);
	ck_assert_uint_eq(b.failed_seq, 1);
	/* and the socket is clean for the next one */
	nl_batch_reset(&b);
	head.ifi_index = 1;
	nl_message(&b, RTM_GETLINK, 0, &head, sizeof(head));
	ck_assert_int_eq(nl_transact(fd, &b, NULL, NULL), 0);
}
END_TEST

static void count(void *ctx, const struct nl_message_view *m)
{
	if (m->type == RTM_NEWLINK)
		++*(int *)ctx;
}

START_TEST(dumps_are_read_to_their_end)
{
	AUTO_NL_BATCH b = NL_BATCH_INIT;
	AUTO_FD fd = nl_open(NETLINK_ROUTE);
	struct ifinfomsg head = { 0 };
	int links = 0;

	nl_message(&b, RTM_GETLINK, NLM_F_DUMP, &head, sizeof(head));
	ck_assert_int_eq(nl_transact(fd, &b, count, &links), 0);
	ck_assert_int_ge(links, 1);
}
END_TEST

START_TEST(rule_comments_are_found_again)
{
	AUTO_NL_BATCH b = NL_BATCH_INIT;
	const struct nft_table t = { NFPROTO_IPV4, "filter" };
	struct nl_message_view view;
	uint64_t handle = 0;

	nft_rule_end(&b, nft_rule_begin(&b, &t, "FORWARD", NFT_INSERT, "dhow0"));
	nl_attr_be64(&b, 3 /* NFTA_RULE_HANDLE */, 77);
	view = (struct nl_message_view){
		.type = ((const struct nlmsghdr *)(const void *)b.buf.buf)->nlmsg_type,
		.data = b.buf.buf + NLMSG_HDRLEN,
		.len = b.buf.len - NLMSG_HDRLEN,
	};
	ck_assert(nft_rule_has_comment(&view, "dhow0", &handle));
	ck_assert_uint_eq(handle, 77);
	ck_assert(!nft_rule_has_comment(&view, "dhow", &handle));
	ck_assert(!nft_rule_has_comment(&view, "dhow01", &handle));
	ck_assert_int_eq(nft_chain_policy(&view), -1);
}
END_TEST

TEST_MAIN("netlink", messages_are_padded_and_counted, nests_hold_what_is_inside,
          broken_attributes_are_not_followed, the_kernels_refusal_names_the_message,
          dumps_are_read_to_their_end, rule_comments_are_found_again)
