/* runtime/checkpoint: containers saved to files and brought back, by criu (criu(8), found in PATH).
 * It is spoken to by its RPC over a socket pair (`criu swrk`). Takes root, and a kernel that criu
 * understands. */
#pragma once
#include "runtime/runtime.h"

enum criu_cgroups { /* criu's numbers */
	            CRIU_CGROUPS_IGNORE = 0,
	            CRIU_CGROUPS_SOFT = 3,
	            CRIU_CGROUPS_FULL = 4,
	            CRIU_CGROUPS_STRICT = 5,
	            CRIU_CGROUPS_DEFAULT = 6,
};

enum criu_flags {
	CRIU_LEAVE_RUNNING = 1u << 0,
	CRIU_TCP_ESTABLISHED = 1u << 1,
	CRIU_TCP_CLOSE = 1u << 2,
	CRIU_TCP_SKIP_IN_FLIGHT = 1u << 3,
	CRIU_EXT_UNIX_SK = 1u << 4,
	CRIU_SHELL_JOB = 1u << 5,
	CRIU_FILE_LOCKS = 1u << 6,
	CRIU_PRE_DUMP = 1u << 7,
	CRIU_AUTO_DEDUP = 1u << 8,
	CRIU_LAZY_PAGES = 1u << 9,
	CRIU_LINK_REMAP = 1u << 10,
};

struct criu_options {
	const char *images; /* directory; made for a checkpoint */
	const char *work;   /* directory of logs; NULL: that of the images */
	const char *parent; /* images of the pre-dump before, relative to the images */
	unsigned flags;     /* enum criu_flags */
	enum criu_cgroups cgroups;
	uint32_t empty_ns;            /* CLONE_NEW*: made anew, without what was in them */
	const char *page_server_host; /* NULL: memory goes to files */
	int page_server_port;
	int status_fd;    /* gets a zero byte when lazy pages are ready; -1 */
	int network_lock; /* 0: criu's choice; 1: iptables; 2: nftables */
	const char *lsm_profile, *lsm_mount_context; /* restore */
};

/* Without CRIU_LEAVE_RUNNING and CRIU_PRE_DUMP its processes have ended then. */
int runtime_checkpoint(int state_root_fd, const char *id, const struct criu_options *o,
                       struct err *err);
/* Make a container from images. It runs; ret->pid is a child of the caller. start sockets and
 * preserve_fds of args are not used. */
int runtime_restore(const struct runtime_create_args *args, const struct criu_options *o,
                    struct runtime_container *ret, struct err *err);
