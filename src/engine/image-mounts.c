#include "engine/image-mounts.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mount.h>

#include "base/db.h"
#include "base/fd.h"
#include "base/strbuf.h"
#include "base/xalloc.h"
#include "engine/engine-internal.h"
#include "engine/mounts-parse.h"
#include "image/image.h"
#include "image/rootfs.h"
#include "oci/spec.h"
#include "sys/rootfs.h"

struct image_mount_plan {
	char *target;
	char *subpath; /* or NULL */
	char *text;
	struct rootfs_plan plan;
};

struct ctr_image_mounts {
	struct image_mount_plan *items;
	size_t n;
};

/* Most containers have none, and pay for a look at each text only. */
static bool has_any(const struct container_options *opts)
{
	for (size_t i = 0; i < opts->mount.len; i++)
		if (strcasestr(opts->mount.items[i], "type=image"))
			return true;
	return false;
}

/* --- at create --- */

/* The same mount with the image's id for its name, in the fixed form that the parser reads again.
 */
static char *with_id(const struct mount_request *m, const char *id)
{
	const char *fields[][2] = { { "target", m->target }, { "subpath", m->subpath } };
	AUTO_BUF text = STRBUF_INIT;

	strbuf_addf(&text, "type=image,source=%s", id);
	for (size_t i = 0; i < ARRAY_LEN(fields); i++) {
		if (!fields[i][1])
			continue;
		strbuf_addf(&text, ",\"%s=", fields[i][0]);
		for (const char *p = fields[i][1]; *p; p++) {
			if (*p == '"')
				strbuf_addc(&text, '"');
			strbuf_addc(&text, *p);
		}
		strbuf_addc(&text, '"');
	}
	return strbuf_take(&text);
}

int ctr_image_mounts_resolve(struct engine *e, struct container_options *opts, struct strv *ret_ids,
                             struct err *err)
{
	struct image_store *images;
	AUTO_MOUNTS mounts = { 0 };

	if (!has_any(opts))
		return 0;
	images = engine_images(e, err);
	if (!images || mount_requests_parse(opts, NULL, &mounts, err) < 0)
		return -1;
	for (size_t i = 0; i < mounts.count; i++) {
		const struct mount_request *m = &mounts.items[i];
		AUTO_FREE char *id = NULL;

		if (m->kind != MOUNT_KIND_IMAGE)
			continue;
		if (image_resolve_id(images, m->source, &id, err) < 0)
			return err_ctx(err, "%s '%s'", m->option, m->text);
		for (size_t k = 0; k < opts->mount.len; k++) {
			if (strcmp(opts->mount.items[k], m->text) != 0)
				continue;
			free(opts->mount.items[k]);
			opts->mount.items[k] = with_id(m, id);
			break;
		}
		if (!strv_has(ret_ids, id))
			strv_add(ret_ids, id);
	}
	return 0;
}

int ctr_image_mounts_hold(struct engine *e, const char *container_id, const struct strv *ids,
                          struct err *err)
{
	for (size_t i = 0; i < ids->len; i++)
		if (image_hold(e->images, ids->items[i], err) < 0 ||
		    db_exec(e->db, err,
		            "INSERT INTO container_image(container, image) VALUES(?, ?)",
		            DB_TEXT(container_id), DB_TEXT(ids->items[i])) < 0)
			return -1;
	return 0;
}

/* --- at start --- */

static int plan_one(struct engine *e, const struct mount_request *m, struct image_mount_plan *ret,
                    struct err *err)
{
	AUTO_IMAGE image = IMAGE_INIT;

	if (image_resolve(e->images, m->source, &image, err) < 0)
		return -1;
	ret->target = xstrdup(m->target);
	ret->subpath = xstrdup_null(m->subpath);
	ret->text = xstrdup(m->text);
	return rootfs_plan_init(&ret->plan, image_store_layers(e->images), image.config.diff_ids,
	                        image.config.n_diff_ids, -1, -1, ROOTFS_READ_ONLY, err);
}

int ctr_image_mounts_plan(struct engine *e, const struct container_options *opts,
                          struct ctr_image_mounts **ret, struct err *err)
{
	struct ctr_image_mounts *all;
	AUTO_MOUNTS mounts = { 0 };

	*ret = NULL;
	if (!has_any(opts))
		return 0;
	if (mount_requests_parse(opts, NULL, &mounts, err) < 0)
		return -1;
	all = xcalloc(1, sizeof(*all));
	for (size_t i = 0; i < mounts.count; i++) {
		const struct mount_request *m = &mounts.items[i];
		struct image_mount_plan p = { .plan = ROOTFS_PLAN_INIT };

		if (m->kind != MOUNT_KIND_IMAGE)
			continue;
		VEC_PUSH(all->items, all->n, p);
		if (plan_one(e, m, &all->items[all->n - 1], err) < 0) {
			ctr_image_mounts_free(all);
			return err_ctx(err, "%s '%s'", m->option, m->text);
		}
	}
	*ret = all;
	return 0;
}

void ctr_image_mounts_free(struct ctr_image_mounts *m)
{
	if (!m)
		return;
	for (size_t i = 0; i < m->n; i++) {
		free(m->items[i].target);
		free(m->items[i].subpath);
		free(m->items[i].text);
		rootfs_plan_done(&m->items[i].plan);
	}
	free(m->items);
	free(m);
}

/* A directory below a mount can be bound only once the mount is attached: on the container's work
 * directory, which nobody looks into, in this mount namespace. */
static int open_subpath(const struct image_mount_plan *p, int mount_fd, const char *container_path,
                        struct err *err)
{
	AUTO_FREE char *path = xasprintf("%s/work", container_path);
	AUTO_FD at = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	int fd;

	if (at < 0 ||
	    move_mount(mount_fd, "", at, "", MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH) < 0)
		return err_sys(err, errno, "attach the image");
	fd = rootfs_open_nolinks(mount_fd, p->subpath, O_PATH, 0);
	return fd < 0 ? err_sys(err, -fd, "'%s' in the image", p->subpath) : fd;
}

static int make_one(const struct image_mount_plan *p, const char *container_path,
                    struct oci_spec *spec, struct err *err)
{
	AUTO_FD mount_fd = -1;
	int fd;

	if (rootfs_mount(&p->plan, &mount_fd, err) < 0)
		return -1;
	fd = p->subpath ? open_subpath(p, mount_fd, container_path, err) : TAKE_FD(mount_fd);
	if (fd < 0)
		return -1;
	/* the descriptor ends with this process's execve */
	for (size_t i = 0; i < spec->n_mounts; i++)
		if (!strcmp(spec->mounts[i].destination, p->target))
			spec->mounts[i].source_fd = fd;
	return 0;
}

int ctr_image_mounts_make(struct ctr_image_mounts *m, const char *container_path,
                          struct oci_spec *spec, struct err *err)
{
	for (size_t i = 0; m && i < m->n; i++)
		if (make_one(&m->items[i], container_path, spec, err) < 0)
			return err_ctx(err, "--mount '%s'", m->items[i].text);
	return 0;
}
