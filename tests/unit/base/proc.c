#include "base/proc.h"

#include <fcntl.h>
#include <unistd.h>

#include "base/helper.h"
#include "base/id.h"
#include "test.h"

static struct err e;

#define SH(script) ((const char *const[]){ "sh", "-c", script, NULL })

START_TEST(output_and_exit_code)
{
	AUTO_BUF out = STRBUF_INIT, errors = STRBUF_INIT;
	struct proc_spec spec = { .argv = SH("echo out; echo err >&2; read x || echo eof; exit 7"),
		                  .stdin_fd = -1,
		                  .ret_out = &out,
		                  .ret_err = &errors };
	int status;

	CHECK_OK(proc_run(&spec, &status, &e));
	ck_assert_int_eq(proc_exit_code(status), 7);
	ck_assert_str_eq(out.buf, "out\neof\n");
	ck_assert_str_eq(errors.buf, "err\n");
}
END_TEST

START_TEST(one_stream_alone)
{
	AUTO_BUF errors = STRBUF_INIT;
	struct proc_spec spec = { .argv = SH("echo x >&2"), .stdin_fd = -1, .ret_err = &errors };
	int status;

	CHECK_OK(proc_run(&spec, &status, &e));
	ck_assert_str_eq(errors.buf, "x\n");
}
END_TEST

START_TEST(output_is_bounded)
{
	AUTO_BUF out = STRBUF_INIT;
	struct proc_spec spec = { .argv = SH("head -c 3000000 /dev/zero"),
		                  .stdin_fd = -1,
		                  .ret_out = &out,
		                  .max_output_bytes = 100000 };
	int status;

	CHECK_OK(proc_run(&spec, &status, &e));
	ck_assert_int_eq(proc_exit_code(status), 0); /* read on, not killed by SIGPIPE */
	ck_assert_uint_eq(out.len, 100000);
}
END_TEST

START_TEST(signals_and_missing_programs)
{
	struct proc_spec spec = { .argv = SH("kill -9 $$"), .stdin_fd = -1 };
	const char *const missing[] = { "no-such-program-of-dhow", NULL };
	int status;

	CHECK_OK(proc_run(&spec, &status, &e));
	ck_assert_int_eq(proc_exit_code(status), 137);
	spec.argv = missing;
	CHECK_ERR(E_NOT_FOUND, proc_run(&spec, &status, &e));
	ck_assert_str_eq(e.msg, "run 'no-such-program-of-dhow': No such file or directory");
}
END_TEST

START_TEST(no_descriptor_leaks_either_way)
{
	AUTO_BUF out = STRBUF_INIT;
	struct proc_spec spec = { .argv = SH("ls /proc/self/fd | wc -l"),
		                  .stdin_fd = -1,
		                  .ret_out = &out };
	int inherited = 0, status, probe = open("/dev/null", O_RDONLY | O_CLOEXEC), after;

	CHECK_OK(proc_run(&spec, &status, &e));
	for (int fd = 3; fd < 256; fd++) /* Check's own descriptors are not close-on-exec */
		inherited += fcntl(fd, F_GETFD) == 0;
	/* 0, 1, 2 and the one ls reads */
	ck_assert_int_eq(strtol(out.buf, NULL, 10), 4 + inherited);
	close(probe);
	after = open("/dev/null", O_RDONLY | O_CLOEXEC);
	ck_assert_int_eq(after, probe);
	close(after);
}
END_TEST

START_TEST(stdin_and_environment)
{
	AUTO_BUF out = STRBUF_INIT;
	char *const env[] = { (char[]){ "PATH=/usr/bin:/bin" }, (char[]){ "A=b" }, NULL };
	int p[2], status;
	struct proc_spec spec = { .argv = SH("cat; echo $A$HOME"), .envp = env, .ret_out = &out };

	ck_assert_int_eq(pipe2(p, O_CLOEXEC), 0);
	ck_assert_int_eq(write(p[1], "in ", 3), 3);
	close(p[1]);
	spec.stdin_fd = p[0];
	CHECK_OK(proc_run(&spec, &status, &e));
	ck_assert_str_eq(out.buf, "in b\n");
	close(p[0]);
}
END_TEST

START_TEST(helpers_are_found_beside_us)
{
	AUTO_FREE char *path = NULL;

	CHECK_OK(helper_find("test-base-proc", &path, &e));
	ck_assert_int_eq(path[0], '/');
	ck_assert_int_eq(access(path, X_OK), 0);
	CHECK_ERR(E_NOT_FOUND, helper_find("no-such-helper", &path, &e));
	ck_assert_ptr_nonnull(strstr(e.msg, "no-such-helper"));
	ck_assert_str_ne(e.hint, "");
}
END_TEST

START_TEST(ids)
{
	char a[ID_LEN + 1], b[ID_LEN + 1];

	id_random(a);
	id_random(b);
	ck_assert_uint_eq(strlen(a), ID_LEN);
	ck_assert_str_ne(a, b);
	ck_assert(is_id_prefix(a));
	ck_assert(is_id_prefix("0"));
	ck_assert(!is_id_prefix(""));
	ck_assert(!is_id_prefix("ABC"));
	ck_assert(!is_id_prefix("g"));
	ck_assert(
		!is_id_prefix("00000000000000000000000000000000000000000000000000000000000000000"));
}
END_TEST

TEST_MAIN("proc", output_and_exit_code, one_stream_alone, output_is_bounded,
          signals_and_missing_programs, no_descriptor_leaks_either_way, stdin_and_environment,
          helpers_are_found_beside_us, ids)
