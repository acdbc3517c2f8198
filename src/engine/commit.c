/* commit: an image out of a container. */
#include <stdlib.h>
#include <string.h>

#include "base/fd.h"
#include "base/strbuf.h"
#include "base/xalloc.h"
#include "codec/json.h"
#include "codec/tar.h"
#include "engine/changes.h"
#include "engine/cp-internal.h"
#include "engine/engine-internal.h"
#include "engine/spec-build.h"
#include "image/image.h"
#include "image/make.h"

struct commit {
	struct engine *e;
	const struct commit_options *options;
	struct container_row row;
	struct container_options opts;
	struct image image;
	struct image_config config; /* of the new image */
	int upper_fd;
};

static int write_upper(void *ctx, struct tar_writer *w, struct err *err)
{
	const struct commit *c = ctx;
	struct pack_source src = {
		.top_fd = c->upper_fd, .as = "", .xattrs = true, .is_layer = true
	};

	return cp_pack(&src, w, err) < 0 ? err_ctx(err, "container %s", c->row.name) : 0;
}

static void replace_list(struct strv *to, const struct strv *from)
{
	strv_done(to);
	*to = STRV_INIT;
	if (from->items)
		strv_add_all(to, from->items);
}

static void copy_list(struct strv *to, const struct strv *from)
{
	if (from->items)
		strv_add_all(to, from->items);
}

/* Lists of an image's config are sorted. */
static int compare_texts(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static int take_labels(struct commit *c, struct err *err)
{
	AUTO_JSON *obj = NULL;

	if (json_parse("labels", c->row.labels, strlen(c->row.labels), &obj, err) < 0)
		return -1;
	json_object_object_foreach(obj, key, value)
		strv_set_env(&c->config.labels, key, json_object_get_string(value));
	if (c->config.labels.len)
		qsort(c->config.labels.items, c->config.labels.len, sizeof(char *), compare_texts);
	return 0;
}

/* docker's rules: the image's config, and over it what the container was given. */
static int build_config(struct commit *c, struct err *err)
{
	const struct image_config *from = &c->image.config;
	const struct container_options *o = &c->opts;
	struct image_config *to = &c->config;
	AUTO_STRV env = STRV_INIT;
	AUTO_STRV argv = STRV_INIT;

	to->platform = from->platform;
	to->author = xstrdup_null(from->author);
	to->user = xstrdup_null(o->user ? o->user : from->user);
	to->workdir = xstrdup_null(o->workdir ? o->workdir : from->workdir);
	to->stop_signal = xstrdup_null(o->stop_signal ? o->stop_signal : from->stop_signal);
	copy_list(&to->shell, &from->shell);
	copy_list(&to->on_build, &from->on_build);
	copy_list(&to->volumes, &from->volumes);
	copy_list(&to->exposed_ports, &from->exposed_ports);
	copy_list(&to->labels, &from->labels);
	copy_list(&to->entrypoint, &from->entrypoint);
	copy_list(&to->cmd, &from->cmd);
	to->healthcheck = from->healthcheck;
	to->healthcheck.test = STRV_INIT;
	copy_list(&to->healthcheck.test, &from->healthcheck.test);
	if (env_build(&from->env, &o->env_file, &o->env, NULL, &env, err) < 0 ||
	    take_labels(c, err) < 0)
		return -1;
	replace_list(&to->env, &env);
	if (o->args_given)
		replace_list(&to->cmd, &o->args);
	if (o->entrypoint) {
		if (entrypoint_parse(o->entrypoint, &argv, err) < 0)
			return -1;
		replace_list(&to->entrypoint, &argv);
		/* a new entrypoint without arguments runs without the image's, too */
		if (!o->args_given)
			strv_done(&to->cmd);
	}
	for (size_t i = 0; i < c->options->n_changes; i++)
		if (image_config_change(to, c->options->changes[i], err) < 0)
			return -1;
	return 0;
}

static int make_image(struct commit *c, const char *name, char **ret_id, struct err *err)
{
	const struct image_make make = { .base = &c->image.config,
		                         .config = &c->config,
		                         .write = write_upper,
		                         .ctx = c,
		                         .drop_empty = true,
		                         .created_by = c->row.command,
		                         .comment = c->options->message,
		                         .author = c->options->author,
		                         .name = name };

	return image_make(c->e->images, &make, ret_id, err);
}

/* In one layer: made as usual without a name, then squashed. */
static int make_squashed(struct commit *c, const char *name, char **ret_id, struct err *err)
{
	AUTO_FREE char *plain = NULL;
	struct image_removed removed = IMAGE_REMOVED_INIT;
	int r;

	if (make_image(c, NULL, &plain, err) < 0)
		return -1;
	r = image_squash(c->e->images, plain, name, c->options->message, ret_id, err);
	if (image_remove(c->e->images, plain, 0, &removed, ERR_IGNORE) == 0)
		image_removed_done(&removed);
	return r;
}

static bool is_live(const struct container_row *row)
{
	return row->status == CONTAINER_RUNNING;
}

static int commit(struct commit *c, const char *ref, char **ret_id, struct err *err)
{
	AUTO_FREE char *name = NULL;
	AUTO_FD dir = -1;
	AUTO_FD upper = -1;
	bool paused = false;
	struct err why = ERR_INIT;
	int r;

	if ((c->options->name && image_make_name(c->options->name, &name, err) < 0) ||
	    container_get(c->e, ref, &c->row, err) < 0 ||
	    container_options_load(c->e, c->row.id, &c->opts, err) < 0 ||
	    image_resolve(c->e->images, c->row.image_id, &c->image, err) < 0 ||
	    build_config(c, err) < 0)
		return -1;
	dir = container_dir_open(c->e, c->row.id, err);
	upper = dir < 0 ? -1 : dir_open_at(dir, "upper", err);
	if (upper < 0)
		return -1;
	c->upper_fd = upper;
	if (is_live(&c->row) && c->options->pause != 0) {
		paused = container_pause(c->e, c->row.id, &why) == 0;
		/* an ordinary user's containers cannot be frozen */
		if (!paused && c->options->pause > 0) {
			*err = why;
			return err_ctx(err, "option --pause");
		}
	}
	r = c->options->squash ? make_squashed(c, name, ret_id, err)
	                       : make_image(c, name, ret_id, err);
	if (paused && container_unpause(c->e, c->row.id, &why) < 0 && r == 0) {
		*err = why;
		r = -1;
	}
	return r;
}

int container_commit(struct engine *e, const char *ref, const struct commit_options *options,
                     char **ret_id, struct err *err)
{
	struct commit c = { .e = e, .options = options, .upper_fd = -1 };
	int r = -1;

	container_options_init(&c.opts);
	if (engine_images(e, err))
		r = commit(&c, ref, ret_id, err);
	container_row_done(&c.row);
	container_options_done(&c.opts);
	image_done(&c.image);
	image_config_done(&c.config);
	return r;
}
