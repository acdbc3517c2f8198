/* diff, export, commit: what a container did to its image's files. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "base/fd.h"
#include "base/log.h"
#include "base/xalloc.h"
#include "cli/cli-internal.h"
#include "cli/output.h"
#include "engine/changes.h"

struct changes_opts {
	const char *format;
	const char *output;
	const char *author;
	const char *message;
	const char *iidfile;
	bool quiet;
	bool squash;
	int pause;
	struct strv changes;
};

#define C(field) OPT(struct changes_opts, field)
/* clang-format off */
static const struct opt diff_options[] = {
	{ "format", 0, OPT_STR, C(format), "TEMPLATE", "table, 'table TEMPLATE', json, or a Go template", 0, 0 },
	OPT_END
};
static const struct opt export_options[] = {
	{ "output", 'o', OPT_STR, C(output), "FILE", "write to FILE, not to standard output", 0, COMPLETE_FILE },
	OPT_END
};
static const struct opt commit_options_[] = {
	{ "author", 'a', OPT_STR, C(author), "TEXT", "who made it, as in 'Ann <ann@example.org>'", 0, 0 },
	{ "change", 'c', OPT_LIST, C(changes), "INSTRUCTION", "Dockerfile instruction for the config: CMD, ENTRYPOINT, ENV, EXPOSE, LABEL, ONBUILD, STOPSIGNAL, USER, VOLUME, WORKDIR", 0, 0 },
	{ "format", 'f', OPT_STR, C(format), "FORMAT", "oci, the only one: 'save --format' decides what an archive looks like", 0, 0 },
	{ "iidfile", 0, OPT_STR, C(iidfile), "FILE", "write the image's id to FILE", 0, COMPLETE_FILE },
	{ "message", 'm', OPT_STR, C(message), "TEXT", "comment for the image's history", 0, 0 },
	{ "pause", 'p', OPT_TRISTATE, C(pause), NULL, "pause the container meanwhile (default true, where it can be)", 0, 0 },
	{ "quiet", 'q', OPT_BOOL, C(quiet), NULL, "for other tools: nothing but the id is printed anyway", OPT_HIDDEN, 0 },
	{ "squash", 's', OPT_BOOL, C(squash), NULL, "one layer with all files, not one more on top of the image's", 0, 0 },
	OPT_END
};
/* clang-format on */

static const struct column diff_columns[] = { { "Kind", "KIND" }, { "Path", "PATH" }, { 0 } };

static int print_changes(struct cmd_ctx *ctx, const char *format, const struct change_list *list)
{
	static const char kinds[] = "CAD";
	AUTO_OUTPUT out = OUTPUT_INIT;

	if (output_begin(&out, format ? format : "{{.Kind}} {{.Path}}", "{{.Kind}}\t{{.Path}}",
	                 diff_columns, &ctx->err) < 0)
		return -1;
	for (size_t i = 0; i < list->n; i++) {
		struct json_object *row = json_object_new_object();
		AUTO_FREE char *shown = xstrdup(list->items[i].path);

		for (char *c = shown; !format && *c; c++)
			*c = (unsigned char)*c < ' ' || *c == 0x7f ? '?' : *c;
		json_object_object_add(row, "Kind",
		                       json_object_new_string_len(&kinds[list->items[i].kind], 1));
		json_object_object_add(row, "Path", json_object_new_string(shown));
		if (output_row(&out, row, &ctx->err) < 0)
			return -1;
	}
	output_end(&out);
	return 0;
}

static int run_diff(struct cmd_ctx *ctx, const struct command *self, int argc, char **argv)
{
	struct changes_opts o = { 0 };
	AUTO_CHANGES list = { 0 };
	AUTO_STRV args = STRV_INIT;
	int r = cli_parse(ctx, self, &o, argc, argv, &args);

	if (r)
		return cli_parsed(r);
	if (!cli_engine(ctx) ||
	    container_changes(&ctx->engine, args.items[0], &list, &ctx->err) < 0)
		return -1;
	return print_changes(ctx, o.format, &list);
}

