#include "test.h"

#include "engine/rootless-internal.h"

START_TEST(ranges_follow_each_other_inside)
{
	AUTO_STRV args = STRV_INIT;

	ck_assert_int_eq(subid_args("other:1:2\njo:100000:65536\n1000:300000:10\njo:x:3\njo:5:0\n",
	                            "jo", 1000, &args),
	                 2);
	ck_assert_uint_eq(args.len, 6);
	ck_assert_str_eq(args.items[0], "1");
	ck_assert_str_eq(args.items[1], "100000");
	ck_assert_str_eq(args.items[3], "65537");
	ck_assert_str_eq(args.items[4], "300000");
}
END_TEST

START_TEST(a_user_without_ranges_has_none)
{
	AUTO_STRV args = STRV_INIT;

	ck_assert_int_eq(subid_args("joe:1:2\n:1:2\n", "jo", 1000, &args), 0);
}
END_TEST

TEST_MAIN("rootless", ranges_follow_each_other_inside, a_user_without_ranges_has_none)
