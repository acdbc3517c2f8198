#include "engine/options.h"

#include "base/strbuf.h"
#include "base/xalloc.h"
#include "codec/json.h"
#include "engine/options-internal.h"

#define O(field) OPT(struct container_options, field)

/* clang-format off */
const struct opt container_run_options_table[] = {
	{ "detach",       'd', OPT_BOOL, O(detach),      NULL,   "run in the background and print the container's id", 0, 0 },
	{ "sig-proxy",    0,   OPT_BOOL, O(sig_proxy),   NULL,   "pass signals we get on to the container (default true)", 0, 0 },
	{ "detach-keys",  0,   OPT_STR,  O(detach_keys), "KEYS", "keys that detach a terminal (default ctrl-p,ctrl-q)", 0, 0 },
	OPT_END,
};

const struct opt container_options_table[] = {
	{ "add-host",       0,   OPT_LIST, O(add_host),     "HOST:IP",     "line for /etc/hosts; IP may be host-gateway", 0, 0 },
	{ "annotation",     0,   OPT_LIST, O(annotation),   "KEY=VALUE",   "annotation of the runtime spec", 0, 0 },
	{ "attach",         'a', OPT_LIST, O(attach),       "STREAM",      "attach to stdin, stdout or stderr", 0, 0 },
	{ "cap-add",        0,   OPT_LIST, O(cap_add),      "CAP",         "give a capability; ALL for all", 0, 0 },
	{ "cap-drop",       0,   OPT_LIST, O(cap_drop),     "CAP",         "take a capability away; ALL for all", 0, 0 },
	{ "cgroup-parent",  0,   OPT_STR,  O(cgroup_parent), "PATH",       "cgroup below which the container's is made", 0, 0 },
	{ "cgroupns",       0,   OPT_STR,  O(cgroupns),     "MODE",        "cgroup namespace: private, host", 0, 0 },
	{ "cidfile",        0,   OPT_STR,  O(cidfile),      "FILE",        "write the container's id to FILE", 0, COMPLETE_FILE },
	{ "cpu-period",     0,   OPT_UINT, O(cpu_period_us), "USEC",       "length of a CFS period", 0, 0 },
	{ "cpu-quota",      0,   OPT_INT,  O(cpu_quota_us), "USEC",        "CPU time per CFS period", 0, 0 },
	{ "cpu-shares",     'c', OPT_UINT, O(cpu_shares),   "SHARES",      "relative weight of CPU time", 0, 0 },
	{ "cpus",           0,   OPT_DOUBLE, O(cpus),       "NUMBER",      "most CPUs, such as 1.5", 0, 0 },
	{ "cpuset-cpus",    0,   OPT_STR,  O(cpuset_cpus),  "LIST",        "CPUs to run on, such as 0-2,4", 0, 0 },
	{ "cpuset-mems",    0,   OPT_STR,  O(cpuset_mems),  "LIST",        "memory nodes to use", 0, 0 },
	{ "device",         0,   OPT_LIST, O(device),       "HOST[:CTR[:rwm]]", "give access to a device of the host", 0, COMPLETE_FILE },
	{ "device-cgroup-rule", 0, OPT_LIST, O(device_cgroup_rule), "RULE", "device access rule, such as 'c 1:3 rwm'", 0, 0 },
	{ "dns",            0,   OPT_LIST, O(dns),          "IP",          "name server", 0, 0 },
	{ "dns-option",     0,   OPT_LIST, O(dns_option),   "OPTION",      "option line of resolv.conf", 0, 0 },
	{ "dns-opt",        0,   OPT_LIST, O(dns_option),   "OPTION",      "as --dns-option", OPT_HIDDEN, 0 },
	{ "dns-search",     0,   OPT_LIST, O(dns_search),   "DOMAIN",      "domain to search", 0, 0 },
	{ "domainname",     0,   OPT_STR,  O(domainname),   "NAME",        "NIS domain name", 0, 0 },
	{ "entrypoint",     0,   OPT_STR,  O(entrypoint),   "COMMAND",     "replace the image's entrypoint", 0, 0 },
	{ "env",            'e', OPT_LIST, O(env),          "NAME[=VALUE]", "set an environment variable; NAME alone copies ours", 0, 0 },
	{ "env-file",       0,   OPT_LIST, O(env_file),     "FILE",        "read environment variables from FILE", 0, COMPLETE_FILE },
	{ "expose",         0,   OPT_LIST, O(expose),       "PORT[/PROTO]", "note a port the container serves", 0, 0 },
	{ "group-add",      0,   OPT_LIST, O(group_add),    "GROUP",       "additional group", 0, 0 },
	{ "hostname",       'h', OPT_STR,  O(hostname),     "NAME",        "host name inside", 0, 0 },
	{ "init",           0,   OPT_BOOL, O(init),         NULL,          "run a small init that forwards signals and reaps", 0, 0 },
	{ "interactive",    'i', OPT_BOOL, O(interactive),  NULL,          "keep standard input open", 0, 0 },
	{ "ip",             0,   OPT_STR,  O(ip),           "ADDRESS",     "IPv4 address on the bridge", 0, 0 },
	{ "ipc",            0,   OPT_STR,  O(ipc),          "MODE",        "IPC namespace: private, shareable, none, host, container:ID", 0, 0 },
	{ "label",          'l', OPT_LIST, O(label),        "KEY=VALUE",   "label of the container", 0, 0 },
	{ "label-file",     0,   OPT_LIST, O(label_file),   "FILE",        "read labels from FILE", 0, COMPLETE_FILE },
	{ "log-driver",     0,   OPT_STR,  O(log_driver),   "DRIVER",      "json-file, k8s-file or none", 0, 0 },
	{ "log-opt",        0,   OPT_LIST, O(log_opt),      "KEY=VALUE",   "max-size=SIZE, max-file=COUNT", 0, 0 },
	{ "mac-address",    0,   OPT_STR,  O(mac_address),  "MAC",         "Ethernet address on the bridge", 0, 0 },
	{ "memory",         'm', OPT_SIZE, O(memory_bytes), "SIZE",        "most memory", 0, 0 },
	{ "memory-reservation", 0, OPT_SIZE, O(memory_reservation_bytes), "SIZE", "memory kept when the host runs short", 0, 0 },
	{ "memory-swap",    0,   OPT_SSIZE, O(memory_swap_bytes), "SIZE",  "most memory plus swap; -1 for unlimited swap", 0, 0 },
	{ "mount",          0,   OPT_LIST, O(mount),        "KEY=VALUE,...", "mount: type=bind|volume|tmpfs,source=,target=,...", 0, 0 },
	{ "name",           0,   OPT_STR,  O(name),         "NAME",        "name of the container", 0, 0 },
	{ "network",        0,   OPT_LIST, O(network),      "MODE",        "none, host, bridge or container:ID", 0, COMPLETE_NETWORK },
	{ "net",            0,   OPT_LIST, O(network),      "MODE",        "as --network", OPT_HIDDEN, COMPLETE_NETWORK },
	{ "oom-score-adj",  0,   OPT_INT,  O(oom_score_adj), "NUMBER",     "how readily the kernel kills it: -1000 to 1000", 0, 0 },
	{ "pid",            0,   OPT_STR,  O(pid),          "MODE",        "PID namespace: private, host, container:ID", 0, 0 },
	{ "pids-limit",     0,   OPT_INT,  O(pids_limit),   "COUNT",       "most processes; -1 for no limit", 0, 0 },
	{ "platform",       0,   OPT_STR,  O(platform),     "OS/ARCH",     "platform of the image", 0, 0 },
	{ "privileged",     0,   OPT_BOOL, O(privileged),   NULL,          "all capabilities and devices, nothing masked", 0, 0 },
	{ "publish",        'p', OPT_LIST, O(publish),      "[[IP:]HOST:]PORT[/PROTO]", "publish a port on the host", 0, 0 },
	{ "publish-all",    'P', OPT_BOOL, O(publish_all),  NULL,          "publish every exposed port on a free port", 0, 0 },
	{ "pull",           0,   OPT_STR,  O(pull),         "WHEN",        "pull the image: missing, always, never", 0, 0 },
	{ "quiet",          'q', OPT_BOOL, O(quiet),        NULL,          "no progress of a pull", 0, 0 },
	{ "read-only",      0,   OPT_BOOL, O(read_only),    NULL,          "mount the root read-only", 0, 0 },
	{ "read-only-tmpfs", 0,  OPT_BOOL, O(read_only_tmpfs), NULL,       "with --read-only: tmpfs on /run, /tmp and /var/tmp", 0, 0 },
	{ "restart",        0,   OPT_STR,  O(restart),      "POLICY",      "no, on-failure[:MAX], always or unless-stopped", 0, 0 },
	{ "rm",             0,   OPT_BOOL, O(rm),           NULL,          "remove the container when it ends", 0, 0 },
	{ "security-opt",   0,   OPT_LIST, O(security_opt), "OPTION",      "seccomp=FILE|unconfined, no-new-privileges, mask=, unmask=", 0, 0 },
	{ "shm-size",       0,   OPT_SIZE, O(shm_size_bytes), "SIZE",      "size of /dev/shm (default 64m)", 0, 0 },
	{ "signature-policy", 0, OPT_STR,  O(signature_policy), "FILE",    "policy about signatures (default policy.json of the user or the system)", 0, COMPLETE_FILE },
	{ "stop-signal",    0,   OPT_STR,  O(stop_signal),  "SIGNAL",      "signal that stops it (default TERM)", 0, COMPLETE_SIGNAL },
	{ "stop-timeout",   0,   OPT_INT,  O(stop_timeout_s), "SECONDS",   "wait before KILL on stop (default 10); -1 for ever", 0, 0 },
	{ "sysctl",         0,   OPT_LIST, O(sysctl),       "KEY=VALUE",   "kernel parameter of its namespaces", 0, 0 },
	{ "tmpfs",          0,   OPT_LIST, O(tmpfs),        "PATH[:OPTIONS]", "mount a tmpfs", 0, 0 },
	{ "tty",            't', OPT_BOOL, O(tty),          NULL,          "give it a terminal", 0, 0 },
	{ "storage-opt",    0,   OPT_LIST, O(storage_opt),  "KEY=VALUE", "quota of the writable layer: size=10G, inodes=100000 (ext4 or xfs with project quotas)", 0, 0 },
	{ "ulimit",         0,   OPT_LIST, O(ulimit),       "NAME=SOFT[:HARD]", "resource limit", 0, 0 },
	{ "user",           'u', OPT_STR,  O(user),         "USER[:GROUP]", "user and group, names or numbers", 0, 0 },
	{ "userns",         0,   OPT_STR,  O(userns),       "MODE",        "user namespace: host", 0, 0 },
	{ "uts",            0,   OPT_STR,  O(uts),          "MODE",        "UTS namespace: private, host, container:ID", 0, 0 },
	{ "volume",         'v', OPT_LIST, O(volume),       "[SOURCE:]TARGET[:OPTIONS]", "mount a directory of the host or a volume", 0, COMPLETE_VOLUME },
	{ "volumes-from",   0,   OPT_LIST, O(volumes_from), "CONTAINER[:ro]", "mount the volumes of another container", 0, COMPLETE_CONTAINER },
	{ "workdir",        'w', OPT_STR,  O(workdir),      "DIR",         "working directory inside", 0, 0 },
	/* refused by name, see refused_why[] */
#define REFUSED(i, optname) { optname, 0, OPT_STR, O(refused[i]), "VALUE", "not supported", OPT_HIDDEN, 0 }
#define REFUSED_FLAG(i, optname) { optname, 0, OPT_OPTSTR, O(refused[i]), NULL, "not supported", OPT_HIDDEN, 0 }
	REFUSED(0, "health-cmd"),
	REFUSED(1, "health-interval"),
	REFUSED(2, "health-retries"),
	REFUSED(3, "health-timeout"),
	REFUSED(4, "health-start-period"),
	REFUSED(5, "health-start-interval"),
	REFUSED(6, "volume-driver"),
	REFUSED(7, "gpus"),
	REFUSED(8, "link"),
	REFUSED(9, "network-alias"),
	REFUSED(10, "ip6"),
	REFUSED(11, "link-local-ip"),
	REFUSED(12, "pod"),
	REFUSED(13, "runtime"),
	REFUSED(14, "isolation"),
	REFUSED(15, "blkio-weight"),
	REFUSED(16, "device-read-bps"),
	REFUSED(17, "device-write-bps"),
	REFUSED_FLAG(18, "oom-kill-disable"),
	REFUSED(19, "memory-swappiness"),
	REFUSED(20, "kernel-memory"),
	REFUSED(21, "uidmap"),
	REFUSED(22, "gidmap"),
	OPT_END,
};
/* clang-format on */

