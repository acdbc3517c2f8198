/* logs, top, port, cp, inspect, events: what goes on in containers. */
#include <errno.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/num.h"
#include "base/xalloc.h"
#include "cli/cli-internal.h"
#include "cli/output.h"
#include "codec/json.h"
#include "engine/cp.h"
#include "engine/log-read.h"
#include "engine/top.h"
#include "engine/volumes.h"
#include "image/image.h"
#include "net/net.h"

/* ---- logs ---- */

struct logs_opts {
	bool follow;
	bool timestamps;
	const char *tail;
	const char *since;
	const char *until;
};

#define L(field) OPT(struct logs_opts, field)
/* clang-format off */
static const struct opt logs_options[] = {
	{ "follow", 'f', OPT_BOOL, L(follow), NULL, "go on with what comes, until the container ends", 0, 0 },
	{ "since", 0, OPT_STR, L(since), "TIME", "only lines since then: RFC 3339, Unix seconds, or how long ago (10m)", 0, 0 },
	{ "tail", 'n', OPT_STR, L(tail), "COUNT", "the last lines only: a number, or all (default all)", 0, 0 },
	{ "timestamps", 't', OPT_BOOL, L(timestamps), NULL, "print each line's time", 0, 0 },
	{ "until", 0, OPT_STR, L(until), "TIME", "only lines until then", 0, 0 },
	OPT_END
};
/* clang-format on */

static int parse_time(struct cmd_ctx *ctx, const char *option, const char *text, int64_t *ret_ns)
{
	if (!text || log_time_parse(text, clock_realtime_ns(), ret_ns) == 0)
		return 0;
	err_set(&ctx->err, E_INVALID, "option --%s: '%s' is not a time", option, text);
	return err_hint(&ctx->err, "such as 2026-11-22T13:00:00Z, 1700000000 or 10m");
}

static int run_logs(struct cmd_ctx *ctx, const struct command *self, int argc, char **argv)
{
	struct logs_opts o = { 0 };
	struct logs_args logs = { .tail = -1, .out_fd = STDOUT_FILENO, .err_fd = STDERR_FILENO };
	AUTO_STRV args = STRV_INIT;
	uint64_t tail = 0;
	int r = cli_parse(ctx, self, &o, argc, argv, &args);

	if (r)
		return cli_parsed(r);
	if (o.tail && strcmp(o.tail, "all") && strcmp(o.tail, "-1")) {
		if (parse_u64(o.tail, &tail) < 0 || tail > INT64_MAX)
			return err_set(&ctx->err, E_INVALID,
			               "option --tail: '%s' is neither a number nor all", o.tail);
		logs.tail = (int64_t)tail;
	}
	if (parse_time(ctx, "since", o.since, &logs.since_ns) < 0 ||
	    parse_time(ctx, "until", o.until, &logs.until_ns) < 0 || !cli_engine(ctx))
		return -1;
	logs.follow = o.follow;
	logs.timestamps = o.timestamps;
	return container_logs(&ctx->engine, args.items[0], &logs, &ctx->err);
}

const struct command cmd_logs = {
	.name = "logs",
	.args = "CONTAINER",
	.summary = "Print what a container wrote",
	.tables = { logs_options },
	.min_args = 1,
	.max_args = 1,
	.complete = COMPLETE_CONTAINER,
	.run = run_logs,
};

/* ---- top ---- */

