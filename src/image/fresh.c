/* Files and folders that appear whole (transport-internal.h). */
#include "base/fd.h"
#include "base/xalloc.h"
#include "image/transport-internal.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#define COPY_BYTES (256u << 10)

/* ".NAME.tmp-": what a killed process left beside it goes; a living one holds its flock. */
static void sweep(const struct fresh *f, const char *prefix)
{
	int fd = openat(f->parent_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *entry;

	if (!dir) {
		if (fd >= 0)
			close(fd);
		return;
	}
	while ((entry = readdir(dir))) {
		AUTO_FD old = -1;

		if (strncmp(entry->d_name, prefix, strlen(prefix)) != 0)
			continue;
		old = openat(f->parent_fd, entry->d_name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
		if (old >= 0 && flock(old, LOCK_EX | LOCK_NB) == 0)
			tree_remove_at(f->parent_fd, entry->d_name, ERR_IGNORE);
	}
	closedir(dir);
}

static int make_temp(struct fresh *f, const char *path, struct err *err)
{
	if (f->is_dir) {
		if (mkdirat(f->parent_fd, f->temp, 0755) < 0)
			return err_sys(err, errno, "make '%s'", path);
		f->fd = openat(f->parent_fd, f->temp, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	} else {
		f->fd = openat(f->parent_fd, f->temp, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
	}
	if (f->fd < 0)
		return err_sys(err, errno, "make '%s'", path);
	flock(f->fd, LOCK_EX | LOCK_NB);
	return 0;
}

int fresh_open(const char *path, bool is_dir, struct fresh *ret, struct err *err)
{
	AUTO_FREE char *text = xstrdup(path);
	char tag[ID_SHORT_LEN + 1], prefix[NAME_MAX + 1];
	struct stat st;
	size_t len = strlen(text);
	char *slash;

	while (len > 1 && text[len - 1] == '/')
		text[--len] = '\0';
	slash = strrchr(text, '/');
	*ret = (struct fresh){ .parent_fd = -1, .fd = -1, .is_dir = is_dir };
	ret->name = xstrdup(slash ? slash + 1 : text);
	if (!ret->name[0] || strcmp(ret->name, ".") == 0 || strcmp(ret->name, "..") == 0 ||
	    strlen(ret->name) > NAME_MAX - 24)
		return err_set(err, E_INVALID, "'%.200s' cannot be replaced by a new %s", path,
		               is_dir ? "folder" : "file");
	if (slash)
		slash[slash == text] = '\0';
	ret->parent_fd = open(slash ? text : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (ret->parent_fd < 0)
		return err_sys(err, errno, "open the folder of '%s'", path);
	ret->is_new = fstatat(ret->parent_fd, ret->name, &st, AT_SYMLINK_NOFOLLOW) < 0;
	snprintf(prefix, sizeof(prefix), ".%.200s.tmp-", ret->name);
	sweep(ret, prefix);
	id_random_short(tag);
	snprintf(ret->temp, sizeof(ret->temp), "%.230s%s", prefix, tag);
	return make_temp(ret, path, err);
}

int fresh_commit(struct fresh *f, struct err *err)
{
	bool swaps = f->is_dir && !f->is_new;

	if (fsync(f->fd) < 0)
		return err_sys(err, errno, "write '%s'", f->name);
	if (syscall(SYS_renameat2, f->parent_fd, f->temp, f->parent_fd, f->name,
	            swaps ? RENAME_EXCHANGE : 0) < 0)
		return err_sys(err, errno, "give '%s' its name", f->name);
	/* the folder that was there before has the temporary name now */
	if (!swaps)
		f->temp[0] = '\0';
	fsync(f->parent_fd);
	return 0;
}

void fresh_done(struct fresh *f)
{
	if (f->fd >= 0)
		close(f->fd);
	if (f->parent_fd >= 0) {
		if (f->temp[0])
			tree_remove_at(f->parent_fd, f->temp, ERR_IGNORE);
		close(f->parent_fd);
	}
	free(f->name);
	*f = FRESH_INIT;
}

int feed_to_fd(const struct blob_source *source, int fd, const volatile sig_atomic_t *cancel,
               struct digest *ret_digest, uint64_t *ret_size, struct err *err)
{
	AUTO_FREE char *buf = xmalloc(COPY_BYTES);
	AUTO_FEED feed;
	size_t n;

	feed_init(&feed, source);
	if (feed_seek(&feed, 0, err) < 0)
		return -1;
	do {
		int r;

		if (image_cancelled(cancel, err) < 0 ||
		    feed_read(&feed, buf, COPY_BYTES, &n, err) < 0)
			return -1;
		r = fd_write_all(fd, buf, n);
		if (r < 0)
			return err_sys(err, -r, "write %s", source->what);
	} while (n);
	return feed_finish(&feed, ret_digest, ret_size, err);
}
