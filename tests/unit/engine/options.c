#include "test.h"

#include <signal.h>

#include "base/opt.h"
#include "codec/json.h"
#include "engine/options.h"

static struct err e;
static struct container_options o;

static void parse(const char *const *argv)
{
	struct command cmd = { .name = "run",
		               .tables = { container_run_options_table, container_options_table },
		               .max_args = -1,
		               .stop_at_args = true };
	AUTO_STRV args = STRV_INIT;
	int argc = 0;

	while (argv[argc])
		argc++;
	container_options_done(&o);
	container_options_init(&o);
	CHECK_OK(opt_parse(&cmd, "dhow", &o, argc, (char **)(uintptr_t)argv, &args, &e));
}
#define PARSE(...) parse((const char *const[]){ "run", __VA_ARGS__, NULL })

START_TEST(the_table_fills_the_struct)
{
	PARSE("-dit", "--memory", "64m", "-e", "A=1", "-eB=2", "--stop-timeout=-1", "--cpus",
	      "0.5");
	ck_assert(o.detach && o.interactive && o.tty);
	ck_assert_uint_eq(o.memory_bytes, 64u << 20);
	ck_assert_uint_eq(o.env.len, 2);
	ck_assert_int_eq(o.stop_timeout_s, -1);
	ck_assert(o.cpus == 0.5);
	CHECK_OK(container_options_check(&o, false, &e));
}
END_TEST

START_TEST(what_is_saved_comes_back)
{
	AUTO_JSON *obj = NULL;
	struct container_options back;
	struct json root;

	PARSE("-d", "--name", "x", "-v", "/a:/b", "--memory", "64m", "--rm", "--pids-limit", "-1",
	      "--restart", "no", "--cpus", "1.5");
	strv_add(&o.args, "true");
	o.args_given = true;
	obj = container_options_to_json(&o);
	root = json_root(obj, "options");
	CHECK_OK(container_options_from_json(&root, &back, &e));
	ck_assert_str_eq(back.name, "x");
	ck_assert_str_eq(back.volume.items[0], "/a:/b");
	ck_assert_uint_eq(back.memory_bytes, 64u << 20);
	ck_assert(back.rm && back.args_given && !back.detach);
	ck_assert_str_eq(back.args.items[0], "true");
	ck_assert_int_eq(back.pids_limit, -1);
	ck_assert(back.cpus == 1.5);
	ck_assert_int_eq(back.stop_timeout_s, STOP_TIMEOUT_UNSET);
	container_options_done(&back);
	container_options_done(&o);
}
END_TEST

/* Each line: the arguments of a run that must be refused, and what the message must contain. */
static const struct {
	const char *argv[6];
	const char *says;
} refused[] = {
	{ { "--name", "a/b" }, "--name 'a/b'" },
	{ { "--name", "-x" }, "--name '-x'" },
	{ { "--restart", "sometimes" }, "--restart 'sometimes'" },
	{ { "--restart", "always:3" }, "only for on-failure" },
	{ { "--restart", "on-failure:x" }, "'x' is not a count" },
	{ { "--rm", "--restart", "always" }, "--rm contradicts" },
	{ { "--log-driver", "syslog" }, "--log-driver 'syslog'" },
	{ { "--log-opt", "path=/etc/passwd" }, "--log-opt 'path=/etc/passwd'" },
	{ { "--log-opt", "max-file=3" }, "max-size" },
	{ { "--log-opt", "max-size=x" }, "'x' is not a size" },
	{ { "--network", "foo" }, "--network 'foo'" },
	{ { "--network", "none", "--network", "host" }, "only one network" },
	{ { "--network", "none", "-p", "80" }, "--publish needs --network bridge" },
	{ { "--network", "container:" }, "no container is named" },
	{ { "--stop-signal", "FOO" }, "--stop-signal 'FOO'" },
	{ { "--health-cmd", "true" }, "--health-cmd is not supported" },
	{ { "--volume-driver", "nfs" }, "--volume-driver is not supported" },
	{ { "--memory", "1m" }, "the least is 6m" },
	{ { "--memory-swap", "64m" }, "--memory-swap needs --memory" },
	{ { "--memory", "64m", "--memory-swap", "32m" }, "less than --memory" },
	{ { "--memory", "64m", "--memory-reservation", "128m" }, "more than --memory" },
	{ { "--cpus", "9999" }, "--cpus 9999" },
	{ { "--cpus", "1", "--cpu-quota", "5000" }, "contradicts" },
	{ { "--cpu-period", "1" }, "--cpu-period 1" },
	{ { "--cpuset-cpus", "x" }, "--cpuset-cpus 'x'" },
	{ { "--cpuset-cpus", "4000" }, "this machine has" },
	{ { "--cap-add", "FLY" }, "--cap-add 'FLY'" },
	{ { "--cap-drop", "FLY" }, "--cap-drop 'FLY'" },
	{ { "--ulimit", "nofile" }, "NAME=SOFT" },
	{ { "--ulimit", "bogus=1" }, "no such limit 'bogus'" },
	{ { "--ulimit", "nofile=20:10" }, "above the hard" },
	{ { "--security-opt", "apparmor=x" }, "AppArmor" },
	{ { "--security-opt", "seccomp" }, "profile is needed" },
	{ { "--security-opt", "foo=bar" }, "--security-opt 'foo=bar'" },
	{ { "--sysctl", "kernel.core_pattern=x" }, "not a parameter of a namespace" },
	{ { "--sysctl", "net.x=1+kernel.core_pattern=y", "--sysctl", "a" }, "--sysctl 'a'" },
	{ { "--sysctl", "net/../kernel/core_pattern=x" }, "not the name" },
	{ { "--device", "null" }, "not an absolute path" },
	{ { "--device", "/dev/null:/dev/x:q" }, "'q' is not some of r, w, m" },
	{ { "--device-cgroup-rule", "c 1 rwm" }, "--device-cgroup-rule" },
	{ { "--ipc", "shared" }, "--ipc 'shared'" },
	{ { "--pid", "container:" }, "no container is named" },
	{ { "--userns", "auto" }, "--userns 'auto'" },
	{ { "--hostname", "a b" }, "--hostname 'a b'" },
	{ { "--hostname", "a", "--uts", "host" }, "contradicts --uts" },
	{ { "--workdir", "x" }, "--workdir 'x'" },
	{ { "--pull", "maybe" }, "--pull 'maybe'" },
	{ { "--attach", "stdfoo" }, "--attach 'stdfoo'" },
	{ { "--label", "=x" }, "--label '=x'" },
	{ { "--oom-score-adj", "2000" }, "--oom-score-adj 2000" },
	{ { "--add-host", "x" }, "--add-host" },
	{ { "--dns", "x" }, "--dns" },
};

