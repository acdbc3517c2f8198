/* terminal: the user's side of an interactive container. */
#pragma once
#include "base/err.h"
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Put the terminal on fd into raw mode until terminal_restore(). Signals that would end the
 * process must be blocked by then (signals_take), so that it is always restored.
 * Returns 0, or -1 when it is none. One terminal at a time. */
int terminal_raw(int fd);
void terminal_raw_again(void); /* after a SIGCONT: the shell changed it */
void terminal_restore(void);
/* 0, 0 when fd is no terminal. */
void terminal_size(int fd, uint16_t *ret_rows, uint16_t *ret_cols);

#define DETACH_KEYS_DEFAULT "ctrl-p,ctrl-q"
#define DETACH_KEYS_MAX     16

struct detach_keys {
	unsigned char keys[DETACH_KEYS_MAX];
	size_t len;     /* 0: no way out */
	size_t matched; /* of the input so far; these bytes are held back */
};

/* "ctrl-p,ctrl-q", "ctrl-@", "a,b"; "" is none; NULL the default. */
int detach_keys_parse(const char *text, struct detach_keys *ret, struct err *err);
/* Take input; what may be passed on is in ret_out (at least len + DETACH_KEYS_MAX bytes).
 * Returns whether the user wants to leave. */
bool detach_keys_feed(struct detach_keys *k, const char *in, size_t len, char *ret_out,
                      size_t *ret_len);

/* Block every signal a foreground command has to think about, and read them from the returned
 * descriptor instead. */
int signals_take(struct err *err);
/* The mask as it was before signals_take(), for children. */
void signals_give_back(void);
/* Whether sig-proxy passes this one on to the container. */
bool signal_is_proxied(int signal);
