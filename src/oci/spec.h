/* oci/spec: the value of an OCI runtime configuration (config.json, runtime-spec 1.3).
 *
 * A `struct oci_spec` owns all it points at: strings are heap strings (or NULL when absent),
 * lists are plain arrays that grow with VEC_PUSH. Build one with oci_spec_init() or
 * oci_spec_default(), change it freely (free what you replace), and end with oci_spec_done().
 * Units are the specification's (bytes, microseconds). A number that is not given is OCI_UNSET.
 *
 * Reading is strict about types and names the JSON path of a fault
 * ("config.json: linux.namespaces[2].type: ..."); unknown keys are ignored, as the
 * specification demands. Whether the values make sense together is checked by the runtime. */
#pragma once
#include "base/err.h"
#include "base/strv.h"
#include "oci/landlock.h"
#include "oci/vm.h"
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#define OCI_VERSION     "1.3.0" /* of the specification: written by us, and the newest accepted */
#define OCI_VERSION_MIN "1.0.0"
#define OCI_UNSET       INT64_MIN

struct oci_box {
	uint32_t height, width; /* 0: not given */
};

struct oci_rlimit {
	int resource; /* RLIMIT_*; see oci_rlimit_resource() */
	uint64_t soft, hard;
};

/* Sets of capabilities as bit masks: bit n is capability n (linux/capability.h). */
struct oci_caps {
	bool present; /* false: the object was absent, which means no capabilities at all */
	uint64_t bounding, effective, inheritable, permitted, ambient;
};

struct oci_user {
	uint32_t uid, gid;
	int64_t umask; /* OCI_UNSET: 0022 */
	gid_t *additional_gids;
	size_t n_additional_gids;
	bool keep_groups; /* the caller's stay, instead of these; never in JSON */
};

struct oci_scheduler {
	char *policy; /* "SCHED_OTHER", ...; NULL: absent */
	int64_t nice, priority;
	struct strv flags;
	uint64_t runtime_ns, deadline_ns, period_ns;
};

struct oci_process {
	bool terminal;
	struct oci_box console_size;
	struct oci_user user;
	struct strv args;
	struct strv env;
	char *cwd;
	struct oci_caps caps;
	struct oci_rlimit *rlimits;
	size_t n_rlimits;
	bool no_new_privileges;
	char *apparmor_profile;
	char *selinux_label;
	int64_t oom_score_adj;
	char *io_class; /* "IOPRIO_CLASS_BE", ... */
	int64_t io_priority;
	struct oci_scheduler scheduler;
	char *exec_cpu_initial, *exec_cpu_final; /* CPU lists */
};

struct oci_idmap {
	uint32_t container_id, host_id, size;
};

struct oci_mount {
	char *destination;
	char *type; /* NULL for a bind mount told by its options */
	char *source;
	struct strv options; /* as written; the runtime's plan understands them */
	struct oci_idmap *uid_mappings, *gid_mappings;
	size_t n_uid_mappings, n_gid_mappings;
	/* A detached mount or O_PATH descriptor to use instead of `source`; -1: none. Borrowed:
	 * for callers in the same process, never in JSON. */
	int source_fd;
};

struct oci_hook {
	char *path;
	struct strv args;
	struct strv env;
	int64_t timeout_s; /* OCI_UNSET: none */
};

enum oci_hook_point {
	OCI_HOOK_PRESTART,
	OCI_HOOK_CREATE_RUNTIME,
	OCI_HOOK_CREATE_CONTAINER,
	OCI_HOOK_START_CONTAINER,
	OCI_HOOK_POSTSTART,
	OCI_HOOK_POSTSTOP,
	OCI_HOOK_MAX
};

struct oci_hooks {
	struct oci_hook *items;
	size_t count;
};

enum oci_ns {
	OCI_NS_USER,
	OCI_NS_PID,
	OCI_NS_MOUNT,
	OCI_NS_UTS,
	OCI_NS_IPC,
	OCI_NS_NETWORK,
	OCI_NS_CGROUP,
	OCI_NS_TIME,
	OCI_NS_MAX
};

struct oci_namespace {
	bool wanted; /* false: the caller's own is shared */
	char *path;  /* join this one; NULL: a new one */
	int fd;      /* join by descriptor instead of path (borrowed, not in JSON); -1: none */
};

struct oci_device {
	char type; /* 'c', 'b', 'u' or 'p' */
	char *path;
	int64_t major, minor;
	int64_t file_mode, uid, gid; /* OCI_UNSET: 0666, 0, 0 */
};

struct oci_device_rule {
	bool allow;
	char type;            /* 'a', 'b' or 'c' */
	int64_t major, minor; /* OCI_UNSET: any */
	char access[4];       /* some of "rwm" */
};

struct oci_keyval {
	char *key, *value;
};

