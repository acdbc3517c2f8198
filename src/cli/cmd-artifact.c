/* artifact: files at a registry, and what refers to an image. */
#include <string.h>

#include "base/xalloc.h"
#include "cli/cli-internal.h"
#include "cli/output.h"
#include "cli/progress.h"
#include "image/artifact.h"

struct artifact_opts {
	const char *type, *subject, *output, *format;
	struct strv annotations;
	bool quiet;
	int tls_verify;
	const char *creds, *authfile, *cert_dir;
};

#define A(field) OPT(struct artifact_opts, field)
/* clang-format off */
static const struct opt registry_options[] = {
	{ "authfile", 0, OPT_STR, A(authfile), "FILE", "credentials (default $REGISTRY_AUTH_FILE, auth.json, ~/.docker/config.json)", 0, COMPLETE_FILE },
	{ "cert-dir", 0, OPT_STR, A(cert_dir), "DIR", "client certificates and CAs of the registry", 0, COMPLETE_DIR },
	{ "creds", 0, OPT_STR, A(creds), "USER:PASSWORD", "credentials of the registry", 0, 0 },
	{ "tls-verify", 0, OPT_TRISTATE, A(tls_verify), NULL, "refuse http and certificates that do not verify (default true, but http on loopback)", 0, 0 },
	OPT_END
};
static const struct opt quiet_options[] = {
	{ "quiet", 'q', OPT_BOOL, A(quiet), NULL, "no progress", 0, 0 },
	OPT_END
};
static const struct opt push_options[] = {
	{ "annotation", 0, OPT_LIST, A(annotations), "KEY=VALUE", "annotation of the artifact", 0, 0 },
	{ "artifact-type", 0, OPT_STR, A(type), "TYPE", "media type of the artifact", 0, 0 },
	{ "subject", 0, OPT_STR, A(subject), "IMAGE", "tag, digest or name of what the artifact refers to", 0, 0 },
	OPT_END
};
static const struct opt pull_options[] = {
	{ "output", 'o', OPT_STR, A(output), "DIR", "where its files go (default: here)", 0, COMPLETE_DIR },
	OPT_END
};
static const struct opt ls_options[] = {
	{ "artifact-type", 0, OPT_STR, A(type), "TYPE", "only artifacts of the type", 0, 0 },
	{ "format", 0, OPT_STR, A(format), "FORMAT", "table, 'table TEMPLATE', json, or a Go template", 0, 0 },
	OPT_END
};
/* clang-format on */

static struct copy_side side_of(const struct artifact_opts *o)
{
	return (struct copy_side){ o->tls_verify, o->creds, o->authfile, o->cert_dir };
}

static int push(struct cmd_ctx *ctx, const struct artifact_opts *o, const struct strv *args)
{
	AUTO_PROGRESS *progress = progress_new("pushing", o->quiet);
	AUTO_STRV files = STRV_INIT;
	struct artifact_push a = { .ref = args->items[0],
		                   .files = &files,
		                   .artifact_type = o->type,
		                   .subject = o->subject,
		                   .annotations = &o->annotations,
		                   .side = side_of(o),
		                   .progress = progress_events(progress),
		                   .cancel = cli_cancelled() };
	struct digest digest;
	int r;

	strv_add_all(&files, args->items + 1);
	cli_catch_signals();
	r = artifact_push(&a, &digest, &ctx->err);
	cli_release_signals();
	if (r < 0)
		return err_ctx(&ctx->err, "push '%s'", args->items[0]);
	puts(digest_format(&digest).s);
	return 0;
}

static int run_push(struct cmd_ctx *ctx, const struct command *self, int argc, char **argv)
{
	struct artifact_opts o = { .tls_verify = -1 };
	AUTO_STRV args = STRV_INIT;
	int r = cli_parse(ctx, self, &o, argc, argv, &args);

	if (r == 0)
		r = push(ctx, &o, &args);
	strv_done(&o.annotations);
	return r < 0 ? -1 : 0;
}

static int run_pull(struct cmd_ctx *ctx, const struct command *self, int argc, char **argv)
{
	struct artifact_opts o = { .tls_verify = -1 };
	AUTO_STRV args = STRV_INIT;
	AUTO_STRV files = STRV_INIT;
	struct copy_side side;
	struct digest digest;
	int r = cli_parse(ctx, self, &o, argc, argv, &args);

	if (r)
		return cli_parsed(r);
	side = side_of(&o);
	cli_catch_signals();
	{
		AUTO_PROGRESS *progress = progress_new("downloading", o.quiet);

		r = artifact_pull(args.items[0], o.output ? o.output : ".", &side,
		                  progress_events(progress), cli_cancelled(), &files, &digest,
		                  &ctx->err);
	}
	cli_release_signals();
	if (r < 0)
		return err_ctx(&ctx->err, "pull '%s'", args.items[0]);
	for (size_t i = 0; i < files.len; i++)
		puts(files.items[i]);
	return 0;
}

static const struct column columns[] = {
	{ "Digest", "DIGEST" }, { "Type", "TYPE" }, { "Size", "SIZE" }, { 0 }
};

