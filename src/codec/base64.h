/* base64: RFC 4648, the standard alphabet. */
#pragma once
#include "base/strbuf.h"
#include <stdbool.h>
#include <stdint.h>

/* Caller frees. */
char *base64_encode(const void *data, size_t len);
/* Appends to ret. Strict: no blanks, padding only where it belongs and as much as belongs, no bits
 * that mean nothing. -EINVAL otherwise, ret unchanged. */
int base64_decode(const char *text, size_t len, struct strbuf *ret);
/* The same for text broken into lines: blanks and line ends are skipped first. */
int base64_decode_lines(const char *text, size_t len, struct strbuf *ret);
