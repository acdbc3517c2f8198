/* start, stop, kill, restart, rm, pause, unpause, rename, wait: one engine call for each
 * container that is named. */
#include <string.h>

#include "base/xalloc.h"
#include "cli/cli-internal.h"
#include "engine/options.h"

#define STATE(s)   (1u << CONTAINER_##s)
#define STATES_ALL (~0u)

/* What these commands' options fill; each uses some of it. */
struct life_opts {
	const char *signal;
	int64_t timeout_s;
	bool all;
	bool force;
	bool ignore;
	bool volumes;
	/* start */
	bool attach;
	bool interactive;
	bool sig_proxy;
	const char *detach_keys;
	/* wait */
	const char *condition;
};

#define L(field) OPT(struct life_opts, field)
/* clang-format off */
#define OPTION_ALL(text) { "all", 'a', OPT_BOOL, L(all), NULL, text, 0, 0 }
#define OPTION_IGNORE { "ignore", 0, OPT_BOOL, L(ignore), NULL, "a container that does not exist is no error", 0, 0 }
#define OPTION_TIME(what) \
	{ "time", 't', OPT_INT, L(timeout_s), "SECONDS", what, 0, 0 }, \
	{ "timeout", 0, OPT_INT, L(timeout_s), "SECONDS", "as --time", OPT_HIDDEN, 0 }

static const struct opt stop_options[] = {
	OPTION_ALL("stop every running container"),
	OPTION_IGNORE,
	{ "signal", 's', OPT_STR, L(signal), "SIGNAL", "signal to send (default: the container's, else TERM)", 0, COMPLETE_SIGNAL },
	OPTION_TIME("wait before KILL (default: the container's, else 10); -1 for ever"),
	OPT_END
};
static const struct opt restart_options[] = {
	OPTION_ALL("restart every container"),
	{ "signal", 's', OPT_STR, L(signal), "SIGNAL", "signal to send (default: the container's, else TERM)", 0, COMPLETE_SIGNAL },
	OPTION_TIME("wait before KILL (default: the container's, else 10); -1 for ever"),
	OPT_END
};
static const struct opt kill_options[] = {
	OPTION_ALL("signal every running container"),
	{ "signal", 's', OPT_STR, L(signal), "SIGNAL", "signal to send (default KILL)", 0, COMPLETE_SIGNAL },
	OPT_END
};
static const struct opt pause_options[] = {
	OPTION_ALL("pause every running container"),
	OPT_END
};
static const struct opt unpause_options[] = {
	OPTION_ALL("unpause every paused container"),
	OPT_END
};
static const struct opt rm_options[] = {
	OPTION_ALL("remove every container that --force or its state allows"),
	{ "force", 'f', OPT_BOOL, L(force), NULL, "kill a running container first; none of that name is no error", 0, 0 },
	OPTION_IGNORE,
	{ "time", 't', OPT_INT, L(timeout_s), "SECONDS", "with --force: stop it first and wait this long before KILL", 0, 0 },
	{ "volumes", 'v', OPT_BOOL, L(volumes), NULL, "remove its anonymous volumes too", 0, 0 },
	OPT_END
};
static const struct opt start_options[] = {
	{ "all", 0, OPT_BOOL, L(all), NULL, "start every container that does not run", 0, 0 },
	{ "attach", 'a', OPT_BOOL, L(attach), NULL, "attach to its output and wait for its end", 0, 0 },
	{ "detach-keys", 0, OPT_STR, L(detach_keys), "KEYS", "keys that detach a terminal (default ctrl-p,ctrl-q)", 0, 0 },
	{ "interactive", 'i', OPT_BOOL, L(interactive), NULL, "attach our standard input too", 0, 0 },
	{ "sig-proxy", 0, OPT_BOOL, L(sig_proxy), NULL, "pass signals we get on to the container (default true)", 0, 0 },
	OPT_END
};
static const struct opt wait_options[] = {
	{ "condition", 0, OPT_STR, L(condition), "CONDITION", "not-running, next-exit, removed or running (default not-running)", 0, 0 },
	OPT_END
};
/* clang-format on */

#define LIFE_OPTS_INIT ((struct life_opts){ .timeout_s = STOP_TIMEOUT_OWN, .sig_proxy = true })

static int check_signal(struct cmd_ctx *ctx, const struct life_opts *o)
{
	int number;

	if (!o->signal || signal_parse(o->signal, &number) == 0)
		return 0;
	return err_set(&ctx->err, E_INVALID, "option --signal: '%s' is not a signal", o->signal);
}

