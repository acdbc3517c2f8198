/* image tree, image files, image diff, image squash: an image's layers and files, without mounting.
 */
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/num.h"
#include "base/xalloc.h"
#include "cli/cli-internal.h"
#include "cli/output.h"
#include "codec/tree.h"
#include "image/image.h"
#include "image/make.h"
#include "image/merge.h"

struct files_opts {
	bool whatrequires;
	bool no_trunc;
	bool all_details;
	bool times;
	const char *layer;
	const char *format;
	const char *message;
	const char *tag;
};

#define F(field) OPT(struct files_opts, field)
/* clang-format off */
static const struct opt tree_options[] = {
	{ "no-trunc", 0, OPT_BOOL, F(no_trunc), NULL, "do not shorten ids", 0, 0 },
	{ "whatrequires", 0, OPT_BOOL, F(whatrequires), NULL, "list the images that begin with all layers of this one", 0, 0 },
	OPT_END
};
static const struct opt files_options[] = {
	{ "format", 0, OPT_STR, F(format), "TEMPLATE", "table, 'table TEMPLATE', json, or a Go template", 0, 0 },
	{ "layer", 0, OPT_STR, F(layer), "LAYER", "only what this layer has: its number (1 is the lowest) or the beginning of its diffID", 0, 0 },
	{ "long", 'l', OPT_BOOL, F(all_details), NULL, "mode, owner, size, time and layer too", 0, 0 },
	OPT_END
};
static const struct opt diff_options[] = {
	{ "format", 0, OPT_STR, F(format), "TEMPLATE", "table, 'table TEMPLATE', json, or a Go template", 0, 0 },
	{ "times", 0, OPT_BOOL, F(times), NULL, "another modification time is a change", 0, 0 },
	OPT_END
};
static const struct opt squash_options[] = {
	{ "message", 'm', OPT_STR, F(message), "TEXT", "comment for the image's history", 0, 0 },
	{ "tag", 't', OPT_STR, F(tag), "NAME", "name of the new image (default: none)", 0, 0 },
	OPT_END
};
/* clang-format on */

/* --- tree --- */

static bool begins_with(const struct image *image, const struct image *base)
{
	if (image->config.n_diff_ids <= base->config.n_diff_ids)
		return false;
	for (size_t i = 0; i < base->config.n_diff_ids; i++)
		if (!digest_equal(&image->config.diff_ids[i], &base->config.diff_ids[i]))
			return false;
	return true;
}

static void print_names(const char *title, const struct image *image)
{
	printf("%s[", title);
	for (size_t i = 0; i < image->names.len; i++)
		printf("%s%s", i ? " " : "", image_ref_familiar(image->names.items[i]));
	puts("]");
}

static int print_dependents(struct cmd_ctx *ctx, const struct image *base)
{
	struct image_row *rows = NULL;
	AUTO_STRV seen = STRV_INIT;
	size_t n = 0;
	int r = 0;

	if (image_list(cli_images(ctx), &rows, &n, &ctx->err) < 0)
		return -1;
	for (size_t i = 0; r == 0 && i < n; i++) {
		AUTO_IMAGE image = IMAGE_INIT;
		char id[13];

		if (strv_has(&seen, rows[i].id))
			continue;
		strv_add(&seen, rows[i].id);
		r = image_resolve(cli_images(ctx), rows[i].id, &image, &ctx->err);
		if (r < 0 || !begins_with(&image, base))
			continue;
		printf("└── ID: %s Size: %s ", cli_short_id(image.id, false, id),
		       format_size(image.size).s);
		print_names("Tags: ", &image);
	}
	image_rows_free(rows, n);
	return r;
}

