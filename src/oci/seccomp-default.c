/* docker's default seccomp profile: what is named is allowed, all else fails with EPERM.
 * Names are one string per condition; the compiler (runtime/seccomp.c) skips those an
 * architecture does not have. */
#include "oci/spec.h"

#include <errno.h>
#include <linux/capability.h>

#include "base/xalloc.h"

#define CLONE_NAMESPACES 0x7e020000u /* NEWNS|CGROUP|UTS|IPC|USER|PID|NET */
#define AF_VSOCK_FAMILY  40

static const char always[] =
	"accept accept4 access adjtimex alarm bind brk cachestat capget capset chdir chmod chown "
	"chown32 clock_adjtime clock_adjtime64 clock_getres clock_getres_time64 clock_gettime "
	"clock_gettime64 clock_nanosleep clock_nanosleep_time64 close close_range connect "
	"copy_file_range creat dup dup2 dup3 epoll_create epoll_create1 epoll_ctl epoll_ctl_old "
	"epoll_pwait epoll_pwait2 epoll_wait epoll_wait_old eventfd eventfd2 execve execveat exit "
	"exit_group faccessat faccessat2 fadvise64 fadvise64_64 fallocate fanotify_mark fchdir "
	"fchmod fchmodat fchmodat2 fchown fchown32 fchownat fcntl fcntl64 fdatasync fgetxattr "
	"flistxattr flock fork fremovexattr fsetxattr fstat fstat64 fstatat64 fstatfs fstatfs64 "
	"fsync ftruncate ftruncate64 futex futex_requeue futex_time64 futex_wait futex_waitv "
	"futex_wake futimesat getcpu getcwd getdents getdents64 getegid getegid32 geteuid "
	"geteuid32 getgid getgid32 getgroups getgroups32 getitimer getpeername getpgid getpgrp "
	"getpid getppid getpriority getrandom getresgid getresgid32 getresuid getresuid32 "
	"getrlimit get_robust_list getrusage getsid getsockname getsockopt get_thread_area gettid "
	"gettimeofday getuid getuid32 getxattr getxattrat inotify_add_watch inotify_init "
	"inotify_init1 inotify_rm_watch io_cancel ioctl io_destroy io_getevents io_pgetevents "
	"io_pgetevents_time64 ioprio_get ioprio_set io_setup io_submit ipc kill landlock_add_rule "
	"landlock_create_ruleset landlock_restrict_self lchown lchown32 lgetxattr link linkat "
	"listen listmount listxattr listxattrat llistxattr _llseek lremovexattr lseek lsetxattr "
	"lstat lstat64 madvise map_shadow_stack membarrier memfd_create memfd_secret mincore mkdir "
	"mkdirat mknod mknodat mlock mlock2 mlockall mmap mmap2 mprotect mq_getsetattr mq_notify "
	"mq_open mq_timedreceive mq_timedreceive_time64 mq_timedsend mq_timedsend_time64 mq_unlink "
	"mremap mseal msgctl msgget msgrcv msgsnd msync munlock munlockall munmap "
	"name_to_handle_at nanosleep newfstatat _newselect open openat openat2 pause pidfd_open "
	"pidfd_send_signal pipe pipe2 pkey_alloc pkey_free pkey_mprotect poll ppoll ppoll_time64 "
	"prctl pread64 preadv preadv2 prlimit64 process_mrelease pselect6 pselect6_time64 pwrite64 "
	"pwritev pwritev2 read readahead readlink readlinkat readv recv recvfrom recvmmsg "
	"recvmmsg_time64 recvmsg remap_file_pages removexattr removexattrat rename renameat "
	"renameat2 restart_syscall riscv_hwprobe rmdir rseq rt_sigaction rt_sigpending "
	"rt_sigprocmask rt_sigqueueinfo rt_sigreturn rt_sigsuspend rt_sigtimedwait "
	"rt_sigtimedwait_time64 rt_tgsigqueueinfo sched_getaffinity sched_getattr sched_getparam "
	"sched_get_priority_max sched_get_priority_min sched_getscheduler sched_rr_get_interval "
	"sched_rr_get_interval_time64 sched_setaffinity sched_setattr sched_setparam "
	"sched_setscheduler sched_yield seccomp select semctl semget semop semtimedop "
	"semtimedop_time64 send sendfile sendfile64 sendmmsg sendmsg sendto setfsgid setfsgid32 "
	"setfsuid setfsuid32 setgid setgid32 setgroups setgroups32 setitimer setpgid setpriority "
	"setregid setregid32 setresgid setresgid32 setresuid setresuid32 setreuid setreuid32 "
	"setrlimit set_robust_list setsid setsockopt set_thread_area set_tid_address setuid "
	"setuid32 setxattr setxattrat shmat shmctl shmdt shmget shutdown sigaltstack signalfd "
	"signalfd4 sigprocmask sigreturn socketcall socketpair splice stat stat64 statfs statfs64 "
	"statmount statx symlink symlinkat sync sync_file_range syncfs sysinfo tee tgkill time "
	"timer_create timer_delete timer_getoverrun timer_gettime timer_gettime64 timer_settime "
	"timer_settime64 timerfd_create timerfd_gettime timerfd_gettime64 timerfd_settime "
	"timerfd_settime64 times tkill truncate truncate64 ugetrlimit umask uname unlink unlinkat "
	"uretprobe utime utimensat utimensat_time64 utimes vfork vmsplice wait4 waitid waitpid "
	"write writev "
	/* safe for others' processes since Linux 4.8, older than all that dhow runs on */
	"process_vm_readv process_vm_writev ptrace "
