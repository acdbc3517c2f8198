#include "test.h"

#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "base/strbuf.h"
#include "base/strv.h"
#include "codec/erofs.h"
#include "codec/tree.h"

static struct err e;

/* An entry in short: type letter, name, and for links "name>target". */
static int add(struct tree *t, const char *what)
{
	static const char letters[] = "fhscbdp";
	struct tar_entry entry = {
		.type = (enum tar_type)(strchr(letters, what[0]) - letters),
		.mode = 0640,
		.uid = 7,
		.link = "",
	};
	char name[256];
	char *arrow;

	snprintf(name, sizeof(name), "%s", what + 1);
	arrow = strchr(name, '>');
	if (arrow) {
		*arrow = '\0';
		entry.link = arrow + 1;
	}
	entry.name = name;
	return tree_add(t, &entry, &e);
}

static void show(struct tree *t, uint32_t node, const char *path, struct strbuf *sb)
{
	size_t n;
	const uint32_t *children = tree_children(t, node, &n);

	for (size_t i = 0; i < n; i++) {
		const struct tree_node *c = tree_node(t, children[i]);
		const struct tree_inode *in = tree_inode(t, c->inode);
		char child[512];

		snprintf(child, sizeof(child), "%s%s", path, c->name);
		strbuf_addf(sb, "%s%c%s", sb->len ? " " : "", "fhscbdp"[in->type], child);
		if (in->type == TAR_SYMLINK)
			strbuf_addf(sb, ">%s", in->link);
		if (in->type != TAR_DIR && in->nlink > 1)
			strbuf_addf(sb, "*%u", in->nlink);
		if (in->flags & TREE_WHITEOUT)
			strbuf_addc(sb, '!');
		if (in->flags & TREE_OPAQUE)
			strbuf_addc(sb, '%');
		if (in->flags & TREE_IMPLIED)
			strbuf_addc(sb, '+');
		if (in->type == TAR_DIR) {
			strbuf_addc(&*sb, '/');
			snprintf(child, sizeof(child), "%s%s/", path, c->name);
			show(t, children[i], child, sb);
		}
	}
}

/* Entries separated by blanks give this tree; "" in want: the last entry is refused. */
static const struct {
	const char *entries, *want;
} cases[] = {
	{ "fb fa", "fa fb" },
	{ "fx/y/z", "dx+/ dx/y+/ fx/y/z" },
	{ "dx fx/a dx", "dx/ fx/a" },
	{ "dx fx/a fx", "fx" },
	{ "dx fx/a fx dx", "dx/" },
	{ "fx dx fx/a", "dx/ fx/a" },
	{ "fx sx>y", "sx>y" },
	{ "fx hy>x", "fx*2 fy*2" },
	{ "fx hy>x fx", "fx fy" },
	{ "fx hy>x hz>y fw", "fw fx*3 fy*3 fz*3" },
	{ "hy>x", "" },
	{ "hx>x", "" },
	{ "fx hx>x", "" },
	{ "dx hy>x", "" },
	{ "sx>/etc hy>x", "sx>/etc*2 sy>/etc*2" },
	/* symbolic links are followed in parents, inside the tree */
	{ "da sb>a fb/x", "da/ fa/x sb>a" },
	{ "da sb>/a fb/x", "da/ fa/x sb>/a" },
	{ "da sb>../../a fb/x", "da/ fa/x sb>../../a" },
	{ "sb>missing fb/x", "sb>missing dmissing+/ fmissing/x" },
	{ "sa>b sb>a fa/x", "" },
	{ "fa fa/x", "" },
	{ "ca fa/x", "" },
	{ "da fa/f sb>a hx>b/f", "da/ fa/f*2 sb>a fx*2" },
	/* whiteouts */
	{ "fd/.wh.x", "dd+/ cd/x!" },
	{ "f.wh.x fx", "fx" },
	{ "fx f.wh.x", "fx" },
	{ "dx f.wh.x", "dx%/" },
	{ "f.wh.x dx", "dx%/" },
	{ "f.wh.x fx/y", "dx%+/ fx/y" },
	{ "fx/.wh..wh..opq", "dx%+/" },
	{ "fx/.wh..wh..opq dx", "dx%/" },
	{ "fx/.wh..wh.plnk fx/.wh..wh.aufs", ""
	                                     "-" },
	{ "f.wh.x hy>x", "" },
	{ "f.wh.", "" },
	{ "f.wh..", "" },
	{ "f.wh...", "" },
};

