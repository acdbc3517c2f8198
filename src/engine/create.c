/* Making a container: a directory and a row; nothing runs and nothing is mounted yet. */
#include "base/clock.h"
#include "base/fd.h"
#include "base/xalloc.h"
#include "codec/json.h"
#include "engine/disk-quota.h"
#include "engine/engine-internal.h"
#include "engine/image-mounts.h"
#include "engine/spec-build.h"
#include "engine/volumes.h"
#include "image/accept.h"
#include "image/image.h"
#include "image/rootfs.h"
#include "net/port.h"
#include "sys/pidfd.h"

#include <errno.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>

#define NAME_TRIES 30

/* ROOT/containers/ID with its two overlay directories, locked. Returns the lock. */
static int make_dir(struct engine *e, const char *id, struct err *err)
{
	char path[sizeof(CONTAINERS_DIR) + 1 + ID_LEN];
	AUTO_FD fd = -1;

	snprintf(path, sizeof(path), CONTAINERS_DIR "/%s", id);
	if (mkdirat(e->root_fd, path, 0700) < 0) {
		if (errno != ENOENT)
			return err_sys(err, errno, "make '%s/%s'", e->root_path, path);
		if (dir_make_at(e->root_fd, path, 0700, err) < 0)
			return -1;
	}
	fd = dir_open_at(e->root_fd, path, err);
	if (fd < 0)
		return -1;
	if (flock(fd, LOCK_EX) < 0 || mkdirat(fd, "upper", 0755) < 0 ||
	    mkdirat(fd, "work", 0700) < 0) {
		err_sys(err, errno, "make '%s/%s'", e->root_path, path);
		tree_remove_at(e->root_fd, path, ERR_IGNORE);
		return -1;
	}
	return TAKE_FD(fd);
}

static char *command_text(const struct strv *argv)
{
	AUTO_BUF text = STRBUF_INIT;

	for (size_t i = 0; i < argv->len; i++) {
		if (i)
			strbuf_addc(&text, ' ');
		strbuf_adds(&text, argv->items[i]);
	}
	return strbuf_take(&text);
}

/* Labels of the image, then those of files, then those of the command line. */
static int labels_build(const struct container_options *opts, const struct image_config *image,
                        char **ret, struct err *err)
{
	AUTO_JSON *obj = json_object_new_object();
	AUTO_STRV all = STRV_INIT;

	strv_add_all(&all, image->labels.items);
	for (size_t i = 0; i < opts->label_file.len; i++) {
		AUTO_FREE char *text = NULL;
		AUTO_STRV lines = STRV_INIT;
		size_t len;

		if (file_read_at(AT_FDCWD, opts->label_file.items[i], 1u << 20, &text, &len, err) <
		    0)
			return err_ctx(err, "--label-file");
		strv_split(&lines, text, '\n');
		for (size_t l = 0; l < lines.len; l++)
			if (lines.items[l][0] && lines.items[l][0] != '#')
				strv_add(&all, lines.items[l]);
	}
	strv_add_all(&all, opts->label.items);
	for (size_t i = 0; i < all.len; i++) {
		char *equals = strchr(all.items[i], '=');

		if (equals)
			*equals = '\0';
		json_object_object_del(obj, all.items[i]);
		json_add_str(obj, all.items[i], equals ? equals + 1 : "");
	}
	*ret = xstrdup(json_text(obj, false));
	return 0;
}

static const char *const network_names[] = {
	[NETWORK_BRIDGE] = "bridge",
	[NETWORK_NONE] = "none",
	[NETWORK_HOST] = "host",
	[NETWORK_CONTAINER] = "",
};

static int row_describe(struct engine *e, const struct container_options *opts,
                        const struct image *image, struct container_row *row, struct err *err)
{
	struct network_choice network;
	AUTO_STRV argv = STRV_INIT;
	AUTO_STRV mounts = STRV_INIT;
	AUTO_BUF mount_text = STRBUF_INIT;

	if (command_build(opts, &image->config, &argv, err) < 0 ||
	    labels_build(opts, &image->config, &row->labels, err) < 0 ||
	    network_choice_parse(opts, e->rootless, &network, err) < 0 ||
	    volumes_describe(opts, &mounts, err) < 0)
		return -1;
	for (size_t i = 0; i < mounts.len; i++)
		strbuf_addf(&mount_text, "%s%s", i ? "," : "", mounts.items[i]);
	row->image_id = xstrdup(image->id);
	row->command = command_text(&argv);
	row->ports = xstrdup("");
	row->networks = network.mode == NETWORK_CONTAINER
	                        ? xasprintf("container:%s", network.container)
	                        : xstrdup(network_names[network.mode]);
	row->mounts = strbuf_take(&mount_text);
	row->ip = xstrdup("");
	row->error = xstrdup("");
	row->created_ns = clock_realtime_ns();
	row->auto_remove = opts->rm;
	row->stdin_once = opts->interactive && !opts->detach;
	row->status = CONTAINER_CREATED;
	return 0;
}

static int insert_named(struct engine *e, struct container_row *row,
                        const struct container_options *opts, struct err *err)
{
	for (int i = 0;; i++) {
		if (!opts->name) {
			free(row->name);
			row->name = container_name_random(i < 10 ? 0 : (unsigned)i);
		}
		if (record_insert(e, row, opts, err) == 0)
			return 0;
		if (err->code != E_EXISTS)
			return -1;
		if (opts->name || i >= NAME_TRIES) {
			err_set(err, E_EXISTS, "the container name '%s' is already in use",
			        row->name);
			return err_hint(err, "remove that container, or choose another name");
		}
	}
}

