/* runtime/rdt: Intel Resource Director Technology (runtime-spec, config-linux.md "IntelRdt";
 * Documentation/arch/x86/resctrl).
 * A class of service is a directory of resctrl: `schemata` says what it may use, `tasks` who is in
 * it; mon_groups/ID counts for one container. Every function takes resctrl's root as a descriptor,
 * so that a test can hand in a directory of its own. */
#pragma once
#include "oci/spec.h"
#include <sys/types.h>

/* What has been made, and must be removed with the container. */
struct rdt {
	char *group;    /* name of the class below the root; "" is the root; NULL: none */
	bool made;      /* it is ours */
	bool monitored; /* mon_groups/ID in it is ours */
};
void rdt_done(struct rdt *r); /* frees */

/* resctrl's root; E_UNSUPPORTED where it is not mounted. */
int rdt_open(struct err *err);
/* Make or check the class and move the process into it. What was made is undone on failure. */
int rdt_join(int root_fd, const struct oci_intel_rdt *spec, const char *id, pid_t pid,
             struct rdt *ret, struct err *err);
/* The same at its mount point, wherever that went. */
void rdt_leave(const struct rdt *r, const char *id);
void rdt_remove(int root_fd, const struct rdt *r, const char *id);
/* Other schemata for an existing class (`update`). NULL: as it is. */
int rdt_update(int root_fd, const char *group, const char *l3, const char *mem_bw, struct err *err);
/* Whether every value of `line` ("L3:0=7f0;1=1f") is in `schemata`, the file's text. */
bool rdt_schemata_have(const char *schemata, const char *line);
