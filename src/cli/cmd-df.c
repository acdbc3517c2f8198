/* system df: what images, containers and volumes take on disk. */
#include <string.h>

#include "base/num.h"
#include "base/xalloc.h"
#include "cli/cli-internal.h"
#include "cli/output.h"
#include "codec/json.h"
#include "engine/volumes.h"
#include "image/image.h"
#include "image/usage.h"

struct df_opts {
	const char *format;
	bool verbose;
};

#define D(field) OPT(struct df_opts, field)
/* clang-format off */
static const struct opt options[] = {
	{ "format", 0, OPT_STR, D(format), "TEMPLATE", "table, 'table TEMPLATE', json, or a Go template", 0, 0 },
	{ "verbose", 'v', OPT_BOOL, D(verbose), NULL, "list every image, container and volume", 0, 0 },
	OPT_END
};
/* clang-format on */

struct volume_use {
	const char *name; /* borrowed from the list */
	uint64_t bytes;
	uint64_t links; /* containers that mount it */
};

/* All that is shown, read before anything is printed. */
struct df {
	struct container_list containers;
	uint64_t *container_bytes;
	struct image_usage images;
	struct volume_list volumes;
	struct volume_use *volume_uses;
};

static void df_done(struct df *df)
{
	container_list_done(&df->containers);
	free(df->container_bytes);
	image_usage_done(&df->images);
	volume_list_done(&df->volumes);
	free(df->volume_uses);
}
#define AUTO_DF __attribute__((cleanup(df_done))) struct df

static bool is_active(const struct container_row *row)
{
	return row->status == CONTAINER_RUNNING || row->status == CONTAINER_PAUSED ||
	       row->status == CONTAINER_RESTARTING;
}

static int read_containers(struct cmd_ctx *ctx, struct df *df)
{
	struct container_list_args list_args = { .all = true };

	if (container_list(&ctx->engine, &list_args, &df->containers, &ctx->err) < 0)
		return -1;
	df->container_bytes = xcalloc(df->containers.count + 1, sizeof(*df->container_bytes));
	for (size_t i = 0; i < df->containers.count; i++)
		df->container_bytes[i] =
			container_disk_bytes(&ctx->engine, df->containers.rows[i].id);
	return 0;
}

/* The volumes' names are in the rows, as ps shows them. */
static void count_links(struct df *df, struct volume_use *use)
{
	for (size_t i = 0; i < df->containers.count; i++) {
		AUTO_STRV mounts = STRV_INIT;

		strv_split(&mounts, df->containers.rows[i].mounts, ',');
		use->links += strv_has(&mounts, use->name);
	}
}

static int read_volumes(struct cmd_ctx *ctx, struct df *df)
{
	struct engine *e = &ctx->engine;

	if (volume_list(e->root_fd, e->root_path, &df->volumes, &ctx->err) < 0)
		return -1;
	df->volume_uses = xcalloc(df->volumes.count + 1, sizeof(*df->volume_uses));
	for (size_t i = 0; i < df->volumes.count; i++) {
		struct volume_use *use = &df->volume_uses[i];

		use->name = df->volumes.items[i].name;
		use->bytes = volume_disk_bytes(e->root_fd, use->name);
		count_links(df, use);
	}
	return 0;
}

/* --- the summary --- */

static const struct column df_columns[] = {
	{ "Type", "TYPE" }, { "TotalCount", "TOTAL" },        { "Active", "ACTIVE" },
	{ "Size", "SIZE" }, { "Reclaimable", "RECLAIMABLE" }, { 0 },
};

struct df_row {
	const char *type;
	size_t total;
	size_t active;
	uint64_t size_bytes;
	uint64_t reclaimable_bytes;
};

static int print_row(struct cmd_ctx *ctx, struct output *out, const struct df_row *d)
{
	struct json_object *row = json_object_new_object();
	AUTO_FREE char *reclaimable = xasprintf(
		"%s (%u%%)", format_size(d->reclaimable_bytes).s,
		d->size_bytes ? (unsigned)(d->reclaimable_bytes * 100 / d->size_bytes) : 0);

	json_add_str(row, "Type", d->type);
	json_add_u64(row, "TotalCount", d->total);
	json_add_u64(row, "Active", d->active);
	json_add_str(row, "Size", format_size(d->size_bytes).s);
	json_add_str(row, "Reclaimable", reclaimable);
	json_add_u64(row, "SizeBytes", d->size_bytes);
	json_add_u64(row, "ReclaimableBytes", d->reclaimable_bytes);
	return output_row(out, row, &ctx->err);
}

