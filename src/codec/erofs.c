#include "codec/erofs.h"

#include <endian.h>
#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/xalloc.h"

#define BLOCK           ((uint64_t)EROFS_INDEX_BLOCK)
#define BLOCK_BITS      9
#define SUPER_OFFSET    1024
#define SUPER_MAGIC     0xe0f5e1e2u
#define DEVICE_OFFSET   (SUPER_OFFSET + 128) /* of the one device slot, in units of 128 */
#define META_BLOCK      3                    /* inodes begin here; slot 48 * 32 bytes */
#define COMPAT_CHECKSUM 0x1u
#define COMPAT_MTIME    0x2u
#define INCOMPAT_CHUNKS 0x4u
#define INCOMPAT_DEVICE 0x8u
#define LAYOUT_PLAIN    0
#define LAYOUT_INLINE   2
#define LAYOUT_CHUNKS   4
#define INODE_BYTES     64 /* the extended form: 32-bit owners, 64-bit sizes, own times */
#define CHUNK_INDEXES   0x20u
#define CHUNK_BITS_MAX  31
#define HOLE            0xffffffffu
#define XATTR_HEADER    12
#define DIRENT_BYTES    12
#define EXTRA_BYTES_MAX ((uint64_t)256 << 20) /* of the image, above twice the tar */
#define OUT_BYTES       ((size_t)256 << 10)

/* Where an inode and its data go. */
struct place {
	uint32_t nid;   /* position of the inode / 32 from the meta block */
	uint32_t block; /* its first data block in this image, counted from the data area */
	uint32_t blocks;
	uint64_t chunks;
	uint32_t xattr_bytes;
	uint8_t layout;
	uint8_t chunk_bits; /* log2 of a chunk in blocks */
	bool is_placed;
	bool is_spilled; /* the data is copied into this image */
};

struct writer {
	struct tree *t;
	struct place *places; /* by inode number */
	uint32_t *order;      /* inode numbers as they are placed */
	size_t n_order;
	uint64_t meta_bytes;  /* of inodes, from the meta block on */
	uint64_t data_blocks; /* after them */
	uint32_t data_start;  /* block number of the data area */
	uint64_t tar_bytes;
	int tar_fd, out_fd;
	uint8_t *out;
	size_t out_len;
	uint64_t out_pos; /* bytes put so far */
	struct err *err;
};

static void put16(uint8_t *p, uint16_t v)
{
	v = htole16(v);
	memcpy(p, &v, sizeof(v));
}

static void put32(uint8_t *p, uint32_t v)
{
	v = htole32(v);
	memcpy(p, &v, sizeof(v));
}

static void put64(uint8_t *p, uint64_t v)
{
	v = htole64(v);
	memcpy(p, &v, sizeof(v));
}

static int flush_out(struct writer *w)
{
	int r = fd_write_all(w->out_fd, w->out, w->out_len);

	w->out_len = 0;
	return r < 0 ? err_sys(w->err, -r, "write the layer's index") : 0;
}

static int put(struct writer *w, const void *data, size_t len)
{
	const uint8_t *p = data;

	while (len) {
		size_t n = OUT_BYTES - w->out_len;

		if (n > len)
			n = len;
		memcpy(w->out + w->out_len, p, n);
		w->out_len += n;
		w->out_pos += n;
		p += n;
		len -= n;
		if (w->out_len == OUT_BYTES && flush_out(w) < 0)
			return -1;
	}
	return 0;
}

static int put_zeros_to(struct writer *w, uint64_t pos)
{
	static const uint8_t zeros[EROFS_INDEX_BLOCK];

	while (w->out_pos < pos) {
		uint64_t n = pos - w->out_pos;

		if (put(w, zeros, n < sizeof(zeros) ? (size_t)n : sizeof(zeros)) < 0)
			return -1;
	}
	return 0;
}

/* --- extended attributes --- */

/* Names are stored as the number of a prefix and the rest. */
static int xattr_prefix(const char *name, const char **ret_rest)
{
	static const struct {
		const char *prefix;
		int index;
	} prefixes[] = {
		{ "user.", 1 },
		{ "system.posix_acl_access", 2 },
		{ "system.posix_acl_default", 3 },
		{ "trusted.", 4 },
		{ "security.", 6 },
	};

	for (size_t i = 0; i < ARRAY_LEN(prefixes); i++) {
		size_t len = strlen(prefixes[i].prefix);

		if (!strncmp(name, prefixes[i].prefix, len)) {
			*ret_rest = name + len;
			return prefixes[i].index;
		}
	}
	*ret_rest = NULL;
	return 0;
}

