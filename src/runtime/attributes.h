/* runtime/attributes: what a process is given besides its user and its limits: scheduler, I/O
 * priority, CPU affinity, memory policy (runtime-spec: config.md "Linux Process", config-linux.md
 * "Memory policy"). The *_check functions are pure; errors name the JSON path. */
#pragma once
#include "oci/spec.h"
#include <sys/types.h>

/* Scheduler, I/O priority and the CPU lists make sense; says nothing about what is permitted. */
int attributes_check(const struct oci_process *p, struct err *err);
int memory_policy_check(const struct oci_memory_policy *m, struct err *err);

/* Scheduler and I/O priority of another process, by the caller: in a user namespace the process
 * itself may not, and a cgroup's real-time budget must be there first. */
int attributes_apply(const struct oci_process *p, pid_t pid, struct err *err);
/* execCPUAffinity. list: NULL or empty changes nothing; pid 0: this process. */
int affinity_apply(const char *list, const char *what, pid_t pid, struct err *err);
/* All CPUs that the cpuset has, whatever the caller is restricted to, as the other runtimes do: a
 * service manager's choice for the engine is none for its containers. */
void affinity_reset(pid_t pid);
/* Of this process, and of what it executes. */
int memory_policy_apply(const struct oci_memory_policy *m, struct err *err);

#define NUMBER_LIST_BITS  4096
#define NUMBER_LIST_WORDS (NUMBER_LIST_BITS / (8 * sizeof(unsigned long)))
/* "0-3,7" into a bit mask; false when it is not such a list or a number is too large. */
bool number_list_parse(const char *list, unsigned long ret[NUMBER_LIST_WORDS]);
