/* What --dry-run prints: made without root, and nothing happens. */
#include "test.h"

#include "base/xalloc.h"
#include "runtime/plan-steps.h"

#include <string.h>

static struct err e;
static struct oci_spec spec;
static struct runtime_create_args args;

static void start(void)
{
	oci_spec_default(&spec);
	strv_add(&spec.process.args, "sh");
	strv_add(&spec.process.args, "two words");
	spec.root_path = xstrdup("rootfs");
	args = (struct runtime_create_args){ .id = "id",
		                             .spec = &spec,
		                             .state_root_fd = -1,
		                             .bundle_fd = -1,
		                             .bundle_path = "/bundle" };
}

static char *text(void)
{
	AUTO_JSON *steps = NULL;

	e = ERR_INIT;
	CHECK_OK(runtime_create_steps(&args, &steps, &e));
	return plan_steps_text(steps);
}

/* Where a text begins, so that orders can be compared. */
static const char *at(const char *all, const char *part)
{
	const char *p = strstr(all, part);

	ck_assert_msg(p, "'%s' is not in:\n%s", part, all);
	return p;
}

START_TEST(steps_come_in_the_order_of_execution)
{
	AUTO_FREE char *t = NULL;
	const char *last;

	start();
	spec.hostname = xstrdup("box");
	oci_spec_set_sysctl(&spec, "net.ipv4.ip_forward", "1");
	t = text();
	last = at(t, "create:\n  runtime  state-directory id=id");
	ck_assert(last < at(t, "clone namespaces=pid,mount"));
	ck_assert(at(t, "clone") < at(t, "hostname value=box"));
	ck_assert(at(t, "hostname") < at(t, "mount-root source=/bundle/rootfs"));
	ck_assert(at(t, "mount-root") < at(t, "mount destination=/proc type=proc"));
	ck_assert(at(t, "destination=/proc") < at(t, "destination=/dev "));
	ck_assert(at(t, "destination=/dev/shm") < at(t, "device path=/dev/null type=c"));
	ck_assert(at(t, "/dev/null") < at(t, "pivot-root"));
	ck_assert(at(t, "pivot-root") < at(t, "sysctl file=net/ipv4/ip_forward value=1"));
	ck_assert(at(t, "sysctl") < at(t, "mask path=/proc/kcore"));
	ck_assert(at(t, "mask") < at(t, "user uid=0"));
	ck_assert(at(t, "user uid") < at(t, "start:\n"));
	ck_assert(at(t, "start:") < at(t, "execute args=sh,\"two words\""));
	oci_spec_done(&spec);
}
END_TEST

START_TEST(limits_are_what_would_be_written)
{
	AUTO_FREE char *t = NULL;

	start();
	spec.linux_.resources.pids_limit = 7;
	spec.linux_.resources.memory_limit = 1 << 20;
	if (cgroup_layout_get()->mode != CGROUP_MODE_NONE) {
		t = text();
		at(t, "file=pids.max value=7");
		at(t, "value=1048576");
		at(t, "file=devices.allow value=\"c 1:3 rwm\"");
		at(t, "cgroup path=/id");
	}
	args.flags = RUNTIME_NO_CGROUP;
	free(t);
	t = text();
	ck_assert_ptr_null(strstr(t, "cgroup path="));
	ck_assert_ptr_null(strstr(t, "pids.max"));
	oci_spec_done(&spec);
}
END_TEST

START_TEST(mounts_show_how_their_options_are_understood)
{
	AUTO_FREE char *t = NULL;

	start();
	oci_spec_add_mount(&spec, "/data", NULL, "/srv", "rbind,rro,nosuid,rslave");
	t = text();
	at(t, "bind destination=/data source=/srv recursive=true set=nosuid setRecursive=ro "
	      "propagation=slave");
	oci_spec_done(&spec);
}
END_TEST

START_TEST(a_profile_is_counted)
{
	AUTO_FREE char *t = NULL;

	start();
	oci_seccomp_default(&spec.linux_.seccomp, spec.process.caps.bounding);
	t = text();
	at(t, "seccomp defaultAction=SCMP_ACT_ERRNO rules=");
	oci_spec_done(&spec);
}
END_TEST

START_TEST(what_create_refuses_is_refused)
{
	AUTO_JSON *steps = NULL;

	start();
	oci_spec_set_sysctl(&spec, "kernel.core_pattern", "x");
	e = ERR_INIT;
	CHECK_ERR(E_PERM, runtime_create_steps(&args, &steps, &e));
	ck_assert_ptr_nonnull(strstr(e.msg, "kernel.core_pattern"));
	args.id = "../x";
	CHECK_ERR(E_INVALID, runtime_create_steps(&args, &steps, &e));
	oci_spec_done(&spec);
}
END_TEST

TEST_MAIN("runtime-steps", steps_come_in_the_order_of_execution, limits_are_what_would_be_written,
          mounts_show_how_their_options_are_understood, a_profile_is_counted,
          what_create_refuses_is_refused)
