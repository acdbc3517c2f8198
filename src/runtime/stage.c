/* Becoming stage/stage.c: see there for why. */
#include "runtime/internal.h"

#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#include "base/fd.h"
#include "base/xalloc.h"

#ifndef MFD_EXEC
#	define MFD_EXEC 0x0010U
#endif

static const unsigned char stage_program[] = {
#include "stage.inc"
};

int stage_open(struct err *err)
{
	int flags = MFD_CLOEXEC | MFD_ALLOW_SEALING;
	AUTO_FD fd = memfd_create("dhow-stage", (unsigned)flags | MFD_EXEC);

	if (fd < 0 && errno == EINVAL) /* before Linux 6.3 */
		fd = memfd_create("dhow-stage", (unsigned)flags);
	if (fd < 0)
		return err_sys(err, errno, "make a memory file");
	if (write(fd, stage_program, sizeof(stage_program)) != sizeof(stage_program) ||
	    fcntl(fd, F_ADD_SEALS, F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE) < 0)
		return err_sys(err, errno, "fill a memory file");
	return TAKE_FD(fd);
}

char **stage_argv(int report_fd, const char *exe, const struct strv *args)
{
	char **argv = xcalloc(args->len + 2, sizeof(*argv));

	argv[0] = xasprintf("%d %s", report_fd, exe);
	for (size_t i = 0; i < args->len; i++)
		argv[i + 1] = args->items[i];
	return argv;
}

void stage_exec(int stage_fd, char *const *argv, char *const *envp)
{
	syscall(SYS_execveat, stage_fd, "", argv, envp, AT_EMPTY_PATH);
	/* A profile that allows execve and not execveat. */
	if (errno == EPERM || errno == ENOSYS || errno == EACCES)
		execve(fd_path(stage_fd).s, argv, envp);
}