static void sum_up(const struct df *df, struct df_row rows[3])
{
	rows[0] = (struct df_row){ .type = "Images",
		                   .total = df->images.n_images,
		                   .size_bytes = df->images.disk_bytes,
		                   .reclaimable_bytes =
		                           df->images.disk_bytes - df->images.held_bytes };
	for (size_t i = 0; i < df->images.n_images; i++)
		rows[0].active += df->images.images[i].users.len > 0;
	rows[1] = (struct df_row){ .type = "Containers", .total = df->containers.count };
	for (size_t i = 0; i < df->containers.count; i++) {
		bool active = is_active(&df->containers.rows[i]);

		rows[1].active += active;
		rows[1].size_bytes += df->container_bytes[i];
		rows[1].reclaimable_bytes += active ? 0 : df->container_bytes[i];
	}
	rows[2] = (struct df_row){ .type = "Local Volumes", .total = df->volumes.count };
	for (size_t i = 0; i < df->volumes.count; i++) {
		const struct volume_use *use = &df->volume_uses[i];

		rows[2].active += use->links > 0;
		rows[2].size_bytes += use->bytes;
		rows[2].reclaimable_bytes += use->links ? 0 : use->bytes;
	}
}

static int print_summary(struct cmd_ctx *ctx, const char *format, const struct df *df)
{
	AUTO_OUTPUT out = OUTPUT_INIT;
	struct df_row rows[3];

	if (output_begin(&out, format,
	                 "{{.Type}}\t{{.TotalCount}}\t{{.Active}}\t{{.Size}}\t{{.Reclaimable}}",
	                 df_columns, &ctx->err) < 0)
		return -1;
	sum_up(df, rows);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		if (print_row(ctx, &out, &rows[i]) < 0)
			return -1;
	output_end(&out);
	return 0;
}

/* --- in detail --- */

static const struct column image_columns[] = {
	{ "Repository", "REPOSITORY" },
	{ "Tag", "TAG" },
	{ "ID", "IMAGE ID" },
	{ "CreatedSince", "CREATED" },
	{ "Size", "SIZE" },
	{ "SharedSize", "SHARED SIZE" },
	{ "UniqueSize", "UNIQUE SIZE" },
	{ "Containers", "CONTAINERS" },
	{ "UsedSince", "LAST USED" },
	{ 0 },
};
static const struct column container_columns[] = {
	{ "ID", "CONTAINER ID" },
	{ "Image", "IMAGE" },
	{ "Command", "COMMAND" },
	{ "Size", "SIZE" },
	{ "Status", "STATUS" },
	{ "Names", "NAMES" },
	{ 0 },
};
static const struct column volume_columns[] = {
	{ "Name", "VOLUME NAME" }, { "Links", "LINKS" }, { "Size", "SIZE" }, { 0 }
};

static struct json_object *image_json(const struct usage_image *image)
{
	struct json_object *row = json_object_new_object();
	const char *familiar, *tag = NULL;
	AUTO_FREE char *repository = NULL;
	char id[13], text[64];

	if (image->names.len) {
		familiar = image_ref_familiar(image->names.items[0]);
		repository = xstrndup(familiar, image_ref_split(familiar, &tag));
	}
	json_add_str(row, "ID", cli_short_id(image->id, false, id));
	json_add_str(row, "Repository", repository ? repository : "<none>");
	json_add_str(row, "Tag", tag ? tag : "<none>");
	json_add_str(row, "CreatedSince", cli_ago_text(image->created_ns, text, sizeof(text)));
	json_add_str(row, "UsedSince", cli_ago_text(image->used_ns, text, sizeof(text)));
	json_add_str(row, "Size", format_size(image->disk_bytes).s);
	json_add_str(row, "SharedSize", format_size(image->shared_bytes).s);
	json_add_str(row, "UniqueSize", format_size(image->disk_bytes - image->shared_bytes).s);
	json_add_u64(row, "SizeBytes", image->disk_bytes);
	json_add_u64(row, "SharedBytes", image->shared_bytes);
	json_add_u64(row, "Containers", image->n_containers);
	return row;
}

static struct json_object *container_json(const struct df *df, size_t i)
{
	const struct container_row *c = &df->containers.rows[i];
	struct json_object *row = json_object_new_object();
	char id[13];

