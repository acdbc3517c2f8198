#include "base/fd.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include "test.h"

static struct err e;

/* A fresh directory; what is in it is removed by the test itself. */
static int scratch(char path[32])
{
	int fd;

	strncpy(path, "/tmp/dhow-unit-XXXXXX", 32);
	ck_assert_ptr_nonnull(mkdtemp(path));
	fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	ck_assert_int_ge(fd, 0);
	return fd;
}

static int open_fds(void)
{
	int n = 0;

	for (int fd = 0; fd < 256; fd++)
		n += fcntl(fd, F_GETFD) >= 0;
	return n;
}

static void put(int dir, const char *name, const char *text)
{
	CHECK_OK(file_write_atomic_at(dir, name, text, strlen(text), 0640, 0, &e));
}

START_TEST(a_file_is_replaced_whole)
{
	char path[32];
	int dir = scratch(path), before = open_fds();
	AUTO_FREE char *data = NULL;
	size_t len = 0;
	struct stat st;

	put(dir, "f", "old and longer");
	CHECK_OK(file_write_atomic_at(dir, "f", "new", 3, 0444, FILE_WRITE_SYNC, &e));
	CHECK_OK(file_read_at(dir, "f", 100, &data, &len, &e));
	ck_assert_uint_eq(len, 3);
	ck_assert_str_eq(data, "new");
	fstatat(dir, "f", &st, 0);
	ck_assert_uint_eq(st.st_mode & 07777, 0444);
	CHECK_ERR(E_NOT_FOUND, file_write_atomic_at(dir, "no/f", "x", 1, 0644, 0, &e));
	ck_assert_int_eq(open_fds(), before);
	CHECK_OK(tree_remove_at(AT_FDCWD, path, &e));
	ck_assert_int_lt(access(path, F_OK), 0);
}
END_TEST

START_TEST(reading_is_bounded_and_only_of_files)
{
	char path[32];
	int dir = scratch(path), before = open_fds();
	AUTO_FREE char *data = NULL;
	size_t len = 7;

	put(dir, "f", "12345");
	CHECK_OK(file_read_at(dir, "f", 5, &data, &len, &e));
	ck_assert_uint_eq(len, 5);
	free(TAKE_PTR(data));
	CHECK_ERR(E_LIMIT, file_read_at(dir, "f", 4, &data, &len, &e));
	ck_assert_ptr_null(data);
	ck_assert_int_eq(mkfifoat(dir, "fifo", 0600), 0);
	CHECK_ERR(E_INVALID, file_read_at(dir, "fifo", 4, &data, &len, &e)); /* and does not wait */
	CHECK_ERR(E_INVALID, file_read_at(dir, ".", 4, &data, &len, &e));
	CHECK_ERR(E_NOT_FOUND, file_read_at(dir, "none", 4, &data, &len, &e));
	/* sizes that the kernel does not tell beforehand */
	CHECK_OK(file_read_at(AT_FDCWD, "/proc/self/status", 1 << 20, &data, &len, &e));
	ck_assert_uint_gt(len, 100);
	ck_assert_int_eq(open_fds(), before);
	CHECK_OK(tree_remove_at(AT_FDCWD, path, &e));
}
END_TEST

START_TEST(reading_at_every_size_near_the_buffers)
{
	for (size_t size = 4090; size < 4100; size++) {
		AUTO_FREE char *data = NULL, *big = calloc(1, size);
		int p[2];
		size_t len;

		ck_assert_int_eq(pipe2(p, O_CLOEXEC), 0); /* no st_size: the buffer must grow */
		ck_assert_int_eq(fd_write_all(p[1], big, size), 0);
		close(p[1]);
		CHECK_OK(fd_read_all(p[0], size, &data, &len, &e));
		ck_assert_uint_eq(len, size);
		ck_assert_int_eq(data[len], 0);
		close(p[0]);
	}
}
END_TEST

START_TEST(exact_reads)
{
	char buf[4];
	int p[2];

	ck_assert_int_eq(pipe2(p, O_CLOEXEC), 0);
	ck_assert_int_eq(fd_write_all(p[1], "abcdef", 6), 0);
	close(p[1]);
	ck_assert_int_eq(fd_read_exact(p[0], buf, 4), 0);
	ck_assert_mem_eq(buf, "abcd", 4);
	ck_assert_int_eq(fd_read_exact(p[0], buf, 4), -ENODATA);
	close(p[0]);
	ck_assert_int_eq(fd_write_all(-1, "x", 1), -EBADF);
}
END_TEST