struct oci_hugepage_limit {
	char *page_size; /* "2MB" */
	uint64_t limit;
};

struct oci_blkio_weight_device {
	int64_t major, minor, weight, leaf_weight;
};

struct oci_blkio_throttle {
	enum { OCI_READ_BPS, OCI_WRITE_BPS, OCI_READ_IOPS, OCI_WRITE_IOPS } kind;
	int64_t major, minor;
	uint64_t rate;
};

struct oci_net_prio {
	char *name;
	uint32_t priority;
};

struct oci_rdma_limit {
	char *name;
	int64_t hca_handles, hca_objects;
};

/* linux.resources. Every scalar may be OCI_UNSET. */
struct oci_resources {
	struct oci_device_rule *devices;
	size_t n_devices;
	/* memory: bytes, -1 unlimited */
	int64_t memory_limit, memory_reservation, memory_swap, memory_kernel, memory_kernel_tcp;
	int64_t memory_swappiness, memory_disable_oom, memory_use_hierarchy, memory_check_update;
	/* cpu: microseconds */
	int64_t cpu_shares, cpu_quota, cpu_period, cpu_burst, cpu_rt_runtime, cpu_rt_period;
	int64_t cpu_idle;
	char *cpuset_cpus, *cpuset_mems;
	int64_t pids_limit; /* -1 unlimited */
	int64_t blkio_weight, blkio_leaf_weight;
	struct oci_blkio_weight_device *blkio_weight_devices;
	size_t n_blkio_weight_devices;
	struct oci_blkio_throttle *blkio_throttles;
	size_t n_blkio_throttles;
	struct oci_hugepage_limit *hugepages;
	size_t n_hugepages;
	int64_t net_class_id;
	struct oci_net_prio *net_prios;
	size_t n_net_prios;
	struct oci_rdma_limit *rdma;
	size_t n_rdma;
	struct oci_keyval *unified;
	size_t n_unified;
};

enum oci_seccomp_action {
	OCI_SECCOMP_KILL_THREAD, /* SCMP_ACT_KILL, SCMP_ACT_KILL_THREAD */
	OCI_SECCOMP_KILL_PROCESS,
	OCI_SECCOMP_TRAP,
	OCI_SECCOMP_ERRNO,
	OCI_SECCOMP_NOTIFY,
	OCI_SECCOMP_TRACE,
	OCI_SECCOMP_LOG,
	OCI_SECCOMP_ALLOW,
	OCI_SECCOMP_ACTION_MAX
};

enum oci_seccomp_op {
	OCI_CMP_NE,
	OCI_CMP_LT,
	OCI_CMP_LE,
	OCI_CMP_EQ,
	OCI_CMP_GE,
	OCI_CMP_GT,
	OCI_CMP_MASKED_EQ, /* (arg & value) == value_two */
	OCI_CMP_MAX
};

struct oci_seccomp_arg {
	uint32_t index; /* 0..5 */
	uint64_t value, value_two;
	enum oci_seccomp_op op;
};

struct oci_seccomp_rule {
	struct strv names;
	enum oci_seccomp_action action;
	int64_t errno_ret; /* OCI_UNSET: EPERM */
	struct oci_seccomp_arg *args;
	size_t n_args;
};

struct oci_seccomp {
	bool present;
	enum oci_seccomp_action default_action;
	int64_t default_errno_ret; /* OCI_UNSET: EPERM */
	struct strv architectures; /* "SCMP_ARCH_X86_64", ...; the native one is always added */
	struct strv flags;         /* "SECCOMP_FILTER_FLAG_LOG", ... */
	char *listener_path, *listener_metadata;
	struct oci_seccomp_rule *rules;
	size_t n_rules;
};

struct oci_net_device {
	char *host_name, *name; /* name: inside the container; NULL: the same */
};

struct oci_time_offset {
	int64_t secs;
	uint32_t nanosecs;
	bool present;
};

struct oci_memory_policy {
	char *mode;  /* "MPOL_BIND", ...; NULL: absent */
	char *nodes; /* "0-3,7" */
	struct strv flags;
};

struct oci_intel_rdt {
	bool present;
	char *clos_id; /* NULL: a class named after the container; "/": the default one */
	char *l3_cache_schema, *mem_bw_schema;
	struct strv schemata;
	bool enable_monitoring;
};

