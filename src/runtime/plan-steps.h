/* runtime/plan-steps: what a creation or an exec would do, step by step, without doing any of it.
 *
 * The steps come from the same values as the execution: the plan, the tables of devices, and the
 * functions that write limits, with a recorder instead of a cgroup. Nothing is changed and no
 * privilege is needed; what is read is the layout of /sys/fs/cgroup, and for exec the state of the
 * container.
 *
 * A step is an object: "phase" ("create", "start", "end"), "by" ("runtime", the calling process;
 * "init", the new one), "step" (what), and its details. */
#pragma once
#include "codec/json.h"
#include "runtime/runtime.h"

/* An array of steps, which the caller puts. state_root_fd may be -1. Errors are those of
 * runtime_create() that show without doing anything. */
int runtime_create_steps(const struct runtime_create_args *args, struct json_object **ret,
                         struct err *err);
int runtime_exec_steps(const struct runtime_exec_args *args, struct json_object **ret,
                       struct err *err);
/* The same for people: a step a line. The caller frees. */
char *plan_steps_text(struct json_object *steps);
