/* Weak bodies of what runtime and rootless do not have yet, so that the program links. Removed
 * as soon as they land. */
#include "runtime/runtime.h"

#define WEAK         __attribute__((weak))
#define PENDING(err) err_set((err), E_UNSUPPORTED, "the runtime is not built in yet")

WEAK void runtime_container_done(struct runtime_container *c)
{
}

WEAK int runtime_create(const struct runtime_create_args *args, struct runtime_container *ret,
                        struct err *err)
{
	return PENDING(err);
}

WEAK int runtime_exec(const struct runtime_exec_args *args, struct runtime_container *ret,
                      struct err *err)
{
	return PENDING(err);
}

WEAK int runtime_start(int state_root_fd, const char *id, int start_fd, struct err *err)
{
	return PENDING(err);
}

WEAK int runtime_state(int state_root_fd, const char *id, struct runtime_state *ret,
                       struct err *err)
{
	return PENDING(err);
}

WEAK void runtime_state_done(struct runtime_state *s)
{
}

WEAK int runtime_delete(int state_root_fd, const char *id, bool force, struct err *err)
{
	return 0;
}

WEAK int runtime_pause(int state_root_fd, const char *id, struct err *err)
{
	return PENDING(err);
}

WEAK int runtime_resume(int state_root_fd, const char *id, struct err *err)
{
	return PENDING(err);
}

WEAK int runtime_cgroup(const struct runtime_state *s, struct cgroup *ret, struct err *err)
{
	return PENDING(err);
}

WEAK int runtime_ps(int state_root_fd, const char *id, pid_t **ret_pids, size_t *ret_count,
                    struct err *err)
{
	return PENDING(err);
}
