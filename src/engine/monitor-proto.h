/* monitor-proto: what dhow-monitor is told when it starts, and what is said over its socket.
 * Shared by the engine and dhow-monitor, so it needs base alone.
 *
 * Start: execve("dhow-monitor", "KEY=VALUE"...), see the table in the monitor's config.c;
 * descriptors are passed by number and the monitor owns them.
 *
 * Socket: RUNROOT/attach/ID, a SOCK_SEQPACKET unix socket. Every message is one packet:
 * a struct monitor_msg and its payload. The client speaks first, with MONITOR_HELLO. The monitor
 * ends the conversation with MONITOR_EXIT when the container has ended and all output was sent.
 * Both sides are the same machine and the same build: host byte order, no versions. */
#pragma once
#include <stdint.h>

#define MONITOR_DATA_MAX   16384u   /* payload bytes of one packet */
#define MONITOR_SOCKET_DIR "attach" /* in RUNROOT; sockets are named by container id */
#define MONITOR_EXIT_FILE  "exit"   /* in ROOT/containers/ID */

enum monitor_msg_type {
	/* client to monitor */
	MONITOR_HELLO = 1, /* arg: enum monitor_want bits */
	MONITOR_STDIN,     /* payload: bytes for standard input */
	MONITOR_STDIN_EOF, /* this client has no more input */
	MONITOR_RESIZE,    /* arg: rows << 16 | columns */
	MONITOR_DETACH,    /* this client leaves; its input is to stay open */
	MONITOR_CLEANED,   /* answer to MONITOR_EXIT_CLEAN: nothing is left to do */
	/* monitor to client */
	MONITOR_STDOUT = 16, /* payload; a terminal's output comes as this too */
	MONITOR_STDERR,
	MONITOR_GAP,  /* arg: so many KiB of output were dropped for this client */
	MONITOR_EXIT, /* arg: exit code | MONITOR_EXIT_OOM */
};

enum monitor_want {
	MONITOR_WANT_STDIN = 1u << 0,
	MONITOR_WANT_STDOUT = 1u << 1,
	MONITOR_WANT_STDERR = 1u << 2,
};

#define MONITOR_EXIT_OOM 0x100u
/* To the first client of a container with --rm: it has the program and the database open already,
 * so let it clean up. If it goes without MONITOR_CLEANED, the monitor sees to it. */
#define MONITOR_EXIT_CLEAN 0x200u

struct monitor_msg {
	uint32_t type; /* enum monitor_msg_type */
	uint32_t arg;
};