static int run_tree(struct cmd_ctx *ctx, const struct command *self, int argc, char **argv)
{
	struct files_opts o = { 0 };
	AUTO_IMAGE image = IMAGE_INIT;
	struct image_store *store;
	AUTO_STRV args = STRV_INIT;
	char id[13];
	int r = cli_parse(ctx, self, &o, argc, argv, &args);

	if (r)
		return cli_parsed(r);
	store = cli_images(ctx);
	if (!store || image_resolve(store, args.items[0], &image, &ctx->err) < 0)
		return -1;
	printf("Image ID: %s\n", cli_short_id(image.id, o.no_trunc, id));
	print_names("Tags:     ", &image);
	printf("Size:     %s\n", format_size(image.size).s);
	if (o.whatrequires)
		return print_dependents(ctx, &image);
	puts("Image Layers");
	for (size_t i = 0; i < image.config.n_diff_ids; i++) {
		bool top = i + 1 == image.config.n_diff_ids;
		struct digest_text digest = digest_format(&image.config.diff_ids[i]);

		printf("%s ID: %s Size: %s%s", top ? "└──" : "├──",
		       cli_short_id(digest.s, o.no_trunc, id), format_size(image.layer_sizes[i]).s,
		       top ? " " : "\n");
		if (top)
			print_names("Top Layer of: ", &image);
	}
	return 0;
}

/* --- files --- */

static const struct column file_columns[] = {
	{ "Mode", "MODE" },        { "Owner", "OWNER" },   { "Size", "SIZE" },
	{ "ModTime", "MODIFIED" }, { "Layer", "LAYER" },   { "Path", "PATH" },
	{ "Type", "TYPE" },        { "Target", "TARGET" }, { 0 },
};

static const char *type_name(const struct tree_inode *in)
{
	static const char *const names[TAR_TYPE_MAX] = {
		[TAR_FILE] = "file",          [TAR_SYMLINK] = "symlink", [TAR_CHAR] = "char device",
		[TAR_BLOCK] = "block device", [TAR_DIR] = "directory",   [TAR_FIFO] = "fifo",
	};

	return in->flags & TREE_WHITEOUT ? "whiteout" : names[in->type];
}

/* As ls writes it: "drwxr-xr-x". */
static void mode_text(const struct tree_inode *in, char ret[static 11])
{
	static const char types[TAR_TYPE_MAX] = {
		[TAR_FILE] = '-',  [TAR_SYMLINK] = 'l', [TAR_CHAR] = 'c',
		[TAR_BLOCK] = 'b', [TAR_DIR] = 'd',     [TAR_FIFO] = 'p'
	};
	static const char letters[] = "rwxrwxrwx";
	static const struct {
		unsigned bit;
		int at;
		char with, without;
	} special[] = { { 04000, 3, 's', 'S' }, { 02000, 6, 's', 'S' }, { 01000, 9, 't', 'T' } };

	ret[0] = in->flags & TREE_WHITEOUT ? 'w' : types[in->type];
	for (int i = 0; i < 9; i++)
		ret[i + 1] = in->mode & (0400u >> i) ? letters[i] : '-';
	for (size_t i = 0; i < ARRAY_LEN(special); i++)
		if (in->mode & special[i].bit)
			ret[special[i].at] =
				ret[special[i].at] == 'x' ? special[i].with : special[i].without;
	ret[10] = '\0';
}

static struct json_object *file_json(const struct merge_entry *e, const char *path, uint32_t layer)
{
	const struct tree_inode *in = e->inode;
	struct json_object *row = json_object_new_object();
	AUTO_FREE char *owner = xasprintf("%u:%u", in->uid, in->gid);
	char mode[11];

	mode_text(in, mode);
	json_object_object_add(row, "Path", json_object_new_string(path));
	json_object_object_add(row, "Type", json_object_new_string(type_name(in)));
	json_object_object_add(row, "Mode", json_object_new_string(mode));
	json_object_object_add(row, "Owner", json_object_new_string(owner));
	json_object_object_add(row, "Size",
	                       json_object_new_uint64(in->type == TAR_FILE ? in->size : 0));
	json_object_object_add(
		row, "ModTime",
		json_object_new_string(time_format(in->mtime_s * 1000000000 + in->mtime_ns).s));
	json_object_object_add(row, "Layer", json_object_new_uint64(layer));
	json_object_object_add(row, "Target",
	                       json_object_new_string(in->type == TAR_SYMLINK ? in->link : ""));
	return row;
}

