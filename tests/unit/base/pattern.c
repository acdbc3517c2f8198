#include "test.h"

#include "base/pattern.h"

#include <regex.h>
#include <string.h>

/* What libc's says, so that the two can be compared. -1: no expression. */
static int libc_says(const char *expression, const char *text)
{
	regex_t re;
	int r;

	if (regcomp(&re, expression, REG_EXTENDED | REG_NOSUB) != 0)
		return -1;
	r = regexec(&re, text, 0, NULL, 0) == 0;
	regfree(&re);
	return r;
}

static int ours(const char *expression, const char *text)
{
	struct pattern *p = pattern_new(expression);
	int r;

	if (!p)
		return -1;
	r = pattern_matches(p, text);
	pattern_free(p);
	return r;
}

START_TEST(it_agrees_with_libc)
{
	static const char *const expressions[] = {
		"",
		"a",
		"^a",
		"a$",
		"^a$",
		"a.c",
		"a*",
		"^a*$",
		"^a+$",
		"^a?b$",
		"(ab)+",
		"^(ab)*$",
		"^(a|b)*$",
		"x|y|z",
		"^(ab|c)d$",
		"[abc]",
		"[^abc]",
		"[a-c]x",
		"[]a]",
		"[^]a]",
		"[a-]",
		"[[:digit:]]+$",
		"^[[:alpha:]_][[:alnum:]_]*$",
		"a{2}",
		"^a{2,}$",
		"^a{1,2}$",
		"^(ab){2}$",
		"a\\.c",
		"\\*",
		"(a*)*",
		"(a*)+b",
		"^(a|ab)(c|bcd)$",
		"web-[0-9]+",
		"^$",
		"a|",
		"(|a)b",
		"(a",
		"[a",
		"a\\",
		"[z-a]",
		"a{2,1}",
		"a{1",
		"[[:no:]]",
		"((a))",
		"^(a{2}){2}$",
		"^x{0}y$",
		"a{0,1}b",
	};
	static const char *const texts[] = { "",     "a",    "b",      "ab",   "aa",  "aab",
		                             "abab", "abc",  "a.c",    "cd",   "abd", "x1",
		                             "]",    "-",    "web-12", "aaaa", "y",   "*",
		                             "acd",  "abcd", "_a1",    "9",    "xx" };

	for (size_t i = 0; i < sizeof(expressions) / sizeof(*expressions); i++)
		for (size_t j = 0; j < sizeof(texts) / sizeof(*texts); j++)
			ck_assert_msg(ours(expressions[i], texts[j]) ==
			                      libc_says(expressions[i], texts[j]),
			              "'%s' on '%s': %d", expressions[i], texts[j],
			              ours(expressions[i], texts[j]));
}
END_TEST

START_TEST(size_and_time_are_bounded)
{
	char text[1025];

	memset(text, 'a', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	/* a backtracking matcher would need 2 to the power of 1000 steps */
	ck_assert_int_eq(ours("^(a|a)*(a|a)*b$", text), 0);
	ck_assert_int_eq(ours("^(a*)*b$", text), 0);
	ck_assert_int_eq(ours("((a{255}){255}){255}", "a"), -1);
	memset(text, '(', sizeof(text) - 1);
	ck_assert_int_eq(ours(text, "a"), -1);
}
END_TEST

TEST_MAIN("pattern", it_agrees_with_libc, size_and_time_are_bounded)
