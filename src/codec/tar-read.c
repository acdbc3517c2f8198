/* The tar reader's state machine: headers, the metadata entries in front of them, data. */
#include <errno.h>
#include <string.h>

#include "base/xalloc.h"
#include "codec/tar-internal.h"

enum state {
	S_HEADER,  /* collecting a header block */
	S_META,    /* collecting the data of an x, g, L or K entry */
	S_GNU_EXT, /* collecting an extension block of a GNU sparse header */
	S_MAP,     /* collecting the sparse map in front of the data (pax sparse 1.0) */
	S_DATA,
	S_END, /* after the end mark */
};

struct tar_reader {
	const struct tar_handler *handler;
	void *ctx;
	struct tar_limits limits;
	enum state state;
	uint64_t pos; /* bytes consumed so far */
	uint64_t entries;
	bool zero_block; /* the last block was the first of the end mark */

	uint8_t block[TAR_BLOCK_SIZE];
	size_t fill;

	char meta_type;
	uint64_t meta_left; /* bytes of metadata to come, then padding */
	struct strbuf meta;

	struct tar_pax global, pax;
	bool has_pax, has_long_name, has_long_link;
	struct strbuf long_name, long_link;

	/* the entry under way */
	struct tar_entry entry;
	char name[TAR_NAME_MAX + 1], link[TAR_NAME_MAX + 1];
	struct strbuf raw_name, raw_link, uname, gname;
	struct tar_xattr *xattrs;
	uint64_t stored;    /* data bytes in the archive, sparse map included */
	uint64_t data_left; /* data still to come, without padding */
	uint64_t pad_left;
	size_t extent; /* of a sparse file: where the next byte goes */
	uint64_t extent_done;
	struct strbuf map; /* what is not parsed yet of a sparse map, version 1.0 */
	uint64_t map_bytes, map_numbers, map_count, map_offset;
};

static const struct tar_limits default_limits = {
	.max_entries = 10000000,
	.max_file_bytes = (uint64_t)1 << 40,
	.max_pax_bytes = 1 << 20,
	.max_xattr_bytes = 128 << 10,
	.max_extents = 65536,
};

struct tar_reader *tar_reader_new(const struct tar_handler *handler, void *ctx,
                                  const struct tar_limits *limits)
{
	struct tar_reader *r = xcalloc(1, sizeof(*r));

	r->handler = handler;
	r->ctx = ctx;
	r->limits = default_limits;
	if (limits) {
		if (limits->max_entries)
			r->limits.max_entries = limits->max_entries;
		if (limits->max_file_bytes)
			r->limits.max_file_bytes = limits->max_file_bytes;
		if (limits->max_pax_bytes)
			r->limits.max_pax_bytes = limits->max_pax_bytes;
		if (limits->max_xattr_bytes)
			r->limits.max_xattr_bytes = limits->max_xattr_bytes;
		if (limits->max_extents)
			r->limits.max_extents = limits->max_extents;
	}
	tar_pax_init(&r->global);
	tar_pax_init(&r->pax);
	r->meta = r->long_name = r->long_link = r->raw_name = r->raw_link = STRBUF_INIT;
	r->uname = r->gname = r->map = STRBUF_INIT;
	return r;
}

void tar_reader_free(struct tar_reader *r)
{
	if (!r)
		return;
	tar_pax_done(&r->global);
	tar_pax_done(&r->pax);
	strbuf_done(&r->meta);
	strbuf_done(&r->long_name);
	strbuf_done(&r->long_link);
	strbuf_done(&r->raw_name);
	strbuf_done(&r->raw_link);
	strbuf_done(&r->uname);
	strbuf_done(&r->gname);
	strbuf_done(&r->map);
	free(r->xattrs);
	free(r);
}

uint64_t tar_reader_entries(const struct tar_reader *r)
{
	return r->entries;
}

bool tar_reader_at_end(const struct tar_reader *r)
{
	return r->state == S_END;
}

static uint64_t padding(uint64_t bytes)
{
	return (TAR_BLOCK_SIZE - bytes % TAR_BLOCK_SIZE) % TAR_BLOCK_SIZE;
}

