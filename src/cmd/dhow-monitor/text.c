#include "monitor.h"

#include <time.h>

char *text_u64(char *p, uint64_t v)
{
	char digits[20];
	size_t n = 0;

	do {
		digits[n++] = (char)('0' + v % 10);
		v /= 10;
	} while (v);
	while (n)
		*p++ = digits[--n];
	return p;
}

char *text_str(char *p, const char *s)
{
	while (*s)
		*p++ = *s++;
	return p;
}

static char *text_padded(char *p, uint64_t v, int width)
{
	for (int i = width - 1; i >= 0; i--) {
		p[i] = (char)('0' + v % 10);
		v /= 10;
	}
	return p + width;
}

/* Days since 1970-01-01 to a civil date, by counting in 400-year eras that begin on 1 March.
 * gmtime_r would read the time zone file and touch a dozen pages for it. */
static void civil_from_days(int64_t days, int *ret_year, unsigned *ret_month, unsigned *ret_day)
{
	int64_t z = days + 719468;
	int64_t era = z / 146097;
	unsigned day_of_era = (unsigned)(z - era * 146097);
	unsigned year_of_era =
		(day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
	unsigned day_of_year =
		day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
	unsigned shifted_month = (5 * day_of_year + 2) / 153;

	*ret_day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
	*ret_month = shifted_month < 10 ? shifted_month + 3 : shifted_month - 9;
	*ret_year = (int)(year_of_era + era * 400) + (*ret_month <= 2);
}

char *text_time(char *p, int64_t realtime_ns)
{
	int64_t seconds = realtime_ns / 1000000000;
	unsigned of_day = (unsigned)(seconds % 86400);
	unsigned month, day;
	int year;

	civil_from_days(seconds / 86400, &year, &month, &day);
	p = text_padded(p, (uint64_t)year, 4);
	*p++ = '-';
	p = text_padded(p, month, 2);
	*p++ = '-';
	p = text_padded(p, day, 2);
	*p++ = 'T';
	p = text_padded(p, of_day / 3600, 2);
	*p++ = ':';
	p = text_padded(p, of_day / 60 % 60, 2);
	*p++ = ':';
	p = text_padded(p, of_day % 60, 2);
	*p++ = '.';
	p = text_padded(p, (uint64_t)(realtime_ns % 1000000000), 9);
	*p++ = 'Z';
	return p;
}

bool text_parse_u64(const char *s, uint64_t *ret)
{
	uint64_t v = 0;

	if (!*s)
		return false;
	for (; *s; s++) {
		unsigned digit = (unsigned)(*s - '0');

		if (digit > 9 || __builtin_mul_overflow(v, 10u, &v) ||
		    __builtin_add_overflow(v, digit, &v))
			return false;
	}
	*ret = v;
	return true;
}

uint64_t now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

int64_t now_wall_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_REALTIME, &ts);
	return ts.tv_sec * 1000000000 + ts.tv_nsec;
}
