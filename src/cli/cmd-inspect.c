/* inspect: everything known about containers, images and volumes, as JSON. */
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "cli/cli-internal.h"
#include "cli/output.h"
#include "codec/json.h"
#include "engine/volumes.h"
#include "image/image.h"

struct inspect_opts {
	const char *format;
	const char *type;
	bool size;
};

#define I(field) OPT(struct inspect_opts, field)
/* clang-format off */
static const struct opt options[] = {
	{ "format", 'f', OPT_STR, I(format), "TEMPLATE", "print each object by a Go template, or 'json'", 0, 0 },
	{ "size", 's', OPT_BOOL, I(size), NULL, "add the bytes a container wrote (SizeRw, SizeRootFs)", 0, 0 },
	{ "type", 't', OPT_STR, I(type), "TYPE", "container, image, volume, or all (default all, in this order)", 0, 0 },
	OPT_END
};
/* clang-format on */

static int inspect_container(struct cmd_ctx *ctx, const char *ref, bool with_size,
                             struct json_object **ret)
{
	return container_inspect(&ctx->engine, ref, with_size, ret, &ctx->err);
}

static int inspect_image(struct cmd_ctx *ctx, const char *ref, bool with_size,
                         struct json_object **ret)
{
	AUTO_IMAGE image = IMAGE_INIT;
	struct image_store *store = cli_images(ctx);

	if (!store || image_resolve(store, ref, &image, &ctx->err) < 0)
		return -1;
	return image_inspect(store, &image, ret, &ctx->err);
}

static int inspect_volume(struct cmd_ctx *ctx, const char *ref, bool with_size,
                          struct json_object **ret)
{
	struct volume v = { 0 };
	struct engine *e = &ctx->engine;
	struct json_object *obj, *labels;

	if (volume_get(e->root_fd, e->root_path, ref, &v, &ctx->err) < 0)
		return -1;
	obj = json_object_new_object();
	json_add_str(obj, "Name", v.name);
	json_add_str(obj, "Driver", "local");
	json_add_str(obj, "Mountpoint", v.mountpoint);
	json_add_str(obj, "CreatedAt", time_format(v.created_ns).s);
	json_add_str(obj, "Scope", "local");
	json_add_bool(obj, "Anonymous", v.anonymous);
	json_add_object(obj, "Options");
	labels = json_add_object(obj, "Labels");
	for (size_t i = 0; i < v.labels.len; i++) {
		const char *text = v.labels.items[i];
		AUTO_FREE char *key = strndup(text, strcspn(text, "="));

		json_add_str(labels, key, text[strlen(key)] ? text + strlen(key) + 1 : "");
	}
	volume_done(&v);
	*ret = obj;
	return 0;
}

static const struct {
	const char *name;
	int (*fn)(struct cmd_ctx *ctx, const char *ref, bool with_size, struct json_object **ret);
} types[] = {
	{ "container", inspect_container },
	{ "image", inspect_image },
	{ "volume", inspect_volume },
};

/* The first type that has the object. */
static int inspect_one(struct cmd_ctx *ctx, const char *type, const char *ref, bool with_size,
                       struct json_object **ret)
{
	struct err first = ERR_INIT;

	for (size_t i = 0; i < ARRAY_LEN(types); i++) {
		if (type && strcmp(type, types[i].name))
			continue;
		if (types[i].fn(ctx, ref, with_size, ret) == 0)
			return 0;
		if (type)
			return -1;
		/* a name that cannot be an image's may be a volume's: only other errors matter */
		if (ctx->err.code != E_NOT_FOUND && ctx->err.code != E_INVALID)
			return -1;
		if (ctx->err.code == E_INVALID && first.code == E_OK)
			first = ctx->err;
	}
	/* an ambiguous id says so; a badly written name is simply not there */
	if (first.code != E_OK && strstr(first.msg, "ambiguous"))
		ctx->err = first;
	else
		err_set(&ctx->err, E_NOT_FOUND, "no such object: '%s'", ref);
	return -1;
}

static void print_found(struct json_object *found)
{
	puts(json_object_array_length(found) ? json_text(found, true) : "[]");
}

static int inspect_all(struct cmd_ctx *ctx, const struct inspect_opts *o, const char *type,
                       const struct strv *refs)
{
	AUTO_JSON *found = json_object_new_array();
	bool as_list = !o->format || !strcmp(o->format, "json");

	if (!cli_engine(ctx))
		return -1;
	for (size_t i = 0; i < refs->len; i++) {
		struct json_object *obj = NULL;

		if (inspect_one(ctx, type, refs->items[i], o->size, &obj) < 0) {
			/* the list is printed first, then what is missing from it */
			if (as_list && i + 1 == refs->len) {
				print_found(found);
				as_list = false;
			}
			cli_report(ctx);
			continue;
		}
		json_object_array_add(found, obj);
		if (!as_list && o->format && output_value(o->format, obj, &ctx->err) < 0)
			return -1;
	}
	if (as_list)
		print_found(found);
	return 0;
}

static int run_typed(struct cmd_ctx *ctx, const struct command *self, int argc, char **argv,
                     const char *type)
{
	struct inspect_opts o = { .type = type };
	AUTO_STRV args = STRV_INIT;
	bool known;
	int r = cli_parse(ctx, self, &o, argc, argv, &args);

	if (r)
		return cli_parsed(r);
	if (o.type && !strcmp(o.type, "all"))
		o.type = NULL;
	known = !o.type;
	for (size_t i = 0; i < ARRAY_LEN(types); i++)
		known = known || !strcmp(o.type, types[i].name);
	if (!known) {
		err_set(&ctx->err, E_INVALID, "option --type: '%s' is not a type", o.type);
		return err_hint(&ctx->err, "use container, image, volume or all");
	}
	return inspect_all(ctx, &o, o.type, &args);
}

static int run(struct cmd_ctx *ctx, const struct command *self, int argc, char **argv)
{
	return run_typed(ctx, self, argc, argv, NULL);
}

static int run_container(struct cmd_ctx *ctx, const struct command *self, int argc, char **argv)
{
	return run_typed(ctx, self, argc, argv, "container");
}

static int run_image(struct cmd_ctx *ctx, const struct command *self, int argc, char **argv)
{
	return run_typed(ctx, self, argc, argv, "image");
}

static int run_volume(struct cmd_ctx *ctx, const struct command *self, int argc, char **argv)
{
	return run_typed(ctx, self, argc, argv, "volume");
}

const struct command cmd_inspect = {
	.name = "inspect",
	.args = "NAME [NAME...]",
	.summary = "Show everything about containers, images or volumes",
	.tables = { options },
	.min_args = 1,
	.max_args = -1,
	.complete = COMPLETE_CONTAINER,
	.run = run,
};
const struct command cmd_container_inspect = {
	.name = "inspect",
	.args = "CONTAINER [CONTAINER...]",
	.summary = "Show everything about containers",
	.tables = { options },
	.min_args = 1,
	.max_args = -1,
	.complete = COMPLETE_CONTAINER,
	.run = run_container,
};
const struct command cmd_image_inspect = {
	.name = "inspect",
	.args = "IMAGE [IMAGE...]",
	.summary = "Show everything about images",
	.tables = { options },
	.min_args = 1,
	.max_args = -1,
	.complete = COMPLETE_IMAGE,
	.run = run_image,
};
const struct command cmd_volume_inspect = {
	.name = "inspect",
	.args = "VOLUME [VOLUME...]",
	.summary = "Show everything about volumes",
	.tables = { options },
	.min_args = 1,
	.max_args = -1,
	.complete = COMPLETE_VOLUME,
	.run = run_volume,
};
