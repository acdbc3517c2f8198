/* store check. */
#include "cli/cli-internal.h"
#include "image/image.h"

struct store_opts {
	bool quick;
	bool repair;
};

#define S(field) OPT(struct store_opts, field)
/* clang-format off */
static const struct opt check_options[] = {
	{ "quick", 0, OPT_BOOL, S(quick), NULL, "look at presence and sizes only; do not read the layers", 0, 0 },
	{ "repair", 0, OPT_BOOL, S(repair), NULL, "remove what is damaged, and the images that need it", 0, 0 },
	OPT_END
};
/* clang-format on */

static void print_finding(void *ctx, const char *finding)
{
	puts(finding);
}

static int run_check(struct cmd_ctx *ctx, const struct command *self, int argc, char **argv)
{
	struct store_opts o = { 0 };
	AUTO_STRV args = STRV_INIT;
	struct image_store *store;
	int r = cli_parse(ctx, self, &o, argc, argv, &args);

	if (r)
		return cli_parsed(r);
	store = cli_images(ctx);
	if (!store)
		return -1;
	r = image_store_check(
		store, (o.quick ? IMAGE_CHECK_QUICK : 0) | (o.repair ? IMAGE_CHECK_REPAIR : 0),
		print_finding, NULL, &ctx->err);
	if (r < 0)
		return -1;
	if (r == 0) {
		puts("The store is sound.");
		return 0;
	}
	printf("%d finding%s%s.\n", r, r == 1 ? "" : "s", o.repair ? ", repaired" : "");
	return o.repair ? 0 : 1;
}

static const struct command store_commands[] = {
	{
		.name = "check",
		.summary = "Verify every blob and layer against its digest",
		.tables = { check_options },
		.run = run_check,
	},
	{ 0 },
};

const struct command cmd_store = {
	.name = "store",
	.summary = "Look after the store of images",
	.sub = store_commands,
};
