/* Make /proc/PID/exe of this process lead to the sealed stage instead of the host's binary.
 *
 * Needed where somebody inside the container may look while we are still the runtime: a process
 * that joins is visible from its first moment, and CAP_SYS_PTRACE of the initial user namespace
 * opens even what is not dumpable (CVE-2016-9962, CVE-2019-5736). The kernel changes the link
 * only when nothing of the old file is mapped any more, so our own program is first moved to
 * anonymous memory, segment by segment, under our feet. */
#include "runtime/internal.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/prctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "base/fd.h"
#include "base/xalloc.h"

struct segment {
	unsigned long start, end;
	int prot;
};

/* "55d0-55e0 r-xp 00000000 08:01 1234  /usr/bin/dhow" of our own program's file. */
static bool parse_line(const char *line, const struct stat *exe, struct segment *ret)
{
	unsigned long inode;
	const char *perms;
	char *end;

	ret->start = strtoul(line, &end, 16);
	if (*end != '-')
		return false;
	ret->end = strtoul(end + 1, &end, 16);
	if (*end != ' ' || strnlen(end, 6) < 6)
		return false;
	perms = end + 1;
	(void)strtoul(perms + 4, &end, 16); /* the offset */
	(void)strtoul(end, &end, 16);       /* the device */
	if (*end != ':')
		return false;
	(void)strtoul(end + 1, &end, 16);
	inode = strtoul(end, &end, 10);
	ret->prot = (perms[0] == 'r' ? PROT_READ : 0) | (perms[1] == 'w' ? PROT_WRITE : 0) |
	            (perms[2] == 'x' ? PROT_EXEC : 0);
	/* The device may be shown differently from stat's (btrfs, overlayfs), so the inode and the
	 * name's existence decide; a library with the same number would only be copied, too. */
	return inode == exe->st_ino && inode != 0;
}

/* A copy of everything, also of what a sanitizer keeps between variables. */
__attribute__((no_sanitize("address", "undefined"))) static void copy_raw(
	volatile unsigned long *to, const unsigned long *from, size_t len)
{
	for (size_t i = 0; i < len / sizeof(*to); i++)
		to[i] = from[i];
}

static int move_segment(const struct segment *s)
{
	size_t len = s->end - s->start;
	void *copy = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (copy == MAP_FAILED)
		return -errno;
	if (s->prot & PROT_READ)
		copy_raw(copy, (const unsigned long *)s->start, len);
	if (mprotect(copy, len, s->prot) < 0 ||
	    mremap(copy, len, len, MREMAP_MAYMOVE | MREMAP_FIXED, (void *)s->start) == MAP_FAILED)
		return -errno;
	return 0;
}

static int move_program(struct err *err)
{
	struct segment segments[32];
	AUTO_FREE char *text = NULL;
	size_t len = 0, n = 0;
	struct stat exe;
	AUTO_FD fd = open("/proc/self/maps", O_RDONLY | O_CLOEXEC);

	if (fd < 0 || stat("/proc/self/exe", &exe) < 0)
		return err_sys(err, errno, "look at our own program");
	if (fd_read_all(fd, 1u << 20, &text, &len, err) < 0)
		return -1;
	for (char *line = text; line && *line; line = strchr(line, '\n')) {
		line += *line == '\n';
		if (n < ARRAY_LEN(segments) && parse_line(line, &exe, &segments[n]))
			n++;
	}
	for (size_t i = 0; i < n; i++) {
		int r = move_segment(&segments[i]);

		if (r < 0)
			return err_sys(err, -r, "move our own program in memory");
	}
	return 0;
}

/* Fields 26 and on of /proc/self/stat, where the parts of the address space are. */
static int read_layout(struct prctl_mm_map *map, struct err *err)
{
	unsigned long v[53] = { 0 };
	AUTO_FREE char *text = NULL;
	size_t len = 0;
	AUTO_FD fd = open("/proc/self/stat", O_RDONLY | O_CLOEXEC);
	char *p;

	if (fd < 0)
		return err_sys(err, errno, "open '/proc/self/stat'");
	if (fd_read_all(fd, 4096, &text, &len, err) < 0)
		return -1;
	p = strrchr(text, ')');
	if (!p)
		return err_set(err, E_IO, "'/proc/self/stat' is not understood");
	p += 4; /* over ") S" */
	for (int field = 4; field <= 52; field++)
		v[field] = strtoul(p, &p, 10);
	*map = (struct prctl_mm_map){
		.start_code = v[26],
		.end_code = v[27],
		.start_stack = v[28],
		.start_data = v[45],
		.end_data = v[46],
		.start_brk = v[47],
		.brk = (unsigned long)sbrk(0),
		.arg_start = v[48],
		.arg_end = v[49],
		.env_start = v[50],
		.env_end = v[51],
	};
	return 0;
}

int hide_exe(struct err *err)
{
	struct prctl_mm_map map;
	AUTO_FD stage = stage_open(err);

	if (stage < 0 || read_layout(&map, err) < 0 || move_program(err) < 0)
		return -1;
	map.exe_fd = (uint32_t)stage;
	if (prctl(PR_SET_MM, PR_SET_MM_MAP, &map, sizeof(map), 0) < 0)
		return err_sys(err, errno, "hide our own program from the container");
	return 0;
}
