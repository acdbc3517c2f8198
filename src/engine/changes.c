/* diff and export. */
#include "engine/changes.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <sys/xattr.h>

#include "base/fd.h"
#include "base/xalloc.h"
#include "codec/tar.h"
#include "codec/tree.h"
#include "engine/cp-internal.h"
#include "engine/engine-internal.h"
#include "image/image.h"
#include "image/merge.h"

#define DEPTH_MAX 1024

void change_list_done(struct change_list *list)
{
	for (size_t i = 0; i < list->n; i++)
		free(list->items[i].path);
	free(list->items);
	*list = (struct change_list){ 0 };
}

/* --- diff --- */

static void add(struct change_list *list, enum change_kind kind, const char *path)
{
	struct change c = { kind, xstrdup(path) };

	VEC_PUSH(list->items, list->n, c);
}

static bool is_opaque(int fd)
{
	char value = 0;

	return (fgetxattr(fd, "trusted.overlay.opaque", &value, 1) == 1 ||
	        fgetxattr(fd, "user.overlay.opaque", &value, 1) == 1) &&
	       value == 'y';
}

static const struct merge_entry *child_of(const struct merge_entry *dir, const char *name)
{
	for (size_t i = 0; dir && i < dir->n_children; i++)
		if (!strcmp(dir->children[i]->name, name))
			return dir->children[i];
	return NULL;
}

static int compare_paths(const void *a, const void *b)
{
	return strcmp(((const struct change *)a)->path, ((const struct change *)b)->path);
}