static int stop_one(struct cmd_ctx *ctx, const char *ref, void *arg)
{
	const struct life_opts *o = arg;
	int r = container_stop(&ctx->engine, ref, o->signal, o->timeout_s, &ctx->err);

	return r < 0 && o->ignore && ctx->err.code == E_NOT_FOUND ? 1 : r;
}

static int restart_one(struct cmd_ctx *ctx, const char *ref, void *arg)
{
	const struct life_opts *o = arg;

	return container_restart(&ctx->engine, ref, o->signal, o->timeout_s, &ctx->err);
}

static int kill_one(struct cmd_ctx *ctx, const char *ref, void *arg)
{
	const struct life_opts *o = arg;

	return container_kill(&ctx->engine, ref, o->signal ? o->signal : "KILL", &ctx->err);
}

static int pause_one(struct cmd_ctx *ctx, const char *ref, void *arg)
{
	return container_pause(&ctx->engine, ref, &ctx->err);
}

static int unpause_one(struct cmd_ctx *ctx, const char *ref, void *arg)
{
	return container_unpause(&ctx->engine, ref, &ctx->err);
}

static int rm_one(struct cmd_ctx *ctx, const char *ref, void *arg)
{
	const struct life_opts *o = arg;
	unsigned flags =
		(o->force ? CONTAINER_RM_FORCE : 0) | (o->volumes ? CONTAINER_RM_VOLUMES : 0);
	int r = 0;

	if (o->force && o->timeout_s != STOP_TIMEOUT_OWN)
		r = container_stop(&ctx->engine, ref, NULL, o->timeout_s, &ctx->err);
	if (r == 0)
		r = container_rm(&ctx->engine, ref, flags, &ctx->err);
	return r < 0 && (o->ignore || o->force) && ctx->err.code == E_NOT_FOUND ? 1 : r;
}

/* The commands above differ in this. */
struct life_verb {
	cli_ref_fn fn;
	unsigned states; /* what --all means */
};

static int run_verb(struct cmd_ctx *ctx, const struct command *self, int argc, char **argv,
                    const struct life_verb *verb)
{
	struct life_opts o = LIFE_OPTS_INIT;
	AUTO_STRV args = STRV_INIT;
	AUTO_STRV chosen = STRV_INIT;
	int r = cli_parse(ctx, self, &o, argc, argv, &args);

	if (r)
		return cli_parsed(r);
	if (check_signal(ctx, &o) < 0 ||
	    cli_choose(ctx, self, &args, o.all, verb->states, &chosen) < 0)
		return -1;
	return cli_each(ctx, &chosen, verb->fn, &o);
}

