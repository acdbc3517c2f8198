/* ps: the list of containers. */
#include <string.h>

#include "base/clock.h"
#include "base/num.h"
#include "base/xalloc.h"
#include "cli/cli-internal.h"
#include "cli/output.h"
#include "codec/json.h"

struct ps_opts {
	bool all;
	bool latest;
	bool no_trunc;
	bool no_heading;
	bool quiet;
	bool size;
	int64_t last;
	const char *format;
	const char *sort;
	struct strv filters;
};

#define P(field) OPT(struct ps_opts, field)
/* clang-format off */
static const struct opt options[] = {
	{ "all", 'a', OPT_BOOL, P(all), NULL, "show containers that do not run too", 0, 0 },
	{ "filter", 'f', OPT_LIST, P(filters), "KEY=VALUE", "show those that match: name, id, label, status, ancestor, exited, before, since, volume, network", 0, 0 },
	{ "format", 0, OPT_STR, P(format), "TEMPLATE", "table, 'table TEMPLATE', json, or a Go template", 0, 0 },
	{ "last", 'n', OPT_INT, P(last), "COUNT", "show the newest COUNT, in any state", 0, 0 },
	{ "latest", 'l', OPT_BOOL, P(latest), NULL, "show the newest one, in any state", 0, 0 },
	{ "no-trunc", 0, OPT_BOOL, P(no_trunc), NULL, "do not shorten what is long", 0, 0 },
	{ "noheading", 0, OPT_BOOL, P(no_heading), NULL, "no line of column titles", 0, 0 },
	{ "quiet", 'q', OPT_BOOL, P(quiet), NULL, "print ids only", 0, 0 },
	{ "size", 's', OPT_BOOL, P(size), NULL, "show the bytes written by each container", 0, 0 },
	{ "sort", 0, OPT_STR, P(sort), "FIELD", "order: created (default, newest first), id, image, names, runningfor or status", 0, 0 },
	OPT_END
};
/* clang-format on */

static const struct column columns[] = {
	{ "ID", "CONTAINER ID" },
	{ "Names", "NAMES" },
	{ "Image", "IMAGE" },
	{ "ImageID", "IMAGE ID" },
	{ "Command", "COMMAND" },
	{ "Created", "CREATED" },
	{ "CreatedAt", "CREATED AT" },
	{ "RunningFor", "CREATED" },
	{ "StartedAt", "STARTED AT" },
	{ "ExitedAt", "EXITED AT" },
	{ "ExitCode", "EXIT CODE" },
	{ "Ports", "PORTS" },
	{ "State", "STATE" },
	{ "Status", "STATUS" },
	{ "Size", "SIZE" },
	{ "Labels", "LABELS" },
	{ "Label", "LABEL" },
	{ "Mounts", "MOUNTS" },
	{ "LocalVolumes", "LOCAL VOLUMES" },
	{ "Networks", "NETWORKS" },
	{ "IP", "IP" },
	{ "Pid", "PID" },
	{ "Restarts", "RESTARTS" },
	{ "Error", "ERROR" },
	{ 0 },
};

#define COMMAND_MAX 20 /* docker's width of the COMMAND column */

/* "sh -c \"..." in quotes and cut, as docker shows it. */
static char *command_text(const char *command, bool no_trunc)
{
	size_t len = strlen(command), max = no_trunc ? len : COMMAND_MAX - 2;

	if (len <= max)
		return xasprintf("\"%s\"", command);
	/* do not cut inside a character */
	max -= 1;
	while (max && ((unsigned char)command[max] & 0xc0) == 0x80)
		max--;
	return xasprintf("\"%.*s…\"", (int)max, command);
}

