/* num: strict number parsers and their inverses.
 * The whole string must be used; no leading blanks, no sign where none belongs; a value out of
 * range is refused, never clamped. Return 0, or -EINVAL / -ERANGE (leaf tier: no err). */
#pragma once
#include <stddef.h>
#include <stdint.h>

int parse_u64(const char *s, uint64_t *ret);
int parse_u32(const char *s, uint32_t *ret);
int parse_i64(const char *s, int64_t *ret);
int parse_octal(const char *s, uint32_t *ret);
/* A finite decimal number. */
int parse_double(const char *s, double *ret);
/* Bytes with docker's suffixes, binary and case-insensitive: "512", "64m", "1.5g", "10kb", "1GiB".
 */
int parse_size(const char *s, uint64_t *ret_bytes);
/* Go's duration ("1h2m3.5s", "300ms") or plain seconds ("10"). Negative values are refused. */
int parse_duration_ms(const char *s, int64_t *ret_ms);

/* "1.5MB", "164kB": decimal units, three significant digits, as docker prints sizes. */
struct size_text {
	char s[16];
};
struct size_text format_size(uint64_t bytes);
/* "1.5MiB", "64KiB": binary units. */
struct size_text format_size_binary(uint64_t bytes);
