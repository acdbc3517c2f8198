/* Mounts that few configurations ask for: links that are copied or mounted on, remounts, and file
 * systems whose options only mount(2) can be told. */
#include "runtime/internal.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/stat.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "base/fd.h"
#include "base/xalloc.h"
#include "sys/rootfs.h"

/* fsconfig(2) takes no longer values. */
#define FSCONFIG_VALUE_MAX 255

static int failed(struct err *err, int r, const struct oci_mount *m, const char *what)
{
	return err_sys(err, -r, "mounts: %s '%s'", what, m->destination);
}

int init_copy_symlink(struct runtime_sandbox *s, const struct plan_mount *pm, int root_fd,
                      struct err *err)
{
	const struct oci_mount *m = pm->spec;
	AUTO_FREE char *path = bundle_path(s->args, m->source);
	char link[PATH_MAX], there[PATH_MAX];
	ssize_t n = readlink(path, link, sizeof(link) - 1), m_len;
	const char *name;
	AUTO_FD dir = -1;

	if (n < 0 && errno == EINVAL)
		return 0;
	if (n < 0)
		return err_sys(err, errno, "mounts: source '%s' of '%s'", m->source,
		               m->destination);
	link[n] = '\0';
	dir = rootfs_open_parent(root_fd, m->destination, 0755, &name);
	if (dir < 0)
		return failed(err, dir, m, "open the directory of");
	if (symlinkat(link, dir, name) == 0)
		return 1;
	if (errno != EEXIST)
		return failed(err, -errno, m, "make the link");
	m_len = readlinkat(dir, name, there, sizeof(there));
	if (m_len == n && memcmp(link, there, (size_t)n) == 0)
		return 1;
	return failed(err, -EEXIST, m, "make the link");
}

