/* Which requirements are those for an image, and which names a signature may speak of. */
#include "base/xalloc.h"
#include "image/trust/policy.h"

static const struct requirements *find(const struct policy *p, const char *transport,
                                       const char *scope)
{
	for (size_t i = 0; i < p->n_scopes; i++)
		if (p->scopes[i].transport && strcmp(p->scopes[i].transport, transport) == 0 &&
		    strcmp(p->scopes[i].scope, scope) == 0)
			return &p->scopes[i].reqs;
	return NULL;
}

static const struct requirements *fallback(const struct policy *p)
{
	static struct requirement accept = { .kind = REQ_ACCEPT };
	static const struct requirements none = { &accept, 1 };

	return p->n_scopes ? &p->scopes[0].reqs : &none;
}

/* "host/a/b", "host/a", "host", then "*.example.com" and "*.com" of its name without the port. */
const struct requirements *policy_scope_for_ref(const struct policy *p, const struct image_ref *ref)
{
	AUTO_FREE char *full = image_ref_full(ref);
	AUTO_FREE char *name = image_ref_repo(ref);
	const struct requirements *r = find(p, "docker", full);
	char *slash, *host = name;

	for (;;) {
		if (!r)
			r = find(p, "docker", name);
		if (r)
			return r;
		slash = strrchr(name, '/');
		if (!slash)
			break;
		*slash = '\0';
	}
	if (host[0] != '[')
		host[strcspn(host, ":")] = '\0';
	while ((host = strchr(host, '.'))) {
		AUTO_FREE char *wild = xasprintf("*%s", host);

		r = find(p, "docker", wild);
		if (r)
			return r;
		host++;
	}
	return find(p, "docker", "");
}

const struct requirements *policy_for_ref(const struct policy *p, const struct image_ref *ref)
{
	const struct requirements *r = policy_scope_for_ref(p, ref);

	return r ? r : fallback(p);
}

const struct requirements *policy_for_path(const struct policy *p, const char *transport,
                                           const char *path)
{
	AUTO_FREE char *name = xstrdup(path);
	const struct requirements *r;

	while (*name) {
		char *slash;

		r = find(p, transport, name);
		if (r)
			return r;
		slash = strrchr(name, '/');
		if (!slash)
			break;
		*slash = '\0';
	}
	r = find(p, transport, "");
	return r ? r : fallback(p);
}

/* --- identities --- */

/* Neither tag nor digest. */
static bool is_name_only(const char *text)
{
	const char *slash = strrchr(text, '/');

	return !strpbrk(slash ? slash : text, ":@");
}

static bool same_repo(const struct image_ref *a, const struct image_ref *b)
{
	return strcmp(a->domain, b->domain) == 0 && strcmp(a->path, b->path) == 0;
}

static bool same_full(const struct image_ref *a, const struct image_ref *b)
{
	AUTO_FREE char *x = image_ref_full(a);
	AUTO_FREE char *y = image_ref_full(b);

	return strcmp(x, y) == 0;
}

/* An image by digest may have a signature for any tag of its repository. */
static bool repo_digest_or_exact(const struct image_ref *ref, const struct image_ref *signature)
{
	return ref->tag ? same_full(ref, signature) : same_repo(ref, signature);
}

static bool remapped(const struct identity_rule *rule, const struct image_ref *ref,
                     const struct image_ref *signature)
{
	AUTO_FREE char *repo = image_ref_repo(ref);
	AUTO_FREE char *full = image_ref_full(ref);
	AUTO_FREE char *text = NULL;
	AUTO_REF to = IMAGE_REF_INIT;
	size_t len = strlen(rule->reference);

	if (strncmp(repo, rule->reference, len) != 0 || (repo[len] && repo[len] != '/'))
		return repo_digest_or_exact(ref, signature);
	text = xasprintf("%s%s", rule->replacement, full + len);
	return image_ref_parse(text, &to, ERR_IGNORE) == 0 && repo_digest_or_exact(&to, signature);
}

bool identity_matches(const struct identity_rule *rule, const struct image_ref *ref,
                      const char *signed_name)
{
	AUTO_REF signature = IMAGE_REF_INIT, wanted = IMAGE_REF_INIT;
	bool name_only = is_name_only(signed_name);

	if (rule->kind == IDENTITY_ANY)
		return true;
	if (image_ref_parse(signed_name, &signature, ERR_IGNORE) < 0)
		return false;
	if (rule->kind == IDENTITY_EXACT_REFERENCE || rule->kind == IDENTITY_EXACT_REPOSITORY) {
		if (image_ref_parse(rule->reference, &wanted, ERR_IGNORE) < 0)
			return false;
		return rule->kind == IDENTITY_EXACT_REPOSITORY
		               ? same_repo(&wanted, &signature)
		               : !name_only && same_full(&wanted, &signature);
	}
	if (!ref)
		return false;
	switch (rule->kind) {
	case IDENTITY_EXACT:
		return !name_only && same_full(ref, &signature);
	case IDENTITY_REPOSITORY:
		return same_repo(ref, &signature);
	case IDENTITY_REMAP:
		return !name_only && remapped(rule, ref, &signature);
	case IDENTITY_REPO_DIGEST_OR_EXACT:
		return !name_only && repo_digest_or_exact(ref, &signature);
	case IDENTITY_EXACT_REFERENCE:
	case IDENTITY_EXACT_REPOSITORY:
	case IDENTITY_ANY:
		break;
	}
	return false;
}