struct listing {
	struct cmd_ctx *ctx;
	struct output out;
	uint32_t first_layer; /* number of the merge's first one */
};

static int list(struct listing *l, const struct merge_entry *e, const char *path)
{
	if (output_row(&l->out, file_json(e, path, l->first_layer + e->layer), &l->ctx->err) < 0)
		return -1;
	for (size_t i = 0; i < e->n_children; i++) {
		AUTO_FREE char *child =
			xasprintf("%s/%s", strcmp(path, "/") ? path : "", e->children[i]->name);

		if (list(l, e->children[i], child) < 0)
			return -1;
	}
	return 0;
}

/* A layer's place, 0 the lowest. */
static int find_layer(struct cmd_ctx *ctx, const struct image *image, const char *text, size_t *ret)
{
	const char *hex = strncmp(text, "sha256:", 7) ? text : text + 7;
	uint32_t number;
	size_t n = 0;

	if (parse_u32(text, &number) == 0 && number >= 1 && number <= image->config.n_diff_ids) {
		*ret = number - 1;
		return 0;
	}
	for (size_t i = 0; i < image->config.n_diff_ids; i++)
		if (!strncmp(digest_hex(&image->config.diff_ids[i]).s, hex, strlen(hex))) {
			*ret = i;
			n++;
		}
	if (n == 1)
		return 0;
	err_set(&ctx->err, n ? E_INVALID : E_NOT_FOUND, "option --layer: '%s' is %s", text,
	        n ? "the beginning of several diffIDs" : "no layer of the image");
	return err_hint(&ctx->err, "see 'dhow image tree'");
}

static int list_files(struct cmd_ctx *ctx, const struct files_opts *o, const struct strv *args)
{
	const char *path = args->len > 1 ? args->items[1] : "/";
	struct listing l = { .ctx = ctx, .out = OUTPUT_INIT, .first_layer = 1 };
	const struct merge_entry *top;
	AUTO_FREE char *top_path = NULL;
	AUTO_IMAGE image = IMAGE_INIT;
	AUTO_MERGE *merge = NULL;
	size_t at = 0, n;
	int r;

	if (!cli_images(ctx) ||
	    image_resolve(cli_images(ctx), args->items[0], &image, &ctx->err) < 0)
		return -1;
	n = image.config.n_diff_ids;
	if (o->layer && find_layer(ctx, &image, o->layer, &at) < 0)
		return -1;
	if (o->layer)
		n = 1;
	if (merge_read(cli_images(ctx), image.config.diff_ids + at, n,
	               o->layer ? MERGE_KEEP_WHITEOUTS : 0, &merge, &ctx->err) < 0)
		return -1;
	top = merge_find(merge, path);
	if (!top)
		return err_set(&ctx->err, E_NOT_FOUND, "image '%s' has no '%s'", args->items[0],
		               path);
	top_path = merge_path(top);
	l.first_layer = (uint32_t)at + 1;
	l.out.no_heading = !o->all_details;
	r = output_begin(&l.out, o->format,
	                 o->all_details
	                         ? "{{.Mode}}\t{{.Owner}}\t{{.Size}}\t{{.ModTime}}\t"
	                           "{{.Layer}}\t{{.Path}}{{if .Target}} -> {{.Target}}{{end}}"
	                         : "{{.Path}}",
	                 file_columns, &ctx->err);
	if (r == 0)
		r = list(&l, top, top_path);
	if (r == 0)
		output_end(&l.out);
	output_done(&l.out);
	return r;
}

static int run_files(struct cmd_ctx *ctx, const struct command *self, int argc, char **argv)
{
	struct files_opts o = { 0 };
	AUTO_STRV args = STRV_INIT;
	int r = cli_parse(ctx, self, &o, argc, argv, &args);

	return r ? cli_parsed(r) : list_files(ctx, &o, &args);
}

