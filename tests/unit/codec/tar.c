#include "test.h"

#include <string.h>

#include "base/xalloc.h"
#include "codec/tar.h"

static struct err e;

/* What the reader delivered, one line an entry. */
struct seen {
	struct strbuf text;
	bool in_data;
};

static int on_entry(void *ctx, const struct tar_entry *t, struct err *err)
{
	static const char types[] = "fhscbdp";
	struct seen *s = ctx;

	strbuf_addf(&s->text, "%c %s", types[t->type], t->name);
	if (*t->link)
		strbuf_addf(&s->text, " -> %s", t->link);
	strbuf_addf(&s->text, " %o %u:%u %llu", t->mode, t->uid, t->gid,
	            (unsigned long long)t->size);
	if (t->mtime_s || t->mtime_ns)
		strbuf_addf(&s->text, " t%lld.%u", (long long)t->mtime_s, t->mtime_ns);
	if (t->type == TAR_CHAR || t->type == TAR_BLOCK)
		strbuf_addf(&s->text, " %u,%u", t->dev_major, t->dev_minor);
	for (size_t i = 0; i < t->n_xattrs; i++)
		strbuf_addf(&s->text, " %s=%zu", t->xattrs[i].name, t->xattrs[i].len);
	for (size_t i = 0; i < t->n_extents; i++)
		strbuf_addf(&s->text, " [%llu+%llu]", (unsigned long long)t->extents[i].offset,
		            (unsigned long long)t->extents[i].len);
	s->in_data = false;
	return 0;
}

static int on_data(void *ctx, uint64_t offset, const void *data, size_t len, struct err *err)
{
	struct seen *s = ctx;

	if (!s->in_data)
		strbuf_addf(&s->text, " @%llu:", (unsigned long long)offset);
	s->in_data = true;
	strbuf_add(&s->text, data, len < 8 ? len : 8);
	return 0;
}

static int on_end(void *ctx, struct err *err)
{
	struct seen *s = ctx;

	strbuf_addc(&s->text, '\n');
	return 0;
}

static const struct tar_handler handler = { on_entry, on_data, on_end };

/* Read data in pieces; the text must not depend on their size when there is no data in it. */
static int read_tar(const void *data, size_t len, size_t piece, struct strbuf *ret)
{
	struct seen s = { .text = STRBUF_INIT };
	AUTO(tar_reader_freep) struct tar_reader *r = tar_reader_new(&handler, &s, NULL);
	int rc = 0;

	for (size_t at = 0; at < len && rc == 0; at += piece)
		rc = tar_reader_push(r, (const char *)data + at,
		                     len - at < piece ? len - at : piece, &e);
	if (rc == 0)
		rc = tar_reader_end(r, &e);
	*ret = s.text;
	return rc;
}

static int to_buf(void *ctx, const void *data, size_t len, struct err *err)
{
	strbuf_add(ctx, data, len);
	return 0;
}

static char long_name[600], deep_name[240];

START_TEST(round_trip)
{
	static const struct tar_xattr xattrs[] = { { "user.a\xc3\xa4", "1\0\n2", 4 },
		                                   { "security.capability", "xyz", 3 } };
	struct tar_entry entries[] = {
		{ .type = TAR_DIR, .name = "", .mode = 0755 },
		{ .type = TAR_FILE, .name = "a", .mode = 04755, .uid = 1, .gid = 2, .size = 5 },
		{ .type = TAR_FILE, .name = long_name, .mode = 0600, .uid = 4000000000u },
		{ .type = TAR_FILE, .name = deep_name, .mode = 0600, .mtime_s = 1600000000 },
		{ .type = TAR_HARDLINK, .name = "h", .link = long_name, .mode = 0600 },
		{ .type = TAR_SYMLINK, .name = "s", .link = "../\xc3\xbc//x", .mode = 0777 },
		{ .type = TAR_CHAR, .name = "c", .dev_major = 1, .dev_minor = 1048575 },
		{ .type = TAR_FIFO, .name = "p", .mtime_s = -2, .mtime_ns = 500000000 },
		{ .type = TAR_FILE,
		  .name = "x",
		  .size = 0,
		  .xattrs = xattrs,
		  .n_xattrs = 2,
		  .mtime_s = 9999999999,
		  .mtime_ns = 1 },
	};
	AUTO_BUF out = STRBUF_INIT, want = STRBUF_INIT, got;
	AUTO(tar_writer_freep) struct tar_writer *w = tar_writer_new(to_buf, &out);

	memset(long_name, 'n', sizeof(long_name) - 1);
	for (size_t i = 199; i < sizeof(long_name) - 1; i += 200)
		long_name[i] = '/';
	long_name[598] = 'z';
	memset(deep_name, 'd', sizeof(deep_name) - 1);
	deep_name[150] = '/';
	for (size_t i = 0; i < ARRAY_LEN(entries); i++) {
		CHECK_OK(tar_writer_entry(w, &entries[i], &e));
		if (entries[i].size)
			CHECK_OK(tar_writer_data(w, "hello", 5, &e));
	}
	CHECK_OK(tar_writer_finish(w, &e));
	ck_assert_uint_eq(out.len % 512, 0);
	strbuf_addf(&want,
	            "d  755 0:0 0\nf a 4755 1:2 5 @0:hello\nf %s 600 4000000000:0 0\n"
	            "f %s 600 0:0 0 t1600000000.0\nh h -> %s 600 0:0 0\n"
	            "s s -> ../\xc3\xbc//x 777 0:0 0\nc c 0 0:0 0 1,1048575\np p 0 0:0 0 "
	            "t-2.500000000\nf x 0 0:0 0 t9999999999.1 user.a\xc3\xa4=4 "
	            "security.capability=3\n",
	            long_name, deep_name, long_name);
	for (size_t piece = 1; piece < 1500; piece = piece * 3 + 1) {
		CHECK_OK(read_tar(out.buf, out.len, piece, &got));
		ck_assert_str_eq(got.buf, want.buf);
		strbuf_done(&got);
	}
	CHECK_OK(read_tar(out.buf, out.len, out.len, &got));
	ck_assert_str_eq(got.buf, want.buf);
}
END_TEST

