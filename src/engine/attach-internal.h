/* attach-internal: the parts of attach that starting a container uses, too. */
#pragma once
#include "engine/engine.h"

/* First words on a connection to the monitor. want: enum monitor_want, which are also
 * enum attach_streams. */
int attach_hello(int fd, unsigned want, struct err *err);
/* Move bytes and signals until the container ends or the user leaves. signals: signals_take().
 * ret_clean: whether the monitor asks us to clean up (MONITOR_EXIT_CLEAN); NULL when we do not. */
int attach_pump(struct engine *e, const char *id, int sock, int signals, bool tty,
                const struct attach_args *args, struct start_result *ret, bool *ret_clean,
                struct err *err);
