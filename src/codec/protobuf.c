#include "codec/protobuf.h"

#include <errno.h>

enum wire { WIRE_VARINT = 0, WIRE_FIXED64 = 1, WIRE_BYTES = 2, WIRE_FIXED32 = 5 };

static void add_varint(struct strbuf *sb, uint64_t v)
{
	for (; v >= 0x80; v >>= 7)
		strbuf_addc(sb, (char)(v | 0x80));
	strbuf_addc(sb, (char)v);
}

void protobuf_add_uint(struct strbuf *sb, unsigned field, uint64_t value)
{
	add_varint(sb, field << 3 | WIRE_VARINT);
	add_varint(sb, value);
}

void protobuf_add_int(struct strbuf *sb, unsigned field, int64_t value)
{
	protobuf_add_uint(sb, field, (uint64_t)value); /* negative ones take ten bytes */
}

static void add_bytes(struct strbuf *sb, unsigned field, const void *data, size_t len)
{
	add_varint(sb, field << 3 | WIRE_BYTES);
	add_varint(sb, len);
	strbuf_add(sb, data, len);
}

void protobuf_add_str(struct strbuf *sb, unsigned field, const char *value)
{
	add_bytes(sb, field, value, strlen(value));
}

void protobuf_add_message(struct strbuf *sb, unsigned field, const struct strbuf *message)
{
	add_bytes(sb, field, message->buf, message->len);
}

static bool get_varint(struct protobuf_reader *r, uint64_t *ret)
{
	uint64_t v = 0;

	for (unsigned shift = 0; shift < 64 && r->at < r->end; shift += 7) {
		uint8_t byte = *r->at++;

		v |= (uint64_t)(byte & 0x7f) << shift;
		if (!(byte & 0x80)) {
			*ret = v;
			return true;
		}
	}
	return false;
}

static bool get_fixed(struct protobuf_reader *r, unsigned bytes, uint64_t *ret)
{
	if ((size_t)(r->end - r->at) < bytes)
		return false;
	*ret = 0;
	for (unsigned i = 0; i < bytes; i++)
		*ret |= (uint64_t)*r->at++ << 8 * i;
	return true;
}

int protobuf_next(struct protobuf_reader *r, struct protobuf_field *ret)
{
	uint64_t key, len;

	*ret = (struct protobuf_field){ 0 };
	if (r->at == r->end)
		return 0;
	if (!get_varint(r, &key) || key >> 3 == 0 || key >> 3 > 0x1fffffff)
		return -EINVAL;
	ret->number = (unsigned)(key >> 3);
	switch (key & 7) {
	case WIRE_VARINT:
		return get_varint(r, &ret->value) ? 1 : -EINVAL;
	case WIRE_FIXED64:
		return get_fixed(r, 8, &ret->value) ? 1 : -EINVAL;
	case WIRE_FIXED32:
		return get_fixed(r, 4, &ret->value) ? 1 : -EINVAL;
	case WIRE_BYTES:
		if (!get_varint(r, &len) || len > (size_t)(r->end - r->at))
			return -EINVAL;
		ret->data = r->at;
		ret->len = (size_t)len;
		r->at += len;
		return 1;
	default:
		return -EINVAL;
	}
}
