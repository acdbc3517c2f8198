/* pull, and the pull that run and create do. */
#include <string.h>

#include "base/log.h"
#include "base/num.h"
#include "base/xalloc.h"
#include "cli/cli-internal.h"
#include "cli/progress.h"
#include "cli/pull-plan.h"
#include "engine/options.h"
#include "hello/image.h"
#include "image/pull.h"
#include "image/registries.h"

struct pull_opts {
	bool quiet;
	int tls_verify;
	const char *platform;
	const char *creds;
	const char *authfile;
	const char *cert_dir;
	const char *policy;
	const char *signature_policy;
	int64_t retry;
	bool plan;
	const char *format;
};

#define P(field) OPT(struct pull_opts, field)
/* clang-format off */
static const struct opt options[] = {
	{ "authfile", 0, OPT_STR, P(authfile), "FILE", "credentials (default $REGISTRY_AUTH_FILE, auth.json, ~/.docker/config.json)", 0, COMPLETE_FILE },
	{ "cert-dir", 0, OPT_STR, P(cert_dir), "DIR", "client certificates and CAs of the registry", 0, COMPLETE_DIR },
	{ "creds", 0, OPT_STR, P(creds), "USER:PASSWORD", "credentials of the registry", 0, 0 },
	{ "format", 0, OPT_STR, P(format), "TEMPLATE", "of --plan: json, or a Go template over one object an image", 0, 0 },
	{ "plan", 0, OPT_BOOL, P(plan), NULL, "print what would be fetched, after what is here already, and fetch nothing", 0, 0 },
	{ "platform", 0, OPT_STR, P(platform), "OS/ARCH", "platform to pull (default: this machine's)", 0, 0 },
	{ "policy", 0, OPT_STR, P(policy), "WHEN", "always (default), missing, newer or never", 0, 0 },
	{ "quiet", 'q', OPT_BOOL, P(quiet), NULL, "print the image's id only", 0, 0 },
	{ "retry", 0, OPT_INT, P(retry), "COUNT", "times to try again what breaks off (default 5)", 0, 0 },
	{ "signature-policy", 0, OPT_STR, P(signature_policy), "FILE", "policy about signatures (default policy.json of the user or the system)", 0, COMPLETE_FILE },
	{ "tls-verify", 0, OPT_TRISTATE, P(tls_verify), NULL, "refuse http and certificates that do not verify (default true, but http on loopback)", 0, 0 },
	OPT_END
};
/* clang-format on */

static int pull_named(struct cmd_ctx *ctx, struct image_store *store, const char *ref,
                      struct pull_options *options_, bool quiet, struct pull_result *ret)
{
	AUTO_PROGRESS *progress = progress_new("downloading", quiet);
	int r;

	options_->progress = progress_events(progress);
	options_->cancel = cli_cancelled();
	cli_catch_signals();
	r = image_pull(store, ref, options_, ret, &ctx->err);
	cli_release_signals();
	if (r < 0 && ctx->err.code == E_INTERRUPTED)
		err_hint(&ctx->err, "what came whole is kept; pull again to go on");
	return r;
}

/* Several registries may be meant, and somebody is at the terminal: the number of the one. */
static int choose_name(struct cmd_ctx *ctx, const char *ref, struct short_names *names)
{
	AUTO_FREE char *chosen = NULL;
	char line[32];
	uint32_t number;

	fprintf(stderr, "'%s' names no registry. Which image is meant?\n", ref);
	for (size_t i = 0; i < names->names.len; i++)
		fprintf(stderr, "  %zu  %s\n", i + 1, names->names.items[i]);
	fprintf(stderr, "Number: ");
	if (!fgets(line, sizeof(line), stdin))
		line[0] = '\0';
	line[strcspn(line, "\r\n")] = '\0';
	if (parse_u32(line, &number) < 0 || number < 1 || number > names->names.len)
		return err_set(&ctx->err, E_INVALID, "'%.200s': no image was chosen", ref);
	chosen = xstrdup(names->names.items[number - 1]);
	strv_done(&names->names);
	strv_add(&names->names, chosen);
	return 0;
}

/* Nobody was there, or the name is unknown: another registry may have it. */
static bool tries_next(const struct err *err)
{
	return err->code == E_NOT_FOUND || err->code == E_NETWORK || err->code == E_TIMEOUT ||
	       err->code == E_AUTH;
}

/* image_pull() with progress, signals that stop it cleanly, and short names resolved. */
static int pull(struct cmd_ctx *ctx, struct image_store *store, const char *ref,
                struct pull_options *options_, bool quiet, struct pull_result *ret)
{
	AUTO_REGISTRIES registries = REGISTRIES_INIT;
	AUTO_SHORT_NAMES names = SHORT_NAMES_INIT;
	AUTO_BUF failed = STRBUF_INIT;
	int r = -1;

