/* events: figures at intervals, and out-of-memory kills as they happen; in runc's format. */
#include "oci.h"

#include <errno.h>
#include <poll.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/xalloc.h"
#include "sys/pidfd.h"

struct events_values {
	int64_t interval_ms;
	bool stats;
};

/* clang-format off */
const struct opt oci_events_options[] = {
	{ "stats", 0, OPT_BOOL, OPT(struct events_values, stats), NULL, "print the figures once and end", 0, 0 },
	{ "interval", 0, OPT_DURATION, OPT(struct events_values, interval_ms), "TIME", "time between two lines (default 5s)", 0, 0 },
	OPT_END
};
/* clang-format on */

static void print_event(const char *type, const char *id, struct json_object *data)
{
	AUTO_JSON *line = json_object_new_object();

	json_add_str(line, "type", type);
	json_add_str(line, "id", id);
	if (data)
		json_object_object_add(line, "data", data);
	puts(json_text(line, false));
	fflush(stdout);
}

struct watch {
	const char *id;
	struct cgroup *cg;
	int pidfd, oom_fd; /* oom_fd -1: no memory controller */
	uint64_t oom_count;
};

/* v1's eventfd tells of a kill that is about to be made, and of the cgroup's end; v2's inotify of
 * any change of the counters. Only a count that has grown is a kill, which may take a moment. */
static void report_oom(struct watch *w)
{
	uint64_t drained[64];
	uint64_t now = w->oom_count;

	(void)!read(w->oom_fd, drained, sizeof(drained));
	for (int i = 0; i < 20 && now <= w->oom_count; i++) {
		struct pollfd p = { .fd = w->pidfd, .events = POLLIN };

		now = cgroup_oom_count(w->cg);
		if (now <= w->oom_count && poll(&p, 1, 10) > 0) {
			now = cgroup_oom_count(w->cg);
			break;
		}
	}
	for (; w->oom_count < now; w->oom_count++)
		print_event("oom", w->id, NULL);
}

static int watch(struct watch *w, int64_t interval_ms)
{
	int64_t next_ms = clock_monotonic_ms() + interval_ms;

	for (;;) {
		struct pollfd p[2] = { { .fd = w->pidfd, .events = POLLIN },
			               { .fd = w->oom_fd, .events = POLLIN } };
		int64_t left_ms = next_ms - clock_monotonic_ms();

		if (poll(p, 2, left_ms > 0 ? (int)(left_ms < INT32_MAX ? left_ms : INT32_MAX) : 0) <
		            0 &&
		    errno != EINTR)
			return 0;
		if (p[1].revents)
			report_oom(w);
		if (p[0].revents)
			return 0;
		if (clock_monotonic_ms() >= next_ms) {
			print_event("stats", w->id, stats_format(w->cg));
			next_ms += interval_ms;
		}
	}
}

static int open_container(struct cmd_ctx *ctx, const char *id, struct cgroup *cg, int *ret_pidfd)
{
	AUTO_STATE st = { 0 };

	if (oci_root(ctx) < 0 || runtime_state(ctx->root_fd, id, &st, &ctx->err) < 0)
		return -1;
	*ret_pidfd = st.status == RUNTIME_STOPPED ? -1 : pidfd_open_exact(st.pid, st.start_ticks);
	if (*ret_pidfd < 0)
		return err_set(&ctx->err, E_STATE, "container '%s' is not running", id);
	if (runtime_cgroup(&st, cg, &ctx->err) < 0)
		return -1;
	if (!cg->joined)
		return err_set(&ctx->err, E_UNSUPPORTED, "container '%s' has no cgroup of its own",
		               id);
	return 0;
}

int cmd_events(struct cmd_ctx *ctx, const struct command *self, int argc, char **argv)
{
	struct events_values v = { .interval_ms = 5000 };
	AUTO_STRV args = STRV_INIT;
	AUTO_CGROUP cg = CGROUP_INIT;
	AUTO_FD pidfd = -1;
	AUTO_FD oom_fd = -1;
	struct watch w;
	int r = oci_parse(ctx, self, &v, argc, argv, &args);

	if (r)
		return r < 0 ? -1 : 0;
	if (v.interval_ms <= 0)
		return err_set(&ctx->err, E_INVALID, "option --interval: must be above 0");
	if (open_container(ctx, args.items[0], &cg, &pidfd) < 0)
		return -1;
	if (v.stats) {
		print_event("stats", args.items[0], stats_format(&cg));
		return 0;
	}
	oom_fd = cgroup_oom_event_fd(&cg);
	w = (struct watch){ args.items[0], &cg, pidfd, oom_fd < 0 ? -1 : oom_fd,
		            cgroup_oom_count(&cg) };
	return watch(&w, v.interval_ms);
}
