/* container prune, image prune, system prune: removing what is not needed. */
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/num.h"
#include "base/xalloc.h"
#include "cli/cli-internal.h"
#include "cli/output.h"
#include "codec/json.h"
#include "engine/log-read.h"
#include "engine/volumes.h"
#include "image/mount.h"
#include "image/prune.h"

struct prune_opts {
	bool all;
	bool dry_run;
	bool external;
	bool force;
	bool volumes;
	const char *keep_storage;
	const char *unused_for;
	struct strv filters;
};

#define P(field) OPT(struct prune_opts, field)
/* clang-format off */
static const struct opt container_options_[] = {
	{ "filter", 0, OPT_LIST, P(filters), "KEY=VALUE", "only those that match: until=TIME (made before), label=KEY[=VALUE], label!=KEY[=VALUE]", 0, 0 },
	{ "force", 'f', OPT_BOOL, P(force), NULL, "do not ask", 0, 0 },
	OPT_END
};
static const struct opt image_options[] = {
	{ "all", 'a', OPT_BOOL, P(all), NULL, "remove every image no container uses, not only those without a name", 0, 0 },
	{ "dry-run", 0, OPT_BOOL, P(dry_run), NULL, "print what would go, and remove nothing", 0, 0 },
	{ "external", 0, OPT_BOOL, P(external), NULL, "also images that only 'image mount' holds: they are unmounted", 0, 0 },
	{ "filter", 0, OPT_LIST, P(filters), "KEY=VALUE", "only those that match: until=TIME (made before), label=KEY[=VALUE], label!=KEY[=VALUE], dangling=false (as --all)", 0, 0 },
	{ "force", 'f', OPT_BOOL, P(force), NULL, "do not ask", 0, 0 },
	{ "keep-storage", 0, OPT_STR, P(keep_storage), "SIZE", "remove the least recently used ones first, and stop when the store takes no more than SIZE", 0, 0 },
	{ "unused-for", 0, OPT_STR, P(unused_for), "TIME", "only images from which no container was made for so long (30d, 12h)", 0, 0 },
	OPT_END
};
static const struct opt system_options[] = {
	{ "all", 'a', OPT_BOOL, P(all), NULL, "remove every image no container uses, not only those without a name", 0, 0 },
	{ "filter", 0, OPT_LIST, P(filters), "KEY=VALUE", "only containers, images and volumes that match: until=TIME (made before), label=KEY[=VALUE], label!=KEY[=VALUE]", 0, 0 },
	{ "force", 'f', OPT_BOOL, P(force), NULL, "do not ask", 0, 0 },
	{ "volumes", 0, OPT_BOOL, P(volumes), NULL, "remove unused nameless volumes too", 0, 0 },
	OPT_END
};
/* clang-format on */

#define DAY_NS (24 * 3600 * 1000000000LL)

/* "30d", "2w", or what parse_duration_ms() takes. */
static int parse_age(const char *text, int64_t *ret_ns)
{
	size_t len = strlen(text);
	double number;
	int64_t ms;

	if (len > 1 && (text[len - 1] == 'd' || text[len - 1] == 'w')) {
		AUTO_FREE char *digits = xstrndup(text, len - 1);

		if (parse_double(digits, &number) < 0 || number < 0 || number > 36500)
			return -1;
		*ret_ns = (int64_t)(number * DAY_NS) * (text[len - 1] == 'w' ? 7 : 1);
		return 0;
	}
	if (parse_duration_ms(text, &ms) < 0 || ms > INT64_MAX / 1000000)
		return -1;
	*ret_ns = ms * 1000000;
	return 0;
}

/* What the --filters say. */
struct prune_filters {
	int64_t until_ns; /* 0: any */
	struct strv labels;
	struct strv not_labels;
	bool dangling_false;
};

static void filters_done(struct prune_filters *f)
{
	strv_done(&f->labels);
	strv_done(&f->not_labels);
}
#define AUTO_FILTERS __attribute__((cleanup(filters_done))) struct prune_filters

static int parse_until(struct cmd_ctx *ctx, const char *text, int64_t *ret_ns)
{
	int64_t now_ns = clock_realtime_ns(), age_ns;

	if (parse_age(text, &age_ns) == 0 && !strchr(text, '-') &&
	    text[strspn(text, "0123456789.")])
		*ret_ns = now_ns - age_ns;
	else if (log_time_parse(text, now_ns, ret_ns) < 0)
		return err_set(&ctx->err, E_INVALID,
		               "option --filter: until=%s is neither a time nor an age", text);
	return 0;
}

