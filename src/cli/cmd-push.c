/* push: an image of the store to a registry, or anywhere else. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "base/fd.h"
#include "base/xalloc.h"
#include "cli/cli-internal.h"
#include "cli/copy-options.h"
#include "cli/progress.h"
#include "image/sign.h"
#include "oci/ref.h"

struct push_opts {
	struct copy_opts copy;
	bool all_tags;
	bool quiet;
	const char *digestfile;
	int tls_verify;
	const char *creds;
	const char *authfile;
	const char *cert_dir;
	struct sign_options sign;
};

#define P(field) OPT(struct push_opts, field)
/* clang-format off */
static const struct opt options[] = {
	{ "all-tags", 'a', OPT_BOOL, P(all_tags), NULL, "push every tag of the repository IMAGE", 0, 0 },
	{ "authfile", 0, OPT_STR, P(authfile), "FILE", "credentials (default $REGISTRY_AUTH_FILE, auth.json, ~/.docker/config.json)", 0, COMPLETE_FILE },
	{ "cert-dir", 0, OPT_STR, P(cert_dir), "DIR", "client certificates and CAs of the registry", 0, COMPLETE_DIR },
	{ "creds", 0, OPT_STR, P(creds), "USER:PASSWORD", "credentials of the registry", 0, 0 },
	{ "digestfile", 0, OPT_STR, P(digestfile), "FILE", "write the digest of what was pushed to FILE", 0, COMPLETE_FILE },
	{ "quiet", 'q', OPT_BOOL, P(quiet), NULL, "no progress", 0, 0 },
	{ "sign-by", 0, OPT_STR, P(sign.gpg_key), "KEYID", "sign what was pushed with an OpenPGP key that gpg has", 0, 0 },
	{ "sign-by-sigstore-private-key", 0, OPT_STR, P(sign.key_file), "FILE", "sign what was pushed with a sigstore key", 0, COMPLETE_FILE },
	{ "sign-identity", 0, OPT_STR, P(sign.identity), "NAME", "name that is signed (default: the one pushed to)", 0, 0 },
	{ "sign-passphrase-file", 0, OPT_STR, P(sign.passphrase_file), "FILE", "passphrase of the key (default: $COSIGN_PASSWORD, or gpg asks)", 0, COMPLETE_FILE },
	{ "tls-verify", 0, OPT_TRISTATE, P(tls_verify), NULL, "refuse http and certificates that do not verify (default true, but http on loopback)", 0, 0 },
	OPT_END
};
/* clang-format on */

static int write_digest(struct cmd_ctx *ctx, const char *path, const struct digest *digest)
{
	struct digest_text text = digest_format(digest);

	return file_write_atomic_at(AT_FDCWD, path, text.s, strlen(text.s), 0644, 0, &ctx->err);
}

/* What was pushed, by its digest: the tag may be somebody else's by now. */
static int sign(struct cmd_ctx *ctx, const struct push_opts *o, const char *name,
                const struct digest *digest)
{
	struct sign_options one = o->sign;
	AUTO_REF ref = IMAGE_REF_INIT;
	AUTO_FREE char *repo = NULL;
	AUTO_FREE char *at = NULL;
	struct digest signed_digest;
	int r = 0;

	if (!one.gpg_key && !one.key_file)
		return 0;
	if (image_ref_parse(name, &ref, &ctx->err) < 0)
		return -1;
	repo = image_ref_repo(&ref);
	at = xasprintf("%s@%s", repo, digest_format(digest).s);
	one.access = (struct sign_access){ .tls_verify = o->tls_verify,
		                           .creds = o->creds,
		                           .authfile = o->authfile,
		                           .cert_dir = o->cert_dir,
		                           .cancel = cli_cancelled() };
	if (!one.identity)
		one.identity = name;
	cli_catch_signals();
	if (o->sign.gpg_key) {
		one.key_file = NULL;
		r = image_sign(at, &one, &signed_digest, &ctx->err);
	}
	if (r == 0 && o->sign.key_file) {
		one.key_file = o->sign.key_file;
		one.gpg_key = NULL;
		r = image_sign(at, &one, &signed_digest, &ctx->err);
	}
	cli_release_signals();
	return r;
}

