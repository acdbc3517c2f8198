/* How much a directory holds. */
#include <dirent.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/fd.h"
#include "base/table.h"
#include "base/xalloc.h"
#include "engine/inspect-internal.h"

#define DEPTH_MAX 512

/* A file with several names that was counted. */
struct counted {
	ino_t ino;
	UT_hash_handle hh;
};

static bool is_first(struct counted **seen, ino_t ino)
{
	struct counted *c;

	HASH_FIND(hh, *seen, &ino, sizeof(ino), c);
	if (c)
		return false;
	c = xcalloc(1, sizeof(*c));
	c->ino = ino;
	HASH_ADD(hh, *seen, ino, sizeof(ino), c);
	return true;
}

/* Takes fd. */
static uint64_t tree_size(int fd, dev_t dev, struct counted **seen, unsigned depth)
{
	DIR *dir = fdopendir(fd);
	struct dirent *entry;
	uint64_t sum = 0;

	if (!dir) {
		close(fd);
		return 0;
	}
	while ((entry = readdir(dir))) {
		struct stat st;
		int child;

		if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0 ||
		    fstatat(dirfd(dir), entry->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0)
			continue;
		if (S_ISREG(st.st_mode) && (st.st_nlink == 1 || is_first(seen, st.st_ino)))
			sum += (uint64_t)st.st_size;
		if (!S_ISDIR(st.st_mode) || depth >= DEPTH_MAX || st.st_dev != dev)
			continue;
		child = openat(dirfd(dir), entry->d_name,
		               O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		if (child >= 0)
			sum += tree_size(child, dev, seen, depth + 1);
	}
	closedir(dir);
	return sum;
}

uint64_t inspect_tree_size(int dir_fd, const char *name)
{
	int fd = openat(dir_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	struct counted *seen = NULL, *c, *next;
	struct stat st;
	uint64_t sum;

	if (fd < 0)
		return 0;
	if (fstat(fd, &st) < 0) {
		close(fd);
		return 0;
	}
	sum = tree_size(fd, st.st_dev, &seen, 0);
	HASH_ITER(hh, seen, c, next) {
		HASH_DEL(seen, c);
		free(c);
	}
	return sum;
}
