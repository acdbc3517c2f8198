/* Mutation hardly ever hits on a right header checksum: put it right, so that what is behind the
 * check is fuzzed as well. */
#pragma once
#include <stdint.h>
#include <string.h>

#include "base/xalloc.h"

/* A copy of data in which every block that looks like a header has its checksum. Caller frees. */
static inline uint8_t *tar_fix(const uint8_t *data, size_t size)
{
	uint8_t *copy = xmalloc(size ? size : 1);

	memcpy(copy, data, size);
	for (size_t at = 0; at + 512 <= size; at += 512) {
		unsigned sum = 0;
		char text[8];

		if (memcmp(copy + at + 257, "ustar", 5) != 0)
			continue;
		memset(copy + at + 148, ' ', 8);
		for (int i = 0; i < 512; i++)
			sum += copy[at + (size_t)i];
		snprintf(text, sizeof(text), "%06o", sum);
		memcpy(copy + at + 148, text, 7);
	}
	return copy;
}
