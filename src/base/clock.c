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

int time_parse(const char *s, int64_t *ret_realtime_ns)
{
	struct tm tm = { 0 };
	const char *p = strptime(s, "%Y-%m-%dT%H:%M:%S", &tm);
	int64_t ns = 0, offset_s = 0;

	if (!p)
		return -EINVAL;
	if (*p == '.') {
		int64_t unit = NS_PER_S / 10;

		for (p++; *p >= '0' && *p <= '9'; p++, unit /= 10)
			ns += (*p - '0') * unit;
	}
	if (*p == 'Z' || *p == 'z') {
		p++;
	} else if (*p == '+' || *p == '-') {
		int h, m, used = 0;

		if (sscanf(p + 1, "%2d:%2d%n", &h, &m, &used) != 2 || used != 5)
			return -EINVAL;
		offset_s = (h * 60 + m) * INT64_C(60) * (*p == '-' ? -1 : 1);
		p += 6;
	} else {
		return -EINVAL;
	}
	if (*p)
		return -EINVAL;
	*ret_realtime_ns = ((int64_t)timegm(&tm) - offset_s) * NS_PER_S + ns;
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
