/* save, load, import: images as files. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "base/fd.h"
#include "base/log.h"
#include "base/xalloc.h"
#include "cli/cli-internal.h"
#include "cli/progress.h"
#include "image/archive.h"

#define INVENTORY_MAX_BYTES (100u << 20)

struct archive_opts {
	const char *input;
	const char *output;
	const char *format;
	const char *platform;
	const char *signature_policy;
	const char *message;
	const char *for_inventory;
	bool quiet;
	struct strv changes;
};

#define A(field) OPT(struct archive_opts, field)
/* clang-format off */
static const struct opt save_options[] = {
	{ "for", 0, OPT_STR, A(for_inventory), "INVENTORY", "leave out the layers that the other side has: the file that 'image inventory' wrote there", 0, COMPLETE_FILE },
	{ "format", 0, OPT_STR, A(format), "FORMAT", "docker-archive (default), oci-archive or oci-dir", 0, 0 },
	{ "output", 'o', OPT_STR, A(output), "FILE", "write to FILE, not to standard output", 0, COMPLETE_FILE },
	{ "quiet", 'q', OPT_BOOL, A(quiet), NULL, "no progress", 0, 0 },
	OPT_END
};
static const struct opt load_options[] = {
	{ "input", 'i', OPT_STR, A(input), "FILE", "read FILE (or a directory), not standard input", 0, COMPLETE_FILE },
	{ "platform", 0, OPT_STR, A(platform), "OS/ARCH", "platform to load (default: this machine's)", 0, 0 },
	{ "signature-policy", 0, OPT_STR, A(signature_policy), "FILE", "policy about signatures (default policy.json of the user or the system)", 0, COMPLETE_FILE },
	{ "quiet", 'q', OPT_BOOL, A(quiet), NULL, "no progress", 0, 0 },
	OPT_END
};
static const struct opt import_options_[] = {
	{ "change", 'c', OPT_LIST, A(changes), "INSTRUCTION", "Dockerfile instruction for the config: CMD, ENTRYPOINT, ENV, EXPOSE, LABEL, STOPSIGNAL, USER, VOLUME, WORKDIR", 0, 0 },
	{ "message", 'm', OPT_STR, A(message), "TEXT", "comment for the image's history", 0, 0 },
	{ "platform", 0, OPT_STR, A(platform), "OS/ARCH", "platform of the image (default: this machine's)", 0, 0 },
	{ "quiet", 'q', OPT_BOOL, A(quiet), NULL, "no progress", 0, 0 },
	OPT_END
};
/* clang-format on */

/* Where an archive goes: a file that only appears when it is whole, a directory, or a pipe. */
struct target {
	int fd;
	char *partial; /* temporary name; NULL for standard output and directories */
};

static int target_open(struct cmd_ctx *ctx, const char *path, enum archive_format format,
                       struct target *ret)
{
	struct stat st;

