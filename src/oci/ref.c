#include "oci/ref.h"
#include "base/strbuf.h"
#include "base/xalloc.h"
#include <arpa/inet.h>
#include <ctype.h>

#define REF_TEXT_MAX   (REF_PATH_MAX + REF_TAG_MAX + 512)
#define REF_DOMAIN_MAX 255

static int bad(struct err *err, const char *s, const char *why)
{
	return err_set(err, E_INVALID, "bad image name '%.200s': %s", s, why);
}

static bool is_alnum_lower(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

/* One path component: [a-z0-9]+ joined by one '.', one or two '_', or any number of '-'. */
static int check_component(const char *s, size_t len, const char *ref, struct err *err)
{
	size_t i = 0;

	if (len == 0)
		return bad(err, ref, "a part of the path is empty");
	while (i < len) {
		size_t run = i;

		while (i < len && is_alnum_lower(s[i]))
			i++;
		if (i == run) {
			if (isupper((unsigned char)s[i]))
				return bad(err, ref, "the path must be lower case");
			if (strchr("._-", s[i]) && s[i])
				return bad(err, ref,
				           "parts of the path begin and end with a letter or digit"
				           " and have no '..' or '___'");
			return bad(err, ref, "the path has a character that is not allowed");
		}
		if (i == len)
			return 0;
		if (s[i] == '.') {
			i++;
		} else if (s[i] == '_') {
			i++;
			if (i < len && s[i] == '_')
				i++;
		} else if (s[i] == '-') {
			while (i < len && s[i] == '-')
				i++;
		} else if (isupper((unsigned char)s[i])) {
			return bad(err, ref, "the path must be lower case");
		} else {
			return bad(err, ref, "the path has a character that is not allowed");
		}
		if (i == len)
			return bad(err, ref, "parts of the path end with a letter or digit");
	}
	return 0;
}

static int check_path(const char *path, const char *ref, struct err *err)
{
	const char *s = path;

	if (strlen(path) > REF_PATH_MAX)
		return err_set(err, E_INVALID, "bad image name '%.100s...': longer than %d bytes",
		               ref, REF_PATH_MAX);
	for (;;) {
		size_t len = strcspn(s, "/");

		if (check_component(s, len, ref, err) < 0)
			return -1;
		if (!s[len])
			return 0;
		s += len + 1;
	}
}

static int check_port(const char *s, const char *ref, struct err *err)
{
	unsigned port = 0;

	if (!*s)
		return bad(err, ref, "the port is missing");
	for (; *s; s++) {
		if (!isdigit((unsigned char)*s))
			return bad(err, ref, "the port is not a number");
		port = port * 10 + (unsigned)(*s - '0');
		if (port > 65535)
			return bad(err, ref, "the port is above 65535");
	}
	return port ? 0 : bad(err, ref, "the port is 0");
}

static int check_ipv6(const char *domain, const char *end, const char *ref, struct err *err)
{
	char text[INET6_ADDRSTRLEN];
	struct in6_addr addr;
	size_t len = (size_t)(end - domain - 1);

	if (len >= sizeof(text))
		return bad(err, ref, "bad IPv6 address");
	memcpy(text, domain + 1, len);
	text[len] = '\0';
	if (inet_pton(AF_INET6, text, &addr) != 1)
		return bad(err, ref, "bad IPv6 address");
	if (end[1] == ':')
		return check_port(end + 2, ref, err);
	return end[1] ? bad(err, ref, "text after ']'") : 0;
}

/* HOST[:PORT], HOST being labels of letters, digits and inner '-', or an IPv6 address in []. */
static int check_domain(const char *domain, const char *ref, struct err *err)
{
	const char *colon = strchr(domain, ':');
	size_t len = colon ? (size_t)(colon - domain) : strlen(domain);

	if (domain[0] == '[') {
		const char *end = strchr(domain, ']');

		return end ? check_ipv6(domain, end, ref, err) : bad(err, ref, "missing ']'");
	}
	if (len == 0 || len > REF_DOMAIN_MAX)
		return bad(err, ref, "the registry's name is empty or too long");
	for (size_t i = 0; i < len; i++) {
		char c = domain[i];
		bool first = i == 0 || domain[i - 1] == '.';
		bool last = i + 1 == len || domain[i + 1] == '.';

		if (c == '.' ? first
		             : !(isalnum((unsigned char)c) || (c == '-' && !first && !last)))
			return bad(err, ref, "bad name of a registry");
	}
	if (domain[len - 1] == '.')
		return bad(err, ref, "bad name of a registry");
	return colon ? check_port(colon + 1, ref, err) : 0;
}

static int check_tag(const char *tag, const char *ref, struct err *err)
{
	size_t len = strlen(tag);

	if (len == 0)
		return bad(err, ref, "the tag is empty");
	if (len > REF_TAG_MAX)
		return bad(err, ref, "the tag is longer than 128 bytes");
	for (size_t i = 0; i < len; i++)
		if (!isalnum((unsigned char)tag[i]) && tag[i] != '_' &&
		    (i == 0 || (tag[i] != '.' && tag[i] != '-')))
			return bad(err, ref, "the tag has a character that is not allowed");
	return 0;
}

int image_ref_check_path(const char *path, struct err *err)
{
	return check_path(path, path, err);
}

int image_ref_check_tag(const char *tag, struct err *err)
{
	return check_tag(tag, tag, err);
}

static const char *const other_transports[] = {
	"oci:", "oci-archive:",        "docker-archive:", "docker-daemon:",
	"dir:", "containers-storage:", "http://",         "https://",
};

static int check_transport(const char *s, const char **ret, struct err *err)
{
	if (strncmp(s, "docker://", 9) == 0)
		s += 9;
	for (size_t i = 0; i < ARRAY_LEN(other_transports); i++) {
		const char *t = other_transports[i];
		size_t len = strlen(t);

		/* "oci:latest" is a name; a transport is followed by a path */
		if (strncmp(s, t, len) != 0 || (t[len - 1] == ':' && !strchr(s + len, '/') &&
		                                strcmp(t, "containers-storage:") != 0))
			continue;
		err_set(err, E_INVALID, "bad image name '%.200s': '%s' is not taken here", s, t);
		return err_hint(err, t[len - 1] == '/' ? "leave it out: registry.example/name"
		                                       : "use 'dhow load' for files");
	}
	*ret = s;
	return 0;
}

/* Whether the first component names a registry. */
static bool is_domain(const char *s, size_t len)
{
	return memchr(s, '.', len) || memchr(s, ':', len) || s[0] == '[' ||
	       (len == 9 && memcmp(s, "localhost", 9) == 0);
}

static void split_domain(const char *text, struct image_ref *ret)
{
	const char *slash = strchr(text, '/');
	const char *path = text;

	if (slash && is_domain(text, (size_t)(slash - text))) {
		ret->domain = xstrndup(text, (size_t)(slash - text));
		for (char *c = ret->domain; *c; c++)
			*c = (char)tolower((unsigned char)*c);
		path = slash + 1;
		/* docker's own old spelling */
		if (strcmp(ret->domain, "index.docker.io") == 0) {
			free(ret->domain);
			ret->domain = xstrdup(REF_DEFAULT_DOMAIN);
		}
	} else {
		ret->domain = xstrdup(REF_DEFAULT_DOMAIN);
	}
	if (strcmp(ret->domain, REF_DEFAULT_DOMAIN) == 0 && !strchr(path, '/'))
		ret->path = xasprintf("library/%s", path);
	else
		ret->path = xstrdup(path);
}

static int parse(const char *s, struct image_ref *ret, struct err *err)
{
	AUTO_FREE char *text = NULL;
	struct err why = ERR_INIT;
	struct digest digest;
	char *at, *colon, *slash;

	if (!*s)
		return bad(err, s, "it is empty");
	if (strlen(s) > REF_TEXT_MAX)
		return err_set(err, E_INVALID, "bad image name '%.100s...': too long", s);
	if (check_transport(s, &s, err) < 0)
		return -1;
	text = xstrdup(s);
	at = strchr(text, '@');
	if (at) {
		*at++ = '\0';
		if (digest_parse(at, &ret->digest, &why) < 0)
			return bad(err, s, why.msg);
		ret->has_digest = true;
	}
	slash = strrchr(text, '/');
	colon = strchr(slash ? slash : text, ':');
	if (colon) {
		*colon++ = '\0';
		if (check_tag(colon, s, err) < 0)
			return -1;
		ret->tag = xstrdup(colon);
	} else if (!ret->has_digest) {
		ret->tag = xstrdup(REF_DEFAULT_TAG);
	}
	if (digest_parse_hex(text, &digest, &why) == 0)
		return bad(err, s, "64 hexadecimal digits are an id, not a name");
	split_domain(text, ret);
	if (check_domain(ret->domain, s, err) < 0)
		return -1;
	return check_path(ret->path, s, err);
}

int image_ref_parse(const char *s, struct image_ref *ret, struct err *err)
{
	AUTO_REF ref = IMAGE_REF_INIT;

	if (parse(s, &ref, err) < 0)
		return -1;
	*ret = ref;
	ref = IMAGE_REF_INIT;
	return 0;
}

void image_ref_done(struct image_ref *ref)
{
	free(ref->domain);
	free(ref->path);
	free(ref->tag);
	*ref = IMAGE_REF_INIT;
}

void image_ref_copy(const struct image_ref *ref, struct image_ref *ret)
{
	*ret = *ref;
	ret->domain = xstrdup(ref->domain);
	ret->path = xstrdup(ref->path);
	ret->tag = xstrdup_null(ref->tag);
}

char *image_ref_repo(const struct image_ref *ref)
{
	return xasprintf("%s/%s", ref->domain, ref->path);
}

char *image_ref_name(const struct image_ref *ref)
{
	if (ref->tag)
		return xasprintf("%s/%s:%s", ref->domain, ref->path, ref->tag);
	return xasprintf("%s/%s@%s", ref->domain, ref->path, digest_format(&ref->digest).s);
}

char *image_ref_full(const struct image_ref *ref)
{
	return xasprintf("%s/%s%s%s%s%s", ref->domain, ref->path, ref->tag ? ":" : "",
	                 ref->tag ? ref->tag : "", ref->has_digest ? "@" : "",
	                 ref->has_digest ? digest_format(&ref->digest).s : "");
}

const char *image_ref_familiar(const char *name)
{
	static const char prefix[] = REF_DEFAULT_DOMAIN "/";
	static const char library[] = "library/";
	const char *rest;

	if (strncmp(name, prefix, sizeof(prefix) - 1) != 0)
		return name;
	rest = name + sizeof(prefix) - 1;
	/* only "library/NAME" itself was given its prefix, not "library/a/b" */
	if (strncmp(rest, library, sizeof(library) - 1) == 0 &&
	    !strchr(rest + sizeof(library) - 1, '/'))
		return rest + sizeof(library) - 1;
	return rest;
}

size_t image_ref_split(const char *name, const char **ret_tag)
{
	const char *at = strchr(name, '@');
	size_t len = at ? (size_t)(at - name) : strlen(name);
	size_t i = len;

	*ret_tag = NULL;
	while (i > 0 && name[i - 1] != '/' && name[i - 1] != ':')
		i--;
	if (i == 0 || name[i - 1] == '/')
		return len;
	if (!at)
		*ret_tag = name + i;
	return i - 1;
}
