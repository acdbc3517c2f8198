/* Values of cgroup v1 as those of v2. */
#include "sys/cgroup-convert.h"

#include <string.h>

#include "test.h"

START_TEST(cpu_weights)
{
	/* computed from the formula with 53 binary digits */
	static const struct {
		uint64_t shares, weight;
	} cases[] = {
		{ 0, 0 },         { 1, 1 },          { 2, 1 },          { 3, 2 },
		{ 4, 2 },         { 10, 4 },         { 100, 17 },       { 256, 35 },
		{ 512, 59 },      { 1000, 99 },      { 1023, 100 },     { 1024, 100 },
		{ 1025, 101 },    { 2048, 174 },     { 4096, 303 },     { 10000, 627 },
		{ 100000, 4340 }, { 262143, 10000 }, { 262144, 10000 }, { 1ull << 60, 10000 }
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		ck_assert_uint_eq(cgroup_cpu_weight(cases[i].shares), cases[i].weight);
	for (uint64_t s = 3; s < 262144; s += 97)
		ck_assert_uint_ge(cgroup_cpu_weight(s), cgroup_cpu_weight(s - 1));
}
END_TEST

START_TEST(io_weights)
{
	ck_assert_uint_eq(cgroup_io_weight(10), 1);
	ck_assert_uint_eq(cgroup_io_weight(500), 4950);
	ck_assert_uint_eq(cgroup_io_weight(1000), 10000);
}
END_TEST

START_TEST(swap_alone)
{
	int64_t swap = 0;

	ck_assert_int_eq(cgroup_swap_limit(300, 100, &swap), 0);
	ck_assert_int_eq(swap, 200);
	ck_assert_int_eq(cgroup_swap_limit(100, 100, &swap), 0);
	ck_assert_int_eq(swap, 0);
	ck_assert_int_eq(cgroup_swap_limit(-1, 100, &swap), 0);
	ck_assert_int_eq(swap, -1);
	ck_assert_int_eq(cgroup_swap_limit(300, -1, &swap), 0);
	ck_assert_int_eq(swap, 300);
	ck_assert_int_eq(cgroup_swap_limit(99, 100, &swap), -1);
}
END_TEST

START_TEST(cpu_lists)
{
	uint8_t mask[4];

	ck_assert_int_eq(cgroup_cpu_mask("0-3,7", mask, 4), 1);
	ck_assert_uint_eq(mask[0], 0x8f);
	ck_assert_int_eq(cgroup_cpu_mask("9,1", mask, 4), 2);
	ck_assert_uint_eq(mask[0], 2);
	ck_assert_uint_eq(mask[1], 2);
	ck_assert_int_eq(cgroup_cpu_mask("", mask, 4), 0);
	ck_assert_int_eq(cgroup_cpu_mask("31", mask, 4), 4);
	ck_assert_int_eq(cgroup_cpu_mask("32", mask, 4), -1);
	ck_assert_int_eq(cgroup_cpu_mask("4294967297", mask, 4), -1);
	ck_assert_int_eq(cgroup_cpu_mask("3-1", mask, 4), -1);
	ck_assert_int_eq(cgroup_cpu_mask("1-", mask, 4), -1);
	ck_assert_int_eq(cgroup_cpu_mask("1,", mask, 4), -1);
	ck_assert_int_eq(cgroup_cpu_mask("a", mask, 4), -1);
}
END_TEST

TEST_MAIN("cgroup-convert", cpu_weights, io_weights, swap_alone, cpu_lists)