/* Labels as "a=1,b=2", and the object for {{.Label}}. */
static void add_labels(struct json_object *row, const char *labels)
{
	AUTO_BUF text = STRBUF_INIT;
	struct json_object *obj = json_tokener_parse(labels[0] ? labels : "{}");

	if (!json_object_is_type(obj, json_type_object))
		return;
	json_object_object_foreach(obj, key, value)
	{
		strbuf_addf(&text, "%s%s=%s", text.len ? "," : "", key,
		            json_object_get_string(value));
	}
	json_add_str(row, "Labels", text.buf);
	output_row_labels(row, obj);
}

static int add_size(struct cmd_ctx *ctx, struct json_object *row, const char *id)
{
	AUTO_JSON *obj = NULL;
	struct json root;
	uint64_t rw = 0, all = 0;
	AUTO_FREE char *text = NULL;

	if (container_inspect(&ctx->engine, id, true, &obj, &ctx->err) < 0)
		return -1;
	root = json_root(obj, id);
	if (json_get_u64(&root, "SizeRw", &rw, &ctx->err) < 0 ||
	    json_get_u64(&root, "SizeRootFs", &all, &ctx->err) < 0)
		return -1;
	text = xasprintf("%s (virtual %s)", format_size(rw).s, format_size(all).s);
	json_add_str(row, "Size", text);
	return 0;
}

static void add_times(struct json_object *row, const struct container_row *c)
{
	char text[64];

	json_add_i64(row, "Created", c->created_ns / 1000000000);
	json_add_str(row, "CreatedAt", cli_time_text(c->created_ns, text, sizeof(text)));
	json_add_str(row, "RunningFor", cli_ago_text(c->created_ns, text, sizeof(text)));
	json_add_i64(row, "StartedAt", c->started_ns / 1000000000);
	json_add_i64(row, "ExitedAt", c->finished_ns / 1000000000);
}

static int print_row(struct cmd_ctx *ctx, struct output *out, const struct ps_opts *o,
                     const struct container_row *c, int64_t now_ns)
{
	struct json_object *row = json_object_new_object();
	AUTO_FREE char *command = command_text(c->command, o->no_trunc);
	char id[13];

	json_add_str(row, "ID", cli_short_id(c->id, o->no_trunc, id));
	json_add_str(row, "Names", c->name);
	json_add_str(row, "Image", c->image);
	json_add_str(row, "ImageID", cli_short_id(c->image_id, o->no_trunc, id));
	json_add_str(row, "Command", command);
	add_times(row, c);
	json_add_i64(row, "ExitCode", c->exit_code);
	json_add_str(row, "Ports", c->ports);
	json_add_str(row, "State", container_status_name(c->status));
	json_add_str(row, "Status", container_status_text(c, now_ns).s);
	add_labels(row, c->labels);
	json_add_str(row, "Mounts", c->mounts);
	json_add_str(row, "LocalVolumes", c->mounts);
	json_add_str(row, "Networks", c->networks);
	json_add_str(row, "IP", c->ip);
	json_add_i64(row, "Pid", c->pid);
	json_add_i64(row, "Restarts", c->restart_count);
	json_add_str(row, "Error", c->error);
	if ((o->size || !out->is_json) && output_wants(out, "Size")) {
		if (add_size(ctx, row, c->id) < 0) {
			json_object_put(row);
			return -1;
		}
	} else if (out->is_json) {
		json_add_str(row, "Size", "");
	}
	return output_row(out, row, &ctx->err);
}

#define DEFINE_COMPARE(what, expression)                                                           \
	static int compare_##what(const void *a, const void *b)                                    \
	{                                                                                          \
		const struct container_row *x = a, *y = b;                                         \
		return expression;                                                                 \
	}
DEFINE_COMPARE(id, strcmp(x->id, y->id))
DEFINE_COMPARE(image, strcmp(x->image, y->image))
DEFINE_COMPARE(names, strcmp(x->name, y->name))
DEFINE_COMPARE(started, (x->started_ns > y->started_ns) - (x->started_ns < y->started_ns))
DEFINE_COMPARE(status, (int)x->status - (int)y->status)

