/* Config and HostConfig of inspect: the options a container was made with, under docker's names. */
#include "base/fd.h"
#include "base/xalloc.h"
#include "codec/json.h"
#include "engine/inspect-internal.h"
#include "engine/spec-build.h"
#include "image/image.h"

#include <dirent.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

/* Lists are there even when empty: a template that asks for one must not fail. */
static void add_list(struct json_object *obj, const char *key, const struct strv *v)
{
	struct json_object *list = json_add_array(obj, key);

	for (size_t i = 0; i < v->len; i++)
		json_object_array_add(list, json_object_new_string(v->items[i]));
}

static void add_text(struct json_object *obj, const char *key, const char *value)
{
	json_add_str(obj, key, value ? value : "");
}

static void add_env(struct json_object *obj, const struct container_options *opts,
                    const struct image_config *image)
{
	AUTO_STRV env = STRV_INIT;

	if (env_build(&image->env, &opts->env_file, &opts->env, NULL, &env, ERR_IGNORE) < 0)
		strv_add_all(&env, image->env.items);
	add_list(obj, "Env", &env);
}

/* Arguments without the entrypoint, as docker splits them. */
static void add_command(struct json_object *obj, const struct container_options *opts,
                        const struct image_config *image, const struct strv *argv)
{
	AUTO_STRV entry = STRV_INIT;
	AUTO_STRV cmd = STRV_INIT;
	struct container_options bare = *opts;
	struct strv none = STRV_INIT;
	size_t n;

	/* what the command line would be without arguments tells how long the entrypoint is */
	bare.args = none;
	bare.args_given = true;
	if (command_build(&bare, image, &entry, ERR_IGNORE) < 0)
		strv_done(&entry);
	n = entry.len < argv->len ? entry.len : argv->len;
	for (size_t i = n; i < argv->len; i++)
		strv_add(&cmd, argv->items[i]);
	add_list(obj, "Cmd", &cmd);
	if (entry.len)
		add_list(obj, "Entrypoint", &entry);
	else
		json_object_object_add(obj, "Entrypoint", NULL);
}

void inspect_add_config(struct json_object *obj, const struct container_options *opts,
                        const struct container_row *row, const struct image_config *image,
                        const struct strv *argv)
{
	struct json_object *c = json_add_object(obj, "Config");
	struct json_object *ports, *volumes;
	char short_id[ID_SHORT_LEN + 1];

	snprintf(short_id, sizeof(short_id), "%.*s", ID_SHORT_LEN, row->id);
	json_add_str(c, "Hostname", opts->hostname ? opts->hostname : short_id);
	add_text(c, "Domainname", opts->domainname);
	add_text(c, "User", opts->user ? opts->user : image->user);
	json_add_bool(c, "AttachStdin", row->stdin_once);
	json_add_bool(c, "AttachStdout", true);
	json_add_bool(c, "AttachStderr", true);
	json_add_bool(c, "Tty", opts->tty);
	json_add_bool(c, "OpenStdin", opts->interactive);
	json_add_bool(c, "StdinOnce", row->stdin_once);
	add_env(c, opts, image);
	add_command(c, opts, image, argv);
	json_add_str(c, "Image", row->image);
	ports = json_add_object(c, "ExposedPorts");
	for (size_t i = 0; i < image->exposed_ports.len; i++)
		json_add_object(ports, image->exposed_ports.items[i]);
	for (size_t i = 0; i < opts->expose.len; i++)
		json_add_object(ports, opts->expose.items[i]);
	volumes = json_add_object(c, "Volumes");
	for (size_t i = 0; i < image->volumes.len; i++)
		json_add_object(volumes, image->volumes.items[i]);
	add_text(c, "WorkingDir", opts->workdir ? opts->workdir : image->workdir);
	json_object_object_add(c, "Labels", json_tokener_parse(row->labels));
	json_add_str(c, "StopSignal", opts->stop_signal ? opts->stop_signal : "SIGTERM");
	if (opts->stop_timeout_s != STOP_TIMEOUT_UNSET)
		json_add_i64(c, "StopTimeout", opts->stop_timeout_s);
}