static int parse_filters(struct cmd_ctx *ctx, const struct strv *filters, const char *known,
                         struct prune_filters *ret)
{
	if (cli_check_filters(ctx, filters, known) < 0)
		return -1;
	for (size_t i = 0; i < filters->len; i++) {
		const char *filter = filters->items[i], *v;

		if ((v = cli_filter_value(filter, "until"))) {
			if (parse_until(ctx, v, &ret->until_ns) < 0)
				return -1;
		} else if ((v = cli_filter_value(filter, "label!"))) {
			strv_add(&ret->not_labels, v);
		} else if ((v = cli_filter_value(filter, "label"))) {
			strv_add(&ret->labels, v);
		} else if ((v = cli_filter_value(filter, "dangling"))) {
			if (strcmp(v, "true") && strcmp(v, "false") && strcmp(v, "1") &&
			    strcmp(v, "0"))
				return err_set(&ctx->err, E_INVALID,
				               "option --filter: dangling=%s is neither true nor"
				               " false",
				               v);
			ret->dangling_false = v[0] == 'f' || v[0] == '0';
		}
	}
	return 0;
}

static bool labels_pass(const struct prune_filters *f, const struct strv *labels)
{
	for (size_t i = 0; i < f->labels.len; i++)
		if (!image_label_matches(labels, f->labels.items[i]))
			return false;
	for (size_t i = 0; i < f->not_labels.len; i++)
		if (image_label_matches(labels, f->not_labels.items[i]))
			return false;
	return true;
}

/* --- containers --- */

static bool container_passes(const struct container_row *row, const struct prune_filters *f)
{
	AUTO_JSON *obj = NULL;
	AUTO_STRV labels = STRV_INIT;

	if (f->until_ns && row->created_ns >= f->until_ns)
		return false;
	if (json_parse("labels", row->labels, strlen(row->labels), &obj, ERR_IGNORE) == 0 &&
	    json_object_is_type(obj, json_type_object)) {
		json_object_object_foreach(obj, key, value)
			strv_addf(&labels, "%s=%s", key, json_object_get_string(value));
	}
	return labels_pass(f, &labels);
}

static int prune_containers(struct cmd_ctx *ctx, const struct prune_filters *f)
{
	struct container_list_args list_args = { .all = true };
	struct container_list list = { 0 };

	if (!cli_engine(ctx) || container_list(&ctx->engine, &list_args, &list, &ctx->err) < 0)
		return -1;
	for (size_t i = 0; i < list.count; i++) {
		const struct container_row *c = &list.rows[i];

		if ((c->status != CONTAINER_CREATED && c->status != CONTAINER_EXITED &&
		     c->status != CONTAINER_DEAD) ||
		    !container_passes(c, f))
			continue;
		if (container_rm(&ctx->engine, c->id, 0, &ctx->err) < 0)
			cli_report(ctx);
		else
			puts(c->id);
	}
	container_list_done(&list);
	return 0;
}

static int run_container_prune(struct cmd_ctx *ctx, const struct command *self, int argc,
                               char **argv)
{
	struct prune_opts o = { 0 };
	AUTO_FILTERS f = { 0 };
	AUTO_STRV args = STRV_INIT;
	int r = cli_parse(ctx, self, &o, argc, argv, &args);

	if (r == 0 && parse_filters(ctx, &o.filters, "until,label,label!", &f) < 0)
		r = -1;
	strv_done(&o.filters);
	if (r)
		return cli_parsed(r);
	r = cli_confirm(ctx, o.force, "Remove all containers that do not run?");
	return r > 0 ? prune_containers(ctx, &f) : r;
}

/* --- images --- */

static int prune_images(struct cmd_ctx *ctx, const struct image_prune_options *options)
{
	struct image_removed removed = IMAGE_REMOVED_INIT;
	struct image_store *store = cli_images(ctx);
	const char *would = options->dry_run ? "Would be " : "";
	int r;

	if (!store)
		return -1;
	r = image_prune(store, options, &removed, &ctx->err);
	for (size_t i = 0; r == 0 && i < removed.untagged.len; i++)
		printf("%s%s: %s\n", would, options->dry_run ? "untagged" : "Untagged",
		       image_ref_familiar(removed.untagged.items[i]));
	for (size_t i = 0; r == 0 && i < removed.deleted.len; i++)
		printf("%s%s: %s\n", would, options->dry_run ? "deleted" : "Deleted",
		       removed.deleted.items[i]);
	if (r == 0)
		printf("Total %s space: %s\n", options->dry_run ? "reclaimable" : "reclaimed",
		       format_size(removed.freed).s);
	image_removed_done(&removed);
	return r;
}