/* An error about the entry under way. */
static int bad_entry(struct tar_reader *r, const char *text, struct err *err)
{
	return err_set(err, E_CORRUPT, "entry '%s': %s", tar_show(r->raw_name.buf).s, text);
}

/* An x, g, L or K header: its data is collected first. */
static int begin_meta(struct tar_reader *r, char type, struct err *err)
{
	bool is_pax = type == 'x' || type == 'g';
	size_t max = is_pax ? r->limits.max_pax_bytes : TAR_NAME_MAX + TAR_BLOCK_SIZE;
	int64_t size;

	if (tar_field_i64(r->block, H_SIZE, &size) < 0 || size < 0)
		return err_set(err, E_CORRUPT, "bad size of an extended header");
	if ((uint64_t)size > max)
		return err_set(err, E_LIMIT, "an extended header of %lld bytes, more than %zu",
		               (long long)size, max);
	/* readers disagree about which of two would win */
	if ((type == 'x' && r->has_pax) || (type == 'L' && r->has_long_name) ||
	    (type == 'K' && r->has_long_link) ||
	    (type == 'g' && (r->has_pax || r->has_long_name || r->has_long_link)))
		return err_set(err, E_CORRUPT, "two extended headers for one entry");
	r->meta_type = type;
	r->meta_left = (uint64_t)size;
	r->pad_left = padding((uint64_t)size);
	strbuf_reset(&r->meta);
	r->state = S_META;
	return 0;
}

static int end_long_text(struct tar_reader *r, struct strbuf *ret, struct err *err)
{
	size_t len = strnlen(r->meta.buf, r->meta.len);

	for (size_t i = len; i < r->meta.len; i++)
		if (r->meta.buf[i])
			return err_set(err, E_CORRUPT, "a NUL inside a long name");
	if (len == 0)
		return err_set(err, E_CORRUPT, "an empty long name");
	strbuf_reset(ret);
	strbuf_add(ret, r->meta.buf, len);
	return 0;
}

static int end_meta(struct tar_reader *r, struct err *err)
{
	r->state = S_HEADER;
	switch (r->meta_type) {
	case 'x':
		tar_pax_reset(&r->pax);
		r->has_pax = true;
		return tar_pax_parse(&r->pax, r->meta.buf, r->meta.len, false, &r->limits, err);
	case 'g':
		return tar_pax_parse(&r->global, r->meta.buf, r->meta.len, true, &r->limits, err);
	case 'L':
		r->has_long_name = true;
		return end_long_text(r, &r->long_name, err);
	default:
		r->has_long_link = true;
		return end_long_text(r, &r->long_link, err);
	}
}

/* The names out of header, GNU long names and pax records, as they are written. */
static int collect_names(struct tar_reader *r, struct err *err)
{
	const char *magic = (const char *)r->block + H_MAGIC;
	struct strbuf *name = &r->raw_name;

	tar_field_text(r->block, H_NAME, name);
	tar_field_text(r->block, H_LINK, &r->raw_link);
	/* GNU's magic is "ustar  ": the prefix field holds other things there */
	if (!memcmp(magic, "ustar\0", 6)) {
		AUTO_BUF joined = STRBUF_INIT;

		if (!memcmp(r->block + H_STAR_MAGIC, "tar\0", 4))
			tar_field_text(r->block, H_STAR_PREFIX, &joined);
		else
			tar_field_text(r->block, H_PREFIX, &joined);
		if (joined.len) {
			strbuf_addc(&joined, '/');
			strbuf_adds(&joined, name->buf);
			strbuf_reset(name);
			strbuf_add(name, joined.buf, joined.len);
		}
	}
	if ((r->has_long_name && r->pax.fields & (PAX_PATH | PAX_SPARSE_NAME)) ||
	    (r->has_long_link && r->pax.fields & PAX_LINKPATH))
		return bad_entry(r, "both a GNU and a pax long name", err);
	if (r->has_long_name) {
		strbuf_reset(name);
		strbuf_adds(name, r->long_name.buf);
	}
	if (r->has_long_link) {
		strbuf_reset(&r->raw_link);
		strbuf_adds(&r->raw_link, r->long_link.buf);
	}
	if (r->pax.fields & (PAX_PATH | PAX_SPARSE_NAME)) {
		strbuf_reset(name);
		strbuf_adds(name, r->pax.fields & PAX_SPARSE_NAME ? r->pax.sparse_name.buf
		                                                  : r->pax.path.buf);
	}
	if (r->pax.fields & PAX_LINKPATH) {
		strbuf_reset(&r->raw_link);
		strbuf_adds(&r->raw_link, r->pax.linkpath.buf);
	}
	return 0;
}

