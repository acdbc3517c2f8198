/* manifest: indexes of several platforms' images. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "base/fd.h"
#include "base/xalloc.h"
#include "cli/cli-internal.h"
#include "cli/copy-options.h"
#include "cli/output.h"
#include "cli/progress.h"
#include "image/lists.h"

struct manifest_opts {
	struct copy_opts copy;
	struct list_change change;
	bool all, amend, index, quiet, rm;
	const char *digestfile;
	int tls_verify;
	const char *creds, *authfile, *cert_dir;
};
#define MANIFEST_OPTS_INIT ((struct manifest_opts){ .copy = COPY_OPTS_INIT, .tls_verify = -1 })

static void opts_done(struct manifest_opts *o)
{
	strv_done(&o->change.annotations);
	strv_done(&o->change.os_features);
}
#define AUTO_MANIFEST_OPTS __attribute__((cleanup(opts_done))) struct manifest_opts

#define M(field) OPT(struct manifest_opts, field)
/* clang-format off */
static const struct opt registry_options[] = {
	{ "authfile", 0, OPT_STR, M(authfile), "FILE", "credentials (default $REGISTRY_AUTH_FILE, auth.json, ~/.docker/config.json)", 0, COMPLETE_FILE },
	{ "cert-dir", 0, OPT_STR, M(cert_dir), "DIR", "client certificates and CAs of the registry", 0, COMPLETE_DIR },
	{ "creds", 0, OPT_STR, M(creds), "USER:PASSWORD", "credentials of the registry", 0, 0 },
	{ "tls-verify", 0, OPT_TRISTATE, M(tls_verify), NULL, "refuse http and certificates that do not verify (default true, but http on loopback)", 0, 0 },
	OPT_END
};
static const struct opt change_options[] = {
	{ "annotation", 0, OPT_LIST, M(change.annotations), "KEY=VALUE", "annotation of the entry", 0, 0 },
	{ "arch", 0, OPT_STR, M(change.architecture), "ARCH", "architecture of the image", 0, 0 },
	{ "os", 0, OPT_STR, M(change.os), "OS", "operating system of the image", 0, 0 },
	{ "os-features", 0, OPT_LIST, M(change.os_features), "FEATURE", "feature of the system that the image needs", 0, 0 },
	{ "os-version", 0, OPT_STR, M(change.os_version), "VERSION", "version of the system that the image needs", 0, 0 },
	{ "variant", 0, OPT_STR, M(change.variant), "VARIANT", "variant of the architecture", 0, 0 },
	OPT_END
};
static const struct opt all_options[] = {
	{ "all", 0, OPT_BOOL, M(all), NULL, "of an index: add every image, not only one platform's", 0, 0 },
	OPT_END
};
static const struct opt create_options[] = {
	{ "amend", 'a', OPT_BOOL, M(amend), NULL, "go on with a list that is there", 0, 0 },
	{ "annotation", 0, OPT_LIST, M(change.annotations), "KEY=VALUE", "annotation of the index", 0, 0 },
	OPT_END
};
static const struct opt annotate_options[] = {
	{ "index", 0, OPT_BOOL, M(index), NULL, "annotate the index itself (--annotation only)", 0, 0 },
	OPT_END
};
static const struct opt push_options[] = {
	{ "digestfile", 0, OPT_STR, M(digestfile), "FILE", "write the digest of the index to FILE", 0, COMPLETE_FILE },
	{ "quiet", 'q', OPT_BOOL, M(quiet), NULL, "no progress", 0, 0 },
	{ "rm", 'p', OPT_BOOL, M(rm), NULL, "remove the list when it is pushed", 0, 0 },
	OPT_END
};
/* clang-format on */

static struct copy_side side_of(const struct manifest_opts *o)
{
	return (struct copy_side){ o->tls_verify, o->creds, o->authfile, o->cert_dir };
}

static int add_images(struct cmd_ctx *ctx, const struct manifest_opts *o, bool change,
                      const struct strv *args)
{
	struct image_store *store = cli_images(ctx);
	struct list_add add = { .all = o->all, .side = side_of(o), .cancel = cli_cancelled() };
	struct digest digest = { 0 };

	if (!store)
		return -1;
	if (change)
		add.change = o->change;
	for (size_t i = 1; i < args->len; i++) {
		add.image = args->items[i];
		if (image_list_add(store, args->items[0], &add, &digest, &ctx->err) < 0)
			return -1;
		printf("%s: %s\n", args->items[0], digest_format(&digest).s);
	}
	return 0;
}