static int run_top(struct cmd_ctx *ctx, const struct command *self, int argc, char **argv)
{
	struct top_table table = { 0 };
	AUTO_STRV args = STRV_INIT;
	AUTO_STRV ps_args = STRV_INIT;
	AUTO_BUF lines = STRBUF_INIT;
	AUTO_BUF text = STRBUF_INIT;
	int r = cli_parse(ctx, self, NULL, argc, argv, &args);

	if (r)
		return cli_parsed(r);
	strv_add_all(&ps_args, args.items + 1);
	if (!cli_engine(ctx) ||
	    container_top(&ctx->engine, args.items[0], &ps_args, &table, &ctx->err) < 0)
		return -1;
	for (size_t i = 0; i < table.titles.len; i++)
		strbuf_addf(&lines, "%s%s", i ? "\t" : "", table.titles.items[i]);
	strbuf_addc(&lines, '\n');
	for (size_t row = 0; row < table.count; row++) {
		for (size_t i = 0; i < table.rows[row].len; i++) {
			strbuf_adds(&lines, i ? "\t" : "");
			/* a process chooses its own name */
			for (const char *s = table.rows[row].items[i]; *s; s++)
				strbuf_addc(&lines,
				            (unsigned char)*s < 0x20 || *s == 0x7f ? '?' : *s);
		}
		strbuf_addc(&lines, '\n');
	}
	top_table_done(&table);
	table_align(lines.buf, &text);
	fputs(text.buf, stdout);
	return 0;
}

const struct command cmd_top = {
	.name = "top",
	.args = "CONTAINER [PS-OPTIONS]",
	.summary = "List the processes of a running container",
	.min_args = 1,
	.max_args = -1,
	.stop_at_args = true,
	.complete = COMPLETE_RUNNING,
	.run = run_top,
};

/* ---- port ---- */

static void print_port(const struct net_port *p, bool with_target)
{
	const uint8_t *ip = (const uint8_t *)&p->host_ip.s_addr;

	if (with_target)
		printf("%u/%s -> ", p->ctr_port, net_protocol_name(p->protocol));
	printf("%u.%u.%u.%u:%u\n", ip[0], ip[1], ip[2], ip[3], p->host_port);
}

/* "80" or "80/tcp" */
static int parse_target(struct cmd_ctx *ctx, const char *text, struct net_port *ret)
{
	struct net_ports ports = NET_PORTS_INIT;
	int r = net_ports_parse_exposed(&ports, text, &ctx->err);

	if (r == 0 && ports.len != 1)
		r = err_set(&ctx->err, E_INVALID, "'%s' is more than one port", text);
	if (r == 0)
		*ret = ports.items[0];
	net_ports_done(&ports);
	return r;
}

static int list_ports(struct cmd_ctx *ctx, const char *ref, const struct net_port *only,
                      const char *only_text)
{
	struct net_ports ports = NET_PORTS_INIT;
	char id[ID_LEN + 1];
	size_t shown = 0;
	struct net *net;
	int r;

	if (container_find(&ctx->engine, ref, id, &ctx->err) < 0)
		return -1;
	net = engine_net(&ctx->engine, &ctx->err);
	r = net ? net_list_ports(net, id, &ports, &ctx->err) : -1;
	for (size_t i = 0; r == 0 && i < ports.len; i++) {
		const struct net_port *p = &ports.items[i];

		if (only && (p->ctr_port != only->ctr_port || p->protocol != only->protocol))
			continue;
		print_port(p, !only);
		shown++;
	}
	net_ports_done(&ports);
	if (r == 0 && only && !shown)
		return err_set(&ctx->err, E_NOT_FOUND, "container '%s' does not publish port '%s'",
		               ref, only_text);
	return r;
}

static int run_port(struct cmd_ctx *ctx, const struct command *self, int argc, char **argv)
{
	struct net_port target;
	const char *wanted;
	AUTO_STRV args = STRV_INIT;
	int r = cli_parse(ctx, self, NULL, argc, argv, &args);

	if (r)
		return cli_parsed(r);
	wanted = args.len > 1 ? args.items[1] : NULL;
	if ((wanted && parse_target(ctx, wanted, &target) < 0) || !cli_engine(ctx))
		return -1;
	return list_ports(ctx, args.items[0], wanted ? &target : NULL, wanted);
}

const struct command cmd_port = {
	.name = "port",
	.args = "CONTAINER [PORT[/PROTO]]",
	.summary = "List the published ports of a container",
	.min_args = 1,
	.max_args = 2,
	.complete = COMPLETE_RUNNING,
	.run = run_port,
};

/* ---- cp ---- */

