#include "engine/volumes.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/id.h"
#include "base/xalloc.h"
#include "codec/json.h"
#include "engine/mounts-parse.h"
#include "engine/volumes-internal.h"

#define VOLUME_JSON_MAX (1u << 20)

void volume_done(struct volume *v)
{
	free(v->name);
	free(v->mountpoint);
	strv_done(&v->labels);
	*v = (struct volume){ 0 };
}

void volume_list_done(struct volume_list *list)
{
	for (size_t i = 0; i < list->count; i++)
		volume_done(&list->items[i]);
	free(list->items);
	*list = (struct volume_list){ 0 };
}

/* ROOT/volumes; made when missing. */
static int volumes_dir(int root_fd, struct err *err)
{
	/* others may pass through to a volume of theirs, not list */
	if (mkdirat(root_fd, "volumes", 0711) < 0 && errno != EEXIST)
		return err_sys(err, errno, "make 'volumes'");
	return dir_open_at(root_fd, "volumes", err);
}

int volume_dir_open(int root_fd, const char *name, struct err *err)
{
	AUTO_FD volumes = -1;
	int fd;

	if (!volume_name_is_valid(name))
		return err_set(err, E_INVALID, "'%s' is not a volume name", name);
	volumes = volumes_dir(root_fd, err);
	if (volumes < 0)
		return -1;
	fd = openat(volumes, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0 && errno == ENOENT)
		return err_set(err, E_NOT_FOUND, "no such volume '%s'", name);
	if (fd < 0)
		return err_sys(err, errno, "open volume '%s'", name);
	return fd;
}

static int write_facts(int dir_fd, const char *name, bool anonymous, const struct strv *labels,
                       struct err *err)
{
	AUTO_JSON *obj = json_object_new_object();
	const char *text;

	json_add_str(obj, "name", name);
	json_add_str(obj, "created", time_format(clock_realtime_ns()).s);
	json_add_bool(obj, "anonymous", anonymous);
	if (labels)
		json_add_strv(obj, "labels", labels);
	text = json_text(obj, true);
	/* an anonymous volume ends with its container: it need not survive a power cut */
	return file_write_atomic_at(dir_fd, "volume.json", text, strlen(text), 0644,
	                            anonymous ? 0 : FILE_WRITE_SYNC, err);
}

/* Fill the temporary directory `tmp` and give it its name. Return 1, or 0 when another process
 * made the volume meanwhile. */
static int publish(int volumes_fd, const char *tmp, const char *name, bool anonymous,
                   const struct strv *labels, struct err *err)
{
	AUTO_FD dir = dir_open_at(volumes_fd, tmp, err);

	if (dir < 0)
		return -1;
	if (mkdirat(dir, "_data", 0755) < 0)
		return err_sys(err, errno, "make '_data'");
	/* the umask of whoever runs us is no business of the volume */
	if (fchmodat(dir, "_data", 0755, 0) < 0)
		return err_sys(err, errno, "mode of '_data'");
	if (write_facts(dir, name, anonymous, labels, err) < 0)
		return -1;
	if (renameat2(volumes_fd, tmp, volumes_fd, name, RENAME_NOREPLACE) < 0) {
		if (errno == EEXIST)
			return 0;
		return err_sys(err, errno, "rename");
	}
	return 1;
}

int volume_create(int root_fd, const char *name, const struct strv *labels, char **ret_name,
                  bool *ret_created, struct err *err)
{
	AUTO_FD volumes = volumes_dir(root_fd, err);
	char random[ID_LEN + 1], tmp[ID_SHORT_LEN + 8] = ".new-";
	int r;

	if (volumes < 0)
		return -1;
	if (name && !volume_name_is_valid(name))
		return err_set(err, E_INVALID,
		               "'%s' is not a volume name ([a-zA-Z0-9][a-zA-Z0-9_.-]*)", name);
	id_random(random);
	id_random_short(tmp + strlen(tmp));
	if (name && faccessat(volumes, name, F_OK, AT_SYMLINK_NOFOLLOW) == 0) {
		r = 0;
	} else {
		if (mkdirat(volumes, tmp, 0711) < 0)
			return err_sys(err, errno, "make volume '%s'", name ?: random);
		r = publish(volumes, tmp, name ?: random, !name, labels, err);
		if (r <= 0)
			tree_remove_at(volumes, tmp, ERR_IGNORE);
		if (r < 0)
			return err_ctx(err, "make volume '%s'", name ?: random);
	}
	if (ret_name)
		*ret_name = xstrdup(name ?: random);
	if (ret_created)
		*ret_created = r > 0;
	return 0;
}

static int read_facts(int dir_fd, struct volume *v, struct err *err)
{
	AUTO_FREE char *text = NULL;
	AUTO_JSON *obj = NULL;
	struct json root;
	const char *created = NULL;
	size_t len;

	if (file_read_at(dir_fd, "volume.json", VOLUME_JSON_MAX, &text, &len, err) < 0 ||
	    json_parse("volume.json", text, len, &obj, err) < 0)
		return -1;
	root = json_root(obj, "volume.json");
	if (json_get_str(&root, "created", &created, err) < 0 ||
	    json_get_bool(&root, "anonymous", &v->anonymous, err) < 0 ||
	    json_get_strv(&root, "labels", &v->labels, err) < 0)
		return -1;
	if (created && time_parse(created, &v->created_ns) < 0)
		return err_set(err, E_CORRUPT, "volume.json: created: '%s' is not a time", created);
	return 0;
}

