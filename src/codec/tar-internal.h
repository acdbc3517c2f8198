/* tar-internal: what the parts of the tar reader share. */
#pragma once
#include "codec/tar.h"

/* Field offsets and sizes of a 512-byte header (POSIX ustar, GNU and star variants). */
#define H_NAME             0, 100
#define H_MODE             100, 8
#define H_UID              108, 8
#define H_GID              116, 8
#define H_SIZE             124, 12
#define H_MTIME            136, 12
#define H_CHKSUM           148, 8
#define H_TYPE             156
#define H_LINK             157, 100
#define H_MAGIC            257
#define H_UNAME            265, 32
#define H_GNAME            297, 32
#define H_MAJOR            329, 8
#define H_MINOR            337, 8
#define H_PREFIX           345, 155
#define H_STAR_PREFIX      345, 131
#define H_STAR_MAGIC       508
#define H_GNU_SPARSE       386
#define H_GNU_SPARSE_COUNT 4
#define H_GNU_EXTENDED     482
#define H_GNU_REALSIZE     483, 12
#define H_GNU_EXT_COUNT    21 /* extents in an extension block */
#define H_GNU_EXT_MORE     504

struct tar_pax_xattr {
	size_t name, value, len; /* offsets into tar_pax.xattr_bytes */
};

enum tar_pax_field {
	PAX_PATH = 1u << 0,
	PAX_LINKPATH = 1u << 1,
	PAX_SIZE = 1u << 2,
	PAX_UID = 1u << 3,
	PAX_GID = 1u << 4,
	PAX_MTIME = 1u << 5,
	PAX_UNAME = 1u << 6,
	PAX_GNAME = 1u << 7,
	PAX_SPARSE_MAJOR = 1u << 8,
	PAX_SPARSE_MINOR = 1u << 9,
	PAX_SPARSE_NAME = 1u << 10,
	PAX_SPARSE_REALSIZE = 1u << 11,
	PAX_SPARSE_BLOCKS = 1u << 12,
	PAX_SPARSE_MAP = 1u << 13,
	PAX_SPARSE_OFFSET = 1u << 14, /* version 0.0: offset and numbytes repeat */
	PAX_ANY_SPARSE = PAX_SPARSE_MAJOR | PAX_SPARSE_MINOR | PAX_SPARSE_NAME |
	                 PAX_SPARSE_REALSIZE | PAX_SPARSE_BLOCKS | PAX_SPARSE_MAP |
	                 PAX_SPARSE_OFFSET,
};

/* The records of one extended header. */
struct tar_pax {
	unsigned fields; /* which of the following are set */
	struct strbuf path, linkpath, uname, gname, sparse_name;
	uint64_t size, sparse_major, sparse_minor, sparse_realsize, sparse_blocks;
	uint32_t uid, gid;
	int64_t mtime_s;
	uint32_t mtime_ns;
	struct strbuf xattr_bytes;
	struct tar_pax_xattr *xattrs;
	size_t n_xattrs;
	/* offset and length; data_offset is filled in by the reader */
	struct tar_extent *extents;
	size_t n_extents;
};

void tar_pax_init(struct tar_pax *pax);
void tar_pax_reset(struct tar_pax *pax); /* empty, memory kept */
void tar_pax_done(struct tar_pax *pax);
/* is_global: a 'g' header, which may not name things. */
int tar_pax_parse(struct tar_pax *pax, const char *data, size_t len, bool is_global,
                  const struct tar_limits *limits, struct err *err);
int tar_pax_add_extent(struct tar_pax *pax, uint64_t offset, uint64_t len,
                       const struct tar_limits *limits, struct err *err);
/* Decimal digits only, the whole of them. */
int tar_parse_decimal(const char *s, size_t len, uint64_t *ret);

/* A text out of the archive, short and printable, for an error message. */
struct tar_shown {
	char s[208];
};
struct tar_shown tar_show(const char *text);

/* Header fields: octal or base-256. 0 or -ERANGE / -EINVAL. */
int tar_field_i64(const uint8_t *block, size_t offset, size_t len, int64_t *ret);
bool tar_checksum_ok(const uint8_t *block);
bool tar_block_is_zero(const uint8_t *block);
/* The text up to NUL or the end of the field. */
void tar_field_text(const uint8_t *block, size_t offset, size_t len, struct strbuf *ret);
