/* Records of pax extended headers: "LENGTH KEY=VALUE\n" (POSIX.1-2001 pax), with SCHILY.xattr.*
 * and GNU.sparse.*. Keys nobody needs here (atime, comment, LIBARCHIVE.*, ...) are skipped. */
#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/xalloc.h"
#include "codec/tar-internal.h"

#define XATTR_PREFIX          "SCHILY.xattr."
#define XATTR_NAME_MAX        255
#define XATTR_VALUE_MAX_BYTES 65535

void tar_pax_init(struct tar_pax *pax)
{
	*pax = (struct tar_pax){
		.path = STRBUF_INIT,
		.linkpath = STRBUF_INIT,
		.uname = STRBUF_INIT,
		.gname = STRBUF_INIT,
		.sparse_name = STRBUF_INIT,
		.xattr_bytes = STRBUF_INIT,
	};
}

void tar_pax_reset(struct tar_pax *pax)
{
	pax->fields = 0;
	strbuf_reset(&pax->xattr_bytes);
	pax->n_xattrs = 0;
	pax->n_extents = 0;
}

void tar_pax_done(struct tar_pax *pax)
{
	strbuf_done(&pax->path);
	strbuf_done(&pax->linkpath);
	strbuf_done(&pax->uname);
	strbuf_done(&pax->gname);
	strbuf_done(&pax->sparse_name);
	strbuf_done(&pax->xattr_bytes);
	free(pax->xattrs);
	free(pax->extents);
	tar_pax_init(pax);
}

int tar_parse_decimal(const char *s, size_t len, uint64_t *ret)
{
	uint64_t v = 0;

	if (!len)
		return -EINVAL;
	for (size_t i = 0; i < len; i++) {
		if (!isdigit((unsigned char)s[i]))
			return -EINVAL;
		if (v > (UINT64_MAX - 9) / 10)
			return -ERANGE;
		v = v * 10 + (uint64_t)(s[i] - '0');
	}
	*ret = v;
	return 0;
}

/* "-12.5": seconds and nanoseconds, the latter always counted upwards */
static int parse_time(const char *s, size_t len, int64_t *ret_s, uint32_t *ret_ns)
{
	bool minus = len && *s == '-';
	const char *dot = memchr(s, '.', len);
	uint64_t whole;
	uint32_t ns = 0, unit = 100000000;
	size_t int_len = dot ? (size_t)(dot - s) : len;

	if (tar_parse_decimal(s + minus, int_len - minus, &whole) < 0 || whole > INT64_MAX - 1)
		return -EINVAL;
	for (size_t i = int_len + 1; dot && i < len; i++, unit /= 10) {
		if (!isdigit((unsigned char)s[i]))
			return -EINVAL;
		ns += (uint32_t)(s[i] - '0') * unit;
	}
	*ret_s = minus ? -(int64_t)whole : (int64_t)whole;
	if (minus && ns) {
		*ret_s -= 1;
		ns = 1000000000 - ns;
	}
	*ret_ns = ns;
	return 0;
}

int tar_pax_add_extent(struct tar_pax *pax, uint64_t offset, uint64_t len,
                       const struct tar_limits *limits, struct err *err)
{
	if (pax->n_extents >= limits->max_extents)
		return err_set(err, E_LIMIT, "a sparse file of more than %zu pieces",
		               limits->max_extents);
	VEC_PUSH(pax->extents, pax->n_extents, (struct tar_extent){ .offset = offset, .len = len });
	return 0;
}

/* Version 0.1: "offset,len,offset,len,..." */
static int parse_map(struct tar_pax *pax, const char *s, size_t len,
                     const struct tar_limits *limits, struct err *err)
{
	const char *end = s + len;

	pax->n_extents = 0;
	while (s < end) {
		uint64_t v[2];

		for (int i = 0; i < 2; i++) {
			const char *comma = memchr(s, ',', (size_t)(end - s));
			const char *stop = comma ? comma : end;

			if (tar_parse_decimal(s, (size_t)(stop - s), &v[i]) < 0)
				return err_set(err, E_CORRUPT, "a damaged sparse map");
			s = comma ? comma + 1 : end;
		}
		if (tar_pax_add_extent(pax, v[0], v[1], limits, err) < 0)
			return -1;
	}
	return 0;
}

