/* store check. */
#include <stdio.h>

#include "base/log.h"
#include "cli/cli-internal.h"
#include "cli/output.h"
#include "codec/json.h"
#include "engine/check.h"

struct store_opts {
	bool quick;
	bool repair;
	bool no_fetch;
	int tls_verify;
	const char *authfile;
	const char *format;
};

#define S(field) OPT(struct store_opts, field)
/* clang-format off */
static const struct opt check_options_[] = {
	{ "authfile", 0, OPT_STR, S(authfile), "FILE", "credentials for what --repair fetches", 0, COMPLETE_FILE },
	{ "format", 0, OPT_STR, S(format), "TEMPLATE", "print one object by a Go template, or 'json'", 0, 0 },
	{ "no-fetch", 0, OPT_BOOL, S(no_fetch), NULL, "with --repair: remove what is damaged, fetch nothing", 0, 0 },
	{ "quick", 0, OPT_BOOL, S(quick), NULL, "look at presence and sizes only; do not read the layers", 0, 0 },
	{ "repair", 0, OPT_BOOL, S(repair), NULL, "make indexes anew, fetch what is damaged again, or remove it and the images that need it", 0, 0 },
	{ "tls-verify", 0, OPT_TRISTATE, S(tls_verify), NULL, "for what --repair fetches: refuse http and certificates that do not verify", 0, 0 },
	OPT_END
};
/* clang-format on */

static int print_json(struct cmd_ctx *ctx, const char *format, const struct check_report *report)
{
	AUTO_JSON *obj = json_object_new_object();
	struct json_object *list;
	size_t left = check_left(report);

	json_add_bool(obj, "Sound", left == 0);
	list = json_add_array(obj, "Findings");
	for (size_t i = 0; i < report->n; i++) {
		const struct check_finding *f = &report->items[i];
		struct json_object *item = json_object_new_object();

		json_add_str(item, "Object", f->object);
		json_add_str(item, "ID", f->id);
		json_add_str(item, "Problem", f->problem);
		json_add_str(item, "Text", f->text);
		json_add_str(item, "Action", f->action ? f->action : "");
		json_add_str(item, "Note", f->note ? f->note : "");
		json_object_array_add(list, item);
	}
	json_add_u64(obj, "Repaired", report->n - left);
	json_add_u64(obj, "Left", left);
	return output_value(format, obj, &ctx->err);
}

static void print_text(const struct check_report *report, bool repair)
{
	size_t left = check_left(report);

	for (size_t i = 0; i < report->n; i++) {
		const struct check_finding *f = &report->items[i];

		fputs(f->text, stdout);
		if (f->action)
			printf(": %s", f->action);
		else if (repair)
			fputs(": left as it is", stdout);
		if (f->note)
			printf(" (%s)", f->note);
		putchar('\n');
	}
	if (!report->n) {
		puts("The store is sound.");
		return;
	}
	printf("%zu finding%s", report->n, report->n == 1 ? "" : "s");
	if (repair)
		printf(left ? ", %zu of them left" : ", repaired", left);
	puts(".");
}

static int run_check(struct cmd_ctx *ctx, const struct command *self, int argc, char **argv)
{
	struct store_opts o = { .tls_verify = -1 };
	struct pull_options pull = PULL_OPTIONS_INIT;
	struct check_options options = { .pull = &pull };
	AUTO_CHECK_REPORT report = CHECK_REPORT_INIT;
	AUTO_STRV args = STRV_INIT;
	int r = cli_parse(ctx, self, &o, argc, argv, &args);

	if (r)
		return cli_parsed(r);
	if (o.no_fetch && !o.repair)
		return err_set(&ctx->err, E_INVALID, "option --no-fetch needs --repair");
	pull.tls_verify = o.tls_verify;
	pull.authfile = o.authfile;
	pull.cancel = cli_cancelled();
	options.quick = o.quick;
	options.repair = o.repair;
	options.no_fetch = o.no_fetch;
	if (!cli_engine(ctx))
		return -1;
	cli_catch_signals();
	r = engine_check(&ctx->engine, &options, &report, &ctx->err);
	cli_release_signals();
	if (r < 0)
		return -1;
	if (!o.format)
		print_text(&report, o.repair);
	else if (print_json(ctx, o.format, &report) < 0)
		return -1;
	return check_left(&report) ? 1 : 0;
}

static const struct command store_commands[] = {
	{
		.name = "check",
		.summary = "Verify every blob, layer and container, and repair what is broken",
		.tables = { check_options_ },
		.run = run_check,
	},
	{ 0 },
};

const struct command cmd_store = {
	.name = "store",
	.summary = "Look after the store of images",
	.sub = store_commands,
};
