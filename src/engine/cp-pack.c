#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>

#include "base/fd.h"
#include "base/strbuf.h"
#include "base/strv.h"
#include "base/table.h"
#include "base/xalloc.h"
#include "engine/cp-internal.h"

#define DEPTH_MAX      256
#define XATTR_LIST_MAX 65536
#define XATTR_MAX      64

/* The name a file with several names was packed under first. */
struct packed {
	struct {
		dev_t dev;
		ino_t ino;
	} key;
	char *name;
	UT_hash_handle hh;
};

struct pack {
	struct tar_writer *w;
	bool xattrs;
	bool is_layer;
	bool stay;
	dev_t dev; /* with stay: where everything is */
	struct packed *packed;
	struct err *err;
};

static void pack_done(struct pack *p)
{
	struct packed *item, *tmp;

	HASH_ITER(hh, p->packed, item, tmp) {
		HASH_DEL(p->packed, item);
		free(item->name);
		free(item);
	}
}

/* The first name of this file, or NULL after noting that it is `name`. */
static const char *first_name(struct pack *p, const struct stat *st, const char *name)
{
	struct packed probe, *item;

	memset(&probe, 0, sizeof(probe));
	probe.key.dev = st->st_dev;
	probe.key.ino = st->st_ino;
	HASH_FIND(hh, p->packed, &probe.key, sizeof(probe.key), item);
	if (item)
		return item->name;
	item = xcalloc(1, sizeof(*item));
	item->key = probe.key;
	item->name = xstrdup(name);
	HASH_ADD(hh, p->packed, key, sizeof(item->key), item);
	return NULL;
}

static void entry_init(struct tar_entry *e, enum tar_type type, const char *as,
                       const struct stat *st)
{
	*e = (struct tar_entry){
		.type = type,
		.name = as,
		.link = "",
		.uname = "",
		.gname = "",
		.mode = st->st_mode & 07777,
		.uid = st->st_uid,
		.gid = st->st_gid,
		.size = type == TAR_FILE ? (uint64_t)st->st_size : 0,
		.mtime_s = st->st_mtim.tv_sec,
		.mtime_ns = (uint32_t)st->st_mtim.tv_nsec,
		.dev_major = major(st->st_rdev),
		.dev_minor = minor(st->st_rdev),
	};
}

struct xattrs {
	char *names;
	struct tar_xattr items[XATTR_MAX];
	size_t count;
};

static void xattrs_done(struct xattrs *x)
{
	for (size_t i = 0; i < x->count; i++)
		free((void *)(uintptr_t)x->items[i].value);
	free(x->names);
}

static bool xattr_travels(const char *name)
{
	return (!strncmp(name, "user.", 5) && strncmp(name, "user.overlay.", 13) != 0) ||
	       !strcmp(name, "security.capability") || !strncmp(name, "system.posix_acl_", 17);
}

static void xattrs_read(int fd, struct xattrs *x)
{
	ssize_t len;

	x->names = xmalloc(XATTR_LIST_MAX);
	len = flistxattr(fd, x->names, XATTR_LIST_MAX);
	for (char *name = x->names; len > 0 && name < x->names + len && x->count < XATTR_MAX;
	     name += strlen(name) + 1) {
		ssize_t size = xattr_travels(name) ? fgetxattr(fd, name, NULL, 0) : -1;
		void *value;

		if (size < 0 || size > XATTR_LIST_MAX)
			continue;
		value = xmalloc((size_t)size + 1);
		size = fgetxattr(fd, name, value, (size_t)size);
		if (size < 0) {
			free(value);
			continue;
		}
		x->items[x->count++] = (struct tar_xattr){ name, value, (size_t)size };
	}
}

static int put_entry(struct pack *p, int fd, const struct tar_entry *e)
{
	AUTO(xattrs_done) struct xattrs x = { 0 };
	struct tar_entry with = *e;

	if (p->xattrs && fd >= 0) {
		xattrs_read(fd, &x);
		with.xattrs = x.items;
		with.n_xattrs = x.count;
	}
	return tar_writer_entry(p->w, &with, p->err);
}

