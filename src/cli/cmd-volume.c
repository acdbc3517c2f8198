/* volume ls, create, rm, prune. */
#include <string.h>

#include "base/log.h"
#include "cli/cli-internal.h"
#include "cli/output.h"
#include "codec/json.h"
#include "engine/volumes.h"

struct volume_opts {
	bool all;
	bool force;
	bool quiet;
	bool no_heading;
	const char *format;
	const char *driver;
	const char *name;
	struct strv filters;
	struct strv labels;
};

#define V(field) OPT(struct volume_opts, field)
/* clang-format off */
static const struct opt ls_options[] = {
	{ "filter", 'f', OPT_LIST, V(filters), "KEY=VALUE", "those that match: name, label", 0, 0 },
	{ "format", 0, OPT_STR, V(format), "TEMPLATE", "table, 'table TEMPLATE', json, or a Go template", 0, 0 },
	{ "noheading", 'n', OPT_BOOL, V(no_heading), NULL, "no line of column titles", 0, 0 },
	{ "quiet", 'q', OPT_BOOL, V(quiet), NULL, "print names only", 0, 0 },
	OPT_END
};
static const struct opt create_options[] = {
	{ "driver", 'd', OPT_STR, V(driver), "DRIVER", "local, the only one there is", 0, 0 },
	{ "label", 0, OPT_LIST, V(labels), "KEY=VALUE", "label of the volume", 0, 0 },
	{ "name", 0, OPT_STR, V(name), "NAME", "for other tools: the name, which is better given as argument", OPT_HIDDEN, 0 },
	OPT_END
};
static const struct opt rm_options[] = {
	{ "all", 'a', OPT_BOOL, V(all), NULL, "remove every volume that no container uses", 0, 0 },
	{ "force", 'f', OPT_BOOL, V(force), NULL, "a volume that does not exist is no error", 0, 0 },
	OPT_END
};
static const struct opt prune_options[] = {
	{ "all", 'a', OPT_BOOL, V(all), NULL, "remove unused volumes that have a name too", 0, 0 },
	{ "force", 'f', OPT_BOOL, V(force), NULL, "do not ask", 0, 0 },
	OPT_END
};
/* clang-format on */

static const struct column columns[] = {
	{ "Driver", "DRIVER" },
	{ "Name", "VOLUME NAME" },
	{ "Mountpoint", "MOUNTPOINT" },
	{ "Scope", "SCOPE" },
	{ "Labels", "LABELS" },
	{ "Label", "LABEL" },
	{ 0 },
};

static void volume_opts_done(struct volume_opts *o)
{
	strv_done(&o->filters);
	strv_done(&o->labels);
}
#define AUTO_VOLUME_OPTS __attribute__((cleanup(volume_opts_done))) struct volume_opts

static bool has_label(const struct volume *v, const char *wanted)
{
	size_t len = strlen(wanted);

	for (size_t i = 0; i < v->labels.len; i++) {
		const char *label = v->labels.items[i];

		if (!strcmp(label, wanted) ||
		    (!strchr(wanted, '=') && !strncmp(label, wanted, len) && label[len] == '='))
			return true;
	}
	return false;
}

static bool passes(const struct volume *v, const struct strv *filters)
{
	for (size_t i = 0; i < filters->len; i++) {
		const char *value = cli_filter_value(filters->items[i], "name");

		if (value && !strstr(v->name, value))
			return false;
		value = cli_filter_value(filters->items[i], "label");
		if (value && !has_label(v, value))
			return false;
	}
	return true;
}

static int print_volume(struct cmd_ctx *ctx, struct output *out, const struct volume *v)
{
	struct json_object *row = json_object_new_object(), *labels = json_object_new_object();
	AUTO_BUF text = STRBUF_INIT;

	for (size_t i = 0; i < v->labels.len; i++) {
		const char *label = v->labels.items[i];
		AUTO_FREE char *key = strndup(label, strcspn(label, "="));

		strbuf_addf(&text, "%s%s", i ? "," : "", label);
		json_add_str(labels, key, label[strlen(key)] ? label + strlen(key) + 1 : "");
	}
	json_add_str(row, "Driver", "local");
	json_add_str(row, "Name", v->name);
	json_add_str(row, "Mountpoint", v->mountpoint);
	json_add_str(row, "Scope", "local");
	json_add_str(row, "Labels", text.buf);
	output_row_labels(row, labels);
	return output_row(out, row, &ctx->err);
}

static int list_volumes(struct cmd_ctx *ctx, const struct volume_opts *o,
                        const struct volume_list *list)
{
	AUTO_OUTPUT out = OUTPUT_INIT;

	out.no_heading = o->no_heading;
	if (output_begin(&out, o->format, "{{.Driver}}\t{{.Name}}", columns, &ctx->err) < 0)
		return -1;
	for (size_t i = 0; i < list->count; i++) {
		const struct volume *v = &list->items[i];

		if (!passes(v, &o->filters))
			continue;
		if (o->quiet && !o->format)
			puts(v->name);
		else if (print_volume(ctx, &out, v) < 0)
			return -1;
	}
	if (!o->quiet || o->format)
		output_end(&out);
	return 0;
}

