/* Tables shared by the reader and the writer of config.json, so that they cannot disagree. */
#pragma once
#include "codec/json.h"
#include "oci/spec.h"

/* A scalar of struct oci_resources: "linux.resources.<group>.<key>". */
struct spec_scalar {
	const char *group, *key;
	size_t offset;
	/* SPEC_I64 may be negative; SPEC_U64 not; SPEC_BOOL is 0 or 1. All are kept as int64_t with
	 * OCI_UNSET. SPEC_STR is a char *. */
	enum { SPEC_I64, SPEC_U64, SPEC_BOOL, SPEC_STR } kind;
};
extern const struct spec_scalar spec_resource_scalars[];
extern const size_t spec_resource_scalar_count;

extern const char *const spec_ns_names[OCI_NS_MAX];
extern const char *const spec_hook_names[OCI_HOOK_MAX];
extern const char *const spec_throttle_names[4];
extern const char *const spec_seccomp_actions[OCI_SECCOMP_ACTION_MAX];
extern const char *const spec_seccomp_ops[OCI_CMP_MAX];

int spec_parse_idmaps(const struct json *at, const char *key, struct oci_idmap **ret,
                      size_t *ret_count, struct err *err);
int spec_parse_keyvals(const struct json *at, const char *key, struct oci_keyval **ret,
                       size_t *ret_count, struct err *err);
int spec_parse_linux(const struct json *at, struct oci_linux *l, struct err *err);
int spec_parse_resources(const struct json *at, struct oci_resources *r, struct err *err);
int spec_parse_seccomp(const struct json *at, struct oci_seccomp *s, struct err *err);
int spec_parse_seccomp_action(const struct json *at, const char *key, enum oci_seccomp_action *ret,
                              struct err *err);
int spec_parse_seccomp_rule(const struct json *at, struct oci_seccomp_rule *rule, struct err *err);
/* vm.c */
int spec_parse_vm(const struct json *at, struct oci_vm *vm, struct err *err);
void spec_format_vm(struct json_object *root, const struct oci_vm *vm);
/* landlock.c */
int spec_parse_landlock(const struct json *at, struct oci_landlock *l, struct err *err);
int spec_parse_landlock_annotation(const char *text, struct oci_landlock *l, struct err *err);
void spec_format_landlock(struct json_object *linux_obj, const struct oci_landlock *l);
/* spec-tuning.c: memoryPolicy and intelRdt */
int spec_parse_memory_policy(const struct json *linux_, struct oci_memory_policy *m,
                             struct err *err);
int spec_parse_intel_rdt(const struct json *linux_, struct oci_intel_rdt *r, struct err *err);
void spec_format_tuning(struct json_object *obj, const struct oci_linux *l);
void spec_tuning_done(struct oci_linux *l);
/* A string kept as a copy; *ret is untouched when absent. */
int spec_get_str(const struct json *at, const char *key, char **ret, struct err *err);
/* A number >= 0 into an int64_t that may be OCI_UNSET. */
int spec_get_unsigned(const struct json *at, const char *key, int64_t max, int64_t *ret,
                      struct err *err);
/* FOR_EACH_ITEM(at, key, list, item): declares and walks an optional array. */
int spec_open_list(const struct json *at, const char *key, struct json *ret, size_t *ret_count,
                   struct err *err);
struct json_object *spec_format_linux(const struct oci_linux *l);
