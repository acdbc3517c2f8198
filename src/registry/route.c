#include "registry/route.h"
#include "base/num.h"
#include "base/strbuf.h"
#include "base/xalloc.h"
#include "oci/ref.h"

#define PREFIX       "/v2"
#define SEGMENTS_MAX 128 /* a name of 255 bytes has no more */

void route_done(struct route *route)
{
	free(route->name);
	free(route->tag);
	free(route->upload);
	free(route->query.from);
	free(route->query.last);
	free(route->query.artifact_type);
	strv_done(&route->query.tags);
	*route = ROUTE_INIT;
}

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* NULL for bad escapes and control characters. Caller frees. */
static char *decode(const char *s, size_t len, bool plus_is_blank)
{
	AUTO_BUF out = STRBUF_INIT;

	for (size_t i = 0; i < len; i++) {
		int c = (unsigned char)s[i];

		if (c == '%') {
			int high = i + 2 < len ? hex_digit(s[i + 1]) : -1;
			int low = i + 2 < len ? hex_digit(s[i + 2]) : -1;

			if (high < 0 || low < 0)
				return NULL;
			c = high << 4 | low;
			i += 2;
		} else if (c == '+' && plus_is_blank) {
			c = ' ';
		}
		if (c < ' ' || c == 0x7f)
			return NULL;
		strbuf_addc(&out, (char)c);
	}
	return strbuf_take(&out);
}

/* --- query --- */

static int take_digest(const char *value, struct digest *ret, enum route_fault *fault,
                       struct err *err)
{
	if (digest_parse(value, ret, err) == 0)
		return 0;
	*fault = ROUTE_FAULT_DIGEST;
	return -1;
}

static int take_algorithm(const char *value, struct route *r, enum route_fault *fault,
                          struct err *err)
{
	for (enum digest_alg a = DIGEST_SHA256; a < DIGEST_ALG_MAX; a++)
		if (strcmp(value, digest_alg_name(a)) == 0) {
			r->query.algorithm = a;
			return 0;
		}
	*fault = ROUTE_FAULT_DIGEST;
	return err_set(err, E_UNSUPPORTED, "digest algorithm '%.50s' is not known", value);
}

static int take_name(const char *value, struct route *r, enum route_fault *fault, struct err *err)
{
	if (image_ref_check_path(value, err) < 0) {
		*fault = ROUTE_FAULT_NAME;
		return -1;
	}
	free(r->query.from);
	r->query.from = xstrdup(value);
	return 0;
}

static int take_tag(const char *value, struct route *r, enum route_fault *fault, struct err *err)
{
	if (r->query.tags.len == ROUTE_TAGS_MAX) {
		*fault = ROUTE_FAULT_QUERY;
		return err_set(err, E_LIMIT, "more than %d tags", ROUTE_TAGS_MAX);
	}
	if (image_ref_check_tag(value, err) < 0) {
		*fault = ROUTE_FAULT_TAG;
		return -1;
	}
	strv_add(&r->query.tags, value);
	return 0;
}

static int take_number(const char *value, struct route *r, enum route_fault *fault, struct err *err)
{
	if (parse_u64(value, &r->query.n) < 0) {
		*fault = ROUTE_FAULT_QUERY;
		return err_set(err, E_INVALID, "n is not a number: '%.50s'", value);
	}
	r->query.has_n = true;
	return 0;
}

static int take_parameter(const char *key, char *value, struct route *r, enum route_fault *fault,
                          struct err *err)
{
	if (strcmp(key, "digest") == 0)
		return take_digest(value, &r->query.digest, fault, err);
	if (strcmp(key, "mount") == 0)
		return take_digest(value, &r->query.mount, fault, err);
	if (strcmp(key, "digest-algorithm") == 0)
		return take_algorithm(value, r, fault, err);
	if (strcmp(key, "from") == 0)
		return take_name(value, r, fault, err);
	if (strcmp(key, "tag") == 0)
		return take_tag(value, r, fault, err);
	if (strcmp(key, "n") == 0)
		return take_number(value, r, fault, err);
	if (strcmp(key, "last") == 0) {
		free(r->query.last);
		r->query.last = xstrdup(value);
	} else if (strcmp(key, "artifactType") == 0) {
		free(r->query.artifact_type);
		r->query.artifact_type = *value ? xstrdup(value) : NULL;
	}
	return 0;
}

