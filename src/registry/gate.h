/* gate: the connections that are open, and how long each has been waiting for a whole request.
 *
 * The HTTP library ends connections on which nothing moves; one that sends its headers byte by byte
 * would stay for ever, so those that wait too long are shut down here. Thread-safe. */
#pragma once
#include <stdbool.h>
#include <stdint.h>

struct gate;
struct gate_entry;
struct gate *gate_new(void);
void gate_free(struct gate *gate);
struct gate_entry *gate_enter(struct gate *gate, int fd, int64_t now_ms); /* borrows fd */
void gate_leave(struct gate *gate, struct gate_entry *entry);
/* A request's headers came / its answer is sent: only between the two is it not waiting. */
void gate_busy(struct gate *gate, struct gate_entry *entry);
void gate_idle(struct gate *gate, struct gate_entry *entry, int64_t now_ms);
/* Shut down what has waited since before `before_ms`. */
void gate_close_waiting(struct gate *gate, int64_t before_ms);
