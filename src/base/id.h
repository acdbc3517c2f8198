/* id: random identifiers, lower-case hexadecimal. */
#pragma once
#include <stdbool.h>
#include <stddef.h>

#define ID_LEN       64 /* containers: 256 bits */
#define ID_SHORT_LEN 12 /* what listings show, and temporary names */

void random_bytes(void *buf, size_t len); /* from getrandom(2); aborts if the kernel has none */
void id_random(char ret_id[ID_LEN + 1]);
void id_random_short(char ret_id[ID_SHORT_LEN + 1]);
/* Whether s is 1..64 lower-case hexadecimal digits: a full id or a prefix of one. */
bool is_id_prefix(const char *s);
void hex_encode(const void *data, size_t len, char *ret_hex /* 2 * len + 1 */);