#if defined(__x86_64__)
	"arch_prctl modify_ldt"
#elif defined(__aarch64__)
	"arm_fadvise64_64 arm_sync_file_range sync_file_range2 breakpoint cacheflush set_tls"
#elif defined(__powerpc64__)
	"sync_file_range2 swapcontext"
#elif defined(__s390x__)
	"s390_pci_mmio_read s390_pci_mmio_write s390_runtime_instr"
#elif defined(__riscv)
	"riscv_flush_icache"
#endif
	;

static const struct {
	int cap;
	const char *names;
} with_cap[] = {
	{ CAP_DAC_READ_SEARCH, "open_by_handle_at" },
	{ CAP_SYS_ADMIN,
	  "bpf clone clone3 fanotify_init fsconfig fsmount fsopen fspick lookup_dcookie "
	  "lsm_get_self_attr lsm_list_modules lsm_set_self_attr mount mount_setattr move_mount "
	  "open_tree perf_event_open quotactl quotactl_fd setdomainname sethostname setns syslog "
	  "umount umount2 unshare" },
	{ CAP_SYS_BOOT, "reboot" },
	{ CAP_SYS_CHROOT, "chroot" },
	{ CAP_SYS_MODULE, "delete_module init_module finit_module" },
	{ CAP_SYS_PACCT, "acct" },
	{ CAP_SYS_PTRACE,
	  "kcmp pidfd_getfd process_madvise process_vm_readv process_vm_writev ptrace" },
	{ CAP_SYS_RAWIO, "iopl ioperm" },
	{ CAP_SYS_TIME, "settimeofday stime clock_settime clock_settime64" },
	{ CAP_SYS_TTY_CONFIG, "vhangup" },
	{ CAP_SYS_NICE, "get_mempolicy mbind set_mempolicy set_mempolicy_home_node" },
	{ CAP_SYSLOG, "syslog" },
	{ CAP_BPF, "bpf" },
	{ CAP_PERFMON, "perf_event_open" },
};

static struct oci_seccomp_rule *add_rule(struct oci_seccomp *s, const char *names,
                                         enum oci_seccomp_action action)
{
	struct oci_seccomp_rule rule = { .action = action, .errno_ret = OCI_UNSET };

	strv_split(&rule.names, names, ' ');
	VEC_PUSH(s->rules, s->n_rules, rule);
	return &s->rules[s->n_rules - 1];
}

static void add_arg(struct oci_seccomp_rule *rule, uint32_t index, enum oci_seccomp_op op,
                    uint64_t value, uint64_t value_two)
{
	VEC_PUSH(rule->args, rule->n_args, (struct oci_seccomp_arg){ index, value, value_two, op });
}

void oci_seccomp_default(struct oci_seccomp *s, uint64_t bounding_caps)
{
	/* Linux, BSD and the old address layout (ADDR_NO_RANDOMIZE stays forbidden), and "query" */
	static const uint64_t personalities[] = { 0x0, 0x8, 0x20000, 0x20008, 0xffffffff };

	*s = (struct oci_seccomp){
		.present = true,
		.default_action = OCI_SECCOMP_ERRNO,
		.default_errno_ret = EPERM,
	};
#if defined(__x86_64__)
	strv_split(&s->architectures, "SCMP_ARCH_X86_64 SCMP_ARCH_X86 SCMP_ARCH_X32", ' ');
#elif defined(__aarch64__)
	strv_split(&s->architectures, "SCMP_ARCH_AARCH64 SCMP_ARCH_ARM", ' ');
#endif
	add_rule(s, always, OCI_SECCOMP_ALLOW);
	add_arg(add_rule(s, "socket", OCI_SECCOMP_ALLOW), 0, OCI_CMP_NE, AF_VSOCK_FAMILY, 0);
	for (size_t i = 0; i < ARRAY_LEN(personalities); i++)
		add_arg(add_rule(s, "personality", OCI_SECCOMP_ALLOW), 0, OCI_CMP_EQ,
		        personalities[i], 0);
	for (size_t i = 0; i < ARRAY_LEN(with_cap); i++)
		if (bounding_caps >> with_cap[i].cap & 1)
			add_rule(s, with_cap[i].names, OCI_SECCOMP_ALLOW);
	if (bounding_caps >> CAP_SYS_ADMIN & 1)
		return;
		/* clone without new namespaces; clone3's flags are behind a pointer that a filter
		 * cannot read, so libraries are told to fall back to clone. */
#if defined(__s390x__)
	add_arg(add_rule(s, "clone", OCI_SECCOMP_ALLOW), 1, OCI_CMP_MASKED_EQ, CLONE_NAMESPACES, 0);
#else
	add_arg(add_rule(s, "clone", OCI_SECCOMP_ALLOW), 0, OCI_CMP_MASKED_EQ, CLONE_NAMESPACES, 0);
#endif
	add_rule(s, "clone3", OCI_SECCOMP_ERRNO)->errno_ret = ENOSYS;
}
