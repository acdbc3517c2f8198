/* protobuf: the wire format of protocol buffers, as far as small messages need it: varints, strings
 * and nested messages. Writing appends to a strbuf; reading walks bytes that are not trusted. */
#pragma once
#include "base/strbuf.h"
#include <stdbool.h>
#include <stdint.h>

void protobuf_add_uint(struct strbuf *sb, unsigned field, uint64_t value); /* also bool and enum */
void protobuf_add_int(struct strbuf *sb, unsigned field, int64_t value);   /* int32, int64 */
void protobuf_add_str(struct strbuf *sb, unsigned field, const char *value);
void protobuf_add_message(struct strbuf *sb, unsigned field, const struct strbuf *message);

struct protobuf_reader {
	const uint8_t *at, *end;
};

struct protobuf_field {
	unsigned number;
	uint64_t value;      /* of a varint or a fixed-size number */
	const uint8_t *data; /* of a string or message; else NULL */
	size_t len;
};

/* The next field: 1, 0 at the end, -EINVAL for what is no message. */
int protobuf_next(struct protobuf_reader *r, struct protobuf_field *ret);