static const struct tree_xattr opaque_xattr = {
	.name = "trusted.overlay.opaque",
	.name_len = 22,
	.value = "y",
	.value_len = 1,
};

/* The i-th attribute of an inode, our own mark included; NULL after the last. */
static const struct tree_xattr *xattr_at(const struct tree_inode *in, size_t i)
{
	if (in->flags & TREE_OPAQUE) {
		if (i == 0)
			return &opaque_xattr;
		i--;
	}
	return in->xattrs && i < in->xattrs->n ? &in->xattrs->items[i] : NULL;
}

static uint32_t xattr_entry_bytes(const struct tree_xattr *x)
{
	const char *rest;

	if (!xattr_prefix(x->name, &rest))
		return 0;
	return (uint32_t)(4 + strlen(rest) + x->value_len + 3) & ~3u;
}

static uint32_t xattrs_bytes(const struct tree_inode *in)
{
	const struct tree_xattr *x;
	uint32_t sum = 0;

	for (size_t i = 0; (x = xattr_at(in, i)); i++)
		sum += xattr_entry_bytes(x);
	return sum ? sum + XATTR_HEADER : 0;
}

static int put_xattrs(struct writer *w, const struct tree_inode *in)
{
	static const uint8_t header[XATTR_HEADER];
	const struct tree_xattr *x;

	if (put(w, header, sizeof(header)) < 0)
		return -1;
	for (size_t i = 0; (x = xattr_at(in, i)); i++) {
		uint8_t entry[4];
		const char *rest;
		int index = xattr_prefix(x->name, &rest);
		uint64_t end = w->out_pos + xattr_entry_bytes(x);

		if (!index)
			continue;
		entry[0] = (uint8_t)strlen(rest);
		entry[1] = (uint8_t)index;
		put16(entry + 2, (uint16_t)x->value_len);
		if (put(w, entry, sizeof(entry)) < 0 || put(w, rest, strlen(rest)) < 0 ||
		    put(w, x->value, x->value_len) < 0 || put_zeros_to(w, end) < 0)
			return -1;
	}
	return 0;
}

/* --- directories --- */

struct dirent_view {
	const char *name;
	uint32_t inode;
};

/* The entries of a directory in bytewise order, "." and ".." in their places. */
struct dir_list {
	struct dirent_view *items;
	size_t n;
};

static struct dir_list list_dir(struct tree *t, uint32_t node)
{
	const struct tree_node *dir = tree_node(t, node);
	size_t n_children, c = 0, dots = 0;
	const uint32_t *children = tree_children(t, node, &n_children);
	const struct dirent_view dot[2] = {
		{ ".", dir->inode },
		{ "..", tree_node(t, dir->parent)->inode },
	};
	struct dir_list list = { .n = n_children + 2 };

	list.items = xreallocarray(NULL, list.n, sizeof(*list.items));
	for (size_t i = 0; i < list.n; i++) {
		const struct tree_node *child = c < n_children ? tree_node(t, children[c]) : NULL;

		if (dots < 2 && (!child || strcmp(dot[dots].name, child->name) < 0)) {
			list.items[i] = dot[dots++];
		} else {
			list.items[i] = (struct dirent_view){ child->name, child->inode };
			c++;
		}
	}
	return list;
}

/* How many of the items fit one block, and the bytes they take. */
static size_t fill_block(const struct dirent_view *items, size_t n, size_t *ret_bytes)
{
	size_t bytes = 0, i;

	for (i = 0; i < n; i++) {
		size_t need = DIRENT_BYTES + strlen(items[i].name);

		if (bytes + need > BLOCK)
			break;
		bytes += need;
	}
	*ret_bytes = bytes;
	return i;
}

static uint64_t dir_bytes(const struct dir_list *list)
{
	uint64_t total = 0;
	size_t bytes = 0;

	for (size_t i = 0; i < list->n;) {
		i += fill_block(list->items + i, list->n - i, &bytes);
		total += i < list->n ? BLOCK : bytes;
	}
	return total;
}

