/* limits: how many requests a client makes in a second. A token bucket per address (IPv6: per /64)
 * in a bounded table; an address that was pushed out begins anew. Thread-safe. */
#pragma once
#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

struct limits;
struct limits *limits_new(unsigned requests_per_second);
void limits_free(struct limits *limits);
/* Whether one more may pass now (milliseconds of the monotonic clock). */
bool limits_pass(struct limits *limits, const struct sockaddr *client, int64_t now_ms);