static int add_xattr(struct tar_pax *pax, const char *name, size_t name_len, const char *value,
                     size_t len, const struct tar_limits *limits, struct err *err)
{
	struct tar_pax_xattr x = { .len = len };

	if (!name_len || name_len > XATTR_NAME_MAX)
		return err_set(err, E_LIMIT, "an extended attribute's name of %zu bytes", name_len);
	if (len > XATTR_VALUE_MAX_BYTES ||
	    pax->xattr_bytes.len + name_len + 1 + len > limits->max_xattr_bytes)
		return err_set(err, E_LIMIT, "extended attributes of too many bytes");
	for (size_t i = 0; i < pax->n_xattrs; i++) {
		const char *other = pax->xattr_bytes.buf + pax->xattrs[i].name;

		if (strlen(other) == name_len && !memcmp(other, name, name_len))
			return err_set(err, E_CORRUPT, "the extended attribute '%s' twice",
			               tar_show(other).s);
	}
	x.name = pax->xattr_bytes.len;
	strbuf_add(&pax->xattr_bytes, name, name_len);
	strbuf_addc(&pax->xattr_bytes, '\0');
	x.value = pax->xattr_bytes.len;
	strbuf_add(&pax->xattr_bytes, value, len);
	VEC_PUSH(pax->xattrs, pax->n_xattrs, x);
	return 0;
}

enum value_kind { VALUE_TEXT, VALUE_U64, VALUE_U32, VALUE_TIME, VALUE_MAP };

#define FIELD(member) offsetof(struct tar_pax, member)

static const struct pax_key {
	const char *key;
	enum tar_pax_field field;
	enum value_kind kind;
	size_t offset;
	bool in_global; /* may stand in a global header */
} keys[] = {
	{ "path", PAX_PATH, VALUE_TEXT, FIELD(path), false },
	{ "linkpath", PAX_LINKPATH, VALUE_TEXT, FIELD(linkpath), false },
	{ "size", PAX_SIZE, VALUE_U64, FIELD(size), false },
	{ "uid", PAX_UID, VALUE_U32, FIELD(uid), true },
	{ "gid", PAX_GID, VALUE_U32, FIELD(gid), true },
	{ "uname", PAX_UNAME, VALUE_TEXT, FIELD(uname), true },
	{ "gname", PAX_GNAME, VALUE_TEXT, FIELD(gname), true },
	{ "mtime", PAX_MTIME, VALUE_TIME, FIELD(mtime_s), true },
	{ "GNU.sparse.major", PAX_SPARSE_MAJOR, VALUE_U64, FIELD(sparse_major), false },
	{ "GNU.sparse.minor", PAX_SPARSE_MINOR, VALUE_U64, FIELD(sparse_minor), false },
	{ "GNU.sparse.name", PAX_SPARSE_NAME, VALUE_TEXT, FIELD(sparse_name), false },
	{ "GNU.sparse.realsize", PAX_SPARSE_REALSIZE, VALUE_U64, FIELD(sparse_realsize), false },
	{ "GNU.sparse.size", PAX_SPARSE_REALSIZE, VALUE_U64, FIELD(sparse_realsize), false },
	{ "GNU.sparse.numblocks", PAX_SPARSE_BLOCKS, VALUE_U64, FIELD(sparse_blocks), false },
	{ "GNU.sparse.map", PAX_SPARSE_MAP, VALUE_MAP, 0, false },
};

