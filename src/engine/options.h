/* options: everything `dhow run` and `dhow create` accept, as plain values.
 *
 * One struct, filled by the option table below (command line), by the saved copy of a container
 * (container_options_from_json) or later by an API. The texts of list options are kept as they
 * were given; container_options_check() refuses what can be refused without an image or a root,
 * and spec_build() (spec-build.h) turns the rest into a runtime spec.
 *
 * Ownership: strings written through the table are borrowed from argv (see base/opt.h);
 * container_options_from_json() keeps its strings in `owned`. The lists own theirs.
 * Units: sizes in bytes, times in the unit their field names. */
#pragma once
#include "base/err.h"
#include "base/opt.h"
#include "base/strv.h"
#include <stdbool.h>
#include <stdint.h>

struct json;
struct json_object;

#define STOP_TIMEOUT_UNSET     INT64_MIN
#define STOP_TIMEOUT_DEFAULT_S 10
#define SHM_SIZE_DEFAULT       (64u << 20)
#define OPTIONS_REFUSED_MAX    23

struct container_options {
	/* how the command itself behaves: not saved with the container */
	bool detach;
	bool sig_proxy;               /* default true */
	bool quiet;                   /* no pull progress */
	const char *detach_keys;      /* NULL: "ctrl-p,ctrl-q" */
	struct strv attach;           /* stdin, stdout, stderr */
	const char *signature_policy; /* file; NULL: policy.json of the user or the system */
	const char *pull;             /* missing (default), always, never */
	const char *platform;         /* os/arch[/variant], NULL: this machine's */
	const char *cidfile;

	/* identity */
	const char *name;
	const char *hostname;
	const char *domainname;
	struct strv label;
	struct strv label_file;
	struct strv annotation;

	/* the process */
	bool interactive;
	bool tty;
	bool init;
	const char *entrypoint; /* NULL: the image's; "" clears it; one word, or a JSON array */
	const char *workdir;
	const char *user; /* user[:group], names or numbers */
	struct strv group_add;
	struct strv env;
	struct strv env_file;
	struct strv ulimit;
	struct strv storage_opt; /* size=, inodes= */
	int64_t oom_score_adj;
	const char *stop_signal;
	int64_t stop_timeout_s; /* STOP_TIMEOUT_UNSET; -1: wait for ever */

	/* life cycle */
	bool rm;
	const char *restart; /* restart_policy_parse() */
	const char *log_driver;
	struct strv log_opt;

	/* file systems */
	struct strv volume;
	struct strv mount;
	struct strv tmpfs;
	struct strv volumes_from;
	bool read_only;
	bool read_only_tmpfs;
	uint64_t shm_size_bytes;
	struct strv device;
	struct strv device_cgroup_rule;

	/* privileges */
	struct strv cap_add;
	struct strv cap_drop;
	bool privileged;
	struct strv security_opt;
	struct strv sysctl;

	/* limits: 0 is "not set" */
	uint64_t memory_bytes;
	int64_t memory_swap_bytes; /* memory + swap; -1: unlimited swap */
	uint64_t memory_reservation_bytes;
	double cpus;
	uint64_t cpu_shares;
	uint64_t cpu_period_us;
	int64_t cpu_quota_us;
	const char *cpuset_cpus;
	const char *cpuset_mems;
	int64_t pids_limit; /* -1 or 0: no limit */
	const char *cgroup_parent;

	/* namespaces: NULL is docker's default */
	const char *ipc;
	const char *pid;
	const char *uts;
	const char *userns;
	const char *cgroupns;

	/* network */
	struct strv network; /* at most one: none, host, bridge, container:ID */
	struct strv publish; /* net/port.h reads it */
	bool publish_all;
	struct strv expose;
	struct strv dns;
	struct strv dns_search;
	struct strv dns_option;
	struct strv add_host;
	const char *mac_address;
	const char *ip;

	/* understood, but refused by name: options_refused_name(i) */
	const char *refused[OPTIONS_REFUSED_MAX];

	/* set by the engine at create time and saved; never from the command line */
	struct strv args;         /* after the image: replaces its CMD */
	struct strv anon_volumes; /* names of volumes that --rm and rm -v remove */
	struct strv owned;        /* backing store of container_options_from_json() */
	bool args_given;          /* false: the image's CMD is used */
};

/* Every option of run and create, for struct command's tables (base/opt.h). Options only `run`
 * has are the first table; `create` lists container_options_table alone. */
extern const struct opt container_options_table[];
extern const struct opt container_run_options_table[];

void container_options_init(struct container_options *opts); /* the defaults */
void container_options_done(struct container_options *opts);

/* Everything that can be refused by looking at the texts alone (no image, no file system): the
 * error names the option, the value and what would be right. Called by the command line before
 * a pull starts. rootless: refuse what an ordinary user cannot have. */
int container_options_check(const struct container_options *opts, bool rootless, struct err *err);

/* What is saved with a container: every field that differs from its default, by option name. */
struct json_object *container_options_to_json(const struct container_options *opts);
/* *ret is initialised by this call, also when it fails. */
int container_options_from_json(const struct json *at, struct container_options *ret,
                                struct err *err);

/* --restart */
enum restart_kind { RESTART_NO, RESTART_ON_FAILURE, RESTART_ALWAYS, RESTART_UNLESS_STOPPED };
struct restart_policy {
	enum restart_kind kind;
	uint32_t max_retries; /* on-failure only; 0: no bound */
};
/* NULL is RESTART_NO. */
int restart_policy_parse(const char *text, struct restart_policy *ret, struct err *err);

/* --log-driver and --log-opt */
enum log_driver { LOG_DRIVER_JSON_FILE, LOG_DRIVER_K8S_FILE, LOG_DRIVER_NONE };
struct log_config {
	enum log_driver driver;
	uint64_t max_size_bytes; /* of one file; 0: no rotation */
	uint32_t max_files;      /* with the one being written; at least 1 */
};
int log_config_parse(const struct container_options *opts, struct log_config *ret, struct err *err);
const char *log_driver_name(enum log_driver driver);

/* --network: exactly one of these. */
enum network_mode { NETWORK_BRIDGE, NETWORK_NONE, NETWORK_HOST, NETWORK_CONTAINER };
struct network_choice {
	enum network_mode mode;
	const char *container; /* NETWORK_CONTAINER: id or name, borrowed from the options */
};
/* Default: bridge as root, none for an ordinary user. */
int network_choice_parse(const struct container_options *opts, bool rootless,
                         struct network_choice *ret, struct err *err);

/* --stop-signal, kill -s: "TERM", "SIGTERM", "15", "RTMIN+3". Return 0 or -EINVAL. */
int signal_parse(const char *text, int *ret_signal);
/* "TERM" for 15. Returns NULL for a number that is no signal. */
const char *signal_name(int signal);
