/* Seccomp profiles: "linux.seccomp" of config.json, and docker's profile files. */
#include "oci/spec-internal.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/utsname.h>

#include "base/xalloc.h"
#include "oci/names.h"

const char *const spec_seccomp_actions[OCI_SECCOMP_ACTION_MAX] = {
	[OCI_SECCOMP_KILL_THREAD] = "SCMP_ACT_KILL_THREAD",
	[OCI_SECCOMP_KILL_PROCESS] = "SCMP_ACT_KILL_PROCESS",
	[OCI_SECCOMP_TRAP] = "SCMP_ACT_TRAP",
	[OCI_SECCOMP_ERRNO] = "SCMP_ACT_ERRNO",
	[OCI_SECCOMP_NOTIFY] = "SCMP_ACT_NOTIFY",
	[OCI_SECCOMP_TRACE] = "SCMP_ACT_TRACE",
	[OCI_SECCOMP_LOG] = "SCMP_ACT_LOG",
	[OCI_SECCOMP_ALLOW] = "SCMP_ACT_ALLOW",
};

const char *const spec_seccomp_ops[OCI_CMP_MAX] = {
	[OCI_CMP_NE] = "SCMP_CMP_NE",
	[OCI_CMP_LT] = "SCMP_CMP_LT",
	[OCI_CMP_LE] = "SCMP_CMP_LE",
	[OCI_CMP_EQ] = "SCMP_CMP_EQ",
	[OCI_CMP_GE] = "SCMP_CMP_GE",
	[OCI_CMP_GT] = "SCMP_CMP_GT",
	[OCI_CMP_MASKED_EQ] = "SCMP_CMP_MASKED_EQ",
};

int spec_parse_seccomp_action(const struct json *at, const char *key, enum oci_seccomp_action *ret,
                              struct err *err)
{
	struct json value;
	const char *name = NULL;

	if (json_require(at, key, &value, err) < 0 || json_get_str(at, key, &name, err) < 0)
		return -1;
	if (strcmp(name, "SCMP_ACT_KILL") == 0) {
		*ret = OCI_SECCOMP_KILL_THREAD;
		return 0;
	}
	for (int i = 0; i < OCI_SECCOMP_ACTION_MAX; i++) {
		if (strcmp(name, spec_seccomp_actions[i]) == 0) {
			*ret = i;
			return 0;
		}
	}
	return json_error(err, &value, "unknown seccomp action '%s'", name);
}

static int parse_arg(const struct json *at, struct oci_seccomp_rule *rule, struct err *err)
{
	struct oci_seccomp_arg arg = { 0 };
	struct json op;
	const char *name = "";
	int i;

	if (json_expect(at, json_type_object, err) < 0 ||
	    json_get_u32(at, "index", &arg.index, err) < 0 ||
	    json_get_u64(at, "value", &arg.value, err) < 0 ||
	    json_get_u64(at, "valueTwo", &arg.value_two, err) < 0 ||
	    json_require(at, "op", &op, err) < 0 || json_get_str(at, "op", &name, err) < 0)
		return -1;
	if (arg.index > 5)
		return json_error(err, at, "index %u is above 5", arg.index);
	for (i = 0; i < OCI_CMP_MAX && strcmp(name, spec_seccomp_ops[i]) != 0; i++)
		;
	if (i == OCI_CMP_MAX)
		return json_error(err, &op, "unknown comparison '%s'", name);
	arg.op = i;
	VEC_PUSH(rule->args, rule->n_args, arg);
	return 0;
}

/* The specification wants an error for an errno that an action has no use for. */
static int check_errno(const struct json *at, const char *key, enum oci_seccomp_action action,
                       int64_t errno_ret, struct err *err)
{
	struct json value;

	if (errno_ret == OCI_UNSET || action == OCI_SECCOMP_ERRNO || action == OCI_SECCOMP_TRACE)
		return 0;
	json_get(at, key, &value);
	return json_error(err, &value,
	                  "%s takes no errno: only SCMP_ACT_ERRNO and SCMP_ACT_TRACE do",
	                  spec_seccomp_actions[action]);
}

