#include "base/num.h"

#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/macro.h"

static int parse_base(const char *s, int base, uint64_t max, uint64_t *ret)
{
	unsigned long long v;
	char *end;

	if (!isdigit((unsigned char)*s))
		return -EINVAL;
	errno = 0;
	v = strtoull(s, &end, base);
	if (*end)
		return -EINVAL;
	if (errno == ERANGE || v > max)
		return -ERANGE;
	*ret = v;
	return 0;
}

int parse_u64(const char *s, uint64_t *ret)
{
	return parse_base(s, 10, UINT64_MAX, ret);
}

int parse_u32(const char *s, uint32_t *ret)
{
	uint64_t v;
	int r = parse_base(s, 10, UINT32_MAX, &v);

	if (r == 0)
		*ret = (uint32_t)v;
	return r;
}

int parse_octal(const char *s, uint32_t *ret)
{
	uint64_t v;
	int r = parse_base(s, 8, UINT32_MAX, &v);

	if (r == 0)
		*ret = (uint32_t)v;
	return r;
}

int parse_i64(const char *s, int64_t *ret)
{
	bool minus = *s == '-';
	uint64_t v;
	int r = parse_base(s + minus, 10, (uint64_t)INT64_MAX + minus, &v);

	if (r == 0)
		*ret = minus ? (int64_t)(0 - v) : (int64_t)v;
	return r;
}

int parse_double(const char *s, double *ret)
{
	char *end;
	double v;

	/* strtod also takes blanks, hexadecimal, inf and nan: none of them is wanted */
	if (!*s || s[strspn(s, "0123456789.eE+-")])
		return -EINVAL;
	errno = 0;
	v = strtod(s, &end);
	if (end == s || *end)
		return -EINVAL;
	if (errno == ERANGE || !isfinite(v))
		return -ERANGE;
	*ret = v;
	return 0;
}

int parse_size(const char *s, uint64_t *ret_bytes)
{
	static const char units[] = "kmgtpe";
	size_t digits = strspn(s, "0123456789");
	size_t len = strspn(s, "0123456789.");
	char number[64];
	const char *unit = s + len;
	int shift = 0, r;
	uint64_t whole;
	double v;

	if (!digits || len >= sizeof(number))
		return -EINVAL;
	memcpy(number, s, len);
	number[len] = '\0';
	if (*unit && tolower((unsigned char)*unit) != 'b') {
		const char *u = strchr(units, tolower((unsigned char)*unit));

		if (!u)
			return -EINVAL;
		shift = 10 * (int)(u - units + 1);
		unit++;
		if (tolower((unsigned char)*unit) == 'i' && tolower((unsigned char)unit[1]) == 'b')
			unit++;
	}
	if (tolower((unsigned char)*unit) == 'b')
		unit++;
	if (*unit)
		return -EINVAL;
	if (digits == len) {
		r = parse_u64(number, &whole);
		if (r < 0)
			return r;
		if (shift && whole > UINT64_MAX >> shift)
			return -ERANGE;
		*ret_bytes = whole << shift;
		return 0;
	}
	r = parse_double(number, &v);
	if (r < 0)
		return r;
	v = ldexp(v, shift);
	if (v >= 18446744073709551616.0)
		return -ERANGE;
	*ret_bytes = (uint64_t)v;
	return 0;
}

int parse_duration_ms(const char *s, int64_t *ret_ms)
{
	static const struct {
		const char *name;
		double ms;
	} units[] = {
		{ "ns", 1e-6 }, { "us", 1e-3 }, { "ms", 1.0 },
		{ "s", 1e3 },   { "m", 60e3 },  { "h", 3600e3 },
	};
	double total = 0;
	int64_t seconds;

	if (parse_i64(s, &seconds) == 0) {
		if (seconds < 0)
			return -EINVAL;
		if (seconds > INT64_MAX / 1000)
			return -ERANGE;
		*ret_ms = seconds * 1000;
		return 0;
	}
	if (!*s)
		return -EINVAL;
	while (*s) {
		size_t len = strspn(s, "0123456789."), unit_len;
		char number[32];
		size_t i;
		double v;

		if (!len || len >= sizeof(number))
			return -EINVAL;
		memcpy(number, s, len);
		number[len] = '\0';
		if (parse_double(number, &v) < 0)
			return -EINVAL;
		s += len;
		unit_len = strspn(s, "nusmh");
		for (i = 0; i < ARRAY_LEN(units); i++)
			if (strlen(units[i].name) == unit_len &&
			    !strncmp(units[i].name, s, unit_len))
				break;
		if (i == ARRAY_LEN(units))
			return -EINVAL;
		total += v * units[i].ms;
		s += unit_len;
	}
	if (total > 9e18)
		return -ERANGE;
	/* 1.001 s is 1000.9999999999999 ms in binary */
	*ret_ms = (int64_t)(total + 1e-6);
	return 0;
}

static struct size_text format_units(uint64_t bytes, double step, const char *const *units)
{
	struct size_text t;
	double v = (double)bytes;
	int u = 0;

	while (v >= step && units[u + 1]) {
		v /= step;
		u++;
	}
	/* three significant digits, trailing zeros dropped: Go's %.3g */
	if (u == 0)
		snprintf(t.s, sizeof(t.s), "%.0f%s", v, units[u]);
	else if (v >= 999.5)
		snprintf(t.s, sizeof(t.s), "%.0f%s", v, units[u]);
	else
		snprintf(t.s, sizeof(t.s), "%.3g%s", v, units[u]);
	return t;
}

struct size_text format_size(uint64_t bytes)
{
	static const char *const units[] = { "B", "kB", "MB", "GB", "TB", "PB", "EB", NULL };

	return format_units(bytes, 1000.0, units);
}

struct size_text format_size_binary(uint64_t bytes)
{
	static const char *const units[] = { "B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB", NULL };

	return format_units(bytes, 1024.0, units);
}
