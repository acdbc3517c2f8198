/* images, rmi, tag, untag, history, image exists, image prune. */
#include <fnmatch.h>
#include <string.h>

#include "base/clock.h"
#include "base/num.h"
#include "base/xalloc.h"
#include "cli/cli-internal.h"
#include "cli/output.h"
#include "image/image.h"

struct images_opts {
	bool all;
	bool digests;
	bool no_trunc;
	bool no_heading;
	bool quiet;
	const char *format;
	const char *sort;
	struct strv filters;
};

#define I(field) OPT(struct images_opts, field)
/* clang-format off */
static const struct opt images_options[] = {
	{ "all", 'a', OPT_BOOL, I(all), NULL, "for other tools: there are no hidden images here", OPT_HIDDEN, 0 },
	{ "digests", 0, OPT_BOOL, I(digests), NULL, "show digests", 0, 0 },
	{ "filter", 'f', OPT_LIST, I(filters), "KEY=VALUE", "show those that match: reference, id, label, dangling, before, since (or after)", 0, 0 },
	{ "format", 0, OPT_STR, I(format), "TEMPLATE", "table, 'table TEMPLATE', json, or a Go template", 0, 0 },
	{ "no-trunc", 0, OPT_BOOL, I(no_trunc), NULL, "do not shorten ids", 0, 0 },
	{ "noheading", 'n', OPT_BOOL, I(no_heading), NULL, "no line of column titles", 0, 0 },
	{ "quiet", 'q', OPT_BOOL, I(quiet), NULL, "print ids only", 0, 0 },
	{ "sort", 0, OPT_STR, I(sort), "FIELD", "order: created (default, newest first), id, repository, size or tag", 0, 0 },
	OPT_END
};
/* clang-format on */

static const struct column images_columns[] = {
	{ "ID", "IMAGE ID" },
	{ "Repository", "REPOSITORY" },
	{ "Tag", "TAG" },
	{ "Digest", "DIGEST" },
	{ "Name", "NAME" },
	{ "CreatedSince", "CREATED" },
	{ "CreatedAt", "CREATED AT" },
	{ "Created", "CREATED" },
	{ "Size", "SIZE" },
	{ "VirtualSize", "SIZE" },
	{ "Platform", "PLATFORM" },
	{ "Layers", "LAYERS" },
	{ "Labels", "LABELS" },
	{ 0 },
};

/* The parts of a row's name as listings show them; owned by the caller. */
struct shown_name {
	char *repository;
	const char *tag;
};

static struct shown_name show_name(const struct image_row *row)
{
	struct shown_name s = { .tag = NULL };
	const char *familiar;
	size_t len;

	if (!row->name)
		return (struct shown_name){ xstrdup("<none>"), "<none>" };
	familiar = image_ref_familiar(row->name);
	len = image_ref_split(familiar, &s.tag);
	s.repository = xstrndup(familiar, len);
	if (!s.tag)
		s.tag = "<none>";
	return s;
}

/* docker's reference=PATTERN: a glob over the name, its familiar form, and both without tag. */
static bool matches_reference(const struct image_row *row, const char *pattern)
{
	AUTO_FREE char *repository = NULL;
	const char *familiar, *tag = NULL;

	if (!row->name)
		return false;
	familiar = image_ref_familiar(row->name);
	repository = xstrndup(familiar, image_ref_split(familiar, &tag));
	return !fnmatch(pattern, familiar, 0) || !fnmatch(pattern, repository, 0) ||
	       !fnmatch(pattern, row->name, 0);
}

static bool has_label(const struct image *image, const char *wanted)
{
	size_t len = strlen(wanted);

	for (size_t i = 0; i < image->config.labels.len; i++) {
		const char *label = image->config.labels.items[i];

		if (!strncmp(label, wanted, len) &&
		    (!label[len] || (label[len] == '=' && !strchr(wanted, '='))))
			return true;
	}
	return false;
}