/* One image to one place. */
static int push(struct cmd_ctx *ctx, const struct push_opts *o, const char *name, const char *to)
{
	struct image_store *store = cli_images(ctx);
	AUTO_LOCATION from = LOCATION_INIT;
	AUTO_LOCATION dest = LOCATION_INIT;
	AUTO_PROGRESS *progress = progress_new("pushing", o->quiet);
	struct copy_options c = COPY_OPTIONS_INIT;
	struct copy_result result = { 0 };
	int r;

	if (!store || copy_opts_apply(&o->copy, &c, &ctx->err) < 0 ||
	    image_location_parse(to, TRANSPORT_DOCKER, &dest, &ctx->err) < 0)
		return -1;
	if (dest.transport != TRANSPORT_DOCKER && (o->sign.gpg_key || o->sign.key_file)) {
		err_set(&ctx->err, E_UNSUPPORTED, "push: signing is for registries");
		return err_hint(&ctx->err, "sign a folder with 'dhow image sign dir:PATH'");
	}
	from.name = xstrdup(name);
	c.dest = (struct copy_side){ .tls_verify = o->tls_verify,
		                     .creds = o->creds,
		                     .authfile = o->authfile,
		                     .cert_dir = o->cert_dir };
	c.progress = progress_events(progress);
	c.cancel = cli_cancelled();
	cli_catch_signals();
	r = image_copy(store, &from, &dest, &c, &result, &ctx->err);
	cli_release_signals();
	if (r < 0)
		return err_ctx(&ctx->err, "push '%s'", name);
	if (dest.transport == TRANSPORT_DOCKER &&
	    image_note_digest(store, name, dest.name, &result.digest, &ctx->err) < 0)
		return -1;
	if (dest.transport == TRANSPORT_DOCKER && sign(ctx, o, dest.name, &result.digest) < 0)
		return err_ctx(&ctx->err, "'%s' was pushed, but not signed", to);
	if (o->digestfile && write_digest(ctx, o->digestfile, &result.digest) < 0)
		return -1;
	if (!o->quiet)
		fprintf(stderr, "%s: pushed (%zu blobs sent, %zu there already)\n", to,
		        result.blobs_sent, result.blobs_there);
	puts(digest_format(&result.digest).s);
	fflush(stdout);
	return 0;
}

/* Every name of the store in the repository. */
static int push_all_tags(struct cmd_ctx *ctx, const struct push_opts *o, const char *image)
{
	struct image_store *store = cli_images(ctx);
	AUTO_REF ref = IMAGE_REF_INIT;
	AUTO_FREE char *repo = NULL;
	struct image_row *rows = NULL;
	AUTO_STRV names = STRV_INIT;
	size_t n = 0;

	if (!store || image_ref_parse(image, &ref, &ctx->err) < 0)
		return -1;
	if (ref.has_digest || strrchr(image, ':') > strrchr(image, '/'))
		return err_set(&ctx->err, E_INVALID,
		               "push --all-tags: '%s' names one image, not a repository", image);
	repo = image_ref_repo(&ref);
	if (image_list(store, &rows, &n, &ctx->err) < 0)
		return -1;
	for (size_t i = 0; i < n; i++) {
		const char *tag;

		if (rows[i].name && image_ref_split(rows[i].name, &tag) == strlen(repo) &&
		    strncmp(rows[i].name, repo, strlen(repo)) == 0)
			strv_add(&names, rows[i].name);
	}
	image_rows_free(rows, n);
	if (names.len == 0)
		return err_set(&ctx->err, E_NOT_FOUND, "no image has a tag in '%s'",
		               image_ref_familiar(repo));
	for (size_t i = 0; i < names.len; i++)
		if (push(ctx, o, names.items[i], names.items[i]) < 0)
			return -1;
	return 0;
}

static int run(struct cmd_ctx *ctx, const struct command *self, int argc, char **argv)
{
	struct push_opts o = { .copy = COPY_OPTS_INIT, .tls_verify = -1 };
	AUTO_STRV args = STRV_INIT;
	int r = cli_parse(ctx, self, &o, argc, argv, &args);

	if (r)
		return cli_parsed(r);
	if (!o.all_tags)
		return push(ctx, &o, args.items[0], args.items[args.len - 1]);
	if (args.len > 1)
		return err_set(&ctx->err, E_INVALID, "push --all-tags takes no destination");
	return push_all_tags(ctx, &o, args.items[0]);
}

const struct command cmd_push = {
	.name = "push",
	.args = "IMAGE [DESTINATION]",
	.summary = "Send an image to a registry",
	.tables = { options, copy_options_table },
	.min_args = 1,
	.max_args = 2,
	.complete = COMPLETE_IMAGE,
	.run = run,
};
