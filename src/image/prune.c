/* Which images may go, and their removal. */
#include "image/prune.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/xalloc.h"
#include "image/image-internal.h"
#include "image/mount.h"
#include "image/packed-internal.h"
#include "image/usage.h"

struct plan {
	struct image_store *store;
	const struct image_prune_options *options;
	struct image_usage usage;
	uint32_t *images; /* indexes into usage.images, least recently used first */
	size_t n;
	uint64_t evict_bytes; /* of compressed forms */
	int64_t now_ns;
};

bool image_label_matches(const struct strv *labels, const char *wanted)
{
	size_t len = strlen(wanted);

	for (size_t i = 0; i < labels->len; i++) {
		const char *label = labels->items[i];

		if (!strncmp(label, wanted, len) &&
		    (!label[len] || (label[len] == '=' && !strchr(wanted, '='))))
			return true;
	}
	return false;
}

/* 1 when its labels are as wanted. The config is read only when labels matter. */
static int has_labels(struct plan *p, const char *id, struct err *err)
{
	const struct image_prune_options *o = p->options;
	AUTO_IMAGE image = IMAGE_INIT;
	struct err why = ERR_INIT;

	if (!o->labels && !o->not_labels)
		return 1;
	if (image_resolve(p->store, id, &image, &why) < 0) {
		/* what cannot be read is not said to match; `store check` deals with it */
		if (why.code == E_NOT_FOUND || why.code == E_CORRUPT)
			return 0;
		*err = why;
		return -1;
	}
	for (size_t i = 0; o->labels && i < o->labels->len; i++)
		if (!image_label_matches(&image.config.labels, o->labels->items[i]))
			return 0;
	for (size_t i = 0; o->not_labels && i < o->not_labels->len; i++)
		if (image_label_matches(&image.config.labels, o->not_labels->items[i]))
			return 0;
	return 1;
}

/* 1 when the options choose this image. */
static int is_chosen(struct plan *p, const struct usage_image *image, struct err *err)
{
	const struct image_prune_options *o = p->options;

	if (image->n_containers || (image->users.len && !o->external) ||
	    (image->names.len && !o->all))
		return 0;
	if ((o->until_ns && image->created_ns >= o->until_ns) ||
	    (o->unused_for_ns && p->now_ns - image->used_ns < o->unused_for_ns))
		return 0;
	return has_labels(p, image->id, err);
}

static int compare_use(const void *a, const void *b, void *ctx)
{
	const struct image_usage *usage = ctx;
	const struct usage_image *x = &usage->images[*(const uint32_t *)a];
	const struct usage_image *y = &usage->images[*(const uint32_t *)b];

	if (x->used_ns != y->used_ns)
		return x->used_ns < y->used_ns ? -1 : 1;
	return strcmp(x->id, y->id);
}

/* What the files of an image take that no image left needs: gone from the sums afterwards. */
static uint64_t take_out(struct image_usage *usage, const struct usage_image *image)
{
	uint64_t bytes = 0;

	for (size_t i = 0; i < image->n_content; i++) {
		struct usage_content *c = &usage->content[image->content[i]];

		if (--c->n_images == 0)
			bytes += c->disk_bytes;
	}
	return bytes;
}

static int make_plan(struct plan *p, struct err *err)
{
	const struct image_prune_options *o = p->options;
	uint64_t left;
	size_t n = 0;

	if (image_usage_read(p->store, &p->usage, err) < 0)
		return -1;
	for (size_t i = 0; i < p->usage.n_images; i++) {
		int r = is_chosen(p, &p->usage.images[i], err);

		if (r < 0)
			return -1;
		if (r)
			VEC_PUSH(p->images, p->n, (uint32_t)i);
	}
	if (p->n)
		qsort_r(p->images, p->n, sizeof(*p->images), compare_use, &p->usage);
	if (!o->has_keep_bytes)
		return 0;
	/* what nobody needs goes in any case */
	left = p->usage.disk_bytes - p->usage.kept_bytes;
	/* the compressed forms first: nothing needs them */
	if (left > o->keep_bytes && p->usage.packed_bytes) {
		uint64_t most = left - o->keep_bytes;

		p->evict_bytes = most < p->usage.packed_bytes ? most : p->usage.packed_bytes;
		left -= p->evict_bytes;
	}
	while (n < p->n && left > o->keep_bytes)
		left -= take_out(&p->usage, &p->usage.images[p->images[n++]]);
	p->n = n;
	return 0;
}