/* 1 when the row passes the filter, 0 when not, -1 on an error. */
static int passes(struct cmd_ctx *ctx, struct image_store *store, const struct image_row *row,
                  const char *filter)
{
	const char *v;
	bool is_before;

	if ((v = cli_filter_value(filter, "reference")))
		return matches_reference(row, v);
	if ((v = cli_filter_value(filter, "id"))) {
		const char *hex = row->id + (strncmp(v, "sha256:", 7) ? 7 : 0);

		return !strncmp(hex, v, strlen(v));
	}
	if ((v = cli_filter_value(filter, "dangling"))) {
		if (strcmp(v, "true") && strcmp(v, "false") && strcmp(v, "1") && strcmp(v, "0"))
			return err_set(&ctx->err, E_INVALID,
			               "option --filter: dangling=%s is neither true nor false", v);
		return !row->name == (v[0] == 't' || v[0] == '1');
	}
	if ((v = cli_filter_value(filter, "label"))) {
		AUTO_IMAGE image = IMAGE_INIT;

		if (image_resolve(store, row->id, &image, &ctx->err) < 0)
			return -1;
		return has_label(&image, v);
	}
	is_before = cli_filter_value(filter, "before") != NULL;
	v = cli_filter_value(filter, is_before ? "before" : "since");
	if (!v)
		v = cli_filter_value(filter, "after");
	if (v) {
		AUTO_IMAGE other = IMAGE_INIT;

		if (image_resolve(store, v, &other, &ctx->err) < 0)
			return -1;
		return is_before ? row->created_ns < other.config.created_ns
		                 : row->created_ns > other.config.created_ns;
	}
	return 1;
}

static int passes_all(struct cmd_ctx *ctx, struct image_store *store, const struct image_row *row,
                      const struct strv *filters)
{
	int r = 1;

	for (size_t i = 0; r > 0 && i < filters->len; i++)
		r = passes(ctx, store, row, filters->items[i]);
	return r;
}

static int compare_id(const void *a, const void *b)
{
	return strcmp(((const struct image_row *)a)->id, ((const struct image_row *)b)->id);
}

static int compare_name(const void *a, const void *b)
{
	const char *x = ((const struct image_row *)a)->name,
		   *y = ((const struct image_row *)b)->name;

	return strcmp(x ? image_ref_familiar(x) : "", y ? image_ref_familiar(y) : "");
}

static int compare_tag(const void *a, const void *b)
{
	const char *x = ((const struct image_row *)a)->name,
		   *y = ((const struct image_row *)b)->name;
	const char *tag_x = NULL, *tag_y = NULL;

	if (x)
		image_ref_split(x, &tag_x);
	if (y)
		image_ref_split(y, &tag_y);
	return strcmp(tag_x ? tag_x : "", tag_y ? tag_y : "");
}

static int compare_size(const void *a, const void *b)
{
	uint64_t x = ((const struct image_row *)a)->size, y = ((const struct image_row *)b)->size;

	return (x > y) - (x < y);
}

static int sort_images(struct cmd_ctx *ctx, const char *by, struct image_row *rows, size_t n)
{
	static const struct {
		const char *name;
		int (*compare)(const void *a, const void *b);
	} orders[] = { { "created", NULL },
		       { "id", compare_id },
		       { "repository", compare_name },
		       { "size", compare_size },
		       { "tag", compare_tag } };

	for (size_t i = 0; by && i < ARRAY_LEN(orders); i++) {
		if (strcmp(by, orders[i].name))
			continue;
		if (orders[i].compare && n)
			qsort(rows, n, sizeof(*rows), orders[i].compare);
		return 0;
	}
	if (!by)
		return 0;
	err_set(&ctx->err, E_INVALID, "option --sort: there is no order '%s'", by);
	return err_hint(&ctx->err, "use created, id, repository, size or tag");
}

