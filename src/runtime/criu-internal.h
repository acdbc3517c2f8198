/* The conversation with criu, shared by checkpoint.c and restore.c. Numbers of fields and requests
 * are those of criu's rpc.proto. */
#pragma once
#include "base/strbuf.h"
#include "runtime/checkpoint.h"
#include "runtime/internal.h"

enum criu_request { CRIU_DUMP = 1, CRIU_RESTORE = 2, CRIU_PRE_DUMP_REQUEST = 4 };

struct criu {
	const struct criu_options *options;
	struct strbuf opts; /* criu_opts, under construction */
	int images_fd, work_fd;
	const char *log; /* its name, in the work directory */
	int inherit[32]; /* descriptors it gets, besides 0 to 2 and its socket */
	size_t n_inherit;
	int stdio[3];         /* -1: /dev/null */
	int sock, child_sock; /* the conversation: our end, criu's */
	/* In the new process, before it becomes criu; NULL: nothing. */
	int (*before_exec)(struct criu *c, struct err *err);
	/* After it was made: its pid. The request has not been sent. */
	int (*launched)(struct criu *c, pid_t criu_pid, struct err *err);
	/* "post-restore", "orphan-pts-master" (fd), ...; the descriptor is closed afterwards unless
	 * it is taken. */
	int (*notify)(struct criu *c, const char *what, pid_t pid, int *fd, struct err *err);
	struct runtime_sandbox *sandbox; /* restore */
	char *root_mount;                /* restore: where its root is bound */
	pid_t restored;
	struct strv descriptors; /* what 0 to 2 were: keys for inherit_fd, or paths */
};

#define CRIU_INIT                                                                                  \
	{                                                                                          \
		.opts = STRBUF_INIT, .images_fd = -1, .work_fd = -1, .stdio = { -1, -1, -1 }       \
	}

/* Open the directories and write what both requests have. */
int criu_begin(struct criu *c, bool make_images, const char *log, struct err *err);
void criu_done(struct criu *c);
void criu_add_pair(struct criu *c, unsigned field, const char *key, const char *value);
/* inherit_fd: the descriptor (ours; criu gets it) stands for `key` of the images. */
void criu_add_inherit(struct criu *c, const char *key, int fd);
int criu_run(struct criu *c, enum criu_request request, struct err *err);
