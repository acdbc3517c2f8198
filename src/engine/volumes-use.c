/* Volumes and the containers that use them. */
#include <errno.h>

#include "base/fd.h"
#include "base/strbuf.h"
#include "base/xalloc.h"
#include "engine/engine.h"
#include "engine/inspect-internal.h"
#include "engine/mounts-parse.h"
#include "engine/spec-build.h"
#include "engine/volumes-internal.h"
#include "image/prune.h"
#include "oci/image-config.h"

/* The options of every container, in any state. fn returns non-zero to stop. */
static int each_container(struct engine *e,
                          int (*fn)(void *ctx, const struct container_row *row,
                                    const struct strv *sources),
                          void *ctx, struct err *err)
{
	struct container_list list = { 0 };
	int r = container_list(e, &(struct container_list_args){ .all = true }, &list, err);

	for (size_t i = 0; r == 0 && i < list.count; i++) {
		AUTO_STRV sources = STRV_INIT;
		struct container_options opts;
		struct err load_err = ERR_INIT;

		container_options_init(&opts);
		if (container_options_load(e, list.rows[i].id, &opts, &load_err) == 0)
			r = volumes_describe(&opts, &sources, err);
		else if (load_err.code != E_NOT_FOUND) /* not one that was removed meanwhile */
			r = (*err = load_err, -1);
		if (r == 0)
			r = fn(ctx, &list.rows[i], &sources);
		container_options_done(&opts);
	}
	container_list_done(&list);
	return r < 0 ? -1 : 0;
}

struct find_user {
	const char *volume;
	char *container; /* its name; NULL: unused */
};

static int find_user(void *ctx, const struct container_row *row, const struct strv *sources)
{
	struct find_user *f = ctx;

	if (!strv_has(sources, f->volume))
		return 0;
	f->container = xstrdup(row->name);
	return 1;
}

int volume_rm(struct engine *e, const char *name, bool force, struct err *err)
{
	struct find_user user = { .volume = name };
	AUTO_FREE char *container = NULL;

	if (each_container(e, find_user, &user, err) < 0)
		return -1;
	container = user.container;
	if (container) {
		err_set(err, E_BUSY, "volume '%s' is used by container '%s'", name, container);
		return err_hint(err, "remove the container first");
	}
	if (volume_remove(e->root_fd, name, err) == 0)
		return 0;
	return force && err->code == E_NOT_FOUND ? 0 : -1;
}

static int collect(void *ctx, const struct container_row *row, const struct strv *sources)
{
	if (sources->items)
		strv_add_all(ctx, sources->items);
	return 0;
}

static bool has_all(const struct volume *v, const struct strv *wanted, bool want)
{
	for (size_t i = 0; wanted && i < wanted->len; i++)
		if (image_label_matches(&v->labels, wanted->items[i]) != want)
			return false;
	return true;
}

static bool is_chosen(const struct volume *v, const struct volume_prune_options *o)
{
	return (o->all || v->anonymous) && (!o->until_ns || v->created_ns < o->until_ns) &&
	       has_all(v, o->labels, true) && has_all(v, o->not_labels, false);
}

uint64_t volume_disk_bytes(int root_fd, const char *name)
{
	AUTO_FREE char *path = xasprintf("volumes/%s", name);
	AUTO_FD fd = dir_open_at(root_fd, path, ERR_IGNORE);

	return fd < 0 ? 0 : inspect_tree_size(fd, "_data");
}

int volume_prune(struct engine *e, const struct volume_prune_options *options,
                 struct strv *ret_removed, struct err *err)
{
	AUTO(volume_list_done) struct volume_list list = { 0 };
	AUTO_STRV used = STRV_INIT;

	volumes_sweep(e->root_fd);
	/* the list first: a volume that a container takes after this is not in it, or is in use */
	if (volume_list(e->root_fd, e->root_path, &list, err) < 0 ||
	    each_container(e, collect, &used, err) < 0)
		return -1;
	for (size_t i = 0; i < list.count; i++) {
		if (strv_has(&used, list.items[i].name) || !is_chosen(&list.items[i], options))
			continue;
		if (volume_remove(e->root_fd, list.items[i].name, err) < 0) {
			if (err->code == E_NOT_FOUND)
				continue;
			return -1;
		}
		strv_add(ret_removed, list.items[i].name);
	}
	return 0;
}

/* ---- at create ---- */

struct prepare {
	struct engine *e;
	struct container_options *opts;
	struct strv created; /* volumes made here, for undo */
	struct err *err;
};

static void replace_text(struct strv *list, const char *old, char *new)
{
	for (size_t i = 0; i < list->len; i++) {
		if (strcmp(list->items[i], old) != 0)
			continue;
		free(list->items[i]);
		list->items[i] = new;
		return;
	}
	strv_add_owned(list, new);
}

/* A value inside --mount: quoted when it could be taken for more than one field. */
static char *csv_quote(const char *key, const char *value)
{
	AUTO_BUF out = STRBUF_INIT;

	if (!strpbrk(value, ",\"")) {
		strbuf_addf(&out, "%s=%s", key, value);
		return strbuf_take(&out);
	}
	strbuf_addf(&out, "\"%s=", key);
	for (; *value; value++) {
		if (*value == '"')
			strbuf_addc(&out, '"');
		strbuf_addc(&out, *value);
	}
	strbuf_addc(&out, '"');
	return strbuf_take(&out);
}

