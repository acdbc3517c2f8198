/* Honest bodies of what the layers below are still writing; compiled only while a file is missing
 * (see meson.build), and gone when all are there. */
#include "engine/cp.h"
#include "engine/log-read.h"
#include "engine/rootless.h"
#include "engine/top.h"
#include "engine/volumes.h"
#include "sys/cgroup.h"

#include <errno.h>

#define PENDING(name) return err_set(err, E_UNSUPPORTED, name " is not available yet")

#ifdef PENDING_CP
int container_cp(struct engine *e, const struct cp_args *args, struct err *err)
{
	PENDING("cp");
}
#endif
#ifdef PENDING_LOGS
int container_logs(struct engine *e, const char *ref, const struct logs_args *args, struct err *err)
{
	PENDING("logs");
}
int log_time_parse(const char *text, int64_t now_ns, int64_t *ret_ns)
{
	return -EINVAL;
}
#endif
#ifdef PENDING_TOP
int container_top(struct engine *e, const char *ref, const struct strv *ps_args,
                  struct top_table *ret, struct err *err)
{
	PENDING("top");
}
void top_table_done(struct top_table *t)
{
}
#endif
#ifdef PENDING_ROOTLESS
bool rootless_is(void)
{
	return geteuid() != 0;
}
int rootless_enter(const char *runroot, struct err *err)
{
	return 0;
}
#endif
#ifdef PENDING_VOLUMES
void volume_done(struct volume *v)
{
}
void volume_list_done(struct volume_list *list)
{
}
int volume_create(int root_fd, const char *name, const struct strv *labels, char **ret_name,
                  bool *ret_created, struct err *err)
{
	PENDING("volume create");
}
int volume_get(int root_fd, const char *root_path, const char *name, struct volume *ret,
               struct err *err)
{
	return err_set(err, E_NOT_FOUND, "no such volume '%s'", name);
}
int volume_list(int root_fd, const char *root_path, struct volume_list *ret, struct err *err)
{
	PENDING("volume ls");
}
int volume_rm(struct engine *e, const char *name, bool force, struct err *err)
{
	PENDING("volume rm");
}
int volume_prune(struct engine *e, bool all, struct strv *ret_removed, struct err *err)
{
	PENDING("volume prune");
}
#endif
#ifdef PENDING_CGROUP
const struct cgroup_layout *cgroup_layout_get(void)
{
	static const struct cgroup_layout none;

	return &none;
}
const char *cgroup_controller_name(enum cgroup_controller c, bool v2)
{
	return "";
}
#endif
