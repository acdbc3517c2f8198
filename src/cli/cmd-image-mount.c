/* image mount, image unmount. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/fd.h"
#include "base/log.h"
#include "base/xalloc.h"
#include "cli/cli-internal.h"
#include "cli/output.h"
#include "image/image.h"
#include "image/mount.h"

#define MOUNTS_DIR "mounts" /* in RUNROOT: mounts and their directories end with the boot */

struct mount_opts {
	bool all;
	bool force;
	const char *format;
	const char *target;
};

#define M(field) OPT(struct mount_opts, field)
/* clang-format off */
static const struct opt mount_options[] = {
	{ "format", 0, OPT_STR, M(format), "TEMPLATE", "of the list: table, 'table TEMPLATE', json, or a Go template", 0, 0 },
	{ "target", 't', OPT_STR, M(target), "DIR", "mount at DIR, which must exist (default: a directory of dhow's, printed)", 0, COMPLETE_DIR },
	OPT_END
};
static const struct opt unmount_options[] = {
	{ "all", 'a', OPT_BOOL, M(all), NULL, "unmount all images", 0, 0 },
	{ "force", 'f', OPT_BOOL, M(force), NULL, "also while files of it are open", 0, 0 },
	OPT_END
};
/* clang-format on */

static const struct column columns[] = {
	{ "ID", "IMAGE ID" },     { "Name", "NAME" },          { "Mountpoint", "MOUNTPOINT" },
	{ "Mounted", "MOUNTED" }, { "MountedSince", "SINCE" }, { 0 },
};

static int print_mounts(struct cmd_ctx *ctx, struct image_store *store, const char *format)
{
	struct image_mount *mounts = NULL;
	AUTO_OUTPUT out = OUTPUT_INIT;
	size_t n = 0;
	int r;

	if (image_mount_list(store, &mounts, &n, &ctx->err) < 0)
		return -1;
	r = output_begin(&out, format, "{{.ID}}\t{{.Name}}\t{{.Mountpoint}}\t{{.MountedSince}}",
	                 columns, &ctx->err);
	for (size_t i = 0; r == 0 && i < n; i++) {
		struct json_object *row = json_object_new_object();
		char id[13], text[64];

		json_add_str(row, "ID", cli_short_id(mounts[i].id, false, id));
		json_add_str(row, "Name",
		             mounts[i].name ? image_ref_familiar(mounts[i].name) : "<none>");
		json_add_str(row, "Mountpoint", mounts[i].path);
		json_add_bool(row, "Mounted", mounts[i].is_mounted);
		json_add_str(row, "MountedSince",
		             cli_ago_text(mounts[i].mounted_ns, text, sizeof(text)));
		r = output_row(&out, row, &ctx->err);
	}
	image_mounts_free(mounts, n);
	if (r == 0)
		output_end(&out);
	return r;
}

/* RUNROOT/mounts/HEX, made when missing. Caller frees. */
static char *own_directory(struct cmd_ctx *ctx, const char *id)
{
	AUTO_FREE char *name = xasprintf(MOUNTS_DIR "/%s", id + strlen("sha256:"));

	if (dir_make_at(ctx->engine.runroot_fd, name, 0700, &ctx->err) < 0)
		return NULL;
	return xasprintf("%s/%s", ctx->engine.runroot_path, name);
}

static int mount_one(struct cmd_ctx *ctx, struct image_store *store, const char *name,
                     const char *target)
{
	AUTO_FREE char *path = NULL;
	AUTO_FREE char *id = NULL;

	if (image_resolve_id(store, name, &id, &ctx->err) < 0)
		return -1;
	path = target ? realpath(target, NULL) : own_directory(ctx, id);
	if (!path)
		return target ? err_sys(&ctx->err, errno, "option --target: '%s'", target) : -1;
	if (image_mount(store, id, path, &ctx->err) < 0) {
		if (!target)
			rmdir(path);
		return -1;
	}
	puts(path);
	return 0;
}

static int run_mount(struct cmd_ctx *ctx, const struct command *self, int argc, char **argv)
{
	struct mount_opts o = { 0 };
	struct image_store *store;
	AUTO_STRV args = STRV_INIT;
	int r = cli_parse(ctx, self, &o, argc, argv, &args);

	if (r)
		return cli_parsed(r);
	if (o.target && args.len != 1)
		return err_set(&ctx->err, E_INVALID, "option --target takes one image");
	store = cli_images(ctx);
	if (!store)
		return -1;
	if (!args.len)
		return print_mounts(ctx, store, o.format);
	for (size_t i = 0; i < args.len; i++)
		if (mount_one(ctx, store, args.items[i], o.target) < 0)
			cli_report(ctx);
	return 0;
}

/* The directory goes with the mount when it was ours. */
static void forget_directory(struct cmd_ctx *ctx, const char *path)
{
	AUTO_FREE char *ours = xasprintf("%s/" MOUNTS_DIR "/", ctx->engine.runroot_path);

	if (!strncmp(path, ours, strlen(ours)))
		rmdir(path);
}

static void unmount_one(struct cmd_ctx *ctx, struct image_store *store, const char *what,
                        bool force)
{
	AUTO_STRV paths = STRV_INIT;

	if (image_unmount(store, what, force ? IMAGE_UNMOUNT_FORCE : 0, &paths, &ctx->err) < 0)
		cli_report(ctx);
	for (size_t i = 0; i < paths.len; i++) {
		forget_directory(ctx, paths.items[i]);
		puts(paths.items[i]);
	}
}

static int run_unmount(struct cmd_ctx *ctx, const struct command *self, int argc, char **argv)
{
	struct mount_opts o = { 0 };
	struct image_mount *mounts = NULL;
	struct image_store *store;
	AUTO_STRV args = STRV_INIT;
	size_t n = 0;
	int r = cli_parse(ctx, self, &o, argc, argv, &args);

	if (r)
		return cli_parsed(r);
	if (o.all == (args.len > 0))
		return err_set(&ctx->err, E_INVALID, "image unmount: %s",
		               o.all ? "--all takes no image's name"
		                     : "needs the name of an image, or a path");
	store = cli_images(ctx);
	if (!store || (o.all && image_mount_list(store, &mounts, &n, &ctx->err) < 0))
		return -1;
	for (size_t i = 0; i < n; i++)
		unmount_one(ctx, store, mounts[i].path, o.force);
	for (size_t i = 0; i < args.len; i++)
		unmount_one(ctx, store, args.items[i], o.force);
	image_mounts_free(mounts, n);
	return 0;
}

const struct command cmd_image_mount = {
	.name = "mount",
	.args = "[IMAGE...]",
	.summary = "Mount images read-only and print where, or list what is mounted",
	.tables = { mount_options },
	.max_args = -1,
	.complete = COMPLETE_IMAGE,
	.run = run_mount,
};
const struct command cmd_image_unmount = {
	.name = "unmount",
	.aliases = "umount",
	.args = "IMAGE|PATH [IMAGE|PATH...]",
	.summary = "Unmount images",
	.tables = { unmount_options },
	.max_args = -1,
	.complete = COMPLETE_IMAGE,
	.run = run_unmount,
};