/* Labels need the image's config: read only for a format that shows them. */
static int add_labels(struct cmd_ctx *ctx, struct json_object *obj, const char *id)
{
	AUTO_IMAGE image = IMAGE_INIT;
	struct json_object *labels;

	if (image_resolve(cli_images(ctx), id, &image, &ctx->err) < 0)
		return -1;
	labels = json_add_object(obj, "Labels");
	for (size_t i = 0; i < image.config.labels.len; i++) {
		const char *text = image.config.labels.items[i];
		AUTO_FREE char *key = xstrndup(text, strcspn(text, "="));

		json_add_str(labels, key, text[strlen(key)] ? text + strlen(key) + 1 : "");
	}
	return 0;
}

static int print_image(struct cmd_ctx *ctx, struct output *out, const struct images_opts *o,
                       const struct image_row *row)
{
	struct json_object *obj = json_object_new_object();
	struct shown_name name = show_name(row);
	char id[13], text[64];

	json_add_str(obj, "ID", cli_short_id(row->id, o->no_trunc, id));
	json_add_str(obj, "Repository", name.repository);
	json_add_str(obj, "Tag", name.tag);
	json_add_str(obj, "Digest", row->digest ? row->digest : "<none>");
	json_add_str(obj, "Name", row->name ? row->name : "<none>");
	json_add_str(obj, "CreatedSince", cli_ago_text(row->created_ns, text, sizeof(text)));
	json_add_str(obj, "CreatedAt", cli_time_text(row->created_ns, text, sizeof(text)));
	json_add_i64(obj, "Created", row->created_ns / 1000000000);
	json_add_str(obj, "Size", format_size(row->size).s);
	json_add_u64(obj, "VirtualSize", row->size);
	json_add_str(obj, "Platform", platform_format(&row->platform).s);
	json_add_i64(obj, "Layers", row->n_layers);
	free(name.repository);
	if (output_wants(out, "Labels") && add_labels(ctx, obj, row->id) < 0) {
		json_object_put(obj);
		return -1;
	}
	return output_row(out, obj, &ctx->err);
}

static int list_images(struct cmd_ctx *ctx, struct image_store *store, const struct images_opts *o,
                       const struct image_row *rows, size_t n)
{
	AUTO_OUTPUT out = OUTPUT_INIT;
	AUTO_STRV seen = STRV_INIT;
	const char *layout =
		o->digests ? "{{.Repository}}\t{{.Tag}}\t{{.Digest}}\t{{.ID}}\t{{.CreatedSince}}\t{"
			     "{.Size}}"
			   : "{{.Repository}}\t{{.Tag}}\t{{.ID}}\t{{.CreatedSince}}\t{{.Size}}";
	char id[13];

	out.no_heading = o->no_heading;
	if (output_begin(&out, o->format, layout, images_columns, &ctx->err) < 0)
		return -1;
	for (size_t i = 0; i < n; i++) {
		int r = passes_all(ctx, store, &rows[i], &o->filters);

		if (r < 0)
			return -1;
		if (r == 0)
			continue;
		if (!o->quiet || o->format) {
			if (print_image(ctx, &out, o, &rows[i]) < 0)
				return -1;
		} else if (!strv_has(&seen, rows[i].id)) { /* several names, one line */
			puts(cli_short_id(rows[i].id, o->no_trunc, id));
			strv_add(&seen, rows[i].id);
		}
	}
	if (!o->quiet || o->format)
		output_end(&out);
	return 0;
}

