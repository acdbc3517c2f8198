/* image copy: from anywhere to anywhere. */
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

struct copy_cmd_opts {
	struct copy_opts copy;
	bool all;
	const char *multi_arch;
	const char *platform;
	bool preserve_digests;
	bool decompress;
	bool quiet;
	const char *digestfile;
	const char *authfile;
	int src_tls_verify, dest_tls_verify;
	const char *src_creds, *dest_creds;
	const char *signature_policy;
	const char *src_authfile, *dest_authfile;
	const char *src_cert_dir, *dest_cert_dir;
};

#define O(field) OPT(struct copy_cmd_opts, field)
/* clang-format off */
static const struct opt options[] = {
	{ "all", 'a', OPT_BOOL, O(all), NULL, "copy every image of an index, and the index", 0, 0 },
	{ "authfile", 0, OPT_STR, O(authfile), "FILE", "credentials for both ends", 0, COMPLETE_FILE },
	{ "dest-authfile", 0, OPT_STR, O(dest_authfile), "FILE", "credentials for the destination", 0, COMPLETE_FILE },
	{ "dest-cert-dir", 0, OPT_STR, O(dest_cert_dir), "DIR", "certificates for the destination", 0, COMPLETE_DIR },
	{ "dest-creds", 0, OPT_STR, O(dest_creds), "USER:PASSWORD", "credentials of the destination", 0, 0 },
	{ "dest-decompress", 0, OPT_BOOL, O(decompress), NULL, "write layers as plain tars", 0, 0 },
	{ "dest-tls-verify", 0, OPT_TRISTATE, O(dest_tls_verify), NULL, "refuse http and bad certificates of the destination", 0, 0 },
	{ "digestfile", 0, OPT_STR, O(digestfile), "FILE", "write the digest of what was copied to FILE", 0, COMPLETE_FILE },
	{ "multi-arch", 0, OPT_STR, O(multi_arch), "WHAT", "of an index: system (default), all, or index-only", 0, 0 },
	{ "platform", 0, OPT_STR, O(platform), "OS/ARCH", "image to take of an index (default: this machine's)", 0, 0 },
	{ "preserve-digests", 0, OPT_BOOL, O(preserve_digests), NULL, "fail where a manifest would have to change", 0, 0 },
	{ "quiet", 'q', OPT_BOOL, O(quiet), NULL, "no progress", 0, 0 },
	{ "src-authfile", 0, OPT_STR, O(src_authfile), "FILE", "credentials for the source", 0, COMPLETE_FILE },
	{ "src-cert-dir", 0, OPT_STR, O(src_cert_dir), "DIR", "certificates for the source", 0, COMPLETE_DIR },
	{ "signature-policy", 0, OPT_STR, O(signature_policy), "FILE", "policy about signatures (default policy.json of the user or the system)", 0, COMPLETE_FILE },
	{ "src-creds", 0, OPT_STR, O(src_creds), "USER:PASSWORD", "credentials of the source", 0, 0 },
	{ "src-tls-verify", 0, OPT_TRISTATE, O(src_tls_verify), NULL, "refuse http and bad certificates of the source", 0, 0 },
	OPT_END
};
/* clang-format on */

static int apply(struct cmd_ctx *ctx, const struct copy_cmd_opts *o, struct copy_options *c)
{
	if (copy_opts_apply(&o->copy, c, &ctx->err) < 0)
		return -1;
	if (o->multi_arch && strcmp(o->multi_arch, "all") == 0)
		c->flags |= COPY_ALL;
	else if (o->multi_arch && strcmp(o->multi_arch, "index-only") == 0)
		c->flags |= COPY_INDEX_ONLY;
	else if (o->multi_arch && strcmp(o->multi_arch, "system") != 0)
		return err_set(&ctx->err, E_INVALID,
		               "option --multi-arch: '%s' is not system, all or index-only",
		               o->multi_arch);
	if (o->all)
		c->flags |= COPY_ALL;
	if (o->platform && (c->flags & (COPY_ALL | COPY_INDEX_ONLY)))
		return err_set(&ctx->err, E_INVALID,
		               "option --platform chooses one image: not with --all");
	c->flags |= (o->preserve_digests ? COPY_PRESERVE_DIGESTS : 0) |
	            (o->decompress ? COPY_DECOMPRESS : 0);
	c->platform = o->platform;
	c->source = (struct copy_side){ o->src_tls_verify, o->src_creds,
		                        o->src_authfile ? o->src_authfile : o->authfile,
		                        o->src_cert_dir };
	c->dest = (struct copy_side){ o->dest_tls_verify, o->dest_creds,
		                      o->dest_authfile ? o->dest_authfile : o->authfile,
		                      o->dest_cert_dir };
	return 0;
}

