/* A layer's tar: read in one piece and in small ones with the same result, made into a tree and its
 * EROFS index. */
#include <stdlib.h>
#include <sys/mman.h>

#include "base/table.h"
#include "codec/erofs.h"
#include "codec/tar.h"
#include "codec/tree.h"
#include "fuzz.h"

struct seen {
	uint64_t entries, bytes, sum;
	struct tree *tree;
	bool tree_failed;
};

static int see_entry(void *ctx, const struct tar_entry *e, struct err *err)
{
	struct seen *seen = ctx;

	if (e->name[0] == '/' || strstr(e->name, "//") || strlen(e->name) > TAR_NAME_MAX ||
	    e->type >= TAR_TYPE_MAX || (e->mode & ~07777u))
		abort();
	seen->entries++;
	seen->sum =
		seen->sum * 31 + table_hash(e->name, strlen(e->name)) + e->size + e->data_offset;
	if (seen->tree && !seen->tree_failed && tree_add(seen->tree, e, err) < 0)
		seen->tree_failed = true;
	return 0;
}

static int see_data(void *ctx, uint64_t offset, const void *data, size_t len, struct err *err)
{
	struct seen *seen = ctx;
	const uint8_t *p = data;

	for (size_t i = 0; i < len; i++)
		seen->sum = seen->sum * 31 + p[i] + offset + i;
	seen->bytes += len;
	return 0;
}

static const struct tar_handler handler = { .entry = see_entry, .data = see_data };
static const struct tar_limits limits = { .max_file_bytes = 1 << 30, .max_pax_bytes = 1 << 16 };

/* 0 when the whole archive was accepted. */
static int read_in_pieces(const uint8_t *data, size_t size, size_t piece, struct seen *seen)
{
	struct tar_reader *r = tar_reader_new(&handler, seen, &limits);
	struct err err;
	int status = 0;

	for (size_t at = 0; status == 0 && at < size; at += piece)
		status = tar_reader_push(r, data + at, size - at < piece ? size - at : piece, &err);
	if (status == 0)
		status = tar_reader_end(r, &err);
	tar_reader_free(r);
	return status;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct seen whole = { .tree = tree_new() }, pieces = { 0 };
	int a = read_in_pieces(data, size, size + 1, &whole);
	int b = read_in_pieces(data, size, 1 + size % 700, &pieces);

	if (a != b || whole.entries != pieces.entries)
		abort();
	if (a == 0 && (whole.sum != pieces.sum || whole.bytes != pieces.bytes))
		abort();
	if (a == 0 && !whole.tree_failed) {
		AUTO_FD out = memfd_create("index", MFD_CLOEXEC),
			tar = memfd_create("tar", MFD_CLOEXEC);
		struct err err;
		uint64_t bytes;

		if (out < 0 || tar < 0 || write(tar, data, size) != (ssize_t)size)
			abort();
		tree_freeze(whole.tree);
		erofs_write_index(whole.tree, tar, size, out, &bytes, &err);
	}
	tree_free(whole.tree);
	return 0;
}