static int collect_type(struct tar_reader *r, struct err *err)
{
	static const enum tar_type types[] = { TAR_FILE,  TAR_HARDLINK, TAR_SYMLINK, TAR_CHAR,
		                               TAR_BLOCK, TAR_DIR,      TAR_FIFO,    TAR_FILE };
	char flag = (char)r->block[H_TYPE];
	bool slash = r->raw_name.len && r->raw_name.buf[r->raw_name.len - 1] == '/';

	if (flag == '\0') {
		/* v7 had no flag for directories */
		r->entry.type = slash ? TAR_DIR : TAR_FILE;
		return 0;
	}
	if (flag == 'S') {
		r->entry.type = TAR_FILE;
		return 0;
	}
	if (flag < '0' || flag > '7')
		return err_set(err, E_UNSUPPORTED, "entry '%s': unknown type '%c' (0x%02x)",
		               tar_show(r->raw_name.buf).s, flag > 0x20 && flag < 0x7f ? flag : '?',
		               (unsigned char)flag);
	r->entry.type = types[flag - '0'];
	if (slash && r->entry.type == TAR_FILE)
		return bad_entry(r, "a file whose name ends in '/'", err);
	return 0;
}

static int collect_owner(struct tar_reader *r, struct err *err)
{
	struct tar_entry *e = &r->entry;
	unsigned local = r->pax.fields, global = r->global.fields;
	int64_t uid, gid, mode, mtime;

	if (tar_field_i64(r->block, H_MODE, &mode) < 0)
		return bad_entry(r, "bad mode", err);
	e->mode = (uint32_t)mode & 07777;
	if (tar_field_i64(r->block, H_MTIME, &mtime) < 0)
		return bad_entry(r, "bad time", err);
	e->mtime_s = mtime;
	e->mtime_ns = 0;
	if ((local | global) & PAX_MTIME) {
		const struct tar_pax *from = local & PAX_MTIME ? &r->pax : &r->global;

		e->mtime_s = from->mtime_s;
		e->mtime_ns = from->mtime_ns;
	}
	if ((local | global) & PAX_UID)
		uid = local & PAX_UID ? r->pax.uid : r->global.uid;
	else if (tar_field_i64(r->block, H_UID, &uid) < 0)
		uid = -1;
	if ((local | global) & PAX_GID)
		gid = local & PAX_GID ? r->pax.gid : r->global.gid;
	else if (tar_field_i64(r->block, H_GID, &gid) < 0)
		gid = -1;
	/* (uid_t)-1 means "leave as it is" to chown(2) */
	if (uid < 0 || uid >= UINT32_MAX || gid < 0 || gid >= UINT32_MAX)
		return bad_entry(r, "owner out of range", err);
	e->uid = (uint32_t)uid;
	e->gid = (uint32_t)gid;
	tar_field_text(r->block, H_UNAME, &r->uname);
	tar_field_text(r->block, H_GNAME, &r->gname);
	e->uname = r->uname.buf;
	e->gname = r->gname.buf;
	if (memcmp(r->block + H_MAGIC, "ustar", 5) != 0)
		e->uname = e->gname = "";
	if ((local | global) & PAX_UNAME)
		e->uname = local & PAX_UNAME ? r->pax.uname.buf : r->global.uname.buf;
	if ((local | global) & PAX_GNAME)
		e->gname = local & PAX_GNAME ? r->pax.gname.buf : r->global.gname.buf;
	return 0;
}

static int collect_device(struct tar_reader *r, struct err *err)
{
	int64_t major = 0, minor = 0;

	r->entry.dev_major = r->entry.dev_minor = 0;
	if (r->entry.type != TAR_CHAR && r->entry.type != TAR_BLOCK)
		return 0;
	/* what the kernel's 32-bit device numbers hold */
	if (tar_field_i64(r->block, H_MAJOR, &major) < 0 || major < 0 || major > 0xfff ||
	    tar_field_i64(r->block, H_MINOR, &minor) < 0 || minor < 0 || minor > 0xfffff)
		return bad_entry(r, "device number out of range", err);
	r->entry.dev_major = (uint32_t)major;
	r->entry.dev_minor = (uint32_t)minor;
	return 0;
}