static uint8_t file_type(const struct tree_inode *in)
{
	static const uint8_t types[TAR_TYPE_MAX] = {
		[TAR_FILE] = 1,  [TAR_DIR] = 2,  [TAR_CHAR] = 3,
		[TAR_BLOCK] = 4, [TAR_FIFO] = 5, [TAR_SYMLINK] = 7,
	};

	return types[in->type];
}

/* Builds the block of items[0..n) in buf, zeros after it. */
static void build_dir_block(struct writer *w, const struct dirent_view *items, size_t n,
                            uint8_t buf[static EROFS_INDEX_BLOCK])
{
	size_t name_at = n * DIRENT_BYTES;

	memset(buf, 0, EROFS_INDEX_BLOCK);
	for (size_t i = 0; i < n; i++) {
		uint8_t *d = buf + i * DIRENT_BYTES;
		size_t len = strlen(items[i].name);

		put64(d, w->places[items[i].inode].nid);
		put16(d + 8, (uint16_t)name_at);
		d[10] = file_type(tree_inode(w->t, items[i].inode));
		memcpy(buf + name_at, items[i].name, len);
		name_at += len;
	}
}

/* The blocks [first, first + count) of a directory; the last may be partial. */
static int put_dir(struct writer *w, uint32_t node, uint64_t first, uint64_t count)
{
	struct dir_list list = list_dir(w->t, node);
	uint8_t buf[EROFS_INDEX_BLOCK];
	uint64_t block = 0;
	int r = 0;

	for (size_t i = 0; i < list.n && r == 0 && block < first + count; block++) {
		size_t bytes, n = fill_block(list.items + i, list.n - i, &bytes);

		if (block >= first) {
			build_dir_block(w, list.items + i, n, buf);
			r = put(w, buf, i + n < list.n ? BLOCK : bytes);
		}
		i += n;
	}
	free(list.items);
	return r;
}

/* --- files --- */

/* Chunks of a sparse file: the largest power of two in which holes and data come apart. */
static void plan_sparse(struct tree_inode *in, struct place *p)
{
	const struct tree_extents *x = in->extents;
	uint64_t edges = 0, data = 0;
	unsigned bits = BLOCK_BITS + CHUNK_BITS_MAX;

	for (size_t i = 0; i < x->n; i++) {
		uint64_t end = x->items[i].offset + x->items[i].len;

		edges |= x->items[i].offset | (end == in->size ? 0 : end);
		data |= x->items[i].data_offset;
	}
	if (edges && (unsigned)__builtin_ctzll(edges) < bits)
		bits = (unsigned)__builtin_ctzll(edges);
	if (bits < BLOCK_BITS || data % BLOCK) {
		bits = BLOCK_BITS;
		p->is_spilled = true;
	}
	while (bits > BLOCK_BITS && (uint64_t)1 << (bits - 1) >= in->size)
		bits--;
	p->chunk_bits = (uint8_t)(bits - BLOCK_BITS);
	p->chunks = (in->size >> bits) + (in->size & (((uint64_t)1 << bits) - 1) ? 1 : 0);
	if (p->is_spilled) {
		uint64_t last = UINT64_MAX;

		for (size_t i = 0; i < x->n; i++) {
			uint64_t from = x->items[i].offset / BLOCK;
			uint64_t to = (x->items[i].offset + x->items[i].len - 1) / BLOCK;

			p->blocks += (uint32_t)(to - from + 1 - (from == last));
			last = to;
		}
	}
}

static void plan_file(struct tree_inode *in, struct place *p)
{
	if (!in->size) {
		p->layout = LAYOUT_PLAIN;
		return;
	}
	p->layout = LAYOUT_CHUNKS;
	if (in->flags & TREE_SPARSE) {
		plan_sparse(in, p);
		return;
	}
	while (BLOCK << p->chunk_bits < in->size)
		p->chunk_bits++;
	p->chunks = 1;
}

/* Hands out one block number for each chunk, in order. */
struct chunk_cursor {
	const struct tree_extents *x;
	size_t i;
	uint32_t spilled; /* blocks of the image used so far */
};

static void put_index(uint8_t *p, uint16_t device, uint64_t block)
{
	put16(p, 0);
	put16(p + 2, device);
	put32(p + 4, (uint32_t)block);
}

