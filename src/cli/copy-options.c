#include "cli/copy-options.h"

#include <string.h>

#define C(field) OPT(struct copy_opts, field)
/* clang-format off */
const struct opt copy_options_table[] = {
	{ "compression-format", 0, OPT_STR, C(compression_format), "FORMAT", "compress layers with gzip (default) or zstd", 0, 0 },
	{ "compression-level", 0, OPT_INT, C(compression_level), "LEVEL", "gzip 1 to 9 (default 6), zstd 1 to 19 (default 3)", 0, 0 },
	{ "force-compression", 0, OPT_TRISTATE, C(force_compression), NULL, "also layers that are compressed otherwise (default: when --compression-format is given)", 0, 0 },
	{ "format", 'f', OPT_STR, C(format), "FORMAT", "format of the manifest: oci or v2s2 (default: as it is)", 0, 0 },
	{ "retry", 0, OPT_INT, C(retry), "COUNT", "times to try again what breaks off (default 5)", 0, 0 },
	OPT_END
};
/* clang-format on */

static int apply_compression(const struct copy_opts *o, struct copy_options *ret, struct err *err)
{
	struct deflate_options check = { .level = (int)o->compression_level };

	if (o->compression_format && strcmp(o->compression_format, "gzip") == 0) {
		ret->compression = COMPRESSION_GZIP;
	} else if (o->compression_format && strcmp(o->compression_format, "zstd") == 0) {
		ret->compression = COMPRESSION_ZSTD;
	} else if (o->compression_format) {
		err_set(err, E_INVALID, "option --compression-format: unknown format '%.100s'",
		        o->compression_format);
		return err_hint(err, "gzip or zstd");
	}
	check.compression =
		ret->compression == COMPRESSION_AUTO ? COMPRESSION_GZIP : ret->compression;
	if (o->compression_level < 0 || o->compression_level > 100)
		check.level = 100;
	if (deflate_options_check(&check, err) < 0)
		return err_ctx(err, "option --compression-level");
	ret->level = o->compression_level ? check.level : 0;
	if (o->force_compression > 0 || (o->force_compression < 0 && o->compression_format))
		ret->flags |= COPY_FORCE_COMPRESSION;
	return 0;
}

int copy_opts_apply(const struct copy_opts *o, struct copy_options *ret, struct err *err)
{
	if (o->format && image_format_parse(o->format, &ret->format, err) < 0)
		return err_ctx(err, "option --format");
	if (o->retry < 0 || o->retry > 1000)
		return err_set(err, E_INVALID, "option --retry: %lld is out of range",
		               (long long)o->retry);
	ret->max_retries = (int)o->retry;
	return apply_compression(o, ret, err);
}
