#include "base/clock.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#define NS_PER_S INT64_C(1000000000)

int64_t clock_realtime_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_REALTIME, &ts);
	return ts.tv_sec * NS_PER_S + ts.tv_nsec;
}

int64_t clock_monotonic_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * INT64_C(1000) + ts.tv_nsec / 1000000;
}

struct time_text time_format(int64_t realtime_ns)
{
	int64_t ns = realtime_ns % NS_PER_S;
	time_t seconds = (time_t)(realtime_ns / NS_PER_S);
	struct time_text t;
	struct tm tm;
	size_t n;

	if (ns < 0) {
		ns += NS_PER_S;
		seconds--;
	}
	gmtime_r(&seconds, &tm);
	n = strftime(t.s, sizeof(t.s), "%Y-%m-%dT%H:%M:%S", &tm);
	snprintf(t.s + n, sizeof(t.s) - n, ".%09dZ", (int)ns);
	return t;
}

/* "2026-11-22T13:39:54" exactly; strptime() takes blanks, signs and short fields. */
static const char *parse_civil(const char *s, struct tm *ret)
{
	static const char shape[] = "dddd-dd-ddTdd:dd:dd";

	for (size_t i = 0; shape[i]; i++)
		if (shape[i] == 'd' ? s[i] < '0' || s[i] > '9'
		                    : (s[i] & ~0x20) != (shape[i] & ~0x20))
			return NULL;
	return strptime(s, "%Y-%m-%dT%H:%M:%S", ret);
}

/* Go's zero time (year 1) is common in images: what 64 bits cannot hold becomes the nearest. */
static int64_t clamp_ns(int64_t seconds, int64_t ns)
{
	int64_t total;

	if (__builtin_mul_overflow(seconds, NS_PER_S, &total) ||
	    __builtin_add_overflow(total, ns, &total))
		return seconds < 0 ? INT64_MIN : INT64_MAX;
	return total;
}

int time_parse(const char *s, int64_t *ret_realtime_ns)
{
	struct tm tm = { 0 };
	const char *p = parse_civil(s, &tm);
	int64_t ns = 0, offset_s = 0;
	struct tm asked;
	time_t seconds;

	if (!p)
		return -EINVAL;
	asked = tm;
	seconds = timegm(&tm);
	if (tm.tm_mday != asked.tm_mday) /* 30 February */
		return -EINVAL;
	if (*p == '.') {
		int64_t unit = NS_PER_S / 10;

		if (p[1] < '0' || p[1] > '9')
			return -EINVAL;
		for (p++; *p >= '0' && *p <= '9'; p++, unit /= 10)
			ns += (*p - '0') * unit;
	}
	if (*p == 'Z' || *p == 'z') {
		p++;
	} else if (*p == '+' || *p == '-') {
		unsigned h, m;

		if (strspn(p + 1, "0123456789:") != 5 || sscanf(p + 1, "%2u:%2u", &h, &m) != 2 ||
		    p[3] != ':' || h > 23 || m > 59)
			return -EINVAL;
		offset_s = (int64_t)(h * 60 + m) * 60 * (*p == '-' ? -1 : 1);
		p += 6;
	} else {
		return -EINVAL;
	}
	if (*p)
		return -EINVAL;
	*ret_realtime_ns = clamp_ns(seconds - offset_s, ns);
	return 0;
}

struct time_text duration_human(int64_t s)
{
	struct time_text t;
	int64_t minutes = s / 60, hours = (s + 1800) / 3600;

	if (s < 1)
		snprintf(t.s, sizeof(t.s), "Less than a second");
	else if (s == 1)
		snprintf(t.s, sizeof(t.s), "1 second");
	else if (s < 60)
		snprintf(t.s, sizeof(t.s), "%d seconds", (int)s);
	else if (minutes == 1)
		snprintf(t.s, sizeof(t.s), "About a minute");
	else if (minutes < 60)
		snprintf(t.s, sizeof(t.s), "%d minutes", (int)minutes);
	else if (hours == 1)
		snprintf(t.s, sizeof(t.s), "About an hour");
	else if (hours < 48)
		snprintf(t.s, sizeof(t.s), "%d hours", (int)hours);
	else if (hours < 24 * 7 * 2)
		snprintf(t.s, sizeof(t.s), "%d days", (int)(hours / 24));
	else if (hours < 24 * 30 * 2)
		snprintf(t.s, sizeof(t.s), "%d weeks", (int)(hours / 24 / 7));
	else if (hours < 24 * 365 * 2)
		snprintf(t.s, sizeof(t.s), "%d months", (int)(hours / 24 / 30));
	else
		snprintf(t.s, sizeof(t.s), "%d years", (int)(hours / 24 / 365));
	return t;
}
