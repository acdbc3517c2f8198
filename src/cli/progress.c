#include "cli/progress.h"

#include <string.h>
#include <sys/ioctl.h>

#include "base/clock.h"
#include "base/num.h"
#include "base/strbuf.h"
#include "base/xalloc.h"

#define REDRAW_MS     80
#define SPEED_SPAN_MS 500 /* a speed is measured over at least this long */
#define BAR_MAX       30
#define TEXT_MAX      120
#define PLAIN_WIDTH   SIZE_MAX /* not a terminal: no bar, nothing is cut */

/* One layer (or the reference, while the registry is asked for it). */
struct item {
	char id[72];
	enum image_stage stage;
	uint64_t done;
	uint64_t total;
	char text[TEXT_MAX];
	/* the speed's last measurement */
	int64_t measured_ms;
	uint64_t measured_done;
	uint64_t speed;
	bool printed; /* for good: it scrolls up with what else is on the screen */
};

struct progress {
	struct image_progress events;
	const char *verb;
	bool quiet;
	bool live;
	bool color;
	struct item *items;
	size_t n_items;
	size_t drawn; /* live lines on the screen, the cursor is below them */
	int64_t drawn_ms;
};

static const struct {
	const char *name;
	const char *color;
} stages[IMAGE_STAGE_MAX] = {
	[IMAGE_STAGE_RESOLVE] = { "resolving", "36" },
	[IMAGE_STAGE_WAIT] = { "waiting", "2" },
	[IMAGE_STAGE_DOWNLOAD] = { NULL, "36" }, /* the verb */
	[IMAGE_STAGE_RETRY] = { "retrying", "33" },
	[IMAGE_STAGE_IMPORT] = { "importing", "36" },
	[IMAGE_STAGE_EXISTS] = { "already here", "32" },
	[IMAGE_STAGE_DONE] = { "done", "32" },
	[IMAGE_STAGE_MIRROR] = { "no mirror", "33" },
};

static bool is_final(enum image_stage stage)
{
	return stage == IMAGE_STAGE_EXISTS || stage == IMAGE_STAGE_DONE ||
	       stage == IMAGE_STAGE_MIRROR;
}

static void add_bar(const struct progress_line *line, size_t cells, struct strbuf *out)
{
	size_t full = line->done >= line->total
	                      ? cells
	                      : (size_t)((double)line->done / (double)line->total * (double)cells);

	strbuf_addc(out, '[');
	for (size_t i = 0; i < cells; i++)
		strbuf_addc(out, i < full ? '=' : i == full ? '>' : ' ');
	strbuf_addc(out, ']');
}

/* The part behind the stage: sizes, speed, text. */
static void add_detail(const struct progress_line *line, struct strbuf *out)
{
	if (line->stage == IMAGE_STAGE_DOWNLOAD && line->total && !line->done)
		strbuf_addf(out, "%s", format_size(line->total).s);
	else if (line->stage == IMAGE_STAGE_DOWNLOAD && line->total)
		strbuf_addf(out, "%s / %s", format_size(line->done).s, format_size(line->total).s);
	else if (line->stage == IMAGE_STAGE_DOWNLOAD || line->stage == IMAGE_STAGE_IMPORT)
		strbuf_addf(out, "%s", line->done ? format_size(line->done).s : "");
	else if (line->stage == IMAGE_STAGE_DONE && line->total)
		strbuf_addf(out, "%s", format_size(line->total).s);
	if (line->stage == IMAGE_STAGE_DOWNLOAD && line->speed)
		strbuf_addf(out, "  %s/s", format_size(line->speed).s);
	if (line->text && line->text[0])
		strbuf_addf(out, "%s%s", out->len ? "  " : "", line->text);
}

void progress_format(const struct progress_line *line, size_t width, bool color, struct strbuf *out)
{
	AUTO_BUF detail = STRBUF_INIT;
	AUTO_BUF plain = STRBUF_INIT;
	const char *name = stages[line->stage].name, *stage = name ? name : line->verb;
	size_t used, bar = 0;

	add_detail(line, &detail);
	strbuf_addf(&plain, "%.*s  ", (int)(width > 40 ? 64 : 12), line->id);
	used = plain.len + 12 + 2 + detail.len;
	if (line->stage == IMAGE_STAGE_DOWNLOAD && line->total && used + 14 < width &&
	    width != PLAIN_WIDTH)
		bar = width - used - 5 > BAR_MAX ? BAR_MAX : width - used - 5;
	if (color)
		strbuf_addf(&plain, "\033[%sm%-12s\033[0m", stages[line->stage].color, stage);
	else
		strbuf_addf(&plain, "%-12s", stage);
	if (bar) {
		strbuf_adds(&plain, "  ");
		add_bar(line, bar, &plain);
	}
	if (detail.len)
		strbuf_addf(&plain, "  %s", detail.buf);
	/* a line that wraps would break the redrawing: cut what is left of the width */
	if (!bar && used > width) {
		size_t extra = used - width;

		strbuf_trunc(&plain, plain.len > extra ? plain.len - extra : 0);
	}
	while (plain.len && plain.buf[plain.len - 1] == ' ')
		strbuf_trunc(&plain, plain.len - 1);
	strbuf_add(out, plain.buf, plain.len);
}

