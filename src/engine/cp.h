/* cp: files between the host and a container, or as a tar archive on standard input or output.
 *
 * The container's side is worked on by a child process that has entered the container's root (its
 * mount namespace when it runs, a mount of its layers when it does not): there every path is
 * the container's, and a link can lead nowhere else, whatever the container does meanwhile
 * (CVE-2018-15664, CVE-2019-14271, CVE-2026-42306). The two sides talk by a tar stream over a pipe;
 * nothing of the container is executed or loaded, and the stream is parsed strictly on both ends.
 */
#pragma once
#include "base/err.h"
#include <stdbool.h>

struct engine;

struct cp_args {
	const char *source; /* CONTAINER:PATH, PATH or "-" (a tar archive on in_fd) */
	const char *dest;   /* CONTAINER:PATH, PATH or "-" (a tar archive to out_fd) */
	bool archive;       /* -a: keep owners */
	bool follow;        /* -L: the source's last component is followed */
	int in_fd;
	int out_fd;
};

/* Path rules are docker's: `SRC/.` copies the content of SRC; a directory goes into an existing
 * directory and creates a missing one; a file does not replace a directory, nor a directory a file;
 * a trailing slash demands a directory. Exactly one side is a container. */
int container_cp(struct engine *e, const struct cp_args *args, struct err *err);
