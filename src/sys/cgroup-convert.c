#include "sys/cgroup-convert.h"

#include <string.h>

#define Q32(n)   ((int64_t)((uint64_t)(n) << 32))
#define LOG2_10  14267572527 /* log2(10), as a number with 32 binary digits behind the point */
#define ROUNDING (1 << 14)   /* what the fixed-point numbers may be off, many times over */

/* log2(x), x >= 1, with 32 binary digits behind the point: by squaring the mantissa, each square
 * gives one digit. No floating point: libm would be a tenth of the program. */
static int64_t log2_q32(uint64_t x)
{
	int exponent = 63 - __builtin_clzll(x);
	uint64_t m = x << (62 - exponent); /* 1 <= m < 2, 62 digits behind the point */
	int64_t result = Q32(exponent);

	for (int digit = 31; digit >= 0; digit--) {
		m = (uint64_t)(((unsigned __int128)m * m) >> 62);
		if (m >> 63) {
			result |= (int64_t)1 << digit;
			m >>= 1;
		}
	}
	return result;
}

uint64_t cgroup_cpu_weight(uint64_t shares)
{
	uint64_t low = 1, high = 10000;
	__int128 l, wanted;

	if (shares <= 2)
		return shares ? 1 : 0;
	if (shares >= 262144)
		return 10000;
	/* 612 log10(weight) >= l^2 + 125 l - 126, both sides times log2(10) */
	l = log2_q32(shares);
	wanted = (((l * l) >> 32) + 125 * l - Q32(126)) * LOG2_10 >> 32;
	while (low < high) {
		uint64_t middle = (low + high) / 2;

		if ((__int128)log2_q32(middle) * 612 + ROUNDING >= wanted)
			high = middle;
		else
			low = middle + 1;
	}
	return low;
}

uint64_t cgroup_io_weight(uint64_t weight)
{
	if (weight <= 10)
		return 1;
	return weight >= 1000 ? 10000 : 1 + (weight - 10) * 9999 / 990;
}

int cgroup_swap_limit(int64_t memory_and_swap, int64_t memory, int64_t *ret)
{
	if (memory_and_swap >= 0 && memory >= 0 && memory_and_swap < memory)
		return -1;
	*ret = memory_and_swap < 0 || memory < 0 ? memory_and_swap : memory_and_swap - memory;
	return 0;
}

static int number(const char **p, uint32_t max, uint32_t *ret)
{
	uint32_t n = 0;

	if (**p < '0' || **p > '9')
		return -1;
	for (; **p >= '0' && **p <= '9'; (*p)++) {
		n = n * 10 + (uint32_t)(**p - '0');
		if (n >= max)
			return -1;
	}
	*ret = n;
	return 0;
}

int cgroup_cpu_mask(const char *list, uint8_t *mask, int size)
{
	int used = 0;

	memset(mask, 0, (size_t)size);
	for (const char *p = list; *p;) {
		uint32_t first, last;

		if (number(&p, (uint32_t)size * 8, &first) < 0)
			return -1;
		last = first;
		if (*p == '-') {
			p++;
			if (number(&p, (uint32_t)size * 8, &last) < 0 || last < first)
				return -1;
		}
		for (uint32_t i = first; i <= last; i++)
			mask[i / 8] |= (uint8_t)(1u << i % 8);
		used = (int)last / 8 + 1 > used ? (int)last / 8 + 1 : used;
		if (*p == ',' && p[1])
			p++;
		else if (*p)
			return -1;
	}
	return used;
}