static int run_create(struct cmd_ctx *ctx, const struct command *self, int argc, char **argv)
{
	AUTO_MANIFEST_OPTS o = MANIFEST_OPTS_INIT;
	AUTO_STRV args = STRV_INIT;
	struct image_store *store;
	int r = cli_parse(ctx, self, &o, argc, argv, &args);

	if (r)
		return cli_parsed(r);
	store = cli_images(ctx);
	if (!store || image_list_create(store, args.items[0], o.amend, &ctx->err) < 0)
		return -1;
	if (o.change.annotations.len &&
	    image_list_annotate(store, args.items[0], &o.change.annotations, &ctx->err) < 0)
		return -1;
	if (args.len == 1)
		puts(args.items[0]);
	return add_images(ctx, &o, false, &args);
}

static int run_add(struct cmd_ctx *ctx, const struct command *self, int argc, char **argv)
{
	AUTO_MANIFEST_OPTS o = MANIFEST_OPTS_INIT;
	AUTO_STRV args = STRV_INIT;
	int r = cli_parse(ctx, self, &o, argc, argv, &args);

	return r ? cli_parsed(r) : add_images(ctx, &o, true, &args);
}

static int run_annotate(struct cmd_ctx *ctx, const struct command *self, int argc, char **argv)
{
	AUTO_MANIFEST_OPTS o = MANIFEST_OPTS_INIT;
	AUTO_STRV args = STRV_INIT;
	struct image_store *store;
	int r = cli_parse(ctx, self, &o, argc, argv, &args);

	if (r)
		return cli_parsed(r);
	if (o.index != (args.len == 1))
		return err_set(&ctx->err, E_INVALID, "manifest annotate: %s",
		               o.index ? "--index takes no image" : "which image of the list?");
	store = cli_images(ctx);
	if (!store)
		return -1;
	if (o.index)
		return image_list_annotate(store, args.items[0], &o.change.annotations, &ctx->err);
	return image_list_change(store, args.items[0], args.items[1], &o.change, &ctx->err);
}

/* A list of ours, else what a registry has by that name. */
static int run_inspect(struct cmd_ctx *ctx, const struct command *self, int argc, char **argv)
{
	AUTO_MANIFEST_OPTS o = MANIFEST_OPTS_INIT;
	AUTO_STRV args = STRV_INIT;
	AUTO_LOCATION at = LOCATION_INIT;
	AUTO_JSON *obj = NULL;
	AUTO_FREE char *text = NULL;
	struct image_store *store;
	struct copy_side side;
	struct digest digest;
	int r = cli_parse(ctx, self, &o, argc, argv, &args);

	if (r)
		return cli_parsed(r);
	store = cli_images(ctx);
	if (!store)
		return -1;
	if (!image_location_has_transport(args.items[0])) {
		r = image_list_exists(store, args.items[0], &ctx->err);
		if (r < 0 || (r && image_list_index(store, args.items[0], &obj, &ctx->err) < 0))
			return -1;
	}
	side = side_of(&o);
	if (!obj && (image_location_parse(args.items[0], TRANSPORT_DOCKER, &at, &ctx->err) < 0 ||
	             image_raw_manifest(store, &at, &side, cli_cancelled(), &text, &digest,
	                                &ctx->err) < 0 ||
	             json_parse("manifest", text, strlen(text), &obj, &ctx->err) < 0))
		return -1;
	puts(json_text(obj, true));
	return 0;
}

static int push(struct cmd_ctx *ctx, const struct manifest_opts *o, const char *list,
                const char *to)
{
	struct image_store *store = cli_images(ctx);
	struct image_location from = { .transport = TRANSPORT_LIST };
	AUTO_LOCATION dest = LOCATION_INIT;
	AUTO_PROGRESS *progress = progress_new("pushing", o->quiet);
	struct copy_options c = COPY_OPTIONS_INIT;
	struct copy_result result = { 0 };
	struct digest_text text;
	int r;

	if (!store || copy_opts_apply(&o->copy, &c, &ctx->err) < 0 ||
	    image_location_parse(to, TRANSPORT_DOCKER, &dest, &ctx->err) < 0)
		return -1;
	from.name = xstrdup(list);
	c.source = c.dest = side_of(o);
	c.flags |= COPY_ALL;
	c.progress = progress_events(progress);
	c.cancel = cli_cancelled();
	cli_catch_signals();
	r = image_copy(store, &from, &dest, &c, &result, &ctx->err);
	cli_release_signals();
	image_location_done(&from);
	if (r < 0)
		return err_ctx(&ctx->err, "push '%s'", list);
	text = digest_format(&result.digest);
	if (o->digestfile && file_write_atomic_at(AT_FDCWD, o->digestfile, text.s, strlen(text.s),
	                                          0644, 0, &ctx->err) < 0)
		return -1;
	puts(text.s);
	return o->rm ? image_list_remove(store, list, &ctx->err) : 0;
}

