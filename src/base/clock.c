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

/* Days since 1970-01-01 to a civil date, by counting in 400-year eras that begin on 1 March.
 * gmtime_r would read the time zone file, and bring libc's 25 KB for it into static programs. */
static void civil_from_days(int64_t days, int64_t *ret_year, unsigned *ret_month, unsigned *ret_day)
{
	int64_t z = days + 719468;
	int64_t era = (z >= 0 ? z : z - 146096) / 146097;
	unsigned day_of_era = (unsigned)(z - era * 146097);
	unsigned year_of_era =
		(day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
	unsigned day_of_year =
		day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
	unsigned shifted_month = (5 * day_of_year + 2) / 153;

	*ret_day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
	*ret_month = shifted_month < 10 ? shifted_month + 3 : shifted_month - 9;
	*ret_year = year_of_era + era * 400 + (*ret_month <= 2);
}

struct time_text time_format(int64_t realtime_ns)
{
	int64_t ns = realtime_ns % NS_PER_S;
	time_t seconds = (time_t)(realtime_ns / NS_PER_S);
	struct time_text t;
	unsigned of_day, month, day;
	int64_t days, year;

	if (ns < 0) {
		ns += NS_PER_S;
		seconds--;
	}
	days = seconds / 86400 - (seconds % 86400 < 0);
	of_day = (unsigned)(seconds - days * 86400);
	civil_from_days(days, &year, &month, &day);
	/* 64 bits of nanoseconds are the years 1677 to 2262 */
	snprintf(t.s, sizeof(t.s), "%04u-%02u-%02uT%02u:%02u:%02u.%09uZ", (unsigned)year % 10000,
	         month % 100, day % 100, of_day / 3600 % 100, of_day / 60 % 60, of_day % 60,
	         (unsigned)(ns % NS_PER_S));
	return t;
}

static int64_t days_from_civil(int64_t year, unsigned month, unsigned day)
{
	int64_t y = year - (month <= 2), era = (y >= 0 ? y : y - 399) / 400;
	unsigned year_of_era = (unsigned)(y - era * 400);
	unsigned day_of_year = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1;

	return era * 146097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 +
	       day_of_year - 719468;
}

static unsigned digits(const char *s, int count)
{
	unsigned v = 0;

	while (count--)
		v = v * 10 + (unsigned)(*s++ - '0');
	return v;
}

/* "2026-11-22T13:39:54" exactly: seconds since 1970. Returns what follows, or NULL. */
static const char *parse_civil(const char *s, int64_t *ret_seconds)
{
	static const char shape[] = "dddd-dd-ddTdd:dd:dd";
	unsigned year, month, day, hour, minute, second, check_month, check_day;
	int64_t days, check_year;

	for (size_t i = 0; shape[i]; i++)
		if (shape[i] == 'd' ? s[i] < '0' || s[i] > '9'
		                    : (s[i] & ~0x20) != (shape[i] & ~0x20))
			return NULL;
	year = digits(s, 4);
	month = digits(s + 5, 2);
	day = digits(s + 8, 2);
	hour = digits(s + 11, 2);
	minute = digits(s + 14, 2);
	second = digits(s + 17, 2);
	if (month < 1 || month > 12 || day < 1 || hour > 23 || minute > 59 || second > 60)
		return NULL;
	days = days_from_civil(year, month, day);
	civil_from_days(days, &check_year, &check_month, &check_day);
	if (check_day != day) /* 30 February */
		return NULL;
	*ret_seconds = days * 86400 + hour * 3600 + minute * 60 + second;
	return s + strlen(shape);
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
	int64_t ns = 0, offset_s = 0, seconds = 0;
	const char *p = parse_civil(s, &seconds);

	if (!p)
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

		if (strspn(p + 1, "0123456789:") != 5 || p[3] != ':' ||
		    strspn(p + 1, "0123456789") != 2 || strspn(p + 4, "0123456789") != 2)
			return -EINVAL;
		h = digits(p + 1, 2);
		m = digits(p + 4, 2);
		if (h > 23 || m > 59)
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
