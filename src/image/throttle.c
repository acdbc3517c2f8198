#include "base/clock.h"
#include "image/throttle-internal.h"
#include <time.h>

#define HOLD_OFF_MS      400   /* when the registry names no time */
#define HOLD_OFF_MOST_MS 60000 /* what it names is also waited for by who was refused */
#define POLL_MS          50

void throttle_init(struct throttle *t)
{
	*t = (struct throttle){ 0 };
	pthread_mutex_init(&t->lock, NULL);
	pthread_cond_init(&t->changed, NULL);
}

void throttle_done(struct throttle *t)
{
	pthread_cond_destroy(&t->changed);
	pthread_mutex_destroy(&t->lock);
}

static bool may_enter(const struct throttle *t)
{
	return (!t->limit || t->active < t->limit) && clock_monotonic_ms() >= t->hold_off_ms;
}

/* With the lock held. */
static void wait_a_moment(struct throttle *t)
{
	struct timespec until;

	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_nsec += POLL_MS * 1000000L;
	if (until.tv_nsec >= 1000000000L) {
		until.tv_sec++;
		until.tv_nsec -= 1000000000L;
	}
	pthread_cond_timedwait(&t->changed, &t->lock, &until);
}

int throttle_enter(struct throttle *t, bool (*interrupted)(const void *ctx), const void *ctx,
                   struct err *err)
{
	pthread_mutex_lock(&t->lock);
	while (!may_enter(t)) {
		if (interrupted(ctx)) {
			pthread_mutex_unlock(&t->lock);
			return err_set(err, E_INTERRUPTED, "interrupted");
		}
		wait_a_moment(t);
	}
	t->active++;
	pthread_mutex_unlock(&t->lock);
	return 0;
}

static void slow_down(struct throttle *t, int64_t told_s)
{
	int64_t hold_ms = told_s < 0 ? HOLD_OFF_MS : told_s * 1000;

	/* of many refusals at the same time, one halves */
	if (t->good > 0 || !t->limit)
		t->limit = t->active > 1 ? t->active / 2 : 1;
	t->good = 0;
	if (hold_ms > HOLD_OFF_MOST_MS)
		hold_ms = HOLD_OFF_MOST_MS;
	if (clock_monotonic_ms() + hold_ms > t->hold_off_ms)
		t->hold_off_ms = clock_monotonic_ms() + hold_ms;
}

void throttle_leave(struct throttle *t, long status, int64_t told_s)
{
	pthread_mutex_lock(&t->lock);
	if (status == 429 || status == 503) {
		slow_down(t, told_s);
	} else if (status > 0 && t->limit && ++t->good >= t->limit) {
		t->limit++;
		t->good = 0;
	}
	t->active--;
	pthread_cond_broadcast(&t->changed);
	pthread_mutex_unlock(&t->lock);
}
