#include "runtime/lsm.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/xalloc.h"
#include "sys/rootfs.h"

static const struct lsm_host real_host = {
	.apparmor_enabled = "/sys/module/apparmor/parameters/enabled",
	.selinuxfs = "/sys/fs/selinux",
};

static bool wants_apparmor(const struct oci_process *p)
{
	return p->apparmor_profile && *p->apparmor_profile &&
	       strcmp(p->apparmor_profile, "unconfined") != 0;
}

static bool wants_selinux(const struct oci_process *p)
{
	return p->selinux_label && *p->selinux_label;
}

bool lsm_is_wanted(const struct oci_process *p)
{
	return wants_apparmor(p) || wants_selinux(p);
}

static bool apparmor_is_active(const struct lsm_host *host)
{
	AUTO_FREE char *text = NULL;
	size_t len = 0;

	return file_read_at(AT_FDCWD, host->apparmor_enabled, 64, &text, &len, ERR_IGNORE) == 0 &&
	       text[0] == 'Y';
}

static bool selinux_is_active(const struct lsm_host *host)
{
	AUTO_FREE char *path = xasprintf("%s/enforce", host->selinuxfs);

	return access(path, F_OK) == 0;
}

int lsm_check(const struct oci_process *p, const char *mount_label, const struct lsm_host *host,
              struct err *err)
{
	bool label = wants_selinux(p);

	if (!host)
		host = &real_host;
	if (wants_apparmor(p) && !apparmor_is_active(host)) {
		err_set(err, E_UNSUPPORTED,
		        "process.apparmorProfile: '%s' is asked for, but AppArmor is not active "
		        "on this host",
		        p->apparmor_profile);
		return err_hint(err, "leave the profile out");
	}
	if ((label || (mount_label && *mount_label)) && !selinux_is_active(host)) {
		err_set(err, E_UNSUPPORTED,
		        "%s: '%s' is asked for, but SELinux is not active on this host",
		        label ? "process.selinuxLabel" : "linux.mountLabel",
		        label ? p->selinux_label : mount_label);
		return err_hint(err, "leave the label out");
	}
	return 0;
}

int lsm_open_proc(struct err *err)
{
	AUTO_FD fd = open("/proc", O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	struct statfs fs;

	if (fd < 0)
		return err_sys(err, errno, "open '/proc'");
	if (fstatfs(fd, &fs) < 0 || fs.f_type != PROC_SUPER_MAGIC)
		return err_set(err, E_PERM, "'/proc' is not a procfs");
	return TAKE_FD(fd);
}

void lsm_done(struct lsm *l)
{
	if (l->apparmor_fd >= 0)
		close(l->apparmor_fd);
	if (l->selinux_fd >= 0)
		close(l->selinux_fd);
	*l = LSM_INIT;
}

static int write_all(int fd, const char *text, const char *what, struct err *err)
{
	ssize_t n = write(fd, text, strlen(text));

	if (n == (ssize_t)strlen(text))
		return 0;
	return err_sys(err, n < 0 ? errno : EIO, "%s: set '%s'", what, text);
}

/* "self" is this process, in the pid namespace that the procfs belongs to. */
static int open_attr(int proc_fd, const char *name)
{
	return rootfs_open_beneath(proc_fd, name, O_WRONLY, 0);
}

int lsm_open(const struct oci_process *p, int proc_fd, struct lsm *ret, struct err *err)
{
	AUTO_LSM l = LSM_INIT;

	l.process = p;
	if (wants_apparmor(p)) {
		l.apparmor_fd = open_attr(proc_fd, "self/attr/apparmor/exec");
		if (l.apparmor_fd == -ENOENT) /* before Linux 5.8 */
			l.apparmor_fd = open_attr(proc_fd, "self/attr/exec");
		if (l.apparmor_fd < 0)
			return err_sys(
				err, -l.apparmor_fd,
				"process.apparmorProfile: open '/proc/self/attr/apparmor/exec'");
	}
	if (wants_selinux(p)) {
		AUTO_FD key = open_attr(proc_fd, "self/attr/keycreate");

		if (key < 0)
			return err_sys(err, -key,
			               "process.selinuxLabel: open '/proc/self/attr/keycreate'");
		if (write_all(key, p->selinux_label, "process.selinuxLabel: keyring", err) < 0)
			return -1;
		l.selinux_fd = open_attr(proc_fd, "self/attr/exec");
		if (l.selinux_fd < 0)
			return err_sys(err, -l.selinux_fd,
			               "process.selinuxLabel: open '/proc/self/attr/exec'");
	}
	*ret = l;
	l = LSM_INIT;
	return 0;
}

int lsm_apply(const struct lsm *l, struct err *err)
{
	if (l->apparmor_fd >= 0) {
		AUTO_FREE char *text = xasprintf("exec %s", l->process->apparmor_profile);

		if (write_all(l->apparmor_fd, text, "process.apparmorProfile", err) < 0)
			return err_hint(err, "is the profile loaded?");
	}
	if (l->selinux_fd >= 0)
		return write_all(l->selinux_fd, l->process->selinux_label, "process.selinuxLabel",
		                 err);
	return 0;
}

char *lsm_mount_option(const char *type, const char *mount_label)
{
	/* The kernel labels these by itself. */
	static const char *const without[] = { "proc", "sysfs", "mqueue", "cgroup", "cgroup2" };

	if (!mount_label || !*mount_label)
		return NULL;
	for (size_t i = 0; i < ARRAY_LEN(without); i++)
		if (strcmp(type, without[i]) == 0)
			return NULL;
	return xasprintf("context=%s", mount_label);
}
