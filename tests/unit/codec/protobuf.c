#include "test.h"

#include "codec/protobuf.h"

#include <errno.h>
#include <string.h>

static int next(struct protobuf_reader *r, struct protobuf_field *f)
{
	return protobuf_next(r, f);
}

START_TEST(what_is_written_is_read)
{
	AUTO_BUF inner = STRBUF_INIT, sb = STRBUF_INIT;
	struct protobuf_reader r;
	struct protobuf_field f;

	protobuf_add_str(&inner, 1, "key");
	protobuf_add_uint(&sb, 1, 300);
	protobuf_add_int(&sb, 17, -1);
	protobuf_add_message(&sb, 2, &inner);
	/* the example of the format's description: field 1, 300 */
	ck_assert_int_eq(memcmp(sb.buf, "\x08\xac\x02", 3), 0);
	r = (struct protobuf_reader){ (uint8_t *)sb.buf, (uint8_t *)sb.buf + sb.len };
	ck_assert_int_eq(next(&r, &f), 1);
	ck_assert_uint_eq(f.number, 1);
	ck_assert_uint_eq(f.value, 300);
	ck_assert_int_eq(next(&r, &f), 1);
	ck_assert_uint_eq(f.number, 17);
	ck_assert_uint_eq(f.value, UINT64_MAX);
	ck_assert_int_eq(next(&r, &f), 1);
	ck_assert_uint_eq(f.number, 2);
	ck_assert_uint_eq(f.len, 5);
	ck_assert_int_eq(memcmp(f.data + 2, "key", 3), 0);
	ck_assert_int_eq(next(&r, &f), 0);
}
END_TEST

START_TEST(what_is_no_message_is_refused)
{
	static const struct {
		const char *bytes;
		size_t len;
	} bad[] = {
		{ "\x08", 1 },                                              /* no value */
		{ "\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", 12 }, /* too long a number */
		{ "\x12\x05xy", 4 },                                        /* cut off */
		{ "\x12\xff\xff\xff\xff\xff\xff\xff\xff\x7f", 10 },         /* huge */
		{ "\x0b", 1 },                                              /* a group */
		{ "\x00\x00", 2 },                                          /* field 0 */
		{ "\x0d\x01\x02", 3 }, /* half a fixed number */
	};

	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		const uint8_t *at = (const uint8_t *)bad[i].bytes;
		struct protobuf_reader r = { at, at + bad[i].len };
		struct protobuf_field f;

		ck_assert_msg(next(&r, &f) == -EINVAL, "case %zu", i);
	}
}
END_TEST

TEST_MAIN("protobuf", what_is_written_is_read, what_is_no_message_is_refused)