int spec_parse_seccomp_rule(const struct json *at, struct oci_seccomp_rule *rule, struct err *err)
{
	struct json list;
	size_t n;

	*rule = (struct oci_seccomp_rule){ .errno_ret = OCI_UNSET };
	if (json_expect(at, json_type_object, err) < 0 ||
	    json_get_strv(at, "names", &rule->names, err) < 0 ||
	    spec_parse_seccomp_action(at, "action", &rule->action, err) < 0 ||
	    spec_get_unsigned(at, "errnoRet", 4095, &rule->errno_ret, err) < 0 ||
	    check_errno(at, "errnoRet", rule->action, rule->errno_ret, err) < 0 ||
	    spec_open_list(at, "args", &list, &n, err) < 0)
		return -1;
	for (size_t i = 0; i < n; i++) {
		struct json item = json_item(&list, i);

		if (parse_arg(&item, rule, err) < 0)
			return -1;
	}
	return 0;
}

static int parse_rules(const struct json *at, struct oci_seccomp *s, struct err *err)
{
	struct json list;
	size_t n;

	if (spec_open_list(at, "syscalls", &list, &n, err) < 0)
		return -1;
	for (size_t i = 0; i < n; i++) {
		struct json item = json_item(&list, i);

		VEC_PUSH(s->rules, s->n_rules, (struct oci_seccomp_rule){ 0 });
		if (spec_parse_seccomp_rule(&item, &s->rules[i], err) < 0)
			return -1;
		if (s->rules[i].names.len == 0)
			return json_error(err, &item, "a rule must name a system call");
	}
	return 0;
}

int spec_parse_seccomp(const struct json *at, struct oci_seccomp *s, struct err *err)
{
	s->present = true;
	if (spec_parse_seccomp_action(at, "defaultAction", &s->default_action, err) < 0 ||
	    spec_get_unsigned(at, "defaultErrnoRet", 4095, &s->default_errno_ret, err) < 0 ||
	    check_errno(at, "defaultErrnoRet", s->default_action, s->default_errno_ret, err) < 0 ||
	    json_get_strv(at, "architectures", &s->architectures, err) < 0 ||
	    json_get_strv(at, "flags", &s->flags, err) < 0 ||
	    spec_get_str(at, "listenerPath", &s->listener_path, err) < 0 ||
	    spec_get_str(at, "listenerMetadata", &s->listener_metadata, err) < 0)
		return -1;
	return parse_rules(at, s, err);
}

/* The machine by Go's name, as docker's profiles have it. */
static const char *go_arch(void)
{
#if defined(__x86_64__)
	return "amd64";
#elif defined(__aarch64__)
	return "arm64";
#elif defined(__riscv)
	return "riscv64";
#elif defined(__s390x__)
	return "s390x";
#elif defined(__powerpc64__)
	return "ppc64le";
#else
	return "unknown";
#endif
}

/* "6.1.0-13-amd64", or "4.8": the first two numbers. */
static bool parse_release(const char *text, unsigned long ret[2])
{
	char *end;

	ret[0] = strtoul(text, &end, 10);
	ret[1] = *end == '.' ? strtoul(end + 1, NULL, 10) : 0;
	return end != text;
}

/* Whether the running kernel is at least "4.8". */
static bool kernel_is_at_least(const char *wanted)
{
	struct utsname u;
	unsigned long have[2], want[2];

	if (uname(&u) < 0 || !parse_release(u.release, have) || !parse_release(wanted, want))
		return false;
	return have[0] > want[0] || (have[0] == want[0] && have[1] >= want[1]);
}

/* One filter object. *ret_all: every condition given in it holds; *ret_any: at least one does. */
static int match_filter(const struct json *rule, const char *key, uint64_t caps, bool *ret_all,
                        bool *ret_any, struct err *err)
{
	AUTO_STRV cap_names = STRV_INIT;
	AUTO_STRV arches = STRV_INIT;
	const char *min_kernel = NULL;
	struct json filter;
	bool present = false;

	*ret_all = true;
	*ret_any = false;
	if (json_get_object(rule, key, &filter, &present, err) < 0)
		return -1;
	if (!present)
		return 0;
	if (json_get_strv(&filter, "caps", &cap_names, err) < 0 ||
	    json_get_strv(&filter, "arches", &arches, err) < 0 ||
	    json_get_str(&filter, "minKernel", &min_kernel, err) < 0)
		return -1;
	for (size_t i = 0; i < cap_names.len; i++) {
		int number = oci_cap_number(cap_names.items[i]);
		bool have = number >= 0 && (caps >> number & 1);

		*ret_all &= have;
		*ret_any |= have;
	}
	if (arches.len) {
		bool have = strv_has(&arches, go_arch());

		*ret_all &= have;
		*ret_any |= have;
	}
	if (min_kernel && *min_kernel) {
		bool have = kernel_is_at_least(min_kernel);

		*ret_all &= have;
		*ret_any |= have;
	}
	return 0;
}

