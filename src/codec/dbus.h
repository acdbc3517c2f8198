/* codec/dbus: messages of the D-Bus protocol (specification 0.38, little-endian), as far as asking
 * systemd for a scope needs them. Bytes in, bytes out.
 *
 * Writing: dbus_begin(), then the arguments in the order of the signature, then dbus_end(). Values
 * align themselves. Arrays and structures are opened and closed around their items.
 * Reading: dbus_parse() checks the header; a struct dbus_reader walks the body. Strings borrow from
 * the bytes that were parsed. */
#pragma once
#include "base/err.h"
#include "base/strbuf.h"
#include <stdbool.h>
#include <stdint.h>

#define DBUS_MESSAGE_MAX (1u << 20) /* larger ones are refused: the protocol's limit is 128 MiB */

enum dbus_type {
	DBUS_CALL = 1,
	DBUS_RETURN,
	DBUS_ERROR,
	DBUS_SIGNAL,
};

struct dbus_call {
	const char *destination; /* NULL: none */
	const char *path, *interface, *member;
	const char *signature; /* of the arguments; "" for none */
	uint32_t serial;       /* not 0 */
};

/* A message under construction. */
struct dbus_writer {
	struct strbuf buf;
	size_t body; /* where it starts */
};

#define DBUS_WRITER_INIT ((struct dbus_writer){ .buf = STRBUF_INIT })
#define AUTO_DBUS_WRITER __attribute__((cleanup(dbus_writer_done))) struct dbus_writer
void dbus_writer_done(struct dbus_writer *w);

void dbus_begin(struct dbus_writer *w, const struct dbus_call *call);
void dbus_end(struct dbus_writer *w);
void dbus_put_byte(struct dbus_writer *w, uint8_t v);
void dbus_put_bool(struct dbus_writer *w, bool v);
void dbus_put_u32(struct dbus_writer *w, uint32_t v);
void dbus_put_u64(struct dbus_writer *w, uint64_t v);
void dbus_put_string(struct dbus_writer *w, const char *s);    /* also an object path */
void dbus_put_signature(struct dbus_writer *w, const char *s); /* also the begin of a variant */
/* item_alignment: 8 for structures and 64-bit numbers, 4 for strings and numbers, 1 for bytes.
 * Returns what dbus_close_array() wants. */
size_t dbus_open_array(struct dbus_writer *w, size_t item_alignment);
void dbus_close_array(struct dbus_writer *w, size_t start, size_t item_alignment);
void dbus_open_struct(struct dbus_writer *w);

struct dbus_message {
	enum dbus_type type;
	uint32_t serial, reply_serial;
	const char *path, *interface, *member, *error_name, *signature; /* NULL where absent */
	const char *body;
	size_t body_len;
};

/* The size of a message that begins with these 16 bytes, or 0 for what is none. */
size_t dbus_message_size(const void *head);
int dbus_parse(const void *data, size_t len, struct dbus_message *ret, struct err *err);

struct dbus_reader {
	const char *data;
	size_t len, pos;
};
struct dbus_reader dbus_read_body(const struct dbus_message *m);
/* -1 when the body ends before, or is no such value. */
int dbus_read_u32(struct dbus_reader *r, uint32_t *ret);
int dbus_read_string(struct dbus_reader *r, const char **ret);
