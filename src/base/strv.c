#include "base/strv.h"

#include <string.h>

#include "base/xalloc.h"

void strv_done(struct strv *v)
{
	for (size_t i = 0; i < v->len; i++)
		free(v->items[i]);
	free(v->items);
	*v = STRV_INIT;
}

void strv_add_owned(struct strv *v, char *s)
{
	/* capacity is the next power of two above len, with one place for the NULL */
	if ((v->len & (v->len + 1)) == 0)
		v->items = xreallocarray(v->items, (v->len + 1) * 2, sizeof(*v->items));
	v->items[v->len++] = s;
	v->items[v->len] = NULL;
}

void strv_add(struct strv *v, const char *s)
{
	strv_add_owned(v, xstrdup(s));
}

void strv_addf(struct strv *v, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	strv_add_owned(v, xvasprintf(fmt, ap));
	va_end(ap);
}

void strv_add_all(struct strv *v, char *const *items)
{
	for (; items && *items; items++)
		strv_add(v, *items);
}

bool strv_has(const struct strv *v, const char *s)
{
	for (size_t i = 0; i < v->len; i++)
		if (!strcmp(v->items[i], s))
			return true;
	return false;
}

static char **env_slot(const struct strv *v, const char *name)
{
	size_t name_len = strlen(name);

	for (size_t i = 0; i < v->len; i++)
		if (!strncmp(v->items[i], name, name_len) && v->items[i][name_len] == '=')
			return &v->items[i];
	return NULL;
}

void strv_set_env(struct strv *v, const char *name, const char *value)
{
	char *entry = xasprintf("%s=%s", name, value);
	char **slot = env_slot(v, name);

	if (!slot) {
		strv_add_owned(v, entry);
		return;
	}
	free(*slot);
	*slot = entry;
}

const char *strv_get_env(const struct strv *v, const char *name)
{
	char **slot = env_slot(v, name);

	return slot ? *slot + strlen(name) + 1 : NULL;
}

void strv_split(struct strv *v, const char *s, char sep)
{
	const char *end;

	for (; (end = strchr(s, sep)); s = end + 1)
		strv_add_owned(v, xstrndup(s, (size_t)(end - s)));
	strv_add(v, s);
}
