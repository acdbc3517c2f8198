/* check: `dhow store check`: the image store (image/check.h), then containers: each row has its
 * directories and its image, and nothing else is among them. A repair removes rows whose
 * directories are gone, and what is nobody's; a container whose image is gone is left. */
#pragma once
#include "engine/engine.h"
#include "image/check.h"

int engine_check(struct engine *e, const struct check_options *options, struct check_report *report,
                 struct err *err);
