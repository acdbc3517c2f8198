/* pattern: POSIX extended regular expressions on bytes (IEEE 1003.1, 9.4), without
 * back-references, equivalence classes and collating elements. Matching takes time in proportion
 * to the text, whatever the pattern. Libc's own would be a tenth of a static program. */
#pragma once
#include "base/macro.h"
#include <stdbool.h>

struct pattern;

/* NULL: not an expression, or one too large. */
struct pattern *pattern_new(const char *expression);
void pattern_free(struct pattern *p);
DEFINE_FREEP(struct pattern, pattern_free)
/* Whether it matches somewhere in text. */
bool pattern_matches(const struct pattern *p, const char *text);
