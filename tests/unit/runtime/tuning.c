/* Scheduler, affinity, memory policy, Intel RDT and LSM labels: what is understood, and what is
 * written where, with directories of our own for the kernel's. */
#include "test.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/xalloc.h"
#include "runtime/attributes.h"
#include "runtime/lsm.h"
#include "runtime/rdt.h"

static struct err e;
static char dir[] = "/tmp/dhow-tuning.XXXXXX";
static int dir_fd;
static struct oci_process p;

static void start(void)
{
	ck_assert(mkdtemp(dir));
	dir_fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	ck_assert_int_ge(dir_fd, 0);
	oci_process_init(&p);
	e = ERR_INIT;
}

static void put(const char *path, const char *text)
{
	int fd = openat(dir_fd, path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(write(fd, text, strlen(text)), (int)strlen(text));
	close(fd);
}

static const char *get(const char *path)
{
	static char text[256];
	int fd = openat(dir_fd, path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);

	ck_assert_int_ge(n, 0);
	text[n] = '\0';
	close(fd);
	return text;
}

static void make(const char *path)
{
	ck_assert_int_eq(mkdirat(dir_fd, path, 0700), 0);
}

static void end(const char *const *paths)
{
	for (; *paths; paths++)
		if (unlinkat(dir_fd, *paths, 0) < 0)
			unlinkat(dir_fd, *paths, AT_REMOVEDIR);
	ck_assert_int_eq(rmdir(dir), 0);
}

START_TEST(lists_of_numbers)
{
	unsigned long bits[NUMBER_LIST_WORDS];
	const char *bad[] = {
		"", ",", "1,", "a", "3-1", "-1", "1-", "4096", "1 ", "1,,2", "0-99999"
	};

	ck_assert(number_list_parse("0-3,7,64", bits));
	ck_assert_uint_eq(bits[0], 0x8f);
	ck_assert_uint_eq(bits[1], 1);
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		ck_assert_msg(!number_list_parse(bad[i], bits), "'%s' was taken", bad[i]);
}
END_TEST

static void schedule(const char *policy, int64_t priority, int64_t nice)
{
	oci_process_done(&p);
	p.scheduler.policy = xstrdup(policy);
	p.scheduler.priority = priority;
	p.scheduler.nice = nice;
	e = ERR_INIT;
}

START_TEST(schedulers)
{
	schedule("SCHED_OTHER", OCI_UNSET, 5);
	CHECK_OK(attributes_check(&p, &e));
	schedule("SCHED_FIFO", 1, OCI_UNSET);
	strv_add(&p.scheduler.flags, "SCHED_FLAG_RESET_ON_FORK");
	CHECK_OK(attributes_check(&p, &e));
	strv_add(&p.scheduler.flags, "SCHED_FLAG_X");
	CHECK_ERR(E_INVALID, attributes_check(&p, &e));
	ck_assert(strstr(e.msg, "process.scheduler.flags[1]"));
	schedule("SCHED_RR", OCI_UNSET, OCI_UNSET);
	CHECK_ERR(E_INVALID, attributes_check(&p, &e));
	schedule("SCHED_BATCH", 3, OCI_UNSET);
	CHECK_ERR(E_INVALID, attributes_check(&p, &e));
	schedule("SCHED_OTHER", OCI_UNSET, 20);
	CHECK_ERR(E_INVALID, attributes_check(&p, &e));
	schedule("other", OCI_UNSET, OCI_UNSET);
	CHECK_ERR(E_INVALID, attributes_check(&p, &e));
	schedule("SCHED_DEADLINE", OCI_UNSET, OCI_UNSET);
	CHECK_ERR(E_INVALID, attributes_check(&p, &e));
	ck_assert(strstr(e.msg, "runtime"));
	p.scheduler.runtime_ns = 10000000;
	p.scheduler.deadline_ns = 20000000;
	CHECK_OK(attributes_check(&p, &e));
	p.scheduler.period_ns = 10000000;
	CHECK_ERR(E_INVALID, attributes_check(&p, &e));
}
END_TEST

START_TEST(io_priorities_and_affinity)
{
	oci_process_init(&p);
	p.io_class = xstrdup("IOPRIO_CLASS_BE");
	CHECK_OK(attributes_check(&p, &e));
	p.io_priority = 7;
	CHECK_OK(attributes_check(&p, &e));
	p.io_priority = 8;
	CHECK_ERR(E_INVALID, attributes_check(&p, &e));
	oci_process_done(&p);
	p.exec_cpu_final = xstrdup("0-");
	CHECK_ERR(E_INVALID, attributes_check(&p, &e));
	ck_assert(strstr(e.msg, "process.execCPUAffinity.final"));
}
END_TEST

START_TEST(memory_policies)
{
	struct oci_memory_policy m = { 0 };

	CHECK_OK(memory_policy_check(&m, &e));
	m.mode = xstrdup("MPOL_BIND");
	m.nodes = xstrdup("0-1");
	strv_add(&m.flags, "MPOL_F_STATIC_NODES");
	CHECK_OK(memory_policy_check(&m, &e));
	m.nodes[1] = 'x';
	CHECK_ERR(E_INVALID, memory_policy_check(&m, &e));
	free(m.mode);
	m.mode = xstrdup("MPOL_NONSENSE");
	CHECK_ERR(E_INVALID, memory_policy_check(&m, &e));
	ck_assert(strstr(e.msg, "linux.memoryPolicy.mode"));
}
END_TEST

START_TEST(schemata_are_compared_by_value)
{
	const char *have = "    L3:0=007f0;1=1f\n    MB:0= 20;1= 70\n";

	ck_assert(rdt_schemata_have(have, "L3:0=7f0;1=1f"));
	ck_assert(rdt_schemata_have(have, "L3:1=01F"));
	ck_assert(rdt_schemata_have(have, "MB:0=20;1=70"));
	ck_assert(!rdt_schemata_have(have, "L3:0=7f1"));
	ck_assert(!rdt_schemata_have(have, "L3:2=1"));
	ck_assert(!rdt_schemata_have(have, "L2:0=1"));
	ck_assert(!rdt_schemata_have(have, "L3"));
	ck_assert(!rdt_schemata_have("L3:0=0\n", "L3:0=1"));
	ck_assert(rdt_schemata_have("L3:0=0\n", "L3:0=00"));
}
END_TEST

START_TEST(a_class_that_exists_is_joined_and_kept)
{
	struct oci_intel_rdt spec = { .present = true, .clos_id = (char *)"gold" };
	struct rdt r = { 0 };
	static const char *const all[] = {
		"gold/mon_groups/ct", "gold/mon_groups", "gold/schemata", "gold/tasks", "gold", NULL
	};

	start();
	make("gold");
	make("gold/mon_groups");
	put("gold/schemata", "L3:0=ff\n");
	put("gold/tasks", "");
	CHECK_OK(rdt_join(dir_fd, &spec, "ct", 42, &r, &e));
	ck_assert_str_eq(get("gold/tasks"), "42");
	ck_assert(!r.made && !r.monitored);
	rdt_done(&r);
	spec.l3_cache_schema = (char *)"L3:0=ff";
	CHECK_OK(rdt_join(dir_fd, &spec, "ct", 43, &r, &e));
	ck_assert_str_eq(get("gold/tasks"), "43");
	ck_assert_str_eq(get("gold/schemata"), "L3:0=ff\n");
	rdt_remove(dir_fd, &r, "ct");
	rdt_done(&r);
	spec.l3_cache_schema = (char *)"L3:0=f";
	CHECK_ERR(E_STATE, rdt_join(dir_fd, &spec, "ct", 44, &r, &e));
	ck_assert_str_eq(get("gold/tasks"), "43");
	CHECK_OK(rdt_update(dir_fd, "gold", "L3:0=0f", NULL, &e));
	ck_assert_str_eq(get("gold/schemata"), "L3:0=0f\n");
	end(all);
}
END_TEST

START_TEST(a_class_that_is_made_is_undone)
{
	struct oci_intel_rdt spec = { .present = true, .enable_monitoring = true };
	struct rdt r = { 0 };
	static const char *const all[] = { "mon_groups", "schemata", "tasks", NULL };

	start();
	/* a plain directory gets no files: what follows fails, and the class goes */
	CHECK_ERR(E_NOT_FOUND, rdt_join(dir_fd, &spec, "ct", 42, &r, &e));
	ck_assert_int_lt(faccessat(dir_fd, "ct", F_OK, 0), 0);
	/* named, without schemata, and not there: an error; with schemata it would be made */
	spec.clos_id = (char *)"gold";
	CHECK_ERR(E_NOT_FOUND, rdt_join(dir_fd, &spec, "ct", 42, &r, &e));
	ck_assert_int_lt(faccessat(dir_fd, "gold", F_OK, 0), 0);
	strv_add(&spec.schemata, "L3:0=f");
	CHECK_ERR(E_NOT_FOUND, rdt_join(dir_fd, &spec, "ct", 42, &r, &e));
	ck_assert(strstr(e.msg, "schemata of 'gold'"));
	ck_assert_int_lt(faccessat(dir_fd, "gold", F_OK, 0), 0);
	/* "/" is the root itself; its monitoring group is ours */
	strv_done(&spec.schemata);
	spec.clos_id = (char *)"/";
	make("mon_groups");
	put("tasks", "");
	put("schemata", "");
	CHECK_ERR(E_NOT_FOUND, rdt_join(dir_fd, &spec, "ct", 42, &r, &e));
	ck_assert_int_lt(faccessat(dir_fd, "mon_groups/ct", F_OK, 0), 0);
	end(all);
}
END_TEST

START_TEST(labels_are_refused_where_nothing_reads_them)
{
	struct lsm_host host = { "/nonexistent/enabled", "/nonexistent/fs" };

	oci_process_init(&p);
	CHECK_OK(lsm_check(&p, NULL, &host, &e));
	p.apparmor_profile = xstrdup("unconfined");
	CHECK_OK(lsm_check(&p, "", &host, &e));
	ck_assert(!lsm_is_wanted(&p));
	free(p.apparmor_profile);
	p.apparmor_profile = xstrdup("mine");
	CHECK_ERR(E_UNSUPPORTED, lsm_check(&p, NULL, &host, &e));
	ck_assert(strstr(e.msg, "process.apparmorProfile"));
	oci_process_done(&p);
	p.selinux_label = xstrdup("a:b:c");
	CHECK_ERR(E_UNSUPPORTED, lsm_check(&p, NULL, &host, &e));
	ck_assert(strstr(e.msg, "process.selinuxLabel"));
	oci_process_done(&p);
	CHECK_ERR(E_UNSUPPORTED, lsm_check(&p, "a:b:c", &host, &e));
	ck_assert(strstr(e.msg, "linux.mountLabel"));
}
END_TEST

START_TEST(labels_are_accepted_where_the_host_has_them)
{
	AUTO_FREE char *enabled = NULL;
	static const char *const all[] = { "enabled", "enforce", NULL };
	struct lsm_host host;

	start();
	enabled = xasprintf("%s/enabled", dir);
	host = (struct lsm_host){ enabled, dir };
	p.apparmor_profile = xstrdup("mine");
	put("enabled", "N\n");
	CHECK_ERR(E_UNSUPPORTED, lsm_check(&p, NULL, &host, &e));
	put("enabled", "Y\n");
	CHECK_OK(lsm_check(&p, NULL, &host, &e));
	p.selinux_label = xstrdup("a:b:c");
	CHECK_ERR(E_UNSUPPORTED, lsm_check(&p, NULL, &host, &e));
	put("enforce", "1");
	CHECK_OK(lsm_check(&p, "a:b:c", &host, &e));
	end(all);
}
END_TEST

START_TEST(labels_are_written_to_the_files_of_the_process)
{
	static const char *const all[] = { "self/attr/apparmor/exec",
		                           "self/attr/apparmor",
		                           "self/attr/exec",
		                           "self/attr/keycreate",
		                           "self/attr",
		                           "self",
		                           NULL };
	struct lsm l = LSM_INIT;

	start();
	make("self");
	make("self/attr");
	make("self/attr/apparmor");
	put("self/attr/apparmor/exec", "");
	put("self/attr/exec", "");
	put("self/attr/keycreate", "");
	p.apparmor_profile = xstrdup("mine");
	p.selinux_label = xstrdup("a:b:c");
	CHECK_OK(lsm_open(&p, dir_fd, &l, &e));
	ck_assert_str_eq(get("self/attr/keycreate"), "a:b:c");
	ck_assert_str_eq(get("self/attr/exec"), "");
	CHECK_OK(lsm_apply(&l, &e));
	ck_assert_str_eq(get("self/attr/apparmor/exec"), "exec mine");
	ck_assert_str_eq(get("self/attr/exec"), "a:b:c");
	lsm_done(&l);
	/* an older kernel has one file for all */
	unlinkat(dir_fd, "self/attr/apparmor/exec", 0);
	free(p.selinux_label);
	p.selinux_label = NULL;
	CHECK_OK(lsm_open(&p, dir_fd, &l, &e));
	CHECK_OK(lsm_apply(&l, &e));
	ck_assert_str_eq(get("self/attr/exec"), "exec mine");
	lsm_done(&l);
	unlinkat(dir_fd, "self/attr/exec", 0);
	CHECK_ERR(E_NOT_FOUND, lsm_open(&p, dir_fd, &l, &e));
	/* a link that leads out is not followed */
	ck_assert_int_eq(symlinkat("/etc/passwd", dir_fd, "self/attr/exec"), 0);
	ck_assert_int_lt(lsm_open(&p, dir_fd, &l, &e), 0);
	end(all);
}
END_TEST

START_TEST(a_mount_label_is_an_option_of_new_file_systems)
{
	AUTO_FREE char *o = lsm_mount_option("tmpfs", "a:b:c,d");

	ck_assert_str_eq(o, "context=a:b:c,d");
	ck_assert(!lsm_mount_option("proc", "a"));
	ck_assert(!lsm_mount_option("tmpfs", NULL));
}
END_TEST

TEST_MAIN("tuning", lists_of_numbers, schedulers, io_priorities_and_affinity, memory_policies,
          schemata_are_compared_by_value, a_class_that_exists_is_joined_and_kept,
          a_class_that_is_made_is_undone, labels_are_refused_where_nothing_reads_them,
          labels_are_accepted_where_the_host_has_them,
          labels_are_written_to_the_files_of_the_process,
          a_mount_label_is_an_option_of_new_file_systems)