START_TEST(layers)
{
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		AUTO(tree_freep) struct tree *t = tree_new();
		AUTO_BUF got = STRBUF_INIT;
		AUTO_STRV entries = STRV_INIT;
		int r = 0;

		strv_split(&entries, cases[i].entries, ' ');
		for (size_t n = 0; n < entries.len && r == 0; n++) {
			r = add(t, entries.items[n]);
			ck_assert_msg(r == 0 || n + 1 == entries.len, "%s: %s", cases[i].entries,
			              e.msg);
		}
		if (!*cases[i].want) {
			ck_assert_msg(r < 0, "'%s' was accepted", cases[i].entries);
			ck_assert_int_eq(e.code, E_INVALID);
			continue;
		}
		ck_assert_msg(r == 0, "%s: %s", cases[i].entries, e.msg);
		tree_freeze(t);
		show(t, TREE_ROOT, "", &got);
		if (!strcmp(cases[i].want, "-"))
			ck_assert_str_eq(got.buf, "");
		else
			ck_assert_msg(!strcmp(got.buf, cases[i].want), "%s: got %s, wanted %s",
			              cases[i].entries, got.buf, cases[i].want);
	}
}
END_TEST

START_TEST(find)
{
	AUTO(tree_freep) struct tree *t = tree_new();

	CHECK_OK(add(t, "fa/b/c"));
	CHECK_OK(add(t, "fa/b/cc"));
	CHECK_OK(add(t, "fa/b/b"));
	tree_freeze(t);
	ck_assert_uint_ne(tree_find(t, "a/b/c"), TREE_NONE);
	ck_assert_uint_ne(tree_find(t, "a/b/cc"), TREE_NONE);
	ck_assert_uint_eq(tree_find(t, "a/b/cd"), TREE_NONE);
	ck_assert_uint_eq(tree_find(t, "a/c"), TREE_NONE);
	ck_assert_uint_eq(tree_find(t, ""), TREE_ROOT);
}
END_TEST

START_TEST(many)
{
	AUTO(tree_freep) struct tree *t = tree_new();
	int out = memfd_create("index", MFD_CLOEXEC);
	uint64_t bytes = 0;
	char name[64];

	for (int i = 0; i < 30000; i++) {
		snprintf(name, sizeof(name), "fdir%d/file-%d", i % 300, i);
		CHECK_OK(add(t, name));
	}
	tree_freeze(t);
	ck_assert_uint_eq(tree_inode(t, tree_node(t, TREE_ROOT)->inode)->nlink, 302);
	CHECK_OK(erofs_write_index(t, -1, 1 << 20, out, &bytes, &e));
	ck_assert_uint_eq(bytes % 512, 0);
	/* 64 bytes an inode, 12 and the name a directory entry */
	ck_assert_uint_lt(bytes, 30000 * 110);
}
END_TEST

START_TEST(growth_is_limited)
{
	struct tree_limits limits = { .max_nodes = 5000, .max_bytes = 1 << 20 };
	AUTO(tree_freep) struct tree *deep = tree_new_limited(&limits);
	AUTO(tree_freep) struct tree *wide = tree_new_limited(&limits);
	char name[256];
	int i;

	/* a hundred missing parents for each entry */
	for (i = 0; i < 1000; i++) {
		int n = snprintf(name, sizeof(name), "f%d", i);

		for (int d = 0; d < 100; d++)
			n += snprintf(name + n, sizeof(name) - (size_t)n, "/d");
		if (add(deep, name) < 0)
			break;
	}
	ck_assert_int_eq(i, 49);
	ck_assert_int_eq(e.code, E_LIMIT);
	for (i = 0; i < 5000; i++) {
		snprintf(name, sizeof(name), "s%d>%0230d", i, i);
		if (add(wide, name) < 0)
			break;
	}
	ck_assert_int_gt(i, 3000);
	ck_assert_int_lt(i, 4990);
	ck_assert_int_eq(e.code, E_LIMIT);
}
END_TEST

TEST_MAIN("tree", layers, find, many, growth_is_limited)