struct oci_linux {
	struct oci_namespace ns[OCI_NS_MAX];
	struct oci_idmap *uid_mappings, *gid_mappings;
	size_t n_uid_mappings, n_gid_mappings;
	struct oci_time_offset time_monotonic, time_boottime;
	struct oci_device *devices;
	size_t n_devices;
	struct oci_net_device *net_devices;
	size_t n_net_devices;
	char *cgroups_path;
	struct oci_resources resources;
	char *rootfs_propagation; /* "shared", "slave", "private", "unbindable" and the r-forms */
	struct oci_seccomp seccomp;
	struct oci_keyval *sysctl;
	size_t n_sysctl;
	struct strv masked_paths, readonly_paths;
	char *mount_label;
	struct oci_intel_rdt intel_rdt;
	struct oci_memory_policy memory_policy;
	char *personality; /* "LINUX", "LINUX32" */
	struct oci_landlock landlock;
};

struct oci_spec {
	char *version;
	char *root_path; /* NULL: root was absent */
	bool root_readonly;
	bool has_process; /* a container may be created without one */
	struct oci_process process;
	char *hostname, *domainname;
	struct oci_mount *mounts;
	size_t n_mounts;
	struct oci_hooks hooks[OCI_HOOK_MAX];
	struct oci_keyval *annotations;
	size_t n_annotations;
	struct oci_linux linux_;
	struct oci_vm vm;
	struct strv warnings; /* things read and ignored ("unknown capability 'CAP_X'") */
};

#define AUTO_SPEC __attribute__((cleanup(oci_spec_done))) struct oci_spec

void oci_spec_init(struct oci_spec *spec); /* everything absent */
void oci_spec_done(struct oci_spec *spec);
void oci_process_init(struct oci_process *p);
void oci_process_done(struct oci_process *p);
void oci_resources_init(struct oci_resources *r);
void oci_resources_done(struct oci_resources *r);
void oci_seccomp_done(struct oci_seccomp *s);

/* What a container gets when nothing else is said, as docker has it: all namespaces but user
 * and time, the usual mounts, masked and read-only paths, device rules, docker's default
 * capabilities in bounding, effective and permitted, a PATH, no seccomp profile (see
 * oci_seccomp_default), cwd "/", args empty, root path NULL. */
void oci_spec_default(struct oci_spec *spec);

/* what: names the document in errors. *spec is initialised here, also on failure. */
int oci_spec_parse(struct oci_spec *spec, const char *what, const char *text, size_t len,
                   struct err *err);
int oci_process_parse(struct oci_process *p, const char *what, const char *text, size_t len,
                      struct err *err);
/* A list of mounts alone, as `mounts add` takes it: into spec->mounts. */
int oci_mounts_parse(struct oci_spec *spec, const char *what, const char *text, size_t len,
                     struct err *err);
/* linux.resources alone, as `update -r` takes it. */
int oci_resources_parse(struct oci_resources *r, const char *what, const char *text, size_t len,
                        struct err *err);
/* seccomp profile: a file in docker's format (archMap, includes and excludes by capability,
 * architecture and kernel version) or in the runtime-spec's own. caps: the container's bounding
 * set, which decides conditional rules. */
int oci_seccomp_parse_profile(struct oci_seccomp *s, const char *what, const char *text, size_t len,
                              uint64_t caps, struct err *err);
/* The section of the specification that an error's message is about, by the JSON path it begins
 * with (behind "config.json: "): "config.md, \"Mounts\""; NULL when it begins with none. */
const char *oci_spec_section(const char *message);
/* config.json's text; the caller frees it. */
char *oci_spec_format(const struct oci_spec *spec, bool pretty);

/* docker's default profile for a container with this bounding set (oci/seccomp-default.c). */
void oci_seccomp_default(struct oci_seccomp *s, uint64_t bounding_caps);

/* The specification's names: "network", "SCMP_ACT_ERRNO". */
const char *oci_ns_name(enum oci_ns ns);
const char *oci_seccomp_action_name(enum oci_seccomp_action action);

/* Helpers for builders: each copies its strings. */
struct oci_mount *oci_spec_add_mount(struct oci_spec *spec, const char *destination,
                                     const char *type, const char *source,
                                     const char *options /* comma-separated or NULL */);
/* Remove every mount at this destination. */
void oci_spec_remove_mount(struct oci_spec *spec, const char *destination);
void oci_spec_add_device(struct oci_spec *spec, char type, const char *path, int64_t major,
                         int64_t minor, int64_t mode, int64_t uid, int64_t gid);
void oci_spec_add_device_rule(struct oci_spec *spec, bool allow, char type, int64_t major,
                              int64_t minor, const char *access);
void oci_spec_add_hook(struct oci_spec *spec, enum oci_hook_point point, const char *path,
                       char *const *args, char *const *env, int64_t timeout_s);
void oci_spec_set_annotation(struct oci_spec *spec, const char *key, const char *value);
const char *oci_spec_annotation(const struct oci_spec *spec, const char *key); /* or NULL */
void oci_spec_set_sysctl(struct oci_spec *spec, const char *key, const char *value);
void oci_process_add_rlimit(struct oci_process *p, int resource, uint64_t soft, uint64_t hard);