START_TEST(bad_values_are_refused_by_name)
{
	for (size_t i = 0; i < ARRAY_LEN(refused); i++) {
		const char *argv[8] = { "run" };

		memcpy(argv + 1, refused[i].argv, sizeof(refused[i].argv));
		parse(argv);
		e = ERR_INIT;
		ck_assert_msg(container_options_check(&o, false, &e) < 0, "%s %s was accepted",
		              argv[1], argv[2] ?: "");
		ck_assert_msg(strstr(e.msg, refused[i].says) != NULL, "'%s' does not say '%s'",
		              e.msg, refused[i].says);
		container_options_done(&o);
	}
}
END_TEST

START_TEST(bridge_is_refused_to_ordinary_users)
{
	struct network_choice n;

	PARSE("--network", "bridge");
	CHECK_ERR(E_PERM, container_options_check(&o, true, &e));
	PARSE("-i");
	CHECK_OK(network_choice_parse(&o, true, &n, &e));
	ck_assert_int_eq(n.mode, NETWORK_NONE);
	CHECK_OK(network_choice_parse(&o, false, &n, &e));
	ck_assert_int_eq(n.mode, NETWORK_BRIDGE);
}
END_TEST

START_TEST(restart_and_log_are_parsed)
{
	struct restart_policy r;
	struct log_config l;

	CHECK_OK(restart_policy_parse("on-failure:5", &r, &e));
	ck_assert(r.kind == RESTART_ON_FAILURE && r.max_retries == 5);
	CHECK_OK(restart_policy_parse(NULL, &r, &e));
	ck_assert(r.kind == RESTART_NO);
	PARSE("--log-driver", "k8s-file", "--log-opt", "max-size=10k", "--log-opt", "max-file=3");
	CHECK_OK(log_config_parse(&o, &l, &e));
	ck_assert(l.driver == LOG_DRIVER_K8S_FILE && l.max_size_bytes == 10240 && l.max_files == 3);
}
END_TEST

START_TEST(signals_by_name_and_number)
{
	int s;

	ck_assert(signal_parse("SIGKILL", &s) == 0 && s == 9);
	ck_assert(signal_parse("term", &s) == 0 && s == SIGTERM);
	ck_assert(signal_parse("RTMIN+3", &s) == 0 && s == 37);
	ck_assert(signal_parse("RTMAX-1", &s) == 0 && s == 63);
	ck_assert(signal_parse("0", &s) < 0 && signal_parse("65", &s) < 0);
	ck_assert(signal_parse("1x", &s) < 0 && signal_parse("", &s) < 0);
	ck_assert(signal_parse("RTMIN+99", &s) < 0);
	ck_assert_str_eq(signal_name(15), "TERM");
}
END_TEST

TEST_MAIN("options", the_table_fills_the_struct, what_is_saved_comes_back,
          bad_values_are_refused_by_name, bridge_is_refused_to_ordinary_users,
          restart_and_log_are_parsed, signals_by_name_and_number)
