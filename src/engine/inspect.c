/* inspect: one container as docker's API shows it (types of API 1.44). Keys that stand for things
 * dhow does not have are left out rather than filled with inventions. */
#include "base/clock.h"
#include "base/fd.h"
#include "base/xalloc.h"
#include "codec/json.h"
#include "engine/engine-internal.h"
#include "engine/inspect-internal.h"
#include "engine/mounts-parse.h"
#include "engine/spec-build.h"
#include "image/image.h"
#include "net/net.h"

#include <arpa/inet.h>
#include <string.h>

#define ZERO_TIME "0001-01-01T00:00:00Z" /* docker's "never" */

static void add_time(struct json_object *obj, const char *key, int64_t ns)
{
	json_add_str(obj, key, ns ? time_format(ns).s : ZERO_TIME);
}

static void add_state(struct json_object *obj, const struct container_row *row)
{
	struct json_object *state = json_add_object(obj, "State");

	json_add_str(state, "Status", container_status_name(row->status));
	json_add_bool(state, "Running",
	              row->status == CONTAINER_RUNNING || row->status == CONTAINER_PAUSED);
	json_add_bool(state, "Paused", row->status == CONTAINER_PAUSED);
	json_add_bool(state, "Restarting", row->status == CONTAINER_RESTARTING);
	json_add_bool(state, "OOMKilled", row->oom_killed);
	json_add_bool(state, "Dead", row->status == CONTAINER_DEAD);
	json_add_i64(state, "Pid", row->pid);
	json_add_i64(state, "MonitorPid", row->pid ? row->monitor_pid : 0);
	json_add_i64(state, "ExitCode", row->exit_code);
	json_add_str(state, "Error", row->error);
	add_time(state, "StartedAt", row->started_ns);
	add_time(state, "FinishedAt", row->finished_ns);
}

static void add_argv(struct json_object *obj, const struct strv *argv)
{
	struct json_object *args;

	json_add_str(obj, "Path", argv->len ? argv->items[0] : "");
	args = json_add_array(obj, "Args");
	for (size_t i = 1; i < argv->len; i++)
		json_object_array_add(args, json_object_new_string(argv->items[i]));
}

static void add_mounts(struct json_object *obj, const struct engine *e,
                       const struct container_options *opts, const struct image_config *image)
{
	struct json_object *mounts = json_add_array(obj, "Mounts");
	AUTO_MOUNTS requests = { 0 };
	static const char *const kinds[] = {
		[MOUNT_KIND_BIND] = "bind",
		[MOUNT_KIND_VOLUME] = "volume",
		[MOUNT_KIND_TMPFS] = "tmpfs",
		[MOUNT_KIND_IMAGE] = "image",
	};

	if (mount_requests_parse(opts, &image->volumes, &requests, ERR_IGNORE) < 0)
		return;
	for (size_t i = 0; i < requests.count; i++) {
		const struct mount_request *m = &requests.items[i];
		struct json_object *item = json_object_new_object();
		bool volume = m->kind == MOUNT_KIND_VOLUME;

		json_add_str(item, "Type", kinds[m->kind]);
		if (volume) {
			AUTO_FREE char *path = xasprintf("%s/volumes/%s/_data", e->root_path,
			                                 m->source ? m->source : "");

			json_add_str(item, "Name", m->source);
			json_add_str(item, "Source", path);
			json_add_str(item, "Driver", "local");
		} else {
			json_add_str(item, "Source", m->source ? m->source : "");
		}
		json_add_str(item, "Destination", m->target);
		json_add_str(item, "Mode", m->read_only ? "ro" : "");
		json_add_bool(item, "RW", !m->read_only);
		json_add_str(item, "Propagation", "");
		json_object_array_add(mounts, item);
	}
}

/* {"80/tcp": [{"HostIp": "0.0.0.0", "HostPort": "8080"}]} */
static void add_ports(struct json_object *obj, const char *key, const struct net_ports *ports)
{
	struct json_object *map = json_add_object(obj, key);

	for (size_t i = 0; i < ports->len; i++) {
		const struct net_port *p = &ports->items[i];
		struct json_object *list, *item = json_object_new_object();
		char name[24], ip[INET_ADDRSTRLEN] = "", port[8];

		snprintf(name, sizeof(name), "%u/%s", p->ctr_port, net_protocol_name(p->protocol));
		inet_ntop(AF_INET, &p->host_ip, ip, sizeof(ip));
		snprintf(port, sizeof(port), "%u", p->host_port);
		if (!json_object_object_get_ex(map, name, &list))
			list = json_add_array(map, name);
		json_add_str(item, "HostIp", ip);
		json_add_str(item, "HostPort", p->host_port ? port : "");
		json_object_array_add(list, item);
	}
}