/* --- diff --- */

static const struct column diff_columns[] = {
	{ "Kind", "KIND" }, { "Path", "PATH" }, { "Before", "BEFORE" }, { "After", "AFTER" }, { 0 }
};

struct comparing {
	struct cmd_ctx *ctx;
	const struct merge *a, *b;
	bool times;
	bool plain; /* for a terminal: without control characters */
	struct output out;
};

static int tell(struct comparing *c, const char *kind, const char *path,
                const struct merge_entry *before, const struct merge_entry *after)
{
	struct json_object *row = json_object_new_object();
	AUTO_FREE char *shown = xstrdup(path);

	for (char *p = shown; c->plain && *p; p++)
		*p = (unsigned char)*p < ' ' || *p == 0x7f ? '?' : *p;
	json_object_object_add(row, "Kind", json_object_new_string(kind));
	json_object_object_add(row, "Path", json_object_new_string(shown));
	json_object_object_add(row, "Before",
	                       json_object_new_uint64(before ? before->inode->size : 0));
	json_object_object_add(row, "After",
	                       json_object_new_uint64(after ? after->inode->size : 0));
	return output_row(&c->out, row, &c->ctx->err);
}

static bool same_xattrs(const struct tree_inode *x, const struct tree_inode *y)
{
	size_t n = x->xattrs ? x->xattrs->n : 0;

	if (n != (y->xattrs ? y->xattrs->n : 0))
		return false;
	for (size_t i = 0; i < n; i++) {
		const struct tree_xattr *p = &x->xattrs->items[i], *q = &y->xattrs->items[i];

		if (strcmp(p->name, q->name) != 0 || p->value_len != q->value_len ||
		    memcmp(p->value, q->value, p->value_len) != 0)
			return false;
	}
	return true;
}

/* 1 when both are the same thing with the same content. */
static int is_same(struct comparing *c, const struct merge_entry *x, const struct merge_entry *y)
{
	const struct tree_inode *p = x->inode, *q = y->inode;

	if (p->type != q->type || p->mode != q->mode || p->uid != q->uid || p->gid != q->gid ||
	    !same_xattrs(p, q))
		return 0;
	if (c->times && (p->mtime_s != q->mtime_s || p->mtime_ns != q->mtime_ns))
		return 0;
	if (p->type == TAR_SYMLINK)
		return !strcmp(p->link, q->link);
	if (p->type == TAR_CHAR || p->type == TAR_BLOCK)
		return p->dev_major == q->dev_major && p->dev_minor == q->dev_minor;
	return p->type == TAR_FILE ? merge_same_content(c->a, x, c->b, y, &c->ctx->err) : 1;
}

static int tell_all(struct comparing *c, const char *kind, const char *path,
                    const struct merge_entry *e, bool is_before)
{
	if (tell(c, kind, path, is_before ? e : NULL, is_before ? NULL : e) < 0)
		return -1;
	for (size_t i = 0; i < e->n_children; i++) {
		AUTO_FREE char *child = xasprintf("%s/%s", path, e->children[i]->name);

		if (tell_all(c, kind, child, e->children[i], is_before) < 0)
			return -1;
	}
	return 0;
}

/* Both lists of children are sorted. */
static int compare(struct comparing *c, const struct merge_entry *x, const struct merge_entry *y,
                   const char *path)
{
	size_t i = 0, k = 0;

	while (i < x->n_children || k < y->n_children) {
		const struct merge_entry *p = i < x->n_children ? x->children[i] : NULL;
		const struct merge_entry *q = k < y->n_children ? y->children[k] : NULL;
		int order = !p ? 1 : !q ? -1 : strcmp(p->name, q->name);
		AUTO_FREE char *child = xasprintf("%s/%s", path, order <= 0 ? p->name : q->name);
		int r = 0;

		i += order <= 0;
		k += order >= 0;
		if (order < 0) {
			r = tell_all(c, "D", child, p, true);
		} else if (order > 0) {
			r = tell_all(c, "A", child, q, false);
		} else {
			int same = is_same(c, p, q);

			if (same < 0 || (!same && tell(c, "C", child, p, q) < 0))
				return -1;
			r = compare(c, p, q, child);
		}
		if (r < 0)
			return -1;
	}
	return 0;
}