static int put_chunks(struct writer *w, const struct tree_inode *in, const struct place *p)
{
	struct chunk_cursor c = { .x = in->flags & TREE_SPARSE ? in->extents : NULL };
	uint64_t chunk_bytes = BLOCK << p->chunk_bits;

	for (uint64_t i = 0; i < p->chunks; i++) {
		uint64_t from = i * chunk_bytes, to = from + chunk_bytes;
		uint8_t entry[8];

		if (!c.x) {
			put_index(entry, 1, in->data_offset / BLOCK);
		} else {
			while (c.i < c.x->n && c.x->items[c.i].offset + c.x->items[c.i].len <= from)
				c.i++;
			if (c.i == c.x->n || c.x->items[c.i].offset >= to)
				put_index(entry, 0, HOLE);
			else if (p->is_spilled)
				put_index(entry, 0,
				          (uint64_t)w->data_start + p->block + c.spilled++);
			else
				put_index(entry, 1,
				          (c.x->items[c.i].data_offset + from -
				           c.x->items[c.i].offset) /
				                  BLOCK);
		}
		if (put(w, entry, sizeof(entry)) < 0)
			return -1;
	}
	return 0;
}

static int put_spilled(struct writer *w, const struct tree_inode *in)
{
	const struct tree_extents *x = in->extents;
	uint8_t buf[EROFS_INDEX_BLOCK] = { 0 };
	uint64_t block = UINT64_MAX;

	for (size_t i = 0; i < x->n; i++) {
		uint64_t at = x->items[i].offset, end = at + x->items[i].len;
		uint64_t from = x->items[i].data_offset;

		while (at < end) {
			size_t n = (size_t)(BLOCK - at % BLOCK);
			ssize_t got;

			if (n > end - at)
				n = (size_t)(end - at);
			if (block != UINT64_MAX && block != at / BLOCK) {
				if (put(w, buf, sizeof(buf)) < 0)
					return -1;
				memset(buf, 0, sizeof(buf));
			}
			block = at / BLOCK;
			got = pread(w->tar_fd, buf + at % BLOCK, n, (off_t)from);
			if (got != (ssize_t)n)
				return err_sys(w->err, got < 0 ? errno : EIO, "read the layer");
			at += n;
			from += n;
		}
	}
	return block == UINT64_MAX ? 0 : put(w, buf, sizeof(buf));
}

/* --- placing --- */

static uint64_t align_up(uint64_t v, uint64_t to)
{
	return (v + to - 1) / to * to;
}

/* Data of `bytes` that is not in the tar: its last part goes behind the inode when it fits. */
static void plan_own_data(struct place *p, uint64_t bytes, uint64_t *at)
{
	uint64_t head = INODE_BYTES + p->xattr_bytes, tail = bytes % BLOCK;

	if (!tail || head + tail > BLOCK) {
		p->layout = LAYOUT_PLAIN;
		p->blocks = (uint32_t)align_up(bytes, BLOCK) / (uint32_t)BLOCK;
		return;
	}
	p->layout = LAYOUT_INLINE;
	p->blocks = (uint32_t)(bytes / BLOCK);
	/* the tail must not cross a block */
	if (*at % BLOCK + head + tail > BLOCK)
		*at = align_up(*at, BLOCK);
}

static int place_inode(struct writer *w, uint32_t number, uint32_t node)
{
	struct tree_inode *in = tree_inode(w->t, number);
	struct place *p = &w->places[number];
	uint64_t at = align_up(w->meta_bytes, 32), end;

	p->is_placed = true;
	p->xattr_bytes = xattrs_bytes(in);
	if (p->xattr_bytes > XATTR_HEADER + 4u * (UINT16_MAX - 1u))
		return err_set(w->err, E_LIMIT, "extended attributes of too many bytes");
	if (in->type == TAR_DIR) {
		struct dir_list list = list_dir(w->t, node);

		in->size = dir_bytes(&list);
		in->user = node;
		free(list.items);
		plan_own_data(p, in->size, &at);
	} else if (in->type == TAR_SYMLINK) {
		plan_own_data(p, in->size, &at);
	} else if (in->type == TAR_FILE) {
		plan_file(in, p);
	}
	end = at + INODE_BYTES + p->xattr_bytes;
	if (p->layout == LAYOUT_INLINE)
		end += in->size % BLOCK;
	else if (p->layout == LAYOUT_CHUNKS)
		end = align_up(end, 8) + 8 * p->chunks;
	p->nid = (uint32_t)(at / 32);
	p->block = (uint32_t)w->data_blocks;
	w->data_blocks += p->blocks;
	w->meta_bytes = end;
	if (w->meta_bytes + w->data_blocks * BLOCK > EXTRA_BYTES_MAX + 2 * w->tar_bytes ||
	    w->meta_bytes + w->data_blocks * BLOCK > (uint64_t)32 * UINT32_MAX)
		return err_set(w->err, E_LIMIT,
		               "the layer's index would be out of proportion: "
		               "sparse files or names of this size are not supported");
	w->order[w->n_order++] = number;
	return 0;
}

