/* throttle: how many requests to one registry may be under way, as it can bear.
 *
 * Starts without a bound of its own. A 429 or 503 halves what is under way and keeps everybody off
 * until the time the registry named (or a moment) has passed; a run of good answers raises the
 * bound again, one by one. For several threads. */
#pragma once
#include "base/err.h"
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

struct throttle {
	pthread_mutex_t lock;
	pthread_cond_t changed;
	unsigned active;
	unsigned limit;      /* 0: no bound */
	unsigned good;       /* answers since the bound last changed */
	int64_t hold_off_ms; /* monotonic: no new request before */
};

void throttle_init(struct throttle *t);
void throttle_done(struct throttle *t);
/* Wait for a turn. interrupted(ctx) is asked some times a second: E_INTERRUPTED. */
int throttle_enter(struct throttle *t, bool (*interrupted)(const void *ctx), const void *ctx,
                   struct err *err);
/* status: of the answer, 0 for none. told_s: Retry-After, or -1. */
void throttle_leave(struct throttle *t, long status, int64_t told_s);
