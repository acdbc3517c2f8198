#include "test.h"

#include "base/fd.h"
#include "base/strbuf.h"
#include "sys/rootfs-internal.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

static char dir[] = "/tmp/dhow-unit-XXXXXX";

/* Files, directories, and links of every kind: into them, out of the root, into nothing, in
 * circles. */
static int make_tree(void)
{
	static const char *const links[][2] = {
		{ "a/b", "to-dir" },       { "/a/b", "to-abs" },      { "../../../../etc", "out" },
		{ "/etc/passwd", "host" }, { "nowhere", "dangling" }, { "circle2", "circle1" },
		{ "circle1", "circle2" },  { "a/file", "to-file" },   { "/", "to-root" },
		{ "..", "a/up" },          { "../../..", "a/b/far" }, { "to-dir/../file", "chain" },
		{ "/dangling/x", "deep" }, { ".", "a/self" },         { "file/", "a/slash" },
	};
	int fd;

	ck_assert_ptr_nonnull(mkdtemp(dir));
	fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(mkdirat(fd, "a", 0755), 0);
	ck_assert_int_eq(mkdirat(fd, "a/b", 0755), 0);
	ck_assert_int_eq(mkdirat(fd, "a/b/c", 0755), 0);
	close(openat(fd, "a/file", O_WRONLY | O_CREAT | O_CLOEXEC, 0644));
	close(openat(fd, "a/b/deep", O_WRONLY | O_CREAT | O_CLOEXEC, 0644));
	for (size_t i = 0; i < ARRAY_LEN(links); i++)
		ck_assert_int_eq(symlinkat(links[i][0], fd, links[i][1]), 0);
	return fd;
}

static int by_kernel(int root, const char *path, uint64_t flags, uint64_t mode, uint64_t resolve)
{
	struct open_how how = { .flags = flags | O_CLOEXEC, .mode = mode, .resolve = resolve };
	long fd;

	/* EAGAIN: something was renamed somewhere on the machine while a ".." was resolved */
	do
		fd = syscall(SYS_openat2, root, path, &how, sizeof(how));
	while (fd < 0 && errno == EAGAIN);
	return fd < 0 ? -errno : (int)fd;
}

static void compare(int root, const char *path, uint64_t flags, uint64_t resolve)
{
	int a = by_kernel(root, path, flags, 0, resolve),
	    b = rootfs_walk(root, path, flags, 0, resolve);
	struct stat x, y;

	ck_assert_msg((a < 0) == (b < 0) && (a >= 0 || a == b),
	              "'%s' flags %#lx resolve %#lx: the kernel says %d, the walk %d", path,
	              (unsigned long)flags, (unsigned long)resolve, a, b);
	if (a < 0)
		return;
	ck_assert_int_eq(fstat(a, &x), 0);
	ck_assert_int_eq(fstat(b, &y), 0);
	ck_assert_msg(x.st_dev == y.st_dev && x.st_ino == y.st_ino, "'%s': another file", path);
	ck_assert_int_eq(fcntl(a, F_GETFL) & (O_ACCMODE | O_PATH),
	                 fcntl(b, F_GETFL) & (O_ACCMODE | O_PATH));
	ck_assert_int_eq(fcntl(b, F_GETFD), FD_CLOEXEC);
	close(a);
	close(b);
}

START_TEST(walks_as_the_kernel_does)
{
	static const char *const parts[] = {
		"a",    "b",    "c",        "file",    "to-dir",  "to-abs",  "out", "host",
		"..",   ".",    "dangling", "circle1", "to-file", "up",      "far", "chain",
		"deep", "self", "to-root",  "slash",   "etc",     "no-such", "",    "a/b",
	};
	static const uint64_t flags[] = {
		O_PATH,
		O_PATH | O_DIRECTORY,
		O_PATH | O_NOFOLLOW,
		O_PATH | O_NOFOLLOW | O_DIRECTORY,
		O_RDONLY,
		O_RDONLY | O_NOFOLLOW,
		O_RDONLY | O_DIRECTORY,
		O_RDONLY | O_DIRECTORY | O_NOFOLLOW,
	};
	static const uint64_t resolve[] = {
		RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS,
		RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS | RESOLVE_NO_SYMLINKS,
		RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS | RESOLVE_NO_XDEV,
	};
	int root = make_tree();

	srand(20);
	for (int i = 0; i < 20000; i++) {
		AUTO_BUF path = STRBUF_INIT;
		int n = 1 + rand() % 5;

		strbuf_adds(&path, rand() % 4 == 0 ? "/" : "");
		for (int k = 0; k < n; k++)
			strbuf_addf(&path, "%s%s", parts[(size_t)rand() % ARRAY_LEN(parts)],
			            k + 1 < n || rand() % 8 == 0 ? "/" : "");
		compare(root, path.buf, flags[(size_t)rand() % ARRAY_LEN(flags)],
		        resolve[(size_t)rand() % ARRAY_LEN(resolve)]);
	}
	close(root);
	ck_assert_int_eq(tree_remove_at(AT_FDCWD, dir, ERR_IGNORE), 0);
}
END_TEST

START_TEST(makes_files_where_the_kernel_does)
{
	int root = make_tree();
	int fd = rootfs_walk(root, "to-dir/../new", O_WRONLY | O_CREAT, 0600, RESOLVE_IN_ROOT);

	ck_assert_int_ge(fd, 0);
	close(fd);
	ck_assert_int_eq(faccessat(root, "a/new", F_OK, 0), 0);
	fd = rootfs_walk(root, "dangling", O_WRONLY | O_CREAT, 0600, RESOLVE_IN_ROOT);
	ck_assert_int_ge(fd, 0); /* at the link's target, inside */
	close(fd);
	ck_assert_int_eq(faccessat(root, "nowhere", F_OK, 0), 0);
	ck_assert_int_eq(
		rootfs_walk(root, "chain", O_WRONLY | O_CREAT | O_EXCL, 0600, RESOLVE_IN_ROOT),
		-EEXIST);
	ck_assert_int_eq(rootfs_walk(root, "host", O_RDONLY, 0, RESOLVE_IN_ROOT), -ENOENT);
	close(root);
	ck_assert_int_eq(tree_remove_at(AT_FDCWD, dir, ERR_IGNORE), 0);
}
END_TEST

START_TEST(magic_links_lead_nowhere)
{
	int proc = open("/proc", O_PATH | O_DIRECTORY | O_CLOEXEC);
	int fd = rootfs_walk(proc, "self/status", O_RDONLY, 0, RESOLVE_IN_ROOT);

	ck_assert_int_ge(fd, 0);
	close(fd);
	ck_assert_int_eq(rootfs_walk(proc, "self/exe", O_RDONLY, 0, RESOLVE_IN_ROOT), -ELOOP);
	ck_assert_int_eq(rootfs_walk(proc, "self/root/etc", O_PATH, 0, RESOLVE_IN_ROOT), -ELOOP);
	ck_assert_int_eq(rootfs_walk(proc, "self/ns/mnt", O_RDONLY, 0, RESOLVE_IN_ROOT), -ELOOP);
	close(proc);
}
END_TEST

TEST_MAIN("rootfs-walk", walks_as_the_kernel_does, makes_files_where_the_kernel_does,
          magic_links_lead_nowhere)