/* Write the volume's name into the option that asked for an anonymous one. */
static void record_name(struct container_options *opts, const struct mount_request *m,
                        const char *name)
{
	if (!strcmp(m->option, "--volume")) {
		replace_text(&opts->volume, m->text, xasprintf("%s:%s", name, m->text));
	} else if (!strcmp(m->option, "--mount")) {
		replace_text(&opts->mount, m->text, xasprintf("%s,source=%s", m->text, name));
	} else {
		AUTO_FREE char *target = csv_quote("target", m->target);

		strv_addf(&opts->mount, "type=volume,source=%s,%s", name, target);
	}
	strv_add(&opts->anon_volumes, name);
}

static int prepare_volume(struct prepare *p, const struct mount_request *m)
{
	AUTO_FREE char *name = NULL;
	bool created;

	if (volume_create(p->e->root_fd, m->source, m->labels.len ? &m->labels : NULL, &name,
	                  &created, p->err) < 0)
		return err_ctx(p->err, "%s '%s'", m->option, m->text);
	if (created)
		strv_add(&p->created, name);
	if (!m->source)
		record_name(p->opts, m, name);
	return 0;
}

/* A relative source is relative to where the command runs now. */
static void record_source(struct container_options *opts, const struct mount_request *m)
{
	if (!strcmp(m->option, "--volume") && m->text[0] == '.')
		replace_text(&opts->volume, m->text,
		             xasprintf("%s%s", m->source, strchr(m->text, ':')));
}

static int has_target(struct container_options *opts, const char *target, struct err *err)
{
	AUTO_MOUNTS mounts = { 0 };

	if (mount_requests_parse(opts, NULL, &mounts, err) < 0)
		return -1;
	for (size_t i = 0; i < mounts.count; i++)
		if (!strcmp(mounts.items[i].target, target))
			return 1;
	return 0;
}

/* Take over the volumes and host directories of one container, as it has them. */
static int volumes_from(struct prepare *p, const char *text)
{
	AUTO_FREE char *ref = xstrdup(text);
	AUTO_MOUNTS mounts = { 0 };
	struct container_options other;
	char id[ID_LEN + 1];
	char *mode = strchr(ref, ':');
	int r;

	if (mode)
		*mode++ = '\0';
	if (mode && strcmp(mode, "ro") != 0 && strcmp(mode, "rw") != 0 && strcmp(mode, "z") != 0 &&
	    strcmp(mode, "Z") != 0)
		return err_set(p->err, E_INVALID, "mode is ro or rw, not '%s'", mode);
	container_options_init(&other);
	r = container_find(p->e, ref, id, p->err);
	if (r == 0)
		r = container_options_load(p->e, id, &other, p->err);
	if (r == 0)
		r = mount_requests_parse(&other, NULL, &mounts, p->err);
	for (size_t i = 0; r == 0 && i < mounts.count; i++) {
		const struct mount_request *m = &mounts.items[i];
		bool ro = mode && !strcmp(mode, "ro");

		if (m->kind == MOUNT_KIND_TMPFS || m->kind == MOUNT_KIND_IMAGE)
			continue;
		r = has_target(p->opts, m->target, p->err);
		if (r == 0 && !strcmp(m->option, "--volume"))
			strv_addf(&p->opts->volume, "%s%s", m->text,
			          !ro                                             ? ""
			          : strchr(m->text, ':') != strrchr(m->text, ':') ? ",ro"
			                                                          : ":ro");
		else if (r == 0)
			strv_addf(&p->opts->mount, "%s%s", m->text, ro ? ",readonly" : "");
		r = r < 0 ? -1 : 0;
	}
	container_options_done(&other);
	return r;
}

static int prepare(struct prepare *p, const struct image_config *image)
{
	AUTO_MOUNTS mounts = { 0 };

	for (size_t i = 0; i < p->opts->volumes_from.len; i++)
		if (volumes_from(p, p->opts->volumes_from.items[i]) < 0)
			return err_ctx(p->err, "--volumes-from '%s'",
			               p->opts->volumes_from.items[i]);
	strv_done(&p->opts->volumes_from);
	if (mount_requests_parse(p->opts, &image->volumes, &mounts, p->err) < 0)
		return -1;
	for (size_t i = 0; i < mounts.count; i++) {
		if (mounts.items[i].kind == MOUNT_KIND_VOLUME &&
		    prepare_volume(p, &mounts.items[i]) < 0)
			return -1;
		if (mounts.items[i].kind != MOUNT_KIND_BIND)
			continue;
		if (mount_source_check(&mounts.items[i], p->err) < 0)
			return -1;
		record_source(p->opts, &mounts.items[i]);
	}
	return 0;
}

int volumes_prepare(struct engine *e, struct container_options *opts,
                    const struct image_config *image, struct err *err)
{
	struct prepare p = { .e = e, .opts = opts, .err = err };
	int r = container_options_resolve(opts, NULL, err);

	if (r == 0)
		r = prepare(&p, image);
	for (size_t i = 0; r < 0 && i < p.created.len; i++)
		volume_remove(e->root_fd, p.created.items[i], ERR_IGNORE);
	strv_done(&p.created);
	return r;
}
