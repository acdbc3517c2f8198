/* layer-tool: the tar reader, the layer store and its mounts from a shell, for the bats files.
 *
 *	layer-tool parse TAR                     entries as the reader delivers them
 *	layer-tool import ROOT MODE FILE [ID]    import as a layer; prints the diffID's hexadecimal
 *	layer-tool mode ROOT                     the probed mode and why
 *	layer-tool sweep ROOT
 *	layer-tool list ROOT
 *	layer-tool mount ROOT FLAGS WAY CMD HEX...  mount layers (bottom-up) at ROOT/mnt in a mount
 *	                                         namespace of its own and run CMD with sh
 *
 * MODE: auto, erofs, erofs-loop or directory. FLAGS: "ro", "rw" or "volatile". WAY: a number of
 * enum rootfs_force. Errors are one line on standard error, the code in brackets; exit 1. */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include "base/fd.h"
#include "base/num.h"
#include "codec/tar.h"
#include "image/rootfs-internal.h"
#include "image/rootfs.h"

#define READ_BYTES 65536

static struct err e;

static int fail(void)
{
	fprintf(stderr, "[%s] %s\n", err_code_name(e.code), e.msg);
	return 1;
}

static int show_entry(void *ctx, const struct tar_entry *t, struct err *err)
{
	printf("%c %s %o %u:%u %llu", "fhscbdp"[t->type], *t -> name ? t -> name : ".", t->mode,
	       t->uid, t->gid, (unsigned long long)t->size);
	if (*t->link)
		printf(" -> %s", t->link);
	for (size_t i = 0; i < t->n_xattrs; i++)
		printf(" %s", t->xattrs[i].name);
	putchar('\n');
	return 0;
}

static int cmd_parse(char **argv)
{
	static const struct tar_handler handler = { .entry = show_entry };
	AUTO(tar_reader_freep) struct tar_reader *r = tar_reader_new(&handler, NULL, NULL);
	AUTO_FD fd = open(argv[0], O_RDONLY | O_CLOEXEC);
	static char buf[READ_BYTES];
	ssize_t n;

	while ((n = read(fd, buf, sizeof(buf))) > 0)
		if (tar_reader_push(r, buf, (size_t)n, &e) < 0)
			return fail();
	return tar_reader_end(r, &e) < 0 ? fail() : 0;
}

static int open_store(const char *root, const char *mode, int *ret_root_fd,
                      struct layer_store **ret)
{
	struct layer_store_options options = { .mode = LAYER_MODE_NONE };

	for (int m = LAYER_MODE_EROFS_FILE; m < LAYER_MODE_MAX; m++)
		if (!strcmp(mode, layer_mode_name((enum layer_mode)m)))
			options.mode = (enum layer_mode)m;
	*ret_root_fd = dir_open_at(AT_FDCWD, root, &e);
	return *ret_root_fd < 0 ? -1 : layer_store_open(*ret_root_fd, &options, ret, &e);
}

static int cmd_import(char **argv)
{
	AUTO(layer_store_freep) struct layer_store *store = NULL;
	struct layer_import_args args = { .what = "layer" };
	struct layer_info info;
	AUTO_FD root = -1, fd = open(argv[2], O_RDONLY | O_CLOEXEC);
	struct digest want;

	if (argv[3] && digest_parse_hex(argv[3], &want, &e) < 0)
		return fail();
	if (argv[3])
		args.expected_diff_id = &want;
	if (open_store(argv[0], argv[1], &root, &store) < 0 ||
	    layer_import_fd(store, &args, fd, &info, &e) < 0)
		return fail();
	puts(digest_hex(&info.diff_id).s);
	return 0;
}

static int cmd_mode(char **argv)
{
	AUTO(layer_store_freep) struct layer_store *store = NULL;
	const char *reason;
	enum layer_mode mode;
	AUTO_FD root = -1;

	if (open_store(argv[0], "auto", &root, &store) < 0 ||
	    layer_store_mode(store, &mode, &reason, &e) < 0)
		return fail();
	printf("%s %s\n", layer_mode_name(mode), reason);
	return 0;
}