/* A file that is there only when it is whole. */
static int export_to_file(struct cmd_ctx *ctx, const char *ref, const char *path)
{
	AUTO_FREE char *partial = xasprintf("%s.partial", path);
	AUTO_FD fd = open(partial, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	if (fd < 0)
		return err_sys(&ctx->err, errno, "option --output: create '%s'", partial);
	if (container_export(&ctx->engine, ref, fd, &ctx->err) < 0) {
		unlink(partial);
		return -1;
	}
	if (rename(partial, path) < 0) {
		err_sys(&ctx->err, errno, "option --output: rename '%s'", path);
		unlink(partial);
		return -1;
	}
	return 0;
}

static int run_export(struct cmd_ctx *ctx, const struct command *self, int argc, char **argv)
{
	struct changes_opts o = { 0 };
	AUTO_STRV args = STRV_INIT;
	int r = cli_parse(ctx, self, &o, argc, argv, &args);

	if (r)
		return cli_parsed(r);
	if (!o.output && isatty(STDOUT_FILENO)) {
		err_set(&ctx->err, E_INVALID, "export: standard output is a terminal");
		return err_hint(&ctx->err, "use --output FILE, or a pipe");
	}
	if (!cli_engine(ctx))
		return -1;
	return o.output ? export_to_file(ctx, args.items[0], o.output)
	                : container_export(&ctx->engine, args.items[0], STDOUT_FILENO, &ctx->err);
}

static int commit(struct cmd_ctx *ctx, const struct changes_opts *o, const struct strv *args)
{
	const struct commit_options options = {
		.name = args->len > 1 ? args->items[1] : NULL,
		.author = o->author,
		.message = o->message,
		.changes = (const char *const *)o->changes.items,
		.n_changes = o->changes.len,
		.pause = o->pause,
		.squash = o->squash,
	};
	AUTO_FREE char *id = NULL;

	if (o->format && strcmp(o->format, "oci") != 0) {
		err_set(&ctx->err, E_UNSUPPORTED, "option --format: '%s' is not supported",
		        o->format);
		return err_hint(&ctx->err, "'dhow save --format docker-archive' writes docker's");
	}
	if (!cli_engine(ctx) ||
	    container_commit(&ctx->engine, args->items[0], &options, &id, &ctx->err) < 0)
		return -1;
	if (o->iidfile &&
	    file_write_atomic_at(AT_FDCWD, o->iidfile, id, strlen(id), 0644, 0, &ctx->err) < 0)
		return err_ctx(&ctx->err, "option --iidfile");
	puts(id);
	return 0;
}

static int run_commit(struct cmd_ctx *ctx, const struct command *self, int argc, char **argv)
{
	struct changes_opts o = { .pause = -1 };
	AUTO_STRV args = STRV_INIT;
	int r = cli_parse(ctx, self, &o, argc, argv, &args);

	if (r == 0)
		r = commit(ctx, &o, &args);
	else
		r = cli_parsed(r);
	strv_done(&o.changes);
	return r;
}

const struct command cmd_diff = {
	.name = "diff",
	.args = "CONTAINER",
	.summary = "List the files a container added (A), changed (C) and deleted (D)",
	.tables = { diff_options },
	.min_args = 1,
	.max_args = 1,
	.complete = COMPLETE_CONTAINER,
	.run = run_diff,
};
const struct command cmd_export = {
	.name = "export",
	.args = "CONTAINER",
	.summary = "Write a container's files as a tar",
	.tables = { export_options },
	.min_args = 1,
	.max_args = 1,
	.complete = COMPLETE_CONTAINER,
	.run = run_export,
};
const struct command cmd_commit = {
	.name = "commit",
	.args = "CONTAINER [NAME[:TAG]]",
	.summary = "Make an image from a container's files",
	.tables = { commit_options_ },
	.min_args = 1,
	.max_args = 2,
	.complete = COMPLETE_CONTAINER,
	.run = run_commit,
};
