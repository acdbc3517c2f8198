/* run and create. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "base/fd.h"
#include "base/log.h"
#include "base/xalloc.h"
#include "cli/cli-internal.h"
#include "engine/options.h"
#include "engine/rootless.h"

/* --cidfile: made before the work begins, so that an existing one is refused early. */
static int cidfile_open(struct cmd_ctx *ctx, const char *path, int *ret_fd)
{
	if (!path)
		return 0;
	*ret_fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
	if (*ret_fd >= 0)
		return 0;
	if (errno == EEXIST) {
		err_set(&ctx->err, E_EXISTS, "option --cidfile: '%s' exists", path);
		return err_hint(&ctx->err, "remove it, or choose another name");
	}
	return err_sys(&ctx->err, errno, "option --cidfile: create '%s'", path);
}

static int cidfile_write(struct cmd_ctx *ctx, const char *path, int fd, const char *id)
{
	int r = path ? fd_write_all(fd, id, strlen(id)) : 0;

	return r < 0 ? err_sys(&ctx->err, -r, "option --cidfile: write '%s'", path) : 0;
}

static int attach_stream(struct cmd_ctx *ctx, const char *name, unsigned *streams)
{
	if (!strcasecmp(name, "stdin"))
		*streams |= ATTACH_STDIN;
	else if (!strcasecmp(name, "stdout"))
		*streams |= ATTACH_STDOUT;
	else if (!strcasecmp(name, "stderr"))
		*streams |= ATTACH_STDERR;
	else
		return err_set(&ctx->err, E_INVALID,
		               "option --attach: '%s' is not stdin, stdout or stderr", name);
	return 0;
}

/* By docker's rules: -a names the streams, else all output, and the input with -i. */
static int attach_plan(struct cmd_ctx *ctx, const struct container_options *opts,
                       struct attach_args *ret)
{
	*ret = (struct attach_args){ .sig_proxy = opts->sig_proxy,
		                     .detach_keys = opts->detach_keys };
	for (size_t i = 0; i < opts->attach.len; i++)
		if (attach_stream(ctx, opts->attach.items[i], &ret->streams) < 0)
			return -1;
	if (!opts->attach.len)
		ret->streams = ATTACH_OUTPUT | (opts->interactive ? ATTACH_STDIN : 0);
	if (opts->detach && opts->attach.len)
		return err_set(&ctx->err, E_INVALID,
		               "options --detach and --attach exclude each other");
	return 0;
}

/* What run and create share: the container made, its id in ret_id. */
static int create(struct cmd_ctx *ctx, struct container_options *opts, struct strv *args,
                  bool for_run, char ret_id[ID_LEN + 1])
{
	AUTO_FREE char *image = NULL;
	AUTO_FD cid_fd = -1;
	int r;

	for (size_t i = 1; i < args->len; i++)
		strv_add(&opts->args, args->items[i]);
	opts->args_given = args->len > 1;
	if (container_options_check(opts, rootless_is(), &ctx->err) < 0 || !cli_engine(ctx) ||
	    cidfile_open(ctx, opts->cidfile, &cid_fd) < 0)
		return -1;
	r = cli_ensure_image(ctx, args->items[0], opts, &image);
	if (r == 0)
		r = (for_run ? container_create_for_run
		             : container_create)(&ctx->engine, image, opts, ret_id, &ctx->err);
	if (r == 0)
		r = cidfile_write(ctx, opts->cidfile, cid_fd, ret_id);
	if (r < 0 && opts->cidfile)
		unlink(opts->cidfile);
	return r;
}

static int run_and_stay(struct cmd_ctx *ctx, const struct container_options *opts, const char *id,
                        const struct attach_args *attach)
{
	struct start_result result = { 0 };
	char short_id[13];

	if (container_start(&ctx->engine, id, opts->detach ? NULL : attach, &result, &ctx->err) < 0)
		return -1;
	if (opts->detach)
		puts(id);
	return cli_attached(&result, opts->name ? opts->name : cli_short_id(id, false, short_id));
}

static int do_run(struct cmd_ctx *ctx, const struct command *self, int argc, char **argv)
{
	struct container_options opts;
	struct attach_args attach;
	char id[ID_LEN + 1];
	AUTO_STRV args = STRV_INIT;
	int r;

	container_options_init(&opts);
	r = cli_parse(ctx, self, &opts, argc, argv, &args);
	if (r == 0 &&
	    (attach_plan(ctx, &opts, &attach) < 0 || create(ctx, &opts, &args, true, id) < 0))
		r = -1;
	if (r == 0)
		r = run_and_stay(ctx, &opts, id, &attach);
	else
		r = cli_parsed(r);
	container_options_done(&opts);
	return r;
}

static int do_create(struct cmd_ctx *ctx, const struct command *self, int argc, char **argv)
{
	struct container_options opts;
	char id[ID_LEN + 1];
	AUTO_STRV args = STRV_INIT;
	int r;

	container_options_init(&opts);
	r = cli_parse(ctx, self, &opts, argc, argv, &args);
	if (r == 0) {
		r = create(ctx, &opts, &args, false, id);
		if (r == 0)
			puts(id);
	}
	container_options_done(&opts);
	return cli_parsed(r);
}

const struct command cmd_run = {
	.name = "run",
	.args = "IMAGE [COMMAND [ARG...]]",
	.summary = "Make a container from an image and run it",
	.tables = { container_run_options_table, container_options_table },
	.min_args = 1,
	.max_args = -1,
	.stop_at_args = true,
	.complete = COMPLETE_IMAGE,
	.run = do_run,
};

const struct command cmd_create = {
	.name = "create",
	.args = "IMAGE [COMMAND [ARG...]]",
	.summary = "Make a container without starting it",
	.tables = { container_options_table },
	.min_args = 1,
	.max_args = -1,
	.stop_at_args = true,
	.complete = COMPLETE_IMAGE,
	.run = do_create,
};
