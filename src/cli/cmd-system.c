/* version, info. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/sysinfo.h>
#include <sys/utsname.h>

#include "base/fd.h"
#include "base/helper.h"
#include "base/log.h"
#include "base/num.h"
#include "base/xalloc.h"
#include "cli/cli-internal.h"
#include "cli/output.h"
#include "codec/json.h"
#include "image/image.h"
#include "image/layers.h"
#include "sys/cgroup.h"

struct system_opts {
	const char *format;
};

#define S(field) OPT(struct system_opts, field)
/* clang-format off */
static const struct opt format_options[] = {
	{ "format", 'f', OPT_STR, S(format), "TEMPLATE", "print by a Go template, or 'json'", 0, 0 },
	OPT_END
};
/* clang-format on */

/* ---- version ---- */

static const char *go_arch(const char *machine)
{
	if (!strcmp(machine, "x86_64"))
		return "amd64";
	return strcmp(machine, "aarch64") ? machine : "arm64";
}

static int run_version(struct cmd_ctx *ctx, const struct command *self, int argc, char **argv)
{
	struct system_opts o = { 0 };
	AUTO_STRV args = STRV_INIT;
	AUTO_JSON *obj = NULL;
	AUTO_FREE char *platform = NULL;
	struct utsname un;
	int r = cli_parse(ctx, self, &o, argc, argv, &args);

	if (r)
		return cli_parsed(r);
	uname(&un);
	platform = xasprintf("linux/%s", go_arch(un.machine));
	if (!o.format) {
		printf("Version:   %s\nOS/Arch:   %s\nKernel:    %s\n", DHOW_VERSION, platform,
		       un.release);
		return 0;
	}
	obj = json_object_new_object();
	/* docker and podman scripts ask for .Client.Version or .Server.Version; both are us */
	for (int i = 0; i < 2; i++) {
		struct json_object *side = json_add_object(obj, i ? "Server" : "Client");

		json_add_str(side, "Version", DHOW_VERSION);
		json_add_str(side, "Os", "linux");
		json_add_str(side, "Arch", go_arch(un.machine));
		json_add_str(side, "OsArch", platform);
		json_add_str(side, "KernelVersion", un.release);
	}
	return output_value(o.format, obj, &ctx->err);
}

const struct command cmd_version = {
	.name = "version",
	.summary = "Print the version of dhow",
	.tables = { format_options },
	.run = run_version,
};

/* ---- info ---- */

static const char *const cgroup_modes[] = {
	[CGROUP_MODE_NONE] = "none",
	[CGROUP_MODE_V1] = "v1",
	[CGROUP_MODE_HYBRID] = "hybrid",
	[CGROUP_MODE_V2] = "v2",
};

static void add_cgroups(struct json_object *obj)
{
	const struct cgroup_layout *layout = cgroup_layout_get();
	AUTO_STRV names = STRV_INIT;

	for (int c = 0; c < CGROUP_MAX; c++)
		if (layout->available & CGROUP_BIT(c) && c != CGROUP_SYSTEMD && c != CGROUP_UNIFIED)
			strv_add(&names, cgroup_controller_name((enum cgroup_controller)c,
			                                        layout->on_v2 & CGROUP_BIT(c)));
	json_add_str(obj, "CgroupDriver", "cgroupfs");
	json_add_str(obj, "CgroupVersion", cgroup_modes[layout->mode]);
	json_add_strv(obj, "CgroupControllers", &names);
}

/* PRETTY_NAME of os-release. */
static void add_os(struct json_object *obj)
{
	AUTO_FREE char *text = NULL;
	struct utsname un;
	char *name;
	size_t len;

	uname(&un);
	json_add_str(obj, "KernelVersion", un.release);
	json_add_str(obj, "OSType", "linux");
	json_add_str(obj, "Architecture", go_arch(un.machine));
	json_add_str(obj, "Name", un.nodename);
	if (file_read_at(AT_FDCWD, "/etc/os-release", 1u << 16, &text, &len, ERR_IGNORE) < 0)
		return;
	name = strstr(text, "PRETTY_NAME=\"");
	if (name) {
		name += strlen("PRETTY_NAME=\"");
		name[strcspn(name, "\"\n")] = '\0';
		json_add_str(obj, "OperatingSystem", name);
	}
}

