/* The tar reader: pieces of another size must give the same entries; what the writer makes of an
 * entry must be read back as the same entry. */
#include <stdlib.h>

#include "base/strbuf.h"
#include "codec/tar.h"
#include "fuzz.h"
#include "tar-fix.h"

struct run {
	struct strbuf log;
	struct tar_writer *writer; /* NULL: do not write again */
	struct strbuf out;
	uint64_t left; /* stored data still to come */
	uint64_t sum;  /* of the data and its places */
};

static void add_entry(struct strbuf *sb, const struct tar_entry *e)
{
	strbuf_addf(sb, "%d %s>%s %o %u:%u %llu %lld.%u %u,%u", e->type, e->name, e->link, e->mode,
	            e->uid, e->gid, (unsigned long long)e->size, (long long)e->mtime_s, e->mtime_ns,
	            e->dev_major, e->dev_minor);
	for (size_t i = 0; i < e->n_xattrs; i++) {
		strbuf_addf(sb, " %s=", e->xattrs[i].name);
		strbuf_add(sb, e->xattrs[i].value, e->xattrs[i].len);
	}
	strbuf_addc(sb, '\n');
}

static int on_entry(void *ctx, const struct tar_entry *e, struct err *err)
{
	struct tar_entry copy = *e;
	struct run *r = ctx;
	char name[TAR_NAME_MAX + 1];

	add_entry(&r->log, e);
	r->left = e->data_len;
	/* names come out normalised, and stay so */
	if (tar_normalise_name(e->name, name, err) < 0 || strcmp(name, e->name) != 0)
		abort();
	for (size_t i = 0; i < e->n_extents; i++)
		if (!e->extents[i].len || e->extents[i].offset + e->extents[i].len > e->size)
			abort();
	if (!r->writer)
		return 0;
	copy.size = 0;
	return tar_writer_entry(r->writer, &copy, err);
}

static int on_data(void *ctx, uint64_t offset, const void *data, size_t len, struct err *err)
{
	struct run *r = ctx;

	if (len > r->left)
		abort();
	r->left -= len;
	for (size_t i = 0; i < len; i++)
		r->sum = r->sum * 31 + ((const uint8_t *)data)[i] + offset + i;
	return 0;
}

static int to_buf(void *ctx, const void *data, size_t len, struct err *err)
{
	strbuf_add(ctx, data, len);
	return 0;
}

static int read_all(struct run *r, const uint8_t *data, size_t size, size_t piece)
{
	static const struct tar_handler handler = { .entry = on_entry, .data = on_data };
	AUTO(tar_reader_freep) struct tar_reader *reader = tar_reader_new(&handler, r, NULL);
	struct err err;

	for (size_t at = 0; at < size; at += piece)
		if (tar_reader_push(reader, data + at, size - at < piece ? size - at : piece,
		                    &err) < 0)
			return -1;
	return tar_reader_end(reader, &err);
}

static int log_entry_of_empty(void *ctx, const struct tar_entry *e, struct err *err)
{
	add_entry(ctx, e);
	return 0;
}

static int log_entry_as_empty(void *ctx, const struct tar_entry *e, struct err *err)
{
	struct tar_entry copy = *e;

	copy.size = 0;
	add_entry(ctx, &copy);
	return 0;
}

static void read_log(const struct tar_handler *handler, const void *data, size_t size,
                     struct strbuf *log)
{
	AUTO(tar_reader_freep) struct tar_reader *reader = tar_reader_new(handler, log, NULL);
	struct err err;

	if (tar_reader_push(reader, data, size, &err) < 0 || tar_reader_end(reader, &err) < 0)
		abort();
}

static void check(const uint8_t *data, size_t size)
{
	static const struct tar_handler first = { .entry = log_entry_as_empty };
	static const struct tar_handler again = { .entry = log_entry_of_empty };
	struct run whole = { .log = STRBUF_INIT, .out = STRBUF_INIT };
	struct run pieces = { .log = STRBUF_INIT, .out = STRBUF_INIT };
	AUTO_BUF a = STRBUF_INIT, b = STRBUF_INIT;
	struct err err;
	int r;

	whole.writer = tar_writer_new(to_buf, &whole.out);
	r = read_all(&whole, data, size, size ? size : 1);
	if (read_all(&pieces, data, size, 1 + size % 600) != r || pieces.log.len != whole.log.len ||
	    memcmp(pieces.log.buf, whole.log.buf, whole.log.len) != 0)
		abort();
	if (r == 0 && pieces.sum != whole.sum)
		abort();
	if (r == 0 && tar_writer_finish(whole.writer, &err) == 0) {
		read_log(&first, data, size, &a);
		read_log(&again, whole.out.buf, whole.out.len, &b);
		if (a.len != b.len || memcmp(a.buf, b.buf, a.len) != 0)
			abort();
	}
	tar_writer_free(whole.writer);
	strbuf_done(&whole.log);
	strbuf_done(&whole.out);
	strbuf_done(&pieces.log);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	AUTO_FREE uint8_t *fixed = tar_fix(data, size);

	check(data, size);
	if (memcmp(data, fixed, size) != 0)
		check(fixed, size);
	return 0;
}