static struct json_object *make_row(struct json_object *entry)
{
	struct json_object *row = json_object_new_object();
	struct json_object *type = json_object_object_get(entry, "artifactType");
	struct json_object *digest = json_object_object_get(entry, "digest");
	struct json_object *size = json_object_object_get(entry, "size");

	json_add_str(row, "Digest", digest ? json_object_get_string(digest) : "");
	json_add_str(row, "Type", type ? json_object_get_string(type) : "");
	json_object_object_add(row, "Size", json_object_get(size));
	json_object_object_add(row, "Annotations",
	                       json_object_get(json_object_object_get(entry, "annotations")));
	return row;
}

static int run_ls(struct cmd_ctx *ctx, const struct command *self, int argc, char **argv)
{
	struct artifact_opts o = { .tls_verify = -1 };
	AUTO_STRV args = STRV_INIT;
	AUTO_OUTPUT out = OUTPUT_INIT;
	AUTO_JSON *index = NULL;
	struct json_object *list;
	struct copy_side side;
	int r = cli_parse(ctx, self, &o, argc, argv, &args);

	if (r)
		return cli_parsed(r);
	side = side_of(&o);
	if (output_begin(&out, o.format, "{{.Digest}}\t{{.Type}}\t{{.Size}}", columns, &ctx->err) <
	            0 ||
	    artifact_referrers(args.items[0], o.type, &side, cli_cancelled(), &index, &ctx->err) <
	            0)
		return -1;
	list = json_object_object_get(index, "manifests");
	for (size_t i = 0; i < json_object_array_length(list); i++)
		if (output_row(&out, make_row(json_object_array_get_idx(list, i)), &ctx->err) < 0)
			return -1;
	output_end(&out);
	return 0;
}

static int run_inspect(struct cmd_ctx *ctx, const struct command *self, int argc, char **argv)
{
	struct artifact_opts o = { .tls_verify = -1 };
	AUTO_STRV args = STRV_INIT;
	AUTO_LOCATION at = LOCATION_INIT;
	AUTO_FREE char *text = NULL;
	AUTO_JSON *obj = NULL;
	struct copy_side side;
	struct digest digest;
	int r = cli_parse(ctx, self, &o, argc, argv, &args);

	if (r)
		return cli_parsed(r);
	side = side_of(&o);
	if (image_location_parse(args.items[0], TRANSPORT_DOCKER, &at, &ctx->err) < 0)
		return -1;
	if (at.transport != TRANSPORT_DOCKER)
		return err_set(&ctx->err, E_INVALID, "'%s' is not at a registry", args.items[0]);
	if (image_raw_manifest(NULL, &at, &side, cli_cancelled(), &text, &digest, &ctx->err) < 0 ||
	    json_parse("manifest", text, strlen(text), &obj, &ctx->err) < 0)
		return -1;
	puts(json_text(obj, true));
	return 0;
}

struct removal {
	struct copy_side side;
};

static int remove_one(struct cmd_ctx *ctx, const char *ref, void *arg)
{
	struct removal *removal = arg;
	struct digest digest;

	return artifact_remove(ref, &removal->side, cli_cancelled(), &digest, &ctx->err);
}

static int run_rm(struct cmd_ctx *ctx, const struct command *self, int argc, char **argv)
{
	struct artifact_opts o = { .tls_verify = -1 };
	struct removal removal;
	AUTO_STRV args = STRV_INIT;
	int r = cli_parse(ctx, self, &o, argc, argv, &args);

	if (r)
		return cli_parsed(r);
	removal.side = side_of(&o);
	return cli_each(ctx, &args, remove_one, &removal);
}

/* clang-format off */
static const struct command artifact_commands[] = {
	{ .name = "inspect", .args = "NAME", .summary = "Print the manifest of an artifact", .tables = { registry_options },
	  .min_args = 1, .max_args = 1, .run = run_inspect },
	{ .name = "ls", .aliases = "list", .args = "IMAGE", .summary = "List what refers to an image at its registry", .tables = { ls_options, registry_options },
	  .min_args = 1, .max_args = 1, .run = run_ls },
	{ .name = "pull", .args = "NAME", .summary = "Fetch the files of an artifact", .tables = { pull_options, quiet_options, registry_options },
	  .min_args = 1, .max_args = 1, .run = run_pull },
	{ .name = "push", .args = "NAME [FILE[:TYPE]...]", .summary = "Send files to a registry as an artifact", .tables = { push_options, quiet_options, registry_options },
	  .min_args = 1, .max_args = -1, .complete = COMPLETE_FILE, .run = run_push },
	{ .name = "rm", .aliases = "remove", .args = "NAME [NAME...]", .summary = "Delete artifacts at their registry", .tables = { registry_options },
	  .min_args = 1, .max_args = -1, .run = run_rm },
	{ 0 },
};
/* clang-format on */

const struct command cmd_artifact = {
	.name = "artifact",
	.summary = "Keep files at registries, and beside images",
	.sub = artifact_commands,
};