static void add_log_config(struct json_object *h, const struct container_options *opts)
{
	struct json_object *log = json_add_object(h, "LogConfig");
	struct json_object *config;

	json_add_str(log, "Type", opts->log_driver ? opts->log_driver : "json-file");
	config = json_add_object(log, "Config");
	for (size_t i = 0; i < opts->log_opt.len; i++) {
		AUTO_FREE char *key = xstrdup(opts->log_opt.items[i]);
		char *equals = strchr(key, '=');

		if (!equals)
			continue;
		*equals = '\0';
		json_add_str(config, key, equals + 1);
	}
}

static void add_limits(struct json_object *h, const struct container_options *opts)
{
	json_add_u64(h, "Memory", opts->memory_bytes);
	json_add_i64(h, "MemorySwap",
	             opts->memory_swap_bytes ? opts->memory_swap_bytes
	                                     : (int64_t)opts->memory_bytes * 2);
	json_add_u64(h, "MemoryReservation", opts->memory_reservation_bytes);
	json_add_i64(h, "NanoCpus", (int64_t)(opts->cpus * 1e9 + 0.5));
	json_add_u64(h, "CpuShares", opts->cpu_shares);
	json_add_u64(h, "CpuPeriod", opts->cpu_period_us);
	json_add_i64(h, "CpuQuota", opts->cpu_quota_us);
	add_text(h, "CpusetCpus", opts->cpuset_cpus);
	add_text(h, "CpusetMems", opts->cpuset_mems);
	json_add_i64(h, "PidsLimit", opts->pids_limit);
	json_add_i64(h, "OomScoreAdj", opts->oom_score_adj);
	json_add_u64(h, "ShmSize", opts->shm_size_bytes);
}

static void add_storage(struct json_object *h, const struct container_options *opts)
{
	struct json_object *storage = json_add_object(h, "StorageOpt");

	for (size_t i = 0; i < opts->storage_opt.len; i++) {
		const char *text = opts->storage_opt.items[i], *equals = strchr(text, '=');
		AUTO_FREE char *key = xstrndup(text, strcspn(text, "="));

		json_add_str(storage, key, equals ? equals + 1 : "");
	}
}

int inspect_add_host_config(struct json_object *obj, const struct container_options *opts,
                            const struct container_row *row, struct err *err)
{
	struct json_object *h = json_add_object(obj, "HostConfig");
	struct json_object *restart;
	struct restart_policy policy = { .kind = RESTART_NO };
	static const char *const kinds[] = {
		[RESTART_NO] = "no",
		[RESTART_ON_FAILURE] = "on-failure",
		[RESTART_ALWAYS] = "always",
		[RESTART_UNLESS_STOPPED] = "unless-stopped",
	};

	if (restart_policy_parse(opts->restart, &policy, err) < 0)
		return -1;
	add_list(h, "Binds", &opts->volume);
	add_log_config(h, opts);
	json_add_str(h, "NetworkMode", row->networks);
	if (inspect_host_ports(opts, h, err) < 0)
		return -1;
	restart = json_add_object(h, "RestartPolicy");
	json_add_str(restart, "Name", kinds[policy.kind]);
	json_add_i64(restart, "MaximumRetryCount", policy.max_retries);
	json_add_bool(h, "AutoRemove", opts->rm);
	add_list(h, "VolumesFrom", &opts->volumes_from);
	add_list(h, "CapAdd", &opts->cap_add);
	add_list(h, "CapDrop", &opts->cap_drop);
	json_add_str(h, "CgroupnsMode", opts->cgroupns ? opts->cgroupns : "private");
	add_list(h, "Dns", &opts->dns);
	add_list(h, "DnsOptions", &opts->dns_option);
	add_list(h, "DnsSearch", &opts->dns_search);
	add_list(h, "ExtraHosts", &opts->add_host);
	add_list(h, "GroupAdd", &opts->group_add);
	json_add_str(h, "IpcMode", opts->ipc ? opts->ipc : "private");
	add_text(h, "PidMode", opts->pid);
	add_text(h, "UTSMode", opts->uts);
	add_text(h, "UsernsMode", opts->userns);
	json_add_bool(h, "Privileged", opts->privileged);
	json_add_bool(h, "PublishAllPorts", opts->publish_all);
	json_add_bool(h, "ReadonlyRootfs", opts->read_only);
	json_add_bool(h, "Init", opts->init);
	add_list(h, "SecurityOpt", &opts->security_opt);
	add_list(h, "Devices", &opts->device);
	add_list(h, "Ulimits", &opts->ulimit);
	add_storage(h, opts);
	add_text(h, "CgroupParent", opts->cgroup_parent);
	add_limits(h, opts);
	return 0;
}