void container_options_init(struct container_options *opts)
{
	*opts = (struct container_options){
		.sig_proxy = true,
		.shm_size_bytes = SHM_SIZE_DEFAULT,
		.stop_timeout_s = STOP_TIMEOUT_UNSET,
	};
}

static void lists_done(const struct opt *table, struct container_options *opts)
{
	for (const struct opt *o = table; o->kind; o++)
		if (o->kind == OPT_LIST)
			strv_done((struct strv *)((char *)opts + o->offset));
}

void container_options_done(struct container_options *opts)
{
	lists_done(container_run_options_table, opts);
	lists_done(container_options_table, opts);
	strv_done(&opts->args);
	strv_done(&opts->anon_volumes);
	strv_done(&opts->owned);
}

/* Options of the command line alone: a saved container has no use for them. */
static bool is_saved(const struct opt *o)
{
	return !(o->flags & OPT_HIDDEN) && o->offset >= O(name);
}

static void put(struct json_object *obj, const struct opt *o, const void *field, const void *def)
{
	switch (o->kind) {
	case OPT_BOOL:
		if (*(const bool *)field != *(const bool *)def)
			json_add_bool(obj, o->name, *(const bool *)field);
		return;
	case OPT_STR:
	case OPT_OPTSTR:
		json_add_str(obj, o->name, *(const char *const *)field);
		return;
	case OPT_LIST:
		json_add_strv(obj, o->name, field);
		return;
	case OPT_INT:
	case OPT_SSIZE:
	case OPT_DURATION:
		if (*(const int64_t *)field != *(const int64_t *)def)
			json_add_i64(obj, o->name, *(const int64_t *)field);
		return;
	case OPT_UINT:
	case OPT_SIZE:
		if (*(const uint64_t *)field != *(const uint64_t *)def)
			json_add_u64(obj, o->name, *(const uint64_t *)field);
		return;
	case OPT_DOUBLE:
		if (*(const double *)field > 0)
			json_object_object_add(obj, o->name,
			                       json_object_new_double(*(const double *)field));
		return;
	case OPT_TRISTATE:
	case OPT_KIND_END:
		return;
	}
}