	*ret = (struct target){ .fd = STDOUT_FILENO };
	if (!path && format == ARCHIVE_OCI_DIR)
		return err_set(&ctx->err, E_INVALID,
		               "save: a directory needs a name (use --output DIR)");
	if (!path || !strcmp(path, "-")) {
		if (!isatty(STDOUT_FILENO))
			return 0;
		err_set(&ctx->err, E_INVALID, "save: an archive is nothing for a terminal");
		return err_hint(&ctx->err, "use --output FILE, or a pipe");
	}
	if (format != ARCHIVE_OCI_DIR && lstat(path, &st) == 0 && !S_ISREG(st.st_mode)) {
		/* a device, a FIFO or a link (/dev/stdout) is written to, never replaced */
		ret->fd = open(path, O_WRONLY | O_TRUNC | O_CLOEXEC);
	} else if (format == ARCHIVE_OCI_DIR) {
		if (mkdir(path, 0755) < 0 && errno != EEXIST)
			return err_sys(&ctx->err, errno, "make directory '%s'", path);
		ret->fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	} else {
		ret->partial = xasprintf("%s.partial", path);
		ret->fd = open(ret->partial, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	}
	if (ret->fd >= 0)
		return 0;
	free(TAKE_PTR(ret->partial));
	return err_sys(&ctx->err, errno, "open '%s' for writing", path);
}

static int target_close(struct cmd_ctx *ctx, const char *path, struct target *t, int result)
{
	if (t->partial && result == 0 && rename(t->partial, path) < 0)
		result = err_sys(&ctx->err, errno, "rename '%s' to '%s'", t->partial, path);
	if (t->partial && result < 0)
		unlink(t->partial);
	if (t->fd != STDOUT_FILENO)
		close(t->fd);
	free(t->partial);
	return result;
}

static int save(struct cmd_ctx *ctx, const struct archive_opts *o, const struct strv *names)
{
	AUTO_PROGRESS *progress = progress_new("writing", o->quiet || !o->output);
	struct archive_options options = { .progress = progress_events(progress),
		                           .cancel = cli_cancelled() };
	AUTO_INVENTORY inventory = INVENTORY_INIT;
	struct image_store *store;
	struct target target;
	int r;

	if (o->format && archive_format_parse(o->format, &options.format, &ctx->err) < 0)
		return err_ctx(&ctx->err, "option --format");
	if (o->for_inventory) {
		AUTO_FREE char *text = NULL;
		size_t len;

		if (file_read_at(AT_FDCWD, o->for_inventory, INVENTORY_MAX_BYTES, &text, &len,
		                 &ctx->err) < 0 ||
		    inventory_parse(o->for_inventory, text, len, &inventory, &ctx->err) < 0)
			return err_ctx(&ctx->err, "option --for");
		options.except = &inventory;
	}
	store = cli_images(ctx);
	if (!store || target_open(ctx, o->output, options.format, &target) < 0)
		return -1;
	cli_catch_signals();
	r = image_save(store, (const char *const *)names->items, names->len, &options, target.fd,
	               &ctx->err);
	cli_release_signals();
	return target_close(ctx, o->output, &target, r);
}

static int run_save(struct cmd_ctx *ctx, const struct command *self, int argc, char **argv)
{
	struct archive_opts o = { 0 };
	AUTO_STRV args = STRV_INIT;
	int r = cli_parse(ctx, self, &o, argc, argv, &args);

	return r ? cli_parsed(r) : save(ctx, &o, &args);
}

/* path NULL or "-": standard input, which must not be a terminal. */
static int source_open(struct cmd_ctx *ctx, const char *what, const char *path, int *ret_fd)
{
	if (!path || !strcmp(path, "-")) {
		if (isatty(STDIN_FILENO)) {
			err_set(&ctx->err, E_INVALID, "%s: standard input is a terminal", what);
			return err_hint(&ctx->err, "name a file, or use a pipe");
		}
		*ret_fd = STDIN_FILENO;
		return 0;
	}
	*ret_fd = open(path, O_RDONLY | O_CLOEXEC);
	return *ret_fd < 0 ? err_sys(&ctx->err, errno, "open '%s'", path) : 0;
}

static void source_close(int fd)
{
	if (fd != STDIN_FILENO)
		close(fd);
}

static int run_load(struct cmd_ctx *ctx, const struct command *self, int argc, char **argv)
{
	struct archive_opts o = { 0 };
	AUTO_STRV args = STRV_INIT;
	AUTO_STRV loaded = STRV_INIT;
	struct image_store *store;
	int fd, r = cli_parse(ctx, self, &o, argc, argv, &args);

	if (r)
		return cli_parsed(r);
	if (source_open(ctx, "load", o.input, &fd) < 0)
		return -1;
	store = cli_images(ctx);
	if (store) {
		AUTO_PROGRESS *progress = progress_new("reading", o.quiet);
		struct archive_options options = { .platform = o.platform,
			                           .policy_file = o.signature_policy,
			                           .progress = progress_events(progress),
			                           .cancel = cli_cancelled() };

		cli_catch_signals();
		r = image_load(store, fd, &options, &loaded, &ctx->err);
		cli_release_signals();
	}
	source_close(fd);
	for (size_t i = 0; i < loaded.len; i++)
		printf("Loaded image: %s\n", image_ref_familiar(loaded.items[i]));
	return store ? r : -1;
}

static int import(struct cmd_ctx *ctx, const struct archive_opts *o, int fd, const char *name,
                  char **ret_id)
{
	AUTO_PROGRESS *progress = progress_new("reading", o->quiet);
	struct import_options options = {
		.name = name,
		.message = o->message,
		.platform = o->platform,
		.changes = (const char *const *)o->changes.items,
		.n_changes = o->changes.len,
		.progress = progress_events(progress),
		.cancel = cli_cancelled(),
	};
	struct image_store *store = cli_images(ctx);
	int r;

	if (!store)
		return -1;
	cli_catch_signals();
	r = image_import(store, fd, &options, ret_id, &ctx->err);
	cli_release_signals();
	return r;
}

static int run_import(struct cmd_ctx *ctx, const struct command *self, int argc, char **argv)
{
	struct archive_opts o = { 0 };
	AUTO_STRV args = STRV_INIT;
	AUTO_FREE char *id = NULL;
	int fd, r = cli_parse(ctx, self, &o, argc, argv, &args);

	if (r == 0 && source_open(ctx, "import", args.items[0], &fd) < 0)
		r = -1;
	if (r == 0) {
		r = import(ctx, &o, fd, args.len > 1 ? args.items[1] : NULL, &id);
		source_close(fd);
	}
	if (r == 0 && id)
		puts(id);
	strv_done(&o.changes);
	return cli_parsed(r);
}

const struct command cmd_save = {
	.name = "save",
	.args = "IMAGE [IMAGE...]",
	.summary = "Write images to an archive",
	.tables = { save_options },
	.min_args = 1,
	.max_args = -1,
	.complete = COMPLETE_IMAGE,
	.run = run_save,
};
const struct command cmd_load = {
	.name = "load",
	.summary = "Read images from an archive",
	.tables = { load_options },
	.run = run_load,
};
const struct command cmd_import = {
	.name = "import",
	.args = "FILE|- [NAME[:TAG]]",
	.summary = "Make an image from a tar of a root file system",
	.tables = { import_options_ },
	.min_args = 1,
	.max_args = 2,
	.complete = COMPLETE_FILE,
	.run = run_import,
};
