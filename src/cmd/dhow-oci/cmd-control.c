/* state, list, kill, delete, ps, pause, resume */
#include "oci.h"

#include <errno.h>
#include <signal.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/num.h"
#include "base/pattern.h"
#include "base/proc.h"
#include "base/xalloc.h"
#include "codec/json.h"
#include "oci/names.h"

struct list_values {
	const char *format;
	bool quiet;
};

struct kill_values {
	bool all, regex;
};

struct delete_values {
	bool force, regex;
};

struct ps_values {
	const char *format;
};

/* clang-format off */
const struct opt oci_list_options[] = {
	{ "format", 'f', OPT_STR, OPT(struct list_values, format), "FORMAT", "table or json (default table)", 0, 0 },
	{ "quiet", 'q', OPT_BOOL, OPT(struct list_values, quiet), NULL, "ids only", 0, 0 },
	OPT_END
};
const struct opt oci_kill_options[] = {
	{ "all", 'a', OPT_BOOL, OPT(struct kill_values, all), NULL, "signal every process of the container", 0, 0 },
	{ "regex", 'r', OPT_BOOL, OPT(struct kill_values, regex), NULL, "ID is a regular expression", 0, 0 },
	OPT_END
};
const struct opt oci_delete_options[] = {
	{ "force", 'f', OPT_BOOL, OPT(struct delete_values, force), NULL, "kill it if it runs; no error if it does not exist", 0, 0 },
	{ "regex", 'r', OPT_BOOL, OPT(struct delete_values, regex), NULL, "ID is a regular expression", 0, 0 },
	OPT_END
};
const struct opt oci_ps_options[] = {
	{ "format", 'f', OPT_STR, OPT(struct ps_values, format), "FORMAT", "table or json (default table)", 0, 0 },
	OPT_END
};
/* clang-format on */

int cmd_state(struct cmd_ctx *ctx, const struct command *self, int argc, char **argv)
{
	AUTO_STRV args = STRV_INIT;
	AUTO_STATE st = { 0 };
	AUTO_FREE char *text = NULL;
	int r = oci_parse(ctx, self, NULL, argc, argv, &args);

	if (r)
		return r < 0 ? -1 : 0;
	if (oci_root(ctx) < 0 || runtime_state(ctx->root_fd, args.items[0], &st, &ctx->err) < 0)
		return -1;
	text = runtime_state_format(&st, true);
	puts(text);
	return 0;
}

static int check_format(const char *format, struct err *err)
{
	if (format && strcmp(format, "table") != 0 && strcmp(format, "json") != 0)
		return err_set(err, E_INVALID, "option --format: '%s' is neither table nor json",
		               format);
	return 0;
}

static void list_row(const struct runtime_state *st)
{
	char owner[24];

	/* No name lookup: a static program has no name service modules. */
	snprintf(owner, sizeof(owner), "%s%u", st->owner ? "#" : "", st->owner);
	printf("%-20s %-8d %-10s %-32s %-32s %s\n", st->id, st->pid,
	       runtime_status_name(st->status), st->bundle ? st->bundle : "",
	       time_format(st->created_ns).s, st->owner ? owner : "root");
}

static void list_item(struct json_object *all, const struct runtime_state *st)
{
	AUTO_FREE char *text = runtime_state_format(st, false);
	struct json_object *item = NULL;

	if (json_parse("state", text, strlen(text), &item, ERR_IGNORE) < 0)
		return;
	json_add_str(item, "owner", st->owner ? "" : "root");
	json_object_array_add(all, item);
}

int cmd_list(struct cmd_ctx *ctx, const struct command *self, int argc, char **argv)
{
	struct list_values v = { 0 };
	AUTO_STRV args = STRV_INIT, ids = STRV_INIT;
	AUTO_JSON *all = NULL;
	bool json;
	int r = oci_parse(ctx, self, &v, argc, argv, &args);

	if (r)
		return r < 0 ? -1 : 0;
	/* Somebody else's, or misspelt: an empty answer would hide it. */
	if (ctx->globals.root && access(ctx->globals.root, F_OK) < 0)
		return err_sys(&ctx->err, errno, "open the state root '%s'", ctx->globals.root);
	if (check_format(v.format, &ctx->err) < 0 || oci_root(ctx) < 0 ||
	    runtime_list(ctx->root_fd, &ids, &ctx->err) < 0)
		return -1;
	json = v.format && strcmp(v.format, "json") == 0;
	all = json_object_new_array();
	if (!v.quiet && !json)
		printf("%-20s %-8s %-10s %-32s %-32s %s\n", "ID", "PID", "STATUS", "BUNDLE",
		       "CREATED", "OWNER");
	for (size_t i = 0; i < ids.len; i++) {
		AUTO_STATE st = { 0 };

		if (v.quiet) {
			puts(ids.items[i]);
			continue;
		}
		/* One that ends or breaks meanwhile must not hide the others. */
		if (runtime_state(ctx->root_fd, ids.items[i], &st, &ctx->err) < 0) {
			if (ctx->err.code != E_NOT_FOUND)
				log_err(&ctx->err);
			continue;
		}
		if (json)
			list_item(all, &st);
		else
			list_row(&st);
	}
	if (json && !v.quiet)
		puts(json_text(all, false));
	return 0;
}

/* Ids that match, or the id itself. */
static int choose(struct cmd_ctx *ctx, const char *arg, bool regex, struct strv *ret)
{
	AUTO_STRV all = STRV_INIT;
	AUTO(pattern_freep) struct pattern *p = NULL;

	if (!regex) {
		strv_add(ret, arg);
		return 0;
	}
	p = pattern_new(arg);
	if (!p)
		return err_set(&ctx->err, E_INVALID, "'%s' is not a regular expression", arg);
	if (runtime_list(ctx->root_fd, &all, &ctx->err) < 0)
		return -1;
	for (size_t i = 0; i < all.len; i++)
		if (pattern_matches(p, all.items[i]))
			strv_add(ret, all.items[i]);
	return 0;
}