/* Directory by directory, so that what is listed together lies together. The root comes first:
 * its number must fit 16 bits. */
static int place_all(struct writer *w)
{
	uint32_t *stack = NULL;
	size_t depth = 0;
	int r = place_inode(w, tree_node(w->t, TREE_ROOT)->inode, TREE_ROOT);

	VEC_PUSH(stack, depth, TREE_ROOT);
	while (depth && r == 0) {
		uint32_t dir = stack[--depth];
		size_t n;
		const uint32_t *children = tree_children(w->t, dir, &n);

		for (size_t i = 0; i < n && r == 0; i++) {
			const struct tree_node *child = tree_node(w->t, children[i]);

			if (!w->places[child->inode].is_placed)
				r = place_inode(w, child->inode, children[i]);
		}
		for (size_t i = n; i-- > 0 && r == 0;) {
			const struct tree_node *child = tree_node(w->t, children[i]);

			if (tree_inode(w->t, child->inode)->type == TAR_DIR)
				VEC_PUSH(stack, depth, children[i]);
		}
	}
	free(stack);
	w->data_start = META_BLOCK + (uint32_t)(align_up(w->meta_bytes, BLOCK) / BLOCK);
	return r;
}

/* --- output --- */

static uint32_t crc32c(uint32_t crc, const uint8_t *p, size_t len)
{
	while (len--) {
		crc ^= *p++;
		for (int i = 0; i < 8; i++)
			crc = crc >> 1 ^ (crc & 1 ? 0x82f63b78u : 0);
	}
	return crc;
}

static int put_super(struct writer *w)
{
	uint8_t head[META_BLOCK * EROFS_INDEX_BLOCK] = { 0 };
	uint8_t *sb = head + SUPER_OFFSET, *device = head + DEVICE_OFFSET;
	uint32_t blocks = w->data_start + (uint32_t)w->data_blocks;

	put32(sb, SUPER_MAGIC);
	put32(sb + 8, COMPAT_CHECKSUM | COMPAT_MTIME);
	sb[12] = BLOCK_BITS;
	put16(sb + 14, (uint16_t)w->places[tree_node(w->t, TREE_ROOT)->inode].nid);
	put64(sb + 16, w->n_order);
	put32(sb + 36, blocks);
	put32(sb + 40, META_BLOCK);
	memcpy(sb + 64, EROFS_INDEX_NAME, sizeof(EROFS_INDEX_NAME));
	put32(sb + 80, INCOMPAT_CHUNKS | INCOMPAT_DEVICE);
	put16(sb + 86, 1); /* extra devices */
	put16(sb + 88, DEVICE_OFFSET / 128);
	put32(device + 64, (uint32_t)(w->tar_bytes / BLOCK));
	/* the checksum covers the superblock to the end of its block, itself as zero */
	put32(sb + 4, crc32c(~0u, sb, EROFS_INDEX_BLOCK));
	return put(w, head, sizeof(head));
}

static uint16_t full_mode(const struct tree_inode *in)
{
	static const uint16_t types[TAR_TYPE_MAX] = {
		[TAR_FILE] = S_IFREG,  [TAR_DIR] = S_IFDIR,  [TAR_CHAR] = S_IFCHR,
		[TAR_BLOCK] = S_IFBLK, [TAR_FIFO] = S_IFIFO, [TAR_SYMLINK] = S_IFLNK,
	};

	return types[in->type] | in->mode;
}

