#include "test.h"

#include "base/fd.h"
#include "sys/idmap.h"
#include "sys/pidfd.h"
#include "sys/rootfs.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

static char dir[] = "/tmp/dhow-unit-XXXXXX";

/* A root with links that point out of it, beside a file that must stay out of reach. */
static int make_root(void)
{
	int fd, top;

	ck_assert_ptr_nonnull(mkdtemp(dir));
	top = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	ck_assert_int_ge(top, 0);
	ck_assert_int_eq(mkdirat(top, "root", 0755), 0);
	ck_assert_int_eq(mkdirat(top, "root/etc", 0755), 0);
	ck_assert_int_eq(symlinkat("/etc", top, "root/abs"), 0);
	ck_assert_int_eq(symlinkat("../../..", top, "root/up"), 0);
	ck_assert_int_eq(symlinkat("/nowhere/at/all", top, "root/dangling"), 0);
	close(top);
	ck_assert_int_eq(chdir(dir), 0);
	fd = open("root", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	ck_assert_int_ge(fd, 0);
	return fd;
}

static void drop_root(int fd)
{
	close(fd);
	ck_assert_int_eq(chdir("/"), 0);
	ck_assert_int_eq(tree_remove_at(AT_FDCWD, dir, ERR_IGNORE), 0);
}

static bool same(int a, int b)
{
	struct stat x, y;

	return fstat(a, &x) == 0 && fstat(b, &y) == 0 && x.st_ino == y.st_ino;
}

START_TEST(links_stay_inside)
{
	int root = make_root();
	int etc = rootfs_open(root, "/etc", O_PATH, 0);
	int abs = rootfs_open(root, "abs", O_PATH, 0);
	int up = rootfs_open(root, "up/up/../..", O_PATH, 0);

	ck_assert_int_ge(etc, 0);
	ck_assert(same(etc, abs));
	ck_assert(same(root, up));
	ck_assert_int_eq(rootfs_open_nolinks(root, "abs", O_PATH, 0), -ELOOP);
	ck_assert_int_eq(rootfs_open_beneath(root, "up", O_PATH, 0), -EXDEV);
	ck_assert_int_eq(rootfs_open(root, "/proc/self/exe", O_PATH, 0), -ENOENT);
	close(etc);
	close(abs);
	close(up);
	drop_root(root);
}
END_TEST

START_TEST(directories_are_made_inside)
{
	int root = make_root();
	int a = rootfs_mkdir_all(root, "/abs/x/../y", 0755);
	int b = rootfs_open(root, "etc/y", O_PATH, 0);

	/* "x/.." needs x */
	ck_assert_int_ge(a, 0);
	ck_assert(same(a, b));
	ck_assert_int_eq(rootfs_mkdir_all(root, "dangling/sub", 0755), -ENOENT);
	ck_assert_int_eq(access("/nowhere", F_OK), -1);
	close(a);
	close(b);
	drop_root(root);
}
END_TEST

START_TEST(files_are_made_inside)
{
	int root = make_root();
	const char *name;
	int fd = rootfs_make_file(root, "/up/new/file", 0600), again, parent;

	ck_assert_int_ge(fd, 0);
	again = rootfs_open(root, "new/file", O_PATH, 0);
	ck_assert(same(fd, again));
	ck_assert_int_lt(rootfs_make_file(root, "dangling", 0600), 0);
	ck_assert_int_eq(access("/nowhere", F_OK), -1);
	parent = rootfs_open_parent(root, "/abs/leaf", 0, &name);
	ck_assert_int_ge(parent, 0);
	ck_assert_str_eq(name, "leaf");
	ck_assert_int_eq(rootfs_open_parent(root, "/", 0, &name), -EINVAL);
	ck_assert_int_eq(rootfs_open_parent(root, "a/..", 0, &name), -EINVAL);
	close(fd);
	close(again);
	close(parent);
	drop_root(root);
}
END_TEST

START_TEST(links_that_dangle_are_resolved_inside)
{
	char path[64];
	int root = make_root();

	ck_assert_int_eq(rootfs_resolve(root, "/dangling/sub", path, sizeof(path)), 0);
	ck_assert_str_eq(path, "/nowhere/at/all/sub");
	ck_assert_int_eq(symlinkat("../../../up", root, "climb"), 0);
	ck_assert_int_eq(rootfs_resolve(root, "//climb/./x/../y/", path, sizeof(path)), 0);
	ck_assert_int_eq(strncmp(path, "/", 1), 0);
	ck_assert_ptr_null(strstr(path, ".."));
	ck_assert_int_eq(symlinkat("loop", root, "loop"), 0);
	ck_assert_int_eq(rootfs_resolve(root, "loop", path, sizeof(path)), -ELOOP);
	ck_assert_int_eq(rootfs_resolve(root, "/../..", path, sizeof(path)), 0);
	ck_assert_str_eq(path, "");
	ck_assert_int_eq(rootfs_resolve(root, "/a/long/path", path, 8), -ENAMETOOLONG);
	drop_root(root);
}
END_TEST

START_TEST(a_process_is_known_by_pid_and_start)
{
	uint64_t ticks = 0;
	pid_t pid = fork();
	int fd;

	if (pid == 0) {
		pause();
		_exit(0);
	}
	ck_assert_int_eq(process_start_time(pid, &ticks), 0);
	fd = pidfd_open_exact(pid, ticks);
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(pidfd_open_exact(pid, ticks + 1), -ESRCH);
	ck_assert_int_eq(pidfd_wait_exit(fd, 0), 0);
	ck_assert_int_eq(pidfd_signal(fd, SIGKILL), 0);
	ck_assert_int_eq(pidfd_wait_exit(fd, 5000), 1);
	/* a zombie is not running any more */
	ck_assert_int_eq(pidfd_open_exact(pid, ticks), -ESRCH);
	ck_assert_int_eq(waitpid(pid, NULL, 0), pid);
	ck_assert_int_eq(pidfd_open_exact(pid, ticks), -ESRCH);
	close(fd);
}
END_TEST

START_TEST(ids_map_both_ways)
{
	static const struct idmap map[] = { { 0, 1000, 1 }, { 1, 100000, 65536 } };

	ck_assert_int_eq(idmap_to_host(map, 2, 0), 1000);
	ck_assert_int_eq(idmap_to_host(map, 2, 65536), 165535);
	ck_assert_int_eq(idmap_to_host(map, 2, 65537), -1);
	ck_assert_int_eq(idmap_to_container(map, 2, 100004), 5);
	ck_assert_int_eq(idmap_to_container(map, 2, 0), -1);
}
END_TEST

TEST_MAIN("rootfs", links_stay_inside, directories_are_made_inside, files_are_made_inside,
          links_that_dangle_are_resolved_inside, a_process_is_known_by_pid_and_start,
          ids_map_both_ways)
