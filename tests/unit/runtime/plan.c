#include "test.h"

#include "base/xalloc.h"
#include "oci/names.h"
#include "runtime/internal.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <unistd.h>

static struct err e;
static struct oci_spec spec;
static struct plan plan;

static void start(void)
{
	oci_spec_default(&spec);
	strv_add(&spec.process.args, "sh");
	spec.root_path = xstrdup("rootfs");
}

static int make(void)
{
	e = ERR_INIT;
	return plan_make(&plan, &spec, "id", &e);
}

static struct mount_options parse(const char *words)
{
	AUTO_STRV v = STRV_INIT;
	struct mount_options o;

	if (*words)
		strv_split(&v, words, ',');
	mount_options_parse(&v, &o);
	return o;
}

START_TEST(mount_options_become_attributes)
{
	struct mount_options o = parse("ro,nosuid,noatime,rw,rbind,rslave,size=64k,newinstance");

	ck_assert_uint_eq(o.attr_set, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOATIME);
	ck_assert_uint_eq(o.attr_clr, MOUNT_ATTR_RDONLY | MOUNT_ATTR__ATIME);
	ck_assert_uint_eq(o.flags, MOUNT_BIND | MOUNT_RECURSIVE);
	ck_assert_uint_eq(o.propagation, MS_SLAVE);
	ck_assert(o.propagation_recursive);
	ck_assert_uint_eq(o.data.len, 2);
	ck_assert_str_eq(o.data.items[0], "size=64k");
	mount_options_done(&o);
	o = parse("rro,rnoexec,exec");
	ck_assert_uint_eq(o.tree_set, MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOEXEC);
	ck_assert_uint_eq(o.attr_clr, MOUNT_ATTR_NOEXEC);
	ck_assert_uint_eq(o.attr_set, 0);
	mount_options_done(&o);
}
END_TEST

START_TEST(mount_options_that_are_not_attributes)
{
	struct mount_options o = parse("remount,dest-nofollow,copy-symlink,iversion,sync,ridmap");

	ck_assert_uint_eq(o.flags, MOUNT_REMOUNT | MOUNT_TARGET_NOFOLLOW | MOUNT_COPY_SYMLINK |
	                                   MOUNT_IDMAP | MOUNT_IDMAP_RECURSIVE);
	ck_assert_uint_eq(o.legacy, 1u << 23);
	ck_assert_uint_eq(o.data.len, 1);
	ck_assert_str_eq(o.data.items[0], "sync");
	mount_options_done(&o);
}
END_TEST

static void user_namespace(void)
{
	spec.linux_.ns[OCI_NS_USER].wanted = true;
	VEC_PUSH(spec.linux_.uid_mappings, spec.linux_.n_uid_mappings,
	         (struct oci_idmap){ 0, 1000, 100 });
	VEC_PUSH(spec.linux_.uid_mappings, spec.linux_.n_uid_mappings,
	         (struct oci_idmap){ 100, 5000, 50 });
	VEC_PUSH(spec.linux_.gid_mappings, spec.linux_.n_gid_mappings,
	         (struct oci_idmap){ 0, 2000, 100 });
}

START_TEST(idmaps_are_given_or_the_containers)
{
	const struct plan_mount *m;

	start();
	user_namespace();
	oci_spec_add_mount(&spec, "/a", "bind", "/x", "bind,idmap");
	oci_spec_add_mount(&spec, "/b", "bind", "/x",
	                   "rbind,ridmap=uids=@0-3-2#7-110-40;gids=1-2-3");
	CHECK_OK(make());
	m = &plan.mounts[plan.n_mounts - 2];
	ck_assert_int_eq(m->idmap, PLAN_IDMAP_USER);
	ck_assert_uint_eq(m->n_uids, 2);
	ck_assert_uint_eq(m->gids[0].host_id, 2000);
	m++;
	ck_assert_int_eq(m->idmap, PLAN_IDMAP_GIVEN);
	ck_assert_uint_eq(m->n_uids, 2);
	ck_assert_uint_eq(m->uids[0].host_id, 1003);
	ck_assert_uint_eq(m->uids[1].container_id, 7);
	ck_assert_uint_eq(m->uids[1].host_id, 5010);
	ck_assert_uint_eq(m->uids[1].size, 40);
	ck_assert_uint_eq(m->gids[0].host_id, 2);
	plan_done(&plan);
	oci_spec_done(&spec);
}
END_TEST