START_TEST(directories_are_made_with_their_parents)
{
	char path[32];
	int dir = scratch(path);
	struct stat st;

	CHECK_OK(dir_make_at(dir, "a/b//c", 0700, &e));
	CHECK_OK(dir_make_at(dir, "a/b/c/", 0700, &e)); /* again */
	ck_assert_int_eq(fstatat(dir, "a/b/c", &st, 0), 0);
	put(dir, "file", "x");
	CHECK_ERR(E_INVALID, dir_make_at(dir, "file/x", 0700, &e));
	ck_assert_msg(dir_make_at(dir, "file", 0700, &e) < 0, "a file passed for a directory");
	CHECK_OK(tree_remove_at(AT_FDCWD, path, &e));
}
END_TEST

START_TEST(removal_does_not_follow_links)
{
	char path[32], outside[32];
	int dir = scratch(path), out = scratch(outside), before = open_fds();

	put(out, "precious", "x");
	CHECK_OK(dir_make_at(dir, "t/a/b", 0700, &e));
	ck_assert_int_eq(symlinkat(outside, dir, "t/a/link"), 0);
	ck_assert_int_eq(symlinkat("precious", dir, "t/dangling"), 0);
	put(dir, "t/a/b/f", "x");
	ck_assert_int_eq(fchmodat(dir, "t/a/b", 0, 0), 0);
	CHECK_OK(tree_remove_at(dir, "t", &e));
	CHECK_OK(tree_remove_at(dir, "t", &e)); /* gone is fine */
	ck_assert_int_eq(symlinkat(outside, dir, "link"), 0);
	CHECK_OK(tree_remove_at(dir, "link", &e));
	ck_assert_int_eq(faccessat(out, "precious", F_OK, 0), 0);
	ck_assert_int_eq(open_fds(), before);
	CHECK_OK(tree_remove_at(AT_FDCWD, path, &e));
	CHECK_OK(tree_remove_at(AT_FDCWD, outside, &e));
}
END_TEST

START_TEST(removal_of_a_deep_tree)
{
	char path[32];
	int dir = scratch(path), at = fd_dup(dir);

	/* deeper than a path may be long, and than a process may hold descriptors */
	for (int i = 0; i < 1500; i++) {
		int next;

		ck_assert_int_eq(mkdirat(at, "directory", 0700), 0);
		next = openat(at, "directory", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		ck_assert_int_ge(next, 0);
		close(at);
		at = next;
	}
	close(at);
	CHECK_OK(tree_remove_at(AT_FDCWD, path, &e));
	ck_assert_int_lt(access(path, F_OK), 0);
}
END_TEST

START_TEST(removal_stops_at_a_mount)
{
	char path[32];
	int dir = scratch(path);

	CHECK_OK(dir_make_at(dir, "t/m", 0700, &e));
	if (unshare(CLONE_NEWNS) < 0)
		return; /* not root */
	ck_assert_int_eq(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL), 0);
	close(dir); /* it belongs to the old mount namespace */
	dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	ck_assert_int_eq(fchdir(dir), 0);
	ck_assert_int_eq(mount("tmpfs", "t/m", "tmpfs", 0, NULL), 0);
	put(dir, "t/m/precious", "x");
	CHECK_ERR(E_BUSY, tree_remove_at(dir, "t", &e));
	ck_assert_msg(strstr(e.msg, "mount point"), "%s", e.msg);
	ck_assert_int_eq(faccessat(dir, "t/m/precious", F_OK, 0), 0);
	ck_assert_int_eq(umount("t/m"), 0);
	CHECK_OK(tree_remove_at(AT_FDCWD, path, &e));
}
END_TEST

START_TEST(descriptors_are_close_on_exec)
{
	int copy = fd_dup(0);

	ck_assert_int_ge(copy, 3);
	ck_assert_int_eq(fcntl(copy, F_GETFD), FD_CLOEXEC);
	ck_assert_int_eq(fd_set_cloexec(copy, false), 0);
	ck_assert_int_eq(fcntl(copy, F_GETFD), 0);
	close(copy);
	ck_assert_int_eq(fd_set_nonblock(copy, true), -EBADF);
	ck_assert_int_eq(fd_dup(copy), -EBADF);
	copy = dir_open_at(AT_FDCWD, "/", &e);
	ck_assert_int_eq(fcntl(copy, F_GETFD), FD_CLOEXEC);
	close(copy);
	CHECK_ERR(E_INVALID, dir_open_at(AT_FDCWD, "/proc/self/status", &e));
}
END_TEST

TEST_MAIN("fd", a_file_is_replaced_whole, reading_is_bounded_and_only_of_files,
          reading_at_every_size_near_the_buffers, exact_reads,
          directories_are_made_with_their_parents, removal_does_not_follow_links,
          removal_of_a_deep_tree, removal_stops_at_a_mount, descriptors_are_close_on_exec)