static int collect_size(struct tar_reader *r, struct err *err)
{
	int64_t size;

	if (tar_field_i64(r->block, H_SIZE, &size) < 0 || size < 0)
		return bad_entry(r, "bad size", err);
	r->stored = (uint64_t)size;
	if (r->pax.fields & PAX_SIZE) {
		/* writers leave 0 or the largest octal number where the size does not fit */
		if (size && (uint64_t)size != r->pax.size && r->pax.size < (uint64_t)1 << 33)
			return bad_entry(r, "two sizes that contradict each other", err);
		r->stored = r->pax.size;
	}
	if (r->entry.type != TAR_FILE && r->stored)
		return bad_entry(r, "data on an entry that cannot have any", err);
	if (r->stored > r->limits.max_file_bytes)
		return err_set(err, E_LIMIT, "entry '%s': %llu bytes, more than %llu",
		               tar_show(r->raw_name.buf).s, (unsigned long long)r->stored,
		               (unsigned long long)r->limits.max_file_bytes);
	r->entry.size = r->entry.data_len = r->stored;
	return 0;
}

static int collect_xattrs(struct tar_reader *r)
{
	const struct tar_pax *pax = &r->pax;

	free(r->xattrs);
	r->xattrs = pax->n_xattrs ? xreallocarray(NULL, pax->n_xattrs, sizeof(*r->xattrs)) : NULL;
	for (size_t i = 0; i < pax->n_xattrs; i++)
		r->xattrs[i] = (struct tar_xattr){
			.name = pax->xattr_bytes.buf + pax->xattrs[i].name,
			.value = pax->xattr_bytes.buf + pax->xattrs[i].value,
			.len = pax->xattrs[i].len,
		};
	r->entry.xattrs = r->xattrs;
	r->entry.n_xattrs = pax->n_xattrs;
	return 0;
}

static int check_names(struct tar_reader *r, struct err *err)
{
	struct tar_entry *e = &r->entry;

	if (!r->raw_name.len)
		return err_set(err, E_CORRUPT, "an entry without a name");
	if (tar_normalise_name(r->raw_name.buf, r->name, err) < 0)
		return -1;
	if (!r->name[0] && e->type != TAR_DIR)
		return bad_entry(r, "the root must be a directory", err);
	e->name = r->name;
	e->link = "";
	if (e->type == TAR_HARDLINK) {
		if (tar_normalise_name(r->raw_link.buf, r->link, err) < 0)
			return err_ctx(err, "entry '%s'", tar_show(r->raw_name.buf).s);
		if (!r->link[0])
			return bad_entry(r, "a hard link to nothing", err);
		e->link = r->link;
	} else if (e->type == TAR_SYMLINK) {
		if (!r->raw_link.len)
			return bad_entry(r, "a symbolic link to nothing", err);
		if (r->raw_link.len > TAR_NAME_MAX)
			return bad_entry(r, "a symbolic link that is too long", err);
		e->link = r->raw_link.buf;
	}
	return 0;
}

/* The pieces must be in order, inside the file, and as many bytes as are stored. */
static int check_extents(struct tar_reader *r, struct err *err)
{
	struct tar_pax *pax = &r->pax;
	uint64_t at = 0, sum = 0;
	size_t kept = 0;

	for (size_t i = 0; i < pax->n_extents; i++) {
		struct tar_extent x = pax->extents[i];

		if (x.offset < at || x.offset > r->entry.size || x.len > r->entry.size - x.offset)
			return bad_entry(r, "a damaged sparse map", err);
		at = x.offset + x.len;
		x.data_offset = r->entry.data_offset + sum;
		sum += x.len;
		if (x.len)
			pax->extents[kept++] = x;
	}
	if (sum != r->entry.data_len)
		return bad_entry(r, "a sparse map that does not fit the data", err);
	r->entry.is_sparse = true;
	r->entry.extents = pax->extents;
	r->entry.n_extents = kept;
	return 0;
}