struct cp_opts {
	bool archive;
	bool follow;
	bool quiet;
};

#define C(field) OPT(struct cp_opts, field)
/* clang-format off */
static const struct opt cp_options[] = {
	{ "archive", 'a', OPT_BOOL, C(archive), NULL, "keep owners", 0, 0 },
	{ "follow-link", 'L', OPT_BOOL, C(follow), NULL, "copy what a symbolic link SOURCE points to", 0, 0 },
	{ "quiet", 'q', OPT_BOOL, C(quiet), NULL, "for other tools: cp prints nothing anyway", OPT_HIDDEN, 0 },
	OPT_END
};
/* clang-format on */

static int run_cp(struct cmd_ctx *ctx, const struct command *self, int argc, char **argv)
{
	struct cp_opts o = { 0 };
	struct cp_args cp = { .in_fd = STDIN_FILENO, .out_fd = STDOUT_FILENO };
	AUTO_STRV args = STRV_INIT;
	int r = cli_parse(ctx, self, &o, argc, argv, &args);

	if (r)
		return cli_parsed(r);
	if (!cli_engine(ctx))
		return -1;
	cp.source = args.items[0];
	cp.dest = args.items[1];
	cp.archive = o.archive;
	cp.follow = o.follow;
	return container_cp(&ctx->engine, &cp, &ctx->err);
}

const struct command cmd_cp = {
	.name = "cp",
	.args = "CONTAINER:PATH PATH|-  or  PATH|- CONTAINER:PATH",
	.summary = "Copy files between a container and the host",
	.tables = { cp_options },
	.min_args = 2,
	.max_args = 2,
	.complete = COMPLETE_CONTAINER,
	.run = run_cp,
};

/* ---- events ---- */

struct events_opts {
	const char *since;
	const char *until;
	const char *format;
	bool stream;
	struct strv filters;
};

#define V(field) OPT(struct events_opts, field)
/* clang-format off */
static const struct opt events_options[] = {
	{ "filter", 'f', OPT_LIST, V(filters), "KEY=VALUE", "those that match: type, event, container, image, volume, label", 0, 0 },
	{ "format", 0, OPT_STR, V(format), "TEMPLATE", "json, or a Go template", 0, 0 },
	{ "since", 0, OPT_STR, V(since), "TIME", "begin with the events since then", 0, 0 },
	{ "stream", 0, OPT_BOOL, V(stream), NULL, "go on with what comes (default true); --stream=false ends after what was", 0, 0 },
	{ "until", 0, OPT_STR, V(until), "TIME", "end at that time", 0, 0 },
	OPT_END
};
/* clang-format on */

struct events_state {
	struct cmd_ctx *ctx;
	const struct events_opts *opts;
	struct output *out;
	int64_t since_ns;
	int64_t until_ns;
	int64_t last_id;
	bool failed; /* ctx->err says why */
};

static bool event_matches(const struct event *ev, struct json_object *attributes,
                          const char *filter)
{
	struct json_object *value = NULL;
	const char *v;

	if ((v = cli_filter_value(filter, "type")))
		return !strcmp(ev->type, v);
	if ((v = cli_filter_value(filter, "event")))
		return !strcmp(ev->action, v);
	if ((v = cli_filter_value(filter, "label"))) {
		AUTO_FREE char *key = xstrndup(v, strcspn(v, "="));

		if (!json_object_object_get_ex(attributes, key, &value))
			return false;
		return !strchr(v, '=') ||
		       !strcmp(strchr(v, '=') + 1, json_object_get_string(value));
	}
	for (size_t i = 0; i < 3; i++) {
		static const char *const types[] = { "container", "image", "volume" };

		v = cli_filter_value(filter, types[i]);
		if (!v)
			continue;
		/* "image=x" also finds the events of containers made from x */
		if (strcmp(ev->type, types[i]))
			return json_object_object_get_ex(attributes, types[i], &value) &&
			       !strcmp(v, json_object_get_string(value));
		if (!strncmp(ev->actor, v, strlen(v)))
			return true;
		return json_object_object_get_ex(attributes, "name", &value) &&
		       !strcmp(v, json_object_get_string(value));
	}
	return true;
}

