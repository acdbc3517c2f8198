#include "sys/rootfs-internal.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/magic.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#include "base/fd.h"
#include "base/macro.h"

#define DEPTH_MAX 256
#define LINKS_MAX 40 /* the kernel's */

struct walk {
	int root;
	uint64_t flags, mode, resolve;
	int below[DEPTH_MAX]; /* directories walked through, the last one is where we are */
	size_t depth;
	char rest[PATH_MAX]; /* still to be walked */
	unsigned links;
	uint64_t mount_id; /* of the root, with RESOLVE_NO_XDEV */
};

static int here(const struct walk *w)
{
	return w->depth ? w->below[w->depth - 1] : w->root;
}

static void back_to(struct walk *w, size_t depth)
{
	while (w->depth > depth)
		close(w->below[--w->depth]);
}

static int mount_id(int fd, uint64_t *ret)
{
	struct statx st;

	if (statx(fd, "", AT_EMPTY_PATH | AT_SYMLINK_NOFOLLOW, STATX_MNT_ID, &st) < 0)
		return -errno;
	if (!(st.stx_mask & STATX_MNT_ID))
		return -EOPNOTSUPP;
	*ret = st.stx_mnt_id;
	return 0;
}

static int check_mount(const struct walk *w, int fd)
{
	uint64_t id;
	int r;

	if (!(w->resolve & RESOLVE_NO_XDEV))
		return 0;
	r = mount_id(fd, &id);
	return r < 0 ? r : id == w->mount_id ? 0 : -EXDEV;
}

/* The links of procfs that are more than their text name something absolute or "type:[...]". */
static bool is_magic(int link_fd, const char *text)
{
	struct statfs fs;

	return (text[0] == '/' || strchr(text, ':')) &&
	       (fstatfs(link_fd, &fs) < 0 || fs.f_type == PROC_SUPER_MAGIC);
}

/* Put a link's text before what is still to be walked. */
static int follow(struct walk *w, int link_fd)
{
	char text[PATH_MAX], rest[PATH_MAX];
	ssize_t n = readlinkat(link_fd, "", text, sizeof(text) - 1);

	if (w->resolve & RESOLVE_NO_SYMLINKS || ++w->links > LINKS_MAX)
		return -ELOOP;
	if (n <= 0)
		return n < 0 ? -errno : -ENOENT;
	text[n] = '\0';
	if (is_magic(link_fd, text))
		return -ELOOP;
	if (text[0] == '/' && !(w->resolve & RESOLVE_IN_ROOT))
		return -EXDEV;
	if (text[0] == '/')
		back_to(w, 0);
	memcpy(rest, w->rest, sizeof(rest));
	n = snprintf(w->rest, sizeof(w->rest), "%s%s%s", text, rest[0] ? "/" : "", rest);
	return n >= (ssize_t)sizeof(w->rest) ? -ENAMETOOLONG : 0;
}

/* A component that is not the last: a directory to go into, or a link. */
static int step(struct walk *w, const char *name)
{
	AUTO_FD fd = openat(here(w), name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	struct stat st;
	int r;

	if (fd < 0 || fstat(fd, &st) < 0)
		return -errno;
	if (S_ISLNK(st.st_mode))
		return follow(w, fd);
	if (!S_ISDIR(st.st_mode))
		return -ENOTDIR;
	r = check_mount(w, fd);
	if (r < 0)
		return r;
	if (w->depth == DEPTH_MAX)
		return -ENAMETOOLONG;
	w->below[w->depth++] = TAKE_FD(fd);
	return 0;
}

static int parent(struct walk *w)
{
	if (w->depth) {
		back_to(w, w->depth - 1);
		return 0;
	}
	return w->resolve & RESOLVE_IN_ROOT ? 0 : -EXDEV;
}

static int checked(const struct walk *w, int fd)
{
	AUTO_FD own = fd;
	int r = fd < 0 ? -errno : check_mount(w, fd);

	return r < 0 ? r : TAKE_FD(own);
}

/* The last component. *ret_again: it was a link, and the walk goes on. */
static int last(struct walk *w, const char *name, bool *ret_again)
{
	bool exclusive = (w->flags & (O_CREAT | O_EXCL)) == (O_CREAT | O_EXCL);
	AUTO_FD fd = openat(here(w), name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	struct stat st;
	int r;

	*ret_again = false;
	if (fd < 0 && (errno != ENOENT || !(w->flags & O_CREAT)))
		return -errno;
	if (fd >= 0 && fstat(fd, &st) < 0)
		return -errno;
	if (fd >= 0 && S_ISLNK(st.st_mode) && !(w->flags & O_NOFOLLOW) && !exclusive) {
		r = follow(w, fd);
		*ret_again = r == 0;
		return r;
	}
	if (fd >= 0 && w->flags & O_PATH) {
		if (w->flags & O_DIRECTORY && !S_ISDIR(st.st_mode))
			return -ENOTDIR;
		return checked(w, TAKE_FD(fd));
	}
	/* O_NOFOLLOW: exchanged for a link since we looked, it is refused */
	return checked(w, openat(here(w), name, (int)(w->flags | O_NOFOLLOW | O_CLOEXEC),
	                         (mode_t)w->mode));
}

/* Take the next component off the rest. 0: none is left. *ret_last: nothing but slashes follows. */
static int next(struct walk *w, char name[NAME_MAX + 1], bool *ret_last)
{
	size_t at = strspn(w->rest, "/"), len = strcspn(w->rest + at, "/"), after;

	if (len > NAME_MAX)
		return -ENAMETOOLONG;
	memcpy(name, w->rest + at, len);
	name[len] = '\0';
	after = at + len;
	*ret_last = w->rest[after + strspn(w->rest + after, "/")] == '\0';
	if (*ret_last && w->rest[after] == '/') /* "name/": a directory, also behind a link */
		w->flags = (w->flags | O_DIRECTORY) & ~(uint64_t)O_NOFOLLOW;
	memmove(w->rest, w->rest + after, strlen(w->rest + after) + 1);
	return len > 0;
}

static int run(struct walk *w)
{
	char name[NAME_MAX + 1];
	bool is_last, again;
	int r;

	while ((r = next(w, name, &is_last)) > 0) {
		if (strcmp(name, ".") == 0) {
			r = 0;
		} else if (strcmp(name, "..") == 0) {
			r = parent(w);
		} else if (!is_last) {
			r = step(w, name);
		} else {
			r = last(w, name, &again);
			if (!again)
				return r;
		}
		if (r < 0)
			return r;
	}
	if (r < 0)
		return r;
	/* "/", "." or "..": where we are */
	return checked(w, openat(here(w), ".", (int)(w->flags | O_CLOEXEC), (mode_t)w->mode));
}

int rootfs_walk(int dir_fd, const char *path, uint64_t flags, uint64_t mode, uint64_t resolve)
{
	struct walk w = { .root = dir_fd, .flags = flags, .mode = mode, .resolve = resolve };
	int r;

	if (!path[0])
		return -ENOENT;
	if (strlen(path) >= sizeof(w.rest))
		return -ENAMETOOLONG;
	memcpy(w.rest, path, strlen(path) + 1);
	if (path[0] == '/' && !(resolve & RESOLVE_IN_ROOT))
		return -EXDEV;
	if (resolve & RESOLVE_NO_XDEV) {
		r = mount_id(dir_fd, &w.mount_id);
		if (r < 0)
			return r;
	}
	r = run(&w);
	back_to(&w, 0);
	return r;
}
