/* engine_check: rows of containers and their directories. */
#include "engine/check.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "base/fd.h"
#include "base/xalloc.h"
#include "engine/engine-internal.h"
#include "image/image.h"

#define YOUNG_S 60 /* a directory of a container that is being made has no row yet */

struct checking {
	struct engine *e;
	bool repair;
	struct check_report *report;
};

static bool has_directories(struct engine *e, const char *id)
{
	static const char *const names[] = { "upper", "work" };
	AUTO_FD dir = container_dir_open(e, id, ERR_IGNORE);

	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		struct stat st;

		if (dir < 0 || fstatat(dir, names[i], &st, AT_SYMLINK_NOFOLLOW) < 0 ||
		    !S_ISDIR(st.st_mode))
			return false;
	}
	return true;
}

/* A row whose files are gone says nothing that could be used again. */
static void check_directory(struct checking *c, const struct container_row *row)
{
	struct check_finding *f;
	struct err why = ERR_INIT;

	if (has_directories(c->e, row->id))
		return;
	/* it may have been removed since the rows were read */
	if (record_load(c->e, row->id, &(struct container_row){ 0 }, ERR_IGNORE) < 0)
		return;
	f = check_add(c->report, "container", row->id, "incomplete",
	              "container %s (%.12s): its directory is missing or incomplete", row->name,
	              row->id);
	if (!c->repair)
		return;
	if (container_rm(c->e, row->id, CONTAINER_RM_FORCE, &why) == 0)
		f->action = "removed";
	else
		f->note = xstrdup(why.msg);
}

static int check_image(struct checking *c, const struct container_row *row, struct err *err)
{
	struct image_store *images = engine_images(c->e, err);
	AUTO_FREE char *id = NULL;
	struct err why = ERR_INIT;
	struct check_finding *f;

	if (!images)
		return -1;
	if (image_resolve_id(images, row->image_id, &id, &why) == 0)
		return 0;
	if (why.code != E_NOT_FOUND) {
		*err = why;
		return -1;
	}
	f = check_add(c->report, "container", row->id, "incomplete",
	              "container %s (%.12s): its image '%s' is gone", row->name, row->id,
	              row->image);
	f->note = xasprintf("pull or load the image with the id %s again, or remove the container",
	                    row->image_id);
	return 0;
}

/* What is in ROOT/containers and is no container's. Directories that a killed command left are
 * swept by the listing of containers; what has another name is nobody's. */
static void check_strays(struct checking *c)
{
	int fd = openat(c->e->root_fd, CONTAINERS_DIR, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *entry;

	if (!dir) {
		if (fd >= 0)
			close(fd);
		return;
	}
	while ((entry = readdir(dir))) {
		AUTO_FREE char *path = NULL;
		struct check_finding *f;
		struct stat st;

		if (entry->d_name[0] == '.' ||
		    (strlen(entry->d_name) == ID_LEN && is_id_prefix(entry->d_name)) ||
		    fstatat(dirfd(dir), entry->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0 ||
		    time(NULL) - st.st_ctime < YOUNG_S)
			continue;
		path = xasprintf(CONTAINERS_DIR "/%s", entry->d_name);
		f = check_add(c->report, "file", path, "stray", "'%.200s' does not belong there",
		              path);
		if (c->repair && tree_remove_at(dirfd(dir), entry->d_name, ERR_IGNORE) == 0)
			f->action = "removed";
	}
	closedir(dir);
}

int engine_check(struct engine *e, const struct check_options *options, struct check_report *report,
                 struct err *err)
{
	struct checking c = { .e = e, .repair = options->repair, .report = report };
	struct container_list list = { 0 };
	struct image_store *images = engine_images(e, err);
	int r = 0;

	if (!images || image_store_check(images, options, report, err) < 0)
		return -1;
	if (report->n && !strcmp(report->items[report->n - 1].object, "database"))
		return 0;
	if (engine_load_settled(e, &list, err) < 0)
		return -1;
	for (size_t i = 0; r == 0 && i < list.count; i++) {
		check_directory(&c, &list.rows[i]);
		r = check_image(&c, &list.rows[i], err);
	}
	container_list_done(&list);
	if (r == 0)
		check_strays(&c);
	return r;
}