static int parse_query(const char *s, struct route *r, enum route_fault *fault, struct err *err)
{
	while (*s) {
		size_t len = strcspn(s, "&");
		size_t key_len = strcspn(s, "=&");
		AUTO_FREE char *key = decode(s, key_len, true);
		AUTO_FREE char *value = key_len < len
		                                ? decode(s + key_len + 1, len - key_len - 1, true)
		                                : xstrdup("");

		if (!key || !value) {
			*fault = ROUTE_FAULT_QUERY;
			return err_set(err, E_INVALID, "the query has a bad escape");
		}
		if (take_parameter(key, value, r, fault, err) < 0)
			return -1;
		s += len;
		s += *s == '&';
	}
	return 0;
}

/* --- path --- */

static int no_address(enum route_fault *fault, struct err *err)
{
	*fault = ROUTE_FAULT_ADDRESS;
	return err_set(err, E_NOT_FOUND, "no such address in a registry");
}

static int split_path(const char *path, size_t len, struct strv *ret, enum route_fault *fault,
                      struct err *err)
{
	const char *end = path + len;

	while (path < end) {
		size_t n = (size_t)(end - path);
		const char *slash = memchr(path, '/', n);
		char *segment;

		if (slash)
			n = (size_t)(slash - path);
		segment = ret->len < SEGMENTS_MAX ? decode(path, n, false) : NULL;
		if (!segment)
			return no_address(fault, err);
		if (strchr(segment, '/')) {
			free(segment);
			return no_address(fault, err);
		}
		strv_add_owned(ret, segment);
		path += n;
		if (slash && ++path == end)
			strv_add(ret, ""); /* ends in a slash */
	}
	return 0;
}

static int take_reference(const char *text, struct route *r, enum route_fault *fault,
                          struct err *err)
{
	if (strchr(text, ':'))
		return take_digest(text, &r->digest, fault, err);
	if (image_ref_check_tag(text, err) < 0) {
		*fault = ROUTE_FAULT_TAG;
		return -1;
	}
	r->tag = xstrdup(text);
	return 0;
}

/* What the last segments say. Returns how many belong to the name. */
static size_t find_kind(const struct strv *s, struct route *r)
{
	size_t n = s->len;
	const char *last = n > 0 ? s->items[n - 1] : "";
	const char *second = n > 1 ? s->items[n - 2] : "";
	const char *third = n > 2 ? s->items[n - 3] : "";

	if (strcmp(third, "blobs") == 0 && strcmp(second, "uploads") == 0) {
		r->kind = *last ? ROUTE_UPLOAD : ROUTE_UPLOADS;
		return n - 3;
	}
	if (strcmp(second, "tags") == 0 && strcmp(last, "list") == 0)
		r->kind = ROUTE_TAGS;
	else if (strcmp(second, "manifests") == 0 && *last)
		r->kind = ROUTE_MANIFEST;
	else if (strcmp(second, "referrers") == 0 && *last)
		r->kind = ROUTE_REFERRERS;
	else if (strcmp(second, "blobs") == 0 && *last)
		r->kind = strcmp(last, "uploads") == 0 ? ROUTE_UPLOADS : ROUTE_BLOB;
	return n < 2 ? 0 : n - 2;
}

static int parse_repository(const struct strv *s, struct route *r, enum route_fault *fault,
                            struct err *err)
{
	size_t n = find_kind(s, r);
	const char *last = s->items[s->len - 1];
	AUTO_BUF name = STRBUF_INIT;

	if (r->kind == ROUTE_UNKNOWN || n == 0)
		return no_address(fault, err);
	for (size_t i = 0; i < n; i++)
		strbuf_addf(&name, "%s%s", i ? "/" : "", s->items[i]);
	if (image_ref_check_path(name.buf, err) < 0) {
		*fault = ROUTE_FAULT_NAME;
		return -1;
	}
	r->name = strbuf_take(&name);
	if (r->kind == ROUTE_UPLOAD)
		r->upload = xstrdup(last);
	if (r->kind == ROUTE_MANIFEST)
		return take_reference(last, r, fault, err);
	if (r->kind == ROUTE_BLOB || r->kind == ROUTE_REFERRERS)
		return take_digest(last, &r->digest, fault, err);
	return 0;
}

