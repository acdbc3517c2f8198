/* dhow-monitor: the one process that stays with a running container.
 *
 * It owns the container's standard streams or its terminal, writes the log, serves attached
 * clients, waits for init and records how it ended; then it becomes `dhow __after-exit`.
 * One instance per container, for as long as that runs: so no heap beyond what slow clients need,
 * no stdio, no library but base's descriptors, static buffers that are touched only when used.
 *
 * Rules: nothing a client does may stop the log, nothing the log's disk does may stop the
 * container, and the record of the end is on its way to the disk before anything is cleaned up. */
#pragma once
#include "engine/monitor-proto.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define CLIENTS_MAX 16
/* After so long without taking a byte a client is put aside: its output goes to a file. */
#define CLIENT_STALL_MS 200
/* What that file may hold; beyond, output is dropped for that client and it is told so. */
#define CLIENT_SPILL_MAX_BYTES (64u << 20)
/* An unfinished line waits so long for its end before it is logged as a partial one. */
#define LOG_PARTIAL_MS 100

/* ---- text without stdio (text.c) ---- */
char *text_u64(char *p, uint64_t v);           /* decimal; returns the new end */
char *text_str(char *p, const char *s);        /* without the NUL; returns the new end */
char *text_time(char *p, int64_t realtime_ns); /* RFC 3339 with nanoseconds; 30 bytes */
bool text_parse_u64(const char *s, uint64_t *ret);
uint64_t now_ms(void); /* monotonic */
int64_t now_wall_ns(void);

/* ---- log (log-writer.c) ---- */
enum log_format_kind { LOG_NONE, LOG_JSON_FILE, LOG_K8S_FILE };

struct log_writer {
	enum log_format_kind kind;
	int dir_fd; /* borrowed */
	int fd;
	uint64_t max_bytes; /* of one file; 0: never rotate */
	unsigned max_files; /* counting the one being written */
	uint64_t size;
	uint64_t lost; /* records dropped because the disk refused them */
	struct log_line {
		size_t used;
		uint64_t since_ms; /* when the first byte of the unfinished line came */
	} line[2];
};

void log_open(struct log_writer *log);
/* stream: 0 stdout, 1 stderr */
void log_add(struct log_writer *log, int stream, const char *data, size_t len);
/* Write unfinished lines that waited too long (or all). Returns ms until the next, -1: none. */
int log_flush_partial(struct log_writer *log, bool all);

/* ---- clients (clients.c) ---- */
struct client {
	int fd;        /* -1: free slot */
	unsigned want; /* enum monitor_want; 0 until its hello */
	bool stdin_eof;
	bool is_first; /* the command that started the container: it keeps the first slot */
	char *held;    /* one packet that did not fit, or NULL */
	size_t held_len;
	uint64_t stalled_at_ms; /* when it was held */
	int spill_fd;           /* -1: keeps up */
	uint64_t spill_read, spill_end;
	uint32_t gap_kib;
};

/* ---- the monitor ---- */
struct monitor {
	const char *id;
	const char *root, *runroot, *program; /* of dhow, for the end */
	pid_t pid;
	uint64_t start_ticks;
	int pidfd;
	int stdin_fd;  /* write side, or a duplicate of the terminal's master */
	int out_fd[2]; /* read sides; with a terminal its master and -1 */
	bool tty;
	int slave_fd; /* keeps the terminal open; -1 without one */
	int listen_fd;
	int first_client_fd;
	int done_fd;
	int container_dir_fd; /* ROOT/containers/ID */
	int oom_fd;           /* v1 memory.oom_control or v2 memory.events, or -1 */
	int epoll_fd;
	bool stdin_once;    /* the end of a client's input is the end of the container's */
	bool sync;          /* fsync the record */
	bool client_cleans; /* the first client will clean up, if it is still there */
	bool ended;
	bool output_paused; /* a client is being waited for */
	struct log_writer log;
	struct client clients[CLIENTS_MAX];
	/* input that the container did not take yet */
	size_t in_used, in_sent;
	bool in_eof; /* close stdin when it is gone */
};

/* What an epoll event is about: kind in the high half, index in the low one. */
enum source_kind { SOURCE_INIT = 1, SOURCE_OUT, SOURCE_STDIN, SOURCE_LISTEN, SOURCE_CLIENT };
/* events 0: not watched at all (a mere hang-up would wake us again and again) */
void source_set(const struct monitor *m, int fd, enum source_kind kind, uint32_t index,
                uint32_t events);

/* config.c: false when an argument is wrong */
bool config_parse(struct monitor *m, int argc, char **argv);

/* clients.c */
void clients_init(struct monitor *m);
bool clients_accept(struct monitor *m); /* whether there was one */
void clients_add(struct monitor *m, int fd);
void clients_event(struct monitor *m, uint32_t index, uint32_t events);
void clients_input_taken(struct monitor *m); /* they may speak again */
void clients_output(struct monitor *m, uint32_t type, const char *data, size_t len);
/* Put clients aside that stalled too long. Returns ms until the next may be, -1: none. */
int clients_check_stalls(struct monitor *m);
/* Tell everyone how it ended; who is behind is served by a child. */
void clients_finish(struct monitor *m, uint32_t exit_arg);
/* Whether the first client is there to clean up, and, after clients_finish(), has done so. */
bool clients_will_clean(const struct monitor *m);
bool clients_cleaned(struct monitor *m);
bool clients_held(const struct monitor *m);

/* stdin.c */
void input_add(struct monitor *m, const char *data, size_t len);
void input_end(struct monitor *m);
void input_pump(struct monitor *m);
bool input_pending(const struct monitor *m);

/* record.c */
bool oom_happened(const struct monitor *m);
void record_write(const struct monitor *m, int code, bool oom);
void become_after_exit(const struct monitor *m);
/* The client has put the directory aside: what is in it goes while nobody waits. */
void remove_container_dir(const struct monitor *m);