static int cmd_sweep(char **argv)
{
	AUTO(layer_store_freep) struct layer_store *store = NULL;
	AUTO_FD root = -1;

	if (open_store(argv[0], "auto", &root, &store) < 0 || layer_store_sweep(store, &e) < 0)
		return fail();
	return 0;
}

static int cmd_list(char **argv)
{
	AUTO(layer_store_freep) struct layer_store *store = NULL;
	AUTO_FREE struct layer_info *list = NULL;
	AUTO_FD root = -1;
	size_t n;

	if (open_store(argv[0], "auto", &root, &store) < 0 ||
	    layer_store_list(store, &list, &n, &e) < 0)
		return fail();
	for (size_t i = 0; i < n; i++) {
		if (layer_store_verify(store, &list[i].diff_id, &e) < 0)
			return fail();
		printf("%s %llu\n", digest_hex(&list[i].diff_id).s,
		       (unsigned long long)list[i].tar_bytes);
	}
	return 0;
}

static int cmd_mount(int argc, char **argv)
{
	AUTO(layer_store_freep) struct layer_store *store = NULL;
	AUTO(rootfs_plan_done) struct rootfs_plan plan = ROOTFS_PLAN_INIT;
	AUTO_FD root = -1, upper = -1, work = -1;
	struct digest ids[512];
	unsigned flags = 0;
	uint32_t way;
	int n = argc - 4, fd;

	if (!strcmp(argv[1], "ro"))
		flags = ROOTFS_READ_ONLY;
	else if (!strcmp(argv[1], "volatile"))
		flags = ROOTFS_VOLATILE;
	for (int i = 0; i < n; i++)
		if (digest_parse_hex(argv[4 + i], &ids[i], &e) < 0)
			return fail();
	if (parse_u32(argv[2], &way) < 0 || open_store(argv[0], "auto", &root, &store) < 0 ||
	    dir_make_at(root, "upper", 0755, &e) < 0 || dir_make_at(root, "work", 0755, &e) < 0 ||
	    dir_make_at(root, "mnt", 0755, &e) < 0)
		return fail();
	upper = openat(root, "upper", O_PATH | O_DIRECTORY | O_CLOEXEC);
	work = openat(root, "work", O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (rootfs_plan_init_forced(&plan, store, ids, (size_t)n, upper, work, flags, way, &e) < 0)
		return fail();
	if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0) {
		err_sys(&e, errno, "unshare");
		return fail();
	}
	if (rootfs_mount_forced(&plan, way, &fd, &e) < 0)
		return fail();
	if (chdir(argv[0]) < 0 ||
	    move_mount(fd, "", AT_FDCWD, "mnt", MOVE_MOUNT_F_EMPTY_PATH) < 0) {
		err_sys(&e, errno, "attach");
		return fail();
	}
	execl("/bin/sh", "sh", "-c", argv[3], NULL);
	return 1;
}

int main(int argc, char **argv)
{
	if (argc == 3 && !strcmp(argv[1], "parse"))
		return cmd_parse(argv + 2);
	if ((argc == 5 || argc == 6) && !strcmp(argv[1], "import"))
		return cmd_import(argv + 2);
	if (argc == 3 && !strcmp(argv[1], "mode"))
		return cmd_mode(argv + 2);
	if (argc == 3 && !strcmp(argv[1], "sweep"))
		return cmd_sweep(argv + 2);
	if (argc == 3 && !strcmp(argv[1], "list"))
		return cmd_list(argv + 2);
	if (argc >= 7 && !strcmp(argv[1], "mount"))
		return cmd_mount(argc - 2, argv + 2);
	fprintf(stderr, "usage: layer-tool parse|import|mode|sweep|list|mount ...\n");
	return 2;
}
