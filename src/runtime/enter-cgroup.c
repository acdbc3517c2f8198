/* How a new process gets into its v1 cgroups: by itself, through files that the caller opened.
 * Being moved by the caller would cost a grace period of the kernel (sys/cgroup.h, cgroup_doors).
 */
#include "runtime/internal.h"

#include <errno.h>

#include "base/fd.h"

_Static_assert(CGROUP_MAX <= SYNC_FDS_MAX, "all doors go into one message");

int cgroup_send(int sync_fd, struct cgroup *cg, unsigned controllers, struct err *err)
{
	int doors[CGROUP_MAX], n = cgroup_doors(cg, controllers, doors, err), r;

	if (n < 0)
		return -1;
	r = sync_send_fds(sync_fd, 'c', doors, (size_t)n);
	while (n > 0)
		close(doors[--n]);
	/* That the process is gone is no error here: its last message says why. */
	if (r == 0 || r == -EPIPE || r == -ECONNRESET)
		return 0;
	return err_sys(err, -r, "send to the new process");
}

int cgroup_receive(int child_sync_fd, struct err *err)
{
	int doors[SYNC_FDS_MAX], r = 0;
	size_t n = ARRAY_LEN(doors);

	if (sync_expect_fds(child_sync_fd, 'c', doors, &n, err) < 0)
		return -1;
	for (size_t i = 0; i < n; i++) {
		if (r == 0)
			r = cgroup_enter(doors[i]);
		close(doors[i]);
	}
	return r < 0 ? err_sys(err, -r, "enter the container's cgroup") : 0;
}
