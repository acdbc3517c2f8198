/* mounts add, mounts remove */
#include "oci.h"

#include "base/xalloc.h"

int cmd_mounts(struct cmd_ctx *ctx, const struct command *self, int argc, char **argv)
{
	AUTO_STRV args = STRV_INIT;
	AUTO_FREE char *text = NULL;
	AUTO_SPEC spec;
	size_t len = 0;
	bool remove;
	int r = oci_parse(ctx, self, NULL, argc, argv, &args);

	oci_spec_init(&spec);
	if (r)
		return r < 0 ? -1 : 0;
	remove = strcmp(args.items[0], "remove") == 0;
	if (!remove && strcmp(args.items[0], "add") != 0)
		return err_set(&ctx->err, E_INVALID, "mounts: '%s' is neither add nor remove",
		               args.items[0]);
	if (oci_root(ctx) < 0 || oci_read_file(args.items[2], &text, &len, &ctx->err) < 0 ||
	    oci_mounts_parse(&spec, args.items[2], text, len, &ctx->err) < 0)
		return -1;
	return runtime_mounts(ctx->root_fd, args.items[1], &spec, remove, &ctx->err);
}
