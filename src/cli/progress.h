/* progress: what a pull, load or save is doing, on standard error.
 * On a terminal: one live line per layer under way, redrawn a few times a second within the
 * window's width; what is finished scrolls up. Otherwise plain lines, one per change of a layer.
 * NO_COLOR (any value) and TERM=dumb are honoured: no colours, and for dumb no redrawing. */
#pragma once
#include "base/strbuf.h"
#include "image/image.h"

struct progress;

/* verb: what is done to the bytes: "downloading", "reading", "writing" (borrowed).
 * quiet: events are dropped. Caller frees. */
struct progress *progress_new(const char *verb, bool quiet);
/* To hand to the image layer; lives as long as the progress. */
const struct image_progress *progress_events(struct progress *p);
/* Erase what is live and free. */
void progress_free(struct progress *p);
DEFINE_FREEP(struct progress, progress_free)
#define AUTO_PROGRESS __attribute__((cleanup(progress_freep))) struct progress

/* The live line of one layer, for tests: at most `width` columns. speed in bytes a second. */
struct progress_line {
	const char *verb;
	const char *id;
	enum image_stage stage;
	uint64_t done;
	uint64_t total;
	uint64_t speed;
	const char *text;
};
void progress_format(const struct progress_line *line, size_t width, bool color,
                     struct strbuf *out);