static int run_diff(struct cmd_ctx *ctx, const struct command *self, int argc, char **argv)
{
	struct files_opts o = { 0 };
	struct comparing c = { .ctx = ctx, .out = OUTPUT_INIT };
	AUTO_IMAGE before = IMAGE_INIT;
	AUTO_IMAGE after = IMAGE_INIT;
	AUTO_MERGE *a = NULL;
	AUTO_MERGE *b = NULL;
	struct image_store *store;
	AUTO_STRV args = STRV_INIT;
	int r = cli_parse(ctx, self, &o, argc, argv, &args);

	if (r)
		return cli_parsed(r);
	store = cli_images(ctx);
	if (!store || image_resolve(store, args.items[0], &before, &ctx->err) < 0 ||
	    image_resolve(store, args.items[1], &after, &ctx->err) < 0 ||
	    merge_read(store, before.config.diff_ids, before.config.n_diff_ids, 0, &a, &ctx->err) <
	            0 ||
	    merge_read(store, after.config.diff_ids, after.config.n_diff_ids, 0, &b, &ctx->err) < 0)
		return -1;
	c.a = a;
	c.b = b;
	c.times = o.times;
	c.plain = !o.format;
	r = output_begin(&c.out, o.format ? o.format : "{{.Kind}} {{.Path}}",
	                 "{{.Kind}}\t{{.Path}}\t{{.Before}}\t{{.After}}", diff_columns, &ctx->err);
	if (r == 0)
		r = compare(&c, merge_root(a), merge_root(b), "");
	if (r == 0)
		output_end(&c.out);
	output_done(&c.out);
	return r;
}

/* --- squash --- */

static int run_squash(struct cmd_ctx *ctx, const struct command *self, int argc, char **argv)
{
	struct files_opts o = { 0 };
	AUTO_FREE char *name = NULL;
	AUTO_FREE char *id = NULL;
	AUTO_STRV args = STRV_INIT;
	int r = cli_parse(ctx, self, &o, argc, argv, &args);

	if (r)
		return cli_parsed(r);
	if (o.tag && image_make_name(o.tag, &name, &ctx->err) < 0)
		return err_ctx(&ctx->err, "option --tag");
	if (!cli_images(ctx) ||
	    image_squash(cli_images(ctx), args.items[0], name, o.message, &id, &ctx->err) < 0)
		return -1;
	puts(id);
	return 0;
}

const struct command cmd_image_tree = {
	.name = "tree",
	.args = "IMAGE",
	.summary = "Show an image's layers",
	.tables = { tree_options },
	.min_args = 1,
	.max_args = 1,
	.complete = COMPLETE_IMAGE,
	.run = run_tree,
};
const struct command cmd_image_files = {
	.name = "files",
	.args = "IMAGE [PATH]",
	.summary = "List the files of an image, or of one of its layers, without mounting it",
	.tables = { files_options },
	.min_args = 1,
	.max_args = 2,
	.complete = COMPLETE_IMAGE,
	.run = run_files,
};
const struct command cmd_image_diff = {
	.name = "diff",
	.args = "IMAGE IMAGE",
	.summary = "List the paths that the second image adds (A), changes (C) and lacks (D)",
	.tables = { diff_options },
	.min_args = 2,
	.max_args = 2,
	.complete = COMPLETE_IMAGE,
	.run = run_diff,
};
const struct command cmd_image_squash = {
	.name = "squash",
	.args = "IMAGE",
	.summary = "Make an image of one layer with the same files",
	.tables = { squash_options },
	.min_args = 1,
	.max_args = 1,
	.complete = COMPLETE_IMAGE,
	.run = run_squash,
};
