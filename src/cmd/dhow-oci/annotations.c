/* Annotations that change what the runtime does: those of crun that its callers use. What they ask
 * for becomes part of the configuration, so that exec and the saved config.json have it, too. */
#include "oci.h"

#include "base/xalloc.h"
#include "sys/seccomp.h"

#define KEEP_GROUPS      "run.oci.keep_original_groups"
#define PIDFD_RECEIVER   "run.oci.pidfd_receiver"
#define SECCOMP_RECEIVER "run.oci.seccomp.receiver"
#define SECCOMP_STRICT   "run.oci.seccomp_fail_unknown_syscall"

/* All that change something, also where the runtime itself reads them; "..." with a dot at its end
 * is a prefix (runtime-spec, features.md, "potentiallyUnsafeConfigAnnotations"). */
/* clang-format off */
const char *const oci_annotation_names[] = {
	"org.systemd.property.",
	OCI_LANDLOCK_ANNOTATION,
	"run.oci.delegate-cgroup",
	"run.oci.hooks.stderr",
	"run.oci.hooks.stdout",
	KEEP_GROUPS,
	PIDFD_RECEIVER,
	SECCOMP_RECEIVER,
	SECCOMP_STRICT,
	NULL,
};
/* clang-format on */

/* Who asks for one of these would get less isolation than expected without it. */
static const char *const refused[] = { "run.oci.handler", "run.oci.seccomp.plugins",
	                               "run.oci.seccomp_bpf_data" };

static int absolute(const char *key, const char *value, struct err *err)
{
	if (value[0] == '/')
		return 0;
	return err_set(err, E_INVALID, "annotations['%s']: '%s' is not an absolute path", key,
	               value);
}

static int set_receiver(struct oci_spec *spec, struct err *err)
{
	const char *path = oci_spec_annotation(spec, SECCOMP_RECEIVER);

	if (!spec->linux_.seccomp.present)
		return 0;
	if (!path)
		path = getenv("RUN_OCI_SECCOMP_RECEIVER");
	if (!path)
		return 0;
	if (absolute(SECCOMP_RECEIVER, path, err) < 0)
		return -1;
	free(spec->linux_.seccomp.listener_path);
	spec->linux_.seccomp.listener_path = xstrdup(path);
	return 0;
}

static bool call_is_known(const char *name)
{
	for (unsigned arch = SECCOMP_ARCH_X86_64; arch <= SECCOMP_ARCH_RISCV64; arch <<= 1)
		if (seccomp_syscall_number((enum seccomp_arch)arch, name) >= 0)
			return true;
	return false;
}

static int check_calls(const struct oci_seccomp *s, struct err *err)
{
	for (size_t i = 0; i < s->n_rules; i++)
		for (size_t j = 0; j < s->rules[i].names.len; j++)
			if (!call_is_known(s->rules[i].names.items[j]))
				return err_set(err, E_INVALID,
				               "linux.seccomp.syscalls[%zu].names[%zu]: unknown "
				               "system call '%s'",
				               i, j, s->rules[i].names.items[j]);
	return 0;
}

int oci_annotations_apply(struct oci_spec *spec, const char **pidfd_socket, struct err *err)
{
	const char *value;

	if (set_receiver(spec, err) < 0)
		return -1;
	if (!spec->n_annotations)
		return 0;
	for (size_t i = 0; i < ARRAY_LEN(refused); i++) {
		value = oci_spec_annotation(spec, refused[i]);
		if (value && *value)
			return err_set(err, E_UNSUPPORTED,
			               "annotations['%s']: '%s' is not supported", refused[i],
			               value);
	}
	if (oci_spec_annotation(spec, KEEP_GROUPS))
		spec->process.user.keep_groups = true;
	value = oci_spec_annotation(spec, PIDFD_RECEIVER);
	if (value && absolute(PIDFD_RECEIVER, value, err) < 0)
		return -1;
	if (value && pidfd_socket && !*pidfd_socket)
		*pidfd_socket = value;
	if (oci_spec_annotation(spec, SECCOMP_STRICT))
		return check_calls(&spec->linux_.seccomp, err);
	return 0;
}