static int run_ls(struct cmd_ctx *ctx, const struct command *self, int argc, char **argv)
{
	AUTO_VOLUME_OPTS o = { 0 };
	struct volume_list list = { 0 };
	AUTO_STRV args = STRV_INIT;
	struct engine *e;
	int r = cli_parse(ctx, self, &o, argc, argv, &args);

	if (r)
		return cli_parsed(r);
	if (cli_check_filters(ctx, &o.filters, "name,label") < 0 || !(e = cli_engine(ctx)) ||
	    volume_list(e->root_fd, e->root_path, &list, &ctx->err) < 0)
		return -1;
	r = list_volumes(ctx, &o, &list);
	volume_list_done(&list);
	return r;
}

static int run_create(struct cmd_ctx *ctx, const struct command *self, int argc, char **argv)
{
	AUTO_VOLUME_OPTS o = { 0 };
	AUTO_STRV args = STRV_INIT;
	AUTO_FREE char *name = NULL;
	struct engine *e;
	int r = cli_parse(ctx, self, &o, argc, argv, &args);

	if (r)
		return cli_parsed(r);
	if (o.driver && strcmp(o.driver, "local"))
		return err_set(&ctx->err, E_UNSUPPORTED,
		               "option --driver: there is no volume driver '%s', only local",
		               o.driver);
	if (args.len && o.name)
		return err_set(&ctx->err, E_INVALID, "volume create: two names, '%s' and '%s'",
		               args.items[0], o.name);
	e = cli_engine(ctx);
	if (!e || volume_create(e->root_fd, args.len ? args.items[0] : o.name, &o.labels, &name,
	                        NULL, &ctx->err) < 0)
		return -1;
	puts(name);
	return 0;
}

static int rm_one(struct cmd_ctx *ctx, const char *name, void *arg)
{
	const struct volume_opts *o = arg;
	int r = volume_rm(&ctx->engine, name, o->force, &ctx->err);

	return r < 0 && o->force && ctx->err.code == E_NOT_FOUND ? 1 : r;
}

static int remove_unused(struct cmd_ctx *ctx, bool all)
{
	const struct volume_prune_options options = { .all = all };
	AUTO_STRV removed = STRV_INIT;
	struct engine *e = cli_engine(ctx);

	if (!e || volume_prune(e, &options, &removed, &ctx->err) < 0)
		return -1;
	for (size_t i = 0; i < removed.len; i++)
		puts(removed.items[i]);
	return 0;
}

static int run_rm(struct cmd_ctx *ctx, const struct command *self, int argc, char **argv)
{
	AUTO_VOLUME_OPTS o = { 0 };
	AUTO_STRV args = STRV_INIT;
	int r = cli_parse(ctx, self, &o, argc, argv, &args);

	if (r)
		return cli_parsed(r);
	if (o.all == (args.len > 0))
		return err_set(&ctx->err, E_INVALID, "volume rm: %s",
		               o.all ? "--all takes no volume's name"
		                     : "needs the name of a volume");
	return o.all ? remove_unused(ctx, true) : cli_each(ctx, &args, rm_one, &o);
}

static int run_prune(struct cmd_ctx *ctx, const struct command *self, int argc, char **argv)
{
	AUTO_VOLUME_OPTS o = { 0 };
	AUTO_STRV args = STRV_INIT;
	int r = cli_parse(ctx, self, &o, argc, argv, &args);

	if (r)
		return cli_parsed(r);
	r = cli_confirm(ctx, o.force,
	                o.all ? "Remove all volumes that no container uses?"
	                      : "Remove all nameless volumes that no container uses?");
	return r > 0 ? remove_unused(ctx, o.all) : r;
}

extern const struct command cmd_volume_inspect;

/* clang-format off */
static struct command volume_commands[6] = {
	{
		.name = "create",
		.args = "[NAME]",
		.summary = "Make a volume",
		.tables = { create_options },
		.max_args = 1,
		.run = run_create,
	},
	{ .name = "inspect" }, /* filled in below: it lives with the other inspects */
	{
		.name = "ls",
		.aliases = "list",
		.summary = "List volumes",
		.tables = { ls_options },
		.run = run_ls,
	},
	{
		.name = "prune",
		.summary = "Remove volumes that no container uses",
		.tables = { prune_options },
		.run = run_prune,
	},
	{
		.name = "rm",
		.aliases = "remove",
		.args = "VOLUME [VOLUME...]",
		.summary = "Remove volumes",
		.tables = { rm_options },
		.max_args = -1,
		.complete = COMPLETE_VOLUME,
		.run = run_rm,
	},
	{ 0 },
};
/* clang-format on */

void cli_volume_init(void)
{
	volume_commands[1] = cmd_volume_inspect;
}

const struct command cmd_volume = {
	.name = "volume",
	.summary = "Manage volumes",
	.sub = volume_commands,
};