static int deliver(struct tar_reader *r, struct err *err)
{
	struct tar_entry *e = &r->entry;

	if (e->is_sparse && check_extents(r, err) < 0)
		return -1;
	r->data_left = e->data_len;
	r->extent = 0;
	r->extent_done = 0;
	r->state = S_DATA;
	return r->handler->entry(r->ctx, e, err);
}

static int entry_done(struct tar_reader *r, struct err *err)
{
	r->state = S_HEADER;
	r->has_pax = r->has_long_name = r->has_long_link = false;
	tar_pax_reset(&r->pax);
	return r->handler->end ? r->handler->end(r->ctx, err) : 0;
}

static int set_sparse_size(struct tar_reader *r, uint64_t size, struct err *err)
{
	if (size > r->limits.max_file_bytes)
		return err_set(err, E_LIMIT, "entry '%s': %llu bytes, more than %llu",
		               tar_show(r->raw_name.buf).s, (unsigned long long)size,
		               (unsigned long long)r->limits.max_file_bytes);
	r->entry.size = size;
	r->entry.is_sparse = true;
	return 0;
}

/* count extents from an array of {offset[12], numbytes[12]}; an empty field ends it */
static int gnu_extents(struct tar_reader *r, const uint8_t *block, size_t at, int count,
                       struct err *err)
{
	for (int i = 0; i < count; i++, at += 24) {
		int64_t offset, len;

		if (!block[at] && !block[at + 12])
			break;
		if (tar_field_i64(block, at, 12, &offset) < 0 || offset < 0 ||
		    tar_field_i64(block, at + 12, 12, &len) < 0 || len < 0)
			return bad_entry(r, "a damaged sparse map", err);
		if (tar_pax_add_extent(&r->pax, (uint64_t)offset, (uint64_t)len, &r->limits, err) <
		    0)
			return -1;
	}
	return 0;
}

static int begin_gnu_sparse(struct tar_reader *r, struct err *err)
{
	int64_t size;

	if (r->pax.fields & PAX_ANY_SPARSE)
		return bad_entry(r, "both a GNU and a pax sparse map", err);
	if (tar_field_i64(r->block, H_GNU_REALSIZE, &size) < 0 || size < 0)
		return bad_entry(r, "bad size", err);
	if (set_sparse_size(r, (uint64_t)size, err) < 0)
		return -1;
	r->pax.n_extents = 0;
	if (gnu_extents(r, r->block, H_GNU_SPARSE, H_GNU_SPARSE_COUNT, err) < 0)
		return -1;
	if (r->block[H_GNU_EXTENDED]) {
		r->state = S_GNU_EXT;
		return 0;
	}
	r->entry.data_offset = r->pos;
	return deliver(r, err);
}

static int begin_pax_sparse(struct tar_reader *r, struct err *err)
{
	const struct tar_pax *pax = &r->pax;
	bool is_1_0 = (pax->fields & PAX_SPARSE_MAJOR) && pax->sparse_major == 1;

	if (r->entry.type != TAR_FILE)
		return bad_entry(r, "a sparse map on something that is no file", err);
	if (!(pax->fields & PAX_SPARSE_REALSIZE))
		return bad_entry(r, "a sparse file without its size", err);
	if (set_sparse_size(r, pax->sparse_realsize, err) < 0)
		return -1;
	if (is_1_0) {
		if ((pax->fields & PAX_SPARSE_MINOR && pax->sparse_minor != 0) ||
		    pax->fields & (PAX_SPARSE_MAP | PAX_SPARSE_OFFSET))
			return bad_entry(r, "an unknown kind of sparse map", err);
		if (r->stored < TAR_BLOCK_SIZE)
			return bad_entry(r, "a damaged sparse map", err);
		strbuf_reset(&r->map);
		r->map_bytes = r->map_numbers = r->map_count = 0;
		r->state = S_MAP;
		return 0;
	}
	if ((pax->fields & PAX_SPARSE_MAJOR && pax->sparse_major != 0) ||
	    (pax->fields & PAX_SPARSE_BLOCKS && pax->sparse_blocks != pax->n_extents) ||
	    !(pax->fields & (PAX_SPARSE_MAP | PAX_SPARSE_OFFSET | PAX_SPARSE_BLOCKS)))
		return bad_entry(r, "an unknown kind of sparse map", err);
	return deliver(r, err);
}

