#include "test.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "base/fd.h"
#include "engine/cp-internal.h"

static struct err e;
static char dir[] = "/tmp/dhow-cp-XXXXXX";
static int root = -1;

static void setup(void)
{
	ck_assert_ptr_nonnull(mkdtemp(dir));
	root = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	ck_assert_int_eq(mkdirat(root, "in", 0755), 0);
	ck_assert_int_eq(mkdirat(root, "out", 0755), 0);
}

static void teardown(void)
{
	CHECK_OK(tree_remove_at(AT_FDCWD, dir, &e));
	close(root);
}

static void put(const char *path, const char *text)
{
	CHECK_OK(file_write_atomic_at(root, path, text, strlen(text), 0644, 0, &e));
}

static bool has(const char *path, const char *text)
{
	AUTO_FREE char *got = NULL;
	size_t len;

	return file_read_at(root, path, 1000, &got, &len, &e) == 0 && !strcmp(got, text);
}

START_TEST(containers_are_told_from_paths)
{
	static const char *const paths[] = { "a", "./a:b", "/a:b", "../a:b", "x/a:b", ":b" };
	AUTO_FREE char *c = NULL;
	const char *path;

	for (size_t i = 0; i < ARRAY_LEN(paths); i++)
		ck_assert(!cp_split(paths[i], &c, &path));
	ck_assert(cp_split("web:/a:b", &c, &path));
	ck_assert_str_eq(c, "web");
	ck_assert_str_eq(path, "/a:b");
}
END_TEST

/* docker's table: what there is, and where it goes; NULL dir: refused */
static const struct {
	const char *src;
	mode_t src_mode;
	const char *dst;
	mode_t dst_mode; /* 0: missing */
	const char *dir, *name;
} rules[] = {
	{ "a/f", S_IFREG, "/x/y", 0, "/x/", "y" },
	{ "a/f", S_IFREG, "/x/y/", 0, NULL, NULL },
	{ "a/f", S_IFREG, "/x/y", S_IFREG, "/x/", "y" },
	{ "a/f", S_IFREG, "/x/y/", S_IFREG, NULL, NULL },
	{ "a/f", S_IFREG, "/x", S_IFDIR, "/x", "f" },
	{ "a/f", S_IFREG, ".", S_IFDIR, ".", "f" },
	{ "a/d", S_IFDIR, "/x/y", 0, "/x/", "y" },
	{ "a/d", S_IFDIR, "y", 0, ".", "y" },
	{ "a/d", S_IFDIR, "/x/y/", 0, "/x/", "y" },
	{ "a/d", S_IFDIR, "/x/y", S_IFREG, NULL, NULL },
	{ "a/d", S_IFDIR, "/x", S_IFDIR, "/x", "d" },
	{ "a/d/", S_IFDIR, "/x", S_IFDIR, "/x", "d" },
	{ "a/d/.", S_IFDIR, "/x", S_IFDIR, "/x", "" },
	{ "a/d/.", S_IFDIR, "/x/y", 0, "/x/", "y" },
	{ "/", S_IFDIR, "/x", S_IFDIR, "/x", "" },
	{ "a/l", S_IFLNK, "/x", S_IFDIR, "/x", "l" },
	{ "a/f", S_IFREG, "/x/..", 0, NULL, NULL },
	{ "a/f", S_IFREG, "/x/null", S_IFCHR, NULL, NULL },
	{ "a/f", S_IFREG, "/x/pipe", S_IFIFO, NULL, NULL },
};

START_TEST(copies_go_where_docker_puts_them)
{
	for (size_t i = 0; i < ARRAY_LEN(rules); i++) {
		struct cp_source src = { rules[i].src, rules[i].src_mode };
		struct cp_target dst = { rules[i].dst, rules[i].dst_mode, rules[i].dst_mode };
		struct cp_place place;
		int r = cp_place(&src, &dst, &place, &e);

		ck_assert_msg((r == 0) == (rules[i].dir != NULL), "%s -> %s", rules[i].src,
		              rules[i].dst);
		if (r < 0)
			continue;
		ck_assert_str_eq(place.dir, rules[i].dir);
		ck_assert_str_eq(place.name, rules[i].name);
	}
}
END_TEST

/* Pack dir/in (or a part) in a child, unpack below dir/out here. */
static int copy(const char *name, const char *as, const char *to, unsigned flags)
{
	int ends[2], status, r;
	pid_t pid;

	ck_assert_int_eq(pipe(ends), 0);
	pid = fork();
	if (pid == 0) {
		struct pack_source src = { .parent_fd = root, .name = name, .as = as };
		struct tar_writer *w = tar_writer_new(tar_write_to_fd, &ends[1]);

		close(ends[0]);
		_exit(cp_pack(&src, w, &e) < 0);
	}
	close(ends[1]);
	r = cp_unpack(root, to, flags, false, ends[0], &e);
	close(ends[0]);
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	return r;
}

