#include "test.h"

#include "oci/names.h"
#include "oci/spec.h"

#include <string.h>
#include <sys/resource.h>

static struct err e;
static struct oci_spec spec;

static int parse(const char *text)
{
	e = ERR_INIT;
	return oci_spec_parse(&spec, "config.json", text, strlen(text), &e);
}

START_TEST(the_default_survives_writing_and_reading)
{
	AUTO_FREE char *first = NULL, *second = NULL;
	struct oci_spec a;

	oci_spec_default(&a);
	oci_seccomp_default(&a.linux_.seccomp, OCI_CAPS_DEFAULT);
	a.linux_.resources.memory_limit = 1 << 20;
	a.linux_.resources.cpuset_cpus = strdup("0-1");
	strv_add(&a.process.args, "sh");
	oci_process_add_rlimit(&a.process, RLIMIT_NOFILE, 1024, UINT64_MAX);
	oci_spec_set_annotation(&a, "k", "v");
	first = oci_spec_format(&a, true);
	CHECK_OK(parse(first));
	second = oci_spec_format(&spec, true);
	ck_assert_str_eq(first, second);
	ck_assert_uint_eq(spec.process.rlimits[0].hard, UINT64_MAX);
	ck_assert_int_eq(spec.linux_.resources.cpu_quota, OCI_UNSET);
	ck_assert_int_eq(spec.linux_.resources.memory_limit, 1 << 20);
	oci_spec_done(&a);
	oci_spec_done(&spec);
}
END_TEST

START_TEST(faults_name_their_place)
{
	static const struct {
		const char *text, *where;
	} bad[] = {
		{ "{}", "ociVersion" },
		{ "{\"ociVersion\":\"2.0.0\"}", "ociVersion" },
		{ "{\"ociVersion\":\"1.0.0\",\"process\":{\"args\":[\"x\"]}}", "process" },
		{ "{\"ociVersion\":\"1.0.0\",\"process\":{\"cwd\":\"x\"}}", "process.cwd" },
		{ "{\"ociVersion\":\"1.0.0\",\"process\":{\"cwd\":\"/\",\"args\":[\"a\",1]}}",
		  "process.args[1]" },
		{ "{\"ociVersion\":\"1.0.0\",\"process\":{\"cwd\":\"/"
		  "\",\"rlimits\":[{\"type\":\"X\"}]}}",
		  "process.rlimits[0].type" },
		{ "{\"ociVersion\":\"1.0.0\",\"linux\":{\"namespaces\":[{\"type\":\"pid\"},{"
		  "\"type\":\"p\"}]}}",
		  "linux.namespaces[1].type" },
		{ "{\"ociVersion\":\"1.0.0\",\"linux\":{\"namespaces\":[{\"type\":\"pid\"},{"
		  "\"type\":\"pid\"}]}}",
		  "linux.namespaces[1].type" },
		{ "{\"ociVersion\":\"1.0.0\",\"linux\":{\"seccomp\":{\"defaultAction\":\"X\"}}}",
		  "linux.seccomp.defaultAction" },
		{ "{\"ociVersion\":\"1.0.0\",\"linux\":{\"resources\":{\"cpu\":{\"period\":-1}}}}",
		  "linux.resources.cpu.period" },
		{ "{\"ociVersion\":\"1.0.0\",\"hooks\":{\"poststop\":[{\"path\":\"x\"}]}}",
		  "hooks.poststop[0].path" },
		{ "{\"ociVersion\":\"1.0.0\",\"mounts\":[{\"destination\":\"\"}]}", "mounts[0]" },
	};

	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		CHECK_ERR(E_INVALID, parse(bad[i].text));
		ck_assert_msg(strstr(e.msg, bad[i].where), "'%s' does not name %s", e.msg,
		              bad[i].where);
	}
}
END_TEST

START_TEST(unknown_capabilities_are_a_warning)
{
	CHECK_OK(parse("{\"ociVersion\":\"1.0.0\",\"process\":{\"cwd\":\"/\",\"args\":[\"a\"],"
	               "\"capabilities\":{\"bounding\":[\"CAP_NEW\",\"CAP_KILL\"]}}}"));
	ck_assert_uint_eq(spec.process.caps.bounding, 1u << 5);
	ck_assert_uint_eq(spec.warnings.len, 1);
	oci_spec_done(&spec);
}
END_TEST

START_TEST(profiles_depend_on_capabilities)
{
	static const char text[] =
		"{\"defaultAction\":\"SCMP_ACT_ERRNO\",\"archMap\":[{\"architecture\":"
		"\"SCMP_ARCH_X86_64\",\"subArchitectures\":[\"SCMP_ARCH_X86\"]}],\"syscalls\":["
		"{\"names\":[\"mount\"],\"action\":\"SCMP_ACT_ALLOW\",\"includes\":{\"caps\":"
		"[\"CAP_SYS_ADMIN\"]}},"
		"{\"names\":[\"clone\"],\"action\":\"SCMP_ACT_ALLOW\",\"excludes\":{\"caps\":"
		"[\"CAP_SYS_ADMIN\"]}},"
		"{\"names\":[\"ptrace\"],\"action\":\"SCMP_ACT_ALLOW\",\"includes\":{\"minKernel\":"
		"\"4.8\"}}]}";
	struct oci_seccomp s;

	CHECK_OK(oci_seccomp_parse_profile(&s, "p.json", text, strlen(text), 0, &e));
	ck_assert_uint_eq(s.n_rules, 2);
	ck_assert_str_eq(s.rules[0].names.items[0], "clone");
	oci_seccomp_done(&s);
	CHECK_OK(oci_seccomp_parse_profile(&s, "p.json", text, strlen(text), 1u << 21, &e));
	ck_assert_str_eq(s.rules[0].names.items[0], "mount");
	oci_seccomp_done(&s);
}
END_TEST