static void add_machine(struct json_object *obj)
{
	struct sysinfo si;
	struct rlimit limit;
	struct json_object *limits = json_add_object(obj, "Limits");

	json_add_i64(obj, "NCPU", sysconf(_SC_NPROCESSORS_ONLN));
	if (sysinfo(&si) == 0)
		json_add_u64(obj, "MemTotal", (uint64_t)si.totalram * si.mem_unit);
	if (getrlimit(RLIMIT_NOFILE, &limit) == 0)
		json_add_u64(limits, "OpenFiles", limit.rlim_max);
	if (getrlimit(RLIMIT_NPROC, &limit) == 0)
		json_add_u64(limits, "Processes", limit.rlim_max);
}

static int add_storage(struct cmd_ctx *ctx, struct json_object *obj)
{
	struct image_store *store = cli_images(ctx);
	enum layer_mode mode = LAYER_MODE_NONE;
	AUTO_STRV ids = STRV_INIT;
	struct image_row *rows = NULL;
	const char *reason = "";
	size_t n = 0;

	if (!store || layer_store_mode(image_store_layers(store), &mode, &reason, &ctx->err) < 0 ||
	    image_list(store, &rows, &n, &ctx->err) < 0)
		return -1;
	for (size_t i = 0; i < n; i++)
		if (!strv_has(&ids, rows[i].id))
			strv_add(&ids, rows[i].id);
	image_rows_free(rows, n);
	json_add_u64(obj, "Images", ids.len);
	json_add_str(obj, "Driver", layer_mode_name(mode));
	if (reason[0])
		json_add_str(obj, "DriverReason", reason);
	return 0;
}

static int add_containers(struct cmd_ctx *ctx, struct json_object *obj)
{
	struct container_list_args list_args = { .all = true };
	struct container_list list = { 0 };
	int64_t running = 0, paused = 0;

	if (container_list(&ctx->engine, &list_args, &list, &ctx->err) < 0)
		return -1;
	for (size_t i = 0; i < list.count; i++) {
		running += list.rows[i].status == CONTAINER_RUNNING;
		paused += list.rows[i].status == CONTAINER_PAUSED;
	}
	json_add_u64(obj, "Containers", list.count);
	json_add_i64(obj, "ContainersRunning", running);
	json_add_i64(obj, "ContainersPaused", paused);
	json_add_i64(obj, "ContainersStopped", (int64_t)list.count - running - paused);
	container_list_done(&list);
	return 0;
}

static void add_program(struct json_object *obj, const char *key, const char *name)
{
	AUTO_FREE char *path = NULL;
	struct err err;

	/* a missing helper is shown as missing: info is what one asks when nothing works */
	if (helper_find(name, &path, &err) < 0)
		path = xasprintf("missing (%s)", err.msg);
	json_add_str(obj, key, path);
}

static void copy_to(struct json_object *to, const char *to_key, struct json_object *from,
                    const char *key)
{
	struct json_object *value = NULL;

	if (json_object_object_get_ex(from, key, &value))
		json_object_object_add(to, to_key, json_object_get(value));
}

/* What scripts written for podman look for: the same facts below .Host and .Store. */
static void add_podman_shape(struct json_object *obj)
{
	struct json_object *host = json_add_object(obj, "Host"),
			   *store = json_add_object(obj, "Store");
	struct json_object *runtime = json_add_object(host, "OCIRuntime");

	copy_to(host, "Arch", obj, "Architecture");
	copy_to(host, "OS", obj, "OSType");
	copy_to(host, "CPUs", obj, "NCPU");
	copy_to(host, "MemTotal", obj, "MemTotal");
	copy_to(host, "Kernel", obj, "KernelVersion");
	copy_to(host, "Hostname", obj, "Name");
	copy_to(host, "CgroupVersion", obj, "CgroupVersion");
	copy_to(host, "CgroupManager", obj, "CgroupDriver");
	copy_to(host, "LogDriver", obj, "LoggingDriver");
	copy_to(json_add_object(host, "Security"), "Rootless", obj, "Rootless");
	copy_to(runtime, "Name", obj, "DefaultRuntime");
	copy_to(runtime, "Path", obj, "RuntimePath");
	copy_to(store, "GraphRoot", obj, "Root");
	copy_to(store, "RunRoot", obj, "RunRoot");
	copy_to(store, "GraphDriverName", obj, "Driver");
	copy_to(json_add_object(store, "ImageStore"), "Number", obj, "Images");
	copy_to(json_add_object(store, "ContainerStore"), "Number", obj, "Containers");
}

