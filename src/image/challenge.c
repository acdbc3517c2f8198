/* WWW-Authenticate: SCHEME NAME=VALUE, NAME="QUOTED", ... */
#include "base/strbuf.h"
#include "base/xalloc.h"
#include "image/registry-internal.h"

void challenge_done(struct challenge *c)
{
	free(c->realm);
	free(c->service);
	free(c->scope);
	*c = (struct challenge){ 0 };
}

/* A token, or a quoted string with backslashes. Advances *s. */
static char *take_value(const char **s)
{
	AUTO_BUF out = STRBUF_INIT;
	const char *p = *s;

	if (*p == '"') {
		for (p++; *p && *p != '"'; p++) {
			if (*p == '\\' && p[1])
				p++;
			strbuf_addc(&out, *p);
		}
		if (*p)
			p++;
	} else {
		size_t len = strcspn(p, ", \t");

		strbuf_add(&out, p, len);
		p += len;
	}
	*s = p;
	return strbuf_take(&out);
}

static void set(char **field, const char *value)
{
	free(*field);
	*field = xstrdup(value);
}

void challenge_parse(const char *header, struct challenge *ret)
{
	size_t len = strcspn(header, " \t");
	const char *s = header + len;

	*ret = (struct challenge){ .is_bearer = len == 6 && strncasecmp(header, "Bearer", 6) == 0,
		                   .is_basic = len == 5 && strncasecmp(header, "Basic", 5) == 0 };
	for (;;) {
		AUTO_FREE char *name = NULL;
		AUTO_FREE char *value = NULL;

		s += strspn(s, ", \t");
		len = strcspn(s, "=, \t");
		if (!len || s[len] != '=')
			return;
		name = xstrndup(s, len);
		s += len + 1;
		value = take_value(&s);
		if (strcasecmp(name, "realm") == 0)
			set(&ret->realm, value);
		else if (strcasecmp(name, "service") == 0)
			set(&ret->service, value);
		else if (strcasecmp(name, "scope") == 0)
			set(&ret->scope, value);
	}
}
