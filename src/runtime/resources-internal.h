/* Shared by the resources*.c files: values into cgroup files, with errors that name the place in
 * the configuration. */
#pragma once
#include "runtime/internal.h"

struct writer {
	struct cgroup *cg;
	struct err *err;
};

#define IS_SET(n) ((n) != OCI_UNSET)
/* What Go programs write for "not set" where 0 makes no sense. */
#define IS_GIVEN(n) (IS_SET(n) && (n) != 0)

/* The error for a write that failed with r (-errno). key: below linux.resources. Returns -1. */
int resource_failed(const struct writer *w, int r, const char *key, const char *file,
                    const char *value);
/* This kernel, or this version of cgroups, does not have it. Returns -1. */
int resource_refused(const struct writer *w, const char *key, const char *why);
int resource_put(const struct writer *w, enum cgroup_controller c, const char *key,
                 const char *file, const char *value);
int resource_put_number(const struct writer *w, enum cgroup_controller c, const char *key,
                        const char *file, int64_t value);

/* resources-v2.c */
int resources_memory_v2(const struct writer *w, const struct oci_resources *r);
int resources_cpu_v2(const struct writer *w, const struct oci_resources *r);
int resources_block_v2(const struct writer *w, const struct oci_resources *r);
int resources_unified(const struct writer *w, const struct oci_resources *r);
/* resources-v1.c */
int resources_memory_v1(const struct writer *w, const struct oci_resources *r);
int resources_cpu_v1(const struct writer *w, const struct oci_resources *r);
int resources_block_v1(const struct writer *w, const struct oci_resources *r);
int resources_network_v1(const struct writer *w, const struct oci_resources *r);
