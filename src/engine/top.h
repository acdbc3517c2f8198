/* top: the processes of a container, read from /proc by us.
 * Nothing is run inside the container and its files are not opened (CVE-2022-1227). Membership is
 * by the container's cgroup, or its pid namespace where it has no cgroup. */
#pragma once
#include "base/err.h"
#include "base/strv.h"

struct engine;

struct top_table {
	struct strv titles;
	struct strv *rows; /* each as long as titles */
	size_t count;
};

/* ps_args: NULL or empty for UID PID PPID C STIME TTY TIME CMD; else ps's own: "-ef", "aux",
 * "-o pid,user,args", "-eo pid,comm", or podman's field names ("pid", "hpid", "user", "pcpu").
 * E_STATE when the container does not run, E_INVALID for an unknown field. */
int container_top(struct engine *e, const char *ref, const struct strv *ps_args,
                  struct top_table *ret, struct err *err);
void top_table_done(struct top_table *t);