int init_open_target_nofollow(int root_fd, const char *path, mode_t type)
{
	const char *name;
	AUTO_FD dir = rootfs_open_parent(root_fd, path, 0755, &name);
	int fd;

	if (dir < 0)
		return dir;
	fd = openat(dir, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	if (fd >= 0 || errno != ENOENT)
		return fd < 0 ? -errno : fd;
	return type == S_IFDIR ? rootfs_mkdir_all(dir, name, 0755)
	                       : rootfs_make_file(dir, name, 0644);
}

/* ---- remount ---- */

static int reconfigure(int target_fd, const struct mount_options *o)
{
	AUTO_FD sb = fspick(target_fd, "", FSPICK_CLOEXEC | FSPICK_EMPTY_PATH);

	if (sb < 0)
		return -errno;
	for (size_t i = 0; i < o->data.len; i++) {
		AUTO_FREE char *key = xstrdup(o->data.items[i]);
		char *value = strchr(key, '=');

		if (value)
			*value++ = '\0';
		if (fsconfig(sb, value ? FSCONFIG_SET_STRING : FSCONFIG_SET_FLAG, key, value, 0) <
		    0)
			return -errno;
	}
	return fsconfig(sb, FSCONFIG_CMD_RECONFIGURE, NULL, NULL, 0) < 0 ? -errno : 0;
}

static bool is_mount_root(int fd)
{
	struct statx st = { 0 };

	return syscall(SYS_statx, fd, "", AT_EMPTY_PATH, 0, &st) == 0 &&
	       st.stx_attributes & STATX_ATTR_MOUNT_ROOT;
}

/* What the options name changes, on the mount and, unless it is a bind, in its file system; what
 * they do not name stays, as with mount(8). */
int init_remount(const struct plan_mount *pm, int root_fd, struct err *err)
{
	const struct mount_options *o = &pm->options;
	struct mount_attr one = { .attr_set = o->attr_set, .attr_clr = o->attr_clr };
	struct mount_attr tree = { .attr_set = o->tree_set, .attr_clr = o->tree_clr };
	struct mount_attr spread = { .propagation = o->propagation };
	AUTO_FD target = rootfs_open(root_fd, pm->spec->destination, O_PATH, 0);
	int r = target;

	if (r < 0)
		return failed(err, r, pm->spec, "open the target of");
	if (!is_mount_root(target)) {
		failed(err, -EINVAL, pm->spec, "remount");
		return err_hint(err, "nothing is mounted there");
	}
	r = 0;
	if ((tree.attr_set || tree.attr_clr) &&
	    mount_setattr(target, "", AT_EMPTY_PATH | AT_RECURSIVE, &tree, sizeof(tree)) < 0)
		r = -errno;
	if (r == 0 && (one.attr_set || one.attr_clr) &&
	    mount_setattr(target, "", AT_EMPTY_PATH, &one, sizeof(one)) < 0)
		r = -errno;
	if (r == 0 && o->propagation &&
	    mount_setattr(target, "", AT_EMPTY_PATH | (o->propagation_recursive ? AT_RECURSIVE : 0),
	                  &spread, sizeof(spread)) < 0)
		r = -errno;
	if (r == 0 && o->data.len && !(o->flags & MOUNT_BIND))
		r = reconfigure(target, o);
	if (r == 0)
		return 0;
	return failed(err, r, pm->spec, "remount");
}

/* ---- mount(2) ---- */

/* "context=user:role:type:s0:c1,c2" is one value, with its comma. */
static bool is_label(const char *word)
{
	const char *end = strchr(word, '=');

	return end && end - word >= 7 && memcmp(end - 7, "context", 7) == 0;
}

bool init_needs_legacy(const struct plan_mount *pm)
{
	const struct mount_options *o = &pm->options;

	if (o->legacy)
		return true;
	/* A comma separates options in mount(2)'s one string, and is a character in fsconfig(2)'s.
	 */
	for (size_t i = 0; i < o->data.len; i++)
		if (strlen(o->data.items[i]) > FSCONFIG_VALUE_MAX ||
		    (strchr(o->data.items[i], ',') && !is_label(o->data.items[i])))
			return true;
	return false;
}

static unsigned long legacy_flags(const struct plan_mount *pm, struct strv *ret_data)
{
	static const struct {
		uint64_t attr;
		unsigned long flag;
	} attrs[] = {
		{ MOUNT_ATTR_RDONLY, MS_RDONLY },
		{ MOUNT_ATTR_NOSUID, MS_NOSUID },
		{ MOUNT_ATTR_NODEV, MS_NODEV },
		{ MOUNT_ATTR_NOEXEC, MS_NOEXEC },
		{ MOUNT_ATTR_NOATIME, MS_NOATIME },
		{ MOUNT_ATTR_STRICTATIME, MS_STRICTATIME },
		{ MOUNT_ATTR_NODIRATIME, MS_NODIRATIME },
		{ MOUNT_ATTR_NOSYMFOLLOW, 256 },
	};
	static const struct {
		const char *word;
		unsigned long flag;
	} words[] = {
		{ "sync", MS_SYNCHRONOUS },
		{ "dirsync", MS_DIRSYNC },
		{ "mand", MS_MANDLOCK },
		{ "lazytime", 1 << 25 },
	};
	const struct mount_options *o = &pm->options;
	unsigned long flags = o->legacy;

	for (size_t i = 0; i < ARRAY_LEN(attrs); i++)
		if (o->attr_set & attrs[i].attr)
			flags |= attrs[i].flag;
	for (size_t i = 0; i < o->data.len; i++) {
		size_t j = 0;

		while (j < ARRAY_LEN(words) && strcmp(o->data.items[i], words[j].word) != 0)
			j++;
		if (j < ARRAY_LEN(words))
			flags |= words[j].flag;
		else
			strv_add(ret_data, o->data.items[i]);
	}
	/* Filled before it becomes read-only. */
	if (pm->is_dev || o->flags & MOUNT_COPY_UP)
		flags &= ~(unsigned long)MS_RDONLY;
	return flags;
}

int init_mount_legacy(const struct plan_mount *pm, int root_fd, int target_fd, struct err *err)
{
	const struct oci_mount *m = pm->spec;
	AUTO_STRV words = STRV_INIT;
	AUTO_BUF data = STRBUF_INIT;
	unsigned long flags = legacy_flags(pm, &words);
	AUTO_FD self = -1;
	char name[16];
	int fd, r = 0;

	for (size_t i = 0; i < words.len; i++) {
		const char *word = words.items[i], *value = strchr(word, '=');

		if (is_label(word) && value[1] != '"')
			strbuf_addf(&data, "%s%.*s\"%s\"", i ? "," : "", (int)(value + 1 - word),
			            word, value + 1);
		else
			strbuf_addf(&data, "%s%s", i ? "," : "", word);
	}
	/* By the descriptor's entry in our own procfs, which leads to the very directory that was
	 * opened, and to no other. */
	snprintf(name, sizeof(name), "%d", target_fd);
	self = open("/proc/self/fd", O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (self < 0 || fchdir(self) < 0)
		return failed(err, -errno, m, "open '/proc/self/fd' for");
	if (mount(m->source && *m->source ? m->source : m->type, name, m->type, flags,
	          data.len ? data.buf : NULL) < 0)
		r = -errno;
	if (chdir("/") < 0 && r == 0)
		r = -errno;
	if (r < 0)
		return failed(err, r, m, "mount");
	fd = rootfs_open(root_fd, m->destination, O_PATH | O_DIRECTORY, 0);
	return fd < 0 ? failed(err, fd, m, "open what was mounted on") : fd;
}