static int run_images(struct cmd_ctx *ctx, const struct command *self, int argc, char **argv)
{
	struct images_opts o = { 0 };
	struct image_row *rows = NULL;
	struct image_store *store = NULL;
	AUTO_STRV args = STRV_INIT;
	size_t n = 0;
	int r = cli_parse(ctx, self, &o, argc, argv, &args);

	if (r == 0)
		r = cli_check_filters(ctx, &o.filters,
		                      "reference,id,label,dangling,before,since,after");
	if (r == 0 && args.len)
		strv_addf(&o.filters, "reference=%s", args.items[0]);
	if (r == 0 && !(store = cli_images(ctx)))
		r = -1;
	if (r == 0 &&
	    (image_list(store, &rows, &n, &ctx->err) < 0 || sort_images(ctx, o.sort, rows, n) < 0))
		r = -1;
	if (r == 0)
		r = list_images(ctx, store, &o, rows, n);
	image_rows_free(rows, n);
	strv_done(&o.filters);
	return cli_parsed(r);
}

struct rmi_opts {
	bool all;
	bool force;
	bool ignore;
	bool no_prune;
};

#define R(field) OPT(struct rmi_opts, field)
/* clang-format off */
static const struct opt rmi_options[] = {
	{ "all", 'a', OPT_BOOL, R(all), NULL, "remove every image", 0, 0 },
	{ "force", 'f', OPT_BOOL, R(force), NULL, "remove an image with all its names; of one in use, the names", 0, 0 },
	{ "no-prune", 0, OPT_BOOL, R(no_prune), NULL, "for other tools: images have no nameless parents here", OPT_HIDDEN, 0 },
	{ "ignore", 'i', OPT_BOOL, R(ignore), NULL, "an image that does not exist is no error", 0, 0 },
	OPT_END
};
/* clang-format on */

static void print_removed(const struct image_removed *removed)
{
	for (size_t i = 0; i < removed->untagged.len; i++)
		printf("Untagged: %s\n", image_ref_familiar(removed->untagged.items[i]));
	for (size_t i = 0; i < removed->deleted.len; i++)
		printf("Deleted: %s\n", removed->deleted.items[i]);
}

static void remove_image(struct cmd_ctx *ctx, struct image_store *store, const char *name,
                         const struct rmi_opts *o)
{
	struct image_removed removed = IMAGE_REMOVED_INIT;
	unsigned flags = o->force ? IMAGE_REMOVE_FORCE : 0;

	if (image_remove(store, name, flags, &removed, &ctx->err) == 0)
		print_removed(&removed);
	else if (!o->ignore || ctx->err.code != E_NOT_FOUND)
		cli_report(ctx);
	image_removed_done(&removed);
}

/* With --all: names first; what has none by id. */
static int remove_all(struct cmd_ctx *ctx, struct image_store *store, const struct rmi_opts *o)
{
	struct image_row *rows = NULL;
	size_t n = 0;

	if (image_list(store, &rows, &n, &ctx->err) < 0)
		return -1;
	for (size_t i = 0; i < n; i++)
		remove_image(ctx, store, rows[i].name ? rows[i].name : rows[i].id, o);
	image_rows_free(rows, n);
	return 0;
}

static int run_rmi(struct cmd_ctx *ctx, const struct command *self, int argc, char **argv)
{
	struct rmi_opts o = { 0 };
	struct image_store *store;
	AUTO_STRV args = STRV_INIT;
	int r = cli_parse(ctx, self, &o, argc, argv, &args);

	if (r)
		return cli_parsed(r);
	if (o.all == (args.len > 0))
		return err_set(&ctx->err, E_INVALID, "rmi: %s",
		               o.all ? "--all takes no image's name"
		                     : "needs the name of an image");
	store = cli_images(ctx);
	if (!store)
		return -1;
	if (o.all)
		return remove_all(ctx, store, &o);
	for (size_t i = 0; i < args.len; i++)
		remove_image(ctx, store, args.items[i], &o);
	return 0;
}

static int run_tag(struct cmd_ctx *ctx, const struct command *self, int argc, char **argv)
{
	struct image_store *store;
	AUTO_STRV args = STRV_INIT;
	int r = cli_parse(ctx, self, NULL, argc, argv, &args);

	if (r)
		return cli_parsed(r);
	store = cli_images(ctx);
	if (!store)
		return -1;
	for (size_t i = 1; i < args.len; i++)
		if (image_tag(store, args.items[0], args.items[i], &ctx->err) < 0)
			return -1;
	return 0;
}