static int parse_path(const char *path, size_t len, struct route *r, enum route_fault *fault,
                      struct err *err)
{
	AUTO_STRV segments = STRV_INIT;

	if (len < strlen(PREFIX) || memcmp(path, PREFIX, strlen(PREFIX)) != 0)
		return no_address(fault, err);
	path += strlen(PREFIX);
	len -= strlen(PREFIX);
	if (len == 0 || (len == 1 && *path == '/')) {
		r->kind = ROUTE_BASE;
		return 0;
	}
	if (*path != '/')
		return no_address(fault, err);
	if (split_path(path + 1, len - 1, &segments, fault, err) < 0)
		return -1;
	if (segments.len == 1 && strcmp(segments.items[0], "_catalog") == 0) {
		r->kind = ROUTE_CATALOG;
		return 0;
	}
	return parse_repository(&segments, r, fault, err);
}

/* As proxies may write it, "http://HOST/path" (RFC 9112, 3.2.2): whose host that is does not
 * matter. */
static const char *skip_origin(const char *target)
{
	size_t scheme = strncasecmp(target, "http://", 7) == 0    ? 7
	                : strncasecmp(target, "https://", 8) == 0 ? 8
	                                                          : 0;

	return scheme ? target + scheme + strcspn(target + scheme, "/?#") : target;
}

int route_parse(const char *target, struct route *ret, enum route_fault *ret_fault, struct err *err)
{
	size_t len;

	target = skip_origin(target);
	len = strcspn(target, "?#");
	*ret_fault = ROUTE_FAULT_NONE;
	if (parse_path(target, len, ret, ret_fault, err) < 0)
		return -1;
	return target[len] == '?' ? parse_query(target + len + 1, ret, ret_fault, err) : 0;
}

/* --- ranges --- */

/* Digits up to `end`. Return the character after them, or NULL. */
static const char *take_digits(const char *s, uint64_t *ret)
{
	uint64_t v = 0;
	const char *start = s;

	for (; *s >= '0' && *s <= '9'; s++)
		if (__builtin_mul_overflow(v, 10, &v) ||
		    __builtin_add_overflow(v, (uint64_t)(*s - '0'), &v))
			return NULL;
	*ret = v;
	return s == start ? NULL : s;
}

int range_parse(const char *header, uint64_t size, uint64_t *ret_first, uint64_t *ret_len)
{
	uint64_t first, last = UINT64_MAX;
	const char *s = header;

	if (!s || strncasecmp(s, "bytes=", 6) != 0)
		return 0;
	s += 6;
	if (*s == '-') {
		s = take_digits(s + 1, &last);
		if (!s || *s)
			return 0;
		if (last == 0 || size == 0)
			return -1;
		*ret_len = last < size ? last : size;
		*ret_first = size - *ret_len;
		return 1;
	}
	s = take_digits(s, &first);
	if (!s || *s++ != '-')
		return 0;
	if (*s) {
		s = take_digits(s, &last);
		if (!s || *s)
			return 0;
	}
	if (first >= size || last < first)
		return -1;
	if (last >= size)
		last = size - 1;
	*ret_first = first;
	*ret_len = last - first + 1;
	return 1;
}

int content_range_parse(const char *header, uint64_t *ret_first, uint64_t *ret_last)
{
	const char *s = header;
	uint64_t first, last;

	if (strncasecmp(s, "bytes ", 6) == 0 || strncasecmp(s, "bytes=", 6) == 0)
		s += 6;
	s = take_digits(s, &first);
	if (!s || *s++ != '-')
		return -1;
	s = take_digits(s, &last);
	if (!s || (*s && *s != '/') || last < first)
		return -1;
	*ret_first = first;
	*ret_last = last;
	return 0;
}

char *query_escape(const char *s)
{
	AUTO_BUF out = STRBUF_INIT;

	for (; *s; s++)
		if ((*s >= 'a' && *s <= 'z') || (*s >= 'A' && *s <= 'Z') ||
		    (*s >= '0' && *s <= '9') || strchr("-._~", *s))
			strbuf_addc(&out, *s);
		else
			strbuf_addf(&out, "%%%02X", (unsigned char)*s);
	return strbuf_take(&out);
}