/* "2026-11-22T13:59:25.000000000Z container start 0123... (image=busybox, name=web)" */
static void print_event_line(const struct event *ev, struct json_object *attributes)
{
	AUTO_BUF text = STRBUF_INIT;

	json_object_object_foreach(attributes, key, value)
	{
		strbuf_addf(&text, "%s%s=%s", text.len ? ", " : "", key,
		            json_object_get_string(value));
	}
	printf("%s %s %s %s (%s)\n", time_format(ev->time_ns).s, ev->type, ev->action, ev->actor,
	       text.buf);
}

static int print_event_row(struct events_state *s, const struct event *ev,
                           struct json_object *attributes)
{
	struct json_object *row = json_object_new_object();
	struct json_object *actor = json_add_object(row, "Actor");

	json_add_str(row, "Type", ev->type);
	json_add_str(row, "Action", ev->action);
	json_add_str(row, "Status", ev->action);
	json_add_str(row, "ID", ev->actor);
	json_add_str(actor, "ID", ev->actor);
	json_object_object_add(actor, "Attributes", json_object_get(attributes));
	json_add_str(row, "scope", "local");
	json_add_i64(row, "time", ev->time_ns / 1000000000);
	json_add_i64(row, "timeNano", ev->time_ns);
	return output_row(s->out, row, &s->ctx->err);
}

static int on_event(void *arg, const struct event *ev)
{
	struct events_state *s = arg;
	AUTO_JSON *attributes = json_tokener_parse(ev->attributes[0] ? ev->attributes : "{}");

	s->last_id = ev->id;
	if (ev->time_ns < s->since_ns || (s->until_ns && ev->time_ns > s->until_ns))
		return 0;
	for (size_t i = 0; i < s->opts->filters.len; i++)
		if (!event_matches(ev, attributes, s->opts->filters.items[i]))
			return 0;
	if (!s->opts->format)
		print_event_line(ev, attributes);
	else if (print_event_row(s, ev, attributes) < 0)
		s->failed = true;
	return s->failed;
}

#define EVENTS_POLL_MS 100

static int follow_events(struct events_state *s)
{
	const struct timespec nap = { 0, EVENTS_POLL_MS * 1000000L };

	for (;;) {
		if (event_each(&s->ctx->engine, s->last_id, on_event, s, &s->ctx->err) < 0 ||
		    s->failed)
			return -1;
		fflush(stdout);
		if (!s->opts->stream || (s->until_ns && clock_realtime_ns() > s->until_ns))
			return 0;
		nanosleep(&nap, NULL);
	}
}

static int run_events(struct cmd_ctx *ctx, const struct command *self, int argc, char **argv)
{
	struct events_opts o = { .stream = true };
	AUTO_OUTPUT out = OUTPUT_INIT;
	struct events_state s = { .ctx = ctx, .opts = &o, .out = &out };
	AUTO_STRV args = STRV_INIT;
	int r = cli_parse(ctx, self, &o, argc, argv, &args);

	if (r == 0 &&
	    (cli_check_filters(ctx, &o.filters, "type,event,container,image,volume,label") < 0 ||
	     parse_time(ctx, "since", o.since, &s.since_ns) < 0 ||
	     parse_time(ctx, "until", o.until, &s.until_ns) < 0 ||
	     (o.format && output_begin(&out, o.format, "", NULL, &ctx->err) < 0) ||
	     !cli_engine(ctx)))
		r = -1;
	if (r == 0) {
		/* without --since and --until: from now on */
		if (!o.since && !o.until)
			s.since_ns = clock_realtime_ns();
		r = follow_events(&s);
	}
	strv_done(&o.filters);
	return cli_parsed(r);
}

const struct command cmd_events = {
	.name = "events",
	.summary = "Print what happens to containers and images",
	.tables = { events_options },
	.run = run_events,
};