/* As Linux's new_encode_dev. */
static uint32_t encode_device(const struct tree_inode *in)
{
	return (in->dev_minor & 0xff) | in->dev_major << 8 | (in->dev_minor & ~0xffu) << 12;
}

static int put_inode(struct writer *w, uint32_t number, uint32_t ino)
{
	const struct tree_inode *in = tree_inode(w->t, number);
	const struct place *p = &w->places[number];
	uint8_t d[INODE_BYTES] = { 0 };
	uint32_t u = 0;

	if (in->type == TAR_CHAR || in->type == TAR_BLOCK)
		u = encode_device(in);
	else if (p->layout == LAYOUT_CHUNKS)
		u = CHUNK_INDEXES | p->chunk_bits;
	else if (p->blocks)
		u = w->data_start + p->block;
	put16(d, (uint16_t)(1 | p->layout << 1));
	put16(d + 2, p->xattr_bytes ? (uint16_t)((p->xattr_bytes - XATTR_HEADER) / 4 + 1) : 0);
	put16(d + 4, full_mode(in));
	put64(d + 8, in->size);
	put32(d + 16, u);
	put32(d + 20, ino);
	put32(d + 24, in->uid);
	put32(d + 28, in->gid);
	put64(d + 32, (uint64_t)in->mtime_s);
	put32(d + 40, in->mtime_ns);
	put32(d + 44, in->nlink);
	if (put_zeros_to(w, META_BLOCK * BLOCK + (uint64_t)p->nid * 32) < 0 ||
	    put(w, d, sizeof(d)) < 0 || (p->xattr_bytes && put_xattrs(w, in) < 0))
		return -1;
	if (p->layout == LAYOUT_CHUNKS)
		return put_zeros_to(w, align_up(w->out_pos, 8)) < 0 ? -1 : put_chunks(w, in, p);
	if (p->layout != LAYOUT_INLINE)
		return 0;
	if (in->type == TAR_DIR)
		return put_dir(w, in->user, p->blocks, 1);
	return put(w, in->link + p->blocks * BLOCK, in->size % BLOCK);
}

static int put_data(struct writer *w, uint32_t number)
{
	const struct tree_inode *in = tree_inode(w->t, number);
	const struct place *p = &w->places[number];
	uint64_t end = ((uint64_t)w->data_start + p->block + p->blocks) * BLOCK;
	uint64_t own = p->layout == LAYOUT_INLINE ? p->blocks * BLOCK : in->size;
	int r = 0;

	if (!p->blocks)
		return 0;
	if (p->is_spilled)
		r = put_spilled(w, in);
	else if (in->type == TAR_DIR)
		r = put_dir(w, in->user, 0, p->blocks);
	else
		r = put(w, in->link, own);
	return r < 0 ? -1 : put_zeros_to(w, end);
}

static int write_all(struct writer *w)
{
	if (place_all(w) < 0 || put_super(w) < 0)
		return -1;
	for (size_t i = 0; i < w->n_order; i++)
		if (put_inode(w, w->order[i], (uint32_t)i + 1) < 0)
			return -1;
	if (put_zeros_to(w, w->data_start * BLOCK) < 0)
		return -1;
	for (size_t i = 0; i < w->n_order; i++)
		if (put_data(w, w->order[i]) < 0)
			return -1;
	return flush_out(w);
}

int erofs_write_index(struct tree *t, int tar_fd, uint64_t tar_bytes, int out_fd,
                      uint64_t *ret_bytes, struct err *err)
{
	uint32_t n = tree_inode_count(t);
	struct writer w = {
		.t = t,
		.tar_fd = tar_fd,
		.out_fd = out_fd,
		.tar_bytes = tar_bytes,
		.err = err,
	};
	int r;

	if (tar_bytes / BLOCK >= HOLE)
		return err_set(err, E_LIMIT, "a layer of more than 2 TiB");
	w.places = xcalloc(n, sizeof(*w.places));
	w.order = xreallocarray(NULL, n, sizeof(*w.order));
	w.out = xmalloc(OUT_BYTES);
	r = write_all(&w);
	if (r == 0)
		*ret_bytes = w.out_pos;
	free(w.places);
	free(w.order);
	free(w.out);
	return r;
}