START_TEST(names_go_both_ways)
{
	for (int i = 0; i <= OCI_CAP_LAST; i++)
		ck_assert_int_eq(oci_cap_number(oci_cap_name(i)), i);
	ck_assert_int_eq(oci_cap_number("net_admin"), 12);
	ck_assert_int_eq(oci_cap_number("CAP_"), -1);
	ck_assert_int_eq(oci_signal_number("SIGRTMIN+3"), 37);
	ck_assert_int_eq(oci_signal_number("rtmax-1"), 63);
	ck_assert_int_eq(oci_signal_number("SIG"), -1);
	ck_assert_int_eq(oci_signal_number("65"), -1);
	ck_assert_int_eq(oci_rlimit_resource("nofile"), RLIMIT_NOFILE);
}
END_TEST

START_TEST(mounts_are_added_and_removed)
{
	struct oci_spec s;

	oci_spec_default(&s);
	size_t before = s.n_mounts;
	oci_spec_add_mount(&s, "/data", "bind", "/srv", "rbind,ro");
	ck_assert_str_eq(s.mounts[before].options.items[1], "ro");
	oci_spec_remove_mount(&s, "/data");
	oci_spec_remove_mount(&s, "/dev/shm");
	ck_assert_uint_eq(s.n_mounts, before - 1);
	oci_spec_done(&s);
}
END_TEST

START_TEST(tuning_survives_writing_and_reading)
{
	const char *text =
		"{\"ociVersion\":\"1.3.0\",\"linux\":{\"memoryPolicy\":{\"mode\":\"MPOL_BIND\","
		"\"nodes\":\"0-1\",\"flags\":[\"MPOL_F_STATIC_NODES\"]},\"intelRdt\":{\"closID\":"
		"\"gold\",\"l3CacheSchema\":\"L3:0=f\",\"memBwSchema\":\"MB:0=20\",\"schemata\":"
		"[\"L2:0=f\"],\"enableMonitoring\":true}}}";
	AUTO_FREE char *first = NULL, *second = NULL;

	CHECK_OK(parse(text));
	ck_assert_str_eq(spec.linux_.memory_policy.nodes, "0-1");
	ck_assert_str_eq(spec.linux_.intel_rdt.schemata.items[0], "L2:0=f");
	first = oci_spec_format(&spec, false);
	oci_spec_done(&spec);
	CHECK_OK(parse(first));
	second = oci_spec_format(&spec, false);
	ck_assert_str_eq(first, second);
	ck_assert(strstr(second, "\"enableMonitoring\":true"));
	oci_spec_done(&spec);
	CHECK_ERR(E_INVALID, parse("{\"ociVersion\":\"1.3.0\",\"linux\":{\"intelRdt\":"
	                           "{\"l3CacheSchema\":\"L3:0=f\\nL3:1=f\"}}}"));
	CHECK_ERR(E_INVALID, parse("{\"ociVersion\":\"1.3.0\",\"linux\":{\"intelRdt\":"
	                           "{\"closID\":\"..\"}}}"));
}
END_TEST

START_TEST(faults_have_a_section_of_the_specification)
{
	ck_assert_str_eq(oci_spec_section("config.json: linux.seccomp.flags[0]: x"),
	                 "config-linux.md, \"Seccomp\"");
	ck_assert_str_eq(oci_spec_section("linux.seccomp: x"), "config-linux.md, \"Seccomp\"");
	ck_assert_str_eq(oci_spec_section("mounts[3] ('/x'): y"), "config.md, \"Mounts\"");
	ck_assert_str_eq(oci_spec_section("process.user.uid: y"),
	                 "config.md, \"POSIX-platform User\"");
	ck_assert_str_eq(oci_spec_section("process.cwd: y"), "config.md, \"Process\"");
	ck_assert_str_eq(oci_spec_section("config.json: 'ociVersion' is missing"),
	                 "config.md, \"Specification version\"");
	ck_assert(!oci_spec_section("option --format: x"));
	ck_assert(!oci_spec_section("container 'process' does not exist"));
	ck_assert(!oci_spec_section("linuxes: x"));
	ck_assert(!oci_spec_section(""));
}
END_TEST

TEST_MAIN("spec", the_default_survives_writing_and_reading, tuning_survives_writing_and_reading,
          faults_have_a_section_of_the_specification, faults_name_their_place,
          unknown_capabilities_are_a_warning, profiles_depend_on_capabilities, names_go_both_ways,
          mounts_are_added_and_removed)