static int set_value(struct tar_pax *pax, const struct pax_key *k, const char *value, size_t len,
                     const struct tar_limits *limits, struct err *err)
{
	void *field = (char *)pax + k->offset;
	uint64_t v;

	/* an empty value takes back what a global header said */
	if (!len) {
		pax->fields &= ~(unsigned)k->field;
		return 0;
	}
	switch (k->kind) {
	case VALUE_TEXT:
		if (memchr(value, '\0', len))
			return err_set(err, E_CORRUPT, "a NUL in '%s'", k->key);
		strbuf_reset(field);
		strbuf_add(field, value, len);
		break;
	case VALUE_U64:
		if (tar_parse_decimal(value, len, field) < 0)
			return err_set(err, E_CORRUPT, "a bad number in '%s'", k->key);
		break;
	case VALUE_U32:
		/* the largest is (uid_t)-1, which chown(2) takes for "leave as it is" */
		if (tar_parse_decimal(value, len, &v) < 0 || v >= UINT32_MAX)
			return err_set(err, E_CORRUPT, "a bad number in '%s'", k->key);
		*(uint32_t *)field = (uint32_t)v;
		break;
	case VALUE_TIME:
		if (parse_time(value, len, &pax->mtime_s, &pax->mtime_ns) < 0)
			return err_set(err, E_CORRUPT, "a bad time in '%s'", k->key);
		break;
	case VALUE_MAP:
		if (parse_map(pax, value, len, limits, err) < 0)
			return -1;
		break;
	}
	pax->fields |= k->field;
	return 0;
}

/* Version 0.0 writes one offset and one numbytes record for each piece. */
static int sparse_0_0(struct tar_pax *pax, bool is_offset, const char *value, size_t len,
                      const struct tar_limits *limits, struct err *err)
{
	uint64_t v;

	if (tar_parse_decimal(value, len, &v) < 0)
		return err_set(err, E_CORRUPT, "a bad number in a sparse map");
	if (is_offset) {
		pax->fields |= PAX_SPARSE_OFFSET;
		return tar_pax_add_extent(pax, v, UINT64_MAX, limits, err);
	}
	if (!pax->n_extents || pax->extents[pax->n_extents - 1].len != UINT64_MAX)
		return err_set(err, E_CORRUPT, "a damaged sparse map");
	pax->extents[pax->n_extents - 1].len = v;
	return 0;
}

static bool is_key(const char *key, size_t len, const char *name)
{
	return strlen(name) == len && !memcmp(key, name, len);
}

static int one_record(struct tar_pax *pax, const char *key, size_t key_len, const char *value,
                      size_t len, bool is_global, const struct tar_limits *limits, struct err *err)
{
	const size_t prefix = strlen(XATTR_PREFIX);
	bool is_offset = is_key(key, key_len, "GNU.sparse.offset");
	const struct pax_key *k = NULL;

	if (memchr(key, '\0', key_len))
		return err_set(err, E_CORRUPT, "a NUL in a key of an extended header");
	for (size_t i = 0; i < ARRAY_LEN(keys); i++)
		if (is_key(key, key_len, keys[i].key))
			k = &keys[i];
	if (is_global && ((k && !k->in_global) || !strncmp(key, "GNU.sparse.", 11) ||
	                  (key_len > prefix && !memcmp(key, XATTR_PREFIX, prefix))))
		return err_set(err, E_UNSUPPORTED, "'%.*s' in a global extended header",
		               (int)(key_len < 64 ? key_len : 64), key);
	if (k)
		return set_value(pax, k, value, len, limits, err);
	if (is_offset || is_key(key, key_len, "GNU.sparse.numbytes"))
		return sparse_0_0(pax, is_offset, value, len, limits, err);
	if (key_len >= prefix && !memcmp(key, XATTR_PREFIX, prefix))
		return add_xattr(pax, key + prefix, key_len - prefix, value, len, limits, err);
	return 0;
}

int tar_pax_parse(struct tar_pax *pax, const char *data, size_t len, bool is_global,
                  const struct tar_limits *limits, struct err *err)
{
	const char *p = data, *end = data + len;

	while (p < end) {
		const char *space = memchr(p, ' ', (size_t)(end - p));
		const char *value, *stop;
		uint64_t record;

		if (!space || tar_parse_decimal(p, (size_t)(space - p), &record) < 0 ||
		    record > (uint64_t)(end - p) || p + record <= space + 1 ||
		    p[record - 1] != '\n')
			return err_set(err, E_CORRUPT, "a damaged extended header");
		stop = p + record - 1;
		value = memchr(space + 1, '=', (size_t)(stop - space - 1));
		if (!value || value == space + 1)
			return err_set(err, E_CORRUPT, "a damaged extended header");
		if (one_record(pax, space + 1, (size_t)(value - space - 1), value + 1,
		               (size_t)(stop - value - 1), is_global, limits, err) < 0)
			return -1;
		p += record;
	}
	return 0;
}
