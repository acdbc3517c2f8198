#include "test.h"

#include "engine/spec-build.h"
#include "oci/image-config.h"
#include "oci/names.h"
#include "oci/spec.h"

static struct err e;
static struct container_options o;
static struct image_config image;
static struct oci_spec spec;
static struct spec_build_env env = {
	.id = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef",
	.name = "c",
	.root_path = "/tmp",
	.container_path = "/tmp/containers/0123",
	.init_path = "/usr/libexec/dhow/dhow-init",
	.host_env = (char *[]){ (char[]){ "HOSTVAR=secret" }, (char[]){ "HOSTOTHER=x" }, NULL },
};

static void begin(void)
{
	container_options_init(&o);
	image = IMAGE_CONFIG_INIT;
	strv_add(&image.entrypoint, "/entry");
	strv_add(&image.cmd, "arg");
	strv_add(&image.env, "FROM=image");
	strv_add(&image.env, "PATH=/opt/bin");
}

static int build(void)
{
	oci_spec_done(&spec);
	return spec_build(&o, &image, &env, &spec, &e);
}

static const char *mount_options(const char *target)
{
	static char text[512];

	text[0] = '\0';
	for (size_t i = 0; i < spec.n_mounts; i++) {
		if (strcmp(spec.mounts[i].destination, target) != 0)
			continue;
		for (size_t k = 0; k < spec.mounts[i].options.len; k++)
			snprintf(text + strlen(text), sizeof(text) - strlen(text), "%s,",
			         spec.mounts[i].options.items[k]);
		return text;
	}
	return NULL;
}

START_TEST(arguments_replace_cmd_and_keep_the_entrypoint)
{
	begin();
	CHECK_OK(build());
	ck_assert_str_eq(spec.process.args.items[0], "/entry");
	ck_assert_str_eq(spec.process.args.items[1], "arg");
	o.args_given = true;
	strv_add(&o.args, "mine");
	CHECK_OK(build());
	ck_assert_str_eq(spec.process.args.items[1], "mine");
	o.args_given = false;
	o.entrypoint = "/bin/sh";
	CHECK_OK(build());
	ck_assert_uint_eq(spec.process.args.len, 1);
	o.entrypoint = "[\"/bin/echo\",\"a b\"]";
	CHECK_OK(build());
	ck_assert_str_eq(spec.process.args.items[1], "a b");
	o.entrypoint = "";
	CHECK_ERR(E_INVALID, build());
}
END_TEST

START_TEST(environment_is_layered_as_docker_does)
{
	begin();
	o.tty = true;
	strv_add(&o.env, "FROM=user");
	strv_add(&o.env, "HOSTVAR");
	strv_add(&o.env, "NOTSET");
	CHECK_OK(build());
	ck_assert_str_eq(strv_get_env(&spec.process.env, "FROM"), "user");
	ck_assert_str_eq(strv_get_env(&spec.process.env, "PATH"), "/opt/bin");
	ck_assert_str_eq(strv_get_env(&spec.process.env, "HOSTVAR"), "secret");
	ck_assert_str_eq(strv_get_env(&spec.process.env, "TERM"), "xterm");
	ck_assert_str_eq(strv_get_env(&spec.process.env, "HOSTNAME"), "0123456789ab");
	ck_assert_ptr_null(strv_get_env(&spec.process.env, "NOTSET"));
	ck_assert_ptr_null(strv_get_env(&spec.process.env, "HOSTOTHER"));
}
END_TEST

/* CVE-2026-57231: what an image writes must not pull the host's variables in */
START_TEST(image_environment_never_reads_the_host)
{
	begin();
	strv_add(&image.env, "HOSTVAR");
	strv_add(&image.env, "HOST*");
	strv_add(&image.env, "*");
	strv_add(&image.env, "=x");
	strv_add(&o.env, "HOST*");
	CHECK_OK(build());
	for (size_t i = 0; i < spec.process.env.len; i++)
		ck_assert_ptr_null(strstr(spec.process.env.items[i], "secret"));
}
END_TEST

START_TEST(capabilities_follow_dockers_rules)
{
	begin();
	CHECK_OK(build());
	ck_assert_uint_eq(spec.process.caps.inheritable, 0);
	ck_assert_uint_eq(spec.process.caps.ambient, 0);
	strv_add(&o.cap_drop, "ALL");
	strv_add(&o.cap_add, "cap_chown");
	CHECK_OK(build());
	ck_assert_uint_eq(spec.process.caps.bounding & ~1ull, 0);
	strv_done(&o.cap_add);
	strv_done(&o.cap_drop);
	strv_add(&o.cap_drop, "NET_RAW");
	CHECK_OK(build());
	ck_assert_uint_eq(spec.process.caps.bounding >> 13 & 1, 0);
}
END_TEST

