/* listen: the socket a server takes connections from. */
#pragma once
#include "base/err.h"
#include <stdbool.h>

/* What service managers hand over (LISTEN_PID, LISTEN_FDS: sd_listen_fds(3)), else bound to
 * "HOST:PORT" ("[::1]:5000", ":5000" for every address, port 0 for any). Return the fd or -1. */
int listen_open(const char *where, struct err *err);
/* "127.0.0.1:5000", of a socket. Caller frees. */
char *listen_name(int fd);
/* Whether only this machine can reach it. */
bool listen_is_local(int fd);