static int run_untag(struct cmd_ctx *ctx, const struct command *self, int argc, char **argv)
{
	struct image_store *store;
	AUTO_IMAGE image = IMAGE_INIT;
	AUTO_STRV args = STRV_INIT;
	int r = cli_parse(ctx, self, NULL, argc, argv, &args);

	if (r)
		return cli_parsed(r);
	store = cli_images(ctx);
	if (!store || image_resolve(store, args.items[0], &image, &ctx->err) < 0)
		return -1;
	for (size_t i = 1; i < args.len; i++)
		if (image_untag(store, args.items[i], &ctx->err) < 0)
			cli_report(ctx);
	for (size_t i = 0; args.len == 1 && i < image.names.len; i++)
		if (image_untag(store, image.names.items[i], &ctx->err) < 0)
			cli_report(ctx);
	return 0;
}

static int run_exists(struct cmd_ctx *ctx, const struct command *self, int argc, char **argv)
{
	struct image_store *store;
	AUTO_STRV args = STRV_INIT;
	AUTO_FREE char *id = NULL;
	int r = cli_parse(ctx, self, NULL, argc, argv, &args);

	if (r)
		return cli_parsed(r);
	store = cli_images(ctx);
	if (!store)
		return -1;
	if (image_resolve_id(store, args.items[0], &id, &ctx->err) == 0)
		return 0;
	return ctx->err.code == E_NOT_FOUND ? 1 : -1;
}

struct history_opts {
	bool human;
	bool no_trunc;
	bool quiet;
	const char *format;
};

#define H(field) OPT(struct history_opts, field)
/* clang-format off */
static const struct opt history_options[] = {
	{ "format", 0, OPT_STR, H(format), "TEMPLATE", "table, 'table TEMPLATE', json, or a Go template", 0, 0 },
	{ "human", 'H', OPT_BOOL, H(human), NULL, "sizes and times for people (default true)", 0, 0 },
	{ "no-trunc", 0, OPT_BOOL, H(no_trunc), NULL, "do not shorten what is long", 0, 0 },
	{ "quiet", 'q', OPT_BOOL, H(quiet), NULL, "print ids only", 0, 0 },
	OPT_END
};
/* clang-format on */

static const struct column history_columns[] = {
	{ "ID", "IMAGE" },
	{ "CreatedSince", "CREATED" },
	{ "CreatedAt", "CREATED AT" },
	{ "CreatedBy", "CREATED BY" },
	{ "Size", "SIZE" },
	{ "Comment", "COMMENT" },
	{ 0 },
};

#define CREATED_BY_MAX 45 /* docker's width of the CREATED BY column */

static int print_history(struct cmd_ctx *ctx, struct output *out, const struct history_opts *o,
                         const struct image_history_row *h)
{
	struct json_object *row = json_object_new_object();
	AUTO_FREE char *created_by = xstrdup(h->created_by);
	AUTO_FREE char *size = o->human ? xstrdup(format_size(h->size).s)
	                                : xasprintf("%llu", (unsigned long long)h->size);
	char id[13], text[64];

	/* Dockerfiles have line breaks */
	for (char *c = created_by; *c; c++)
		*c = *c == '\n' || *c == '\t' ? ' ' : *c;
	if (!o->no_trunc && strlen(created_by) > CREATED_BY_MAX) {
		size_t cut = CREATED_BY_MAX - 1;
		char *whole = TAKE_PTR(created_by);

		while (cut && ((unsigned char)whole[cut] & 0xc0) == 0x80)
			cut--;
		created_by = xasprintf("%.*s…", (int)cut, whole);
		free(whole);
	}
	json_add_str(row, "ID", h->id[0] == '<' ? h->id : cli_short_id(h->id, o->no_trunc, id));
	json_add_str(row, "CreatedSince",
	             o->human ? cli_ago_text(h->created_ns, text, sizeof(text))
	                      : time_format(h->created_ns).s);
	json_add_str(row, "CreatedAt", time_format(h->created_ns).s);
	json_add_str(row, "CreatedBy", created_by);
	json_add_str(row, "Size", size);
	json_add_str(row, "Comment", h->comment);
	return output_row(out, row, &ctx->err);
}

