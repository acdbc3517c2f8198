/* Helpers that the command files share. */
#include <ctype.h>
#include <errno.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/xalloc.h"
#include "cli/cli-internal.h"
#include "engine/rootless.h"

struct engine *cli_engine(struct cmd_ctx *ctx)
{
	struct engine_options options = { ctx->globals.root, ctx->globals.runroot };

	if (ctx->opened)
		return &ctx->engine;
	if (rootless_enter(ctx->globals.runroot, &ctx->err) < 0)
		return NULL;
	if (engine_open(&options, &ctx->engine, &ctx->err) < 0) {
		engine_close(&ctx->engine);
		return NULL;
	}
	ctx->opened = true;
	return &ctx->engine;
}

struct image_store *cli_images(struct cmd_ctx *ctx)
{
	struct engine *e = cli_engine(ctx);

	return e ? engine_images(e, &ctx->err) : NULL;
}

int cli_each(struct cmd_ctx *ctx, const struct strv *args, cli_ref_fn fn, void *arg)
{
	if (!cli_engine(ctx))
		return -1;
	for (size_t i = 0; i < args->len; i++) {
		int r = fn(ctx, args->items[i], arg);

		if (r < 0)
			cli_report(ctx);
		else if (r == 0)
			puts(args->items[i]);
		/* the next one may take long: what is done is shown */
		fflush(stdout);
	}
	return 0;
}

int cli_choose(struct cmd_ctx *ctx, const struct command *self, const struct strv *args, bool all,
               unsigned states, struct strv *ret)
{
	struct container_list_args list_args = { .all = true };
	struct container_list list = { 0 };
	struct engine *e;

	if (all && args->len)
		return err_set(&ctx->err, E_INVALID, "%s: --all takes no container's name",
		               self->name);
	if (!all && !args->len) {
		err_set(&ctx->err, E_INVALID, "%s: needs the name of a container", self->name);
		return err_hint(&ctx->err, "see '%s %s --help'", ctx->program, self->name);
	}
	if (!all) {
		strv_add_all(ret, args->items);
		return 0;
	}
	e = cli_engine(ctx);
	if (!e || container_list(e, &list_args, &list, &ctx->err) < 0)
		return -1;
	for (size_t i = 0; i < list.count; i++)
		if (states & 1u << list.rows[i].status)
			strv_add(ret, list.rows[i].id);
	container_list_done(&list);
	return 0;
}

static volatile sig_atomic_t cancelled;

/* The work ends by itself soon after the first; a user who insists gets out at the fourth. One
 * press may arrive twice (from the terminal and from a parent such as timeout(1)). */
#define SIGNALS_MAX 3

static void on_signal(int number)
{
	if (cancelled < SIGNALS_MAX) {
		cancelled++;
		return;
	}
	signal(number, SIG_DFL);
	raise(number);
}

void cli_catch_signals(void)
{
	struct sigaction sa = { .sa_handler = on_signal };

	sigaction(SIGINT, &sa, NULL);
	sigaction(SIGTERM, &sa, NULL);
}

void cli_release_signals(void)
{
	signal(SIGINT, SIG_DFL);
	signal(SIGTERM, SIG_DFL);
}

const volatile sig_atomic_t *cli_cancelled(void)
{
	return &cancelled;
}

int cli_attached(const struct start_result *result, const char *ref)
{
	/* the cursor is wherever the container left it */
	if (result->detached && isatty(STDERR_FILENO))
		fprintf(stderr, "\r\n[detached; back with: dhow attach %.64s]\n", ref);
	return result->exit_code;
}

const char *cli_filter_value(const char *filter, const char *key)
{
	size_t len = strlen(key);

	return !strncmp(filter, key, len) && filter[len] == '=' ? filter + len + 1 : NULL;
}

int cli_check_filters(struct cmd_ctx *ctx, const struct strv *filters, const char *known)
{
	AUTO_STRV keys = STRV_INIT;

	strv_split(&keys, known, ',');
	for (size_t i = 0; i < filters->len; i++) {
		const char *equals = strchr(filters->items[i], '=');
		bool ok = false;

		if (!equals)
			return err_set(&ctx->err, E_INVALID,
			               "option --filter: '%s' is not of the form KEY=VALUE",
			               filters->items[i]);
		for (size_t k = 0; k < keys.len && !ok; k++)
			ok = cli_filter_value(filters->items[i], keys.items[k]) != NULL;
		if (ok)
			continue;
		err_set(&ctx->err, E_INVALID, "option --filter: '%.*s' is not a filter",
		        (int)(equals - filters->items[i]), filters->items[i]);
		return err_hint(&ctx->err, "known: %s", known);
	}
	return 0;
}

const char *cli_time_text(int64_t realtime_ns, char *buf, size_t size)
{
	time_t t = realtime_ns / 1000000000;
	struct tm tm;

	buf[0] = '\0';
	if (realtime_ns && localtime_r(&t, &tm))
		strftime(buf, size, "%Y-%m-%d %H:%M:%S %z %Z", &tm);
	return buf;
}

const char *cli_ago_text(int64_t realtime_ns, char *buf, size_t size)
{
	int64_t seconds = (clock_realtime_ns() - realtime_ns) / 1000000000;

	if (realtime_ns)
		snprintf(buf, size, "%s ago", duration_human(seconds < 0 ? 0 : seconds).s);
	else
		snprintf(buf, size, "N/A");
	return buf;
}

int cli_confirm(struct cmd_ctx *ctx, bool force, const char *question)
{
	char answer[16];

	if (force)
		return 1;
	fprintf(stderr, "%s [y/N] ", question);
	if (fgets(answer, sizeof(answer), stdin))
		return tolower((unsigned char)answer[0]) == 'y';
	fputc('\n', stderr);
	err_set(&ctx->err, E_INVALID, "not confirmed: nothing was removed");
	return err_hint(&ctx->err, "--force does not ask");
}

const char *cli_short_id(const char *id, bool no_trunc, char buf[13])
{
	if (no_trunc)
		return id;
	if (!strncmp(id, "sha256:", 7))
		id += 7;
	snprintf(buf, 13, "%s", id);
	return buf;
}
