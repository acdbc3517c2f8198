#include "codec/dbus.h"

#include <endian.h>
#include <string.h>

#define HEAD_SIZE 16 /* up to and with the length of the header fields */

enum field {
	FIELD_PATH = 1,
	FIELD_INTERFACE,
	FIELD_MEMBER,
	FIELD_ERROR_NAME,
	FIELD_REPLY_SERIAL,
	FIELD_DESTINATION,
	FIELD_SENDER,
	FIELD_SIGNATURE,
};

/* ---- writing ---- */

void dbus_writer_done(struct dbus_writer *w)
{
	strbuf_done(&w->buf);
}

static void align(struct dbus_writer *w, size_t to)
{
	/* Counted from the start of the message; the body starts at a multiple of 8. */
	while (w->buf.len % to)
		strbuf_addc(&w->buf, 0);
}

static void patch_u32(struct dbus_writer *w, size_t at, size_t value)
{
	uint32_t v = htole32((uint32_t)value);

	memcpy(w->buf.buf + at, &v, sizeof(v));
}

void dbus_put_byte(struct dbus_writer *w, uint8_t v)
{
	strbuf_add(&w->buf, &v, 1);
}

void dbus_put_u32(struct dbus_writer *w, uint32_t v)
{
	uint32_t le = htole32(v);

	align(w, 4);
	strbuf_add(&w->buf, &le, sizeof(le));
}

void dbus_put_bool(struct dbus_writer *w, bool v)
{
	dbus_put_u32(w, v);
}

void dbus_put_u64(struct dbus_writer *w, uint64_t v)
{
	uint64_t le = htole64(v);

	align(w, 8);
	strbuf_add(&w->buf, &le, sizeof(le));
}

void dbus_put_string(struct dbus_writer *w, const char *s)
{
	dbus_put_u32(w, (uint32_t)strlen(s));
	strbuf_add(&w->buf, s, strlen(s) + 1);
}

void dbus_put_signature(struct dbus_writer *w, const char *s)
{
	dbus_put_byte(w, (uint8_t)strlen(s));
	strbuf_add(&w->buf, s, strlen(s) + 1);
}

size_t dbus_open_array(struct dbus_writer *w, size_t item_alignment)
{
	size_t start;

	dbus_put_u32(w, 0);
	start = w->buf.len;
	/* The space before the first item does not count. */
	align(w, item_alignment);
	return start;
}

void dbus_close_array(struct dbus_writer *w, size_t start, size_t item_alignment)
{
	size_t first = (start + item_alignment - 1) / item_alignment * item_alignment;

	patch_u32(w, start - 4, w->buf.len - first);
}

void dbus_open_struct(struct dbus_writer *w)
{
	align(w, 8);
}

static void put_field(struct dbus_writer *w, enum field field, const char *signature,
                      const char *value)
{
	if (!value || !*value)
		return;
	dbus_open_struct(w);
	dbus_put_byte(w, (uint8_t)field);
	dbus_put_signature(w, signature);
	if (*signature == 'g')
		dbus_put_signature(w, value);
	else
		dbus_put_string(w, value);
}

void dbus_begin(struct dbus_writer *w, const struct dbus_call *call)
{
	static const char head[] = { 'l', DBUS_CALL, 0, 1 };
	size_t fields;

	strbuf_reset(&w->buf);
	strbuf_add(&w->buf, head, sizeof(head));
	dbus_put_u32(w, 0); /* the body's length */
	dbus_put_u32(w, call->serial);
	fields = dbus_open_array(w, 8);
	put_field(w, FIELD_PATH, "o", call->path);
	put_field(w, FIELD_INTERFACE, "s", call->interface);
	put_field(w, FIELD_MEMBER, "s", call->member);
	put_field(w, FIELD_DESTINATION, "s", call->destination);
	put_field(w, FIELD_SIGNATURE, "g", call->signature);
	dbus_close_array(w, fields, 8);
	align(w, 8);
	w->body = w->buf.len;
}

void dbus_end(struct dbus_writer *w)
{
	patch_u32(w, 4, w->buf.len - w->body);
}

/* ---- reading ---- */

static int skip_to(struct dbus_reader *r, size_t alignment)
{
	size_t to = (r->pos + alignment - 1) / alignment * alignment;

	if (to > r->len)
		return -1;
	r->pos = to;
	return 0;
}