static int show_history(struct cmd_ctx *ctx, const struct history_opts *o,
                        const struct image_history_row *rows, size_t n)
{
	AUTO_OUTPUT out = OUTPUT_INIT;
	char id[13];

	if (output_begin(&out, o->format,
	                 "{{.ID}}\t{{.CreatedSince}}\t{{.CreatedBy}}\t{{.Size}}\t{{.Comment}}",
	                 history_columns, &ctx->err) < 0)
		return -1;
	for (size_t i = 0; i < n; i++) {
		const struct image_history_row *h = &rows[i];

		if (o->quiet && !o->format)
			puts(h->id[0] == '<' ? h->id : cli_short_id(h->id, o->no_trunc, id));
		else if (print_history(ctx, &out, o, h) < 0)
			return -1;
	}
	if (!o->quiet || o->format)
		output_end(&out);
	return 0;
}

static int run_history(struct cmd_ctx *ctx, const struct command *self, int argc, char **argv)
{
	struct history_opts o = { .human = true };
	AUTO_FREE struct image_history_row *rows = NULL;
	AUTO_IMAGE image = IMAGE_INIT;
	struct image_store *store;
	AUTO_STRV args = STRV_INIT;
	size_t n = 0;
	int r = cli_parse(ctx, self, &o, argc, argv, &args);

	if (r)
		return cli_parsed(r);
	store = cli_images(ctx);
	if (!store || image_resolve(store, args.items[0], &image, &ctx->err) < 0 ||
	    image_history(&image, &rows, &n, &ctx->err) < 0)
		return -1;
	return show_history(ctx, &o, rows, n);
}

const struct command cmd_images = {
	.name = "images",
	.args = "[REPOSITORY[:TAG]]",
	.summary = "List images",
	.tables = { images_options },
	.max_args = 1,
	.complete = COMPLETE_IMAGE,
	.run = run_images,
};
const struct command cmd_rmi = {
	.name = "rmi",
	.args = "IMAGE [IMAGE...]",
	.summary = "Remove images, or names of images",
	.tables = { rmi_options },
	.max_args = -1,
	.complete = COMPLETE_IMAGE,
	.run = run_rmi,
};
const struct command cmd_tag = {
	.name = "tag",
	.args = "IMAGE NAME[:TAG] [NAME[:TAG]...]",
	.summary = "Give an image another name",
	.min_args = 2,
	.max_args = -1,
	.complete = COMPLETE_IMAGE,
	.run = run_tag,
};
const struct command cmd_untag = {
	.name = "untag",
	.args = "IMAGE [NAME[:TAG]...]",
	.summary = "Take names from an image (all, if none is given); the image stays",
	.min_args = 1,
	.max_args = -1,
	.complete = COMPLETE_IMAGE,
	.run = run_untag,
};
const struct command cmd_image_exists = {
	.name = "exists",
	.args = "IMAGE",
	.summary = "Exit with 0 when the image is here, with 1 when not",
	.min_args = 1,
	.max_args = 1,
	.complete = COMPLETE_IMAGE,
	.run = run_exists,
};
const struct command cmd_history = {
	.name = "history",
	.args = "IMAGE",
	.summary = "Show how an image was made",
	.tables = { history_options },
	.min_args = 1,
	.max_args = 1,
	.complete = COMPLETE_IMAGE,
	.run = run_history,
};
