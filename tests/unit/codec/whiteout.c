#include "test.h"

#include "codec/whiteout.h"

START_TEST(names)
{
	static const struct {
		const char *name;
		enum whiteout want;
		const char *base;
	} cases[] = {
		{ "a/b", WHITEOUT_NONE, "b" },
		{ "a/.wh.b", WHITEOUT_FILE, "b" },
		{ ".wh.b", WHITEOUT_FILE, "b" },
		{ ".wh..b", WHITEOUT_FILE, ".b" },
		{ "a/.wh..wh..opq", WHITEOUT_OPAQUE, ".wh..wh..opq" },
		{ "a/.wh..wh.plnk", WHITEOUT_DROP, ".wh..wh.plnk" },
		{ "a/.wh.", WHITEOUT_INVALID, "" },
		{ "a/.wh..", WHITEOUT_INVALID, "." },
		{ "a/.wh...", WHITEOUT_INVALID, ".." },
		{ ".wh", WHITEOUT_NONE, ".wh" },
		{ "", WHITEOUT_NONE, "" },
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		const char *base;

		ck_assert_int_eq(whiteout_classify(cases[i].name, &base), cases[i].want);
		ck_assert_str_eq(base, cases[i].base);
	}
}
END_TEST

START_TEST(overlay_xattrs)
{
	ck_assert(xattr_is_overlay("trusted.overlay.redirect"));
	ck_assert(xattr_is_overlay("user.overlay.opaque"));
	ck_assert(!xattr_is_overlay("user.overlays"));
	ck_assert(!xattr_is_overlay("security.capability"));
}
END_TEST

TEST_MAIN("whiteout", names, overlay_xattrs)