#define DEFINE_VERB(name, mask)                                                                    \
	static int run_##name(struct cmd_ctx *ctx, const struct command *self, int argc,           \
	                      char **argv)                                                         \
	{                                                                                          \
		static const struct life_verb verb = { name##_one, mask };                         \
		return run_verb(ctx, self, argc, argv, &verb);                                     \
	}
DEFINE_VERB(stop, STATE(RUNNING) | STATE(PAUSED) | STATE(RESTARTING))
DEFINE_VERB(restart, STATES_ALL)
DEFINE_VERB(kill, STATE(RUNNING) | STATE(PAUSED))
DEFINE_VERB(pause, STATE(RUNNING))
DEFINE_VERB(unpause, STATE(PAUSED))
DEFINE_VERB(rm, STATES_ALL)

static int start_one(struct cmd_ctx *ctx, const char *ref, void *arg)
{
	struct start_result result;

	return container_start(&ctx->engine, ref, NULL, &result, &ctx->err);
}

static int run_start(struct cmd_ctx *ctx, const struct command *self, int argc, char **argv)
{
	struct life_opts o = LIFE_OPTS_INIT;
	struct start_result result = { 0 };
	struct attach_args attach = { 0 };
	AUTO_STRV args = STRV_INIT;
	AUTO_STRV chosen = STRV_INIT;
	int r = cli_parse(ctx, self, &o, argc, argv, &args);

	if (r)
		return cli_parsed(r);
	if (cli_choose(ctx, self, &args, o.all, STATE(CREATED) | STATE(EXITED), &chosen) < 0)
		return -1;
	if (!o.attach && !o.interactive)
		return cli_each(ctx, &chosen, start_one, NULL);
	if (o.all || args.len > 1)
		return err_set(&ctx->err, E_INVALID,
		               "start: --attach and --interactive take one container");
	if (!cli_engine(ctx))
		return -1;
	attach.streams = ATTACH_OUTPUT | (o.interactive ? ATTACH_STDIN : 0);
	attach.sig_proxy = o.sig_proxy;
	attach.detach_keys = o.detach_keys;
	if (container_start(&ctx->engine, args.items[0], &attach, &result, &ctx->err) < 0)
		return -1;
	return cli_attached(&result, args.items[0]);
}

static int run_rename(struct cmd_ctx *ctx, const struct command *self, int argc, char **argv)
{
	struct life_opts o = LIFE_OPTS_INIT;
	AUTO_STRV args = STRV_INIT;
	int r = cli_parse(ctx, self, &o, argc, argv, &args);

	if (r)
		return cli_parsed(r);
	if (!cli_engine(ctx))
		return -1;
	return container_rename(&ctx->engine, args.items[0], args.items[1], &ctx->err);
}

static int run_wait(struct cmd_ctx *ctx, const struct command *self, int argc, char **argv)
{
	struct life_opts o = LIFE_OPTS_INIT;
	enum wait_condition condition = WAIT_NOT_RUNNING;
	AUTO_STRV args = STRV_INIT;
	int r = cli_parse(ctx, self, &o, argc, argv, &args);

	if (r)
		return cli_parsed(r);
	if (o.condition && wait_condition_parse(o.condition, &condition) < 0) {
		err_set(&ctx->err, E_INVALID, "option --condition: '%s' is not a condition",
		        o.condition);
		return err_hint(&ctx->err, "use not-running, next-exit, removed or running");
	}
	if (!cli_engine(ctx))
		return -1;
	for (size_t i = 0; i < args.len; i++) {
		int exit_code = 0;

		if (container_wait(&ctx->engine, args.items[i], condition, &exit_code, &ctx->err) <
		    0)
			cli_report(ctx);
		else
			printf("%d\n", exit_code);
		fflush(stdout);
	}
	return 0;
}

#define CONTAINERS "CONTAINER [CONTAINER...]"

const struct command cmd_stop = {
	.name = "stop",
	.args = CONTAINERS,
	.summary = "Stop containers: TERM, and after a while KILL",
	.tables = { stop_options },
	.max_args = -1,
	.complete = COMPLETE_RUNNING,
	.run = run_stop,
};
const struct command cmd_restart = {
	.name = "restart",
	.args = CONTAINERS,
	.summary = "Stop containers and start them again",
	.tables = { restart_options },
	.max_args = -1,
	.complete = COMPLETE_CONTAINER,
	.run = run_restart,
};
const struct command cmd_kill = {
	.name = "kill",
	.args = CONTAINERS,
	.summary = "Send a signal to containers (KILL by default)",
	.tables = { kill_options },
	.max_args = -1,
	.complete = COMPLETE_RUNNING,
	.run = run_kill,
};
const struct command cmd_pause = {
	.name = "pause",
	.args = CONTAINERS,
	.summary = "Freeze all processes of containers",
	.tables = { pause_options },
	.max_args = -1,
	.complete = COMPLETE_RUNNING,
	.run = run_pause,
};
const struct command cmd_unpause = {
	.name = "unpause",
	.args = CONTAINERS,
	.summary = "Let the processes of paused containers go on",
	.tables = { unpause_options },
	.max_args = -1,
	.complete = COMPLETE_CONTAINER,
	.run = run_unpause,
};
const struct command cmd_rm = {
	.name = "rm",
	.args = CONTAINERS,
	.summary = "Remove containers",
	.tables = { rm_options },
	.max_args = -1,
	.complete = COMPLETE_CONTAINER,
	.run = run_rm,
};
const struct command cmd_start = {
	.name = "start",
	.args = CONTAINERS,
	.summary = "Start created or ended containers",
	.tables = { start_options },
	.max_args = -1,
	.complete = COMPLETE_CONTAINER,
	.run = run_start,
};
const struct command cmd_rename = {
	.name = "rename",
	.args = "CONTAINER NAME",
	.summary = "Give a container another name",
	.min_args = 2,
	.max_args = 2,
	.complete = COMPLETE_CONTAINER,
	.run = run_rename,
};
const struct command cmd_wait = {
	.name = "wait",
	.args = CONTAINERS,
	.summary = "Wait until containers end and print their exit codes",
	.tables = { wait_options },
	.min_args = 1,
	.max_args = -1,
	.complete = COMPLETE_CONTAINER,
	.run = run_wait,
};