/* One transaction: the row, its options, its event. The image is held in it, so that it cannot be
 * removed between our look at it and the row that protects it. */
static int commit_row(struct engine *e, struct container_row *row,
                      const struct container_options *opts, const struct strv *images,
                      struct err *err)
{
	struct db *db = engine_db(e, err);
	int r;

	if (!db)
		return -1;
	/* a container that is removed at its end need not survive a power cut */
	r = opts->rm ? db_begin_immediate(db, err) : db_begin_durable(db, err);
	if (r < 0)
		return -1;
	if (image_hold(e->images, row->image_id, err) < 0 || insert_named(e, row, opts, err) < 0 ||
	    ctr_image_mounts_hold(e, row->id, images, err) < 0 ||
	    event_container(e, row, "create", NULL, NULL, err) < 0) {
		db_rollback(db);
		return -1;
	}
	return db_commit(db, err);
}

/* A container that `dhow run --rm` made belongs to that process until it runs. */
static void set_owner(struct container_row *row)
{
	uint64_t ticks;

	if (process_start_time(getpid(), &ticks) < 0)
		return;
	row->monitor_pid = getpid();
	row->monitor_start = ticks;
	snprintf(row->boot_id, sizeof(row->boot_id), "%s", engine_boot_id());
}

/* What `stop` sends is known without the image afterwards. */
static void take_stop_signal(struct container_options *opts, const struct image_config *image)
{
	int number;

	if (opts->stop_signal || !image->stop_signal ||
	    signal_parse(image->stop_signal, &number) < 0)
		return;
	strv_add(&opts->owned, image->stop_signal);
	opts->stop_signal = opts->owned.items[opts->owned.len - 1];
}

static int create(struct engine *e, const char *image_name, struct container_options *opts,
                  bool for_run, char ret_id[ID_LEN + 1], struct err *err)
{
	struct container_row row __attribute__((cleanup(container_row_done))) = { 0 };
	AUTO_IMAGE image = IMAGE_INIT;
	struct image_store *images = engine_images(e, err);
	AUTO_STRV mounted = STRV_INIT; /* ids of images mounted besides its own */
	struct disk_quota quota;
	AUTO_FD lock = -1;

	if (!images)
		return -1;
	if (opts->name && !container_name_is_valid(opts->name)) {
		err_set(err, E_INVALID, "invalid container name '%s'", opts->name);
		return err_hint(err, "use letters, digits, '_', '.', '-', the first one of "
		                     "letters and digits");
	}
	if (image_resolve(images, image_name, &image, err) < 0 ||
	    image_accept(images, image.id, opts->signature_policy, err) < 0)
		return -1;
	if (disk_quota_parse(&opts->storage_opt, &quota, err) < 0 ||
	    ctr_image_mounts_resolve(e, opts, &mounted, err) < 0 ||
	    volumes_prepare(e, opts, &image.config, err) < 0)
		return -1;
	take_stop_signal(opts, &image.config);
	id_random(row.id);
	row.image = xstrdup(image_name);
	row.name = xstrdup(opts->name ? opts->name : "");
	if (for_run && opts->rm)
		set_owner(&row);
	if (row_describe(e, opts, &image, &row, err) < 0 || (lock = make_dir(e, row.id, err)) < 0) {
		volumes_remove_anonymous(e->root_fd, opts, ERR_IGNORE);
		return -1;
	}
	if (((quota.bytes || quota.inodes) && disk_quota_set(e, row.id, lock, &quota, err) < 0) ||
	    commit_row(e, &row, opts, &mounted, err) < 0) {
		char path[sizeof(CONTAINERS_DIR) + 1 + ID_LEN];

		snprintf(path, sizeof(path), CONTAINERS_DIR "/%s", row.id);
		tree_remove_at(e->root_fd, path, ERR_IGNORE);
		volumes_remove_anonymous(e->root_fd, opts, ERR_IGNORE);
		return -1;
	}
	snprintf(ret_id, ID_LEN + 1, "%s", row.id);
	return 0;
}

int container_create(struct engine *e, const char *image, struct container_options *opts,
                     char ret_id[ID_LEN + 1], struct err *err)
{
	return create(e, image, opts, false, ret_id, err);
}

int container_create_for_run(struct engine *e, const char *image, struct container_options *opts,
                             char ret_id[ID_LEN + 1], struct err *err)
{
	return create(e, image, opts, true, ret_id, err);
}

int container_mount(struct engine *e, const char *id, int *ret_mount_fd, struct err *err)
{
	struct container_row row __attribute__((cleanup(container_row_done))) = { 0 };
	struct rootfs_plan plan = ROOTFS_PLAN_INIT;
	struct image_store *images = engine_images(e, err);
	AUTO_IMAGE image = IMAGE_INIT;
	AUTO_FD dir = -1;
	AUTO_FD upper = -1;
	AUTO_FD work = -1;
	int r;

	if (!images || record_load(e, id, &row, err) < 0 ||
	    image_resolve(images, row.image_id, &image, err) < 0)
		return -1;
	dir = container_dir_open(e, id, err);
	upper = dir < 0 ? -1 : dir_open_at(dir, "upper", err);
	work = upper < 0 ? -1 : dir_open_at(dir, "work", err);
	if (work < 0)
		return -1;
	r = rootfs_plan_init(&plan, image_store_layers(images), image.config.diff_ids,
	                     image.config.n_diff_ids, upper, work, 0, err);
	if (r == 0)
		r = rootfs_mount(&plan, ret_mount_fd, err);
	rootfs_plan_done(&plan);
	return r;
}
