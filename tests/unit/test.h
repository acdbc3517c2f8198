/* Shared by the unit tests: Check with errors shown, and a main().
 * Each START_TEST runs in a process of its own (CK_FORK), so statics are private to a test. */
#pragma once
#include "base/err.h"
#include <check.h>
#include <stdlib.h>

/* The call succeeds; a failure shows its message. Uses the `struct err e` in scope. */
#define CHECK_OK(call) ck_assert_msg((call) >= 0, "%s failed: %s", #call, e.msg)
/* The call fails with this code. */
#define CHECK_ERR(want, call)                                                                      \
	do {                                                                                       \
		ck_assert_msg((call) < 0, "%s succeeded", #call);                                  \
		ck_assert_msg(e.code == (want), "%s: code %s, wanted %s: %s", #call,               \
		              err_code_name(e.code), err_code_name(want), e.msg);                  \
	} while (0)

/* TEST_MAIN("suite", test_a, test_b, ...): runs them, exits 0 when all passed. */
#define TEST_MAIN(suite_name, ...)                                                                 \
	int main(void)                                                                             \
	{                                                                                          \
		const TTest *const tests[] = { __VA_ARGS__ };                                      \
		Suite *suite = suite_create(suite_name);                                           \
		TCase *tc = tcase_create(suite_name);                                              \
		SRunner *sr = srunner_create(suite);                                               \
		int failed;                                                                        \
		tcase_set_timeout(tc, 30);                                                         \
		for (size_t i = 0; i < sizeof(tests) / sizeof(tests[0]); i++)                      \
			tcase_add_test(tc, tests[i]);                                              \
		suite_add_tcase(suite, tc);                                                        \
		srunner_run_all(sr, CK_NORMAL);                                                    \
		failed = srunner_ntests_failed(sr);                                                \
		srunner_free(sr);                                                                  \
		return failed ? EXIT_FAILURE : EXIT_SUCCESS;                                       \
	}