	if (!is_short_name(ref))
		return pull_named(ctx, store, ref, options_, quiet, ret);
	if (registries_load(&registries, &ctx->err) < 0 ||
	    short_names_resolve(&registries, ref, isatty(STDIN_FILENO) && isatty(STDERR_FILENO),
	                        &names, &ctx->err) < 0 ||
	    (names.must_choose && choose_name(ctx, ref, &names) < 0))
		return -1;
	for (size_t i = 0; i < names.names.len; i++) {
		ctx->err = ERR_INIT;
		r = pull_named(ctx, store, names.names.items[i], options_, quiet, ret);
		if (r == 0 || !tries_next(&ctx->err))
			break;
		strbuf_addf(&failed, "%s%s", i ? "; " : "", ctx->err.msg);
	}
	if (r < 0 && names.names.len > 1 && tries_next(&ctx->err)) {
		enum err_code code = ctx->err.code;

		err_set(&ctx->err, code, "no registry has '%.200s': %.700s", ref, failed.buf);
	}
	if (r == 0 && names.record && short_name_record(ref, ret->name, &ctx->err) < 0)
		log_warn("%s", ctx->err.msg);
	return r;
}

static int run(struct cmd_ctx *ctx, const struct command *self, int argc, char **argv)
{
	struct pull_opts o = { .tls_verify = -1 };
	struct pull_options pull_options = PULL_OPTIONS_INIT;
	struct image_store *store;
	AUTO_STRV args = STRV_INIT;
	int r = cli_parse(ctx, self, &o, argc, argv, &args);

	if (r)
		return cli_parsed(r);
	if (o.format && !o.plan)
		return err_set(&ctx->err, E_INVALID, "option --format needs --plan");
	if (o.plan && o.policy)
		return err_set(&ctx->err, E_INVALID,
		               "options --plan and --policy exclude each other");
	if (o.policy && pull_policy_parse(o.policy, &pull_options.policy, &ctx->err) < 0)
		return err_ctx(&ctx->err, "option --policy");
	if (o.retry < 0 || o.retry > 1000)
		return err_set(&ctx->err, E_INVALID, "option --retry: %lld is out of range",
		               (long long)o.retry);
	store = cli_images(ctx);
	if (!store)
		return -1;
	pull_options.platform = o.platform;
	pull_options.tls_verify = o.tls_verify;
	pull_options.creds = o.creds;
	pull_options.authfile = o.authfile;
	pull_options.cert_dir = o.cert_dir;
	pull_options.policy_file = o.signature_policy;
	pull_options.max_retries = (int)o.retry;
	for (size_t i = 0; i < args.len; i++) {
		AUTO_PULL_RESULT result = PULL_RESULT_INIT;
		AUTO_PULL_PLAN plan = PULL_PLAN_INIT;

		pull_options.plan = o.plan ? &plan : NULL;
		if (pull(ctx, store, args.items[i], &pull_options, o.quiet || o.plan, &result) <
		    0) {
			if (ctx->err.code == E_INTERRUPTED)
				return -1;
			cli_report(ctx);
			continue;
		}
		if (o.plan) {
			if (pull_plan_print(ctx, o.format, &plan, &result) < 0)
				return -1;
			continue;
		}
		if (!o.quiet)
			fprintf(stderr, "%s: %s\n", image_ref_familiar(result.name),
			        result.changed ? "pulled" : "is up to date");
		puts(result.id + strlen("sha256:"));
		fflush(stdout);
	}
	return 0;
}

int cli_ensure_image(struct cmd_ctx *ctx, const char *image, const struct container_options *opts,
                     char **ret_name)
{
	struct image_store *store = cli_images(ctx);
	struct pull_options pull_options = PULL_OPTIONS_INIT;
	AUTO_PULL_RESULT result = PULL_RESULT_INIT;
	AUTO_FREE char *id = NULL;

	if (!store)
		return -1;
	pull_options.policy = PULL_MISSING;
	pull_options.platform = opts->platform;
	pull_options.policy_file = opts->signature_policy;
	if (opts->pull && pull_policy_parse(opts->pull, &pull_options.policy, &ctx->err) < 0)
		return err_ctx(&ctx->err, "option --pull");
	/* the usual case pays for nothing more than this look-up */
	if (pull_options.policy != PULL_ALWAYS && pull_options.policy != PULL_NEWER &&
	    !opts->platform) {
		if (image_resolve_id(store, image, &id, &ctx->err) == 0) {
			*ret_name = xstrdup(image);
			return 0;
		}
		if (ctx->err.code != E_NOT_FOUND)
			return -1;
		if (hello_image_is_named(image)) {
			AUTO_IMAGE hello = IMAGE_INIT;

			*ret_name = xstrdup(image);
			return hello_image_load(store, &hello, &ctx->err);
		}
		if (pull_options.policy == PULL_NEVER)
			return err_hint(&ctx->err, "it was not pulled, because of --pull=never");
	}
	if (pull(ctx, store, image, &pull_options, opts->quiet, &result) < 0)
		return -1;
	/* with --platform the name may stand for another platform's image: the id does not */
	*ret_name = xstrdup(opts->platform         ? result.id
	                    : is_short_name(image) ? result.name
	                                           : image);
	return 0;
}

const struct command cmd_pull = {
	.name = "pull",
	.args = "IMAGE [IMAGE...]",
	.summary = "Fetch images from a registry",
	.tables = { options },
	.min_args = 1,
	.max_args = -1,
	.complete = COMPLETE_IMAGE,
	.run = run,
};
