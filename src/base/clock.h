/* clock: wall-clock times as text, and the monotonic clock for intervals. */
#pragma once
#include <stdint.h>

int64_t clock_realtime_ns(void);  /* since 1970-01-01 UTC */
int64_t clock_monotonic_ms(void); /* for intervals only */

/* RFC 3339 with nanoseconds in UTC, as docker and OCI write times:
 * "2026-11-22T13:39:54.000000001Z". */
struct time_text {
	char s[40];
};
struct time_text time_format(int64_t realtime_ns);
/* RFC 3339, any offset; years that 64 bits of ns cannot hold become the nearest that they can.
 * Return 0 or -EINVAL. */
int time_parse(const char *s, int64_t *ret_realtime_ns);
/* "3 seconds", "About a minute", "2 hours", "5 days": docker's wording for an interval. */
struct time_text duration_human(int64_t seconds);
