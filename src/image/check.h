/* check: is the store what its names and its database say, and if not, what can be saved.
 *
 * A check reads every layer and blob without holding a lock; what disappears meanwhile is no
 * finding. Rows are compared with files under the database's write lock. A repair changes only what
 * is wrong:
 *  - an index or extracted directory is made anew from its tar;
 *  - a damaged or missing layer or blob is fetched from the registry the image was pulled from, by
 *    digest; when that registry does not have it any more, or there is none, it goes, and the
 * images that need it with it, named. A registry that cannot be reached changes nothing: what needs
 *    it is left, and the next repair tries again (or, told not to fetch, removes);
 *  - what nothing refers to goes.
 * Each of these is one step that a kill leaves done or not done. */
#pragma once
#include "image/pull.h"

struct check_finding {
	const char
		*object; /* "database", "layer", "blob", "image", "container", "file", "registry" */
	char *id;        /* of it */
	const char *problem; /* "damaged", "missing", "orphaned", "stray", "incomplete" */
	char *text;          /* for people */
	const char *action;  /* "rebuilt", "fetched", "removed", or NULL: it is as it was */
	char *note;          /* why it was left, what else changed; or NULL */
};

struct check_report {
	struct check_finding *items;
	size_t n;
};
#define CHECK_REPORT_INIT ((struct check_report){ 0 })
void check_report_done(struct check_report *report);
#define AUTO_CHECK_REPORT __attribute__((cleanup(check_report_done))) struct check_report
/* object and problem: literals. The finding is valid until the next one is added. */
struct check_finding *check_add(struct check_report *report, const char *object, const char *id,
                                const char *problem, const char *fmt, ...) PRINTF_LIKE(5, 6);
size_t check_left(const struct check_report *report); /* findings without an action */

struct check_options {
	bool quick; /* presence and sizes only: no content is read */
	bool repair;
	bool no_fetch;                   /* repair from what is here alone */
	const struct pull_options *pull; /* how to fetch; NULL: defaults */
};

/* Findings are appended to *report. -1 when the check could not be made. */
int image_store_check(struct image_store *store, const struct check_options *options,
                      struct check_report *report, struct err *err);
