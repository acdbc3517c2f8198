/* D-Bus messages: written, read again, and broken in every place. */
#include "codec/dbus.h"

#include <string.h>

#include "test.h"

static struct err e;

static struct dbus_writer example(void)
{
	static const struct dbus_call call = {
		.destination = "org.example",
		.path = "/org/example",
		.interface = "org.example.Iface",
		.member = "Do",
		.signature = "sua(sv)",
		.serial = 7,
	};
	struct dbus_writer w = DBUS_WRITER_INIT;
	size_t list, inner;

	dbus_begin(&w, &call);
	dbus_put_string(&w, "hello");
	dbus_put_u32(&w, 42);
	list = dbus_open_array(&w, 8);
	dbus_open_struct(&w);
	dbus_put_string(&w, "Numbers");
	dbus_put_signature(&w, "at");
	inner = dbus_open_array(&w, 8);
	dbus_put_u64(&w, 1);
	dbus_close_array(&w, inner, 8);
	dbus_close_array(&w, list, 8);
	dbus_end(&w);
	return w;
}

START_TEST(written_and_read)
{
	AUTO_DBUS_WRITER w = example();
	struct dbus_message m;
	struct dbus_reader r;
	const char *text;
	uint32_t n;

	ck_assert_uint_eq(dbus_message_size(w.buf.buf), w.buf.len);
	CHECK_OK(dbus_parse(w.buf.buf, w.buf.len, &m, &e));
	ck_assert_int_eq(m.type, DBUS_CALL);
	ck_assert_uint_eq(m.serial, 7);
	ck_assert_str_eq(m.path, "/org/example");
	ck_assert_str_eq(m.interface, "org.example.Iface");
	ck_assert_str_eq(m.member, "Do");
	ck_assert_str_eq(m.signature, "sua(sv)");
	ck_assert_ptr_null(m.error_name);
	r = dbus_read_body(&m);
	ck_assert_int_eq(dbus_read_string(&r, &text), 0);
	ck_assert_str_eq(text, "hello");
	ck_assert_int_eq(dbus_read_u32(&r, &n), 0);
	ck_assert_uint_eq(n, 42);
	/* the bytes of the array: its first structure is aligned to 8, and not counted before */
	ck_assert_int_eq(dbus_read_u32(&r, &n), 0);
	ck_assert_uint_eq(n, 4 + 8 + 4 + 4 + 4 + 8);
}
END_TEST

START_TEST(a_signature_of_a_structure_is_aligned)
{
	AUTO_DBUS_WRITER w = example();
	struct dbus_message m;

	CHECK_OK(dbus_parse(w.buf.buf, w.buf.len, &m, &e));
	ck_assert_uint_eq((size_t)(m.body - w.buf.buf) % 8, 0);
	ck_assert_uint_eq(w.buf.len % 8, 0);
}
END_TEST

START_TEST(shortened_and_lengthened)
{
	AUTO_DBUS_WRITER w = example();
	struct dbus_message m;

	for (size_t len = 0; len < w.buf.len; len++)
		CHECK_ERR(E_CORRUPT, dbus_parse(w.buf.buf, len, &m, &e));
	strbuf_addc(&w.buf, 0);
	CHECK_ERR(E_CORRUPT, dbus_parse(w.buf.buf, w.buf.len, &m, &e));
}
END_TEST

START_TEST(every_byte_changed)
{
	AUTO_DBUS_WRITER w = example();

	for (size_t i = 0; i < w.buf.len; i++)
		for (int bit = 0; bit < 8; bit++) {
			struct dbus_message m;

			w.buf.buf[i] ^= (char)(1 << bit);
			(void)dbus_parse(w.buf.buf, w.buf.len, &m, &e);
			w.buf.buf[i] ^= (char)(1 << bit);
		}
	w.buf.buf[0] = 'B';
	ck_assert_uint_eq(dbus_message_size(w.buf.buf), 0);
	w.buf.buf[0] = 'l';
	memset(w.buf.buf + 4, 0xff, 4);
	ck_assert_uint_eq(dbus_message_size(w.buf.buf), 0);
}
END_TEST

TEST_MAIN("dbus", written_and_read, a_signature_of_a_structure_is_aligned, shortened_and_lengthened,
          every_byte_changed)