START_TEST(idmap_texts_that_are_refused)
{
	static const char *const texts[] = {
		"idmap=",
		"idmap=uids=1-2-3",
		"idmap=uids=1-2-0;gids=1-2-3",
		"idmap=uids=1-2",
		"idmap=uids=1-2-3;gids=a-2-3",
		"idmap=uids=@0-149-2;gids=1-2-3",
		"idmap=uids=-1-2-3",
		"idmap=uids=1-2-3#;gids=1-2-3",
		"idmap=pids=1-2-3",
	};

	for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
		start();
		user_namespace();
		oci_spec_add_mount(&spec, "/a", "bind", "/x", NULL);
		strv_add(&spec.mounts[spec.n_mounts - 1].options, texts[i]);
		CHECK_ERR(E_INVALID, make());
		plan_done(&plan);
		oci_spec_done(&spec);
	}
}
END_TEST

START_TEST(destinations_are_compared_clean)
{
	static const char *const inside[] = { "proc/sys", "//proc//1", "/./proc/x/../y",
		                              "/a/../proc/a" };

	for (size_t i = 0; i < ARRAY_LEN(inside); i++) {
		start();
		oci_spec_add_mount(&spec, inside[i], "tmpfs", "tmpfs", NULL);
		CHECK_ERR(E_PERM, make());
		plan_done(&plan);
		oci_spec_done(&spec);
	}
	start();
	oci_spec_add_mount(&spec, "dev/.", "bind", "/dev", NULL);
	oci_spec_add_mount(&spec, "/proc/../process", "tmpfs", "tmpfs", NULL);
	CHECK_OK(make());
	ck_assert(plan.mounts[plan.n_mounts - 2].is_dev);
	ck_assert(!plan.setup_dev);
	plan_done(&plan);
	oci_spec_done(&spec);
}
END_TEST

START_TEST(a_shared_mount_namespace_is_no_users)
{
	start();
	spec.linux_.ns[OCI_NS_MOUNT].wanted = false;
	CHECK_OK(make());
	ck_assert(plan.shares_mounts);
	plan_done(&plan);
	user_namespace();
	CHECK_ERR(E_INVALID, make());
	plan_done(&plan);
	oci_spec_done(&spec);
}
END_TEST

START_TEST(the_default_makes_all_but_user_and_time)
{
	start();
	CHECK_OK(make());
	ck_assert_uint_eq(plan.clone_flags,
	                  CLONE_NEWPID | CLONE_NEWNS | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWNET);
	ck_assert(plan.new_cgroup_ns);
	ck_assert(!plan.needs_stage);
	ck_assert(plan.setup_dev);
	ck_assert_str_eq(plan.cgroup_path, "/id");
	ck_assert_uint_eq(plan.cgroup_needed, 0);
	plan_done(&plan);
	oci_spec_done(&spec);
}
END_TEST

START_TEST(joining_needs_a_stage_only_where_clone_cannot_enter)
{
	start();
	spec.linux_.ns[OCI_NS_NETWORK].path = xstrdup("/proc/1/ns/net");
	CHECK_OK(make());
	ck_assert(!plan.needs_stage);
	ck_assert(plan.ns_join[OCI_NS_NETWORK]);
	ck_assert_uint_eq(plan.clone_flags & CLONE_NEWNET, 0);
	plan_done(&plan);
	spec.linux_.ns[OCI_NS_PID].path = xstrdup("/proc/1/ns/pid");
	CHECK_OK(make());
	ck_assert(plan.needs_stage);
	plan_done(&plan);
	oci_spec_done(&spec);
}
END_TEST

static void set_hostname(void)
{
	spec.hostname = xstrdup("h");
	spec.linux_.ns[OCI_NS_UTS].wanted = false;
}

static void map_without_namespace(void)
{
	VEC_PUSH(spec.linux_.uid_mappings, spec.linux_.n_uid_mappings,
	         (struct oci_idmap){ 0, 1000, 1 });
}

static void user_without_map(void)
{
	spec.linux_.ns[OCI_NS_USER].wanted = true;
}

static void over_proc(void)
{
	oci_spec_add_mount(&spec, "/proc/sys", "tmpfs", "tmpfs", NULL);
}

static void bind_without_source(void)
{
	oci_spec_add_mount(&spec, "/x", "bind", NULL, NULL);
}

static void nobody_listens(void)
{
	struct oci_seccomp *s = &spec.linux_.seccomp;

	*s = (struct oci_seccomp){ .present = true, .default_action = OCI_SECCOMP_NOTIFY };
}

static void io_class(void)
{
	spec.process.io_class = xstrdup("IOPRIO_CLASS_X");
}

static void no_args(void)
{
	strv_done(&spec.process.args);
}

