/* Device rules: which nodes may be made, read and written.
 * v2 (also beside v1): an eBPF program on the cgroup. v1: the devices controller. */
#include "runtime/internal.h"

#include <errno.h>
#include <fcntl.h>

#include "base/fd.h"
#include "base/xalloc.h"
#include "sys/device-filter.h"

bool device_rules_by_bpf(void)
{
	return cgroup_layout_get()->on_v2 & CGROUP_BIT(CGROUP_UNIFIED);
}

static unsigned access_bits(const char *access)
{
	return (strchr(access, 'm') ? BPF_DEVCG_ACC_MKNOD : 0u) |
	       (strchr(access, 'r') ? BPF_DEVCG_ACC_READ : 0u) |
	       (strchr(access, 'w') ? BPF_DEVCG_ACC_WRITE : 0u);
}

/* What a container may always use, whatever the configuration denies, as with other runtimes:
 * without them no /dev/null and no terminal. They come after the configuration's rules. */
static const struct oci_device_rule always[] = {
	{ true, 'c', OCI_UNSET, OCI_UNSET, "m" },
	{ true, 'b', OCI_UNSET, OCI_UNSET, "m" },
	{ true, 'c', 1, 3, "rwm" }, /* null */
	{ true, 'c', 1, 5, "rwm" }, /* zero */
	{ true, 'c', 1, 7, "rwm" }, /* full */
	{ true, 'c', 1, 8, "rwm" }, /* random */
	{ true, 'c', 1, 9, "rwm" }, /* urandom */
	{ true, 'c', 5, 0, "rwm" }, /* tty */
	{ true, 'c', 5, 2, "rwm" }, /* ptmx */
	{ true, 'c', 136, OCI_UNSET, "rwm" },
};

static bool is_listed(const struct oci_resources *r, const struct oci_device_rule *d)
{
	for (size_t i = 0; i < r->n_devices; i++)
		if (r->devices[i].allow && r->devices[i].type == d->type &&
		    r->devices[i].major == d->major && r->devices[i].minor == d->minor &&
		    strcmp(r->devices[i].access, d->access) == 0)
			return true;
	return false;
}

static struct device_rule plain_rule(const struct oci_device_rule *d)
{
	return (struct device_rule){
		.allow = d->allow,
		.type = d->type,
		.major = d->major == OCI_UNSET ? -1 : d->major,
		.minor = d->minor == OCI_UNSET ? -1 : d->minor,
		.access = access_bits(d->access),
	};
}

/* Root of a user namespace may not load programs; it cannot make devices either, and reaches those
 * of the host by their file permissions only. */
static bool may_not_filter(int r)
{
	AUTO_FREE char *map = NULL;
	size_t len;

	if (r != -EPERM)
		return false;
	return geteuid() != 0 ||
	       file_read_at(AT_FDCWD, "/proc/self/uid_map", 4096, &map, &len, ERR_IGNORE) < 0 ||
	       !strstr(map, "4294967295");
}

static int apply_bpf(struct cgroup *cg, const struct oci_resources *r, bool replace,
                     struct err *err)
{
	size_t n = 0;
	AUTO_FREE struct device_rule *rules =
		xcalloc(r->n_devices + ARRAY_LEN(always), sizeof(*rules));
	int e;

	for (size_t i = 0; i < r->n_devices; i++)
		rules[n++] = plain_rule(&r->devices[i]);
	for (size_t i = 0; i < ARRAY_LEN(always); i++)
		rules[n++] = plain_rule(&always[i]);
	e = device_filter_attach(cg->fds[CGROUP_UNIFIED], rules, n, replace);
	if (e == 0 || may_not_filter(e))
		return 0;
	return err_sys(err, -e, "linux.resources.devices: attach the device filter");
}

static int write_text(struct cgroup *cg, bool allow, const char *text, struct err *err)
{
	int e = cgroup_write(cg, CGROUP_DEVICES, allow ? "devices.allow" : "devices.deny", text);

	return e < 0 ? err_sys(err, -e, "linux.resources.devices: write '%s'", text) : 0;
}

static int write_rule(struct cgroup *cg, const struct oci_device_rule *d, struct err *err)
{
	char major[24] = "*", minor[24] = "*", text[80];
	const char types[] = { d->type, '\0' };

	if (d->major != OCI_UNSET)
		snprintf(major, sizeof(major), "%lld", (long long)d->major);
	if (d->minor != OCI_UNSET)
		snprintf(minor, sizeof(minor), "%lld", (long long)d->minor);
	/* The kernel's "a" is every device in every way, whatever follows it. */
	if (d->type == 'a' && major[0] == '*' && minor[0] == '*' &&
	    access_bits(d->access) == DEVICE_ACCESS_ALL)
		return write_text(cg, d->allow, "a", err);
	for (const char *type = d->type == 'a' ? "bc" : types; *type; type++) {
		snprintf(text, sizeof(text), "%c %s:%s %s", *type, major, minor, d->access);
		if (write_text(cg, d->allow, text, err) < 0)
			return -1;
	}
	return 0;
}

static int apply_v1(struct cgroup *cg, const struct oci_resources *r, struct err *err)
{
	static const struct oci_device_rule nothing = { false, 'a', OCI_UNSET, OCI_UNSET, "rwm" };

	/* What no rule names is refused, as on v2; the controller begins with what its parent
	 * allows. */
	if ((r->devices[0].allow || r->devices[0].type != 'a') && write_rule(cg, &nothing, err) < 0)
		return -1;
	for (size_t i = 0; i < r->n_devices; i++)
		if (write_rule(cg, &r->devices[i], err) < 0)
			return -1;
	for (size_t i = 0; i < ARRAY_LEN(always); i++)
		if (!is_listed(r, &always[i]) && write_rule(cg, &always[i], err) < 0)
			return -1;
	return 0;
}

static int apply(struct cgroup *cg, const struct oci_resources *r, bool replace, struct err *err)
{
	if (!r->n_devices)
		return 0;
	/* The controller's language is the readable form of both. */
	if (cg->record || !device_rules_by_bpf())
		return apply_v1(cg, r, err);
	return apply_bpf(cg, r, replace, err);
}

int device_rules_apply(struct cgroup *cg, const struct oci_resources *r, struct err *err)
{
	return apply(cg, r, false, err);
}

int device_rules_update(struct cgroup *cg, const struct oci_resources *r, struct err *err)
{
	return apply(cg, r, true, err);
}