static int pack_open_file(struct pack *p, int fd, const char *as)
{
	struct tar_entry e;
	struct stat st;

	if (fstat(fd, &st) < 0)
		return err_sys(p->err, errno, "stat '%s'", as);
	entry_init(&e, TAR_FILE, as, &st);
	if (st.st_nlink > 1) {
		const char *first = first_name(p, &st, as);

		if (first) {
			e.type = TAR_HARDLINK;
			e.size = 0;
			e.link = first;
			return tar_writer_entry(p->w, &e, p->err);
		}
	}
	if (put_entry(p, fd, &e) < 0)
		return -1;
	return tar_writer_copy_fd(p->w, fd, e.size, p->err);
}

static int pack_symlink(struct pack *p, int dir_fd, const char *name, const char *as,
                        const struct stat *st)
{
	char target[TAR_NAME_MAX + 1];
	ssize_t n = readlinkat(dir_fd, name, target, sizeof(target) - 1);
	struct tar_entry e;

	if (n < 0)
		return err_sys(p->err, errno, "read link '%s'", as);
	target[n] = '\0';
	entry_init(&e, TAR_SYMLINK, as, st);
	e.link = target;
	return tar_writer_entry(p->w, &e, p->err);
}

static int pack_at(struct pack *p, int dir_fd, const char *name, const char *as, int depth);

/* An overlay's mark on a directory, of root's overlays or of an ordinary user's. */
static bool overlay_mark(int fd, const char *key, char ret[static 2])
{
	static const char *const prefixes[] = { "trusted.overlay.", "user.overlay." };

	for (size_t i = 0; i < ARRAY_LEN(prefixes); i++) {
		char name[64];

		snprintf(name, sizeof(name), "%s%s", prefixes[i], key);
		if (fgetxattr(fd, name, ret, 1) >= 0 || errno == ERANGE)
			return true;
	}
	return false;
}

static int pack_whiteout(struct pack *p, const char *as, const char *name, const struct stat *st)
{
	AUTO_FREE char *whiteout =
		xasprintf("%.*s.wh.%s", (int)(strlen(as) - strlen(name)), as, name);
	struct tar_entry e;

	entry_init(&e, TAR_FILE, whiteout, st);
	e.mode = 0;
	e.size = 0;
	return tar_writer_entry(p->w, &e, p->err);
}

/* What only an overlay's upper directory has. */
static int pack_marks(struct pack *p, int fd, const char *as, const struct stat *st)
{
	struct tar_entry e;
	char value[2] = "";

	if (overlay_mark(fd, "redirect", value) || overlay_mark(fd, "metacopy", value))
		return err_set(p->err, E_UNSUPPORTED,
		               "'%s' was renamed by an overlay with redirect_dir, which cannot be"
		               " made a layer",
		               as);
	if (!overlay_mark(fd, "opaque", value) || value[0] != 'y')
		return 0;
	entry_init(&e, TAR_FILE, as, st);
	AUTO_FREE char *name = xasprintf("%s/.wh..wh..opq", as);
	e.name = name;
	e.mode = 0;
	e.size = 0;
	return tar_writer_entry(p->w, &e, p->err);
}

