#include "codec/whiteout.h"

#include <string.h>

#define PREFIX ".wh."
#define META   ".wh..wh."
#define OPAQUE ".wh..wh..opq"

enum whiteout whiteout_classify(const char *name, const char **ret_base)
{
	const char *slash = strrchr(name, '/');
	const char *base = slash ? slash + 1 : name;

	*ret_base = base;
	if (strncmp(base, PREFIX, strlen(PREFIX)) != 0)
		return WHITEOUT_NONE;
	if (!strcmp(base, OPAQUE))
		return WHITEOUT_OPAQUE;
	if (!strncmp(base, META, strlen(META)))
		return WHITEOUT_DROP;
	base += strlen(PREFIX);
	*ret_base = base;
	if (!*base || !strcmp(base, ".") || !strcmp(base, ".."))
		return WHITEOUT_INVALID;
	return WHITEOUT_FILE;
}

static bool begins(const char *s, const char *prefix)
{
	return !strncmp(s, prefix, strlen(prefix));
}

bool xattr_is_allowed(const char *name)
{
	if (begins(name, "user."))
		return name[5] && !begins(name, "user.overlay.");
	if (begins(name, "trusted."))
		return name[8] && !begins(name, "trusted.overlay.");
	return !strcmp(name, "security.capability") || !strcmp(name, "system.posix_acl_access") ||
	       !strcmp(name, "system.posix_acl_default");
}
