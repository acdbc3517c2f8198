/* Parts of json-c that codec/json does not use: its parser, which codec/json-parse.c replaces,
 * comes with json_util.c, of which json_object.c wants three functions, and brings libc's locales.
 * The linker takes these before the archive's (see ../static-libc.c). */
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>

int json_parse_int64(const char *text, int64_t *ret);
int json_parse_int64(const char *text, int64_t *ret)
{
	char *end;
	int64_t v;

	errno = 0;
	v = strtoll(text, &end, 10);
	if (end == text)
		return 1;
	*ret = v;
	return 0;
}

int json_parse_uint64(const char *text, uint64_t *ret);
int json_parse_uint64(const char *text, uint64_t *ret)
{
	char *end;
	uint64_t v;

	while (*text == ' ')
		text++;
	if (*text == '-')
		return 1;
	errno = 0;
	v = strtoull(text, &end, 10);
	if (end == text)
		return 1;
	*ret = v;
	return 0;
}

void _json_c_set_last_err(const char *format, ...);
void _json_c_set_last_err(const char *format, ...)
{
}