int dbus_read_u32(struct dbus_reader *r, uint32_t *ret)
{
	uint32_t v;

	if (skip_to(r, 4) < 0 || r->len - r->pos < sizeof(v))
		return -1;
	memcpy(&v, r->data + r->pos, sizeof(v));
	r->pos += sizeof(v);
	*ret = le32toh(v);
	return 0;
}

static int read_byte(struct dbus_reader *r, uint8_t *ret)
{
	if (r->pos >= r->len)
		return -1;
	*ret = (uint8_t)r->data[r->pos++];
	return 0;
}

/* len bytes and a NUL, with none among them. */
static int read_text(struct dbus_reader *r, size_t len, const char **ret)
{
	const char *text = r->data + r->pos;

	if (r->len - r->pos <= len || text[len] || memchr(text, 0, len))
		return -1;
	r->pos += len + 1;
	*ret = text;
	return 0;
}

int dbus_read_string(struct dbus_reader *r, const char **ret)
{
	uint32_t len;

	return dbus_read_u32(r, &len) < 0 ? -1 : read_text(r, len, ret);
}

static int read_signature(struct dbus_reader *r, const char **ret)
{
	uint8_t len;

	return read_byte(r, &len) < 0 ? -1 : read_text(r, len, ret);
}

struct dbus_reader dbus_read_body(const struct dbus_message *m)
{
	return (struct dbus_reader){ m->body, m->body_len, 0 };
}

static size_t get_u32(const void *head, size_t at)
{
	uint32_t v;

	memcpy(&v, (const char *)head + at, sizeof(v));
	return le32toh(v);
}

size_t dbus_message_size(const void *head)
{
	const char *h = head;
	size_t body = get_u32(head, 4), fields = get_u32(head, 12), size;

	if (h[0] != 'l' || h[3] != 1 || body > DBUS_MESSAGE_MAX || fields > DBUS_MESSAGE_MAX)
		return 0;
	size = HEAD_SIZE + (fields + 7) / 8 * 8 + body;
	return size <= DBUS_MESSAGE_MAX ? size : 0;
}

/* One header field: a byte that says which, and a variant of one basic value. */
static int read_field(struct dbus_reader *r, struct dbus_message *m)
{
	const char *type, *text = NULL;
	uint32_t number = 0;
	uint8_t field;

	if (skip_to(r, 8) < 0 || read_byte(r, &field) < 0 || read_signature(r, &type) < 0)
		return -1;
	if (strcmp(type, "s") == 0 || strcmp(type, "o") == 0) {
		if (dbus_read_string(r, &text) < 0)
			return -1;
	} else if (strcmp(type, "g") == 0) {
		if (read_signature(r, &text) < 0)
			return -1;
	} else if (strcmp(type, "u") != 0 || dbus_read_u32(r, &number) < 0) {
		return -1;
	}
	switch ((enum field)field) {
	case FIELD_PATH:
		m->path = text;
		break;
	case FIELD_INTERFACE:
		m->interface = text;
		break;
	case FIELD_MEMBER:
		m->member = text;
		break;
	case FIELD_ERROR_NAME:
		m->error_name = text;
		break;
	case FIELD_REPLY_SERIAL:
		m->reply_serial = number;
		break;
	case FIELD_SIGNATURE:
		m->signature = text;
		break;
	case FIELD_DESTINATION:
	case FIELD_SENDER:
		break;
	}
	return 0;
}

int dbus_parse(const void *data, size_t len, struct dbus_message *ret, struct err *err)
{
	struct dbus_message m = { 0 };
	struct dbus_reader r = { .data = data, .pos = HEAD_SIZE };
	size_t size = len >= HEAD_SIZE ? dbus_message_size(data) : 0;

	if (!size || size != len)
		return err_set(err, E_CORRUPT, "not a D-Bus message");
	m.type = (enum dbus_type)((const char *)data)[1];
	m.serial = (uint32_t)get_u32(data, 8);
	r.len = HEAD_SIZE + get_u32(data, 12);
	if (m.type < DBUS_CALL || m.type > DBUS_SIGNAL)
		return err_set(err, E_CORRUPT, "a D-Bus message of an unknown type");
	while (r.pos < r.len)
		if (read_field(&r, &m) < 0)
			return err_set(err, E_CORRUPT, "a D-Bus message with a broken header");
	r.len = len;
	if (skip_to(&r, 8) < 0)
		return err_set(err, E_CORRUPT, "a D-Bus message that ends early");
	m.body = r.data + r.pos;
	m.body_len = len - r.pos;
	*ret = m;
	return 0;
}
