/* utf8: what the parsers of text share. */
#pragma once
#include "base/strbuf.h"
#include <stdint.h>

/* Length of the well-formed UTF-8 sequence at p (Unicode table 3-7), 0 when it is none. */
size_t utf8_len(const unsigned char *p, size_t left);
/* Append the code point, which must be one that UTF-8 may encode. */
void utf8_add(struct strbuf *sb, uint32_t c);