/* One number of the map: first the count, then offset and length of each piece. */
static int map_number(struct tar_reader *r, uint64_t v, struct err *err)
{
	if (r->map_numbers++ == 0) {
		if (v > r->limits.max_extents)
			return err_set(err, E_LIMIT,
			               "entry '%s': a sparse file of more than %zu pieces",
			               tar_show(r->raw_name.buf).s, r->limits.max_extents);
		r->map_count = v;
		r->pax.n_extents = 0;
		return 0;
	}
	if (r->map_numbers % 2 == 0) {
		r->map_offset = v;
		return 0;
	}
	return tar_pax_add_extent(&r->pax, r->map_offset, v, &r->limits, err);
}

/* The map of version 1.0: decimal numbers, one a line, filled up to a block; it stands in front of
 * the data and is counted with it. */
static int take_map_block(struct tar_reader *r, struct err *err)
{
	const char *p, *end;

	if (r->stored - r->map_bytes < TAR_BLOCK_SIZE)
		return bad_entry(r, "a damaged sparse map", err);
	r->map_bytes += TAR_BLOCK_SIZE;
	strbuf_add(&r->map, r->block, TAR_BLOCK_SIZE);
	p = r->map.buf;
	end = p + r->map.len;
	while (!r->map_numbers || r->map_numbers < 1 + 2 * r->map_count) {
		const char *nl = memchr(p, '\n', (size_t)(end - p));
		uint64_t v;

		if (!nl) {
			AUTO_BUF rest = STRBUF_INIT;

			if (end - p > 32)
				return bad_entry(r, "a damaged sparse map", err);
			strbuf_add(&rest, p, (size_t)(end - p));
			strbuf_reset(&r->map);
			strbuf_add(&r->map, rest.buf, rest.len);
			return 0;
		}
		if (tar_parse_decimal(p, (size_t)(nl - p), &v) < 0)
			return bad_entry(r, "a damaged sparse map", err);
		if (map_number(r, v, err) < 0)
			return -1;
		p = nl + 1;
	}
	r->entry.data_offset = r->pos;
	r->entry.data_len = r->stored - r->map_bytes;
	return deliver(r, err);
}

static int take_header(struct tar_reader *r, struct err *err)
{
	char flag = (char)r->block[H_TYPE];

	if (tar_block_is_zero(r->block)) {
		if (r->has_pax || r->has_long_name || r->has_long_link)
			return err_set(err, E_CORRUPT, "an extended header without its entry");
		if (r->zero_block)
			r->state = S_END;
		r->zero_block = true;
		return 0;
	}
	if (r->zero_block)
		return err_set(err, E_CORRUPT, "a lone zero block at byte %llu",
		               (unsigned long long)r->pos - 2 * TAR_BLOCK_SIZE);
	if (!tar_checksum_ok(r->block))
		return err_set(err, E_CORRUPT,
		               "wrong header checksum at byte %llu: not a tar, or "
		               "a damaged one",
		               (unsigned long long)r->pos - TAR_BLOCK_SIZE);
	if (flag == 'x' || flag == 'g' || flag == 'L' || flag == 'K')
		return begin_meta(r, flag, err);
	if (++r->entries > r->limits.max_entries)
		return err_set(err, E_LIMIT, "more than %llu entries",
		               (unsigned long long)r->limits.max_entries);
	r->entry = (struct tar_entry){ .data_offset = r->pos };
	if (collect_names(r, err) < 0 || collect_type(r, err) < 0 || collect_owner(r, err) < 0 ||
	    collect_device(r, err) < 0 || collect_size(r, err) < 0 || collect_xattrs(r) < 0 ||
	    check_names(r, err) < 0)
		return -1;
	r->pad_left = padding(r->stored);
	if (flag == 'S')
		return begin_gnu_sparse(r, err);
	if (r->pax.fields & PAX_ANY_SPARSE)
		return begin_pax_sparse(r, err);
	return deliver(r, err);
}

