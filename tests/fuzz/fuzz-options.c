/* The option parser: arguments are lines. Whatever they are, they become values or one error. */
#include <stdlib.h>

#include "base/opt.h"
#include "base/strv.h"
#include "base/xalloc.h"
#include "fuzz.h"

struct values {
	bool flag;
	int tristate;
	const char *text, *optional;
	int64_t number, ssize, duration;
	uint64_t count, size;
	double real;
	struct strv list;
};

#define V(field) OPT(struct values, field)

static const struct opt table[] = {
	{ "flag", 'f', OPT_BOOL, V(flag), NULL, "x", 0, 0 },
	{ "tristate", 't', OPT_TRISTATE, V(tristate), NULL, "x", 0, 0 },
	{ "text", 's', OPT_STR, V(text), "TEXT", "x", 0, 0 },
	{ "optional", 0, OPT_OPTSTR, V(optional), "TEXT", "x", 0, 0 },
	{ "list", 'l', OPT_LIST, V(list), "TEXT", "x", 0, 0 },
	{ "number", 'n', OPT_INT, V(number), "N", "x", 0, 0 },
	{ "count", 'c', OPT_UINT, V(count), "N", "x", 0, 0 },
	{ "size", 'm', OPT_SIZE, V(size), "SIZE", "x", 0, 0 },
	{ "ssize", 0, OPT_SSIZE, V(ssize), "SIZE", "x", 0, 0 },
	{ "real", 'r', OPT_DOUBLE, V(real), "N", "x", 0, 0 },
	{ "duration", 'd', OPT_DURATION, V(duration), "TIME", "x", 0, 0 },
	OPT_END,
};

static const struct command commands[] = {
	{ .name = "all", .args = "[ARG...]", .summary = "x", .tables = { table }, .max_args = -1 },
	{ .name = "stop",
	  .args = "A [B]",
	  .summary = "x",
	  .tables = { table },
	  .min_args = 1,
	  .max_args = 2,
	  .stop_at_args = true },
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	AUTO_FREE char *text = xmalloc(size + 1);
	char *argv[34] = { (char *)"x" };
	struct values globals = { 0 };
	int argc = 1, index;
	struct err err;

	if (size) /* the data may be NULL */
		memcpy(text, data, size);
	text[size] = '\0';
	if (strstr(text, "--h") || strstr(text, "-h"))
		return 0; /* help goes to standard output */
	for (char *p = text, *end; p && argc < 33; p = end) {
		end = strchr(p, '\n');
		if (end)
			*end++ = '\0';
		argv[argc++] = p;
	}
	for (size_t i = 0; i < ARRAY_LEN(commands); i++) {
		struct values v = { 0 };
		AUTO_STRV args = STRV_INIT;
		int r = opt_parse(&commands[i], "fuzz", &v, argc, argv, &args, &err);

		if (r == 0 && ((int)args.len < commands[i].min_args ||
		               (commands[i].max_args >= 0 && (int)args.len > commands[i].max_args)))
			abort();
		strv_done(&v.list);
	}
	if (opt_parse_globals(table, "fuzz", &globals, argc, argv, &index, &err) == 0 &&
	    (index < 1 || index > argc))
		abort();
	strv_done(&globals.list);
	return 0;
}