int volume_get(int root_fd, const char *root_path, const char *name, struct volume *ret,
               struct err *err)
{
	AUTO(volume_done) struct volume v = { 0 };
	AUTO_FD dir = volume_dir_open(root_fd, name, err);
	struct stat st;

	if (dir < 0)
		return -1;
	/* a power cut may have left the facts empty: the data are what counts */
	if (read_facts(dir, &v, ERR_IGNORE) < 0) {
		strv_done(&v.labels);
		if (fstat(dir, &st) < 0)
			return err_sys(err, errno, "volume '%s'", name);
		v.created_ns = st.st_mtim.tv_sec * 1000000000LL + st.st_mtim.tv_nsec;
	}
	v.name = xstrdup(name);
	v.mountpoint = xasprintf("%s/volumes/%s/_data", root_path, name);
	*ret = v;
	v = (struct volume){ 0 };
	return 0;
}

static void auto_closedir(DIR **dir)
{
	if (*dir)
		closedir(*dir);
}

static int by_name(const void *a, const void *b)
{
	return strcmp(((const struct volume *)a)->name, ((const struct volume *)b)->name);
}

int volume_list(int root_fd, const char *root_path, struct volume_list *ret, struct err *err)
{
	AUTO(volume_list_done) struct volume_list list = { 0 };
	AUTO(auto_closedir) DIR *dir = NULL;
	AUTO_FD volumes = volumes_dir(root_fd, err);
	struct dirent *d;

	if (volumes < 0)
		return -1;
	dir = fdopendir(volumes);
	if (!dir)
		return err_sys(err, errno, "list volumes");
	TAKE_FD(volumes);
	while ((d = readdir(dir))) {
		struct volume v = { 0 };

		if (!volume_name_is_valid(d->d_name))
			continue;
		if (volume_get(root_fd, root_path, d->d_name, &v, err) < 0) {
			if (err->code == E_NOT_FOUND) /* removed meanwhile */
				continue;
			return -1;
		}
		VEC_PUSH(list.items, list.count, v);
	}
	if (list.count)
		qsort(list.items, list.count, sizeof(*list.items), by_name);
	*ret = list;
	list = (struct volume_list){ 0 };
	return 0;
}

int volume_remove(int root_fd, const char *name, struct err *err)
{
	AUTO_FD dir = volume_dir_open(root_fd, name, err);
	AUTO_FD volumes = -1;
	char tmp[ID_SHORT_LEN + 8] = ".del-";

	if (dir < 0)
		return -1;
	volumes = volumes_dir(root_fd, err);
	if (volumes < 0)
		return -1;
	/* out of sight at once: nobody mounts a volume that is half removed */
	id_random_short(tmp + strlen(tmp));
	if (renameat(volumes, name, volumes, tmp) < 0)
		return err_sys(err, errno, "remove volume '%s'", name);
	if (tree_remove_at(volumes, tmp, err) < 0)
		return err_ctx(err, "remove volume '%s'", name);
	return 0;
}

/* What a kill left of a removal, or an hour ago of a creation. */
void volumes_sweep(int root_fd)
{
	AUTO(auto_closedir) DIR *dir = NULL;
	int volumes = volumes_dir(root_fd, ERR_IGNORE);
	time_t now = time(NULL);
	struct dirent *d;

	dir = volumes < 0 ? NULL : fdopendir(volumes);
	while (dir && (d = readdir(dir))) {
		struct stat st;

		if (strncmp(d->d_name, ".del-", 5) != 0 && strncmp(d->d_name, ".new-", 5) != 0)
			continue;
		if (d->d_name[1] == 'n' &&
		    (fstatat(volumes, d->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0 ||
		     now - st.st_mtim.tv_sec < 3600))
			continue;
		tree_remove_at(volumes, d->d_name, ERR_IGNORE);
	}
}

int volumes_remove_anonymous(int root_fd, const struct container_options *opts, struct err *err)
{
	for (size_t i = 0; i < opts->anon_volumes.len; i++) {
		struct err e = ERR_INIT;

		if (volume_remove(root_fd, opts->anon_volumes.items[i], &e) < 0 &&
		    e.code != E_NOT_FOUND) {
			*err = e;
			return -1;
		}
	}
	return 0;
}

int volumes_describe(const struct container_options *opts, struct strv *ret, struct err *err)
{
	AUTO_MOUNTS mounts = { 0 };

	if (mount_requests_parse(opts, NULL, &mounts, err) < 0)
		return -1;
	for (size_t i = 0; i < mounts.count; i++)
		if (mounts.items[i].kind != MOUNT_KIND_TMPFS &&
		    mounts.items[i].kind != MOUNT_KIND_IMAGE && mounts.items[i].source)
			strv_add(ret, mounts.items[i].source);
	return 0;
}