int cmd_kill(struct cmd_ctx *ctx, const struct command *self, int argc, char **argv)
{
	struct kill_values v = { 0 };
	AUTO_STRV args = STRV_INIT, ids = STRV_INIT;
	int sig = SIGTERM;
	int r = oci_parse(ctx, self, &v, argc, argv, &args);

	if (r)
		return r < 0 ? -1 : 0;
	if (args.len > 1)
		sig = oci_signal_number(args.items[1]);
	if (sig < 0)
		return err_set(&ctx->err, E_INVALID, "'%s' is not a signal", args.items[1]);
	if (oci_root(ctx) < 0 || choose(ctx, args.items[0], v.regex, &ids) < 0)
		return -1;
	for (size_t i = 0; i < ids.len; i++)
		if (runtime_kill(ctx->root_fd, ids.items[i], sig, v.all ? RUNTIME_KILL_ALL : 0,
		                 &ctx->err) < 0)
			return -1;
	return 0;
}

int cmd_delete(struct cmd_ctx *ctx, const struct command *self, int argc, char **argv)
{
	struct delete_values v = { 0 };
	AUTO_STRV args = STRV_INIT, ids = STRV_INIT;
	int r = oci_parse(ctx, self, &v, argc, argv, &args);

	if (r)
		return r < 0 ? -1 : 0;
	if (oci_root(ctx) < 0)
		return -1;
	for (size_t i = 0; i < args.len; i++)
		if (choose(ctx, args.items[i], v.regex, &ids) < 0)
			return -1;
	for (size_t i = 0; i < ids.len; i++) {
		r = runtime_delete(ctx->root_fd, ids.items[i], v.force, &ctx->err);
		if (r < 0)
			return -1;
		if (r > 0)
			log_warn("%s", ctx->err.msg);
		oci_notify_remove(ctx->root_fd, ids.items[i]);
	}
	return 0;
}

/* ps(1)'s table, with the rows of the container's processes only. */
static int ps_table(const struct strv *ps_args, const pid_t *pids, size_t n, struct err *err)
{
	AUTO_STRV argv = STRV_INIT;
	AUTO_BUF out = STRBUF_INIT;
	struct proc_spec spec = { .stdin_fd = -1, .ret_out = &out, .max_output_bytes = 16u << 20 };
	int status = 0, column = -1, field = 0;
	char *save = NULL;

	strv_add(&argv, "ps");
	for (size_t i = 1; i < ps_args->len; i++)
		strv_add(&argv, ps_args->items[i]);
	if (ps_args->len < 2)
		strv_add(&argv, "-ef");
	spec.argv = (const char *const *)argv.items;
	if (proc_run(&spec, &status, err) < 0)
		return -1;
	if (status != 0)
		return err_set(err, E_INVALID, "ps failed with status %d", proc_exit_code(status));
	for (char *line = strtok_r(out.buf, "\n", &save); line;
	     line = strtok_r(NULL, "\n", &save)) {
		AUTO_FREE char *copy = xstrdup(line);
		char *word_save = NULL;
		uint32_t pid = 0;

		field = 0;
		for (char *w = strtok_r(copy, " ", &word_save); w;
		     w = strtok_r(NULL, " ", &word_save), field++) {
			if (column < 0 && strcmp(w, "PID") == 0) {
				column = field;
				puts(line);
				break;
			}
			if (field == column) {
				(void)parse_u32(w, &pid);
				break;
			}
		}
		for (size_t i = 0; pid && i < n; i++)
			if (pids[i] == (pid_t)pid)
				puts(line);
		if (column < 0)
			return err_set(err, E_INVALID, "ps: its output has no column PID");
	}
	return 0;
}

int cmd_ps(struct cmd_ctx *ctx, const struct command *self, int argc, char **argv)
{
	struct ps_values v = { 0 };
	AUTO_STRV args = STRV_INIT;
	AUTO_FREE pid_t *pids = NULL;
	size_t n = 0;
	int r = oci_parse(ctx, self, &v, argc, argv, &args);

	if (r)
		return r < 0 ? -1 : 0;
	if (check_format(v.format, &ctx->err) < 0 || oci_root(ctx) < 0 ||
	    runtime_ps(ctx->root_fd, args.items[0], &pids, &n, &ctx->err) < 0)
		return -1;
	if (!v.format || strcmp(v.format, "table") == 0)
		return ps_table(&args, pids, n, &ctx->err);
	putchar('[');
	for (size_t i = 0; i < n; i++)
		printf("%s%d", i ? "," : "", pids[i]);
	puts("]");
	return 0;
}

static int simple(struct cmd_ctx *ctx, const struct command *self, int argc, char **argv,
                  int (*fn)(int, const char *, struct err *))
{
	AUTO_STRV args = STRV_INIT;
	int r = oci_parse(ctx, self, NULL, argc, argv, &args);

	if (r)
		return r < 0 ? -1 : 0;
	if (oci_root(ctx) < 0)
		return -1;
	return fn(ctx->root_fd, args.items[0], &ctx->err);
}

int cmd_pause(struct cmd_ctx *ctx, const struct command *self, int argc, char **argv)
{
	return simple(ctx, self, argc, argv, runtime_pause);
}

int cmd_resume(struct cmd_ctx *ctx, const struct command *self, int argc, char **argv)
{
	return simple(ctx, self, argc, argv, runtime_resume);
}
