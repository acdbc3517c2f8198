#include "base/helper.h"

#include <errno.h>
#include <limits.h>
#include <string.h>
#include <unistd.h>

#include "base/xalloc.h"

/* Relative to the directory of the running program. */
static const char *const places[] = {
	"",                /* side by side: a build tree, or both in bin */
	"../libexec/dhow", /* from bin to the helpers */
	"../../bin",       /* from a helper to the main program */
};

int helper_find(const char *name, char **ret_path, struct err *err)
{
	char dir[PATH_MAX];
	ssize_t len = readlink("/proc/self/exe", dir, sizeof(dir));
	char *slash;

	if (len < 0)
		return err_sys(err, errno, "read '/proc/self/exe'");
	if ((size_t)len >= sizeof(dir))
		return err_set(err, E_LIMIT, "the path of this program is too long");
	dir[len] = '\0';
	slash = strrchr(dir, '/');
	if (!slash)
		return err_set(err, E_INTERNAL, "'%s' is not an absolute path", dir);
	*slash = '\0';
	for (size_t i = 0; i < ARRAY_LEN(places); i++) {
		AUTO_FREE char *path =
			xasprintf("%s/%s%s%s", dir, places[i], places[i][0] ? "/" : "", name);

		if (access(path, X_OK) == 0) {
			*ret_path = TAKE_PTR(path);
			return 0;
		}
	}
	err_set(err, E_NOT_FOUND, "program '%s' is neither in '%s' nor in '%s/../libexec/dhow'",
	        name, dir, dir);
	return err_hint(err, "the installation is incomplete: run make, or make install");
}