/* The policy's word on the source. What was judged by its digest is what is copied. */
static int judge(struct cmd_ctx *ctx, const struct copy_cmd_opts *o, struct image_location *source)
{
	static const char *const transports[] = { [TRANSPORT_DOCKER] = "docker",
		                                  [TRANSPORT_OCI] = "oci",
		                                  [TRANSPORT_OCI_ARCHIVE] = "oci-archive",
		                                  [TRANSPORT_DOCKER_ARCHIVE] = "docker-archive",
		                                  [TRANSPORT_DIR] = "dir" };
	struct sign_access access = { .tls_verify = o->src_tls_verify,
		                      .creds = o->src_creds,
		                      .authfile = o->src_authfile ? o->src_authfile : o->authfile,
		                      .cert_dir = o->src_cert_dir,
		                      .cancel = cli_cancelled() };
	AUTO_FREE char *repo = NULL;
	AUTO_REF ref = IMAGE_REF_INIT;
	struct digest judged;
	int r;

	if (source->transport >= ARRAY_LEN(transports) || !transports[source->transport])
		return 0;
	cli_catch_signals();
	r = image_accept_source(transports[source->transport],
	                        source->transport == TRANSPORT_DOCKER ? source->name : source->path,
	                        &access, o->signature_policy, &judged, &ctx->err);
	cli_release_signals();
	if (r < 0 || judged.alg == DIGEST_NONE)
		return r;
	if (image_ref_parse(source->name, &ref, &ctx->err) < 0)
		return -1;
	repo = image_ref_repo(&ref);
	free(source->name);
	source->name = xasprintf("%s@%s", repo, digest_format(&judged).s);
	return 0;
}

static int copy(struct cmd_ctx *ctx, const struct copy_cmd_opts *o, const char *from,
                const char *to)
{
	AUTO_LOCATION source = LOCATION_INIT;
	AUTO_LOCATION dest = LOCATION_INIT;
	AUTO_PROGRESS *progress = progress_new("copying", o->quiet);
	struct copy_options c = COPY_OPTIONS_INIT;
	struct copy_result result = { 0 };
	struct image_store *store;
	struct digest_text text;
	int r;

	if (apply(ctx, o, &c) < 0 ||
	    image_location_parse(from, TRANSPORT_STORE, &source, &ctx->err) < 0 ||
	    image_location_parse(to, TRANSPORT_STORE, &dest, &ctx->err) < 0)
		return -1;
	if (judge(ctx, o, &source) < 0)
		return err_ctx(&ctx->err, "copy '%s'", from);
	store = cli_images(ctx);
	if (!store)
		return -1;
	c.progress = progress_events(progress);
	c.cancel = cli_cancelled();
	cli_catch_signals();
	r = image_copy(store, &source, &dest, &c, &result, &ctx->err);
	cli_release_signals();
	if (r < 0)
		return err_ctx(&ctx->err, "copy '%s'", from);
	text = digest_format(&result.digest);
	if (o->digestfile && file_write_atomic_at(AT_FDCWD, o->digestfile, text.s, strlen(text.s),
	                                          0644, 0, &ctx->err) < 0)
		return -1;
	if (!o->quiet)
		fprintf(stderr, "%s: copied (%zu blobs sent, %zu there already)\n", to,
		        result.blobs_sent, result.blobs_there);
	puts(text.s);
	return 0;
}

static int run(struct cmd_ctx *ctx, const struct command *self, int argc, char **argv)
{
	struct copy_cmd_opts o = { .copy = COPY_OPTS_INIT,
		                   .src_tls_verify = -1,
		                   .dest_tls_verify = -1 };
	AUTO_STRV args = STRV_INIT;
	int r = cli_parse(ctx, self, &o, argc, argv, &args);

	return r ? cli_parsed(r) : copy(ctx, &o, args.items[0], args.items[1]);
}

const struct command cmd_image_copy = {
	.name = "copy",
	.args = "SOURCE DESTINATION",
	.summary = "Copy an image between registries, the store, archives and folders",
	.tables = { options, copy_options_table },
	.min_args = 2,
	.max_args = 2,
	.complete = COMPLETE_IMAGE,
	.run = run,
};
