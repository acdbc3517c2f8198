/* runtime/lsm: the label or profile that a process executes its program with: AppArmor and SELinux
 * (runtime-spec, config.md "Linux Process"; config-linux.md "Mount Label").
 *
 * They are written to /proc/self/attr, which an image or a mount could replace (CVE-2019-16884,
 * CVE-2025-52881): so the host's procfs is opened and verified before the container's root is
 * entered, and the files are opened beneath it by the process that they are for. */
#pragma once
#include "oci/spec.h"

/* Where the host says what is active; tests have their own. NULL: the real places. */
struct lsm_host {
	const char *apparmor_enabled; /* /sys/module/apparmor/parameters/enabled: "Y" */
	const char *selinuxfs;        /* /sys/fs/selinux/enforce exists where SELinux is active */
};

/* Whether what the configuration asks for can be done here. */
int lsm_check(const struct oci_process *p, const char *mount_label, const struct lsm_host *host,
              struct err *err);
/* "" and "unconfined" of AppArmor ask for nothing. */
bool lsm_is_wanted(const struct oci_process *p);

/* /proc as a verified descriptor, or -1. */
int lsm_open_proc(struct err *err);

struct lsm {
	int apparmor_fd, selinux_fd; /* write-only, or -1 */
	const struct oci_process *process;
};
#define LSM_INIT ((struct lsm){ .apparmor_fd = -1, .selinux_fd = -1 })
void lsm_done(struct lsm *l);
#define AUTO_LSM __attribute__((cleanup(lsm_done))) struct lsm

/* Open what is to be written, by the process that will execute. proc_fd: lsm_open_proc()'s.
 * With an SELinux label, keys made from now on get it, too. */
int lsm_open(const struct oci_process *p, int proc_fd, struct lsm *ret, struct err *err);
/* From the next execve on. */
int lsm_apply(const struct lsm *l, struct err *err);
/* The mount option that gives a new file system this label; NULL for types that take none. The
 * caller frees. */
char *lsm_mount_option(const char *type, const char *mount_label);
