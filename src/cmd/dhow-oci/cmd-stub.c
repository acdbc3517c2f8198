#include "oci.h"
const struct opt oci_exec_options[] = { OPT_END };
const struct opt oci_update_options[] = { OPT_END };
const struct opt oci_events_options[] = { OPT_END };
int cmd_exec(struct cmd_ctx *ctx, const struct command *self, int argc, char **argv)
{
	return err_set(&ctx->err, E_UNSUPPORTED, "exec");
}
int cmd_update(struct cmd_ctx *ctx, const struct command *self, int argc, char **argv)
{
	return err_set(&ctx->err, E_UNSUPPORTED, "update");
}
int cmd_events(struct cmd_ctx *ctx, const struct command *self, int argc, char **argv)
{
	return err_set(&ctx->err, E_UNSUPPORTED, "events");
}
int cmd_features(struct cmd_ctx *ctx, const struct command *self, int argc, char **argv)
{
	return err_set(&ctx->err, E_UNSUPPORTED, "features");
}