static void window_size(size_t *ret_rows, size_t *ret_columns)
{
	struct winsize ws;

	*ret_rows = 24;
	*ret_columns = 80;
	if (ioctl(STDERR_FILENO, TIOCGWINSZ, &ws) == 0 && ws.ws_col && ws.ws_row) {
		*ret_rows = ws.ws_row;
		*ret_columns = ws.ws_col;
	}
}

static void measure(struct item *item, int64_t now_ms)
{
	int64_t span = now_ms - item->measured_ms;

	if (item->stage != IMAGE_STAGE_DOWNLOAD || item->done < item->measured_done) {
		item->measured_ms = now_ms;
		item->measured_done = item->done;
		return;
	}
	if (span < SPEED_SPAN_MS)
		return;
	item->speed = (item->done - item->measured_done) * 1000 / (uint64_t)span;
	item->measured_ms = now_ms;
	item->measured_done = item->done;
}

static void add_item_line(struct progress *p, const struct item *item, size_t columns,
                          struct strbuf *out)
{
	struct progress_line line = { p->verb,     item->id,    item->stage, item->done,
		                      item->total, item->speed, item->text };

	progress_format(&line, columns - 1, p->color, out);
	strbuf_addc(out, '\n');
}

static void add_erase(struct progress *p, struct strbuf *out)
{
	if (p->drawn)
		strbuf_addf(out, "\033[%zuA\r\033[J", p->drawn);
	p->drawn = 0;
}

/* Draw the items under way; those that just finished are printed above them for good. */
static void redraw(struct progress *p)
{
	AUTO_BUF out = STRBUF_INIT;
	size_t rows, columns;

	window_size(&rows, &columns);
	add_erase(p, &out);
	for (size_t i = 0; i < p->n_items; i++) {
		struct item *item = &p->items[i];

		if (!is_final(item->stage) || item->printed)
			continue;
		add_item_line(p, item, columns, &out);
		item->printed = true;
	}
	for (size_t i = 0; i < p->n_items && p->drawn + 2 < rows; i++) {
		if (is_final(p->items[i].stage))
			continue;
		add_item_line(p, &p->items[i], columns, &out);
		p->drawn++;
	}
	fwrite(out.buf, 1, out.len, stderr);
	fflush(stderr);
	p->drawn_ms = clock_monotonic_ms();
}

static struct item *find_item(struct progress *p, const char *id)
{
	struct item item = { .measured_ms = clock_monotonic_ms(), .stage = IMAGE_STAGE_MAX };

	for (size_t i = 0; i < p->n_items; i++)
		if (!strcmp(p->items[i].id, id))
			return &p->items[i];
	snprintf(item.id, sizeof(item.id), "%s", id);
	VEC_PUSH(p->items, p->n_items, item);
	return &p->items[p->n_items - 1];
}

/* Without a terminal: a line when a layer changes its stage. */
static void print_change(struct progress *p, const struct item *item)
{
	AUTO_BUF out = STRBUF_INIT;
	struct progress_line line = { p->verb,     item->id, item->stage, item->done,
		                      item->total, 0,        item->text };

	if (item->stage == IMAGE_STAGE_WAIT || item->stage == IMAGE_STAGE_IMPORT)
		return;
	if (item->stage == IMAGE_STAGE_DOWNLOAD)
		line.done = 0;
	progress_format(&line, PLAIN_WIDTH, false, &out);
	fprintf(stderr, "%s\n", out.buf);
}

/* The first layer's event: the registry has answered, and the reference's own line goes. */
static void end_resolving(struct progress *p)
{
	for (size_t i = 0; i < p->n_items; i++) {
		if (p->items[i].stage != IMAGE_STAGE_RESOLVE)
			continue;
		p->items[i].stage = IMAGE_STAGE_DONE;
		p->items[i].printed = true;
	}
}

static void on_event(void *ctx, const struct image_event *event)
{
	struct progress *p = ctx;
	struct item *item;
	bool is_change;

	if (p->quiet)
		return;
	if (event->stage != IMAGE_STAGE_RESOLVE && event->stage != IMAGE_STAGE_RETRY)
		end_resolving(p);
	item = find_item(p, event->id);
	is_change = item->stage != event->stage;
	item->stage = event->stage;
	item->done = event->done;
	if (event->total)
		item->total = event->total;
	snprintf(item->text, sizeof(item->text), "%s", event->text ? event->text : "");
	measure(item, clock_monotonic_ms());
	if (!p->live) {
		if (is_change)
			print_change(p, item);
		return;
	}
	if (is_change || clock_monotonic_ms() - p->drawn_ms >= REDRAW_MS)
		redraw(p);
}

struct progress *progress_new(const char *verb, bool quiet)
{
	struct progress *p = xcalloc(1, sizeof(*p));
	const char *term = getenv("TERM");
	bool is_dumb = !term || !strcmp(term, "dumb");

	p->events = (struct image_progress){ on_event, p };
	p->verb = verb;
	p->quiet = quiet;
	p->live = isatty(STDERR_FILENO) && !is_dumb;
	p->color = p->live && !getenv("NO_COLOR");
	return p;
}

const struct image_progress *progress_events(struct progress *p)
{
	return &p->events;
}

void progress_free(struct progress *p)
{
	AUTO_BUF out = STRBUF_INIT;

	if (p->live) {
		add_erase(p, &out);
		fwrite(out.buf, 1, out.len, stderr);
		fflush(stderr);
	}
	free(p->items);
	free(p);
}