START_TEST(a_tree_arrives_as_it_was)
{
	struct stat a, b;
	char link[16] = "";

	setup();
	put("in/f", "hello");
	ck_assert_int_eq(fchmodat(root, "in/f", 04755, 0), 0);
	ck_assert_int_eq(linkat(root, "in/f", root, "in/g", 0), 0);
	ck_assert_int_eq(mkdirat(root, "in/sub", 0500), 0);
	ck_assert_int_eq(symlinkat("f", root, "in/l"), 0);
	ck_assert_int_eq(mkfifoat(root, "in/p", 0600), 0);
	CHECK_OK(copy("in", "new", "out", 0));
	ck_assert(has("out/new/f", "hello"));
	ck_assert_int_eq(fstatat(root, "out/new/f", &a, 0), 0);
	ck_assert_int_eq(fstatat(root, "out/new/g", &b, 0), 0);
	ck_assert_int_eq(a.st_ino, b.st_ino);
	/* rights of another owner do not come along */
	ck_assert_int_eq(a.st_mode & 07777, 0755);
	ck_assert_int_eq(fstatat(root, "out/new/sub", &a, 0), 0);
	ck_assert_int_eq(a.st_mode & 07777, 0500);
	ck_assert_int_eq(readlinkat(root, "out/new/l", link, sizeof(link)), 1);
	ck_assert_int_eq(fstatat(root, "out/new/p", &a, 0), 0);
	ck_assert(S_ISFIFO(a.st_mode));
	teardown();
}
END_TEST

START_TEST(files_are_replaced_never_written_through)
{
	setup();
	put("in/f", "new");
	put("victim", "old");
	ck_assert_int_eq(symlinkat("../victim", root, "out/f"), 0);
	CHECK_OK(copy("in/f", "f", "out", 0));
	ck_assert(has("victim", "old") && has("out/f", "new"));
	teardown();
}
END_TEST

START_TEST(directories_and_files_do_not_replace_each_other)
{
	setup();
	put("in/f", "x");
	ck_assert_int_eq(mkdirat(root, "out/f", 0755), 0);
	CHECK_ERR(E_EXISTS, copy("in/f", "f", "out", 0));
	put("out/d", "x");
	CHECK_ERR(E_EXISTS, copy("in", "d", "out", 0));
	teardown();
}
END_TEST

START_TEST(what_is_no_file_is_not_replaced)
{
	struct stat st;

	setup();
	put("in/f", "x");
	ck_assert_int_eq(mkfifoat(root, "out/f", 0600), 0);
	CHECK_ERR(E_EXISTS, copy("in/f", "f", "out", 0));
	ck_assert_int_eq(fstatat(root, "out/f", &st, 0), 0);
	ck_assert(S_ISFIFO(st.st_mode));
	teardown();
}
END_TEST

/* CVE-2018-15664, CVE-2019-14271: an archive from a container with a link in it, then a file
 * "below" the link. On the host the link is not followed. */
START_TEST(a_link_on_the_way_is_refused_on_the_host)
{
	setup();
	put("in/f", "evil");
	ck_assert_int_eq(mkdirat(root, "victim", 0755), 0);
	ck_assert_int_eq(symlinkat("../victim", root, "out/in"), 0);
	CHECK_ERR(E_PERM, copy("in", "in", "out", 0));
	CHECK_ERR(E_PERM, copy("in/f", "in/f", "out", 0));
	ck_assert(!has("victim/f", "evil"));
	teardown();
}
END_TEST

/* In a container the same link is followed, but never out of the root. */
START_TEST(a_link_on_the_way_stays_inside_the_root)
{
	AUTO_FD ctr = -1;
	int ends[2];

	setup();
	put("in/f", "data");
	ck_assert_int_eq(mkdirat(root, "out/etc", 0755), 0);
	ck_assert_int_eq(symlinkat("/../../etc", root, "out/esc"), 0);
	ctr = openat(root, "out", O_PATH | O_CLOEXEC);
	ck_assert_int_eq(pipe(ends), 0);
	{
		struct pack_source src = { .parent_fd = root, .name = "in/f", .as = "esc/f" };
		struct tar_writer *w = tar_writer_new(tar_write_to_fd, &ends[1]);

		CHECK_OK(cp_pack(&src, w, &e));
		tar_writer_free(w);
		close(ends[1]);
	}
	CHECK_OK(cp_unpack(ctr, "/", UNPACK_FOLLOW_IN_ROOT, false, ends[0], &e));
	ck_assert(has("out/etc/f", "data"));
	teardown();
}
END_TEST

TEST_MAIN("cp", containers_are_told_from_paths, copies_go_where_docker_puts_them,
          a_tree_arrives_as_it_was, files_are_replaced_never_written_through,
          directories_and_files_do_not_replace_each_other, what_is_no_file_is_not_replaced,
          a_link_on_the_way_is_refused_on_the_host, a_link_on_the_way_stays_inside_the_root)
