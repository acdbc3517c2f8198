/* attach-internal: the parts of attach that starting a container uses, too. */
#pragma once
#include "engine/engine.h"

/* First words on a connection to the monitor. want: enum monitor_want, which are also
 * enum attach_streams. */
int attach_hello(int fd, unsigned want, struct err *err);
/* Move bytes and signals until the container ends or the user leaves. signals: signals_take().
 * ret_exit: what the monitor said at the end, MONITOR_EXIT_CLEAN among it. */
int attach_pump(struct engine *e, const char *id, int sock, int signals, bool tty,
                const struct attach_args *args, struct start_result *ret, uint32_t *ret_exit,
                struct err *err);
