/* pull-plan: printing what `pull --plan` found. */
#pragma once
#include "image/pull.h"

struct cmd_ctx;
/* format NULL: text; else json or a template over one object. */
int pull_plan_print(struct cmd_ctx *ctx, const char *format, const struct pull_plan *plan,
                    const struct pull_result *result);