START_TEST(what_cannot_be_is_refused_by_name)
{
	static const struct {
		void (*change)(void);
		enum err_code code;
		const char *says;
	} cases[] = {
		{ set_hostname, E_INVALID, "hostname" },
		{ map_without_namespace, E_INVALID, "linux.uidMappings" },
		{ user_without_map, E_INVALID, "linux.uidMappings" },
		{ over_proc, E_PERM, "/proc/sys" },
		{ bind_without_source, E_INVALID, "mounts[7]" },
		{ nobody_listens, E_INVALID, "linux.seccomp.listenerPath" },
		{ io_class, E_INVALID, "process.ioPriority.class" },
		{ no_args, E_INVALID, "process.args" },
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		start();
		cases[i].change();
		CHECK_ERR(cases[i].code, make());
		ck_assert_msg(strstr(e.msg, cases[i].says), "'%s' does not name %s", e.msg,
		              cases[i].says);
		plan_done(&plan);
		oci_spec_done(&spec);
	}
}
END_TEST

START_TEST(limits_name_their_hierarchies)
{
	start();
	spec.linux_.resources.memory_limit = 1 << 20;
	spec.linux_.resources.cpuset_cpus = xstrdup("0");
	spec.linux_.resources.pids_limit = 5;
	CHECK_OK(make());
	ck_assert_uint_eq(plan.cgroup_needed, CGROUP_BIT(CGROUP_MEMORY) |
	                                              CGROUP_BIT(CGROUP_CPUSET) |
	                                              CGROUP_BIT(CGROUP_PIDS));
	plan_done(&plan);
	oci_spec_done(&spec);
}
END_TEST

START_TEST(dockers_profile_compiles)
{
	start();
	oci_seccomp_default(&spec.linux_.seccomp, OCI_CAPS_DEFAULT);
	CHECK_OK(make());
	ck_assert_ptr_nonnull(plan.filter);
	ck_assert_uint_gt(plan.filter_len, 50);
	ck_assert_uint_lt(plan.filter_len, 4096);
	plan_done(&plan);
	oci_spec_done(&spec);
}
END_TEST

START_TEST(ids_are_plain_words)
{
	ck_assert(runtime_id_is_valid("a"));
	ck_assert(runtime_id_is_valid("_A+b-c.d"));
	ck_assert(!runtime_id_is_valid(""));
	ck_assert(!runtime_id_is_valid("."));
	ck_assert(!runtime_id_is_valid(".."));
	ck_assert(!runtime_id_is_valid("a/b"));
	ck_assert(!runtime_id_is_valid("a\n"));
}
END_TEST

START_TEST(messages_carry_errors_and_hostile_ones_are_bounded)
{
	char junk[4096];
	int fds[2];

	ck_assert_int_eq(sync_pair(fds), 0);
	err_set(&e, E_PERM, "because");
	sync_send_err(fds[0], &e);
	e = ERR_INIT;
	ck_assert_int_eq(sync_receive(fds[1], NULL, &e), -1);
	ck_assert_str_eq(e.msg, "because");
	ck_assert_int_eq(e.code, E_PERM);
	/* what a container's process might send instead */
	memset(junk, 'A', sizeof(junk));
	junk[0] = 'e';
	ck_assert_int_eq(send(fds[0], junk, sizeof(junk), 0), sizeof(junk));
	ck_assert_int_eq(sync_receive(fds[1], NULL, &e), -1);
	ck_assert_int_eq(e.code, E_INTERNAL);
	ck_assert_uint_lt(strlen(e.msg), sizeof(e.msg));
	memcpy(junk, "x\2/bin/no", 9);
	ck_assert_int_eq(send(fds[0], junk, 9, 0), 9);
	ck_assert_int_eq(sync_receive(fds[1], NULL, &e), -1);
	ck_assert_int_eq(e.code, E_NO_COMMAND);
	ck_assert_ptr_nonnull(strstr(e.msg, "/bin/no"));
	close(fds[0]);
	ck_assert_int_eq(sync_receive(fds[1], NULL, &e), 0);
	close(fds[1]);
}
END_TEST

TEST_MAIN("plan", mount_options_become_attributes, mount_options_that_are_not_attributes,
          idmaps_are_given_or_the_containers, idmap_texts_that_are_refused,
          destinations_are_compared_clean, a_shared_mount_namespace_is_no_users,
          the_default_makes_all_but_user_and_time,
          joining_needs_a_stage_only_where_clone_cannot_enter, what_cannot_be_is_refused_by_name,
          limits_name_their_hierarchies, dockers_profile_compiles, ids_are_plain_words,
          messages_carry_errors_and_hostile_ones_are_bounded)
