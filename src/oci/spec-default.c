/* What docker gives a container when nothing is asked for. */
#include "oci/spec.h"

#include "base/xalloc.h"
#include "oci/names.h"

/* clang-format off */
static const struct { const char *destination, *type, *source, *options; } mounts[] = {
	{ "/proc", "proc", "proc", "nosuid,noexec,nodev" },
	{ "/dev", "tmpfs", "tmpfs", "nosuid,strictatime,mode=755,size=65536k" },
	{ "/dev/pts", "devpts", "devpts", "nosuid,noexec,newinstance,ptmxmode=0666,mode=0620,gid=5" },
	{ "/sys", "sysfs", "sysfs", "nosuid,noexec,nodev,ro" },
	{ "/sys/fs/cgroup", "cgroup", "cgroup", "ro,nosuid,noexec,nodev" },
	{ "/dev/mqueue", "mqueue", "mqueue", "nosuid,noexec,nodev" },
	{ "/dev/shm", "tmpfs", "shm", "nosuid,noexec,nodev,mode=1777,size=67108864" },
};

static const char *const masked_paths[] = {
	"/proc/asound", "/proc/acpi", "/proc/interrupts", "/proc/kcore", "/proc/keys", "/proc/latency_stats",
	"/proc/timer_list", "/proc/timer_stats", "/proc/sched_debug", "/proc/scsi", "/sys/firmware",
	"/sys/devices/virtual/powercap",
};

static const char *const readonly_paths[] = {
	"/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger",
};

/* Access rules by docker: mknod of anything, use of the harmless ones. -1: any number. */
static const struct { char type; int major, minor; const char *access; } rules[] = {
	{ 'c', -1, -1, "m" }, { 'b', -1, -1, "m" },
	{ 'c', 1, 3, "rwm" },    /* /dev/null */
	{ 'c', 1, 5, "rwm" },    /* /dev/zero */
	{ 'c', 1, 7, "rwm" },    /* /dev/full */
	{ 'c', 1, 8, "rwm" },    /* /dev/random */
	{ 'c', 1, 9, "rwm" },    /* /dev/urandom */
	{ 'c', 5, 0, "rwm" },    /* /dev/tty */
	{ 'c', 5, 1, "rwm" },    /* /dev/console */
	{ 'c', 5, 2, "rwm" },    /* /dev/ptmx */
	{ 'c', 136, -1, "rwm" }, /* /dev/pts/N */
};
/* clang-format on */

void oci_spec_default(struct oci_spec *spec)
{
	struct oci_process *p = &spec->process;
	struct oci_linux *l = &spec->linux_;

	oci_spec_init(spec);
	spec->version = xstrdup(OCI_VERSION);
	spec->has_process = true;
	p->cwd = xstrdup("/");
	strv_add(&p->env, "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin");
	p->caps = (struct oci_caps){
		.present = true,
		.bounding = OCI_CAPS_DEFAULT,
		.effective = OCI_CAPS_DEFAULT,
		.permitted = OCI_CAPS_DEFAULT,
	};
	for (size_t i = 0; i < ARRAY_LEN(mounts); i++)
		oci_spec_add_mount(spec, mounts[i].destination, mounts[i].type, mounts[i].source,
		                   mounts[i].options);
	for (size_t i = 0; i < ARRAY_LEN(masked_paths); i++)
		strv_add(&l->masked_paths, masked_paths[i]);
	for (size_t i = 0; i < ARRAY_LEN(readonly_paths); i++)
		strv_add(&l->readonly_paths, readonly_paths[i]);
	for (int i = 0; i < OCI_NS_MAX; i++)
		l->ns[i].wanted = i != OCI_NS_USER && i != OCI_NS_TIME;
	oci_spec_add_device_rule(spec, false, 'a', OCI_UNSET, OCI_UNSET, "rwm");
	for (size_t i = 0; i < ARRAY_LEN(rules); i++)
		oci_spec_add_device_rule(
			spec, true, rules[i].type, rules[i].major < 0 ? OCI_UNSET : rules[i].major,
			rules[i].minor < 0 ? OCI_UNSET : rules[i].minor, rules[i].access);
}