static int plan_images(struct cmd_ctx *ctx, const struct prune_opts *o,
                       const struct prune_filters *f, struct image_prune_options *ret)
{
	*ret = (struct image_prune_options){
		.all = o->all || f->dangling_false,
		.external = o->external,
		.dry_run = o->dry_run,
		.has_keep_bytes = o->keep_storage != NULL,
		.until_ns = f->until_ns,
		.labels = f->labels.len ? &f->labels : NULL,
		.not_labels = f->not_labels.len ? &f->not_labels : NULL,
	};
	if (o->keep_storage && parse_size(o->keep_storage, &ret->keep_bytes) < 0)
		return err_set(&ctx->err, E_INVALID, "option --keep-storage: '%s' is not a size",
		               o->keep_storage);
	if (o->unused_for && parse_age(o->unused_for, &ret->unused_for_ns) < 0) {
		err_set(&ctx->err, E_INVALID, "option --unused-for: '%s' is not a length of time",
		        o->unused_for);
		return err_hint(&ctx->err, "write 30d, 2w or 12h");
	}
	return 0;
}

static int run_image_prune(struct cmd_ctx *ctx, const struct command *self, int argc, char **argv)
{
	struct image_prune_options options;
	struct prune_opts o = { 0 };
	AUTO_FILTERS f = { 0 };
	AUTO_STRV args = STRV_INIT;
	int r = cli_parse(ctx, self, &o, argc, argv, &args);

	if (r == 0 && (parse_filters(ctx, &o.filters, "until,label,label!,dangling", &f) < 0 ||
	               plan_images(ctx, &o, &f, &options) < 0))
		r = -1;
	strv_done(&o.filters);
	if (r)
		return cli_parsed(r);
	r = cli_confirm(ctx, o.force || o.dry_run,
	                options.all ? "Remove all images that no container uses?"
	                            : "Remove all images without a name that no container uses?");
	return r > 0 ? prune_images(ctx, &options) : r;
}

/* --- all --- */

static int prune_volumes(struct cmd_ctx *ctx, const struct prune_filters *f)
{
	const struct volume_prune_options options = { .until_ns = f->until_ns,
		                                      .labels = &f->labels,
		                                      .not_labels = &f->not_labels };
	AUTO_STRV volumes = STRV_INIT;

	if (volume_prune(&ctx->engine, &options, &volumes, &ctx->err) < 0)
		return -1;
	for (size_t i = 0; i < volumes.len; i++)
		puts(volumes.items[i]);
	return 0;
}

static int run_system_prune(struct cmd_ctx *ctx, const struct command *self, int argc, char **argv)
{
	struct image_prune_options options;
	struct prune_opts o = { 0 };
	AUTO_FILTERS f = { 0 };
	AUTO_STRV args = STRV_INIT;
	int r = cli_parse(ctx, self, &o, argc, argv, &args);

	if (r == 0 && (parse_filters(ctx, &o.filters, "until,label,label!", &f) < 0 ||
	               plan_images(ctx, &o, &f, &options) < 0))
		r = -1;
	strv_done(&o.filters);
	if (r)
		return cli_parsed(r);
	r = cli_confirm(ctx, o.force,
	                "Remove all containers that do not run, and the images then unused?");
	if (r <= 0)
		return r;
	if (prune_containers(ctx, &f) < 0 || (o.volumes && prune_volumes(ctx, &f) < 0))
		return -1;
	return prune_images(ctx, &options);
}

const struct command cmd_container_prune = {
	.name = "prune",
	.summary = "Remove all containers that do not run",
	.tables = { container_options_ },
	.run = run_container_prune,
};
const struct command cmd_image_prune = {
	.name = "prune",
	.summary = "Remove images that nothing needs",
	.tables = { image_options },
	.run = run_image_prune,
};
const struct command cmd_system_prune = {
	.name = "prune",
	.summary = "Remove containers that do not run, and images then unused",
	.tables = { system_options },
	.run = run_system_prune,
};
