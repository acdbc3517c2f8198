/* docker's rules for where a copy goes. */
#include "engine/cp-internal.h"

#include <errno.h>
#include <sys/stat.h>

#include "base/xalloc.h"

bool cp_split(const char *text, char **ret_container, const char **ret_path)
{
	const char *colon = strchr(text, ':');

	/* "./a:b" and "/a:b" are files of the host */
	if (!colon || colon == text || *text == '.' || *text == '/' ||
	    memchr(text, '/', (size_t)(colon - text)))
		return false;
	*ret_container = xstrndup(text, (size_t)(colon - text));
	*ret_path = colon + 1;
	return true;
}

/* Length without trailing slashes; "/" keeps one. */
static size_t trimmed_length(const char *path)
{
	size_t len = strlen(path);

	while (len > 1 && path[len - 1] == '/')
		len--;
	return len;
}

static const char *last_component(const char *path, size_t len)
{
	const char *p = path + len;

	while (p > path && p[-1] != '/')
		p--;
	return p;
}

bool cp_wants_directory(const char *path)
{
	size_t len = strlen(path);

	return len && (path[len - 1] == '/' || (len >= 2 && !strcmp(path + len - 2, "/.")) ||
	               !strcmp(path, "."));
}

void cp_base_name(const char *path, char ret[NAME_MAX + 1])
{
	size_t len = trimmed_length(path);
	const char *base = last_component(path, len);
	size_t n = (size_t)(path + len - base);

	ret[0] = '\0';
	if (n > NAME_MAX || (n == 1 && (*base == '.' || *base == '/')) ||
	    (n == 2 && !strncmp(base, "..", 2)))
		return;
	memcpy(ret, base, n);
	ret[n] = '\0';
}

/* Into the parent of dst, by dst's own name. */
static int place_as(const struct cp_target *dst, struct cp_place *ret, struct err *err)
{
	size_t len = trimmed_length(dst->path);
	const char *base = last_component(dst->path, len);
	size_t dir = (size_t)(base - dst->path);

	cp_base_name(dst->path, ret->name);
	if (!ret->name[0])
		return err_set(err, E_INVALID, "'%s' names no file", dst->path);
	if (dir >= sizeof(ret->dir))
		return err_set(err, E_INVALID, "path too long");
	memcpy(ret->dir, dst->path, dir);
	ret->dir[dir] = '\0';
	if (!dir)
		snprintf(ret->dir, sizeof(ret->dir), ".");
	return 0;
}

int cp_place(const struct cp_source *src, const struct cp_target *dst, struct cp_place *ret,
             struct err *err)
{
	bool is_dir = S_ISDIR(src->mode);
	size_t len = strlen(src->path);
	bool content = is_dir && len && src->path[len - 1] == '.' &&
	               (len == 1 || src->path[len - 2] == '/');

	if (!dst->exists) {
		if (!is_dir && cp_wants_directory(dst->path))
			return err_set(err, E_NOT_FOUND, "directory '%s' does not exist",
			               dst->path);
		return place_as(dst, ret, err);
	}
	if (S_ISDIR(dst->mode)) {
		if (snprintf(ret->dir, sizeof(ret->dir), "%s", dst->path) >= (int)sizeof(ret->dir))
			return err_set(err, E_INVALID, "path too long");
		ret->name[0] = '\0';
		if (!content)
			cp_base_name(src->path, ret->name);
		return 0;
	}
	if (cp_wants_directory(dst->path))
		return err_set(err, E_INVALID, "'%s' is not a directory", dst->path);
	if (!S_ISREG(dst->mode)) {
		err_set(err, E_INVALID, "'%s' is a device, pipe or socket", dst->path);
		return err_hint(err, "copy to '-' for standard output");
	}
	if (is_dir)
		return err_set(err, E_INVALID, "cannot copy directory '%s' to file '%s'", src->path,
		               dst->path);
	return place_as(dst, ret, err);
}
