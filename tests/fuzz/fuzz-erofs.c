/* From an archive to an EROFS index: whatever the archive is, the image must be one that a reader
 * can walk, and hold the very tree it was made of. The reader here is written for this test. */
#include <endian.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "base/fd.h"
#include "codec/erofs.h"
#include "fuzz.h"
#include "tar-fix.h"

#define CHECK(cond)                                                                                \
	do {                                                                                       \
		if (!(cond))                                                                       \
			abort();                                                                   \
	} while (0)

struct image {
	const uint8_t *p;
	uint64_t size;
	uint64_t meta;
	uint64_t tar_blocks;
	struct tree *tree;
	size_t nodes;
};

static uint64_t get(const struct image *im, uint64_t at, size_t len)
{
	uint64_t v = 0;

	CHECK(at + len <= im->size);
	for (size_t i = 0; i < len; i++)
		v |= (uint64_t)im->p[at + i] << (8 * i);
	return v;
}

static int on_entry(void *ctx, const struct tar_entry *e, struct err *err)
{
	return tree_add(ctx, e, err);
}

/* The inode at `at` against what the tree says. Returns the offset after its xattrs. */
static uint64_t check_inode(struct image *im, uint64_t at, const struct tree_inode *in)
{
	uint64_t xattrs = get(im, at + 2, 2);

	CHECK(at % 32 == 0);
	CHECK((get(im, at, 2) & 1) == 1);
	CHECK((get(im, at + 4, 2) & 07777) == in->mode);
	CHECK(get(im, at + 8, 8) == in->size);
	CHECK(get(im, at + 24, 4) == in->uid && get(im, at + 28, 4) == in->gid);
	CHECK(get(im, at + 44, 4) == in->nlink);
	return at + 64 + (xattrs ? 12 + (xattrs - 1) * 4 : 0);
}

static void check_chunks(struct image *im, uint64_t at, uint64_t end, const struct tree_inode *in)
{
	unsigned bits = (unsigned)(get(im, at + 16, 4) & 0x1f) + 9;
	uint64_t n = (in->size + ((uint64_t)1 << bits) - 1) >> bits;

	end = (end + 7) & ~7ull;
	for (uint64_t i = 0; i < n; i++) {
		uint64_t device = get(im, end + 8 * i + 2, 2), block = get(im, end + 8 * i + 4, 4);

		if (block == 0xffffffff)
			continue;
		CHECK(device <= 1);
		CHECK(block < (device ? im->tar_blocks : im->size / 512));
	}
}

/* Byte offset of block b of an inode's own data. */
static uint64_t block_at(struct image *im, uint64_t at, uint64_t end, uint64_t b)
{
	unsigned layout = (unsigned)(get(im, at, 2) >> 1) & 7;
	uint64_t size = get(im, at + 8, 8);

	CHECK(layout == 0 || layout == 2);
	if (layout == 2 && b == size / 512) {
		CHECK(end / 512 == (end + size % 512 - 1) / 512);
		return end;
	}
	return (get(im, at + 16, 4) + b) * 512;
}

static void check_dir(struct image *im, uint64_t at, uint32_t node, int depth);

static void check_child(struct image *im, uint64_t nid, uint32_t node, int depth)
{
	struct tree_inode *in = tree_inode(im->tree, tree_node(im->tree, node)->inode);
	uint64_t at = im->meta + nid * 32, end = check_inode(im, at, in);

	im->nodes++;
	if (in->type == TAR_DIR) {
		check_dir(im, at, node, depth + 1);
	} else if (in->type == TAR_FILE && in->size) {
		CHECK(((get(im, at, 2) >> 1) & 7) == 4);
		check_chunks(im, at, end, in);
	} else if (in->type == TAR_SYMLINK) {
		for (uint64_t i = 0; i < in->size; i++)
			CHECK(get(im, block_at(im, at, end, i / 512) + i % 512, 1) ==
			      (uint8_t)in->link[i]);
	}
}

static void check_dir(struct image *im, uint64_t at, uint32_t node, int depth)
{
	uint64_t size = get(im, at + 8, 8);
	uint64_t end = check_inode(im, at, tree_inode(im->tree, tree_node(im->tree, node)->inode));
	size_t n, seen = 0;
	const uint32_t *children = tree_children(im->tree, node, &n);
	char last[256] = "";

	CHECK(depth < 4096);
	for (uint64_t pos = 0; pos < size; pos += 512) {
		uint64_t block = block_at(im, at, end, pos / 512);
		uint64_t len = size - pos < 512 ? size - pos : 512,
			 count = get(im, block + 8, 2) / 12;

		CHECK(count && count * 12 <= len);
		for (uint64_t i = 0; i < count; i++) {
			uint64_t from = get(im, block + i * 12 + 8, 2), to = len;
			char name[256];
			size_t l;

			if (i + 1 < count)
				to = get(im, block + (i + 1) * 12 + 8, 2);
			CHECK(from < to && to <= len && to - from + 1 <= 512);
			for (l = 0; l < to - from && get(im, block + from + l, 1); l++) {
				CHECK(l < 255);
				name[l] = (char)get(im, block + from + l, 1);
			}
			name[l] = '\0';
			CHECK(strcmp(last, name) < 0);
			memcpy(last, name, sizeof(last));
			if (!strcmp(name, ".") || !strcmp(name, ".."))
				continue;
			CHECK(seen < n && !strcmp(tree_node(im->tree, children[seen])->name, name));
			check_child(im, get(im, block + i * 12, 8), children[seen], depth);
			seen++;
		}
	}
	CHECK(seen == n);
}

static void check_image(struct tree *t, int fd, uint64_t bytes, uint64_t tar_bytes)
{
	struct image im = { .size = bytes, .tree = t, .tar_blocks = tar_bytes / 512 };

	im.p = mmap(NULL, bytes, PROT_READ, MAP_SHARED, fd, 0);
	CHECK(im.p != MAP_FAILED);
	CHECK(bytes % 512 == 0 && get(&im, 1024, 4) == 0xe0f5e1e2);
	CHECK(get(&im, 1024 + 36, 4) * 512 == bytes);
	im.meta = get(&im, 1024 + 40, 4) * 512;
	check_dir(&im, im.meta + get(&im, 1024 + 14, 2) * 32, TREE_ROOT, 0);
	munmap((void *)im.p, bytes);
}

int LLVMFuzzerTestOneInput(const uint8_t *original, size_t size)
{
	AUTO_FREE uint8_t *data = tar_fix(original, size);
	static const struct tar_handler handler = { .entry = on_entry };
	struct tar_limits limits = { .max_file_bytes = 1 << 22 };
	AUTO(tree_freep) struct tree *t = tree_new();
	AUTO(tar_reader_freep) struct tar_reader *r = tar_reader_new(&handler, t, &limits);
	AUTO_FD tar = -1, out = -1;
	struct err err;
	uint64_t bytes;

	if (tar_reader_push(r, data, size, &err) < 0 || tar_reader_end(r, &err) < 0)
		return 0;
	tree_freeze(t);
	tar = memfd_create("tar", MFD_CLOEXEC);
	out = memfd_create("index", MFD_CLOEXEC);
	CHECK(tar >= 0 && out >= 0 && fd_write_all(tar, data, size) == 0);
	if (erofs_write_index(t, tar, size, out, &bytes, &err) < 0)
		return 0;
	check_image(t, out, bytes, size);
	return 0;
}
