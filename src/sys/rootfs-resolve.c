#include "sys/rootfs.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>

#include "base/macro.h"

#define LINKS_MAX 40

/* Put `target` before what is left of the path. */
static int follow(char rest[PATH_MAX], const char *left, const char *target)
{
	char joined[PATH_MAX];

	if (snprintf(joined, sizeof(joined), "%s/%s", target, left) >= (int)sizeof(joined))
		return -ENAMETOOLONG;
	memcpy(rest, joined, strlen(joined) + 1);
	return 0;
}

static void drop_last(char *ret, size_t *len)
{
	while (*len > 0 && ret[--*len] != '/')
		;
	ret[*len] = '\0';
}

/* The link at ret, if it is one: its length, or 0. */
static ssize_t read_link(int root_fd, const char *path, char target[PATH_MAX])
{
	AUTO_FD fd = rootfs_open_nolinks(root_fd, path, O_PATH | O_NOFOLLOW, 0);
	ssize_t n = fd < 0 ? -1 : readlinkat(fd, "", target, PATH_MAX - 1);

	if (n <= 0)
		return 0;
	target[n] = '\0';
	return n;
}

int rootfs_resolve(int root_fd, const char *path, char ret[], size_t size)
{
	char rest[PATH_MAX], target[PATH_MAX];
	size_t len = 0;
	int links = 0;

	ret[0] = '\0';
	if (snprintf(rest, sizeof(rest), "%s", path) >= (int)sizeof(rest))
		return -ENAMETOOLONG;
	for (char *at = rest; *at;) {
		size_t n, before = len;
		char *name;

		at += strspn(at, "/");
		name = at;
		n = strcspn(at, "/");
		at += n;
		if (n == 0 || (n == 1 && name[0] == '.'))
			continue;
		if (n == 2 && memcmp(name, "..", 2) == 0) {
			drop_last(ret, &len);
			continue;
		}
		if (len + n + 2 > size)
			return -ENAMETOOLONG;
		ret[len++] = '/';
		memcpy(ret + len, name, n);
		len += n;
		ret[len] = '\0';
		if (!read_link(root_fd, ret, target))
			continue;
		if (++links > LINKS_MAX)
			return -ELOOP;
		len = target[0] == '/' ? 0 : before;
		ret[len] = '\0';
		if (follow(rest, at, target) < 0)
			return -ENAMETOOLONG;
		at = rest;
	}
	return 0;
}
