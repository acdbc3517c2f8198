/* image sign, image verify: signatures of images. */
#include <string.h>

#include "base/xalloc.h"
#include "cli/cli-internal.h"
#include "image/sign.h"

struct sign_opts {
	struct sign_options sign;
	struct verify_options verify;
	struct sign_access access;
};

#define S(field) OPT(struct sign_opts, field)
/* clang-format off */
static const struct opt access_options[] = {
	{ "authfile", 0, OPT_STR, S(access.authfile), "FILE", "credentials (default $REGISTRY_AUTH_FILE, auth.json, ~/.docker/config.json)", 0, COMPLETE_FILE },
	{ "cert-dir", 0, OPT_STR, S(access.cert_dir), "DIR", "client certificates and CAs of the registry", 0, COMPLETE_DIR },
	{ "creds", 0, OPT_STR, S(access.creds), "USER:PASSWORD", "credentials of the registry", 0, 0 },
	{ "tls-verify", 0, OPT_TRISTATE, S(access.tls_verify), NULL, "refuse http and certificates that do not verify (default true, but http on loopback)", 0, 0 },
	OPT_END
};
static const struct opt sign_table[] = {
	{ "bundle", 0, OPT_BOOL, S(sign.bundle), NULL, "with --key: a sigstore bundle that refers to the image, instead of cosign's tag", 0, 0 },
	{ "key", 0, OPT_STR, S(sign.key_file), "FILE", "sigstore private key: PEM, also cosign's encrypted form", 0, COMPLETE_FILE },
	{ "passphrase-file", 0, OPT_STR, S(sign.passphrase_file), "FILE", "passphrase of the key (default: $COSIGN_PASSWORD, or gpg asks)", 0, COMPLETE_FILE },
	{ "sign-by", 0, OPT_STR, S(sign.gpg_key), "KEYID", "OpenPGP key that gpg has", 0, 0 },
	{ "sign-identity", 0, OPT_STR, S(sign.identity), "NAME", "name that is signed (default: the image's)", 0, 0 },
	OPT_END
};
static const struct opt verify_table[] = {
	{ "ca-intermediates", 0, OPT_STR, S(verify.intermediates_file), "FILE", "certificates between the roots and the signer's", 0, COMPLETE_FILE },
	{ "ca-roots", 0, OPT_STR, S(verify.ca_file), "FILE", "CAs that certificates must lead to", 0, COMPLETE_FILE },
	{ "certificate-identity", 0, OPT_STR, S(verify.certificate_identity), "NAME", "e-mail address or URI of the signer's certificate", 0, 0 },
	{ "certificate-oidc-issuer", 0, OPT_STR, S(verify.certificate_issuer), "URL", "who vouched for the signer, as Fulcio recorded it", 0, 0 },
	{ "gpg-key", 0, OPT_STR, S(verify.gpg_key_file), "FILE", "OpenPGP public keys: simple signing", 0, COMPLETE_FILE },
	{ "identity", 0, OPT_STR, S(verify.identity), "NAME", "name that must be signed (default: any with a key, the image's with a policy)", 0, 0 },
	{ "key", 0, OPT_STR, S(verify.key_file), "FILE", "sigstore public key, PEM", 0, COMPLETE_FILE },
	{ "rekor-key", 0, OPT_STR, S(verify.rekor_key_file), "FILE", "public key of the transparency log that must hold the signature", 0, COMPLETE_FILE },
	{ "signature-policy", 0, OPT_STR, S(verify.policy_file), "FILE", "policy about signatures (default policy.json of the user or the system)", 0, COMPLETE_FILE },
	OPT_END
};
/* clang-format on */

static int sign_one(const char *image, void *options, struct digest *ret, struct err *err)
{
	return image_sign(image, options, ret, err);
}

static int verify_one(const char *image, void *options, struct digest *ret, struct err *err)
{
	return image_verify(image, options, ret, err);
}

/* One after the other, each with its digest as soon as it is done. */
static int each_image(struct cmd_ctx *ctx, const struct strv *images,
                      int (*act)(const char *, void *, struct digest *, struct err *),
                      void *options)
{
	for (size_t i = 0; i < images->len; i++) {
		struct digest d = { 0 };
		int r;

		cli_catch_signals();
		r = act(images->items[i], options, &d, &ctx->err);
		cli_release_signals();
		if (r < 0)
			return -1;
		puts(digest_format(&d).s);
		fflush(stdout);
	}
	return 0;
}

static int run_sign(struct cmd_ctx *ctx, const struct command *self, int argc, char **argv)
{
	struct sign_opts o = { .access.tls_verify = -1 };
	AUTO_STRV args = STRV_INIT;
	int r = cli_parse(ctx, self, &o, argc, argv, &args);

	if (r)
		return cli_parsed(r);
	if (!o.sign.key_file == !o.sign.gpg_key)
		return err_set(&ctx->err, E_INVALID,
		               "image sign: give either --key FILE or --sign-by KEYID");
	if (o.sign.bundle && !o.sign.key_file)
		return err_set(&ctx->err, E_INVALID, "image sign: --bundle needs --key");
	o.access.cancel = cli_cancelled();
	o.sign.access = o.access;
	return each_image(ctx, &args, sign_one, &o.sign);
}

static int run_verify(struct cmd_ctx *ctx, const struct command *self, int argc, char **argv)
{
	struct sign_opts o = { .access.tls_verify = -1 };
	AUTO_STRV args = STRV_INIT;
	int r = cli_parse(ctx, self, &o, argc, argv, &args);

	if (r)
		return cli_parsed(r);
	o.access.cancel = cli_cancelled();
	o.verify.access = o.access;
	return each_image(ctx, &args, verify_one, &o.verify);
}

const struct command cmd_image_sign = {
	.name = "sign",
	.args = "IMAGE [IMAGE...]",
	.summary = "Sign images in a registry or in a dir: layout",
	.tables = { sign_table, access_options },
	.min_args = 1,
	.max_args = -1,
	.run = run_sign,
};

const struct command cmd_image_verify = {
	.name = "verify",
	.args = "IMAGE [IMAGE...]",
	.summary = "Verify signatures of images in a registry or in a dir: layout",
	.tables = { verify_table, access_options },
	.min_args = 1,
	.max_args = -1,
	.run = run_verify,
};