static int take_block(struct tar_reader *r, struct err *err)
{
	switch (r->state) {
	case S_HEADER:
		return take_header(r, err);
	case S_GNU_EXT:
		if (gnu_extents(r, r->block, 0, H_GNU_EXT_COUNT, err) < 0)
			return -1;
		if (r->block[H_GNU_EXT_MORE])
			return 0;
		r->entry.data_offset = r->pos;
		return deliver(r, err);
	case S_MAP:
		return take_map_block(r, err);
	case S_META:
	case S_DATA:
	case S_END:
		break;
	}
	return err_set(err, E_INTERNAL, "tar reader in state %d", r->state);
}

/* Pass on what of p belongs to one place of the file; returns how much that was. */
static int give_data(struct tar_reader *r, const uint8_t *p, size_t len, size_t *ret_taken,
                     struct err *err)
{
	const struct tar_entry *e = &r->entry;
	uint64_t offset = e->size - r->data_left;

	if (len > r->data_left)
		len = (size_t)r->data_left;
	if (e->is_sparse) {
		const struct tar_extent *x = &e->extents[r->extent];

		if (len > x->len - r->extent_done)
			len = (size_t)(x->len - r->extent_done);
		offset = x->offset + r->extent_done;
		r->extent_done += len;
		if (r->extent_done == x->len) {
			r->extent++;
			r->extent_done = 0;
		}
	}
	*ret_taken = len;
	r->data_left -= len;
	return r->handler->data ? r->handler->data(r->ctx, offset, p, len, err) : 0;
}

/* One step; *ret_taken bytes of p were used (0 only when the state alone changed). */
static int step(struct tar_reader *r, const uint8_t *p, size_t len, size_t *ret_taken,
                struct err *err)
{
	size_t n;

	*ret_taken = 0;
	switch (r->state) {
	case S_END:
		*ret_taken = len;
		return 0;
	case S_META:
		n = len < r->meta_left ? len : (size_t)r->meta_left;
		strbuf_add(&r->meta, p, n);
		r->meta_left -= n;
		*ret_taken = n;
		if (r->meta_left)
			return 0;
		n = len - n < r->pad_left ? len - n : (size_t)r->pad_left;
		r->pad_left -= n;
		*ret_taken += n;
		return r->pad_left ? 0 : end_meta(r, err);
	case S_DATA:
		if (r->data_left && len)
			return give_data(r, p, len, ret_taken, err);
		if (r->data_left)
			return 0;
		n = len < r->pad_left ? len : (size_t)r->pad_left;
		r->pad_left -= n;
		*ret_taken = n;
		return r->pad_left ? 0 : entry_done(r, err);
	case S_HEADER:
	case S_GNU_EXT:
	case S_MAP:
		n = TAR_BLOCK_SIZE - r->fill;
		if (n > len)
			n = len;
		memcpy(r->block + r->fill, p, n);
		r->fill += n;
		*ret_taken = n;
		break;
	}
	return 0;
}

int tar_reader_push(struct tar_reader *r, const void *data, size_t len, struct err *err)
{
	const uint8_t *p = data;

	while (len) {
		enum state before = r->state;
		size_t taken;

		if (step(r, p, len, &taken, err) < 0)
			return -1;
		p += taken;
		len -= taken;
		r->pos += taken;
		if (before != S_DATA && before != S_META && r->fill == TAR_BLOCK_SIZE) {
			r->fill = 0;
			if (take_block(r, err) < 0)
				return -1;
		}
	}
	return 0;
}

uint64_t tar_reader_skippable(const struct tar_reader *r)
{
	return r->state == S_DATA && !r->handler->data && !r->entry.is_sparse ? r->data_left : 0;
}

void tar_reader_skip(struct tar_reader *r, uint64_t len)
{
	r->data_left -= len;
	r->pos += len;
}

int tar_reader_end(struct tar_reader *r, struct err *err)
{
	/* an entry without data, or whose data just ended, was not yet closed */
	if (r->state == S_DATA && !r->data_left && !r->pad_left && entry_done(r, err) < 0)
		return -1;
	if (r->state == S_END || (r->state == S_HEADER && !r->fill && !r->has_pax &&
	                          !r->has_long_name && !r->has_long_link))
		return 0;
	return err_set(err, E_CORRUPT, "the archive is cut off after %llu bytes",
	               (unsigned long long)r->pos);
}
