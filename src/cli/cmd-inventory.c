/* image inventory. */
#include <stdio.h>

#include "base/log.h"
#include "cli/cli-internal.h"
#include "cli/output.h"
#include "codec/json.h"
#include "image/inventory.h"

static int run(struct cmd_ctx *ctx, const struct command *self, int argc, char **argv)
{
	AUTO_INVENTORY inventory = INVENTORY_INIT;
	struct image_store *store;
	AUTO_STRV args = STRV_INIT;
	AUTO_JSON *obj = NULL;
	int r = cli_parse(ctx, self, NULL, argc, argv, &args);

	if (r)
		return cli_parsed(r);
	store = cli_images(ctx);
	if (!store || inventory_read(store, (const char *const *)args.items, args.len, &inventory,
	                             &ctx->err) < 0)
		return -1;
	obj = inventory_to_json(&inventory);
	return output_value(NULL, obj, &ctx->err);
}

const struct command cmd_image_inventory = {
	.name = "inventory",
	.args = "[IMAGE...]",
	.summary = "Print which layers are here, for 'save --for' on another machine",
	.max_args = -1,
	.complete = COMPLETE_IMAGE,
	.run = run,
};