/* --- doing it, or saying it --- */

static void merge(struct image_removed *into, struct image_removed *from)
{
	strv_add_all(&into->untagged, from->untagged.items);
	strv_add_all(&into->deleted, from->deleted.items);
	into->freed += from->freed;
	image_removed_done(from);
}

static int remove_one(struct plan *p, const struct usage_image *image, struct image_removed *ret,
                      struct err *err)
{
	const struct remove_guard guard = { .unnamed = !p->options->all,
		                            .used_max_ns = image->used_ns };
	struct image_removed one = IMAGE_REMOVED_INIT;
	struct err e = ERR_INIT;

	if (p->options->external && image_unmount_all(p->store, image->id, err) < 0)
		return -1;
	if (image_remove_guarded(p->store, image->id, p->options->all ? IMAGE_REMOVE_ALL : 0,
	                         &guard, &one, &e) == 0) {
		merge(ret, &one);
		return 0;
	}
	/* somebody removed or took it meanwhile */
	if (e.code == E_NOT_FOUND || e.code == E_BUSY) {
		log_debug("prune: %s", e.msg);
		return 0;
	}
	*err = e;
	return -1;
}

static void say_one(struct plan *p, const struct usage_image *image, struct image_removed *ret)
{
	strv_add_all(&ret->untagged, image->names.items);
	strv_add(&ret->deleted, image->id);
	for (size_t i = 0; i < image->n_content; i++) {
		struct usage_content *c = &p->usage.content[image->content[i]];

		if (--c->n_images)
			continue;
		ret->freed += c->disk_bytes;
		if (c->is_layer)
			strv_add(&ret->deleted, digest_format(&c->digest).s);
	}
}

/* take_out() was counted down by the budget: say_one() counts again from the start. */
static int count_again(struct plan *p, struct err *err)
{
	for (size_t i = 0; i < p->usage.n_content; i++)
		p->usage.content[i].n_images = 0;
	for (size_t i = 0; i < p->usage.n_images; i++)
		for (size_t k = 0; k < p->usage.images[i].n_content; k++)
			p->usage.content[p->usage.images[i].content[k]].n_images++;
	return 0;
}

/* Options that choose among images leave the rest of the store alone. */
static bool is_selective(const struct image_prune_options *o)
{
	return o->until_ns || o->unused_for_ns || o->labels || o->not_labels;
}

static int carry_out(struct plan *p, struct image_removed *ret, struct err *err)
{
	if (p->options->dry_run && count_again(p, err) < 0)
		return -1;
	if (p->evict_bytes && p->options->dry_run)
		ret->freed += p->evict_bytes;
	else if (p->evict_bytes && packed_evict(p->store, p->evict_bytes, &ret->freed, err) < 0)
		return -1;
	for (size_t i = 0; i < p->n; i++) {
		const struct usage_image *image = &p->usage.images[p->images[i]];

		if (p->options->dry_run)
			say_one(p, image, ret);
		else if (remove_one(p, image, ret, err) < 0)
			return -1;
	}
	if (is_selective(p->options))
		return 0;
	ret->freed += p->usage.kept_bytes;
	if (p->options->dry_run)
		return 0;
	if (content_sweep(p->store, true, err) < 0)
		return -1;
	return ingest_sweep(p->store, 0, err);
}

int image_prune(struct image_store *store, const struct image_prune_options *options,
                struct image_removed *ret, struct err *err)
{
	struct plan p = { .store = store,
		          .options = options,
		          .usage = IMAGE_USAGE_INIT,
		          .now_ns = clock_realtime_ns() };
	int r = make_plan(&p, err);

	if (r == 0)
		r = carry_out(&p, ret, err);
	free(p.images);
	image_usage_done(&p.usage);
	return r;
}