/* dir_fd: of the upper directory; below: the same place in the image, NULL when it has none. */
static int walk(int dir_fd, const char *path, const struct merge_entry *below, int depth,
                struct change_list *ret, struct err *err)
{
	int fd = openat(dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	const struct merge_entry *hidden = below && is_opaque(dir_fd) ? below : NULL;
	struct dirent *d;
	int r = 0;

	if (!dir || depth > DEPTH_MAX) {
		if (dir)
			closedir(dir);
		else if (fd >= 0)
			close(fd);
		return err_sys(err, dir ? ELOOP : errno, "list '%s'", path);
	}
	for (size_t i = 0; hidden && i < hidden->n_children; i++) {
		AUTO_FREE char *gone = xasprintf("%s/%s", path, hidden->children[i]->name);
		struct stat st;

		if (fstatat(dir_fd, hidden->children[i]->name, &st, AT_SYMLINK_NOFOLLOW) < 0)
			add(ret, CHANGE_DELETED, gone);
	}
	while (r == 0 && (d = readdir(dir))) {
		AUTO_FREE char *child = NULL;
		const struct merge_entry *old;
		struct stat st;

		if (!strcmp(d->d_name, ".") || !strcmp(d->d_name, "..") ||
		    fstatat(dir_fd, d->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0)
			continue;
		child = xasprintf("%s/%s", path, d->d_name);
		old = child_of(below, d->d_name);
		if (S_ISCHR(st.st_mode) && st.st_rdev == 0) {
			if (old)
				add(ret, CHANGE_DELETED, child);
			continue;
		}
		add(ret, old ? CHANGE_MODIFIED : CHANGE_ADDED, child);
		if (S_ISDIR(st.st_mode)) {
			AUTO_FD sub = openat(dir_fd, d->d_name,
			                     O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

			r = sub < 0 ? err_sys(err, errno, "open '%s'", child)
			            : walk(sub, child,
			                   old && old->inode->type == TAR_DIR ? old : NULL,
			                   depth + 1, ret, err);
		}
	}
	closedir(dir);
	return r;
}

int container_changes(struct engine *e, const char *ref, struct change_list *ret, struct err *err)
{
	struct container_row row __attribute__((cleanup(container_row_done))) = { 0 };
	struct image_store *images = engine_images(e, err);
	AUTO_IMAGE image = IMAGE_INIT;
	AUTO_MERGE *merge = NULL;
	AUTO_CHANGES list = { 0 };
	AUTO_FD dir = -1;
	AUTO_FD upper = -1;

	if (!images || container_get(e, ref, &row, err) < 0 ||
	    image_resolve(images, row.image_id, &image, err) < 0 ||
	    merge_read(images, image.config.diff_ids, image.config.n_diff_ids, 0, &merge, err) < 0)
		return -1;
	dir = container_dir_open(e, row.id, err);
	upper = dir < 0 ? -1 : dir_open_at(dir, "upper", err);
	if (upper < 0 || walk(upper, "", merge_root(merge), 0, &list, err) < 0)
		return -1;
	if (list.n)
		qsort(list.items, list.n, sizeof(*list.items), compare_paths);
	*ret = list;
	list = (struct change_list){ 0 };
	return 0;
}

/* --- export --- */

/* The root alone, as a detached mount: what is mounted in it stays behind. */
static int open_running(struct engine *e, const char *id, struct err *err)
{
	AUTO_FD pidfd = -1;
	pid_t pid;
	int fd;

	if (container_pidfd(e, id, &pid, &pidfd, err) < 0)
		return -1;
	if (setns(pidfd, CLONE_NEWNS) < 0)
		return err_sys(err, errno, "enter the mounts of the container");
	fd = open_tree(AT_FDCWD, "/", OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
	return fd < 0 ? err_sys(err, errno, "open the root of the container") : fd;
}

static int open_stopped(struct engine *e, const char *id, struct err *err)
{
	int fd;

	if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
		return err_sys(err, errno, "make a mount namespace");
	return container_mount(e, id, &fd, err) < 0 ? -1 : fd;
}

static int export_in_child(struct engine *e, const char *id, int out, struct err *err)
{
	struct container_row row = { 0 };
	/* held to the end for one that does not run: a start would mount the same upper twice */
	AUTO_FD lock = container_lock_settled(e, id, &row, err);
	bool running = row.status == CONTAINER_RUNNING || row.status == CONTAINER_PAUSED;
	AUTO(tar_writer_freep) struct tar_writer *w = tar_writer_new(tar_write_to_fd, &out);
	struct pack_source src = { .as = "", .xattrs = true, .stay = true };
	AUTO_FD root = -1;
	AUTO_FD top = -1;

	container_row_done(&row);
	if (lock < 0)
		return -1;
	if (running)
		close(TAKE_FD(lock));
	root = running ? open_running(e, id, err) : open_stopped(e, id, err);
	if (root < 0)
		return -1;
	top = openat(root, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (top < 0)
		return err_sys(err, errno, "open the root of the container");
	src.top_fd = top;
	return cp_pack(&src, w, err);
}

int container_export(struct engine *e, const char *ref, int fd, struct err *err)
{
	char id[ID_LEN + 1];
	struct err theirs = ERR_INIT;
	int ends[2];
	pid_t child;
	ssize_t n;

	if (container_find(e, ref, id, err) < 0)
		return -1;
	if (pipe2(ends, O_CLOEXEC) < 0)
		return err_sys(err, errno, "pipe");
	engine_release(e);
	child = fork();
	if (child == 0) {
		struct err mine = ERR_INIT;
		int r;

		prctl(PR_SET_PDEATHSIG, SIGKILL);
		signal(SIGPIPE, SIG_IGN);
		r = export_in_child(e, id, fd, &mine);
		if (r < 0)
			(void)!write(ends[1], &mine, sizeof(mine));
		_exit(r < 0);
	}
	close(ends[1]);
	if (child < 0) {
		close(ends[0]);
		return err_sys(err, errno, "fork");
	}
	do
		n = read(ends[0], &theirs, sizeof(theirs));
	while (n < 0 && errno == EINTR);
	close(ends[0]);
	int status = 0;
	while (waitpid(child, &status, 0) < 0 && errno == EINTR)
		;
	if (n == (ssize_t)sizeof(theirs)) {
		*err = theirs;
		return -1;
	}
	return status ? err_set(err, E_IO, "the exporting process ended unexpectedly") : 0;
}
