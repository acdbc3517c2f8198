/* Shared by the files that list the steps of a plan. */
#pragma once
#include "runtime/internal.h"
#include "runtime/plan-steps.h"

struct steps {
	struct json_object *list;
	const char *phase, *by; /* of the steps added next */
};

/* A new step at the end; add its details to it. */
struct json_object *step_add(struct steps *s, const char *name);
void step_add_hooks(struct steps *s, const struct oci_hooks *h, const char *point);
/* plan-steps-process.c: from the finished root to execve. */
void steps_of_process(struct steps *s, const struct oci_process *p);
void steps_of_execution(struct steps *s, const struct oci_process *p, const struct oci_spec *spec,
                        unsigned short filter_len);