static int compare_names(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static void auto_closedir(DIR **dir)
{
	if (*dir)
		closedir(*dir);
}

/* as "": what is in it, without an entry of its own. */
static int pack_open_dir(struct pack *p, int fd, const char *as, int depth)
{
	AUTO(auto_closedir) DIR *dir = NULL;
	AUTO_STRV names = STRV_INIT;
	struct tar_entry e;
	struct dirent *d;
	struct stat st;
	int list_fd;

	if (depth > DEPTH_MAX)
		return err_set(p->err, E_LIMIT, "'%s' is more than %d directories deep", as,
		               DEPTH_MAX);
	if (fstat(fd, &st) < 0)
		return err_sys(p->err, errno, "stat '%s'", as);
	entry_init(&e, TAR_DIR, as, &st);
	if (*as && put_entry(p, fd, &e) < 0)
		return -1;
	if (*as && p->is_layer && pack_marks(p, fd, as, &st) < 0)
		return -1;
	if (p->stay && st.st_dev != p->dev)
		return 0;
	list_fd = openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (list_fd < 0)
		return err_sys(p->err, errno, "open '%s'", as);
	dir = fdopendir(list_fd);
	if (!dir) {
		close(list_fd);
		return err_sys(p->err, errno, "list '%s'", as);
	}
	while ((d = readdir(dir)))
		if (strcmp(d->d_name, ".") != 0 && strcmp(d->d_name, "..") != 0)
			strv_add(&names, d->d_name);
	/* the same files give the same archive */
	if (names.len)
		qsort(names.items, names.len, sizeof(char *), compare_names);
	for (size_t i = 0; i < names.len; i++) {
		AUTO_FREE char *child =
			*as ? xasprintf("%s/%s", as, names.items[i]) : xstrdup(names.items[i]);

		if (pack_at(p, fd, names.items[i], child, depth + 1) < 0)
			return -1;
	}
	return 0;
}

/* The name may be exchanged between the look and the opening: what was opened decides. */
static int pack_openable(struct pack *p, int dir_fd, const char *name, const char *as, int depth)
{
	AUTO_FD fd = openat(dir_fd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	struct stat st;

	if (fd < 0 && depth && errno == ENOENT)
		return 0;
	if (fd < 0)
		return err_sys(p->err, errno, "open '%s'", as);
	if (fstat(fd, &st) < 0)
		return err_sys(p->err, errno, "stat '%s'", as);
	if (S_ISDIR(st.st_mode))
		return pack_open_dir(p, fd, as, depth);
	if (S_ISREG(st.st_mode))
		return pack_open_file(p, fd, as);
	return err_set(p->err, E_CORRUPT, "'%s' changed while it was copied", as);
}

static int pack_at(struct pack *p, int dir_fd, const char *name, const char *as, int depth)
{
	struct tar_entry e;
	struct stat st;

	if (fstatat(dir_fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0) {
		if (depth && errno == ENOENT) /* removed meanwhile */
			return 0;
		return err_sys(p->err, errno, "stat '%s'", as);
	}
	switch (st.st_mode & S_IFMT) {
	case S_IFREG:
	case S_IFDIR:
		return pack_openable(p, dir_fd, name, as, depth);
	case S_IFLNK:
		return pack_symlink(p, dir_fd, name, as, &st);
	case S_IFCHR:
		if (p->is_layer && st.st_rdev == 0)
			return pack_whiteout(p, as, name, &st);
		/* fall through */
	case S_IFBLK:
	case S_IFIFO:
		entry_init(&e,
		           S_ISCHR(st.st_mode)   ? TAR_CHAR
		           : S_ISBLK(st.st_mode) ? TAR_BLOCK
		                                 : TAR_FIFO,
		           as, &st);
		return tar_writer_entry(p->w, &e, p->err);
	default: /* a socket means nothing without its listener */
		return 0;
	}
}

int cp_pack(const struct pack_source *src, struct tar_writer *w, struct err *err)
{
	AUTO(pack_done)
	struct pack p = { .w = w,
		          .xattrs = src->xattrs,
		          .is_layer = src->is_layer,
		          .stay = src->stay,
		          .err = err };
	struct stat st;
	int r;

	if (src->name) {
		r = pack_at(&p, src->parent_fd, src->name, src->as, 0);
	} else if (fstat(src->top_fd, &st) < 0) {
		r = err_sys(err, errno, "stat");
	} else {
		p.dev = st.st_dev;
		r = S_ISDIR(st.st_mode) ? pack_open_dir(&p, src->top_fd, src->as, 0)
		                        : pack_open_file(&p, src->top_fd, src->as);
	}
	return r < 0 ? -1 : tar_writer_finish(w, err);
}