START_TEST(volumes_replace_default_mounts_in_place_of_ours)
{
	begin();
	strv_add(&o.volume, "/tmp:/etc/hosts:ro");
	strv_add(&o.tmpfs, "/run:size=5m,exec");
	o.shm_size_bytes = 1 << 20;
	CHECK_OK(build());
	ck_assert_str_eq(mount_options("/etc/hosts"), "rbind,ro,rprivate,");
	ck_assert_str_eq(mount_options("/run"), "noexec,nosuid,nodev,size=5m,exec,");
	ck_assert_ptr_nonnull(strstr(mount_options("/dev/shm"), "size=1048576"));
	ck_assert_ptr_nonnull(mount_options("/etc/resolv.conf"));
}
END_TEST

START_TEST(a_missing_bind_source_is_named)
{
	begin();
	strv_add(&o.mount, "type=bind,source=/nonexistent-dhow,target=/x");
	CHECK_ERR(E_NOT_FOUND, build());
	ck_assert_ptr_nonnull(strstr(e.msg, "/nonexistent-dhow"));
}
END_TEST

START_TEST(host_namespaces_are_not_made)
{
	begin();
	o.pid = o.ipc = o.uts = "host";
	strv_add(&o.network, "host");
	CHECK_OK(build());
	ck_assert(!spec.linux_.ns[OCI_NS_PID].wanted && !spec.linux_.ns[OCI_NS_IPC].wanted);
	ck_assert(!spec.linux_.ns[OCI_NS_UTS].wanted && !spec.linux_.ns[OCI_NS_NETWORK].wanted);
	ck_assert(spec.linux_.ns[OCI_NS_MOUNT].wanted && spec.linux_.ns[OCI_NS_CGROUP].wanted);
	ck_assert_ptr_null(spec.hostname);
	strv_add(&o.sysctl, "net.ipv4.ip_forward=1");
	CHECK_ERR(E_INVALID, build());
}
END_TEST

START_TEST(privileged_opens_what_is_closed)
{
	begin();
	o.privileged = true;
	CHECK_OK(build());
	ck_assert(!spec.linux_.seccomp.present);
	ck_assert_uint_eq(spec.linux_.masked_paths.len, 0);
	ck_assert_ptr_nonnull(strstr(mount_options("/sys"), "rw,"));
	ck_assert_uint_gt(spec.linux_.n_devices, 0);
}
END_TEST

START_TEST(security_options_are_applied)
{
	begin();
	strv_add(&o.security_opt, "no-new-privileges:true");
	strv_add(&o.security_opt, "mask=/proc/version:/sys/power");
	strv_add(&o.security_opt, "unmask=/proc/kcore");
	strv_add(&o.security_opt, "seccomp={\"defaultAction\":\"SCMP_ACT_ALLOW\"}");
	CHECK_OK(build());
	ck_assert(spec.process.no_new_privileges);
	ck_assert(strv_has(&spec.linux_.masked_paths, "/sys/power"));
	ck_assert(!strv_has(&spec.linux_.masked_paths, "/proc/kcore"));
	ck_assert(spec.linux_.seccomp.present);
	ck_assert_int_eq(spec.linux_.seccomp.default_action, OCI_SECCOMP_ALLOW);
}
END_TEST

START_TEST(limits_without_a_cgroup_are_refused_by_name)
{
	begin();
	o.memory_bytes = 64 << 20;
	CHECK_ERR(E_PERM, build());
	ck_assert_ptr_nonnull(strstr(e.msg, "--memory"));
}
END_TEST

START_TEST(init_wraps_the_command)
{
	begin();
	o.init = true;
	CHECK_OK(build());
	ck_assert_str_eq(spec.process.args.items[0], "/run/dhow-init");
	ck_assert_str_eq(spec.process.args.items[1], "--");
	ck_assert_str_eq(spec.process.args.items[2], "/entry");
	ck_assert_ptr_nonnull(mount_options("/run/dhow-init"));
}
END_TEST

START_TEST(a_relative_workdir_of_an_image_is_below_the_root)
{
	begin();
	image.workdir = strdup("srv/../app");
	CHECK_OK(build());
	ck_assert_str_eq(spec.process.cwd, "/app");
}
END_TEST

TEST_MAIN("spec", arguments_replace_cmd_and_keep_the_entrypoint,
          environment_is_layered_as_docker_does, image_environment_never_reads_the_host,
          capabilities_follow_dockers_rules, volumes_replace_default_mounts_in_place_of_ours,
          a_missing_bind_source_is_named, host_namespaces_are_not_made,
          privileged_opens_what_is_closed, security_options_are_applied,
          limits_without_a_cgroup_are_refused_by_name, init_wraps_the_command,
          a_relative_workdir_of_an_image_is_below_the_root)