static int sort_list(struct cmd_ctx *ctx, const char *by, struct container_list *list)
{
	static const struct {
		const char *name;
		int (*compare)(const void *a, const void *b);
	} orders[] = { { "created", NULL },         { "id", compare_id },
		       { "image", compare_image },  { "names", compare_names },
		       { "name", compare_names },   { "runningfor", compare_started },
		       { "status", compare_status } };

	for (size_t i = 0; by && i < ARRAY_LEN(orders); i++) {
		if (strcmp(by, orders[i].name))
			continue;
		if (orders[i].compare && list->count)
			qsort(list->rows, list->count, sizeof(*list->rows), orders[i].compare);
		return 0;
	}
	if (!by)
		return 0;
	err_set(&ctx->err, E_INVALID, "option --sort: there is no order '%s'", by);
	return err_hint(&ctx->err, "use created, id, image, names, runningfor or status");
}

/* podman calls an ended container stopped. */
static void translate_filters(struct strv *filters)
{
	for (size_t i = 0; i < filters->len; i++) {
		if (strcmp(filters->items[i], "status=stopped"))
			continue;
		free(filters->items[i]);
		filters->items[i] = xstrdup("status=exited");
	}
}

static int print_list(struct cmd_ctx *ctx, const struct ps_opts *o,
                      const struct container_list *list)
{
	AUTO_OUTPUT out = OUTPUT_INIT;
	const char *layout = "{{.ID}}\t{{.Image}}\t{{.Command}}\t{{.RunningFor}}\t{{.Status}}\t"
			     "{{.Ports}}\t{{.Names}}";
	int64_t now_ns = clock_realtime_ns();

	if (o->size)
		layout = "{{.ID}}\t{{.Image}}\t{{.Command}}\t{{.RunningFor}}\t{{.Status}}\t"
			 "{{.Ports}}\t{{.Names}}\t{{.Size}}";
	out.no_heading = o->no_heading;
	if (output_begin(&out, o->format, layout, columns, &ctx->err) < 0)
		return -1;
	for (size_t i = 0; i < list->count; i++)
		if (print_row(ctx, &out, o, &list->rows[i], now_ns) < 0)
			return -1;
	output_end(&out);
	return 0;
}

static void print_ids(const struct ps_opts *o, const struct container_list *list)
{
	char id[13];

	for (size_t i = 0; i < list->count; i++)
		puts(cli_short_id(list->rows[i].id, o->no_trunc, id));
}

static int check(struct cmd_ctx *ctx, const struct ps_opts *o)
{
	if (o->last < -1 || o->last > INT32_MAX)
		return err_set(&ctx->err, E_INVALID, "option --last: %lld is out of range",
		               (long long)o->last);
	return cli_check_filters(
		ctx, &o->filters,
		"name,id,label,status,ancestor,exited,before,since,volume,network");
}

static int run(struct cmd_ctx *ctx, const struct command *self, int argc, char **argv)
{
	struct ps_opts o = { 0 };
	struct container_list list = { 0 };
	struct container_list_args list_args = { 0 };
	AUTO_STRV args = STRV_INIT;
	struct engine *e;
	int r = cli_parse(ctx, self, &o, argc, argv, &args);

	if (r == 0 && (check(ctx, &o) < 0 || !(e = cli_engine(ctx))))
		r = -1;
	if (r == 0) {
		list_args.all = o.all;
		list_args.last = o.latest ? 1 : o.last > 0 ? (int)o.last : 0;
		list_args.filters = &o.filters;
		translate_filters(&o.filters);
		r = container_list(e, &list_args, &list, &ctx->err);
		if (r == 0)
			r = sort_list(ctx, o.sort, &list);
		if (r == 0 && o.quiet && !o.format)
			print_ids(&o, &list);
		else if (r == 0)
			r = print_list(ctx, &o, &list);
		container_list_done(&list);
	}
	strv_done(&o.filters);
	return cli_parsed(r);
}

const struct command cmd_ps = {
	.name = "ps",
	.summary = "List containers",
	.tables = { options },
	.run = run,
};