static int run_push(struct cmd_ctx *ctx, const struct command *self, int argc, char **argv)
{
	AUTO_MANIFEST_OPTS o = MANIFEST_OPTS_INIT;
	AUTO_STRV args = STRV_INIT;
	int r = cli_parse(ctx, self, &o, argc, argv, &args);

	return r ? cli_parsed(r) : push(ctx, &o, args.items[0], args.items[args.len - 1]);
}

static int remove_list(struct cmd_ctx *ctx, const char *ref, void *arg)
{
	struct image_store *store = cli_images(ctx);

	(void)arg;
	return store ? image_list_remove(store, ref, &ctx->err) : -1;
}

static int run_rm(struct cmd_ctx *ctx, const struct command *self, int argc, char **argv)
{
	AUTO_STRV args = STRV_INIT;
	int r = cli_parse(ctx, self, NULL, argc, argv, &args);

	return r ? cli_parsed(r) : cli_each(ctx, &args, remove_list, NULL);
}

static int run_remove(struct cmd_ctx *ctx, const struct command *self, int argc, char **argv)
{
	AUTO_STRV args = STRV_INIT;
	struct image_store *store;
	int r = cli_parse(ctx, self, NULL, argc, argv, &args);

	if (r)
		return cli_parsed(r);
	store = cli_images(ctx);
	if (!store)
		return -1;
	return image_list_change(store, args.items[0], args.items[1], NULL, &ctx->err);
}

static int run_exists(struct cmd_ctx *ctx, const struct command *self, int argc, char **argv)
{
	AUTO_STRV args = STRV_INIT;
	struct image_store *store;
	int r = cli_parse(ctx, self, NULL, argc, argv, &args);

	if (r)
		return cli_parsed(r);
	store = cli_images(ctx);
	r = store ? image_list_exists(store, args.items[0], &ctx->err) : -1;
	return r < 0 ? -1 : !r;
}

static int run_ls(struct cmd_ctx *ctx, const struct command *self, int argc, char **argv)
{
	AUTO_STRV args = STRV_INIT;
	AUTO_STRV names = STRV_INIT;
	struct image_store *store;
	int r = cli_parse(ctx, self, NULL, argc, argv, &args);

	if (r)
		return cli_parsed(r);
	store = cli_images(ctx);
	if (!store || image_list_names(store, &names, &ctx->err) < 0)
		return -1;
	for (size_t i = 0; i < names.len; i++)
		puts(image_ref_familiar(names.items[i]));
	return 0;
}

/* clang-format off */
static const struct command manifest_commands[] = {
	{ .name = "add", .args = "LIST IMAGE [IMAGE...]", .summary = "Add images to a list", .tables = { all_options, change_options, registry_options },
	  .min_args = 2, .max_args = -1, .complete = COMPLETE_IMAGE, .run = run_add },
	{ .name = "annotate", .args = "LIST [IMAGE|DIGEST]", .summary = "Change what the index says of an image", .tables = { annotate_options, change_options },
	  .min_args = 1, .max_args = 2, .complete = COMPLETE_IMAGE, .run = run_annotate },
	{ .name = "create", .args = "LIST [IMAGE...]", .summary = "Begin a list of images", .tables = { create_options, all_options, registry_options },
	  .min_args = 1, .max_args = -1, .complete = COMPLETE_IMAGE, .run = run_create },
	{ .name = "exists", .args = "LIST", .summary = "Exit with 0 when there is such a list, with 1 when not",
	  .min_args = 1, .max_args = 1, .run = run_exists },
	{ .name = "inspect", .args = "LIST|IMAGE", .summary = "Print the index of a list, or what a registry has", .tables = { registry_options },
	  .min_args = 1, .max_args = 1, .complete = COMPLETE_IMAGE, .run = run_inspect },
	{ .name = "ls", .aliases = "list", .summary = "Print the names of all lists", .run = run_ls },
	{ .name = "push", .args = "LIST [DESTINATION]", .summary = "Send the images of a list, and their index", .tables = { push_options, registry_options, copy_options_table },
	  .min_args = 1, .max_args = 2, .run = run_push },
	{ .name = "remove", .args = "LIST IMAGE|DIGEST", .summary = "Take an image from a list",
	  .min_args = 2, .max_args = 2, .run = run_remove },
	{ .name = "rm", .args = "LIST [LIST...]", .summary = "Remove lists; images stay",
	  .min_args = 1, .max_args = -1, .run = run_rm },
	{ 0 },
};
/* clang-format on */

const struct command cmd_manifest = {
	.name = "manifest",
	.summary = "Put images of several platforms under one name",
	.sub = manifest_commands,
};
