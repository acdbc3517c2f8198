#include "registry/gate.h"
#include "base/xalloc.h"
#include <pthread.h>
#include <sys/socket.h>

struct gate_entry {
	struct gate_entry *prev, *next;
	int fd;
	int64_t waits_since_ms; /* -1: a request is being served */
};

struct gate {
	pthread_mutex_t lock;
	struct gate_entry head; /* of a ring */
};

struct gate *gate_new(void)
{
	struct gate *gate = xcalloc(1, sizeof(*gate));

	pthread_mutex_init(&gate->lock, NULL);
	gate->head.prev = gate->head.next = &gate->head;
	return gate;
}

void gate_free(struct gate *gate)
{
	if (!gate)
		return;
	pthread_mutex_destroy(&gate->lock);
	free(gate);
}

struct gate_entry *gate_enter(struct gate *gate, int fd, int64_t now_ms)
{
	struct gate_entry *entry = xcalloc(1, sizeof(*entry));

	*entry = (struct gate_entry){ .fd = fd, .waits_since_ms = now_ms };
	pthread_mutex_lock(&gate->lock);
	entry->prev = &gate->head;
	entry->next = gate->head.next;
	entry->next->prev = entry;
	gate->head.next = entry;
	pthread_mutex_unlock(&gate->lock);
	return entry;
}

void gate_leave(struct gate *gate, struct gate_entry *entry)
{
	/* the library closes the fd after this: nobody shuts down a number that means another */
	pthread_mutex_lock(&gate->lock);
	entry->prev->next = entry->next;
	entry->next->prev = entry->prev;
	pthread_mutex_unlock(&gate->lock);
	free(entry);
}

static void set(struct gate *gate, struct gate_entry *entry, int64_t since_ms)
{
	pthread_mutex_lock(&gate->lock);
	entry->waits_since_ms = since_ms;
	pthread_mutex_unlock(&gate->lock);
}

void gate_busy(struct gate *gate, struct gate_entry *entry)
{
	set(gate, entry, -1);
}

void gate_idle(struct gate *gate, struct gate_entry *entry, int64_t now_ms)
{
	set(gate, entry, now_ms);
}

void gate_close_waiting(struct gate *gate, int64_t before_ms)
{
	pthread_mutex_lock(&gate->lock);
	for (struct gate_entry *e = gate->head.next; e != &gate->head; e = e->next)
		if (e->waits_since_ms >= 0 && e->waits_since_ms < before_ms)
			shutdown(e->fd, SHUT_RDWR);
	pthread_mutex_unlock(&gate->lock);
}
