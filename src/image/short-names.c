/* What a name without a registry may mean. */
#include "base/xalloc.h"
#include "image/config-files.h"
#include "image/registries.h"

void short_names_done(struct short_names *s)
{
	strv_done(&s->names);
}

bool is_short_name(const char *name)
{
	size_t first = strcspn(name, "/");

	if (strstr(name, "://"))
		return false;
	/* a ':' before any '/' begins a tag when nothing follows, else a port */
	if (name[first] != '/')
		return true;
	return !memchr(name, '.', first) && !memchr(name, ':', first) &&
	       !(first == 9 && strncmp(name, "localhost", 9) == 0) && name[0] != '[';
}

char *short_name_key(const char *name)
{
	size_t len = strcspn(name, "@");
	const char *slash = memrchr(name, '/', len);
	const char *base = slash ? slash + 1 : name;
	const char *colon = memchr(base, ':', len - (size_t)(base - name));

	return xstrndup(name, colon ? (size_t)(colon - name) : len);
}

static const struct short_alias *find_alias(const struct registries *r, const char *name)
{
	AUTO_FREE char *key = short_name_key(name);

	for (size_t i = 0; i < r->n_aliases; i++)
		if (strcmp(r->aliases[i].name, key) == 0)
			return r->aliases[i].value ? &r->aliases[i] : NULL;
	return NULL;
}

int short_names_resolve(const struct registries *r, const char *name, bool interactive,
                        struct short_names *ret, struct err *err)
{
	AUTO_REF ref = IMAGE_REF_INIT;
	const struct short_alias *alias;

	if (image_ref_parse(name, &ref, err) < 0)
		return -1;
	ret->is_short = is_short_name(name);
	alias = ret->is_short ? find_alias(r, name) : NULL;
	if (alias) {
		ret->from_alias = true;
		strv_addf(&ret->names, "%s%s", alias->value, name + strlen(alias->name));
		return 0;
	}
	if (!ret->is_short || !r->has_search) {
		strv_add(&ret->names, name);
		return 0;
	}
	if (!r->search.len) {
		err_set(err, E_INVALID,
		        "'%.200s' names no registry, and '%s' allows none to be guessed", name,
		        r->search_origin);
		return err_hint(err, "write the registry too: docker.io/library/NAME");
	}
	for (size_t i = 0; i < r->search.len; i++)
		strv_addf(&ret->names, "%s/%s", r->search.items[i], name);
	if (ret->names.len == 1 || r->mode == SHORT_DISABLED)
		return 0;
	ret->must_choose = interactive || r->mode == SHORT_ENFORCING;
	ret->record = ret->must_choose;
	if (ret->must_choose && !interactive) {
		err_set(err, E_INVALID,
		        "'%.200s' names no registry, and short-name-mode is enforcing", name);
		return err_hint(err, "write the registry too, or add it to [aliases]");
	}
	return 0;
}