static int parse_profile_rules(const struct json *root, struct oci_seccomp *s, uint64_t caps,
                               struct err *err)
{
	struct json list;
	size_t n;

	if (spec_open_list(root, "syscalls", &list, &n, err) < 0)
		return -1;
	for (size_t i = 0; i < n; i++) {
		struct json item = json_item(&list, i);
		struct oci_seccomp_rule *rule;
		bool included, excluded, unused;
		const char *name = NULL;

		if (json_expect(&item, json_type_object, err) < 0 ||
		    match_filter(&item, "includes", caps, &included, &unused, err) < 0 ||
		    match_filter(&item, "excludes", caps, &unused, &excluded, err) < 0)
			return -1;
		if (!included || excluded)
			continue;
		VEC_PUSH(s->rules, s->n_rules, (struct oci_seccomp_rule){ 0 });
		rule = &s->rules[s->n_rules - 1];
		if (spec_parse_seccomp_rule(&item, rule, err) < 0 ||
		    json_get_str(&item, "name", &name, err) < 0)
			return -1;
		if (name)
			strv_add(&rule->names, name);
		if (rule->names.len == 0)
			return json_error(err, &item, "a rule must name a system call");
	}
	return 0;
}

static const char *native_arch(void)
{
#if defined(__x86_64__)
	return "SCMP_ARCH_X86_64";
#elif defined(__aarch64__)
	return "SCMP_ARCH_AARCH64";
#elif defined(__riscv)
	return "SCMP_ARCH_RISCV64";
#elif defined(__s390x__)
	return "SCMP_ARCH_S390X";
#elif defined(__powerpc64__)
	return "SCMP_ARCH_PPC64LE";
#else
	return "SCMP_ARCH_NATIVE";
#endif
}

static int parse_arch_map(const struct json *root, struct oci_seccomp *s, struct err *err)
{
	struct json list;
	size_t n;

	if (json_get_strv(root, "architectures", &s->architectures, err) < 0 ||
	    spec_open_list(root, "archMap", &list, &n, err) < 0)
		return -1;
	for (size_t i = 0; i < n; i++) {
		struct json item = json_item(&list, i);
		const char *arch = "";

		if (json_expect(&item, json_type_object, err) < 0 ||
		    json_get_str(&item, "architecture", &arch, err) < 0)
			return -1;
		if (strcmp(arch, native_arch()) != 0)
			continue;
		strv_add(&s->architectures, arch);
		if (json_get_strv(&item, "subArchitectures", &s->architectures, err) < 0)
			return -1;
	}
	return 0;
}

int oci_seccomp_parse_profile(struct oci_seccomp *s, const char *what, const char *text, size_t len,
                              uint64_t caps, struct err *err)
{
	AUTO_JSON *obj = NULL;
	struct json root;

	*s = (struct oci_seccomp){ .present = true, .default_errno_ret = OCI_UNSET };
	if (json_parse(what, text, len, &obj, err) < 0)
		return -1;
	root = json_root(obj, what);
	if (json_expect(&root, json_type_object, err) == 0 &&
	    spec_parse_seccomp_action(&root, "defaultAction", &s->default_action, err) == 0 &&
	    spec_get_unsigned(&root, "defaultErrnoRet", 4095, &s->default_errno_ret, err) == 0 &&
	    json_get_strv(&root, "flags", &s->flags, err) == 0 &&
	    spec_get_str(&root, "listenerPath", &s->listener_path, err) == 0 &&
	    spec_get_str(&root, "listenerMetadata", &s->listener_metadata, err) == 0 &&
	    parse_arch_map(&root, s, err) == 0 && parse_profile_rules(&root, s, caps, err) == 0)
		return 0;
	oci_seccomp_done(s);
	return -1;
}
