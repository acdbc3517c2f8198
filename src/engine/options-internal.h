/* What options.c, options-check.c and options-parse.c share. */
#pragma once
#include "engine/options.h"
#include <stddef.h>

/* The option that fills refused[index], or NULL. */
const char *options_refused_name(size_t index);
