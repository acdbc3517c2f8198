#include "image/config-files.h"
#include "base/fd.h"
#include "base/xalloc.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>

#define FILES_MAX 1024

int config_file_read(const char *path, size_t max_bytes, char **ret, size_t *ret_len,
                     struct err *err)
{
	if (access(path, F_OK) < 0 && (errno == ENOENT || errno == ENOTDIR))
		return 0;
	return file_read_at(AT_FDCWD, path, max_bytes, ret, ret_len, err) < 0 ? -1 : 1;
}

static int by_name(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

int config_dir_list(const char *dir, const char *suffix, struct strv *ret, struct err *err)
{
	DIR *d = opendir(dir);
	struct dirent *entry;
	size_t tail = strlen(suffix), first = ret->len;

	if (!d)
		return errno == ENOENT || errno == ENOTDIR
		               ? 0
		               : err_sys(err, errno, "read the folder '%s'", dir);
	while ((entry = readdir(d)) && ret->len - first < FILES_MAX) {
		size_t len = strlen(entry->d_name);

		if (len > tail && strcmp(entry->d_name + len - tail, suffix) == 0)
			strv_addf(ret, "%s/%s", dir, entry->d_name);
	}
	closedir(d);
	if (ret->len - first == FILES_MAX)
		return err_set(err, E_LIMIT, "more than %d files in '%s'", FILES_MAX - 1, dir);
	if (ret->len > first)
		qsort(ret->items + first, ret->len - first, sizeof(*ret->items), by_name);
	return 0;
}

char *config_user_path(const char *name)
{
	const char *config = getenv("XDG_CONFIG_HOME"), *home = getenv("HOME");

	if (config && *config)
		return xasprintf("%s/%s", config, name);
	return home && *home ? xasprintf("%s/.config/%s", home, name) : NULL;
}
