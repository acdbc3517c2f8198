/* Options that push, image copy, image sync and manifest push share. */
#pragma once
#include "base/opt.h"
#include "image/copy.h"

/* First in the options of a command that uses copy_options_table. */
struct copy_opts {
	const char *format;
	const char *compression_format;
	int64_t compression_level;
	int force_compression; /* -1: when the format was given */
	int64_t retry;
};
#define COPY_OPTS_INIT ((struct copy_opts){ .force_compression = -1 })

extern const struct opt copy_options_table[];
/* Fill in format, compression and retries. E_INVALID names the option. */
int copy_opts_apply(const struct copy_opts *o, struct copy_options *ret, struct err *err);
