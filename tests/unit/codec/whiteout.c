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

START_TEST(xattrs)
{
	ck_assert(!xattr_is_allowed("trusted.overlay.redirect"));
	ck_assert(!xattr_is_allowed("user.overlay.opaque"));
	ck_assert(xattr_is_allowed("user.overlays"));
	ck_assert(xattr_is_allowed("trusted.x"));
	ck_assert(xattr_is_allowed("security.capability"));
	ck_assert(xattr_is_allowed("system.posix_acl_default"));
	ck_assert(!xattr_is_allowed("security.selinux"));
	ck_assert(!xattr_is_allowed("com.apple.provenance"));
	ck_assert(!xattr_is_allowed("user."));
}
END_TEST

TEST_MAIN("whiteout", names, xattrs)