/* A header block made by hand. */
static void header(uint8_t *h, const char *name, char type, const char *size, const char *link)
{
	unsigned sum = 0;

	memset(h, 0, 512);
	memcpy(h, name, strlen(name));
	memcpy(h + 100, "0000644", 7);
	memcpy(h + 108, "0000000", 7);
	memcpy(h + 116, "0000000", 7);
	memcpy(h + 124, size, strlen(size));
	memcpy(h + 136, "00000000000", 11);
	h[156] = (uint8_t)type;
	memcpy(h + 157, link, strlen(link));
	memcpy(h + 257, "ustar\00000", 8);
	memset(h + 148, ' ', 8);
	for (int i = 0; i < 512; i++)
		sum += h[i];
	snprintf((char *)h + 148, 8, "%06o", sum);
}

START_TEST(bad_headers)
{
	static const struct {
		const char *name;
		char type;
		const char *size, *link, *msg;
		enum err_code code;
	} cases[] = {
		{ "../x", '0', "0", "", "'..' in the name '../x'", E_INVALID },
		{ "a/../x", '0', "0", "", "'..' in the name 'a/../x'", E_INVALID },
		{ "", '0', "0", "", "an entry without a name", E_CORRUPT },
		{ "./", '2', "0", "x", "entry './': the root must be a directory", E_CORRUPT },
		{ "x", '1', "0", "../y", "entry 'x': '..' in the name '../y'", E_INVALID },
		{ "x", '1', "0", "", "entry 'x': a hard link to nothing", E_CORRUPT },
		{ "x", '2', "0", "", "entry 'x': a symbolic link to nothing", E_CORRUPT },
		{ "x", '2', "5", "y", "entry 'x': data on an entry that cannot have any",
		  E_CORRUPT },
		{ "x", '0', "-1", "", "entry 'x': bad size", E_CORRUPT },
		{ "x", '0', "\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff", "",
		  "entry 'x': bad size", E_CORRUPT },
		{ "x/", '0', "0", "", "entry 'x/': a file whose name ends in '/'", E_CORRUPT },
		{ "x", 'D', "0", "", "entry 'x': unknown type 'D' (0x44)", E_UNSUPPORTED },
		{ "x", '0', "77777777777", "", "entry 'x'", E_CORRUPT },
		{ "\x1b[2Jx", '9', "0", "", "entry '?[2Jx': unknown type '9' (0x39)",
		  E_UNSUPPORTED },
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		uint8_t tar[1536] = { 0 };
		AUTO_BUF got;

		if (cases[i].msg == NULL)
			continue;
		header(tar, cases[i].name, cases[i].type, cases[i].size, cases[i].link);
		if (!strcmp(cases[i].size, "77777777777")) {
			/* cut off: less data than the header says */
			CHECK_ERR(E_CORRUPT, read_tar(tar, sizeof(tar), 100, &got));
			continue;
		}
		CHECK_ERR(cases[i].code, read_tar(tar, sizeof(tar), 100, &got));
		ck_assert_str_eq(e.msg, cases[i].msg);
	}
}
END_TEST

START_TEST(ends)
{
	uint8_t tar[2048] = { 0 };
	AUTO_BUF got;

	header(tar, "x", '0', "3", "");
	memcpy(tar + 512, "abc", 3);
	CHECK_OK(read_tar(tar, 2048, 7, &got));
	strbuf_done(&got);
	CHECK_OK(read_tar(tar, 1024, 7, &got)); /* no end mark */
	ck_assert_str_eq(got.buf, "f x 644 0:0 3 @0:abc\n");
	strbuf_done(&got);
	CHECK_ERR(E_CORRUPT, read_tar(tar, 1023, 7, &got));
	strbuf_done(&got);
	CHECK_ERR(E_CORRUPT, read_tar(tar, 514, 7, &got));
	strbuf_done(&got);
	header(tar, "x", '0', "0", "");
	memset(tar + 512, 0, 512);
	header(tar + 1024, "y", '0', "0", "");
	CHECK_ERR(E_CORRUPT, read_tar(tar, 2048, 7, &got));
	ck_assert_str_eq(e.msg, "a lone zero block at byte 512");
	strbuf_done(&got);
	tar[0] ^= 1;
	CHECK_ERR(E_CORRUPT, read_tar(tar, 2048, 7, &got));
}
END_TEST

TEST_MAIN("tar", round_trip, bad_headers, ends)