static const char *text_of(struct json_object *obj, const char *key)
{
	struct json_object *value = NULL;

	json_object_object_get_ex(obj, key, &value);
	return value ? json_object_get_string(value) : "";
}

static void print_info(struct json_object *obj)
{
	struct json_object *value = NULL, *limits = NULL;
	AUTO_BUF controllers = STRBUF_INIT;
	uint64_t mem;

	json_object_object_get_ex(obj, "CgroupControllers", &value);
	for (size_t i = 0; value && i < json_object_array_length(value); i++)
		strbuf_addf(&controllers, "%s%s", i ? " " : "",
		            json_object_get_string(json_object_array_get_idx(value, i)));
	json_object_object_get_ex(obj, "MemTotal", &value);
	mem = value ? json_object_get_uint64(value) : 0;
	json_object_object_get_ex(obj, "Limits", &limits);
	printf("Version:           %s\n", text_of(obj, "ServerVersion"));
	printf("Root:              %s\n", text_of(obj, "Root"));
	printf("Run root:          %s\n", text_of(obj, "RunRoot"));
	printf("Rootless:          %s\n", text_of(obj, "Rootless"));
	printf("Containers:        %s (%s running, %s paused, %s stopped)\n",
	       text_of(obj, "Containers"), text_of(obj, "ContainersRunning"),
	       text_of(obj, "ContainersPaused"), text_of(obj, "ContainersStopped"));
	printf("Images:            %s\n", text_of(obj, "Images"));
	printf("Layers:            %s%s%s%s\n", text_of(obj, "Driver"),
	       text_of(obj, "DriverReason")[0] ? " (" : "", text_of(obj, "DriverReason"),
	       text_of(obj, "DriverReason")[0] ? ")" : "");
	printf("Cgroups:           %s: %s\n", text_of(obj, "CgroupVersion"), controllers.buf);
	printf("Runtime:           %s\n", text_of(obj, "RuntimePath"));
	printf("Monitor:           %s\n", text_of(obj, "MonitorPath"));
	printf("Kernel:            %s\n", text_of(obj, "KernelVersion"));
	printf("Operating system:  %s\n", text_of(obj, "OperatingSystem"));
	printf("Architecture:      %s\n", text_of(obj, "Architecture"));
	printf("CPUs:              %s\n", text_of(obj, "NCPU"));
	printf("Memory:            %s\n", format_size_binary(mem).s);
	printf("Limits:            %s open files, %s processes\n", text_of(limits, "OpenFiles"),
	       text_of(limits, "Processes"));
}

static int run_info(struct cmd_ctx *ctx, const struct command *self, int argc, char **argv)
{
	struct system_opts o = { 0 };
	AUTO_STRV args = STRV_INIT;
	AUTO_JSON *obj = NULL;
	struct engine *e;
	int r = cli_parse(ctx, self, &o, argc, argv, &args);

	if (r)
		return cli_parsed(r);
	e = cli_engine(ctx);
	if (!e)
		return -1;
	obj = json_object_new_object();
	json_add_str(obj, "ServerVersion", DHOW_VERSION);
	json_add_str(obj, "Root", e->root_path);
	json_add_str(obj, "RunRoot", e->runroot_path);
	json_add_bool(obj, "Rootless", e->rootless);
	if (add_containers(ctx, obj) < 0 || add_storage(ctx, obj) < 0)
		return -1;
	add_cgroups(obj);
	json_add_str(obj, "LoggingDriver", "json-file");
	json_add_str(obj, "DefaultRuntime", "dhow-oci");
	add_program(obj, "RuntimePath", "dhow-oci");
	add_program(obj, "MonitorPath", "dhow-monitor");
	add_os(obj);
	add_machine(obj);
	add_podman_shape(obj);
	if (o.format)
		return output_value(o.format, obj, &ctx->err);
	print_info(obj);
	return 0;
}

const struct command cmd_info = {
	.name = "info",
	.summary = "Show how dhow works on this machine",
	.tables = { format_options },
	.run = run_info,
};