struct json_object *container_options_to_json(const struct container_options *opts)
{
	struct json_object *obj = json_object_new_object();
	struct container_options def;

	container_options_init(&def);
	for (const struct opt *o = container_options_table; o->kind; o++)
		if (is_saved(o))
			put(obj, o, (const char *)opts + o->offset, (const char *)&def + o->offset);
	json_add_strv(obj, "args", &opts->args);
	if (opts->args_given)
		json_add_bool(obj, "args-given", true);
	json_add_strv(obj, "anonymous-volumes", &opts->anon_volumes);
	return obj;
}

/* Strings are kept in opts->owned, so that OPT_STR fields stay plain borrowed pointers. */
static int get_str(const struct json *at, const char *key, struct container_options *opts,
                   const char **field, struct err *err)
{
	const char *s = NULL;

	if (json_get_str(at, key, &s, err) < 0)
		return -1;
	if (s) {
		strv_add(&opts->owned, s);
		*field = opts->owned.items[opts->owned.len - 1];
	}
	return 0;
}

static int get(const struct json *at, const struct opt *o, struct container_options *opts,
               struct err *err)
{
	void *field = (char *)opts + o->offset;

	switch (o->kind) {
	case OPT_BOOL:
		return json_get_bool(at, o->name, field, err);
	case OPT_STR:
	case OPT_OPTSTR:
		return get_str(at, o->name, opts, field, err);
	case OPT_LIST:
		return json_get_strv(at, o->name, field, err);
	case OPT_INT:
	case OPT_SSIZE:
	case OPT_DURATION:
		return json_get_i64(at, o->name, field, err);
	case OPT_UINT:
	case OPT_SIZE:
		return json_get_u64(at, o->name, field, err);
	case OPT_DOUBLE:
		return json_get_double(at, o->name, field, err);
	case OPT_TRISTATE:
	case OPT_KIND_END:
		break;
	}
	return 0;
}

int container_options_from_json(const struct json *at, struct container_options *ret,
                                struct err *err)
{
	container_options_init(ret);
	for (const struct opt *o = container_options_table; o->kind; o++)
		if (is_saved(o) && get(at, o, ret, err) < 0)
			return -1;
	if (json_get_strv(at, "args", &ret->args, err) < 0 ||
	    json_get_bool(at, "args-given", &ret->args_given, err) < 0 ||
	    json_get_strv(at, "anonymous-volumes", &ret->anon_volumes, err) < 0)
		return -1;
	return 0;
}

const char *options_refused_name(size_t index)
{
	for (const struct opt *o = container_options_table; o->kind; o++)
		if (o->offset == O(refused[index]))
			return o->name;
	return NULL;
}