	json_add_str(row, "ID", cli_short_id(c->id, false, id));
	json_add_str(row, "Image", c->image);
	json_add_str(row, "Command", c->command);
	json_add_str(row, "Size", format_size(df->container_bytes[i]).s);
	json_add_u64(row, "SizeBytes", df->container_bytes[i]);
	json_add_str(row, "Status", container_status_name(c->status));
	json_add_str(row, "Names", c->name);
	return row;
}

static struct json_object *volume_json(const struct volume_use *use)
{
	struct json_object *row = json_object_new_object();

	json_add_str(row, "Name", use->name);
	json_add_u64(row, "Links", use->links);
	json_add_str(row, "Size", format_size(use->bytes).s);
	json_add_u64(row, "SizeBytes", use->bytes);
	return row;
}

/* One object with three lists: what docker prints for -v --format json. */
static struct json_object *details_json(const struct df *df)
{
	struct json_object *all = json_object_new_object();
	struct json_object *images = json_add_array(all, "Images");
	struct json_object *containers = json_add_array(all, "Containers");
	struct json_object *volumes = json_add_array(all, "Volumes");

	for (size_t i = 0; i < df->images.n_images; i++)
		json_object_array_add(images, image_json(&df->images.images[i]));
	for (size_t i = 0; i < df->containers.count; i++)
		json_object_array_add(containers, container_json(df, i));
	for (size_t i = 0; i < df->volumes.count; i++)
		json_object_array_add(volumes, volume_json(&df->volume_uses[i]));
	json_add_u64(all, "KeptBytes", df->images.kept_bytes + df->images.ingest_bytes);
	return all;
}

static int print_table(struct cmd_ctx *ctx, const char *title, const char *layout,
                       const struct column *columns, struct json_object *rows)
{
	AUTO_OUTPUT out = OUTPUT_INIT;

	if (output_begin(&out, NULL, layout, columns, &ctx->err) < 0)
		return -1;
	for (size_t i = 0; i < json_object_array_length(rows); i++)
		if (output_row(&out, json_object_get(json_object_array_get_idx(rows, i)),
		               &ctx->err) < 0)
			return -1;
	puts(title);
	output_end(&out);
	return 0;
}

static int print_details(struct cmd_ctx *ctx, const char *format, const struct df *df)
{
	AUTO_JSON *all = details_json(df);

	if (format && strcmp(format, "table") != 0)
		return output_value(format, all, &ctx->err);
	if (print_table(ctx, "Images space usage:\n",
	                "{{.Repository}}\t{{.Tag}}\t{{.ID}}\t{{.CreatedSince}}\t{{.Size}}\t"
	                "{{.SharedSize}}\t{{.UniqueSize}}\t{{.Containers}}\t{{.UsedSince}}",
	                image_columns, json_object_object_get(all, "Images")) < 0 ||
	    print_table(ctx, "\nContainers space usage:\n",
	                "{{.ID}}\t{{.Image}}\t{{.Command}}\t{{.Size}}\t{{.Status}}\t{{.Names}}",
	                container_columns, json_object_object_get(all, "Containers")) < 0 ||
	    print_table(ctx, "\nLocal Volumes space usage:\n", "{{.Name}}\t{{.Links}}\t{{.Size}}",
	                volume_columns, json_object_object_get(all, "Volumes")) < 0)
		return -1;
	if (df->images.kept_bytes + df->images.ingest_bytes)
		printf("\nKept of interrupted pulls: %s\n",
		       format_size(df->images.kept_bytes + df->images.ingest_bytes).s);
	return 0;
}

static int run_df(struct cmd_ctx *ctx, const struct command *self, int argc, char **argv)
{
	struct df_opts o = { 0 };
	AUTO_DF df = { .images = IMAGE_USAGE_INIT };
	struct image_store *store;
	AUTO_STRV args = STRV_INIT;
	int r = cli_parse(ctx, self, &o, argc, argv, &args);

	if (r)
		return cli_parsed(r);
	store = cli_images(ctx);
	if (!store || read_containers(ctx, &df) < 0 || read_volumes(ctx, &df) < 0 ||
	    image_usage_read(store, &df.images, &ctx->err) < 0)
		return -1;
	return o.verbose ? print_details(ctx, o.format, &df) : print_summary(ctx, o.format, &df);
}

const struct command cmd_system_df = {
	.name = "df",
	.summary = "Show how much disk space images, containers and volumes take",
	.tables = { options },
	.run = run_df,
};