static void add_network_settings(struct json_object *obj, struct engine *e,
                                 const struct container_row *row)
{
	struct json_object *settings = json_add_object(obj, "NetworkSettings");
	struct json_object *networks, *network;
	struct net_result net = NET_RESULT_INIT;
	char ip[INET_ADDRSTRLEN] = "", gateway[INET_ADDRSTRLEN] = "", mac[18] = "";
	AUTO_FREE char *sandbox = NULL;
	struct net *handle;

	if (row->pid && strcmp(row->networks, "bridge") == 0 &&
	    (handle = engine_net(e, ERR_IGNORE)) &&
	    net_lookup(handle, row->id, &net, ERR_IGNORE) == 0) {
		inet_ntop(AF_INET, &net.ip, ip, sizeof(ip));
		inet_ntop(AF_INET, &net.gateway, gateway, sizeof(gateway));
		snprintf(mac, sizeof(mac), "%02x:%02x:%02x:%02x:%02x:%02x", net.mac[0], net.mac[1],
		         net.mac[2], net.mac[3], net.mac[4], net.mac[5]);
	}
	sandbox = row->pid ? xasprintf("/proc/%d/ns/net", row->pid) : xstrdup("");
	json_add_str(settings, "SandboxKey", sandbox);
	add_ports(settings, "Ports", &net.ports);
	json_add_str(settings, "IPAddress", ip);
	json_add_i64(settings, "IPPrefixLen", net.prefix_len);
	json_add_str(settings, "Gateway", gateway);
	json_add_str(settings, "MacAddress", mac);
	json_add_str(settings, "Bridge", net.bridge);
	networks = json_add_object(settings, "Networks");
	if (strncmp(row->networks, "container:", 10) != 0) {
		network = json_add_object(networks, row->networks);
		json_add_str(network, "IPAddress", ip);
		json_add_i64(network, "IPPrefixLen", net.prefix_len);
		json_add_str(network, "Gateway", gateway);
		json_add_str(network, "MacAddress", mac);
	}
	net_result_done(&net);
}

int inspect_host_ports(const struct container_options *opts, struct json_object *host_config,
                       struct err *err)
{
	struct net_ports ports = NET_PORTS_INIT;
	int r = 0;

	for (size_t i = 0; r == 0 && i < opts->publish.len; i++)
		r = net_ports_parse(&ports, opts->publish.items[i], err);
	if (r == 0)
		add_ports(host_config, "PortBindings", &ports);
	net_ports_done(&ports);
	return r;
}

uint64_t container_disk_bytes(struct engine *e, const char *id)
{
	AUTO_FD dir = container_dir_open(e, id, ERR_IGNORE);

	return dir < 0 ? 0 : inspect_tree_size(dir, "upper");
}

static void add_sizes(struct json_object *obj, struct engine *e, const struct container_row *row,
                      const struct image *image)
{
	uint64_t rw = container_disk_bytes(e, row->id);

	json_add_u64(obj, "SizeRw", rw);
	json_add_u64(obj, "SizeRootFs", rw + image->size);
}

/* Key, and name below dir. */
static void add_paths(struct json_object *obj, const char *dir, const char *const paths[][2],
                      size_t n)
{
	for (size_t i = 0; i < n; i++) {
		AUTO_FREE char *path = xasprintf("%s/%s", dir, paths[i][1]);

		json_add_str(obj, paths[i][0], path);
	}
}

static int add_all(struct json_object *obj, struct engine *e, const struct container_row *row,
                   const struct container_options *opts, const struct image *image, bool with_size,
                   struct err *err)
{
	AUTO_STRV argv = STRV_INIT;
	AUTO_FREE char *dir = xasprintf("%s/" CONTAINERS_DIR "/%s", e->root_path, row->id);
	static const char *const files[][2] = { { "ResolvConfPath", "resolv.conf" },
		                                { "HostnamePath", "hostname" },
		                                { "HostsPath", "hosts" },
		                                { "LogPath", "ctr.log" } };
	static const char *const layer_dirs[][2] = { { "UpperDir", "upper" },
		                                     { "WorkDir", "work" } };
	AUTO_FREE char *name = NULL;
	struct json_object *driver;

	command_build(opts, &image->config, &argv, ERR_IGNORE);
	json_add_str(obj, "Id", row->id);
	add_time(obj, "Created", row->created_ns);
	add_argv(obj, &argv);
	add_state(obj, row);
	json_add_str(obj, "Image", row->image_id);
	json_add_str(obj, "ImageName", row->image);
	add_paths(obj, dir, files, ARRAY_LEN(files));
	name = xasprintf("/%s", row->name); /* docker's way of writing it */
	json_add_str(obj, "Name", name);
	json_add_i64(obj, "RestartCount", row->restart_count);
	json_add_str(obj, "Driver", "overlay");
	json_add_str(obj, "Platform", "linux");
	driver = json_add_object(obj, "GraphDriver");
	json_add_str(driver, "Name", "overlay");
	add_paths(json_add_object(driver, "Data"), dir, layer_dirs, ARRAY_LEN(layer_dirs));
	if (inspect_add_host_config(obj, opts, row, err) < 0)
		return -1;
	add_mounts(obj, e, opts, &image->config);
	inspect_add_config(obj, opts, row, &image->config, &argv);
	add_network_settings(obj, e, row);
	if (with_size)
		add_sizes(obj, e, row, image);
	return 0;
}

int container_inspect(struct engine *e, const char *ref, bool with_size, struct json_object **ret,
                      struct err *err)
{
	struct container_row row __attribute__((cleanup(container_row_done))) = { 0 };
	struct container_options opts;
	AUTO_IMAGE image = IMAGE_INIT;
	AUTO_JSON *obj = json_object_new_object();
	struct image_store *images = engine_images(e, err);
	int r;

	if (!images || container_get(e, ref, &row, err) < 0)
		return -1;
	r = container_options_load(e, row.id, &opts, err);
	/* an image that is gone leaves a container that can still be looked at */
	if (r == 0)
		image_resolve(images, row.image_id, &image, ERR_IGNORE);
	if (r == 0)
		r = add_all(obj, e, &row, &opts, &image, with_size, err);
	container_options_done(&opts);
	if (r < 0)
		return -1;
	*ret = TAKE_PTR(obj);
	return 0;
}
