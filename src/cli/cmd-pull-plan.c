/* pull --plan: what a pull would fetch. */
#include <stdio.h>

#include "base/num.h"
#include "base/xalloc.h"
#include "cli/cli-internal.h"
#include "cli/output.h"
#include "cli/pull-plan.h"

static const char *const states[] = {
	[PULL_LAYER_HERE] = "here",
	[PULL_LAYER_PARTIAL] = "partial",
	[PULL_LAYER_FETCH] = "fetch",
	[PULL_LAYER_TWICE] = "twice",
};

static struct json_object *plan_json(const struct pull_plan *plan, const struct pull_result *result)
{
	struct json_object *obj = json_object_new_object();
	struct json_object *layers;

	json_add_str(obj, "Name", result->name);
	json_add_str(obj, "ID", result->id);
	json_add_str(obj, "Digest", digest_format(&result->digest).s);
	json_add_str(obj, "Platform", platform_format(&plan->platform).s);
	json_add_bool(obj, "Changed", result->changed);
	layers = json_add_array(obj, "Layers");
	for (size_t i = 0; i < plan->n_layers; i++) {
		const struct pull_plan_layer *l = &plan->layers[i];
		struct json_object *item = json_object_new_object();

		json_add_str(item, "Digest", digest_format(&l->blob).s);
		json_add_str(item, "DiffID", digest_format(&l->diff_id).s);
		json_add_u64(item, "Size", l->size);
		json_add_u64(item, "Fetch", l->fetch_bytes);
		json_add_str(item, "State", states[l->state]);
		json_object_array_add(layers, item);
	}
	json_add_u64(obj, "DocumentBytes", plan->document_bytes);
	json_add_u64(obj, "TotalBytes", plan->total_bytes);
	json_add_u64(obj, "FetchBytes", plan->fetch_bytes);
	return obj;
}

static void print_text(const struct pull_plan *plan, const struct pull_result *result)
{
	size_t n_fetch = 0;

	printf("%s: image %.19s, %s\n", image_ref_familiar(result->name), result->id,
	       platform_format(&plan->platform).s);
	for (size_t i = 0; i < plan->n_layers; i++) {
		const struct pull_plan_layer *l = &plan->layers[i];
		AUTO_FREE char *size = xstrdup(format_size(l->size).s);

		n_fetch += l->fetch_bytes > 0;
		printf("  %.19s  %8s  %s", digest_format(&l->blob).s, size, states[l->state]);
		if (l->state == PULL_LAYER_PARTIAL)
			printf(", %s left", format_size(l->fetch_bytes).s);
		putchar('\n');
	}
	if (!result->changed) {
		puts("Nothing to fetch: the image is here.");
		return;
	}
	printf("To fetch: %zu of %zu layers, %s", n_fetch, plan->n_layers,
	       format_size(plan->fetch_bytes).s);
	printf(" of %s\n", format_size(plan->total_bytes).s);
}

int pull_plan_print(struct cmd_ctx *ctx, const char *format, const struct pull_plan *plan,
                    const struct pull_result *result)
{
	AUTO_JSON *obj = NULL;

	if (!format) {
		print_text(plan, result);
		return 0;
	}
	obj = plan_json(plan, result);
	return output_value(format, obj, &ctx->err);
}
